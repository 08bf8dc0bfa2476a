"""What every ``specloom train TASK`` has in common: how long, where, how to go on, and the model at the end."""

from __future__ import annotations

import math
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from specloom.errors import MissingExtraError, ParameterError, TrainingError

if TYPE_CHECKING:
    from specloom.train.engine import Finished
    from specloom.train.recipes.catalog import Request
    from specloom.train.recipes.recipe import Recipe

# Looked for before anything begins: one that is missed only at the export would be missed after hours.
_NEEDED = ("torch", "safetensors", "onnx")
# Where a recipe has no other usual distance.
_EVALUATE_EVERY = 1000


@dataclass(frozen=True, kw_only=True)
class HowToTrain:
    """The options of every training."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="MODEL", help_behavior_hint="")] = None
    """The model file to write, .onnx or (where it has several networks) .zip; named after the recipe if not given."""

    steps: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many steps instead of the recipe's usual length."""

    minutes: Annotated[float | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many minutes, evaluation included."""

    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run of this MODEL; other options need not be repeated."""

    seed: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 0)")] = None
    """Weights, split and batches come from it."""

    threads: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Threads that torch uses."""

    device: str = "auto"
    """Where it trains: auto (a GPU if there is one), cpu, cuda."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass, where the recipe allows for it."""

    evaluate_every: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Steps between evaluations, if not the recipe's usual ones."""

    def given(self) -> dict[str, Any]:
        """What stands on the command line, of what a request holds."""
        plain = {name: getattr(self, name) for name in ("steps", "minutes", "seed", "threads")}
        return {name: value for name, value in plain.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training that came to its end: what made it, and the files.

    Parameters
    ----------
    recipe : Recipe
    request : Request
    model : Path
    """

    recipe: Recipe
    request: Request
    model: Path


def train(
    task: str,
    how: HowToTrain,
    given: Mapping[str, Any],
    *,
    default_recipe: str,
    needed: Mapping[str, str],
    suffix: str = ".onnx",
) -> Trained | int:
    """Train a recipe of the task, or go on with a run of it, and export its best weights.

    Parameters
    ----------
    task : str
        A key of `specloom.train.recipes.catalog.REQUESTS`.
    how : HowToTrain
    given : mapping
        What else stands on the command line, by the names of the task's request; None and () were not given.
    default_recipe : str
    needed : mapping of str to str
        What a new run cannot do without, and the sentence that asks for it.
    suffix : str
        Of the model's file: ".zip" where it has several networks.

    Returns
    -------
    Trained, or the exit code where there is no model (yet), or another rank writes it.
    """
    from specloom.cli.main import DONE, INTERRUPTED, say_error

    require_training()
    from specloom.train.alone import alone_in
    from specloom.train.engine import fit
    from specloom.train.recipes.catalog import make_recipe, remember

    said = {name: value for name, value in given.items() if value not in (None, ())} | how.given()
    out = _checked_out(how, said.get("recipe", default_recipe), suffix)
    _check_numbers(how, said)
    request = _request(task, how, out, said, default_recipe, needed)
    with _warnings_as_sentences():
        recipe = make_recipe(task, request)
    # Not before: what a recipe refuses has not begun.
    request = request if how.resume else _of_usual_length(task, request)
    with alone_in(request.folder):
        remember(request, request.folder)
        steps = request.steps
        if steps is None and request.minutes is None:
            steps = getattr(recipe, "usual_steps", None)
        finished = fit(
            recipe,
            request.folder,
            steps=steps,
            minutes=request.minutes,
            resume=how.resume,
            device=how.device,
            threads=request.threads,
            precision=how.precision,
            evaluate_every=how.evaluate_every or int(getattr(recipe, "evaluate_every", _EVALUATE_EVERY)),
        )
    if finished.interrupted:
        say_error(
            f"stopped after {finished.state.step} steps, all is saved; go on with: "
            f"specloom train {task.replace('_', '-')} --resume -o {shlex.quote(str(out))}"
        )
        return INTERRUPTED
    if not finished.state.ranks.leads:
        return DONE
    export_best(recipe, finished, out)
    return Trained(recipe=recipe, request=request, model=out)


def _checked_out(how: HowToTrain, recipe: str, suffix: str) -> Path:
    out = Path(f"{recipe}{suffix}") if how.out is None else how.out
    if out.suffix != suffix:
        raise ParameterError(f"out={str(out)!r}: a model of this kind is written as {suffix}; give it that suffix")
    if out.exists() and not how.resume:
        raise TrainingError(f"{out} is there already: choose another name, or go on with its run (--resume)")
    return out


def _check_numbers(how: HowToTrain, said: Mapping[str, Any]) -> None:
    """Refuse before anything is read or written what would end training, or a later --resume."""
    numbers = {"evaluate_every": how.evaluate_every} | dict(said)
    for name, least in (("steps", 1), ("threads", 1), ("workers", 0), ("seed", 0), ("evaluate_every", 1)):
        value = numbers.get(name)
        if value is not None and value < least:
            raise ParameterError(f"{name}={value}: {least} or more is needed")
    if how.minutes is not None and not 0 < how.minutes < math.inf:
        raise ParameterError(f"minutes={how.minutes}: a number above 0 is needed")


def _request(
    task: str, how: HowToTrain, out: Path, said: Mapping[str, Any], default_recipe: str, needed: Mapping[str, str]
) -> Request:
    """What is asked for, or was asked for when the run began."""
    from specloom.train.checkpoint import LAST
    from specloom.train.recipes.catalog import REQUESTS, continued, remembered

    folder = out.with_suffix(".training")
    given = {**said, "folder": str(folder)}
    if how.resume:
        return continued(remembered(task, folder), given)
    for name, sentence in needed.items():
        if name not in said:
            raise ParameterError(sentence)
    if (folder / LAST).exists():
        raise TrainingError(f"{folder} holds a run already: go on with it (--resume), or choose another -o")
    return REQUESTS[task](**({"recipe": default_recipe} | given))


def _of_usual_length(task: str, request: Request) -> Request:
    """The request with the recipe's usual minutes, where it does not say how long; told, for it is long."""
    from specloom.train.recipes.catalog import USUAL_MINUTES

    usual = USUAL_MINUTES.get(task, {}).get(request.recipe)
    if request.steps is not None or request.minutes is not None or usual is None:
        return request
    # torchrun starts as many of us as there are ranks.
    if os.environ.get("RANK", "0") == "0":
        print(
            f"training for {usual:g} minutes, as is usual for {request.recipe!r}; "
            "--minutes N or --steps N says otherwise"
        )
    return replace(request, minutes=usual)


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Recordings that are left out are told without the place in our code that left them out."""
    from specloom.cli.main import say_error
    from specloom.io.audio import AudioFileWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AudioFileWarning)
        try:
            yield
        finally:
            for each in caught:
                say_error(str(each.message))


def require_training() -> None:
    """Say in one sentence what is missing, where the extra ``train`` is not installed.

    Raises
    ------
    MissingExtraError
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'training needs {" and ".join(missing)}: pip install "specloom[train]"')


def export_best(recipe: Recipe, finished: Finished, out: Path) -> None:
    """Write the best weights of a run as a model file, and say how good they are."""
    from specloom.cli.roundtrip import console, print_path
    from specloom.train.checkpoint import load_checkpoint
    from specloom.train.export import export_model

    state = finished.state
    load_checkpoint(state, finished.best, recipe=recipe.name)
    reports = export_model(recipe, state, out)
    for name, report in reports.items():
        print(
            f"{name}: {report.nodes} nodes, within {report.agrees:.1g} of torch, piece by piece within "
            f"{report.streams:.1g} of the whole"
        )
    scored = "" if state.best_score is None else f", score {state.best_score:.3f}"
    heard = "" if state.audio_s == 0 else f", {state.audio_s / 3600:.1f} hours of sound seen"
    print(f"weights of step {state.step}{scored}{heard}")
    print_path(console(), "model", out)
