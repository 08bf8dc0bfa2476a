"""What the rows of a panel are: bins of a transform, bands of a mel filterbank, or pixels along some axis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.config import MelConfig, MelScale
from specloom.dsp.mel import hz_to_mel, mel_to_hz
from specloom.rescue.assumptions import Ledger
from specloom.rescue.families import Family
from specloom.rescue.frequency_axis import (
    RowAxis,
    axis_from_ticks,
    default_axis,
    is_mel,
    law_of_hz,
    likely_law,
    shift_by_partials,
)
from specloom.rescue.levels import Mapping
from specloom.rescue.reading import Reading
from specloom.rescue.transform import Cells, find_cells

Floats = npt.NDArray[np.float32]
Kind = Literal["bins", "bands", "pixels"]

_USUAL_BINS = frozenset({64, 100, 128, 200, 256, 400, 512, 600, 1024, 2048, 4096, 8192})
"""Half of usual n_fft: so many bins, with or without the last one."""
_USUAL_BANDS = frozenset({20, 32, 40, 64, 80, 96, 100, 128, 160, 229, 256, 320, 512})
_MOST_BANDS = 320
_COARSE_HZ = 45.0
"""A row of a figure of usual size is 30 Hz at a rate of 22050."""
_COUNTS = (40, 64, 80, 128, 129, 257, 513, 1025, 2049)
"""Rows of pictures whose axis counts them: mel bands, and the bins of usual transforms."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelRows:
    """The rows of a panel, the lowest first.

    Parameters
    ----------
    kind : {"bins", "bands", "pixels"}
        A bin of the transform each, a mel band each, or a place on the axis each.
    pixels : int array, shape ``(n_rows,)``
        Which row of pixels, counted from the bottom, shows each.
    axis : RowAxis
    n_fft : int or None
        Of "bins", and of others where it is known.
    """

    kind: Kind
    pixels: npt.NDArray[np.int64]
    axis: RowAxis
    n_fft: int | None

    @property
    def count(self) -> int:
        """How many."""
        return int(self.pixels.size)


@dataclass(frozen=True, kw_only=True)
class AxisWishes:
    """What the caller said about the frequency axis."""

    scale: str | None
    min_hz: float | None
    max_hz: float | None
    n_fft: int | None


def find_rows(
    levels: Floats,
    differences: npt.NDArray[np.float64],
    ledger: Ledger,
    *,
    reading: Reading,
    family: Family,
    wishes: AxisWishes,
    sample_rate: int,
    noise: bool,
) -> PanelRows:
    """Find the axis of a panel's rows and what they are.

    Parameters
    ----------
    levels : float32 array, shape ``(height, width)``, lowest row first
    differences : float64 array, shape ``(height - 1,)``
        Between neighbouring rows of pixels, lowest first.
    ledger : Ledger
    reading, family, wishes, sample_rate, noise
        What else is known; ``noise`` for a JPEG.
    """
    height = levels.shape[0]
    reading, counted = _without_row_numbers(reading, sample_rate, ledger)
    first, last = reading.part_of_axis if family.law is None else (0.0, 1.0)
    even = find_cells(differences, first + (np.arange(height) + 0.5) / height * (last - first), noise=noise)
    asked = wishes if wishes.scale or counted is None else replace(wishes, scale=_scale_of_count(counted))
    axis = _axis(levels, even, ledger, reading=reading, family=family, wishes=asked, sample_rate=sample_rate)
    n_fft = wishes.n_fft or family.n_fft
    if n_fft is None and counted is not None and axis.law == "linear":
        n_fft = 2 * (counted - 1)
        ledger.assume("n_fft", str(n_fft), "read", 0.9, f"the axis counts {counted} rows", "--n-fft")
    if wishes.n_fft is not None:
        ledger.given("n_fft", str(wishes.n_fft), "--n-fft")
    if is_mel(axis.law):
        labelled = len(reading.frequency_ticks) >= 2 and family.law is None
        return _mel_rows(
            height, differences, axis, ledger, n_fft=n_fft, sample_rate=sample_rate, labelled=labelled, noise=noise
        )
    pixels = np.arange(height) if even is None or axis.law != "linear" else even.pixels
    if axis.law == "linear":
        bare = even is not None or (reading.family in (None, "sox", "ffmpeg") and not reading.frequency_ticks)
        found = _as_bins(
            pixels.size, axis, ledger, n_fft=n_fft, wishes=wishes, sample_rate=sample_rate, exact=bare,
            counted=even is not None,
        )  # fmt: skip
        if found is not None:
            return PanelRows(kind="bins", pixels=pixels, axis=axis, n_fft=found)
        if even is not None:
            axis = replace(axis, first=0.0, last=1.0)
            if n_fft is None:
                n_fft = _n_fft_of_step((axis.high_hz - axis.low_hz) / even.count, sample_rate, ledger)
    if axis.law == "linear" and even is None and family.law is None and wishes.min_hz is None:
        axis = _by_partials(levels, axis, ledger)
        _warn_of_coarse_rows((axis.high_hz - axis.low_hz) * (axis.last - axis.first) / height, ledger)
    return PanelRows(kind="pixels", pixels=pixels, axis=axis, n_fft=n_fft)


