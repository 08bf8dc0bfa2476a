"""The training loop: one plain loop for every recipe. Read `fit` from top to bottom; there are no hooks."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from specloom.errors import ParameterError, TrainingError
from specloom.train.checkpoint import BEST, LAST, restore, save_checkpoint
from specloom.train.logs import Means, Screen, TrainingLog
from specloom.train.ranks import join_ranks, leave_ranks
from specloom.train.recipes.recipe import Recipe
from specloom.train.state import State


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How training ended.

    Parameters
    ----------
    state : State
        As after the last step. What is exported is usually the best: ``load_checkpoint(state, finished.best, ...)``.
    interrupted : bool
        Whether Ctrl-C or a signal to end came before the steps or minutes were done. All is saved.
    last, best : Path
        The checkpoints. They are one where nothing is evaluated.
    """

    state: State
    interrupted: bool
    last: Path
    best: Path


def fit(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int | None = None,
    precision: str = "float32",
    evaluate_every: int = 1000,
    save_minutes: float = 5.0,
    log_every: int = 50,
    quiet: bool = False,
) -> Finished:
    """Train until the steps are done or the minutes are over, whichever comes first.

    Parameters
    ----------
    recipe : Recipe
        What is trained (`specloom.train.recipes.recipe.Recipe`).
    folder : path-like
        The run's folder: the last checkpoint and the best, ``log.jsonl``, TensorBoard's files.
    steps : int, optional
        Steps in all, those of earlier stretches included.
    minutes : float, optional
        Minutes on the clock in all, evaluation included. Such a run cannot be repeated to the bit; one by steps can.
    resume : bool
        Go on from the last checkpoint, or begin where there is none yet. Otherwise a folder with a run in it is
        refused.
    device : str
        "auto" takes a GPU if there is one; else as torch names it.
    threads : int, optional
        Of torch on the CPU.
    precision : {"float32", "bfloat16"}
        Of the forward pass, where the recipe says ``with state.autocast()``.
    evaluate_every, log_every : int
        Steps from one evaluation (and checkpoint) or line of the log to the next; it is also evaluated at the end.
    save_minutes : float
        Between checkpoints, further apart though evaluations may be.
    quiet : bool
        Show nothing.

    Returns
    -------
    Finished

    Raises
    ------
    ParameterError
        An option that cannot be worked with.
    TrainingError
        A folder that holds another run; a disk that is full (the checkpoint before is unharmed); gradients that stay
        without being numbers.
    ArtifactError
        A checkpoint that is damaged, or does not fit the recipe.

    Notes
    -----
    On the CPU, with as many threads and the same `steps`, a run that was interrupted, or killed, and resumed ends at
    the same weights to the bit (``tests/train/test_engine.py``): random numbers of a step and items of a batch are
    functions of the seed and their number, and everything else is in the checkpoint.

    Under ``torchrun`` every process trains on its own items, `descend` averages the gradients, and rank 0 evaluates,
    saves and reports.
    """
    _check_options(steps, minutes, precision, evaluate_every, save_minutes, log_every, threads)
    folder, place = Path(folder), pick_device(device)
    ranks = join_ranks(place)
    earlier = ranks.share(_earlier(folder, resume=resume) if ranks.leads else None)

    with _own_random_numbers_and_threads(place, threads), _signals_noted(tell=not quiet) as signals:
        _seed(recipe.seed, place, step=0, rank=0)
        state = recipe.build(place)
        state.ranks, state.precision = ranks, precision
        if earlier is not None:
            restore(state, earlier, recipe=recipe.name, name=str(folder / LAST))
        # What a GPU measures before the first step is not the same to the bit on each of them.
        ranks.as_first(state.tensors())

        every = recipe.batch_size * ranks.world
        batches = recipe.batches(first_item=state.items + ranks.rank * recipe.batch_size, every=every, device=place)
        books = _Books(recipe, state, folder, quiet=quiet) if ranks.leads else None
        began = time.monotonic() - state.trained_s
        if books is not None and state.begun and state.step == 0:
            books.evaluate()
        # By minutes every rank has a clock of its own; what follows `progress` must be the same on all of them.
        done = ranks.largest(_share_done(state, steps, minutes), place)
        finished, stopped = done >= 1, False
        try:
            while not (finished or stopped):
                # One step: the next batch, random numbers of its own, and whatever the recipe does with them.
                state.progress, state.rng = done, _seed(recipe.seed, place, step=state.step + 1, rank=ranks.rank)
                started = time.perf_counter()
                batch = _next(batches, recipe)
                waited_s = time.perf_counter() - started
                losses = recipe.step(state, batch)
                state.step += 1
                state.items += every
                state.audio_s += recipe.batch_audio_s * ranks.world
                state.follow()
                state.trained_s = time.monotonic() - began

                # All ranks end together, though a signal or the clock may reach one of them first.
                done = ranks.largest(_share_done(state, steps, minutes), place)
                finished = done >= 1
                stopped = ranks.any(signals.came, place)
                if books is None:
                    continue
                books.add(losses, waited_s=waited_s, took_s=time.perf_counter() - started)
                if state.step % log_every == 0 or finished:
                    books.write_losses(done=done)
                if state.step % evaluate_every == 0 or finished:
                    books.evaluate()
                    books.save(LAST)
                elif stopped or books.unsaved_s() > 60 * save_minutes:
                    books.save(LAST)
        finally:
            _close(batches)
            if books is not None:
                books.close()
            leave_ranks()
    best = folder / BEST if (folder / BEST).exists() else folder / LAST
    return Finished(state=state, interrupted=not finished, last=folder / LAST, best=best)


