"""Strangers' pictures of spectrograms to sound.

The way: the panel in the figure, its colours to levels, what the rows and columns are, a transform that can be
inverted, magnitudes, phase. Each step takes what the caller said, else what labels say, else what the pixels show, else
what the program that drew the picture does, else what is usual; and writes down which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.errors import ParameterError
from specloom.io.image import DEFAULT_MAX_MEGAPIXELS, Image, open_image
from specloom.phase.reconstruct import Quality, reconstruct
from specloom.rescue.assumptions import Assumption, Ledger
from specloom.rescue.families import Family, columns_are_segments, of_segments, recognise_family
from specloom.rescue.frequency_axis import has_partials, shift_by_partials
from specloom.rescue.layout import Box
from specloom.rescue.levels import BRIGHTNESS, Mapping, amplitude_exponent, levels_of_panel
from specloom.rescue.panel_rows import AxisWishes, PanelRows, find_rows, magnitude_of
from specloom.rescue.reading import Reading, read_figure
from specloom.rescue.timing import Columns, Frames, Timing, find_timing, frames_for, frames_of, seconds_per_pixel
from specloom.rescue.transform import best_window, differences, find_cells, misfit_db

AxisScale = Literal["linear", "mel", "log"]
Floats = npt.NDArray[np.float32]

UNKNOWN_PEAK = 0.75
"""The largest sample, where the picture does not say how loud the sound was."""
DOUBTFUL_PEAK = 0.1
"""The same where it is hardly a spectrogram: no noise at full scale."""
_DOUBTFUL_MISFIT_DB = -6.0
_LOOSE_MISFIT_DB = -18.0
"""What was drawn a pixel a bin fits better than this; pictures that were resampled, and photographs, do not."""
_TURNED = 0.1
_GUESSED_N_FFT = (256, 512, 1024, 2048, 4096)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rescue:
    """The sound of a picture, and everything that was assumed on the way.

    Parameters
    ----------
    audio : Audio
    magnitude : float32 array, shape ``(n_bins, n_frames)`` or ``(n_channels, n_bins, n_frames)``
        What the picture shows, as magnitudes of ``config``'s transform.
    config : StftConfig
        The transform that was inverted.
    family : str
        The program that drew the picture ("matplotlib", "sox", "ffmpeg", "riffusion"), or "unknown".
    assumptions : tuple of Assumption
        In the order in which they were made.
    warnings : tuple of str
        Sentences for a person: what makes the sound doubtful.
    """

    audio: Audio
    magnitude: npt.NDArray[np.float32]
    config: StftConfig
    family: str
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]


def rescue_picture(
    source: str | Path | Image,
    *,
    sample_rate: int | None = None,
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    duration_s: float | None = None,
    min_hz: float | None = None,
    max_hz: float | None = None,
    range_db: float | None = None,
    colormap: str | None = None,
    scale: AxisScale | None = None,
    axes: bool | None = None,
    quality: Quality = "balanced",
    max_megapixels: float | None = None,
) -> Rescue:
    """The sound of a picture that was not drawn by Specloom.

    ``None`` everywhere means: find it out, or ask.

    Parameters
    ----------
    source : path or Image
    sample_rate : int, optional
        Hertz, of the sound that was drawn. May be left out only where the picture says it (riffusion).
    n_fft, hop_length, win_length : int, optional
        The transform that was drawn, in samples.
    duration_s : float, optional
        Seconds that the picture shows.
    min_hz, max_hz : float, optional
        Where the frequency axis begins and ends.
    range_db : float, optional
        Decibels from the softest to the loudest colour.
    colormap : str, optional
        One of `specloom.pixels.colormaps.NAMES`; with "_r" behind it, backwards.
    scale : {"linear", "mel", "log"}, optional
        Of the frequency axis.
    axes : bool, optional
        False: the whole picture is the spectrogram. Otherwise a panel is looked for; True warns when there is none.
    quality : {"fast", "balanced", "best"}
        Of `specloom.reconstruct`.
    max_megapixels : float, optional
        Larger pictures are refused.

    Returns
    -------
    Rescue
        Mono, or stereo for riffusion's stereo pictures. The level is the picture's where its decibels are those of
        full scale (sox, ffmpeg), else the largest sample is 0.75; a picture that is hardly a spectrogram gives a soft
        sound and a warning.

    Raises
    ------
    ParameterError
        For impossible values, and for what neither the caller nor the picture says (`sample_rate`, `duration_s`).
    ImageFileError
        For what is no picture, or too large.
    """
    if quality not in get_args(Quality):
        raise ParameterError(f"quality={quality!r}: allowed are {', '.join(get_args(Quality))}")
    wishes = AxisWishes(scale=scale, min_hz=min_hz, max_hz=max_hz, n_fft=n_fft)
    _require_possible(wishes, sample_rate, hop_length, win_length, duration_s, range_db)
    image = (
        source
        if isinstance(source, Image)
        else open_image(source, max_megapixels=max_megapixels or DEFAULT_MAX_MEGAPIXELS)
    )
    ledger = Ledger()
    for note in image.notes:
        ledger.warn(f"of the picture file: {note}")
    reading = _read(image, axes, ledger)
    panel = _pixels_of(image, reading.panel)
    if reading.upside_down:
        panel = panel[::-1]
    family = recognise_family(image, reading, _closest_map(panel))
    if family.name != "unknown":
        ledger.assume("program", family.name, "measured", family.sure, family.why)
    rate = _rate(sample_rate, family, wishes, ledger)
    channels = _levels(panel, family, reading, colormap, ledger)
    if _is_blank(channels):
        return _silence(panel, rate, duration_s, family, ledger)
    if family.law is None and len(reading.frequency_ticks) < 2:
        _warn_if_turned(channels[0], ledger)
    mapping = _mapping(range_db, family, reading, channels[0], ledger)
    noise = image.format == "jpeg"
    rows = find_rows(
        channels[0], differences(panel, 0)[::-1], ledger, reading=reading, family=family, wishes=wishes,
        sample_rate=rate, noise=noise,
    )  # fmt: skip
    columns, pixels = _columns(panel, reading, rows, family, noise)
    timing = find_timing(
        columns, ledger, family=family, sample_rate=rate, n_fft=rows.n_fft, hop_length=hop_length, duration_s=duration_s
    )
    levels = np.stack([channel[rows.pixels][:, pixels] for channel in channels])
    if family.columns == "ffmpeg" and columns_are_segments(mapping.magnitude(levels[0]), timing.spacing):
        family, rows, timing = _of_segments(family, rows, timing, ledger)
    plan = _transform(levels, rows, mapping, timing, ledger, family=family, sample_rate=rate, win_length=win_length)
    vouched = _is_vouched_for(family, reading, rows, columns, rate)
    doubtful = _is_doubtful(plan, channels[0], rows, vouched, ledger)
    samples = _sound(plan, timing, family, quality, ledger, doubtful=doubtful)
    return Rescue(
        audio=Audio(samples, rate),
        magnitude=plan.magnitude[0] if len(channels) == 1 else plan.magnitude,
        config=plan.config,
        family=family.name,
        assumptions=tuple(ledger.assumptions),
        warnings=tuple(ledger.warnings),
    )


# --- what was asked --------------------------------------------------------------------------------------------------


def _require_possible(
    wishes: AxisWishes,
    sample_rate: int | None,
    hop_length: int | None,
    win_length: int | None,
    duration_s: float | None,
    range_db: float | None,
) -> None:
    whole = {"sample_rate": sample_rate, "n_fft": wishes.n_fft, "hop_length": hop_length, "win_length": win_length}
    for name, value in whole.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1):
            raise ParameterError(f"{name}={value!r}: a whole number of at least 1 is needed")
    numbers = {"duration_s": duration_s, "max_hz": wishes.max_hz, "range_db": range_db}
    for name, number in numbers.items():
        if number is not None and not 0.0 < number < np.inf:
            raise ParameterError(f"{name}={number!r}: a number above 0 is needed")
    if wishes.min_hz is not None and not 0.0 <= wishes.min_hz < (wishes.max_hz or np.inf):
        raise ParameterError(f"min_hz={wishes.min_hz!r}: 0 <= min_hz < max_hz is needed (max_hz={wishes.max_hz!r})")
    if wishes.scale not in (None, *get_args(AxisScale)):
        raise ParameterError(f"scale={wishes.scale!r}: allowed are {', '.join(get_args(AxisScale))}")
    if wishes.scale == "log" and wishes.min_hz == 0:
        raise ParameterError("min_hz=0 with scale='log': a logarithmic axis begins above 0; give --min-hz")
    if wishes.n_fft is not None and wishes.n_fft < 16:
        raise ParameterError(f"n_fft={wishes.n_fft}: at least 16 is needed; 1024 and 2048 are usual")
    if win_length is not None and wishes.n_fft is not None and win_length > wishes.n_fft:
        raise ParameterError(f"win_length={win_length} is larger than n_fft={wishes.n_fft}; shorten it or raise n_fft")


def _rate(sample_rate: int | None, family: Family, wishes: AxisWishes, ledger: Ledger) -> int:
    if sample_rate is not None:
        ledger.given("sample rate", f"{sample_rate} Hz", "--sample-rate")
        rate = int(sample_rate)
    elif family.sample_rate is not None:
        rate = family.sample_rate
        ledger.assume("sample rate", f"{rate} Hz", "known family", family.sure, f"{family.name}'s", "--sample-rate")
    else:
        raise ParameterError("the picture does not say the sample rate of its sound: give it in hertz (--sample-rate)")
    for name, hz in (("max_hz", wishes.max_hz), ("min_hz", wishes.min_hz)):
        if hz is not None and hz > rate / 2:
            raise ParameterError(
                f"{name}={hz:g} lies above half the sample rate ({rate / 2:g} Hz); lower it, or raise the rate"
            )
    return rate


# --- the picture -----------------------------------------------------------------------------------------------------


def _read(image: Image, axes: bool | None, ledger: Ledger) -> Reading:
    """The figure's parts; the whole picture where there are none, or none are wanted."""
    height, width = image.pixels.shape[:2]
    whole = Box(left=0, top=0, right=width, bottom=height)
    if axes is False:
        ledger.given("panel", "the whole picture", "--axes")
        return Reading(panel=whole, edges=(0.0, 0.0, float(width), float(height)))
    pixels = image.pixels
    reading = read_figure((pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8))
    if reading.panel != whole and not _is_trusted(reading, pixels):
        reading = Reading(panel=whole, edges=(0.0, 0.0, float(width), float(height)))
    box = reading.panel
    if box == whole:
        if axes:
            ledger.warn("no axes were found around a spectrogram, so the whole picture was taken; --axes no says that")
        ledger.assume("panel", "the whole picture", "measured", 0.9, "no axes were found", "--axes")
    else:
        place = f"columns {box.left} to {box.right}, rows {box.top} to {box.bottom}"
        ledger.assume("panel", place, "measured", 0.95, "axes or margins stand around it", "--axes")
        for note in reading.notes:
            ledger.warn(f"of the figure: {note}")
    return reading


