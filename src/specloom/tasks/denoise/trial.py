"""A recording spoilt and cleaned again: what is seen, heard and measured of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from specloom.audio import Audio
from specloom.dsp.resample import resample
from specloom.errors import ParameterError
from specloom.metrics import pesq_available, stoi_available
from specloom.pixels.damage import gaussian_noise, lost_lines, salt_and_pepper
from specloom.recipes.recipe import Quality
from specloom.recipes.spectrogram import Spectrogram
from specloom.tasks.denoise.denoiser import Denoiser, FloatArray
from specloom.tasks.scores import Judge, Scores

Stage = Literal["clean", "damaged", "median", "cleaned"]
STAGES: tuple[Stage, ...] = ("clean", "damaged", "median", "cleaned")

# PESQ knows 8 and 16 kHz.
_JUDGED_RATE = 16_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What became of one recording.

    Parameters
    ----------
    name : str
    spectrograms : mapping of stage to Spectrogram
        "clean", "damaged", "median" (a 3 x 3 median filter instead of the network) and "cleaned".
    sounds : mapping of stage to Audio
        Each made from its mel spectrogram alone, the clean one too: what is lost there is not the damage's.
    error_db : mapping of stage to float
        Mean absolute difference of the mel spectrogram from the clean one.
    scores : mapping of stage to Scores
        Of the sound, with that of the clean spectrogram as the reference.
    """

    name: str
    spectrograms: Mapping[Stage, Spectrogram]
    sounds: Mapping[Stage, Audio]
    error_db: Mapping[Stage, float]
    scores: Mapping[Stage, Scores]


def damaged_values(values: FloatArray, damage: str, amount: float, rng: np.random.Generator) -> FloatArray:
    """``values (n_mels, n_frames)`` between 0 and 1, spoilt.

    Raises
    ------
    ParameterError
        For a damage that is none of "salt-and-pepper", "gaussian" and "dropout".
    """
    made: npt.NDArray[np.floating]
    if damage == "salt-and-pepper":
        made = salt_and_pepper(values, amount, rng=rng)
    elif damage == "gaussian":
        made = gaussian_noise(values, amount, rng=rng)
    elif damage == "dropout":
        made = lost_lines(lost_lines(values, amount / 2, rng=rng, axis="rows"), amount / 2, rng=rng)
    else:
        raise ParameterError(f"damage={damage!r}: allowed are 'salt-and-pepper', 'gaussian' and 'dropout'")
    return made.astype(np.float32, copy=False)


def try_on(
    denoiser: Denoiser,
    audio: Audio,
    *,
    name: str,
    damage: str = "salt-and-pepper",
    amount: float = 0.2,
    seed: int = 0,
    quality: Quality = "balanced",
) -> Trial:
    """Spoil the mel spectrogram of a recording, clean it, and compare picture and sound with the clean ones.

    Parameters
    ----------
    denoiser : Denoiser
    audio : Audio
        Channels are averaged.
    name : str
    damage, amount
        As `damaged_values`; in the model's decibels.
    seed : int
    quality : {"fast", "balanced", "best"}
        Of the phase retrieval.
    """
    clean = replace(denoiser.features.recipe.analyse(audio), linear=None)
    assert clean.mel is not None
    damaged = damaged_values(clean.mel, damage, amount, np.random.default_rng(seed))
    arrays: dict[Stage, FloatArray] = {
        "clean": clean.mel,
        "damaged": damaged,
        "median": median_filter(damaged, size=3),
        "cleaned": denoiser.process_values(damaged),
    }
    spectrograms = {stage: replace(clean, mel=mel) for stage, mel in arrays.items()}
    sounds = {stage: each.recipe.synthesise(each, quality=quality) for stage, each in spectrograms.items()}
    others: tuple[Stage, ...] = ("damaged", "median", "cleaned")
    range_db = denoiser.features.scale.range_db
    return Trial(
        name=name,
        spectrograms=spectrograms,
        sounds=sounds,
        error_db={stage: range_db * float(np.abs(arrays[stage] - clean.mel).mean()) for stage in others},
        scores={stage: _scores(sounds[stage], sounds["clean"]) for stage in others},
    )


def _scores(found: Audio, clean: Audio) -> Scores:
    judge = Judge(pesq=pesq_available(), stoi=stoi_available())
    heard, reference = (resample(each.samples, each.sample_rate, _JUDGED_RATE) for each in (found, clean))
    return judge.scores(heard, reference, _JUDGED_RATE)
