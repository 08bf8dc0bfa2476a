"""Recordings at one rate, one after another in one array of 16-bit integers: what the mixer draws from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError

FULL_SCALE: Final = np.float32(1 / 32768)


class Clips:
    """Many recordings of one rate, each with the group that it belongs to.

    Parameters
    ----------
    samples : int16 array, shape ``(n_samples,)``, or path-like
        All recordings without gaps, or the file that holds them (native 16-bit integers), which is mapped into memory
        when it is first needed. A file travels to other processes as its path, an array as a copy.
    lengths : sequence of int
        Samples of every recording.
    groups : sequence of str
        The group of every recording: the speaker of speech, the recording itself of noise.
    sample_rate : int
        Hertz.
    names : sequence of str, optional
        What the recordings are called, for validation clips and messages.

    Raises
    ------
    ParameterError
        When the lengths do not agree with the samples or the groups.
    """

    def __init__(
        self,
        samples: npt.NDArray[np.int16] | Path,
        *,
        lengths: Sequence[int],
        groups: Sequence[str],
        sample_rate: int,
        names: Sequence[str] = (),
    ) -> None:
        self.sample_rate = int(sample_rate)
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.groups = tuple(groups)
        self.names = tuple(names) or tuple(f"clip{index}" for index in range(len(self.lengths)))
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        self._path = samples if isinstance(samples, Path) else None
        self._samples = None if isinstance(samples, Path) else samples
        if not len(self.lengths) == len(self.groups) == len(self.names):
            raise ParameterError(
                f"{len(self.lengths)} lengths, {len(self.groups)} groups and {len(self.names)} names: "
                "one of each is needed for every recording"
            )
        held = (self._path.stat().st_size // 2) if self._path is not None else len(self.samples)
        if held != self._starts[-1]:
            raise ParameterError(f"{held} samples for lengths that sum up to {self._starts[-1]}: they must agree")

    @classmethod
    def from_arrays(
        cls,
        recordings: Sequence[npt.NDArray[Any]],
        *,
        groups: Sequence[str],
        sample_rate: int,
        names: Sequence[str] = (),
    ) -> Self:
        """Clips in memory, of floating-point samples with full scale ±1; what lies beyond is cut off."""
        samples = [to_int16(np.asarray(recording)) for recording in recordings]
        joined = np.concatenate(samples) if samples else np.zeros(0, np.int16)
        return cls(joined, lengths=[len(each) for each in samples], groups=groups, sample_rate=sample_rate, names=names)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._path is not None:
            state["_samples"] = None
        return state

    @property
    def samples(self) -> npt.NDArray[np.int16]:
        """All recordings, one after another, read-only."""
        if self._samples is None:
            self._samples = _mapped(self._path, int(self._starts[-1]))
        return self._samples

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each recording begins in `samples`; one more number than recordings."""
        return self._starts

    @property
    def seconds(self) -> float:
        """Of all recordings together."""
        return float(self._starts[-1]) / self.sample_rate

    @property
    def group_names(self) -> tuple[str, ...]:
        """Every group once, in order of name."""
        return tuple(sorted(set(self.groups)))

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> npt.NDArray[np.float32]:
        """A piece of one recording as float32 with full scale ±1; shorter at the recording's end."""
        first = self._starts[index] + start
        last = self._starts[index + 1] if n_samples is None else min(first + n_samples, self._starts[index + 1])
        return self.samples[first:last].astype(np.float32) * FULL_SCALE


def _mapped(path: Path | None, n_samples: int) -> npt.NDArray[np.int16]:
    # A file without bytes cannot be mapped.
    if path is None or n_samples == 0:
        return np.zeros(0, np.int16)
    return np.memmap(path, dtype=np.int16, mode="r")


def to_int16(samples: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Floating-point samples as 16-bit integers, rounded; beyond full scale they are cut off."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


class Picker:
    """Draws recordings of `Clips`: first the group, then one of its recordings.

    Parameters
    ----------
    clips : Clips
        At least one recording that is not empty.
    balance : float
        A group is drawn with a probability proportional to ``seconds ** balance``: 0 gives every group the same
        chance, 1 every second of sound. Inside a group every second has the same chance.
    """

    def __init__(self, clips: Clips, balance: float) -> None:
        names = clips.group_names
        place = {name: index for index, name in enumerate(names)}
        member_of = np.array([place[group] for group in clips.groups], dtype=np.int64)
        self._members = [np.flatnonzero((member_of == index) & (clips.lengths > 0)) for index in range(len(names))]
        self._within = [np.cumsum(clips.lengths[members]) for members in self._members]
        totals = np.array([cumulated[-1] if len(cumulated) else 0 for cumulated in self._within], dtype=np.float64)
        weights = np.where(totals > 0, np.maximum(totals, 1) ** balance, 0.0)
        if not weights.sum() > 0:
            raise ParameterError("the recordings to mix hold no samples; give folders with sound")
        self._groups = np.cumsum(weights) / weights.sum()
        self.n_groups = int((weights > 0).sum())

    def group(self, rng: np.random.Generator) -> int:
        """Draw a group."""
        return min(int(np.searchsorted(self._groups, rng.random(), side="right")), len(self._groups) - 1)

    def clip(self, rng: np.random.Generator, group: int) -> int:
        """Draw one of a group's recordings: its place among the clips."""
        cumulated = self._within[group]
        return int(self._members[group][np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")])


@lru_cache(maxsize=32)
def picker_of(clips: Clips, balance: float) -> Picker:
    """The picker of these clips, made once."""
    return Picker(clips, balance)
