"""A run's state in one safetensors file: tensors as they are, the rest as JSON in the metadata. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from specloom.artifact import Header
from specloom.errors import ArtifactError, TrainingError
from specloom.io.atomic import written_beside
from specloom.train.state import State

FORMAT = 1
LAST, BEST = "last.safetensors", "best.safetensors"
"""The checkpoints of a run's folder."""
_COUNTERS = ("step", "items", "audio_s", "trained_s", "best_score", "skipped_steps", "skipped_in_a_row")
# What a value of a state dictionary becomes in JSON when JSON has no such thing.
_TENSOR, _TUPLE, _ITEMS = "tensor", "tuple", "items"


def save_checkpoint(state: State, path: str | os.PathLike[str], *, recipe: str, header: Header | None = None) -> None:
    """Write a checkpoint beside its place, flush it to the disk, and rename it.

    Parameters
    ----------
    state : State
    path : path-like
        Ends in ``.safetensors``.
    recipe : str
        The recipe's name; `load_checkpoint` wants the same.
    header : Header, optional
        Of the model: a checkpoint says as much about itself as a model file.

    Raises
    ------
    TrainingError
        When it cannot be written: the disk is full, no permission. A file that was at `path` is unharmed.
    """
    content = checkpoint_bytes(state, recipe=recipe, header=header)
    try:
        with written_beside(path) as beside, beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TrainingError(
            f"the checkpoint {path} cannot be written: {error.strerror}; the one before is unharmed, so make room "
            f"({len(content) / 2**20:.1f} MiB) and go on from there (--resume)"
        ) from error


def checkpoint_bytes(state: State, *, recipe: str, header: Header | None = None) -> bytes:
    """The content of a checkpoint file; equal states give equal bytes."""
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    said = {
        "format": FORMAT,
        "recipe": recipe,
        "counters": {name: getattr(state, name) for name in _COUNTERS},
        **{kind: _pack(_contents(state, kind), tensors, kind) for kind in _KINDS},
        "sha256": "",
    }
    said["sha256"] = _digest(tensors)
    metadata = {"training": json.dumps(said, sort_keys=True)}
    if header is not None:
        metadata["specloom"] = header.to_text()
    return bytes(save(tensors, metadata=metadata))


def load_checkpoint(state: State, path: str | os.PathLike[str], *, recipe: str) -> None:
    """Bring a freshly built state to where a checkpoint left off.

    Parameters
    ----------
    state : State
        As the recipe builds it; changed in place.
    path : path-like
    recipe : str
        The recipe's name.

    Raises
    ------
    ArtifactError
        The file is missing, damaged, made by a newer version or by another recipe, or its networks are not these.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    restore(state, content, recipe=recipe, name=str(path))


def restore(state: State, content: bytes, *, recipe: str, name: str = "checkpoint") -> None:
    """As `load_checkpoint`, from the content of the file; `name` is for errors."""
    said, tensors = _opened(content, name)
    if said["recipe"] != recipe:
        raise ArtifactError(f"{name} was made by the recipe '{said['recipe']}', not by '{recipe}'")
    found = {kind: _unpacked(said[kind], tensors, name) for kind in _KINDS}
    for kind, contents in found.items():
        holders: Mapping[str, Any] = getattr(state, kind)
        if set(contents) != set(holders):
            raise ArtifactError(
                f"{name} holds the {kind} {', '.join(sorted(contents)) or 'of nothing'}; the recipe '{recipe}' has "
                f"{', '.join(sorted(holders)) or 'none'}"
            )
        for key, holder in holders.items():
            try:
                holder.load_state_dict(contents[key])
            except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
                reason = " ".join(str(error).split())
                raise ArtifactError(f"{name} does not fit the recipe '{recipe}': {kind} '{key}': {reason}") from error
    for counter in _COUNTERS:
        setattr(state, counter, said["counters"][counter])


_KINDS = ("networks", "averages", "optimizers", "schedulers")


def _contents(state: State, kind: str) -> dict[str, Any]:
    return {name: holder.state_dict() for name, holder in getattr(state, kind).items()}


def _opened(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")
        said = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["training"])
        version, digest = said["format"], said["sha256"]
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{name} is no checkpoint of a training run, or it is damaged: {error}") from error
    if version != FORMAT:
        raise ArtifactError(f"{name} was made by another Specloom: format {version}, this one reads {FORMAT}; update")
    if digest != _digest(tensors):
        raise ArtifactError(f"{name} is damaged: its weights are not those that were written")
    counters = said.get("counters")
    if set(said) != {"format", "recipe", "counters", "sha256", *_KINDS} or not _are_counters(counters):
        raise ArtifactError(f"{name} is damaged: what it says about itself is not complete")
    return said, tensors


def _are_counters(counters: object) -> bool:
    if not isinstance(counters, dict) or set(counters) != set(_COUNTERS):
        return False
    # There is no best score before the first evaluation.
    kinds = {name: int | float | None if name == "best_score" else int | float for name in _COUNTERS}
    return all(isinstance(counters[name], kind) for name, kind in kinds.items())


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _pack(value: Any, tensors: dict[str, torch.Tensor], name: str) -> Any:
    """A state dictionary as JSON; its tensors go into `tensors` under their path."""
    if isinstance(value, torch.Tensor):
        # A copy, because safetensors refuses tensors that share memory, as tied weights do.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        # A list of pairs: keys of optimisers are numbers, and JSON would make them text.
        return {_ITEMS: [[key, _pack(one, tensors, f"{name}/{key}")] for key, one in value.items()]}
    if isinstance(value, tuple | list):
        packed = [_pack(one, tensors, f"{name}/{index}") for index, one in enumerate(value)]
        return {_TUPLE: packed} if isinstance(value, tuple) else packed
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TrainingError(f"{name} is a {type(value).__name__}, which a checkpoint cannot hold; keep numbers and tensors")


def _unpacked(value: Any, tensors: Mapping[str, torch.Tensor], name: str) -> dict[str, Any]:
    """What `_pack` was given: the state dictionaries of one kind; a file that says something else is refused."""
    try:
        contents = _unpack(value, tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{name} is damaged: what it says about its tensors cannot be followed") from error
    if not isinstance(contents, dict):
        raise ArtifactError(f"{name} is damaged: what it says about its tensors cannot be followed")
    return contents


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == _TENSOR:
        return tensors[content]
    if kind == _TUPLE:
        return tuple(_unpack(one, tensors) for one in content)
    return {key: _unpack(one, tensors) for key, one in content}
