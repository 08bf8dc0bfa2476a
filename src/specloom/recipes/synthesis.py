"""Spectrogram to sound: one function a step, in the order in which they happen.

scale undone -> (frames between, mel to bins) -> power -> phase -> de-emphasis -> trim -> edges -> rate -> peak
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.dsp.level import de_emphasis, trim_bounds
from specloom.dsp.stft import fit_length, istft
from specloom.errors import ParameterError, SpecloomWarning
from specloom.inversion import MelInverter
from specloom.phase.griffin_lim import griffin_lim
from specloom.phase.reconstruct import reconstruct
from specloom.recipes.analysis import at_rate
from specloom.recipes.neural import INSTEAD, inverter_for, mel_settings, no_model, require_neural
from specloom.recipes.recipe import GriffinLim, PhaseQuality, Quality, Recipe, Reconstruct, Source, Synthesis
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Origin, Spectrogram, remembered_peak

_NEARER = (
    "networks start from the mel array, and the linear one, which is here too, comes nearer to the recording: take "
    "quality 'best', or say source 'mel' if that is meant"
)


def synthesise(
    spectrogram: Spectrogram,
    recipe: Recipe,
    *,
    source: Source = "auto",
    quality: Quality | None = None,
    phase: npt.ArrayLike | None = None,
    model: str | Path | None = None,
) -> Audio:
    """Spectrogram to sound: what `Recipe.synthesise` documents."""
    require_same_analysis(spectrogram.recipe, recipe)
    origin, config = spectrogram.origin, spectrogram.stft_config
    held = {"linear": spectrogram.linear, "mel": spectrogram.mel}
    arrays = {name: array for name, array in held.items() if array is not None}
    taken = choose_way(
        recipe, origin.analysis_rate, arrays, source=source, quality=quality, model=model, phase_known=phase is not None
    )
    if taken.note:
        warnings.warn(taken.note, SpecloomWarning, stacklevel=3)
    chosen = taken.source
    if taken.inverter is not None:
        values = mel_values(arrays["mel"], recipe, origin)
        length = wanted_length(recipe.synthesis, origin, config, values.shape[-1])
        return finish(inverted(taken.inverter, values, config, length), recipe, origin)
    stored = arrays[chosen] if chosen == "linear" else frames_between(arrays[chosen], recipe.mel_frame_step)
    magnitude = sharpened(bins_of(stored, chosen, recipe, origin), recipe, origin)
    length = wanted_length(recipe.synthesis, origin, config, magnitude.shape[-1])
    if phase is None:
        samples = found_phase(magnitude, config, recipe.synthesis, taken.quality, length)
    else:
        samples = with_phase(magnitude, phase, config, length)
    return finish(samples, recipe, origin)


def finish(samples: FloatArray, recipe: Recipe, origin: Origin) -> Audio:
    """From the inverse transform's samples to sound: the steps after the phase."""
    way = recipe.synthesis
    samples = deemphasised(samples, recipe)
    samples = trimmed_again(samples, way)
    samples = with_edges(samples, way, origin)
    samples = at_own_rate(samples, way, origin)
    samples = at_peak(samples, way)
    return Audio(samples, written_rate(way, origin))


def require_same_analysis(made_with: Recipe, recipe: Recipe) -> None:
    """Refuse a recipe that differs from the one that made the spectrogram in what the way back has to undo."""
    if analysis_half(made_with) != analysis_half(recipe):
        raise ParameterError(
            f"the spectrogram was made with other settings (recipe {made_with.name!r}) than those of the recipe "
            f"{recipe.name!r}: use spectrogram.recipe, or replace its field 'synthesis' only"
        )


def analysis_half(recipe: Recipe) -> Recipe:
    """What of a recipe has to be undone on the way back.

    Channels, trimmed edges and the rate lie in the arrays and in the origin; rounding cannot be undone.
    """
    return Recipe(
        name="analysis",
        preemphasis=recipe.preemphasis,
        frames=recipe.frames,
        mel=recipe.mel,
        scale=recipe.scale,
        mel_frame_step=recipe.mel_frame_step,
        frame_count=recipe.frame_count,
    )


def choose_source(source: Source, held: Collection[str]) -> Literal["linear", "mel"]:
    """Which of the arrays that are held to start from.

    Raises
    ------
    ParameterError
        When the array asked for is not there.
    """
    if source not in ("auto", "linear", "mel"):
        raise ParameterError(f"source={source!r}: allowed are 'auto', 'linear' and 'mel'")
    chosen = source if source != "auto" else "linear" if "linear" in held else "mel"
    if chosen not in held:
        other = ", ".join(held)
        raise ParameterError(f"source={source!r}: this spectrogram holds only the {other} array; use source={other!r}")
    return chosen


@dataclass(frozen=True, kw_only=True)
class Way:
    """Which way a spectrogram goes to become sound.

    Parameters
    ----------
    source : {"linear", "mel"}
        The array it starts from.
    quality : {"fast", "balanced", "best"} or None
        Of the search for phases; None as the recipe says.
    inverter : MelInverter or None
        The networks that go the whole way, if asked for.
    note : str
        Why it is another way than was asked for, or than would be better.
    """

    source: Literal["linear", "mel"]
    quality: PhaseQuality | None = None
    inverter: MelInverter | None = None
    note: str = ""


def choose_way(
    recipe: Recipe,
    analysis_rate: int,
    held: Collection[str],
    *,
    source: Source,
    quality: Quality | None,
    model: str | Path | None = None,
    threads: int = 1,
    phase_known: bool = False,
) -> Way:
    """The way that is asked for, or what is done instead where no model can go the neural way.

    With the phase known nothing is sought, so the quality does not matter.

    Raises
    ------
    ParameterError
        When the array asked for is not there; when a model is named that knows other settings, or where no network can
        go, or for another quality.
    ArtifactError
        When the model's file is not there or damaged.
    """
    require_neural(quality, model)
    if quality != "neural":
        return Way(source=choose_source(source, held), quality=quality)
    settings = mel_settings(recipe, analysis_rate)
    # A model that is named is looked at before anything else, so that it is never passed over in silence.
    named = None if model is None else inverter_for(settings, model, threads=threads)
    if phase_known:
        unneeded = "" if named is None else "the phases are known, so the model is not needed"
        return Way(source=choose_source(source, held), note=unneeded)
    hindrance = _hindrance(recipe, source, held)
    if hindrance and named is not None:
        raise ParameterError(f"model={str(model)!r}: {hindrance}; leave the model out, and {INSTEAD!r} is used instead")
    if hindrance:
        note = f"{hindrance}: quality {INSTEAD!r} is used, not 'neural'"
        return Way(source=choose_source(source, held), quality=INSTEAD, note=note)
    inverter = named or inverter_for(settings, threads=threads)
    if inverter is None:
        return Way(source=choose_source(source, held), quality=INSTEAD, note=no_model(settings))
    return Way(source="mel", inverter=inverter, note=_NEARER if source == "auto" and "linear" in held else "")


def _hindrance(recipe: Recipe, source: Source, held: Collection[str]) -> str:
    """Why networks cannot go this way, or nothing."""
    if choose_source("mel" if source == "auto" and "mel" in held else source, held) == "linear":
        return "networks start from the mel array, and this way starts from the linear one"
    if recipe.mel_frame_step != 1:
        return f"the mel array holds every {recipe.mel_frame_step}th frame only"
    if recipe.synthesis.power != 1.0:
        return f"the recipe's way back has power={recipe.synthesis.power:g}"
    return ""


