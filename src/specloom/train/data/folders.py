"""Folders of recordings: who speaks in which, and which are held back to validate."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np

from specloom.errors import ParameterError
from specloom.io import audio as sound_files

StrPath = str | os.PathLike[str]

# LibriSpeech: 103-1240-0000; VCTK: p225_001, s5_002_mic1.
_SPEAKER_NAMES: Final = (re.compile(r"^(\d+)-\d+-\d+$"), re.compile(r"^([ps]\d{1,3})_\d+(?:_mic\d)?$"))
# ESC-50: fold, number of the recording, take, and maybe a class. Takes of one recording are not two recordings.
_TAKES: Final = re.compile(r"^\d-(\d+)-[A-Z](?:-\d+)?$")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A sound file and the group it belongs to: its speaker, or for noise the recording that it is a take of."""

    path: Path
    group: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """Recordings to train with and recordings held back; no group is in both."""

    train_speech: tuple[Recording, ...]
    valid_speech: tuple[Recording, ...]
    train_noise: tuple[Recording, ...] = ()
    valid_noise: tuple[Recording, ...] = ()


def find_speech(folders: StrPath | Iterable[StrPath], *, speaker_from: str = "auto") -> tuple[Recording, ...]:
    """List the recordings of speech below folders, each with its speaker.

    Parameters
    ----------
    folders : path-like or iterable of path-likes
        Folders (or files); see `specloom.io.audio.find_recordings` for what counts as sound.
    speaker_from : str
        ``"auto"``: names as of LibriSpeech (``103-1240-0000``) and VCTK (``p225_001``) tell the speaker, otherwise it
        is the folder that the file lies in. ``"folder"``: always the folder. ``"name"``: the name up to the first
        ``-`` or ``_``. ``"recording"``: every file is somebody else. Anything with a parenthesis is a regular
        expression, searched in the path (with ``/``), whose first group is the speaker.

    Returns
    -------
    tuple of Recording
        In order of path.

    Raises
    ------
    ParameterError
        When there is no recording, `speaker_from` is none of these, or the expression does not match a path.
    AudioFileError
        When a folder is missing or may not be read.
    """
    given, paths = _found(folders)
    if not paths:
        raise ParameterError(f"speech={given}: no sound file lies there; give folders with recordings of speech")
    speaker = _speaker_rule(speaker_from)
    return tuple(Recording(path=path, group=speaker(path)) for path in paths)


def find_noise(folders: StrPath | Iterable[StrPath]) -> tuple[Recording, ...]:
    """List the recordings of noise below folders. Takes of one recording (names as of ESC-50) are one group.

    Raises
    ------
    ParameterError
        When there is no recording.
    AudioFileError
        When a folder is missing or may not be read.
    """
    return _by_take(folders, name="noise=", wanted="recordings of noise")


def find_sounds(folders: StrPath | Iterable[StrPath]) -> tuple[Recording, ...]:
    """List the recordings of anything below folders. Takes of one recording (names as of ESC-50) are one group.

    Raises
    ------
    ParameterError
        When there is no recording.
    AudioFileError
        When a folder is missing or may not be read.
    """
    return _by_take(folders, name="", wanted="recordings")


def hold_back(
    recordings: Iterable[Recording], *, valid_share: float = 0.1, seed: int = 0
) -> tuple[tuple[Recording, ...], tuple[Recording, ...]]:
    """Hold some groups of recordings back, as `split_recordings` holds speakers back.

    Returns
    -------
    train, valid : tuple of Recording

    Raises
    ------
    ParameterError
        When all recordings are takes of one.
    """
    found = tuple(recordings)
    groups = {each.path: each.group for each in found}
    if len(set(groups.values())) < 2:
        raise ParameterError(
            f"one recording only ({found[0].path}), so none can be held back to measure on: add another one"
        )
    held = _held_back(found, groups, valid_share, np.random.default_rng(seed))
    return (
        tuple(each for each in found if each.group not in held),
        tuple(each for each in found if each.group in held),
    )


