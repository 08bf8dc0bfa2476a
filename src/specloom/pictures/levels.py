"""The levels that a picture's pixels stand for: gray, colours, and what editors and JPEG made of them."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ImageFileError
from specloom.io.image import Image
from specloom.pictures.settings import PictureSettings
from specloom.pixels.colormaps import colourise, colours_of, levels_of, recognise
from specloom.pixels.depth import Codes, from_codes
from specloom.recipes.scales import FloatArray

Colours = npt.NDArray[np.uint8]

# How much the brightness of a colour map may dip where it is read from gray.
_EQUALLY_BRIGHT = 2.0 / 255.0
# Share of pixels at the highest level that no picture of a sound has, other than that of a click alone.
_MOST_WHITE = 0.25
# Mean distance of colours from their table, in codes, from which on they are said to be changed.
OFF_THE_TABLE = 1.0


@lru_cache(maxsize=8)
def palette_of(colormap: str) -> Colours:
    """The colours of the 256 codes, uint8 ``(256, 3)``, read-only.

    Where a colour map gives neighbours the same colour, they are set one code apart, so that colours tell codes.
    """
    palette = colourise(np.arange(256, dtype=np.uint8), colormap)
    taken: set[bytes] = set()
    for colour in palette:
        first = colour.copy()
        nudges = iter(_NUDGES)
        while colour.tobytes() in taken:
            colour[:] = np.clip(first.astype(int) + next(nudges), 0, 255)
        taken.add(colour.tobytes())
    palette.flags.writeable = False
    return palette


# Where else a colour may go, the nearest first.
_NUDGES = sorted(product((0, 1, -1, 2, -2), repeat=3), key=lambda shift: sum(map(abs, shift)))


def gray_of(pixels: npt.NDArray[Any]) -> Codes | None:
    """The pixels of a gray picture, also of one that was saved in colours; None when there are colours."""
    if pixels.ndim == 2:
        return pixels
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return np.ascontiguousarray(pixels[..., 0])
    return None


def rgb_of(image: Image) -> Colours:
    """The pixels of a coloured picture, which always have 8 bits a channel."""
    return image.pixels.astype(np.uint8, copy=False)


def levels_of_image(path: Path, image: Image, settings: PictureSettings, notes: list[str]) -> tuple[FloatArray, bool]:
    """Levels 0..1 of the pixels as they are, and whether none was changed."""
    codes = _untouched_codes(image, settings)
    if codes is not None:
        return from_codes(codes), True
    gray = gray_of(image.pixels)
    bits = 8 * image.pixels.dtype.itemsize
    if gray is not None and bits < settings.bits:
        require_reduced(path, gray, settings.bits)
    levels = _from_colours(image, settings, notes) if gray is None else _from_gray(path, gray, settings, notes)
    if bits < settings.bits:
        notes.append(f"of {settings.bits} bits a pixel {bits} are left")
    if image.format == "jpeg":
        notes.append("JPEG changes levels a little")
    return levels, False


def require_reduced(path: Path, gray: Codes, bits: int) -> None:
    """Refuse a picture of 8 bits whose ``bits`` were cut off at 255, as some programs do, and not divided by 256.

    Raises
    ------
    ImageFileError
    """
    white = float(np.mean(gray == 255))
    if white > _MOST_WHITE:
        raise ImageFileError(
            f"{path} was drawn with {bits} bits a pixel and saved with 8 in a way that cut them off: {white:.0%} of "
            "its pixels are at the highest level; use the picture as it was drawn, or draw it with --format png8"
        )


def _untouched_codes(image: Image, settings: PictureSettings) -> Codes | None:
    """The codes of a picture that is stored as it was written (or gray as colours); None of any other."""
    if image.format == "jpeg":
        return None
    if settings.colormap == "gray":
        gray = gray_of(image.pixels)
        return gray if gray is not None and 8 * gray.dtype.itemsize == settings.bits else None
    if image.indices is not None and image.palette is not None:
        palette = palette_of(settings.colormap)[: len(image.palette)]
        if np.array_equal(palette, image.palette):
            return image.indices
    return None if image.pixels.ndim == 2 else codes_of_colours(image.pixels, settings.colormap)


def codes_of_colours(rgb: npt.NDArray[Any], colormap: str) -> Codes | None:
    """The codes of a picture in just the colours that we draw with; None when there are others."""
    table = packed(palette_of(colormap))
    order = np.argsort(table)
    colours = packed(rgb)
    places = np.minimum(np.searchsorted(table[order], colours), 255)
    codes = order[places].astype(np.uint8)
    return codes if np.array_equal(table[codes], colours) else None


def packed(rgb: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Colours as one number each."""
    numbers = rgb[..., 0].astype(np.uint32)
    for channel in (1, 2):
        numbers = (numbers << np.uint32(8)) | rgb[..., channel]
    return numbers


def _from_colours(image: Image, settings: PictureSettings, notes: list[str]) -> FloatArray:
    colormap, rgb = settings.colormap, rgb_of(image)
    if colormap == "gray":
        likeliest = recognise(rgb)
        colormap = likeliest[0].name if likeliest else "gray"
        notes.append(f"it was drawn in gray, and is coloured now; the colours are taken for {colormap!r}")
    levels, distance = levels_of(rgb, colours_of(colormap))
    off = float(distance.mean())
    if image.format != "jpeg":
        # Colours between those that were drawn come from scaling, or from a program that merged them.
        notes.append(f"its colours were changed since it was drawn: they lie {off:.1f} codes off {colormap!r}")
    return levels


def _from_gray(path: Path, gray: Codes, settings: PictureSettings, notes: list[str]) -> FloatArray:
    levels = from_codes(gray)
    return levels if settings.colormap == "gray" else _uncoloured(path, levels, settings.colormap, notes)


def _uncoloured(path: Path, gray: FloatArray, colormap: str, notes: list[str]) -> FloatArray:
    """Levels of a coloured picture that was turned to gray: by the brightness of its colours, where that only grows."""
    brightness = palette_of(colormap).astype(np.float64) @ [0.299, 0.587, 0.114] / 255.0
    falling = brightness[0] > brightness[-1]
    rising = 1.0 - brightness if falling else brightness
    gray = np.float32(1.0) - gray if falling else gray
    steady = np.maximum.accumulate(rising)
    if np.max(steady - rising) > _EQUALLY_BRIGHT:
        raise ImageFileError(
            f"{path} was drawn in the colours of {colormap!r} and is gray now; several of these colours are equally "
            "bright, so the levels are lost: use the coloured picture"
        )
    notes.append(f"it was drawn in the colours of {colormap!r} and is gray now; levels are taken from the brightness")
    return np.interp(gray, steady, np.linspace(0.0, 1.0, len(steady))).astype(np.float32)
