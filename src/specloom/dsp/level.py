"""Level: decibels, peaks, silence at the edges, and the pre-emphasis filter with its inverse.

Time is the last axis everywhere. What a recording of hours needs exists twice: as a function of the whole sound,
and as an object that takes it block by block and gives the same answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray, require_finite_floats
from specloom.errors import ParameterError

# librosa's amin: below it, everything counts as equally silent.
_FLOOR = 1e-5
# Frames are measured this many at a time. A fixed number, so that where the caller cuts its blocks cannot change a sum.
_BATCH_FRAMES = 256


def amplitude_to_db(amplitude: npt.ArrayLike, *, floor: float = _FLOOR, reference: float = 1.0) -> FloatArray:
    """Amplitude to decibels, ``20 log10(max(|amplitude|, floor) / max(reference, floor))``.

    Parameters
    ----------
    amplitude : real array, any shape
        Linear amplitude (not power).
    floor : float
        Smaller amplitudes are raised to it; larger than 0.
    reference : float
        The amplitude that is 0 dB; raised to ``floor`` too, so that silence against itself is 0 dB.

    Returns
    -------
    float32 for float32 (and narrower) input, otherwise float64; equal to ``librosa.amplitude_to_db(top_db=None)``.

    Raises
    ------
    ParameterError
        For complex or non-finite amplitudes, a floor that is not above 0, or a negative reference.

    Examples
    --------
    >>> amplitude_to_db([1.0, 0.1, 0.0]).tolist()
    [0.0, -20.0, -100.0]
    """
    values = require_finite_floats("amplitude", amplitude)
    if not 0.0 < floor < np.inf:
        raise ParameterError(f"floor={floor}: a finite amplitude above 0 is needed (1e-5 is -100 dB)")
    if not 0.0 <= reference < np.inf:
        raise ParameterError(f"reference={reference}: a finite amplitude of at least 0 is needed; 1.0 is full scale")
    offset_db = 20.0 * float(np.log10(max(reference, floor)))
    # The floor is set in float64: in float32 a floor below 1e-38 would become zero.
    wide = np.maximum(np.abs(values), floor, dtype=np.float64)
    return np.asarray(20.0 * np.log10(wide) - offset_db, dtype=values.dtype)


def db_to_amplitude(db: npt.ArrayLike, *, reference: float = 1.0) -> FloatArray:
    """Decibels to amplitude, ``reference * 10 ** (db / 20)``: the inverse of `amplitude_to_db` above its floor.

    Parameters
    ----------
    db : real array, any shape
    reference : float
        The amplitude that is 0 dB.

    Returns
    -------
    float32 for float32 (and narrower) input, otherwise float64.

    Raises
    ------
    ParameterError
        For non-finite decibels or a negative reference.
    """
    values = require_finite_floats("db", db)
    if not 0.0 <= reference < np.inf:
        raise ParameterError(f"reference={reference}: a finite amplitude of at least 0 is needed; 1.0 is full scale")
    return np.asarray(reference * np.power(10.0, values / 20.0, dtype=np.float64), dtype=values.dtype)


def peak(samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The largest absolute sample, shape ``samples.shape[:-1]``; 0 for silence and for no samples.

    Raises
    ------
    ParameterError
        For non-finite samples.
    """
    values = _require_samples("samples", samples)
    if values.shape[-1] == 0:
        return np.zeros(values.shape[:-1])[()]
    # max and -min instead of abs: no copy of a long recording.
    largest: npt.NDArray[np.float64] = np.maximum(values.max(axis=-1), -values.min(axis=-1)).astype(np.float64)
    return largest


def rms_db(samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Root mean square in decibels of full scale, shape ``samples.shape[:-1]``.

    Silence (and no samples at all) is ``-inf``: no floor is put under it, so that scaling a sound by ``g`` moves its
    level by exactly ``20 log10(g)`` (tests/laws).

    Raises
    ------
    ParameterError
        For non-finite samples.
    """
    values = _require_samples("samples", samples)
    top = peak(values)
    scale = np.where(top > 0.0, top, 1.0)
    # Divided by the peak first: the squares of very small samples would vanish.
    mean_square = np.mean(np.square(values / scale[..., None], dtype=np.float64), axis=-1) if values.shape[-1] else top
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(mean_square) + 20.0 * np.log10(scale))[()]


def trim_bounds(
    samples: npt.ArrayLike, *, top_db: float, frame_length: int = 2048, hop_length: int = 512
) -> tuple[int, int]:
    """Where a sound begins and ends, once the silence at both edges is cut off.

    Parameters
    ----------
    samples : real array, shape ``(..., n_samples)``
        Of several channels the loudest decides, frame by frame.
    top_db : float
        Frames this many decibels (or more) below the loudest frame are silence.
    frame_length, hop_length : int
        Samples per frame and from frame to frame. Frame ``t`` is centred on sample ``t * hop_length``.

    Returns
    -------
    (start, stop) : int
        ``samples[..., start:stop]`` is the trimmed sound; equal to the index of ``librosa.effects.trim``.
        A sound that is silent throughout (every frame below 1e-5) has no loudest frame to be compared with and is
        kept whole, ``(0, n_samples)``, as librosa does.

    Raises
    ------
    ParameterError
        For non-finite samples, ``top_db`` not above 0, or lengths that are no whole numbers of at least 1.
    """
    energies = FrameEnergies(frame_length=frame_length, hop_length=hop_length)
    energies.push(samples)
    return energies.bounds(top_db)


class FrameEnergies:
    """The loudness of each frame of a sound that arrives in blocks, and the `trim_bounds` that follow from it.

    Keeps one float64 per frame and less than ``frame_length + 256 * hop_length`` samples per channel. However the
    sound is cut into blocks, `bounds` equals `trim_bounds` of the whole (tests/laws).

    Parameters
    ----------
    frame_length, hop_length : int
        Samples per frame and from frame to frame.

    Raises
    ------
    ParameterError
        When a length is no whole number of at least 1.

    Examples
    --------
    >>> energies = FrameEnergies(frame_length=4, hop_length=2)
    >>> for block in (np.zeros(9), np.ones(5), np.zeros(20)):
    ...     energies.push(block)
    >>> energies.bounds(top_db=15)
    (8, 16)
    """

    def __init__(self, *, frame_length: int = 2048, hop_length: int = 512) -> None:
        for name, value in (("frame_length", frame_length), ("hop_length", hop_length)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(f"{name}={value!r}: a whole number of samples of at least 1 is needed")
        self._frame_length = frame_length
        self._hop_length = hop_length
        self._n_samples = 0
        self._pieces: list[FloatArray] = []
        self._n_pending = 0
        self._energies: list[npt.NDArray[np.float64]] = []

    @property
    def n_samples(self) -> int:
        """Samples per channel that were pushed."""
        return self._n_samples

    def push(self, block: npt.ArrayLike) -> None:
        """Take the next samples, shape ``(..., n)`` with any ``n``; the leading axes stay the same.

        Raises
        ------
        ParameterError
            For non-finite samples, or other leading axes than before.
        """
        samples = _require_samples("block", block)
        if not self._pieces:
            self._keep(np.zeros((*samples.shape[:-1], self._frame_length // 2), samples.dtype))
        known = self._pieces[0].shape[:-1]
        if samples.shape[:-1] != known:
            raise ParameterError(
                f"block has shape {samples.shape}, the blocks before it {(*known, 'n')}: "
                "all blocks of one sound need the same channels"
            )
        self._n_samples += samples.shape[-1]
        # Copied, because the caller may use its block again.
        self._keep(samples.copy())
        step = _BATCH_FRAMES * self._hop_length
        # At least a whole step, so that the gap between frames with hop_length > frame_length has arrived too.
        whole = max(step, self._frame_length + step - self._hop_length)
        if self._n_pending >= whole:
            self._measure_batches(whole, step)

    def mean_squares(self) -> npt.NDArray[np.float64]:
        """The mean square of every frame so far, the last ones filled up with zeros, shape ``(n_frames,)``.

        Of several channels the largest counts.
        """
        if not self._pieces:
            return np.zeros(0)
        edge = np.zeros((*self._pieces[0].shape[:-1], self._frame_length // 2))
        rest = np.concatenate([*self._pieces, edge], axis=-1)
        return np.concatenate([*self._energies, self._mean_squares(rest)])

    def bounds(self, top_db: float) -> tuple[int, int]:
        """`trim_bounds` of what was pushed so far; more may be pushed afterwards.

        Raises
        ------
        ParameterError
            When ``top_db`` is not above 0.
        """
        if not top_db > 0.0:
            raise ParameterError(
                f"top_db={top_db}: decibels above 0 are needed (15 to 60 are usual; a smaller value cuts more)"
            )
        level = np.maximum(self.mean_squares(), _FLOOR**2)
        loud = np.flatnonzero(10.0 * np.log10(level) - 10.0 * np.log10(level.max(initial=_FLOOR**2)) > -top_db)
        if loud.size == 0:
            return 0, 0
        return int(loud[0]) * self._hop_length, min(self._n_samples, (int(loud[-1]) + 1) * self._hop_length)

    def _keep(self, samples: FloatArray) -> None:
        self._pieces.append(samples)
        self._n_pending += samples.shape[-1]

    def _measure_batches(self, whole: int, step: int) -> None:
        pending = np.concatenate(self._pieces, axis=-1)
        start = 0
        while pending.shape[-1] - start >= whole:
            self._energies.append(self._mean_squares(pending[..., start : start + whole]))
            start += step
        self._pieces = [pending[..., start:].copy()]
        self._n_pending = self._pieces[0].shape[-1]

    def _mean_squares(self, padded: FloatArray) -> npt.NDArray[np.float64]:
        n_frames = max(0, 1 + (padded.shape[-1] - self._frame_length) // self._hop_length)
        squares = np.square(padded, dtype=np.float64)
        energies = np.zeros(n_frames)
        for frame in range(n_frames):
            start = frame * self._hop_length
            # One mean per frame and channel over contiguous memory: the order of the sum never changes.
            energies[frame] = squares[..., start : start + self._frame_length].mean(axis=-1).max(initial=0.0)
        return energies


def pre_emphasis(samples: npt.ArrayLike, coefficient: float, *, before: npt.ArrayLike | None = None) -> FloatArray:
    """Lift the high frequencies: ``y[n] = x[n] - coefficient * x[n - 1]``.

    Parameters
    ----------
    samples : real array, shape ``(..., n_samples)``
    coefficient : float
        0 (nothing happens) up to, not including, 1; 0.97 is usual for speech.
    before : float or real array, shape ``samples.shape[:-1]``, optional
        The input sample that came before, to go on with a sound in blocks (`PreEmphasis` does it). Nothing came
        before if not given: the first sample stays as it is.

    Returns
    -------
    real array like ``samples``; float32 for float32 input, computed in float64.

    Raises
    ------
    ParameterError
        For non-finite samples or a coefficient out of range.

    Notes
    -----
    Law: ``de_emphasis(pre_emphasis(x, c), c) == x`` (tests/laws).

    Examples
    --------
    >>> pre_emphasis([1.0, 1.0, 2.0], 0.5).tolist()
    [1.0, 0.5, 1.5]
    """
    _require_coefficient(coefficient)
    values = _require_samples("samples", samples)
    start = _one_per_channel("before", 0.0 if before is None else before, values)
    result = values.copy()
    if values.shape[-1]:
        result[..., 0] = values[..., 0] - coefficient * start
        # In float64, because in float32 the product's rounding is as large as what remains of a low frequency.
        result[..., 1:] = values[..., 1:] - np.multiply(values[..., :-1], coefficient, dtype=np.float64)
    return result


def de_emphasis(samples: npt.ArrayLike, coefficient: float, *, state: npt.ArrayLike = 0.0) -> FloatArray:
    """Undo `pre_emphasis`: ``y[n] = x[n] + coefficient * y[n - 1]``.

    Parameters
    ----------
    samples : real array, shape ``(..., n_samples)``
    coefficient : float
        That of the pre-emphasis: 0 up to, not including, 1.
    state : float or real array, shape ``samples.shape[:-1]``
        The output sample that came before; `DeEmphasis` carries it from block to block in float64.

    Returns
    -------
    real array like ``samples``; float32 for float32 input, computed in float64.

    Raises
    ------
    ParameterError
        For non-finite samples or a coefficient out of range.

    Notes
    -----
    Laws: ``de_emphasis(pre_emphasis(x, c), c) == x``, and blocks through `DeEmphasis` equal the whole (tests/laws).
    """
    _require_coefficient(coefficient)
    values = _require_samples("samples", samples)
    return _integrate(values, coefficient, _one_per_channel("state", state, values)).astype(values.dtype)


class PreEmphasis:
    """`pre_emphasis` for a sound that arrives in blocks: the blocks joined equal the whole, to the last bit.

    Raises
    ------
    ParameterError
        For a coefficient out of range.
    """

    def __init__(self, coefficient: float) -> None:
        _require_coefficient(coefficient)
        self._coefficient = coefficient
        self._before: npt.NDArray[Any] | None = None

    def process(self, block: npt.ArrayLike) -> FloatArray:
        """The next block, shape ``(..., n)`` with any ``n``; the leading axes stay the same."""
        values = _require_samples("block", block)
        result = pre_emphasis(values, self._coefficient, before=self._before)
        if values.shape[-1]:
            self._before = values[..., -1].copy()
        return result


class DeEmphasis:
    """`de_emphasis` for a sound that arrives in blocks: the blocks joined equal the whole, to the last bit.

    Raises
    ------
    ParameterError
        For a coefficient out of range.
    """

    def __init__(self, coefficient: float) -> None:
        _require_coefficient(coefficient)
        self._coefficient = coefficient
        self._state: npt.NDArray[np.float64] | float = 0.0

    def process(self, block: npt.ArrayLike) -> FloatArray:
        """The next block, shape ``(..., n)`` with any ``n``; the leading axes stay the same."""
        values = _require_samples("block", block)
        result = _integrate(values, self._coefficient, _one_per_channel("state", self._state, values))
        if values.shape[-1]:
            # The state stays float64: rounded to float32 at every block it would drift.
            self._state = result[..., -1].copy()
        return result.astype(values.dtype)


def _integrate(values: FloatArray, coefficient: float, state: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy.signal import lfilter

    wide = values.astype(np.float64)
    if wide.size == 0:
        return wide
    filtered, _ = lfilter([1.0], [1.0, -coefficient], wide, axis=-1, zi=(coefficient * state)[..., None])
    return np.asarray(filtered)


def _require_samples(name: str, samples: npt.ArrayLike) -> FloatArray:
    values = require_finite_floats(name, samples)
    if values.ndim < 1:
        raise ParameterError(f"{name} is a single number: an array with time as its last axis is needed")
    return values


def _require_coefficient(coefficient: float) -> None:
    if not 0.0 <= coefficient < 1.0:
        raise ParameterError(
            f"coefficient={coefficient}: 0 <= coefficient < 1 is needed (0.97 is usual); "
            "from 1 on, the filter that undoes it is not stable"
        )


def _one_per_channel(name: str, value: npt.ArrayLike, samples: FloatArray) -> npt.NDArray[np.float64]:
    given = np.asarray(value, dtype=np.float64)
    wanted = samples.shape[:-1]
    if given.shape not in ((), wanted) or not np.isfinite(given).all():
        raise ParameterError(
            f"{name} has shape {given.shape}: one finite number, or one per channel in the shape {wanted}, is needed "
            f"for samples of shape {samples.shape}"
        )
    return np.broadcast_to(given, wanted)
