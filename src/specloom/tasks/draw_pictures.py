"""Sound files to pictures that can be heard again: a file, several, or whole folder trees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from specloom.errors import ParameterError
from specloom.tasks.batch import Batch, Job, Outcome, plan_jobs
from specloom.tasks.pieces import piece_path
from specloom.tasks.tiles import TileSize, tile_rows, write_index

if TYPE_CHECKING:
    from specloom.pictures import Drawn, LogRows, Piece
    from specloom.pictures.picture import Mapping
    from specloom.recipes.recipe import Recipe
    from specloom.recipes.spectrogram import Origin
    from specloom.recipes.spectrogram_file import ArrayName

PictureFormat = Literal["png", "png8", "jpeg", "tiff"]
PictureScale = Literal["linear", "mel", "log"]
MappingName = Literal["auto", "decibels", "root", "recipe"]

_SUFFIXES: dict[PictureFormat, str] = {"png": ".png", "png8": ".png", "jpeg": ".jpg", "tiff": ".tif"}
# The lowest key of a piano: rows below it would be taken from those above, which need them more.
_LOWEST_HZ = 27.5
# Decibels that 65536 and 256 levels hold well.
_RANGE_DB = {16: 100.0, 8: 80.0}


@dataclass(frozen=True, kw_only=True)
class Style:
    """How recordings are drawn as pictures.

    Parameters
    ----------
    file_format : {"png", "png8", "jpeg", "tiff"}
        PNG of 16 bits, PNG of 8 bits, JPEG (8 bits), TIFF (16 bits; 8 with colours).
    piece_s : float, optional
        Seconds that a picture shows; the last shows what is left. None draws one picture of each recording.
    scale : {"linear", "mel", "log"}
        A row for each bin, for each mel band, or rows at equal steps of pitch, which lose detail.
    colormap : str
        A name of `specloom.pixels.colormaps`; 16 bits are gray.
    mapping : {"auto", "decibels", "root", "recipe"}
        How magnitudes become levels. "auto" is what sounds best: decibels with 16 bits, the fourth root with 8.
    range_db : float, optional
        Of decibels, from the loudest value to what counts as silence: 100 with 16 bits and 80 with 8, if not given.
    exact : bool
        Draw the phase too, below; then the picture is the recording. Needs 16 bits and the linear scale.
    jpeg_quality : int
    tiles : TileSize, optional
        Tiles of one size instead of pieces, with an index.

    Raises
    ------
    ParameterError
        When settings contradict each other.
    """

    file_format: PictureFormat = "png"
    piece_s: float | None = 60.0
    scale: PictureScale = "linear"
    colormap: str = "gray"
    mapping: MappingName = "auto"
    range_db: float | None = None
    exact: bool = False
    jpeg_quality: int = 95
    tiles: TileSize | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("format", self.file_format, get_args(PictureFormat)),
            ("scale", self.scale, get_args(PictureScale)),
            ("mapping", self.mapping, get_args(MappingName)),
        ):
            if value not in allowed:
                raise ParameterError(f"{name}={value!r}: allowed are {', '.join(map(repr, allowed))}")
        if self.piece_s is not None and not 0.0 < self.piece_s < float("inf"):
            raise ParameterError(f"pieces={self.piece_s}: seconds above 0 are needed, or 'whole' for one picture")
        if self.range_db is not None and self.mapping in ("root", "recipe"):
            raise ParameterError(
                f"range_db={self.range_db:g} with mapping={self.mapping!r}: only levels in decibels have a range; use "
                "mapping 'decibels', or leave the range away"
            )
        if not 1 <= self.jpeg_quality <= 100:
            raise ParameterError(f"jpeg_quality={self.jpeg_quality}: 1 to 100 is needed; 95 is usual")
        self._require_depth()
        self.levels()

    def _require_depth(self) -> None:
        from specloom.pixels.colormaps import NAMES

        if self.colormap not in NAMES:
            raise ParameterError(f"colormap={self.colormap!r}: allowed are {', '.join(NAMES)}")
        if self.file_format == "png" and self.colormap != "gray":
            raise ParameterError(
                f"colormap={self.colormap!r} with format='png': colours have 8 bits a channel, and 'png' has 16; use "
                "format 'png8', or gray"
            )
        if self.exact and (self.bits != 16 or self.scale != "linear"):
            raise ParameterError(
                f"exact with format={self.file_format!r}, colormap={self.colormap!r} and scale={self.scale!r}: the "
                "phase is kept in gray pictures of 16 bits (png, tiff) with the linear scale"
            )

    @property
    def array(self) -> ArrayName:
        """What is drawn."""
        return "mel" if self.scale == "mel" else "linear"

    @property
    def bits(self) -> Literal[8, 16]:
        """Of a pixel."""
        if self.file_format == "png" or (self.file_format == "tiff" and self.colormap == "gray"):
            return 16
        return 8

    @property
    def suffix(self) -> str:
        """Of the files."""
        return _SUFFIXES[self.file_format]

    def levels(self) -> Mapping:
        """How magnitudes become levels, as `specloom.picture` takes it."""
        from specloom.pictures.picture import EIGHT_BITS, decibels

        if self.mapping == "recipe" or (self.mapping == "auto" and self.range_db is None):
            return "recipe" if self.mapping == "recipe" else "auto"
        if self.mapping == "root":
            return EIGHT_BITS
        range_db = _RANGE_DB[self.bits] if self.range_db is None else self.range_db
        if not 1.0 <= range_db <= 400.0:
            raise ParameterError(f"range_db={range_db:g}: 1 to 400 is needed; 100 is usual with 16 bits")
        return decibels(self.bits, range_db)

    def rows(self, recipe: Recipe, recording: Path) -> LogRows | None:
        """The rows of a recording, where they are not simply its bins or bands."""
        from specloom.io.audio import AudioReader
        from specloom.pictures import LogRows

        if self.scale != "log":
            return None
        with AudioReader(recording) as reader:
            rate = recipe.analysis_rate(reader.sample_rate)
        n_fft = recipe.frames.n_fft
        return LogRows(min_hz=max(_LOWEST_HZ, rate / n_fft), max_hz=rate / 2, n_rows=n_fft // 2 + 1)


def draw_picture_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    recipe: Recipe,
    style: Style | None = None,
    *,
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Draw each recording as pictures that `listen_files` makes sound again.

    Parameters
    ----------
    inputs : iterable of paths
        Sound files and folders; of a folder, everything below it that is sound.
    out_dir : path
        ``IN/a/b.wav`` of the folder ``IN`` becomes ``out_dir/a/b.png``, or ``b-001.png``, ``b-002.png`` … With tiles
        there is ``out_dir/index.csv`` too.
    recipe : Recipe
        Its scale gives way to the style's mapping.
    style : Style, optional
        PNG of 16 bits and pieces of a minute, if not given.
    overwrite : bool
        Make anew what is there already. Without it, pictures that were drawn with these settings from this state of
        the recording are kept, one by one; any other file of their names counts as a failure.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each recording; its ``files`` are the pictures.
        Nothing has been read or written before.

    Raises
    ------
    ParameterError
        When there is nothing to do, or two recordings would become one picture.
    AudioFileError
        When an input does not exist.
    """
    from specloom.io.audio import find_recordings
    from specloom.pictures.picture import picture_recipe

    style = style or Style()
    folder = Path(out_dir)
    planned = plan_jobs(map(Path, inputs), folder, style.suffix, lambda path: find_recordings([path]))
    at_end = None if style.tiles is None else lambda results: write_index(folder, results)
    # A scale that no picture can hold is told before anything is read.
    picture_recipe(recipe, array=style.array, bits=style.bits, mapping=style.levels(), exact=style.exact)
    targets = frozenset(job.target for job in planned)
    work = DrawPictures(recipe=recipe, style=style, overwrite=overwrite, targets=targets)
    return Batch(jobs=planned, work=work, workers=jobs, at_end=at_end)


