"""Many files, one by one or side by side: what is finished is skipped, what fails is told, the rest goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from specloom.errors import ParameterError, SpecloomError
from specloom.io.atomic import require_room_for_folder

Status = Literal["done", "skipped", "failed"]
# Called with the job and the share of it that is done.
JobProgress = Callable[["Job", float], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A file to read and the file to make of it."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of a job.

    Parameters
    ----------
    source, target : Path
    status : {"done", "skipped", "failed"}
    message : str
        A sentence: what was made, why it was skipped, or what went wrong.
    elapsed_s : float
        Seconds of work.
    """

    source: Path
    target: Path
    status: Status
    message: str
    elapsed_s: float = 0.0


class Work(Protocol):
    """What is done with a job. Returns the status and the sentence; raises a SpecloomError when it fails."""

    def __call__(self, job: Job, progress: Callable[[float], None]) -> tuple[Status, str]:
        """Do the work."""
        ...


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Jobs that are ready to run. Iterating runs them and gives a `FileResult` as each one ends.

    Parameters
    ----------
    jobs : tuple of Job
    work : Work
        With ``workers`` above 1 it travels to other processes, so it must be picklable.
    workers : int
        Processes that work side by side. A script that asks for more than one must start its work below
        ``if __name__ == "__main__":``, because each process imports it.
    """

    jobs: tuple[Job, ...]
    work: Work
    workers: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1:
            raise ParameterError(f"jobs={self.workers!r}: a whole number of at least 1 is needed")

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[FileResult]:
        return self.run()

    def run(self, progress: JobProgress = lambda job, share: None) -> Iterator[FileResult]:
        """Run the jobs.

        Parameters
        ----------
        progress : callable
            Called with the job and its share that is done; only when one process does all the work.
        """
        if self.workers == 1 or len(self.jobs) < 2:
            for job in self.jobs:
                yield run_job(self.work, job, progress)
        else:
            yield from self._run_side_by_side()

    def _run_side_by_side(self) -> Iterator[FileResult]:
        from multiprocessing import get_context

        # Not forked: a fork of a process that runs threads (numba's, soxr's) may hang.
        with ProcessPoolExecutor(
            min(self.workers, len(self.jobs)), mp_context=get_context("spawn"), initializer=_ignore_interrupts
        ) as pool:
            futures = {pool.submit(_run_in_worker, self.work, job): job for job in self.jobs}
            try:
                for future in as_completed(futures):
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        yield _failed(futures[future], "a worker process was killed (out of memory?); use fewer jobs")
            finally:
                pool.shutdown(cancel_futures=True)


def run_job(work: Work, job: Job, progress: JobProgress = lambda job, share: None) -> FileResult:
    """Run one job; an error that concerns the file becomes the result's sentence."""
    begun = time.monotonic()
    try:
        status, message = work(job, lambda share: progress(job, share))
    except SpecloomError as error:
        return _failed(job, str(error), begun)
    except OSError as error:
        return _failed(job, f"{error.filename or job.target}: {error.strerror or error}", begun)
    except MemoryError:
        return _failed(job, f"{job.source}: there is not enough memory for it; close other programs", begun)
    return FileResult(
        source=job.source, target=job.target, status=status, message=message, elapsed_s=time.monotonic() - begun
    )


def _failed(job: Job, message: str, begun: float | None = None) -> FileResult:
    elapsed = 0.0 if begun is None else time.monotonic() - begun
    return FileResult(source=job.source, target=job.target, status="failed", message=message, elapsed_s=elapsed)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_in_worker(work: Work, job: Job) -> FileResult:
    # Between jobs a worker is deaf to Ctrl-C (the parent ends it); within one it stops and removes what is half done.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run_job(work, job)
    finally:
        _ignore_interrupts()


def plan_jobs(
    inputs: Iterable[Path], out_dir: Path, suffix: str, find: Callable[[Path], Iterable[Path]]
) -> tuple[Job, ...]:
    """Which file becomes which: the tree below each given folder is mirrored in ``out_dir``.

    Parameters
    ----------
    inputs : iterable of Path
        Files and folders.
    out_dir : Path
    suffix : str
        Of the files to make: ``".npz"``.
    find : callable
        The files at or below a path.

    Raises
    ------
    ParameterError
        When nothing is found, two files would become one, or a file is in the place of ``out_dir``.
    """
    require_room_for_folder(out_dir)
    jobs: dict[Path, Job] = {}
    given = [Path(path) for path in inputs]
    for path in given:
        root = path if path.is_dir() else path.parent
        for source in find(path):
            target = (out_dir / source.relative_to(root)).with_suffix(suffix)
            rival = jobs.setdefault(target, Job(source=source, target=target)).source
            if rival.resolve() != source.resolve():
                raise ParameterError(
                    f"{rival} and {source} would both become {target}; rename one, or give them in separate runs "
                    "with separate output folders"
                )
    if not given:
        raise ParameterError("no input was given: name at least one file or folder")
    if not jobs:
        raise ParameterError(f"there is nothing to do: no suitable file below {', '.join(map(str, given))}")
    return tuple(jobs.values())
