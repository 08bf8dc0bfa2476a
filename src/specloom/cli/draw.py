"""``specloom draw``: sound files to spectrogram files and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from specloom.recipes.recipe import Recipe
    from specloom.tasks.batch import Batch
    from specloom.tasks.draw_pictures import Style
    from specloom.tasks.tiles import TileSize

# The units in which a length of time may be given.
_SECONDS_OF = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Sound files to spectrogram files (.npz) or pictures, which carry every setting that the way back needs.

    A picture has one pixel for each frame and row, no axes, and can be heard again with 'specloom listen'. Long
    recordings become several pictures.

    Examples:

    specloom draw speech.wav -o spectrograms

    specloom draw speech.wav -o pictures --format png

    specloom draw recordings/ more/*.flac -o spectrograms --recipe tacotron --which mel --jobs 2

    specloom draw recordings/ -o pictures --format jpeg --pieces 1m --colormap magma

    specloom draw speech.wav -o pictures --exact

    specloom draw recordings/ -o dataset --tiles 256x256 --scale mel

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
    """The arrays to store in a spectrogram file. A picture shows one, see --scale."""

    channels: Literal["recipe", "mono", "each"] = "recipe"
    """The mean of the channels, or a spectrogram of each, instead of what the recipe says."""

    format: Literal["auto", "npz", "png", "png8", "jpeg", "tiff"] = "auto"
    """Spectrogram file, or picture of 16 (png, tiff) or 8 bits; 'auto': npz, but a picture if its options are given."""

    pieces: Annotated[str | None, tyro.conf.arg(metavar="60s|1m|whole", help_behavior_hint="(default: 60s)")] = None
    """Pictures: how much of the recording each shows, the last one less."""

    scale: Literal["linear", "mel", "log"] = "linear"
    """Pictures: a row for each bin, for each mel band, or rows of equal steps of pitch (loses detail)."""

    colormap: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: gray)")] = None
    """Pictures of 8 bits: gray, magma, viridis, inferno, plasma, hot, jet, turbo ..."""

    mapping: Literal["auto", "decibels", "root", "recipe"] = "auto"
    """Pictures: levels in decibels (usual with 16 bits), as a root (with 8), or as the recipe writes them down."""

    range_db: Annotated[
        float | None, tyro.conf.arg(metavar="DB", help_behavior_hint="(default: 100, with 8 bits 80)")
    ] = None
    """Pictures in decibels: from the brightest level to the darkest."""

    exact: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Pictures of 16 bits: draw the phase too, below, so that the picture is the recording."""

    jpeg_quality: Annotated[int | None, tyro.conf.arg(metavar="1-100", help_behavior_hint="(default: 95)")] = None
    """JPEG: from small to good."""

    tiles: Annotated[str | None, tyro.conf.arg(metavar="WIDTHxHEIGHT", help_behavior_hint="(optional)")] = None
    """Pictures of one size for learning, with an index (index.csv), instead of pieces."""

    tile_overlap: Annotated[float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="(default: 0.25)")] = None
    """Of neighbouring tiles: the share of the width that both show."""

    jobs: Annotated[int, tyro.conf.arg(aliases=["-j"])] = 1
    """Files to work on side by side."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Make anew what is there already."""

    def run(self) -> int:
        """Draw the files; the exit code."""
        from dataclasses import replace

        from specloom.cli.batch_report import run_and_report
        from specloom.recipes import Recipe

        recipe = Recipe.load(self.recipe)
        if self.channels != "recipe":
            recipe = replace(recipe, channels=self.channels)
        return run_and_report(self._arrays(recipe) if self._format() == "npz" else self._pictures(recipe))

    def _arrays(self, recipe: Recipe) -> Batch:
        from specloom.tasks.draw import draw_files

        self._refuse(self._asked_of_pictures(), "belongs to pictures; leave --format npz away")
        return draw_files(self.inputs, self.out, recipe, which=self.which, overwrite=self.overwrite, jobs=self.jobs)

    def _pictures(self, recipe: Recipe) -> Batch:
        from specloom.tasks.draw_pictures import draw_picture_files

        self._refuse(["which"] if self.which != "both" else [], "belongs to .npz; a picture shows one array: --scale")
        return draw_picture_files(
            self.inputs, self.out, recipe, self._style(), overwrite=self.overwrite, jobs=self.jobs
        )

    def _format(self) -> str:
        """The kind of file: pictures are PNG of 16 bits, or of 8 where there are colours."""
        if self.format != "auto":
            return self.format
        if not self._asked_of_pictures():
            return "npz"
        if self.jpeg_quality is not None:
            return "jpeg"
        return "png" if self.colormap in (None, "gray") else "png8"

    def _asked_of_pictures(self) -> list[str]:
        """The options that mean something for pictures only, and were given."""
        names = ("pieces", "colormap", "range_db", "jpeg_quality", "tiles", "tile_overlap")
        given = [name for name in names if getattr(self, name) is not None]
        usual = {"scale": "linear", "mapping": "auto", "exact": False}
        return given + [name for name, value in usual.items() if getattr(self, name) != value]

    def _refuse(self, names: list[str], why: str) -> None:
        from specloom.errors import ParameterError

        if names:
            raise ParameterError(f"--{names[0].replace('_', '-')} {why}")

    def _style(self) -> Style:
        from specloom.tasks.draw_pictures import Style

        given: dict[str, Any] = {
            "scale": self.scale,
            "colormap": self.colormap,
            "mapping": self.mapping,
            "range_db": self.range_db,
            "jpeg_quality": self.jpeg_quality,
            "tiles": self._tile_size(),
        }
        if self.pieces is not None:
            self._refuse(["pieces"] if self.tiles else [], "and --tiles: give one of the two")
        if self._format() != "jpeg":
            self._refuse(["jpeg_quality"] if self.jpeg_quality is not None else [], "needs --format jpeg")
        style = {name: value for name, value in given.items() if value is not None}
        piece_s = 60.0 if self.pieces is None else seconds_of(self.pieces)
        return Style(file_format=self._format(), exact=self.exact, piece_s=piece_s, **style)  # type: ignore[arg-type]

    def _tile_size(self) -> TileSize | None:
        from specloom.errors import ParameterError
        from specloom.tasks.tiles import TileSize

        if self.tiles is None:
            self._refuse(["tile_overlap"] if self.tile_overlap is not None else [], "needs --tiles")
            return None
        width, _, height = self.tiles.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise ParameterError(f"tiles={self.tiles!r}: a width and a height in pixels are needed, such as 256x256")
        if self.tile_overlap is None:
            return TileSize(width=int(width), height=int(height))
        return TileSize(width=int(width), height=int(height), overlap=self.tile_overlap)


def seconds_of(text: str) -> float | None:
    """A length of time in seconds; None for "whole".

    >>> seconds_of("60s"), seconds_of("1.5m"), seconds_of("90"), seconds_of("whole")
    (60.0, 90.0, 90.0, None)
    """
    from specloom.errors import ParameterError

    if text == "whole":
        return None
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    try:
        return float(number) * _SECONDS_OF[unit]
    except (ValueError, KeyError) as error:
        raise ParameterError(f"pieces={text!r}: a length of time is needed, such as 60s, 1m or whole") from error