def inverted(inverter: MelInverter, mel: FloatArray, config: StftConfig, length: int) -> FloatArray:
    """Samples of mel values ``(..., n_mels, n_frames)`` by networks, pre-emphasis left in, shape ``(..., length)``."""
    n_frames, inner_length = fitting_frames(config, mel.shape[-1], length)
    planes = mel[..., :n_frames].reshape(-1, mel.shape[-2], n_frames)
    made = [np.concatenate(list(inverter.emphasised_blocks([plane], length=inner_length))) for plane in planes]
    return np.asarray(fit_length(np.stack(made).reshape(*mel.shape[:-2], inner_length), length), dtype=np.float32)


def _peak_of(source: Literal["linear", "mel"], recipe: Recipe, origin: Origin) -> float:
    """What the way back multiplies the values of an array by."""
    peak = origin.linear_peak if source == "linear" else origin.mel_peak
    return remembered_peak(peak) if recipe.synthesis.restore_level else 1.0


def mel_values(stored: FloatArray, recipe: Recipe, origin: Origin) -> FloatArray:
    """Stored mel values to what the filters gave."""
    return recipe.scale.undo(stored, _peak_of("mel", recipe, origin))


def frames_between(mel: FloatArray, step: int) -> FloatArray:
    """Every ``step``-th frame back to all frames, along straight lines between the stored values.

    After the last kept frame its value is held. Shape ``(..., n_mels, n)`` to ``(..., n_mels, n * step)``.
    """
    if step == 1:
        return mel
    following = np.concatenate([mel[..., 1:], mel[..., -1:]], axis=-1)
    share = np.arange(step, dtype=np.float32) / np.float32(step)
    lines = mel[..., None] * (1.0 - share) + following[..., None] * share
    return np.asarray(lines.reshape(*mel.shape[:-1], mel.shape[-1] * step))


def bins_of(stored: FloatArray, source: Source, recipe: Recipe, origin: Origin) -> FloatArray:
    """Stored values to magnitudes, shape ``(..., n_bins, n_frames)``."""
    way = recipe.synthesis
    if source == "linear":
        return recipe.scale.undo(stored, _peak_of("linear", recipe, origin))
    values = mel_values(stored, recipe, origin)
    from specloom.dsp.mel_inversion import mel_to_magnitude

    bins = mel_to_magnitude(values, recipe.mel_config(origin.analysis_rate), method=way.mel_method)
    return np.asarray(bins if recipe.mel.power == 1.0 else np.sqrt(bins), dtype=np.float32)


def sharpened(magnitude: FloatArray, recipe: Recipe, origin: Origin) -> FloatArray:
    """Raised to the recipe's power, relative to the loudest magnitude, which stays as it is."""
    way = recipe.synthesis
    if way.power == 1.0:
        return magnitude
    divided = recipe.scale.needs_peak and not way.restore_level
    loudest = np.float32(1.0 if divided else (remembered_peak(origin.linear_peak) or 1.0))
    return np.asarray((magnitude / loudest) ** np.float32(way.power) * loudest)


def wanted_length(way: Synthesis, origin: Origin, config: StftConfig, n_frames: int) -> int:
    """Samples that the inverse transform is to give."""
    if way.restore_edges:
        return origin.n_trimmed
    # A single centred frame covers no whole hop; one hop of it is kept so that there is something to hear.
    return config.n_samples(n_frames) or config.hop_length


def found_phase(
    magnitude: FloatArray, config: StftConfig, way: Synthesis, quality: PhaseQuality | None, length: int
) -> FloatArray:
    """Samples from magnitudes, shape ``(..., length)``, with a phase that fits them."""
    n_frames, inner_length = fitting_frames(config, magnitude.shape[-1], length)
    magnitude = magnitude[..., :n_frames]
    if quality is None and isinstance(way.phase, GriffinLim):
        samples = griffin_lim(
            magnitude,
            config,
            n_iter=way.phase.n_iter,
            momentum=way.phase.momentum,
            initial_phase=np.zeros_like(magnitude) if way.phase.start == "zero" else None,
            length=inner_length,
            rng=0,
        )
    else:
        samples = reconstruct(magnitude, config, quality=quality_in_force(way, quality), length=inner_length)
    return np.asarray(fit_length(samples, length), dtype=np.float32)


