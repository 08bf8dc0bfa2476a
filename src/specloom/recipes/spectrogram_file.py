"""Spectrogram files: an .npz that `numpy.load` opens, written frame by frame and read whole or in part.

A zip archive without compression holds up to three members:

``linear.npy``, ``mel.npy``
    float32, shape ``(n_bins, n_frames)`` or ``(n_channels, n_bins, n_frames)``, in Fortran order. So one frame lies
    behind the other: frames can be appended while they are computed, and a range of frames is one stretch of bytes.
``settings.json``
    ``format`` and ``version``, the whole ``recipe``, the ``origin`` (rate, length, trimmed edges, peaks: what the
    recipe threw away), the list of ``arrays``, and the ``source`` file's name, size and time, or null.

The same sound and recipe give the same bytes: the archive's own times are fixed.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Literal, Self, get_args

import numpy as np

from specloom.artifact.strict_json import from_plain, to_plain
from specloom.errors import ArtifactError, ParameterError, SpecloomError
from specloom.io.atomic import written_beside
from specloom.io.sources import reason
from specloom.recipes.recipe import Recipe
from specloom.recipes.scales import FloatArray
from specloom.recipes.spectrogram import Origin, Spectrogram, array_shape, checked_values

ArrayName = Literal["linear", "mel"]
ARRAYS: tuple[ArrayName, ...] = get_args(ArrayName)

FORMAT = "specloom-spectrogram"
VERSION = 1

# The member that says everything about the others.
SETTINGS = "settings.json"
# Bytes of the fixed part of a zip archive's local file header; its last four are the lengths of name and extra field.
_LOCAL_HEADER = 30
_COPY_BYTES = 1 << 20
# Frames that are read or checked at a time.
_BLOCK_FRAMES = 2048


@dataclass(frozen=True, kw_only=True)
class SourceStamp:
    """Which state of which file a spectrogram was drawn from."""

    name: str
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> SourceStamp:
        """The stamp of a file as it is now."""
        status = path.stat()
        return cls(name=path.name, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The content of ``settings.json``, but for ``format`` and ``version``."""

    recipe: Recipe
    origin: Origin
    arrays: tuple[ArrayName, ...]
    source: SourceStamp | None


def save_spectrogram(path: str | Path, spectrogram: Spectrogram, *, source: SourceStamp | None = None) -> Path:
    """Write a spectrogram file, whole or not at all. Missing folders are made.

    Raises
    ------
    ArtifactError
        When it cannot be written: no permission, a full disk, a folder of that name.
    """
    arrays = tuple(name for name in ARRAYS if getattr(spectrogram, name) is not None)
    settings = Settings(recipe=spectrogram.recipe, origin=spectrogram.origin, arrays=arrays, source=source)
    with spectrogram_writer(path, settings) as writer:
        for name in arrays:
            writer.append(name, getattr(spectrogram, name))
    return Path(path)


def load_spectrogram(path: str | Path) -> Spectrogram:
    """Read a spectrogram file whole, strictly.

    Raises
    ------
    ArtifactError
        When it is damaged, incomplete, of another version, or somebody else's.
    """
    with SpectrogramFile(path) as file:
        file.verify()
        return file.read()


class FrameSink:
    """Where frames are appended; see `spectrogram_writer`."""

    def __init__(self, settings: Settings, streams: dict[ArrayName, IO[bytes]]) -> None:
        # Written last, so peaks that are only known after the frames may still be put in.
        self.settings = settings
        self._streams = streams
        self._shapes = shapes_of(settings)
        self._n_written = dict.fromkeys(settings.arrays, 0)

    def append(self, name: ArrayName, frames: FloatArray) -> None:
        """Append frames, shape ``(..., n_bins, n)``, as they are stored."""
        shape = self._shapes[name]
        if frames.shape[:-1] != shape[:-1] or self._n_written[name] + frames.shape[-1] > shape[-1]:
            raise ParameterError(
                f"{name}: frames of shape {frames.shape} do not fit after {self._n_written[name]} frames of {shape}"
            )
        self._streams[name].write(np.asarray(frames, dtype="<f4").tobytes(order="F"))
        self._n_written[name] += frames.shape[-1]

    def require_complete(self) -> None:
        """Refuse to end with fewer frames than promised."""
        for name, n_written in self._n_written.items():
            if n_written != self._shapes[name][-1]:
                raise ParameterError(f"{name}: {n_written} of {self._shapes[name][-1]} frames were written")


