"""Colour tables: levels to colours, colours back to levels, and which table a picture was drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.pixels.depth import bits_of, to_codes
from specloom.pixels.measured import CORNERS

Colours = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

_GRAY = ("gray", "gray-inverted")
_SOX = ("sox", "sox-high", "sox-light", "sox-alternative")
_MATPLOTLIB = (
    *("magma", "inferno", "plasma", "viridis", "cividis", "turbo", "jet", "hot", "afmhot", "bone", "copper"),
    *(
        "cubehelix",
        "CMRmap",
        "gnuplot",
        "gnuplot2",
        "nipy_spectral",
        "rainbow",
        "coolwarm",
        "seismic",
        "Greys",
        "Blues",
    ),
)
_INVERTED = "-inverted"

NAMES: tuple[str, ...] = (*_GRAY, *_MATPLOTLIB, *_SOX, *(name for name in CORNERS if name not in _SOX))
"""Every table that `colours_of` knows and `recognise` tries, in the order in which ties are settled."""

# Colours of sox's own legend (-q is 249 at most, and two for what is below and above its range).
_SOX_COLOURS = 251
_MEASURED_COLOURS = 512

# The nearest place on a table is looked for among points this far apart (codes), then found exactly on their segment.
_SAMPLES_PER_CODE = 2
# From this many pixels on, equal colours are found through a list of all 2 ** 24 colours instead of by sorting.
_MANY_PIXELS = 1 << 17
# Pixels that `recognise` looks at, evenly spread over the picture.
_LOOKED_AT = 1 << 12


@dataclass(frozen=True, kw_only=True)
class Match:
    """How well the colours of a picture lie on one table: see `recognise`.

    Parameters
    ----------
    name : str
        Of the table.
    distance : float
        Mean distance of the pixels from the table, in codes of 0..255 (Euclidean in red, green and blue). Below 1
        for the right table, a few for a JPEG of it, tens for a wrong one.
    used : float
        How much of the table the picture uses, 0..1: from the level of its softest hundredth to that of its loudest.
    """

    name: str
    distance: float
    used: float


@cache
def colours_of(name: str) -> Colours:
    """The colours of a table.

    Parameters
    ----------
    name : str
        One of `NAMES`; or one of them followed by ``"-inverted"``, from the last colour to the first.

    Returns
    -------
    uint8 array of shape (n, 3), read-only
        Red, green and blue at equal steps of level, the softest first. `n` is 256 for matplotlib's tables, as many as
        the program has for the others.

    Raises
    ------
    ParameterError
        When there is no such table.

    Examples
    --------
    >>> colours_of("gray")[[0, 128, 255]].tolist()
    [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    """
    if name.endswith(_INVERTED) and name.removesuffix(_INVERTED) in NAMES:
        table = colours_of(name.removesuffix(_INVERTED))[::-1].copy()
    elif name == "gray":
        table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    elif name in _MATPLOTLIB:
        import matplotlib

        table = np.array(matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3])
    elif name == "sox-light":
        table = _sox_colours()[::-1].copy()
    elif name == "sox":
        table = _sox_colours()
    elif name == "sox-high":
        table = _sox_high_colours()
    elif name in CORNERS:
        table = _measured_colours(CORNERS[name])
    else:
        raise ParameterError(
            f"colormap={name!r}: allowed are {', '.join(NAMES)}, and each of them with {_INVERTED!r} behind it"
        )
    table.setflags(write=False)
    return table


def colourise(levels: npt.NDArray[Any], name: str) -> Colours:
    """Colours of levels.

    Parameters
    ----------
    levels : array of any shape
        Floats between 0 and 1 (what lies outside is clipped), or codes (uint8, uint16) of the whole range.
    name : str
        As for `colours_of`.

    Returns
    -------
    uint8 array of shape (..., 3)
        Between the two nearest colours of the table. Codes of 8 bits meet the colours of a table of 256.

    Raises
    ------
    ParameterError
        When there is no such table, or a level is not a number.

    Examples
    --------
    >>> colourise(np.uint8([[0, 255]]), "hot").tolist()
    [[[10, 0, 0], [255, 255, 255]]]
    """
    if levels.dtype != np.uint8 and levels.dtype != np.uint16:
        levels = to_codes(levels, 16)
    # One colour per code, looked up: a picture has more pixels than codes.
    table = colours_of(name)
    at = np.linspace(0.0, len(table) - 1.0, 2 ** bits_of(levels))
    by_code = _rounded(*(np.interp(at, np.arange(len(table)), channel / 255.0) for channel in table.T))
    return np.asarray(by_code[levels])


def levels_of(rgb: Colours, table: Colours) -> tuple[FloatArray, FloatArray]:
    """Where on a table each colour lies, and how far off it.

    Parameters
    ----------
    rgb : uint8 array of shape (..., 3)
        Colours of pixels.
    table : uint8 array of shape (n, 3)
        Colours at equal steps of level, the softest first: `colours_of`, or those of a colour bar. At least one.

    Returns
    -------
    levels : float32 array of shape (...)
        0 for the first colour of the table to 1 for the last: the nearest place on the line through its colours, so
        between two of them too. A colour that the table has several times in a row gives the middle of the run; at
        the ends of the table, the end.
    distance : float32 array of shape (...)
        Distance from that place in codes of 0..255, Euclidean.

    Raises
    ------
    ParameterError
        When the shapes are others.

    Notes
    -----
    Law: ``levels_of(colourise(levels, name), colours_of(name))`` gives the levels back within one step of the table,
    at a distance of 0.

    Examples
    --------
    >>> levels, distance = levels_of(np.uint8([[51, 51, 51], [60, 50, 50]]), colours_of("gray"))
    >>> levels.astype(float).round(3).tolist(), distance.astype(float).round(1).tolist()
    ([0.2, 0.209], [0.0, 8.2])
    """
    _require_colours("rgb", rgb)
    _require_colours("table", table)
    if table.ndim != 2 or not len(table):
        raise ParameterError(f"table of shape {table.shape}: (n, 3) with at least one colour is needed")
    packed = _packed(rgb)
    unique, index = _unique(packed.reshape(-1))
    levels, distance = _places(_unpacked(unique), table)
    return levels[index].reshape(packed.shape), distance[index].reshape(packed.shape)


def recognise(rgb: Colours, names: Sequence[str] = NAMES) -> tuple[Match, ...]:
    """Which colour table a picture was drawn with.

    Parameters
    ----------
    rgb : uint8 array of shape (..., 3)
        Pixels of the spectrogram alone: axes and labels have other colours. At least one.
    names : sequence of str
        The tables to try.

    Returns
    -------
    tuple of Match
        One per name, the nearest first; equally near ones in the order of `names`. A table and its inverse always are
        equally near; so are all the tables that hold the colours of a picture of one or two colours. Who needs to
        know asks whether the second is as near as the first.

    Raises
    ------
    ParameterError
        When there is no such table, or no pixel.

    Examples
    --------
    >>> sweep = colourise(np.linspace(0, 1, 64), "magma")
    >>> best, second = recognise(sweep)[:2]
    >>> best.name, best.distance < 0.5 < second.distance
    ('magma', True)
    """
    _require_colours("rgb", rgb)
    pixels = rgb.reshape(-1, 3)
    if not len(pixels):
        raise ParameterError(f"rgb of shape {rgb.shape}: at least one pixel is needed")
    pixels = pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), _LOOKED_AT)).astype(np.intp)]
    matches = []
    for name in names:
        levels, distance = levels_of(pixels, colours_of(name))
        softest, loudest = np.quantile(levels, (0.01, 0.99))
        matches.append(Match(name=name, distance=round(float(distance.mean()), 3), used=float(loudest - softest)))
    return tuple(sorted(matches, key=lambda match: match.distance))


def _require_colours(name: str, colours: npt.NDArray[Any]) -> None:
    if colours.dtype != np.uint8 or colours.ndim < 1 or colours.shape[-1] != 3:
        raise ParameterError(f"{name} of shape {colours.shape} and type {colours.dtype}: uint8 (..., 3) is needed")


def _unique(packed: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """The colours that occur, and for each pixel which of them it has."""
    if packed.size < _MANY_PIXELS:
        unique, index = np.unique(packed, return_inverse=True)
        return unique, index.reshape(packed.shape).astype(np.int32)
    seen = np.zeros(1 << 24, dtype=np.bool_)
    seen[packed] = True
    unique = np.flatnonzero(seen).astype(np.uint32)
    number = np.empty(1 << 24, dtype=np.int32)
    number[unique] = np.arange(unique.size, dtype=np.int32)
    return unique, number[packed]


def _packed(rgb: Colours) -> npt.NDArray[np.uint32]:
    packed = rgb[..., 0].astype(np.uint32)
    for channel in (1, 2):
        packed <<= np.uint32(8)
        packed |= rgb[..., channel]
    return packed


def _unpacked(packed: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    return np.stack([packed >> 16, (packed >> 8) & 255, packed & 255], axis=-1).astype(np.float64)


def _places(colours: npt.NDArray[np.float64], table: Colours) -> tuple[FloatArray, FloatArray]:
    """Level and distance of each colour ``(n, 3)`` on the line through the colours of the table."""
    from scipy.spatial import cKDTree

    corners, levels = _line(table)
    if len(corners) == 1:
        off = np.linalg.norm(colours - corners[0], axis=1)
        return np.zeros(len(colours), dtype=np.float32), off.astype(np.float32)
    segment, points = _sampled(corners)
    nearest = segment[cKDTree(points).query(colours)[1]]
    best = np.full(len(colours), np.inf)
    level = np.zeros(len(colours))
    # The nearest sample lies on the nearest segment or, at a corner, on its neighbour.
    for shift in (0, -1, 1):
        one = np.clip(nearest + shift, 0, len(corners) - 2)
        start, along = corners[one], corners[one + 1] - corners[one]
        share = np.clip(((colours - start) * along).sum(axis=1) / (along * along).sum(axis=1), 0.0, 1.0)
        off = np.linalg.norm(colours - start - share[:, None] * along, axis=1)
        nearer = off < best
        best[nearer] = off[nearer]
        level[nearer] = (levels[one] + share * (levels[one + 1] - levels[one]))[nearer]
    return level.astype(np.float32), best.astype(np.float32)


def _line(table: Colours) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The corners of the line and their levels; equal colours in a row are one corner."""
    changes = np.flatnonzero(np.any(table[1:] != table[:-1], axis=1)) + 1
    first = np.concatenate([[0], changes])
    last = np.concatenate([changes, [len(table)]]) - 1
    levels = (first + last) / (2.0 * max(1, len(table) - 1))
    if len(levels) > 1:
        levels[0], levels[-1] = 0.0, 1.0
    return table[first].astype(np.float64), levels


def _sampled(corners: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Points along the line, and the segment that each lies on."""
    along = np.diff(corners, axis=0)
    counts = np.ceil(np.linalg.norm(along, axis=1) * _SAMPLES_PER_CODE).astype(np.intp) + 1
    segment = np.repeat(np.arange(len(along)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    share = within / (counts[segment] - 1)
    return segment, corners[segment] + share[:, None] * along[segment]


def _sox_colours() -> Colours:
    """The table of sox's `spectrogram`: quarter waves, one colour taking over from the other."""
    level = np.linspace(0.0, 1.0, _SOX_COLOURS)
    red = _quarter_wave((level - 0.13) / 0.60)
    green = _quarter_wave((level - 0.60) / 0.31)
    blue = np.where(level < 0.60, 0.5 * np.sin(np.pi * level / 0.60), np.clip((level - 0.78) / 0.22, 0.0, 1.0))
    return _rounded(red, green, blue)


def _sox_high_colours() -> Colours:
    """The table of sox's `spectrogram -h`: along seven edges of the colour cube, by magenta, blue, cyan... to white."""
    edge = [np.clip(7 * np.linspace(0.0, 1.0, _SOX_COLOURS) - number, 0.0, 1.0) for number in range(7)]
    red = edge[0] - edge[1] + _quarter_wave(edge[4])
    green = _quarter_wave(edge[2]) - _falling_wave(edge[5]) + _quarter_wave(edge[6])
    blue = edge[0] - _falling_wave(edge[3]) + _quarter_wave(edge[6])
    return _rounded(red, green, blue)


def _quarter_wave(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sin(np.clip(share, 0.0, 1.0) * np.pi / 2)


def _falling_wave(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1.0 - np.cos(share * np.pi / 2)


def _measured_colours(corners: str) -> Colours:
    level, red, green, blue = np.array([corner.split() for corner in corners.split(",")], dtype=np.float64).T
    place = np.linspace(0.0, 1.0, _MEASURED_COLOURS)
    return _rounded(*(np.interp(place, level, colour) / 255 for colour in (red, green, blue)))


def _rounded(*channels: npt.NDArray[np.float64]) -> Colours:
    return np.stack([(0.5 + 255.0 * channel).astype(np.uint8) for channel in channels], axis=1)
