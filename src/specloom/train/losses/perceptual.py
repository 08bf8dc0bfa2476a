"""PESQ's model of hearing as a loss: how much louder or softer than the clean speech every band sounds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Tables of ITU-T P.862 (2001) for 16 kHz: 49 bands of the Bark scale over the 256 lowest bins of a 512-point spectrum.
_BINS_PER_BAND = (
    [1] * 8
    + [2]
    + [1] * 5
    + [2, 1, 1]
    + [2] * 8
    + [3] * 4
    + [4, 3, 4, 5, 4, 5, 6, 6, 7, 8, 9, 9, 12, 12, 15, 16, 18, 21, 25, 20]
)
_BAND_CENTRE_BARK = (
    0.078672, 0.316341, 0.636559, 0.961246, 1.290450, 1.624217, 1.962597, 2.305636, 2.653383, 3.005889,
    3.363201, 3.725371, 4.092449, 4.464486, 4.841533, 5.223642, 5.610866, 6.003256, 6.400869, 6.803755,
    7.211971, 7.625571, 8.044611, 8.469146, 8.899232, 9.334927, 9.776288, 10.223374, 10.676242, 11.134952,
    11.599563, 12.070135, 12.546731, 13.029408, 13.518232, 14.013264, 14.514566, 15.022202, 15.536238, 16.056736,
    16.583761, 17.117382, 17.657663, 18.204674, 18.758478, 19.319147, 19.886751, 20.461355, 21.043034,
)  # fmt: skip
_BAND_WIDTH_BARK = (
    0.157344, 0.317994, 0.322441, 0.326934, 0.331474, 0.336061, 0.340697, 0.345381, 0.350114, 0.354897,
    0.359729, 0.364611, 0.369544, 0.374529, 0.379565, 0.384653, 0.389794, 0.394989, 0.400236, 0.405538,
    0.410894, 0.416306, 0.421773, 0.427297, 0.432877, 0.438514, 0.444209, 0.449962, 0.455774, 0.461645,
    0.467577, 0.473569, 0.479621, 0.485736, 0.491912, 0.498151, 0.504454, 0.510819, 0.517250, 0.523745,
    0.530308, 0.536934, 0.543629, 0.550390, 0.557220, 0.564119, 0.571085, 0.578125, 0.585232,
)  # fmt: skip
_POWER_CORRECTION = (
    100.000000, 99.999992, 100.000000, 100.000008, 100.000008, 100.000015, 99.999992, 99.999969, 50.000027, 100.000000,
    99.999969, 100.000015, 99.999947, 100.000061, 53.047077, 110.000046, 117.991989, 65.000000, 68.760147, 69.999931,
    71.428818, 75.000038, 76.843384, 80.968781, 88.646126, 63.864388, 68.155350, 72.547775, 75.584831, 58.379192,
    80.950836, 64.135651, 54.384785, 73.821884, 64.437073, 59.176456, 65.521278, 61.399822, 58.144047, 57.004543,
    64.126297, 54.311001, 61.114979, 55.077751, 56.849335, 55.628868, 53.137054, 54.985844, 79.546974,
)  # fmt: skip
_HEARING_THRESHOLD = (
    51286152.0, 2454709.5, 70794.593750, 4897.788574, 1174.897705, 389.045166, 104.712860, 45.708820, 17.782795,
    9.772372, 4.897789, 3.090296, 1.905461, 1.258925, 0.977237, 0.724436, 0.562341, 0.457088, 0.389045, 0.331131,
    0.295121, 0.269153, 0.257040, 0.251189, 0.251189, 0.251189, 0.251189, 0.263027, 0.288403, 0.309030, 0.338844,
    0.371535, 0.398107, 0.436516, 0.467735, 0.489779, 0.501187, 0.501187, 0.512861, 0.524807, 0.524807, 0.524807,
    0.512861, 0.478630, 0.426580, 0.371535, 0.363078, 0.416869, 0.537032,
)  # fmt: skip
_POWER_SCALE, _LOUDNESS_SCALE, _ZWICKER_POWER = 6.910853e-6, 1.866055e-1, 0.23
_LISTENING_POWER = 1e7
_N_FFT, _HOP_LENGTH, _SAMPLE_RATE = 512, 256, 16000


class PerceptualLoss(nn.Module):
    """The disturbance that PESQ measures, differentiable: 0 for the clean speech itself, about 3.5 for the worst.

    Both sounds are brought to one listening level, seen in Bark bands, evened out for slow differences that nobody
    minds, and turned into loudness; what was added counts more than what was left out. The loss is
    ``0.1 symmetric + 0.0309 asymmetric`` disturbance, what P.862 takes off its best score of 4.5.

    Differs from P.862: nothing is aligned in time (a mask moves nothing), the filters act on the spectrum, and the
    silence between utterances is not cut out. Law: follows ``metrics.pesq_score`` in rank on noisy speech
    (``tests/train/test_losses.py``).

    Notes
    -----
    ITU-T P.862 and P.862.2. As a loss: Martín-Doñas et al., "A deep learning loss function based on the perceptual
    evaluation of the speech quality", IEEE SPL 2018.
    """

    bands: Tensor
    threshold: Tensor
    exponent: Tensor
    width: Tensor
    level_weights: Tensor
    filter_gain: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        frequencies_hz = torch.arange(_N_FFT // 2 + 1) * (_SAMPLE_RATE / _N_FFT)
        self.register_buffer("bands", _band_matrix(), persistent=False)
        self.register_buffer("threshold", torch.tensor(_HEARING_THRESHOLD), persistent=False)
        centre = torch.tensor(_BAND_CENTRE_BARK)
        self.register_buffer("exponent", (6 / (centre + 2)).clamp(1, 2) ** 0.15 * _ZWICKER_POWER, persistent=False)
        self.register_buffer("width", torch.tensor(_BAND_WIDTH_BARK), persistent=False)
        self.register_buffer("level_weights", _telephone_band(frequencies_hz), persistent=False)
        self.register_buffer("filter_gain", _wideband_filter(frequencies_hz), persistent=False)
        self.register_buffer("window", torch.hann_window(_N_FFT), persistent=False)

    def forward(self, estimate: Tensor, clean: Tensor) -> Tensor:
        """``estimate, clean (batch, n_samples)`` at 16 kHz -> the loss of every item, ``(batch,)``."""
        degraded, reference = self._heard(estimate), self._heard(clean)
        audible = self._audible(reference, 100.0).sum(-1) >= 1e7
        reference = reference * self._slow_difference(degraded, reference, audible)
        degraded = degraded * self._gain_per_frame(degraded, reference)
        disturbance = _beyond_dead_zone(self._loudness(degraded), self._loudness(reference))
        added = ((degraded + 50) / (reference + 50)) ** 1.2
        added = torch.where(added < 3, torch.zeros_like(added), added.clamp(max=12))
        per_frame = ((self._audible(reference, 1.0).sum(-1) + 1e5) / 1e7) ** 0.04
        symmetric = (self._over_bands(disturbance, 2) / per_frame).clamp(max=45)
        asymmetric = (self._over_bands(disturbance * added, 1) / per_frame).clamp(max=45)
        return 0.1 * _over_time(symmetric) + 0.0309 * _over_time(asymmetric)

    def _heard(self, audio: Tensor) -> Tensor:
        """Power per band, ``(batch, n_frames, 49)``, of the sound at the listening level."""
        spec = torch.stft(audio, _N_FFT, _HOP_LENGTH, window=self.window, center=False, return_complex=True)
        power = (spec.real.square() + spec.imag.square()).transpose(1, 2)
        # Parseval: the mean square of the samples that passed the telephone band.
        level = (power * self.level_weights).sum(-1).mean(-1) * (2 / (_N_FFT * self.window.square().sum()))
        power = power * (_LISTENING_POWER / (level + 1e-12))[:, None, None]
        return (power * self.filter_gain) @ self.bands

    def _audible(self, power: Tensor, factor: float) -> Tensor:
        return power * (power > factor * self.threshold)

    def _slow_difference(self, degraded: Tensor, reference: Tensor, audible: Tensor) -> Tensor:
        """What a different frequency response explains, ``(batch, 1, 49)``: nobody minds that much."""
        heard = audible[..., None]
        mean_degraded = (self._audible(degraded, 100.0) * heard).mean(1)
        mean_reference = (self._audible(reference, 100.0) * heard).mean(1)
        return ((mean_degraded + 1000) / (mean_reference + 1000)).clamp(0.01, 100)[:, None, :]

    def _gain_per_frame(self, degraded: Tensor, reference: Tensor) -> Tensor:
        ratio = (self._audible(reference, 1.0).sum(-1) + 5e3) / (self._audible(degraded, 1.0).sum(-1) + 5e3)
        before = torch.cat([ratio[:, :1], ratio[:, :-1]], dim=1)
        return (0.8 * ratio + 0.2 * before).clamp(3e-4, 5)[..., None]

    def _loudness(self, power: Tensor) -> Tensor:
        relative = (power / self.threshold).clamp(min=1)
        louder = (0.5 + 0.5 * relative) ** self.exponent - 1
        return _LOUDNESS_SCALE * (2 * self.threshold) ** self.exponent * louder

    def _over_bands(self, disturbance: Tensor, norm: int) -> Tensor:
        total = self.width[1:].sum()
        weighted = (self.width * disturbance.abs())[..., 1:] / total ** (1 / norm)
        # A norm at exactly zero has no slope; a trace of disturbance gives it one.
        return total * ((weighted + 1e-6) ** norm).sum(-1) ** (1 / norm)


def _over_time(disturbance: Tensor) -> Tensor:
    """The sixth power over 320 ms, where one loud moment decides, then the square over the whole: ``(batch,)``."""
    stretch = min(20, disturbance.shape[1])
    stretches = disturbance.unfold(1, stretch, max(stretch // 2, 1))
    return ((stretches + 1e-4) ** 6).mean(-1).pow(1 / 3).mean(-1).sqrt()


def _beyond_dead_zone(degraded: Tensor, reference: Tensor) -> Tensor:
    """The difference of loudness, without the quarter of it that is masked."""
    difference = degraded - reference
    hidden = 0.25 * torch.minimum(degraded, reference)
    return difference.sign() * (difference.abs() - hidden).clamp(min=0)


def _band_matrix() -> Tensor:
    """``(257, 49)``: sums the power of the bins of every band, with P.862's scale."""
    bands = torch.zeros(_N_FFT // 2 + 1, len(_BINS_PER_BAND))
    first = 0
    for band, n_bins in enumerate(_BINS_PER_BAND):
        bands[first : first + n_bins, band] = _POWER_CORRECTION[band] * _POWER_SCALE
        first += n_bins
    bands[0] = 0
    return bands


def _telephone_band(frequencies_hz: Tensor) -> Tensor:
    """Power response of the band-pass, 325 to 3250 Hz, in which the level is measured."""
    return ((frequencies_hz > 325) & (frequencies_hz < 3250)).float()


def _wideband_filter(frequencies_hz: Tensor) -> Tensor:
    """Power response of P.862.2's input filter (a high-pass at about 100 Hz)."""
    z = torch.exp(-2j * torch.pi * frequencies_hz / _SAMPLE_RATE)
    response = (2.740826 - 5.4816519 * z + 2.740826 * z**2) / (1 - 1.9444777 * z + 0.94597794 * z**2)
    return response.abs().square()
