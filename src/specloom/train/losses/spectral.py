"""Losses on compressed spectra: as loudness grows, not as power does."""

from __future__ import annotations

from torch import Tensor


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
