"""``specloom train TASK``: anybody's own model, from folders of recordings."""

from __future__ import annotations

import math
import os
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from specloom.errors import MissingExtraError, ParameterError, TrainingError

if TYPE_CHECKING:
    from specloom.train.engine import Finished
    from specloom.train.recipes.catalog import EnhanceRequest
    from specloom.train.recipes.recipe import Recipe

# Looked for before anything begins: one that is missed only at the export would be missed after hours.
_NEEDED = ("torch", "safetensors", "onnx")


@dataclass(frozen=True, kw_only=True)
class TrainEnhance:
    """Train a model that takes noise out of speech, on your own recordings.

    Speech and noise are mixed on the fly. One part of the speakers and of the noises is held back: the scores are taken
    on them, and the best weights become the model file, which 'specloom enhance --model' runs. Beside it lies the run's
    folder (MODEL.training) with checkpoints, log.jsonl and TensorBoard's curves. Ctrl-C saves and stops.

    Examples:

    specloom train enhance --speech voices/ --noise noises/ --minutes 30 -o mine.onnx

    specloom train enhance --speech voices/ --noise noises/ --recipe tiny --steps 50000 -o small.onnx

    specloom train enhance --resume -o mine.onnx

    specloom train enhance --from default --speech ours/ --noise ours-too/ --minutes 20 -o adapted.onnx

    A run that is resumed ends where it would have ended without the stop: on the CPU, with as many threads and by
    --steps, to the bit.
    """

    speech: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(needed for a new run)")
    ] = ()
    """Folders of recordings of speech, several speakers in all."""

    noise: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(needed for a new run)")
    ] = ()
    """Folders of recordings of noise."""

    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: default)")] = None
    """What is trained, and how: default, tiny, article-mask, article-mapping, waveform."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="MODEL", help_behavior_hint="")] = None
    """The model file to write ('RECIPE.onnx' if not given)."""

    steps: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many steps instead of the recipe's usual minutes."""

    minutes: Annotated[float | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many minutes, evaluation included (default: 180 for 'default', 60 for 'tiny', else 20)."""

    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run of this MODEL; other options need not be repeated."""

    seed: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 0)")] = None
    """Weights, split and mixes come from it."""

    target: Annotated[str | None, tyro.conf.arg(metavar="MASK", help_behavior_hint="")] = None
    """The mask that a mask recipe learns: ibm, irm, iam, psm, cirm, orm."""

    begin_from: Annotated[str | None, tyro.conf.arg(name="from", metavar="MODEL", help_behavior_hint="")] = None
    """Begin with the weights of this model file (or of 'default' or 'tiny', which ship) instead of random ones."""

    speaker_from: Annotated[str | None, tyro.conf.arg(metavar="RULE", help_behavior_hint="")] = None
    """How the speaker is told from a file's path, if not by folder."""

    threads: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Threads that torch uses."""

    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 1)")] = None
    """Processes that mix."""

    device: str = "auto"
    """Where it trains: auto (a GPU if there is one), cpu, cuda."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass, where the recipe allows for it."""

    evaluate_every: Annotated[int, tyro.conf.arg(metavar="N")] = 1000
    """Steps between evaluations."""

    def run(self) -> int:
        """Train and export; the exit code."""
        from specloom.cli.main import DONE, INTERRUPTED, say_error

        require_training()
        from specloom.train.alone import alone_in
        from specloom.train.engine import fit
        from specloom.train.recipes.catalog import make_recipe, remember

        out = self._checked_out()
        self._check_numbers()
        request = self._request(out)
        with _warnings_as_sentences():
            recipe = make_recipe("enhance", request)
        # Not before: what a recipe refuses has not begun.
        with alone_in(request.folder):
            remember(request, request.folder)
            finished = fit(
                recipe,
                request.folder,
                steps=request.steps,
                minutes=request.minutes,
                resume=self.resume,
                device=self.device,
                threads=request.threads,
                precision=self.precision,
                evaluate_every=self.evaluate_every,
            )
        if finished.interrupted:
            say_error(
                f"stopped after {finished.state.step} steps, all is saved; go on with: "
                f"specloom train enhance --resume -o {shlex.quote(str(out))}"
            )
            return INTERRUPTED
        if finished.state.ranks.leads:
            export_best(recipe, finished, out)
        return DONE

    def _checked_out(self) -> Path:
        out = Path(f"{self.recipe or 'default'}.onnx") if self.out is None else self.out
        if out.suffix != ".onnx":
            raise ParameterError(f"out={str(out)!r}: a model is written as .onnx; give it that suffix")
        if out.exists() and not self.resume:
            raise TrainingError(f"{out} is there already: choose another name, or go on with its run (--resume)")
        return out

    def _check_numbers(self) -> None:
        """Refuse before anything is read or written what would end training, or a later --resume."""
        for name, least in (("steps", 1), ("threads", 1), ("workers", 0), ("seed", 0), ("evaluate_every", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ParameterError(f"{name}={value}: {least} or more is needed")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ParameterError(f"minutes={self.minutes}: a number above 0 is needed")

    def _request(self, out: Path) -> EnhanceRequest:
        """What is asked for, or was asked for when the run began."""
        from specloom.train.checkpoint import LAST
        from specloom.train.recipes.catalog import EnhanceRequest, continued, remembered

        folder = out.with_suffix(".training")
        given = self._given() | {"folder": str(folder)}
        if self.resume:
            request = continued(remembered(folder), given)
        else:
            if not (self.speech and self.noise):
                raise ParameterError("--speech DIR and --noise DIR are needed: folders of recordings to learn from")
            if (folder / LAST).exists():
                raise TrainingError(f"{folder} holds a run already: go on with it (--resume), or choose another -o")
            request = _of_usual_length(EnhanceRequest(**({"recipe": "default"} | given)))
        return request

    def _given(self) -> dict[str, Any]:
        """What stands on the command line, of what the request holds."""
        folders = {name: tuple(map(str, getattr(self, name))) for name in ("speech", "noise")}
        names = ("recipe", "steps", "minutes", "seed", "target", "begin_from", "speaker_from", "threads", "workers")
        plain = {name: getattr(self, name) for name in names}
        return {name: value for name, value in (folders | plain).items() if value not in (None, ())}


def _of_usual_length(request: EnhanceRequest) -> EnhanceRequest:
    """The request with the recipe's usual minutes, where it does not say how long; told, for it is long."""
    from specloom.train.recipes.catalog import USUAL_MINUTES

    usual = USUAL_MINUTES["enhance"].get(request.recipe)
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
    print(f"weights of step {state.step}{scored}, {state.audio_s / 3600:.1f} hours of sound seen")
    print_path(console(), "model", out)
