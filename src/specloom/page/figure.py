"""Pictures of spectrograms: plain (one pixel per frame and band, no axes), or a figure with axes and a colour bar.

A long sound is reduced to a bounded number of columns before anything is drawn, by the maximum of each stretch, so
that an onset or a thin line survives.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.config import MelConfig, StftConfig
from specloom.dsp.level import amplitude_to_db
from specloom.dsp.mel import hz_to_mel, mel_to_hz
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.page.parts import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

AxisScale = Literal["linear", "mel"]
FigureFormat = Literal["png", "jpeg", "svg", "pdf"]

_WINDOW_S = 0.046
# Audio is transformed this many columns at a time, so memory does not grow with its length.
_COLUMNS_AT_ONCE = 64
# Of the height of a picture, between two labels on it.
_LEAST_TICK_GAP = 0.11
# The same beside a panel of a figure.
_LEAST_LABEL_GAP = 0.07
# From here on nobody wants to read the time in seconds.
_LONG_S = 180.0
_TIME_STEPS_S = (30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200)
# What matplotlib would otherwise write of the time into these.
_WITHOUT_DATE: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
_MEL_TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000)


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """A spectrogram that can be drawn.

    Parameters
    ----------
    magnitude : real array, shape ``(n_rows, n_frames)``
        Amplitudes, not negative; row 0 is the lowest frequency.
    row_hz : array, shape ``(n_rows,)``
        The frequency at the middle of each row.
    span_s, start_s : float
        Seconds that the whole width shows, and the time of its left edge.
    scale : {"linear", "mel"}
        How ``row_hz`` is spaced; decides where the marks of the axis lie.
    heading : str
    """

    magnitude: npt.NDArray[Any]
    row_hz: npt.NDArray[np.floating[Any]]
    span_s: float
    start_s: float = 0.0
    scale: AxisScale = "linear"
    heading: str = ""

    def __post_init__(self) -> None:
        shape = np.shape(self.magnitude)
        if len(shape) != 2 or 0 in shape or shape[0] != len(self.row_hz):
            raise ParameterError(
                f"magnitude of shape {shape} with {len(self.row_hz)} frequencies: (n_rows, n_frames) with one "
                "frequency per row and at least one frame is needed"
            )
        if self.scale not in ("linear", "mel"):
            raise ParameterError(f"scale={self.scale!r}: allowed are 'linear' and 'mel'")

    @property
    def peak(self) -> float:
        """The greatest magnitude."""
        return float(np.max(self.magnitude))


def linear_panel(magnitude: npt.ArrayLike, config: StftConfig, *, heading: str = "") -> Panel:
    """A magnitude spectrogram, shape ``(n_bins, n_frames)``, ready to be drawn."""
    values = np.asarray(magnitude)
    hz = np.fft.rfftfreq(config.n_fft, 1.0 / config.sample_rate)
    span = values.shape[-1] / config.frame_rate_hz
    return Panel(magnitude=values, row_hz=hz, span_s=span, heading=heading)


def mel_panel(mel: npt.ArrayLike, config: MelConfig, frame_rate_hz: float, *, heading: str = "") -> Panel:
    """A mel spectrogram, shape ``(n_mels, n_frames)``, ready to be drawn."""
    values = np.asarray(mel)
    edges = np.linspace(
        hz_to_mel(config.fmin_hz, config.scale), hz_to_mel(config.upper_hz, config.scale), config.n_mels + 2
    )
    hz = mel_to_hz(edges[1:-1], config.scale)
    return Panel(magnitude=values, row_hz=hz, span_s=values.shape[-1] / frame_rate_hz, scale="mel", heading=heading)


def audio_panel(
    audio: Audio,
    *,
    scale: AxisScale = "mel",
    n_rows: int = 224,
    max_columns: int = 1000,
    top_hz: float | None = None,
    seconds: float | None = None,
    heading: str = "",
) -> Panel:
    """The spectrogram of a sound on a common axis, for looking at sounds of different rates side by side.

    Parameters
    ----------
    audio : Audio
        Channels are averaged.
    scale : {"linear", "mel"}
        Spacing of the rows. The rows sample the spectrum itself; no mel filters are laid over it.
    n_rows, max_columns : int
        Size of the result. Memory is bounded by it, whatever the length of the sound.
    top_hz : float, optional
        The upper edge; half the rate if not given. Rows above half the rate stay empty.
    seconds : float, optional
        Show no more than this from the beginning.
    """
    samples = audio.mono().samples
    if seconds is not None:
        samples = samples[: round(seconds * audio.sample_rate)]
    if len(samples) == 0:
        raise ParameterError("samples are empty: at least one sample is needed to draw a picture")
    config = display_config(audio.sample_rate)
    n_frames = config.n_frames(len(samples))
    group = -(-n_frames // max_columns)
    top = audio.sample_rate / 2 if top_hz is None else top_hz
    edges_hz = _row_edges(top, n_rows, scale)
    columns = [_bands(piece, config, edges_hz) for piece in _reduced_stft(samples, config, group)]
    magnitude = np.concatenate(columns, axis=1)
    middle = (edges_hz[:-1] + edges_hz[1:]) / 2
    span = len(samples) / audio.sample_rate
    return Panel(magnitude=magnitude, row_hz=middle, span_s=span, scale=scale, heading=heading)


def display_config(sample_rate: int) -> StftConfig:
    """A transform whose window of about 46 ms shows the harmonics of a voice and still its syllables."""
    n_fft = max(32, 2 ** round(np.log2(_WINDOW_S * sample_rate)))
    return StftConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=max(1, n_fft // 8))


def _reduced_stft(samples: npt.NDArray[np.float32], config: StftConfig, group: int) -> list[npt.NDArray[Any]]:
    """The magnitude, the maximum over every ``group`` frames, computed piece by piece."""
    n_frames = config.n_frames(len(samples))
    step = group * _COLUMNS_AT_ONCE
    edge = config.n_fft // 2
    uncentred = StftConfig(
        sample_rate=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop_length, center=False
    )
    pieces = []
    for first in range(0, n_frames, step):
        count = min(step, n_frames - first)
        start = first * config.hop_length - edge
        stop = start + (count - 1) * config.hop_length + config.n_fft
        cut = samples[max(0, start) : max(0, stop)]
        missing = (stop - start) - len(cut) - max(0, -start)
        cut = np.pad(cut, (max(0, -start), max(0, missing)))
        magnitude = np.abs(stft(cut, uncentred))
        pieces.append(_by_maximum(magnitude, -(-count // group), axis=1))
    return pieces


def _by_maximum(values: npt.NDArray[Any], at_most: int, axis: int) -> npt.NDArray[Any]:
    """Reduce an axis to at most that many stretches of (nearly) equal length, keeping the maximum of each."""
    length = values.shape[axis]
    if length <= at_most:
        return values
    starts = np.linspace(0, length, at_most, endpoint=False).astype(np.intp)
    return np.asarray(np.maximum.reduceat(values, starts, axis=axis))


def _row_edges(top_hz: float, n_rows: int, scale: AxisScale) -> npt.NDArray[np.float64]:
    if scale == "linear":
        return np.linspace(0.0, top_hz, n_rows + 1)
    return mel_to_hz(np.linspace(0.0, float(hz_to_mel(top_hz)), n_rows + 1))


def _bands(
    magnitude: npt.NDArray[Any], config: StftConfig, edges_hz: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """The greatest bin of each row; between the bins, where a row holds none, the straight line."""
    position = edges_hz * config.n_fft / config.sample_rate
    rows = np.zeros((len(edges_hz) - 1, magnitude.shape[1]), dtype=np.float32)
    for row, (low, high) in enumerate(pairwise(position)):
        if low >= config.n_bins - 1:
            break
        first, last = int(np.ceil(low)), min(int(np.ceil(high)), config.n_bins)
        if first < last:
            rows[row] = magnitude[first:last].max(axis=0)
        else:
            middle = min((low + high) / 2, config.n_bins - 1)
            below = int(middle)
            above = min(below + 1, config.n_bins - 1)
            rows[row] = magnitude[below] + np.float32(middle - below) * (magnitude[above] - magnitude[below])
    return rows


def plain_png(
    panel: Panel,
    *,
    reference: float | None = None,
    range_db: float = 80.0,
    max_columns: int = 2000,
    colormap: str = "magma",
) -> bytes:
    """The spectrogram alone as PNG: one pixel per frame and row, no axes, no margin.

    Parameters
    ----------
    panel : Panel
    reference : float, optional
        The magnitude drawn brightest; the panel's own peak if not given. Give several pictures the same one and
        their levels can be compared.
    range_db : float
        Decibels from the brightest colour to the darkest.
    max_columns : int
        More frames are reduced to this many, by the maximum.
    colormap : str
        Any colour map that matplotlib knows.
    """
    from PIL import Image

    values = _levels(panel, reference, range_db, max_columns)
    shades = np.rint((values / range_db + 1.0) * 255.0).astype(np.uint8)[::-1]
    image = Image.fromarray(np.ascontiguousarray(shades)).convert("P")
    image.putpalette(palette(colormap))
    file = BytesIO()
    image.save(file, format="PNG", compress_level=9)
    return file.getvalue()


def _levels(panel: Panel, reference: float | None, range_db: float, max_columns: int) -> npt.NDArray[Any]:
    """Decibels below the reference, clipped to ``[-range_db, 0]``, at most ``max_columns`` wide."""
    if not range_db > 0:
        raise ParameterError(f"range_db={range_db}: a number above 0 is needed; 80 is usual")
    if max_columns < 1:
        raise ParameterError(f"max_columns={max_columns}: at least 1 is needed")
    magnitude = _by_maximum(np.asarray(panel.magnitude), max_columns, axis=1)
    top = float(magnitude.max()) if reference is None else reference
    # Silence has no peak to compare with, and is drawn dark.
    floor = max(top, np.finfo(np.float32).tiny) * 10.0 ** (-range_db / 20.0)
    if top <= 0.0:
        return np.full(magnitude.shape, -range_db)
    return np.clip(amplitude_to_db(magnitude, floor=floor, reference=top), -range_db, 0.0)


def palette(colormap: str) -> list[int]:
    """The 256 colours of a map that matplotlib knows, as Pillow takes them."""
    from matplotlib import colormaps

    if colormap not in colormaps:
        raise ParameterError(
            f"colormap={colormap!r}: matplotlib knows no such colour map; 'magma' and 'viridis' are usual"
        )
    table = colormaps[colormap](np.arange(256), bytes=True)
    return [int(value) for value in np.asarray(table)[:, :3].ravel()]


def plain_picture(
    panel: Panel,
    *,
    alt: str,
    reference: float | None = None,
    range_db: float = 80.0,
    max_columns: int = 2000,
    colormap: str = "magma",
) -> Picture:
    """`plain_png` as a `Picture` of a page, with marks on its frequency axis and a time axis for the playhead."""
    data = plain_png(panel, reference=reference, range_db=range_db, max_columns=max_columns, colormap=colormap)
    n_rows, n_frames = panel.magnitude.shape
    return Picture(
        data=data,
        alt=alt,
        width=min(n_frames, max_columns),
        height=n_rows,
        start_s=panel.start_s,
        span_s=panel.span_s,
        levels=frequency_marks(panel),
    )


def frequency_marks(panel: Panel) -> tuple[tuple[float, str], ...]:
    """Marks that lie on a picture: (height as a share of it, label), none at its edges, none on top of another."""
    levels: list[tuple[float, str]] = []
    for row, label in reversed(frequency_ticks(panel)):
        share = (row + 0.5) / len(panel.row_hz)
        if 0.05 < share < 0.93 and (not levels or levels[-1][0] - share >= _LEAST_TICK_GAP):
            levels.append((share, label))
    return tuple(reversed(levels))


def frequency_ticks(panel: Panel) -> list[tuple[float, str]]:
    """Where to mark the frequency axis: (row, possibly between two, label), from the lowest to the highest."""
    top = float(panel.row_hz[-1])
    if panel.scale == "mel":
        wanted = [float(hz) for hz in _MEL_TICKS_HZ if hz <= top]
    else:
        step = next((s for s in (500, 1000, 2000, 5000, 10000, 20000) if top / s <= 6), 50000)
        wanted = [float(hz) for hz in np.arange(0, top + 1, step)]
    rows = np.interp(wanted, panel.row_hz, np.arange(len(panel.row_hz)))
    return [(float(row), _hertz(hz)) for row, hz in zip(rows, wanted)]


def time_ticks(panel: Panel) -> list[tuple[float, str]]:
    """Where to mark the time axis of a long sound: (seconds, label), at full minutes or parts of them."""
    step = next((step for step in _TIME_STEPS_S if panel.span_s / step <= 8), 24 * 3600)
    first = -(-panel.start_s // step) * step
    times = np.arange(first, panel.start_s + panel.span_s, step)
    return [(float(t), f"{int(t) // 3600}:{int(t) // 60 % 60:02}:{int(t) % 60:02}") for t in times]


def _apart(ticks: list[tuple[float, str]], gap: float) -> list[tuple[float, str]]:
    """Those marks whose labels do not touch the one below."""
    kept: list[tuple[float, str]] = []
    for row, label in ticks:
        if not kept or row - kept[-1][0] >= gap:
            kept.append((row, label))
    return kept


def _hertz(hz: float) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"


def figure_png(panels: Sequence[Panel], **options: Any) -> bytes:
    """`figure_file` as PNG."""
    return figure_file(panels, "png", **options)


def figure_file(
    panels: Sequence[Panel],
    file_format: FigureFormat,
    *,
    title: str = "",
    reference: float | None = None,
    range_db: float = 80.0,
    max_columns: int = 2000,
    colormap: str = "magma",
    axes: bool = True,
    colour_bar: bool = True,
    width_inch: float = 10.0,
    panel_inch: float = 2.6,
    dpi: int = 120,
) -> bytes:
    """Several spectrograms below one another in one figure, with axes in seconds and hertz and colour bars on request.

    Parameters
    ----------
    panels : sequence of Panel
        One or more.
    file_format : {"png", "jpeg", "svg", "pdf"}
    title : str
    reference : float, optional
        The magnitude of 0 dB, for all panels; each panel's own peak if not given.
    range_db, max_columns, colormap
        As in `plain_png`.
    axes : bool
        Seconds and hertz beside each panel.
    colour_bar : bool
        A bar beside each panel that says which colour is how many decibels.
    width_inch, panel_inch, dpi : float, float, int
        Size of the result, and height of every panel.

    Returns
    -------
    bytes
        The same for the same input: no date is written into it.

    Raises
    ------
    ParameterError
        When there is no panel.

    Notes
    -----
    Where a panel has more frames or rows than pixels, each pixel shows the loudest of them: drawing only every fourth
    row would lose a harmonic that lies between.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not panels:
        raise ParameterError("panels is empty: at least one spectrogram is needed to draw a figure")
    palette(colormap)
    figure = Figure(
        figsize=(width_inch, panel_inch * len(panels) + (0.4 if title else 0.0)), dpi=dpi, layout="constrained"
    )
    FigureCanvasAgg(figure)
    if title:
        # A file's name may hold what matplotlib would take for a formula, and bytes that are no text.
        shown = title.encode("utf-8", "backslashreplace").decode("utf-8")
        figure.suptitle(shown, fontsize=13, fontweight="bold", parse_math=False)
    places = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    levels = [_levels(panel, reference, range_db, max_columns) for panel in panels]
    images = [
        _draw_panel(figure, place, panel, range_db, colormap, axes, colour_bar) for place, panel in zip(places, panels)
    ]
    if axes:
        places[-1].set_xlabel("time (s)" if panels[-1].span_s < _LONG_S else "time (h:min:s)")
    file = BytesIO()
    with rc_context({"svg.hashsalt": "specloom"}), warnings.catch_warnings():
        # A letter of a title that the font has not is a box, and nobody needs to be told on every figure.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font")
        # Only now is it known how many pixels a panel gets.
        figure.draw_without_rendering()
        for place, image, values in zip(places, images, levels):
            extent = place.get_window_extent()
            image.set_data(_by_maximum(_by_maximum(values, int(extent.height), axis=0), int(extent.width), axis=1))
        figure.savefig(file, format=file_format, dpi=dpi, metadata=_WITHOUT_DATE.get(file_format))
    return file.getvalue()


