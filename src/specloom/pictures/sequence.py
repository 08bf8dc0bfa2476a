"""The pieces of one recording, read as one spectrogram: in order, in bounded memory, without a seam."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specloom.errors import ArtifactError, ParameterError
from specloom.io.image import DEFAULT_MAX_MEGAPIXELS
from specloom.pictures.files import PictureFile, read_picture, read_settings
from specloom.pictures.planes import array_of, phase_of
from specloom.pictures.settings import PictureSettings, Piece
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Origin, Spectrogram
from specloom.recipes.spectrogram_file import ArrayName


@dataclass(frozen=True, kw_only=True)
class Run:
    """Pictures that follow each other without a gap: what becomes one sound.

    Parameters
    ----------
    paths : tuple of Path
        In the order of their frames (and of their rows, where frames are the same).
    settings : tuple of PictureSettings
        One for each path.
    complete : bool
        Whether these are all frames of the recording.
    number, count : int
        The number of this run, from 0, and how many there are of the recording.
    """

    paths: tuple[Path, ...]
    settings: tuple[PictureSettings, ...]
    complete: bool
    number: int = 0
    count: int = 1

    @property
    def first_frame(self) -> int:
        """The first frame that is shown."""
        return self.settings[0].piece.first_frame

    @property
    def end_frame(self) -> int:
        """The frame after the last that is shown."""
        whole = self.settings[0].whole_shape[1]
        return min(whole, max(settings.piece.end_frame for settings in self.settings))

    @property
    def origin(self) -> Origin:
        """Of the sound of these frames."""
        return self.settings[0].origin_of(self.first_frame, self.end_frame)


def runs(found: Mapping[Path, PictureSettings]) -> list[Run]:
    """Sort pictures by recording, and each recording's into runs without a gap.

    Parameters
    ----------
    found : mapping of Path to PictureSettings
        As `read_settings` gives them.

    Returns
    -------
    list of Run
        In the order in which their first picture came.

    Notes
    -----
    Pictures of one recording in different folders, or of different formats, are not mixed.
    """
    recordings: dict[tuple[str, bool, Path, str], list[tuple[Path, PictureSettings]]] = {}
    for path, settings in found.items():
        key = (settings.recording, settings.exact, path.parent, path.suffix.lower())
        recordings.setdefault(key, []).append((path, settings))
    return [run for pictures in recordings.values() for run in _runs_of(pictures)]


def _runs_of(pictures: list[tuple[Path, PictureSettings]]) -> list[Run]:
    pictures = sorted(pictures, key=lambda item: _place(item[1].piece))
    groups: list[list[tuple[Path, PictureSettings]]] = []
    end = -1
    for path, settings in pictures:
        if not groups or settings.piece.first_frame > end:
            groups.append([])
        groups[-1].append((path, settings))
        end = max(end, settings.piece.end_frame)
    found = []
    for number, group in enumerate(groups):
        paths, settings_of = zip(*group, strict=True)
        run = Run(paths=paths, settings=settings_of, complete=False, number=number, count=len(groups))
        complete = run.first_frame == 0 and run.end_frame == settings_of[0].whole_shape[1]
        found.append(replace(run, complete=complete))
    return found


def _place(piece: Piece) -> tuple[int, int, int]:
    return piece.first_frame, piece.first_row, piece.index


class PictureSequence:
    """Pictures of one recording as a source of frames (`specloom.recipes.streaming_synthesis.FrameSource`).

    Parameters
    ----------
    pictures : Run, or sequence of paths
        A run of `runs`, or the pictures of one.
    max_megapixels : float
        Larger pictures are refused.

    Attributes
    ----------
    recipe, origin, arrays, shapes
        As in `SpectrogramFile`. An incomplete run has an origin of its own: its own length, no edges.
    notes : list of str
        Complete when all frames have been read.

    Raises
    ------
    ParameterError
        When the paths are not the pictures of one run.
    ImageFileError, ArtifactError
        When a picture cannot be read, or is not what its settings said.

    Notes
    -----
    Law: frames equal those of the whole picture in one file, code for code; where pieces overlap their levels are
    averaged. Rows that no picture shows are silent. A picture is decoded when its frames are asked for, and at most
    those of two neighbours in time are kept.
    """

    def __init__(self, pictures: Run | Sequence[str | Path], *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> None:
        self.run = pictures if isinstance(pictures, Run) else _run_of(pictures, max_megapixels)
        self.settings = self.run.settings[0]
        self.recipe = self.settings.recipe
        self.origin = self.run.origin
        self.arrays: tuple[ArrayName, ...] = (self.settings.array,)
        n_frames = self.run.end_frame - self.run.first_frame
        self.shapes: dict[ArrayName, tuple[int, ...]] = {
            self.settings.array: (*self.settings.array_shape[:-1], n_frames)
        }
        self._notes: dict[str, list[str]] = {note: [] for note in _holes(self.run)}
        self._max_megapixels = max_megapixels
        self._starts = [settings.piece.first_frame for settings in self.run.settings]
        self._widest = max(settings.piece.n_frames for settings in self.run.settings)
        self._decoded: dict[Path, FloatArray] = {}
        self._last: tuple[tuple[int, int], FloatArray] | None = None
        self._seen: set[Path] = set()
        # Without its rows of phases a picture is not exact any more.
        self._has_phase = self.settings.exact and bool(_shown_rows(self.run).all())
        if self.settings.exact and not self._has_phase:
            self._notes["the phases are not all there, so new ones are sought"] = []

    @property
    def notes(self) -> list[str]:
        """What was guessed or lost, with the pictures that it is true of where it is not all of them."""
        n_pictures = len(self.run.paths)
        return [
            note if len(names) in (0, n_pictures) else f"{_listed(names)}: {note}"
            for note, names in self._notes.items()
        ]

    def frames(self, name: ArrayName, start: int = 0, stop: int | None = None) -> FloatArray:
        """A range of frames, shape ``(..., n_bins, stop - start)``, cut to what is there."""
        if name not in self.arrays:
            raise ParameterError(f"these pictures show no {name} array, only {self.arrays[0]}")
        return array_of(self._rows(*self._range(start, stop)), self.settings)

    def phase(self, start: int, stop: int) -> FloatArray | None:
        """The phases of a range of frames, radians; None when they are not drawn, or not all of them are there."""
        if not self._has_phase:
            return None
        return phase_of(self._rows(*self._range(start, stop)), self.settings)

    def read(self) -> Spectrogram:
        """The whole spectrogram."""
        name = self.arrays[0]
        arrays = {name: self.frames(name)}
        return Spectrogram(recipe=self.recipe, origin=self.origin, linear=arrays.get("linear"), mel=arrays.get("mel"))

    def _range(self, start: int, stop: int | None) -> tuple[int, int]:
        n_frames = self.shapes[self.arrays[0]][-1]
        stop = n_frames if stop is None else min(stop, n_frames)
        return min(start, stop), stop

    def _rows(self, start: int, stop: int) -> FloatArray:
        """All rows of the frames ``start … stop`` of the run, between 0 and 1.

        The same range is asked for several times: for its levels and its phases, and for each channel.
        """
        if self._last is None or self._last[0] != (start, stop):
            self._last = None
            self._last = ((start, stop), self._joined(start, stop))
        return self._last[1]

    def _joined(self, start: int, stop: int) -> FloatArray:
        start, stop = start + self.run.first_frame, stop + self.run.first_frame
        n_rows = self.settings.whole_shape[0]
        total = np.zeros((n_rows, stop - start), dtype=np.float32)
        weight = np.zeros((n_rows, stop - start), dtype=np.float32)
        needed = []
        for number in range(bisect_left(self._starts, start - self._widest + 1), bisect_left(self._starts, stop)):
            piece = self.run.settings[number].piece
            begin, end = max(start, piece.first_frame), min(stop, piece.end_frame)
            if begin >= end:
                continue
            needed.append(self.run.paths[number])
            values = self._values(number)[
                : n_rows - piece.first_row, begin - piece.first_frame : end - piece.first_frame
            ]
            place = (slice(piece.first_row, piece.first_row + len(values)), slice(begin - start, end - start))
            _average(total[place], weight[place], values)
        for path in [path for path in self._decoded if path not in needed]:
            del self._decoded[path]
        return total

    def _values(self, number: int) -> FloatArray:
        path, settings = self.run.paths[number], self.run.settings[number]
        if path not in self._decoded:
            picture = read_picture(path, max_megapixels=self._max_megapixels)
            if picture.settings != settings:
                raise ArtifactError(f"{path} changed while it was read: its settings are others than before")
            self._note(path, picture)
            self._decoded[path] = picture.values
        return self._decoded[path]

    def _note(self, path: Path, picture: PictureFile) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        for note in picture.notes:
            self._notes.setdefault(note, []).append(path.name)


def _average(total: FloatArray, weight: npt.NDArray[np.float32], values: FloatArray) -> None:
    """Take another piece's values into the mean of all that show these pixels; equal values stay as they are."""
    if not weight.any():
        total[...] = values
        weight[...] = 1.0
        return
    # Phases too: two pieces differ in the last bit only, which never reaches across a whole turn.
    weight += 1.0
    total += (values - total) / weight


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} pictures)"


