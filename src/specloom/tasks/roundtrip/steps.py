"""The steps of a recipe, one by one: what each does to a sound when everything else is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.dsp.stft import fit_length
from specloom.metrics import align
from specloom.recipes import Decibels, Linear, Origin, PeakPower, Recipe, Reconstruct, Synthesis
from specloom.recipes.analysis import phase_of
from specloom.recipes.recipe import Quality
from specloom.recipes.steps import only
from specloom.recipes.synthesis import frames_between
from specloom.tasks.roundtrip.measure import Copy

Chain = Literal["both", "linear", "mel"]
StepKind = Literal["step", "what-if"]

# How finely the loudness of two sounds is laid over each other when their phases say nothing.
_ENVELOPE_S = 0.002


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, as a recipe that does nothing else.

    Parameters
    ----------
    key, label, phrase, explanation : str
        A short name, a heading, the same as a part of a sentence, and a sentence of its own.
    recipe : Recipe
    chain : {"both", "linear", "mel"}
        On which way back the step lies.
    kind : {"step", "what-if"}
        A part of the recipe, or an alternative that is shown beside it.
    source : {"linear", "mel"}
        Which array the sound is made from.
    keeps_phase : bool
        Whether the true phase is handed on.
    keep_every : int
        Keep every such frame of the linear array, and draw straight lines between them.
    at_own_rate : bool
        Run at the recording's rate; all other steps run at the rate of the analysis.
    """

    key: str
    label: str
    phrase: str
    explanation: str
    recipe: Recipe
    chain: Chain = "both"
    kind: StepKind = "step"
    source: Literal["linear", "mel"] = "linear"
    keeps_phase: bool = True
    keep_every: int = 1
    at_own_rate: bool = False

    def run(self, audio: Audio, *, quality: Quality | None = None) -> Copy:
        """The copy that this step alone makes."""
        spectrogram = self.recipe.analyse(audio)
        if self.keep_every > 1 and spectrogram.linear is not None:
            sparse = frames_between(spectrogram.linear[..., :: self.keep_every], self.keep_every)
            kept = np.ascontiguousarray(sparse[..., : spectrogram.linear.shape[-1]])
            spectrogram = replace(spectrogram, linear=kept)
        phase = phase_of(audio, self.recipe) if self.keeps_phase else None
        copy = self.recipe.synthesise(spectrogram, source=self.source, quality=quality, phase=phase)
        return placed(copy, audio, self.recipe.synthesis, spectrogram.origin, keeps_phase=self.keeps_phase)


def whole_chain(audio: Audio, recipe: Recipe, source: Literal["linear", "mel"], *, true_phase: bool = False) -> Copy:
    """The copy that the whole recipe makes; with ``true_phase`` nothing has to find a phase."""
    spectrogram = recipe.analyse(audio)
    phase = phase_of(audio, recipe) if true_phase else None
    copy = recipe.synthesise(spectrogram, source=source, phase=phase)
    return placed(copy, audio, recipe.synthesis, spectrogram.origin, keeps_phase=true_phase)


def again(first: Copy, recipe: Recipe, source: Literal["linear", "mel"]) -> tuple[Copy, Copy]:
    """The copy of a copy: its place against the copy, and its place against the original."""
    second = whole_chain(first.audio, recipe, source)
    offset_s = first.offset_s + first.speed * second.offset_s
    return second, replace(second, offset_s=offset_s, speed=first.speed * second.speed)


def placed(copy: Audio, original: Audio, way: Synthesis, origin: Origin, *, keeps_phase: bool) -> Copy:
    """Where the samples of a copy belong on the time line of its original."""
    true_rate = origin.sample_rate if way.restore_rate else origin.analysis_rate
    offset_s = 0.0 if way.restore_edges else origin.start / origin.analysis_rate
    speed = copy.sample_rate / true_rate
    if way.trim_db is not None and copy.n_samples > 0:
        # How much the last trimming took from the beginning is not remembered by anyone.
        told = Audio(copy.samples, true_rate)
        offset_s += _late_start_s(told, original, offset_s, keeps_phase=keeps_phase)
    return Copy(audio=copy, offset_s=offset_s, speed=speed, keeps_phase=keeps_phase)


def _late_start_s(copy: Audio, original: Audio, offset_s: float, *, keeps_phase: bool) -> float:
    rest = original.samples[round(offset_s * original.sample_rate) :]
    if len(rest) == 0:
        return 0.0
    if keeps_phase and copy.sample_rate == original.sample_rate:
        reach = max(0, len(rest) - copy.n_samples)
        return -align(rest, copy.samples, max_lag=reach) / copy.sample_rate
    truth, ours = _loudness(rest, original.sample_rate), _loudness(copy.samples, copy.sample_rate)
    reach = max(0, len(truth) - len(ours)) + 1
    return max(0.0, -align(truth, ours, max_lag=reach) * _ENVELOPE_S)


