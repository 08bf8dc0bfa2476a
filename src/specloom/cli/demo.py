"""``specloom demo``: the recordings that ship with Specloom, there and back again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Turn a spoken sentence and a guitar into spectrograms and back, and show what was lost.

    Leaves a folder with sounds, pictures and one page to open in a browser (index.html).

    Examples:

    specloom demo

    specloom demo -o there-and-back
    """

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = Path("demo")
    """The folder to write to."""

    def run(self) -> int:
        """Make the demonstration; the exit code."""
        from specloom.cli.main import DONE, SOME_FAILED, say_error
        from specloom.cli.roundtrip import console, in_a_sentence, print_path, print_report
        from specloom.page.demo import SCENES, write_demo

        screen = console()
        try:
            with screen.status("starting") as status:
                demo = write_demo(self.out, tell=status.update)
        except OSError as error:
            say_error(in_a_sentence(error))
            return SOME_FAILED
        for scene in SCENES:
            print_report(screen, demo.reports[scene.key], scene.sound)
        print_path(screen, "page", demo.page)
        return DONE
