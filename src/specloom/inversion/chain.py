"""From mel frames to samples: magnitudes by one network, phases by us, and another network's last touch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import tee
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from specloom.dsp.stream import istft_blocks, stft_blocks
from specloom.inversion.features import MelInversion
from specloom.phase.reconstruct import Quality, reconstruct_blocks

FloatArray = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]

# How the phases of the first sound are sought; the refining network has learned from sounds that were made so.
START: Final[Quality] = "balanced"
# Frames of silence that stand before a sound: longer than any network looks back.
_BEFORE = 40
# Frames that go through a network at a time: enough for large products of matrices, few enough for the cache.
_TOGETHER = 64


class Network(Protocol):
    """A `specloom.runtime.Session`, or a network in training that behaves like one."""

    def initial_states(self, batch: int) -> Any:
        """Zeros."""

    def run(self, inputs: Mapping[str, FloatArray], states: Any) -> tuple[Mapping[str, FloatArray], Any]:
        """Outputs, and states for the next run."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The two networks of a model."""

    magnitude: Network
    refine: Network


class Punctual:
    """A network that gives its frames late, so that they come out as they went in: as many, in their places.

    Before the sound and after it is silence. How the frames are cut does not matter: they go through the network in
    stretches of a fixed length, or as they come (`together` = 1).

    Parameters
    ----------
    network : Network
    given : str
        The name of its input.
    delay : int
        Frames.
    together : int
        Frames that go through the network at a time; what does not fill such a stretch waits.
    """

    def __init__(self, network: Network, given: str, *, delay: int, together: int = _TOGETHER) -> None:
        self._network, self._given, self._delay, self._together = network, given, delay, together
        self._states: Any = None
        self._waiting: FloatArray | None = None
        self._n_early = delay

    def push(self, frames: FloatArray) -> list[FloatArray]:
        """Take frames, ``(n, ...)``; give those that are ready, in arrays of at least one frame."""
        if self._waiting is None:
            self._begin(frames.shape[1:])
            self._waiting = frames[:0]
        self._waiting = np.concatenate([self._waiting, frames])
        ready = []
        while len(self._waiting) >= self._together:
            ready += self._run(self._waiting[: self._together])
            self._waiting = self._waiting[self._together :]
        return ready

    def finish(self) -> list[FloatArray]:
        """The frames that are still inside."""
        if self._waiting is None:
            return []
        silence = np.zeros((self._delay, *self._waiting.shape[1:]), dtype=np.float32)
        last = np.concatenate([self._waiting, silence])
        return self._run(last) if len(last) else []

    def _begin(self, shape: tuple[int, ...]) -> None:
        silence = np.zeros((1, _BEFORE, *shape), dtype=np.float32)
        _, self._states = self._network.run({self._given: silence}, self._network.initial_states(1))

    def _run(self, frames: FloatArray) -> list[FloatArray]:
        outputs, self._states = self._network.run({self._given: np.ascontiguousarray(frames[np.newaxis])}, self._states)
        (made,) = outputs.values()
        n_early = min(len(frames), self._n_early)
        self._n_early -= n_early
        return [made[0, n_early:]] if n_early < len(frames) else []


def magnitude_network(features: MelInversion, networks: Networks, *, together: int = _TOGETHER) -> Punctual:
    """The network from mel frames ``(n, n_mels)`` to magnitudes ``(n, n_bins)``."""
    return Punctual(networks.magnitude, "mel", delay=features.magnitude_delay, together=together)


def refining_network(features: MelInversion, networks: Networks, *, together: int = _TOGETHER) -> Punctual:
    """The network from `paired` frames ``(n, n_bins, 3)`` to spectra ``(n, n_bins, 2)``."""
    return Punctual(networks.refine, "frames", delay=features.refine_delay, together=together)


def paired(spec: ComplexArray, magnitude: FloatArray) -> FloatArray:
    """What the refining network is given: ``spec, magnitude (n_bins, n)`` -> ``(n, n_bins, 3)``."""
    return np.stack([spec.real.T, spec.imag.T, magnitude.T], axis=-1).astype(np.float32, copy=False)


def as_spectrum(refined: FloatArray) -> ComplexArray:
    """``(n, n_bins, 2)`` -> ``(n_bins, n)``."""
    return np.ascontiguousarray(refined).view(np.complex64)[..., 0].T


def magnitudes(features: MelInversion, networks: Networks, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Mel blocks ``(n_mels, n)`` to magnitudes ``(n_bins, n)``, as many frames in all."""
    network = magnitude_network(features, networks)
    for block in blocks:
        # Magnitudes are many times as large as mel bands, so not those of a whole block at once.
        for begin in range(0, block.shape[1], _TOGETHER):
            piece = block[:, begin : begin + _TOGETHER]
            for made in network.push(np.ascontiguousarray(piece.T, dtype=np.float32)):
                yield np.ascontiguousarray(made.T)
    for made in network.finish():
        yield np.ascontiguousarray(made.T)


def sound_blocks(
    features: MelInversion,
    networks: Networks,
    blocks: Iterable[FloatArray],
    *,
    length: int | None = None,
    threads: int = 1,
) -> Iterator[FloatArray]:
    """Mel blocks ``(n_mels, n)`` to samples, in bounded memory.

    Parameters
    ----------
    features, networks
    blocks : iterable of float32 arrays
        Mel values as the filters gave them, not scaled, not in decibels; not negative.
    length : int, optional
        Samples in all; what the frames give, if not known.
    threads : int
        For the search for phases.

    Notes
    -----
    Laws (tests/laws/test_inversion_laws.py): how the frames are cut into blocks does not matter; silence stays
    silence; twice as loud a mel spectrum gives twice as loud a sound.
    """
    config = features.settings.stft
    wanted, kept = tee(magnitudes(features, networks, blocks))
    first = reconstruct_blocks(wanted, config, quality=START, length=length, threads=threads)
    yield from istft_blocks(_refined(features, networks, stft_blocks(first, config), kept), config, length)


def _refined(
    features: MelInversion, networks: Networks, spectra: Iterable[ComplexArray], wanted: Iterator[FloatArray]
) -> Iterator[ComplexArray]:
    network = refining_network(features, networks)
    waiting: FloatArray | None = None
    for spec in spectra:
        n_frames = spec.shape[-1]
        while waiting is None or waiting.shape[-1] < n_frames:
            more = next(wanted, None)
            if more is None:
                break
            waiting = more if waiting is None else np.concatenate([waiting, more], axis=-1)
        if waiting is None:
            return
        # A length that the frames do not give leaves a frame on one side without its other.
        n_both = min(n_frames, waiting.shape[-1])
        pair = paired(spec[:, :n_both], waiting[:, :n_both])
        waiting = waiting[:, n_both:]
        for made in network.push(pair):
            yield as_spectrum(made)
    for made in network.finish():
        yield as_spectrum(made)
