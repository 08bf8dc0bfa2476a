"""Which recipes there are for each task, and what a user says when asking for one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from specloom.errors import ParameterError, TrainingError
from specloom.io.atomic import written_beside

if TYPE_CHECKING:
    from specloom.train.recipes.recipe import Recipe

# Task -> recipe -> "module:function"; the function takes the request and returns the recipe. A module is imported
# when its recipe is asked for.
RECIPES: dict[str, dict[str, str]] = {
    "enhance": {
        "default": "specloom.train.recipes.default:default",
        "tiny": "specloom.train.recipes.default:tiny",
        "article-mask": "specloom.train.recipes.article_mask:article_mask",
        "article-mapping": "specloom.train.recipes.article_mapping:article_mapping",
        "waveform": "specloom.train.recipes.waveform:waveform",
    },
    "denoise_mel": {
        "conv": "specloom.train.recipes.denoise_mel:conv",
        "dense": "specloom.train.recipes.denoise_mel:dense",
    },
    "denoise_digits": {
        "conv": "specloom.train.recipes.denoise_digits:conv",
        "dense": "specloom.train.recipes.denoise_digits:dense",
    },
    "inversion": {"inversion": "specloom.train.recipes.inversion:inversion"},
}

# Minutes that each recipe is worth on two cores, where nothing else is said: what it was measured with.
USUAL_MINUTES: dict[str, dict[str, float]] = {
    "enhance": {"default": 180.0, "tiny": 60.0, "article-mask": 20.0, "article-mapping": 20.0, "waveform": 20.0},
    "denoise_mel": {"conv": 3.0, "dense": 3.0},
    "inversion": {"inversion": 40.0},
}

_RUN_FILE = "run.json"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every training was asked for.

    Parameters
    ----------
    recipe : str
        A name of the task's ``RECIPES``.
    folder : str
        The run's folder: the place for resampled recordings too.
    seed : int
        Weights, split and batches come from it.
    steps, minutes : int and float or None
        How long; see `specloom.train.engine.fit`.
    threads : int or None
        Of torch.
    """

    # Names of the command line, where they are others.
    options: ClassVar[Mapping[str, str]] = {}

    recipe: str
    folder: str
    seed: int = 0
    steps: int | None = None
    minutes: float | None = None
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class EnhanceRequest(Request):
    """What ``specloom train enhance`` was asked for, besides `Request`.

    Parameters
    ----------
    speech, noise : tuple of str
        Folders of recordings.
    workers : int
        Processes that mix; 0 mixes in the trainer's own.
    target : str or None
        The mask that a mask recipe learns; None leaves it to the recipe.
    speaker_from : str or None
        How the speaker is told from a path (`specloom.train.data`); None leaves it to that module.
    begin_from : str or None
        A model file, or the name of a model that ships, whose weights are trained on; None begins with random ones.
    """

    options: ClassVar[Mapping[str, str]] = {"begin_from": "from"}

    speech: tuple[str, ...]
    noise: tuple[str, ...]
    workers: int = 1
    target: str | None = None
    speaker_from: str | None = None
    begin_from: str | None = None

    def __post_init__(self) -> None:
        for name in ("speech", "noise"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise ParameterError(f"{name} is empty: at least one folder of recordings is needed")
        if self.workers < 0:
            raise ParameterError(f"workers={self.workers}: 0 or more is needed")


@dataclass(frozen=True, kw_only=True)
class SpectrogramRequest(Request):
    """What every training on spectrograms of one's own recordings was asked for, besides `Request`.

    Parameters
    ----------
    recordings : tuple of str
        Folders of recordings; the split is by recording.
    spectrogram : str
        The name of a recipe for spectrograms, or the path of one as JSON.
    sample_rate : int or None
        For a recipe that keeps each recording's own rate.
    """

    recordings: tuple[str, ...]
    spectrogram: str
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "recordings", tuple(self.recordings))
        if not self.recordings:
            raise ParameterError("recordings is empty: at least one folder is needed")


