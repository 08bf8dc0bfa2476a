"""What recipes for enhancement have in common: their recordings, their scores, what their model file says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from specloom.artifact import Header, ModelOrigin, NetworkHeader
from specloom.errors import ParameterError
from specloom.io.audio import AudioFileWarning
from specloom.metrics import pesq_available, stoi_available
from specloom.tasks.enhance.features import EnhanceFeatures
from specloom.tasks.enhance.model_stream import model_stream
from specloom.tasks.scores import Judge
from specloom.train.data import (
    MixingSettings,
    Pair,
    Sources,
    find_noise,
    find_speech,
    prepare_sources,
    split_recordings,
    validation_pairs,
)
from specloom.train.data.device import mixture_stream
from specloom.train.nn.as_session import AsSession
from specloom.train.recipes.recipe import Recipe
from specloom.version import __version__

if TYPE_CHECKING:
    from specloom.train.recipes.catalog import EnhanceRequest
    from specloom.train.state import State

_N_VALIDATION, _VALIDATION_S = 30, 5.0


@dataclass(frozen=True, kw_only=True)
class EnhancementData:
    """Recordings to train on, and mixes to measure on that have neither a speaker nor a noise in common with them.

    Parameters
    ----------
    sources : Sources
    validation : sequence of Pair
        At the rate of the sources.
    description : str
        What the recordings are, for the model's file.
    """

    sources: Sources
    validation: Sequence[Pair]
    description: str = ""

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self.sources.sample_rate

    def require_rate(self, sample_rate: int) -> None:
        """Refuse recordings at another rate than the recipe's."""
        if self.sample_rate != sample_rate:
            raise ParameterError(
                f"the recordings are at {self.sample_rate} Hz: this recipe learns at {sample_rate} Hz; make them so"
            )


class EnhancementRecipe(Recipe, Protocol):
    """What recipes for enhancement have besides, and the functions of this module ask of them."""

    @property
    def data(self) -> EnhancementData:
        """What is mixed, and what is measured on."""
        ...

    @property
    def workers(self) -> int:
        """Processes that mix."""
        ...

    @property
    def mixing(self) -> MixingSettings:
        """How items are mixed."""
        ...

    def network_settings(self) -> Mapping[str, Any]:
        """What the network is built with."""
        ...


def request_data(request: EnhanceRequest, *, sample_rate: int) -> EnhancementData:
    """Find, split, resample and mix what a request names.

    Parameters
    ----------
    request : EnhanceRequest
        The split and the validation mixes come from its seed; what is resampled is kept below its folder.
    sample_rate : int
        Hertz.

    Returns
    -------
    EnhancementData

    Warns
    -----
    AudioFileWarning
        For every recording that cannot be used.

    Raises
    ------
    ParameterError
        Folders without sound, or one speaker only.
    AudioFileError
        Nothing that can be used.
    """
    speech = find_speech(request.speech, speaker_from=request.speaker_from or "auto")
    split = split_recordings(speech, find_noise(request.noise), seed=request.seed)
    folder = Path(request.folder) / "recordings"
    train, valid, problems = prepare_sources(split, sample_rate=sample_rate, folder=folder)
    for problem in problems:
        warnings.warn(problem, AudioFileWarning, stacklevel=2)
    described = (
        f"speech: {_named(request.speech)} ({len(train.speech.group_names)} speakers); noise: {_named(request.noise)}"
    )
    if request.begin_from is not None:
        described += f"; begun from the model {Path(request.begin_from).name}"
    return EnhancementData(
        sources=train,
        validation=validation_pairs(
            valid, MixingSettings(seconds=_VALIDATION_S), count=_N_VALIDATION, seed=request.seed
        ),
        description=described,
    )


def _named(folders: Sequence[str]) -> str:
    """The names of folders alone: a model file is given to others, and where its maker's folders lie is not theirs."""
    return ", ".join(Path(folder).resolve().name for folder in folders)


