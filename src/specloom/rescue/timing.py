"""Which instants the columns of a picture stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.rescue.assumptions import Ledger
from specloom.rescue.families import Family
from specloom.rescue.ticks import Tick
from specloom.rescue.transform import hop_of

Floats = npt.NDArray[np.float32]

_LONGEST_STEP_S = 0.25
"""From one column to the next; nothing of a voice is left at a tenth of a second."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The columns of a picture in samples.

    Parameters
    ----------
    spacing : float
        Samples from one column to the next.
    first : float
        The sample that the first column is centred on.
    n_samples : int
        Length of the sound.
    columns_are_frames : bool
        Whether each column is one frame of a transform with this hop.
    """

    spacing: float
    first: float
    n_samples: int
    columns_are_frames: bool


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What is known of a panel's columns.

    Parameters
    ----------
    count : int
        Columns after repeated ones were taken away.
    counted : bool
        Whether repeated columns showed that each is one frame.
    raw : bool
        Whether the picture is bare, with a row of pixels for each bin, so that its columns are frames too.
    seconds_each : float or None
        By the time labels.
    """

    count: int
    counted: bool
    raw: bool
    seconds_each: float | None

    @property
    def are_frames(self) -> bool:
        """Whether each column is most likely one frame."""
        return self.counted or self.raw


def seconds_per_pixel(ticks: Sequence[Tick]) -> float | None:
    """By the labels of a time axis; None for fewer than two."""
    if len(ticks) < 2:
        return None
    slope = float(np.polyfit([tick.position for tick in ticks], [tick.value for tick in ticks], 1)[0])
    return slope if slope > 0 else None


def find_timing(
    columns: Columns,
    ledger: Ledger,
    *,
    family: Family,
    sample_rate: int,
    n_fft: int | None,
    hop_length: int | None,
    duration_s: float | None,
) -> Timing:
    """From the duration, the hop or the time labels; the duration where there are several.

    Raises
    ------
    ParameterError
        When nothing says how long the picture is.
    """
    n_samples = None if duration_s is None else max(1, round(duration_s * sample_rate))
    if duration_s is not None:
        ledger.given("duration", f"{duration_s:g} s", "--duration")
    _warn_of_labels(columns, ledger, sample_rate=sample_rate, hop_length=hop_length, duration_s=duration_s)
    if hop_length is not None:
        ledger.given("hop", f"{hop_length} samples", "--hop")
        return _by_hop(columns, hop_length, n_samples, ledger)
    if family.hop_length is not None:
        why = f"so {family.name} has it in the picture's tags, or by default"
        ledger.assume("hop", f"{family.hop_length} samples", "known family", family.sure, why, "--hop")
        return _by_hop(columns, family.hop_length, n_samples, ledger)
    if n_samples is not None:
        return _by_length(columns, n_samples, ledger, family=family, sample_rate=sample_rate, n_fft=n_fft)
    if columns.seconds_each is not None and columns.seconds_each > _LONGEST_STEP_S:
        raise ParameterError(
            f"the labels below the picture would make it {columns.seconds_each * columns.count:.4g} seconds long, "
            f"{columns.seconds_each:.2g} a column, too coarse to be heard: they count frames, most likely; give the "
            "length in seconds (--duration)"
        )
    if columns.seconds_each is not None:
        return _by_labels(columns, columns.seconds_each, ledger, family=family, sample_rate=sample_rate)
    raise ParameterError(
        f"the picture's {columns.count} columns do not say how long they are: give its length in seconds (--duration), "
        "or the hop of its transform if each column is a frame (--hop)"
    )


def _warn_of_labels(
    columns: Columns, ledger: Ledger, *, sample_rate: int, hop_length: int | None, duration_s: float | None
) -> None:
    """Say so where the labels of the time axis contradict what the caller told."""
    if columns.seconds_each is None or columns.seconds_each > _LONGEST_STEP_S:
        return
    labelled = columns.seconds_each * columns.count
    told = {"--duration": duration_s}
    if columns.are_frames and hop_length is not None:
        told["--hop"] = columns.count * hop_length / sample_rate
    for option, seconds in told.items():
        if seconds is not None and abs(seconds - labelled) > 0.05 * labelled + 0.1:
            ledger.warn(
                f"by its time labels the picture is {labelled:.2f} s long, and {seconds:.2f} s by {option}, which was "
                "obeyed: the sound is too slow or too fast if that is wrong"
            )


