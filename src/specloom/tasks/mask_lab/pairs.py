"""Which recordings belong together, and whether the second of a pair is the noise alone or the noisy sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import ParameterError

SecondKind = Literal["noise", "noisy"]

# Of the speech in the second sound: 0 in noise alone, 1 in the noisy sound; between these it is doubtful.
_DOUBTFUL = (0.2, 0.8)
# Noise that lies so far below the speech is the rounding of the files.
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two files that belong together, and what they are called."""

    name: str
    clean: Path
    second: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """What is measured: speech, and speech with noise, of one length and rate."""

    clean: Audio
    noisy: Audio

    @property
    def noise(self) -> npt.NDArray[np.float32]:
        """What the noisy sound has more."""
        return self.noisy.samples - self.clean.samples

    @property
    def snr_db(self) -> float:
        """Of the whole pair, in decibels."""
        powers = [float(np.square(samples, dtype=np.float64).sum()) for samples in (self.clean.samples, self.noise)]
        return 10.0 * float(np.log10(powers[0] / powers[1]))


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
    ours, theirs = _by_place(clean), _by_place(second)
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


def _by_place(root: Path) -> dict[str, Path]:
    """Every recording of a folder by its place below it, without the suffix."""
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
                f"{path} has {audio.n_channels} channels: masks are compared on one; write one of them, or their mean, "
                "to a file of its own"
            )
        if not audio.samples.any():
            raise ParameterError(f"{path} is silent: there is no mask to choose; take another recording")
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


def speech_share(clean: Audio, second: Audio) -> float:
    """How much of the speech is in the second sound, as a factor: about 1 in the noisy one, 0 in noise alone.

    Examples
    --------
    >>> speech, noise = np.float32([1, -1, 1, -1]), np.float32([2, 2, -2, -2])
    >>> speech_share(Audio(speech, 8000), Audio(speech + noise, 8000))
    1.0
    >>> speech_share(Audio(speech, 8000), Audio(noise, 8000))
    0.0
    """
    c, x = clean.samples.astype(np.float64), second.samples.astype(np.float64)
    return float(np.dot(c, x) / np.dot(c, c))


def tell_second(shares: Sequence[float]) -> tuple[SecondKind, str]:
    """Whether the second sounds are noise or noisy, by the median of `speech_share`, and the sentence that says so.

    Above a half, taking the speech out of the second sound leaves less energy than was there: it holds the speech.
    """
    share = float(np.median(shares))
    kind: SecondKind = "noisy" if share > 0.5 else "noise"
    found = f"the clean speech is in it {share:.2f} times"
    meant = (
        "noisy sounds, so the noise is the difference"
        if kind == "noisy"
        else "noise alone, so the noisy sound is the sum"
    )
    sentence = f"The second input was taken for {meant} ({found}; --second says otherwise)."
    if _DOUBTFUL[0] < share < _DOUBTFUL[1]:
        sentence += " That is doubtful: the two may lie at different levels or be shifted in time."
    return kind, sentence


def sounds_of(pair: Pair, clean: Audio, second: Audio, kind: SecondKind) -> Sounds:
    """Speech and noisy sound, whichever was given.

    Raises
    ------
    ParameterError
        When there is no noise.
    """
    noisy = second if kind == "noisy" else Audio(clean.samples + second.samples, clean.sample_rate)
    sounds = Sounds(clean=clean, noisy=noisy)
    loudest, noise = float(np.abs(clean.samples).max()), float(np.abs(sounds.noise).max())
    if noise <= _LEAST_NOISE * loudest:
        raise ParameterError(f"{pair.clean} and {pair.second} are the same sound: there is no noise to mask")
    if not noisy.samples.any():
        raise ParameterError(f"{pair.second} cancels {pair.clean} exactly: the noisy sound is silent")
    return sounds
