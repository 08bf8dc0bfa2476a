"""A page is one file, needs nothing else, escapes what it is given, and marks the right cells."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.page import (
    Card,
    Column,
    Note,
    Page,
    Picture,
    Row,
    Section,
    Sound,
    Table,
    audio_panel,
    encode_sound,
    format_number,
    outline,
    plain_picture,
    render,
    write_page,
)
from specloom.page.html import marks, time_ticks

RATE = 16000


def tone(seconds: float = 0.5, amplitude: float = 0.5, hz: float = 440.0) -> Audio:
    time = np.arange(int(seconds * RATE)) / RATE
    return Audio((amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32), RATE)


def sound(key: str = "a", name: str = "A") -> Sound:
    return encode_sound(tone(), key=key, name=name)


def page_of(*parts: Card | Table | Note) -> Page:
    return Page(title="Title", sections=(Section(heading="Section", parts=parts),))


class Collector(HTMLParser):
    """Every tag with its attributes, and that every element which was opened is closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: Page) -> Collector:
    collector = Collector()
    collector.feed(render(page))
    collector.close()
    assert collector.open == []
    return collector


def full_page() -> Page:
    audio = tone()
    card = Card(
        heading="Card",
        caption="Caption",
        sound=sound(),
        picture=plain_picture(audio_panel(audio), alt="A tone"),
        waveform=outline(audio),
    )
    other = Card(heading="Other", sound=sound("b", "B"), compare_with="a", wide=True)
    table = Table(
        caption="Losses",
        columns=(Column(heading="Step"), Column(heading="Loss", unit="dB", better="lower", hint="A hint")),
        rows=(Row(cells=("one", 1.0), sound="a"), Row(cells=("two", 2.0)), Row(cells=("all", 99.0), tone="strong")),
        note="A note",
    )
    return replace(
        page_of(card, other, table, Note(text="Verdict", kind="verdict", heading="Said")),
        introduction="First.\n\nSecond.",
        facts=(("Recipe", "spoof"),),
        footer="Foot",
    )


def test_nothing_is_fetched_from_anywhere() -> None:
    for tag, attributes in parsed(full_page()).tags:
        assert tag not in {"link", "iframe", "object", "embed"}
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
    style_and_script = re.findall(r"<(?:style|script)>(.*?)</", render(full_page()), flags=re.S)
    assert len(style_and_script) == 2
    for text in style_and_script:
        assert "@import" not in text
        assert "url(" not in text
        assert "http" not in text


def test_the_policy_names_the_script_that_is_there() -> None:
    import hashlib

    html = render(full_page())
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in html
    assert "default-src &#x27;none&#x27;" in html


HOSTILE = "<img src=x onerror=alert(1)>\"'&</script>"


def test_everything_given_is_escaped() -> None:
    audio = tone()
    page = Page(
        title=HOSTILE,
        introduction=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        footer=HOSTILE,
        sections=(
            Section(
                heading=HOSTILE,
                introduction=HOSTILE,
                parts=(
                    Card(
                        heading=HOSTILE,
                        caption=HOSTILE,
                        sound=sound("a", HOSTILE),
                        picture=plain_picture(audio_panel(audio), alt=HOSTILE),
                    ),
                    Note(text=HOSTILE, heading=HOSTILE),
                    Table(
                        caption=HOSTILE,
                        note=HOSTILE,
                        columns=(Column(heading=HOSTILE, unit=HOSTILE, hint=HOSTILE), Column(heading="x")),
                        rows=(Row(cells=(HOSTILE, HOSTILE), sound="a"),),
                    ),
                ),
            ),
        ),
    )
    found = parsed(page)
    assert [attributes["src"][:5] for tag, attributes in found.tags if tag == "img"] == ["data:"]
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "".join(found.text).count("onerror=alert(1)") == 18


@given(st.text())
def test_any_text_survives(text: str) -> None:
    html = render(Page(title="T", footer=text))
    collector = Collector()
    collector.feed(html[html.index("<body>") : html.index("<script>")])
    collector.close()
    wanted = "".join(text.split())
    # HTML has no way to write these: they become the replacement character or vanish.
    clean = "".join(c for c in wanted if c.isprintable())
    got = "".join(c for c in "".join("".join(collector.text).split()) if c.isprintable())
    assert clean in got or not clean.isprintable()


def test_embedded_sound_is_the_sound() -> None:
    audio = tone()
    data = encode_sound(audio, key="k", name="n").data
    samples, rate = soundfile.read(BytesIO(data), dtype="float32")
    assert rate == RATE
    assert np.abs(samples - audio.samples).max() <= 1.0 / 32768


def test_sound_beyond_full_scale_is_turned_down_and_says_so() -> None:
    loud = encode_sound(tone(amplitude=4.0), key="k", name="n")
    samples, _ = soundfile.read(BytesIO(loud.data), dtype="float32")
    assert loud.gain_db == pytest.approx(-20 * np.log10(4.0), abs=0.02)
    assert np.abs(samples - tone().samples * 2).max() < 1e-3
    assert "−12.0 dB" in render(page_of(Card(heading="h", sound=loud)))


