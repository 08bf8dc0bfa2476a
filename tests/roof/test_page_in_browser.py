"""The page in a real browser: its script runs under its own policy, and the sounds can be played."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.page import (
    Card,
    Column,
    Page,
    Row,
    Section,
    Table,
    audio_panel,
    encode_sound,
    outline,
    plain_picture,
    write_page,
)

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium (apt-get install chromium)")

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=4000 --dump-dom"
)


@pytest.fixture(scope="module")
def dom(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    audio = Audio((0.3 * np.sin(np.arange(24000) * 0.1)).astype(np.float32), 16000)
    first = Card(
        heading="First",
        sound=encode_sound(audio, key="first", name="The first"),
        picture=plain_picture(audio_panel(audio), alt="A tone"),
        waveform=outline(audio),
    )
    second = Card(heading="Second", sound=encode_sound(audio, key="second", name="The second"), compare_with="first")
    table = Table(caption="T", columns=(Column(heading="Step"),), rows=(Row(cells=("one",), sound="first"),))
    page = Page(title="T", sections=(Section(heading="S", parts=(first, second, table)),))
    path = write_page(folder / "index.html", page)
    # A length that the page was told wrongly: what the clocks show must come from the sound itself.
    told = path.read_text(encoding="utf-8").replace('data-duration="1.500000"', 'data-duration="9.000000"')
    path.write_text(told, encoding="utf-8")
    command = [str(BROWSER), *_FLAGS.split(), f"--user-data-dir={folder / 'profile'}", Path(path).as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_script_runs_under_the_policy(dom: str) -> None:
    assert 'class="scripted"' in dom
    assert 'role="region" aria-label="Player"' in dom


def test_the_browser_can_decode_the_sounds(dom: str) -> None:
    assert re.findall(r'<output class="clock" data-sound="\w+">([^<]*)', dom) == ["0:00.0 / 0:01.5"] * 2


def test_the_picture_is_a_slider_for_the_keyboard(dom: str) -> None:
    (scope,) = re.findall(r'<div class="scope seek"[^>]*>', dom)
    for attribute in ('tabindex="0"', 'role="slider"', 'aria-valuemax="9.0"', 'aria-label="Place in The first"'):
        assert attribute in scope
