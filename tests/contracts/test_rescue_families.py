"""Pictures of the shipped speech as other programs draw them, and what is heard in them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.config import MelConfig, StftConfig
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.resample import resample
from specloom.dsp.stft import stft
from specloom.errors import ImageFileError, ParameterError
from specloom.io.audio import load, save
from specloom.io.image import Image, save_image
from specloom.metrics.spectral import spectral_convergence_db
from specloom.pixels.colormaps import colourise
from specloom.rescue.layout import Box
from specloom.rescue.reading import Reading
from specloom.rescue.rescue import Rescue, rescue_picture
from specloom.rescue.ticks import Tick

RATE = 22_050
C = StftConfig(sample_rate=RATE, n_fft=2048, hop_length=512)
A = StftConfig(sample_rate=RATE, n_fft=2048, hop_length=276, win_length=1102)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Three seconds."""
    whole = load(sounds.path("speech"), channels="mono")
    return np.ascontiguousarray(resample(whole.samples, whole.sample_rate, RATE)[: 3 * RATE])


def levels_of(samples: np.ndarray, config: StftConfig, range_db: float = 80.0) -> np.ndarray:
    magnitude = np.abs(stft(samples, config))
    return np.clip(20 * np.log10(np.maximum(magnitude / magnitude.max(), 1e-9)) / range_db + 1, 0, 1)


def misfit_of(found: Rescue, samples: np.ndarray) -> float:
    """How far the magnitudes are, in dB, at the best common level; 0 is nothing in common."""
    sound = found.audio.mono().samples
    if found.audio.sample_rate != RATE:
        sound = resample(sound, found.audio.sample_rate, RATE)
    n = min(sound.size, samples.size)
    ours, truth = (np.abs(stft(np.ascontiguousarray(x[:n]), C)) for x in (sound, samples))
    ours *= (ours * truth).sum() / np.square(ours).sum()
    return float(spectral_convergence_db(ours, truth))


def value_of(found: Rescue, name: str) -> str:
    return next(a.value for a in found.assumptions if a.name == name)


def gray(codes: np.ndarray) -> Image:
    return Image(pixels=codes, format="png")


def figure(
    levels: np.ndarray, config: StftConfig, path: Path, *, axes: bool, colormap: str, y_axis: str = "linear"
) -> Path:
    """As librosa's specshow draws it: a cell for each bin and frame around its frequency and instant."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8, 14.5) if axes else (4.5, 11), dpi=100)
    FigureCanvasAgg(drawn)
    plot = drawn.add_subplot() if axes else drawn.add_axes((0, 0, 1, 1))
    frequencies = np.linspace(0, RATE / 2, levels.shape[0])
    times = np.arange(levels.shape[1]) * config.hop_length / RATE
    decibels = 80 * levels - 80
    mesh = plot.pcolormesh(times, frequencies, decibels, shading="nearest", cmap=colormap, vmin=-80, vmax=0)
    if axes:
        plot.set(title="speech", xlabel="Time", ylabel="Hz")
        drawn.colorbar(mesh, ax=plot, format="%+2.0f dB")
    else:
        plot.axis("off")
    drawn.savefig(path, dpi=100)
    return path


# --- matplotlib -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colormap", ["gray", "magma"])
@pytest.mark.parametrize("config", [A, C], ids=["A", "C"])
def test_a_bare_figure(speech: np.ndarray, tmp_path: Path, config: StftConfig, colormap: str) -> None:
    path = figure(levels_of(speech, config), config, tmp_path / "f.png", axes=False, colormap=colormap)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert found.config == config
    assert value_of(found, "colour map") == colormap
    assert misfit_of(found, speech) < -24
    assert found.audio.n_samples == speech.size
    assert not found.warnings


def test_what_looks_like_labels_inside_a_bare_figure_are_none(
    speech: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = figure(levels_of(speech, C), C, tmp_path / "f.png", axes=False, colormap="gray")
    ticks = tuple(Tick(position=100.0 * k, value=10.0**k, text=f"1e{k}") for k in range(1, 5))
    misread = Reading(
        panel=Box(left=0, top=250, right=400, bottom=1000), edges=(0.0, 250.0, 400.0, 1000.0), frequency_ticks=ticks
    )
    monkeypatch.setattr("specloom.rescue.rescue.read_figure", lambda pixels: misread)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert value_of(found, "panel") == "the whole picture"
    assert found.config == C


@pytest.mark.parametrize("config", [A, C], ids=["A", "C"])
def test_a_figure_saved_as_jpeg(speech: np.ndarray, tmp_path: Path, config: StftConfig) -> None:
    from PIL import Image as Pillow

    path = figure(levels_of(speech, config), config, tmp_path / "f.png", axes=True, colormap="magma")
    Pillow.open(path).convert("RGB").save(tmp_path / "f.jpg", quality=75)
    found = rescue_picture(tmp_path / "f.jpg", sample_rate=RATE, duration_s=3.0)
    assert (found.config.n_fft, found.config.hop_length) == (config.n_fft, config.hop_length)
    assert found.config.win_length == pytest.approx(config.win_length, rel=0.08)
    assert misfit_of(found, speech) < -15


@pytest.mark.parametrize("config", [A, C], ids=["A", "C"])
def test_a_figure_with_axes_title_and_bar(speech: np.ndarray, tmp_path: Path, config: StftConfig) -> None:
    path = figure(levels_of(speech, config), config, tmp_path / "f.png", axes=True, colormap="magma")
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert found.config == config
    assert value_of(found, "range") == "80.0 dB"
    assert misfit_of(found, speech) < -24


def test_the_labels_tell_how_long_it_is(speech: np.ndarray, tmp_path: Path) -> None:
    path = figure(levels_of(speech, C), C, tmp_path / "f.png", axes=True, colormap="viridis")
    found = rescue_picture(path, sample_rate=RATE)
    assert found.config == C
    assert found.audio.duration_s == pytest.approx(3.0, abs=0.06)
    assert misfit_of(found, speech) < -24


def drawn(levels: np.ndarray, path: Path, *, size: tuple[float, float], dpi: int, **options: Any) -> Path:
    """As imshow draws a matrix: nothing but levels, or hertz with ``extent``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi)
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    image = plot.imshow(levels, aspect="auto", interpolation="nearest", **options)
    figure.colorbar(image, ax=plot)
    figure.savefig(path, dpi=dpi)
    return path


