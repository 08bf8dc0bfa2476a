"""Printed numbers and words read from pixels: every word is explained by the glyphs of a font that we know.

A word is not cut into letters first, since letters of small labels touch. Instead the cheapest row of glyphs is looked
for that explains all of its ink (a shortest path over the columns), so what is left over says how far to trust it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import ImageFont

VALUE_CHARACTERS = "0123456789.:+-−dBkHzmsefDC⁰¹²³⁴⁵⁶⁷⁸⁹"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz()[]/"
# DejaVu Sans as fitted to the pixels (hinted), and as it is, which is also what rescaled pictures come near to.
FONTS = ("DejaVu Sans", "DejaVu Sans, smooth", "sox", "ffmpeg")
# Smooth letters are drawn so many times larger, and then reduced.
_OVERSAMPLING = 8

# Digits of DejaVu Sans are this high, in units of the font's size.
_DEJAVU_DIGIT = 0.729
# matplotlib's superscripts: smaller, and their baseline above the line's.
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
_RAISED_SCALE, _RAISED_BY = 0.7, 0.38

# Words are read at a digit height of at most this many pixels: more says nothing new and costs time.
_MAX_DIGIT_HEIGHT = 14.0
_MIN_DIGIT_HEIGHT = 4.0
_SMALL_PRINT = 8.5
# A row or column with this much ink somewhere belongs to a glyph, not to its blurred rim.
_INKED = 0.35
# The font and the size are looked for with these alone: most of the words are made of them.
_FREQUENT = "0123456789.:-−dBHzTimeFrqunc"
# A font and size that leave no more than this share of the ink unexplained are right.
_EXPLAINED = 0.15
# What a glyph more must explain, in squared ink, before it is worth having.
_COST_OF_A_GLYPH = 0.05

# The labels of these two programs, as drawn: width, then the rows from the top as hexadecimal bits.
_SOX = {
    "0": (5, "4 a 11 11 11 11 11 a 4"),
    "1": (5, "4 c 14 4 4 4 4 4 1f"),
    "2": (5, "e 11 11 1 2 4 8 10 1f"),
    "3": (5, "1f 1 2 4 e 1 1 11 e"),
    "4": (5, "2 2 6 a a 12 1f 2 2"),
    "5": (5, "1f 10 10 16 19 1 1 11 e"),
    "6": (5, "e 11 10 10 1e 11 11 11 e"),
    "7": (5, "1f 1 2 2 4 4 8 8 8"),
    "8": (5, "e 11 11 11 e 11 11 11 e"),
    "9": (5, "e 11 11 11 f 1 1 11 e"),
    ".": (3, "0 0 0 2 7 2"),
    ":": (3, "0 0 2 7 2 0 0 2 7 2"),
    "+": (5, "0 0 4 4 1f 4 4"),
    "-": (5, "0 0 0 0 1f"),
    "k": (5, "10 10 10 12 14 18 14 12 11"),
    "H": (5, "11 11 11 11 1f 11 11 11 11"),
    "z": (5, "0 0 0 1f 2 4 8 10 1f"),
    "D": (5, "1e 9 9 9 9 9 9 9 1e"),
    "C": (5, "e 11 10 10 10 10 10 11 e"),
    "d": (5, "1 1 1 f 11 11 11 11 f"),
    "B": (5, "1e 9 9 9 e 9 9 9 1e"),
    "F": (5, "1f 10 10 10 1e 10 10 10 10"),
    "S": (5, "e 11 10 10 e 1 1 11 e"),
    "(": (3, "2 2 4 4 4 4 4 2 2 1"),
    ")": (3, "2 2 1 1 1 1 1 2 2 4"),
    "T": (5, "1f 4 4 4 4 4 4 4 4"),
    "i": (3, "0 2 0 6 2 2 2 2 7"),
    "m": (5, "0 0 0 1a 15 15 15 15 11"),
    "e": (5, "0 0 0 e 11 1f 10 11 e"),
    "s": (5, "0 0 0 e 11 c 2 11 e"),
    "r": (5, "0 0 0 16 19 10 10 10 10"),
    "q": (5, "0 0 0 f 11 11 11 f 1 1 1"),
    "u": (5, "0 0 0 11 11 11 11 13 d"),
    "n": (5, "0 0 0 16 19 11 11 11 11"),
    "c": (5, "0 0 0 e 11 10 10 11 e"),
    "y": (5, "0 0 0 11 11 11 13 d 1 11 e"),
}
_FFMPEG = {
    "0": (7, "3e 63 67 6f 7b 73 3e"),
    "1": (6, "c 1c c c c c 3f"),
    "2": (6, "1e 33 3 e 18 33 3f"),
    "3": (6, "1e 33 3 e 3 33 1e"),
    "4": (7, "e 1e 36 66 7f 6 f"),
    "5": (6, "3f 30 3e 3 3 33 1e"),
    "6": (6, "e 18 30 3e 33 33 1e"),
    "7": (6, "3f 33 3 6 c c c"),
    "8": (6, "1e 33 33 1e 33 33 1e"),
    "9": (6, "1e 33 33 1f 3 6 1c"),
    ".": (2, "0 0 0 0 0 3 3"),
    "-": (6, "0 0 0 3f"),
    "s": (6, "0 0 1f 30 1e 3 3e"),
    "D": (7, "7c 36 33 33 33 36 7c"),
    "C": (7, "1e 33 60 60 60 33 1e"),
}
_BITMAPS = {"sox": (_SOX, 9), "ffmpeg": (_FFMPEG, 7)}


@dataclass(frozen=True, kw_only=True)
class Print:
    """How words are printed: the font, and the height of its digits in pixels (as read, see `read_words`)."""

    font: str
    height: float


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word that was read: its text, the share of its ink left unexplained (0..1), and how it is printed."""

    text: str
    doubt: float
    printed: Print | None = None


