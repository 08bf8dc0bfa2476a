"""A small network from samples to samples (row B2): learned filters, a temporal convolutional network, a mask on them.

It is of the family of Conv-TasNet with two changes for small data and few minutes: the filters come in pairs whose
modulus the network sees, and they begin as a Fourier analysis that its synthesis inverts, so the untrained network
already gives back what it hears. Everything is learned from there, the filters too. There is no norm over time but
BatchNorm, whose numbers are fixed after training, and no padding inside: what comes out depends on a finite stretch of
samples, and on that alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from specloom.errors import ParameterError

_POWER_FLOOR = 1e-6


class WaveformEnhancer(nn.Module):
    """Noisy samples to clean samples.

    Parameters
    ----------
    hop_samples : int
        From frame to frame of the learned filters, which are twice as long.
    channels : int
        Of the temporal convolutional network.
    dilations : sequence of int
        One block of three taps for each; they reach ``2 * sum(dilations)`` frames.
    ahead_frames : int
        How many of these lie in the future.
    gain_bias : float
        Where the mask begins, before its sigmoid.

    Attributes
    ----------
    left_samples, right_samples : int
        What the input has to hold beside the samples that come out.

    Raises
    ------
    ParameterError
        For numbers that make no network.

    Notes
    -----
    Law (tests/train/test_waveform.py): blocks give the same samples as the whole.

    References
    ----------
    Luo, Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech separation", IEEE/ACM
    TASLP 27(8), 2019. Pariente, Cornell, Deleforge, Vincent, "Filterbank design for end-to-end speech separation",
    ICASSP 2020 (pairs of filters and their modulus).
    """

    def __init__(
        self,
        *,
        hop_samples: int = 256,
        channels: int = 192,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 1, 2, 4),
        ahead_frames: int = 2,
        gain_bias: float = 1.5,
    ) -> None:
        super().__init__()
        _require(hop_samples=hop_samples, channels=channels, dilations=list(dilations), ahead_frames=ahead_frames)
        self.hop_samples, self.ahead_frames = hop_samples, ahead_frames
        self.past_frames = 2 * sum(dilations) - ahead_frames
        self.n_pairs = hop_samples + 1
        self.encoder = nn.Conv1d(1, 2 * self.n_pairs, 2 * hop_samples, stride=hop_samples, bias=False)
        self.decoder = nn.ConvTranspose1d(2 * self.n_pairs, 1, 2 * hop_samples, stride=hop_samples, bias=False)
        _start_as_fourier(self.encoder.weight, self.decoder.weight)
        self.enter = nn.Sequential(nn.BatchNorm1d(self.n_pairs), nn.Conv1d(self.n_pairs, channels, 1))
        self.blocks = nn.ModuleList(_Block(channels, dilation) for dilation in dilations)
        self.leave = nn.Conv1d(channels, 2 * self.n_pairs, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(_bias(self.leave), gain_bias)

    @property
    def left_samples(self) -> int:
        """Samples that are needed before the first one that comes out."""
        return (self.past_frames + 1) * self.hop_samples

    @property
    def right_samples(self) -> int:
        """Samples that are needed after the last one that comes out."""
        return (self.ahead_frames + 1) * self.hop_samples

    def forward(self, samples: Tensor) -> Tensor:
        """``(batch, left_samples + n_samples + right_samples)`` to ``(batch, n_samples)``."""
        filtered = self.encoder(samples.unsqueeze(1))
        power = filtered[:, : self.n_pairs].square() + filtered[:, self.n_pairs :].square()
        seen = self.enter(torch.log10(power + _POWER_FLOOR))
        for block in self.blocks:
            seen = block(seen)
        kept = filtered[:, :, self.past_frames : filtered.shape[2] - self.ahead_frames]
        heard = self.decoder(torch.sigmoid(self.leave(seen)) * kept)
        # The first and the last hop have only one of their two frames.
        inner: Tensor = heard[:, 0, self.hop_samples : heard.shape[2] - self.hop_samples]
        return inner


class _Block(nn.Module):
    """A dilated convolution of three taps, added to what it saw; without padding, so two dilations shorter."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, dilation=dilation), nn.BatchNorm1d(channels), nn.PReLU(channels)
        )

    def forward(self, seen: Tensor) -> Tensor:
        found: Tensor = self.layers(seen)
        return found + seen[:, :, self.cut :]


@torch.no_grad()
def _start_as_fourier(analysis: Tensor, synthesis: Tensor) -> None:
    """Cosines and sines under a root-Hann window; half overlapped, synthesis of analysis is the sound itself."""
    n_taps = analysis.shape[-1]
    time = torch.arange(n_taps, dtype=torch.float64)
    window = torch.sin(math.pi * time / n_taps)
    angle = 2.0 * math.pi / n_taps * torch.arange(n_taps // 2 + 1, dtype=torch.float64)[:, None] * time
    waves = torch.cat((torch.cos(angle), -torch.sin(angle))) * window
    once = torch.full((n_taps // 2 + 1, 1), 2.0, dtype=torch.float64)
    once[0], once[-1] = 1.0, 1.0
    analysis.copy_(waves[:, None])
    synthesis.copy_((waves * torch.cat((once, once)) / n_taps)[:, None])


def _bias(layer: nn.Conv1d) -> Tensor:
    if layer.bias is None:
        raise ParameterError("this layer was built without an offset")
    return layer.bias


def _require(*, hop_samples: int, channels: int, dilations: list[int], ahead_frames: int) -> None:
    if hop_samples < 1 or channels < 1:
        raise ParameterError(f"hop_samples={hop_samples}, channels={channels}: at least 1 is needed")
    if not dilations or min(dilations) < 1:
        raise ParameterError(f"dilations={dilations}: one block at least is needed, and dilations of at least 1")
    if not 0 <= ahead_frames <= 2 * sum(dilations):
        raise ParameterError(
            f"ahead_frames={ahead_frames}: these dilations reach {2 * sum(dilations)} frames; 0 to that is allowed"
        )