HERTZ: dict[str, Any] = {"origin": "lower", "extent": (0, 3, 0, RATE / 2)}


def test_thick_lines_and_hardly_more_pixels_than_bins(speech: np.ndarray, tmp_path: Path) -> None:
    """The usual size at 300 dots an inch: 1109 rows for 1025 bins, five of them behind lines."""
    path = drawn(80 * levels_of(speech, C) - 80, tmp_path / "f.png", size=(6.4, 4.8), dpi=300, **HERTZ)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert found.config == C
    assert misfit_of(found, speech) < -24


@pytest.mark.parametrize("dpi", [100, 130])
def test_a_figure_smaller_than_its_bins_keeps_its_pitch(speech: np.ndarray, tmp_path: Path, dpi: int) -> None:
    levels = levels_of(speech, StftConfig(sample_rate=RATE, n_fft=2048, hop_length=256))
    path = drawn(80 * levels - 80, tmp_path / "f.png", size=(7, 5.2), dpi=dpi, **HERTZ)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert misfit_of(found, speech) < -8


@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (2048, 512), (2048, 256), (4096, 1024)])
def test_the_transform_of_a_small_figure(speech: np.ndarray, tmp_path: Path, n_fft: int, hop_length: int) -> None:
    config = StftConfig(sample_rate=RATE, n_fft=n_fft, hop_length=hop_length)
    path = drawn(80 * levels_of(speech, config) - 80, tmp_path / "f.png", size=(10, 4), dpi=100, **HERTZ)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0, quality="fast")
    assert (found.config.n_fft, found.config.hop_length) == (n_fft, hop_length)


@pytest.mark.parametrize("origin", ["lower", "upper"])
def test_an_axis_that_counts_bins(speech: np.ndarray, tmp_path: Path, origin: str) -> None:
    config = StftConfig(sample_rate=RATE, n_fft=1024, hop_length=256)
    levels = 80 * levels_of(speech, config) - 80
    path = drawn(levels, tmp_path / "f.png", size=(9, 8), dpi=100, origin=origin)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert found.config == config
    assert any("counts rows, to 513" in warning for warning in found.warnings)
    assert any("turned over" in warning for warning in found.warnings) == (origin == "upper")
    assert misfit_of(found, speech) < -24


def test_an_axis_that_counts_frames_is_no_time(speech: np.ndarray, tmp_path: Path) -> None:
    path = drawn(80 * levels_of(speech, C) - 80, tmp_path / "f.png", size=(6, 5), dpi=100, origin="lower")
    with pytest.raises(ParameterError, match="count frames"):
        rescue_picture(path, sample_rate=RATE)


