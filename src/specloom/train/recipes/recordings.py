"""What recipes that learn from spectrograms of any recordings have in common: the rate, and what is held back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from specloom.errors import ParameterError
from specloom.io.audio import AudioFileWarning, AudioReader
from specloom.recipes.recipe import Recipe
from specloom.train.data import Sources
from specloom.train.data.cache import prepare_sources
from specloom.train.data.folders import Recording, Split, hold_back


def rate_of(recipe: Recipe, asked: int | None, recordings: Sequence[Recording]) -> int:
    """The rate of the analysis.

    Raises
    ------
    ParameterError
        When the recipe leaves it open and nobody says it, or says another than the recipe's.
    """
    if recipe.sample_rate is not None:
        if asked not in (None, recipe.sample_rate):
            raise ParameterError(
                f"sample_rate={asked}: the recipe {recipe.name!r} analyses at {recipe.sample_rate} Hz; leave it out"
            )
        return recipe.sample_rate
    if asked is None:
        with AudioReader(recordings[0].path) as reader:
            usual = reader.sample_rate
        raise ParameterError(
            f"sample_rate is needed: the recipe {recipe.name!r} keeps each recording's own rate, and a network learns "
            f"at one ({recordings[0].path} has {usual} Hz)"
        )
    return asked


def held_back(
    recordings: Sequence[Recording], noise: Sequence[Recording] = (), *, sample_rate: int, folder: str, seed: int
) -> tuple[Sources, Sources]:
    """Recordings to train on and recordings to measure on, ready to be cut; a warning for each that is left out.

    No take of a recording is on both sides; a single recording of noise stays for training.
    """
    train, valid = hold_back(recordings, seed=seed)
    several = len({each.group for each in noise}) > 1
    train_noise, valid_noise = hold_back(noise, seed=seed) if several else (tuple(noise), ())
    split = Split(train_speech=train, valid_speech=valid, train_noise=train_noise, valid_noise=valid_noise)
    to_train, to_measure, problems = prepare_sources(split, sample_rate=sample_rate, folder=Path(folder) / "recordings")
    for problem in problems:
        warnings.warn(problem, AudioFileWarning, stacklevel=3)
    return to_train, to_measure


def named(folders: Sequence[str]) -> str:
    """The names of the folders, for a model's file."""
    return ", ".join(Path(folder).resolve().name for folder in folders)
