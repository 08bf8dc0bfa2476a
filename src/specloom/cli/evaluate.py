"""``specloom evaluate``: how good models are on pairs of clean and noisy speech, and whether others are better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from specloom.tasks.evaluate import EvaluationReport, Progress

_NO_MODEL = "-"
_TRI = {"auto": None, "yes": True, "no": False}


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How good are models that clean speech, on pairs of clean and noisy recordings?

    Every clip is scored with PESQ, STOI, ESTOI, SI-SDR and DNSMOS against the noisy sound, and by its signal-to-noise
    ratio; the clean speech goes through the models too. The table is printed; the folder gets it as CSV and JSON with
    plots, and a page to listen to (index.html).

    Examples:

    specloom evaluate default test-set/ -o scores

    specloom evaluate default mine.onnx test-set/ -o scores --peer rnnoise=outputs/rnnoise --peer dfn=outputs/dfn

    specloom evaluate - test-set/ --peer rnnoise=outputs/rnnoise

    The last path is the folder of pairs: clean/ and noisy/ with files of the same names. Clips that are finished stay
    in clips.csv, so an interrupted run goes on when it is started again; only what has changed is measured anew.
    """

    paths: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="MODEL... PAIRS", help_behavior_hint="(required)"),
    ]
    """Models (names of shipped ones, or files; '-' for none; 'default' if none is named) and the folder of pairs."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """The folder to write to ('NAME-evaluation' if not given)."""

    peer: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=FOLDER")] = ()
    """What another program made of the noisy sounds, in files of the same names; a constant delay is taken out."""

    rate: Annotated[Literal["auto", "16000", "8000"], tyro.conf.arg(metavar="auto|16000|8000")] = "auto"
    """Hertz at which everything is heard: PESQ is wide-band at 16000, narrow-band at 8000. 'auto' takes the highest."""

    seconds: float = 0.0
    """Measure no more than this from the beginning of each recording; 0 measures all of it."""

    perceptual: Literal["auto", "yes", "no"] = "auto"
    """Take PESQ, STOI and ESTOI (the extra 'eval'): if they are installed, in any case, or never."""

    dnsmos: Literal["auto", "yes", "no"] = "auto"
    """Take DNSMOS (the extra 'eval'): if it is installed, in any case, or never."""

    clean: bool = True
    """Send the clean speech through the models too."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure anew what is there already."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Clips to work on side by side."""

    def run(self) -> int:
        """Measure the clips; the exit code."""
        from specloom.cli.main import DONE, SOME_FAILED, say_error
        from specloom.cli.roundtrip import console, print_path
        from specloom.io.atomic import require_room_for_folder
        from specloom.page.evaluate import write_evaluation
        from specloom.tasks.evaluate import evaluate, model_systems, require_pairs

        models, pairs = models_and_pairs(self.paths)
        folder = Path(f"{pairs.resolve().name}-evaluation") if self.out is None else self.out
        # A wrong folder is told before models are opened.
        require_pairs(pairs)
        require_room_for_folder(folder)
        screen = console()
        with _shown(screen) as tell:
            report = evaluate(
                pairs,
                model_systems(models),
                peers=peers_of(self.peer),
                folder=folder,
                rate=None if self.rate == "auto" else int(self.rate),
                seconds=self.seconds or None,
                with_perceptual=_TRI[self.perceptual],
                with_dnsmos=_TRI[self.dnsmos],
                with_clean=self.clean,
                overwrite=self.overwrite,
                jobs=self.jobs,
                progress=tell,
            )
            page = write_evaluation(report, folder)
        print_evaluation(screen, report)
        print_path(screen, "page", page)
        for failure in report.failures:
            named = failure.name.split(" (")[0] in failure.message
            say_error(failure.message if named else f"{failure.name}: {failure.message}")
        return SOME_FAILED if report.failures else DONE


def models_and_pairs(paths: tuple[str, ...]) -> tuple[list[str], Path]:
    """What of the arguments is a model, and the folder of pairs.

    Raises
    ------
    ParameterError
        When there is no argument.
    """
    from specloom.errors import ParameterError

    if not paths:
        raise ParameterError("no input was given: name the models and, last, the folder of pairs (clean/ and noisy/)")
    *models, pairs = paths
    return [model for model in models or ["default"] if model != _NO_MODEL], Path(pairs)


def peers_of(peers: tuple[str, ...]) -> dict[str, Path]:
    """The folders of the peers by their names.

    Raises
    ------
    ParameterError
        When one is not NAME=FOLDER, or a name is given twice.
    """
    from specloom.errors import ParameterError

    found: dict[str, Path] = {}
    for text in peers:
        name, is_there, folder = text.partition("=")
        if not (name and is_there and folder):
            raise ParameterError(f"peer={text!r}: NAME=FOLDER is needed, such as rnnoise=outputs/rnnoise")
        if name in found:
            raise ParameterError(f"peer={text!r}: {name} is {found[name]} already; give each a name of its own")
        found[name] = Path(folder)
    return found


@contextmanager
def _shown(screen: Console) -> Iterator[Callable[[Progress], None]]:
    """How far it is: a bar on a terminal, a line for every clip elsewhere."""
    if not screen.is_terminal:
        yield _line
        return
    from rich import progress as shown

    moving = (
        shown.TextColumn("{task.description}", markup=False),
        shown.BarColumn(),
        shown.TaskProgressColumn(),
        shown.TimeRemainingColumn(),
    )
    with shown.Progress(*moving, console=screen, transient=True, redirect_stderr=False) as bars:
        task = bars.add_task("reading", total=None)

        def move(state: Progress) -> None:
            all_done = state.done == state.total
            text = "drawing" if all_done else f"{state.done} of {state.total} clips"
            bars.update(task, total=state.total, completed=state.done, description=text)

        yield move


def _line(state: Progress) -> None:
    if not state.name:
        there = f", {state.done} of them done already" if state.done else ""
        print(f"{state.total} clips{there}", flush=True)
    else:
        what = "failed" if state.failed else "done"
        print(f"{what}: {state.name} ({state.done} of {state.total})", flush=True)


def print_evaluation(screen: Console, report: EvaluationReport) -> None:
    """The tables of an evaluation, and the sentences about it."""
    from rich.text import Text

    from specloom.tasks.evaluate import verdict

    screen.print()
    screen.print(_means(report))
    if len(report.group_values) > 1:
        screen.print(_by_group(report))
    for sentence in (*verdict(report).split("\n\n"), *report.remarks):
        screen.print(Text(sentence), soft_wrap=True)


def _means(report: EvaluationReport) -> object:
    from rich.table import Table
    from rich.text import Text

    from specloom.page.evaluate import cells, columns
    from specloom.page.html import format_number
    from specloom.tasks.evaluate import NOISY

    heads = columns(report)
    n_clips = len(report.common(report.main))
    table = Table(title=f"Means over {n_clips} clips at {report.sample_rate // 1000} kHz", title_justify="left")
    table.add_column("system", overflow="fold")
    for head in heads[1:]:
        table.add_column(f"{head.heading}\n{head.unit}".strip(), justify="right", no_wrap=True)
    for system in report.systems:
        name, *numbers = cells(report, system)
        texts = [format_number(n, head.decimals) for n, head in zip(numbers, heads[1:]) if not isinstance(n, str)]
        table.add_row(Text(str(name)), *texts, style="bold" if system == NOISY else "")
    clean = [system for system in report.systems if report.of(system, "clean")]
    for index, system in enumerate(clean):
        if index == 0:
            table.add_section()
        values = (report.of_clean(system, key) for key in report.taken)
        texts = [format_number(value, head.decimals) for value, head in zip(values, heads[1:])]
        table.add_row(Text(f"{system}, clean speech"), *texts, style="dim")
    return table


def _by_group(report: EvaluationReport) -> object:
    from rich.table import Table
    from rich.text import Text

    from specloom.page.evaluate import clips_of, figures_taken, group_name
    from specloom.page.html import format_number

    figure = next(figure for figure in figures_taken(report) if figure.key == report.main)
    groups = report.group_values
    table = Table(title=f"{figure.heading} by signal-to-noise ratio", title_justify="left")
    table.add_column("system", overflow="fold")
    means = []
    for group in groups:
        means.append(report.means(figure.key, group=group))
        over = clips_of(report, figure.key, group)
        table.add_column(f"{group_name(group)}\n{over}", justify="right", no_wrap=True)
    for system in report.systems:
        table.add_row(Text(system), *(format_number(mean[system], figure.decimals) for mean in means))
    return table
