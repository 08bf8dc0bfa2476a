"""What a batch shows while it runs: bars on a terminal, a plain line per file elsewhere, and the sum at the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from specloom.cli.main import DONE, SOME_FAILED, say_error
from specloom.tasks.batch import Batch, FileResult, Job, JobProgress

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from specloom.rescue.assumptions import Assumption

# Below it an assumption stands out in the table.
_DOUBTFUL = 0.5


def run_and_report(batch: Batch) -> int:
    """Run a batch, show how it goes, and return the exit code."""
    counts: Counter[str] = Counter()
    with _bars() as bars:
        progress = _no_progress if bars is None else _moving(bars, counts, len(batch))
        for result in batch.run(progress):
            counts[result.status] += 1
            _tell(result, bars)
            if bars is not None:
                _move_whole(bars, counts, len(batch))
    print(", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status]))
    return SOME_FAILED if counts["failed"] else DONE


def _bars() -> AbstractContextManager[Progress | None]:
    if not sys.stdout.isatty():
        return nullcontext()
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # stderr is left alone: it may go to a file while the bars are on the terminal.
    return Progress(*columns, transient=True, redirect_stderr=False)


def _no_progress(job: Job, share: float) -> None:
    """Nothing to move."""


def _moving(bars: Progress, counts: Counter[str], n_jobs: int) -> JobProgress:
    """Add the bars: of all files (the first), and of the file in hand."""
    bars.add_task("", total=n_jobs, visible=n_jobs > 1)
    _move_whole(bars, counts, n_jobs)
    current = bars.add_task("", total=1.0, visible=False)

    def move(job: Job, share: float) -> None:
        bars.update(current, description=job.source.name, completed=share, visible=True)

    return move


def _move_whole(bars: Progress, counts: Counter[str], n_jobs: int) -> None:
    bars.update(bars.task_ids[0], completed=counts.total(), description=f"{counts.total()} of {n_jobs} files")


def _tell(result: FileResult, bars: Progress | None) -> None:
    if result.status == "failed":
        named = str(result.source) in result.message or str(result.target) in result.message
        sentence = result.message if named else f"{result.source}: {result.message}"
        if bars is None or not sys.stderr.isatty():
            say_error(sentence)
        else:
            _print_above(bars, f"specloom: {sentence}", "red")
        return
    line = f"{result.status}: {result.source} -> {result.target}, {result.message}"
    if bars is None:
        print("\n".join([line, *_plain(result)]), flush=True)
        return
    _print_above(bars, line, "")
    if result.assumptions:
        bars.console.print(_table(result.assumptions))
    for warning in result.warnings:
        _print_above(bars, f"  warning: {warning}", "yellow")


def _plain(result: FileResult) -> list[str]:
    """The assumptions and warnings of a file as lines that a program can search through."""
    rows = [[*_cells(assumption)] for assumption in result.assumptions]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines + [f"  warning: {warning}" for warning in result.warnings]


def _cells(assumption: Assumption) -> tuple[str, str, str, str, str]:
    """What it is, its value, how it was found, how sure that is, and what overrides it."""
    sure = f"{assumption.sure:.0%}"
    return assumption.name, assumption.value, assumption.how, sure, assumption.option


def _table(assumptions: Sequence[Assumption]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="what was assumed", title_justify="left", title_style="bold")
    for heading in ("what", "value", "how", "sure", "to override"):
        table.add_column(heading, justify="right" if heading == "sure" else "left", overflow="fold")
    for assumption in assumptions:
        doubtful = "yellow" if assumption.sure < _DOUBTFUL else ""
        table.add_row(*map(Text, _cells(assumption)), style=doubtful)
    return table


def _print_above(bars: Progress, line: str, style: str) -> None:
    from rich.text import Text

    bars.console.print(Text(line, style=style), soft_wrap=True)
