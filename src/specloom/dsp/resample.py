"""Another sample rate for the same sound, whole or block by block (soxr, its very high quality)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

_QUALITY = "VHQ"


def resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    """Samples after resampling, ``n_samples * to_rate / from_rate`` rounded up (librosa's rule).

    Examples
    --------
    >>> resampled_length(44_101, 44_100, 22_050)
    22051
    """
    return -(-n_samples * to_rate // from_rate)


def resample(samples: npt.NDArray[Any], from_rate: int, to_rate: int) -> npt.NDArray[Any]:
    """Give a sound another sample rate.

    Parameters
    ----------
    samples : floating-point array, shape ``(..., n_samples)``
        Resampled along the last axis.
    from_rate, to_rate : int
        Hertz.

    Returns
    -------
    array, shape ``(..., resampled_length(n_samples, from_rate, to_rate))``
        float64 for float64, otherwise float32. When the rates are equal it is `samples` itself, not a copy.

    Raises
    ------
    ParameterError
        For a rate that is no whole number above 0, samples that are not floating point, or NaN and infinity
        (which the filter would spread over its neighbours).

    Notes
    -----
    Linear phase without delay: sample ``k`` of the result lies at the time ``k / to_rate``. Before the first and
    after the last sample the sound is taken as silent. Laws (tests/laws/test_resample_laws.py): the length rule,
    linearity, a constant stays constant, silence stays silence; away from the edges a sine below half of the lower
    Nyquist frequency is kept within -100 dB of itself, and up to nine tenths of it the level stays within 0.01 dB
    (the filter begins to fall there) and nothing above -130 dB is added.

    References
    ----------
    The SoX Resampler library, https://sourceforge.net/projects/soxr

    Examples
    --------
    >>> resample(np.zeros((2, 441), dtype=np.float32), 44_100, 16_000).shape
    (2, 160)
    """
    _require_rates(from_rate, to_rate)
    given = np.asarray(samples)
    _require_sound(given)
    if from_rate == to_rate and given.dtype in (np.float32, np.float64):
        return given
    dtype = np.float64 if given.dtype == np.float64 else np.float32
    lanes = given.astype(dtype, copy=False).reshape(math.prod(given.shape[:-1]), given.shape[-1])
    resampled = np.empty((len(lanes), resampled_length(given.shape[-1], from_rate, to_rate)), dtype=dtype)
    for lane, result in zip(lanes, resampled, strict=True):
        result[:] = StreamingResampler(from_rate, to_rate, 1, dtype=dtype).process(lane, last=True)
    return resampled.reshape(*given.shape[:-1], resampled.shape[1])


class StreamingResampler:
    """`resample` for sound that comes in blocks.

    Parameters
    ----------
    from_rate, to_rate : int
        Hertz.
    n_channels : int
        Channels of every block.
    dtype : {float32, float64}
        Of the results, and of the arithmetic.

    Raises
    ------
    ParameterError
        For a rate or a number of channels that is no whole number above 0.

    Notes
    -----
    The results of all blocks, one after the other, equal `resample` of the whole: in length to the sample, in value
    to 1e-6 (tests/laws/test_resample_laws.py). The first blocks give less than they take in, because the filter
    needs to see what follows; the last one gives what is left.

    Examples
    --------
    >>> resampler = StreamingResampler(44_100, 22_050, 1)
    >>> blocks = [resampler.process(np.zeros(100, np.float32), last=index == 4) for index in range(5)]
    >>> sum(len(block) for block in blocks)
    250
    """

    def __init__(
        self,
        from_rate: int,
        to_rate: int,
        n_channels: int,
        *,
        dtype: type[np.float32] | type[np.float64] = np.float32,
    ) -> None:
        _require_rates(from_rate, to_rate)
        _require_whole("n_channels", n_channels, "count the channels of the blocks")
        self.from_rate = int(from_rate)
        self.to_rate = int(to_rate)
        self.n_channels = int(n_channels)
        self._dtype = np.dtype(dtype)
        self._stream = self._new_stream()
        self._n_in = 0
        self._n_out = 0
        self._finished = False

    def process(self, block: npt.NDArray[Any], last: bool = False) -> npt.NDArray[Any]:
        """Take a block in, give back what is ready.

        Parameters
        ----------
        block : floating-point array, shape ``(n_channels, n)``, or ``(n,)`` for one channel
            ``n`` may be 0.
        last : bool
            Whether the sound ends with this block.

        Returns
        -------
        array, shape ``(n_channels, m)`` or ``(m,)``, as the block came
            ``m`` may be 0.

        Raises
        ------
        ParameterError
            For a wrong shape or dtype, NaN and infinity, or a block after the last one.
        """
        given = np.asarray(block)
        _require_sound(given)
        lanes = given[np.newaxis] if given.ndim == 1 else given
        if lanes.ndim != 2 or lanes.shape[0] != self.n_channels:
            raise ParameterError(f"block of shape {given.shape}: ({self.n_channels}, n) is needed")
        if self._finished:
            raise ParameterError("block: the last one was given already; begin a new StreamingResampler")
        self._finished = last
        resampled = self._advance(lanes.astype(self._dtype, copy=False), last)
        return resampled[0] if given.ndim == 1 else resampled

    def _advance(self, lanes: npt.NDArray[Any], last: bool) -> npt.NDArray[Any]:
        self._n_in += lanes.shape[1]
        if self._stream is None:
            return lanes
        if last:
            # soxr rounds its length to the nearest; the silence that follows the sound gives the sample or two more
            # that rounding up needs.
            lanes = np.pad(lanes, ((0, 0), (0, 2 + self.from_rate // self.to_rate)))
        resampled = self._stream.resample_chunk(np.ascontiguousarray(lanes.T), last=last).T
        if last:
            total = resampled_length(self._n_in, self.from_rate, self.to_rate)
            resampled = resampled[:, : total - self._n_out]
        self._n_out += resampled.shape[1]
        return np.ascontiguousarray(resampled)

    def _new_stream(self) -> Any:
        if self.from_rate == self.to_rate:
            return None
        import soxr

        return soxr.ResampleStream(
            self.from_rate, self.to_rate, self.n_channels, dtype=self._dtype.name, quality=_QUALITY
        )


def _require_rates(from_rate: int, to_rate: int) -> None:
    _require_whole("from_rate", from_rate, "give the rate of the recording in hertz")
    _require_whole("to_rate", to_rate, "give the rate that is wanted in hertz")


def _require_whole(name: str, value: object, hint: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(f"{name}={value!r}: a whole number above 0 is needed; {hint}")


def _require_sound(samples: npt.NDArray[Any]) -> None:
    if samples.dtype.kind != "f":
        raise ParameterError(
            f"samples of dtype {samples.dtype}: floating point is needed; divide integers by their full scale first"
        )
    if samples.ndim == 0:
        raise ParameterError("samples of shape (): (..., n_samples) is needed")
    if not np.isfinite(samples).all():
        raise ParameterError("samples hold NaN or infinity; replace them (numpy.nan_to_num) or cut them out first")
