"""From the colours of a panel to levels 0..1, and from levels to magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.rescue.assumptions import Ledger

Floats = npt.NDArray[np.float32]
Colours = npt.NDArray[np.uint8]

FAR_OFF = 12.0
"""Mean distance from a colour table, in codes, above which the table is not believed."""
BRIGHTNESS = "brightness"
"""What is taken for the level where no colour map is known."""
_SILENT = 1.5 / 256
"""Levels up to here are the lowest colour of a table of 256."""
_BELOW_THE_FLOOR = 0.25
"""What lies below a picture's range was something between nothing and the range's bottom. Taking it for a quarter of
the bottom costs speech 0.01 to 0.02 PESQ (80 dB); for nothing 0.04 to 0.07; for the bottom itself 0.2 to 0.4."""


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """How a level became a colour.

    Parameters
    ----------
    range_db : float or None
        Decibels from level 0 to level 1.
    exponent : float
        Without a range: the level is this power of the magnitude's share of the peak.
    """

    range_db: float | None = 80.0
    exponent: float = 1.0

    def magnitude(self, levels: Floats) -> Floats:
        """Magnitudes of ``(n_rows, n_columns)``, 1 where the level is 1; a column at the lowest level is silence."""
        if self.range_db is None:
            return np.asarray(np.clip(levels, 0, 1) ** np.float32(1.0 / self.exponent), dtype=np.float32)
        result = np.power(np.float32(10.0), (levels - np.float32(1.0)) * np.float32(self.range_db / 20.0))
        lowest = levels < _SILENT
        result[lowest] = 10.0 ** (-self.range_db / 20.0) * _BELOW_THE_FLOOR
        result[:, lowest.all(axis=0)] = 0.0
        return np.asarray(result, dtype=np.float32)


def amplitude_exponent(levels: Floats, read: tuple[float, float] | None) -> float | None:
    """1 where levels are amplitudes, 2 where they are powers, None where they are decibels.

    Of a picture that is not in decibels next to nothing is seen but a few loud partials.

    Parameters
    ----------
    levels : float32 array, shape ``(n_rows, n_columns)``
    read : tuple of float, optional
        Where the colour bar begins and ends, by its labels: decibels seldom begin at 0.
    """
    if read is not None and abs(read[0]) > 0.03 * abs(read[1] - read[0]):
        return None
    drawn, bright = float((levels > 0.05).mean()), float((levels > 0.3).mean())
    # Of amplitudes 0.01 to 0.06 is drawn, of powers 0.002 to 0.013; of 40 dB 0.04 to 0.11, and a third of it is bright.
    if drawn > 0.06 or bright > 0.3 * drawn:
        return None
    return 2.0 if drawn < 0.006 else 1.0


# --- which colours -------------------------------------------------------------------------------------------------


def levels_of_panel(
    panel: npt.NDArray[Any],
    ledger: Ledger,
    *,
    given: str | None = None,
    expected: str | None = None,
    bar_table: Colours | None = None,
) -> Floats:
    """Levels of a panel, the lowest frequency first.

    Parameters
    ----------
    panel : uint8 or uint16 array, shape ``(height, width)`` or ``(height, width, 3)``
    ledger : Ledger
        Told which colour map was taken and why.
    given : str, optional
        The caller's colour map; with "_r" behind it, backwards.
    expected : str, optional
        That of the program that drew it.
    bar_table : uint8 (n, 3), optional
        The colours of the figure's bar, softest first.

    Returns
    -------
    float32 array, shape ``(height, width)``, 0 to 1.
    """
    if panel.dtype == np.uint16:
        return _gray_levels(panel.astype(np.float32) / np.float32(65535), ledger, given)
    if given is not None:
        ledger.given("colour map", given, "--colormap")
        levels, distance = _by_table(panel, table_of(given))
        if distance > FAR_OFF:
            ledger.warn(
                f"the picture's colours lie {distance:.0f} codes off the colour map {given!r} (0 to 3 is usual): "
                "it was drawn with another one; leave --colormap out to have it recognised"
            )
        return levels[::-1]
    if expected is not None:
        levels, distance = _by_table(panel, table_of(expected))
        if distance < FAR_OFF / 3:
            why = f"its colours lie {distance:.1f} codes off those of this program"
            backwards = _is_backwards(levels[::-1], table_of(expected), bar_table)
            name = f"{expected}_r" if backwards else expected
            ledger.assume("colour map", name, "known family", 0.98, why, "--colormap")
            return np.float32(1.0) - levels[::-1] if backwards else levels[::-1]
    if bar_table is not None and len(bar_table) > 8:
        levels, distance = _by_table(panel, bar_table)
        if distance < FAR_OFF:
            why = f"the panel's colours lie {distance:.1f} codes off those of the figure's bar"
            sure = 0.98 if distance < FAR_OFF / 3 else 0.7
            if backwards_evidence(levels[::-1]) > 0.8:
                ledger.warn("the colour bar was taken upside down: most of the panel would be loud by it")
                levels, sure = np.float32(1.0) - levels, 0.6
            ledger.assume("colour map", "the colour bar", "read", sure, why, "--colormap")
            return levels[::-1]
    return _recognised(panel, ledger)


def table_of(name: str) -> Colours:
    """A colour table by name, backwards with "_r" behind it (gray_r, viridis_r)."""
    from specloom.pixels.colormaps import NAMES, colours_of

    if name not in NAMES and name.endswith("_r"):
        return np.ascontiguousarray(colours_of(name[:-2])[::-1])
    return colours_of(name)


def _in_colours(panel: npt.NDArray[Any]) -> Colours:
    return np.repeat(panel[..., None], 3, axis=-1) if panel.ndim == 2 else panel


def _by_table(panel: npt.NDArray[Any], table: Colours) -> tuple[Floats, float]:
    from specloom.pixels.colormaps import levels_of

    levels, distance = levels_of(_in_colours(panel), table)
    return levels, float(distance.mean())


def _is_backwards(levels: Floats, table: Colours, bar_table: Colours | None) -> bool:
    """Whether a program drew its colours the other way round (sox's light background): its bar says, or the picture."""
    if bar_table is None or len(bar_table) < 2:
        return backwards_evidence(levels) > 0.5
    softest, ends = bar_table[0].astype(np.float64), table[[0, -1]].astype(np.float64)
    to_first, to_last = np.square(ends - softest).sum(axis=1)
    return bool(to_last < to_first)


def _recognised(panel: npt.NDArray[Any], ledger: Ledger) -> Floats:
    from specloom.pixels.colormaps import recognise

    colours = _in_colours(panel)
    if int(np.ptp(colours.astype(np.int16), axis=-1).max()) <= 2:
        return _gray_levels(colours[..., 1].astype(np.float32) / np.float32(255), ledger, None)
    best, *others = recognise(colours)
    if best.distance > FAR_OFF:
        ledger.warn(
            f"the colour map is not known (the nearest, {best.name!r}, lies {best.distance:.0f} codes off); brightness "
            "was taken for level, and the sound is soft: give --colormap, or a picture with its colour bar"
        )
        ledger.assume("colour map", BRIGHTNESS, "guessed", 0.1, "no known colour map has these colours", "--colormap")
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return np.asarray(colours[::-1].astype(np.float32) @ weights / np.float32(255), dtype=np.float32)
    levels = _by_table(panel, table_of(best.name))[0][::-1]
    margin = min((other.distance for other in others), default=FAR_OFF) - best.distance
    sure = float(np.clip(0.6 + 0.1 * margin - 0.05 * best.distance, 0.3, 0.97))
    name = best.name
    if backwards_evidence(levels) > 0.5:
        name, levels, sure = f"{name}_r", np.float32(1.0) - levels, min(sure, 0.7)
    why = f"its colours lie {best.distance:.1f} codes off; those of the next map {best.distance + margin:.1f}"
    ledger.assume("colour map", name, "measured", sure, why, "--colormap")
    return levels


def _gray_levels(brightness: Floats, ledger: Ledger, given: str | None) -> Floats:
    """Gray either way: which end is silence says the picture itself."""
    levels = brightness[::-1]
    if given is not None:
        ledger.given("colour map", given, "--colormap")
        return np.float32(1.0) - levels if given in ("gray-inverted", "gray_r") else levels
    evidence = backwards_evidence(levels)
    name = "gray-inverted" if evidence > 0 else "gray"
    silence = "white" if evidence > 0 else "black"
    sure = float(np.clip(0.5 + abs(evidence), 0.5, 0.95))
    why = f"{silence} is what most of the picture, and of its high frequencies, is near to"
    ledger.assume("colour map", name, "measured", sure, why, "--colormap")
    return np.float32(1.0) - levels if evidence > 0 else levels


def backwards_evidence(levels: Floats) -> float:
    """How much speaks for the softest sound being level 1: above 0 for, below 0 against.

    Silence is one exact level and common, full scale is rare; and low frequencies are louder than high ones.
    """
    n_rows = levels.shape[0]
    lowest, highest = float((levels < _SILENT).mean()), float((levels > 1.0 - _SILENT).mean())
    low_rows, high_rows = float(levels[: max(1, n_rows // 3)].mean()), float(levels[-max(1, n_rows // 3) :].mean())
    middle = float(np.median(levels[:: max(1, n_rows // 256)]))
    return 2.0 * (highest - lowest) + 2.0 * (high_rows - low_rows) + (middle - 0.5)
