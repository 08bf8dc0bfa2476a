"""The value in which sound travels: samples together with their rate, so the rate is never assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory.

    Parameters
    ----------
    samples : float32 array, shape ``(n_samples,)`` or ``(n_channels, n_samples)``
        Full scale is ±1. Other real dtypes of floating point are converted; integers are refused, because
        their full scale is not known here (`specloom.load` knows it). Kept as a read-only view: a float32 array of your
        own is not copied, so do not write to it afterwards.
    sample_rate : int
        Hertz.

    Raises
    ------
    ParameterError
        For a wrong shape, an integer dtype, non-finite samples or an impossible rate.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        given = np.asarray(self.samples)
        if given.dtype.kind != "f":
            raise ParameterError(
                f"samples of dtype {given.dtype}: floating point with full scale ±1 is needed; "
                "divide integers by their full scale first"
            )
        if given.ndim not in (1, 2):
            raise ParameterError(f"samples of shape {given.shape}: (n_samples,) or (n_channels, n_samples) is needed")
        rate = self.sample_rate
        if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or rate < 1:
            raise ParameterError(f"sample_rate={rate!r}: a whole number of hertz is needed")
        samples = given.astype(np.float32, copy=False).view()
        if not np.isfinite(samples).all():
            raise ParameterError("samples hold NaN or infinity; replace them (numpy.nan_to_num) or cut them out first")
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(rate))

    @property
    def n_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[-1])

    @property
    def n_channels(self) -> int:
        """1 for a one-dimensional array."""
        return 1 if self.samples.ndim == 1 else int(self.samples.shape[0])

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.n_samples / self.sample_rate

    def mono(self) -> Audio:
        """The mean of the channels; itself when there is one dimension already."""
        if self.samples.ndim == 1:
            return self
        return Audio(self.samples.mean(axis=0, dtype=np.float32), self.sample_rate)
