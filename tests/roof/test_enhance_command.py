"""``specloom enhance``: files, exit codes, the sentences of its errors, and live."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from specloom import Enhancer, load, sounds
from specloom.cli.main import main
from specloom.tasks.enhance import live

MODEL = str(Path(__file__).parents[1] / "golden" / "tiny_spectrum.onnx")
SPEECH = str(sounds.path("speech"))


def test_a_recording_is_cleaned_and_skipped_the_second_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["enhance", SPEECH, "-o", str(tmp_path), "--model", MODEL, "--strength", "0.5", "--limit-db", "12"]
    assert main(command) == 0
    made = load(tmp_path / "speech.wav")
    expected = Enhancer(MODEL).process(load(SPEECH), strength=0.5, limit_db=12.0)
    assert abs(made.samples - expected.samples).max() <= 1e-5
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("5.2 s of sound at 16000 Hz")
    assert out[1] == "1 done"
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 skipped"
    assert main([*command[:-4], "--strength", "1"]) == 1
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([SPEECH], "no output folder was given: name it with -o DIR"),
        (["-o", "out"], "no input was given"),
        ([SPEECH, "-o", "out", "--model", "nix"], "model='nix': there is no shipped model of this name"),
        ([SPEECH, "-o", "out", "--model", MODEL, "--strength", "7"], "strength=7.0: a number from 0"),
        ([SPEECH, "-o", "out", "--model", MODEL, "--seconds", "7"], "--seconds belongs to --live"),
        ([SPEECH, "--live", "--model", MODEL], "--live takes no files"),
        (["--live", "--model", MODEL, "-o", "out"], "--live takes no files"),
        (["none.wav", "-o", "out", "--model", MODEL], "none.wav does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["enhance", *arguments]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_live_without_sounddevice_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["enhance", "--live", "--model", MODEL]) == 2
    assert 'pip install "specloom[live]"' in capsys.readouterr().err


def test_live_tells_the_latency(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: dict[str, object] = {}

    def pretend(enhancer: Enhancer, **options: object) -> live.LiveLatency:
        asked.update(options)
        return live.LiveLatency(
            sample_rate=16_000, devices_s=0.02, model_s=0.032, work_s=0.0011, block_s=0.016, n_blocks=100, n_missed=2
        )

    monkeypatch.setattr("specloom.tasks.enhance.enhance_live", pretend)
    arguments = ["--input-device", "3", "--output-device", "USB", "--seconds", "2", "--limit-db", "20"]
    assert main(["enhance", "--live", "--model", MODEL, *arguments]) == 0
    assert (asked["input_device"], asked["output_device"], asked["seconds"]) == (3, "USB", 2.0)
    assert capsys.readouterr().out == (
        "53 ms from microphone to speaker at 16000 Hz: devices 20, model 32, work 1.1 ms of 16, "
        "2 of 100 blocks came too late\n"
    )
