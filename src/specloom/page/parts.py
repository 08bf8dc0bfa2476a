"""What a page is made of: small frozen values, without a word of HTML in them.

A page is a title and sections; a section is a list of parts in reading order: cards (a sound with its picture),
tables and notes. Neighbouring cards stand side by side when the window is wide enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from specloom.errors import ParameterError

Better = Literal["lower", "higher", "zero"]
RowTone = Literal["plain", "strong", "muted"]
NoteKind = Literal["plain", "verdict", "caution"]


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound that is embedded in the page.

    Parameters
    ----------
    key : str
        A name that is unique on the page; rows of tables and `Card.compare_with` refer to it.
    name : str
        What a listener reads while it plays.
    data : bytes
        The encoded file (see `specloom.page.encode_sound`).
    media_type : str
        ``"audio/flac"`` or ``"audio/wav"``.
    duration_s : float
    offset_s, speed : float
        Where the sound lies on the page's common time line: its second ``t`` is the second
        ``offset_s + speed * t`` there. Comparing two sounds keeps the place on that line, also when one of them
        was trimmed (``offset_s``) or is written at a wrong rate (``speed``).
    gain_db : float
        What the embedding changed about the level (0 unless the sound would clip).
    """

    key: str
    name: str
    data: bytes
    media_type: str
    duration_s: float
    offset_s: float = 0.0
    speed: float = 1.0
    gain_db: float = 0.0

    def __post_init__(self) -> None:
        if not self.key or not all(letter.isalnum() or letter in "-_" for letter in self.key):
            raise ParameterError(f"key={self.key!r}: letters, digits, '-' and '_' are needed, at least one")
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise ParameterError(f"speed={self.speed!r}: a number above 0 is needed")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that is embedded in the page.

    Parameters
    ----------
    data : bytes
        The file, PNG if ``media_type`` does not say otherwise.
    alt : str
        What the picture shows, for those who do not see it. Never empty.
    width, height : int
        Pixels of the file.
    start_s, span_s : float
        The seconds of the sound that the left edge and the whole width show. With a span of 0 the picture has no
        time axis, and no playhead runs over it.
    levels : tuple of (float, str)
        Marks on the vertical axis: height as a share of the picture (0 bottom, 1 top), and its label.
    media_type : {"image/png", "image/jpeg"}
    """

    data: bytes
    alt: str
    width: int
    height: int
    start_s: float = 0.0
    span_s: float = 0.0
    levels: tuple[tuple[float, str], ...] = ()
    media_type: Literal["image/png", "image/jpeg"] = "image/png"

    def __post_init__(self) -> None:
        if self.media_type not in ("image/png", "image/jpeg"):
            raise ParameterError(f"media_type={self.media_type!r}: allowed are 'image/png' and 'image/jpeg'")
        if not self.alt.strip():
            raise ParameterError("alt is empty: say in words what the picture shows")


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The outline of a sound: the least and the greatest sample of every column, full scale ±1."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high):
            raise ParameterError(f"low has {len(self.low)} columns, high {len(self.high)}: the same number is needed")


@dataclass(frozen=True, kw_only=True)
class Card:
    """One thing to hear, to see, or both.

    Parameters
    ----------
    heading : str
    caption : str
        One or two sentences below.
    sound, picture, waveform : optional
    compare_with : str, optional
        The key of another sound: a button then switches between the two and keeps the place.
    wide : bool
        Take the whole width of the page.
    """

    heading: str
    caption: str = ""
    sound: Sound | None = None
    picture: Picture | None = None
    waveform: Waveform | None = None
    compare_with: str | None = None
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    heading : str
    unit : str
        Shown small below the heading.
    decimals : int
        Digits after the point of its numbers.
    better : {"lower", "higher", "zero"}, optional
        Which direction is good. With it, the worst cell is marked, and the best too if the table wants it.
    signed : bool
        Write a plus before numbers above zero.
    hint : str
        What the numbers are, in a sentence.
    """

    heading: str
    unit: str = ""
    decimals: int = 1
    better: Better | None = None
    signed: bool = False
    hint: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher", "zero", None):
            raise ParameterError(f"better={self.better!r}: allowed are 'lower', 'higher', 'zero' and None")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Parameters
    ----------
    cells : tuple of str, float or None
        One per column; None is shown as a dash.
    sound : str, optional
        The key of a sound on the page that a button in the first cell plays.
    tone : {"plain", "strong", "muted"}
        Strong rows stand out, such as a total; muted ones stand back. Only plain rows take part in the marks for best
        and worst.
    """

    cells: tuple[str | float | None, ...]
    sound: str | None = None
    tone: RowTone = "plain"

    def __post_init__(self) -> None:
        if self.tone not in ("plain", "strong", "muted"):
            raise ParameterError(f"tone={self.tone!r}: allowed are 'plain', 'strong' and 'muted'")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption. The first column is the heading of its row.

    Without ``mark_best`` only the worst cells are marked: right where doing nothing would be the best.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    mark_best: bool = True

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row.cells) != len(self.columns):
                raise ParameterError(
                    f"row {index} has {len(row.cells)} cells, the table {len(self.columns)} columns: they must agree"
                )


@dataclass(frozen=True, kw_only=True)
class Note:
    """A paragraph: plain, a verdict (the sentence to remember), or a caution."""

    text: str
    kind: NoteKind = "plain"
    heading: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("plain", "verdict", "caution"):
            raise ParameterError(f"kind={self.kind!r}: allowed are 'plain', 'verdict' and 'caution'")


Part = Card | Table | Note


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a few sentences, and parts in reading order."""

    heading: str
    introduction: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page.

    Parameters
    ----------
    title, introduction : str
        Paragraphs of the introduction are separated by an empty line.
    facts : tuple of (str, str)
        Short facts below the title: what, and its value.
    sections : tuple of Section
    footer : str

    Raises
    ------
    ParameterError
        When two sounds have one key, or a key is referred to that no sound has.
    """

    title: str
    introduction: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    footer: str = ""

    def __post_init__(self) -> None:
        keys = [sound.key for sound in self.sounds]
        for key in keys:
            if keys.count(key) > 1:
                raise ParameterError(f"key={key!r} belongs to {keys.count(key)} sounds: every sound needs its own")
        for key in self._references():
            if key not in keys:
                raise ParameterError(f"no sound of this page has the key {key!r}; there are {sorted(keys)}")

    @property
    def sounds(self) -> tuple[Sound, ...]:
        """Every sound of the page, in reading order."""
        parts = (part for section in self.sections for part in section.parts)
        return tuple(part.sound for part in parts if isinstance(part, Card) and part.sound is not None)

    def _references(self) -> list[str]:
        found: list[str | None] = []
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Card):
                    found.append(part.compare_with)
                elif isinstance(part, Table):
                    found.extend(row.sound for row in part.rows)
        return [key for key in found if key is not None]
