"""Enhancement while the sound arrives: any rate, any pieces, wet and dry aligned to the sample."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.tasks.enhance.bands import BandStream, Fifo
from specloom.tasks.enhance.features import EnhanceFeatures
from specloom.tasks.enhance.model_stream import FloatArray, ModelStream, Network, model_stream

Samples = npt.NDArray[Any]

# What the network is given at a time, in samples of all channels: enough for large products of matrices, and little
# enough that what lies between its layers stays small.
_MOST_SAMPLES = 1 << 16

# Of the sum of the squares of a piece: no sample of it can be too large for the network to compute with in float32.
_MOST_ENERGY = 1e24
_LOUDEST = 1e12

# How long, and in what pieces, the delay of resampling is tried out.
_TRIED_S, _TRIED_BLOCK_S = 0.5, 0.001


class EnhanceStream:
    """Sound in pieces of any size, enhanced; `specloom.Enhancer.stream` makes one.

    Parameters
    ----------
    features : SpectrumFeatures or WaveformFeatures
        What the network is fed with.
    network : Network
        What runs it: `specloom.runtime.Session`.
    sample_rate : int
        Of the sound, hertz. Another rate than the model's is treated as `specloom.tasks.enhance.bands` says.
    channels : int
        Each is enhanced on its own; all run through the network together.
    strength : float
        Between 0, which gives the input back bit for bit, and 1: ``(1 - strength) * noisy + strength * enhanced``.
    limit_db : float, optional
        The most that is taken away: this many decibels below it, the noisy sound stays under the enhanced one.
    dtype : {float32, float64}
        Of the results. The network computes in float32.

    Raises
    ------
    ParameterError
        When a value is out of its range.

    Notes
    -----
    Laws (tests/laws/test_enhance_laws.py): the pieces that come out, one after the other, are the samples that went in,
    enhanced, as many as went in, whatever the pieces were (to 1e-5); a network that changes nothing gives the sound
    back; silence stays silence.
    """

    def __init__(
        self,
        features: EnhanceFeatures,
        network: Network,
        *,
        sample_rate: int,
        channels: int = 1,
        strength: float = 1.0,
        limit_db: float | None = None,
        dtype: type[np.float32] | type[np.float64] = np.float32,
    ) -> None:
        self.sample_rate = _whole("sample_rate", sample_rate)
        self.channels = _whole("channels", channels)
        self._wet_share = wet_share(strength, limit_db)
        self._features = features
        self._dtype = np.dtype(dtype)
        if self._dtype not in (np.float32, np.float64):
            raise ParameterError(f"dtype={dtype!r}: float32 or float64 is needed")
        self._most = max(1, _MOST_SAMPLES * self.sample_rate // (features.sample_rate * self.channels))
        self._wet = self._wet_stream(network)
        self._dry = Fifo(self.channels, self._dtype)
        self._n_in = 0
        self._flat = self.channels == 1
        self._finished = False

    def _wet_stream(self, network: Network) -> ModelStream | None:
        """None when nothing of it would be heard."""
        if self._wet_share == 0.0:
            return None
        inner = model_stream(self._features, network, self.channels)
        if self.sample_rate == self._features.sample_rate:
            return inner
        return BandStream(
            inner, sample_rate=self.sample_rate, model_rate=self._features.sample_rate, n_channels=self.channels
        )

    @cached_property
    def latency_samples(self) -> int:
        """From a sample going in to its coming out, at worst, in samples at the rate of the sound.

        Of the model alone at the model's rate: its window and the frames that it waits for. At other rates the
        resampling filters come on top (about 3 ms each way at 16 kHz and above, 6 ms at 8 kHz); their share was
        measured on a stream of zeros.
        """
        if self._wet is None:
            return 0
        if self.sample_rate == self._features.sample_rate:
            return self._features.latency_samples
        return _latency_with_resampling(self._features.sample_rate, self.sample_rate, self._features.latency_samples)

    @property
    def latency_s(self) -> float:
        """`latency_samples` in seconds."""
        return self.latency_samples / self.sample_rate

    def push(self, samples: npt.ArrayLike) -> Samples:
        """Take sound in, give back what is ready.

        Parameters
        ----------
        samples : floating-point array, shape ``(channels, n)``, or ``(n,)`` for one channel
            Full scale is ±1. Not kept and not changed.

        Returns
        -------
        array, shape ``(channels, m)`` or ``(m,)``, as the sound came
            ``m`` may be 0.

        Raises
        ------
        ParameterError
            For a wrong shape or dtype, NaN and infinity (naming the place), or sound after `flush`.
        """
        lanes = self._checked(np.asarray(samples))
        if self._wet is None:
            enhanced = lanes.copy()
        elif lanes.shape[1] <= self._most:
            enhanced = self._advance(self._wet, lanes)
        else:
            pieces = range(0, lanes.shape[1], self._most)
            enhanced = np.concatenate(
                [self._advance(self._wet, lanes[:, start : start + self._most]) for start in pieces], axis=1
            )
        return enhanced[0] if self._flat else enhanced

    def flush(self) -> Samples:
        """End the sound, give back what is left of it; shaped as `push` shapes it.

        Raises
        ------
        ParameterError
            When it ended already.
        """
        self._require_open()
        self._finished = True
        empty = np.zeros((self.channels, 0), dtype=self._dtype)
        left = empty if self._wet is None else self._mixed(self._wet.flush())
        return left[0] if self._flat else left

    def _advance(self, wet: ModelStream, lanes: Samples) -> Samples:
        if self._wet_share != 1.0:
            self._dry.push(lanes)
        return self._mixed(wet.push(lanes.astype(np.float32, copy=False)))

    def _mixed(self, enhanced: FloatArray) -> Samples:
        if self._wet_share == 1.0:
            return enhanced.astype(self._dtype, copy=False)
        share = self._dtype.type(self._wet_share)
        mixed: Samples = (1 - share) * self._dry.take(enhanced.shape[1]) + share * enhanced
        return mixed

    def _checked(self, given: Samples) -> Samples:
        self._require_open()
        if given.dtype.kind != "f":
            raise ParameterError(
                f"samples of dtype {given.dtype}: floating point with full scale ±1 is needed; "
                "divide integers by their full scale first"
            )
        lanes = given[np.newaxis] if given.ndim == 1 else given
        if lanes.ndim != 2 or lanes.shape[0] != self.channels:
            raise ParameterError(f"samples of shape {given.shape}: ({self.channels}, n) is needed")
        # A sum of squares is quicker than a look at every sample, and small only if each is a number and small.
        if not np.vdot(lanes, lanes) <= _MOST_ENERGY:
            self._require_numbers(lanes)
        self._flat = given.ndim == 1
        self._n_in += lanes.shape[1]
        return lanes.astype(self._dtype, copy=False)

    def _require_numbers(self, lanes: Samples) -> None:
        most = math.inf if self._wet is None else _LOUDEST
        good = np.isfinite(lanes) & (np.abs(lanes) <= most)
        if good.all():
            return
        place = int(np.argmin(good.all(axis=0)))
        channel = int(np.argmin(good[:, place]))
        value = lanes[channel, place]
        mend = (
            f"full scale is ±1, and more than {_LOUDEST:g} cannot be computed with; divide by the loudest sample first"
            if np.isfinite(value)
            else "replace it (numpy.nan_to_num) or cut it out first"
        )
        raise ParameterError(f"samples hold {value:g} at index {self._n_in + place} of channel {channel}; {mend}")

    def _require_open(self) -> None:
        if self._finished:
            raise ParameterError("the stream has ended with flush(); begin a new one")


def wet_share(strength: float, limit_db: float | None) -> float:
    """The share of the enhanced sound in the result; the rest is the noisy sound.

    What stays of the noisy sound under a limit, ``10 ** (-limit_db / 20)``, is taken from the enhanced one, so a sound
    that is left alone keeps its level.

    Raises
    ------
    ParameterError
        When strength is not within 0 to 1, or limit_db is negative or no number.

    Examples
    --------
    >>> wet_share(1.0, None), wet_share(0.5, 20.0)
    (1.0, 0.45)
    """
    if not _is_number(strength) or not 0.0 <= strength <= 1.0:
        raise ParameterError(f"strength={strength!r}: a number from 0 (as it was) to 1 (all of it) is needed")
    if limit_db is None:
        return float(strength)
    if not _is_number(limit_db) or not 0.0 <= limit_db < math.inf:
        raise ParameterError(f"limit_db={limit_db!r}: decibels of at least 0, or None for no limit, are needed")
    return float(strength) * (1.0 - math.pow(10.0, -float(limit_db) / 20.0))


@lru_cache(maxsize=32)
def _latency_with_resampling(model_rate: int, sample_rate: int, model_latency: int) -> int:
    """How far the output lags at worst when a model of that latency stands between two resamplers; tried out."""
    way = BandStream(_Late(model_latency), sample_rate=sample_rate, model_rate=model_rate, n_channels=1)
    block = np.zeros((1, max(1, round(_TRIED_BLOCK_S * sample_rate))), dtype=np.float32)
    lag = worst = 0
    for _ in range(round(_TRIED_S / _TRIED_BLOCK_S)):
        lag += block.shape[1] - way.push(block).shape[1]
        worst = max(worst, lag)
    # Between two of these blocks it may have been larger by a block.
    return worst + block.shape[1]


class _Late:
    """A `ModelStream` that only makes its samples wait."""

    def __init__(self, latency: int) -> None:
        self._waiting = Fifo(1)
        self._latency = latency

    def push(self, samples: FloatArray) -> FloatArray:
        self._waiting.push(samples)
        return self._waiting.take(max(0, len(self._waiting) - self._latency))

    def flush(self) -> FloatArray:
        return self._waiting.take(len(self._waiting))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(f"{name}={value!r}: a whole number of at least 1 is needed")
    return int(value)
