"""What a figure of a spectrogram says about itself: its panel, its axes, its colour bar."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from specloom.rescue.colour_bar import colours_along, is_vertical, pick
from specloom.rescue.glyphs import Print
from specloom.rescue.layout import Box, Framed, Layout, lay_out
from specloom.rescue.ticks import LAWS, Axis, Label, Tick, agreeing, read_axis, stacked_channels, unrounded

__all__ = ["Box", "Reading", "Tick", "read_figure"]

# Smaller pictures hold no axes that one could read; larger ones would take too long.
_SMALLEST = 24
_LARGEST = 60_000_000
# Where matplotlib's axes lie in a figure if nobody says otherwise; with a colour bar they end earlier.
_USUAL_LEFT, _USUAL_TOP, _USUAL_BOTTOM, _USUAL_RIGHTS = 0.125, 0.12, 0.89, (0.745, 0.9)
_SNAPPED = 1.2
_TIME_UNITS = (("(ms)", 1e-3), ("[ms]", 1e-3), ("msec", 1e-3), ("millisec", 1e-3), ("min", 60.0), ("(ks)", 1e3))


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading:
    """What was found in a figure.

    Positions are continuous pixel coordinates of the image (pixel k spans k .. k + 1), columns from the left and rows
    from the top. Whatever was not found is None or empty; `notes` says what was doubtful.

    Attributes
    ----------
    panel : Box
        The pixels of the spectrogram, without the lines around it.
    edges : tuple of float
        Left, top, right, bottom of the axes: the middle of the lines around the panel where there are any (where the
        first frame begins and the highest frequency ends), else the panel's own edges.
    bar : Box or None
        The pixels of the colour bar, without its outline.
    bar_table : uint8 (n, 3) or None
        The bar's colours, softest first.
    bar_is_vertical : bool
        Whether the level ticks' positions are rows (else columns).
    time_ticks, frequency_ticks, level_ticks : tuple of Tick
        Seconds by column, hertz by row (whatever unit the labels had), decibels along the bar; by rising position.
    frequency_law : str or None
        Which law the frequency labels follow: "linear", "log", "mel" (Slaney), "mel-htk", "symlog-1000" (what librosa
        draws for "mel": linear to 1 kHz, octaves above) or "symlog-c2" (what librosa draws for "log"), None if unknown.
    names_hertz : bool
        Whether the frequency axis says that it is in hertz or kilohertz.
    upside_down : bool
        Whether low frequencies are at the top; the frequency ticks' positions are as if the panel had been turned over.
    family : str or None
        "matplotlib", "sox", "ffmpeg" when the layout is that program's, else None.
    other_panels : tuple of Box
        Further panels that look like spectrograms (further channels, further subplots).
    notes : tuple of str
        What the reader of the sound should know.
    """

    panel: Box
    edges: tuple[float, float, float, float]
    bar: Box | None = None
    bar_table: NDArray[np.uint8] | None = None
    bar_is_vertical: bool = True
    time_ticks: tuple[Tick, ...] = ()
    frequency_ticks: tuple[Tick, ...] = ()
    level_ticks: tuple[Tick, ...] = ()
    frequency_law: str | None = None
    names_hertz: bool = False
    upside_down: bool = False
    family: str | None = None
    other_panels: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def part_of_axis(self) -> tuple[float, float]:
        """Where on the frequency axis the panel's rows begin and end, as shares of it: lines hide the rest."""
        _, top, _, bottom = self.edges
        height = max(1e-6, bottom - top)
        below, above = bottom - self.panel.bottom, self.panel.top - top
        if self.upside_down:
            below, above = above, below
        return below / height, 1.0 - above / height

    @property
    def part_of_time(self) -> tuple[float, float]:
        """Where on the time axis the panel's columns begin and end, as shares of it."""
        left, _, right, _ = self.edges
        width = max(1e-6, right - left)
        return (self.panel.left - left) / width, (self.panel.right - left) / width

    @property
    def level_range_db(self) -> tuple[float, float] | None:
        """The levels of the first and of the last colour of `bar_table`, from the level ticks (at least two)."""
        if self.bar is None or len(self.level_ticks) < 2:
            return None
        slope, offset = np.polyfit([t.position for t in self.level_ticks], [t.value for t in self.level_ticks], 1)
        ends = (self.bar.top, self.bar.bottom) if self.bar_is_vertical else (self.bar.left, self.bar.right)
        low, high = sorted(float(slope * end + offset) for end in ends)
        return low, high


