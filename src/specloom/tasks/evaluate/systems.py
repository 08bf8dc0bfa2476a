"""What is evaluated: models, anything else that turns a noisy sound into a clean one, folders of finished sounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from specloom.audio import Audio
from specloom.errors import ParameterError, SpecloomError
from specloom.metrics import align
from specloom.tasks.finished import digest
from specloom.tasks.pairs import Pair, by_place

if TYPE_CHECKING:
    from specloom.tasks.enhance.enhancer import Enhancer

Process = Callable[[Audio], Audio]
Kind = Literal["noisy", "system", "peer"]

NOISY: Literal["noisy"] = "noisy"
CLEAN: Literal["clean"] = "clean"
"""Names that no system can have: what is given to them, and what they should give."""

# A peer that comes later than this is taken for another recording.
_MOST_LAG_S = 0.25
# As many clips are enough to find a delay that all have; an odd number, so that the median is one of them.
_LISTENED_TO = 5


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that turns a noisy sound into a clean one.

    Parameters
    ----------
    name : str
    process : callable
        Called with one channel; gives a sound of the same rate and length, aligned to the sample. With several jobs it
        travels to other processes, so it must be picklable.
    identity : str, optional
        A word that is another one when ``process`` would give other sounds. Figures that an earlier run left are
        taken over only from a system of the same identity; without one they are always taken anew.
    """

    name: str
    process: Process
    identity: str | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A folder with what another program made of the noisy sounds.

    Parameters
    ----------
    name : str
    files : dict
        Its sounds by the name of the pair.
    lag_s : float
        By how much they all come late.
    """

    name: str
    files: Mapping[str, Path]
    lag_s: float = 0.0


def model_systems(models: Sequence[str | Path]) -> tuple[System, ...]:
    """Models by the name of one that ships, or by their file; every one is opened, so a bad one is told now.

    Raises
    ------
    ArtifactError
        When there is no such model, its file is damaged or newer, or it was made for another task.
    ParameterError
        When two would have one name.
    """
    names = [Path(model).stem for model in models]
    return tuple(
        _model_system(str(model), str(model) if names.count(name) > 1 else name) for name, model in zip(names, models)
    )


def _model_system(model: str, name: str) -> System:
    process = ModelProcess(model=model)
    return System(name=name, process=process, identity=process.identity)


@dataclass(frozen=True, kw_only=True)
class ModelProcess:
    """A model as a picklable function from sound to sound."""

    model: str

    def __call__(self, audio: Audio) -> Audio:
        """Clean a sound."""
        return _enhancer(self.model).process(audio)

    @property
    def identity(self) -> str:
        """The model file in short: its header holds the hashes of its networks."""
        return digest(_enhancer(self.model).header.to_json())


@lru_cache(maxsize=8)
def _enhancer(model: str) -> Enhancer:
    """Opened once a process."""
    from specloom.tasks.enhance.enhancer import Enhancer

    return Enhancer(model)


def require_names(names: Sequence[str]) -> None:
    """Refuse names that two have, that are empty, or that mean something else.

    Raises
    ------
    ParameterError
        Naming it.
    """
    for name in names:
        if not name.strip() or name in (NOISY, CLEAN):
            raise ParameterError(f"{name!r} cannot be the name of a system: {NOISY} and {CLEAN} are what it is given")
        if names.count(name) > 1:
            raise ParameterError(f"{names.count(name)} systems are called {name!r}: give each a name of its own")


def find_peer(name: str, folder: Path, pairs: Sequence[Pair], rate: int) -> Peer:
    """A peer's folder: the sounds whose names are those of the pairs, and by how much they come late.

    The delay is looked for in a few clips (up to 0.25 s), and the median of these is taken for all: what a program adds
    is constant, and a single clip may mislead.

    Parameters
    ----------
    name : str
    folder : Path
    pairs : sequence of Pair
    rate : int
        At which the figures are taken, hertz.

    Raises
    ------
    ParameterError
        When the folder holds none of the names.
    AudioFileError
        When it does not exist.
    """
    if not folder.is_dir():
        raise ParameterError(f"{name}={folder}: a folder is needed, with a sound for every pair")
    found = by_place(folder)
    files = {pair.name: found[pair.name] for pair in pairs if pair.name in found}
    if not files:
        raise ParameterError(
            f"{folder} holds none of the {len(pairs)} clips: its sounds must have the names of the pairs, such as "
            f"{pairs[0].name}"
        )
    there = [pair for pair in pairs if pair.name in files]
    chosen = np.unique(np.linspace(0, len(there) - 1, min(_LISTENED_TO, len(there))).round().astype(int))
    lags = [lag for index in chosen if (lag := _lag(there[index], files[there[index].name], rate)) is not None]
    # The lower of the two in the middle, when a clip could not be read.
    middle = sorted(lags)[(len(lags) - 1) // 2] if lags else 0
    return Peer(name=name, files=files, lag_s=middle / rate)


def _lag(pair: Pair, file: Path, rate: int) -> int | None:
    """None for clips that cannot be read: that is told when their turn comes."""
    from specloom.io.audio import load

    try:
        clean, ours = (at_rate(load(path), rate).mono() for path in (pair.clean, file))
        return align(clean.samples, ours.samples, max_lag=round(_MOST_LAG_S * rate))
    except SpecloomError:
        return None


def at_rate(audio: Audio, rate: int) -> Audio:
    """The sound at another rate; itself if it has it."""
    from specloom.dsp.resample import resample

    return audio if audio.sample_rate == rate else Audio(resample(audio.samples, audio.sample_rate, rate), rate)


def file_identity(path: Path) -> str:
    """A word that is another one when the file was written anew."""
    there = path.stat()
    return digest([path.name, there.st_size, there.st_mtime_ns])
