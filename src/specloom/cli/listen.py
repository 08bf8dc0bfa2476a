"""``specloom listen``: spectrogram files and pictures to sound files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_FOUND_OUT = "(found out or asked for)"


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Spectrogram files (.npz) and pictures of spectrograms to sound files.

    Pictures that 'specloom draw' made need no options, and the pieces of one recording become one sound. Of strangers'
    pictures tell the sample rate, and what else you know: the rest is read from the picture or assumed, and told.

    Examples:

    specloom listen spectrograms/speech.npz -o sounds

    specloom listen pictures/ -o sounds --quality best --format flac

    specloom listen spectrograms/speech.npz -o sounds --source mel --quality neural

    specloom listen figure.png -o sounds --sample-rate 22050 --duration 4.5

    specloom listen network_output.npy -o sounds --recipe tacotron-as-written

    specloom listen network_output.png -o sounds --like trained_on.png

    Files that are finished are skipped, so an interrupted run goes on when it is started again. A sound that was made
    with another quality, array or recipe is not replaced without --overwrite.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE...", help_behavior_hint="(required)")
    ]
    """Spectrogram files, pictures, and folders of them; arrays of other programs (.npy, .npz) with --recipe."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """The folder to write to; the tree below a given folder is mirrored in it."""

    quality: Literal["recipe", "fast", "balanced", "best", "neural"] = "recipe"
    """How much work goes into the phase; 'recipe' does as the recipe says, which is 'balanced' for most; 'neural' goes
    from mel spectrograms with the help of networks."""

    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"], metavar="NAME|FILE", help_behavior_hint="")] = None
    """For 'neural': a model of your own ('specloom train inversion') instead of the one that ships for the settings."""

    source: Literal["auto", "linear", "mel"] = "auto"
    """The array to start from; 'auto' takes the linear one if it is there, with --quality neural the mel array."""

    format: Literal["wav", "flac"] = "wav"
    """WAV of 32-bit floats, or FLAC of 24 bits."""

    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE.json")] = None
    """Another way back than the file says (same analysis), or how an array of another program was made."""

    sample_rate: Annotated[int | None, tyro.conf.arg(metavar="HZ", help_behavior_hint=_FOUND_OUT)] = None
    """The rate of the sound in a stranger's picture, or of an array of another program."""

    like: Annotated[Path | None, tyro.conf.arg(metavar="PICTURE", help_behavior_hint="(optional)")] = None
    """Take pictures without settings for ones made as this picture of ours was (same shape): a network's output."""

    duration: Annotated[float | None, tyro.conf.arg(metavar="SECONDS", help_behavior_hint=_FOUND_OUT)] = None
    """Of a stranger's picture: how long the sound is that it shows."""

    n_fft: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES", help_behavior_hint=_FOUND_OUT)] = None
    """Of a stranger's picture: the length of its transform."""

    hop: Annotated[
        int | None, tyro.conf.arg(metavar="SAMPLES", aliases=["--hop-length"], help_behavior_hint=_FOUND_OUT)
    ] = None
    """Of a stranger's picture: samples from frame to frame."""

    win: Annotated[
        int | None, tyro.conf.arg(metavar="SAMPLES", aliases=["--win-length"], help_behavior_hint=_FOUND_OUT)
    ] = None
    """Of a stranger's picture: the length of its window."""

    min_hz: Annotated[float | None, tyro.conf.arg(metavar="HZ", help_behavior_hint=_FOUND_OUT)] = None
    """Of a stranger's picture: the frequency at the lower edge."""

    max_hz: Annotated[float | None, tyro.conf.arg(metavar="HZ", help_behavior_hint=_FOUND_OUT)] = None
    """Of a stranger's picture: the frequency at the upper edge."""

    range_db: Annotated[float | None, tyro.conf.arg(metavar="DB", help_behavior_hint=_FOUND_OUT)] = None
    """Of a stranger's picture: decibels from its darkest to its brightest colour."""

    colormap: Annotated[str, tyro.conf.arg(metavar="NAME")] = "auto"
    """Of a stranger's picture: the colour map (gray, magma, viridis, sox ...)."""

    scale: Literal["auto", "linear", "mel", "log"] = "auto"
    """Of a stranger's picture: the frequency axis."""

    axes: Literal["auto", "yes", "no"] = "auto"
    """Of a stranger's picture: whether the spectrogram lies inside a figure with axes, or is all of it."""

    max_megapixels: Annotated[float | None, tyro.conf.arg(metavar="MP", help_behavior_hint="(default: 400)")] = None
    """Read larger pictures than the limit allows."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Write the sounds; the exit code."""
        from specloom.cli.batch_report import run_and_report
        from specloom.recipes import Recipe
        from specloom.tasks.listen import listen_files
        from specloom.tasks.strangers import Hints

        hints = Hints(
            n_fft=self.n_fft,
            hop_length=self.hop,
            win_length=self.win,
            duration_s=self.duration,
            min_hz=self.min_hz,
            max_hz=self.max_hz,
            range_db=self.range_db,
            colormap=None if self.colormap == "auto" else self.colormap,
            scale=None if self.scale == "auto" else self.scale,
            axes={"auto": None, "yes": True, "no": False}[self.axes],
            max_megapixels=self.max_megapixels,
        )
        return run_and_report(
            listen_files(
                self.inputs,
                self.out,
                recipe=None if self.recipe is None else Recipe.load(self.recipe),
                sample_rate=self.sample_rate,
                quality=None if self.quality == "recipe" else self.quality,
                model=self.model,
                source=self.source,
                hints=hints,
                like=self.like,
                sound_format=self.format,
                overwrite=self.overwrite,
                jobs=self.jobs,
            )
        )
