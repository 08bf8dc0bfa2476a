"""Losses on samples."""

from __future__ import annotations

import torch
from torch import Tensor


def negative_si_sdr_db(estimate: Tensor, clean: Tensor, *, most_db: float = 30.0) -> Tensor:
    """Minus the scale-invariant signal-to-distortion ratio in dB, ``(batch,)``, flattening out near ``-most_db``.

    Without a bound, the clips that are clean already would decide the training. Le Roux et al., "SDR: half-baked or
    well done?", 2019; the soft bound: Wisdom et al., "Unsupervised sound separation using mixture invariant
    training", 2020.
    """
    estimate = estimate - estimate.mean(-1, keepdim=True)
    clean = clean - clean.mean(-1, keepdim=True)
    scale = (estimate * clean).sum(-1, keepdim=True) / (clean.square().sum(-1, keepdim=True) + 1e-8)
    target = scale * clean
    signal = target.square().sum(-1)
    distortion = (estimate - target).square().sum(-1)
    least = 10 ** (-most_db / 10)
    return 10 * torch.log10((distortion + least * signal + 1e-8) / (signal + 1e-8))


def negative_snr_db(estimate: Tensor, clean: Tensor, *, most_db: float = 30.0) -> Tensor:
    """Minus the signal-to-noise ratio in dB, ``(batch,)``, flattening out near ``-most_db``.

    Unlike `negative_si_sdr_db` it holds the level: a network that is free to choose it makes speech softer, for a mask
    of bounded size then reaches further.
    """
    signal, error = clean.square().sum(-1), (estimate - clean).square().sum(-1)
    least = 10 ** (-most_db / 10)
    return 10 * torch.log10((error + least * signal + 1e-8) / (signal + 1e-8))
