"""Spectrogram files and pictures to sound files: a file, several, or whole folder trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from specloom.errors import ArtifactError, ImageFileError, ParameterError
from specloom.io.image import READ_SUFFIXES
from specloom.recipes.neural import require_neural
from specloom.recipes.recipe import Quality
from specloom.tasks.batch import Batch, Found, Job, Outcome, find_all, without_rivals
from specloom.tasks.finished import Wanted, clips, digest, kept, quality_said, said, told_of_other_ways, write_sound
from specloom.tasks.pieces import missing_pieces, run_stem, whole_stem
from specloom.tasks.strangers import Hints, limit_of, sound_like, sound_of_stranger

if TYPE_CHECKING:
    from specloom.pictures import PictureSettings, Run
    from specloom.recipes.recipe import Recipe, Source
    from specloom.recipes.spectrogram import Origin
    from specloom.recipes.streaming_synthesis import FrameSource
    from specloom.recipes.synthesis import Way

SoundFormat = Literal["wav", "flac"]


def listen_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    *,
    recipe: Recipe | None = None,
    sample_rate: int | None = None,
    quality: Quality | None = None,
    model: str | Path | None = None,
    source: Source = "auto",
    hints: Hints | None = None,
    like: str | Path | None = None,
    sound_format: SoundFormat = "wav",
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Make a sound file of each spectrogram file and picture; the pieces of one recording become one sound.

    Parameters
    ----------
    inputs : iterable of paths
        Spectrogram files, pictures, and folders; of a folder, every .npz and picture below it (with a recipe, every
        .npy too).
    out_dir : path
        ``IN/a/b.npz`` of the folder ``IN`` becomes ``out_dir/a/b.wav``, and so do ``IN/a/b-001.png`` to
        ``IN/a/b-009.png`` together. When pieces are missing, each run of them becomes a sound of its own
        (``b-002-004.wav``), and its result says which are not there.
    recipe : Recipe, optional
        For our files, another way back (its analysis half must be that of the file). For arrays of other programs,
        which say nothing about themselves, how they were made; then it is needed.
    sample_rate : int, optional
        Of strangers' pictures, and of arrays of other programs when the recipe does not say it.
    quality : {"fast", "balanced", "best", "neural"}, optional
        Of `specloom.reconstruct`, instead of what the recipe says about the phase; or "neural": from the mel array with
        the networks of a model. Where no model can, "best" is done, and the result says so.
    model : str or path, optional
        For "neural": a model by name or path, instead of the one that ships for the settings.
    source : {"auto", "linear", "mel"}
    hints : Hints, optional
        What else is known of strangers' pictures.
    like : path, optional
        A picture of ours. Pictures without settings, of the same shape, are taken to have been made as it was: the
        output of a network that learned from such pictures.
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
        Iterating it does the work and gives a `FileResult` for each sound. Before that, only the settings of pictures
        have been read, to find out which belong together, and nothing has been written.

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
    require_neural(quality, model)
    suffixes = {*READ_SUFFIXES, ".npz"} if recipe is None else {*READ_SUFFIXES, ".npz", ".npy"}
    hints = hints or Hints()
    found = find_all(map(Path, inputs), Path(out_dir), lambda path: find_spectrograms(path, suffixes))
    ours, strangers = _sorted_pictures(found, hints.max_megapixels)
    work = Listen(
        recipe=recipe,
        sample_rate=sample_rate,
        quality=quality,
        model=model,
        source=source,
        hints=hints,
        like=None if like is None else Path(like),
        strangers=strangers,
        overwrite=overwrite,
        threads=max(1, (os.cpu_count() or 1) // max(1, jobs)),
    )
    planned = without_rivals(_jobs_of(found, ours, Path(out_dir), f".{sound_format}"))
    return Batch(jobs=planned, work=work, workers=jobs)


def find_spectrograms(path: Path, suffixes: Collection[str] = (".npz",)) -> list[Path]:
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


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a picture."""
    return path.suffix.lower() in READ_SUFFIXES


