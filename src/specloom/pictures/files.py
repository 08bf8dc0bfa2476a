"""Picture files: settings in a text of the file and in a second place, codes as gray or as colours.

The text stands under the key ``specloom``. Editors drop such texts, so PNG and TIFF hold the settings in the least
significant bits of the pixels too (`specloom.pixels.mark`). JPEG would not keep those, and very small pictures have no
room for them: beside them a second file says the same, ``NAME.jpg.json``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.errors import ArtifactError, ImageFileError, ParameterError
from specloom.io.atomic import written_beside
from specloom.io.image import DEFAULT_MAX_MEGAPIXELS, Image, image_size, open_image, read_texts, save_image
from specloom.io.sources import reason
from specloom.pictures.levels import (
    OFF_THE_TABLE,
    Colours,
    codes_of_colours,
    gray_of,
    levels_of_image,
    packed,
    palette_of,
    rgb_of,
)
from specloom.pictures.settings import FORMAT, PictureSettings
from specloom.pixels.colormaps import recognise
from specloom.pixels.depth import Codes, bits_of, from_codes
from specloom.pixels.mark import Mark, find_mark, mark_fits, write_mark
from specloom.recipes.scales import FloatArray

KEY = "specloom"
# What stands beside it in a picture that was written without a mark, so that none is missed.
NO_MARK = {"specloom-mark": "none"}
LOSSY_SUFFIXES = (".jpg", ".jpeg")

Place = Literal["text", "mark", "sidecar"]

# Settings are one to two kilobytes of JSON; what claims to be more is not ours.
_MOST_JSON = 1 << 16
# A picture that was scaled further than this says nothing any more.
_MOST_SCALED = 32
# Scaled in one direction by so much more than in the other, a picture was perhaps cut and not scaled.
_UNEVEN = 0.05
# What a narrower picture of the same height is taken for when no mark tells.
_SOMEWHERE = "nobody knows from where (if it was scaled instead, scale it back to its width first)"
# Where settings are gone: how many colour maps are tried, and which rows tell that there are too many colours.
_LIKELY_MAPS = 4
_FIRST_ROWS = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureFile:
    """What a picture file of ours shows.

    Parameters
    ----------
    settings : PictureSettings
        Those of the file; the piece is what is really shown, also of a picture that was cropped.
    values : float32 array, shape ``(piece.n_rows, piece.n_frames)``
        Between 0 and 1.
    lossless : bool
        Whether the values are the codes that were drawn (up to the mark in their last bits).
    found_in : {"text", "mark", "sidecar"}
        Where the settings were found.
    notes : tuple of str
        What was guessed or lost.
    """

    settings: PictureSettings
    values: FloatArray
    lossless: bool
    found_in: Place
    notes: tuple[str, ...]


def sidecar_of(path: Path) -> Path:
    """Where the settings of a picture stand a second time: ``NAME.jpg.json``."""
    return path.with_name(path.name + ".json")


def write_picture(
    path: str | Path, codes: Codes, settings: PictureSettings, *, jpeg_quality: int = 95, mark: bool = True
) -> Path:
    """Write codes ``(n_rows, n_frames)`` as a picture file; see `Picture.save`."""
    path = Path(path)
    lossy = path.suffix.lower() in LOSSY_SUFFIXES
    table = None
    if lossy:
        codes, table = _for_jpeg(path, codes, settings, jpeg_quality)
    text = settings.to_json()
    payload = zlib.compress(text.encode("ascii"), 9)
    marked: Codes = write_mark(codes, payload) if mark and not lossy else codes  # type: ignore[type-var]
    sidecar = sidecar_of(path)
    # One that lies there from an earlier picture of the name would contradict this one.
    if lossy or (mark and not mark_fits(codes.shape, payload)) or sidecar.exists():
        _write_sidecar(sidecar, text)
    palette = None if settings.colormap == "gray" else palette_of(settings.colormap)
    texts = {KEY: text} if mark or lossy else {KEY: text, **NO_MARK}
    return save_image(path, marked, texts=texts, palette=palette, jpeg_quality=jpeg_quality, jpeg_table=table)


def _for_jpeg(
    path: Path, codes: Codes, settings: PictureSettings, quality: int
) -> tuple[Codes, npt.NDArray[np.uint8] | None]:
    """Codes of 8 bits, and the quantisation table for them: gray is rounded for listening, colours as usual."""
    if settings.bits != 8 or settings.exact:
        asked = "exact pictures need" if settings.exact else f"bits={settings.bits}: only"
        raise ParameterError(f"{path.name}: JPEG holds 8 bits, and {asked} PNG or TIFF; use bits=8 or another suffix")
    if settings.colormap != "gray":
        return codes, None
    from specloom.pictures.jpeg import quantisation, rounded

    return rounded(from_codes(codes), quality), quantisation(quality)


def _write_sidecar(path: Path, text: str) -> None:
    try:
        with written_beside(path) as temporary:
            temporary.write_text(json.dumps(json.loads(text), indent=1), encoding="ascii")
    except OSError as error:
        raise ImageFileError(f"{path} {reason(error, 'written')}") from error


def read_settings(path: str | Path, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> PictureSettings | None:
    """The settings of a picture file, mostly from its header alone; None when it is a stranger's, or no picture.

    Parameters
    ----------
    path : path-like
    max_megapixels : float
        Above it, pixels are not looked through for settings.

    Returns
    -------
    PictureSettings or None
        As in `PictureFile`: of a cropped picture the piece is what it shows.

    Raises
    ------
    ArtifactError
        When it is a picture of ours with damaged or contradictory settings.
    """
    path = Path(path)
    try:
        width, height = image_size(path)
    except ImageFileError:
        return None
    try:
        settings = _from_texts(read_texts(path), path)
        if settings is None and path.suffix.lower() in LOSSY_SUFFIXES:
            # Of other pictures the pixels are asked first.
            settings = _from_sidecar(path)
    except ArtifactError:
        settings = None
    if settings is not None and (height, width) == (settings.piece.n_rows, settings.piece.n_frames):
        return settings
    if width * height > max_megapixels * 1e6:
        return settings
    found = _understood(path, open_image(path, max_megapixels=max_megapixels))
    return None if found is None else found.settings


def read_picture(path: str | Path, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> PictureFile:
    """Read a picture of ours, also one that was re-saved, scaled or cropped.

    Parameters
    ----------
    path : path-like
    max_megapixels : float
        Larger pictures are refused.

    Raises
    ------
    ImageFileError
        When it is no picture, too large, or a stranger's, which says nothing about itself.
    ArtifactError
        When its settings are damaged, or contradict its pixels.
    """
    path = Path(path)
    found = _understood(path, open_image(path, max_megapixels=max_megapixels))
    if found is None:
        raise ImageFileError(
            f"{path} holds no settings of ours, neither as text, nor in its pixels, nor in {sidecar_of(path).name}; "
            "to hear a stranger's picture, say what is known of it (--sample-rate)"
        )
    return found


def _understood(path: Path, image: Image) -> PictureFile | None:
    """What the picture shows; None for a stranger's."""
    found, problem = _first_found(path, image)
    if found is None:
        if problem is not None:
            raise problem
        return None
    notes = [*image.notes, *found.notes(path, problem)]
    if found.codes is not None and bits_of(found.codes) == found.settings.bits:
        levels, lossless = from_codes(found.codes), True
    else:
        levels, lossless = levels_of_image(path, image, found.settings, notes)
    settings, values, kept = _fitted(path, found, levels, notes)
    if settings.exact and (image.format == "jpeg" or not kept):
        settings, values = _without_phase(path, settings, values, notes)
    values.flags.writeable = False
    return PictureFile(
        settings=settings, values=values, lossless=lossless and kept, found_in=found.place, notes=tuple(notes)
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Marked:
    """A mark, the codes that it was found in, and whether their light and dark are exchanged in the pixels."""

    mark: Mark
    codes: Codes
    negative: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class _Found:
    """Settings, where they were, the mark of the pixels, and whether they have lost it."""

    settings: PictureSettings
    place: Place
    marked: _Marked | None = None
    changed: bool = False

    @property
    def mark(self) -> Mark | None:
        """That of the pixels."""
        return None if self.marked is None else self.marked.mark

    @property
    def codes(self) -> Codes | None:
        """What holds the mark is as it was drawn, whatever colours it has now."""
        return None if self.marked is None else self.marked.codes

    def notes(self, path: Path, problem: ArtifactError | None) -> list[str]:
        """What there is to say about where they were found, and about what the mark tells of the pixels."""
        negative = self.marked is not None and self.marked.negative and self.settings.colormap == "gray"
        notes = ["it is a negative of what was drawn; light and dark were exchanged back"] if negative else []
        if self.changed:
            notes.append("its pixels have lost their mark, so they were changed since it was drawn (or had none)")
        if self.place == "text":
            return notes
        place = "in the pixels" if self.place == "mark" else f"in {sidecar_of(path).name}"
        why = "the text of ours in the file is damaged" if problem is not None else "the file has no text of ours"
        return [f"{why}; the settings were found {place}", *notes]


def _first_found(path: Path, image: Image) -> tuple[_Found | None, ArtifactError | None]:
    """The settings from the first place that has them, and what was wrong with the places before it."""
    problem = None
    try:
        settings = _from_texts(image.texts, path)
    except ArtifactError as error:
        settings, problem = None, error
    marked = _marked(image, None if settings is None else settings.colormap)
    if settings is not None:
        # Where in the picture a crop begins is said in the pixels only.
        changed = marked is None and _had_mark(image, settings)
        return _Found(settings=settings, place="text", marked=marked, changed=changed), None
    if marked is not None:
        settings = _from_payload(marked.mark.payload, path)
        return _Found(settings=settings, place="mark", marked=marked), problem
    settings = _from_sidecar(path)
    return None if settings is None else _Found(settings=settings, place="sidecar"), problem


def _had_mark(image: Image, settings: PictureSettings) -> bool:
    """Whether a picture that is stored as it was drawn should have a mark."""
    if NO_MARK.items() <= image.texts.items():
        return False
    drawn_gray = gray_of(palette_of(settings.colormap)[np.newaxis]) is not None
    kept = image.format != "jpeg" and 8 * image.pixels.dtype.itemsize == settings.bits
    kept = kept and drawn_gray == (gray_of(image.pixels) is not None)
    payload = zlib.compress(settings.to_json().encode("ascii"), 9)
    return kept and _shape(image) == _promised(settings) and mark_fits(_promised(settings), payload)


def _shape(image: Image) -> tuple[int, int]:
    return image.pixels.shape[0], image.pixels.shape[1]


def _promised(settings: PictureSettings) -> tuple[int, int]:
    return settings.piece.n_rows, settings.piece.n_frames


# --- the three places ---


def _from_texts(texts: Mapping[str, str], path: Path) -> PictureSettings | None:
    """Settings from the file's texts; None when none of them is ours."""
    text = texts.get(KEY)
    if text is None and FORMAT in texts.get("comment", ""):
        # It names our format, and is not as it was written.
        text = texts["comment"]
    return None if text is None else _parsed(text, str(path))


def _parsed(text: str, where: str) -> PictureSettings:
    if len(text) > _MOST_JSON:
        raise ArtifactError(
            f"{where}: the settings are {len(text)} characters long; those of a picture of ours are not"
        )
    return PictureSettings.from_json(text, where)


def _from_payload(payload: bytes, path: Path) -> PictureSettings:
    where = f"{path}, in the pixels"
    try:
        plain = zlib.decompressobj().decompress(payload, _MOST_JSON + 1)
        return _parsed(plain.decode("ascii"), where)
    except (zlib.error, UnicodeDecodeError) as error:
        raise ArtifactError(f"{where}: the settings are damaged ({error}); draw the picture again") from error


def _from_sidecar(path: Path) -> PictureSettings | None:
    """Settings from the file beside the picture; None when there is none, or somebody else's."""
    sidecar = sidecar_of(path)
    try:
        if sidecar.stat().st_size > 4 * _MOST_JSON:
            return None
        text = sidecar.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return _parsed(text, str(sidecar)) if FORMAT in text else None


def _marked(image: Image, colormap: str | None) -> _Marked | None:
    """The mark in the pixels; with no colour map known, in the likeliest ones."""
    if image.format == "jpeg":
        return None
    for codes, negative in _readings(image, colormap):
        mark = find_mark(codes)
        if mark is not None:
            return _Marked(mark=mark, codes=codes, negative=negative)
    return None


def _readings(image: Image, colormap: str | None) -> Iterator[tuple[Codes, bool]]:
    """What the codes of a picture may be, and whether that is its negative."""
    if image.indices is not None:
        yield image.indices, False
    gray = gray_of(image.pixels)
    if gray is not None:
        yield gray, False
        yield np.iinfo(gray.dtype).max - gray, True
        return
    rgb = rgb_of(image)
    if len(np.unique(packed(rgb[:_FIRST_ROWS]))) > 256:
        # What was drawn with a palette has no more colours, and to look for its colour map takes time.
        return
    for name in _likely_maps(rgb) if colormap is None else [colormap]:
        codes = codes_of_colours(rgb, name)
        if codes is not None:
            yield codes, False


def _likely_maps(rgb: Colours) -> list[str]:
    return [match.name for match in recognise(rgb) if match.distance < OFF_THE_TABLE][:_LIKELY_MAPS]


# --- the size that was promised ---


def _fitted(
    path: Path, found: _Found, values: FloatArray, notes: list[str]
) -> tuple[PictureSettings, FloatArray, bool]:
    """Settings and values that fit each other, and whether the values are those of the file."""
    settings, piece = found.settings, found.settings.piece
    shape, promised = values.shape, _promised(settings)
    if shape == promised:
        return settings, values, True
    if shape[0] == promised[0] and shape[1] < promised[1]:
        offset = 0 if found.mark is None else found.mark.column - found.mark.found_at
        offset = min(max(0, offset), promised[1] - shape[1])
        shown = replace(piece, first_frame=piece.first_frame + offset, n_frames=shape[1])
        where = f"from frame {shown.first_frame} on" if found.mark is not None else _SOMEWHERE
        notes.append(f"cropped in time: {shape[1]} of {promised[1]} frames, {where}")
        return replace(settings, piece=shown), values, True
    if shape == promised[::-1]:
        raise ArtifactError(
            f"{path} has {shape[1]} x {shape[0]} pixels and was drawn with {promised[1]} x {promised[0]}: it is turned "
            "on its side; turn it back, with the low frequencies at the bottom"
        )
    if settings.exact and shape == (settings.whole_shape[0] // 2, promised[1]):
        notes.append("the lower half, where the phases were, is cut off")
        return settings, values, False
    factors = [there / drawn for there, drawn in zip(shape, promised, strict=True)]
    if max(max(factor, 1.0 / factor) for factor in factors) > _MOST_SCALED:
        raise ArtifactError(
            f"{path} has {shape[1]} x {shape[0]} pixels and its settings promise {promised[1]} x {promised[0]}: "
            "they are not those of this picture"
        )
    notes.append(f"scaled back from {shape[1]} x {shape[0]} to {promised[1]} x {promised[0]} pixels; detail is lost")
    if abs(factors[0] / factors[1] - 1.0) > _UNEVEN:
        notes.append("its width and height were scaled differently; if rows were cut off or a frame added, it is wrong")
    return settings, _resized(values, promised), False


def _without_phase(
    path: Path, settings: PictureSettings, values: FloatArray, notes: list[str]
) -> tuple[PictureSettings, FloatArray]:
    """The upper half of an exact picture: phases that were scaled or rounded mean nothing."""
    piece, n_rows = settings.piece, settings.whole_shape[0]
    if (piece.first_row, piece.n_rows) != (0, n_rows):
        raise ArtifactError(f"{path} is a tile of an exact picture that was changed; draw it again")
    notes.append("the phases that were drawn cannot be used any more, so new ones are sought")
    piece = replace(piece, n_rows=n_rows // 2)
    return replace(settings, exact=False, piece=piece), values[: n_rows // 2]


def _resized(values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    from PIL import Image as Pillow

    image = Pillow.fromarray(np.ascontiguousarray(values))
    resized = image.resize((shape[1], shape[0]), Pillow.Resampling.BICUBIC)
    return np.clip(np.asarray(resized, dtype=np.float32), 0.0, 1.0)
