"""What goes into a network and what comes out: names and shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.float32]
Arrays = dict[str, FloatArray]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input or output of a network: its name, and its shape with None where any size from 1 on is taken.

    Examples
    --------
    >>> spec = Tensor(name="spec", shape=(None, None, 257, 2))
    >>> spec.shown
    '(*, *, 257, 2)'
    >>> spec.takes((1, 40, 257, 2)), spec.takes((1, 40, 129, 2))
    (True, False)
    """

    name: str
    shape: tuple[int | None, ...]

    def require(self, value: object) -> None:
        """Refuse what is no float32 array of this shape.

        Raises
        ------
        ParameterError
        """
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            given = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else f"type {type(value).__name__}"
            raise ParameterError(f"the input {self.name!r} has {given}: a float32 array is needed")
        if not self.takes(value.shape):
            raise ParameterError(
                f"the input {self.name!r} has the shape {value.shape}: {self.shown} is needed, * being 1 or more"
            )

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape fits."""
        # An empty axis is refused, because it ends the whole process in some of ONNX Runtime's kernels.
        return len(shape) == len(self.shape) and all(
            given >= 1 and wanted in (None, given) for given, wanted in zip(shape, self.shape)
        )

    def serves(self, wanted: Tensor) -> bool:
        """Whether it has this name and takes every size that is wanted; one that is left open here may be any."""
        return (
            self.name == wanted.name
            and len(self.shape) == len(wanted.shape)
            and all(size in (None, asked) for size, asked in zip(self.shape, wanted.shape))
        )

    @property
    def shown(self) -> str:
        """The shape for a message: ``(*, *, 257, 2)``."""
        return f"({', '.join('*' if size is None else str(size) for size in self.shape)})"
