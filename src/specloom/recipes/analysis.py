"""Sound to spectrogram: one function a step, in the order in which they happen.

channels -> rate -> trim -> pre-emphasis -> transform -> mel -> scale (-> every n-th frame, -> rounding)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.dsp.level import pre_emphasis, trim_bounds
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.stft import stft
from specloom.dsp.windows import require_invertible
from specloom.errors import ParameterError
from specloom.recipes.recipe import Recipe
from specloom.recipes.scales import FloatArray, quantise
from specloom.recipes.spectrogram import Origin, Spectrogram


def analyse(audio: Audio, recipe: Recipe) -> Spectrogram:
    """Sound to spectrogram: what `Recipe.analyse` documents."""
    samples, origin = prepare(audio, recipe)
    n_frames = require_frames_left(recipe, origin)
    magnitude = np.abs(transform(samples, recipe, origin))
    mel = mel_of(magnitude, recipe, origin.analysis_rate)
    origin = replace(origin, linear_peak=float(magnitude.max()), mel_peak=float(mel.max()))
    return Spectrogram(
        recipe=recipe,
        origin=origin,
        linear=write_down(magnitude[..., :n_frames], recipe, origin.linear_peak),
        mel=write_down(mel[..., : n_frames : recipe.mel_frame_step], recipe, origin.mel_peak),
    )


def phase_of(audio: Audio, recipe: Recipe) -> FloatArray:
    """The phase that `analyse` drops, radians, shape of the linear array.

    Handed to `Recipe.synthesise`, it takes phase retrieval out of a measurement.
    """
    samples, origin = prepare(audio, recipe)
    n_frames = require_frames_left(recipe, origin)
    spectrum = transform(samples, recipe, origin)[..., :n_frames]
    return np.asarray(np.angle(spectrum), dtype=np.float32)


def prepare(audio: Audio, recipe: Recipe) -> tuple[FloatArray, Origin]:
    """The samples that are transformed, shape ``(n,)`` or ``(n_channels, n)``, and where they come from."""
    samples = choose_channels(audio.samples, recipe)
    samples = at_rate(samples, audio.sample_rate, recipe.analysis_rate(audio.sample_rate))
    start, stop = trimmed(samples, recipe)
    origin = Origin(
        sample_rate=audio.sample_rate,
        n_samples=audio.n_samples,
        n_channels=audio.n_channels,
        analysis_rate=recipe.analysis_rate(audio.sample_rate),
        n_analysed=samples.shape[-1],
        start=start,
        stop=stop,
    )
    return emphasised(samples[..., start:stop], recipe), origin


def choose_channels(samples: FloatArray, recipe: Recipe) -> FloatArray:
    """The mean of the channels, or all of them; a single channel has no axis of its own."""
    if samples.ndim == 1:
        return samples
    if samples.shape[0] == 1:
        return np.asarray(samples[0])
    return np.asarray(samples.mean(axis=0, dtype=np.float32)) if recipe.channels == "mono" else samples


def at_rate(samples: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    """Resampled, when the rates differ."""
    if from_rate == to_rate or samples.shape[-1] == 0:
        return samples
    from specloom.dsp.resample import resample

    return np.asarray(resample(samples, from_rate, to_rate), dtype=np.float32)


def trimmed(samples: FloatArray, recipe: Recipe) -> tuple[int, int]:
    """Where the sound between the soft edges begins and ends."""
    if recipe.trim_db is None:
        return 0, samples.shape[-1]
    return trim_bounds(samples, top_db=recipe.trim_db)


def emphasised(samples: FloatArray, recipe: Recipe) -> FloatArray:
    """With the high frequencies lifted."""
    if recipe.preemphasis is None:
        return samples
    return np.asarray(pre_emphasis(samples, recipe.preemphasis), dtype=np.float32)


def transform(samples: FloatArray, recipe: Recipe, origin: Origin) -> npt.NDArray[np.complexfloating[Any, Any]]:
    """The complex spectrum, filled up with frames of silence to the recipe's frame count (but not yet cut to it)."""
    config = recipe.stft_config(origin.analysis_rate)
    missing = recipe.n_frames(origin.n_trimmed, config) - config.n_frames(origin.n_trimmed)
    if missing > 0 and samples.shape[-1] > 0:
        samples = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing * config.hop_length)])
    return stft(samples, config)


def mel_of(magnitude: FloatArray, recipe: Recipe, analysis_rate: int) -> FloatArray:
    """Magnitudes (or powers) weighed by the mel filters, shape ``(..., n_mels, n_frames)``."""
    weighed = magnitude if recipe.mel.power == 1.0 else magnitude**2
    return np.asarray(np.matmul(mel_filterbank(recipe.mel_config(analysis_rate)), weighed))


def write_down(values: FloatArray, recipe: Recipe, peak: float | None) -> FloatArray:
    """Values as they are stored: scaled, and rounded to the recipe's bits."""
    stored = recipe.scale.apply(values, 1.0 if peak is None else peak)
    return stored if recipe.quantise_bits is None else quantise(stored, recipe.quantise_bits)


def require_frames_left(recipe: Recipe, origin: Origin) -> int:
    """The frame count of the linear array, or the reason why nothing is left."""
    config = recipe.stft_config(origin.analysis_rate)
    require_invertible(config)
    n_frames = recipe.n_frames(origin.n_trimmed, config)
    if n_frames == 0 and recipe.frame_count == "cut" and config.n_frames(origin.n_trimmed) > 0:
        raise ParameterError(
            f"{origin.n_trimmed} samples give fewer than mel_frame_step={recipe.mel_frame_step} frames, and "
            "frame_count='cut' keeps multiples only: use frame_count='fill' or a longer sound"
        )
    if n_frames == 0 or origin.n_trimmed == 0:
        raise ParameterError(
            f"{origin.n_trimmed} samples give no frame of n_fft={config.n_fft} with center={config.center}: "
            "use a longer sound, a smaller n_fft, or center=True"
        )
    return n_frames