@contextmanager
def spectrogram_writer(path: str | Path, settings: Settings) -> Iterator[FrameSink]:
    """Write a spectrogram file frame by frame; it takes its place when the ``with`` block ends well.

    Yields
    ------
    FrameSink
        Which needs all the frames that ``settings`` promise.

    Raises
    ------
    ArtifactError
        When the file cannot be written.
    """
    try:
        with written_beside(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            sink = yield from _members(archive, settings, Path(path).resolve().parent)
            plain = {"format": FORMAT, "version": VERSION, **to_plain(sink.settings)}
            archive.writestr(zipfile.ZipInfo(SETTINGS), json.dumps(plain, indent=1, allow_nan=False))
    except OSError as error:
        raise unwritten(path, error) from error


def _members(archive: zipfile.ZipFile, settings: Settings, folder: Path) -> Generator[FrameSink, None, FrameSink]:
    """Open a stream for each array, hand them out, and bring the archive's members into order afterwards.

    An archive can be written at one place at a time, so the small mel array waits in a nameless temporary file.
    """
    shapes = shapes_of(settings)
    streams: dict[ArrayName, IO[bytes]] = {}
    with ExitStack() as stack:
        if "mel" in shapes:
            streams["mel"] = stack.enter_context(TemporaryFile(dir=folder))
        with ExitStack() as direct:
            if "linear" in shapes:
                streams["linear"] = direct.enter_context(_new_member(archive, "linear", shapes["linear"]))
            sink = FrameSink(settings, streams)
            yield sink
            sink.require_complete()
        if "mel" in shapes:
            streams["mel"].seek(0)
            with _new_member(archive, "mel", shapes["mel"]) as member:
                shutil.copyfileobj(streams["mel"], member, _COPY_BYTES)
    return sink


def shapes_of(settings: Settings) -> dict[ArrayName, tuple[int, ...]]:
    """The shape of each array."""
    return {name: array_shape(name, settings.recipe, settings.origin) for name in settings.arrays}


def unwritten(path: str | Path, error: OSError) -> SpecloomError:
    """The error to raise for one that the system gave while a file was written."""
    # An AudioFileError is an OSError too, and has its sentence already.
    if isinstance(error, SpecloomError):
        return error
    return ArtifactError(f"{path} {_reason(error, 'written')}")


def _reason(error: OSError, verb: str) -> str:
    return "is a folder; a file is needed" if isinstance(error, IsADirectoryError) else reason(error, verb)


def _new_member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> IO[bytes]:
    member = archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
    np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": True, "shape": shape})
    return member


class SpectrogramFile:
    """A spectrogram file that is read in part, so hours of sound need no more memory than a minute.

    Opening checks the settings and that every byte promised is there; `verify` checks the bytes themselves.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    recipe, origin, arrays, source
        As in `Settings`.

    Raises
    ------
    ArtifactError
        When it is damaged, incomplete, of another version, or somebody else's.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        try:
            self._file = self._stack.enter_context(self.path.open("rb"))
            self._archive = self._stack.enter_context(zipfile.ZipFile(self._file))
        except zipfile.BadZipFile as error:
            self.close()
            raise ArtifactError(
                f"{path} is no spectrogram file, or was cut off: it is not a whole .npz archive; draw it again"
            ) from error
        except OSError as error:
            self.close()
            raise ArtifactError(f"{path} {_reason(error, 'opened')}") from error
        try:
            self._open_members()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _open_members(self) -> None:
        settings = self._read_settings()
        self.recipe, self.origin = settings.recipe, settings.origin
        self.arrays, self.source = settings.arrays, settings.source
        expected = {SETTINGS, *(f"{name}.npy" for name in self.arrays)}
        names = self._archive.namelist()
        if sorted(names) != sorted(expected) or not self.arrays:
            raise ArtifactError(
                f"{self.path} holds {', '.join(names)}, but its settings promise {', '.join(sorted(expected))}"
            )
        self.shapes = shapes_of(settings)
        self._starts = {name: self._start_of(name) for name in self.arrays}

    def _read_settings(self) -> Settings:
        if SETTINGS not in self._archive.namelist():
            raise ArtifactError(
                f"{self.path} is an archive of another program: {SETTINGS} is missing, so nothing says how it was "
                "made; to hear it all the same, say so with a recipe and a sample rate (--recipe, --sample-rate)"
            )
        try:
            plain = json.loads(self._archive.read(SETTINGS))
        except RecursionError as error:
            raise ArtifactError(f"{self.path}: {SETTINGS} is nested too deeply; draw the file again") from error
        except (ValueError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ArtifactError(f"{self.path}: {SETTINGS} is damaged ({error}); draw the file again") from error
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ArtifactError(f"{self.path}: {SETTINGS} does not say format={FORMAT!r}; another program wrote it")
        version = plain.pop("version", None)
        if version != VERSION or isinstance(version, bool):
            raise ArtifactError(
                f"{self.path} is a spectrogram file of version {version!r}; this Specloom reads version {VERSION}: "
                "use the Specloom that wrote it, or draw the recording again"
            )
        try:
            return from_plain(Settings, plain, "settings")
        except ArtifactError as error:
            raise ArtifactError(f"{self.path}: {error}") from error
        except RecursionError as error:
            raise ArtifactError(f"{self.path}: {SETTINGS} is nested too deeply; draw the file again") from error

    def _start_of(self, name: ArrayName) -> int:
        """Where in the file the array's first byte stands; checks that the member is what the settings say."""
        member = self._archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ArtifactError(f"{self.path}: {name}.npy is compressed, which cannot be read in part; draw it again")
        self._file.seek(member.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise ArtifactError(f"{self.path}: {name}.npy is damaged (no local header); draw it again")
        start = member.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", header[26:30]))
        self._file.seek(start)
        try:
            if np.lib.format.read_magic(self._file) != (1, 0):
                raise ValueError("an array header of version 1.0 is needed")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(self._file)
        except ValueError as error:
            raise ArtifactError(f"{self.path}: {name}.npy is no array ({error})") from error
        if (shape, fortran, dtype) != (self.shapes[name], True, np.dtype("<f4")):
            raise ArtifactError(
                f"{self.path}: {name}.npy has shape {shape}, dtype {dtype} and fortran_order={fortran}; "
                f"the settings say {self.shapes[name]}, float32 and fortran_order=True"
            )
        data = self._file.tell()
        size = 4 * int(np.prod(shape, dtype=np.int64))
        if member.file_size != data - start + size or os.fstat(self._file.fileno()).st_size < data + size:
            raise ArtifactError(f"{self.path}: {name}.npy is not as long as its header says; draw it again")
        return data

    def frames(self, name: ArrayName, start: int = 0, stop: int | None = None) -> FloatArray:
        """A range of frames, shape ``(..., n_bins, stop - start)``, cut to what is there.

        Raises
        ------
        ArtifactError
            For non-finite or negative values.
        """
        if name not in self.arrays:
            raise ParameterError(f"{self.path} holds no {name} array, only {', '.join(self.arrays)}")
        *leading, n_frames = self.shapes[name]
        stop = n_frames if stop is None else min(stop, n_frames)
        start = min(start, stop)
        per_frame = int(np.prod(leading))
        self._file.seek(self._starts[name] + 4 * per_frame * start)
        values = np.fromfile(self._file, dtype="<f4", count=per_frame * (stop - start))
        shape = (*leading, stop - start)
        try:
            return checked_values(name, values.reshape(shape, order="F"), shape)
        except ParameterError as error:
            raise ArtifactError(f"{self.path}: {error}") from error

    def phase(self, start: int, stop: int) -> None:
        """None: a spectrogram file holds no phase."""

    def blocks(self, name: ArrayName, block_frames: int = _BLOCK_FRAMES) -> Iterator[FloatArray]:
        """All frames, this many at a time."""
        for start in range(0, self.shapes[name][-1], block_frames):
            yield self.frames(name, start, start + block_frames)

    def read(self) -> Spectrogram:
        """The whole spectrogram."""
        arrays: dict[str, Any] = {name: self.frames(name) for name in self.arrays}
        return Spectrogram(recipe=self.recipe, origin=self.origin, **arrays)

    def verify(self) -> None:
        """Compare every byte with the archive's checksums, without keeping any.

        Raises
        ------
        ArtifactError
            When bytes have changed since the file was written.
        """
        try:
            damaged = self._archive.testzip()
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise ArtifactError(f"{self.path} is damaged ({error}); draw it again") from error
        if damaged is not None:
            raise ArtifactError(f"{self.path}: {damaged} is damaged (its checksum is wrong); draw it again")
