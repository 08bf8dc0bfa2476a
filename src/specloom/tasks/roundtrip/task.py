"""The round trip itself: every step alone, all together, without what spoils it, and once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.metrics import pesq_available, stoi_available
from specloom.recipes import Linear, Recipe, Synthesis
from specloom.recipes.analysis import at_rate
from specloom.recipes.recipe import Quality
from specloom.tasks.roundtrip.measure import Copy, Judge
from specloom.tasks.roundtrip.report import RoundtripReport, RoundtripRow, RowKind
from specloom.tasks.roundtrip.steps import Step, again, steps_of, whole_chain
from specloom.tasks.roundtrip.verdict import remarks, spoilers, verdict

DEFAULT_SECONDS = 60.0

Source = Literal["linear", "mel"]
_SOURCES: tuple[Source, ...] = ("linear", "mel")


def roundtrip(
    audio: Audio,
    recipe: Recipe,
    *,
    quality: Quality = "balanced",
    with_perceptual: bool | None = None,
    seconds: float | None = DEFAULT_SECONDS,
    recording_s: float | None = None,
) -> RoundtripReport:
    """Measure which step of a recipe loses what.

    Parameters
    ----------
    audio : Audio
        Channels are averaged first.
    recipe : Recipe
    quality : {"fast", "balanced", "best"}
        Of `specloom.reconstruct`, which stands beside the recipe's own phase retrieval where that is another one.
    with_perceptual : bool, optional
        Take PESQ and STOI; whatever of the extra ``eval`` is installed, if not given.
    seconds : float, optional
        Compare no more than this from the beginning of the recording; None compares all of it.
    recording_s : float, optional
        The length of the whole recording, where ``audio`` is only its beginning; it stands in the report.

    Returns
    -------
    RoundtripReport
        Each step of the recipe alone, with the true phase wherever the step permits it and everything else neutral;
        then all together, from the linear and from the mel spectrogram; without what spoils it; and the copy of the
        copy. Every copy is compared at the rate that is written in it. Where the recipe resamples, its other steps
        are compared with the resampled recording, so that one step's loss is not counted in another's row.

    Raises
    ------
    ParameterError
        When there is no sound, or too little for a frame.
    MissingExtraError
        With ``with_perceptual=True``, when PESQ or STOI is not installed.
    """
    original = _excerpt(audio, seconds)
    judge = Judge(
        original=original,
        pesq=_wanted(with_perceptual, pesq_available()),
        stoi=_wanted(with_perceptual, stoi_available()),
    )
    rows = _steps_alone(judge, recipe, quality)
    rows += _all_together(judge, recipe, spoilers(rows))
    return RoundtripReport(
        recipe=recipe,
        original=original,
        recording_s=max(audio.duration_s, recording_s or 0.0),
        recording_channels=audio.n_channels,
        pesq_rate=judge.pesq_rate if judge.pesq else None,
        with_stoi=judge.stoi,
        rows=tuple(rows),
        verdict=verdict(rows),
        remarks=remarks(rows),
    )


def _excerpt(audio: Audio, seconds: float | None) -> Audio:
    if audio.n_samples == 0:
        raise ParameterError("the recording is empty: at least one sample is needed for a round trip")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ParameterError(f"seconds={seconds}: a number above 0 is needed, or None for the whole recording")
    mono = audio.mono()
    if seconds is None or mono.duration_s <= seconds:
        return mono
    return Audio(mono.samples[: max(1, round(seconds * mono.sample_rate))], mono.sample_rate)


def _wanted(asked: bool | None, available: bool) -> bool:
    return available if asked is None else asked


def _steps_alone(judge: Judge, recipe: Recipe, quality: Quality) -> list[RoundtripRow]:
    original = judge.original
    rate = recipe.analysis_rate(original.sample_rate)
    inner = judge
    if rate != original.sample_rate:
        resampled = Audio(at_rate(original.samples, original.sample_rate, rate), rate)
        inner = judge.of(resampled)
    rows = []
    for step in steps_of(recipe, original.sample_rate):
        against = judge if step.at_own_rate else inner
        alternative = quality if step.key == "reconstruct" and step.kind == "what-if" else None
        copy = step.run(against.original, quality=alternative)
        rows.append(_row(against, copy, step))
    return rows


def _row(judge: Judge, copy: Copy, step: Step) -> RoundtripRow:
    return RoundtripRow(
        key=step.key,
        label=step.label,
        phrase=step.phrase,
        explanation=step.explanation,
        kind=step.kind,
        chain=step.chain,
        losses=judge.losses(copy),
        copy=copy,
    )


def _all_together(judge: Judge, recipe: Recipe, guilty: Sequence[RoundtripRow]) -> list[RoundtripRow]:
    rows = []
    left_out = [row for row in guilty if row.chain != "mel"]
    cured = without(recipe, [row.key for row in left_out])
    true_phase = any(not row.copy.keeps_phase for row in left_out)
    for source in _SOURCES:
        first = whole_chain(judge.original, recipe, source)
        second, over_both = again(first, recipe, source)
        words = f"All steps together: sound to {source} spectrogram to sound."
        rows.append(_total(judge, first, source, "copy", "Copy", words, "total"))
        if left_out:
            better = whole_chain(judge.original, cured, source, true_phase=true_phase)
            words = f"The whole recipe but: {'; '.join(row.label for row in left_out)}."
            rows.append(_total(judge, better, source, "cured", "Without what spoils it", words, "cured"))
        words = "The recipe twice, against the original."
        rows.append(_total(judge, over_both, source, "second", "Copy of the copy", words, "generation"))
        # What the article listened to, and took for innocence of everything but Griffin-Lim.
        against_first = judge.of(first.audio)
        words = "What the second round adds."
        rows.append(_total(against_first, second, source, "between", "Second against first copy", words, "generation"))
    return rows


def _total(
    judge: Judge, copy: Copy, source: Source, key: str, label: str, explanation: str, kind: RowKind
) -> RoundtripRow:
    return RoundtripRow(
        key=f"{key}-{source}",
        label=f"{label}, from {source}",
        phrase=f"all together from {source}",
        explanation=explanation,
        kind=kind,
        chain=source,
        losses=judge.losses(copy),
        copy=copy,
    )


# The field that makes up a step, and its value where the step does nothing. The phase is no field: it is handed on.
_NOTHING: dict[str, tuple[str, object]] = {
    "resample": ("sample_rate", None),
    "trim": ("trim_db", None),
    "pre-emphasis": ("preemphasis", None),
    "8-bit": ("quantise_bits", None),
    "16-bit": ("quantise_bits", None),
    "scale": ("scale", Linear()),
    "cut": ("frame_count", "fill"),
    "power": ("synthesis.power", 1.0),
    "output-trim": ("synthesis.trim_db", None),
    "written-rate": ("synthesis.written_sample_rate", None),
}


def without(recipe: Recipe, steps: Sequence[str]) -> Recipe:
    """The recipe with these steps (keys of its rows) taken out."""
    fields = dict(_NOTHING[step] for step in steps if step in _NOTHING)
    if "scale" in fields:
        # Plain magnitudes have no upper end, so there is nothing to round them to.
        fields["quantise_bits"] = None
    outer = {name: value for name, value in fields.items() if "." not in name}
    inner = {name.partition(".")[2]: value for name, value in fields.items() if "." in name}
    synthesis: Synthesis = replace(recipe.synthesis, **inner)  # type: ignore[arg-type]
    result: Recipe = replace(recipe, synthesis=synthesis, **outer)  # type: ignore[arg-type]
    return result
