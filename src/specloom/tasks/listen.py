"""Spectrogram files to sound files: a file, several, or whole folder trees."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from specloom.errors import ArtifactError, AudioFileError, ParameterError
from specloom.phase.reconstruct import Quality
from specloom.tasks.batch import Batch, Job, Status, plan_jobs

if TYPE_CHECKING:
    from specloom.recipes.recipe import Recipe, Source
    from specloom.recipes.spectrogram import Origin

# Under this name a sound's comment says how it was made.
_MARK = "specloom"

SoundFormat = Literal["wav", "flac"]


def listen_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    *,
    recipe: Recipe | None = None,
    sample_rate: int | None = None,
    quality: Quality | None = None,
    source: Source = "auto",
    sound_format: SoundFormat = "wav",
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Make a sound file of each spectrogram file.

    Parameters
    ----------
    inputs : iterable of paths
        Spectrogram files and folders; of a folder, every .npz below it (with a recipe, every .npy too).
    out_dir : path
        ``IN/a/b.npz`` of the folder ``IN`` becomes ``out_dir/a/b.wav``.
    recipe : Recipe, optional
        For our files, another way back (its analysis half must be that of the file). For arrays of other programs,
        which say nothing about themselves, how they were made; then it is needed.
    sample_rate : int, optional
        Of arrays of other programs, when the recipe does not say it.
    quality : {"fast", "balanced", "best"}, optional
        Of `specloom.reconstruct`, instead of what the recipe says about the phase.
    source : {"auto", "linear", "mel"}
    sound_format : {"wav", "flac"}
        WAV holds 32-bit floats, so nothing is lost. FLAC holds 24 bits; a sound that goes beyond full scale is
        lowered as a whole to fit, and the result says so.
    overwrite : bool
        Make anew what is there already. Without it, a sound that is newer than its spectrogram and has the right
        rate and length is skipped, and any other file stays and counts as failed. Our sounds also say, in their
        comment, how they were made: with another quality, array or recipe than is asked for, they are such others.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each file; nothing has been read or written before.

    Raises
    ------
    ParameterError
        When there is nothing to do, or two spectrograms would become one file.
    ArtifactError
        When an input does not exist.
    """
    if sound_format not in ("wav", "flac"):
        raise ParameterError(f"sound_format={sound_format!r}: allowed are 'wav' and 'flac'")
    if quality is not None and quality not in get_args(Quality):
        raise ParameterError(f"quality={quality!r}: allowed are {', '.join(get_args(Quality))}")
    suffixes = (".npz",) if recipe is None else (".npz", ".npy")
    planned = plan_jobs(
        map(Path, inputs), Path(out_dir), f".{sound_format}", lambda path: find_spectrograms(path, suffixes)
    )
    work = Listen(
        recipe=recipe,
        sample_rate=sample_rate,
        quality=quality,
        source=source,
        overwrite=overwrite,
        threads=max(1, (os.cpu_count() or 1) // max(1, jobs)),
    )
    return Batch(jobs=planned, work=work, workers=jobs)


def find_spectrograms(path: Path, suffixes: tuple[str, ...] = (".npz",)) -> list[Path]:
    """The file itself, or the spectrogram files below a folder, sorted; hidden ones are passed over.

    Raises
    ------
    ArtifactError
        When there is nothing at the path.
    """
    if path.is_dir():
        below = (found for found in path.rglob("*") if found.suffix.lower() in suffixes and found.is_file())
        return sorted(
            found for found in below if not any(part.startswith(".") for part in found.relative_to(path).parts)
        )
    if not path.exists():
        raise ArtifactError(f"{path} does not exist")
    return [path]


@dataclass(frozen=True, kw_only=True)
class Listen:
    """The work on one spectrogram file."""

    recipe: Recipe | None
    sample_rate: int | None
    quality: Quality | None
    source: Source
    overwrite: bool
    threads: int

    def __call__(self, job: Job, progress: Callable[[float], None]) -> tuple[Status, str]:
        """Make it sound, or say why it is skipped."""
        from specloom.recipes.foreign import is_foreign

        if is_foreign(job.source):
            return self._foreign(job)
        return self._ours(job, progress)

    def _ours(self, job: Job, progress: Callable[[float], None]) -> tuple[Status, str]:
        from specloom.recipes.spectrogram_file import SpectrogramFile
        from specloom.recipes.streaming_synthesis import sound_spectrogram

        with SpectrogramFile(job.source) as file:
            recipe = self.recipe or file.recipe
            way = way_of(job.source, recipe, file.arrays, source=self.source, quality=self.quality)
            if job.target.exists() and not self.overwrite:
                return _kept(job, recipe, file.origin, way)
            file.verify()
            heard = sound_spectrogram(
                file,
                job.target,
                recipe,
                source=self.source,
                quality=self.quality,
                full_scale=_clips(job.target),
                comment=json.dumps({_MARK: way}),
                threads=self.threads,
                progress=progress,
            )
        return "done", _said(heard.n_samples, heard.sample_rate, heard.lowered_by)

    def _foreign(self, job: Job) -> tuple[Status, str]:
        from specloom.io.audio import AudioWriter
        from specloom.recipes.foreign import load_foreign
        from specloom.recipes.synthesis import lowered_to_full_scale

        if self.recipe is None:
            raise ArtifactError(
                f"{job.source} is an array of another program and does not say how it was made; say so with a recipe "
                "and, if the recipe does not fix it, a sample rate (--recipe, --sample-rate)"
            )
        spectrogram = load_foreign(job.source, self.recipe, self.sample_rate)
        recipe = spectrogram.recipe
        held = [name for name in ("linear", "mel") if getattr(spectrogram, name) is not None]
        way = way_of(job.source, recipe, held, source=self.source, quality=self.quality)
        if job.target.exists() and not self.overwrite:
            return _kept(job, recipe, spectrogram.origin, way)
        audio = recipe.synthesise(spectrogram, source=self.source, quality=self.quality)
        audio, lowered_by = lowered_to_full_scale(audio) if _clips(job.target) else (audio, 1.0)
        rate, comment = audio.sample_rate, json.dumps({_MARK: way})
        with AudioWriter(
            job.target, rate, audio.n_channels, expected_samples=audio.n_samples, comment=comment
        ) as writer:
            writer.write(audio.samples)
        return "done", _said(audio.n_samples, audio.sample_rate, lowered_by)


def way_of(
    spectrogram: Path, recipe: Recipe, held: Collection[str], *, source: Source, quality: Quality | None
) -> dict[str, str]:
    """How a sound is made, in the words that are written into it as a comment."""
    from hashlib import sha256

    from specloom.recipes.recipe import GriffinLim
    from specloom.recipes.synthesis import choose_source, quality_in_force

    own = quality is None and isinstance(recipe.synthesis.phase, GriffinLim)
    settings = json.dumps(recipe.to_json(), sort_keys=True).encode()
    return {
        "spectrogram": spectrogram.name,
        "array": choose_source(source, held),
        "quality": GriffinLim.kind if own else quality_in_force(recipe.synthesis, quality),
        "recipe": recipe.name,
        # Two recipes of one name may differ: a file that was edited.
        "settings": sha256(settings).hexdigest()[:12],
    }


def _way_there(comment: str) -> dict[str, str]:
    """What a sound's comment says about its making; empty for a sound that says nothing."""
    try:
        plain = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    way = plain.get(_MARK) if isinstance(plain, dict) else None
    return way if isinstance(way, dict) else {}


def _clips(target: Path) -> bool:
    return target.suffix == ".flac"


def _said(n_samples: int, sample_rate: int, lowered_by: float) -> str:
    lowered = "" if lowered_by == 1.0 else f"; lowered by {-20.0 * math.log10(lowered_by):.1f} dB to fit full scale"
    return f"{n_samples / sample_rate:.1f} s of sound at {sample_rate} Hz{lowered}"


def _kept(job: Job, recipe: Recipe, origin: Origin, way: dict[str, str]) -> tuple[Status, str]:
    difference = _difference(job, recipe, origin) or _another_way(job, way)
    if difference is None:
        return "skipped", "there already; use --overwrite to make it anew"
    raise ArtifactError(f"{job.target} is there already and {difference}; use --overwrite to replace it")


def _another_way(job: Job, way: dict[str, str]) -> str | None:
    """In what the making of the sound that is there differs from what is asked for; None when it does not say."""
    from specloom.io.audio import read_comment

    there = _way_there(read_comment(job.target))
    for name, asked in way.items():
        if name in there and there[name] != asked:
            return f"differs: it was made with {name} {there[name]!r}, and {asked!r} is asked for"
    return None


def _difference(job: Job, recipe: Recipe, origin: Origin) -> str | None:
    """Why the sound that is there cannot be that of the spectrogram; None when it can."""
    from specloom.io.audio import AudioReader
    from specloom.recipes.synthesis import finished_length, written_rate

    try:
        with AudioReader(job.target) as reader:
            rate, n_samples = reader.sample_rate, reader.n_samples
    except AudioFileError as error:
        return f"cannot be used ({error})"
    if job.target.stat().st_mtime_ns < job.source.stat().st_mtime_ns:
        return "is older than the spectrogram"
    if rate != written_rate(recipe.synthesis, origin):
        return f"has another sample rate ({rate} Hz)"
    expected = finished_length(recipe.synthesis, origin)
    return None if expected in (None, n_samples) else f"has another length ({n_samples} samples)"
