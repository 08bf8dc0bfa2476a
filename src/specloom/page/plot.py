"""Figures of spectrograms for people: the linear and the mel array, alone or both, of files that may be hours long.

A file is read block by block, and of each column's stretch of frames only the loudest is kept, so memory does not grow
with the length of the sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from specloom.audio import Audio
from specloom.dsp.stream import stft_blocks
from specloom.errors import ImageFileError, ParameterError
from specloom.io.atomic import written_beside
from specloom.page.figure import FigureFormat, Panel, display_config, figure_file, linear_panel, mel_panel, plain_png
from specloom.recipes.analysis import choose_channels, mel_of
from specloom.recipes.recipe import Frames, MelBands, Recipe
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Spectrogram, remembered_peak
from specloom.recipes.spectrogram_file import ARRAYS, ArrayName, SpectrogramFile
from specloom.recipes.streaming_synthesis import FrameSource

if TYPE_CHECKING:
    from specloom.pictures import Picture, PictureSettings

Which = Literal["both", "linear", "mel"]

FORMATS: dict[str, FigureFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".svg": "svg", ".pdf": "pdf"}

_BLOCK_FRAMES = 2048
_BLOCK_SAMPLES = 1 << 18
# Enough bands to see a voice, few enough that none is empty at 8 kHz.
_N_MELS = 80


def plot(
    spectrogram: Spectrogram | Picture | FrameSource | Audio | str | PathLike[str],
    path: str | PathLike[str] | None = None,
    *,
    which: Which = "both",
    axes: bool = True,
    colour_bar: bool | None = None,
    range_db: float = 80.0,
    colormap: str = "magma",
    title: str = "",
    max_columns: int = 2000,
    dpi: int = 120,
) -> bytes:
    """Draw a spectrogram for people: the linear and the mel array, each alone or both in one figure.

    Such a figure is for looking. A picture that can be heard again is made by `specloom.picture`.

    Parameters
    ----------
    spectrogram : Spectrogram, Picture, Audio, path, or an open spectrogram file
        A path is that of a spectrogram file, of a picture of ours, or of a sound file. Sound is transformed with a
        window of about 46 ms and 80 mel bands, its channels averaged.
    path : path-like, optional
        Where to write the figure; its suffix chooses the format: .png, .jpg, .jpeg, .svg or .pdf. Written whole or not
        at all; missing folders are made.
    which : {"both", "linear", "mel"}
        "both" draws what is there.
    axes : bool
        Time in seconds and frequency in hertz beside it. One array without axes and without a colour bar is the
        spectrogram alone: one pixel per frame and row (.png or .jpg only).
    colour_bar : bool, optional
        Say which colour is how many decibels below the loudest value of the array. Goes with the axes if not given.
    range_db : float
        Decibels from the brightest colour to the darkest.
    colormap : str
        Any that matplotlib knows.
    title : str
    max_columns : int
        More frames than this are reduced to as many, by the loudest of each stretch.
    dpi : int
        Of a figure that is 10 inches wide. Pixels stay pixels in a spectrogram alone.

    Returns
    -------
    bytes
        The figure, PNG when no path is given.

    Raises
    ------
    ParameterError
        When the array asked for is not there, the suffix is unknown, or a value cannot be drawn with.
    ArtifactError, AudioFileError, ImageFileError
        When the file cannot be read.

    Notes
    -----
    Of several channels the mean of the magnitudes is drawn. What the recipe trimmed away is not drawn, and the time
    axis begins where it ends.

    Law: the same figure from a spectrogram file as from the same spectrogram in memory (tests/contracts/test_plot.py).

    Examples
    --------
    >>> import numpy as np
    >>> from specloom import Audio
    >>> tone = Audio(np.sin(0.3 * np.arange(8000.0)), 8000)
    >>> plot(tone, which="mel", axes=False)[:4]
    b'\\x89PNG'
    """
    file_format = _format_of(path)
    if which not in get_args(Which):
        raise ParameterError(f"which={which!r}: allowed are {', '.join(map(repr, get_args(Which)))}")
    if max_columns < 1:
        raise ParameterError(f"max_columns={max_columns}: at least 1 is needed")
    bar = axes if colour_bar is None else colour_bar
    panels = panels_of(spectrogram, which=which, max_columns=max_columns)
    if len(panels) == 1 and not (axes or bar or title):
        data = _alone(panels[0], file_format, range_db, colormap)
    else:
        data = figure_file(
            panels,
            file_format,
            title=title,
            range_db=range_db,
            max_columns=max_columns,
            colormap=colormap,
            axes=axes,
            colour_bar=bar,
            dpi=dpi,
        )
    if path is not None:
        with written_beside(path) as temporary:
            temporary.write_bytes(data)
    return data


def _format_of(path: str | PathLike[str] | None) -> FigureFormat:
    suffix = ".png" if path is None else Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ParameterError(f"path={str(path)!r}: a figure is written as {', '.join(FORMATS)}")
    return FORMATS[suffix]


def _alone(panel: Panel, file_format: FigureFormat, range_db: float, colormap: str) -> bytes:
    png = plain_png(panel, range_db=range_db, max_columns=panel.magnitude.shape[-1], colormap=colormap)
    if file_format == "png":
        return png
    if file_format != "jpeg":
        raise ParameterError(
            f"path=….{file_format}: a spectrogram alone is pixels, which .png and .jpg hold; use one of them, or axes"
        )
    from PIL import Image

    file = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(file, format="JPEG", quality=95, subsampling=0)
    return file.getvalue()


def panels_of(
    spectrogram: Spectrogram | Picture | FrameSource | Audio | str | PathLike[str],
    *,
    which: Which = "both",
    max_columns: int,
) -> list[Panel]:
    """The panels of a figure, at most ``max_columns`` wide; see `plot`."""
    if isinstance(spectrogram, Audio):
        return _sound_panels(_pieces(spectrogram), spectrogram.sample_rate, spectrogram.n_samples, which, max_columns)
    if isinstance(spectrogram, str | PathLike):
        return _file_panels(Path(spectrogram), which, max_columns)
    from specloom.pictures import Picture

    if isinstance(spectrogram, Picture):
        return _of_piece(_panels(_InMemory(spectrogram.spectrogram()), which, max_columns), spectrogram.settings)
    if isinstance(spectrogram, Spectrogram):
        return _panels(_InMemory(spectrogram), which, max_columns)
    return _panels(spectrogram, which, max_columns)


def _file_panels(path: Path, which: Which, max_columns: int) -> list[Panel]:
    from specloom.io.audio import AudioReader
    from specloom.pictures import PictureSequence
    from specloom.pictures.files import read_settings
    from specloom.tasks.listen import is_picture

    if path.suffix.lower() in (".npz", ".npy"):
        with SpectrogramFile(path) as file:
            return _panels(file, which, max_columns)
    if is_picture(path):
        if read_settings(path) is None:
            raise ImageFileError(
                f"{path} is no picture that 'specloom draw' made, so nothing says what its pixels mean; give the "
                "recording or its spectrogram file"
            )
        pictures = PictureSequence([path])
        return _of_piece(_panels(pictures, which, max_columns), pictures.settings)
    with AudioReader(path) as reader:
        # A stream that does not say its length is decoded twice.
        n_samples = reader.n_samples or sum(block.shape[-1] for block in reader.blocks())
        return _sound_panels(reader.blocks(), reader.sample_rate, n_samples, which, max_columns)


def _of_piece(panels: list[Panel], settings: PictureSettings) -> list[Panel]:
    """The panels of a picture on the time line of its recording, of which it may show a piece."""
    start_s = settings.origin.start / settings.origin.analysis_rate + settings.piece.first_frame * settings.frame_s()
    return [replace(panel, start_s=start_s) for panel in panels]


class _InMemory:
    """A spectrogram in memory, read as if it were a file."""

    def __init__(self, spectrogram: Spectrogram) -> None:
        self.recipe, self.origin = spectrogram.recipe, spectrogram.origin
        held = {name: getattr(spectrogram, name) for name in ARRAYS}
        self._values: dict[ArrayName, FloatArray] = {name: array for name, array in held.items() if array is not None}
        self.arrays: tuple[ArrayName, ...] = tuple(self._values)
        self.shapes = {name: array.shape for name, array in self._values.items()}

    def frames(self, name: ArrayName, start: int = 0, stop: int | None = None) -> FloatArray:
        """A range of frames."""
        return self._values[name][..., start:stop]

    def phase(self, start: int, stop: int) -> FloatArray | None:
        """Nobody needs it to look at."""
        return None


def _panels(source: FrameSource, which: Which, max_columns: int) -> list[Panel]:
    wanted = source.arrays if which == "both" else (which,)
    for name in wanted:
        if name not in source.arrays:
            raise ParameterError(f"which={name!r}: this spectrogram holds only the {' and '.join(source.arrays)} array")
    return [_array_panel(source, name, max_columns) for name in ARRAYS if name in wanted]


def _array_panel(source: FrameSource, name: ArrayName, max_columns: int) -> Panel:
    *leading, n_frames = source.shapes[name]
    loudest = Loudest(tuple(leading), n_frames, max_columns)
    for start in range(0, n_frames, _BLOCK_FRAMES):
        loudest.push(source.frames(name, start, min(start + _BLOCK_FRAMES, n_frames)))
    origin = source.origin
    # Every scale grows with the magnitude, so the loudest may be chosen before the scale is undone.
    peak = origin.linear_peak if name == "linear" else origin.mel_peak
    values = source.recipe.scale.undo(loudest.values, remembered_peak(peak))
    if name == "mel" and source.recipe.mel.power == 2.0:
        values = np.sqrt(values)
    panel = _panel(name, values if values.ndim == 2 else values.mean(axis=0), source.recipe, origin.analysis_rate)
    hop_s = source.recipe.stft_config(origin.analysis_rate).hop_length / origin.analysis_rate
    step = 1 if name == "linear" else source.recipe.mel_frame_step
    return replace(panel, start_s=origin.start / origin.analysis_rate, span_s=n_frames * step * hop_s)


def _panel(name: ArrayName, values: FloatArray, recipe: Recipe, rate: int) -> Panel:
    config = recipe.stft_config(rate)
    if name == "linear":
        return linear_panel(values, config, heading="Linear spectrogram")
    heading = f"Mel spectrogram, {recipe.mel.n_mels} bands"
    return mel_panel(values, recipe.mel_config(rate), config.frame_rate_hz, heading=heading)


class Loudest:
    """The loudest value of each of at most so many stretches of frames, while the frames arrive.

    Parameters
    ----------
    leading : tuple of int
        The shape of one frame: ``(n_rows,)`` or ``(n_channels, n_rows)``.
    n_frames : int
        How many will come. Further ones count for the last stretch.
    max_columns : int
    """

    def __init__(self, leading: tuple[int, ...], n_frames: int, max_columns: int) -> None:
        n_columns = max(1, min(n_frames, max_columns))
        self._starts = np.linspace(0, n_frames, n_columns, endpoint=False).astype(np.intp)
        # Frames first, because that is how they lie in a file.
        self._values = np.zeros((n_columns, *leading), dtype=np.float32)
        self._n_seen = 0

    @property
    def values(self) -> FloatArray:
        """Shape ``(..., n_rows, n_columns)``."""
        return np.moveaxis(self._values, 0, -1)

    def push(self, frames: FloatArray) -> None:
        """Take frames into account, shape ``(..., n_rows, n)``, not negative."""
        n = frames.shape[-1]
        if n == 0:
            return
        columns = np.searchsorted(self._starts, np.arange(self._n_seen, self._n_seen + n), side="right") - 1
        first = np.flatnonzero(np.diff(columns, prepend=-1))
        reduced = np.maximum.reduceat(np.moveaxis(frames, -1, 0), first, axis=0)
        place = self._values[columns[0] : columns[-1] + 1]
        np.maximum(place, reduced, out=place)
        self._n_seen += n


def _pieces(audio: Audio) -> Iterator[FloatArray]:
    for start in range(0, audio.n_samples, _BLOCK_SAMPLES):
        yield audio.samples[..., start : start + _BLOCK_SAMPLES]


def _sound_panels(
    blocks: Iterable[FloatArray], rate: int, n_samples: int, which: Which, max_columns: int
) -> list[Panel]:
    if n_samples == 0:
        raise ParameterError("samples are empty: at least one sample is needed to draw a picture")
    recipe = _recipe_for_eyes(rate)
    config = recipe.stft_config(rate)
    n_frames = config.n_frames(n_samples)
    names: tuple[ArrayName, ...] = ARRAYS if which == "both" else (which,)
    loudest = {
        name: Loudest((config.n_bins if name == "linear" else recipe.mel.n_mels,), n_frames, max_columns)
        for name in names
    }
    for spectrum in stft_blocks((choose_channels(block, recipe) for block in blocks), config):
        magnitude = np.abs(spectrum)
        if "linear" in loudest:
            loudest["linear"].push(magnitude)
        if "mel" in loudest:
            loudest["mel"].push(mel_of(magnitude, recipe, rate))
    panels = [_panel(name, kept.values, recipe, rate) for name, kept in loudest.items()]
    return [replace(panel, span_s=n_samples / rate) for panel in panels]


def _recipe_for_eyes(rate: int) -> Recipe:
    config = display_config(rate)
    frames = Frames(n_fft=config.n_fft, hop_length=config.n_fft // 4)
    return Recipe(name="plot", frames=frames, mel=MelBands(n_mels=min(_N_MELS, config.n_bins)))
