"""Names of the pieces of a recording: NAME.png when there is one, else NAME-001.png, NAME-002.png …"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def piece_path(whole: Path, index: int, count: int) -> Path:
    """Where piece ``index`` (from 0) of ``count`` lies, when the only one would lie at ``whole``."""
    return whole if count == 1 else whole.with_name(f"{whole.stem}-{_number(index, count)}{whole.suffix}")


def whole_stem(piece: Path, index: int, count: int) -> str:
    """The name without its number; the inverse of `piece_path`. Another name is left as it is."""
    return piece.stem if count == 1 else piece.stem.removesuffix(f"-{_number(index, count)}")


def run_stem(piece: Path, indices: Iterable[int], count: int) -> str:
    """The name of what pieces become that are not all of a recording: NAME-002-004, or that of one alone."""
    there = sorted(set(indices))
    if len(there) == 1:
        return piece.stem
    stem = whole_stem(piece, there[0], count)
    return "-".join([stem, _number(there[0], count), _number(there[-1], count)])


def missing_pieces(indices: Iterable[int], count: int) -> str:
    """Which pieces are not there, in words; empty when all are.

    >>> missing_pieces([1, 2, 6], 8)
    'pieces 1, 4-6 and 8 of 8 are missing'
    >>> missing_pieces([0], 2)
    'piece 2 of 2 is missing'
    """
    there = set(indices)
    stretches: list[list[int]] = []
    for number in range(1, count + 1):
        if number - 1 in there:
            continue
        if stretches and stretches[-1][-1] == number - 1:
            stretches[-1] = [stretches[-1][0], number]
        else:
            stretches.append([number])
    if not stretches:
        return ""
    *before, last = ["-".join(map(str, stretch)) for stretch in stretches]
    several = bool(before) or len(stretches[0]) > 1
    listed = f"{', '.join(before)} and {last}" if before else last
    return f"piece{'s' if several else ''} {listed} of {count} {'are' if several else 'is'} missing"


def _number(index: int, count: int) -> str:
    return f"{index + 1:0{max(3, len(str(count)))}}"
