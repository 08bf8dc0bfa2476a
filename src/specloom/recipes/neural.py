"""Mel spectra to sound by quality: the classical way, or with the networks of a model that knows the settings."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from specloom.dsp.level import de_emphasis
from specloom.dsp.mel_inversion import mel_to_magnitude
from specloom.errors import ParameterError, SpecloomWarning
from specloom.inversion import MelInverter, MelSettings
from specloom.phase import reconstruct as classical
from specloom.recipes.recipe import Quality, Recipe
from specloom.recipes.scales import FloatArray

# What is done where no model knows the settings.
INSTEAD: classical.Quality = "best"


def mel_settings(recipe: Recipe, analysis_rate: int) -> MelSettings:
    """What the inverse of a recipe's mel spectra has to know."""
    return MelSettings(
        stft=recipe.stft_config(analysis_rate),
        mel=recipe.mel_config(analysis_rate),
        power=recipe.mel.power,
        preemphasis=recipe.preemphasis,
    )


def reconstruct_mel(
    mel: npt.ArrayLike,
    settings: Recipe | MelSettings,
    *,
    quality: Quality = "balanced",
    length: int | None = None,
    model: str | Path | None = None,
    threads: int = 1,
) -> FloatArray:
    """Sound from a mel spectrum.

    Parameters
    ----------
    mel : real array, shape ``(..., n_mels, n_frames)``
        As the filters gave it: magnitudes (powers, where the settings say so), not decibels, not scaled.
    settings : Recipe or MelSettings
        How it was made. A recipe that keeps each recording's own rate does not say it; `replace` its ``sample_rate``.
    quality : {"fast", "balanced", "best", "neural"}
        The first three spread the bands over the bins (`specloom.mel_to_magnitude`) and seek the phase
        (`specloom.reconstruct`). "neural" does so with the help of networks: better than "best", at a fraction of its
        time, for the settings that a model knows.
    length : int, optional
        Samples to return; tell it whenever it is known.
    model : str or path, optional
        For "neural": the name of a model that ships, or a file of your own (``specloom train inversion``). The one
        that knows the settings, if not given.
    threads : int
        Threads to work with. The result does not depend on it.

    Returns
    -------
    real array, shape ``(..., n_samples)``
        At the rate of the settings, pre-emphasis undone, at the level of the mel spectrum.

    Raises
    ------
    ParameterError
        For negative or non-finite values (for networks also those above 1e12), a wrong number of mels, an unknown
        quality, or a model for other settings.
    ArtifactError
        When the model's file is not there or damaged.

    Warns
    -----
    SpecloomWarning
        When no model that ships knows the settings: "best" is done instead.

    Notes
    -----
    Laws (tests/laws/test_inversion_laws.py): silence stays silence; twice as loud a mel spectrum gives twice as loud a
    sound.

    Examples
    --------
    >>> import numpy as np, specloom
    >>> specloom.reconstruct_mel(np.zeros((80, 5)), specloom.SPEECH16, quality="fast").shape
    (1024,)
    """
    if quality not in get_args(Quality):
        raise ParameterError(f"quality={quality!r}: allowed are {', '.join(get_args(Quality))}")
    require_neural(quality, model)
    known = _known(settings)
    if quality == "neural":
        inverter = inverter_for(known, model, threads=threads)
        if inverter is not None:
            return inverter.process(mel, length=length)
        warnings.warn(no_model(known), SpecloomWarning, stacklevel=2)
        quality = INSTEAD
    bins = mel_to_magnitude(mel, known.mel)
    magnitude = np.asarray(bins if known.power == 1.0 else np.sqrt(bins), dtype=np.float32)
    samples = classical.reconstruct(magnitude, known.stft, quality=quality, length=length, threads=threads)
    return samples if known.preemphasis is None else np.asarray(de_emphasis(samples, known.preemphasis), np.float32)


def require_neural(quality: Quality | None, model: str | Path | None) -> None:
    """Refuse a model where no network is asked for.

    Raises
    ------
    ParameterError
    """
    if model is not None and quality != "neural":
        raise ParameterError(
            f"model={str(model)!r} with quality={quality!r}: a model is for quality='neural' (--quality neural)"
        )


def _known(settings: Recipe | MelSettings) -> MelSettings:
    if isinstance(settings, MelSettings):
        return settings
    if not isinstance(settings, Recipe):
        raise ParameterError(f"settings={settings!r}: a Recipe or MelSettings is needed")
    if settings.sample_rate is None:
        raise ParameterError(
            f"settings={settings.name!r}: this recipe keeps each recording's own rate; say it with "
            "dataclasses.replace(recipe, sample_rate=...)"
        )
    return mel_settings(settings, settings.sample_rate)


def inverter_for(settings: MelSettings, model: str | Path | None = None, *, threads: int = 1) -> MelInverter | None:
    """The model asked for, or the one that ships for these settings; None when none does.

    Raises
    ------
    ParameterError
        When the model asked for knows other settings.
    ArtifactError
        When its file is not there or damaged.
    """
    if model is None:
        name = shipped_for(settings)
        return None if name is None else _loaded(name, threads)
    inverter = _loaded(model, threads)
    if inverter.settings != settings:
        raise ParameterError(
            f"model={str(model)!r} is for mel spectra of {inverter.settings}, and this one is of {settings}: leave the "
            "model out, or train one (specloom train inversion)"
        )
    return inverter


def no_model(settings: MelSettings) -> str:
    """The sentence that says what is done instead."""
    return (
        f"no model that ships knows mel spectra of {settings}, so quality {INSTEAD!r} is used instead of 'neural'; "
        "specloom train inversion makes a model"
    )


@lru_cache(maxsize=64)
def shipped_for(settings: MelSettings) -> str | None:
    """The name of the model that ships for these settings."""
    from specloom.inversion.features import parse_features
    from specloom.inversion.inverter import TASK
    from specloom.runtime.models import shipped_headers

    for name, header in shipped_headers(TASK).items():
        if parse_features(header.features).settings == settings:
            return name
    return None


def _loaded(model: str | Path, threads: int) -> MelInverter:
    if not isinstance(model, str | Path):
        raise ParameterError(f"model={model!r}: the name of a model that ships, or the path of a model file, is needed")
    path = Path(model)
    # A file that is written anew is another model.
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _kept(model, threads, stamp)


@lru_cache(maxsize=4)
def _kept(model: str | Path, threads: int, stamp: int) -> MelInverter:
    return MelInverter(model, threads=threads)
