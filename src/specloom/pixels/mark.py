"""Settings in the least significant bits of a picture, for a file whose text chunk an editor dropped.

A copy of the mark is a string of bits, one per pixel (odd or even), that runs down a column from its top and on down
the next one: a sync word, the size of the payload, a checksum, the column that it was written for, and the payload.
Copies stand at equal distances, so one is left in a crop along time; each says where it was. Rows must all be there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.pixels.depth import bits_of

AnyCodes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
CodesT = TypeVar("CodesT", npt.NDArray[np.uint8], npt.NDArray[np.uint16])
Bits = npt.NDArray[np.uint8]

_SYNC = bytes.fromhex("a55ce3b1")
# Sync word, size of the payload, column, checksum of all but the sync word.
_SIZE_BYTES, _COLUMN_BYTES, _CHECK_BYTES = 2, 4, 4
_HEAD = len(_SYNC) + _SIZE_BYTES + _COLUMN_BYTES + _CHECK_BYTES
LARGEST_PAYLOAD = 2 ** (8 * _SIZE_BYTES) - 1

# At most one pixel in this many carries the mark; about half of those have to change. A code of 8 bits is a step that
# one can hear when many are off by one, a code of 16 is not.
_ONE_IN = {8: 64, 16: 8}

# Sync words that are followed up: more than a picture of ours has, and few enough for one that is made of them.
_MOST_COPIES = 1024


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A payload found in the pixels.

    Parameters
    ----------
    payload : bytes
        What `write_mark` was given.
    column : int
        The column that this copy was written into.
    found_at : int
        The column where it was found. ``column - found_at`` columns are missing at the left of a cropped picture.
    """

    payload: bytes
    column: int
    found_at: int


def mark_fits(shape: tuple[int, ...], payload: bytes) -> bool:
    """Whether a picture of ``(height, width)`` pixels has room for one copy of the payload."""
    return 8 * (_HEAD + len(payload)) <= shape[0] * shape[1]


def write_mark(codes: CodesT, payload: bytes) -> CodesT:
    """Hide a payload in the parity of some pixels.

    Parameters
    ----------
    codes : uint8 or uint16 array of shape (height, width)
    payload : bytes
        At most `LARGEST_PAYLOAD` (65,535). It is written as it is: what is long is better compressed first.

    Returns
    -------
    array of the same shape and type
        A copy. No code differs by more than 1, and at most about an eighth of the pixels (16 bits) or a sixty-fourth
        (8 bits) are touched, or as many as one copy needs where the picture is small. If not even that fits
        (`mark_fits`), all codes are as they were.

    Raises
    ------
    ParameterError
        When the codes have another shape or type, or the payload is longer.

    Notes
    -----
    Law: `find_mark` gives the payload back, also from any part of the columns that holds one whole copy.

    Examples
    --------
    >>> codes = np.full((64, 300), 200, dtype=np.uint16)
    >>> marked = write_mark(codes, b"n_fft=2048")
    >>> find_mark(marked[:, 100:])
    Mark(payload=b'n_fft=2048', column=120, found_at=20)
    """
    n_rows, n_columns = _shape(codes)
    if len(payload) > LARGEST_PAYLOAD:
        raise ParameterError(f"payload of {len(payload)} bytes: at most {LARGEST_PAYLOAD} go into a mark")
    marked = codes.copy()
    if not mark_fits(codes.shape, payload):
        return marked
    n_bits = 8 * (_HEAD + len(payload))
    per_copy = -(-n_bits // n_rows)
    for column in range(0, n_columns - per_copy + 1, _ONE_IN[bits_of(codes)] * per_copy):
        bits = np.unpackbits(np.frombuffer(_message(payload, column), dtype=np.uint8))
        stream = marked[:, column : column + per_copy].T.reshape(-1)
        wrong = (stream[:n_bits] & 1) != bits
        # The neighbour that shares all other bits: up from an even code, down from an odd one, so the mean stays.
        stream[:n_bits] ^= wrong.astype(codes.dtype)
        marked[:, column : column + per_copy] = stream.reshape(per_copy, n_rows).T
    return marked


def find_mark(codes: AnyCodes) -> Mark | None:
    """Look for a payload in the parity of the pixels.

    Parameters
    ----------
    codes : uint8 or uint16 array of shape (height, width)
        All rows that the marked picture had, and any of its columns.

    Returns
    -------
    Mark or None
        The first copy from the left whose checksum is right. Pixels that hold no mark pass for one with a chance of
        about ``width * 2 ** -64``.

    Raises
    ------
    ParameterError
        When the codes have another shape or type.
    """
    _shape(codes)
    for column in np.flatnonzero(_sync_at(codes))[:_MOST_COPIES]:
        found = _read(codes, int(column))
        if found is not None:
            return found
    return None


def _shape(codes: npt.NDArray[Any]) -> tuple[int, int]:
    bits_of(codes)
    if codes.ndim != 2:
        raise ParameterError(f"codes of shape {codes.shape}: (height, width) is needed")
    return codes.shape[0], codes.shape[1]


def _message(payload: bytes, column: int) -> bytes:
    body = column.to_bytes(_COLUMN_BYTES, "big") + payload
    size = len(payload).to_bytes(_SIZE_BYTES, "big")
    return _SYNC + size + zlib.crc32(size + body).to_bytes(_CHECK_BYTES, "big") + body


def _sync_at(codes: AnyCodes) -> npt.NDArray[np.bool_]:
    """For each column, whether the sync word runs down from its top (and on, in a picture of few rows)."""
    n_rows, n_columns = codes.shape
    bits = np.unpackbits(np.frombuffer(_SYNC, dtype=np.uint8))
    if codes.size < bits.size:
        return np.zeros(n_columns, dtype=np.bool_)
    there = np.ones(n_columns, dtype=np.bool_)
    for number, bit in enumerate(bits):
        later, row = divmod(number, n_rows)
        there[: n_columns - later] &= (codes[row, later:] & 1) == bit
    return there


def _read(codes: AnyCodes, column: int) -> Mark | None:
    """The copy that begins at this column, if it is whole."""
    head = _bytes(codes, column, _HEAD)
    if len(head) < _HEAD:
        return None
    size_end = len(_SYNC) + _SIZE_BYTES
    size = head[len(_SYNC) : size_end]
    check = head[size_end : size_end + _CHECK_BYTES]
    length = int.from_bytes(size, "big")
    message = _bytes(codes, column, _HEAD + length)
    body = message[size_end + _CHECK_BYTES :]
    if len(message) < _HEAD + length or zlib.crc32(size + body).to_bytes(_CHECK_BYTES, "big") != check:
        return None
    return Mark(payload=body[_COLUMN_BYTES:], column=int.from_bytes(body[:_COLUMN_BYTES], "big"), found_at=column)


def _bytes(codes: AnyCodes, column: int, n_bytes: int) -> bytes:
    """The first bytes of the bits that run down from the top of a column; fewer where the picture ends."""
    n_columns = -(-8 * n_bytes // codes.shape[0])
    stream: Bits = (codes[:, column : column + n_columns].T.reshape(-1) & 1).astype(np.uint8)
    whole = min(n_bytes, stream.size // 8)
    return np.packbits(stream[: 8 * whole]).tobytes()