def _is_trusted(reading: Reading, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bool:
    """Whether a panel inside the picture is one, and no dark or light part of a bare spectrogram its margin.

    A regular grid of cells over the whole picture speaks against it, whatever among them looks like labels; labels or a
    bar vouch for it; and margins have one colour, with little drawn on them.
    """
    if find_cells(differences(pixels, 0)) is not None and find_cells(differences(pixels, 1)) is not None:
        return False
    if len(reading.frequency_ticks) >= 2 or len(reading.level_ticks) >= 2 or len(reading.time_ticks) >= 3:
        return True
    box = reading.panel
    outside = np.ones(pixels.shape[:2], dtype=bool)
    outside[box.top : box.bottom, box.left : box.right] = False
    margin = pixels[outside].reshape(int(outside.sum()), -1).astype(np.int32)
    usual = np.median(margin, axis=0)
    inside = pixels[box.top : box.bottom, box.left : box.right].astype(np.int32)
    inside = inside.reshape(box.height * box.width, -1)[:: max(1, box.area // 100_000)]
    if float((np.abs(inside - usual).max(axis=1) <= 3).mean()) > 0.002:
        return False  # the margin has the colour of silence
    return bool((np.abs(margin - usual).max(axis=1) <= 3).mean() > 0.8) and _has_straight_border(reading, pixels)


def _has_straight_border(reading: Reading, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bool:
    """Whether just outside each side of the panel that has a margin, all pixels are alike."""
    box, (height, width) = reading.panel, pixels.shape[:2]
    gap = 3  # beyond lines and ticks
    lines = [
        pixels[box.top : box.bottom, box.left - gap] if box.left > gap else None,
        pixels[box.top : box.bottom, box.right + gap - 1] if box.right + gap <= width else None,
        pixels[box.top - gap, box.left : box.right] if box.top > gap else None,
        pixels[box.bottom + gap - 1, box.left : box.right] if box.bottom + gap <= height else None,
    ]
    return all(
        line is None or float((np.abs(line.astype(np.int32) - np.median(line, axis=0)) <= 3).mean()) > 0.9
        for line in lines
    )


def _pixels_of(image: Image, box: Box) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    return image.pixels[box.top : box.bottom, box.left : box.right]


def _closest_map(panel: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> str | None:
    """The colour map whose colours the panel has closely; None for gray."""
    from specloom.pixels.colormaps import recognise

    if panel.ndim == 2 or panel.dtype != np.uint8:
        return None
    sample = panel[:: max(1, panel.shape[0] // 200), :: max(1, panel.shape[1] // 200)]
    if int(np.ptp(sample.astype(np.int16), axis=-1).max()) <= 2:
        return None
    best = recognise(np.ascontiguousarray(sample).astype(np.uint8))[0]
    return best.name if best.distance < 3.0 else None


def _levels(
    panel: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    family: Family,
    reading: Reading,
    colormap: str | None,
    ledger: Ledger,
) -> list[Floats]:
    """Levels of each channel of sound, lowest row first."""
    if family.channels and panel.ndim == 3:
        name = colormap or family.colormap
        parts = [levels_of_panel(panel[..., k], Ledger(), given=name) for k in family.channels]
        ledger.assume("colour map", str(name), "known family", family.sure, f"{family.name}'s", "--colormap")
        return parts
    return [levels_of_panel(panel, ledger, given=colormap, expected=family.colormap, bar_table=reading.bar_table)]


def _mapping(range_db: float | None, family: Family, reading: Reading, levels: Floats, ledger: Ledger) -> Mapping:
    """What levels mean."""
    if range_db is not None:
        ledger.given("range", f"{range_db:g} dB", "--range-db")
        return Mapping(range_db=range_db)
    read = reading.level_range_db if family.believes_level_ticks else None
    exponent = amplitude_exponent(levels, read) if family.mapping is None else None
    if exponent is not None:
        what = "amplitudes" if exponent == 1.0 else "powers"
        why = "nearly all of the picture has its lowest colour" + (", and the bar begins at 0" if read else "")
        ledger.assume("range", f"{what}, not decibels", "measured", 0.6, why, "--range-db")
        ledger.warn(
            f"its colours seem to be {what} instead of decibels: soft sounds cannot be seen in such a picture, nor "
            "heard; draw it in decibels if you can, or give --range-db if it is in decibels"
        )
        return Mapping(range_db=None, exponent=exponent)
    if read is not None and 5.0 < read[1] - read[0] < 300.0:
        measured = read[1] - read[0]
        whole = 5.0 * round(measured / 5.0)
        span = whole if abs(measured - whole) < 0.01 * measured else measured  # labels are read to a pixel
        why = f"the colour bar goes from {read[0]:.1f} to {read[1]:.1f} dB"
        ledger.assume("range", f"{span:.1f} dB", "read", 0.95, why, "--range-db")
        return Mapping(range_db=span)
    if family.mapping is not None:
        mapping = family.mapping
        value = f"{mapping.range_db:g} dB" if mapping.range_db else f"power of {mapping.exponent:g}"
        ledger.assume("range", value, "known family", family.sure, f"{family.name}'s default", "--range-db")
        return mapping
    ledger.assume("range", "80 dB", "guessed", 0.5, "librosa's default; the picture has no labelled bar", "--range-db")
    return Mapping(range_db=80.0)


def _warn_if_turned(levels: Floats, ledger: Ledger) -> None:
    """Say so where the upper rows are the louder ones, which no voice's and hardly any instrument's are."""
    third = max(1, levels.shape[0] // 3)
    if float(levels[-third:].mean() - levels[:third].mean()) > _TURNED:
        ledger.warn(
            "the upper part of the picture is louder than the lower one: it may stand on its head, with low "
            "frequencies at the top (turn it over then), or its colours mean the opposite (--colormap, with _r behind "
            "a map's name)"
        )


def _is_blank(channels: list[Floats]) -> bool:
    return all(float(np.ptp(levels)) < 0.02 or min(levels.shape) < 4 for levels in channels)


def _silence(
    panel: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    rate: int,
    duration_s: float | None,
    family: Family,
    ledger: Ledger,
) -> Rescue:
    ledger.warn("the picture shows one colour, or next to no pixels: there is nothing to hear, and this is silence")
    config = StftConfig(sample_rate=rate, n_fft=2048, hop_length=512)
    n_samples = max(1, round((duration_s or 1.0) * rate))
    return Rescue(
        audio=Audio(np.zeros(n_samples, dtype=np.float32), rate),
        magnitude=np.zeros((config.n_bins, config.n_frames(n_samples)), dtype=np.float32),
        config=config,
        family=family.name,
        assumptions=tuple(ledger.assumptions),
        warnings=tuple(ledger.warnings),
    )


def _columns(
    panel: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    reading: Reading,
    rows: PanelRows,
    family: Family,
    noise: bool,
) -> tuple[Columns, npt.NDArray[np.int64]]:
    """What is known of the columns, and which column of pixels shows each."""
    width = panel.shape[1]
    first, last = reading.part_of_time
    places = first + (np.arange(width) + 0.5) / width * (last - first)
    cells = None if family.columns != "frames" else find_cells(differences(panel, 1), places, noise=noise)
    pixels = np.arange(width) if cells is None else cells.pixels
    each = seconds_per_pixel(reading.time_ticks)
    shown = width if cells is None else width / (last - first)
    one_to_one = rows.count == panel.shape[0] and rows.kind != "pixels"
    columns = Columns(
        count=pixels.size,
        counted=cells is not None,
        raw=cells is None and one_to_one and not reading.time_ticks,
        seconds_each=None if each is None else each * shown / pixels.size,
    )
    return columns, pixels


def _of_segments(family: Family, rows: PanelRows, timing: Timing, ledger: Ledger) -> tuple[Family, PanelRows, Timing]:
    """What is known of a picture of an ffmpeg that draws without overlap."""
    family = of_segments(family, timing.spacing)
    ledger.warn(
        "this version of ffmpeg (5.1 and later) drew each column from a few samples alone, softly and without overlap: "
        "pitch is lost, and the sound is like a whisper"
    )
    # The window rises towards the end of the segment, so that is what a column shows.
    timing = replace(timing, columns_are_frames=False, first=0.75 * timing.spacing)
    return family, replace(rows, kind="pixels", n_fft=family.n_fft), timing


# --- the transform ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, kw_only=True)
class _Plan:
    """What is inverted: magnitudes ``(n_channels, n_bins, n_frames)``, and how well they fit together."""

    magnitude: Floats
    config: StftConfig
    frames: Frames
    misfit_db: float


def _transform(
    levels: Floats,
    rows: PanelRows,
    mapping: Mapping,
    timing: Timing,
    ledger: Ledger,
    *,
    family: Family,
    sample_rate: int,
    win_length: int | None,
) -> _Plan:
    """The transform that was drawn, or the one that fits best."""

    def plan(n_fft: int, window: int) -> _Plan:
        frames = frames_for(timing, window)
        magnitude = np.stack(
            [
                magnitude_of(
                    frames_of(channel, timing, frames), rows, mapping,
                    n_fft=n_fft, sample_rate=sample_rate, mel_power=family.mel_power,
                )
                for channel in levels
            ]
        )  # fmt: skip
        config = StftConfig(
            sample_rate=sample_rate, n_fft=n_fft, hop_length=frames.hop_length, win_length=window, center=family.centred
        )
        return _Plan(magnitude=magnitude, config=config, frames=frames, misfit_db=misfit_db(magnitude[0], config))

    if rows.n_fft is not None:
        window = min(win_length or family.win_length or rows.n_fft, rows.n_fft)
        best = plan(rows.n_fft, window)
    else:
        usual = [n for n in _GUESSED_N_FFT if sample_rate / 100 <= n <= sample_rate / 5] or [1024]
        tried = [plan(n_fft, min(win_length or n_fft, n_fft)) for n_fft in usual]
        best = min(tried, key=_comparable_misfit)
        why = f"it fits best of {', '.join(str(n) for n in usual)} (misfit {best.misfit_db:.1f} dB)"
        ledger.assume("n_fft", str(best.config.n_fft), "measured", 0.5, why, "--n-fft")
    if win_length is not None:
        ledger.given("window", f"{win_length} samples", "--win-length")
    elif family.win_length is not None:
        why = f"{family.name}'s"
        ledger.assume("window", f"{best.config.win_length} samples", "known family", family.sure, why, "--win-length")
    else:
        best = _with_best_window(best, timing, rows, ledger)
    return best


def _comparable_misfit(plan: _Plan) -> float:
    """Frames that overlap less have less to agree on: 8 dB for each halving below a quarter, the usual hop."""
    overlap = plan.config.win_length / plan.config.hop_length
    return plan.misfit_db + 8.0 * max(0.0, float(np.log2(4.0 / overlap)))


def _with_best_window(plan: _Plan, timing: Timing, rows: PanelRows, ledger: Ledger) -> _Plan:
    """The window length that fits best, where columns are frames; else the whole of n_fft."""
    if not timing.columns_are_frames or rows.kind != "bins":
        why = "it cannot be measured in a picture that is not one pixel or more a bin and frame"
        ledger.assume("window", f"{plan.config.win_length} samples", "guessed", 0.5, why, "--win-length")
        return plan
    config, misfit, margin = best_window(plan.magnitude[0], plan.config)
    why = f"a quick reconstruction fits best (misfit {misfit:.1f} dB, the next {misfit + margin:.1f} dB)"
    sure = float(np.clip(0.5 + margin / 10, 0.5, 0.97))
    ledger.assume("window", f"{config.win_length} samples", "measured", sure, why, "--win-length")
    return _Plan(magnitude=plan.magnitude, config=config, frames=plan.frames, misfit_db=misfit)


# --- the sound -------------------------------------------------------------------------------------------------------


def _is_vouched_for(family: Family, reading: Reading, rows: PanelRows, columns: Columns, sample_rate: int) -> bool:
    """Whether something else than the pixels' values says that this is a spectrogram: any figure has axes and cells."""
    if family.name not in ("unknown", "matplotlib") and family.sure > 0.8:
        return True
    bar = reading.level_range_db
    in_decibels = bar is not None and 20.0 < bar[1] - bar[0] < 200.0
    if columns.counted and (rows.kind != "pixels" or in_decibels):
        return True
    hertz = [tick.value for tick in reading.frequency_ticks]
    possible = len(hertz) >= 2 and min(hertz) >= 0.0 and 0.1 * sample_rate < max(hertz) < 0.52 * sample_rate
    return possible and (reading.names_hertz or not reading.upside_down)


def _partials_agree(levels: Floats, rows: PanelRows) -> bool:
    """Whether they are multiples: photographs reach 0.1 there, an orchestra 0.4 and voices 0.8."""
    return shift_by_partials(levels, rows.axis.rows_hz(levels.shape[0]))[1] > 0.3


def _is_doubtful(plan: _Plan, levels: Floats, rows: PanelRows, vouched: bool, ledger: Ledger) -> bool:
    """Whether the picture is hardly a spectrogram, with a warning."""
    if plan.misfit_db > _DOUBTFUL_MISFIT_DB:
        ledger.warn(
            "this does not look like the spectrogram of a sound: what is heard has one that is off by an error only "
            f"{max(0.0, -plan.misfit_db):.0f} dB below the picture (15 to 35 dB is usual), so it is soft"
        )
        return True
    if any(assumption.value == BRIGHTNESS for assumption in ledger.assumptions):
        return True
    if vouched or has_partials(levels, rows.axis):
        return False
    if plan.misfit_db < _LOOSE_MISFIT_DB:
        if _partials_agree(levels, rows):
            return False
        ledger.warn("it has neither a frequency axis nor partials: if it is a photograph, what is heard means nothing")
        return False
    ledger.warn(
        "this may be no spectrogram: it has no axes, no repeated pixels, no partials and fits no transform closely, "
        "so it is soft"
    )
    return True


def _sound(plan: _Plan, timing: Timing, family: Family, quality: Quality, ledger: Ledger, *, doubtful: bool) -> Floats:
    """Samples, at the level that the picture tells or a moderate one."""
    n_samples = timing.n_samples
    offset = min(plan.frames.offset, n_samples - 1)
    sound = reconstruct(plan.magnitude, plan.config, quality=quality, length=n_samples - offset)
    sound = np.pad(sound, ((0, 0), (offset, 0)))
    full_scale = family.full_scale(plan.config)
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0.0:
        ledger.warn("the picture shows silence only")
        return np.asarray(sound[0] if len(sound) == 1 else sound, dtype=np.float32)
    if full_scale is not None and not doubtful and peak * full_scale <= 1.0:
        why = f"0 dB is full scale in {family.name}'s pictures"
        ledger.assume("level", f"largest sample {peak * full_scale:.2f}", "known family", 0.9, why)
        sound = sound * np.float32(full_scale)
    else:
        wanted = DOUBTFUL_PEAK if doubtful else UNKNOWN_PEAK
        ledger.assume("level", f"largest sample {wanted:g}", "guessed", 0.0, "the picture does not say how loud it was")
        sound = sound * np.float32(wanted / peak)
    return np.asarray(sound[0] if len(sound) == 1 else sound, dtype=np.float32)
