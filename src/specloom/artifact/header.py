"""The header of a model: what the model is for, what it takes, how it was made. JSON in the file, strictly read."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specloom.artifact.probe import Probe
from specloom.artifact.strict_json import from_plain, to_plain
from specloom.errors import ArtifactError, ParameterError

# Raised whenever a file of the old form would be read wrongly; see `Header.from_json`.
FORMAT = 1
# The key of the header in the metadata of an ONNX or safetensors file.
KEY = "specloom"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORMAT_FIELD, _CHECKSUM_FIELD = "format", "checksum"


@dataclass(frozen=True, kw_only=True)
class NetworkHeader:
    """One network of a model.

    Parameters
    ----------
    kind : str
        The class that it was trained as: ``"CausalEnhancer"``.
    settings : mapping
        The arguments that class was built with; plain JSON values.
    states : mapping of name to shape
        The tensors carried from one call to the next, in the graph's input ``name`` and output ``name_next``. One
        dimension of a shape is -1: the batch.
    probe : Probe, optional
        What the network answers to a known input; every file that runs has one.
    sha256 : str, optional
        Of the serialised graph without this header. `Artifact` fills it in; a training checkpoint has none.
    """

    kind: str
    settings: Mapping[str, Any]
    states: Mapping[str, tuple[int, ...]]
    probe: Probe | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        _require_text("kind", self.kind)
        object.__setattr__(self, "settings", _plain_object("settings", self.settings))
        states = {name: tuple(int(size) for size in shape) for name, shape in self.states.items()}
        for name, shape in states.items():
            require_name("state", name)
            if shape.count(-1) != 1 or any(size < 1 for size in shape if size != -1):
                raise ParameterError(
                    f"states[{name!r}]={list(shape)}: sizes of at least 1 and one -1 (the batch) are needed"
                )
        object.__setattr__(self, "states", states)
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ParameterError(f"sha256={self.sha256!r}: 64 hexadecimal digits in lower case are needed")


@dataclass(frozen=True, kw_only=True)
class ModelOrigin:
    """How a model came to be, for people; nothing is computed from it.

    Parameters
    ----------
    recipe : str
        The recipe that it was trained with.
    speech_hours, noise_hours : float
        Hours of recordings that it was trained on.
    audio_hours_seen : float
        Hours of mixed sound that went through it.
    steps : int
    seed : int
    data : str
        What the recordings were and where they are from.
    scores : mapping of str to float
        Measured when it was made: ``{"pesq_wb": 2.9}``.
    """

    recipe: str
    speech_hours: float
    noise_hours: float
    audio_hours_seen: float
    steps: int
    seed: int
    data: str
    scores: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in ("speech_hours", "noise_hours", "audio_hours_seen", "steps"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise ParameterError(f"{name}={value!r}: a number of at least 0 is needed")
        object.__setattr__(self, "scores", _plain_object("scores", self.scores))


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything that a model file says about itself.

    The mappings are copied when a header is built, checked to be plain JSON, and not to be written to.

    Parameters
    ----------
    made_with : str
        ``"specloom 0.1.0"``.
    task : str
        What the model is for: ``"enhance"``.
    name : str
        The name of the model: that of its recipe, or its maker's choice.
    features : mapping
        What goes into the networks, in the words of the task: rate, window, hop. The task reads it strictly.
    networks : mapping of name to NetworkHeader
        At least one.
    statistics : mapping
        Numbers of normalisation worth reading by people; those that are computed with are in the weights.
    origin : ModelOrigin

    Raises
    ------
    ParameterError
        For a name that is none, no network, or a value that is no JSON.

    Notes
    -----
    Law: ``Header.from_text(header.to_text()) == header``; any other text is refused
    (``tests/contracts/test_artifact_header.py``).
    """

    made_with: str
    task: str
    name: str
    features: Mapping[str, Any]
    networks: Mapping[str, NetworkHeader]
    statistics: Mapping[str, Any]
    origin: ModelOrigin

    def __post_init__(self) -> None:
        _require_text("made_with", self.made_with)
        _require_text("name", self.name)
        require_name("task", self.task)
        if not self.networks:
            raise ParameterError("networks is empty: a model has at least one network")
        for name in self.networks:
            require_name("network", name)
        object.__setattr__(self, "networks", dict(self.networks))
        for field in ("features", "statistics"):
            object.__setattr__(self, field, _plain_object(field, getattr(self, field)))

    def to_json(self) -> dict[str, Any]:
        """The header as plain JSON values, the format first."""
        plain: dict[str, Any] = {_FORMAT_FIELD: FORMAT}
        plain.update(to_plain(self))
        return plain

    @classmethod
    def from_json(cls, value: Any, *, where: str = "header") -> Header:
        """Build a header from what `to_json` gave; ``where`` begins the message.

        Raises
        ------
        ArtifactError
            For a newer format, or naming the first field that is unknown, missing, of a wrong type or out of range.
        """
        if not isinstance(value, dict):
            raise ArtifactError(f"{where} is no JSON object: this is no header of a Specloom model")
        given = value.get(_FORMAT_FIELD)
        if type(given) is not int or given < 1:
            raise ArtifactError(f"{where}.{_FORMAT_FIELD} is {given!r}: a whole number of at least 1 is needed")
        if given > FORMAT:
            raise ArtifactError(
                f"{where} was made by a newer Specloom: format {given}, this one reads {FORMAT}; update Specloom"
            )
        return from_plain(cls, {key: item for key, item in value.items() if key != _FORMAT_FIELD}, where)

    def to_text(self) -> str:
        """The header as it stands in a file: JSON with a checksum over the rest of it."""
        plain = self.to_json()
        return json.dumps({**plain, _CHECKSUM_FIELD: _checksum(plain)}, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str, *, where: str = "header") -> Header:
        """Read what `to_text` wrote; ``where`` begins the message.

        Raises
        ------
        ArtifactError
            When the text was altered, or as `from_json`.
        """
        value = parse_json(text, where)
        if not isinstance(value, dict) or _FORMAT_FIELD not in value:
            raise ArtifactError(f"{where} is no header of a Specloom model: it lacks the field 'format'")
        checksum = value.pop(_CHECKSUM_FIELD, None)
        try:
            # A newer format may be summed otherwise, so what it is comes first.
            if type(value[_FORMAT_FIELD]) is int and value[_FORMAT_FIELD] <= FORMAT and checksum != _checksum(value):
                raise ArtifactError(
                    f"{where} does not agree with its checksum: the file was damaged or changed by hand; fetch it again"
                )
            return cls.from_json(value, where=where)
        except RecursionError as error:
            raise ArtifactError(f"{where} is nested too deeply for a header of a Specloom model") from error