def split_recordings(
    speech: Iterable[Recording],
    noise: Iterable[Recording] = (),
    *,
    valid_share: float = 0.1,
    seed: int = 0,
    split_by: Literal["speaker", "recording"] = "speaker",
) -> Split:
    """Hold some speakers and some recordings of noise back.

    Groups are gone through in an order drawn from the seed; each is held back if what is held back stays within
    `valid_share` of all bytes, and if none fits, the smallest is. At least one stays for training. A single
    recording of noise stays for training; validation then takes made noise.

    Parameters
    ----------
    speech, noise : iterable of Recording
    valid_share : float
        Above 0, at most a half.
    seed : int
    split_by : {"speaker", "recording"}
        By recording, the same voices are heard in both parts: the scores then say nothing about new speakers.

    Raises
    ------
    ParameterError
        When there is one speaker only (or one recording), or a value is out of its range.
    """
    if not 0 < valid_share <= 0.5:
        raise ParameterError(f"valid_share={valid_share!r}: a number above 0, at most 0.5, is needed")
    if split_by not in ("speaker", "recording"):
        raise ParameterError(f"split_by={split_by!r}: allowed are 'speaker' and 'recording'")
    speech, noise = tuple(speech), tuple(noise)
    key = {each.path: each.group if split_by == "speaker" else str(each.path) for each in speech}
    groups = set(key.values())
    if len(groups) < 2:
        what = (
            f"one speaker only ({next(iter(groups))!r})" if split_by == "speaker" and groups else "one recording only"
        )
        raise ParameterError(
            f"speech: {what if groups else 'no recording'}, so none can be held back to validate; add another speaker, "
            "or say how speakers are told apart (speaker_from; 'recording' takes every file for somebody else, and "
            "scores will flatter)"
        )
    rng = np.random.default_rng(seed)
    held_speakers = _held_back(speech, key, valid_share, rng)
    takes = {each.path: each.group for each in noise}
    held_noises = _held_back(noise, takes, valid_share, rng) if len(set(takes.values())) > 1 else set()
    return Split(
        train_speech=tuple(each for each in speech if key[each.path] not in held_speakers),
        valid_speech=tuple(each for each in speech if key[each.path] in held_speakers),
        train_noise=tuple(each for each in noise if each.group not in held_noises),
        valid_noise=tuple(each for each in noise if each.group in held_noises),
    )


def _held_back(
    recordings: tuple[Recording, ...], key: dict[Path, str], share: float, rng: np.random.Generator
) -> set[str]:
    sizes: dict[str, int] = defaultdict(int)
    for each in recordings:
        sizes[key[each.path]] += each.path.stat().st_size
    names = sorted(sizes)
    room = share * sum(sizes.values())
    held: set[str] = set()
    for index in rng.permutation(len(names)):
        if sizes[names[index]] <= room and len(held) < len(names) - 1:
            held.add(names[index])
            room -= sizes[names[index]]
    return held or {min(names, key=lambda name: (sizes[name], name))}


def _found(folders: StrPath | Iterable[StrPath]) -> tuple[str, list[Path]]:
    given = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    return ", ".join(str(each) for each in given), sound_files.find_recordings(given)


def _by_take(folders: StrPath | Iterable[StrPath], *, name: str, wanted: str) -> tuple[Recording, ...]:
    given, paths = _found(folders)
    if not paths:
        raise ParameterError(f"{name}{given}: no sound file lies there; give folders with {wanted}")
    return tuple(Recording(path=path, group=_noise_group(path)) for path in paths)


def _noise_group(path: Path) -> str:
    take = _TAKES.match(path.stem)
    return f"take of {take[1]}" if take else str(path)


def _speaker_rule(speaker_from: str) -> Callable[[Path], str]:
    """From a path to the speaker's name."""
    if "(" in speaker_from:
        return partial(_by_expression, _compiled(speaker_from))
    if speaker_from not in _RULES:
        raise ParameterError(
            f"speaker_from={speaker_from!r}: allowed are {', '.join(map(repr, _RULES))}, or a regular expression with "
            "a group in parentheses"
        )
    return _RULES[speaker_from]


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ParameterError(f"speaker_from={expression!r} is no regular expression: {error}") from error
    if compiled.groups < 1:
        raise ParameterError(f"speaker_from={expression!r}: a group in parentheses is needed, the speaker")
    return compiled


def _by_expression(expression: re.Pattern[str], path: Path) -> str:
    match = expression.search(path.as_posix())
    if match is None or match[1] is None:
        raise ParameterError(f"speaker_from={expression.pattern!r} does not match {path.as_posix()}")
    return match[1]


def _by_folder(path: Path) -> str:
    return str(path.parent)


def _by_known_names(path: Path) -> str:
    for names in _SPEAKER_NAMES:
        if match := names.match(path.stem):
            return match[1]
    return _by_folder(path)


def _by_name(path: Path) -> str:
    return re.split(r"[-_]", path.stem, maxsplit=1)[0]


_RULES: Final[dict[str, Callable[[Path], str]]] = {
    "auto": _by_known_names,
    "folder": _by_folder,
    "name": _by_name,
    "recording": str,
}