@dataclass(frozen=True, eq=False)
class _Glyphs:
    """Glyphs of one width: ink of (n, rows * width), energies of (n,)."""

    width: int
    characters: tuple[str, ...]
    ink: NDArray[np.float32]
    energy: NDArray[np.float32]


def read_words(
    words: Sequence[NDArray[np.float32]],
    *,
    digit_height: float,
    characters: str = VALUE_CHARACTERS,
    likely: Print | None = None,
) -> list[Word]:
    """Read words of one size and one font: the font and the size near `digit_height` that explain them best.

    Parameters
    ----------
    words : sequence of float32 (height, width) arrays
        Ink, 0 for paper and 1 for the pen, cut close around each word.
    digit_height : float
        Height of a digit, in pixels, to about 10%.
    likely : Print, optional
        How other words of the figure were printed: taken, without a search, if it explains these too.
    """
    if not words or digit_height < _MIN_DIGIT_HEIGHT:
        return [Word(text="", doubt=1.0) for _ in words]
    if digit_height > _MAX_DIGIT_HEIGHT:
        scale = _MAX_DIGIT_HEIGHT / digit_height
        words, digit_height = [_resized(word, scale) for word in words], _MAX_DIGIT_HEIGHT
    printed = _print_of(words, digit_height, characters, likely)
    readings = [_read(word, printed, characters) for word in words]
    return [
        Word(text=_tidy(text), doubt=_share(cost, word), printed=printed)
        for word, (text, cost) in zip(words, readings, strict=True)
    ]


def _tidy(text: str) -> str:
    """One kind of minus; no gaps around points, which are wide in fonts of one width."""
    return text.replace("−", "-").replace(" .", ".").replace(". ", ".").replace(" :", ":").replace(": ", ":")


def _share(cost: float, word: NDArray[np.float32]) -> float:
    return float(min(1.0, cost / max(1e-6, float((word**2).sum()))))


def _print_of(
    words: Sequence[NDArray[np.float32]], digit_height: float, characters: str, likely: Print | None
) -> Print:
    """The font and the height of its digits that explain the longest words best: roughly first, then finely."""
    sample = sorted(words, key=lambda word: -word.shape[1])[:3]
    total = sum(float((word**2).sum()) for word in sample)
    frequent = "".join(c for c in characters if c in _FREQUENT) or characters

    def unexplained(choice: Print, among: str = frequent) -> float:
        return sum(_read(word, choice, among, finely=False)[1] for word in sample)

    if likely is not None and unexplained(likely, characters) < _EXPLAINED * total:
        return likely
    fonts = FONTS if likely is None else tuple(font for font in FONTS if font[:6] == likely.font[:6])
    rough = min(
        (Print(font=font, height=digit_height * f) for font in fonts for f in (0.93, 1.0, 1.07)), key=unexplained
    )
    bitmap = _BITMAPS.get(rough.font)
    if bitmap and abs(digit_height - bitmap[1]) < 0.7:
        return Print(font=rough.font, height=float(bitmap[1]))
    finer = [replace(rough, height=rough.height * f) for f in (0.955, 0.97, 0.985, 1.0, 1.015, 1.03, 1.045)]
    best = min(finer, key=unexplained)
    # A figure's labels are of one size: another must explain them much better, not by chance.
    return best if likely is None or unexplained(best) < 0.7 * unexplained(likely) else likely


