"""Overlapping frames of a long sound, some at a time, so that hours need no more memory than seconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray

_BATCH_FRAMES = 256


def frame_batches(samples: FloatArray, frame_length: int, hop_length: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield float64 ``(n, frame_length)`` with ``n`` up to 256, frame ``t`` centred on sample ``t * hop_length``.

    There are ``1 + n_samples // hop_length`` frames; what lies beyond the edges is zero.
    """
    n_frames = 1 + len(samples) // hop_length
    for first in range(0, n_frames, _BATCH_FRAMES):
        count = min(_BATCH_FRAMES, n_frames - first)
        start = first * hop_length - frame_length // 2
        stop = start + (count - 1) * hop_length + frame_length
        piece = samples[max(0, start) : max(0, stop)].astype(np.float64)
        before = min(max(0, -start), stop - start)
        span = np.pad(piece, (before, stop - start - before - len(piece)))
        yield np.lib.stride_tricks.sliding_window_view(span, frame_length)[::hop_length]
