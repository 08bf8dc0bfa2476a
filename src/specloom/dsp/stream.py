"""`stft` and `istft` of sounds that come in pieces, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from specloom.config import StftConfig
from specloom.dsp.stft import ComplexArray, FloatArray, fit_length, istft, require_length, stft
from specloom.errors import ParameterError


class StftStream:
    """Samples in, the frames that are whole out.

    Parameters
    ----------
    config : StftConfig
        The hop is at most ``n_fft``.

    Notes
    -----
    Law: all frames together are `stft` of all samples together (tests/laws/test_recipe_streaming.py).
    """

    def __init__(self, config: StftConfig) -> None:
        self._config = config
        self._inner = replace(config, center=False)
        self._edge = config.n_fft // 2 if config.center else 0
        self._pending: FloatArray | None = None

    def push(self, samples: FloatArray) -> ComplexArray:
        """Take samples ``(..., n)``; give frames ``(..., n_bins, m)``, m = 0 among them."""
        if self._pending is None:
            samples = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(self._edge, 0)])
            self._pending = samples[..., :0]
        pending = np.concatenate([self._pending, samples], axis=-1)
        n_frames = self._inner.n_frames(pending.shape[-1])
        self._pending = pending[..., n_frames * self._inner.hop_length :]
        if n_frames == 0:
            return np.zeros((*samples.shape[:-1], self._config.n_bins, 0), dtype=np.complex64)
        return stft(pending[..., : self._inner.n_samples(n_frames)], self._inner)

    def finish(self, n_silent: int = 0) -> ComplexArray:
        """The last frames, and those of ``n_silent`` hops of silence after the sound."""
        leading = () if self._pending is None else self._pending.shape[:-1]
        return self.push(np.zeros((*leading, self._edge + n_silent * self._config.hop_length), dtype=np.float32))


class IstftStream:
    """Frames in, the samples that no later frame reaches out.

    Parameters
    ----------
    config : StftConfig
    length : int, optional
        Samples in all, where that is known from the first: no more are given.

    Notes
    -----
    Law: all samples together are `istft` of all frames together, up to the rounding of sums
    (tests/laws/test_picture_laws.py). The frames that reach into the next ones are kept and transformed again with
    them.
    """

    def __init__(self, config: StftConfig, length: int | None = None) -> None:
        self._config, self._length = config, length
        self._inner = replace(config, center=False)
        self._n_shared = max(1, -(-config.n_fft // config.hop_length) - 1)
        # Counted from the begin of the first window; the sound begins an edge later.
        self._edge = config.n_fft // 2 if config.center else 0
        self._kept: ComplexArray | None = None
        self._first = self._n_frames = self._sent = 0

    def push(self, spec: ComplexArray) -> FloatArray:
        """Take frames ``(..., n_bins, n)``, at least one; give samples ``(..., m)``."""
        self._kept = spec if self._kept is None else np.concatenate([self._kept, spec], axis=-1)
        self._n_frames += spec.shape[-1]
        # Frames that are still to come reach the samples after these.
        return self._up_to(min(self._wanted(self._length), self._n_frames * self._config.hop_length))

    def finish(self, length: int | None = None) -> FloatArray:
        """The samples still held, up to ``length`` in all (what was said at first, or what the frames give, if None).

        Raises
        ------
        ParameterError
            When there was no frame.
        """
        return self._up_to(self._wanted(self._length if length is None else length))

    def _wanted(self, length: int | None) -> int:
        return self._edge + (self._config.n_samples(self._n_frames) if length is None else length)

    def _up_to(self, wanted: int) -> FloatArray:
        if self._kept is None:
            raise ParameterError("there are no frames: at least one is needed")
        hop, first = self._config.hop_length, self._first
        samples = fit_length(istft(self._kept, self._inner), max(0, wanted - first * hop))
        samples = samples[..., max(self._sent, self._edge) - first * hop :]
        self._sent = max(self._sent, wanted)
        n_gone = max(0, self._kept.shape[-1] - self._n_shared)
        self._kept, self._first = self._kept[..., n_gone:], first + n_gone
        return samples


def stft_blocks(blocks: Iterable[FloatArray], config: StftConfig, n_silent: int = 0) -> Iterator[ComplexArray]:
    """`stft` of a sound that arrives in blocks, followed by ``n_silent`` frames' worth of silence.

    The frames of all blocks together are those of the whole sound. The hop is at most ``n_fft``.
    """
    stream = StftStream(config)
    for block in blocks:
        spec = stream.push(block)
        if spec.shape[-1]:
            yield spec
    spec = stream.finish(n_silent)
    if spec.shape[-1]:
        yield spec


def istft_blocks(blocks: Iterable[ComplexArray], config: StftConfig, length: int | None = None) -> Iterator[FloatArray]:
    """`istft` of a spectrum that arrives in blocks ``(..., n_bins, n)`` of any size: yields samples, in bounded memory.

    Parameters
    ----------
    blocks : iterable of complex arrays
    config : StftConfig
    length : int, optional
        As in `istft`.

    Yields
    ------
    real arrays, shape ``(..., n)``

    Raises
    ------
    ParameterError
        As `istft`, and when there is no frame at all.

    Notes
    -----
    Law: the concatenated samples equal `istft` of the concatenated blocks, up to the rounding of sums (tests/laws).
    """
    require_length(length)
    stream = IstftStream(config, length)
    for block in blocks:
        if block.shape[-1]:
            yield stream.push(block)
    yield stream.finish()
