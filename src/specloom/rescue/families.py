"""The programs whose pictures are known: what each always does, from its source.

sox spectrogram (``spectrogram.c``), ffmpeg showspectrumpic (``avf_showspectrum.c``), riffusion
(``spectrogram_params.py``, ``image_util.py``), matplotlib figures (librosa's specshow).
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.windows import window_of
from specloom.rescue.levels import Mapping

if TYPE_CHECKING:
    from specloom.io.image import Image
    from specloom.rescue.reading import Reading

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a program's pictures have in common; None where the picture or the caller must say.

    Parameters
    ----------
    name : str
        "matplotlib", "sox", "ffmpeg", "riffusion" or "unknown".
    sure : float
    why : str
        How it was recognised, or "".
    mapping : Mapping or None
        What its levels mean.
    colormap : str or None
    sample_rate, n_fft, win_length, hop_length : int or None
    columns : {"frames", "sox", "ffmpeg", "segments"}
        How columns follow from the recording's length: see `spacing` and `of_segments`.
    law : str or None
        Of the frequency axis, when the program has one only.
    min_hz, max_hz : float or None
    mel_power : float
        What its mel bands are sums of: magnitudes (1) or powers (2).
    believes_level_ticks : bool
        Whether the labels of its colour bar are right.
    channels : tuple of int
        Of a colour picture: which of R, G, B hold a channel of sound each; () when colours are levels.
    """

    name: str = "unknown"
    sure: float = 0.0
    why: str = ""
    mapping: Mapping | None = None
    colormap: str | None = None
    sample_rate: int | None = None
    n_fft: int | None = None
    win_length: int | None = None
    hop_length: int | None = None
    columns: str = "frames"
    law: str | None = None
    min_hz: float | None = None
    max_hz: float | None = None
    mel_power: float = 2.0
    believes_level_ticks: bool = True
    channels: tuple[int, ...] = ()

    def spacing(self, n_samples: int, n_columns: int) -> int | None:
        """Samples from one column to the next in a picture of ``n_samples``, where the program has a rule."""
        if self.columns == "ffmpeg":
            return max(1, n_samples // n_columns)
        if self.columns == "sox":
            return _sox_spacing(n_samples, n_columns, self.n_fft or 1024)
        return None

    @property
    def centred(self) -> bool:
        """Whether frames are centred on their instants, or begin there (ffmpeg)."""
        return self.columns != "ffmpeg"

    def first_centre(self, spacing: int) -> float:
        """The sample that the first column stands for; sox's stands for the middle of its step."""
        return spacing / 2 if self.columns == "sox" else 0.0

    def full_scale(self, config: StftConfig) -> float | None:
        """The magnitude of level 1 (0 dB), where the program's decibels are those of full scale."""
        window = window_of(config)
        if self.name == "sox":
            return float(window.sum() / 2)
        if self.columns == "ffmpeg":
            return float(np.square(window).sum())
        return None


def _sox_spacing(n_samples: int, n_columns: int, n_fft: int) -> int:
    """800 columns unless told otherwise; hops of at most half a window, as many to a column as it needs."""
    for width in (800, n_columns):
        block = max(1, n_samples // width)
        step = int(block / np.ceil(block / (n_fft / 2)) + 0.5)
        spacing = step * int(block / step + 0.5)
        if abs(min(width, n_samples / spacing) - n_columns) <= 2:
            return spacing
    return max(1, round(n_samples / n_columns))


def columns_are_segments(magnitude: Floats, spacing: float) -> bool:
    """Whether each column was drawn from the samples between it and the next alone.

    The inverse transform of the squared magnitude is a frame's autocorrelation, and it ends where the frame does:
    nothing beyond ``spacing`` then, and the rest of a long window otherwise.

    Parameters
    ----------
    magnitude : float32 array, shape ``(n_rows, n_columns)``
        All bins of the transform but the last.
    spacing : float
        Samples from column to column.
    """
    n_rows = magnitude.shape[0]
    if 1.1 * spacing >= 0.97 * n_rows:
        return False
    columns = magnitude[:, :: max(1, magnitude.shape[1] // 500)].astype(np.float64)
    power = np.square(np.pad(columns, ((0, 1), (0, 0))))
    power /= np.maximum(power.sum(axis=0), 1e-30)
    energy = np.square(np.fft.irfft(power, axis=0)[:n_rows]).mean(axis=1)
    beyond = energy[int(1.1 * spacing) :].sum() / max(float(energy[8:].sum()), 1e-30)
    return bool(beyond < _NOTHING_BEYOND)


def of_segments(family: Family, spacing: float) -> Family:
    """ffmpeg from version 5.1 on, which draws each column from the samples between it and the next alone.

    It lays the beginning of the long window over those few samples, so what is seen is soft and neighbours have nothing
    in common. The window that serves to hear them is as long as what the rising part lets through.
    """
    window = max(32, round(0.75 * spacing))
    return replace(family, n_fft=max(256, 1 << int(np.ceil(np.log2(window)))), win_length=window, columns="segments")


_NOTHING_BEYOND = 0.005
"""Measured on speech: 0.0001 to 0.0035 for segments, 0.013 to 0.9 for overlapping windows."""

UNKNOWN = Family()

# --- recognising -----------------------------------------------------------------------------------------------------


def recognise_family(image: Image, reading: Reading, colormap: str | None) -> Family:
    """The family of a picture.

    Parameters
    ----------
    image : Image
        Whose EXIF tags and texts may name it.
    reading : Reading
        Whose layout may be a program's own.
    colormap : str or None
        The colour map that the panel's colours lie on, if they lie on one closely.
    """
    found = _riffusion(image, reading)
    if found is not None:
        return found
    rows = reading.panel.height
    if reading.family == "sox" or (reading.family is None and colormap == "sox"):
        why = "its layout is that of sox spectrogram" if reading.family else "its colours are sox's"
        return sox(rows, sure=0.98 if reading.family else 0.85, why=why)
    if reading.family == "ffmpeg" or (reading.family is None and colormap == "ffmpeg-intensity"):
        why = "its layout is that of ffmpeg showspectrumpic" if reading.family else "its colours are ffmpeg's"
        return ffmpeg(rows, sure=0.98 if reading.family else 0.85, why=why)
    if reading.family == "matplotlib" or "matplotlib" in image.texts.get("Software", "").lower():
        why = "its layout is matplotlib's" if reading.family else "its file says that matplotlib wrote it"
        return Family(name="matplotlib", sure=0.95, why=why)
    return UNKNOWN


def sox(n_rows: int, *, sure: float, why: str) -> Family:
    """Hann window of twice the height (without Nyquist's row), hops of at most half of it, 120 dB of full scale."""
    n_fft = 2 * (n_rows - 1)
    return Family(
        name="sox", sure=sure, why=why, mapping=Mapping(range_db=120.0), colormap="sox", n_fft=n_fft, win_length=n_fft,
        columns="sox", law="linear",
    )  # fmt: skip


def ffmpeg(n_rows: int, *, sure: float, why: str) -> Family:
    """Hann window of twice the height, uncentred, a column per ``n_samples // width``, 120 dB whatever its bar says."""
    n_fft = 2 * n_rows
    return Family(
        name="ffmpeg", sure=sure, why=why, mapping=Mapping(range_db=120.0), colormap="ffmpeg-intensity", n_fft=n_fft,
        win_length=n_fft, columns="ffmpeg", law="linear", believes_level_ticks=False,
    )  # fmt: skip


_RATE, _STEREO, _STEP_MS, _WINDOW_MS, _BANDS, _LOW_HZ, _HIGH_HZ, _POWER = (
    11000, 11005, 11010, 11020, 11040, 11050, 11060, 11070,
)  # fmt: skip


def _riffusion(image: Image, reading: Reading) -> Family | None:
    if _RATE in image.exif:
        return riffusion(image.exif, sure=0.99, why="its EXIF tags are riffusion's")
    height = image.pixels.shape[0]
    plain = reading.family is None and not reading.frequency_ticks and reading.panel.height == height == 512
    if plain and image.pixels.ndim == 3 and image.pixels.dtype == np.uint8:
        why = "512 rows of gray without axes, white for silence, stored as RGB, are riffusion's form"
        red, green, blue = (image.pixels[..., k].astype(np.int16) for k in range(3))
        if np.abs(red - green).max() <= 2 and np.abs(red - blue).max() <= 2 and red.mean() > 128:
            return riffusion({}, sure=0.6, why=why)
    return None


def riffusion(tags: MappingType[int, Any], *, sure: float, why: str) -> Family:
    """The settings of riffusion's EXIF tags; its defaults where a tag is missing or 0."""

    def tag(number: int, default: float) -> float:
        value = tags.get(number)
        return float(value) if value else default

    rate = int(tag(_RATE, 44100))
    window = int(tag(_WINDOW_MS, 100) / 1000 * rate)
    return Family(
        name="riffusion", sure=sure, why=why, mapping=Mapping(range_db=None, exponent=tag(_POWER, 0.25)),
        colormap="gray-inverted", sample_rate=rate, n_fft=1 << int(np.ceil(np.log2(3.5 * window))),
        win_length=window, hop_length=int(tag(_STEP_MS, 10) / 1000 * rate), law="mel-htk", min_hz=tag(_LOW_HZ, 0.0),
        max_hz=min(tag(_HIGH_HZ, 10000.0), rate / 2), mel_power=1.0, channels=(1, 2) if tags.get(_STEREO) else (0,),
    )  # fmt: skip
