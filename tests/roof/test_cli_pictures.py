"""``specloom draw``, ``listen`` and ``plot`` with pictures: what a user types, reads and finds."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import specloom
from specloom import sounds
from specloom.cli.main import main
from specloom.io.audio import load
from specloom.pictures import Picture
from specloom.recipes import Spectrogram

SPEECH = str(sounds.path("speech"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1])}


@pytest.fixture(scope="module")
def figure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figure")
    assert main(["plot", SPEECH, "-o", str(out), "--which", "linear", "--no-axes"]) == 0
    return out / "speech.png"


def hints(figure: Path) -> list[str]:
    return [str(figure), "--sample-rate", "16000", "--duration", "5.1875", "--axes", "no", "--quality", "fast"]


def test_cli_a_recording_to_pictures_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, back = tmp_path / "drawn", tmp_path / "back"
    draw = ["draw", SPEECH, "-o", str(drawn), "--format", "png", "--pieces", "2s"]
    assert main(draw) == 0
    assert sorted(path.name for path in drawn.iterdir()) == ["speech-001.png", "speech-002.png", "speech-003.png"]
    assert capsys.readouterr().out.splitlines() == [
        f"done: {SPEECH} -> {drawn / 'speech-001.png'}, 5.2 s of sound, 3 pictures",
        "1 done",
    ]
    assert main(draw) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 skipped"
    assert main(["listen", str(drawn), "-o", str(back), "--quality", "fast"]) == 0
    original, heard = load(sounds.path("speech")), load(back / "speech.wav")
    assert (heard.sample_rate, heard.n_samples) == (original.sample_rate, original.n_samples)
    assert "3 pictures joined" in capsys.readouterr().out


def test_cli_tiles_share_a_quarter_of_their_width_unless_told_otherwise(tmp_path: Path) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path), "--tiles", "32x1025"]) == 0
    with (tmp_path / "index.csv").open(newline="", encoding="utf-8") as lines:
        starts = [int(row["first_frame"]) for row in csv.DictReader(lines)]
    assert starts[:3] == [0, 24, 48]


@pytest.mark.parametrize(
    ("options", "name", "bits", "colormap"),
    [
        ([], "speech.npz", None, None),
        (["--format", "png"], "speech.png", 16, "gray"),
        (["--pieces", "1m"], "speech.png", 16, "gray"),
        (["--exact"], "speech.png", 16, "gray"),
        (["--colormap", "magma"], "speech.png", 8, "magma"),
        (["--format", "png8"], "speech.png", 8, "gray"),
        (["--format", "jpeg", "--pieces", "whole"], "speech.jpg", 8, "gray"),
        (["--jpeg-quality", "50", "--colormap", "hot"], "speech.jpg", 8, "hot"),
        (["--format", "tiff"], "speech.tif", 16, "gray"),
        (["--scale", "mel", "--mapping", "root"], "speech.png", 16, "gray"),
        (["--tiles", "32X1025", "--tile-overlap", "0.5"], "index.csv", None, None),
    ],
)
def test_cli_options_choose_the_kind_of_file(
    options: list[str], name: str, bits: int | None, colormap: str | None, tmp_path: Path
) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path), *options]) == 0
    assert (tmp_path / name).is_file()
    if name.endswith(".npz"):
        assert Spectrogram.load(tmp_path / name).mel is not None
    if bits is not None:
        settings = Picture.open(tmp_path / name).settings
        # A JPEG is read into 16 bits.
        assert name.endswith(".jpg") or (settings.bits, settings.colormap) == (bits, colormap)
        assert settings.exact == ("--exact" in options)
        assert settings.array == ("mel" if "mel" in options else "linear")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--format", "npz", "--pieces", "60s"], "--pieces belongs to pictures"),
        (["--format", "png", "--which", "mel"], "--which belongs to .npz"),
        (["--format", "png", "--colormap", "magma"], "use format 'png8', or gray"),
        (["--format", "jpeg", "--exact"], "gray pictures of 16 bits"),
        (["--pieces", "1 week"], "pieces='1 week': a length of time is needed"),
        (["--tiles", "256"], "tiles='256': a width and a height"),
        (["--tiles", "8x8", "--pieces", "60s"], "--pieces and --tiles: give one of the two"),
        (["--tile-overlap", "0.5"], "--tile-overlap needs --tiles"),
        (["--tiles", "8x8", "--tile-overlap", "1"], "tile_overlap=1.0"),
        (["--range-db", "60", "--mapping", "root"], "only levels in decibels have a range"),
        (["--range-db", "0"], "range_db=0"),
        (["--format", "png", "--jpeg-quality", "80"], "--jpeg-quality needs --format jpeg"),
    ],
)
def test_cli_options_that_contradict_each_other_are_one_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path / "out"), *options]) in (1, 2)
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1
    assert "Traceback" not in shown
    assert not list(tmp_path.rglob("*.png"))


def test_cli_a_strangers_picture_needs_a_rate_and_tells_what_it_assumed(
    figure: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["listen", str(figure), "-o", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "--sample-rate" in shown.err
    assert shown.err.count("\n") == 1
    assert main(["listen", *hints(figure), "-o", str(tmp_path), "--range-db", "80"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("done: ")
    table = [re.split(r"\s{2,}", line.strip()) for line in lines[1:-1] if not line.startswith("  warning: ")]
    told = {row[0]: row for row in table}
    assert told["sample rate"] == ["sample rate", "16000 Hz", "given", "100%", "--sample-rate"]
    assert told["range"][2:] == ["given", "100%", "--range-db"]
    assert load(tmp_path / "speech.wav").duration_s == pytest.approx(5.1875, abs=0.05)


def test_cli_one_bad_picture_of_several_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], figure: Path
) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path / "in"), "--format", "png8"]) == 0
    (tmp_path / "in" / "bad.png").write_text("text")
    capsys.readouterr()
    assert main(["listen", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--quality", "fast"]) == 1
    shown = capsys.readouterr()
    assert "bad.png" in shown.err
    assert shown.out.splitlines()[-1] == "1 done, 1 failed"


def test_cli_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path), "--format", "jpeg"]) == 0
    with Image.open(tmp_path / "speech.jpg") as image:
        Image.fromarray(np.asarray(image)[:, ::-1].copy()).save(tmp_path / "made_up.png")
    like = ["--like", str(tmp_path / "speech.jpg"), "--quality", "fast"]
    assert main(["listen", str(tmp_path / "made_up.png"), "-o", str(tmp_path), *like]) == 0
    assert "with the settings of speech.jpg" in capsys.readouterr().out
    assert load(tmp_path / "made_up.wav").n_samples == load(sounds.path("speech")).n_samples


def test_cli_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(sounds.path("speech").parent)
    plot = ["plot", folder, "-o", str(tmp_path / "out"), "--which", "mel", "--format", "svg", "--colour-bar", "no"]
    assert main(plot) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "music.svg",
        "speech-by-librosa.svg",
        "speech.svg",
    ]
    assert main(plot) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 skipped"
    os.utime(tmp_path / "out" / "music.svg", (1, 1))
    assert main(plot) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*plot, "--overwrite"]) == 0


def test_cli_plot_draws_pictures_of_ours_and_passes_others_over(
    tmp_path: Path, figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", SPEECH, "-o", str(tmp_path / "in"), "--pieces", "3s"]) == 0
    (tmp_path / "in" / "figure.png").write_bytes(figure.read_bytes())
    assert main(["plot", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["speech-001.png", "speech-002.png"]
    capsys.readouterr()
    assert main(["plot", str(figure), "-o", str(tmp_path / "out")]) == 1
    assert "is no picture that 'specloom draw' made" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_cli_on_a_terminal_the_assumptions_are_a_table(figure: Path, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "specloom.cli.main", "listen", *hints(figure), "-o", str(tmp_path)]
    environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:
            pass  # Linux says so when the other end is closed.
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert process.returncode == 0
    assert "what was assumed" in text
    row = next(line for line in text.splitlines() if "sample rate" in line and "│" in line)
    assert [cell.strip() for cell in row.strip().strip("│").split("│")] == [
        "sample rate",
        "16000 Hz",
        "given",
        "100%",
        "--sample-rate",
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_cli_an_interrupted_run_leaves_no_half_picture_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = sounds.path("music").read_bytes()
    for number in range(60):
        (folder / f"{number:03}.flac").write_bytes(content)
    command = [sys.executable, "-m", "specloom.cli.main", "draw", str(folder), "-o", str(tmp_path / "out")]
    command += ["--tiles", "256x1025"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline().startswith("done: ")  # type: ignore[union-attr]
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "specloom: interrupted; run the same command again to go on\n"
    made = sorted((tmp_path / "out").glob("*"))
    assert 0 < len(made) < 180
    assert not [path for path in made if path.name.startswith(".")]
    listed = (tmp_path / "out" / "index.csv").read_text().splitlines()[1:]
    assert 3 <= len(listed) < 180
    for path in (tmp_path / "out").glob("*.png"):
        assert Picture.open(path).codes.shape == (1025, 256)
