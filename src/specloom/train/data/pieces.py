"""Pieces of recordings with whole frames, for models that turn spectra into sound again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.train.data.clips import Clips, picker_of

FloatArray = npt.NDArray[np.float32]

# How often a piece holds the beginning or the end of its recording, where it would not by chance.
_EDGE_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a recording.

    Parameters
    ----------
    samples : float32 array, shape ``(n_fft + (n_frames - 1) * hop_length,)``
        Frame ``t`` is centred on sample ``n_fft // 2 + t * hop_length``. Where the recording is not, zeros.
    inside : float32 array, shape ``(n_frames,)``
        1 for the frames that the recording's own centred transform has, 0 before and after it.
    """

    samples: FloatArray
    inside: FloatArray


def piece_of(clips: Clips, config: StftConfig, *, n_frames: int, seed: int, item: int) -> Piece:
    """Training item `item`: a pure function of the seed and the number. One in five holds an edge of a recording.

    A recording that is drawn is drawn as often as its length says (its square root, between groups).
    """
    rng = np.random.default_rng([seed, item])
    picker = picker_of(clips, 0.5)
    index = picker.clip(rng, picker.group(rng))
    length, hop = int(clips.lengths[index]), config.hop_length
    n_own = config.n_frames(length)
    if n_own <= n_frames:
        first = -int(rng.integers(n_frames - n_own + 1))
        shift = 0
    elif rng.random() < _EDGE_SHARE:
        some = int(rng.integers(1, n_frames))
        first = -some if rng.random() < 0.5 else n_own - n_frames + some
        shift = 0
    else:
        first = int(rng.integers(n_own - n_frames))
        # Off the recording's own grid of frames, of which there would be one only.
        shift = int(rng.integers(hop))
    begin = first * hop + shift - config.n_fft // 2
    samples = np.zeros(config.n_fft + (n_frames - 1) * hop, dtype=np.float32)
    start, stop = max(0, begin), min(length, begin + len(samples))
    if stop > start:
        samples[start - begin : stop - begin] = clips.read(index, start, stop - start)
    frames = first + np.arange(n_frames)
    return Piece(samples=samples, inside=((frames >= 0) & (frames < n_own)).astype(np.float32))
