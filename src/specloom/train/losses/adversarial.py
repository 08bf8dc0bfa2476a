"""Losses between a network that makes sound and critics that tell it from recordings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from specloom.train.nn.critic import Verdict


def critics_loss(recorded: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """What critics learn by: what was recorded is to be above 1, what was made below -1 (hinge).

    Notes
    -----
    Lim and Ye, "Geometric GAN", 2017. Law: 0 for critics that tell both apart by that much, 2 for each that says
    nothing (``tests/train/test_inversion.py``).
    """
    losses = [F.relu(1.0 - one.said).mean() + F.relu(1.0 + two.said).mean() for one, two in zip(recorded, made)]
    return torch.stack(losses).sum()


def doubt_loss(made: Sequence[Verdict]) -> Tensor:
    """What a network learns by from critics: that they take what it made for recorded."""
    return torch.stack([-verdict.said.mean() for verdict in made]).sum()


def seen_loss(recorded: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """How differently critics see both, layer by layer, as a share of what they see of the recorded.

    Notes
    -----
    Kumar et al., "MelGAN", NeurIPS 2019. Law: 0 for the same sound (``tests/train/test_inversion.py``).
    """
    shares = [
        torch.stack([(a - b).abs().mean() / (a.abs().mean() + 1e-3) for a, b in zip(one.seen, two.seen)]).mean()
        for one, two in zip(recorded, made)
    ]
    return torch.stack(shares).sum()
