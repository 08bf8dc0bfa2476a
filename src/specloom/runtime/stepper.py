"""A network that is run again and again on inputs of one shape: nothing is allocated, looked up or copied by step."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from specloom.runtime.tensor import Arrays, FloatArray


class Stepper:
    """Made by `Session.stepper`: write into ``inputs``, call `step`, read ``outputs``.

    Attributes
    ----------
    inputs : mapping of name to float32 array
        Write the next frames into these arrays (``stepper.inputs["spec"][0, 0, :, 0] = ...``).
    outputs : mapping of name to float32 array
        What the last `step` gave; the next overwrites it.

    Notes
    -----
    The states lie in two sets of arrays: a step reads one and writes the other, and they change places. So there are
    two sets of bindings, and a step is one call of ONNX Runtime. One stepper belongs to one stream, and to one thread
    at a time.
    """

    def __init__(self, runner: Any, *, inputs: Arrays, outputs: Arrays, states: Arrays) -> None:
        self.inputs = MappingProxyType({name: np.zeros_like(value, order="C") for name, value in inputs.items()})
        self.outputs = MappingProxyType({name: np.zeros_like(value, order="C") for name, value in outputs.items()})
        self._states = tuple({name: np.zeros_like(value, order="C") for name, value in states.items()} for _ in "ab")
        one, other = self._states
        self._bindings = (self._bound(runner, one, other), self._bound(runner, other, one))
        self._turn = 0
        self._run = runner.run_with_iobinding

    def step(self) -> None:
        """Run the network on what lies in ``inputs``; the result lies in ``outputs``, the states are carried over."""
        self._run(self._bindings[self._turn])
        self._turn ^= 1

    @property
    def states(self) -> Arrays:
        """Copies of the states that the next step begins with, as `Session.run` takes them."""
        return {name: state.copy() for name, state in self._states[self._turn].items()}

    def load(self, states: Mapping[str, FloatArray]) -> None:
        """Go on from these states, which `Session.run` or another stepper gave."""
        for name, state in self._states[self._turn].items():
            state[...] = states[name]

    def reset(self) -> None:
        """Begin a new sound: the states are zero again."""
        for states in self._states:
            for state in states.values():
                state.fill(0)

    def _bound(self, runner: Any, states: Arrays, next_states: Arrays) -> Any:
        binding = runner.io_binding()
        for name, array in {**self.inputs, **states}.items():
            binding.bind_input(name, *_memory(array))
        for name, array in self.outputs.items():
            binding.bind_output(name, *_memory(array))
        for name, array in next_states.items():
            binding.bind_output(name + "_next", *_memory(array))
        return binding


def _memory(array: FloatArray) -> tuple[str, int, type[np.float32], tuple[int, ...], int]:
    """Where an array lies, as ONNX Runtime wants to be told: it must outlive the binding."""
    return "cpu", 0, np.float32, array.shape, array.ctypes.data
