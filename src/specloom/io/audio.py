"""Sound files to values and back: whole (`load`, `save`) or block by block (`AudioReader`, `AudioWriter`)."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import AudioFileError, ParameterError
from specloom.io.atomic import written_beside
from specloom.io.formats import RECORDINGS, clips, libsndfile_name, most_samples, written_format
from specloom.io.sources import open_source, reason

if TYPE_CHECKING:
    import soundfile

StrPath = str | os.PathLike[str]

_USUAL_BLOCK = 65_536


class AudioFileWarning(UserWarning):
    """A sound file holds less than its header promises."""


def load(path: StrPath, *, channels: Literal["keep", "mono"] = "keep") -> Audio:
    """Read a whole sound file.

    Parameters
    ----------
    path : path-like
        WAV, FLAC, OGG, MP3, Opus, AIFF, W64, CAF or AU, recognised by content; m4a, webm, video and others by
        suffix, through the system's ffmpeg.
    channels : {"keep", "mono"}
        ``"keep"``: one channel gives ``(n_samples,)``, more give ``(n_channels, n_samples)``. ``"mono"``: the mean
        of the channels, ``(n_samples,)``.

    Returns
    -------
    Audio
        At the rate of the file, never resampled. Integers of 8 to 32 bits are scaled to ±1; floats stay as they
        are, also beyond ±1.

    Raises
    ------
    AudioFileError
        When the file is missing, empty, a folder, no sound, damaged, without samples, or holds NaN or infinity.
    MissingExtraError
        When ffmpeg is needed and is not installed.

    Warns
    -----
    AudioFileWarning
        When the file was cut short; what is there is returned.

    Examples
    --------
    >>> from specloom import sounds
    >>> audio = load(sounds.path("speech"))
    >>> audio.sample_rate, audio.samples.shape
    (16000, (83000,))
    """
    if channels not in ("keep", "mono"):
        raise ParameterError(f"channels={channels!r}: allowed are 'keep' and 'mono'")
    with AudioReader(path) as reader:
        blocks: Iterable[npt.NDArray[np.float32]] = reader.blocks()
        if channels == "mono":
            blocks = (block.mean(axis=0, dtype=np.float32, keepdims=True) for block in blocks)
        samples = np.concatenate(list(blocks), axis=1)
        return Audio(samples[0] if len(samples) == 1 else samples, reader.sample_rate)


def save(path: StrPath, audio: Audio, *, subtype: str | None = None) -> Path:
    """Write a sound file; it is whole or not there (see `specloom.io.atomic.written_beside`).

    Parameters
    ----------
    path : path-like
        The suffix chooses the format: wav, flac, ogg, opus, mp3, aiff, w64, rf64, caf, au. Missing folders are made.
    audio : Audio
        At least one sample.
    subtype : str, optional
        libsndfile's name of the encoding (``"PCM_16"``, ``"PCM_24"``, ``"FLOAT"``...). If not given, the one that
        loses least: 32-bit floats, or 24-bit integers for FLAC.

    Returns
    -------
    pathlib.Path
        The path that was written.

    Raises
    ------
    ParameterError
        When the suffix or the subtype is unknown, there is no sample, or an integer format would clip.
    AudioFileError
        When the file cannot be written: no permission, a full disk, a folder of that name, or a rate or a number
        of channels that the format does not take.
    """
    with AudioWriter(path, audio.sample_rate, audio.n_channels, subtype, expected_samples=audio.n_samples) as writer:
        writer.write(audio.samples)
    return Path(path)


class AudioReader:
    """A sound file read in blocks, so an hour needs no more memory than a minute.

    Parameters
    ----------
    path : path-like
        As for `load`.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sample_rate, n_channels : int
        Of the file.
    n_samples : int or None
        Samples per channel: exact where the format tells it, an estimate through ffmpeg, None where nobody knows.

    Raises
    ------
    AudioFileError, MissingExtraError
        As `load`; what concerns the samples is raised when they are read.

    Examples
    --------
    >>> from specloom import sounds
    >>> with AudioReader(sounds.path("music")) as reader:
    ...     n_read = sum(block.shape[1] for block in reader.blocks(block_s=0.5))
    >>> n_read == reader.n_samples
    True
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self._source = open_source(self.path)
        self.sample_rate = self._source.sample_rate
        self.n_channels = self._source.n_channels
        self.n_samples = self._source.n_samples
        self._running: list[Generator[npt.NDArray[np.float32], None, None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every iteration that has begun, and with it the file or the program behind it."""
        while self._running:
            self._running.pop().close()

    def blocks(
        self, *, block_s: float | None = None, block_samples: int | None = None
    ) -> Generator[npt.NDArray[np.float32], None, None]:
        """Go through the sound from its start; every call begins anew.

        Parameters
        ----------
        block_s : float, optional
            Seconds per block.
        block_samples : int, optional
            Samples per block, 65536 if neither is given.

        Yields
        ------
        float32 array, shape ``(n_channels, n)``
            ``n`` is the block's length, less in the last one and never 0. The blocks together are what `load` gives.

        Raises
        ------
        ParameterError
            When both lengths are given, or one that is no length.
        AudioFileError
            When samples are missing, damaged, NaN or infinite.
        """
        n = self._block_length(block_s, block_samples)
        running = self._read(n)
        self._running.append(running)
        return running

    def _block_length(self, block_s: float | None, block_samples: int | None) -> int:
        if block_s is not None and block_samples is not None:
            raise ParameterError(f"block_s={block_s} and block_samples={block_samples} are both given; give one")
        if block_s is not None:
            if not 0 < block_s < float("inf"):
                raise ParameterError(f"block_s={block_s}: seconds above 0 are needed")
            return max(1, round(block_s * self.sample_rate))
        if block_samples is None:
            return _USUAL_BLOCK
        if isinstance(block_samples, bool) or not isinstance(block_samples, int) or block_samples < 1:
            raise ParameterError(f"block_samples={block_samples!r}: a whole number of at least 1 is needed")
        return block_samples

    def _read(self, block_samples: int) -> Generator[npt.NDArray[np.float32], None, None]:
        position = 0
        for frames in self._source.blocks(block_samples):
            block = np.ascontiguousarray(frames.T)
            self._require_finite(block, position)
            yield block
            position += block.shape[1]
        if position == 0:
            raise AudioFileError(
                f"{self.path} holds no samples: its header says that the sound is 0 samples long; "
                "record or export it again"
            )
        promised = self._source.promised
        if promised is not None and position < promised:
            warnings.warn(
                f"{self.path} was cut short: it holds {position} of the {promised} samples that its header promises; "
                "what is there was read",
                AudioFileWarning,
                stacklevel=3,
            )

    def _require_finite(self, block: npt.NDArray[np.float32], position: int) -> None:
        if np.isfinite(block).all():
            return
        place = int(np.argmin(np.isfinite(block).all(axis=0)))
        channel = int(np.argmin(np.isfinite(block[:, place])))
        raise AudioFileError(
            f"{self.path} holds {block[channel, place]} at sample {position + place} "
            f"({(position + place) / self.sample_rate:.3f} s) of channel {channel + 1}; "
            "repair or cut the recording there"
        )


class AudioWriter:
    """A sound file written in blocks; it takes its place when the ``with`` block ends well, else it is gone.

    Parameters
    ----------
    path, subtype
        As for `save`.
    sample_rate : int
        Hertz.
    n_channels : int
        Channels of every block.
    expected_samples : int, optional
        The length that is to be expected, per channel. A WAV that would pass 4 GiB is then written as RF64, the
        64-bit WAV; without the number such a file ends in an error that says what to do.
    comment : str, optional
        Written into the file beside the sound, for `read_comment`. WAV, RF64 and FLAC keep it; others may not.

    Raises
    ------
    ParameterError, AudioFileError
        As `save`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with AudioWriter(Path(folder) / "tone.flac", 16_000, 1) as writer:
    ...         for start in range(0, 16_000, 4_000):
    ...             writer.write(0.1 * np.sin(0.2 * np.arange(start, start + 4_000)))
    ...     load(Path(folder) / "tone.flac").duration_s
    1.0
    """

    def __init__(
        self,
        path: StrPath,
        sample_rate: int,
        n_channels: int,
        subtype: str | None = None,
        *,
        expected_samples: int | None = None,
        comment: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.sample_rate = _whole("sample_rate", sample_rate)
        self.n_channels = _whole("n_channels", n_channels)
        self._container, self._subtype = written_format(self.path, subtype)
        self._limit = most_samples(self._container, self._subtype, self.n_channels)
        if self._container == "WAV" and self._limit is not None and (expected_samples or 0) > self._limit:
            self._container, self._limit = "RF64", None
        self._comment = comment
        self._stack = ExitStack()
        self._file: soundfile.SoundFile | None = None
        self._n_written = 0

    def __enter__(self) -> Self:
        from soundfile import LibsndfileError

        try:
            self._file = self._stack.enter_context(self._opened())
        except (OSError, LibsndfileError) as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from soundfile import LibsndfileError

        self._file = None
        try:
            self._stack.__exit__(kind, error, trace)
        except (OSError, LibsndfileError) as another:
            # When the block has failed already, its own error says more than that closing failed too.
            if error is None:
                raise self._failure(another) from another

    def write(self, samples: npt.ArrayLike) -> None:
        """Append samples.

        Parameters
        ----------
        samples : floating-point array, shape ``(n_channels, n)``, or ``(n,)`` for one channel
            Full scale is ±1. The array is not kept and not changed.

        Raises
        ------
        ParameterError
            For a wrong shape or dtype, NaN or infinity, samples beyond ±1 that an integer format would clip, or
            a writer that is not inside its ``with`` block.
        AudioFileError
            When the disk is full, or the format cannot hold that much.
        """
        from soundfile import LibsndfileError

        if self._file is None:
            raise ParameterError(f"the writer of {self.path} is closed; write inside its with block")
        block = self._checked(np.asarray(samples))
        n = block.shape[1]
        if self._limit is not None and self._n_written + n > self._limit:
            raise AudioFileError(
                f"{self.path} would hold more than the {self._limit} samples that {self._container} can count; "
                "write it as .w64 or .rf64, or say expected_samples at the start"
            )
        try:
            # In pieces: libsndfile's Vorbis encoder keeps what it is given on the stack.
            for start in range(0, n, _USUAL_BLOCK):
                self._file.write(np.ascontiguousarray(block[:, start : start + _USUAL_BLOCK].T))
        except LibsndfileError as error:
            raise self._failure(error) from error
        self._n_written += n

    @contextmanager
    def _opened(self) -> Iterator[soundfile.SoundFile]:
        import soundfile

        with written_beside(self.path) as temporary:
            # Python says in words what is wrong with a place; libsndfile only says "System error".
            temporary.touch(exist_ok=False)
            with soundfile.SoundFile(
                libsndfile_name(temporary),
                "w",
                self.sample_rate,
                self.n_channels,
                self._subtype,
                format=self._container,
            ) as file:
                if self._comment is not None:
                    # Before the samples, so that it stands in the header that is read first.
                    file.comment = self._comment
                yield file
            if self._n_written == 0:
                raise ParameterError(f"samples: {self.path} was given none; a sound file needs at least one sample")

    def _checked(self, samples: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
        block = samples[np.newaxis] if samples.ndim == 1 else samples
        if block.ndim != 2 or block.shape[0] != self.n_channels:
            raise ParameterError(f"samples of shape {samples.shape}: ({self.n_channels}, n) is needed for {self.path}")
        if block.dtype.kind != "f":
            raise ParameterError(
                f"samples of dtype {block.dtype}: floating point with full scale ±1 is needed; "
                "divide integers by their full scale first"
            )
        with np.errstate(over="ignore"):
            block = block.astype(np.float64 if self._subtype in ("DOUBLE", "PCM_32") else np.float32, copy=False)
        if not np.isfinite(block).all():
            raise ParameterError("samples hold NaN or infinity; replace them (numpy.nan_to_num) or cut them out first")
        peak = float(np.abs(block).max(initial=0.0))
        if peak > 1.0 and clips(self._subtype):
            raise ParameterError(
                f"samples reach {peak:.6g}, above full scale, and {self._subtype} would clip them; "
                "divide by the peak, or write a format of floats (.wav with subtype 'FLOAT')"
            )
        return block

    def _failure(self, error: OSError | soundfile.LibsndfileError) -> AudioFileError:
        if isinstance(error, OSError):
            return AudioFileError(f"{self.path} {reason(error, 'written')}")
        said = error.error_string.strip().removeprefix("Error : ")
        if said.startswith("System error"):
            free = shutil.disk_usage(self.path.resolve().parent).free
            return AudioFileError(f"{self.path} cannot be written: {free} bytes are free on that disk; is it full?")
        return AudioFileError(
            f"{self.path} cannot be written as {self._container} {self._subtype} with {self.n_channels} channels at "
            f"{self.sample_rate} Hz ({said}); resample, mix to fewer channels, or choose another suffix"
        )


def read_comment(path: StrPath) -> str:
    """The comment that stands in a sound file, empty if there is none or only ffmpeg reads the file.

    Raises
    ------
    AudioFileError
        When the file is missing or no sound.
    """
    import soundfile

    AudioReader(path).close()
    try:
        with soundfile.SoundFile(libsndfile_name(Path(path))) as file:
            return str(file.comment)
    except soundfile.LibsndfileError:
        return ""


def find_recordings(paths: StrPath | Iterable[StrPath]) -> list[Path]:
    """List the sound files among files and folder trees.

    Parameters
    ----------
    paths : path-like or iterable of path-likes
        A file is taken as it is, whatever its suffix. Of a folder every file below it is taken whose suffix is that
        of sound or video (in either case); hidden files and folders are passed over, links to folders not followed.

    Returns
    -------
    list of pathlib.Path
        Sorted, each once. Empty when folders hold none.

    Raises
    ------
    AudioFileError
        When a path does not exist or a folder may not be read.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    found: set[Path] = set()
    for path in map(Path, given):
        if path.is_dir():
            found.update(_below(path))
        elif path.exists():
            found.add(path)
        else:
            raise AudioFileError(f"{path} does not exist")
    return sorted(found)


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise AudioFileError(f"{error.filename} {reason(error)}") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in RECORDINGS:
                yield Path(place, name)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(f"{name}={value!r}: a whole number of at least 1 is needed")
    return int(value)
