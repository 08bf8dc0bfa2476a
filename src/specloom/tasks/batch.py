"""Many files, one by one or side by side: what is finished is skipped, what fails is told, the rest goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from specloom.errors import ParameterError, SpecloomError
from specloom.io.atomic import require_room_for_folder

if TYPE_CHECKING:
    from specloom.rescue.assumptions import Assumption
    from specloom.tasks.tiles import TileRow

Status = Literal["done", "skipped", "failed"]
# Called with the job and the share of it that is done.
JobProgress = Callable[["Job", float], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A file to read and the file to make of it.

    Parameters
    ----------
    source, target : Path
        Of several files the first: of the pieces of one recording.
    others : tuple of Path
        Further files that are read together with ``source``.
    note : str
        What was noticed while the job was planned, and belongs into its sentence.
    """

    source: Path
    target: Path
    others: tuple[Path, ...] = ()
    note: str = ""

    @property
    def sources(self) -> tuple[Path, ...]:
        """All files that are read."""
        return (self.source, *self.others)


@dataclass(frozen=True)
class Outcome:
    """What a piece of work says when it has ended well; see `FileResult`."""

    status: Status
    message: str
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()
    target: Path | None = None
    files: tuple[Path, ...] = ()
    tiles: tuple[TileRow, ...] = ()
    found: object = None


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
    assumptions : tuple of Assumption
        What had to be assumed about a picture that does not say how it was made.
    warnings : tuple of str
        Sentences: what makes the result doubtful.
    files : tuple of Path
        Everything that was made, where that is more than ``target``: the pieces of a recording.
    tiles : tuple of TileRow
        What an index says about each of them, if they are tiles.
    found : object
        What was measured, of work that measures and writes nothing.
    """

    source: Path
    target: Path
    status: Status
    message: str
    elapsed_s: float = 0.0
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    tiles: tuple[TileRow, ...] = ()
    found: object = None


class Work(Protocol):
    """What is done with a job. Returns what came of it; raises a SpecloomError when it fails."""

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
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
    at_end : callable, optional
        Called in this process with all results when the run ends, also when it is broken off.
    """

    jobs: tuple[Job, ...]
    work: Work
    workers: int = 1
    at_end: Callable[[Sequence[FileResult]], None] | None = None

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
        results: list[FileResult] = []
        try:
            for result in self._results(progress):
                results.append(result)
                yield result
        finally:
            if self.at_end is not None:
                self.at_end(results)

    def _results(self, progress: JobProgress) -> Iterator[FileResult]:
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
        outcome = work(job, lambda share: progress(job, share))
    except SpecloomError as error:
        return _failed(job, str(error), begun)
    except OSError as error:
        return _failed(job, f"{error.filename or job.target}: {error.strerror or error}", begun)
    except MemoryError:
        return _failed(job, f"{job.source}: there is not enough memory for it; close other programs", begun)
    return FileResult(
        source=job.source,
        target=outcome.target or job.target,
        status=outcome.status,
        message=outcome.message,
        elapsed_s=time.monotonic() - begun,
        assumptions=outcome.assumptions,
        warnings=outcome.warnings,
        files=outcome.files,
        tiles=outcome.tiles,
        found=outcome.found,
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


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file to work on, and its place below the folder that it was found in."""

    path: Path
    place: Path


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
    found = find_all(inputs, out_dir, find)
    return without_rivals(Job(source=file.path, target=(out_dir / file.place).with_suffix(suffix)) for file in found)


def find_all(inputs: Iterable[Path], out_dir: Path, find: Callable[[Path], Iterable[Path]]) -> list[Found]:
    """Every file at or below the inputs, in their order; arguments and errors as of `plan_jobs`."""
    require_room_for_folder(out_dir)
    given = [Path(path) for path in inputs]
    if not given:
        raise ParameterError("no input was given: name at least one file or folder")
    found = []
    for path in given:
        root = path if path.is_dir() else path.parent
        found += [Found(path=source, place=source.relative_to(root)) for source in find(path)]
    if not found:
        raise ParameterError(f"there is nothing to do: no suitable file below {', '.join(map(str, given))}")
    return found


def without_rivals(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Each job once.

    Raises
    ------
    ParameterError
        When two files would become one.
    """
    by_target: dict[Path, Job] = {}
    for job in jobs:
        rival = by_target.setdefault(job.target, job).source
        if rival.resolve() != job.source.resolve():
            raise ParameterError(
                f"{rival} and {job.source} would both become {job.target}; rename one, or give them in separate runs "
                "with separate output folders"
            )
    return tuple(by_target.values())
