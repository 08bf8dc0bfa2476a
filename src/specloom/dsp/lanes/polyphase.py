"""Weighted sums over a window that moves by a fraction of a sample: what a change of rate comes down to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.lanes.compiled import summing_kernel

FloatArray = npt.NDArray[np.float32]


def moving_sums(
    samples: FloatArray, filters: FloatArray, step: tuple[int, int], place: tuple[int, int], n_sums: int
) -> FloatArray:
    """Sums of ``samples`` under filters that are chosen by how far the window stands between two samples.

    Parameters
    ----------
    samples : float32 array, shape ``(n_channels, n)``
    filters : float32 array, shape ``(n_phases, n_taps)``
    step : (int, int)
        How far the window moves from sum to sum: whole samples, and ``1 / n_phases`` of one.
    place : (int, int)
        Where the window of the first sum begins, in the same measure.
    n_sums : int
        The last window ends within the samples.

    Returns
    -------
    float32 array, shape ``(n_channels, n_sums)``
    """
    sums = np.empty((len(samples), n_sums), dtype=np.float32)
    _moving_sums(np.ascontiguousarray(samples, dtype=np.float32), filters, *step, *place, sums)
    return sums


@summing_kernel
def _moving_sums(samples, filters, step, step_phase, start, start_phase, sums):
    n_phases, n_taps = filters.shape
    for channel in range(len(samples)):
        row, place, phase = samples[channel], start, start_phase
        for index in range(sums.shape[1]):
            taps, window = filters[phase], row[place : place + n_taps]
            total = np.float32(0.0)
            for tap in range(n_taps):
                total += taps[tap] * window[tap]
            sums[channel, index] = total
            place += step
            phase += step_phase
            if phase >= n_phases:
                place += 1
                phase -= n_phases
