"""Which suffix means which sound format, and what each format can hold."""

from __future__ import annotations

import os
from pathlib import Path

from specloom.errors import ParameterError

# suffix -> (libsndfile's container, the subtype written when none is asked for). The default is the one that loses
# least: 32-bit floats wherever the container holds them, because they keep samples above full scale too.
WRITTEN: dict[str, tuple[str, str]] = {
    ".wav": ("WAV", "FLOAT"),
    ".rf64": ("RF64", "FLOAT"),
    ".w64": ("W64", "FLOAT"),
    ".caf": ("CAF", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".aiff": ("AIFF", "FLOAT"),
    ".aifc": ("AIFF", "FLOAT"),
    ".au": ("AU", "FLOAT"),
    ".snd": ("AU", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}

# Sound and video that libsndfile does not read; the system's ffmpeg does. (.ts is missing on purpose: in most folders
# it is a program's source.)
_SOUND = "3gp aac ac3 amr ape dts eac3 m4a m4b mka ra spx tta weba wma wv"
_VIDEO = "3g2 asf avi flv m4v mkv mov mp4 mpeg mpg ogv rm vob webm wmv"
THROUGH_FFMPEG = frozenset(f".{name}" for name in f"{_SOUND} {_VIDEO}".split())

RECORDINGS = frozenset(WRITTEN) | THROUGH_FFMPEG

# Containers whose sizes are 32-bit numbers: more bytes than this cannot be written.
_LARGEST_32_BIT = 2**32 - 2**16
_SIZED_IN_32_BITS = frozenset({"WAV", "AIFF", "AU"})

_BYTES_PER_SAMPLE = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

# Subtypes that keep samples above ±1, or squeeze them without wrapping; all others clip.
_KEEPS_ABOVE_FULL_SCALE = frozenset({"FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III"})


def written_format(path: Path, subtype: str | None) -> tuple[str, str]:
    """The container and subtype in which `path` is written.

    Raises
    ------
    ParameterError
        When the suffix names no format that can be written, or the format does not hold `subtype`.
    """
    import soundfile

    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise ParameterError(
            f"path={str(path)!r}: the suffix {suffix!r} is none that can be written; use one of {', '.join(WRITTEN)}"
        )
    container, usual = WRITTEN[suffix]
    chosen = usual if subtype is None else subtype.upper()
    if not soundfile.check_format(container, chosen):
        allowed = ", ".join(soundfile.available_subtypes(container))
        raise ParameterError(f"subtype={subtype!r} does not go into {container} ({suffix}); allowed are {allowed}")
    return container, chosen


def libsndfile_name(path: Path) -> str | bytes:
    """The path as the soundfile package takes it: a name on Linux may hold bytes that are no text."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


def clips(subtype: str) -> bool:
    """Whether samples beyond ±1 are cut off when they are written so."""
    return subtype not in _KEEPS_ABOVE_FULL_SCALE


def most_samples(container: str, subtype: str, n_channels: int) -> int | None:
    """The most samples per channel that fit into one file, None where there is no bound to care about."""
    if container not in _SIZED_IN_32_BITS:
        return None
    return _LARGEST_32_BIT // (n_channels * _BYTES_PER_SAMPLE.get(subtype, 1))
