"""Pictures that say nothing about themselves: heard with what the user knows and with what can be found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from specloom.errors import ParameterError
from specloom.recipes.neural import INSTEAD
from specloom.recipes.recipe import PhaseQuality, Quality
from specloom.tasks.batch import Job, Outcome
from specloom.tasks.finished import Wanted, digest, kept, quality_said, told_of_other_ways, write_sound

if TYPE_CHECKING:
    from specloom.pictures import Picture, PictureSettings
    from specloom.pixels.depth import Codes
    from specloom.recipes.scales import FloatArray
    from specloom.rescue.rescue import Rescue

AxisScale = Literal["linear", "mel", "log"]


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What is known of pictures that say nothing about themselves; what is None is found out, or asked for.

    Parameters
    ----------
    n_fft, hop_length, win_length : int, optional
        Samples.
    duration_s : float, optional
        Seconds that the picture shows.
    min_hz, max_hz : float, optional
        Frequencies at its lower and upper edge.
    range_db : float, optional
        Decibels from its darkest to its brightest colour.
    colormap : str, optional
        A name of `specloom.pixels.colormaps`.
    scale : {"linear", "mel", "log"}, optional
        Of its frequency axis.
    axes : bool, optional
        Whether the spectrogram lies inside a figure.
    max_megapixels : float, optional
        Larger pictures are refused.
    """

    n_fft: int | None = None
    hop_length: int | None = None
    win_length: int | None = None
    duration_s: float | None = None
    min_hz: float | None = None
    max_hz: float | None = None
    range_db: float | None = None
    colormap: str | None = None
    scale: AxisScale | None = None
    axes: bool | None = None
    max_megapixels: float | None = None


def sound_of_stranger(
    job: Job, hints: Hints, *, sample_rate: int | None, quality: Quality | None, overwrite: bool
) -> Outcome:
    """Make a stranger's picture sound, or say why it is skipped; the outcome holds what was assumed.

    Raises
    ------
    ParameterError
        When something must be told that the picture does not show: its sample rate first of all.
    ImageFileError
        When it is no picture that can be read.
    """
    from specloom.rescue.rescue import rescue_picture

    in_force: PhaseQuality = INSTEAD if quality == "neural" else quality or "balanced"
    note = (
        f"quality {INSTEAD!r} is used, not 'neural': no model knows a stranger's picture" if quality == "neural" else ""
    )
    asked = {"sample_rate": sample_rate, **asdict(hints)}
    way = {
        "picture": job.source.name,
        "quality": in_force,
        "settings": digest({name: value for name, value in asked.items() if name != "max_megapixels"}),
    }
    wanted = Wanted(way=way, sample_rate=sample_rate)
    if job.target.exists() and not overwrite:
        return kept(job, wanted)
    found: Rescue = rescue_picture(job.source, **asked, quality=in_force)
    message = write_sound(job.target, found.audio, wanted.comment, note)
    kind = "" if found.family == "unknown" else f", by {found.family}"
    return Outcome(
        "done", f"{message}, from a picture without settings{kind}", found.assumptions, tuple(found.warnings)
    )


def sound_like(
    job: Job, like: Path, hints: Hints, *, quality: Quality | None, model: str | Path | None, overwrite: bool
) -> Outcome:
    """Make a picture sound that has no settings, with those of a picture of ours; or say why it is skipped."""
    from specloom.recipes.synthesis import choose_way

    settings = settings_to_copy(like, hints.max_megapixels)
    taken = choose_way(
        settings.recipe,
        settings.origin.analysis_rate,
        (settings.array,),
        source="auto",
        quality=quality,
        model=model,
        phase_known=settings.exact,
    )
    way = {
        "picture": job.source.name,
        **quality_said(taken, "recipe"),
        "like": like.name,
        "settings": digest(settings.to_json()),
    }
    wanted = Wanted(way=way)
    if job.target.exists() and not overwrite:
        return kept(job, wanted)
    with told_of_other_ways() as notes:
        audio = picture_like(job.source, like, max_megapixels=hints.max_megapixels).audio(quality, model=model)
    message = f"{write_sound(job.target, audio, wanted.comment)}, with the settings of {like.name}"
    return Outcome("done", "; ".join([message, *notes]))


def picture_like(path: Path, like: Path, *, max_megapixels: float | None = None) -> Picture:
    """A picture without settings, taken to have been made as another of the same shape was.

    Parameters
    ----------
    path : Path
        The output of a network, say. Gray, or in the colours of the other.
    like : Path
        A picture of ours.

    Raises
    ------
    ParameterError
        When ``like`` is no picture of ours, or of another shape.
    ImageFileError
        When a picture cannot be read.
    """
    from specloom.io.image import open_image
    from specloom.pictures import Picture
    from specloom.pictures.levels import require_reduced
    from specloom.pixels.depth import to_codes

    settings = settings_to_copy(like, max_megapixels)
    image = open_image(path, **limit_of(max_megapixels))
    shape, needed = image.pixels.shape[:2], (settings.piece.n_rows, settings.piece.n_frames)
    if shape != needed:
        raise ParameterError(
            f"{path} has {shape[1]} x {shape[0]} pixels, and {like}, which it is to be like, has "
            f"{needed[1]} x {needed[0]}: the same size is needed; choose another picture for --like"
        )
    if image.pixels.ndim == 2 and 8 * image.pixels.dtype.itemsize < settings.bits:
        require_reduced(path, image.pixels, settings.bits)
    levels = _levels_of(image.pixels, settings.colormap)
    # What lies between the levels of 8 bits is kept.
    settings = replace(
        settings,
        bits=16,
        colormap="gray",
        recipe=replace(settings.recipe, quantise_bits=16),
        recording=digest(path.name),
        source=None,
    )
    return Picture(codes=to_codes(levels, 16), settings=settings)


def settings_to_copy(like: Path, max_megapixels: float | None) -> PictureSettings:
    """The settings of a picture of ours; anything else is refused."""
    from specloom.pictures.files import read_settings

    settings = read_settings(like, **limit_of(max_megapixels))
    if settings is None:
        raise ParameterError(
            f"like={str(like)!r}: a picture that 'specloom draw' made is needed; this holds no settings"
        )
    return settings


def _levels_of(pixels: Codes, colormap: str) -> FloatArray:
    from specloom.pixels.colormaps import colours_of, levels_of
    from specloom.pixels.depth import from_codes

    if pixels.ndim == 2:
        return from_codes(pixels)
    if colormap == "gray":
        # Networks like to write gray in three channels, which may differ by a code.
        return np.asarray(pixels.mean(axis=-1, dtype=np.float32) / np.float32(255.0))
    return levels_of(pixels, colours_of(colormap))[0]  # type: ignore[arg-type]


def limit_of(max_megapixels: float | None) -> dict[str, float]:
    """The argument that raises the limit of pixels, when one is given."""
    return {} if max_megapixels is None else {"max_megapixels": max_megapixels}