@dataclass(frozen=True, kw_only=True)
class DenoiseMelRequest(SpectrogramRequest):
    """What ``specloom train denoise-mel`` was asked for, besides `SpectrogramRequest`.

    Parameters
    ----------
    damage : tuple of str
        See `specloom.train.data.patches.PatchSettings`.
    noise : tuple of str
        Folders of recordings of noise, for the damage of that name.
    """

    spectrogram: str = "tacotron"
    damage: tuple[str, ...] = ("salt-and-pepper",)
    noise: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("damage", "noise"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if ("noise" in self.damage) != bool(self.noise):
            raise ParameterError(
                f"damage={' '.join(self.damage)!r} and noise={' '.join(self.noise)!r}: the damage 'noise' and folders "
                "of noise belong together; give both or neither"
            )


@dataclass(frozen=True, kw_only=True)
class DenoiseDigitsRequest(Request):
    """What ``specloom train denoise-digits`` was asked for, besides `Request`.

    Parameters
    ----------
    digits : str or None
        A folder with MNIST's four files; None takes the digits that scikit-learn brings.
    damage : str
        "gaussian", as the article's code has it, or "salt-and-pepper", as its text says.
    amount : float
        The deviation, or the share of pixels.
    epochs : int
        How often every digit is seen, where neither steps nor minutes say otherwise.
    """

    digits: str | None = None
    damage: str = "gaussian"
    amount: float = 0.2
    epochs: int = 30

    def __post_init__(self) -> None:
        if self.damage not in ("gaussian", "salt-and-pepper"):
            raise ParameterError(f"damage={self.damage!r}: allowed are 'gaussian' and 'salt-and-pepper'")
        if not 0.0 < self.amount <= 1.0:
            raise ParameterError(f"amount={self.amount!r}: a number above 0, at most 1, is needed")
        if self.epochs < 1:
            raise ParameterError(f"epochs={self.epochs}: 1 or more is needed")


@dataclass(frozen=True, kw_only=True)
class InversionRequest(SpectrogramRequest):
    """What ``specloom train inversion`` was asked for, besides `SpectrogramRequest`.

    Parameters
    ----------
    kind : {"speech", "music"}
        What is heard in the recordings.
    """

    options: ClassVar[Mapping[str, str]] = {"spectrogram": "recipe"}

    spectrogram: str = "speech16"
    kind: str = "speech"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in ("speech", "music"):
            raise ParameterError(f"kind={self.kind!r}: allowed are 'speech' and 'music'")


REQUESTS: dict[str, type[Request]] = {
    "enhance": EnhanceRequest,
    "denoise_mel": DenoiseMelRequest,
    "denoise_digits": DenoiseDigitsRequest,
    "inversion": InversionRequest,
}

# What may be said anew when a run goes on; anything else would make it neither the one run nor the other.
_FREE = {"folder", "workers", "steps", "minutes", "threads"}


def make_recipe(task: str, request: Request) -> Recipe:
    """The recipe that is asked for, for the recordings of the request.

    Raises
    ------
    ParameterError
        An unknown task or name; what the recipe refuses (a folder without speech, one speaker only).
    """
    of_task, name = RECIPES.get(task), request.recipe
    if of_task is None:
        raise ParameterError(f"task={task!r}: there are recipes for {', '.join(RECIPES)}")
    if name not in of_task:
        close = get_close_matches(name, of_task, n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise ParameterError(f"recipe={name!r}: for '{task}' there are {', '.join(of_task)}{meant}")
    module, function = of_task[name].split(":")
    made: Recipe = getattr(import_module(module), function)(request)
    return made


def remember(request: Request, folder: str | os.PathLike[str]) -> None:
    """Write down what was asked for, so that ``--resume`` needs nothing but the folder.

    Raises
    ------
    TrainingError
        When it cannot be written.
    """
    path = Path(folder) / _RUN_FILE
    try:
        with written_beside(path) as beside:
            beside.write_text(json.dumps(asdict(request), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"{path} cannot be written: {error.strerror}") from error


def remembered(task: str, folder: str | os.PathLike[str]) -> Request:
    """What the run in this folder, of this task, was asked for.

    Raises
    ------
    TrainingError
        When there is no run, or its file is damaged.
    """
    path = Path(folder) / _RUN_FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingError(f"{folder} holds no run to go on with (no {_RUN_FILE}); leave out --resume") from error
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    return _request(said, path, REQUESTS[task])


def _request(said: Any, path: Path, kind: type[Request]) -> Request:
    names = {one.name for one in fields(kind)}
    # A run of an earlier version lacks what came later, which then is as it was: not asked for.
    needed = {one.name for one in fields(kind) if one.default is MISSING}
    if not isinstance(said, Mapping) or not needed <= set(said) <= names:
        raise TrainingError(f"{path} is not what a run of this version writes: {', '.join(sorted(names))} are needed")
    return kind(**said)


def continued(earlier: Request, given: Mapping[str, Any]) -> Request:
    """The request of a run that goes on: as it was, with what was given now where that may change.

    Raises
    ------
    TrainingError
        Naming the first thing that was given and differs, though it may not.
    """
    for name, value in given.items():
        before = getattr(earlier, name)
        if name not in _FREE and value != before:
            raise TrainingError(
                f"{earlier.options.get(name, name)} was {before!r} when this run began, and is {value!r} now: "
                "leave it out to go on, or choose another output to begin anew"
            )
    if "steps" in given or "minutes" in given:
        # Otherwise the limit of the first stretch would end the second at once.
        earlier = replace(earlier, steps=None, minutes=None)
    return replace(earlier, **given)
