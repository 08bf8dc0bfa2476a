"""Phase retrieval while the frames arrive.

Each new frame gets its phases from the gradient (`specloom.phase.gradient.next_frame`), counted from what the frame
before has really become. Then a few fast Griffin-Lim iterations run over the frames that reach into samples not yet
given out; samples given out are fixed and hold the new ones to their phase. Samples leave three quarters of a hop
before the newest frame's centre, and ``lookahead`` hops earlier still.

References
----------
Prusa, Soendergaard, "Real-time spectrogram inversion using phase gradient heap integration", DAFx 2016.
Zhu, Beauregard, Wyse, "Real-time signal estimation from modified short-time Fourier transform magnitude spectra", IEEE
TASLP 15(5), 2007.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.lanes.compiled import kernel
from specloom.dsp.lanes.frames import EMIT, PROJECT, START, walk
from specloom.dsp.lanes.plan import LANES, Plan, for_kernels, once
from specloom.dsp.stft import as_floats, fit_length, lanes_serve, require_bins, require_finite_extremes, require_length
from specloom.dsp.windows import in_rows_of_hops, padded_window, require_invertible
from specloom.errors import ParameterError
from specloom.phase.gradient import next_frame, slopes

Floats = npt.NDArray[np.float32]

N_ITER = 7
MOMENTUM = 0.8
# Sums of squared windows count as at least this share of the usual: the newest frame's far end has nothing but itself.
EDGE_FLOOR = 0.125
_LEAST = 1e-30  # what logarithms are taken of at least


class StreamingReconstructor:
    """Frames of magnitude in, samples out; causal but for the look-ahead.

    Parameters
    ----------
    config : StftConfig
    lookahead : int
        Whole frames to wait before samples are given out. Each costs a hop of latency.

    Raises
    ------
    ParameterError
        For a transform that is not invertible, or a look-ahead outside 0 … 8.

    Notes
    -----
    Laws: how the frames are grouped into calls does not matter; what has been given out does not depend on frames that
    come later; all output together has ``config.n_samples(n_frames)`` samples.
    """

    def __init__(self, config: StftConfig, lookahead: int = 0) -> None:
        require_invertible(config)
        if isinstance(lookahead, bool) or not isinstance(lookahead, int) or not 0 <= lookahead <= 8:
            raise ParameterError(f"lookahead={lookahead!r}: a whole number of frames from 0 to 8 is needed")
        self.config = config
        self._wait = lookahead * config.hop_length + 3 * config.hop_length // 4
        engine = _LanesEngine if lanes_serve(np.dtype(np.float32), config) else _ReferenceEngine
        self._engine = engine(config, self._wait)
        self._n_frames = 0
        # Where the next samples lie in the sound; those before its begin are left out.
        edge = config.n_fft // 2 if config.center else 0
        first_centre = (config.n_fft - config.win_length) // 2 + config.win_length // 2 - edge
        self._place = first_centre - self._wait - config.hop_length
        self._n_given = 0
        self._finished = False

    @property
    def latency_samples(self) -> int:
        """Samples from one's arrival in the analysed sound to its leaving here, at worst."""
        return (self.config.win_length + 1) // 2 + self._wait + self.config.hop_length

    @property
    def latency_s(self) -> float:
        """The same in seconds."""
        return self.latency_samples / self.config.sample_rate

    def process(self, magnitude: npt.ArrayLike) -> Floats:
        """Take frames, ``(n_bins, n_frames)`` or one ``(n_bins,)``; give the samples that are ready, float32.

        Raises
        ------
        ParameterError
            For negative or non-finite magnitudes, or a wrong number of bins.
        """
        if self._finished:
            raise ParameterError("the sound is finished: make a new StreamingReconstructor for the next one")
        values = as_floats("magnitude", magnitude)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim == 2 and values.shape[1] == 0:
            return np.zeros(0, dtype=np.float32)
        require_bins("magnitude", values, self.config)
        least = require_finite_extremes("magnitude", values)
        if values.ndim != 2 or least < 0:
            raise ParameterError(
                f"magnitude of shape {values.shape}, least value {least:.3g}: (n_bins, n_frames) without "
                "negative values is needed"
            )
        self._n_frames += values.shape[1]
        return self._give(self._engine.advance(values.astype(np.float32, copy=False)))

    def finish(self, length: int | None = None) -> Floats:
        """The samples still held, up to ``length`` in all (what the frames give, if None)."""
        require_length(length)
        self._finished = True
        wanted = self.config.n_samples(self._n_frames) if length is None else length
        left = max(0, wanted - self._n_given)
        return fit_length(self._give(self._engine.held()), left) if self._n_frames else np.zeros(left, np.float32)

    def _give(self, samples: Floats) -> Floats:
        if self._place > 0 and self._n_given == 0:  # uncentred: hardly any window sees the first samples
            samples = np.pad(samples, (self._place, 0))
            self._place = 0
        skip = min(samples.size, max(0, -self._place))
        self._place += samples.size
        self._n_given += samples.size - skip
        return samples[skip:]