def test_amplitudes_are_heard_as_such_and_told(speech: np.ndarray, tmp_path: Path) -> None:
    magnitude = np.abs(stft(speech, C))
    path = drawn(magnitude, tmp_path / "f.png", size=(6.4, 14.5), dpi=100, **HERTZ)
    found = rescue_picture(path, sample_rate=RATE, duration_s=3.0)
    assert value_of(found, "range").startswith("amplitudes")
    assert any("instead of decibels" in warning for warning in found.warnings)
    assert misfit_of(found, speech) < -15


def test_more_mel_bands_than_can_be_counted_are_places_on_their_axis(speech: np.ndarray, tmp_path: Path) -> None:
    """Rows that are not bands were once taken for bands: three semitones too high."""
    import librosa.display
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bands = MelConfig(sample_rate=RATE, n_fft=2048, n_mels=256)
    power = mel_filterbank(bands) @ np.square(np.abs(stft(speech, C)))
    decibels = np.clip(10 * np.log10(np.maximum(power / power.max(), 1e-9)), -80, 0)
    figure = Figure(figsize=(8, 3.6), dpi=100)
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    mesh = librosa.display.specshow(decibels, sr=RATE, hop_length=512, x_axis="time", y_axis="mel", ax=plot)
    figure.colorbar(mesh, ax=plot, format="%+2.0f dB")
    figure.savefig(tmp_path / "f.png")
    found = rescue_picture(tmp_path / "f.png", sample_rate=RATE, n_fft=2048, duration_s=3.0)
    assert misfit_of(found, speech) < -6


# --- sox --------------------------------------------------------------------------------------------------------------


