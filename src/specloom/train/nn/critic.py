"""Critics that learn to tell sound that was made from sound that was recorded, for adversarial training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from specloom.train.nn.spectrum import windowed_magnitude

# 80 dB below the loudest: what logarithms begin at.
_FLOOR = 1e-4


class Verdict(NamedTuple):
    """What a critic says of each place ``(batch, 1, n_frames, n_bands)``, positive for recorded; and what it saw."""

    said: Tensor
    seen: list[Tensor]


class SpectralCritic(nn.Module):
    """Looks at the logarithm of the magnitudes at one resolution, below the loudest of the piece.

    Parameters
    ----------
    n_fft : int
        The hop is a quarter.
    channels : int

    Notes
    -----
    Jang et al., "UnivNet", Interspeech 2021. Law: level does not matter (``tests/train/test_inversion.py``).
    """

    window: Tensor

    def __init__(self, n_fft: int, *, channels: int = 16) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.layers = nn.ModuleList(
            [
                weight_norm(nn.Conv2d(1, channels, (3, 7), stride=(1, 2), padding=(1, 3))),
                weight_norm(nn.Conv2d(channels, channels, (3, 5), stride=(1, 2), padding=(1, 2))),
                weight_norm(nn.Conv2d(channels, 2 * channels, (3, 5), stride=(1, 2), padding=(1, 2))),
                weight_norm(nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)),
            ]
        )
        self.leave = weight_norm(nn.Conv2d(2 * channels, 1, 3, padding=1))

    def forward(self, samples: Tensor) -> Verdict:
        """``(batch, n_samples)`` -> `Verdict`."""
        magnitude = windowed_magnitude(samples, self.window).transpose(1, 2)
        loudest = magnitude.amax((1, 2), keepdim=True).clamp_min(1e-5)
        x = (0.22 * torch.log(magnitude / loudest + _FLOOR) + 0.8).unsqueeze(1)
        seen = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            seen.append(x)
        return Verdict(said=self.leave(x), seen=seen)


class Critics(nn.Module):
    """One `SpectralCritic` for each resolution."""

    def __init__(self, n_ffts: Sequence[int]) -> None:
        super().__init__()
        self.each = nn.ModuleList(SpectralCritic(n_fft) for n_fft in n_ffts)

    def forward(self, samples: Tensor) -> list[Verdict]:
        """``(batch, n_samples)`` -> a verdict from each."""
        return [critic(samples) for critic in self.each]