@dataclass(frozen=True, kw_only=True)
class DrawPictures:
    """The work on one recording."""

    recipe: Recipe
    style: Style
    overwrite: bool
    targets: frozenset[Path] = frozenset()

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Draw it, or say why it is skipped."""
        from specloom.io.audio import AudioFileWarning
        from specloom.pictures import draw_pictures

        style = self.style
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AudioFileWarning)
            drawn = draw_pictures(
                job.source,
                lambda piece: self._place(job, piece),
                self.recipe,
                array=style.array,
                bits=style.bits,
                colormap=style.colormap,
                rows=style.rows(self.recipe, job.source),
                mapping=style.levels(),
                exact=style.exact,
                piece_s=style.piece_s,
                tiles=None if style.tiles is None else style.tiles.tiles(),
                jpeg_quality=style.jpeg_quality,
                overwrite=self.overwrite,
                progress=progress,
            )
        notes = "".join(f"; {warning.message}" for warning in caught)
        return Outcome(
            "done" if drawn.n_drawn else "skipped",
            self._said(drawn) + notes,
            target=drawn.paths[0],
            files=drawn.paths,
            tiles=() if style.tiles is None else tile_rows(drawn, job.source),
        )

    def _place(self, job: Job, piece: Piece) -> Path:
        """Where a piece belongs; refused when another recording's picture belongs there."""
        path = piece_path(job.target, piece.index, piece.count)
        if path != job.target and path in self.targets:
            raise ParameterError(
                f"{job.source} is drawn in {piece.count} pieces, and {path} is the name of another recording's picture "
                "too; rename one of the recordings, or draw them into separate folders"
            )
        return path

    def _said(self, drawn: Drawn) -> str:
        kind = "tile" if self.style.tiles is not None else "picture"
        n = len(drawn.paths)
        if not drawn.n_drawn:
            return "already drawn with these settings" + (f" ({n} {kind}s)" if n > 1 else "")
        origin = drawn.origin
        count = "" if n == 1 else f", {n} {kind}s"
        kept = f", of which {drawn.n_skipped} were there already" if drawn.n_skipped else ""
        averaged = origin.n_channels > 1 and self.recipe.channels == "mono"
        mixed = f"; {origin.n_channels} channels averaged (--channels each keeps them)" if averaged else ""
        return f"{origin.n_samples / origin.sample_rate:.1f} s of sound{count}{kept}{mixed}{self._inexact(origin)}"

    def _inexact(self, origin: Origin) -> str:
        """What of the recording an exact picture does not hold, because the recipe leaves it out."""
        if not self.style.exact:
            return ""
        lost = []
        if origin.analysis_rate != origin.sample_rate:
            lost.append(
                f"as exact as its {origin.analysis_rate} Hz allow: the recipe resamples {origin.sample_rate} Hz"
            )
        if origin.n_trimmed != origin.n_analysed:
            lost.append("the edges that the recipe trims come back silent")
        if not self.recipe.frames.center:
            lost.append("not exact at the very ends, where frames without center=True see little")
        return "".join(f"; {each}" for each in lost)