def expect_task(header: Header, task: str) -> None:
    """Refuse a model that is for another task.

    Raises
    ------
    ArtifactError
    """
    if header.task != task:
        raise ArtifactError(
            f"the model {header.name!r} is for the task {header.task!r}: a model for {task!r} is needed"
        )


def require_name(what: str, name: object) -> None:
    """Refuse what cannot name a task, network, state or tensor in every place where such names stand."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ParameterError(
            f"{what} name {name!r}: a lower-case letter, then up to 63 lower-case letters, digits and '_' are allowed"
        )


def parse_json(text: str, where: str) -> Any:
    """Read strict JSON: no key twice, no NaN, no infinity."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where} is no readable JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands there twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _checksum(plain: dict[str, Any]) -> str:
    # ASCII, sorted, without spaces: the same values give the same bytes, however the file spaces them.
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _plain_object(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where}={value!r}: a mapping is needed")
    for key in value:
        if not isinstance(key, str):
            raise ParameterError(f"{where} has the key {key!r}: keys are text")
    return {key: _plain(f"{where}.{key}", item) for key, item in value.items()}


def _plain(where: str, value: object) -> object:
    """A deep copy of plain JSON values; tuples become lists, as they do in a file."""
    if isinstance(value, Mapping):
        return _plain_object(where, value)
    if isinstance(value, list | tuple):
        return [_plain(f"{where}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(f"{where}={value!r}: a finite number is needed")
    if value is not None and type(value) not in (str, bool, int, float):
        raise ParameterError(f"{where}={value!r} ({type(value).__name__}): a JSON value is needed")
    return value


def _require_text(where: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 200:
        raise ParameterError(f"{where}={value!r}: one line of text is needed, at most 200 characters")