def evaluate(recipe: Recipe, state: State) -> dict[str, float]:
    """The recipe's scores, without gradients; the networks are left in the modes that they were in."""
    modes = [(part, part.training) for network in state.networks.values() for part in network.modules()]
    try:
        with torch.no_grad():
            return {name: float(value) for name, value in recipe.evaluate(state).items()}
    finally:
        for part, mode in modes:
            part.training = mode


def pick_device(device: str) -> torch.device:
    """The device of this name; "auto" is this process's GPU if there is one, else the CPU.

    Raises
    ------
    ParameterError
        A name that torch does not know, or a GPU that is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ParameterError(f"device={device!r}: 'auto', 'cpu' or 'cuda' is needed") from error
    if place.type == "cuda":
        if not torch.cuda.is_available():
            raise ParameterError(f"device={device!r}: torch finds no GPU here; choose 'cpu'")
        index = int(os.environ.get("LOCAL_RANK", "0")) if place.index is None else place.index
        torch.cuda.set_device(index)
        place = torch.device("cuda", index)
    return place


class _Books:
    """What rank 0 writes down: the log, the screen, the checkpoints."""

    def __init__(self, recipe: Recipe, state: State, folder: Path, *, quiet: bool) -> None:
        self._recipe, self._state, self._folder = recipe, state, folder
        self._log = TrainingLog(folder, after_step=state.step)
        self._screen = Screen(quiet=quiet)
        self._means = Means()
        self._steps, self._waited_s, self._took_s = 0, 0.0, 0.0
        self._saved_at = time.monotonic()

    def add(self, losses: Mapping[str, torch.Tensor | float], *, waited_s: float, took_s: float) -> None:
        self._means.add(losses)
        self._steps += 1
        self._waited_s += waited_s
        self._took_s += took_s

    def write_losses(self, *, done: float) -> None:
        state, losses = self._state, self._means.take()
        pace = {"data_wait_share": self._waited_s / self._took_s, "steps_per_s": self._steps / self._took_s}
        rates = {
            f"learning_rate_{name}": float(optimizer.param_groups[0]["lr"])
            for name, optimizer in state.optimizers.items()
        }
        self._log.write("step", state.step, losses | rates | pace | self._counted())
        left_s = state.trained_s * (1 / done - 1) if done > 0 else math.inf
        self._screen.losses(state.step, losses, done=done, left_s=left_s, audio_s=state.audio_s)
        self._steps, self._waited_s, self._took_s = 0, 0.0, 0.0

    def evaluate(self) -> None:
        """Scores into the log; where they are the best so far, a checkpoint of its own."""
        state, scores = self._state, evaluate(self._recipe, self._state)
        score = scores.get("score", math.nan)
        better = math.isfinite(score) and (state.best_score is None or score > state.best_score)
        if better:
            state.best_score = score
        self._log.write("scores", state.step, scores | self._counted())
        self._screen.scores(state.step, scores, best=better)
        if better:
            self.save(BEST)

    def save(self, name: str) -> None:
        header = self._recipe.header(self._state)
        save_checkpoint(self._state, self._folder / name, recipe=self._recipe.name, header=header)
        self._saved_at = time.monotonic()

    def unsaved_s(self) -> float:
        return time.monotonic() - self._saved_at

    def close(self) -> None:
        self._screen.close()
        self._log.close()

    def _counted(self) -> dict[str, float]:
        state = self._state
        return {
            "audio_hours": state.audio_s / 3600,
            "trained_minutes": state.trained_s / 60,
            "skipped_steps": float(state.skipped_steps),
        }


def _check_options(
    steps: int | None,
    minutes: float | None,
    precision: str,
    evaluate_every: int,
    save_minutes: float,
    log_every: int,
    threads: int | None,
) -> None:
    if steps is None and minutes is None:
        raise ParameterError("steps or minutes is needed: training does not end by itself")
    counts = {"steps": steps, "evaluate_every": evaluate_every, "log_every": log_every, "threads": threads}
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value}: 1 or more is needed")
    for name, time_ in (("minutes", minutes), ("save_minutes", save_minutes)):
        if time_ is not None and not time_ > 0:
            raise ParameterError(f"{name}={time_}: more than 0 is needed")
    if precision not in ("float32", "bfloat16"):
        raise ParameterError(f"precision={precision!r}: 'float32' or 'bfloat16' is needed")


def _earlier(folder: Path, *, resume: bool) -> bytes | None:
    """The last checkpoint of the run that is to go on; None for a new one."""
    last = folder / LAST
    if not resume:
        if last.exists():
            raise TrainingError(f"{folder} holds a run already: go on with it (--resume), or choose another folder")
        return None
    if not last.exists():
        return None
    for left in folder.glob(".specloom-*"):
        # Half a file, from a process that was killed while it wrote.
        left.unlink(missing_ok=True)
    try:
        return last.read_bytes()
    except OSError as error:
        raise TrainingError(f"the checkpoint {last} cannot be read: {error.strerror}") from error


def _seed(seed: int, place: torch.device, *, step: int, rank: int) -> np.random.Generator:
    """Random numbers of one step on one rank: torch's own are set, numpy's are returned.

    So no random state has to be kept, and what happens between two steps (an evaluation) cannot change what follows.
    """
    sequence = np.random.SeedSequence([seed, rank, step])
    number = int(sequence.generate_state(1, np.uint64)[0])
    # torch.manual_seed asks every kind of device there might be, and remembers each call until a GPU is used.
    torch.default_generator.manual_seed(number)
    if place.type == "cuda":
        torch.cuda.manual_seed(number)
    return np.random.default_rng(sequence)


def _share_done(state: State, steps: int | None, minutes: float | None) -> float:
    """The share of what was asked for that is done, from 0 to 1."""
    by_steps = state.step / steps if steps is not None else 0.0
    by_time = state.trained_s / (60 * minutes) if minutes is not None else 0.0
    return min(1.0, max(by_steps, by_time))


def _next(batches: Iterator[Any], recipe: Recipe) -> Any:
    try:
        return next(batches)
    except StopIteration:
        raise TrainingError(f"the recipe '{recipe.name}' has run out of batches; they must not end") from None


def _close(batches: Iterator[Any]) -> None:
    """End what makes the batches: a generator's ``finally`` stops its workers."""
    close = getattr(batches, "close", None)
    if close is not None:
        close()


@contextmanager
def _own_random_numbers_and_threads(place: torch.device, threads: int | None) -> Iterator[None]:
    """torch's random numbers and number of threads are global; both are given back as they were."""
    before = torch.get_num_threads()
    devices = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            yield
        finally:
            torch.set_num_threads(before)


class _Signals:
    """Whether Ctrl-C, or a signal to end, came. The second one interrupts at once."""

    def __init__(self, *, tell: bool) -> None:
        self.came = False
        self._tell = tell

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        if self._tell:
            # Not print: the signal may have come in the middle of one.
            os.write(2, b"\nstopping after this step (again: at once)\n")


@contextmanager
def _signals_noted(*, tell: bool) -> Iterator[_Signals]:
    """Let the step in hand end, so that what is saved is whole."""
    signals = _Signals(tell=tell)
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may handle signals; whoever trains in another must stop it some other way.
        yield signals
        return
    before = {number: signal.signal(number, signals.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