def _shown_rows(run: Run) -> npt.NDArray[np.bool_]:
    """The rows that are there all along."""
    rows: dict[int, npt.NDArray[np.bool_]] = {}
    for each in run.settings:
        shown = rows.setdefault(each.piece.first_frame, np.zeros(each.whole_shape[0], dtype=bool))
        shown[each.piece.first_row : each.piece.end_row] = True
    all_along: npt.NDArray[np.bool_] = np.all(list(rows.values()), axis=0)
    return all_along


def _run_of(paths: Sequence[str | Path], max_megapixels: float) -> Run:
    found = {}
    for path in map(Path, paths):
        settings = read_settings(path, max_megapixels=max_megapixels)
        if settings is None:
            raise ArtifactError(f"{path} is no picture of ours; only pieces of one recording can be joined")
        found[path] = settings
    joined = runs(found)
    if len(joined) != 1:
        raise ParameterError(f"these {len(found)} pictures are not pieces of one recording without a gap")
    return joined[0]


def _holes(run: Run) -> list[str]:
    """What of the recording no picture shows."""
    notes = []
    settings = run.settings[0]
    n_rows, n_frames = settings.whole_shape
    if not run.complete:
        seconds = settings.frame_s()
        notes.append(
            f"only frames {run.first_frame} to {run.end_frame} of {n_frames} are there "
            f"({run.first_frame * seconds:.2f} s to {run.end_frame * seconds:.2f} s)"
        )
    n_missing = n_rows - int(_shown_rows(run).sum())
    if n_missing:
        notes.append(f"{n_missing} of {n_rows} rows are not there, or not all along, and are taken as silent")
    return notes
