"""Tick marks of an axis, and the values that their labels say.

A label is believed only if it agrees with the others: the values of an axis follow a line (or octaves, or mels) along
the pixels, and what is off that law by more than its own rounding is dropped, not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from specloom.rescue.glyphs import LETTERS, Print, Word, read_words
from specloom.rescue.layout import Box

T = TypeVar("T", bound=np.generic)

# Ink from here on is a mark or a letter.
_INKED = 0.35
# Words that more of their ink speaks against are not read.
_MAX_DOUBT = 0.6
# Marks off their axis's law by more than this many pixels (beside the label's rounding) are misread.
_OFF_LAW = 1.5
_MAX_THINGS = 1500
_MAX_LABELS = 150
# Laws are proposed by pairs of so many labels, spread over the axis.
_PROPOSING = 24


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis and its value.

    `position` is in pixels of the image, as a continuous coordinate: pixel k spans k .. k + 1, so the middle of the
    first pixel is 0.5, and a panel of box `b` reaches from exactly `b.left` to exactly `b.right`.
    """

    position: float
    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Label:
    """A mark and what is written at it, as read: `rounding` is half a unit of the last digit shown."""

    position: float
    text: str
    value: float
    rounding: float
    doubt: float


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One side of a panel: its labels, the words along it (its name, a unit), the factor of an offset text (1e3)."""

    labels: tuple[Label, ...] = ()
    name: str = ""
    factor: float = 1.0
    printed: Print | None = None


# ---------------------------------------------------------------- the values of labels


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_UNITS = ("dB", "d8", "kHz", "Hz", "s", "ms")
_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?$")


def value_of(text: str) -> tuple[float, float] | None:
    """The value that a label says, and half a unit of its last digit; None for what is no number.

    >>> value_of("0.5"), value_of("1:05"), value_of("-80 dB"), value_of("10³"), value_of("12.5k"), value_of("DC")
    ((0.5, 0.05), (65.0, 0.5), (-80.0, 0.5), (1000.0, 0.0), (12500.0, 50.0), (0.0, 0.0))
    """
    text = text.replace(" ", "")
    if text == "DC":
        return 0.0, 0.0
    if (power := re.fullmatch(r"10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)) is not None:
        return float(10 ** int(power[1].translate(_SUPERSCRIPTS))), 0.0
    if re.fullmatch(r"(\d+:)?\d+:\d\d(\.\d*)?", text):
        return _clock(text)
    scale = 1.0
    for ending, factor in (("kHz", 1e3), ("Hz", 1.0), ("dB", 1.0), ("d8", 1.0), ("ms", 1e-3), ("s", 1.0), ("k", 1e3)):
        if text.endswith(ending) and len(text) > len(ending):
            text, scale = text[: -len(ending)], factor
            break
    number = _NUMBER.match(text)
    if number is None:
        return None
    sign, digits, exponent = number.groups()
    scale *= 10.0 ** int(exponent or 0)
    decimals = len(digits.partition(".")[2])
    return (-1 if sign == "-" else 1) * float(digits) * scale, 0.5 * 10.0**-decimals * scale


def _clock(text: str) -> tuple[float, float]:
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds, 0.5 * 10.0 ** -len(text.partition(".")[2])


# ---------------------------------------------------------------- the laws of axes


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hz < 1000, hz / (200 / 3), 15 + 27 * np.log(np.maximum(hz, 1e-9) / 1000) / np.log(6.4))


def _symlog(linear_to: float, linear_share: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """What matplotlib draws for scale "symlog" with base 2."""
    adjusted = linear_share / (1 - 1 / 2)

    def law(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        far = linear_to * (adjusted + np.log2(np.maximum(np.abs(hz), 1e-9) / linear_to))
        return np.where(np.abs(hz) <= linear_to, hz * adjusted, np.sign(hz) * far)

    return law


LAWS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "linear": lambda value: value,
    "log": lambda value: np.where(value > 0, np.log2(np.maximum(value, 1e-9)), np.nan),
    "symlog-1000": _symlog(1000.0, 1.0),
    "symlog-c2": _symlog(65.40639132514966, 0.5),
    "mel": _mel,
    "mel-htk": lambda value: 2595 * np.log10(1 + np.maximum(value, 0) / 700),
}


def agreeing(
    labels: Sequence[Label], *, laws: Sequence[str], rising: bool | None
) -> tuple[tuple[Label, ...], str | None]:
    """The labels that follow one law along their axis, and which: the law that most agree with, and most closely.

    Parameters
    ----------
    rising : bool or None
        Whether values must rise with the position; None for either.
    """
    usable = [label for label in labels if label.doubt <= _MAX_DOUBT]
    if len(usable) < 2:
        return tuple(label for label in usable if label.doubt < 0.2), None
    best: tuple[int, float] = (0, 0.0)
    kept: tuple[tuple[Label, ...], str | None] = ((), None)
    for rank, law in enumerate(laws):
        chosen, error = _largest_agreement(usable, LAWS[law], rising)
        score = (len(chosen), -error - 0.05 * rank)
        if score > best:
            best, kept = score, (chosen, law)
    enough = len(kept[0]) >= max(2, (len(usable) + 1) // 2)
    surely = len(kept[0]) > 2 or all(label.doubt < 0.35 for label in kept[0])
    return kept if enough and surely else ((), None)


def _largest_agreement(
    labels: Sequence[Label], law: Callable[[NDArray[np.float64]], NDArray[np.float64]], rising: bool | None
) -> tuple[tuple[Label, ...], float]:
    place = np.array([label.position for label in labels])
    value = np.array([label.value for label in labels])
    height = law(value)
    # What a label's rounding is worth, in the law's own units.
    slack = np.abs(law(value + np.array([label.rounding for label in labels])) - height)
    chosen: NDArray[np.bool_] = np.zeros(len(labels), bool)
    least = np.inf
    proposing = np.unique(np.linspace(0, len(labels) - 1, _PROPOSING).astype(int))
    for one, other in combinations(proposing.tolist(), 2):
        run = place[other] - place[one]
        slope = (height[other] - height[one]) / run if run else 0.0
        if not np.isfinite(slope) or slope == 0 or (rising is not None and (slope > 0) != rising):
            continue
        off = np.abs((height - height[one]) / slope - (place - place[one]))
        fits = off <= _OFF_LAW + np.nan_to_num(slack / abs(slope), nan=0.0)
        error = float(off[fits].mean())
        if (fits.sum(), -error) > (chosen.sum(), -least):
            chosen, least = fits, error
    return tuple(label for label, fits in zip(labels, chosen, strict=True) if fits), least


def stacked_channels(labels: Sequence[Label]) -> tuple[tuple[Label, ...], ...]:
    """The labels of a frequency axis by channel, the top one first: with several, the axis starts again below each."""
    channels: list[list[Label]] = []
    for label in sorted(labels, key=lambda label: label.position):
        if not channels or label.value > channels[-1][-1].value:
            channels.append([])
        channels[-1].append(label)
    values = {tuple(label.value for label in channel if label.value > 0) for channel in channels}
    # Labels at the seam may be written over each other, so the lowest and highest may differ between channels.
    alike = len(channels) > 1 and all(len(one ^ two) <= 1 for one in map(set, values) for two in map(set, values))
    even = min(len(channel) for channel in channels) >= 2 if channels else False
    return tuple(map(tuple, channels)) if alike and even else (tuple(labels),)


def unrounded(labels: Sequence[Label]) -> tuple[Label, ...]:
    """Labels of a linear axis with their rounding undone, where a round step between marks shows what was rounded.

    Ticks at 0, 2.5, 5, 7.5 s are labelled 0, 2.5, 5, 7.5, but ticks at 10, 12.5, 15 may be labelled 10, 12, 15.
    """
    if len(labels) < 3:
        return tuple(labels)
    place = np.array([label.position for label in labels])
    value = np.array([label.value for label in labels])
    slope, offset = np.polyfit(place, value, 1)
    spacing = abs(slope) * float(np.diff(place).min())
    magnitude = 10.0 ** np.floor(np.log10(spacing))
    step = min((magnitude * nice for nice in (1, 2, 2.5, 3, 5, 6, 10)), key=lambda nice: abs(nice - spacing))
    whole = np.rint((slope * place + offset) / step) * step
    rounding = np.array([label.rounding for label in labels])
    if abs(step - spacing) > 0.08 * step or np.any(np.abs(whole - value) > rounding * 1.001):
        return tuple(labels)
    return tuple(replace(label, value=float(exact)) for label, exact in zip(labels, whole, strict=True))


# ---------------------------------------------------------------- marks and words beside a panel


def read_axis(
    distance: NDArray[np.uint8],
    outer: Box,
    side: str,
    *,
    obstacles: Sequence[Box] = (),
    fading: bool = False,
    likely: Print | None = None,
) -> Axis:
    """The labels on one side of a panel.

    Parameters
    ----------
    distance : uint8 (height, width)
        How far each pixel is from the paper.
    outer : Box
        The panel with its lines.
    side : "left", "right", "below" or "above"
    obstacles : sequence of Box
        Other panels and bars: what is written beyond them is theirs.
    fading : bool
        Whether the thing may reach further along than its box, since it fades into the paper (bars without outline).
    likely : Print, optional
        How the labels of other axes are printed.
    """
    strip = _strip(distance.shape, outer, side, obstacles, fading)
    if strip.width < 4 or strip.height < 4:
        return Axis()
    ink = _ink(strip.of(distance))
    if ink is None:
        return Axis()
    upright = side in ("left", "right")
    marks, length = _marks(ink, side, outer, strip)
    _erase(ink, side, length)
    words = _words(_next_column(ink, side) if upright and not _is_spaced(likely) else ink)
    nearest = _nearest_line(words, ink.shape, side)
    if not 0 < len(nearest) <= _MAX_LABELS:
        return Axis()
    height = float(np.median([word.height for word in nearest]))
    read = read_words([_cut(ink, word) for word in nearest], digit_height=height, likely=likely)
    middles = [
        strip.top + (word.top + word.bottom) / 2 if upright else strip.left + (word.left + word.right) / 2
        for word in nearest
    ]
    reaches = [0.7 * height if upright else max(0.8 * height, 0.25 * word.width) for word in nearest]
    places = _placed(middles, reaches, marks)
    found = [_label(place, told, side) for place, told in zip(places, read, strict=True) if place is not None]
    labels = sorted((label for label in found if label is not None), key=lambda label: label.position)
    name, factor = _name(ink, words, nearest, side, height, read[0].printed)
    return Axis(labels=tuple(labels), name=name, factor=factor, printed=read[0].printed)


def _strip(shape: tuple[int, ...], outer: Box, side: str, obstacles: Sequence[Box], fading: bool) -> Box:
    """The paper beside one side of a panel, as far as the next thing; a little longer than the side itself."""
    height, width = shape[:2]
    if side in ("left", "right"):
        reach = max(24, outer.height // (3 if fading else 30))
        top, bottom = max(0, outer.top - reach), min(height, outer.bottom + reach)
        level = [box for box in obstacles if box.bottom > outer.top and box.top < outer.bottom]
        if side == "left":
            first = max([0, *(box.right for box in level if box.right <= outer.left)])
            return Box(left=first, top=top, right=outer.left, bottom=bottom)
        last = min([width, *(box.left for box in level if box.left >= outer.right)])
        return Box(left=outer.right, top=top, right=last, bottom=bottom)
    reach = max(40, outer.width // 12)
    left, right = max(0, outer.left - reach), min(width, outer.right + reach)
    level = [box for box in obstacles if box.right > outer.left and box.left < outer.right]
    if side == "above":
        first = max([0, *(box.bottom for box in level if box.bottom <= outer.top)])
        return Box(left=left, top=first, right=right, bottom=outer.top)
    last = min([height, *(box.top for box in level if box.top >= outer.bottom)])
    return Box(left=left, top=outer.bottom, right=right, bottom=last)


def _ink(distance: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """0 for paper, 1 for the pen; None where nothing is written."""
    drawn = distance[distance > 60]
    if drawn.size < 8:
        return None
    pen = float(np.percentile(drawn, 90))
    return np.asarray(np.clip(distance / pen, 0, 1), np.float32)


def _marks(ink: NDArray[np.float32], side: str, outer: Box, strip: Box) -> tuple[NDArray[np.float64], int]:
    """Where marks leave the panel's side (in pixels of the image), and how many pixels long they are."""
    out = _outwards(ink, side)
    profile = out[:2].min(axis=0)
    start = strip.top if side in ("left", "right") else strip.left
    inside = (outer.top, outer.bottom) if side in ("left", "right") else (outer.left, outer.right)
    places = []
    lengths = []
    for first, last in _runs(profile > _INKED):
        if last - first > 8:
            continue
        weight = profile[max(0, first - 1) : last + 1]
        place = float((weight * (np.arange(max(0, first - 1), last + 1)[: len(weight)] + 0.5)).sum() / weight.sum())
        if inside[0] - 2 <= place + start <= inside[1] + 2:
            places.append(place + start)
            lengths.append(_leading(out[:, int(place)] > _INKED))
    return np.array(places), int(np.median(lengths)) if lengths else 0


