"""Row: what the autoencoder that ships makes of damaged mel spectrograms of voices that it has never heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recordings import Recordings
from results import Line, Result, three_decimals
from settings import DENOISE_OF_DAMAGED_BAR, DENOISE_OF_MEDIAN_BAR, DENOISE_PESQ_BAR, DENOISE_STOI_BAR
from specloom import Audio
from specloom.runtime import shipped_models
from specloom.tasks.denoise import Denoiser
from specloom.tasks.denoise.trial import Stage, Trial, try_on

AMOUNT = 0.2
DAMAGES = {"salt-and-pepper": AMOUNT, "gaussian": AMOUNT, "dropout": AMOUNT}
STAGES: tuple[Stage, ...] = ("damaged", "median", "cleaned")


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del rounds  # nothing is timed
    speech = [Audio(clip.samples, clip.sample_rate) for clip in recordings.clips if clip.is_speech]
    results = []
    for model in shipped_models("denoise_mel"):
        denoiser = Denoiser(model)
        lines: list[Line] = []
        for damage, amount in DAMAGES.items():
            trials = [
                try_on(denoiser, audio, name=str(seed), damage=damage, amount=amount, seed=seed)
                for seed, audio in enumerate(speech)
            ]
            lines += _lines(trials, damage, held=damage == "salt-and-pepper")
        results.append(_result(lines, len(speech)))
    return results


def _lines(trials: Sequence[Trial], damage: str, *, held: bool) -> list[Line]:
    error = {stage: float(np.mean([trial.error_db[stage] for trial in trials])) for stage in STAGES}
    pesq, stoi = ({stage: _mean(trials, figure, stage) for stage in STAGES} for figure in ("pesq", "stoi"))
    of_damaged, of_median = (error["cleaned"] / error[stage] for stage in ("damaged", "median"))
    what = f"{damage} {AMOUNT:g}"
    return [
        Line(what=f"{what}: damaged, error, PESQ / STOI of its sound", ours=_said(error, pesq, stoi, "damaged")),
        Line(what=f"{what}: 3 x 3 median filter", ours="", peer=_said(error, pesq, stoi, "median")),
        Line(what=f"{what}: cleaned", ours=_said(error, pesq, stoi, "cleaned")),
        _line(f"{what}: error, of the damaged one's", of_damaged, DENOISE_OF_DAMAGED_BAR, held, least=False),
        _line(f"{what}: error, of the median filter's", of_median, DENOISE_OF_MEDIAN_BAR, held, least=False),
        _line(f"{what}: PESQ of the sound", pesq["cleaned"], DENOISE_PESQ_BAR, held, least=True),
        _line(f"{what}: STOI of the sound", stoi["cleaned"], DENOISE_STOI_BAR, held, least=True),
    ]


def _line(what: str, value: float, bar: float, held: bool, *, least: bool) -> Line:
    if not held:
        return Line(what=what, ours=three_decimals(value))
    return Line(
        what=what,
        ours=three_decimals(value),
        bar=f"{'≥' if least else '≤'} {bar:g}",
        # Without the packages of the extra `eval` nothing is known.
        met=None if np.isnan(value) else value >= bar if least else value <= bar,
    )


def _mean(trials: Sequence[Trial], figure: str, stage: Stage) -> float:
    found = [getattr(trial.scores[stage], figure) for trial in trials]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _said(error: dict[Stage, float], pesq: dict[Stage, float], stoi: dict[Stage, float], stage: Stage) -> str:
    return f"{error[stage]:.2f} dB, {three_decimals(pesq[stage])} / {three_decimals(stoi[stage])}"


def _result(lines: list[Line], n_clips: int) -> Result:
    held = [line for line in lines if line.bar]
    return Result(
        name="denoise",
        title="mel spectrograms with salt and pepper cleaned: error left, PESQ and STOI of the sound",
        measured=" / ".join(line.ours for line in held),
        bar=" / ".join(line.bar for line in held),
        lines=tuple(lines),
        audio=f"{n_clips} recordings of speech, speakers that were not trained on (see bench/README.md)",
        peer="3 x 3 median filter (scipy.ndimage.median_filter)",
        notes=(
            "80 mel bands of the recipe tacotron, in decibels below the loudest value. The error is the mean absolute "
            "difference in decibels from the clean spectrogram; the sound is compared with that made from the clean "
            "spectrogram in the same way.",
        ),
    )
