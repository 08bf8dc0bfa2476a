"""A network in training behind the interface of `specloom.runtime.Session`: what is measured is what ships."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Arrays = dict[str, npt.NDArray[np.float32]]


class AsSession:
    """Runs a network on numpy arrays, states carried over.

    Parameters
    ----------
    network : torch.nn.Module
        ``forward(given, *states)`` gives one tensor, or a tuple of it and the next states.
    output : str
        What its first result is called.
    state_shapes : mapping of str to shape
        With -1 in the place of the batch, as in a model file; in the order of ``forward``.
    """

    def __init__(self, network: nn.Module, output: str, state_shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._network, self._output, self._state_shapes = network, output, state_shapes
        self._device = next(network.parameters()).device

    def initial_states(self, batch: int = 1) -> Arrays:
        """Zeros."""
        return {
            name: np.zeros([batch if size < 0 else size for size in shape], np.float32)
            for name, shape in self._state_shapes.items()
        }

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], states: Mapping[str, npt.NDArray[Any]] | None = None
    ) -> tuple[Arrays, Arrays]:
        """The only input through the network, without gradients."""
        (given,) = inputs.values()
        before = [(states or {})[name] for name in self._state_shapes]
        with torch.no_grad():
            found = self._network(
                *(torch.tensor(one, dtype=torch.float32, device=self._device) for one in (given, *before))
            )
        arrays = [one.cpu().numpy() for one in (found if self._state_shapes else (found,))]
        return {self._output: arrays[0]}, dict(zip(self._state_shapes, arrays[1:], strict=True))
