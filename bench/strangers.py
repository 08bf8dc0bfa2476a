"""Pictures of spectrograms as other programs draw them, of the recordings that are measured."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import librosa.display
import numpy as np
import numpy.typing as npt
import soundfile

import specloom
from peers import librosa_magnitude, sizes
from settings import SAMPLE_RATE
from specloom.config import StftConfig

Samples = npt.NDArray[np.float32]
Draw = Callable[[Samples, Path], None]
DPI = 100
RIFFUSION_RATE = 44_100


def decibels(samples: Samples, config: StftConfig) -> npt.NDArray[Any]:
    return librosa.amplitude_to_db(librosa_magnitude(samples, config), ref=np.max, top_db=80)


def bare_specshow(config: StftConfig, colormap: str, size: tuple[int, int] | None) -> Draw:
    """specshow without axes, of ``size`` (width, height), or as large as shows each bin and frame."""

    def draw(samples: Samples, path: Path) -> None:
        levels = decibels(samples, config)
        width, height = size or (max(900, levels.shape[1] + 40), levels.shape[0] + 75)
        figure, axes = _figure(width, height)
        axes.set_position([0, 0, 1, 1])
        librosa.display.specshow(levels, sr=SAMPLE_RATE, ax=axes, cmap=colormap)
        axes.axis("off")
        _save(figure, path)

    return draw


def full_specshow(config: StftConfig, colormap: str, y_axis: str, n_mels: int | None = None) -> Draw:
    """specshow with axes, title and colour bar."""

    def draw(samples: Samples, path: Path) -> None:
        levels = decibels(samples, config)
        if n_mels:
            power = librosa.feature.melspectrogram(y=samples, sr=SAMPLE_RATE, n_mels=n_mels, **sizes(config))
            levels = librosa.power_to_db(power, ref=np.max, top_db=80)
        figure, axes = _figure(1600, 800 if n_mels else 1500)
        mesh = librosa.display.specshow(
            levels, sr=SAMPLE_RATE, hop_length=config.hop_length, n_fft=config.n_fft, x_axis="time", y_axis=y_axis,
            ax=axes, cmap=colormap,
        )  # fmt: skip
        axes.set_title("A spectrogram")
        figure.colorbar(mesh, ax=axes, format="%+2.0f dB")
        _save(figure, path)

    return draw


def saved_as_jpeg(draw: Draw, quality: int) -> Draw:
    """The same picture as a JPEG; the reader goes by its content, whatever its name is."""
    from PIL import Image

    def draw_and_save(samples: Samples, path: Path) -> None:
        original = path.with_suffix(".original.png")
        draw(samples, original)
        with Image.open(original) as picture:
            picture.convert("RGB").save(path, format="JPEG", quality=quality)

    return draw_and_save


def _figure(width: int, height: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=DPI)


def sox(samples: Samples, path: Path) -> None:
    """Its defaults."""
    sound = _written(samples, path)
    subprocess.run(["sox", str(sound), "-n", "spectrogram", "-o", str(path)], check=True, capture_output=True)


def ffmpeg(size: str) -> Draw:
    """``showspectrumpic`` of a size ("4096x2048" is its default)."""

    def draw(samples: Samples, path: Path) -> None:
        command = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(_written(samples, path))]
        subprocess.run([*command, "-lavfi", f"showspectrumpic=s={size}", str(path)], check=True)

    return draw


def available(program: str) -> bool:
    return shutil.which(program) is not None


def _written(samples: Samples, path: Path) -> Path:
    sound = path.with_suffix(".wav")
    soundfile.write(sound, samples, SAMPLE_RATE, subtype="PCM_16")
    return sound


def old_ffmpeg(width: int, height: int) -> Draw:
    """What showspectrumpic drew before version 5.1, by its source, without the legend: overlapping windows."""
    from PIL import Image

    from specloom.pixels.colormaps import colourise

    def draw(samples: Samples, path: Path) -> None:
        window = np.hanning(2 * height)
        hop = max(1, samples.size // width)
        padded = np.pad(samples, (0, window.size + hop * width))
        starts = np.arange(width) * hop
        spectra = np.stack([np.abs(np.fft.rfft(padded[s : s + window.size] * window))[:height] for s in starts], axis=1)
        levels = 1 + np.log10(np.clip(spectra / np.square(window).sum(), 1e-6, 1)) / 6
        Image.fromarray(colourise(levels[::-1].astype(np.float32), "ffmpeg-intensity")).save(path)

    return draw


def riffusion(samples: Samples, path: Path) -> None:
    """By the source of riffusion's converter: 512 mel bands of the magnitude, the fourth root, white for silence."""
    from PIL import Image

    sound = specloom.resample(samples, SAMPLE_RATE, RIFFUSION_RATE)
    window, n_fft, hop = RIFFUSION_RATE // 10, RIFFUSION_RATE * 4 // 10, RIFFUSION_RATE // 100
    magnitude = np.abs(librosa.stft(sound, n_fft=n_fft, hop_length=hop, win_length=window, pad_mode="reflect"))
    filters = librosa.filters.mel(
        sr=RIFFUSION_RATE, n_fft=n_fft, n_mels=512, fmin=0, fmax=10_000, htk=True, norm=None
    )  # fmt: skip
    mel = filters @ magnitude
    codes = (255 - 255 * (mel / mel.max()) ** 0.25).astype(np.uint8)
    picture = Image.fromarray(codes[::-1]).convert("RGB")
    tags = {11000: RIFFUSION_RATE, 11005: 0, 11010: 10, 11020: 100, 11030: 400, 11040: 512, 11060: 10_000, 11070: 0.25}
    exif = picture.getexif()
    exif.update(tags)
    picture.save(path, exif=exif)


def gray_screenshot(samples: Samples, path: Path) -> None:
    """As an editor for sound shows it in gray: Hann windows of 2048, 80 dB, 1000 by 600 pixels, white for silence."""
    from PIL import Image

    levels = decibels(samples, StftConfig(sample_rate=SAMPLE_RATE, n_fft=2048, hop_length=256)) / 80 + 1
    codes = np.round(255 * (1 - levels)).astype(np.uint8)[::-1]
    Image.fromarray(codes).resize((1000, 600), Image.Resampling.BILINEAR).save(path)
