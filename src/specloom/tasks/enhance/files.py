"""Recordings to cleaned recordings: a file, several, or whole folder trees, of any length in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from specloom.artifact import Header
from specloom.errors import AudioFileError, ParameterError
from specloom.io.audio import AudioFileWarning, AudioReader, AudioWriter, find_recordings
from specloom.io.sources import reason
from specloom.recipes.streaming_analysis import SampleScratch
from specloom.tasks.batch import Batch, Job, Outcome, plan_jobs
from specloom.tasks.enhance.enhancer import Enhancer
from specloom.tasks.enhance.model_stream import FloatArray
from specloom.tasks.enhance.stream import EnhanceStream, wet_share
from specloom.tasks.finished import Wanted, clips, digest, kept, said

SoundFormat = Literal["wav", "flac"]
_BLOCK = 1 << 18


def enhance_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    *,
    model: str | Path = "default",
    strength: float = 1.0,
    limit_db: float | None = None,
    sound_format: SoundFormat = "wav",
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Clean each recording; rate, length and channels stay.

    Parameters
    ----------
    inputs : iterable of paths
        Sound files and folders; of a folder, everything below it that is sound.
    out_dir : path
        ``IN/a/b.mp3`` of the folder ``IN`` becomes ``out_dir/a/b.wav``. Not the folder of the recordings themselves.
    model : str or path
        As for `Enhancer`.
    strength, limit_db : float
        As for `Enhancer.process`.
    sound_format : {"wav", "flac"}
        WAV holds 32-bit floats. FLAC holds 24 bits; a sound that goes beyond full scale is lowered as a whole to fit,
        and the result says so.
    overwrite : bool
        Make anew what is there already. Without it, a sound that is newer than its recording and of its rate and length
        is skipped, and any other file stays and counts as failed; so does one whose comment says that it was made with
        another model, strength or limit.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each recording. Before that, only the model has been
        read, and nothing has been written.

    Raises
    ------
    ParameterError
        When there is nothing to do, two recordings would become one file, one would replace itself, or a value is out
        of its range.
    AudioFileError
        When an input does not exist.
    ArtifactError
        When the model cannot be used; see `Enhancer`.
    """
    if sound_format not in ("wav", "flac"):
        raise ParameterError(f"sound_format={sound_format!r}: allowed are 'wav' and 'flac'")
    wet_share(strength, limit_db)
    planned = plan_jobs(map(Path, inputs), Path(out_dir), f".{sound_format}", lambda path: find_recordings([path]))
    _require_other_places(planned)
    _loaded(model)
    work = Enhance(model=model, strength=strength, limit_db=limit_db, overwrite=overwrite)
    return Batch(jobs=planned, work=work, workers=jobs)


def _require_other_places(jobs: Iterable[Job]) -> None:
    """Refuse to put a cleaned sound in the place of a recording."""
    recordings = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in recordings:
            raise ParameterError(
                f"out: {job.target} is a recording that is to be cleaned, and would be replaced; "
                "choose another output folder"
            )


def _loaded(model: str | Path) -> Enhancer:
    """The model, read once in each process, and again when its file has changed."""
    path = Path(model)
    state = path.stat() if path.is_file() else None
    return _read(model, state and (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=1)
def _read(model: str | Path, stamp: object) -> Enhancer:
    return Enhancer(model)


@dataclass(frozen=True, kw_only=True)
class Enhance:
    """The work on one recording."""

    model: str | Path
    strength: float
    limit_db: float | None
    overwrite: bool

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Clean it, or say why it is skipped."""
        enhancer = _loaded(self.model)
        with AudioReader(job.source) as reader:
            wanted = Wanted(way=self._way(job, enhancer.header), sample_rate=reader.sample_rate, made_of="recording")
        if job.target.exists() and not self.overwrite:
            return kept(job, wanted)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AudioFileWarning)
            message = enhance_recording(
                enhancer,
                job.source,
                job.target,
                strength=self.strength,
                limit_db=self.limit_db,
                comment=wanted.comment,
                progress=progress,
            )
        return Outcome("done", message + "".join(f"; {warning.message}" for warning in caught))

    def _way(self, job: Job, header: Header) -> dict[str, str]:
        return {
            "recording": job.source.name,
            "model": header.name,
            "settings": digest(header.to_json()),
            "strength": str(float(self.strength)),
            "limit_db": "none" if self.limit_db is None else str(float(self.limit_db)),
        }


def enhance_recording(
    enhancer: Enhancer,
    recording: Path,
    target: Path,
    *,
    strength: float = 1.0,
    limit_db: float | None = None,
    comment: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> str:
    """Clean a sound file of any length into another; the sentence about it.

    Parameters
    ----------
    enhancer : Enhancer
    recording, target : Path
        The suffix of ``target`` chooses the format.
    strength, limit_db : float
        As for `Enhancer.process`.
    comment : str, optional
        Written into the sound file.
    progress : callable
        Called now and then with the share that is done.

    Raises
    ------
    AudioFileError, MissingExtraError
        When the recording cannot be read, or the target not written.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(AudioReader(recording))
        stream = enhancer.stream(
            sample_rate=reader.sample_rate, channels=reader.n_channels, strength=strength, limit_db=limit_db
        )
        blocks: Iterator[FloatArray] = _enhanced(reader, stream, progress)
        lowered_by = 1.0
        if clips(target):
            # The loudest sample must be known before the first is written.
            blocks, lowered_by = _lowered(stack, blocks, target)
        # The wanted length is told only to choose a container that holds it.
        writer = stack.enter_context(
            AudioWriter(
                target, reader.sample_rate, reader.n_channels, expected_samples=reader.n_samples, comment=comment
            )
        )
        n_samples = 0
        for block in blocks:
            writer.write(block)
            n_samples += block.shape[1]
    return said(n_samples, reader.sample_rate, lowered_by)


def _enhanced(reader: AudioReader, stream: EnhanceStream, progress: Callable[[float], None]) -> Iterator[FloatArray]:
    n_read = 0
    for block in reader.blocks(block_samples=max(1, _BLOCK // reader.n_channels)):
        yield stream.push(block)
        n_read += block.shape[1]
        if reader.n_samples:
            progress(min(1.0, n_read / reader.n_samples))
    yield stream.flush()


def _lowered(stack: ExitStack, blocks: Iterable[FloatArray], target: Path) -> tuple[Iterator[FloatArray], float]:
    """The blocks, through a nameless file beside the target, and the factor that makes them fit into full scale."""
    loudest = 0.0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = stack.enter_context(SampleScratch(target.parent))
        for block in blocks:
            scratch.append(block)
            loudest = max(loudest, float(np.abs(block).max(initial=0.0)))
    except OSError as error:
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(f"{target} {reason(error, 'written')}") from error
    lowered_by = 1.0 / max(1.0, loudest)
    stored = scratch.blocks(0, scratch.n_samples, max(1, _BLOCK // scratch.n_channels))
    return (np.atleast_2d(block) * np.float32(lowered_by) for block in stored), lowered_by
