"""Recordings of any length to pictures: blocks of sound in, pieces of the whole picture out, bounded memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from specloom.errors import ArtifactError, AudioFileError, ParameterError
from specloom.io.audio import AudioReader
from specloom.io.image import quantisation_at, read_quantisation, require_size_fits
from specloom.io.sources import reason
from specloom.pictures.files import LOSSY_SUFFIXES, read_settings, write_picture
from specloom.pictures.picture import Mapping, picture_recipe
from specloom.pictures.planes import laid_out
from specloom.pictures.settings import MOST_PIXELS, Bins, Bits, PictureSettings, Piece, Rows, recording_id
from specloom.pixels.depth import Codes
from specloom.recipes.analysis import require_frames_left
from specloom.recipes.recipe import Recipe
from specloom.recipes.spectrogram import Origin
from specloom.recipes.spectrogram_file import ArrayName, SourceStamp, unwritten
from specloom.recipes.streaming_analysis import (
    Peaks,
    Progress,
    SampleScratch,
    config_of,
    drawn_blocks,
    frame_blocks,
    gather,
)

# Pictures that are compressed side by side, which takes longer than to compute them.
_WRITERS = 2

# Any piece, for where one is needed before sizes are known.
_FIRST_PIXEL = Piece(index=0, count=1, first_frame=0, n_frames=1, first_row=0, n_rows=1)


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Fixed pieces for learning.

    Parameters
    ----------
    width, height : int
        Pixels of a tile.
    overlap : int
        Columns that a tile shares with the one before it.
    """

    width: int
    height: int
    overlap: int = 0

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("height", 1), ("overlap", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ParameterError(f"{name}={value!r}: a whole number of at least {least} is needed")
        if self.overlap >= self.width:
            raise ParameterError(f"overlap={self.overlap}: fewer columns than the tile's width={self.width} are needed")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was made of a recording.

    Parameters
    ----------
    settings : tuple of PictureSettings
        Of each piece, in order.
    paths : tuple of Path
        The pictures, in the same order.
    n_drawn, n_skipped : int
        How many were made, and how many were there already.
    """

    settings: tuple[PictureSettings, ...]
    paths: tuple[Path, ...]
    n_drawn: int
    n_skipped: int

    @property
    def origin(self) -> Origin:
        """Of the recording."""
        return self.settings[0].origin


def draw_pictures(
    recording: Path,
    target_of: Callable[[Piece], Path],
    recipe: Recipe,
    *,
    array: ArrayName = "linear",
    bits: Bits | None = None,
    colormap: str = "gray",
    rows: Rows | None = None,
    mapping: Mapping = "auto",
    exact: bool = False,
    piece_s: float | None = 60.0,
    tiles: Tiles | None = None,
    jpeg_quality: int = 95,
    mark: bool = True,
    overwrite: bool = False,
    progress: Progress = lambda share: None,
) -> Drawn:
    """Draw a sound file as pictures, in bounded memory.

    Parameters
    ----------
    recording : Path
    target_of : callable
        Where a piece belongs; asked with all pieces in order. It must depend on nothing but the piece.
    recipe : Recipe
    array, bits, colormap, rows, mapping
        As in `specloom.pictures.picture`.
    exact : bool
        Draw the phases too.
    piece_s : float, optional
        Seconds that a picture shows; the last shows what is left. None draws one picture of everything.
    tiles : Tiles, optional
        Instead of ``piece_s``: tiles of a fixed size, filled with code 0 beyond the end.
    jpeg_quality, mark
        As in `Picture.save`.
    overwrite : bool
        Make anew what is there. Without it, pieces that were drawn with these settings from this state of the
        recording are kept, and any other file of their names is an error.
    progress : callable
        Called now and then with the share that is done.

    Returns
    -------
    Drawn

    Raises
    ------
    AudioFileError, MissingExtraError
        When the recording cannot be read.
    ImageFileError
        When a picture cannot be written.
    ArtifactError
        When another file has the name of a picture to be made.
    ParameterError
        When the sound gives no frame, a picture would be too large, or settings contradict each other.

    Notes
    -----
    Laws: the pieces together are the picture of `specloom.pictures.picture`, code for code; a second call draws
    nothing; a call after an interrupt draws what is missing (tests/laws, tests/contracts).
    """
    if piece_s is not None and not 0.0 < piece_s < np.inf:
        raise ParameterError(f"piece_s={piece_s}: seconds above 0, or None for one picture, are needed")
    bits = bits or (16 if colormap == "gray" else 8)
    try:
        stamp = SourceStamp.of(recording)
    except OSError as error:
        raise AudioFileError(f"{recording} {reason(error)}") from error
    job = _Job(
        recording=recording,
        target_of=target_of,
        recipe=picture_recipe(recipe, array=array, bits=bits, mapping=mapping, exact=exact),
        array=array,
        bits=bits,
        colormap=colormap,
        rows=Bins() if rows is None else rows,
        exact=exact,
        piece_s=None if tiles is not None else piece_s,
        tiles=tiles,
        jpeg_quality=jpeg_quality,
        mark=mark,
        overwrite=overwrite,
        stamp=stamp,
    )
    done = None if overwrite else _all_there(job)
    if done is not None:
        progress(1.0)
        return done
    return _draw(job, progress)


class _Grid(NamedTuple):
    """How the whole picture is cut: sizes of a piece, the way from one to the next, and whether ends are filled up."""

    width: int
    step: int
    height: int
    filled: bool


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What is to be drawn, and how."""

    recording: Path
    target_of: Callable[[Piece], Path]
    recipe: Recipe
    array: ArrayName
    bits: Bits
    colormap: str
    rows: Rows
    exact: bool
    piece_s: float | None
    tiles: Tiles | None
    jpeg_quality: int
    mark: bool
    overwrite: bool
    stamp: SourceStamp

    def settings(self, origin: Origin) -> PictureSettings:
        """Those of the whole picture."""
        settings = PictureSettings(
            recipe=self.recipe,
            origin=origin,
            array=self.array,
            rows=self.rows,
            bits=self.bits,
            colormap=self.colormap,
            exact=self.exact,
            piece=_FIRST_PIXEL,
            recording="",
            source=self.stamp,
        )
        return replace(settings, piece=settings.whole, recording=recording_id(settings))

    def grid(self, whole: PictureSettings) -> _Grid:
        """How this recording's picture is cut."""
        n_rows, n_frames = whole.whole_shape
        if self.tiles is not None:
            tiles = self.tiles
            return _Grid(tiles.width, tiles.width - tiles.overlap, tiles.height, True)
        width = n_frames if self.piece_s is None else min(n_frames, _frames_of(self.piece_s, whole))
        return _Grid(width, width, n_rows, False)

    def pieces(self, whole: PictureSettings) -> list[Piece]:
        """All pieces: the earlier first, and of the same frames the upper first."""
        n_rows, n_frames = whole.whole_shape
        grid = self.grid(whole)
        if grid.width * grid.height > MOST_PIXELS:
            raise ParameterError(
                f"a picture of {grid.width} x {grid.height} pixels is larger than {MOST_PIXELS // 10**6} megapixels, "
                "which few programs open; draw shorter pieces (piece_s, --pieces 60s)"
            )
        require_size_fits(self.target_of(whole.piece), grid.width, grid.height)
        # Where tiles overlap, one that shows nothing new is left out. Of pieces the last takes one frame more if that
        # is all that is left: a recording of a minute has a frame that is centred on its end, and is still one piece.
        last = max(1, n_frames - (grid.width - grid.step if grid.filled else 1))
        places = [(first, row) for first in range(0, last, grid.step) for row in range(0, n_rows, grid.height)]
        return [
            Piece(
                index=index,
                count=len(places),
                first_frame=first,
                n_frames=grid.width if grid.filled or first + grid.step < last else n_frames - first,
                first_row=row,
                n_rows=grid.height,
            )
            for index, (first, row) in enumerate(places)
        ]


def _frames_of(piece_s: float, whole: PictureSettings) -> int:
    """Frames of a piece. Not rounded down: a recording of ten times its length would have a scrap for an eleventh."""
    return max(1, math.ceil(piece_s / whole.frame_s() - 1e-6))


def _all_there(job: _Job) -> Drawn | None:
    """What was drawn already, if that is everything: told by the pictures themselves, without decoding the sound."""
    for piece in _first_guesses(job):
        there = _read_quietly(job.target_of(piece))
        if there is None:
            continue
        whole = job.settings(there.origin)
        wanted = [replace(whole, piece=piece) for piece in job.pieces(whole)]
        paths = [job.target_of(settings.piece) for settings in wanted]
        if all(
            _read_quietly(path) == settings and _has_quality(job, path)
            for path, settings in zip(paths, wanted, strict=True)
        ):
            return Drawn(settings=tuple(wanted), paths=tuple(paths), n_drawn=0, n_skipped=len(paths))
    return None


def _first_guesses(job: _Job) -> list[Piece]:
    """What the first piece may be: edges that will be trimmed are not known without decoding."""
    with AudioReader(job.recording) as reader:
        n_samples, rate, n_channels = reader.n_samples, reader.sample_rate, reader.n_channels
    if not n_samples:
        return []
    analysis_rate = job.recipe.analysis_rate(rate)
    n_analysed = round(n_samples * analysis_rate / rate)
    origin = Origin(
        sample_rate=rate,
        n_samples=n_samples,
        n_channels=n_channels,
        analysis_rate=analysis_rate,
        n_analysed=n_analysed,
        start=0,
        stop=n_analysed,
    )
    if job.recipe.n_frames(n_analysed, config_of(job.recipe, origin)) == 0:
        return []
    whole = job.settings(origin)
    first = job.pieces(whole)[0]
    return [first, replace(whole.piece, count=1)] if first.count > 1 else [first]


def _read_quietly(path: Path) -> PictureSettings | None:
    try:
        return read_settings(path) if path.exists() else None
    except ArtifactError:
        return None


def _draw(job: _Job, progress: Progress) -> Drawn:
    folder = job.target_of(_FIRST_PIXEL).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with SampleScratch(folder) as scratch:
            origin = gather(job.recording, job.recipe, scratch, lambda share: progress(0.3 * share))
            require_frames_left(job.recipe, origin)
            origin = _with_peaks(job, scratch, origin, lambda share: progress(0.3 + 0.2 * share))
            whole = job.settings(origin)
            wanted = [replace(whole, piece=piece) for piece in job.pieces(whole)]
            paths = [job.target_of(settings.piece) for settings in wanted]
            missing = [number for number, path in enumerate(paths) if _is_missing(job, path, wanted[number])]
            _write_pieces(job, scratch, wanted, paths, missing, lambda share: progress(0.5 + 0.5 * share))
    except OSError as error:
        raise unwritten(folder, error) from error
    progress(1.0)
    return Drawn(settings=tuple(wanted), paths=tuple(paths), n_drawn=len(missing), n_skipped=len(paths) - len(missing))


def _with_peaks(job: _Job, scratch: SampleScratch, origin: Origin, progress: Progress) -> Origin:
    if not job.recipe.scale.needs_peak:
        return origin
    peaks = Peaks()
    n_frames = config_of(job.recipe, origin).n_frames(origin.n_trimmed)
    for start, magnitude, mel in frame_blocks(scratch, job.recipe, origin, (job.array,)):
        peaks.see(magnitude, mel)
        progress(min(1.0, start / n_frames))
    return peaks.into(origin)


def _is_missing(job: _Job, path: Path, wanted: PictureSettings) -> bool:
    """Whether a piece is to be drawn; another file in its place is an error."""
    if job.overwrite or not path.exists():
        return True
    try:
        there = read_settings(path)
    except ArtifactError as error:
        raise ArtifactError(
            f"{path} is there already and cannot be used ({error}); use --overwrite to replace it"
        ) from error
    if there != wanted:
        differs = "is no picture of ours" if there is None else _difference(there, wanted)
    elif not _has_quality(job, path):
        differs = f"was not drawn with a JPEG quality of {job.jpeg_quality}"
    else:
        return False
    raise ArtifactError(f"{path} is there already and {differs}; use --overwrite to replace it")


def _has_quality(job: _Job, path: Path) -> bool:
    """Whether a JPEG was rounded as it is to be now (of neighbouring qualities some are the same); true of others."""
    if path.suffix.lower() not in LOSSY_SUFFIXES:
        return True
    table: npt.NDArray[Any] = quantisation_at(job.jpeg_quality)
    if job.colormap == "gray":
        from specloom.pictures.jpeg import quantisation

        table = quantisation(job.jpeg_quality)
    return np.array_equal(read_quantisation(path), table)  # type: ignore[arg-type]


def _difference(there: PictureSettings, wanted: PictureSettings) -> str:
    if there.source != wanted.source:
        return "was drawn from another recording"
    if there.piece != wanted.piece:
        return "shows another piece of the recording"
    return f"was drawn with other settings (recipe {there.recipe.name!r})"


def _write_pieces(
    job: _Job,
    scratch: SampleScratch,
    wanted: list[PictureSettings],
    paths: list[Path],
    missing: list[int],
    progress: Progress,
) -> None:
    """Draw the missing pieces; some are compressed while the next are computed."""
    if not missing:
        return
    waiting: deque[Future[Path]] = deque()
    with ThreadPoolExecutor(_WRITERS) as pool:
        for number, codes in _cut(job, scratch, wanted, missing):
            if len(waiting) == _WRITERS:
                waiting.popleft().result()
            settings, path = wanted[number], paths[number]
            waiting.append(
                pool.submit(write_picture, path, codes, settings, jpeg_quality=job.jpeg_quality, mark=job.mark)
            )
            progress(number / len(wanted))
        for written in waiting:
            written.result()


def _cut(
    job: _Job, scratch: SampleScratch, wanted: list[PictureSettings], missing: list[int]
) -> Iterator[tuple[int, Codes]]:
    """The codes of the missing pieces, in order."""
    n_frames = wanted[0].whole_shape[1]
    held: Codes | None = None
    held_from = 0
    blocks = _code_blocks(job, scratch, wanted[0])
    for number in missing:
        piece = wanted[number].piece
        while held is None or held_from + held.shape[1] < min(piece.end_frame, n_frames):
            block = next(blocks)
            held = block if held is None else np.concatenate([held, block], axis=1)
            gone = min(max(0, piece.first_frame - held_from), held.shape[1])
            held, held_from = held[:, gone:], held_from + gone
        begin = piece.first_frame - held_from
        shown = held[piece.first_row : piece.end_row, begin : begin + piece.n_frames]
        codes = np.zeros((piece.n_rows, piece.n_frames), dtype=held.dtype)
        codes[: shown.shape[0], : shown.shape[1]] = shown
        yield number, codes


def _code_blocks(job: _Job, scratch: SampleScratch, whole: PictureSettings) -> Iterator[Codes]:
    """The whole picture's columns, block after block."""
    for stored, phase in drawn_blocks(scratch, job.recipe, whole.origin, job.array, exact=job.exact):
        if stored.shape[-1]:
            yield laid_out(stored, phase, whole)
