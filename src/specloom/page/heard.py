"""Sounds side by side: a card for each, with its picture, and a table of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from specloom.audio import Audio
from specloom.page.figure import audio_panel, plain_picture
from specloom.page.masks import in_words, score_cells, score_columns
from specloom.page.parts import Card, Column, Row, Table
from specloom.page.sound import encode_sound, outline
from specloom.tasks.scores import Scores

_RANGE_DB = 70.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """A sound of a section, and what is said about it.

    Parameters
    ----------
    key : str
        Unique in the section.
    heading, caption : str
    audio : Audio
    scores : Scores or None
        Against the original; None for that.
    """

    key: str
    heading: str
    caption: str
    audio: Audio
    scores: Scores | None = None


def heard_cards(heard: Sequence[Heard], *, prefix: str, before: str, after: str) -> list[Card]:
    """A card for each sound, pictures at one scale; each is compared with the sound `before`, and that with `after`."""
    reference = audio_panel(heard[0].audio).peak
    return [
        Card(
            heading=each.heading,
            caption=each.caption if each.scores is None else f"{each.caption} {in_words(each.scores)}".strip(),
            sound=encode_sound(each.audio, key=f"{prefix}{each.key}", name=each.heading),
            picture=plain_picture(
                audio_panel(each.audio), alt=f"Spectrogram: {each.heading}", reference=reference, range_db=_RANGE_DB
            ),
            waveform=outline(each.audio),
            compare_with=f"{prefix}{before if each.key != before else after}",
        )
        for each in heard
    ]


def heard_table(heard: Sequence[Heard], *, prefix: str, strong: str, caption: str) -> Table:
    """The scores of the sounds that have some."""
    rate = heard[0].audio.sample_rate
    rows = tuple(
        Row(
            cells=score_cells(each.heading, each.scores),
            sound=f"{prefix}{each.key}",
            tone="strong" if each.key == strong else "plain",
        )
        for each in heard
        if each.scores is not None
    )
    return Table(
        caption=caption,
        columns=(Column(heading="Sound"), *(replace(column, better=None) for column in score_columns(rate)[1:])),
        rows=rows,
    )