def _read(word: NDArray[np.float32], printed: Print, characters: str, *, finely: bool = True) -> tuple[str, float]:
    """The text that explains a word best, and the squared ink left unexplained."""
    height = round(printed.height, 2)
    above, below = _extent(height)
    # Small letters differ less from each other than from themselves half a pixel on.
    finely = finely or height < _SMALL_PRINT
    n_shifts = 4 if finely else 2

    def at(baseline: float) -> tuple[float, str, float]:
        whole = int(np.ceil(baseline))
        canvas = _on_canvas(word, above, below, whole)
        glyphs = _glyphs(printed.font, height, characters, n_shifts, whole - baseline)
        text, cost = _cheapest_row(canvas, glyphs, height)
        lost = float(0.9 * (word**2).sum() - (canvas**2).sum())
        return cost + max(0.0, lost), text, baseline

    best = min(at(baseline) for baseline in _baselines(printed, height, finely))
    if finely and printed.font not in _BITMAPS:
        best = min([best, *(at(best[2] + shift) for shift in (-0.25, 0.25))])
    return best[1], best[0]


def _baselines(printed: Print, height: float, finely: bool) -> tuple[float, ...]:
    """How far below the baseline a word's last inked row may be, in rows (below 0: above it)."""
    if printed.font in _BITMAPS:
        return (0.0, 1.0, 2.0, 3.0) if finely else (0.0, 1.0)
    descender = float(np.rint(0.24 / _DEJAVU_DIGIT * height))
    return (0.0, -0.5, 0.5, descender) if finely else (0.0, -0.5, 0.5)


def _extent(height: float) -> tuple[int, int]:
    """Rows above and below the baseline that a glyph may need."""
    return int(np.ceil(1.25 * height)) + 2, int(np.ceil(0.4 * height)) + 2


def _on_canvas(word: NDArray[np.float32], above: int, below: int, down: int) -> NDArray[np.float32]:
    """The word, its last inked row `down` rows below the one above the baseline; two empty columns at each side."""
    inked = np.flatnonzero(word.max(axis=1) > _INKED)
    last = inked[-1] + 1 if inked.size else word.shape[0]
    canvas = np.zeros((above + below, word.shape[1] + 4), np.float32)
    first = above - last + down
    rows = np.arange(max(0, first), min(above + below, first + word.shape[0]))
    canvas[rows, 2:-2] = word[rows - first]
    return canvas


def _cheapest_row(canvas: NDArray[np.float32], glyphs: Sequence[_Glyphs], height: float) -> tuple[str, float]:
    """The shortest path over the columns: a step is one empty column or one glyph."""
    n_columns = canvas.shape[1]
    energy = np.concatenate([[0.0], np.cumsum((canvas.astype(np.float64) ** 2).sum(axis=0))])
    steps: list[tuple[int, NDArray[np.float64], tuple[str, ...], NDArray[np.intp]]] = []
    for group in glyphs:
        if group.width > n_columns:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(canvas, group.width, axis=1)
        flat = windows.transpose(1, 0, 2).reshape(windows.shape[1], -1)
        costs = group.energy - 2 * (flat @ group.ink.T)
        which = costs.argmin(axis=1)
        cheapest = costs[np.arange(len(which)), which] + (energy[group.width :] - energy[: -group.width])
        steps.append((group.width, cheapest + _COST_OF_A_GLYPH, group.characters, which))
    best = np.full(n_columns + 1, np.inf)
    best[0] = 0.0
    came: list[tuple[int, str]] = [(0, "")] * (n_columns + 1)
    for end in range(1, n_columns + 1):
        best[end], came[end] = best[end - 1] + (energy[end] - energy[end - 1]), (end - 1, "")
        for width, costs, characters, which in steps:
            start = end - width
            if start >= 0 and best[start] + costs[start] < best[end]:
                best[end], came[end] = best[start] + costs[start], (start, characters[which[start]])
    return _walk_back(came, gap=0.42 * height), float(best[-1])


