"""What lies beside a page in its folder: figures as JSON and CSV, pictures. Every file is whole or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from specloom.io.atomic import written_beside
from specloom.page.parts import Picture


def as_text(text: str) -> str:
    """A text that every page and terminal can hold: a file's name may have bytes that are no text.

    Examples
    --------
    >>> as_text("caf\\udce9.wav")
    'caf\\\\udce9.wav'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(path: Path, plain: Mapping[str, Any]) -> None:
    """Write plain JSON values; no NaN, no infinity."""
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    with written_beside(path) as temporary:
        temporary.write_text(as_text(text) + "\n", encoding="utf-8")


def write_csv(
    path: Path,
    names: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    unknown: Literal["raise", "ignore"] = "raise",
) -> None:
    """Write rows under a line of names; a name that a row lacks stays empty, one that no column has is refused.

    Parameters
    ----------
    path : Path
    names : sequence of str
    rows : iterable of mapping
    unknown : {"raise", "ignore"}
        What becomes of a name that no column has.
    """
    with (
        written_beside(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, names, restval="", extrasaction=unknown)
        writer.writeheader()
        writer.writerows(rows)


def write_pictures(folder: Path, pictures: Mapping[str, Picture]) -> None:
    """Write pictures under their names, as ``.png``."""
    for name, picture in pictures.items():
        with written_beside(folder / f"{name}.png") as temporary:
            temporary.write_bytes(picture.data)