def fitting_frames(config: StftConfig, n_frames: int, length: int) -> tuple[int, int]:
    """How many of ``n_frames`` belong to a sound of ``length`` samples, and how many samples these can give.

    Frames that were filled up after the end are no part of the sound; where frames were cut, samples are missing.
    """
    natural = config.n_frames(length)
    used = min(n_frames, max(1, natural))
    return used, length if natural == used else config.n_samples(used)


def quality_in_force(way: Synthesis, quality: PhaseQuality | None) -> PhaseQuality:
    """The quality asked for, or the recipe's own."""
    if quality is not None:
        return quality
    return way.phase.quality if isinstance(way.phase, Reconstruct) else "balanced"


def with_phase(magnitude: FloatArray, phase: npt.ArrayLike, config: StftConfig, length: int) -> FloatArray:
    """Samples from magnitudes and their known phase, shape ``(..., length)``."""
    angles = np.asarray(phase, dtype=np.float32)
    if angles.shape != magnitude.shape:
        raise ParameterError(f"phase has shape {angles.shape}, the magnitude {magnitude.shape}: they must be the same")
    return np.asarray(istft(magnitude * np.exp(1j * angles), config, length=length), dtype=np.float32)


def deemphasised(samples: FloatArray, recipe: Recipe) -> FloatArray:
    """With the high frequencies let down again."""
    if recipe.preemphasis is None:
        return samples
    return np.asarray(de_emphasis(samples, recipe.preemphasis), dtype=np.float32)


def trimmed_again(samples: FloatArray, way: Synthesis) -> FloatArray:
    """Without the soft edges of the result."""
    if way.trim_db is None:
        return samples
    start, stop = trim_bounds(samples, top_db=way.trim_db)
    return samples[..., start:stop]


def with_edges(samples: FloatArray, way: Synthesis, origin: Origin) -> FloatArray:
    """With silence where the recording's edges were trimmed."""
    if not way.restore_edges:
        return samples
    edges = (origin.start, origin.n_analysed - origin.stop)
    return samples if edges == (0, 0) else np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [edges])


def at_own_rate(samples: FloatArray, way: Synthesis, origin: Origin) -> FloatArray:
    """At the recording's own rate, and (with its edges) of its own length to the sample."""
    if not way.restore_rate:
        return samples
    samples = at_rate(samples, origin.analysis_rate, origin.sample_rate)
    length = finished_length(way, origin)
    return samples if length is None else np.asarray(fit_length(samples, length), dtype=np.float32)


def finished_length(way: Synthesis, origin: Origin) -> int | None:
    """Samples of the result when everything is restored; None when only the result will tell."""
    return origin.n_samples if way.restore_rate and way.restore_edges and way.trim_db is None else None


def at_peak(samples: FloatArray, way: Synthesis) -> FloatArray:
    """Scaled so that the largest sample (not the largest magnitude of a sample: as the article has it) is the peak."""
    largest = samples.max(initial=0.0)
    return samples if way.written_peak is None or largest <= 0.0 else samples / largest * np.float32(way.written_peak)


def written_rate(way: Synthesis, origin: Origin) -> int:
    """The rate that is claimed for the result."""
    if way.written_sample_rate is not None:
        return way.written_sample_rate
    return origin.sample_rate if way.restore_rate else origin.analysis_rate


def lowered_to_full_scale(audio: Audio) -> tuple[Audio, float]:
    """The sound, lowered as a whole if it reaches beyond ±1, and the factor."""
    factor = 1.0 / max(1.0, float(np.abs(audio.samples).max(initial=0.0)))
    return (audio, 1.0) if factor == 1.0 else (Audio(audio.samples * np.float32(factor), audio.sample_rate), factor)
