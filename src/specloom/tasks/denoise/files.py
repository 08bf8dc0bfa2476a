"""Recordings, spectrogram files and pictures cleaned by an autoencoder: a file, several, or whole folder trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from specloom.errors import ArtifactError, AudioFileError, ImageFileError, ParameterError
from specloom.io.audio import find_recordings
from specloom.io.image import READ_SUFFIXES
from specloom.recipes.recipe import Quality
from specloom.recipes.spectrogram_file import (
    ArrayName,
    Settings,
    SourceStamp,
    SpectrogramFile,
    spectrogram_writer,
)
from specloom.tasks.batch import Batch, Job, Outcome, find_all, without_rivals
from specloom.tasks.denoise.denoiser import Denoiser
from specloom.tasks.finished import Wanted, clips, digest, kept, quality_said, said

if TYPE_CHECKING:
    from specloom.pictures import Picture, PictureSettings
    from specloom.recipes.recipe import Recipe
    from specloom.recipes.scales import FloatArray
    from specloom.recipes.spectrogram import Origin
    from specloom.recipes.synthesis import Way

SoundFormat = Literal["wav", "flac"]

# Of pictures that hold every code.
_EXACT_SUFFIXES = (".png", ".tif", ".tiff")


def denoise_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    *,
    model: str | Path = "mel80",
    quality: Quality | None = None,
    like: str | Path | None = None,
    sound_format: SoundFormat = "wav",
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Clean each file: a recording becomes a recording, a spectrogram file or picture one of its kind.

    Parameters
    ----------
    inputs : iterable of paths
        Sound files, spectrogram files (.npz), pictures of mel spectrograms, and folders of them.
    out_dir : path
        ``IN/a/b.png`` of the folder ``IN`` becomes ``out_dir/a/b.png``, ``IN/a/b.jpg`` too, and ``IN/a/b.mp3`` becomes
        ``out_dir/a/b.wav``. Not the folder of the inputs themselves.
    model : str or path
        As for `Denoiser`.
    quality : {"fast", "balanced", "best", "neural"}, optional
        Of the phase retrieval, for recordings.
    like : path, optional
        A picture of ours. Pictures without settings, of the same size, are taken to have been made as it was: damage
        may have hit the settings too.
    sound_format : {"wav", "flac"}
    overwrite : bool
        Make anew what is there already. Without it, what is there and is what would be made is skipped, and any other
        file stays and counts as failed.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each file.

    Raises
    ------
    ParameterError
        When there is nothing to do, two files would become one, one would replace itself, or a value is not allowed.
    ArtifactError
        When an input does not exist, or the model cannot be used.
    """
    if sound_format not in ("wav", "flac"):
        raise ParameterError(f"sound_format={sound_format!r}: allowed are 'wav' and 'flac'")
    if quality is not None and quality not in get_args(Quality):
        raise ParameterError(f"quality={quality!r}: allowed are {', '.join(get_args(Quality))}")
    found = find_all(map(Path, inputs), Path(out_dir), _find)
    planned = without_rivals(
        Job(source=each.path, target=_target(Path(out_dir) / each.place, sound_format)) for each in found
    )
    sources = {job.source.resolve() for job in planned}
    for job in planned:
        if job.target.resolve() in sources:
            raise ParameterError(
                f"out: {job.target} is itself to be cleaned, and would be replaced; choose another output folder"
            )
    loaded(model)
    work = Denoise(
        model=model,
        quality=quality,
        like=None if like is None else Path(like),
        overwrite=overwrite,
        threads=max(1, (os.cpu_count() or 1) // max(1, jobs)),
    )
    return Batch(jobs=planned, work=work, workers=jobs)


def _find(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise ArtifactError(f"{path} does not exist")
        return [path]
    pictured = {*READ_SUFFIXES, ".npz"}
    below = [found for found in path.rglob("*") if found.suffix.lower() in pictured and found.is_file()]
    shown = [found for found in below if not any(part.startswith(".") for part in found.relative_to(path).parts)]
    return sorted({*shown, *find_recordings([path])})


def _target(place: Path, sound_format: str) -> Path:
    """JPEG, which would blur what was cleaned, and formats that hold no settings become PNG."""
    kind = _kind(place)
    if kind == "recording":
        return place.with_suffix(f".{sound_format}")
    return place.with_suffix(".png") if kind == "picture" and place.suffix.lower() not in _EXACT_SUFFIXES else place


def _kind(path: Path) -> Literal["recording", "spectrogram", "picture"]:
    suffix = path.suffix.lower()
    return "spectrogram" if suffix == ".npz" else "picture" if suffix in READ_SUFFIXES else "recording"


def loaded(model: str | Path) -> Denoiser:
    """The model, read once in each process, and again when its file has changed."""
    path = Path(model)
    state = path.stat() if path.is_file() else None
    return _read(model, state and (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=1)
def _read(model: str | Path, stamp: object) -> Denoiser:
    return Denoiser(model)


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """The work on one file."""

    model: str | Path
    quality: Quality | None
    like: Path | None
    overwrite: bool
    threads: int

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Clean it, or say why it is skipped."""
        denoiser = loaded(self.model)
        kind = _kind(job.source)
        if kind == "recording":
            return self._recording(denoiser, job, progress)
        return self._spectrogram(denoiser, job) if kind == "spectrogram" else self._picture(denoiser, job)

    def _recording(self, denoiser: Denoiser, job: Job, progress: Callable[[float], None]) -> Outcome:
        from specloom.recipes.streaming_analysis import draw_recording
        from specloom.recipes.streaming_synthesis import sound_spectrogram

        way = {
            "recording": job.source.name,
            "model": denoiser.header.name,
            "settings": digest(denoiser.header.to_json()),
            **quality_said(self._way(denoiser), "balanced"),
        }
        wanted = Wanted(way=way, made_of="recording")
        if job.target.exists() and not self.overwrite:
            return kept(job, wanted)
        recipe = denoiser.recipe_for_sound
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            folder = TemporaryDirectory(dir=job.target.parent, prefix=".specloom-")
        except OSError as error:
            raise AudioFileError(f"{job.target} cannot be written: {error.strerror}") from error
        with folder as name:
            drawn = Path(name) / "mel.npz"
            draw_recording(job.source, drawn, recipe, arrays=("mel",), progress=lambda share: progress(0.3 * share))
            with SpectrogramFile(drawn) as file:
                cleaned = Cleaned(denoiser, file)
            heard = sound_spectrogram(
                cleaned,
                job.target,
                recipe,
                source="mel",
                quality=self.quality,
                full_scale=clips(job.target),
                comment=wanted.comment,
                threads=self.threads,
                progress=lambda share: progress(0.4 + 0.6 * share),
            )
        return Outcome("done", said(heard.n_samples, heard.sample_rate, heard.lowered_by, heard.note))

    def _way(self, denoiser: Denoiser) -> Way:
        """How sound is made of what was cleaned; only the settings matter, and they are the model's."""
        from specloom.recipes.synthesis import choose_way

        recipe = denoiser.recipe_for_sound
        assert recipe.sample_rate is not None, "a model for mel spectrograms says its rate"
        return choose_way(
            recipe, recipe.sample_rate, ("mel",), source="mel", quality=self.quality, threads=self.threads
        )

    def _spectrogram(self, denoiser: Denoiser, job: Job) -> Outcome:
        stamp = SourceStamp.of(job.source)
        with SpectrogramFile(job.source) as file:
            file.verify()
            if "mel" not in file.arrays:
                raise ArtifactError(
                    f"{job.source} holds no mel array, which is what the model cleans; draw it with --which mel"
                )
            cleaned = Cleaned(denoiser, file)
            left_out = "; the linear array, which is not cleaned, was left out" if "linear" in file.arrays else ""
        settings = Settings(recipe=cleaned.recipe, origin=cleaned.origin, arrays=("mel",), source=stamp)
        if job.target.exists() and not self.overwrite:
            with SpectrogramFile(job.target) as there:
                made_so = (there.recipe, there.origin, there.source) == (cleaned.recipe, cleaned.origin, stamp)
                return _kept(job, made_so and np.array_equal(there.frames("mel"), cleaned.values))
        with spectrogram_writer(job.target, settings) as sink:
            sink.append("mel", cleaned.values)
        return Outcome("done", f"{cleaned.values.shape[-1]} frames{left_out}")

    def _picture(self, denoiser: Denoiser, job: Job) -> Outcome:
        from specloom.pictures import Picture
        from specloom.pictures.planes import array_of, laid_out
        from specloom.pixels.depth import from_codes

        given = self._given(job.source)
        settings = given.settings
        _require_mel(job.source, settings)
        mel = array_of(from_codes(given.codes), settings)
        values = denoiser.process_stored(mel, settings.recipe, settings.origin)
        codes = laid_out(values, None, settings)
        cleaned = replace(given, codes=codes, settings=replace(settings, source=SourceStamp.of(job.source)))
        if job.target.exists() and not self.overwrite:
            there = Picture.open(job.target)
            # The mark in the last bits is not part of what is shown.
            same = there.settings == cleaned.settings and not np.any(there.codes >> 1 != codes >> 1)
            return _kept(job, same)
        cleaned.save(job.target)
        return Outcome("done", f"{values.shape[-1]} frames" + "".join(f"; {note}" for note in given.notes))

    def _given(self, path: Path) -> Picture:
        """The picture; one that lost its settings to what damaged it is read as ``like`` was made."""
        from specloom.pictures import Picture
        from specloom.pictures.files import read_settings
        from specloom.tasks.strangers import picture_like

        if read_settings(path) is not None:
            return Picture.open(path)
        if self.like is not None:
            return picture_like(path, self.like)
        raise ImageFileError(
            f"{path} does not say how it was made, so no model can be fitted to it: name a picture of the same size "
            "that does (--like), or draw recordings with 'specloom draw --format png --scale mel'"
        )


def _require_mel(path: Path, settings: PictureSettings) -> None:
    """Refuse a picture of anything else than all mel bands, a row each."""
    from specloom.pictures.settings import Bins

    if settings.array != "mel" or settings.rows != Bins() or settings.exact:
        raise ImageFileError(
            f"{path} shows no plain mel spectrogram, which is what the model cleans; draw recordings with --scale mel"
        )
    shown, whole = settings.piece.n_rows, settings.whole_shape[0]
    if shown != whole:
        raise ImageFileError(
            f"{path} shows {shown} of {whole} rows, and the model cleans all mel bands together; give whole pictures, "
            "not tiles"
        )


def _kept(job: Job, same: bool) -> Outcome:
    if same:
        return Outcome("skipped", "there already; use --overwrite to make it anew")
    raise ArtifactError(
        f"{job.target} is there already and is not what would be made (from another source, or by another model); use "
        "--overwrite to replace it"
    )


class Cleaned:
    """The mel frames of a file, cleaned (`specloom.recipes.streaming_synthesis.FrameSource`); 1.2 MB a minute."""

    def __init__(self, denoiser: Denoiser, file: SpectrogramFile) -> None:
        self.recipe: Recipe = file.recipe
        self.origin: Origin = file.origin
        self.arrays: tuple[ArrayName, ...] = ("mel",)
        self.values: FloatArray = denoiser.process_stored(file.frames("mel"), file.recipe, file.origin)
        self.shapes: dict[ArrayName, tuple[int, ...]] = {"mel": self.values.shape}

    def frames(self, name: ArrayName, start: int = 0, stop: int | None = None) -> FloatArray:
        """A range of frames, shape ``(..., n_mels, stop - start)``, cut to what is there."""
        return np.asarray(self.values[..., start:stop])

    def phase(self, start: int, stop: int) -> None:
        """None: nobody knows it."""
