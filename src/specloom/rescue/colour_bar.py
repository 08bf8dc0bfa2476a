"""Which of a figure's rectangles is the colour bar, which show a spectrogram, and the colours of the bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from specloom.rescue.layout import Box, Framed

# A bar is at least this many times as long as it is wide.
_SLENDER = 3.5
# Pixels across a bar differ from the middle one by less than this on average (JPEG included).
_EVEN = 8.0
_MOST = 0.25


def is_bar(rgb: NDArray[np.uint8], box: Box) -> bool:
    """Whether a rectangle is a colour bar: slender, of one colour across, changing along."""
    long, wide = max(box.width, box.height), min(box.width, box.height)
    if wide < 3 or long < _SLENDER * wide:
        return False
    along = colours_along(rgb, box).astype(np.int16)
    across = np.abs(_across(rgb, box).astype(np.int16) - along[:, None]).max(axis=2).mean()
    return bool(across < _EVEN and len(np.unique(along // 4, axis=0)) >= 8)


def is_vertical(box: Box) -> bool:
    """Whether a bar stands (levels along the rows)."""
    return box.height >= box.width


def colours_along(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The colour of each row of a standing bar, or column of a lying one, in the picture's order: uint8 (n, 3)."""
    middle = np.asarray(np.rint(np.median(_across(rgb, box), axis=1)), np.uint8)
    if len(middle) > 8:
        # An outline's blur reaches into the first and the last.
        middle[0], middle[-1] = middle[1], middle[-2]
    return middle


def _across(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """(length, width, 3) of the middle half, away from an outline's blur and what a JPEG makes of it."""
    part = box.of(rgb)
    part = part if is_vertical(box) else part.transpose(1, 0, 2)
    trim = part.shape[1] // 4
    return part[:, trim : part.shape[1] - trim]


def variety(rgb: NDArray[np.uint8], box: Box) -> float:
    """The share of a rectangle in other colours than its two most common ones: 0 for line art, near 1 for pictures."""
    part = box.of(rgb)
    step = max(1, int(np.sqrt(box.area / 60_000)))
    coarse = part[::step, ::step].reshape(-1, 3).astype(np.int32) // 16
    counts = np.bincount(coarse[:, 0] * 256 + coarse[:, 1] * 16 + coarse[:, 2])
    counts = np.sort(counts[counts > 0])[::-1]
    return float(1 - counts[:2].sum() / counts.sum())


def pick(rgb: NDArray[np.uint8], frames: Sequence[Framed]) -> tuple[list[Framed], Framed | None]:
    """The spectrograms, the likeliest first, and the colour bar that belongs to it."""
    frames = [framed for framed in frames if not any(_holds(other, framed) for other in frames)]
    bars = [framed for framed in frames if is_bar(rgb, framed.inner)]
    others = [framed for framed in frames if framed not in bars]
    largest = max((framed.inner.area for framed in others), default=0)
    worth = [(framed.inner.area * min(1.0, 3 * variety(rgb, framed.inner)), framed) for framed in others]
    worth = sorted((pair for pair in worth if pair[0] > 0.02 * largest), key=lambda pair: -pair[0])
    # What has no lines around it must be most of the picture to be taken for a panel.
    likely = [
        (value, framed) for value, framed in worth if framed.has_lines or framed.outer.area > _MOST * rgb.size / 3
    ]
    panels = [framed for value, framed in likely if value > 0.3 * likely[0][0]]
    if not panels:
        return [], None
    return panels, min(bars, key=lambda bar: _apart(bar.inner, panels[0].inner), default=None)


def _holds(outer: Framed, inner: Framed) -> bool:
    """Whether one thing is drawn within another: a curve in its axes."""
    one, other = outer.outer, inner.outer
    across = one.left <= other.left and other.right <= one.right
    return outer is not inner and across and one.top <= other.top and other.bottom <= one.bottom


def _apart(bar: Box, panel: Box) -> float:
    """How badly a bar fits a panel: the distance of their middles along the bar, and how much shorter the bar is."""
    if is_vertical(bar):
        return abs(bar.top + bar.bottom - panel.top - panel.bottom) + abs(bar.left - panel.right) / 4
    return abs(bar.left + bar.right - panel.left - panel.right) + abs(bar.top - panel.bottom) / 4
