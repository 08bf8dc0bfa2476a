"""Tiles: pictures of one size for learning, and the index that says what each of them shows.

A tile is a picture of ours with all its settings inside, so tiles can be heard, alone or joined again. The index is
for programs that want to choose tiles without opening them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING

from specloom.errors import ArtifactError, ParameterError
from specloom.io.atomic import written_beside
from specloom.io.sources import reason

if TYPE_CHECKING:
    from specloom.pictures import Drawn, Tiles
    from specloom.tasks.batch import FileResult

INDEX = "index.csv"


@dataclass(frozen=True, kw_only=True)
class TileSize:
    """The size of tiles, and how far neighbours overlap.

    Parameters
    ----------
    width, height : int
        Frames and rows of a tile.
    overlap : float
        The share of its width that a tile has in common with the next: 0 to less than 1. Rows do not overlap.
    """

    width: int
    height: int
    overlap: float = 0.25

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if getattr(self, name) < 1:
                raise ParameterError(f"tiles={self.width}x{self.height}: a {name} of at least 1 is needed")
        if not 0.0 <= self.overlap < 1.0:
            raise ParameterError(f"tile_overlap={self.overlap}: a share of at least 0 and less than 1 is needed")

    def tiles(self) -> Tiles:
        """The same in whole frames."""
        from specloom.pictures import Tiles

        shared = min(self.width - 1, round(self.overlap * self.width))
        return Tiles(width=self.width, height=self.height, overlap=shared)


@dataclass(frozen=True, kw_only=True)
class TileRow:
    """A row of the index.

    Parameters
    ----------
    file : str
        The tile, seen from the folder of the index, with ``/`` on every system.
    recording : str
        The name of the recording's file.
    recording_id : str
        The same for all tiles of one recording that was drawn in one way.
    tile, n_tiles : int
        The number of this tile, from 0, and how many there are of the recording.
    first_frame, first_row : int
        Its place in the whole picture of the recording; rows count from the top.
    n_frames, n_rows : int
        What of it shows the recording; the rest is filled with level 0.
    start_s : float
        The second of the recording at its left edge.
    frame_s : float
        Seconds from column to column.
    sample_rate : int
        Of the analysis, hertz.
    """

    file: str
    recording: str
    recording_id: str
    tile: int
    n_tiles: int
    first_frame: int
    first_row: int
    n_frames: int
    n_rows: int
    start_s: float
    frame_s: float
    sample_rate: int


COLUMNS = tuple(field.name for field in fields(TileRow))


def tile_rows(drawn: Drawn, recording: Path) -> tuple[TileRow, ...]:
    """The rows of a recording's tiles; `write_index` brings their files into the view of the index."""
    rows = []
    for path, settings in zip(drawn.paths, drawn.settings, strict=True):
        piece, origin = settings.piece, settings.origin
        n_rows, n_frames = settings.whole_shape
        frame_s = settings.frame_s()
        rows.append(
            TileRow(
                file=str(path),
                recording=recording.name,
                recording_id=settings.recording,
                tile=piece.index,
                n_tiles=piece.count,
                first_frame=piece.first_frame,
                first_row=piece.first_row,
                n_frames=min(piece.n_frames, n_frames - piece.first_frame),
                n_rows=min(piece.n_rows, n_rows - piece.first_row),
                start_s=round(origin.start / origin.analysis_rate + piece.first_frame * frame_s, 6),
                frame_s=round(frame_s, 9),
                sample_rate=origin.analysis_rate,
            )
        )
    return tuple(rows)


def write_index(folder: Path, results: Sequence[FileResult]) -> None:
    """Bring ``index.csv`` up to date: the tiles of these results, and those listed before that still lie there.

    Raises
    ------
    ArtifactError
        When the index that is there is none of ours, or cannot be written.
    """
    fresh = [row for result in results for row in result.tiles]
    if not fresh:
        return
    path = folder / INDEX
    drawn_anew = {Path(row.file).relative_to(folder).as_posix(): row for row in fresh}
    listed = {row["file"]: row for row in _rows_there(path) if (folder / row["file"]).is_file()}
    for seen, row in drawn_anew.items():
        listed[seen] = {**{name: str(value) for name, value in asdict(row).items()}, "file": seen}
    try:
        with written_beside(path) as temporary, _text(temporary, "w") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(listed[name] for name in sorted(listed))
    except OSError as error:
        raise ArtifactError(f"{path} {reason(error, 'written')}") from error


def _rows_there(path: Path) -> list[dict[str, str]]:
    """The rows of the index that is there, none if there is none."""
    if not path.exists():
        return []
    try:
        with _text(path, "r") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read as an index of tiles ({error}); move it away") from error
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ArtifactError(f"{path} is no index of tiles of ours; move it away, or draw into another folder")
    return rows


def _text(path: Path, mode: str) -> IO[str]:
    # Names of files may hold bytes that are no text.
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
