"""Figures of known geometry are read: panel, colour bar, tick marks; whatever else is shown is never an error."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings

import matplotlib
import numpy as np
import pytest

from specloom.rescue.layout import Box
from specloom.rescue.reading import read_figure
from specloom.rescue.ticks import Label, agreeing, stacked_channels, unrounded, value_of

matplotlib.use("Agg")

RATE = 16_000


def levels(n_bins=200, n_frames=300):
    """Something like a spectrogram in decibels: a rising tone over noise, -80 to 0."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(-80, -45, (n_bins, n_frames))
    tone = np.abs(np.arange(n_bins)[:, None] - np.linspace(10, 150, n_frames)[None]) < 3
    return np.where(tone, 0.0, noise)


class Figure:
    """A matplotlib figure of a spectrogram, and where everything in it is."""

    def __init__(self, draw, *, dpi=100, size=(6.4, 4.8), style="default", cmap="magma", bar="vertical"):
        import matplotlib.pyplot as plt

        with plt.style.context(style), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure, axes = plt.subplots(figsize=size, dpi=dpi)
            image = draw(axes, cmap)
            self.bar_axes = None
            if bar:
                self.bar_axes = figure.colorbar(image, ax=axes, format="%+2.0f dB", orientation=bar).ax
            figure.canvas.draw()
            self.rgb = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
            self.height = self.rgb.shape[0]
            self.edges = self._edges(axes)
            self.x = self._ticks(axes, axes.xaxis)
            self.y = self._ticks(axes, axes.yaxis)
            self.levels = None
            if self.bar_axes is not None:
                self.bar_edges = self._edges(self.bar_axes)
                self.levels = self._ticks(
                    self.bar_axes, self.bar_axes.yaxis if bar == "vertical" else self.bar_axes.xaxis
                )
            plt.close(figure)

    def _edges(self, axes):
        box = axes.get_window_extent()
        return box.x0, self.height - box.y1, box.x1, self.height - box.y0

    def _ticks(self, axes, axis):
        low, high = sorted(axis.get_view_interval())
        found = []
        for tick in axis.get_major_ticks():
            value = tick.get_loc()
            if low - 1e-9 <= value <= high * (1 + 1e-9) + 1e-9:
                upright = axis.axis_name == "y"
                point = axes.transData.transform(
                    (axes.get_xlim()[0], value) if upright else (value, axes.get_ylim()[0])
                )
                found.append((self.height - point[1] if upright else point[0], value))
        return sorted(found)


def image(axes, cmap):
    return axes.imshow(levels(), origin="lower", aspect="auto", extent=[0, 5, 0, RATE / 2], cmap=cmap)


def specshow(y_axis):
    def draw(axes, cmap):
        import librosa.display

        values = levels(1025, 160)
        return librosa.display.specshow(values, sr=RATE, x_axis="time", y_axis=y_axis, ax=axes, cmap=cmap)

    return draw


def assert_ticks(ticks, truth, *, within=1.01, scale=1.0):
    assert [round(tick.value, 6) for tick in ticks] == [round(value * scale, 6) for _, value in truth]
    np.testing.assert_allclose([tick.position for tick in ticks], [place for place, _ in truth], atol=within)


def assert_reads(figure, *, within=1.01):
    reading = read_figure(figure.rgb)
    np.testing.assert_allclose(reading.edges, figure.edges, atol=within)
    assert_ticks(reading.time_ticks, figure.x, within=within)
    assert_ticks(reading.frequency_ticks, figure.y, within=within)
    if figure.levels is not None:
        assert_ticks(reading.level_ticks, figure.levels, within=within)
    return reading


# ---------------------------------------------------------------- matplotlib and librosa


@pytest.mark.parametrize("dpi", [72, 100, 200])
def test_a_plain_figure_is_read_to_the_pixel_at_any_resolution(dpi):
    reading = assert_reads(Figure(image, dpi=dpi))
    assert reading.family == "matplotlib"
    assert reading.frequency_law == "linear"
    assert reading.notes == ()


@pytest.mark.parametrize(("y_axis", "law"), [("linear", "linear"), ("mel", "symlog-1000"), ("log", "symlog-c2")])
def test_librosa_figures_are_read_with_their_law(y_axis, law):
    reading = assert_reads(Figure(specshow(y_axis), size=(8, 5)))
    assert reading.frequency_law == law


def test_a_dark_figure_with_the_bar_below_is_read():
    reading = assert_reads(Figure(image, style="dark_background", bar="horizontal", size=(8, 6)))
    assert not reading.bar_is_vertical


@pytest.mark.parametrize("cmap", ["magma", "gray", "gray_r", "viridis", "jet"])
def test_the_bars_colours_are_the_maps_softest_first(cmap):
    reading = read_figure(Figure(image, cmap=cmap).rgb)
    table = matplotlib.colormaps[cmap](np.linspace(0, 1, len(reading.bar_table)))[:, :3] * 255
    assert np.abs(table - reading.bar_table).mean() < 3
    np.testing.assert_allclose(reading.level_range_db, (-80, 0), atol=0.6)