def _walk_back(came: Sequence[tuple[int, str]], *, gap: float) -> str:
    text, place, empty = "", len(came) - 1, 0
    while place > 0:
        place, character = came[place]
        if character and text and empty > gap:
            text = " " + text
        empty = 0 if character else empty + 1
        text = character + text
    return text


# ---------------------------------------------------------------- the glyphs of a font at a size


@lru_cache(maxsize=128)
def _glyphs(font: str, height: float, characters: str, shifts: int, down: float) -> tuple[_Glyphs, ...]:
    """All glyphs, `down` (0..1) rows below the baseline, each at `shifts` places within a column."""
    above, below = _extent(height)
    drawn: dict[int, list[tuple[str, NDArray[np.float32]]]] = {}
    for character in characters:
        for canvas in _drawings(font, character, height, above, below, shifts, down):
            columns = np.flatnonzero((canvas > 0.1).any(axis=0))
            if columns.size:
                cut = canvas[:, columns[0] : columns[-1] + 1]
                drawn.setdefault(cut.shape[1], []).append((character, cut))
    groups = []
    for width, members in sorted(drawn.items()):
        ink = np.stack([cut.ravel() for _, cut in members]).astype(np.float32)
        groups.append(_Glyphs(width, tuple(name for name, _ in members), ink, (ink**2).sum(axis=1)))
    return tuple(groups)


def _drawings(
    font: str, character: str, height: float, above: int, below: int, shifts: int, down: float
) -> list[NDArray[np.float32]]:
    """A glyph on as many rows as any may need, at `shifts` places within a pixel."""
    if font in _BITMAPS:
        bitmap = _bitmap(font, character, height)
        return [] if bitmap is None else [_placed(bitmap, above, below)] if down == 0 else []
    crisp = _typeset(character, height, above, below, _OVERSAMPLING if font.endswith("smooth") else 1)
    return [_moved(_moved(crisp, down, 0), shift, 1) for shift in np.arange(shifts) / shifts]


def _moved(ink: NDArray[np.float32], part: float, axis: int) -> NDArray[np.float32]:
    """Ink moved by part of a pixel as figures are: printed letters are crisp, and then laid between the pixels."""
    return ink if part == 0 else np.asarray((1 - part) * ink + part * np.roll(ink, 1, axis=axis), np.float32)


@lru_cache(maxsize=2048)
def _typeset(character: str, height: float, above: int, below: int, finer: int) -> NDArray[np.float32]:
    from PIL import Image, ImageDraw

    up = 0.0
    size = height / _DEJAVU_DIGIT
    if character in _RAISED:
        character, up, size = _RAISED[character], _RAISED_BY * size, _RAISED_SCALE * size
    canvas = Image.new("L", (finer * (int(3 * height) + 4), finer * (above + below)))
    ImageDraw.Draw(canvas).text(
        (2 * finer, finer * (above - up)), character, fill=255, font=_dejavu(size * finer), anchor="ls"
    )
    canvas = canvas.reduce(finer)
    return np.asarray(np.asarray(canvas, np.float32) / 255, np.float32)


@lru_cache(maxsize=16)
def _dejavu(size: float) -> ImageFont.FreeTypeFont:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size=size)


def _bitmap(font: str, character: str, height: float) -> tuple[NDArray[np.float32], float] | None:
    """A bitmap glyph at a digit height: its ink, and how many rows of it are above the baseline."""
    table, digit = _BITMAPS[font]
    if character not in table:
        return None
    width, rows = table[character]
    bits = [[(int(row, 16) >> (width - 1 - k)) & 1 for k in range(width)] for row in rows.split()]
    return _resized(np.array(bits, np.float32), height / digit), height


def _placed(bitmap: tuple[NDArray[np.float32], float], above: int, below: int) -> NDArray[np.float32]:
    ink, up = bitmap
    canvas = np.zeros((above + below, ink.shape[1]), np.float32)
    first = above - round(up)
    canvas[first : first + ink.shape[0]] = ink[: above + below - first]
    return canvas


def _resized(ink: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    if scale == 1:
        return ink
    from PIL import Image

    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    return np.asarray(Image.fromarray(ink, "F").resize(size, Image.Resampling.BICUBIC), np.float32).clip(0, 1)
