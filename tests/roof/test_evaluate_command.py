"""``specloom evaluate``: the table on the screen, the folder on the disk, going on, and bad input."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.cli.main import main
from specloom.io.audio import load, save

RATE = 16000
TINY = Path(__file__).parent.parent / "golden" / "tiny_spectrum.onnx"
QUICK = ("--perceptual", "no", "--dnsmos", "no")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("in") / "test-set"
    speech = load(sounds.path("speech")).samples
    for index, snr_db in enumerate((0, 10)):
        clean = speech[8000 + 8000 * index :][: 2 * RATE]
        noise = np.random.default_rng(index).standard_normal(len(clean)).astype(np.float32)
        gain = np.linalg.norm(clean) / np.linalg.norm(noise) * 10 ** (-snr_db / 20)
        save(root / "clean" / f"clip{index}_{snr_db}dB.flac", Audio(clean, RATE))
        save(root / "noisy" / f"clip{index}_{snr_db}dB.wav", Audio(clean + np.float32(gain) * noise, RATE))
        save(root / "peer" / f"clip{index}_{snr_db}dB.wav", Audio(np.float32(0.5) * clean, RATE))
    return root


def run(*arguments: str | Path) -> int:
    return main(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def shown_and_folder(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    import io
    from contextlib import redirect_stdout

    out = tmp_path_factory.mktemp("out") / "scores"
    screen = io.StringIO()
    with redirect_stdout(screen):
        assert run(TINY, pairs, "-o", out, "--peer", f"halved={pairs / 'peer'}", *QUICK) == 0
    return screen.getvalue(), out


def test_the_tables_are_printed(shown_and_folder: tuple[str, Path]) -> None:
    shown, folder = shown_and_folder
    assert "Means over 2 clips at 16 kHz" in shown
    assert "SI-SDR by signal-to-noise ratio" in shown
    for name in ("noisy", "tiny_spectrum", "halved", "tiny_spectrum, clean speech"):
        assert name in shown
    assert "tiny_spectrum over the noisy sounds: SI-SDR" in shown
    assert "PESQ, STOI, DNSMOS not taken" in shown
    assert shown.rstrip().endswith(f"page: {folder / 'index.html'}")
    assert "done: clip0_0dB (1 of 2)" in shown


def test_the_folder_holds_tables_plots_and_the_page(shown_and_folder: tuple[str, Path]) -> None:
    folder = shown_and_folder[1]
    assert {path.name for path in folder.iterdir()} == {
        "index.html",
        "report.json",
        "clips.csv",
        "summary.csv",
        "pictures",
    }
    assert {path.name for path in (folder / "pictures").iterdir()} == {"snr.png", "change.png"}
    plain = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [system["name"] for system in plain["systems"]] == ["noisy", "tiny_spectrum", "halved"]
    assert [system["kind"] for system in plain["systems"]] == ["noisy", "system", "peer"]
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        clips = list(csv.DictReader(file))
    # Noisy, the peer, and the model twice.
    assert len(clips) == 2 * 4 == len(plain["clips"])
    assert {clip["pesq"] for clip in clips} == {""}
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["system"], row["given"], row["snr_db"]): row for row in csv.DictReader(file)}
    of_model = [float(c["si_sdr_db"]) for c in clips if (c["system"], c["given"]) == ("tiny_spectrum", "noisy")]
    assert float(rows["tiny_spectrum", "noisy", "all"]["si_sdr_db"]) == pytest.approx(np.mean(of_model))
    assert float(rows["noisy", "noisy", "0.0"]["si_sdr_db"]) == pytest.approx(0.0, abs=0.2)
    assert ("tiny_spectrum", "clean", "all") in rows
    assert str(folder.parent) not in (folder / "report.json").read_text(encoding="utf-8")


def test_the_page_plays_every_system_and_needs_nothing_else(shown_and_folder: tuple[str, Path]) -> None:
    html = (shown_and_folder[1] / "index.html").read_text(encoding="utf-8")
    players = set(re.findall(r'<audio id="sound-([\w-]+)"', html))
    # Of each clip the clean sound, the noisy one, the model's and the peer's.
    assert players == {f"clip{clip}-{place}" for clip in range(2) for place in range(4)}
    assert html.count('class="scope seek"') == len(players)
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "Where tiny_spectrum helps least" in html
    assert "Clean speech that went through it" in html
    assert len(html) < 8_000_000


def test_a_second_run_takes_over_what_is_there(
    shown_and_folder: tuple[str, Path], pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    assert run("-", pairs, "-o", out, *QUICK) == 0
    assert "Only the noisy sounds were measured" in capsys.readouterr().out
    assert run("-", pairs, "-o", out, *QUICK) == 0
    assert "2 clips, 2 of them done already" in capsys.readouterr().out
    assert run("-", pairs, "-o", out, *QUICK, "--overwrite", "--rate", "8000") == 0
    shown = capsys.readouterr().out
    assert "done already" not in shown
    assert "at 8 kHz" in shown


def test_what_failed_is_told_and_the_others_are_done(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("clean", "noisy"):
        for path in (pairs / part).iterdir():
            save(tmp_path / "set" / part / path.with_suffix(".wav").name, load(path))
    save(tmp_path / "set" / "noisy" / "clip0_0dB.wav", Audio(np.zeros(2 * RATE, np.float32), RATE))
    assert run("-", tmp_path / "set", "-o", tmp_path / "out", *QUICK) == 1
    printed = capsys.readouterr()
    assert "clip0_0dB.wav is silent" in printed.err
    assert "failed: clip0_0dB" in printed.out
    assert "Could not be measured" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{pairs}/clean",), "holds no folder clean and no folder noisy"),
        (("-", "{pairs}/none"), "is no folder"),
        (("no-such-model", "{pairs}"), "no-such-model"),
        (("{pairs}/peer/clip0_0dB.wav", "{pairs}"), "clip0_0dB.wav"),
        (("-", "{pairs}", "--peer", "halved"), "peer='halved': NAME=FOLDER is needed"),
        (("-", "{pairs}", "--peer", "a={pairs}/peer", "--peer", "a={pairs}/peer"), "a is .* already"),
        (("-", "{pairs}", "--peer", "noisy={pairs}/peer"), "'noisy' cannot be the name of a system"),
        (("-", "{pairs}", "--peer", "a={pairs}/nothing"), "a folder is needed"),
        (("-", "{pairs}", "--peer", "a={pairs}"), "holds none of the 2 clips"),
        (("-", "{pairs}", "--seconds", "-1"), "seconds=-1"),
        (("-", "{pairs}", "--jobs", "0"), "jobs=0"),
        (("-", "{pairs}", "-o", "{pairs}/clean/clip0_0dB.flac"), "clip0_0dB.flac is a file"),
        (("-", "{pairs}", "--rate", "8000", "--dnsmos", "yes"), "DNSMOS"),
    ],
)
def test_bad_input_gets_one_sentence(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    out = () if "-o" in arguments else ("-o", str(tmp_path / "out"))
    assert run(*(argument.format(pairs=pairs) for argument in arguments), *out) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_without_a_model_the_one_that_ships_is_taken() -> None:
    from specloom.cli.evaluate import models_and_pairs
    from specloom.errors import ParameterError

    assert models_and_pairs(("set",)) == (["default"], Path("set"))
    assert models_and_pairs(("-", "set")) == ([], Path("set"))
    assert models_and_pairs(("default", "mine.onnx", "set")) == (["default", "mine.onnx"], Path("set"))
    with pytest.raises(ParameterError, match="no input was given"):
        models_and_pairs(())