def _outwards(ink: NDArray[T], side: str) -> NDArray[T]:
    """The strip with its first row next to the panel."""
    if side == "left":
        return ink[:, ::-1].T
    if side == "right":
        return ink.T
    return ink if side == "below" else ink[::-1]


def _leading(mask: NDArray[np.bool_]) -> int:
    return int(mask.argmin()) if not mask.all() else len(mask)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    ends = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))


def _erase(ink: NDArray[np.float32], side: str, length: int) -> None:
    """Take the marks off, so that what is left is writing."""
    _outwards(ink, side)[: length if length < 40 else 0] = 0


def _is_spaced(printed: Print | None) -> bool:
    """Whether a font has gaps within numbers that are as wide as those between words."""
    return printed is not None and printed.font == "ffmpeg"


def _next_column(ink: NDArray[np.float32], side: str) -> NDArray[np.float32]:
    """The ink without what stands in a further column: the axis's name, written upright beside its labels."""
    inked = _outwards(ink > _INKED, side)
    heights = [last - first for first, last in _runs(inked.sum(axis=0) > 0)]
    gap = 0.5 * float(np.median(heights)) if heights else 0.0
    columns = _runs(inked.sum(axis=1) > 0)
    if len(columns) > 1 and columns[0][1] - columns[0][0] <= 2:
        # The blurred ends of the marks.
        columns = columns[1:]
    end = columns[0][1] if columns else 0
    for first, last in columns[1:]:
        if first - end > gap:
            break
        end = last
    kept = ink.copy()
    _outwards(kept, side)[end + 1 :] = 0
    return kept


def _words(ink: NDArray[np.float32]) -> list[Box]:
    """Boxes of words: inked things that are on one line and near each other."""
    from scipy import ndimage

    labels, _ = ndimage.label(ink > _INKED, np.ones((3, 3), int))
    things = [
        Box(left=place[1].start, top=place[0].start, right=place[1].stop, bottom=place[0].stop)
        for place in ndimage.find_objects(labels)
    ]
    tallest = max(48, ink.shape[0] // 12)
    things = [thing for thing in things if thing.height <= tallest and thing.width <= 4 * tallest]
    if len(things) > _MAX_THINGS:
        return []
    words: list[Box] = []
    for thing in sorted(things, key=lambda thing: thing.left):
        near = next((k for k, word in enumerate(words) if _joined(word, thing)), None)
        if near is None:
            words.append(thing)
        else:
            words[near] = _around(words[near], thing)
    return [word for word in words if word.height >= 3]


def _joined(word: Box, thing: Box) -> bool:
    tall = max(word.height, thing.height)
    if tall < 4:
        # Two small dots (a colon, the rest of a minus) join once a digit is there.
        return abs(word.left - thing.left) <= 2 and abs(word.top - thing.top) <= 8
    overlap = min(word.bottom, thing.bottom) - max(word.top, thing.top)
    return thing.left - word.right <= 0.75 * tall and overlap > 0.5 * min(word.height, thing.height) - 1


def _around(one: Box, other: Box) -> Box:
    return Box(
        left=min(one.left, other.left),
        top=min(one.top, other.top),
        right=max(one.right, other.right),
        bottom=max(one.bottom, other.bottom),
    )


def _nearest_line(words: Sequence[Box], shape: tuple[int, ...], side: str) -> list[Box]:
    """The words next to the panel: one line below or above it, one column beside it."""
    if not words:
        return []
    near = {
        "left": [shape[1] - word.right for word in words],
        "right": [word.left for word in words],
        "below": [word.top for word in words],
        "above": [shape[0] - word.bottom for word in words],
    }[side]
    tall = float(np.median([word.height for word in words]))
    first = min(near)
    # Short words (a lone minus) are as near as their line's taller ones, give or take half a line.
    reach = first + 1.2 * tall if side in ("left", "right") else first + 0.6 * tall
    return [word for word, gap in zip(words, near, strict=True) if gap <= reach]


def _cut(ink: NDArray[np.float32], word: Box) -> NDArray[np.float32]:
    """A word with the blurred rim around it."""
    return ink[max(0, word.top - 1) : word.bottom + 1, max(0, word.left - 1) : word.right + 1]


def _placed(middles: Sequence[float], reaches: Sequence[float], marks: NDArray[np.float64]) -> list[float | None]:
    """Where each word's mark is; None for a word without one on an axis with marks, its middle on one without marks."""
    if len(marks) == 0:
        return list(middles)
    nearest = [float(marks[np.abs(marks - middle).argmin()]) for middle in middles]
    gaps = [abs(mark - middle) for mark, middle in zip(nearest, middles, strict=True)]
    marked = [gap <= reach for gap, reach in zip(gaps, reaches, strict=True)]
    if 2 * sum(marked) < len(middles):
        return list(middles)
    closest = {mark: min(gap for gap, other in zip(gaps, nearest, strict=True) if other == mark) for mark in nearest}
    return [
        mark if is_marked and gap == closest[mark] else None
        for mark, gap, is_marked in zip(nearest, gaps, marked, strict=True)
    ]


def _label(place: float, told: Word, side: str) -> Label | None:
    text = told.text
    parts = text.split(" ")
    # An axis's name, written upright beside its labels, may seem to belong to them: what is next to the axis counts.
    if side == "left" and value_of(parts[-1]) is not None:
        text = parts[-1]
    elif side == "right" and len(parts) > 1 and parts[1] not in _UNITS:
        text = parts[0]
    said = value_of(text)
    if said is None:
        return None
    return Label(position=place, text=text, value=said[0], rounding=said[1], doubt=told.doubt)


def _name(
    ink: NDArray[np.float32],
    words: Sequence[Box],
    labels: Sequence[Box],
    side: str,
    height: float,
    printed: Print | None,
) -> tuple[str, float]:
    """The axis's name, in small letters without spaces, and the factor of an offset text."""
    rest = [word for word in words if word not in labels]
    if side in ("left", "right"):
        edge = min(word.left for word in labels) if side == "left" else max(word.right for word in labels)
        aside = np.rot90(ink[:, : max(0, edge - 1)] if side == "left" else ink[:, edge + 1 :], -1)
        ink = np.ascontiguousarray(aside)
        rest = _words(ink) if ink.size else []
    rest = sorted((word for word in rest if 0.6 * height <= word.height <= 2.2 * height), key=lambda word: word.left)
    if not rest or len(rest) > 12:
        return "", 1.0
    told = read_words(
        [_cut(ink, word) for word in rest], digit_height=height, characters=LETTERS + "0123456789", likely=printed
    )
    text = "".join(word.text for word in told if word.doubt < _MAX_DOUBT).replace(" ", "")
    offset = re.search(r"[1lI]e(\d)", text)
    return text.lower(), 10.0 ** int(offset[1]) if offset else 1.0
