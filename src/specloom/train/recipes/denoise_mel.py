"""Damage off mel spectrograms: convolutions with skip connections, or the article's dense layers corrected (D3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from specloom.errors import ParameterError
from specloom.recipes.recipe import Recipe
from specloom.tasks.denoise.features import MelPatches
from specloom.train.data import find_noise
from specloom.train.data.folders import find_sounds
from specloom.train.data.patches import FloatArray, PatchSettings, PatchSources, patch_pair
from specloom.train.nn.autoencoder import cleaned_by
from specloom.train.recipes import autoencoders
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.recipes.recordings import held_back, named, rate_of
from specloom.train.state import State, descend

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import Request

_CONV_FRAMES, _CONV_CHANNELS = 64, (24, 48, 96)
_DENSE_FRAMES, _DENSE_WIDTHS = 32, (1000, 1000, 1000)
_N_VALIDATION = 96
# Beyond what any training asks for, so that no patch of validation is one of training even from one recording.
_VALIDATION_SEED = 1 << 32

Batch = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, kw_only=True)
class DenoiseMel:
    """The recipes for mel spectrograms; see `specloom.train.recipes.recipe.Recipe` for their methods.

    Parameters
    ----------
    train, valid : PatchSources
        Of different recordings.
    name : {"conv", "dense"}
        Dense is the article's: three layers of 1000, AdaMax, squared error; corrected in that it sees patches of many
        recordings, as decibels between 0 and 1, and is measured on others.
    settings : PatchSettings
    description : str
        What the recordings are, for the model's file.
    seed, batch_size : int
    """

    train: PatchSources
    valid: PatchSources
    name: str = "conv"
    settings: PatchSettings = field(default_factory=PatchSettings)
    description: str = ""
    seed: int = 0
    batch_size: int = 16

    task = "denoise_mel"
    evaluate_every = 250

    @property
    def features(self) -> MelPatches:
        """What the network is fed with."""
        return self.train.features

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a batch."""
        rate = self.train.clips.sample_rate
        hop = self.features.recipe.stft_config(rate).hop_length
        return self.batch_size * self.features.n_frames * hop / rate

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        shape = [self.features.n_frames, self.features.n_mels]
        if self.name == "dense":
            return {"shape": shape, "widths": list(_DENSE_WIDTHS)}
        return {"shape": shape, "channels": list(_CONV_CHANNELS)}

    def build(self, device: torch.device) -> State:
        """A new network."""
        return autoencoders.built(self.name, self.network_settings(), device)

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Batch]:
        """Damaged and clean patches without end."""
        while True:
            yield _together(
                patch_pair(self.train, self.settings, seed=self.seed, item=first_item + index)
                for index in range(self.batch_size)
            )
            first_item += every

    def step(self, state: State, batch: Batch) -> Mapping[str, Tensor | float]:
        """Absolute error (squared, for the article's network), one batch."""
        damaged, clean = (torch.from_numpy(one).to(state.device) for one in batch)
        with state.autocast():
            cleaned = state.networks["autoencoder"](damaged)
        error = cleaned.float() - clean
        loss = error.square().mean() if self.name == "dense" else error.abs().mean()
        autoencoders.schedule(self.name, state)
        norm = descend(state, "autoencoder", loss, max_norm=1.0)
        return {"loss": loss.detach(), "error_db": self._db(error.detach().abs().mean()), "gradient_norm": norm}

    def _db(self, share: Any) -> Any:
        """A difference of values as decibels."""
        return share * self.features.scale.range_db

    @cached_property
    def _held_back(self) -> Batch:
        return _together(
            patch_pair(self.valid, self.settings, seed=self.seed + _VALIDATION_SEED, item=item)
            for item in range(_N_VALIDATION)
        )

    def evaluate(self, state: State) -> Mapping[str, float]:
        """Mean error in decibels on recordings that were held back, and as shares of that of the damaged patches and of
        what a 3 x 3 median filter leaves; the score is minus the first share.
        """
        damaged, clean = self._held_back
        cleaned = cleaned_by(state.evaluated("autoencoder"), damaged, state.device)
        ours, before, filtered = (
            float(self._db(np.abs(one - clean).mean())) for one in (cleaned, damaged, median_filter(damaged, (1, 3, 3)))
        )
        return {
            "error_db": ours,
            "damaged_db": before,
            "of_damaged": ours / before,
            "of_median": ours / filtered,
            "score": -ours / before,
        }

    def header(self, state: State) -> Header:
        """What the model file says."""
        noise = self.train.noise
        return autoencoders.header(
            self,
            state,
            settings=self.network_settings(),
            features=self.features.to_json(),
            data=self.description,
            speech_hours=self.train.clips.seconds / 3600.0,
            noise_hours=0.0 if noise is None else noise.seconds / 3600.0,
        )

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The one network."""
        return autoencoders.exported(state, given="mel", shape=(self.features.n_frames, self.features.n_mels))


def conv(request: Request) -> DenoiseMel:
    """Patches of 64 frames through convolutions with skip connections."""
    return _recipe(request, name="conv", n_frames=_CONV_FRAMES)


def dense(request: Request) -> DenoiseMel:
    """Patches of 32 frames through the article's dense layers."""
    return _recipe(request, name="dense", n_frames=_DENSE_FRAMES)


def _recipe(request: Request, *, name: str, n_frames: int) -> DenoiseMel:
    from specloom.train.recipes.catalog import DenoiseMelRequest

    assert isinstance(request, DenoiseMelRequest)
    recipe = Recipe.load(request.spectrogram)
    found = find_sounds(request.recordings)
    rate = rate_of(recipe, request.sample_rate, found)
    # The file says at which rate it was learned, also where the recipe leaves that open.
    features = MelPatches(recipe=replace(recipe, sample_rate=rate), n_frames=n_frames)
    if name == "conv" and features.n_mels % 4:
        raise ParameterError(
            f"spectrogram={request.spectrogram!r} has {features.n_mels} mel bands: the recipe 'conv' needs a multiple "
            "of 4; choose 'dense'"
        )
    settings = PatchSettings(damages=request.damage)  # type: ignore[arg-type]
    noise = find_noise(request.noise) if request.noise else ()
    train, valid = held_back(found, noise, sample_rate=rate, folder=request.folder, seed=request.seed)
    said = f"{named(request.recordings)} ({len(train.speech)} recordings)"
    return DenoiseMel(
        train=PatchSources(clips=train.speech, noise=train.noise, features=features),
        # Noise that no training hears, where there is more than one recording of it.
        valid=PatchSources(clips=valid.speech, noise=valid.noise or train.noise, features=features),
        name=name,
        settings=settings,
        description=f"{said}; damage: {', '.join(request.damage)}",
        seed=request.seed,
    )


def _together(pairs: Iterator[Batch]) -> Batch:
    damaged, clean = zip(*pairs, strict=True)
    return np.stack(damaged), np.stack(clean)
