"""What a network answers to a known input: how a file shows that it runs here as it did where it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

# Levels along the time of a probe's input: a network is asked at speech level, in silence, quiet, clipped and faint.
_LEVELS = (1.0, 0.0, 1e-2, 30.0, 1e-4)
# More would make a model file answer slowly when it is opened.
_MOST_VALUES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A seeded input and what came out at some places.

    Parameters
    ----------
    seed : int
        Of the input; see `probe_input`.
    shapes : mapping of input name to shape
        Every input but the states, which begin at zero.
    tolerance : float
        How far a value may lie from the expected one, relative to the larger of that value and a hundredth of the
        largest expected value of the same output.
    expected : mapping of output name to ``((index, value), ...)``
        Indices into the flattened output.
    """

    seed: int
    shapes: Mapping[str, tuple[int, ...]]
    tolerance: float
    expected: Mapping[str, tuple[tuple[int, float], ...]]

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ParameterError(f"probe seed={self.seed}: a whole number of at least 0 is needed")
        if not 0 < self.tolerance <= 0.1:
            raise ParameterError(f"probe tolerance={self.tolerance}: a number above 0 and up to 0.1 is needed")
        shapes = {name: tuple(shape) for name, shape in self.shapes.items()}
        for name, shape in shapes.items():
            if len(shape) < 2 or min(shape) < 1 or math.prod(shape) > _MOST_VALUES:
                raise ParameterError(
                    f"probe shape of {name!r} is {list(shape)}: two or more sizes of at least 1, "
                    f"{_MOST_VALUES} values in all at most, are needed"
                )
        expected = {name: tuple(tuple(pair) for pair in pairs) for name, pairs in self.expected.items()}
        if not shapes or not expected or not all(expected.values()):
            raise ParameterError("a probe needs at least one input, and at least one expected value of each output")
        if any(index < 0 or not math.isfinite(value) for pairs in expected.values() for index, value in pairs):
            raise ParameterError("a probe's expected values are finite, their indices at least 0")
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "expected", expected)


def probe_input(seed: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Noise at several levels, silence among them, along axis 1 (the time).

    Made from the raw bits of PCG64, the one stream that NumPy promises never to change.

    Returns
    -------
    float32 array of this shape, within ±30.

    Examples
    --------
    >>> [f"{value:.4g}" for value in np.abs(probe_input(0, (1, 5))[0])]
    ['0.2739', '0', '0.009181', '29.01', '6.265e-05']
    """
    bits = np.random.PCG64(seed).random_raw(math.prod(shape))
    # 24 bits: every value is exact in float32, so every machine makes the same.
    uniform = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    n_times = shape[1]
    level = np.array(_LEVELS, dtype=np.float32)[np.arange(n_times) * len(_LEVELS) // n_times]
    return np.ascontiguousarray(uniform.reshape(shape) * level.reshape((1, -1) + (1,) * (len(shape) - 2)))