class _Engine:
    """The frames at work, newest last, over a signal whose samples before `ready` are fixed.

    ``lead`` zeros stand before the window in a frame.
    """

    def __init__(self, config: StftConfig, wait: int, window: npt.NDArray[np.float64], lead: int) -> None:
        hop = config.hop_length
        self.config = config
        reach = config.win_length // 2 + wait + hop
        self.n_active = -(-reach // hop)
        centre = lead + config.win_length / 2
        self.slopes = tuple(np.float32(value) for value in slopes(config, centre).values())
        self.ready = (self.n_active - 1) * hop + int(centre) - wait - hop
        self.past = np.zeros((3, config.n_bins), dtype=np.float32)  # logs, slope and turns of the newest frame
        self.n_present = 0
        self.old_sums, self.new_factors = self._envelopes(window)

    def _envelopes(self, window: npt.NDArray[np.float64]) -> tuple[Floats, Floats]:
        """For 0 … n_active frames present: squared windows of all but the newest; one over the sum of all."""
        hop, n = self.config.hop_length, self.n_active
        self.used = (n - 1) * hop + window.size
        old, new = np.zeros((n + 1, self.used)), np.zeros((n + 1, self.used))
        square = window**2
        least = EDGE_FLOOR * in_rows_of_hops(square, hop).sum(axis=0).min()
        for present in range(1, n + 1):
            for frame in range(n - present, n):
                place = slice(frame * hop, frame * hop + square.size)
                old[present, place] += square if frame < n - 1 else 0.0
                new[present, place] += square
        factors = np.divide(1.0, np.maximum(new, least), where=new > 0, out=np.zeros_like(new))
        return np.maximum(old, np.where(old > 0, least, 0.0)).astype(np.float32), factors.astype(np.float32)


class _LanesEngine(_Engine):
    """By the lanes: the frames at work share vectors."""

    def __init__(self, config: StftConfig, wait: int) -> None:
        self.plan = Plan(config, narrow=True, gapped=False)
        super().__init__(config, wait, self.plan.window_in.astype(np.float64), 0)
        n_groups = self.plan.n_groups(self.n_active)
        rows = self.plan.tables.bins.size
        self.signal = self.plan.empty_rows(self.n_active)
        self.plain = once(self.signal, np.zeros_like(self.signal))
        self.half = np.zeros(n_groups * rows * LANES, dtype=np.float32)
        self.newest = np.zeros_like(self.half)
        self.turned = np.zeros_like(self.half)
        self.spectra = np.zeros(config.n_bins * n_groups * LANES * 2, dtype=np.float32)

    def advance(self, magnitude: Floats) -> Floats:
        """Take frames, give a hop of samples for each."""
        out = np.empty(magnitude.shape[1] * self.config.hop_length, dtype=np.float32)
        self.n_present = _advance_lanes(
            for_kernels(magnitude.T), self.n_present, self.n_active, self.ready, self.slopes, self.past,
            self.old_sums, self.new_factors, self.plain, self.half, self.newest, self.turned, self.spectra,
            self.plan.n_groups(self.n_active), out, self.plan.arguments(),
        )  # fmt: skip
        return out

    def held(self) -> Floats:
        """The estimate of the samples that have not left yet."""
        return self.signal[self.ready + self.config.hop_length : self.used].copy()


@kernel
def _advance_lanes(
    magnitude, n_present, n_active, ready, factors, past, old_sums, new_factors, plain, half, newest, turned,
    spectra, n_groups, out, transform,
):  # fmt: skip
    n_bins = magnitude.shape[1]
    hop, bins = transform[0], transform[13]
    logs, slope, turns = np.empty(n_bins, np.float32), np.empty(n_bins, np.float32), np.empty(n_bins, np.float32)
    used = old_sums.shape[1]
    settled = np.zeros(used, np.float32)
    signal, sums = plain[4], plain[5]
    last = n_active - 1
    group, lane = last // LANES, last % LANES
    for t in range(magnitude.shape[0]):
        for k in range(n_bins):
            logs[k] = np.log(max(magnitude[t, k], np.float32(_LEAST)))
        next_frame(*factors, n_present == 0, past[0], past[1], past[2], logs, slope, turns)
        n_present = min(n_present + 1, n_active)
        _shift_lanes(half, n_active, bins.size)
        for row in range(bins.size):
            place = (group * bins.size + row) * LANES + lane
            half[place] = np.float32(0.5) * magnitude[t, bins[row]]
            newest[place] = half[place]
            turned[place] = turns[bins[row]]
        for i in range(used - hop):
            signal[i] = signal[i + hop]
        signal[used - hop : used] = np.float32(0.0)
        # The newest frame joins what the others have agreed on.
        for i in range(used):
            sums[i] = signal[i] * old_sums[n_present, i]
        walk(START, *plain, newest, turned, n_groups, 0, *transform)
        for iteration in range(N_ITER + 1):
            if iteration > 0:
                sums[:used] = np.float32(0.0)
                walk(PROJECT, *plain, half, half, n_groups, 0, *transform)
            momentum = np.float32(MOMENTUM if 0 < iteration < N_ITER else 0.0)
            for i in range(ready, used):
                new = sums[i] * new_factors[n_present, i]
                signal[i] = new + momentum * (new - settled[i])
                settled[i] = new
        out[t * hop : (t + 1) * hop] = signal[ready : ready + hop]
        walk(EMIT, *plain, spectra, spectra, n_groups, 2 * LANES * n_groups, *transform)
        for k in range(n_bins):
            place = 2 * (k * n_groups * LANES + last)
            re, im = spectra[place], spectra[place + 1]
            past[0, k], past[1, k] = logs[k], slope[k]
            past[2, k] = np.arctan2(im, re) / np.float32(2.0 * np.pi)
    return n_present


@nb.njit(nogil=True, inline="always")
def _shift_lanes(packed, n_active, n_rows):
    """Every frame moves one place back."""
    for j in range(n_active - 1):
        to_group, to_lane = j // LANES, j % LANES
        from_group, from_lane = (j + 1) // LANES, (j + 1) % LANES
        for row in range(n_rows):
            packed[(to_group * n_rows + row) * LANES + to_lane] = packed[
                (from_group * n_rows + row) * LANES + from_lane
            ]


class _ReferenceEngine(_Engine):
    """With `scipy.fft`, for transforms that the lanes do not know."""

    def __init__(self, config: StftConfig, wait: int) -> None:
        window = padded_window(config)
        super().__init__(config, wait, window, (config.n_fft - config.win_length) // 2)
        self.window = window.astype(np.float32)
        self.signal = np.zeros(self.used, dtype=np.float32)
        self.magnitude = np.zeros((self.n_active, config.n_bins), dtype=np.float32)

    def advance(self, magnitude: Floats) -> Floats:
        """Take frames, give a hop of samples for each."""
        return np.concatenate([self._one(frame) for frame in magnitude.T])

    def _one(self, magnitude: Floats) -> Floats:

        hop = self.config.hop_length
        logs = np.log(np.maximum(magnitude, np.float32(_LEAST)))
        slope, turns = np.empty_like(logs), np.empty_like(logs)
        next_frame(*self.slopes, self.n_present == 0, *self.past, logs, slope, turns)
        self.n_present = min(self.n_present + 1, self.n_active)
        self.magnitude = np.concatenate([self.magnitude[1:], magnitude[None]])
        self.signal = np.concatenate([self.signal[hop:], np.zeros(hop, np.float32)])
        newest = np.zeros((self.n_active, self.config.n_bins), dtype=np.complex64)
        newest[-1] = magnitude * np.exp(2j * np.pi * turns)
        before = self._settle(self._added(newest) + self.signal * self.old_sums[self.n_present])
        for iteration in range(1, N_ITER + 1):
            spectra = self._spectra()
            new = self._settle(self._added(spectra * (self.magnitude / np.maximum(np.abs(spectra), 1e-15))))
            if iteration < N_ITER:
                self.signal[self.ready :] += np.float32(MOMENTUM) * (new - before)
            before = new
        self.past = np.stack([logs, slope, np.angle(self._spectra()[-1]) / (2 * np.pi)]).astype(np.float32)
        return self.signal[self.ready : self.ready + hop].copy()

    def _spectra(self) -> npt.NDArray[Any]:
        import scipy.fft

        frames = np.lib.stride_tricks.sliding_window_view(self.signal, self.config.n_fft)[:: self.config.hop_length]
        return np.asarray(scipy.fft.rfft(frames * self.window, axis=1))

    def _added(self, spectra: npt.NDArray[Any]) -> Floats:
        import scipy.fft

        total = np.zeros_like(self.signal)
        for frame, piece in enumerate(scipy.fft.irfft(spectra, n=self.config.n_fft, axis=1) * self.window):
            start = frame * self.config.hop_length
            total[start : start + piece.size] += piece
        return total

    def _settle(self, sums: Floats) -> Floats:
        """Make the sums the estimate of what is not given out yet, and return it."""
        estimate = np.asarray((sums * self.new_factors[self.n_present])[self.ready :])
        self.signal[self.ready :] = estimate
        return estimate

    def held(self) -> Floats:
        """The estimate of the samples that have not left yet."""
        return self.signal[self.ready + self.config.hop_length : self.used].copy()