def test_the_panel_leaves_the_lines_out():
    figure = Figure(image, cmap="viridis", bar=None)
    reading = read_figure(figure.rgb)
    inside = reading.panel.of(figure.rgb).astype(int)
    # Nothing in viridis is as dark as a black line, or as bright as paper.
    assert inside.max(axis=2).min() > 60
    assert inside.min(axis=2).max() < 200
    ring = figure.rgb[reading.panel.top - 1, reading.panel.left : reading.panel.right]
    assert np.median(ring) < 40


def test_kilohertz_are_hertz():
    def draw(axes, cmap):
        axes.set_ylabel("Frequency (kHz)")
        axes.set_xlabel("Time (s)")
        return axes.imshow(levels(), origin="lower", aspect="auto", extent=[0, 5, 0, RATE / 2000], cmap=cmap)

    figure = Figure(draw)
    reading = read_figure(figure.rgb)
    assert_ticks(reading.frequency_ticks, figure.y, scale=1000)
    assert_ticks(reading.time_ticks, figure.x)
    assert reading.notes == ()


def test_a_waveform_above_is_not_taken_for_the_spectrogram():
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6), dpi=100)
    above.plot(np.sin(np.arange(4000) * 0.31) * np.hanning(4000))
    image(below, "magma")
    figure.canvas.draw()
    rgb = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    box = below.get_window_extent()
    plt.close(figure)
    reading = read_figure(rgb)
    np.testing.assert_allclose(reading.edges, (box.x0, 600 - box.y1, box.x1, 600 - box.y0), atol=1)


# ---------------------------------------------------------------- what happens to pictures on their way


@pytest.mark.parametrize("quality", [60, 90])
def test_a_jpeg_is_read_within_a_pixel(quality):
    from PIL import Image

    figure = Figure(image)
    stream = io.BytesIO()
    Image.fromarray(figure.rgb).save(stream, "JPEG", quality=quality)
    figure.rgb = np.asarray(Image.open(stream))
    assert_reads(figure, within=1.5)


@pytest.mark.parametrize("scale", [0.85, 1.3])
def test_a_screenshot_of_another_size_is_read_within_two_pixels(scale):
    from PIL import Image

    figure = Figure(image, bar=None)
    size = (round(figure.rgb.shape[1] * scale), round(figure.rgb.shape[0] * scale))
    reading = read_figure(np.asarray(Image.fromarray(figure.rgb).resize(size, Image.Resampling.BICUBIC)))
    np.testing.assert_allclose(reading.edges, np.array(figure.edges) * scale, atol=2)
    assert_ticks(reading.time_ticks, [(place * scale, value) for place, value in figure.x], within=2)
    assert_ticks(reading.frequency_ticks, [(place * scale, value) for place, value in figure.y], within=2)


# ---------------------------------------------------------------- pictures without axes


@pytest.mark.parametrize("paper", [0, 128, 255])
@pytest.mark.parametrize("margins", [(20, 20, 20, 20), (1, 1, 1, 1), (5, 0, 5, 0), (0, 30, 0, 30)])
def test_plain_margins_are_taken_off(paper, margins):
    top, left, bottom, right = margins
    picture = np.random.default_rng(1).gamma(1, 40, (200, 300)).clip(0, 255).astype(np.uint8)
    padded = np.pad(picture, ((top, bottom), (left, right)), constant_values=paper)
    assert read_figure(padded).panel == Box(left=left, top=top, right=left + 300, bottom=top + 200)


def test_silence_is_no_margin():
    picture = np.random.default_rng(1).gamma(1, 40, (200, 300)).clip(0, 255).astype(np.uint8)
    picture[:80] = 0
    picture[:, :40] = picture[:, -30:] = 0
    reading = read_figure(picture)
    assert reading.panel == Box(left=0, top=0, right=300, bottom=200)
    assert "whole picture" in reading.notes[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (10, 30_000), (30_000, 10), (24, 24), (300, 400)])
@pytest.mark.parametrize("kind", ["noise", "constant", "stripes", "dots"])
def test_any_picture_is_read_without_an_error(shape, kind):
    rng = np.random.default_rng(2)
    pixels = {
        "noise": lambda: rng.integers(0, 256, (*shape, 3)),
        "constant": lambda: np.full((*shape, 3), 77),
        "stripes": lambda: np.indices((*shape, 3))[1] % 9 // 8 * 255,
        "dots": lambda: np.where(rng.random((*shape, 1)) < 0.02, 0, 255).repeat(3, axis=2),
    }[kind]().astype(np.uint8)
    reading = read_figure(pixels)
    assert reading.panel == Box(left=0, top=0, right=shape[1], bottom=shape[0])
    assert not reading.time_ticks
    assert reading.notes


