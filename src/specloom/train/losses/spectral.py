"""Losses on compressed spectra: as loudness grows, not as power does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from specloom.train.nn.spectrum import windowed_magnitude


def compressed_spectral_loss(
    estimate: Tensor, clean: Tensor, *, exponent: float = 0.3, complex_share: float = 0.3, lost_speech: float = 0.0
) -> Tensor:
    """Squared error of the compressed magnitudes and of the compressed complex spectra, ``(batch,)``.

    Parameters
    ----------
    estimate, clean
        ``(batch, n_frames, n_bins, 2)``, last axis real and imaginary.
    exponent
        Of the magnitude.
    complex_share
        Weight of the complex error; the rest is the magnitudes'.
    lost_speech
        Further weight of the magnitude that is missing from the estimate, against over-suppression.

    Notes
    -----
    Braun and Tashev 2020; the asymmetric term: Eskimez et al., "Human listening and live captioning", 2021.
    """
    estimate_size, estimate_squeezed = _compressed(estimate, exponent)
    clean_size, clean_squeezed = _compressed(clean, exponent)
    missing = clean_size - estimate_size
    loss = (1 - complex_share) * missing.square().mean((1, 2))
    loss = loss + complex_share * (estimate_squeezed - clean_squeezed).square().sum(-1).mean((1, 2))
    if lost_speech:
        loss = loss + lost_speech * missing.clamp(min=0).square().mean((1, 2))
    return loss


def _compressed(spec: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
    power = spec.square().sum(-1) + 1e-8
    return power ** (exponent / 2), spec * (power ** ((exponent - 1) / 2))[..., None]


class ResolutionsLoss(nn.Module):
    """Differences of magnitudes at several resolutions, on a logarithmic and on a compressed scale.

    Nothing is said about phases, which are free: only what they do to the magnitudes of other frames counts.

    Parameters
    ----------
    n_ffts : sequence of int
        Transform lengths; the hop is a quarter.
    floor : float
        What logarithms begin at, below the loudest magnitude of an item.

    Notes
    -----
    Yamamoto et al., "Parallel WaveGAN", ICASSP 2020. Law: 0 for the sound itself, the same for both at another level.
    """

    def __init__(self, n_ffts: Sequence[int] = (512, 1024, 2048), *, floor: float = 1e-4) -> None:
        super().__init__()
        self._n_ffts, self._floor = tuple(n_ffts), floor
        for n_fft in self._n_ffts:
            self.register_buffer(f"window{n_fft}", torch.hann_window(n_fft), persistent=False)

    def forward(self, estimate: Tensor, clean: Tensor) -> Tensor:
        """``estimate, clean (batch, n_samples)`` -> ``(batch,)``."""
        total = torch.zeros(len(clean), device=clean.device)
        for n_fft in self._n_ffts:
            window = getattr(self, f"window{n_fft}")
            found, wanted = (windowed_magnitude(one, window) for one in (estimate, clean))
            total = total + log_and_loudness_error(found, wanted, floor=self._floor)
        return total / len(self._n_ffts)


def log_and_loudness_error(found: Tensor, wanted: Tensor, *, floor: float = 1e-4) -> Tensor:
    """Mean absolute differences of magnitudes, ``(batch, ...)`` -> ``(batch,)``: of logarithms and of cube roots.

    Logarithms count every bin alike, cube roots (as loudness grows) the loud ones more. Both are taken of the share in
    the loudest wanted magnitude of the item, and ``floor`` is added before.
    """
    loudest = wanted.flatten(1).amax(1).clamp_min(1e-8).view(-1, *[1] * (wanted.ndim - 1))
    found, wanted = (one / loudest + floor for one in (found, wanted))
    logs = (found.log() - wanted.log()).abs().flatten(1).mean(1)
    roots = (found ** (1 / 3) - wanted ** (1 / 3)).abs().flatten(1).mean(1)
    return logs + 10.0 * roots