def read_figure(rgb: NDArray[np.uint8]) -> Reading:
    """Find the spectrogram in a figure, and read its axes and its colour bar.

    Never raises on a picture, whatever it shows: what has no axes is a panel as a whole, and a note says so. A label
    that does not agree with its axis is left out, not guessed at.

    Parameters
    ----------
    rgb : uint8 (height, width, 3) or (height, width)
        The figure.
    """
    if rgb.ndim == 2:
        rgb = np.repeat(rgb[..., None], 3, axis=2)
    height, width = rgb.shape[:2]
    if min(height, width) < _SMALLEST or height * width > _LARGEST:
        return _whole(rgb, "too small or too large a picture to look for axes in it")
    layout = lay_out(rgb)
    panels, bar = pick(rgb, layout.frames) if layout is not None else ([], None)
    if layout is None or not panels:
        return _whole(rgb, "no axes were found: the whole picture is taken for the spectrogram")
    return _Figure(rgb, layout, panels, bar).reading()


def _whole(rgb: NDArray[np.uint8], note: str) -> Reading:
    height, width = rgb.shape[:2]
    whole = Box(left=0, top=0, right=width, bottom=height)
    return Reading(panel=whole, edges=(0.0, 0.0, float(width), float(height)), notes=(note,))


class _Figure:
    """A figure while it is read: what was found so far, and what to note about it."""

    def __init__(self, rgb: NDArray[np.uint8], layout: Layout, panels: list[Framed], bar: Framed | None) -> None:
        self.rgb, self.layout, self.panels, self.bar = rgb, layout, panels, bar
        self.notes: list[str] = []
        self.prints: list[Print] = []
        self.upside_down = self.names_hertz = False

    def reading(self) -> Reading:
        panel = self.panels[0]
        time = self._time(panel)
        axis = self._axis(panel, ("left", "right"))
        stacked = stacked_channels(axis.labels)
        if len(stacked) > 1:
            self.panels = [
                *(_part(panel, rows) for rows in self._rows_of_channels(len(stacked), panel)),
                *self.panels[1:],
            ]
            panel = self.panels[0]
            axis = replace(axis, labels=stacked[0])
        bar, table, levels = self._bar()
        edges = self._edges(panel)
        frequency, law = self._frequency(self._upright(axis, edges))
        if self._family() == "sox" and len(self.panels) == 1:
            panel = _whole_sox(panel, self.rgb)
            edges = panel.edges
        others = tuple(framed.inner for framed in self.panels[1:])
        if others:
            which = "the first, of channels one above the other," if len(stacked) > 1 else "the largest"
            self.notes.append(f"the figure has {1 + len(others)} panels that may be spectrograms: {which} is taken")
        return Reading(
            panel=panel.inner,
            edges=edges,
            bar=bar,
            bar_table=table,
            bar_is_vertical=bar is None or is_vertical(bar),
            time_ticks=time,
            frequency_ticks=frequency,
            level_ticks=levels,
            frequency_law=law,
            names_hertz=self.names_hertz,
            upside_down=self.upside_down,
            family=self._family(),
            other_panels=others,
            notes=tuple(self.notes),
        )

    def _edges(self, panel: Framed) -> tuple[float, float, float, float]:
        """The lines' middles, or where matplotlib's axes usually lie: lines are drawn to whole pixels, pictures not."""
        left, top, right, bottom = panel.edges
        if self._family() != "matplotlib":
            return left, top, right, bottom
        height, width = self.rgb.shape[:2]
        usual_top, usual_bottom = _USUAL_TOP * height, _USUAL_BOTTOM * height
        if max(abs(top - usual_top), abs(bottom - usual_bottom)) < _SNAPPED:
            top, bottom = usual_top, usual_bottom
        for usual_right in _USUAL_RIGHTS:
            if max(abs(left - _USUAL_LEFT * width), abs(right - usual_right * width)) < _SNAPPED:
                left, right = _USUAL_LEFT * width, usual_right * width
        return left, top, right, bottom

    def _axis(self, framed: Framed, sides: tuple[str, str]) -> Axis:
        """The side that has labels; the first of the two if both have."""
        obstacles = [other.outer for other in self.layout.frames if other is not framed and not _within(other, framed)]
        fading = framed is self.bar and not framed.has_lines
        likely = self.prints[-1] if self.prints else None
        axis = Axis()
        for side in sides:
            axis = read_axis(
                self.layout.distance, framed.outer, side, obstacles=obstacles, fading=fading, likely=likely
            )
            if len(axis.labels) >= 2:
                break
        if axis.printed is not None and axis.labels:
            self.prints.append(axis.printed)
        return axis

    def _time(self, panel: Framed) -> tuple[Tick, ...]:
        axis = self._axis(panel, ("below", "above"))
        labels, _ = agreeing(axis.labels, laws=("linear",), rising=True)
        if any(word in axis.name for word in ("frame", "sample", "bins")):
            self.notes.append("the time axis counts frames or samples, not seconds")
            return ()
        scale = axis.factor * next((factor for name, factor in _TIME_UNITS if name in axis.name), 1.0)
        self._note_dropped("time", axis, labels)
        return _ticks(unrounded(labels), scale)

    def _frequency(self, axis: Axis) -> tuple[tuple[Tick, ...], str | None]:
        scale = axis.factor * self._frequency_unit(axis)
        scaled = [replace(label, value=label.value * scale, rounding=label.rounding * scale) for label in axis.labels]
        labels, law = agreeing(scaled, laws=tuple(LAWS), rising=False)
        if law == "linear":
            labels = unrounded(labels)
        self._note_dropped("frequency", axis, labels)
        if labels and max(label.value for label in labels) <= 1:
            self.notes.append("the frequency axis goes to 1 or less: it is relative to an unknown sample rate")
            return (), None
        return _ticks(labels, 1.0), law

    def _upright(self, axis: Axis, edges: tuple[float, float, float, float]) -> Axis:
        """The axis turned over if its labels rise downwards, as imshow draws a matrix."""
        falling, _ = agreeing(axis.labels, laws=tuple(LAWS), rising=False)
        rising, _ = agreeing(axis.labels, laws=("linear",), rising=True)
        if len(rising) < 3 or len(rising) <= len(falling):
            return axis
        self.upside_down = True
        self.notes.append("the frequency axis begins at the top: the picture was turned over")
        turned = [replace(label, position=edges[1] + edges[3] - label.position) for label in axis.labels]
        return replace(axis, labels=tuple(sorted(turned, key=lambda label: label.position)))

    def _frequency_unit(self, axis: Axis) -> float:
        self.names_hertz = "hz" in axis.name
        largest = max((label.value for label in axis.labels), default=0.0) * axis.factor
        if "khz" in axis.name:
            return 1e3
        if "hz" in axis.name or largest <= 1 or largest > 100:
            return 1.0
        if self._family() == "sox":
            return 1e3
        self.notes.append("the frequency labels are small numbers: they are taken for kHz")
        return 1e3

    def _bar(self) -> tuple[Box | None, NDArray[np.uint8] | None, tuple[Tick, ...]]:
        if self.bar is None:
            return None, None, ()
        box = self.bar.inner
        standing = is_vertical(box)
        axis = self._axis(self.bar, ("right", "left") if standing else ("below", "above"))
        labels, _ = agreeing(_signed(axis.labels), laws=("linear",), rising=None)
        if not self.bar.has_lines:
            box = _to_last_label(box, [label.position for label in labels])
        table = colours_along(self.rgb, box)
        rising = (
            len(labels) < 2 or (labels[-1].value - labels[0].value) * (labels[-1].position - labels[0].position) > 0
        )
        if len(labels) < 2:
            rising = not standing
        ticks = _ticks(unrounded(labels), axis.factor)
        return box, table if rising else table[::-1], ticks

    def _rows_of_channels(self, count: int, panel: Framed) -> list[tuple[int, int]]:
        """The rows of each channel of an evenly divided panel, without a line of the frame's colour between two."""
        inner = panel.inner
        line = self.rgb[panel.outer.top, inner.left].astype(np.int16)
        tops, bottoms = [inner.top], []
        for k in range(1, count):
            seam = round(inner.top + k * inner.height / count)
            lined = [row for row in range(seam - 2, seam + 3) if self._is_line(row, inner, line)]
            bottoms.append(lined[0] if lined else seam)
            tops.append(lined[-1] + 1 if lined else seam)
        return list(zip(tops, [*bottoms, inner.bottom], strict=True))

    def _is_line(self, row: int, inner: Box, colour: NDArray[np.int16]) -> bool:
        off = np.abs(self.rgb[row, inner.left : inner.right].astype(np.int16) - colour).max(axis=1)
        return bool((off <= 16).mean() > 0.9)

    def _note_dropped(self, name: str, axis: Axis, labels: tuple[Label, ...]) -> None:
        dropped = len(axis.labels) - len(labels)
        if dropped:
            self.notes.append(f"{dropped} labels of the {name} axis do not agree with the others and are left out")

    def _family(self) -> str | None:
        named = {"sox": "sox", "ffmpeg": "ffmpeg", "DejaVu Sans": "matplotlib", "DejaVu Sans, smooth": "matplotlib"}
        families = {named[printed.font] for printed in self.prints}
        return families.pop() if len(families) == 1 else None


