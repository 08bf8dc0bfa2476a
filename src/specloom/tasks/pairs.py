"""Which recordings belong together, and both sounds of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specloom.audio import Audio
from specloom.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two files that belong together, and what they are called."""

    name: str
    clean: Path
    second: Path


def find_pairs(clean: Path, second: Path) -> tuple[list[Pair], list[str]]:
    """The pairs of two files, or of two folders: files of one name at one place below them, whatever their suffix.

    Parameters
    ----------
    clean, second : Path

    Returns
    -------
    list of Pair, list of str
        The pairs, and sentences about files that have no partner.

    Raises
    ------
    ParameterError
        When one is a file and the other a folder, nothing fits, or two files of a folder have one name.
    AudioFileError
        When a path does not exist.
    """
    ours, theirs = by_place(clean), by_place(second)
    if clean.is_dir() != second.is_dir():
        raise ParameterError(f"{clean} and {second}: give two files, or two folders, not one of each")
    if not clean.is_dir():
        return [Pair(name=clean.stem, clean=clean, second=second)], []
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise ParameterError(
            f"no pair was found: a pair is a file of one name in both folders, and {_examples(clean, ours)}, "
            f"{_examples(second, theirs)}"
        )
    lonely = [
        f"{len(alone)} of {folder} without a partner left out: {_named(alone)}."
        for folder, alone in (
            (clean, sorted(ours.keys() - theirs.keys())),
            (second, sorted(theirs.keys() - ours.keys())),
        )
        if alone
    ]
    return [Pair(name=place, clean=ours[place], second=theirs[place]) for place in common], lonely


def by_place(root: Path) -> dict[str, Path]:
    """Every recording of a folder by its place below it, without the suffix.

    Raises
    ------
    ParameterError
        When two files have one name.
    AudioFileError
        When the folder does not exist.
    """
    from specloom.io.audio import find_recordings

    found: dict[str, Path] = {}
    for path in find_recordings(root):
        place = path.stem if path == root else path.relative_to(root).with_suffix("").as_posix()
        rival = found.setdefault(place, path)
        if rival != path:
            raise ParameterError(f"{rival} and {path} have one name, so their partner is not known; move one away")
    return found


def _examples(folder: Path, found: dict[str, Path]) -> str:
    if not found:
        return f"{folder} holds no sound file"
    return f"{folder} holds {_named([path.name for path in found.values()])}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def read_pair(pair: Pair, *, seconds: float | None) -> tuple[Audio, Audio]:
    """Both sounds of a pair, as they lie in their files, no more of each than so many seconds.

    Raises
    ------
    ParameterError
        When they do not fit (lengths, rates, channels), either is silent, or both are the same.
    AudioFileError
        When a file cannot be read, or holds NaN.
    """
    first, second = _beginning(pair.clean, seconds), _beginning(pair.second, seconds)
    for path, (audio, _) in ((pair.clean, first), (pair.second, second)):
        if audio.n_channels != 1:
            raise ParameterError(
                f"{path} has {audio.n_channels} channels: sounds are compared on one; write one, or their mean, "
                "to a file of its own"
            )
        if not audio.samples.any():
            raise ParameterError(f"{path} is silent: there is nothing to compare; take another recording")
    if first[0].sample_rate != second[0].sample_rate:
        raise ParameterError(
            f"{pair.clean} has {first[0].sample_rate} Hz, {pair.second} {second[0].sample_rate} Hz: both need one "
            "rate; resample the higher"
        )
    if first[1] != second[1]:
        raise ParameterError(
            f"{pair.clean} has {first[1]} samples, {pair.second} {second[1]}: both must be equally long and begin at "
            "the same moment; cut the longer one"
        )
    return first[0], second[0]


def _beginning(path: Path, seconds: float | None) -> tuple[Audio, int]:
    """No more of a recording than is measured, and the samples of the whole file."""
    from specloom.io.audio import AudioReader

    with AudioReader(path) as reader:
        most = None if seconds is None else max(1, round(seconds * reader.sample_rate))
        pieces, have = [], 0
        for block in reader.blocks():
            if most is None or have < most:
                pieces.append(block)
            have += block.shape[-1]
        samples = np.concatenate(pieces, axis=-1) if pieces else np.zeros((1, 0), np.float32)
        samples = samples[:, :most]
        return Audio(samples[0] if len(samples) == 1 else samples, reader.sample_rate), have
