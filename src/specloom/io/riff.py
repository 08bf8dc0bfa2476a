"""What the header of a WAV file promises, read directly: libsndfile corrects it in silence."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

# Encodings in which every sample takes the same number of bytes: integers, floats, A-law, mu-law, extensible.
_FIXED_SIZE_TAGS = frozenset({1, 3, 6, 7, 0xFFFE})


def promised_samples(path: Path) -> int | None:
    """Samples per channel that the header of a RIFF WAV file promises.

    Returns
    -------
    int or None
        None for another format, for compressed samples, and for the sizes that programs write into the header
        when they stream and do not know the length yet (0, about 2 GiB, about 4 GiB).
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        return _walk(file)


def _walk(file: BinaryIO) -> int | None:
    bytes_per_sample = 0
    while len(chunk := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            return None if _is_unknown(size) or not bytes_per_sample else size // bytes_per_sample
        start = file.tell()
        if name == b"fmt " and len(layout := file.read(14)) == 14:
            tag, _channels, _rate, _byte_rate, block = struct.unpack("<HHIIH", layout)
            bytes_per_sample = block if tag in _FIXED_SIZE_TAGS else 0
        file.seek(start + size + size % 2)
    return None


def _is_unknown(size: int) -> bool:
    return size == 0 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000
