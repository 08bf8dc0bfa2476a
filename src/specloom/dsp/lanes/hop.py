"""A single frame there and back, as a stream needs it hop by hop: one call each way, nothing allocated.

The lanes of the other modules hold sixteen frames; here there is one, and what counts is the way in and out of Python.
So each kernel does everything between samples and spectrum: shifting, window, transform, and on the way back
overlap and addition. A real frame of ``n`` samples is transformed as ``n / 2`` complex points (even samples real, odd
samples imaginary) by Stockham's method, which leaves them in order, in steps of radix 2.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from specloom.dsp.lanes.compiled import kernel

FloatArray = npt.NDArray[np.float32]

SMALLEST_FFT = 4


def supports_hop(n_fft: int) -> bool:
    """Whether these kernels know this transform length: a power of two."""
    return n_fft >= SMALLEST_FFT and n_fft & (n_fft - 1) == 0


class HopTransform:
    """Spectra of frames that each begin a hop after the one before, and samples from such spectra.

    Parameters
    ----------
    n_fft, hop_length : int
        ``n_fft`` a power of two.
    analysis_window, synthesis_window : float32 array, shape ``(win_length,)``
        Centred in ``n_fft``. What comes back is ``x`` when the sum of their product over all hops is one.
    """

    def __init__(self, n_fft: int, hop_length: int, analysis_window: FloatArray, synthesis_window: FloatArray) -> None:
        self._hop = hop_length
        # Copies, so that the kernels see arrays of one kind.
        self._analysis = np.array(analysis_window, dtype=np.float32, order="C")
        self._synthesis = np.array(synthesis_window, dtype=np.float32, order="C")
        angle = -2.0 * np.pi * np.arange(n_fft // 2) / n_fft
        self._turns = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
        self._scratch = np.zeros((4, n_fft // 2), dtype=np.float32)

    def forward(self, tail: FloatArray, samples: FloatArray, spec: FloatArray) -> None:
        """The spectrum of the frame that ends with these samples.

        Parameters
        ----------
        tail : float32 array, shape ``(n_channels, win_length - hop_length)``
            The samples before; replaced by those before the next frame.
        samples : float32 array, shape ``(n_channels, hop_length)``
        spec : float32 array, shape ``(n_channels, n_fft // 2 + 1, 2)``
            Written to: real and imaginary part of each bin.
        """
        _forward(tail, samples, self._analysis, self._turns, self._scratch, spec)

    def inverse(self, spec: FloatArray, begun: FloatArray, samples: FloatArray) -> None:
        """The samples that are finished when this frame has been added.

        Parameters
        ----------
        spec : float32 array, shape ``(n_channels, n_fft // 2 + 1, 2)``
        begun : float32 array, shape ``(n_channels, win_length - hop_length)``
            What the frames before have left; replaced by what this one leaves.
        samples : float32 array, shape ``(n_channels, hop_length)``
            Written to.
        """
        _inverse(spec, begun, self._synthesis, self._turns, self._scratch, samples)


@kernel
def _forward(
    tail: Any, samples: Any, window: Any, turns: Any, scratch: Any, spec: Any
) -> None:  # pragma: no cover (compiled)
    n_points = scratch.shape[1]
    n_tail, hop = tail.shape[1], samples.shape[1]
    before = (2 * n_points - window.size) // 2
    real, imaginary = scratch[0], scratch[1]
    for channel in range(samples.shape[0]):
        old, new = tail[channel], samples[channel]
        if window.size < 2 * n_points:
            real[:] = 0.0
            imaginary[:] = 0.0
        for i in range(n_tail):
            _put(real, imaginary, before + i, old[i] * window[i])
        for i in range(hop):
            _put(real, imaginary, before + n_tail + i, new[i] * window[n_tail + i])
        _remember(old, new)
        _transform(scratch, turns)
        _real_spectrum(scratch, turns, spec[channel])


@kernel
def _inverse(
    spec: Any, begun: Any, window: Any, turns: Any, scratch: Any, samples: Any
) -> None:  # pragma: no cover (compiled)
    n_points = scratch.shape[1]
    n_begun, hop = begun.shape[1], samples.shape[1]
    before = (2 * n_points - window.size) // 2
    # Real and imaginary part change places: the forward transform is then the inverse.
    real, imaginary = scratch[1], scratch[0]
    for channel in range(samples.shape[0]):
        left, out = begun[channel], samples[channel]
        _half_spectrum(spec[channel], turns, scratch)
        _transform(scratch, turns)
        for i in range(hop):
            value = _got(real, imaginary, before + i) * window[i]
            out[i] = value + left[i] if i < n_begun else value
        for i in range(n_begun):
            value = _got(real, imaginary, before + hop + i) * window[hop + i]
            left[i] = value + left[hop + i] if hop + i < n_begun else value


@nb.njit(inline="always")
def _put(real: Any, imaginary: Any, place: Any, value: Any) -> None:  # pragma: no cover (compiled)
    if place & 1:
        imaginary[place >> 1] = value
    else:
        real[place >> 1] = value


@nb.njit(inline="always")
def _got(real: Any, imaginary: Any, place: Any) -> Any:  # pragma: no cover (compiled)
    return imaginary[place >> 1] if place & 1 else real[place >> 1]


@nb.njit(inline="always")
def _remember(old: Any, new: Any) -> None:  # pragma: no cover (compiled)
    """The last samples of both, in the place of the old ones."""
    kept = max(0, old.size - new.size)
    for i in range(kept):
        old[i] = old[i + new.size]
    for i in range(kept, old.size):
        old[i] = new[new.size - old.size + i]


@nb.njit(fastmath={"contract"})
def _transform(scratch: Any, turns: Any) -> None:  # pragma: no cover (compiled)
    """The complex transform of rows 0 (real) and 1 (imaginary), in place; rows 2 and 3 are overwritten.

    Stockham: a step reads points that lie half of the whole apart, and writes their sums and turned differences next
    to each other, in runs that double in length from step to step.
    """
    n_points = scratch.shape[1]
    half = n_points // 2
    source, target = 0, 2
    run = 1
    while run < n_points:
        a_re, a_im = scratch[source, :half], scratch[source + 1, :half]
        b_re, b_im = scratch[source, half:], scratch[source + 1, half:]
        o_re, o_im = scratch[target], scratch[target + 1]
        for first in range(0, half, run):
            # turns are those of the real transform, twice as fine.
            c, s = turns[0, 2 * first], turns[1, 2 * first]
            for i in range(run):
                p_re, p_im = a_re[first + i], a_im[first + i]
                q_re, q_im = b_re[first + i], b_im[first + i]
                o_re[2 * first + i] = p_re + q_re
                o_im[2 * first + i] = p_im + q_im
                d_re, d_im = p_re - q_re, p_im - q_im
                o_re[2 * first + run + i] = c * d_re - s * d_im
                o_im[2 * first + run + i] = c * d_im + s * d_re
        source, target = target, source
        run *= 2
    if source:
        scratch[:2] = scratch[2:]


@nb.njit(fastmath={"contract"})
def _real_spectrum(scratch: Any, turns: Any, spec: Any) -> None:  # pragma: no cover (compiled)
    """Bins of the real frame from its complex points: ``X[k] = E[k] + t[k] O[k]``, even and odd samples apart."""
    half = np.float32(0.5)
    n = scratch.shape[1]
    real, imaginary = scratch[0], scratch[1]
    spec[0, 0], spec[0, 1] = real[0] + imaginary[0], 0.0
    spec[n, 0], spec[n, 1] = real[0] - imaginary[0], 0.0
    for k in range(1, n):
        even_re, even_im = half * (real[k] + real[n - k]), half * (imaginary[k] - imaginary[n - k])
        odd_re, odd_im = half * (imaginary[k] + imaginary[n - k]), half * (real[n - k] - real[k])
        c, s = turns[0, k], turns[1, k]
        spec[k, 0] = even_re + c * odd_re - s * odd_im
        spec[k, 1] = even_im + c * odd_im + s * odd_re


@nb.njit(fastmath={"contract"})
def _half_spectrum(spec: Any, turns: Any, scratch: Any) -> None:  # pragma: no cover (compiled)
    """The complex points' spectrum ``E + i O`` from the bins, over the length, its parts in each other's place."""
    n = scratch.shape[1]
    share = np.float32(0.5 / n)
    for k in range(n):
        # Of a real frame the first and the last bin are real, whatever a network says about them.
        p_im = spec[k, 1] if k else np.float32(0.0)
        q_im = spec[n - k, 1] if k else np.float32(0.0)
        p_re, q_re = spec[k, 0], spec[n - k, 0]
        even_re, even_im = p_re + q_re, p_im - q_im
        t_re, t_im = p_re - q_re, p_im + q_im
        c, s = turns[0, k], -turns[1, k]
        odd_re, odd_im = c * t_re - s * t_im, c * t_im + s * t_re
        scratch[1, k] = share * (even_re - odd_im)
        scratch[0, k] = share * (even_im + odd_re)
