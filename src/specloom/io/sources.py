"""Which program reads which sound file: libsndfile by content, ffmpeg by suffix."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from specloom.errors import AudioFileError
from specloom.io.ffmpeg import FfmpegSource
from specloom.io.formats import THROUGH_FFMPEG, libsndfile_name
from specloom.io.riff import promised_samples

# libsndfile gives numbers near the largest 64-bit integer when a stream does not say its length.
_NO_LENGTH = 2**40


class Source(Protocol):
    """What a reader needs of a sound file."""

    sample_rate: int
    n_channels: int
    n_samples: int | None
    promised: int | None

    def blocks(self, block_samples: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield ``(n, n_channels)`` blocks from the start."""
        ...


def open_source(path: Path) -> Source:
    """Look at a sound file and choose who reads it.

    Raises
    ------
    AudioFileError
        When there is no such file, it may not be read, is empty, or is no sound.
    MissingExtraError
        When ffmpeg is needed and missing.
    """
    _require_bytes(path)
    if path.suffix.lower() in THROUGH_FFMPEG:
        return FfmpegSource(path)
    if path.suffix.lower() == ".raw":
        raise AudioFileError(f"{path} holds bare samples that say neither rate nor encoding; convert it to WAV first")
    return SoundfileSource(path)


def reason(error: OSError, verb: str = "opened") -> str:
    """What the system complains about, as the end of a sentence that begins with the path."""
    if isinstance(error, IsADirectoryError):
        return "is a folder where a sound file is expected"
    if isinstance(error, PermissionError):
        return f"cannot be {verb}: permission is denied"
    if error.errno == errno.ENOSPC:
        return f"cannot be {verb}: the disk is full"
    if isinstance(error, FileNotFoundError) and verb == "opened":
        return "does not exist"
    return f"cannot be {verb}: {error.strerror or error}"


def _require_bytes(path: Path) -> None:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise AudioFileError(f"{path} is not an ordinary file; write the sound to a file first")
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
    except AudioFileError:
        raise
    except OSError as error:
        raise AudioFileError(f"{path} {reason(error)}") from error
    if size == 0:
        raise AudioFileError(f"{path} is an empty file (0 bytes)")


class SoundfileSource:
    """A file that libsndfile reads: WAV, FLAC, OGG, MP3, Opus, AIFF, W64, CAF, AU and older ones.

    Attributes
    ----------
    n_samples : int or None
        Exact where the format tells it; None for a stream that does not.
    promised : int or None
        Samples that the header promises; more than are there when the file was cut short.
    """

    def __init__(self, path: Path) -> None:
        import soundfile

        self._path = path
        try:
            facts = soundfile.info(libsndfile_name(path))
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{path} is not a sound file that can be read ({error.error_string.strip()}); "
                "is it damaged, or is its suffix wrong?"
            ) from error
        self.sample_rate = int(facts.samplerate)
        self.n_channels = int(facts.channels)
        self.n_samples: int | None = int(facts.frames) if facts.frames < _NO_LENGTH else None
        self.promised: int | None = self.n_samples
        if facts.format in ("WAV", "WAVEX"):
            self.promised = promised_samples(path) or self.n_samples

    def blocks(self, block_samples: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield ``(n, n_channels)`` blocks from the start; every call opens the file anew."""
        import soundfile

        position = 0
        try:
            with soundfile.SoundFile(libsndfile_name(self._path)) as file:
                while len(block := file.read(block_samples, dtype="float32", always_2d=True)):
                    yield block
                    position += len(block)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{self._path} is damaged after sample {position} ({position / self.sample_rate:.3f} s): "
                f"{error.error_string.strip()}"
            ) from error