def _whole_sox(panel: Framed, rgb: NDArray[np.uint8]) -> Framed:
    """The panel where sox always puts it: without lines (``-a``) silence is like paper, and it seems smaller."""
    height, width = rgb.shape[:2]
    box = Box(left=58, top=30, right=width - 86, bottom=height - 48)
    whole = Framed(inner=box, outer=box)
    n = box.height - 1
    smaller = box.height - panel.inner.height > 2 or box.width - panel.inner.width > 2
    return whole if n >= 64 and n & (n - 1) == 0 and smaller and _within(panel, whole) else panel


def _within(inner: Framed, outer: Framed) -> bool:
    one, other = inner.outer, outer.outer
    return one.left >= other.left and one.right <= other.right and one.top >= other.top and one.bottom <= other.bottom


def _signed(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """Where one label says "+0", a number without a sign is one whose minus was too thin to see."""
    if not any(label.text.startswith("+") for label in labels):
        return labels
    return tuple(label if label.text[:1] in "+-" else replace(label, value=-label.value) for label in labels)


def _part(panel: Framed, rows: tuple[int, int]) -> Framed:
    inner = replace(panel.inner, top=rows[0], bottom=rows[1])
    outer = replace(panel.outer, top=min(rows[0], max(panel.outer.top, rows[0] - 1)), bottom=rows[1] + 1)
    return Framed(inner=inner, outer=outer)


def _to_last_label(box: Box, places: list[float]) -> Box:
    """A bar without an outline fades into the paper: it reaches as far as its labels do."""
    if len(places) < 2:
        return box
    first, last = int(min(places)), int(np.ceil(max(places)))
    if is_vertical(box):
        return replace(box, top=min(box.top, first), bottom=max(box.bottom, last))
    return replace(box, left=min(box.left, first), right=max(box.right, last))


def _ticks(labels: tuple[Label, ...], scale: float) -> tuple[Tick, ...]:
    ticks = [Tick(position=label.position, value=label.value * scale + 0.0, text=label.text) for label in labels]
    return tuple(sorted(ticks, key=lambda tick: tick.position))
