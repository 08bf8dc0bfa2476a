"""Sound of another rate than the model's: what the model sees is enhanced, what it cannot see follows it.

The rule. The sound is resampled to the model's rate, enhanced, and resampled back. What resampling there and back
loses (of 48 kHz sound at a model of 16 kHz everything above 8 kHz; at any other rate what its filters take at the edge
of the band) is the remainder: the sound minus its way there and back without enhancement. It is kept, and lowered as
much as the network lowered the upper octave of the band that both rates hold. The powers of that octave before and
after are smoothed over 16 ms, and the root of their ratio, 1 at most, is the gain. So consonants that the network
leaves alone keep their highs, noise that it takes away takes its highs along, and a network that changes nothing gives
the sound back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.low_delay import LowDelayResampler
from specloom.tasks.enhance.model_stream import FloatArray, ModelStream

_BLOCK_S = 0.004
_SMOOTHING_S = 0.016
# Added to both powers: below -120 dB of full scale nothing is taken away, and silence is not divided by silence.
_FLOOR = 1e-12
_ORDER = 4


class Fifo:
    """Samples that wait: pushed at one end, taken from the other, shape ``(n_channels, n)``."""

    def __init__(self, n_channels: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._waiting: npt.NDArray[Any] = np.zeros((n_channels, 0), dtype=dtype)

    def __len__(self) -> int:
        return int(self._waiting.shape[1])

    def push(self, samples: npt.NDArray[Any]) -> None:
        """Append a copy of ``(n_channels, n)`` samples."""
        self._waiting = np.concatenate([self._waiting, samples], axis=1, dtype=self._waiting.dtype)

    def take(self, n: int) -> npt.NDArray[Any]:
        """The first ``n`` samples, which wait no longer."""
        taken, self._waiting = self._waiting[:, :n], self._waiting[:, n:]
        return taken


class BandStream:
    """A model over sound of another rate: a `ModelStream` around a `ModelStream`, by the rule of this module."""

    def __init__(self, inner: ModelStream, *, sample_rate: int, model_rate: int, n_channels: int) -> None:
        self._inner = inner
        self._n_channels = n_channels
        self._down = LowDelayResampler(sample_rate, model_rate, n_channels)
        # What was enhanced and what was not go back together, so that they stay side by side to the sample.
        self._up = LowDelayResampler(model_rate, sample_rate, 2 * n_channels)
        self._gains = UpperGains(sample_rate=sample_rate, model_rate=model_rate, n_channels=n_channels)
        self._sound = Fifo(n_channels)
        self._seen = Fifo(n_channels)
        self._returned = Fifo(2 * n_channels)
        self._n_in = self._n_out = 0

    def push(self, samples: FloatArray) -> FloatArray:
        """See `ModelStream`."""
        self._n_in += samples.shape[1]
        self._sound.push(samples)
        seen = self._down.process(samples)
        self._seen.push(seen)
        self._return(self._inner.push(seen), last=False)
        return self._ready(min(len(self._returned), self._gains.n_known - self._n_out))

    def flush(self) -> FloatArray:
        """See `ModelStream`."""
        seen = self._down.process(np.zeros((self._n_channels, 0), dtype=np.float32), last=True)
        self._seen.push(seen)
        enhanced = np.concatenate([self._inner.push(seen), self._inner.flush()], axis=1)
        self._return(enhanced, last=True)
        return self._ready(self._n_in - self._n_out)

    def _return(self, enhanced: FloatArray, *, last: bool) -> None:
        seen = self._seen.take(enhanced.shape[1])
        self._gains.push(seen, enhanced, last=last)
        self._returned.push(self._up.process(np.concatenate([enhanced, seen]), last=last))

    def _ready(self, n: int) -> FloatArray:
        n = max(0, n)
        returned = self._returned.take(n)
        enhanced, seen = returned[: self._n_channels], returned[self._n_channels :]
        gains = self._gains.at(self._n_out, n)
        self._n_out += n
        followed: FloatArray = enhanced + gains * (self._sound.take(n) - seen)
        return followed


class UpperGains:
    """How much a network lowered the upper octave of what it sees, for every sample at another rate.

    Parameters
    ----------
    sample_rate : int
        Of the samples that gains are asked for.
    model_rate : int
        Of the samples that are compared.
    n_channels : int
        Each has its own gains.
    """

    def __init__(self, *, sample_rate: int, model_rate: int, n_channels: int) -> None:
        from scipy.signal import butter

        self._n_channels = n_channels
        self._rate, self._model_rate = sample_rate, model_rate
        self._block = max(1, round(_BLOCK_S * model_rate))
        lower_edge = min(sample_rate, model_rate) / 4
        self._filter = butter(_ORDER, lower_edge, "highpass", fs=model_rate, output="sos")
        self._memory = np.zeros((len(self._filter), 2 * n_channels, 2))
        self._waiting = Fifo(2 * n_channels, np.float64)
        self._decay = np.exp(-self._block / (_SMOOTHING_S * model_rate))
        self._powers = np.zeros((2 * n_channels, 1))
        self._n_blocks = 0
        # The gains at the ends of blocks that are still asked for; the first is that of the end of block `_first`.
        self._gains = np.ones((n_channels, 0))
        self._first = 0

    @property
    def n_known(self) -> int:
        """Samples, counted from the begin, whose gains are known."""
        return self._n_blocks * self._block * self._rate // self._model_rate

    def push(self, before: FloatArray, after: FloatArray, *, last: bool) -> None:
        """Compare ``(n_channels, n)`` samples with what the network made of them."""
        from scipy.signal import sosfilt

        if before.shape[1]:
            upper, self._memory = sosfilt(self._filter, np.concatenate([before, after]), zi=self._memory)
            self._waiting.push(np.square(upper))
        if last:
            self._waiting.push(np.zeros((2 * self._n_channels, -len(self._waiting) % self._block)))
        n_blocks = len(self._waiting) // self._block
        if n_blocks:
            squares = self._waiting.take(n_blocks * self._block)
            self._append(squares.reshape(2 * self._n_channels, n_blocks, self._block).mean(axis=-1))

    def _append(self, powers: npt.NDArray[np.float64]) -> None:
        from scipy.signal import lfilter

        smoothed, self._powers = lfilter([1.0 - self._decay], [1.0, -self._decay], powers, zi=self._powers)
        before, after = smoothed[: self._n_channels], smoothed[self._n_channels :]
        gains = np.minimum(1.0, np.sqrt((after + _FLOOR) / (before + _FLOOR)))
        self._gains = np.concatenate([self._gains, gains], axis=1)
        self._n_blocks += powers.shape[1]

    def at(self, start: int, n: int) -> FloatArray:
        """The gains of ``n`` samples from ``start``, shape ``(n_channels, n)``; asked for in order, each once.

        Between the ends of two blocks they lie on a line. Before the end of the first, its gain holds.
        """
        if n == 0:
            return np.ones((self._n_channels, 0), dtype=np.float32)
        # In ends of blocks: 0 is the end of the first.
        place = np.arange(start, start + n) * self._model_rate / (self._rate * self._block) - 1.0
        ends = np.arange(self._first, self._n_blocks)
        gains = np.stack([np.interp(place, ends, row) for row in self._gains]).astype(np.float32)
        n_past = max(0, int(place[-1]) - self._first)
        self._gains, self._first = self._gains[:, n_past:], self._first + n_past
        return gains