# --- the axis --------------------------------------------------------------------------------------------------------


def _axis(
    levels: Floats,
    even: Cells | None,
    ledger: Ledger,
    *,
    reading: Reading,
    family: Family,
    wishes: AxisWishes,
    sample_rate: int,
) -> RowAxis:
    """The law of the axis and its ends."""
    law = _law(levels, even, ledger, reading=reading, family=family, wishes=wishes, sample_rate=sample_rate)
    labelled = _labelled_axis(law, ledger, reading=reading, family=family, sample_rate=sample_rate)
    top = wishes.max_hz or family.max_hz or sample_rate / 2
    axis = labelled or default_axis(law, wishes.min_hz if wishes.min_hz is not None else family.min_hz, top)
    if family.law is None:
        first, last = reading.part_of_axis
        axis = replace(axis, first=first, last=last)
    if wishes.max_hz is not None:
        ledger.given("highest frequency", f"{wishes.max_hz:g} Hz", "--max-hz")
        axis = replace(axis, high_hz=wishes.max_hz)
    elif labelled is None:
        how, sure = ("known family", family.sure) if family.law else ("guessed", 0.7)
        why = f"{family.name} draws up to it" if family.law else "no labels were read, and half the rate is usual"
        ledger.assume("highest frequency", f"{axis.high_hz:g} Hz", how, sure, why, "--max-hz")  # type: ignore[arg-type]
    if wishes.min_hz is not None:
        ledger.given("lowest frequency", f"{wishes.min_hz:g} Hz", "--min-hz")
        axis = replace(axis, low_hz=wishes.min_hz)
    return axis


