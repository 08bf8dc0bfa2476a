"""``specloom draw``: sound files to spectrogram files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Sound files to spectrogram files (.npz), which carry every setting that the way back needs.

    Examples:

    specloom draw speech.wav -o spectrograms

    specloom draw recordings/ more/*.flac -o spectrograms --recipe tacotron --which mel --jobs 2

    Files that are finished are skipped, so an interrupted run goes on when it is started again.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN...", help_behavior_hint="(required)")
    ]
    """Sound files (WAV, FLAC, OGG, MP3, Opus, AIFF; m4a, webm and video with ffmpeg) and folders of them."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """The folder to write to; the tree below a given folder is mirrored in it."""

    recipe: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.json")] = "librosa"
    """A recipe by its name ('specloom recipe' lists them) or from a JSON file."""

    which: Literal["both", "linear", "mel"] = "both"
    """The arrays to store."""

    channels: Literal["recipe", "mono", "each"] = "recipe"
    """The mean of the channels, or a spectrogram of each, instead of what the recipe says."""

    format: Literal["npz"] = "npz"
    """The kind of file to write."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Draw the files; the exit code."""
        from specloom.cli.batch_report import run_and_report
        from specloom.recipes import Recipe
        from specloom.tasks.draw import draw_files

        return run_and_report(
            draw_files(
                self.inputs,
                self.out,
                Recipe.load(self.recipe),
                which=self.which,
                channels=None if self.channels == "recipe" else self.channels,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )
