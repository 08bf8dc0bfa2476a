"""Another sample rate for sound that cannot wait: some milliseconds of delay where `StreamingResampler` has eighty."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.lanes.polyphase import moving_sums
from specloom.dsp.resample import StreamingResampler, resampled_length
from specloom.errors import ParameterError

FloatArray = npt.NDArray[np.float32]

_ATTENUATION_DB = 90.0
_TRANSITION = 1 / 8
"""Of the lower Nyquist frequency, half below it and half above."""

# Filters for every place between two samples: beyond this many numbers (rates that have hardly a factor in common).
_MOST_NUMBERS = 1 << 20


class LowDelayResampler:
    """Change the rate of sound in blocks, giving back every sample as soon as its short filter has been filled.

    A linear-phase low-pass (sinc under a Kaiser window, 90 dB) that falls over an eighth of the lower Nyquist
    frequency, from 15/16 of it to 17/16: at 16 kHz and above it waits for 2.9 ms, at 8 kHz for 5.8 ms. What aliases
    lies in the upper half of that band.

    Parameters
    ----------
    from_rate, to_rate : int
        Hertz. Two rates whose filters would be huge (44 099 and 16 000 Hz) are left to `StreamingResampler`.
    n_channels : int

    Attributes
    ----------
    delay_samples : int or None
        How many samples at `from_rate` have to follow before one is given back; None where that is not known.

    Notes
    -----
    Sample ``k`` of the result lies at the time ``k / to_rate``, before and after the sound there is silence, and the
    length is that of `specloom.resample`. Laws (tests/laws/test_low_delay_laws.py): blocks equal the whole to the
    bit, linearity, a constant stays constant, a sine below 15/16 of the lower Nyquist frequency is kept within -80 dB.

    Examples
    --------
    >>> resampler = LowDelayResampler(48_000, 16_000, 1)
    >>> resampler.delay_samples, resampler.process(np.zeros((1, 480), np.float32)).shape
    (138, (1, 114))
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int) -> None:
        # It checks the arguments, and is what is left where filters are too large.
        self._other: StreamingResampler | None = StreamingResampler(from_rate, to_rate, n_channels)
        self.from_rate, self.to_rate, self.n_channels = int(from_rate), int(to_rate), int(n_channels)
        divisor = math.gcd(from_rate, to_rate)
        self._n_phases, self._stride = to_rate // divisor, from_rate // divisor
        half = _half_width(from_rate, to_rate)
        self.delay_samples: int | None = None
        if from_rate == to_rate or 2 * half * self._n_phases > _MOST_NUMBERS:
            return
        self._other = None
        self.delay_samples = half
        self._filters = _filters(from_rate, to_rate)
        # The window of a sample at the time t begins half - 1 samples before the last one at or before t.
        self._waiting = np.zeros((self.n_channels, half - 1), dtype=np.float32)
        self._phase = 0
        self._n_in = self._n_out = 0
        self._finished = False

    def process(self, block: npt.NDArray[Any], last: bool = False) -> FloatArray:
        """Take a block ``(n_channels, n)`` of finite float32 samples in, give back what is ready.

        Raises
        ------
        ParameterError
            For a wrong shape, or a block after the last one.
        """
        if self._other is not None:
            resampled: FloatArray = self._other.process(block, last=last)
            return resampled
        if block.ndim != 2 or len(block) != self.n_channels:
            raise ParameterError(f"block of shape {block.shape}: ({self.n_channels}, n) is needed")
        if self._finished:
            raise ParameterError("block: the last one was given already; begin a new LowDelayResampler")
        self._finished = last
        self._n_in += block.shape[1]
        follows = np.zeros((self.n_channels, self._filters.shape[1] if last else 0), dtype=np.float32)
        self._waiting = np.concatenate([self._waiting, block, follows], axis=1, dtype=np.float32)
        return self._advance(self._n_ready(last))

    def _n_ready(self, last: bool) -> int:
        if last:
            return resampled_length(self._n_in, self.from_rate, self.to_rate) - self._n_out
        # The window of the k-th from here begins at (phase + k stride) // n_phases.
        last_begin: int = self._waiting.shape[1] - self._filters.shape[1]
        return max(0, ((last_begin + 1) * self._n_phases - 1 - self._phase) // self._stride + 1)

    def _advance(self, n: int) -> FloatArray:
        step = divmod(self._stride, self._n_phases)
        begin = divmod(self._phase, self._n_phases)
        made = moving_sums(self._waiting, self._filters, step, begin, n)
        self._n_out += n
        moved = self._phase + n * self._stride
        past = min(moved // self._n_phases, self._waiting.shape[1])
        self._phase = moved - past * self._n_phases
        self._waiting = self._waiting[:, past:]
        return made


def _half_width(from_rate: int, to_rate: int) -> int:
    """Half the length of the filter in samples at `from_rate`: Kaiser's estimate for attenuation and transition."""
    transition_hz = _TRANSITION * min(from_rate, to_rate) / 2
    length_s = (_ATTENUATION_DB - 7.95) / (2.285 * 2 * math.pi * transition_hz)
    return max(1, math.ceil(length_s / 2 * from_rate))


@lru_cache(maxsize=8)
def _filters(from_rate: int, to_rate: int) -> FloatArray:
    """For each place between two samples the weights of the samples around it, ``(n_phases, 2 * half)``; they sum to 1,
    so that a constant stays what it is.
    """
    half = _half_width(from_rate, to_rate)
    n_phases = to_rate // math.gcd(from_rate, to_rate)
    away = np.arange(1 - half, half + 1) - np.arange(n_phases)[:, np.newaxis] / n_phases
    cutoff = min(1.0, to_rate / from_rate)
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    weights = np.sinc(cutoff * away) * np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (away / half) ** 2)))
    weights /= weights.sum(axis=1, keepdims=True)
    made = weights.astype(np.float32)
    made.flags.writeable = False
    return made
