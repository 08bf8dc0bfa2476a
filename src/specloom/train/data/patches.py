"""Patches of mel spectrograms, whole and damaged, cut from recordings while training goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.pixels.damage import gaussian_noise, lost_lines, salt_and_pepper
from specloom.recipes.analysis import emphasised, mel_of
from specloom.recipes.recipe import Recipe
from specloom.tasks.denoise.features import MelPatches
from specloom.train.data.clips import Clips, picker_of
from specloom.train.data.settings import Range

FloatArray = npt.NDArray[np.float32]
Damage = Literal["salt-and-pepper", "gaussian", "dropout", "noise"]
# Of a recording, at a time: some seconds, so that hours of sound need no more memory.
_BLOCK_FRAMES = 1024
DAMAGES: Final[tuple[Damage, ...]] = get_args(Damage)


@dataclass(frozen=True, kw_only=True)
class PatchSettings:
    """How training patches are spoilt. Ranges are drawn evenly, and so are the damages named.

    Parameters
    ----------
    damages : tuple of str
        "salt-and-pepper", "gaussian", "dropout" (lost bands and frames), and "noise": a recording of noise, added to
        the sound before it becomes a spectrogram. One of them to a patch; one that stands here twice comes twice as
        often.
    amount, deviation, lost_share : (float, float)
        Of `specloom.pixels.damage`.
    snr_db : (float, float)
        Of the sound over the noise.
    headroom_db : (float, float)
        How far the loudest value of its recording lies below what counts as the loudest.
    clean_share : float
        Patches that are not spoilt: what is clean must stay so.
    """

    damages: tuple[Damage, ...] = ("salt-and-pepper",)
    amount: Range = (0.02, 0.35)
    deviation: Range = (0.02, 0.3)
    lost_share: Range = (0.02, 0.25)
    snr_db: Range = (-5.0, 20.0)
    headroom_db: Range = (0.0, 6.0)
    clean_share: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "damages", tuple(self.damages))
        unknown = [name for name in self.damages if name not in DAMAGES]
        if unknown or not self.damages:
            raise ParameterError(f"damage={unknown or ''}: allowed are {', '.join(DAMAGES)}, at least one of them")


@dataclass(frozen=True, kw_only=True)
class PatchSources:
    """What patches are cut from.

    Parameters
    ----------
    clips : Clips
        Recordings, at the rate of the features' analysis.
    noise : Clips, optional
        Needed for the damage "noise".
    features : MelPatches
    """

    clips: Clips
    noise: Clips | None = None
    features: MelPatches


def patch_pair(
    sources: PatchSources, settings: PatchSettings, *, seed: int, item: int
) -> tuple[FloatArray, FloatArray]:
    """Training item `item`: a patch as it is spoilt, and as it was; a pure function of the seed and the number.

    Returns
    -------
    damaged, clean : float32 arrays, shape ``(n_frames, n_mels)``
        Between 0 and 1.
    """
    rng = np.random.default_rng([seed, item])
    clips, recipe = sources.clips, sources.features.recipe
    picker = picker_of(clips, 0.5)
    index = picker.clip(rng, picker.group(rng))
    samples = _piece(rng, clips, index, sources.features)
    damage = settings.damages[int(rng.integers(len(settings.damages)))]
    headroom = 10.0 ** (rng.uniform(*settings.headroom_db) / 20.0)
    mel = _mel(samples, sources.features, clips.sample_rate)
    noisy = mel
    if damage == "noise":
        if sources.noise is None:
            raise ParameterError("damage 'noise' needs recordings of noise")
        noisy = _mel(_with_noise(rng, samples, sources, settings), sources.features, clips.sample_rate)
    peak = headroom * max(loudest_mel(clips, index, recipe), float(mel.max()), float(noisy.max()))
    clean, damaged = (sources.features.scale.apply(values, peak).T for values in (mel, noisy))
    if rng.random() < settings.clean_share:
        damaged = clean
    elif damage != "noise":
        damaged = spoilt(rng, damage, clean, settings)
    return np.ascontiguousarray(damaged, dtype=np.float32), np.ascontiguousarray(clean)


def spoilt(rng: np.random.Generator, damage: Damage, values: FloatArray, settings: PatchSettings) -> FloatArray:
    """``values (n_frames, n_mels)`` with one of the damages that need no recording."""
    if damage == "salt-and-pepper":
        made = salt_and_pepper(values, rng.uniform(*settings.amount), rng=rng)
    elif damage == "gaussian":
        made = gaussian_noise(values, rng.uniform(*settings.deviation), rng=rng)
    else:
        axis: Literal["rows", "columns"] = "rows" if rng.random() < 0.5 else "columns"
        made = lost_lines(values, rng.uniform(*settings.lost_share), rng=rng, axis=axis)
    return made.astype(np.float32, copy=False)


@lru_cache(maxsize=100_000)
def loudest_mel(clips: Clips, index: int, recipe: Recipe) -> float:
    """The loudest value of a whole recording's mel spectrogram, which is what its decibels are below."""
    config = recipe.stft_config(clips.sample_rate)
    loudest, length, block = 0.0, int(clips.lengths[index]), _BLOCK_FRAMES * config.hop_length
    for start in range(0, length, block):
        # Blocks overlap by a window, so that every frame lies inside one of them.
        samples = clips.read(index, start, block + config.n_fft)
        magnitude = np.abs(stft(emphasised(np.pad(samples, (0, config.n_fft)), recipe), config))
        loudest = max(loudest, float(mel_of(magnitude, recipe, clips.sample_rate).max(initial=0.0)))
    return loudest