def enhance(network: nn.Module, features: EnhanceFeatures, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Samples through a network in training, by the same code that runs the shipped model.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; its states, if it has any, as ``state_shapes``.
    features : EnhanceFeatures
    samples : float32 array, shape ``(n_samples,)``
        At the features' rate.

    Returns
    -------
    float32 array, shape ``(n_samples,)``
    """
    stream = model_stream(features, AsSession(network, "enhanced", getattr(network, "state_shapes", {})), 1)
    ready = [stream.push(samples[np.newaxis]), stream.flush()]
    enhanced: npt.NDArray[np.float32] = np.concatenate(ready, axis=1)[0]
    return enhanced


def enhancement_scores(
    network: nn.Module, features: EnhanceFeatures, data: EnhancementData, *, stoi_worth: float = 10.0
) -> dict[str, float]:
    """Mean scores over the validation mixes, and how far above the noisy sound they lie.

    Parameters
    ----------
    network, features, data
    stoi_worth : float
        Points of PESQ that a point of STOI is worth.

    Returns
    -------
    dict
        ``si_sdr_db``; ``stoi`` and ``pesq`` (narrow band at 8 kHz, else wide) where the extra ``eval`` is installed;
        each with its ``_gain`` over the noisy sound. ``score``, which decides: the gain in PESQ plus `stoi_worth` times
        that in STOI, so that quality is not bought with intelligibility; without the extra, the gain in SI-SDR.
    """
    pairs = [pair for pair in data.validation if np.any(pair.clean) and np.any(pair.noisy != pair.clean)]
    if not pairs:
        raise ParameterError("validation holds no mix of speech and noise, so nothing can be measured on it")
    judge = Judge(pesq=pesq_available() and data.sample_rate in (8000, 16000), stoi=stoi_available())
    rows = [_gains(judge, pair, enhance(network, features, pair.noisy)) for pair in pairs]
    names = {name for row in rows for name in row}
    means = {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}
    means["score"] = means.get("si_sdr_db_gain", 0.0)
    if "pesq_gain" in means and "stoi_gain" in means:
        means["score"] = means["pesq_gain"] + stoi_worth * means["stoi_gain"]
    return means


def _gains(judge: Judge, pair: Pair, enhanced: npt.NDArray[np.float32]) -> dict[str, float]:
    """The scores of a clip, and how far above the noisy ones they lie; without those that mean nothing for it."""
    ours, before = (judge.scores(sound, pair.clean, pair.sample_rate) for sound in (enhanced, pair.noisy))
    found = {}
    for name in ("pesq", "stoi", "si_sdr_db"):
        value, at_first = getattr(ours, name), getattr(before, name)
        if value is not None and at_first is not None:
            found[name], found[f"{name}_gain"] = float(value), float(value - at_first)
    return found


def enhancement_batches(
    recipe: EnhancementRecipe, *, first_item: int, every: int, device: torch.device
) -> Iterator[Any]:
    """Mixes without end of a recipe's recordings; on a GPU they are mixed there."""
    return mixture_stream(
        recipe.data.sources,
        recipe.mixing,
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        device=device,
        first_item=first_item,
        every=every,
        workers=recipe.workers,
    )


def refuse_target(request: EnhanceRequest, *, learned: str) -> None:
    """A recipe that learns something else than masks is asked for one."""
    if request.target is not None:
        raise ParameterError(
            f"target={request.target!r}: the recipe {request.recipe!r} learns {learned}; leave it out, or choose "
            "'article-mask'"
        )


def refuse_beginning(request: EnhanceRequest) -> None:
    """A recipe that cannot go on from a model file is asked to."""
    if request.begin_from is not None:
        raise ParameterError(
            f"begin_from={request.begin_from!r}: the recipe {request.recipe!r} begins with random weights; leave it "
            "out, or choose 'default' or 'tiny'"
        )


def enhancement_header(recipe: EnhancementRecipe, state: State, features: EnhanceFeatures) -> Header:
    """What the model file of a recipe with one network says."""
    network, data = state.networks["enhancer"], recipe.data
    noise = data.sources.noise
    states = getattr(network, "state_shapes", {})
    origin = ModelOrigin(
        recipe=recipe.name,
        speech_hours=data.sources.speech.seconds / 3600.0,
        noise_hours=0.0 if noise is None else noise.seconds / 3600.0,
        audio_hours_seen=state.audio_s / 3600.0,
        steps=state.step,
        seed=recipe.seed,
        data=data.description,
        scores={} if state.best_score is None else {"validation": state.best_score},
    )
    kind = NetworkHeader(kind=type(network).__name__, settings=recipe.network_settings(), states=states)
    return Header(
        made_with=f"specloom {__version__}",
        task="enhance",
        name=recipe.name,
        features=features.to_json(),
        networks={"enhancer": kind},
        statistics={},
        origin=origin,
    )