# ---------------------------------------------------------------- other programs


def ran(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def recording(path, n_channels=1):
    import soundfile

    time = np.arange(2 * 48_000) / 48_000
    sound = 0.3 * np.sin(2 * np.pi * (300 + 1500 * time) * time)
    noise = 0.01 * np.random.default_rng(0).standard_normal((time.size, n_channels))
    soundfile.write(path, sound[:, None] + noise, 48_000)
    return str(path)


def picture_of(path):
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


@pytest.mark.parametrize("light", [False, True])
def test_a_sox_spectrogram_is_read(tmp_path, light):
    source = recording(tmp_path / "a.wav")
    ran(
        "sox",
        source,
        "-n",
        "spectrogram",
        *(["-l"] if light else []),
        "-x",
        "500",
        "-y",
        "257",
        "-o",
        str(tmp_path / "a.png"),
    )
    reading = read_figure(picture_of(tmp_path / "a.png"))
    assert reading.family == "sox"
    assert (reading.panel.width, reading.panel.height) == (500, 257)
    assert reading.panel.left == 58
    slope, offset = np.polyfit(
        [t.position for t in reading.frequency_ticks], [t.value for t in reading.frequency_ticks], 1
    )
    assert offset + slope * reading.edges[1] == pytest.approx(24_000, abs=200)
    assert reading.time_ticks[-1].value == pytest.approx(2.0)
    assert reading.level_ticks[0].value == 0
    assert not reading.notes


def test_the_channels_of_a_sox_spectrogram_are_told_apart(tmp_path):
    source = recording(tmp_path / "a.wav", n_channels=2)
    ran("sox", source, "-n", "spectrogram", "-x", "500", "-o", str(tmp_path / "a.png"))
    reading = read_figure(picture_of(tmp_path / "a.png"))
    assert len(reading.other_panels) == 1
    assert reading.panel.height == reading.other_panels[0].height == 257
    assert reading.other_panels[0].top == reading.panel.bottom + 1
    assert "2 panels" in reading.notes[0]


@pytest.mark.parametrize("colour", ["intensity", "magma"])
def test_an_ffmpeg_spectrogram_is_read(tmp_path, colour):
    source = recording(tmp_path / "a.wav")
    filters = f"showspectrumpic=s=600x256:color={colour}"
    ran("ffmpeg", "-v", "error", "-i", source, "-lavfi", filters, str(tmp_path / "a.png"))
    reading = read_figure(picture_of(tmp_path / "a.png"))
    assert reading.family == "ffmpeg"
    assert (reading.panel.width, reading.panel.height) == (600, 256)
    slope, offset = np.polyfit(
        [t.position for t in reading.frequency_ticks], [t.value for t in reading.frequency_ticks], 1
    )
    assert offset + slope * reading.edges[1] == pytest.approx(24_000, abs=200)
    np.testing.assert_allclose(reading.level_range_db, (-120, 0), atol=3)


# ---------------------------------------------------------------- values and laws


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.15", 0.15), ("1:05", 65), ("1:02:03", 3723), ("-80 dB", -80), ("+0 dB", 0), ("1.5e+02", 150), ("2.5k", 2500),
     ("0.30s", 0.3), ("10³", 1000), ("DC", 0), ("dB", None), ("", None), ("1.2.3", None), ("--4", None)],
)  # fmt: skip
def test_labels_are_values_or_nothing(text, value):
    said = value_of(text)
    assert (None if said is None else said[0]) == (None if value is None else pytest.approx(value))


def labels(pairs, rounding=0.0):
    return [Label(position=p, text="", value=v, rounding=rounding, doubt=0.05) for p, v in pairs]


def test_a_misread_label_is_left_out():
    kept, law = agreeing(labels([(0, 0), (100, 1), (200, 7), (300, 3), (400, 4)]), laws=("linear",), rising=True)
    assert [label.value for label in kept] == [0, 1, 3, 4]
    assert law == "linear"


def test_labels_without_any_law_are_all_left_out():
    assert agreeing(labels([(0, 5), (100, 1), (200, 8), (300, 2), (400, 9)]), laws=("linear",), rising=None)[0] == ()


def test_rounded_labels_are_made_whole():
    whole = unrounded(labels([(0, 10), (100, 12), (200, 15), (300, 18), (400, 20)], rounding=0.5))
    assert [label.value for label in whole] == [10, 12.5, 15, 17.5, 20]


def test_stacked_axes_are_two():
    channels = stacked_channels(labels([(10, 4), (20, 2), (30, 0), (40, 4), (50, 2), (60, 0)]))
    assert [[label.value for label in channel] for channel in channels] == [[4, 2, 0], [4, 2, 0]]
