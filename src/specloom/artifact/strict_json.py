"""Frozen dataclasses to plain JSON values and back, strictly: every field there, none unknown, each of its type.

A file that was written by another version, or edited by hand with a slip, is refused in one sentence that names the
field, instead of being read with a guess.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from specloom.errors import ArtifactError, ParameterError

T = TypeVar("T")

# The field that tells the members of a union of dataclasses apart.
_KIND = "kind"


def to_plain(value: Any) -> Any:
    """A dataclass of plain values as JSON values; a dataclass with a class attribute ``kind`` says which it is."""
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        kind = getattr(type(value), _KIND, None)
        return plain if kind is None else {_KIND: kind, **plain}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def of_interface(kinds: Mapping[str, type[T]], plain: Mapping[str, Any], where: str) -> T:
    """Build the one of several dataclasses that the field ``interface`` names.

    Raises
    ------
    ArtifactError
        For an interface that is not known; else as `from_plain`.
    """
    interface = plain.get("interface")
    kind = kinds.get(interface) if isinstance(interface, str) else None
    if kind is None:
        raise ArtifactError(
            f"{where}.interface is {interface!r}: allowed are {', '.join(kinds)} (a newer Specloom may know more)"
        )
    return from_plain(kind, dict(plain), where)


def from_plain(cls: type[T], value: Any, where: str) -> T:
    """Build the dataclass ``cls`` from what `to_plain` made of it.

    Parameters
    ----------
    cls : dataclass
        Its fields are plain values, tuples, mappings from names (``Mapping[str, Any]`` takes any JSON object), other
        such dataclasses, or unions of these.
    value : JSON value
    where : str
        What is being read, for the message: ``"recipe"``.

    Raises
    ------
    ArtifactError
        Naming the first field that is unknown, missing, of a wrong type or out of range.
    """
    if not isinstance(value, dict):
        raise ArtifactError(f"{where} is {_shown(value)}: an object with the fields {_listed(_names(cls))} is needed")
    given = {key: item for key, item in value.items() if key != _KIND or not hasattr(cls, _KIND)}
    names = _names(cls)
    for key in given:
        if key not in names:
            raise ArtifactError(
                f"{where} has the unknown field {key!r}{_meant(key, names)}; known are {_listed(names)}"
            )
    for name in names:
        if name not in given:
            raise ArtifactError(f"{where} lacks the field {name!r}; a file of this version has {_listed(names)}")
    hints = get_type_hints(cls)
    built = {name: _convert(hints[name], given[name], f"{where}.{name}") for name in names}
    try:
        return cls(**built)
    except ParameterError as error:
        raise ArtifactError(f"{where} holds a value that cannot be used: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, where)
    if origin is Literal:
        # The type is compared too: True == 1 in Python, but not here.
        if any(value == allowed and type(value) is type(allowed) for allowed in get_args(hint)):
            return value
        raise ArtifactError(f"{where} is {_shown(value)}: allowed are {_listed(get_args(hint))}")
    if origin is tuple:
        return _convert_tuple(get_args(hint), value, where)
    if origin is Mapping:
        return _convert_mapping(get_args(hint)[1], value, where)
    if hint is Any:
        return value
    if is_dataclass(hint):
        return from_plain(hint, value, where)  # type: ignore[arg-type]
    return _convert_scalar(hint, value, where)


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is types.NoneType and value is None:
        return None
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    names = {
        int: "a whole number",
        float: "a finite number",
        str: "text",
        bool: "true or false",
        types.NoneType: "null",
    }
    raise ArtifactError(f"{where} is {_shown(value)}: {names.get(hint, str(hint))} is needed")


def _convert_union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    kinds = {getattr(member, _KIND): member for member in members if hasattr(member, _KIND)}
    if kinds and isinstance(value, dict):
        kind = value.get(_KIND)
        if not isinstance(kind, str) or kind not in kinds:
            raise ArtifactError(f"{where}.{_KIND} is {_shown(kind)}: allowed are {_listed(kinds)}")
        return _convert(kinds[kind], value, where)
    others = [member for member in members if member is not types.NoneType]
    if value is not None and len(others) == 1 and is_dataclass(others[0]):
        # Something is there: what is wrong inside it says more than that it could have been left out.
        return _convert(others[0], value, where)
    problems = []
    for member in members:
        try:
            return _convert(member, value, where)
        except ArtifactError as error:
            problems.append(str(error).partition(": ")[2])
    needed = " is needed"
    if all(problem.endswith(needed) for problem in problems):
        problems = [*(problem.removesuffix(needed) for problem in problems[:-1]), problems[-1]]
    raise ArtifactError(f"{where} is {_shown(value)}: {' or '.join(problems)}")


def _convert_tuple(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise ArtifactError(f"{where} is {_shown(value)}: a list is needed")
    if len(members) == 2 and members[1] is Ellipsis:
        members = (members[0],) * len(value)
    if len(value) != len(members):
        raise ArtifactError(f"{where} has {len(value)} items: {len(members)} are needed")
    return tuple(_convert(member, item, f"{where}[{i}]") for i, (member, item) in enumerate(zip(members, value)))


def _convert_mapping(member: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ArtifactError(f"{where} is {_shown(value)}: an object is needed")
    return {key: _convert(member, item, f"{where}.{key}") for key, item in value.items()}


def _names(cls: Any) -> list[str]:
    return [field.name for field in fields(cls)]


def _listed(names: Any) -> str:
    return ", ".join("null" if name is None else str(name) for name in names)


def _meant(key: str, names: list[str]) -> str:
    close = get_close_matches(key, names, n=1)
    return f" (meant: {close[0]!r}?)" if close else ""


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
