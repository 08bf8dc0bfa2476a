"""`analysis.analyse` for recordings of any length: blocks of sound in, blocks of frames out, bounded memory.

The sound is decoded, mixed and resampled once, into a nameless temporary file; what needs the whole (the trimmed
edges, the peaks) is measured in passes over that. Result and settings equal those of `analyse` (tests/laws).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.level import FrameEnergies, PreEmphasis
from specloom.dsp.resample import StreamingResampler
from specloom.dsp.stream import stft_blocks
from specloom.errors import AudioFileError
from specloom.io.audio import AudioReader
from specloom.io.sources import reason
from specloom.recipes.analysis import choose_channels, mel_of, require_frames_left, write_down
from specloom.recipes.recipe import Recipe
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Origin, remembered_peak
from specloom.recipes.spectrogram_file import ArrayName, FrameSink, Settings, SourceStamp, spectrogram_writer, unwritten

# Called with the share that is done, 0 to 1.
Progress = Callable[[float], None]

_BLOCK_FRAMES = 1024


def draw_recording(
    recording: Path,
    target: Path,
    recipe: Recipe,
    *,
    arrays: tuple[ArrayName, ...] = ("linear", "mel"),
    progress: Progress = lambda share: None,
) -> Origin:
    """Write the spectrogram file of a sound file, in bounded memory.

    Parameters
    ----------
    recording, target : Path
        The sound file, and the .npz to write.
    recipe : Recipe
    arrays : tuple of {"linear", "mel"}
    progress : callable
        Called now and then with the share that is done.

    Returns
    -------
    Origin
        As it is written into the file.

    Raises
    ------
    AudioFileError, MissingExtraError
        When the recording cannot be read.
    ArtifactError
        When the spectrogram cannot be written.
    ParameterError
        When the sound gives no frame.
    """
    try:
        stamp = SourceStamp.of(recording)
    except OSError as error:
        raise AudioFileError(f"{recording} {reason(error)}") from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with SampleScratch(target.parent) as scratch:
            return _draw(recording, target, recipe, arrays, stamp, scratch, progress)
    except OSError as error:
        raise unwritten(target, error) from error


def _draw(
    recording: Path,
    target: Path,
    recipe: Recipe,
    arrays: tuple[ArrayName, ...],
    stamp: SourceStamp,
    scratch: SampleScratch,
    progress: Progress,
) -> Origin:
    origin = gather(recording, recipe, scratch, lambda share: progress(0.6 * share))
    require_frames_left(recipe, origin)
    peaks = Peaks()
    if recipe.scale.needs_peak:
        for _, magnitude, mel in frame_blocks(scratch, recipe, origin, arrays):
            peaks.see(magnitude, mel)
        origin = peaks.into(origin)
    progress(0.7)
    with spectrogram_writer(target, Settings(recipe=recipe, origin=origin, arrays=arrays, source=stamp)) as sink:
        for start, magnitude, mel in frame_blocks(scratch, recipe, origin, arrays):
            peaks.see(magnitude, mel)
            append(sink, start, magnitude, mel)
            progress(0.7 + 0.3 * start / config_of(recipe, origin).n_frames(origin.n_trimmed))
        sink.settings = replace(sink.settings, origin=peaks.into(origin))
    progress(1.0)
    return sink.settings.origin


class SampleScratch:
    """The samples of a recording in a nameless temporary file: appended once, read as often as needed.

    Parameters
    ----------
    folder : Path
        Where the file lies (and vanishes at the end, whatever happens): on the disk that the result needs room on
        anyway, not in a temporary folder that may be memory.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)
        self.n_channels = 1
        self.n_samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, samples: FloatArray) -> None:
        """Samples of shape ``(n,)`` or ``(n_channels, n)``, the same number of channels each time."""
        self.n_channels = 1 if samples.ndim == 1 else samples.shape[0]
        self.n_samples += samples.shape[-1]
        self._file.write(np.asarray(samples, dtype=np.float32).tobytes(order="F"))

    def blocks(self, start: int, stop: int, block_samples: int) -> Iterator[FloatArray]:
        """The samples from ``start`` to ``stop``, shape ``(n,)``, or ``(n_channels, n)`` for several channels."""
        self._file.flush()
        for first in range(start, stop, block_samples):
            n = min(block_samples, stop - first)
            self._file.seek(4 * self.n_channels * first)
            values = np.fromfile(self._file, dtype=np.float32, count=n * self.n_channels)
            yield values if self.n_channels == 1 else np.ascontiguousarray(values.reshape(n, self.n_channels).T)


class Peaks:
    """The loudest magnitude of each array, over blocks."""

    def __init__(self) -> None:
        self._linear = 0.0
        self._mel: float | None = None

    def see(self, magnitude: FloatArray, mel: FloatArray | None) -> None:
        """Take a block into account."""
        self._linear = max(self._linear, float(magnitude.max()))
        if mel is not None:
            self._mel = max(self._mel or 0.0, float(mel.max()))

    def into(self, origin: Origin) -> Origin:
        """The origin with these peaks."""
        return replace(origin, linear_peak=self._linear, mel_peak=self._mel)


