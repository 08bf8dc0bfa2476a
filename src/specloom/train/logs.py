"""What a run writes down while it goes (JSON lines, TensorBoard), and what it shows to whoever waits."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from specloom.errors import TrainingError
from specloom.io.atomic import written_beside

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.jsonl"
_PLAIN_LINE_EVERY_S = 60.0


class Means:
    """Means of what the steps return; numbers on a GPU stay there until they are asked for."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor | float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, torch.Tensor | float]) -> None:
        """Take the values of one step."""
        for name, value in values.items():
            number = value.detach() if isinstance(value, torch.Tensor) else value
            self._sums[name] = self._sums[name] + number if name in self._sums else number
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means so far; begins anew."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means


class TrainingLog:
    """``log.jsonl`` and TensorBoard's files in the run's folder.

    A line is ``{"kind": "step" | "scores", "step": ..., "audio_hours": ..., ...}``; numbers that are not finite
    are null. When a run goes on, lines that came after its checkpoint are dropped: those steps are done again.

    Parameters
    ----------
    folder : Path
    after_step : int
        The step of the checkpoint; 0 for a new run.

    Raises
    ------
    TrainingError
        When nothing can be written there: a file in the folder's place, no permission, a full disk.
    """

    def __init__(self, folder: Path, *, after_step: int = 0) -> None:
        self._path = folder / LOG_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _drop_later_lines(self._path, after_step)
            self._file = self._path.open("a", encoding="utf-8")
            self._board = _board(folder, after_step)
        except OSError as error:
            raise TrainingError(f"{self._path} cannot be written: {error.strerror}; choose another folder") from error

    def write(self, kind: str, step: int, values: Mapping[str, float | None]) -> None:
        """Add a line, and a point to each curve.

        Raises
        ------
        TrainingError
            When the disk is full.
        """
        line = {name: _json_number(value) for name, value in values.items()}
        try:
            self._file.write(json.dumps({"kind": kind, "step": step, **line}) + "\n")
            self._file.flush()
        except OSError as error:
            raise TrainingError(f"{self._path} cannot be written: {error.strerror}; make room and --resume") from error
        if self._board is not None:
            for name, value in values.items():
                if value is not None:
                    self._board.add_scalar(f"{kind}/{name}", value, step)
            if kind != "step":
                self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(folder: str | os.PathLike[str], kind: str | None = None) -> list[dict[str, Any]]:
    """The lines of a run's log, all or of one kind."""
    text = (Path(folder) / LOG_FILE).read_text(encoding="utf-8")
    return [line for line in map(json.loads, text.splitlines()) if kind in (None, line["kind"])]


def _drop_later_lines(path: Path, after_step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _belongs(line, after_step)]
    with written_beside(path) as beside:
        beside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _belongs(line: str, after_step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= after_step)
    except (ValueError, KeyError, TypeError):
        # The line that was being written when the process was killed.
        return False


def _board(folder: Path, after_step: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # Points of later steps, written by a stretch that was killed, are told to be ignored.
    return SummaryWriter(str(folder / "tensorboard"), purge_step=after_step + 1)


def _json_number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Screen:
    """What is shown while it trains: a bar on a terminal, a line now and then elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bars: Progress | None = None
        self._told_at = -math.inf
        self._scores = ""
        if not quiet and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            self._bars = Progress(TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
            self._bars.add_task("", total=1.0)
            self._bars.start()

    def say(self, sentence: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        if self._bars is None:
            print(sentence, flush=True)
        else:
            from rich.text import Text

            self._bars.console.print(Text(sentence), soft_wrap=True)

    def losses(self, step: int, values: Mapping[str, float], *, done: float, left_s: float, audio_s: float) -> None:
        """How the last steps went."""
        if self._quiet:
            return
        # The line must fit; the log has them all.
        shown = " ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:2])
        text = f"step {step}  {shown}  {audio_s / 3600:.1f} h of sound  {_duration(left_s)} left{self._scores}"
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], description=text, completed=done)
        elif time.monotonic() - self._told_at > _PLAIN_LINE_EVERY_S:
            self._told_at = time.monotonic()
            print(text, flush=True)

    def scores(self, step: int, values: Mapping[str, float], *, best: bool) -> None:
        """How the validation went."""
        shown = " ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._scores = f"  score {values['score']:.3f}" if "score" in values else ""
        self.say(f"step {step}  {shown}{'  (the best so far)' if best else ''}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.stop()


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
