"""``specloom listen``: spectrogram files to sound files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Spectrogram files (.npz) to sound files.

    Examples:

    specloom listen spectrograms/speech.npz -o sounds

    specloom listen spectrograms/ -o sounds --quality best --source mel --format flac

    specloom listen network_output.npy -o sounds --recipe tacotron-as-written

    Files that are finished are skipped, so an interrupted run goes on when it is started again. A sound that was made
    with another quality, array or recipe is not replaced without --overwrite.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE...", help_behavior_hint="(required)")
    ]
    """Spectrogram files and folders of them; arrays of other programs (.npy, .npz) with --recipe."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """The folder to write to; the tree below a given folder is mirrored in it."""

    quality: Literal["recipe", "fast", "balanced", "best"] = "recipe"
    """How much work goes into the phase; 'recipe' does as the recipe says, which is 'balanced' for most."""

    source: Literal["auto", "linear", "mel"] = "auto"
    """The array to start from; 'auto' takes the linear one if it is there."""

    format: Literal["wav", "flac"] = "wav"
    """WAV of 32-bit floats, or FLAC of 24 bits."""

    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE.json")] = None
    """Another way back than the file says (same analysis), or how an array of another program was made."""

    sample_rate: Annotated[int | None, tyro.conf.arg(metavar="HZ")] = None
    """The rate of an array of another program, when the recipe does not say it."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Write the sounds; the exit code."""
        from specloom.cli.batch_report import run_and_report
        from specloom.recipes import Recipe
        from specloom.tasks.listen import listen_files

        return run_and_report(
            listen_files(
                self.inputs,
                self.out,
                recipe=None if self.recipe is None else Recipe.load(self.recipe),
                sample_rate=self.sample_rate,
                quality=None if self.quality == "recipe" else self.quality,
                source=self.source,
                sound_format=self.format,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )
