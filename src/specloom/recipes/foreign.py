"""Arrays of other programs (.npy, or .npz without our settings): heard when the user says how they were made."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.errors import ArtifactError, ParameterError
from specloom.recipes.recipe import Recipe
from specloom.recipes.spectrogram import Spectrogram
from specloom.recipes.spectrogram_file import SETTINGS


def is_foreign(path: Path) -> bool:
    """Whether a file is a bare .npy, or an .npz without our settings in it."""
    if path.suffix.lower() == ".npy":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return SETTINGS not in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        # Nobody's: whoever opens it as ours says what is wrong with it.
        return False


def load_foreign(path: str | Path, recipe: Recipe, sample_rate: int | None = None) -> Spectrogram:
    """Read an array of another program as a spectrogram.

    Parameters
    ----------
    path : path-like
        A .npy, or an .npz that holds exactly one array of a fitting shape.
    recipe : Recipe
        How the values are to be understood. An array with ``n_fft // 2 + 1`` rows or columns is taken for the
        linear, one with ``n_mels`` for the mel array; frames may be rows (as in the article) or columns.
    sample_rate : int, optional
        The rate of the analysis in hertz; may be left out when the recipe says it.

    Raises
    ------
    ParameterError
        When the rate is not known.
    ArtifactError
        When no array fits the recipe, or several do.
    """
    path = Path(path)
    rate = recipe.sample_rate if sample_rate is None else sample_rate
    if rate is None:
        raise ParameterError(
            f"{path} does not say its sample rate, and neither does the recipe {recipe.name!r}; give it (--sample-rate)"
        )
    fitting = [found for name, array in _arrays(path).items() for found in _fits(array, recipe, name)]
    if len(fitting) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in _arrays(path).items()) or "nothing"
        raise ArtifactError(
            f"{path} holds {shapes}: exactly one array with {recipe.frames.n_fft // 2 + 1} rows or columns (linear) or "
            f"{recipe.mel.n_mels} (mel) is needed for the recipe {recipe.name!r}"
        )
    kind, array = fitting[0]
    try:
        return Spectrogram.from_arrays(recipe, rate, **{kind: array})
    except ParameterError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {path.stem: loaded}
        with loaded:
            found = {name: loaded[name] for name in loaded.files}
            return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} is no array that can be read ({error})") from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror or error})") from error


def _fits(array: npt.NDArray[Any], recipe: Recipe, name: str) -> list[tuple[str, npt.NDArray[Any]]]:
    """As which array a foreign one may be taken, with its frames along the last axis."""
    sizes = {"linear": recipe.frames.n_fft // 2 + 1, "mel": recipe.mel.n_mels}
    if array.ndim not in (2, 3) or array.dtype.kind not in "fiu":
        return []
    return [
        (kind, array if array.shape[-2] == size else np.swapaxes(array, -1, -2))
        for kind, size in sizes.items()
        if size in array.shape[-2:]
    ]
