"""A page as one HTML file that needs nothing else: no network, no file beside it, and no script to be readable."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from itertools import groupby
from os import PathLike
from pathlib import Path

from specloom.errors import ParameterError
from specloom.io.atomic import written_beside
from specloom.page.parts import Card, Column, Note, Page, Part, Picture, Row, Section, Sound, Table, Waveform

_MINUS = "\N{MINUS SIGN}"
_DASH = "\N{EN DASH}"
# A waveform is drawn in a box of this height; its width is the number of columns.
_WAVE_HEIGHT = 100.0
_MOST_BEST = 2


def render(page: Page) -> str:
    """The page as the text of one HTML file.

    Everything that a caller gave is escaped. A content security policy in the head forbids every connection and every
    script but the one that is written here, named by its hash.
    """
    style = _asset("page.css")
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="generator" content="specloom">',
            f"<title>{escape(page.title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            _header(page),
            "<main>",
            *(_section(section) for section in page.sections),
            "</main>",
            f'<footer class="foot">{_paragraphs(page.footer)}</footer>' if page.footer else "",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def write_page(path: str | PathLike[str], page: Page) -> Path:
    """Write `render` of a page to a file, which is whole or not there.

    Raises
    ------
    OSError
        As the system gives it: no permission, a full disk, a folder at ``path``.
    """
    with written_beside(path) as temporary:
        temporary.write_text(render(page), encoding="utf-8")
    return Path(path)


def format_number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A number as a reader wants it: a true minus sign, no "-0.0", a dash where there is nothing.

    >>> format_number(-12.345, 1), format_number(-0.01, 1), format_number(3, 0, signed=True), format_number(None, 1)
    ('−12.3', '0.0', '+3', '–')
    """
    if value is None or math.isnan(value):
        return _DASH
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else f"{_MINUS}\N{INFINITY}"
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0.0:
        return text.lstrip("-")
    return ("+" if signed and value > 0 else "") + text.replace("-", _MINUS)


def marks(column: Column, values: Iterable[float | None]) -> list[str]:
    """For each value ``"best"``, ``"worst"`` or ``""``, by the column's direction.

    Values that read alike (after rounding) share a mark; nothing is marked where all values read alike, and no best
    that more than two share.
    """
    values = list(values)
    if column.better is None:
        return [""] * len(values)
    badness = {"lower": lambda x: x, "higher": lambda x: -x, "zero": abs}[column.better]
    scores = [None if v is None or math.isnan(v) else badness(_rounded(v, column.decimals)) for v in values]
    known = [score for score in scores if score is not None]
    if len(known) < 2 or min(known) == max(known):
        return [""] * len(values)
    names = {max(known): "worst"}
    if known.count(min(known)) <= _MOST_BEST:
        names[min(known)] = "best"
    return ["" if score is None else names.get(score, "") for score in scores]


def _rounded(value: float, decimals: int) -> float:
    return value if math.isinf(value) else round(value, decimals)


def _asset(name: str) -> str:
    text = files("specloom.page").joinpath("assets", name).read_text(encoding="utf-8")
    if "</" in text:
        raise ParameterError(f"the asset {name} holds '</', which would end its element in the page")
    return text


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def _header(page: Page) -> str:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts)
    return (
        f'<header class="head"><h1>{escape(page.title)}</h1>'
        f'<div class="lead">{_paragraphs(page.introduction)}</div>'
        + (f"<dl>{facts}</dl>" if facts else "")
        + "</header>"
    )


def _section(section: Section) -> str:
    body = []
    for is_card, parts in groupby(section.parts, key=lambda part: isinstance(part, Card)):
        html = "".join(_part(part) for part in parts)
        body.append(f'<div class="cards">{html}</div>' if is_card else html)
    return (
        f"<section><h2>{escape(section.heading)}</h2>"
        f'<div class="intro">{_paragraphs(section.introduction)}</div>{"".join(body)}</section>'
    )