def _draw_panel(
    figure: Figure,
    place: Axes,
    panel: Panel,
    range_db: float,
    colormap: str,
    axes: bool,
    colour_bar: bool,
) -> AxesImage:
    """Everything of a panel but its levels."""
    extent = (panel.start_s, panel.start_s + panel.span_s, -0.5, len(panel.row_hz) - 0.5)
    image = place.imshow(
        np.full((1, 1), -range_db),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=colormap,
        vmin=-range_db,
        vmax=0,
        extent=extent,
    )
    ticks = _apart(frequency_ticks(panel), _LEAST_LABEL_GAP * len(panel.row_hz))
    place.set_yticks([row for row, _ in ticks], [label for _, label in ticks])
    if panel.span_s >= _LONG_S:
        times = time_ticks(panel)
        place.set_xticks([time_s for time_s, _ in times], [label for _, label in times])
    place.set_title(panel.heading, loc="left", fontsize=11)
    place.tick_params(length=3, labelsize=9)
    for spine in place.spines.values():
        spine.set_visible(False)
    if not axes:
        place.set_xticks([])
        place.set_yticks([])
    if colour_bar:
        bar = figure.colorbar(image, ax=place, pad=0.01, aspect=14)
        bar.set_label("dB", fontsize=9)
        bar.ax.tick_params(length=3, labelsize=9)
        bar.outline.set_visible(False)
    return image
