"""STOI as a loss: how well the course of every band over 0.4 s follows that of the clean speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SAMPLE_RATE = 16_000
_WIN_LENGTH, _HOP_LENGTH, _N_FFT = 410, 205, 1024
_N_BANDS, _LOWEST_HZ = 15, 150.0
_SEGMENT_FRAMES = 30
_SEGMENT_HOP = 6
_RANGE_DB = 40.0
_LEAST_CORRECTION = 1 + 10 ** (15 / 20)


class IntelligibilityLoss(nn.Module):
    """``1 - STOI``, differentiable: 0 for the clean speech itself, about 0.5 where hardly a word is understood.

    Frames of 25.6 ms, third octaves from 150 Hz, and in every stretch of 384 ms and every band the correlation of the
    envelope with that of the clean speech; frames in which nobody speaks do not count.

    Differs from STOI: at 16 kHz instead of 10 kHz (the bands are the same), silent frames are left out of the envelope
    instead of the samples, and a stretch begins at every sixth frame instead of every one, for speed. Law: within 0.03
    of ``metrics.stoi_score`` on noisy speech (``tests/train/test_losses.py``).

    Notes
    -----
    Taal, Hendriks, Heusdens and Jensen, "An algorithm for intelligibility prediction of time-frequency weighted noisy
    speech", IEEE TASLP 2011. As a loss: Fu et al., "End-to-end waveform utterance enhancement for direct evaluation
    metrics optimization", IEEE/ACM TASLP 2018.
    """

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_WIN_LENGTH + 2, periodic=False)[1:-1], persistent=False)
        self.register_buffer("bands", _third_octaves(), persistent=False)

    def forward(self, estimate: Tensor, clean: Tensor) -> Tensor:
        """``estimate, clean (batch, n_samples)`` at 16 kHz -> the loss of every item, ``(batch,)``.

        Items with less than 384 ms of speech have the loss 0.
        """
        wanted, loudness = self._envelopes(clean)
        found, _ = self._envelopes(estimate)
        spoken = loudness > loudness.amax(1, keepdim=True) * 10 ** (-_RANGE_DB / 10)
        # Frames in which somebody speaks come first, in their order; the others are not looked at.
        order = spoken.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[..., None].expand_as(wanted)
        found, wanted = (one.gather(1, order) for one in (found, wanted))
        likeness = _correlations(found, wanted)
        first = torch.arange(likeness.shape[1], device=clean.device) * _SEGMENT_HOP
        whole = first + _SEGMENT_FRAMES <= spoken.sum(1, keepdim=True)
        lost = ((1 - likeness.mean(-1)) * whole).sum(1)
        return lost / whole.sum(1).clamp(min=1)

    def _envelopes(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Envelope per band ``(batch, n_frames, 15)``, and the power of every frame."""
        spec = torch.stft(
            audio, _N_FFT, _HOP_LENGTH, _WIN_LENGTH, window=self.window, center=False, return_complex=True
        )
        power = (spec.real.square() + spec.imag.square()).transpose(1, 2)
        return (power @ self.bands + 1e-10).sqrt(), power.sum(-1)


def _correlations(found: Tensor, wanted: Tensor) -> Tensor:
    """Envelopes ``(batch, n_frames, 15)`` -> how alike they are in every stretch: ``(batch, n_stretches, 15)``."""
    if found.shape[1] < _SEGMENT_FRAMES:
        return found[:, :0]
    found, wanted = (one.unfold(1, _SEGMENT_FRAMES, _SEGMENT_HOP) for one in (found, wanted))
    found = found * (wanted.norm(dim=-1, keepdim=True) / (found.norm(dim=-1, keepdim=True) + 1e-8))
    found = torch.minimum(found, _LEAST_CORRECTION * wanted)
    found, wanted = (one - one.mean(-1, keepdim=True) for one in (found, wanted))
    sizes = (found.square().sum(-1) + 1e-12).sqrt() * (wanted.square().sum(-1) + 1e-12).sqrt()
    return (found * wanted).sum(-1) / sizes


def _third_octaves() -> Tensor:
    """``(513, 15)``: which bin belongs to which third of an octave."""
    frequencies_hz = torch.arange(_N_FFT // 2 + 1) * (_SAMPLE_RATE / _N_FFT)
    centres_hz = _LOWEST_HZ * 2 ** (torch.arange(_N_BANDS) / 3)
    low, high = centres_hz * 2 ** (-1 / 6), centres_hz * 2 ** (1 / 6)
    return ((frequencies_hz[:, None] >= low) & (frequencies_hz[:, None] < high)).float()