def _part(part: Part) -> str:
    if isinstance(part, Card):
        return _card(part)
    if isinstance(part, Table):
        return _table(part)
    return _note(part)


def _note(note: Note) -> str:
    heading = f"<h3>{escape(note.heading)}</h3>" if note.heading else ""
    return f'<aside class="note {note.kind}">{heading}{_paragraphs(note.text)}</aside>'


def _card(card: Card) -> str:
    # The heading of the bar below a picture is the card's own, so that a player and its picture read as one thing.
    classes = "card wide" if card.wide else "card"
    return (
        f'<article class="{classes}"><h3>{escape(card.heading)}</h3>{_scope(card)}{_player(card)}'
        + (f'<div class="caption">{_paragraphs(card.caption)}</div>' if card.caption else "")
        + "</article>"
    )


def _scope(card: Card) -> str:
    """The waveform and the picture, one above the other, on one time line."""
    if card.picture is None and card.waveform is None:
        return ""
    picture = card.picture
    inside = (_waveform(card.waveform) if card.waveform else "") + (_picture(picture) if picture else "")
    span = picture.span_s if picture else (card.sound.duration_s if card.sound else 0.0)
    start = picture.start_s if picture else 0.0
    axis = _time_axis(start, span) if span > 0 else ""
    if card.sound is None or span <= 0:
        return f'<div class="scope">{inside}</div>{axis}'
    seek = f'class="scope seek" data-sound="{card.sound.key}" data-start="{start:.6f}" data-span="{span:.6f}"'
    return f'<div {seek}>{inside}<div class="head-line" hidden></div></div>{axis}'


def _picture(picture: Picture) -> str:
    labels = "".join(
        f'<span class="level" style="bottom:{100 * share:.2f}%">{escape(label)}</span>'
        for share, label in picture.levels
    )
    source = _data_uri(picture.media_type, picture.data)
    size = f'width="{picture.width}" height="{picture.height}"'
    kind = "pane" if picture.span_s > 0 else "plate"
    return f'<div class="{kind}"><img alt="{escape(picture.alt)}" {size} src="{source}">{labels}</div>'


def _waveform(wave: Waveform) -> str:
    """A closed outline: along the greatest samples, and back along the least."""
    middle = _WAVE_HEIGHT / 2
    upper = [f"{x},{middle - middle * min(1.0, high):.1f}" for x, high in enumerate(wave.high)]
    lower = [f"{x},{middle - middle * max(-1.0, low):.1f}" for x, low in enumerate(wave.low)]
    points = " ".join(upper + lower[::-1])
    width = max(1, len(wave.high) - 1)
    return (
        f'<svg class="wave" viewBox="0 0 {width} {_WAVE_HEIGHT:.0f}" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{points}"/></svg>'
    )