def _sorted_pictures(
    found: list[Found], max_megapixels: float | None
) -> tuple[dict[Path, PictureSettings], frozenset[Path]]:
    """Our pictures with their settings, and the pictures that say nothing about themselves."""
    from specloom.pictures.files import read_settings

    ours: dict[Path, PictureSettings] = {}
    strangers = set()
    for path in dict.fromkeys(file.path for file in found if is_picture(file.path)):
        try:
            settings = read_settings(path, **limit_of(max_megapixels))
        except ArtifactError:
            # Ours, but damaged: the error belongs into its own result, and comes again when it is read.
            continue
        except ImageFileError:
            settings = None
        if settings is None:
            strangers.add(path)
        else:
            ours[path] = settings
    return ours, frozenset(strangers)


def _jobs_of(found: list[Found], ours: dict[Path, PictureSettings], out_dir: Path, suffix: str) -> list[Job]:
    """One job for each file, but for the pictures of one recording, which share one; in the order of the files."""
    from specloom.pictures import runs

    job_of: dict[Path, Job] = {}
    inside: set[Path] = set()
    for together in _sets_of(ours):
        indices = {settings.piece.index for settings in together.values()}
        for run in runs(together):
            missing = missing_pieces(indices, run.settings[0].piece.count)
            first, *others = run.paths
            job_of[first] = Job(source=first, target=Path(_stem_of(run)), others=tuple(others), note=missing)
            inside.update(others)
    jobs = []
    for file in found:
        if file.path in inside:
            continue
        job = job_of.get(file.path, Job(source=file.path, target=Path(file.path.stem)))
        # with_name and not with_suffix: a stem may hold a point.
        jobs.append(replace(job, target=(out_dir / file.place).with_name(job.target.name + suffix)))
    return jobs


def _sets_of(ours: dict[Path, PictureSettings]) -> Iterator[dict[Path, PictureSettings]]:
    """The pictures that belong together: those of one recording, a folder and a format.

    When two of them show the same piece, one is a copy that was changed, and whoever changed it wants to hear it alone:
    then only those belong together whose names say so.
    """
    groups: dict[tuple[str, Path, str], dict[Path, PictureSettings]] = {}
    for path, settings in ours.items():
        key = (settings.recording, path.parent, path.suffix.lower())
        groups.setdefault(key, {})[path] = settings
    for group in groups.values():
        if len({settings.piece.index for settings in group.values()}) == len(group):
            yield group
            continue
        by_name: dict[str, dict[Path, PictureSettings]] = {}
        for path, settings in group.items():
            stem = whole_stem(path, settings.piece.index, settings.piece.count)
            by_name.setdefault(stem, {})[path] = settings
        yield from by_name.values()


def _stem_of(run: Run) -> str:
    """The name of the sound of a run."""
    first = run.settings[0].piece
    if run.complete:
        return whole_stem(run.paths[0], first.index, first.count)
    return run_stem(run.paths[0], (each.piece.index for each in run.settings), first.count)