def sox_panel(samples: np.ndarray) -> Image:
    """What ``sox -n spectrogram -r`` draws, by its source."""
    hop = samples.size // 800
    config = StftConfig(sample_rate=RATE, n_fft=1024, hop_length=hop)
    window_sum = 512.0
    shifted = samples[hop // 2 :]
    decibels = 20 * np.log10(np.maximum(np.abs(stft(shifted, config)) * 2 / window_sum, 1e-9))[:, :800]
    return gray(colourise(np.clip(decibels / 120 + 1, 0, 1)[::-1].astype(np.float32), "sox"))


def test_sox_imitated(speech: np.ndarray) -> None:
    found = rescue_picture(sox_panel(speech), sample_rate=RATE, duration_s=3.0, axes=False)
    assert found.family == "sox"
    assert misfit_of(found, speech) < -24
    ours, truth = np.square(found.audio.samples).mean(), np.square(speech).mean()
    assert 10 * np.log10(ours / truth) == pytest.approx(0.0, abs=0.5), "0 dB is full scale, so the level comes back"


@pytest.mark.skipif(shutil.which("sox") is None, reason="the program sox is not installed")
@pytest.mark.parametrize("duration", [3.0, None], ids=["duration given", "by its labels"])
def test_sox_itself(speech: np.ndarray, tmp_path: Path, duration: float | None) -> None:
    save(tmp_path / "s.wav", Audio(speech, RATE), subtype="PCM_16")
    subprocess.run(["sox", "s.wav", "-n", "spectrogram", "-o", "s.png"], cwd=tmp_path, check=True, capture_output=True)
    found = rescue_picture(tmp_path / "s.png", sample_rate=RATE, duration_s=duration)
    assert found.family == "sox"
    assert (found.config.n_fft, found.config.hop_length) == (1024, speech.size // 800)
    assert misfit_of(found, speech) < -24


@pytest.mark.skipif(shutil.which("sox") is None, reason="the program sox is not installed")
def test_sox_without_lines_around_it(tmp_path: Path) -> None:
    """Silence is black like the paper then, and the panel seems to end below it."""
    rate = 22_050
    low = np.random.default_rng(0).standard_normal(3 * rate).astype(np.float32)
    spectrum = np.fft.rfft(low)
    spectrum[spectrum.size * 3 // 4 :] = 0
    low = (np.fft.irfft(spectrum) * 0.05).astype(np.float32)
    save(tmp_path / "s.wav", Audio(low, rate))
    command = ["sox", "-D", "s.wav", "-n", "spectrogram", "-a", "-z", "60", "-o", "s.png"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = rescue_picture(tmp_path / "s.png", sample_rate=rate, duration_s=3.0)
    assert found.config.n_fft == 1024
    assert not found.magnitude[400:].max() > 0.05 * found.magnitude.max()


# --- ffmpeg -----------------------------------------------------------------------------------------------------------


def ffmpeg_panel(samples: np.ndarray, *, overlap: bool, width: int = 512, height: int = 512) -> Image:
    """What showspectrumpic draws without its legend, before and from version 5.1 on."""
    window, hop = np.hanning(2 * height), samples.size // width
    n = window.size if overlap else hop
    padded = np.pad(samples, (0, window.size))
    frames = np.stack([padded[t * hop : t * hop + n] * window[:n] for t in range(width)])
    magnitude = np.abs(np.fft.rfft(frames, n=window.size, axis=1))[:, :height].T / np.square(window).sum()
    levels = 1 + np.log10(np.clip(magnitude, 1e-6, 1)) / 6
    return gray(colourise(levels[::-1].astype(np.float32), "ffmpeg-intensity"))


def test_ffmpeg_before_5_1(speech: np.ndarray) -> None:
    found = rescue_picture(ffmpeg_panel(speech, overlap=True), sample_rate=RATE, duration_s=3.0, axes=False)
    assert found.family == "ffmpeg"
    assert misfit_of(found, speech) < -24


def test_ffmpeg_without_overlap_is_told(speech: np.ndarray) -> None:
    found = rescue_picture(ffmpeg_panel(speech, overlap=False, width=256), sample_rate=RATE, duration_s=3.0, axes=False)
    assert found.family == "ffmpeg"
    assert any("5.1" in warning for warning in found.warnings)
    assert misfit_of(found, speech) < -2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
def test_ffmpeg_itself(speech: np.ndarray, tmp_path: Path) -> None:
    save(tmp_path / "s.wav", Audio(speech, RATE), subtype="PCM_16")
    command = ["ffmpeg", "-loglevel", "error", "-i", "s.wav", "-lavfi", "showspectrumpic=s=256x512", "s.png"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = rescue_picture(tmp_path / "s.png", sample_rate=RATE, duration_s=3.0)
    assert found.family == "ffmpeg"
    assert misfit_of(found, speech) < -2


# --- riffusion --------------------------------------------------------------------------------------------------------


def riffusion_codes(samples: np.ndarray) -> np.ndarray:
    """512 rows by its converter's source."""
    sound = resample(samples, RATE, 44_100)
    config = StftConfig(sample_rate=44_100, n_fft=17_640, hop_length=441, win_length=4_410)
    bands = MelConfig(sample_rate=44_100, n_fft=17_640, n_mels=512, fmax_hz=10_000, scale="htk", norm=None)
    mel = mel_filterbank(bands) @ np.abs(stft(sound, config))
    return (255 - 255 * (mel / mel.max()) ** 0.25).astype(np.uint8)[::-1]


def test_riffusion_by_its_tags(speech: np.ndarray) -> None:
    codes = riffusion_codes(speech)
    tags = {11000: 44_100, 11010: 10, 11020: 100, 11030: 400, 11040: 512, 11060: 10_000, 11070: 0.25}
    found = rescue_picture(Image(pixels=np.repeat(codes[..., None], 3, axis=2), format="png", exif=tags))
    assert (found.family, found.audio.sample_rate) == ("riffusion", 44_100)
    assert misfit_of(found, speech) < -22


def test_riffusion_without_tags_and_in_stereo(speech: np.ndarray) -> None:
    codes = riffusion_codes(speech[: 2 * RATE])
    guessed = rescue_picture(gray(np.repeat(codes[..., None], 3, axis=2)))
    assert guessed.family == "riffusion"
    assert misfit_of(guessed, speech[: 2 * RATE]) < -22
    both = np.stack([np.zeros_like(codes), codes, np.full_like(codes, 255)], axis=2)
    stereo = rescue_picture(Image(pixels=both, format="png", exif={11000: 44_100, 11005: True}))
    assert stereo.audio.n_channels == 2
    assert np.abs(stereo.audio.samples[0]).max() == pytest.approx(0.75, abs=0.01)
    assert not stereo.audio.samples[1].any()


# --- gray, any axis ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inverted", [False, True])
def test_gray_either_way_one_pixel_a_bin_and_frame(speech: np.ndarray, inverted: bool) -> None:
    levels = levels_of(speech, C)[::-1]
    found = rescue_picture(
        gray(np.round(255 * (1 - levels if inverted else levels)).astype(np.uint8)), sample_rate=RATE, duration_s=3.0
    )
    assert value_of(found, "colour map") == ("gray-inverted" if inverted else "gray")
    assert found.config == C
    assert misfit_of(found, speech) < -24


@pytest.mark.parametrize("law", ["linear", "mel", "log"])
def test_the_axis_is_told_by_partials(speech: np.ndarray, law: str) -> None:
    from specloom.rescue.frequency_axis import default_axis

    rows_hz = default_axis(law, None, RATE / 2).rows_hz(450)
    bins = np.clip(np.round(rows_hz / (RATE / 2048)).astype(int), 0, 1024)
    picture = gray(np.round(255 * levels_of(speech, A)[bins][::-1]).astype(np.uint8))
    found = rescue_picture(picture, sample_rate=RATE, duration_s=3.0, axes=False)
    assert value_of(found, "frequency axis") == law
    assert misfit_of(found, speech) < -12


def test_mel_bands(speech: np.ndarray) -> None:
    bands = MelConfig(sample_rate=RATE, n_fft=2048, n_mels=128)
    power = mel_filterbank(bands) @ np.square(np.abs(stft(speech, C)))
    levels = np.clip(10 * np.log10(np.maximum(power / power.max(), 1e-9)) / 80 + 1, 0, 1)
    picture = gray(np.round(255 * levels[::-1]).astype(np.uint8))
    found = rescue_picture(picture, sample_rate=RATE, n_fft=2048, hop_length=512, scale="mel")
    assert value_of(found, "mel bands") == "128"
    assert misfit_of(found, speech) < -15


# --- what is no spectrogram -------------------------------------------------------------------------------------------


def smooth_photograph() -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    blobs = sum(s * gaussian_filter(rng.standard_normal((300, 400)), s) for s in (2, 8, 30))
    return np.asarray(np.round(255 * (blobs - blobs.min()) / np.ptp(blobs)), dtype=np.uint8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def writing() -> np.ndarray:
    page = np.full((300, 400, 3), 255, np.uint8)
    marks = np.random.default_rng(0).random((300, 400)) < 0.4
    lines = (np.arange(300) // 12 % 2 == 0)[:, None] & (np.arange(400) // 5 % 4 != 0)[None, :]
    page[marks & lines] = 0
    return page


@pytest.mark.parametrize(
    "pixels",
    [smooth_photograph(), noise(300, 400), noise(513, 400), noise(300, 400, 3), writing()],
    ids=["photograph", "noise", "noise of 513 rows", "coloured noise", "writing"],
)
def test_what_is_no_spectrogram_is_soft_and_told(pixels: np.ndarray) -> None:
    found = rescue_picture(gray(pixels), sample_rate=RATE, duration_s=2.0)
    assert found.warnings
    assert np.abs(found.audio.samples).max() <= 0.11


def test_axes_alone_do_not_make_a_spectrogram(tmp_path: Path) -> None:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(np.random.default_rng(0).standard_normal((300, 400)), 12)
    path = drawn(smooth, tmp_path / "f.png", size=(6.4, 4.8), dpi=100, cmap="gray")
    found = rescue_picture(path, sample_rate=RATE, duration_s=2.0)
    assert any("no spectrogram" in warning for warning in found.warnings)
    assert np.abs(found.audio.samples).max() <= 0.11


def test_a_photograph_that_fits_a_transform_is_told(speech: np.ndarray) -> None:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(np.random.default_rng(0).standard_normal((513, 300)), 25)
    codes = np.asarray(np.round(255 * (smooth - smooth.min()) / np.ptp(smooth)), dtype=np.uint8)
    found = rescue_picture(gray(codes), sample_rate=RATE, duration_s=2.0)
    assert any("photograph" in warning or "no spectrogram" in warning for warning in found.warnings)
    voice = rescue_picture(
        gray(np.round(255 * levels_of(speech, C)[::-1]).astype(np.uint8)), sample_rate=RATE, duration_s=3.0
    )
    assert not voice.warnings


def test_a_picture_on_its_head_is_told(speech: np.ndarray) -> None:
    found = rescue_picture(
        gray(np.round(255 * levels_of(speech, C)).astype(np.uint8)), sample_rate=RATE, duration_s=3.0
    )
    assert any("on its head" in warning for warning in found.warnings)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (300, 400), (40, 30, 3)])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_one_colour_is_silence_and_told(shape: tuple[int, ...], value: int) -> None:
    found = rescue_picture(gray(np.full(shape, value, np.uint8)), sample_rate=RATE, duration_s=1.0)
    assert not found.audio.samples.any()
    assert found.audio.n_samples == RATE
    assert any("nothing to hear" in warning for warning in found.warnings)


def test_a_very_wide_picture(speech: np.ndarray) -> None:
    levels = np.tile(levels_of(speech, C)[::8], (1, 240))[:, :30_000]
    codes = np.round(250 * levels[::-1]) + np.random.default_rng(0).integers(0, 3, levels.shape)
    found = rescue_picture(gray(codes.astype(np.uint8)), sample_rate=8_000, hop_length=64, quality="fast")
    assert found.config.n_fft == 256
    assert found.audio.duration_s == pytest.approx(240.0, abs=0.1)


# --- what is asked and refused ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture(speech: np.ndarray) -> Image:
    return gray(np.round(255 * levels_of(speech, C)[::-1]).astype(np.uint8))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_rate": None, "duration_s": 1.0}, "--sample-rate"),
        ({}, "--duration"),
        ({"max_hz": 12_000.0}, "above half the sample rate"),
        ({"max_hz": -1.0}, "max_hz"),
        ({"min_hz": -5.0}, "min_hz"),
        ({"min_hz": 500.0, "max_hz": 400.0}, "min_hz"),
        ({"hop_length": 0}, "hop_length"),
        ({"n_fft": -4}, "n_fft"),
        ({"n_fft": 512, "win_length": 1024}, "win_length"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"duration_s": 0.0}, "duration_s"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"range_db": -80.0}, "range_db"),
        ({"scale": "cubic"}, "scale"),
        ({"scale": "log", "min_hz": 0.0}, "min_hz"),
        ({"quality": "good"}, "quality"),
        ({"colormap": "rainbowish", "duration_s": 3.0}, "rainbowish"),
    ],
)
def test_impossible_and_missing_values(picture: Image, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        rescue_picture(picture, **{"sample_rate": RATE, **options})


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(ImageFileError):
        rescue_picture(tmp_path / "a.png", sample_rate=RATE, duration_s=1.0)


def test_the_same_picture_gives_the_same_sound_from_a_file_and_from_memory(picture: Image, tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", picture.pixels)
    first, second = (rescue_picture(source, sample_rate=RATE, duration_s=3.0) for source in (path, picture))
    np.testing.assert_array_equal(first.audio.samples, second.audio.samples)


@pytest.mark.parametrize(
    ("options", "name", "option"),
    [
        ({"n_fft": 2048}, "n_fft", "--n-fft"),
        ({"hop_length": 512}, "hop", "--hop"),
        ({"win_length": 2048}, "window", "--win-length"),
        ({"range_db": 80.0}, "range", "--range-db"),
        ({"colormap": "gray"}, "colour map", "--colormap"),
        ({"scale": "linear"}, "frequency axis", "--scale"),
        ({"max_hz": 11_025.0}, "highest frequency", "--max-hz"),
        ({"axes": False}, "panel", "--axes"),
    ],
)
def test_what_is_given_is_said_to_be_given(picture: Image, options: dict[str, Any], name: str, option: str) -> None:
    found = rescue_picture(picture, sample_rate=RATE, duration_s=3.0, quality="fast", **options)
    told = next(a for a in found.assumptions if a.name == name)
    assert (told.how, told.option, told.sure) == ("given", option, 1.0)
    assert found.config == C


def test_a_sound_is_never_above_full_scale(speech: np.ndarray) -> None:
    loud = sox_panel(speech * np.float32(3.0 / np.abs(speech).max()))
    found = rescue_picture(loud, sample_rate=RATE, duration_s=3.0, axes=False)
    assert np.abs(found.audio.samples).max() <= 1.0


def test_what_contradicts_the_labels_is_obeyed_and_told(speech: np.ndarray, tmp_path: Path) -> None:
    path = figure(levels_of(speech, C), C, tmp_path / "f.png", axes=True, colormap="magma")
    found = rescue_picture(path, sample_rate=RATE, duration_s=1.5, scale="log", quality="fast")
    assert found.audio.duration_s == pytest.approx(1.5)
    assert any("by --duration, which was obeyed" in warning for warning in found.warnings)
    assert any("labels follow a 'linear' axis" in warning for warning in found.warnings)
    assert not any("above half the sample rate" in warning for warning in found.warnings)
