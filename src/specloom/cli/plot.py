"""``specloom plot``: figures of spectrograms for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Figures for people, with axes in seconds and hertz: of sound, spectrogram files and pictures of ours.

    Such a figure is for looking; 'specloom draw --format png' makes pictures that can be heard again.

    Examples:

    specloom plot speech.wav -o figures

    specloom plot spectrograms/ -o figures --which mel --colormap viridis --format pdf

    specloom plot speech.npz -o figures --which linear --no-axes

    Files of hours need no more memory than short ones. Figures that are there and newer than their file are skipped.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN...", help_behavior_hint="(required)")
    ]
    """Sound files, spectrogram files (.npz), pictures of ours, and folders of them."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """The folder to write to; the tree below a given folder is mirrored in it."""

    which: Literal["both", "linear", "mel"] = "both"
    """The arrays to draw; 'both' draws what is there."""

    axes: bool = True
    """Seconds, hertz and the file's name beside it. One array without them is one pixel per frame and row."""

    colour_bar: Literal["auto", "yes", "no"] = "auto"
    """A bar that says which colour is how many decibels; 'auto' goes with the axes."""

    range_db: Annotated[float, tyro.conf.arg(metavar="DB")] = 80.0
    """Decibels from the brightest colour to the darkest."""

    colormap: Annotated[str, tyro.conf.arg(metavar="NAME")] = "magma"
    """A colour map of matplotlib's."""

    format: Literal["png", "jpg", "svg", "pdf"] = "png"
    """The kind of file to write."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Draw the figures; the exit code."""
        from specloom.cli.batch_report import run_and_report
        from specloom.page.plot_files import plot_files

        return run_and_report(
            plot_files(
                self.inputs,
                self.out,
                file_format=self.format,
                which=self.which,
                axes=self.axes,
                colour_bar={"auto": None, "yes": True, "no": False}[self.colour_bar],
                range_db=self.range_db,
                colormap=self.colormap,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )
