"""Batches without end, mixed in other processes while the network works."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError, SpecloomError
from specloom.train.data.mixing import Mixture, Sources, mix_batch
from specloom.train.data.settings import MixingSettings

# Libraries of linear algebra take a thread per core unless told otherwise; mixing needs none of them.
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PATIENCE_S: Final = 5.0


class WorkerError(SpecloomError, RuntimeError):
    """A process that mixes training items has failed or was ended."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Which batches there are, the same in every process."""

    sources: Sources
    settings: MixingSettings
    seed: int
    batch_size: int
    first_item: int
    every: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return (2, self.batch_size, round(self.settings.seconds * self.sources.sample_rate))

    @property
    def slot_bytes(self) -> int:
        return 4 * math.prod(self.shape)

    def mix(self, batch: int) -> Mixture:
        first = self.first_item + batch * self.every
        return mix_batch(self.sources, self.settings, seed=self.seed, items=range(first, first + self.batch_size))


class MixtureStream:
    """Batches of training items; an iterator without end, to be closed (or used in a ``with`` block).

    Parameters
    ----------
    sources : Sources
    settings : MixingSettings
    seed : int
        At least 0.
    batch_size : int
    first_item : int
        The first batch holds items ``first_item .. first_item + batch_size - 1``: nothing else is needed to go on where
        another stream ended.
    every : int, optional
        The next batch begins so many items later; `batch_size` if not given. With `w` ranks, rank `r` takes
        ``first_item + r * batch_size`` and ``every = w * batch_size``.
    workers : int
        Processes that mix; 0 mixes in this one. The batches are the same for any number. Each process imports the
        main module, so a script must start its work below ``if __name__ == "__main__":``.
    prefetch : int
        Batches that each worker prepares ahead.

    Attributes
    ----------
    n_given : int
        Batches so far.
    waited_s : float
        Seconds for which ``next`` had to wait (without workers: to mix).

    Raises
    ------
    ParameterError
        For a number out of its range.
    WorkerError
        From ``next``, when a worker has failed or was ended; the message says what happened there.

    Examples
    --------
    >>> from specloom.train.data import Clips
    >>> speech = Clips.from_arrays([np.full(8_000, 0.1)], groups=["anna"], sample_rate=8_000)
    >>> settings = MixingSettings(seconds=0.5)
    >>> with MixtureStream(Sources(speech=speech), settings, seed=1, batch_size=3, workers=0) as stream:
    ...     next(stream).noisy.shape
    (3, 4000)
    """

    def __init__(
        self,
        sources: Sources,
        settings: MixingSettings,
        *,
        seed: int,
        batch_size: int,
        first_item: int = 0,
        every: int | None = None,
        workers: int = 1,
        prefetch: int = 4,
    ) -> None:
        every = batch_size if every is None else every
        least = {"seed": 0, "batch_size": 1, "first_item": 0, "every": 1, "workers": 0, "prefetch": 1}
        for name, value in zip(least, (seed, batch_size, first_item, every, workers, prefetch), strict=True):
            if isinstance(value, bool) or not isinstance(value, int) or value < least[name]:
                raise ParameterError(f"{name}={value!r}: a whole number of at least {least[name]} is needed")
        self._plan = _Plan(
            sources=sources, settings=settings, seed=seed, batch_size=batch_size, first_item=first_item, every=every
        )
        self.n_given = 0
        self.waited_s = 0.0
        self._workers: list[_Worker] = []
        self._closed = False
        # Measured once: what one worker has touched of its share must not make that of the next smaller.
        n_slots = _affordable(prefetch, self._plan.slot_bytes, workers) if workers else 0
        try:
            for index in range(workers):
                self._workers.append(_Worker(self._plan, first_batch=index, n_workers=workers, n_slots=n_slots))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Mixture:
        if self._closed:
            raise StopIteration
        began = time.perf_counter()
        if self._workers:
            mixture = self._workers[self.n_given % len(self._workers)].take()
        else:
            mixture = self._plan.mix(self.n_given)
        self.n_given += 1
        self.waited_s += time.perf_counter() - began
        return mixture

    def close(self) -> None:
        """End the workers and free their memory; a stream that is closed gives nothing more."""
        self._closed = True
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A stream that nobody closed must not leave memory behind.
        if getattr(self, "_workers", None):
            self.close()


class _Worker:
    """One process and the ring of batches that it fills, seen from the process that takes them out."""

    def __init__(self, plan: _Plan, *, first_batch: int, n_workers: int, n_slots: int) -> None:
        self._shape = (n_slots, *plan.shape)
        self._memory = SharedMemory(create=True, size=n_slots * plan.slot_bytes)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_fill,
            args=(plan, self._memory.name, self._shape, first_batch, n_workers, theirs),
            name=f"specloom-mixing-{first_batch}",
            daemon=True,
        )
        self._next_slot = 0
        with _one_thread():
            self._process.start()
        # Only when no copy of its end is left here does the pipe tell that the worker has died.
        theirs.close()

    def take(self) -> Mixture:
        """Wait for the next batch, copy it, and give its place back."""
        try:
            failure = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(_PATIENCE_S)
            raise WorkerError(
                f"a process that mixes training items has ended (exit code {self._process.exitcode}); what it said "
                "stands above, and if it said nothing it was killed: resume, with fewer workers if memory is short"
            ) from None
        if failure is not None:
            raise WorkerError(f"mixing training items failed: {failure}")
        noisy, clean = _slots(self._memory, self._shape)[self._next_slot].copy()
        self._next_slot = (self._next_slot + 1) % self._shape[0]
        # A worker that has just died is told of by the next call.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(None)
        return Mixture(noisy, clean)

    def stop(self) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_PATIENCE_S)
        self._memory.close()
        self._memory.unlink()


def _fill(
    plan: _Plan, memory_name: str, shape: tuple[int, ...], first_batch: int, n_workers: int, pipe: Connection
) -> None:
    """What a worker does until the pipe is closed: batches ``first_batch + k * n_workers`` into the ring, in order."""
    # Ctrl-C reaches the whole group of processes; the one that trains decides when the stream ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory = SharedMemory(memory_name)
    # When the other side has closed the pipe, nobody wants more.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _fill_ring(plan, _slots(memory, shape), first_batch, n_workers, pipe)
    memory.close()


def _fill_ring(plan: _Plan, slots: npt.NDArray[np.float32], first_batch: int, n_workers: int, pipe: Connection) -> None:
    for turn in count():
        try:
            noisy, clean = plan.mix(first_batch + turn * n_workers)
        except SpecloomError as error:
            pipe.send(str(error))
            return
        if turn >= len(slots):
            # Every place is in use until the oldest batch was taken out.
            pipe.recv()
        slot = slots[turn % len(slots)]
        slot[0], slot[1] = noisy, clean
        pipe.send(None)


def _slots(memory: SharedMemory, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.ndarray(shape, dtype=np.float32, buffer=memory.buf)


def _affordable(n_slots: int, slot_bytes: int, n_workers: int) -> int:
    """How many places of each worker's ring fit: touching shared memory that is not there kills a process without a
    word. What another worker, or another rank on this machine, has asked for is free until it is touched, so each
    counts on its share alone.
    """
    place = Path("/dev/shm")
    if not place.is_dir():
        return n_slots
    free = shutil.disk_usage(place).free
    n_ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fitting = int(0.9 * free / (n_workers * n_ranks)) // slot_bytes
    if fitting < 1:
        raise ParameterError(
            f"workers={n_workers}: each needs {slot_bytes} bytes of shared memory for a batch, and {free} are free in "
            f"{place}; give the container more (--shm-size), take smaller batches, or workers=0"
        )
    return min(n_slots, fitting)


@contextmanager
def _one_thread() -> Iterator[None]:
    """What is started inside does its linear algebra in one thread."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