def _margin(features: MelPatches, sample_rate: int) -> tuple[int, int, int]:
    """Frames beyond both ends of a patch whose windows reach into it, and hop and samples of what is read."""
    config = features.recipe.stft_config(sample_rate)
    margin = -(-config.n_fft // (2 * config.hop_length))
    return margin, config.hop_length, (features.n_frames + 2 * margin - 1) * config.hop_length + 1


def _piece(rng: np.random.Generator, clips: Clips, index: int, features: MelPatches) -> FloatArray:
    """A piece of a recording with what its outer frames see beyond it; silence where the recording ends."""
    _, _, n_samples = _margin(features, clips.sample_rate)
    spare = int(clips.lengths[index]) - n_samples
    if spare >= 0:
        return clips.read(index, int(rng.integers(spare + 1)), n_samples)
    place = int(rng.integers(1 - spare))
    return np.pad(clips.read(index), (place, -spare - place))


def _with_noise(
    rng: np.random.Generator, samples: FloatArray, sources: PatchSources, settings: PatchSettings
) -> FloatArray:
    assert sources.noise is not None
    picker = picker_of(sources.noise, 0.5)
    index = picker.clip(rng, picker.group(rng))
    length = int(sources.noise.lengths[index])
    begin = int(rng.integers(max(1, length - len(samples) + 1)))
    noise = np.resize(sources.noise.read(index, begin, len(samples)), len(samples))
    # The recording's usual level stands for a piece that happens to be a pause.
    level, loudness = (float(np.sqrt(np.mean(np.square(one, dtype=np.float64)))) for one in (samples, noise))
    gain = max(level, 0.01) / max(loudness, 1e-4) * 10.0 ** (-rng.uniform(*settings.snr_db) / 20.0)
    return (samples + np.float32(gain) * noise).astype(np.float32)


def _mel(samples: FloatArray, features: MelPatches, sample_rate: int) -> FloatArray:
    """Mel magnitudes ``(n_mels, n_frames)`` of the frames that see nothing but these samples."""
    margin, _, _ = _margin(features, sample_rate)
    recipe = features.recipe
    magnitude = np.abs(stft(emphasised(samples, recipe), recipe.stft_config(sample_rate)))
    return mel_of(magnitude[:, margin : margin + features.n_frames], recipe, sample_rate)
