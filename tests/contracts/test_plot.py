"""Figures for people: what is drawn is what is there, whether it comes from memory, from a file or from sound."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import ArtifactError, AudioFileError, ImageFileError, ParameterError
from specloom.io.audio import load, save
from specloom.page.figure import Panel, figure_png, time_ticks
from specloom.page.plot import Loudest, panels_of, plot
from specloom.page.plot_files import plot_files
from specloom.pictures import Picture
from specloom.recipes import LIBROSA, SPOOF, TACOTRON, MelBands, Spectrogram
from specloom.tasks.draw_pictures import Style, draw_picture_files

RATE = 8000


def tone(hz: float, seconds: float = 1.0, rate: int = RATE) -> Audio:
    return Audio(np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate).astype(np.float32), rate)


def image(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.fixture(scope="module")
def speech() -> Spectrogram:
    return TACOTRON.analyse(load(sounds.path("speech")))


@pytest.mark.parametrize("recipe", [LIBROSA, SPOOF, TACOTRON], ids=lambda recipe: recipe.name)
def test_a_file_gives_the_figure_of_the_spectrogram_in_memory(recipe, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    spectrogram = recipe.analyse(load(sounds.path("speech")))
    path = spectrogram.save(tmp_path / "speech.npz")
    in_memory = panels_of(spectrogram, max_columns=100)
    for ours, theirs in zip(panels_of(path, max_columns=100), in_memory, strict=True):
        assert np.array_equal(ours.magnitude, theirs.magnitude)
        assert (ours.start_s, ours.span_s, ours.heading) == (theirs.start_s, theirs.span_s, theirs.heading)


def test_a_spectrogram_alone_is_one_pixel_per_frame_and_row(speech: Spectrogram) -> None:
    for which, values in (("linear", speech.linear), ("mel", speech.mel)):
        picture = image(plot(speech, which=which, axes=False, max_columns=10_000))  # type: ignore[arg-type]
        assert picture.size == values.shape[::-1]
        shades = np.asarray(picture)[::-1].astype(float)
        # The recipe's values are decibels of a range of 100; the figure's range is 80.
        expected = np.clip((np.asarray(values, dtype=float) * 100 - 20) / 80, 0, 1) * 255
        assert np.abs(shades - expected).max() < 0.51


def test_the_loudest_of_each_stretch_survives() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((3, 1009), dtype=np.float32)
    for n_columns in (1, 7, 100, 1009, 5000):
        loudest = Loudest((3,), 1009, n_columns)
        for start in range(0, 1009, 37):
            loudest.push(values[:, start : start + 37])
        edges = np.linspace(0, 1009, min(n_columns, 1009), endpoint=False).astype(int)
        assert np.array_equal(loudest.values, np.maximum.reduceat(values, edges, axis=1))


def test_frames_beyond_the_promised_count_for_the_last_stretch() -> None:
    loudest = Loudest((1,), 4, 2)
    loudest.push(np.array([[1, 2, 3, 4, 5, 9]], dtype=np.float32))
    assert loudest.values.tolist() == [[2, 9]]


def test_channels_are_averaged() -> None:
    both = Audio(np.stack([tone(1000).samples, np.zeros(RATE, np.float32)]), RATE)
    each = replace(LIBROSA, channels="each").analyse(both)
    [panel] = panels_of(each, which="linear", max_columns=1000)
    np.testing.assert_allclose(panel.magnitude, each.magnitude().mean(axis=0), rtol=1e-6)


def test_a_mel_array_of_powers_is_drawn_as_its_root() -> None:
    recipe = replace(LIBROSA, mel=MelBands(n_mels=20, power=2.0))
    spectrogram = recipe.analyse(tone(1000))
    [panel] = panels_of(spectrogram, which="mel", max_columns=1000)
    np.testing.assert_allclose(panel.magnitude**2, spectrogram.mel_magnitude(), rtol=1e-5)


def test_time_begins_where_the_trimmed_sound_begins(speech: Spectrogram) -> None:
    origin = speech.origin
    for panel in panels_of(speech, max_columns=50):
        assert panel.start_s == origin.start / origin.analysis_rate > 0.1
        assert panel.span_s == pytest.approx(origin.n_trimmed / origin.analysis_rate, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_tone_lies_at_its_frequency_and_time(rate: int) -> None:
    samples = np.concatenate([np.zeros(rate, np.float32), tone(1000, 1.0, rate).samples])
    for panel in panels_of(Audio(samples, rate), max_columns=100):
        row, column = np.unravel_index(panel.magnitude.argmax(), panel.magnitude.shape)
        assert panel.row_hz[row] == pytest.approx(1000, abs=40)
        assert column * panel.span_s / panel.magnitude.shape[1] > 0.9
        assert panel.span_s == 2.0
        # No band is empty.
        assert (panel.magnitude[:, column] > 0).all()


def test_a_sound_file_gives_the_figure_of_the_sound_in_memory(tmp_path: Path) -> None:
    audio = load(sounds.path("music"))
    path = save(tmp_path / "music.wav", audio)
    for ours, theirs in zip(panels_of(path, max_columns=300), panels_of(audio, max_columns=300), strict=True):
        np.testing.assert_allclose(ours.magnitude, theirs.magnitude, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".jpg", b"\xff\xd8"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_suffix_chooses_the_format_and_nothing_depends_on_the_date(
    suffix: str, begin: bytes, tmp_path: Path, speech: Spectrogram
) -> None:
    path = tmp_path / "deep" / f"figure{suffix}"
    data = plot(speech, path, title="50 % of $\\frac$ _and_", max_columns=50)
    assert data.startswith(begin)
    assert path.read_bytes() == data
    assert plot(speech, path, title="50 % of $\\frac$ _and_", max_columns=50) == data
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("title", ["\udcff.flac", "雪.flac", "a[b]\n$", "x" * 300])
def test_any_name_can_be_a_title(title: str, speech: Spectrogram) -> None:
    assert image(plot(speech, title=title, max_columns=20, dpi=40)).size == (400, 224)


def test_axes_and_bar_are_there_on_request(speech: Spectrogram) -> None:
    options = [(True, None), (True, False), (False, True), (False, None)]
    figures = [plot(speech, axes=axes, colour_bar=bar, max_columns=50, dpi=40) for axes, bar in options]
    assert len(set(figures)) == 4
    assert {image(figure).size for figure in figures} == {(400, 208)}


def test_a_line_that_lies_between_two_pixels_is_drawn() -> None:
    magnitude = np.zeros((4001, 3000), np.float32)
    magnitude[2003] = magnitude[:, 1501] = 1.0
    panel = Panel(magnitude=magnitude, row_hz=np.arange(4001.0), span_s=3.0)
    pixels = np.asarray(image(figure_png([panel], colormap="gray", colour_bar=False, dpi=60, max_columns=10_000)))
    inner = pixels[20:-40, 60:-20, 0]
    assert (inner.max(axis=0) == 255).all()
    assert (inner.max(axis=1) == 255).all()


def test_long_sounds_are_marked_in_minutes() -> None:
    panel = Panel(magnitude=np.ones((2, 2)), row_hz=np.arange(2.0), start_s=0.5, span_s=3599.0)
    assert time_ticks(panel)[:2] == [(600.0, "0:10:00"), (1200.0, "0:20:00")]
    assert len(time_ticks(panel)) == 5


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(RATE * 120).astype(np.float32)
    path = LIBROSA.analyse(Audio(noise, RATE)).save(tmp_path / "noise.npz")
    short = LIBROSA.analyse(Audio(noise[: RATE * 30], RATE)).save(tmp_path / "short.npz")
    plot(short, which="linear", axes=False)
    most = []
    for file in (short, path):
        tracemalloc.start()
        plot(file, which="linear", axes=False, max_columns=200)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] * 1.5 + 9e6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"which": "left"}, "which='left'"),
        ({"max_columns": 0}, "max_columns=0"),
        ({"range_db": 0}, "range_db=0"),
        ({"colormap": "nope"}, "'nope'"),
        ({"path": "figure.gif"}, "figure.gif"),
        ({"path": "figure.svg", "axes": False, "which": "mel"}, "use one of them, or axes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, object], words: str, speech: Spectrogram) -> None:
    with pytest.raises(ParameterError, match=words):
        plot(speech, **options)  # type: ignore[arg-type]


def test_an_array_that_is_not_there_is_refused(speech: Spectrogram, tmp_path: Path) -> None:
    only_mel = replace(speech, linear=None)
    assert image(plot(only_mel, dpi=40)).size == (400, 104)
    with pytest.raises(ParameterError, match="holds only the mel array"):
        plot(only_mel.save(tmp_path / "mel.npz"), which="linear")


def test_a_picture_of_ours_is_drawn_on_the_time_line_of_its_recording(tmp_path: Path) -> None:
    [drawn] = draw_picture_files([sounds.path("speech")], tmp_path, LIBROSA, Style(piece_s=2.0))
    spectrogram = LIBROSA.analyse(load(sounds.path("speech")))
    [whole] = panels_of(spectrogram, which="linear", max_columns=10_000)
    for given in (drawn.files[1], Picture.open(drawn.files[1])):
        [panel] = panels_of(given, max_columns=10_000)
        n_frames = panel.magnitude.shape[1]
        assert panel.start_s == pytest.approx(2.0, abs=0.02)
        assert panel.span_s == pytest.approx(2.0, abs=0.02)
        ours, theirs = panel.magnitude, whole.magnitude[:, n_frames : 2 * n_frames]
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=whole.peak * 1.1e-5)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_text("text")
    (tmp_path / "bad.wav").write_text("text")
    with pytest.raises(ArtifactError, match=r"bad\.npz"):
        plot(tmp_path / "bad.npz")
    with pytest.raises(AudioFileError, match=r"bad\.wav"):
        plot(tmp_path / "bad.wav")
    Image.new("L", (3, 3)).save(tmp_path / "stranger.png")
    with pytest.raises(ImageFileError, match="nothing says what its pixels mean"):
        plot(tmp_path / "stranger.png")
    with pytest.raises(ParameterError, match="samples are empty"):
        plot(Audio(np.zeros(0, np.float32), RATE))


def test_an_unknown_colour_map_is_said_once_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="colormap='nope'"):
        plot_files([sounds.path("speech"), sounds.path("music")], tmp_path, colormap="nope")
