"""``specloom masks``: the mask laboratory, for any speech and noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from specloom.tasks.mask_lab import MaskReport


@dataclass(frozen=True, kw_only=True)
class Masks:
    """How good could each time-frequency mask be at best, on your own speech and noise?

    Every mask (IBM, IRM, IAM, PSM, cIRM, ORM, truncated and compressed) is worked out from the clean speech itself and
    laid over the noisy sound. The table is printed; the folder gets it as report.json and CSV, with pictures of the
    masks, histograms of their values, and a page to listen to (index.html).

    Examples:

    specloom masks speech.wav noise.wav -o lab

    specloom masks clean/ noisy/ -o lab

    specloom masks clean/ noise/ --second noise --perceptual no

    Of folders, files of one name belong together. Speech and noise must be one channel each, of one rate and length.
    """

    clean: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CLEAN", help_behavior_hint="(required)")]
    """Speech without noise: a sound file, or a folder of them."""

    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NOISE|NOISY", help_behavior_hint="(required)")]
    """The noise alone, or the noisy sound: a file, or a folder with files of the same names."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """The folder to write to ('NAME-masks' if not given)."""

    second_is: Annotated[Literal["auto", "noise", "noisy"], tyro.conf.arg(name="second")] = "auto"
    """What the second input is; 'auto' listens whether the speech is in it, and says so."""

    seconds: float = 60.0
    """Measure no more than this from the beginning of each recording; 0 measures all of it."""

    perceptual: Literal["auto", "yes", "no"] = "auto"
    """Take PESQ, STOI and ESTOI (the extra 'eval'): if they are installed, in any case, or never."""

    def run(self) -> int:
        """Measure the pairs; the exit code."""
        from rich.text import Text

        from specloom.cli.main import DONE, SOME_FAILED, say_error
        from specloom.cli.roundtrip import console, print_path
        from specloom.io.atomic import require_room_for_folder
        from specloom.page.masks import write_masks
        from specloom.tasks.mask_lab import mask_lab

        folder = Path(f"{self.clean.resolve().stem}-masks") if self.out is None else self.out
        require_room_for_folder(folder)
        screen = console()
        with screen.status(Text("reading")) as status:
            report = mask_lab(
                self.clean,
                self.second,
                second_is=self.second_is,
                seconds=self.seconds or None,
                with_perceptual={"auto": None, "yes": True, "no": False}[self.perceptual],
                progress=lambda done, total: status.update(Text(f"{done} of {total} pairs measured")),
            )
            status.update(Text("drawing"))
            page = write_masks(report, folder)
        print_masks(screen, report)
        print_path(screen, "page", page)
        for failure in report.failures:
            say_error(failure.message)
        return SOME_FAILED if report.failures else DONE


def print_masks(screen: Console, report: MaskReport) -> None:
    """The table of what each mask reaches, and the sentences about it."""
    from rich.table import Table
    from rich.text import Text

    from specloom.page.html import format_number
    from specloom.page.masks import ranked, score_cells

    means = {rate: report.means(rate) for rate in report.rates}
    n_pairs = len(report.results)
    table = Table(title=f"What each mask reaches at best, mean of {n_pairs}", title_justify="left")
    table.add_column("mask", overflow="fold")
    for rate in report.rates:
        for heading in ("PESQ", "STOI", "ESTOI", "SI-SDR"):
            table.add_column(f"{heading}\n{rate // 1000} kHz", justify="right", no_wrap=True)
    for row in ranked(means[report.rates[0]]):
        texts = [
            format_number(value, decimals)
            for rate in report.rates
            for value, decimals in zip(score_cells(row.label, means[rate][row.key])[1:], (3, 3, 3, 1))
            if not isinstance(value, str)
        ]
        style = {"mask": "", "mistake": "dim", "noisy": "bold"}[row.kind]
        table.add_row(Text(row.label), *texts, style=style)
    screen.print()
    screen.print(table)
    for sentence in (report.verdict, report.choice, *report.remarks):
        screen.print(Text(sentence), soft_wrap=True)