def _law(
    levels: Floats,
    even: Cells | None,
    ledger: Ledger,
    *,
    reading: Reading,
    family: Family,
    wishes: AxisWishes,
    sample_rate: int,
) -> str:
    read = reading.frequency_law if len(reading.frequency_ticks) >= 2 else None
    if wishes.scale is not None:
        ledger.given("frequency axis", wishes.scale, "--scale")
        same_kind = not _contradicts(wishes.scale, read)
        if read is not None and not same_kind:
            ledger.warn(f"the frequency labels follow a {read!r} axis; scale={wishes.scale!r} was obeyed without them")
        return read if read is not None and same_kind else wishes.scale
    if family.law is not None:
        why = f"{family.name} draws it so"
        ledger.assume("frequency axis", family.law, "known family", family.sure, why, "--scale")
        return family.law
    if read is not None:
        ledger.assume("frequency axis", read, "read", 0.95, "its labels follow this law", "--scale")
        return read
    count = even.count if even is not None else levels.shape[0]
    certain = 0.9 if even is not None else 0.75
    if (wishes.n_fft is not None and count == wishes.n_fft // 2 + 1) or _is_usual(count - 1, even is not None):
        why = f"{count} rows are one for each bin"
        ledger.assume("frequency axis", "linear", "measured", certain, why, "--scale")
        return "linear"
    law, sure = likely_law(levels, wishes.min_hz, wishes.max_hz or sample_rate / 2)
    if count in _USUAL_BANDS and count <= _MOST_BANDS and (law != "linear" or count not in _USUAL_BINS):
        law, sure = "mel", max(sure, 0.75)
        ledger.assume("frequency axis", law, "measured", sure, f"{count} rows are usual for mel bands", "--scale")
        return law
    ledger.assume("frequency axis", law, "measured", sure, "partials are evenly spaced in hertz then", "--scale")
    return law


def _contradicts(law: str, read: str | None) -> bool:
    """Whether labels follow another kind of law; some laws are finer names for what a caller can say."""
    return read is not None and (is_mel(law), law == "linear") != (is_mel(read), read == "linear")


def _labelled_axis(law: str, ledger: Ledger, *, reading: Reading, family: Family, sample_rate: int) -> RowAxis | None:
    """The axis through the labels, if there are any that can be right; not of programs that always draw the whole."""
    ticks = reading.frequency_ticks
    if len(ticks) < 2 or family.law is not None or _contradicts(law, reading.frequency_law):
        return None
    _, top, _, bottom = reading.edges
    axis = axis_from_ticks(law, ticks, bottom, top)
    half = sample_rate / 2
    if axis.high_hz > 1.03 * half:
        ledger.warn(
            f"the frequency labels go up to {axis.high_hz:.0f} Hz, above half the sample rate ({half:.0f} Hz): the "
            "rate or the labels are wrong; the axis was taken to end at half the rate"
        )
        return None
    axis = _to_whole_spectrum(axis, reading.panel.height, half)
    why = f"from {len(ticks)} labels of the axis"
    ledger.assume("highest frequency", f"{min(axis.high_hz, half):.0f} Hz", "read", 0.95, why, "--max-hz")
    return axis


def _warn_of_coarse_rows(step_hz: float, ledger: Ledger) -> None:
    if step_hz > _COARSE_HZ:
        ledger.warn(
            f"each row of pixels stands for {step_hz:.0f} Hz, so tones are known roughly and low ones hardly at all: a "
            "taller picture, or one up to a lower frequency, sounds better"
        )


def _by_partials(levels: Floats, axis: RowAxis, ledger: Ledger) -> RowAxis:
    """The axis moved by a row or less to where partials lie at multiples of their distance."""
    rows_hz = axis.rows_hz(levels.shape[0])
    shift, agreement = shift_by_partials(levels, rows_hz)
    if shift == 0.0:
        return axis
    why = f"the rows lie {abs(shift):.1f} of a row {'lower' if shift > 0 else 'higher'}: partials are multiples then"
    moved = shift / levels.shape[0] * (axis.last - axis.first)
    axis = replace(axis, first=axis.first - moved, last=axis.last - moved)
    lowest = f"{axis.rows_hz(levels.shape[0])[0]:.0f} Hz"
    ledger.assume("lowest row", lowest, "measured", agreement, why, "--min-hz")
    return axis


def _without_row_numbers(reading: Reading, sample_rate: int, ledger: Ledger) -> tuple[Reading, int | None]:
    """A reading without labels that count bins or bands instead of hertz (imshow's), and how many they count."""
    ticks = reading.frequency_ticks
    if len(ticks) < 2 or reading.names_hertz or reading.frequency_law != "linear":
        return reading, None
    if reading.family in ("sox", "ffmpeg"):
        return reading, None
    _, top, _, bottom = reading.edges
    axis = axis_from_ticks("linear", ticks, bottom, top)
    # Labels up to 100 were taken for kilohertz.
    unit = 1000.0 if axis.high_hz > 1.03 * sample_rate / 2 else 1.0
    highest = axis.high_hz / unit
    count = min(_COUNTS, key=lambda n: abs(n - 0.25 - highest))  # to n, or from -0.5 to n - 0.5
    if highest > 0.9 * sample_rate / 2 or abs(count - 0.25 - highest) > 1.0 + 0.003 * count:
        return reading, None
    ledger.warn(f"the frequency axis counts rows, to {count}, not hertz: the rows were taken to reach half the rate")
    return replace(reading, frequency_ticks=(), frequency_law=None), count


def _scale_of_count(count: int) -> str:
    return "linear" if count - 1 >= 128 and (count - 1) & (count - 2) == 0 else "mel"


def _to_whole_spectrum(axis: RowAxis, n_rows: int, half: float) -> RowAxis:
    """An axis that ends within a row of half the rate, made to end there: marks are drawn to whole pixels."""
    low, high, wanted = law_of_hz(axis.law, [axis.low_hz, axis.high_hz, half])
    row = (high - low) / n_rows
    if abs(high - wanted) > row or (axis.law == "linear" and abs(low) > row):
        return axis
    return replace(axis, high_hz=half, low_hz=0.0 if axis.law == "linear" else axis.low_hz)


# --- what the rows are -----------------------------------------------------------------------------------------------


def _as_bins(
    count: int,
    axis: RowAxis,
    ledger: Ledger,
    *,
    n_fft: int | None,
    wishes: AxisWishes,
    sample_rate: int,
    exact: bool,
    counted: bool,
) -> int | None:
    """The n_fft of which ``count`` rows are the bins, all or all but the last; None when they are not."""
    half, step = sample_rate / 2, sample_rate / 2 / count
    whole = abs(axis.low_hz) < 1.5 * step and abs(axis.high_hz - half) < max(1.5 * step, 0.01 * half)
    if not whole:
        return None
    if n_fft is not None:
        return n_fft if count in (n_fft // 2 + 1, n_fft // 2) else None
    if not exact:
        return None
    if _is_usual(count - 1, counted):
        why = f"{count} rows are n_fft / 2 + 1"
        ledger.assume("n_fft", str(2 * (count - 1)), "measured", 0.95, why, "--n-fft")
        return 2 * (count - 1)
    if _is_usual(count, counted) and wishes.max_hz is None:
        sure = 0.8 if counted else 0.6
        ledger.assume("n_fft", str(2 * count), "measured", sure, f"{count} rows are n_fft / 2", "--n-fft")
        return 2 * count
    return None


def _is_usual(half: int, counted: bool) -> bool:
    """Whether ``2 * half`` is a usual n_fft: a power of two, and others too where cells were counted."""
    power_of_two = half >= 128 and half & (half - 1) == 0
    return power_of_two or (counted and half >= 64 and (half in _USUAL_BINS or half % 64 == 0))


def _n_fft_of_step(step_hz: float, sample_rate: int, ledger: Ledger) -> int | None:
    """The usual n_fft whose bins lie so far apart."""
    wanted = sample_rate / step_hz
    nearest = min((2 * bins for bins in _USUAL_BINS), key=lambda n_fft: abs(n_fft - wanted))
    if abs(nearest / wanted - 1) > 0.02:
        return None
    why = f"the rows lie {step_hz:.2f} Hz apart"
    ledger.assume("n_fft", str(nearest), "measured", 0.9, why, "--n-fft")
    return nearest


def _mel_rows(
    height: int,
    differences: npt.NDArray[np.float64],
    axis: RowAxis,
    ledger: Ledger,
    *,
    n_fft: int | None,
    sample_rate: int,
    labelled: bool,
    noise: bool,
) -> PanelRows:
    """Bands, where they can be counted or are usual; else places on a mel axis.

    A labelled axis (librosa's) shows each band around its place between the lowest and the highest frequency, both
    included, so it reaches half a cell beyond them.
    """
    law: MelScale = "htk" if axis.law == "mel-htk" else "slaney"
    mel = hz_to_mel(axis.rows_hz(height), law)  # below 0 Hz too: the lowest band's cell is drawn around 0
    ends = hz_to_mel([axis.low_hz, axis.high_hz], law)
    places = (mel - ends[0]) / (ends[1] - ends[0])
    cells = find_cells(differences, places, noise=noise)
    if cells is not None and cells.count <= _MOST_BANDS:
        why = "so many rows were counted"
        ledger.assume("mel bands", str(cells.count), "measured", 0.9, why)
        if labelled:
            half = (ends[1] - ends[0]) / cells.count / 2
            low, high = mel_to_hz([ends[0] + half, ends[1] - half], law)
            axis = replace(axis, low_hz=_round_hz(float(low), sample_rate), high_hz=_round_hz(float(high), sample_rate))
        return PanelRows(kind="bands", pixels=cells.pixels, axis=axis, n_fft=n_fft)
    if not labelled and (height <= _MOST_BANDS or height in _USUAL_BANDS):
        ledger.assume("mel bands", str(height), "measured", 0.8, "one for each row of pixels")
        return PanelRows(kind="bands", pixels=np.arange(height), axis=axis, n_fft=n_fft)
    return PanelRows(kind="pixels", pixels=np.arange(height), axis=axis, n_fft=n_fft)


def _round_hz(hz: float, sample_rate: int) -> float:
    """The usual end of a filterbank that was meant: nothing, half the rate, or a round figure."""
    if abs(hz) < 12.0:
        return 0.0
    usual = [sample_rate / 2, *(500.0 * k for k in range(1, 49) if 500.0 * k <= sample_rate / 2)]
    nearest = min(usual, key=lambda value: abs(value - hz))
    return nearest if abs(nearest / hz - 1) < 0.01 else min(hz, sample_rate / 2)


# --- rows to magnitudes ----------------------------------------------------------------------------------------------


def magnitude_of(
    levels: Floats, rows: PanelRows, mapping: Mapping, *, n_fft: int, sample_rate: int, mel_power: float
) -> Floats:
    """The magnitude of the transform's bins, ``(n_fft // 2 + 1, n_frames)``.

    Parameters
    ----------
    levels : float32 array, shape ``(rows.count, n_frames)``
    rows : PanelRows
    mapping : Mapping
    n_fft, sample_rate : int
    mel_power : float
        What mel bands are sums of: magnitudes (1) or powers (2).
    """
    from specloom.dsp.mel_inversion import mel_to_magnitude
    from specloom.pixels.rows import rows_to_bins

    n_bins = n_fft // 2 + 1
    if rows.kind == "bins":
        magnitude = np.zeros((n_bins, levels.shape[1]), dtype=np.float32)
        magnitude[: levels.shape[0]] = mapping.magnitude(levels)[:n_bins]
        return magnitude
    if rows.kind == "bands" and rows.count <= n_bins:
        bands = MelConfig(
            sample_rate=sample_rate, n_fft=n_fft, n_mels=rows.count, fmin_hz=max(0.0, rows.axis.low_hz),
            fmax_hz=min(rows.axis.high_hz, sample_rate / 2), scale="htk" if rows.axis.law == "mel-htk" else "slaney",
            norm=None if rows.axis.law == "mel-htk" else "slaney",
        )  # fmt: skip
        mel = mapping.magnitude(levels) ** np.float32(mel_power)
        return np.asarray(mel_to_magnitude(mel, bands) ** np.float32(1.0 / mel_power), dtype=np.float32)
    return mapping.magnitude(rows_to_bins(levels, rows.axis.rows_hz(rows.count), sample_rate, n_fft))
