"""An autoencoder for mel spectrograms, ready to clean them at any length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specloom.artifact import Artifact
from specloom.audio import Audio
from specloom.errors import ArtifactError, ParameterError
from specloom.recipes.recipe import Quality, Recipe
from specloom.recipes.spectrogram import Origin, Spectrogram, remembered_peak
from specloom.recipes.synthesis import analysis_half
from specloom.tasks.denoise.features import MelPatches, parse_features

if TYPE_CHECKING:
    from specloom.artifact import Header

FloatArray = npt.NDArray[np.float32]

TASK = "denoise_mel"
# Patches that go through the network together: enough for large products of matrices, little memory.
_TOGETHER = 16


class Denoiser:
    """Damaged mel spectrograms in, cleaned ones out: the same settings, shape and level.

    Parameters
    ----------
    model : str, path or Artifact
        The name of a model that ships with Specloom, or a model file of your own (``specloom train denoise-mel``).
    threads : int
        How many threads one run of the network may use.

    Attributes
    ----------
    header : Header
        What the model file says about itself.
    features : MelPatches
        What the network is fed with.

    Raises
    ------
    ParameterError
        When `model` is nothing of that, or the number of threads is impossible.
    ArtifactError
        When there is no such model, or it is damaged, of a newer Specloom, for another task, or answers its probe
        otherwise than where it was made.

    Notes
    -----
    Laws (tests/laws/test_denoise_laws.py): a network that changes nothing gives the spectrogram back; what is twice as
    loud is cleaned like what is not; a spectrogram of another scale (a picture's) is cleaned like that of the model's.

    Examples
    --------
    >>> import specloom
    >>> damaged = specloom.Picture.open("damaged.png").spectrogram()  # doctest: +SKIP
    >>> specloom.Denoiser().process(damaged).save("cleaned.npz")  # doctest: +SKIP
    """

    def __init__(self, model: str | Path | Artifact = "mel80", *, threads: int = 1) -> None:
        from specloom.runtime import Session, Tensor, check_probe, opened_model

        artifact = opened_model(model, task=TASK)
        self.header: Header = artifact.header
        self.features: MelPatches = parse_features(artifact.header.features)
        if len(artifact.networks) != 1:
            raise ArtifactError(
                f"the model {artifact.header.name!r} has {len(artifact.networks)} networks: one is needed"
            )
        self._session = Session(artifact, threads=threads)
        patch = (None, self.features.n_frames, self.features.n_mels)
        given, made = (Tensor(name=name, shape=patch) for name in ("mel", "cleaned"))
        self._session.require_interface(self.features.interface, given, made)
        check_probe(self._session)

    def process_values(self, values: npt.ArrayLike) -> FloatArray:
        """Clean values as the model's scale writes them down.

        Parameters
        ----------
        values : floating-point array, shape ``(..., n_mels, n_frames)``
            Between 0 and 1; what lies beyond is cut off.

        Returns
        -------
        float32 array of the same shape, between 0 and 1

        Raises
        ------
        ParameterError
            For another number of bands, or NaN.
        """
        given = np.asarray(values, dtype=np.float32)
        if given.ndim < 2 or given.shape[-2] != self.features.n_mels:
            raise ParameterError(f"values of shape {given.shape}: (..., {self.features.n_mels}, n_frames) is needed")
        if not np.isfinite(given).all():
            raise ParameterError("values hold NaN or infinity: replace them (numpy.nan_to_num) first")
        if given.shape[-1] == 0:
            return given.copy()
        planes = np.clip(given, 0.0, 1.0).reshape(-1, *given.shape[-2:])
        cleaned = np.stack([self._plane(np.ascontiguousarray(plane.T)).T for plane in planes])
        return np.ascontiguousarray(cleaned.reshape(given.shape))

    def process(self, spectrogram: Spectrogram) -> Spectrogram:
        """Clean the mel array of a spectrogram; a linear array beside it, which is not cleaned, is left out.

        Parameters
        ----------
        spectrogram : Spectrogram
            Made as the model's recipe makes them; the scale and the way back to sound may be others.

        Returns
        -------
        Spectrogram
            With the recipe and origin of what was given.

        Raises
        ------
        ParameterError
            When it holds no mel array, or was made with other settings than the model knows.
        """
        if spectrogram.mel is None:
            raise ParameterError(
                "this spectrogram has no mel array, which is what the model cleans; draw it with 'mel'"
            )
        mel = self.process_stored(spectrogram.mel, spectrogram.recipe, spectrogram.origin)
        return replace(spectrogram, linear=None, mel=mel)

    def process_stored(self, mel: FloatArray, recipe: Recipe, origin: Origin) -> FloatArray:
        """`process` for the array alone, as the recipe's scale writes it down; errors are the same."""
        self.require_same_settings(recipe, origin.analysis_rate)
        ours = self.features.scale
        if recipe.scale == ours:
            return self.process_values(mel)
        magnitude = recipe.scale.undo(mel, remembered_peak(origin.mel_peak))
        # What the decibels are below: the recording's own loudest value, or what is there if that is louder.
        peak = max(float(magnitude.max(initial=0.0)), origin.mel_peak or 0.0)
        cleaned = ours.undo(self.process_values(ours.apply(magnitude, peak)), peak)
        stored = recipe.scale.apply(cleaned, remembered_peak(origin.mel_peak))
        return np.asarray(stored, dtype=np.float32)

    def process_audio(self, audio: Audio, *, quality: Quality | None = None) -> Audio:
        """Sound to mel spectrogram, cleaned, and back to sound: the same rate, length and channels.

        Parameters
        ----------
        audio : Audio
        quality : {"fast", "balanced", "best", "neural"}, optional
            Of the way back to sound, as in `Recipe.synthesise`.

        Returns
        -------
        Audio
            Its phase is made anew, so it is never the recording itself, however clean that was.
        """
        spectrogram = self.recipe_for_sound.analyse(audio)
        cleaned = self.process(spectrogram)
        return cleaned.recipe.synthesise(cleaned, quality=quality)

    @property
    def recipe_for_sound(self) -> Recipe:
        """The model's recipe with every channel by itself."""
        return replace(self.features.recipe, channels="each")

    def require_same_settings(self, recipe: Recipe, analysis_rate: int) -> None:
        """Refuse a spectrogram whose frames or bands are not those that the model learned.

        Raises
        ------
        ParameterError
        """
        ours = self.features.recipe
        same_rate = ours.sample_rate in (None, analysis_rate)
        if not same_rate or _without_scale(recipe) != _without_scale(ours):
            raise ParameterError(
                f"the spectrogram (recipe {recipe.name!r}, {analysis_rate} Hz) was made with other settings than the "
                f"model {self.header.name!r} learned (recipe {ours.name!r}, {ours.sample_rate or 'any'} Hz, "
                f"{self.features.n_mels} mel bands): draw the recording with that recipe"
            )

    def _plane(self, frames: FloatArray) -> FloatArray:
        """``(n_frames, n_mels)`` through the network in patches that overlap by a half and fade into each other."""
        size = self.features.n_frames
        starts = patch_starts(len(frames), size)
        padded = np.pad(frames, ((0, max(0, size - len(frames))), (0, 0)))
        fade = _fade(size)
        total = np.zeros_like(padded)
        weight = np.zeros(len(padded), dtype=np.float32)
        for begin in range(0, len(starts), _TOGETHER):
            chosen = starts[begin : begin + _TOGETHER]
            patches = np.stack([padded[start : start + size] for start in chosen])
            (cleaned,) = self._session.run({"mel": patches})[0].values()
            for start, patch in zip(chosen, cleaned, strict=True):
                total[start : start + size] += fade[:, np.newaxis] * patch
                weight[start : start + size] += fade
        made: FloatArray = np.clip(total / weight[:, np.newaxis], 0.0, 1.0)[: len(frames)]
        return made


def patch_starts(n_frames: int, size: int) -> list[int]:
    """Where patches begin that overlap by a half at least; the last ends with the spectrogram.

    >>> patch_starts(64, 64), patch_starts(100, 64), patch_starts(10, 64)
    ([0], [0, 32, 36], [0])
    """
    last = max(0, n_frames - size)
    return [*range(0, last, size // 2), last]


def _fade(size: int) -> FloatArray:
    """Weights of a patch's frames: most in its middle, where the network sees enough on both sides."""
    half = np.arange(1, size // 2 + 1, dtype=np.float32)
    fade: FloatArray = np.concatenate([half, half[::-1]]).astype(np.float32) / np.float32(size // 2)
    return fade


def _without_scale(recipe: Recipe) -> Recipe:
    from specloom.recipes.scales import Linear

    return replace(analysis_half(recipe), scale=Linear())