def _loudness(samples: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float64]:
    """The root mean square of every 2 ms, less its mean."""
    hop = max(1, round(_ENVELOPE_S * sample_rate))
    n_frames = -(-len(samples) // hop)
    pieces = fit_length(samples, n_frames * hop).astype(np.float64).reshape(n_frames, hop)
    envelope = np.sqrt(np.square(pieces).mean(axis=-1))
    return np.asarray(envelope - envelope.mean())


def steps_of(recipe: Recipe, sample_rate: int) -> list[Step]:
    """The steps of a recipe for a recording of this rate, in the order in which they happen.

    What the recipe does not do has no entry; the transform itself and the phase are always there. Steps on the
    spectrum are taken between pre-emphasis and its inverse. Beside the recipe's phase stands `specloom.reconstruct`,
    and beside a scale between 0 and 1 stand 8 and 16 bits.
    """
    return [
        *_before_the_transform(recipe, sample_rate),
        *_values(recipe),
        *_frames(recipe),
        *_sharpening(recipe),
        *_phases(recipe),
        *_after_the_phase(recipe, sample_rate),
    ]


def _emphasised(recipe: Recipe, *steps: str) -> Recipe:
    """These steps alone, between pre-emphasis and its inverse where the recipe has them.

    The pair loses nothing, but it decides how loud the bins are that a step on the spectrum sees: without it a clip
    to a fixed range cuts off what the recipe never would.
    """
    return only(recipe, "pre-emphasis", *steps)


def _before_the_transform(recipe: Recipe, sample_rate: int) -> Iterator[Step]:
    rate = recipe.analysis_rate(sample_rate)
    frames = recipe.stft_config(rate)
    yield Step(
        key="transform",
        label="Transform and back",
        phrase="the transform",
        explanation=f"STFT of {frames.n_fft}, window {frames.win_length}, hop {frames.hop_length}, and its inverse.",
        recipe=only(recipe),
    )
    if rate != sample_rate:
        yield Step(
            key="resample",
            label=f"Resampling to {hertz(rate)}",
            phrase=f"resampling to {hertz(rate)}",
            explanation=f"From {hertz(sample_rate)} and, to compare, back.",
            recipe=replace(only(recipe, "resample"), synthesis=Synthesis()),
            at_own_rate=True,
        )
    if recipe.trim_db is not None:
        yield Step(
            key="trim",
            label=f"Trimming at {recipe.trim_db:g} dB",
            phrase=f"trimming at {recipe.trim_db:g} dB",
            explanation="Edges softer than this below the loudest frame are cut"
            + (", and silence is put in their place." if recipe.synthesis.restore_edges else "."),
            recipe=only(recipe, "trim"),
        )
    if recipe.preemphasis:
        yield Step(
            key="pre-emphasis",
            label=f"Pre-emphasis {recipe.preemphasis:g} and its inverse",
            phrase="pre-emphasis",
            explanation="High frequencies lifted before the transform and let down again after it.",
            recipe=only(recipe, "pre-emphasis"),
        )


def _values(recipe: Recipe) -> Iterator[Step]:
    yield Step(
        key="mel",
        label=f"{recipe.mel.n_mels} mel bands",
        phrase=f"the {recipe.mel.n_mels} mel bands",
        explanation=f"Bins to bands, and back by {recipe.synthesis.mel_method.replace('-', ' ')}.",
        recipe=_emphasised(recipe, "mel"),
        chain="mel",
        source="mel",
    )
    if recipe.scale == Linear():
        return
    # Whether the level comes back is a matter of its own, at the end of the chain.
    scaled = replace(_emphasised(recipe), scale=recipe.scale)
    label, phrase, explanation = _scale_words(recipe.scale)
    yield Step(key="scale", label=label, phrase=phrase, explanation=explanation, recipe=scaled)
    for bits in (8, 16) if recipe.quantise_bits is None else (recipe.quantise_bits,):
        yield Step(
            key=f"{bits}-bit",
            label=f"{bits} bits a value",
            phrase=f"rounding to {bits} bits",
            explanation=f"Stored values rounded to {2**bits} levels, as a picture would.",
            recipe=replace(scaled, quantise_bits=bits),
            kind="what-if" if recipe.quantise_bits is None else "step",
        )


def _scale_words(scale: PeakPower | Decibels | Linear) -> tuple[str, str, str]:
    if isinstance(scale, PeakPower):
        return (
            f"Exponent {scale.exponent:g} and its inverse",
            f"the exponent {scale.exponent:g}",
            f"Divided by the maximum, raised to {scale.exponent:g}, and back by 1/{scale.exponent:g}.",
        )
    if isinstance(scale, Decibels):
        top = "the loudest value" if scale.reference_db is None else f"{scale.reference_db:g} dB"
        return (
            f"Decibels, clipped to {scale.range_db:g} dB",
            f"the clip to {scale.range_db:g} dB",
            f"What lies above {top}, or {scale.range_db:g} dB below it, is cut off.",
        )
    return ("Plain magnitudes", "the magnitudes", "Nothing is changed.")


def _frames(recipe: Recipe) -> Iterator[Step]:
    every = recipe.mel_frame_step
    if every == 1:
        return
    if recipe.frame_count == "cut":
        yield Step(
            key="cut",
            label=f"Frames cut to a multiple of {every}",
            phrase="cutting the last frames",
            explanation="The last frames are dropped.",
            recipe=only(recipe, "frames"),
        )
    yield Step(
        key="frames",
        label=f"Every {_ordinal(every)} mel frame",
        phrase=f"keeping only every {_ordinal(every)} frame",
        explanation=f"The mel spectrogram keeps one frame in {every}; straight lines between. Here on the bins, alone.",
        recipe=_emphasised(recipe),
        chain="mel",
        keep_every=every,
    )


def _sharpening(recipe: Recipe) -> Iterator[Step]:
    power = recipe.synthesis.power
    if power == 1.0:
        return
    if isinstance(recipe.scale, PeakPower):
        exponent = f"{recipe.scale.exponent:g}"
        label = f"Exponent {power:g}/{exponent} in place of 1/{exponent}"
        phrase = f"the exponent {power:g}/{exponent}"
    else:
        label = f"Magnitude to the power of {power:g}"
        phrase = f"the power of {power:g}"
    yield Step(
        key="power",
        label=label,
        phrase=phrase,
        explanation=f"In effect the magnitude to the power of {power:g}: "
        + ("loud becomes louder beside soft." if power > 1 else "soft becomes louder beside loud."),
        recipe=_emphasised(recipe, "power"),
    )


def _phases(recipe: Recipe) -> Iterator[Step]:
    ours = Step(
        key="reconstruct",
        label="Phase: reconstruct",
        phrase="the phase by reconstruct",
        explanation="The phase thrown away and found again by specloom.reconstruct.",
        recipe=_emphasised(recipe),
        keeps_phase=False,
    )
    found = recipe.synthesis.phase
    if isinstance(found, Reconstruct):
        yield replace(ours, label=f"Phase: reconstruct, {found.quality}", recipe=_emphasised(recipe, "phase"))
        return
    yield Step(
        key="phase",
        label=f"Phase: Griffin-Lim, {found.n_iter} iterations",
        phrase="the phase by Griffin-Lim",
        explanation="The phase thrown away and found again by the published algorithm"
        + (f" with momentum {found.momentum:g}." if found.momentum else "."),
        recipe=_emphasised(recipe, "phase"),
        keeps_phase=False,
    )
    yield replace(ours, kind="what-if")


def _after_the_phase(recipe: Recipe, sample_rate: int) -> Iterator[Step]:
    way = recipe.synthesis
    if way.trim_db is not None:
        yield Step(
            key="output-trim",
            label=f"Trimming the result at {way.trim_db:g} dB",
            phrase="trimming the result",
            explanation="Edges of the result that are softer than this are cut.",
            recipe=only(recipe, "output trim"),
        )
    if way.written_peak is not None:
        yield Step(
            key="peak",
            label=f"Peak set to {way.written_peak:g}",
            phrase="setting the peak",
            explanation="The level of the recording is lost.",
            recipe=only(recipe, "written peak"),
        )
    elif recipe.scale.needs_peak and not way.restore_level:
        yield Step(
            key="level",
            label="Divided by the maximum",
            phrase="dividing by the maximum",
            explanation="The maximum is not multiplied back, so the level of the recording is lost.",
            recipe=only(recipe, "scale"),
        )
    true_rate = sample_rate if way.restore_rate else recipe.analysis_rate(sample_rate)
    if way.written_sample_rate is not None and way.written_sample_rate != true_rate:
        yield Step(
            key="written-rate",
            label=f"{hertz(way.written_sample_rate)} written for {hertz(true_rate)}",
            phrase=f"the sample rate of {hertz(way.written_sample_rate)} written for {hertz(true_rate)}",
            explanation="The file says a wrong sample rate, so it plays at another speed and another pitch.",
            recipe=only(recipe, "written rate"),
        )


def hertz(rate: int) -> str:
    """A sample rate with its thousands set apart.

    >>> hertz(22050).replace(chr(0xA0), " ")
    '22 050 Hz'
    """
    return f"{rate:,}".replace(",", "\N{NO-BREAK SPACE}") + "\N{NO-BREAK SPACE}Hz"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