def _by_hop(columns: Columns, hop: int, n_samples: int | None, ledger: Ledger) -> Timing:
    if n_samples is None:
        if not columns.are_frames:
            why = f"the {columns.count} columns were taken for frames, as no duration is given"
            ledger.assume("frames", str(columns.count), "guessed", 0.5, why, "--duration")
        n_samples = max(1, (columns.count - 1) * hop)
        return Timing(spacing=float(hop), first=0.0, n_samples=n_samples, columns_are_frames=True)
    if abs(1 + n_samples // hop - columns.count) <= 1:
        return Timing(spacing=float(hop), first=0.0, n_samples=n_samples, columns_are_frames=True)
    # The axis begins half a cell before the first frame's middle and ends half a cell behind the last one's.
    spacing = (n_samples // hop + 1) * hop / columns.count
    return Timing(spacing=spacing, first=(spacing - hop) / 2, n_samples=n_samples, columns_are_frames=False)


def _by_length(
    columns: Columns, n_samples: int, ledger: Ledger, *, family: Family, sample_rate: int, n_fft: int | None
) -> Timing:
    fixed = family.spacing(n_samples, columns.count)
    if fixed is not None:
        why = f"{family.name} makes {columns.count} columns of {n_samples} samples so"
        ledger.assume("hop", f"{fixed} samples", "known family", family.sure, why, "--hop")
        return Timing(
            spacing=float(fixed), first=family.first_centre(fixed), n_samples=n_samples, columns_are_frames=True
        )
    if columns.are_frames:
        hop, sure = hop_of(n_samples, columns.count, n_fft, sample_rate)
        what = "cells were counted" if columns.counted else "columns without repetition"
        why = f"{columns.count} {what} along the time axis, for {n_samples} samples"
        ledger.assume("hop", f"{hop} samples", "measured", sure if columns.counted else 0.7 * sure, why, "--hop")
        return Timing(spacing=float(hop), first=0.0, n_samples=n_samples, columns_are_frames=True)
    spacing = n_samples / columns.count
    why = "the columns were spread over the duration; each may stand for several frames"
    ledger.assume("column", f"{spacing:.1f} samples", "measured", 0.8, why, "--hop")
    return Timing(spacing=spacing, first=spacing / 2, n_samples=n_samples, columns_are_frames=False)


def _by_labels(columns: Columns, seconds_each: float, ledger: Ledger, *, family: Family, sample_rate: int) -> Timing:
    spacing = seconds_each * sample_rate
    why = "from the labels of the time axis, which a figure's author can have wrong"
    ledger.assume("duration", f"{seconds_each * columns.count:.3f} s", "read", 0.8, why, "--duration")
    if columns.are_frames or family.columns != "frames":
        hop = _near_usual(spacing, sample_rate, columns.count)
        why = f"{spacing:.1f} samples a column by the time axis"
        ledger.assume("hop", f"{hop} samples", "read", 0.8, why, "--hop")
        first = family.first_centre(hop)
        return Timing(spacing=float(hop), first=first, n_samples=columns.count * hop, columns_are_frames=True)
    n_samples = max(1, round(spacing * columns.count))
    return Timing(spacing=spacing, first=spacing / 2, n_samples=n_samples, columns_are_frames=False)


def _near_usual(spacing: float, sample_rate: int, n_columns: int) -> int:
    """The usual hop that labels could mean, if one is within what they can tell."""
    usual = {64, 128, 160, 200, 240, 256, 275, 276, 300, 512, 1024, *(sample_rate * ms // 1000 for ms in (5, 10, 20))}
    nearest = min(usual, key=lambda hop: abs(hop - spacing))
    return nearest if abs(nearest - spacing) < max(0.5, spacing * 2.0 / n_columns) else max(1, round(spacing))


# --- columns to frames -----------------------------------------------------------------------------------------------

_LEAST_OVERLAP, _MOST_OVERLAP = 2, 16


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Which frames to make of the columns: hop, and the samples before the first frame's middle."""

    hop_length: int
    offset: int


def frames_for(timing: Timing, win_length: int) -> Frames:
    """The hop at which a window of this length can be inverted, as close to the columns as possible."""
    spacing = timing.spacing
    if timing.columns_are_frames and win_length / _MOST_OVERLAP <= spacing <= win_length / _LEAST_OVERLAP:
        return Frames(hop_length=round(spacing), offset=round(timing.first))
    if timing.columns_are_frames and spacing < win_length / _MOST_OVERLAP:
        return Frames(hop_length=round(spacing) * int(win_length / _MOST_OVERLAP / spacing), offset=round(timing.first))
    least, most = max(1, win_length // _MOST_OVERLAP), max(1, win_length // 4)
    return Frames(hop_length=int(np.clip(round(spacing), least, most)), offset=0)


def frames_of(levels: Floats, timing: Timing, frames: Frames) -> Floats:
    """Levels ``(n_rows, n_columns)`` at the frames' instants: the columns themselves, or between them."""
    share = frames.hop_length / timing.spacing
    if timing.columns_are_frames and frames.offset == round(timing.first) and share == int(share):
        return np.ascontiguousarray(levels[:, :: int(share)])
    n_frames = 1 + max(0, timing.n_samples - 1 - frames.offset) // frames.hop_length
    place = (np.arange(n_frames) * frames.hop_length + frames.offset - timing.first) / timing.spacing
    place = np.clip(place, 0, levels.shape[1] - 1)
    before = np.minimum(place.astype(np.intp), max(0, levels.shape[1] - 2))
    weight = (place - before).astype(np.float32)
    after = np.minimum(before + 1, levels.shape[1] - 1)
    return np.asarray(levels[:, before] * (1 - weight) + levels[:, after] * weight, dtype=np.float32)
