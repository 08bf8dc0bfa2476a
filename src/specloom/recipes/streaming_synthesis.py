"""`synthesis.synthesise` for spectrogram files of any length: frames from one file, samples into another.

Result and settings equal those of `synthesise` (tests/laws).
The published Griffin-Lim needs the whole sound at once; a recipe that asks for it takes the memory for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from specloom.dsp.level import DeEmphasis, FrameEnergies
from specloom.dsp.resample import StreamingResampler
from specloom.dsp.stft import ComplexArray
from specloom.dsp.stream import istft_blocks
from specloom.io.audio import AudioWriter
from specloom.phase.reconstruct import reconstruct_blocks
from specloom.recipes.recipe import GriffinLim, Quality, Recipe, Source, Synthesis
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Origin
from specloom.recipes.spectrogram_file import ArrayName, unwritten
from specloom.recipes.streaming_analysis import SampleScratch
from specloom.recipes.synthesis import (
    Way,
    bins_of,
    choose_source,
    choose_way,
    finished_length,
    fitting_frames,
    found_phase,
    frames_between,
    mel_values,
    quality_in_force,
    require_same_analysis,
    sharpened,
    wanted_length,
    written_rate,
)

_BLOCK_FRAMES = 2048
_BLOCK_SAMPLES = 1 << 18


class FrameSource(Protocol):
    """Stored frames that are read in part: a spectrogram file, or a sequence of pictures.

    ``frames`` and ``phase`` cut the range to what is there, and are asked for ranges in ascending order, once for
    each channel side by side.
    """

    @property
    def recipe(self) -> Recipe:
        """The recipe that the frames were drawn with."""

    @property
    def origin(self) -> Origin:
        """What they remember of the recording."""

    @property
    def arrays(self) -> tuple[ArrayName, ...]:
        """The arrays that are there."""

    @property
    def shapes(self) -> dict[ArrayName, tuple[int, ...]]:
        """The shape of each array."""

    def frames(self, name: ArrayName, start: int = 0, stop: int | None = None) -> FloatArray:
        """A range of frames as they are stored, shape ``(..., n_bins, stop - start)``."""

    def phase(self, start: int, stop: int) -> FloatArray | None:
        """The phases of a range of frames of the linear array, radians; None, for any range, when not known."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was written: samples per channel, rate, the factor that a format of integers asked for, and a note where
    another way was gone than was asked for.
    """

    n_samples: int
    sample_rate: int
    lowered_by: float = 1.0
    note: str = ""


def sound_spectrogram(
    file: FrameSource,
    target: Path,
    recipe: Recipe,
    *,
    source: Source = "auto",
    quality: Quality | None = None,
    model: str | Path | None = None,
    full_scale: bool = False,
    comment: str | None = None,
    threads: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Heard:
    """Write the sound of a spectrogram file, or of any other source of frames.

    Parameters
    ----------
    file : FrameSource
        A `SpectrogramFile`, or pictures.
    target : Path
        The sound file to write; its suffix chooses the format.
    recipe : Recipe
        The file's own, or one that differs in the way back only.
    source, quality, model
        As in `Recipe.synthesise`.
    full_scale : bool
        Lower the whole sound if it reaches beyond ±1, for formats that cannot hold more.
    comment : str, optional
        Written into the sound file.
    threads : int
        Threads of the phase retrieval; the result does not depend on them.
    progress : callable
        Called now and then with the share that is done.

    Raises
    ------
    ParameterError
        When the recipe's analysis half is not that of the file, or the array asked for is not there.
    ArtifactError, AudioFileError
        When the spectrogram is damaged, or the sound cannot be written.
    """
    require_same_analysis(file.recipe, recipe)
    taken = choose_way(
        recipe,
        file.origin.analysis_rate,
        file.arrays,
        source=source,
        quality=quality,
        model=model,
        threads=threads,
        phase_known=phase_known(file, source),
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with SampleScratch(target.parent) as scratch:
            energies = FrameEnergies()
            for samples in _deemphasised(_found(file, recipe, taken, threads, progress), recipe):
                scratch.append(samples)
                if recipe.synthesis.trim_db is not None:
                    energies.push(samples)
            bounds = (0, scratch.n_samples)
            if recipe.synthesis.trim_db is not None:
                bounds = energies.bounds(recipe.synthesis.trim_db)
            gains = _gains(_finished_blocks(scratch, bounds, recipe, file.origin), recipe.synthesis, full_scale)
            rate = written_rate(recipe.synthesis, file.origin)
            with AudioWriter(
                target, rate, scratch.n_channels, expected_samples=file.origin.n_samples, comment=comment
            ) as writer:
                heard = _write(writer, _finished_blocks(scratch, bounds, recipe, file.origin), gains)
                return replace(heard, note=taken.note)
    except OSError as error:
        raise unwritten(target, error) from error


def phase_known(file: FrameSource, source: Source) -> bool:
    """Whether the frames that are started from come with their phases."""
    return choose_source(source, file.arrays) == "linear" and file.phase(0, 0) is not None


def _found(
    file: FrameSource,
    recipe: Recipe,
    taken: Way,
    threads: int,
    progress: Callable[[float], None],
) -> Iterator[FloatArray]:
    """Samples with a phase that fits the file's magnitudes, in blocks."""
    way, origin, source, quality = recipe.synthesis, file.origin, taken.source, taken.quality
    config = recipe.stft_config(origin.analysis_rate)
    *channels, _, n_stored = file.shapes["linear" if source == "linear" else "mel"]
    n_all = n_stored * (1 if source == "linear" else recipe.mel_frame_step)
    length = wanted_length(way, origin, config, n_all)
    if source == "linear" and file.phase(0, 0) is not None:
        # Nothing is sought where everything is known, whatever the quality.
        yield from istft_blocks(_spectrum_blocks(file, recipe, progress), config, length)
        return
    if quality is None and taken.inverter is None and isinstance(way.phase, GriffinLim):
        magnitude = np.concatenate(list(magnitude_blocks(file, recipe, source, progress)), axis=-1)
        yield found_phase(magnitude, config, way, quality, length)
        return
    n_frames, inner_length = fitting_frames(config, n_all, length)

    def found(channel: int | None) -> Iterator[FloatArray]:
        """One channel's samples; each channel reads the file on its own, and all advance in step."""
        report = progress if not channel else _no_progress
        read = magnitude_blocks if taken.inverter is None else mel_blocks
        blocks = _first_frames(read(file, recipe, source, report), n_frames)
        own = blocks if channel is None else (block[channel] for block in blocks)
        if taken.inverter is not None:
            yield from taken.inverter.emphasised_blocks(own, length=inner_length)
            return
        yield from reconstruct_blocks(
            own, config, quality=quality_in_force(way, quality), length=inner_length, threads=threads
        )

    if channels:
        yield from map(np.stack, zip(*(found(channel) for channel in range(channels[0])), strict=True))
    else:
        yield from found(None)
    yield _silence(length - inner_length, channels[0] if channels else 1)


