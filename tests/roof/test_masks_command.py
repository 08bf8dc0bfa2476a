"""``specloom masks``: the table on the screen, the folder on the disk, and bad input."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from specloom import sounds
from specloom.audio import Audio
from specloom.cli.main import main
from specloom.io.audio import load, save
from specloom.tasks.mask_lab import ORACLES

RATE = 16000


@pytest.fixture(scope="module")
def speech() -> Audio:
    audio = load(sounds.path("speech"))
    return Audio(audio.samples[8000:40000], RATE)


@pytest.fixture(scope="module")
def files(speech: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("in")
    noise = 0.02 * np.random.default_rng(1).standard_normal(speech.n_samples).astype(np.float32)
    save(root / "clean.wav", speech)
    save(root / "noise.wav", Audio(noise, RATE))
    save(root / "noisy.wav", Audio(speech.samples + noise, RATE))
    return root


def masks(*arguments: str | Path) -> int:
    return main(["masks", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "lab"
    assert masks(files / "clean.wav", files / "noisy.wav", "-o", out) == 0
    return out


def test_the_folder_holds_tables_pictures_and_the_page(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "index.html",
        "report.json",
        "masks.csv",
        "pairs.csv",
        "values.csv",
        "pictures",
    }
    plain = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    with (folder / "masks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(ORACLES)
    first = plain["tables"][0]["masks"][0]
    assert (rows[0]["key"], float(rows[0]["si_sdr_db"])) == (first["key"], pytest.approx(first["si_sdr_db"]))
    with (folder / "values.csv").open(encoding="utf-8", newline="") as file:
        counted = [
            int(row["count"]) for row in csv.DictReader(file) if (row["sample_rate"], row["key"]) == ("16000", "psm")
        ]
    assert sum(counted) == plain["tables"][0]["values"]["psm"]["n_bins"]
    for row in ORACLES:
        if row.kind == "mask":
            assert (folder / "pictures" / f"{row.key}.png").read_bytes().startswith(b"\x89PNG")
    for name in ("cirm-imag", "coherence", "coherence-by-chance", "values"):
        assert (folder / "pictures" / f"{name}.png").exists()


def test_the_page_plays_every_mask_and_needs_nothing_else(folder: Path) -> None:
    html = (folder / "index.html").read_text(encoding="utf-8")
    players = set(re.findall(r'<audio id="sound-([\w-]+)"', html))
    assert players == {"clean", "noisy", *(row.key for row in ORACLES if row.kind == "mask")}
    assert set(re.findall(r'class="play" data-sound="([\w-]+)"', html)) <= players
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert len(html) < 8_000_000


def test_the_table_is_printed_and_says_what_was_taken_for_what(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert masks(files / "clean.wav", files / "noise.wav", "-o", tmp_path / "a", "--perceptual", "no") == 0
    out = capsys.readouterr().out
    assert "cIRM, parts in [-1, 1]" in out
    assert "taken for noise alone" in out
    assert "PESQ and STOI not taken" in out
    assert "ORM and PSM are one and the same number" in out
    arguments = (files / "clean.wav", files / "noise.wav", "-o", tmp_path / "b", "--perceptual", "no")
    assert masks(*arguments, "--second", "noisy", "--seconds", "0.5") == 0
    assert "taken for" not in capsys.readouterr().out
    assert json.loads((tmp_path / "b" / "report.json").read_text(encoding="utf-8"))["pairs"][0]["duration_s"] == 0.5


def test_a_picture_of_a_mask_has_its_colours_where_its_values_are() -> None:
    from io import BytesIO

    from PIL import Image

    from specloom.page.masks import value_picture
    from specloom.tasks.mask_lab.oracles import TRANSFORMS

    values = np.zeros((257, 40))
    values[0], values[-1] = 1.0, -5.0
    picture = value_picture(values, TRANSFORMS[RATE], shown=(-2.0, 2.0), alt="a mask")
    assert (picture.width, picture.height) == (40, 257)
    shades = np.asarray(Image.open(BytesIO(picture.data)))
    assert (shades[-1] == 191).all()  # the lowest bin is at the bottom
    assert (shades[0] == 0).all()
    assert picture.span_s == pytest.approx(40 * 256 / RATE)
    long = value_picture(np.zeros((257, 5000)), TRANSFORMS[RATE], shown=(0.0, 1.0), alt="a mask")
    assert long.width <= 1200


# Bad input


@pytest.fixture(scope="module")
def bad(speech: Audio, files: Path) -> Path:
    root = files / "bad"
    save(root / "short.wav", Audio(speech.samples[:-1], RATE))
    save(root / "slow.wav", Audio(speech.samples, 8000))
    save(root / "stereo.wav", Audio(np.stack([speech.samples, speech.samples]), RATE))
    save(root / "silence.wav", Audio(np.zeros(speech.n_samples, np.float32), RATE))
    save(root / "low.wav", Audio(speech.samples, 4000))
    save(root / "lown.wav", Audio(speech.samples[::-1], 4000))
    broken = np.array(speech.samples)
    broken[100] = np.nan
    soundfile.write(root / "nan.wav", broken, RATE, subtype="FLOAT")
    save(root / "tiny.wav", Audio(speech.samples[:50], RATE))
    save(root / "tinyn.wav", Audio(speech.samples[100:150], RATE))
    (root / "text.wav").write_text("no sound")
    (root / "empty").mkdir()
    save(root / "one" / "a.wav", speech)
    save(root / "two" / "b.wav", speech)
    save(root / "twins" / "a.wav", speech)
    save(root / "twins" / "a.flac", speech)
    return root


@pytest.mark.parametrize(
    ("clean", "second", "message"),
    [
        ("../clean.wav", "short.wav", "32000 samples, .*31999: both must be equally long"),
        ("../clean.wav", "slow.wav", "16000 Hz, .*8000 Hz: both need one rate"),
        ("../clean.wav", "stereo.wav", "has 2 channels"),
        ("stereo.wav", "../noise.wav", "has 2 channels"),
        ("silence.wav", "../noise.wav", "silence.wav is silent"),
        ("../clean.wav", "silence.wav", "silence.wav is silent"),
        ("../clean.wav", "../clean.wav", "are the same sound"),
        ("../clean.wav", "nan.wav", "nan.wav holds nan at sample 100"),
        ("../clean.wav", "text.wav", "text.wav"),
        ("../clean.wav", "none.wav", "none.wav does not exist"),
        ("low.wav", "lown.wav", "4000 Hz: at least 8000 Hz"),
        ("one", "two", "no pair was found: .*one holds a.wav, .*two holds b.wav"),
        ("one", "empty", "empty holds no sound file"),
        ("one", "twins", "have one name"),
        ("one", "../noise.wav", "two files, or two folders"),
    ],
)
def test_bad_input_gets_one_sentence(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: str, second: str, message: str
) -> None:
    assert masks(bad / clean, bad / second, "-o", tmp_path / "out", "--perceptual", "no") == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_pair_too_short_for_a_frame_is_measured_all_the_same(bad: Path, tmp_path: Path) -> None:
    assert masks(bad / "tiny.wav", bad / "tinyn.wav", "-o", tmp_path / "out") == 0
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "The mask laboratory" in html


def test_what_failed_is_told_and_the_others_are_done(
    files: Path, speech: Audio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "bad"):
        save(tmp_path / "clean" / f"{name}.wav", speech)
        save(tmp_path / "noise" / f"{name}.wav", load(files / "noise.wav"))
    save(tmp_path / "clean" / "bad.wav", Audio(np.zeros(speech.n_samples, np.float32), RATE))
    assert masks(tmp_path / "clean", tmp_path / "noise", "-o", tmp_path / "out", "--perceptual", "no") == 1
    assert "bad.wav is silent" in capsys.readouterr().err
    assert "Could not be measured" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [("--seconds", "-1"), ("--seconds", "nan")])
def test_wrong_numbers_are_refused(files: Path, arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert masks(files / "clean.wav", files / "noise.wav", *arguments) == 2
    assert "seconds=" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_told_before_anything_is_measured(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert masks(files / "clean.wav", files / "noise.wav", "-o", files / "noise.wav") == 2
    assert "noise.wav" in capsys.readouterr().err
