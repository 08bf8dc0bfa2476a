"""Where things are in a figure of a spectrogram: panels, the lines around them, margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

# Colours further than this from the paper's (largest difference of a channel, 0..255) are drawn; JPEG blurs less.
_DRAWN = 40
# Shorter things, as shares of the picture's width and height, are letters, marks and dust.
_SHORTEST = 0.12
# A line of a frame may differ this much from the frame's colour: thin lines let the picture shine through.
_LINE = 72


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of whole pixels; right and bottom are exclusive, rows count from the top.

    >>> box = Box(left=80, top=53, right=477, bottom=427)
    >>> box.width, box.height
    (397, 374)
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    def of(self, pixels: NDArray[T]) -> NDArray[T]:
        """The part of a picture in the box."""
        return pixels[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, kw_only=True)
class Framed:
    """A rectangle drawn on the paper: `inner` without the lines around it, `outer` with them (equal if none)."""

    inner: Box
    outer: Box

    @property
    def has_lines(self) -> bool:
        """Whether there is a line on every side."""
        return self.inner != self.outer

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom: the middle of the lines."""
        inner, outer = self.inner, self.outer
        return (
            (inner.left + outer.left) / 2,
            (inner.top + outer.top) / 2,
            (inner.right + outer.right) / 2,
            (inner.bottom + outer.bottom) / 2,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """A picture taken apart: the paper's colour, how far each pixel is from it (0..255), and what is drawn on it."""

    paper: NDArray[np.uint8]
    distance: NDArray[np.uint8]
    frames: tuple[Framed, ...]


def lay_out(rgb: NDArray[np.uint8]) -> Layout | None:
    """The rectangles on a picture's paper, biggest first; None for a picture without paper (margins of one colour)."""
    paper = _paper(rgb)
    if paper is None:
        return None
    distance = _distance(rgb, paper)
    bare = _bare(distance)
    if bare is not None:
        return Layout(paper=paper, distance=distance, frames=(_without_lines(rgb, paper, bare),))
    return Layout(paper=paper, distance=distance, frames=_rectangles(rgb, distance, paper))


def _paper(rgb: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The colour of most of the outermost pixels, if they are of one colour on at least two opposite sides."""
    sides = [rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]
    ring = np.concatenate(sides)
    colours, counts = np.unique(ring // 8, axis=0, return_counts=True)
    common = np.all(ring // 8 == colours[counts.argmax()], axis=1)
    paper = np.median(ring[common], axis=0).astype(np.uint8)
    shares = [float((_distance(side[None], paper)[0] < _DRAWN).mean()) for side in sides]
    # Footers of some programs reach into the outermost rows, so not every pixel must be paper.
    both_ways = min(shares[0], shares[1]) > 0.85 or min(shares[2], shares[3]) > 0.85
    return paper if both_ways else None


def _distance(rgb: NDArray[np.uint8], colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    worst = np.zeros(rgb.shape[:2], np.uint8)
    for channel in range(3):
        plane, level = rgb[..., channel], colour[channel]
        np.maximum(worst, np.where(plane > level, plane - level, level - plane), out=worst)
    return worst


def _bare(distance: NDArray[np.uint8]) -> Box | None:
    """A picture in plain margins with nothing written in them: all that is drawn, if that is a rectangle.

    Margins on one side only are not margins but silence, or empty high frequencies.
    """
    height, width = distance.shape
    for level in (8, _DRAWN):
        drawn = distance > level
        rows, columns = _reached(drawn.sum(axis=1) > 0), _reached(drawn.sum(axis=0) > 0)
        part = drawn[rows, columns]
        if min(part.shape) < 4:
            continue
        sharp = min(part[:2].mean(), part[-2:].mean(), part[:, :2].mean(), part[:, -2:].mean()) > 0.3
        upright = (rows.start > 0) == (rows.stop < height)
        lying = (columns.start > 0) == (columns.stop < width)
        if sharp and upright and lying and part.shape != distance.shape:
            return Box(left=columns.start, top=rows.start, right=columns.stop, bottom=rows.stop)
    return None


def _rectangles(rgb: NDArray[np.uint8], distance: NDArray[np.uint8], paper: NDArray[np.uint8]) -> tuple[Framed, ...]:
    from scipy import ndimage

    labels, _ = ndimage.label(distance > _DRAWN, np.ones((3, 3), int))
    height, width = distance.shape
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        tall, wide = place[0].stop - place[0].start, place[1].stop - place[1].start
        if min(tall, wide) < 4 or (tall < _SHORTEST * height and wide < _SHORTEST * width):
            continue
        box = _solid_part(labels[place] == number, place[0].start, place[1].start)
        if box is not None:
            found.append(_without_lines(rgb, paper, box))
    return tuple(sorted(found, key=lambda framed: -framed.outer.area))


def _solid_part(mask: NDArray[np.bool_], top: int, left: int) -> Box | None:
    """The rectangle in a connected thing without the tick marks and letters that touch it.

    A frame's own lines cover their whole row or column; a picture without a frame covers most of its rows and columns.
    """
    box = None
    for share in (0.8, 0.5, 0.25, 0.1):
        columns = _reached(mask.sum(axis=0) >= share * mask.shape[0])
        rows = _reached(mask[:, columns].sum(axis=1) >= share * (columns.stop - columns.start))
        columns = _reached(mask[rows].sum(axis=0) >= share * (rows.stop - rows.start))
        if rows.stop - rows.start < 2 or columns.stop - columns.start < 2:
            continue
        box = Box(left=left + columns.start, top=top + rows.start, right=left + columns.stop, bottom=top + rows.stop)
        if mask[rows, columns].sum() >= 0.88 * mask.sum():
            break
    return box


def _reached(there: NDArray[np.bool_]) -> slice:
    """From the first to the last that is true."""
    places = np.flatnonzero(there)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def _without_lines(rgb: NDArray[np.uint8], paper: NDArray[np.uint8], box: Box) -> Framed:
    """The lines around a box, taken off: as thick on every side, so the side where they show best tells how thick.

    Lines whose colour is also the picture's (black around silence) seem thicker; the thinnest of the four is right.
    """
    part = box.of(rgb)
    turned = (part, part[::-1], _turned(part), _turned(part[:, ::-1]))
    rim = int(sum(_has_rim(pixels, paper) for pixels in turned) >= 3)
    sides = [_Side(pixels, rim) for pixels in turned]
    colour = np.median(np.stack([side.colour for side in sides]), axis=0)
    if any(np.abs(side.colour - colour).max() > _LINE for side in sides):
        return Framed(inner=box, outer=box)
    thick = min(side.thickness(colour, _LINE / 3) for side in sides)
    if thick == 0 and sum(side.is_plainer_outside for side in sides) >= 2:
        thick = min(side.thickness(colour, _LINE) for side in sides)
    if thick == 0 or 2 * thick + 2 > min(box.width, box.height):
        return Framed(inner=box, outer=box)
    lines = 2 * rim + thick
    return Framed(
        outer=box,
        inner=Box(left=box.left + lines, top=box.top + lines, right=box.right - lines, bottom=box.bottom - lines),
    )


def _turned(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels.transpose(1, 0, 2)


class _Side:
    """One side of a box, its outermost row first."""

    def __init__(self, pixels: NDArray[np.uint8], rim: int) -> None:
        self.pixels = pixels
        self.rim = rim
        self.colour: NDArray[np.float64] = np.median(pixels[rim], axis=0)

    @property
    def is_plainer_outside(self) -> bool:
        """Whether the outermost rows vary less along themselves than the rows well inside."""
        inside = self.pixels[3 :: max(1, len(self.pixels) // 40)]
        usual = [_spread(row) for row in inside]
        return bool(usual and _spread(self.pixels[self.rim]) < 0.6 * float(np.mean(usual)))

    def thickness(self, colour: NDArray[np.float64], tolerance: float) -> int:
        """How many first rows after the rim are of the line's colour nearly everywhere."""
        deepest = min(len(self.pixels) // 3, 40)
        for row in range(self.rim, deepest):
            off = np.abs(self.pixels[row] - colour).max(axis=1)
            if (off <= tolerance).mean() < 0.9:
                return row - self.rim
        return deepest


def _has_rim(pixels: NDArray[np.uint8], paper: NDArray[np.uint8]) -> bool:
    """Whether the outermost row is the pale rim of a line that does not fall on whole pixels."""
    first, second = (np.median(row, axis=0) for row in pixels[:2])
    paler = np.abs(first - paper).max() < 0.75 * np.abs(second - paper).max()
    return bool(paler and _spread(pixels[1]) <= _spread(pixels[0]) + 4)


def _spread(row: NDArray[np.uint8]) -> float:
    return float(np.abs(row - np.median(row, axis=0)).mean())
