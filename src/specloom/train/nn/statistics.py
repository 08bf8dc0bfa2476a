"""Batch normalisation of averaged weights: what it remembers has to be measured anew."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Network = TypeVar("Network", bound=nn.Module)


def with_own_statistics(network: Network, inputs: Iterable[Sequence[Tensor]]) -> Network:
    """A copy of a network whose batch normalisation fits its weights; see `remember_statistics`.

    Recipes evaluate and export this copy of ``state.evaluated(name)``, and the state stays as it is.
    """
    settled = copy.deepcopy(network)
    remember_statistics(settled, inputs)
    return settled


def remember_statistics(network: nn.Module, inputs: Iterable[Sequence[Tensor]]) -> None:
    """Measure anew what batch normalisation uses, in place: even means over the batches of `inputs`.

    What a network in training remembers of means and variances does not fit the average of its weights: used together,
    0.28 of a gain in PESQ of 0.44 were lost.

    Parameters
    ----------
    network : torch.nn.Module
        It ends in evaluation mode. One without batch normalisation stays as it is, and no input is asked for.
    inputs : iterable of sequence of Tensor
        The arguments of ``network(...)``, a batch each. Batches as large as in training: the variance within larger
        ones is greater than what the weights have learned with.

    Notes
    -----
    Dropout rests meanwhile, as it will when the network is used.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        # None: the mean of all batches so far.
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for arguments in inputs:
            network(*arguments)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