def test_a_sound_can_be_cut_and_an_empty_one_is_refused() -> None:
    assert encode_sound(tone(), key="k", name="n", seconds=0.25).duration_s == 0.25
    with pytest.raises(ParameterError, match="empty"):
        encode_sound(Audio(np.zeros(0, np.float32), RATE), key="k", name="n")


def test_stereo_keeps_its_channels() -> None:
    both = Audio(np.stack([tone().samples, tone(amplitude=0.1).samples]), RATE)
    samples, _ = soundfile.read(BytesIO(encode_sound(both, key="k", name="n").data))
    assert samples.shape == (both.n_samples, 2)
    assert np.abs(samples[:, 1]).max() == pytest.approx(0.1, abs=1e-3)


def test_outline_holds_the_extremes() -> None:
    samples = np.zeros(1000, np.float32)
    samples[[3, 777]] = [0.9, -0.8]
    wave = outline(Audio(samples, RATE), columns=10)
    assert wave.high.index(max(wave.high)) == 0
    assert max(wave.high) == pytest.approx(0.9)
    assert wave.low.index(min(wave.low)) == 7
    assert min(wave.low) == pytest.approx(-0.8)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1.25, 1, "1.2"),
        (-3.0, 1, "−3.0"),
        (-0.04, 1, "0.0"),
        (12345.6, 0, "12,346"),
        (None, 1, "–"),
        (float("nan"), 1, "–"),
        (float("inf"), 1, "∞"),
        (float("-inf"), 2, "−∞"),
    ],
)
def test_numbers_as_a_reader_wants_them(value: float | None, decimals: int, text: str) -> None:
    assert format_number(value, decimals) == text


@pytest.mark.parametrize(
    ("better", "values", "expected"),
    [
        ("lower", [1.0, 2.0, 3.0], ["best", "", "worst"]),
        ("higher", [1.0, 2.0, 3.0], ["worst", "", "best"]),
        ("zero", [-5.0, 1.0, None], ["worst", "best", ""]),
        ("lower", [1.0, 1.01, 3.0], ["best", "best", "worst"]),
        ("lower", [1.0, 1.0, 1.0, 3.0], ["", "", "", "worst"]),
        ("lower", [1.0, 1.01], ["", ""]),
        ("lower", [1.0, None], ["", ""]),
        ("lower", [float("-inf"), 1.0], ["best", "worst"]),
        (None, [1.0, 2.0], ["", ""]),
    ],
)
def test_marks(better: str | None, values: list[float | None], expected: list[str]) -> None:
    assert marks(Column(heading="c", better=better), values) == expected  # type: ignore[arg-type]


def test_totals_take_no_part_in_the_marks() -> None:
    html = render(full_page())
    assert '<td class="best">1.0' in html
    assert '<td class="worst">2.0' in html
    assert re.search(r'<tr class="strong">.*?<td>99.0</td>', html)


@given(st.floats(0, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_and_inside(start: float, span: float) -> None:
    ticks = time_ticks(start, span)
    assert len(ticks) <= 7
    assert all(start - 1e-5 <= tick <= start + span + 1e-5 for tick in ticks)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ParameterError, match="'a' belongs to 2 sounds"):
        page_of(Card(heading="x", sound=sound()), Card(heading="y", sound=sound()))
    with pytest.raises(ParameterError, match="no sound of this page has the key 'b'"):
        page_of(Card(heading="x", sound=sound(), compare_with="b"))
    with pytest.raises(ParameterError, match="row 0 has 1 cells, the table 2 columns"):
        Table(caption="c", columns=(Column(heading="a"), Column(heading="b")), rows=(Row(cells=("x",)),))
    with pytest.raises(ParameterError, match="alt is empty"):
        Picture(data=b"", alt=" ", width=1, height=1)
    with pytest.raises(ParameterError, match="media_type='image/gif'"):
        Picture(data=b"", alt="x", width=1, height=1, media_type="image/gif")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="key="):
        replace(sound(), key='a"b')
    with pytest.raises(ParameterError, match="speed="):
        replace(sound(), speed=0.0)


def test_a_picture_says_what_kind_of_file_it_is() -> None:
    picture = Picture(data=b"jpeg", alt="x", width=1, height=1, media_type="image/jpeg")
    html = render(page_of(Card(heading="x", picture=picture)))
    assert f"data:image/jpeg;base64,{base64.b64encode(b'jpeg').decode()}" in html


def test_headings_of_words_stand_over_their_words() -> None:
    columns = (Column(heading="What"), Column(heading="Value"), Column(heading="Sure"))
    table = Table(caption="c", columns=columns, rows=(Row(cells=("x", "words", 1.0)),))
    html = render(page_of(table))
    assert '<th scope="col" class="text">Value</th>' in html
    assert '<th scope="col">What</th>' in html
    assert '<th scope="col">Sure</th>' in html


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_page(tmp_path / "sub" / "index.html", full_page())
    before = path.read_text(encoding="utf-8")
    assert before == render(full_page())

    def half(self: Path, text: str, **_: object) -> int:
        with self.open("w", encoding="utf-8") as file:
            file.write(text[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space"):
        write_page(path, replace(full_page(), title="New"))
    assert path.read_text(encoding="utf-8") == before
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
