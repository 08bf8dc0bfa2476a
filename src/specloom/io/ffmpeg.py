"""Sound out of files that only ffmpeg reads (m4a, webm, video): a pipe of 32-bit floats, block by block.

ffmpeg is asked for the AU format because its header is 24 bytes that say rate and channels, so one program and one
run tell everything; nothing is resampled and no channel is mixed.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from specloom.errors import AudioFileError, MissingExtraError

_AU_HEADER = struct.Struct(">4s5I")
_AU_FLOAT32 = 6


@dataclass(frozen=True)
class _Decoder:
    process: subprocess.Popen[bytes]
    sound: IO[bytes]
    log: IO[bytes]

    def messages(self) -> str:
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")


class FfmpegSource:
    """One sound stream (the first) of a file, decoded by the system's ffmpeg.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.

    Attributes
    ----------
    sample_rate, n_channels : int
        As the stream has them.
    n_samples : int or None
        An estimate from the duration that the container states; None when it states none.
    promised : None
        The estimate is not exact enough to call a file cut short.

    Raises
    ------
    MissingExtraError
        When there is no ffmpeg on the search path.
    AudioFileError
        When ffmpeg finds no sound in the file.
    """

    promised: int | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        program = shutil.which("ffmpeg")
        if program is None:
            raise MissingExtraError(
                f"{path} can only be read through the program ffmpeg, which is not installed here; "
                "install ffmpeg, or convert the file to WAV or FLAC"
            )
        self._program = program
        with self._decoding() as decoder:
            self.sample_rate, self.n_channels = self._read_header(decoder)
            # Enough to let ffmpeg write its report on the file before it is stopped.
            self.n_samples = _stated_length(decoder.messages(), self.sample_rate)

    def blocks(self, block_samples: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield ``(n, n_channels)`` blocks from the start; every call decodes anew."""
        with self._decoding() as decoder:
            self._read_header(decoder)
            while data := decoder.sound.read(4 * self.n_channels * block_samples):
                whole = len(data) // (4 * self.n_channels) * self.n_channels
                yield np.frombuffer(data, ">f4", whole).astype(np.float32).reshape(-1, self.n_channels)
            if decoder.process.wait() != 0:
                raise AudioFileError(f"{self._path} could not be decoded to its end by ffmpeg: {_last_line(decoder)}")

    @contextmanager
    def _decoding(self) -> Iterator[_Decoder]:
        # "file:" keeps a colon or a leading dash in the name from being read as a protocol or an option.
        command = [self._program, "-hide_banner", "-nostdin", "-nostats", "-i", f"file:{self._path}", "-vn"]
        command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        # The messages go to a file: nobody reads them meanwhile, and a full pipe would stop ffmpeg.
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
            assert process.stdout is not None  # for the type checker: PIPE was asked for
            try:
                yield _Decoder(process, process.stdout, log)
            finally:
                process.stdout.close()
                process.kill()
                process.wait()

    def _read_header(self, decoder: _Decoder) -> tuple[int, int]:
        header = decoder.sound.read(_AU_HEADER.size)
        if len(header) < _AU_HEADER.size:
            decoder.process.wait()
            raise AudioFileError(f"{self._path} holds no sound that ffmpeg can decode: {_last_line(decoder)}")
        magic, offset, _size, encoding, sample_rate, n_channels = _AU_HEADER.unpack(header)
        if magic != b".snd" or encoding != _AU_FLOAT32 or sample_rate < 1 or n_channels < 1:
            raise AudioFileError(f"{self._path}: the program {self._program} did not answer as ffmpeg does; update it")
        decoder.sound.read(offset - _AU_HEADER.size)  # what else the header says: title and such
        return sample_rate, n_channels


def _stated_length(messages: str, sample_rate: int) -> int | None:
    found = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", messages)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * sample_rate)


def _last_line(decoder: _Decoder) -> str:
    lines = decoder.messages().strip().splitlines()
    return lines[-1].strip() if lines else f"it ended with code {decoder.process.returncode} and said nothing"
