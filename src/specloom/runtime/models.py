"""Models by name or by path: what is shipped with Specloom, or a file of your own."""

from __future__ import annotations

import os
from pathlib import Path

from specloom.artifact import Artifact, Header, expect_task, read_artifact, read_header
from specloom.artifact.files import ONE, SEVERAL
from specloom.errors import ArtifactError, ParameterError

_SHIPPED = Path(__file__).parent.parent / "models"


def shipped_models(task: str) -> tuple[str, ...]:
    """The names of the models for a task that are shipped with Specloom, sorted."""
    return tuple(shipped_headers(task))


def shipped_headers(task: str) -> dict[str, Header]:
    """What the models for a task that are shipped with Specloom say about themselves, by name, sorted."""
    paths = sorted(path for path in _SHIPPED.glob("*") if path.suffix in (ONE, SEVERAL))
    headers = {path.stem: read_header(path) for path in paths}
    return {name: header for name, header in headers.items() if header.task == task}


def load_model(name_or_path: str | os.PathLike[str], *, task: str) -> Artifact:
    """Read the model of this name, or the model file at this path.

    Parameters
    ----------
    name_or_path : str or path-like
        The name of a shipped model (`shipped_models`); anything else is a path. A file of your own that bears the name
        of a shipped model is reached by ``./name`` or a `pathlib.Path`.
    task : str
        What the model must be for: ``"enhance"``.

    Raises
    ------
    ArtifactError
        When there is no such model (the message lists the names), its file is damaged, or it is for another task.
    """
    path = path_of(name_or_path, task)
    artifact = read_artifact(path)
    try:
        expect_task(artifact.header, task)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return artifact


def opened_model(model: str | os.PathLike[str] | Artifact, *, task: str) -> Artifact:
    """The model that a user names in any way: by name, by path, or as it is in memory.

    Raises
    ------
    ParameterError
        When it is nothing of that.
    ArtifactError
        As `load_model`.
    """
    if isinstance(model, Artifact):
        expect_task(model.header, task)
        return model
    if not isinstance(model, str | os.PathLike):
        raise ParameterError(f"model={model!r}: the name of a shipped model, a path or an Artifact is needed")
    return load_model(model, task=task)


def path_of(name_or_path: str | os.PathLike[str], task: str) -> Path:
    """Where the model of this name, or at this path, lies; `load_model` says what is refused."""
    path = Path(name_or_path)
    if not isinstance(name_or_path, str):
        return path
    for suffix in (ONE, SEVERAL):
        shipped = _SHIPPED / (name_or_path + suffix)
        if path.name == name_or_path and shipped.is_file():
            return shipped
    is_bare = path.name == name_or_path and not path.suffix
    if not name_or_path or (is_bare and not path.exists()):
        names = ", ".join(shipped_models(task)) or "none"
        raise ArtifactError(
            f"model={name_or_path!r}: there is no shipped model of this name (shipped: {names}) and no such file"
        )
    return path
