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
from specloom.recipes.recipe import Quality, Recipe
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
    noise: Audio | None = None,
    snr_db: float = 5.0,
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
    damage : str
        As in `damaged_values`, or "noise": `noise` is added to the sound before it becomes a spectrogram.
    amount : float
        In the model's decibels.
    noise : Audio, optional
        At the rate of `audio`; repeated where it is shorter.
    snr_db : float
        Of the sound over the noise.
    seed : int
    quality : {"fast", "balanced", "best"}
        Of the phase retrieval.

    Raises
    ------
    ParameterError
        For an unknown damage, or "noise" without `noise`.
    """
    # Untrimmed, so that the noisy spectrogram has the same frames.
    recipe = replace(denoiser.features.recipe, trim_db=None)
    clean = replace(recipe.analyse(audio), linear=None)
    if damage == "noise":
        damaged, cleaned = _with_noise(denoiser, recipe, audio, clean, noise, snr_db)
    else:
        damaged = damaged_values(_mel(clean), damage, amount, np.random.default_rng(seed))
        cleaned = denoiser.process_values(damaged)
    arrays: dict[Stage, FloatArray] = {
        "clean": _mel(clean),
        "damaged": damaged,
        "median": median_filter(damaged, size=3),
        "cleaned": cleaned,
    }
    spectrograms = {stage: replace(clean, mel=mel) for stage, mel in arrays.items()}
    sounds = {stage: each.recipe.synthesise(each, quality=quality) for stage, each in spectrograms.items()}
    others: tuple[Stage, ...] = ("damaged", "median", "cleaned")
    range_db = denoiser.features.scale.range_db
    return Trial(
        name=name,
        spectrograms=spectrograms,
        sounds=sounds,
        error_db={stage: range_db * float(np.abs(arrays[stage] - _mel(clean)).mean()) for stage in others},
        scores={stage: _scores(sounds[stage], sounds["clean"]) for stage in others},
    )


def _mel(spectrogram: Spectrogram) -> FloatArray:
    assert spectrogram.mel is not None
    return spectrogram.mel


def _with_noise(
    denoiser: Denoiser, recipe: Recipe, audio: Audio, clean: Spectrogram, noise: Audio | None, snr_db: float
) -> tuple[FloatArray, FloatArray]:
    """The noisy and the cleaned mel array, in decibels below the loudest value of the clean one."""
    if noise is None or noise.n_samples == 0:
        raise ParameterError("damage='noise' needs a recording of noise")
    mono = np.atleast_2d(audio.samples).mean(axis=0)
    added = np.resize(np.atleast_2d(noise.samples).mean(axis=0), mono.shape)
    power, noise_power = (float(np.mean(np.square(one, dtype=np.float64))) for one in (mono, added))
    gain = np.sqrt(power / max(noise_power, 1e-12)) * 10.0 ** (-snr_db / 20.0)
    noisy = recipe.analyse(Audio((mono + np.float32(gain) * added).astype(np.float32), audio.sample_rate))
    cleaned = denoiser.process(noisy)
    peak = clean.origin.mel_peak or 1.0
    damaged, made = (denoiser.features.scale.apply(each.mel_magnitude(), peak) for each in (noisy, cleaned))
    return damaged, made


def _scores(found: Audio, clean: Audio) -> Scores:
    judge = Judge(pesq=pesq_available(), stoi=stoi_available())
    heard, reference = (resample(each.samples, each.sample_rate, _JUDGED_RATE) for each in (found, clean))
    return judge.scores(heard, reference, _JUDGED_RATE)
