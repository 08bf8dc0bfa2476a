"""``specloom demo``: the first thing that a user runs."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tyro
from PIL import Image

from specloom import sounds
from specloom.cli.demo import Demo
from specloom.cli.main import main
from specloom.io.audio import load
from specloom.pictures import Picture


@pytest.fixture(scope="module")
def shown_and_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    import io
    from contextlib import redirect_stdout

    out = tmp_path_factory.mktemp("demo") / "demo"
    screen = io.StringIO()
    with redirect_stdout(screen):
        assert tyro.cli(Demo, args=["-o", str(out)]).run() == 0
    return screen.getvalue(), out


def size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_the_table_and_the_page_are_shown(shown_and_folder: tuple[str, Path]) -> None:
    shown, folder = shown_and_folder
    assert "speech, recipe tacotron: what each step loses" in shown
    assert "music, recipe librosa: what each step loses" in shown
    assert "80 mel bands" in shown
    assert shown.rstrip().endswith(f"page: {folder / 'index.html'}")


def test_the_page_stands_alone_and_is_small(shown_and_folder: tuple[str, Path]) -> None:
    page = shown_and_folder[1] / "index.html"
    html = page.read_text(encoding="utf-8")
    assert len(html) < 8e6
    assert not re.search(r'(src|href)="(?!data:)', html)
    players = re.findall(r'<audio id="sound-([\w-]+)"', html)
    assert {"speech-original", "speech-copy-linear", "speech-copy-mel", "music-copy-mel"} <= set(players)
    assert html.count('class="scope seek"') == len(players)
    assert "What spoils it: the sample rate" in html
    assert "Griffin-Lim does not" in html


def test_the_folder_holds_sounds_pictures_and_figures(shown_and_folder: tuple[str, Path]) -> None:
    folder = shown_and_folder[1]
    for scene in ("speech", "music", "article"):
        plain = json.loads((folder / scene / "report.json").read_text(encoding="utf-8"))
        for name in plain["sounds"].values():
            samples, _ = soundfile.read(folder / scene / name)
            assert np.abs(samples).max() > 0.01
        for stem in ("linear", "mel", "both"):
            assert size(folder / scene / f"{stem}.png")[0] > 50
    # One row of pixels per bin and per band, no axes, no margin.
    assert size(folder / "speech" / "linear.png")[1] == 1025
    assert size(folder / "speech" / "mel.png")[1] == 80


def test_pictures_that_can_be_heard_are_on_the_page_as_they_lie_in_the_folder(
    shown_and_folder: tuple[str, Path],
) -> None:
    folder = shown_and_folder[1]
    html = (folder / "index.html").read_text(encoding="utf-8")
    for name, kind in (("speech.png", "png"), ("speech-exact.png", "png"), ("speech-75.jpg", "jpeg")):
        data = (folder / "picture" / name).read_bytes()
        assert f"data:image/{kind};base64,{b64encode(data).decode()}" in html
        picture = Picture.open(folder / "picture" / name)
        heard = load(folder / "picture" / f"{Path(name).stem}-heard.wav")
        np.testing.assert_array_equal(heard.samples, picture.audio().samples)
        assert heard.n_samples == load(sounds.path("speech")).n_samples
    for stem in ("speech", "speech-exact", "speech-75", "speech-figure"):
        samples, _ = soundfile.read(folder / "picture" / f"{stem}-heard.wav")
        assert np.abs(samples).max() > 0.01
    assert "What was found out about the figure" in html
    assert {"picture-png", "picture-exact", "picture-jpeg", "picture-figure"} <= set(
        re.findall(r'<audio id="sound-([\w-]+)"', html)
    )


def test_what_came_back_is_the_recording(shown_and_folder: tuple[str, Path]) -> None:
    for scene in ("speech", "music"):
        plain = json.loads((shown_and_folder[1] / scene / "report.json").read_text(encoding="utf-8"))
        rows = {row["key"]: row for row in plain["rows"]}
        assert rows["copy-linear"]["spectral_convergence_db"] < -15
        assert rows["copy-linear"]["log_spectral_distance_db"] < 2
        assert abs(rows["copy-linear"]["level_db"]) < 0.5
        assert abs(rows["copy-mel"]["level_db"]) < 2
        assert rows["copy-mel"]["log_spectral_distance_db"] < 4
        assert abs(rows["copy-mel"]["duration_change_s"]) < 1e-6


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert main(["demo", "-o", str(tmp_path / "file" / "demo")]) == 2
    assert f"a folder to write to is needed, and {tmp_path / 'file'} is a file" in capsys.readouterr().err
