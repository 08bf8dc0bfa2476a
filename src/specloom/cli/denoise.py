"""``specloom denoise``: spectrograms, their pictures and recordings cleaned by an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Denoise:
    """Clean mel spectrograms by an autoencoder: each file becomes a clean one of its kind.

    Pictures and spectrogram files (drawn with the model's recipe: 'tacotron', for the model that ships) lose salt and
    pepper, Gaussian noise, lost bands and frames. A recording is turned into such a spectrogram, cleaned, and made to
    sound again with a new phase; for noisy speech 'specloom enhance' is better, for it keeps the recording's own phase.

    Examples:

    specloom draw speech.wav -o pictures --format png --scale mel --recipe tacotron

    specloom denoise damaged.png -o cleaned --like pictures/speech.png

    specloom denoise spectrograms/ -o cleaned --model mine.onnx --jobs 2

    Files that are finished are skipped, so an interrupted run goes on when it is started again.
    """

    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN...")]
    """Pictures and spectrogram files (.npz) of mel spectrograms, sound files, and folders of them."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """The folder to write to; the tree below a given folder is mirrored in it."""

    model: Annotated[str, tyro.conf.arg(aliases=["-m"], metavar="NAME|FILE")] = "mel80"
    """A model that ships, by its name, or a model file of your own ('specloom train denoise-mel')."""

    quality: Annotated[
        Literal["fast", "balanced", "best", "neural"] | None, tyro.conf.arg(help_behavior_hint="(default: balanced)")
    ] = None
    """Of the way back to sound, for recordings."""

    like: Annotated[Path | None, tyro.conf.arg(metavar="PICTURE", help_behavior_hint="(optional)")] = None
    """A picture of ours of the same size, for pictures whose settings were lost with what damaged them."""

    format: Literal["wav", "flac"] = "wav"
    """Of sounds: WAV of 32-bit floats, or FLAC of 24 bits."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Clean the files; the exit code."""
        from specloom.cli.batch_report import run_and_report
        from specloom.tasks.denoise import denoise_files

        return run_and_report(
            denoise_files(
                self.inputs,
                self.out,
                model=self.model,
                quality=self.quality,
                like=self.like,
                sound_format=self.format,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )
