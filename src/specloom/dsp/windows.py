"""Analysis windows, their envelope, and whether a transform that uses them can be undone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.errors import ParameterError

# Below this share of the envelope's maximum a sample counts as unseen by every window.
_UNSEEN = 1e-8


@lru_cache(maxsize=64)
def window_of(config: StftConfig) -> npt.NDArray[np.float64]:
    """The periodic window of a transform, float64, shape ``(win_length,)``, read-only.

    Raises
    ------
    ParameterError
        When `scipy.signal.get_window` does not know the name.
    """
    from scipy.signal import get_window

    try:
        window = np.asarray(get_window(config.window, config.win_length, fftbins=True), dtype=np.float64)
    except (ValueError, TypeError, IndexError) as error:
        raise ParameterError(
            f"window={config.window!r} is not known to scipy.signal.get_window ({error}); try 'hann'"
        ) from error
    window.flags.writeable = False
    return window


@lru_cache(maxsize=64)
def padded_window(config: StftConfig) -> npt.NDArray[np.float64]:
    """`window_of` centred in ``n_fft`` zeros, shape ``(n_fft,)``, read-only."""
    before = (config.n_fft - config.win_length) // 2
    after = config.n_fft - config.win_length - before
    window = np.pad(window_of(config), (before, after))
    window.flags.writeable = False
    return window


def squared_window_sum(config: StftConfig, n_frames: int) -> npt.NDArray[np.float64]:
    """Sum of the squared windows of ``n_frames`` frames, shape ``((n_frames - 1) * hop + n_fft,)``.

    The envelope that an inverse divides by. It is periodic in the hop except at the ends.
    """
    envelope = np.zeros((n_frames - 1) * config.hop_length + config.n_fft)
    square = padded_window(config) ** 2
    for first in range(min(n_frames, -(-config.n_fft // config.hop_length))):
        # Frames this far apart do not overlap, so each stride is one addition.
        stride = -(-config.n_fft // config.hop_length)
        for frame in range(first, n_frames, stride):
            start = frame * config.hop_length
            envelope[start : start + config.n_fft] += square
    return envelope


def in_rows_of_hops(values: npt.NDArray[np.float64], hop_length: int) -> npt.NDArray[np.float64]:
    """Cut into rows of a hop, the last filled with zeros; where all frames reach, overlapping adds the rows up."""
    return np.pad(values, (0, -values.size % hop_length)).reshape(-1, hop_length)


def require_invertible(config: StftConfig) -> None:
    """Refuse a transform that leaves samples which no window sees.

    Raises
    ------
    ParameterError
        Naming the cause: a hop longer than the window, or a window with a gap that the hop does not cover.
    """
    if config.hop_length > config.win_length:
        raise ParameterError(
            f"hop_length={config.hop_length} is larger than win_length={config.win_length}: "
            "the samples between two windows are never seen, so this STFT is not invertible; shorten the hop"
        )
    hop = config.hop_length
    folded = in_rows_of_hops(window_of(config) ** 2, hop).sum(axis=0)
    if folded.min() <= _UNSEEN * folded.max():
        raise ParameterError(
            f"window={config.window!r} with win_length={config.win_length} and hop_length={hop} leaves samples "
            "that every window weighs with zero, so this STFT is not invertible; shorten the hop"
        )