def gather(recording: Path, recipe: Recipe, scratch: SampleScratch, progress: Progress) -> Origin:
    """Decode, mix and resample a recording into the scratch file, and find its edges."""
    energies = FrameEnergies()
    n_samples = 0
    with AudioReader(recording) as reader:
        rate = recipe.analysis_rate(reader.sample_rate)
        kept = reader.n_channels if recipe.channels == "each" else 1
        resampler = StreamingResampler(reader.sample_rate, rate, kept)
        for block in _ended(reader.blocks(), reader.n_channels):
            n_samples += block.shape[-1]
            samples = resampler.process(choose_channels(block, recipe), last=block.shape[-1] == 0)
            scratch.append(samples)
            if recipe.trim_db is not None:
                energies.push(samples)
            if reader.n_samples:
                progress(min(1.0, n_samples / reader.n_samples))
    start, stop = (0, scratch.n_samples) if recipe.trim_db is None else energies.bounds(recipe.trim_db)
    return Origin(
        sample_rate=reader.sample_rate,
        n_samples=n_samples,
        n_channels=reader.n_channels,
        analysis_rate=rate,
        n_analysed=scratch.n_samples,
        start=start,
        stop=stop,
    )


def _ended(blocks: Iterable[FloatArray], n_channels: int) -> Iterator[FloatArray]:
    """The blocks, and an empty one that says that nothing follows."""
    yield from blocks
    yield np.zeros((n_channels, 0), dtype=np.float32)


def frame_blocks(
    scratch: SampleScratch, recipe: Recipe, origin: Origin, arrays: tuple[ArrayName, ...]
) -> Iterator[tuple[int, FloatArray, FloatArray | None]]:
    """First frame, magnitudes and (when wanted) mel values of block after block, not scaled and not cut yet."""
    for start, spectrum in spectrum_blocks(scratch, recipe, origin):
        magnitude = np.abs(spectrum)
        yield start, magnitude, mel_of(magnitude, recipe, origin.analysis_rate) if "mel" in arrays else None


def spectrum_blocks(
    scratch: SampleScratch, recipe: Recipe, origin: Origin
) -> Iterator[tuple[int, npt.NDArray[np.complexfloating[Any, Any]]]]:
    """First frame and complex spectra of block after block, not cut to the recipe's frame count yet."""
    config = config_of(recipe, origin)
    samples = scratch.blocks(origin.start, origin.stop, max(config.n_fft, _BLOCK_FRAMES * config.hop_length))
    if recipe.preemphasis is not None:
        filter_ = PreEmphasis(recipe.preemphasis)
        samples = (np.asarray(filter_.process(block), dtype=np.float32) for block in samples)
    missing = recipe.n_frames(origin.n_trimmed, config) - config.n_frames(origin.n_trimmed)
    start = 0
    for spectrum in stft_blocks(samples, config, max(0, missing)):
        yield start, spectrum
        start += spectrum.shape[-1]


def drawn_blocks(
    scratch: SampleScratch, recipe: Recipe, origin: Origin, array: ArrayName, *, exact: bool = False
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """One array as the recipe's scale writes it down, not rounded, block after block; with its phase, if exact."""
    n_left = recipe.n_frames(origin.n_trimmed, config_of(recipe, origin))
    peak = remembered_peak(origin.linear_peak if array == "linear" else origin.mel_peak)
    for start, spectrum in spectrum_blocks(scratch, recipe, origin):
        spectrum = spectrum[..., : max(0, n_left - start)]
        values = np.abs(spectrum)
        if array == "mel":
            # All frames are weighed and some thrown away: so the sums are those of `analyse`, to the last bit.
            values = mel_of(values, recipe, origin.analysis_rate)[
                ..., -start % recipe.mel_frame_step :: recipe.mel_frame_step
            ]
        yield recipe.scale.apply(values, peak), np.angle(spectrum) if exact else None


def append(sink: FrameSink, start: int, magnitude: FloatArray, mel: FloatArray | None) -> None:
    """Scale a block of frames that begins at frame ``start`` and append what the recipe keeps of it."""
    recipe, origin = sink.settings.recipe, sink.settings.origin
    n_left = recipe.n_frames(origin.n_trimmed, config_of(recipe, origin)) - start
    if "linear" in sink.settings.arrays:
        sink.append("linear", write_down(magnitude[..., : max(0, n_left)], recipe, origin.linear_peak))
    if mel is not None:
        step = recipe.mel_frame_step
        sink.append("mel", write_down(mel[..., -start % step : max(0, n_left) : step], recipe, origin.mel_peak))


def config_of(recipe: Recipe, origin: Origin) -> StftConfig:
    """The transform at the analysis rate."""
    return recipe.stft_config(origin.analysis_rate)