def time_ticks(start_s: float, span_s: float, most: int = 6) -> list[float]:
    """Round times inside ``[start_s, start_s + span_s]``, at most ``most`` of them.

    >>> time_ticks(0.0, 5.2)
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    rough = span_s / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(start_s / step - 1e-9)
    last = math.floor((start_s + span_s) / step + 1e-9)
    return [round(index * step, 6) for index in range(first, last + 1)]


def _time_axis(start_s: float, span_s: float) -> str:
    ticks = time_ticks(start_s, span_s)
    texts = [f"{tick:g}" for tick in ticks[:-1]] + [f"{tick:g} s" for tick in ticks[-1:]]
    labels = "".join(
        f'<span style="left:{100 * (tick - start_s) / span_s:.2f}%">{text}</span>' for tick, text in zip(ticks, texts)
    )
    return f'<div class="axis" aria-hidden="true">{labels}</div>'


def _player(card: Card) -> str:
    sound = card.sound
    if sound is None:
        return ""
    compare = ""
    if card.compare_with is not None:
        compare = (
            f'<button type="button" class="compare" data-sound="{sound.key}" data-other="{card.compare_with}" '
            'aria-pressed="false" title="Switch between this sound and the one it is compared with, at the same place">'
            "Compare</button>"
        )
    return (
        '<div class="bar">'
        + _play_button(sound.key, sound.name)
        + f'<output class="clock" data-sound="{sound.key}"></output>{compare}{_audio(sound)}</div>'
        + _gain_line(sound)
    )


def _play_button(key: str, name: str) -> str:
    # The shape is drawn by the style sheet, from the pressed state.
    return (
        f'<button type="button" class="play" data-sound="{key}" aria-pressed="false" '
        f'aria-label="Play {escape(name)}"><i></i></button>'
    )


def _audio(sound: Sound) -> str:
    return (
        f'<audio id="sound-{sound.key}" controls preload="metadata" aria-label="{escape(sound.name)}" '
        f'data-name="{escape(sound.name)}" data-duration="{sound.duration_s:.6f}" data-offset="{sound.offset_s:.6f}" '
        f'data-speed="{sound.speed:.6f}" src="{_data_uri(sound.media_type, sound.data)}"></audio>'
    )


def _gain_line(sound: Sound) -> str:
    if sound.gain_db == 0.0:
        return ""
    gain = format_number(sound.gain_db, 1)
    return f'<p class="gain">Played here at {gain} dB, because it goes beyond full scale.</p>'


def _table(table: Table) -> str:
    head = "".join(_heading_cell(column, _is_text(table, at)) for at, column in enumerate(table.columns))
    indented = any(row.sound for row in table.rows)
    found = _marks_by_row(table)
    body = "".join(_row(row, table.columns, marks, indented) for row, marks in zip(table.rows, found))
    note = f'<p class="table-note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{escape(table.caption)}"><table>'
        f"<caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _marks_by_row(table: Table) -> list[list[str]]:
    """For each row the mark of each of its cells; only plain rows compete."""
    found = [[""] * len(table.columns) for _ in table.rows]
    plain = [index for index, row in enumerate(table.rows) if row.tone == "plain"]
    for at, column in enumerate(table.columns):
        for index, mark in zip(plain, marks(column, [_number(table.rows[index].cells[at]) for index in plain])):
            found[index][at] = mark if table.mark_best or mark != "best" else ""
    return found


def _number(cell: str | float | None) -> float | None:
    return None if cell is None or isinstance(cell, str) else float(cell)


def _is_text(table: Table, at: int) -> bool:
    """Whether a column, other than the first, holds words."""
    return at > 0 and any(isinstance(row.cells[at], str) for row in table.rows)


def _heading_cell(column: Column, is_text: bool) -> str:
    unit = f"<small>{escape(column.unit)}</small>" if column.unit else ""
    hint = f' title="{escape(column.hint)}"' if column.hint else ""
    style = ' class="text"' if is_text else ""
    return f'<th scope="col"{style}{hint}>{escape(column.heading)}{unit}</th>'


def _row(row: Row, columns: tuple[Column, ...], found: list[str], indented: bool) -> str:
    texts = [
        escape(cell) if isinstance(cell, str) else format_number(cell, column.decimals, signed=column.signed)
        for cell, column in zip(row.cells, columns)
    ]
    button = '<span class="no-button"></span>' if indented else ""
    if row.sound is not None:
        button = _play_button(row.sound, str(row.cells[0]))
    heading = f'<th scope="row"><span class="name">{button}<span>{texts[0]}</span></span></th>'
    cells = [_cell(text, isinstance(cell, str), mark) for text, cell, mark in zip(texts, row.cells, found)]
    opening = "<tr>" if row.tone == "plain" else f'<tr class="{row.tone}">'
    return f"{opening}{heading}{''.join(cells[1:])}</tr>"


def _cell(text: str, is_text: bool, mark: str) -> str:
    classes = " ".join(filter(None, ["text" if is_text else "", mark]))
    spoken = f'<span class="spoken"> ({mark})</span>' if mark else ""
    return f'<td class="{classes}">{text}{spoken}</td>' if classes else f"<td>{text}</td>"