def _spectrum_blocks(file: FrameSource, recipe: Recipe, progress: Callable[[float], None]) -> Iterator[ComplexArray]:
    """Magnitudes with the phases that are known."""
    start = 0
    for magnitude in magnitude_blocks(file, recipe, "linear", progress):
        stop = start + magnitude.shape[-1]
        phase = file.phase(start, stop)
        assert phase is not None
        yield np.asarray(magnitude * np.exp(np.complex64(1j) * phase), dtype=np.complex64)
        start = stop


def _no_progress(share: float) -> None:
    """Of all channels but the first."""


def _first_frames(blocks: Iterable[FloatArray], n_frames: int) -> Iterator[FloatArray]:
    for block in blocks:
        if n_frames > 0:
            yield block[..., :n_frames]
        n_frames -= block.shape[-1]


def mel_blocks(
    file: FrameSource, recipe: Recipe, source: Source, progress: Callable[[float], None] = lambda share: None
) -> Iterator[FloatArray]:
    """What the mel filters gave, shape ``(..., n_mels, n)``, block after block."""
    total = file.shapes["mel"][-1]
    for start in range(0, total, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, total)
        yield mel_values(file.frames("mel", start, stop), recipe, file.origin)
        progress(stop / total)


def magnitude_blocks(
    file: FrameSource, recipe: Recipe, source: Source, progress: Callable[[float], None] = lambda share: None
) -> Iterator[FloatArray]:
    """The magnitudes that the phase is sought for, shape ``(..., n_bins, n)``, block after block."""
    step = 1 if source == "linear" else recipe.mel_frame_step
    name: ArrayName = "linear" if source == "linear" else "mel"
    kept_frames = max(1, _BLOCK_FRAMES // step)
    total = file.shapes[name][-1]
    for start in range(0, total, kept_frames):
        stop = min(start + kept_frames, total)
        # One frame more, because the frames between two kept ones lie on the line to the second.
        stored = file.frames(name, start, stop + (step > 1))
        if step > 1:
            stored = frames_between(stored, step)[..., : (stop - start) * step]
        yield sharpened(bins_of(stored, source, recipe, file.origin), recipe, file.origin)
        progress(stop / total)


def _deemphasised(blocks: Iterable[FloatArray], recipe: Recipe) -> Iterator[FloatArray]:
    if recipe.preemphasis is None:
        yield from blocks
        return
    undo = DeEmphasis(recipe.preemphasis)
    for block in blocks:
        yield np.asarray(undo.process(block), dtype=np.float32)


def _write(writer: AudioWriter, blocks: Iterable[FloatArray], gains: tuple[float, float]) -> Heard:
    gain, lowered_by = gains
    n_samples = 0
    for block in blocks:
        writer.write(block * np.float32(gain * lowered_by))
        n_samples += block.shape[-1]
    return Heard(n_samples=n_samples, sample_rate=writer.sample_rate, lowered_by=lowered_by)


def _gains(blocks: Iterator[FloatArray], way: Synthesis, full_scale: bool) -> tuple[float, float]:
    """The factor that the recipe's written peak asks for, and the one that the format asks for after it."""
    if way.written_peak is None and not full_scale:
        return 1.0, 1.0
    largest, loudest = _extremes(blocks)
    gain = way.written_peak / largest if way.written_peak is not None and largest > 0.0 else 1.0
    return gain, 1.0 / max(1.0, gain * loudest) if full_scale else 1.0


def _extremes(blocks: Iterable[FloatArray]) -> tuple[float, float]:
    """The largest sample and the largest magnitude of a sample."""
    largest = loudest = 0.0
    for block in blocks:
        largest = max(largest, float(block.max(initial=0.0)))
        loudest = max(largest, loudest, -float(block.min(initial=0.0)))
    return largest, loudest


def _finished_blocks(
    scratch: SampleScratch, bounds: tuple[int, int], recipe: Recipe, origin: Origin
) -> Iterator[FloatArray]:
    """Samples from ``bounds`` with their edges and at their own rate: `synthesis.finish` in blocks."""
    way = recipe.synthesis
    blocks = scratch.blocks(*bounds, _BLOCK_SAMPLES)
    if way.restore_edges:
        blocks = _with_edges(blocks, origin, scratch.n_channels)
    if not way.restore_rate:
        yield from blocks
        return
    resampler = StreamingResampler(origin.analysis_rate, origin.sample_rate, scratch.n_channels)
    n_left = finished_length(way, origin)
    for block in _ended(blocks, scratch.n_channels):
        samples = resampler.process(block, last=block.shape[-1] == 0)[..., :n_left]
        n_left = None if n_left is None else n_left - samples.shape[-1]
        yield samples
    if n_left:
        yield _silence(n_left, scratch.n_channels)


def _with_edges(blocks: Iterable[FloatArray], origin: Origin, n_channels: int) -> Iterator[FloatArray]:
    yield from _silent_blocks(origin.start, n_channels)
    yield from blocks
    yield from _silent_blocks(origin.n_analysed - origin.stop, n_channels)


def _silent_blocks(n_samples: int, n_channels: int) -> Iterator[FloatArray]:
    for start in range(0, n_samples, _BLOCK_SAMPLES):
        yield _silence(min(_BLOCK_SAMPLES, n_samples - start), n_channels)


def _ended(blocks: Iterable[FloatArray], n_channels: int) -> Iterator[FloatArray]:
    yield from blocks
    yield _silence(0, n_channels)


def _silence(n_samples: int, n_channels: int) -> FloatArray:
    return np.zeros(n_samples if n_channels == 1 else (n_channels, n_samples), dtype=np.float32)