@dataclass(frozen=True, kw_only=True)
class Listen:
    """The work on one spectrogram file, one picture, or the pictures of one recording."""

    recipe: Recipe | None
    sample_rate: int | None
    quality: Quality | None
    model: str | Path | None
    source: Source
    hints: Hints
    like: Path | None
    strangers: frozenset[Path]
    overwrite: bool
    threads: int

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Make it sound, or say why it is skipped."""
        from specloom.recipes.foreign import is_foreign

        if is_picture(job.source):
            return self._picture(job, progress)
        if is_foreign(job.source):
            return self._foreign(job)
        return self._ours(job, progress)

    def _ours(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        from specloom.recipes.spectrogram_file import SpectrogramFile

        with SpectrogramFile(job.source) as file:
            recipe = self.recipe or file.recipe
            wanted = self._wanted(job.source, recipe, file.origin, file.arrays)
            if job.target.exists() and not self.overwrite:
                return kept(job, wanted)
            file.verify()
            return Outcome("done", self._sounded(file, job, recipe, wanted, progress))

    def _picture(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        if job.source not in self.strangers:
            return self._our_pictures(job, progress)
        if self.like is not None:
            return sound_like(
                job, self.like, self.hints, quality=self.quality, model=self.model, overwrite=self.overwrite
            )
        if self.model is not None:
            raise ParameterError(
                f"model={str(self.model)!r}: {job.source} is a stranger's picture, and no model knows it; leave the "
                "model out, or name a picture of ours that was drawn alike (--like)"
            )
        return sound_of_stranger(
            job, self.hints, sample_rate=self.sample_rate, quality=self.quality, overwrite=self.overwrite
        )

    def _our_pictures(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        from specloom.pictures import PictureSequence
        from specloom.recipes.streaming_synthesis import phase_known

        pictures = PictureSequence(job.sources, **limit_of(self.hints.max_megapixels))
        recipe = self._way_back(pictures.recipe)
        known = phase_known(pictures, self.source)
        wanted = self._wanted(job.source, recipe, pictures.origin, pictures.arrays, phase_known=known)
        if len(job.sources) > 1:
            wanted = replace(wanted, way={**wanted.way, "pictures": str(len(job.sources))})
        if job.target.exists() and not self.overwrite:
            return kept(job, wanted)
        message = self._sounded(pictures, job, recipe, wanted, progress)
        joined = f", {len(job.sources)} pictures joined" if len(job.sources) > 1 else ""
        notes = "".join(f"; {note}" for note in (job.note, *pictures.notes) if note)
        return Outcome("done", f"{message}{joined}{notes}")

    def _way_back(self, drawn: Recipe) -> Recipe:
        """The recipe in force for a picture; one that is given may differ in how values are written down."""
        if self.recipe is None:
            return drawn
        return replace(self.recipe, scale=drawn.scale, quantise_bits=drawn.quantise_bits)

    def _sounded(
        self,
        frames: FrameSource,
        job: Job,
        recipe: Recipe,
        wanted: Wanted,
        progress: Callable[[float], None],
    ) -> str:
        from specloom.recipes.streaming_synthesis import sound_spectrogram

        heard = sound_spectrogram(
            frames,
            job.target,
            recipe,
            source=self.source,
            quality=self.quality,
            model=self.model,
            full_scale=clips(job.target),
            comment=wanted.comment,
            threads=self.threads,
            progress=progress,
        )
        return said(heard.n_samples, heard.sample_rate, heard.lowered_by, heard.note)

    def _foreign(self, job: Job) -> Outcome:
        from specloom.recipes.foreign import load_foreign

        if self.recipe is None:
            raise ArtifactError(
                f"{job.source} is an array of another program and does not say how it was made; say so with a recipe "
                "and, if the recipe does not fix it, a sample rate (--recipe, --sample-rate)"
            )
        spectrogram = load_foreign(job.source, self.recipe, self.sample_rate)
        recipe = spectrogram.recipe
        held = [name for name in ("linear", "mel") if getattr(spectrogram, name) is not None]
        wanted = self._wanted(job.source, recipe, spectrogram.origin, held)
        if job.target.exists() and not self.overwrite:
            return kept(job, wanted)
        with told_of_other_ways() as notes:
            audio = recipe.synthesise(spectrogram, source=self.source, quality=self.quality, model=self.model)
        return Outcome("done", write_sound(job.target, audio, wanted.comment, "; ".join(notes)))

    def _wanted(
        self, spectrogram: Path, recipe: Recipe, origin: Origin, held: Collection[str], *, phase_known: bool = False
    ) -> Wanted:
        from specloom.recipes.synthesis import choose_way, finished_length, written_rate

        taken = choose_way(
            recipe,
            origin.analysis_rate,
            held,
            source=self.source,
            quality=self.quality,
            model=self.model,
            threads=self.threads,
            phase_known=phase_known,
        )
        return Wanted(
            way=way_of(spectrogram, recipe, taken),
            sample_rate=written_rate(recipe.synthesis, origin),
            n_samples=finished_length(recipe.synthesis, origin),
        )


def way_of(spectrogram: Path, recipe: Recipe, taken: Way) -> dict[str, str]:
    """How a sound is made, in the words that are written into it as a comment."""
    from specloom.recipes.recipe import GriffinLim
    from specloom.recipes.synthesis import quality_in_force

    own = taken.quality is None and isinstance(recipe.synthesis.phase, GriffinLim)
    return {
        "spectrogram": spectrogram.name,
        "array": taken.source,
        **quality_said(taken, GriffinLim.kind if own else quality_in_force(recipe.synthesis, None)),
        "recipe": recipe.name,
        # Two recipes of one name may differ: a file that was edited.
        "settings": digest(recipe.to_json()),
    }
