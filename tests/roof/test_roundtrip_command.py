"""``specloom roundtrip``: the table on the screen, the folder on the disk, and bad input."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tyro

from specloom import sounds
from specloom.audio import Audio
from specloom.cli.roundtrip import Roundtrip, beginning_of, folders_for
from specloom.errors import ArtifactError, SpecloomError
from specloom.io.audio import load, save
from specloom.recipes import SPOOF_AS_WRITTEN

RATE = 16000


def command(*arguments: str | Path) -> int:
    return tyro.cli(Roundtrip, args=[str(argument) for argument in arguments]).run()


@pytest.fixture(scope="module")
def speech_cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    audio = load(sounds.path("speech"))
    return save(tmp_path_factory.mktemp("in") / "voice.wav", Audio(audio.samples[8000:32000], RATE))


@pytest.fixture(scope="module")
def folder(speech_cut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "trip"
    assert command(speech_cut, "--recipe", "spoof-as-written", "-o", out, "--perceptual", "no") == 0
    return out


def test_the_folder_holds_page_figures_and_sounds(folder: Path) -> None:
    plain = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert plain["name"] == "voice.wav"
    assert plain["recipe"]["name"] == "spoof-as-written"
    for key, name in plain["sounds"].items():
        info = soundfile.info(str(folder / name))
        rates = {row["key"]: row["written_sample_rate"] for row in plain["rows"]}
        assert info.samplerate == rates.get(key, RATE), key
    assert {"original", "copy-linear", "copy-mel", "second-linear", "power", "phase"} <= set(plain["sounds"])
    # What loses nothing is not written over again, and nothing half-written is left.
    assert "transform" not in plain["sounds"]
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == [row["key"] for row in plain["rows"]]
    assert float(rows[0]["log_spectral_distance_db"]) == pytest.approx(plain["rows"][0]["log_spectral_distance_db"])


def test_the_page_plays_what_the_table_names(folder: Path) -> None:
    html = (folder / "index.html").read_text(encoding="utf-8")
    players = set(re.findall(r'<audio id="sound-([\w-]+)"', html))
    buttons = set(re.findall(r'class="play" data-sound="([\w-]+)"', html))
    assert buttons <= players
    assert {"original", "copy-linear", "power"} <= players
    assert "What spoils it: the sample rate of 22\N{NO-BREAK SPACE}050" in html
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_the_written_copy_is_the_measured_copy(folder: Path) -> None:
    plain = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    samples, rate = soundfile.read(folder / plain["sounds"]["copy-linear"], dtype="float32")
    assert rate == 22050
    assert samples.max() == pytest.approx(0.75, abs=1e-3)


def test_the_screen_shows_table_verdict_and_page(
    speech_cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.json"
    recipe.write_text(json.dumps(SPOOF_AS_WRITTEN.to_json()), encoding="utf-8")
    out = tmp_path / "there"
    assert command(speech_cut, "--recipe", recipe, "-o", out, "--seconds", "1", "--perceptual", "no") == 0
    shown = capsys.readouterr().out
    assert "Exponent 1.3/0.6 in place of 1/0.6" in shown
    assert "What spoils it" in shown
    assert f"page: {out / 'index.html'}\n" in shown
    plain = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert plain["recording"]["compared_s"] == 1.0
    assert plain["recording"]["duration_s"] == 1.5
    assert "the first 1.0 s" in (out / "index.html").read_text(encoding="utf-8")


def test_a_bad_file_is_told_and_the_others_go_on(
    speech_cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound at all", encoding="utf-8")
    arguments = (
        speech_cut,
        text,
        "-o",
        tmp_path / "out",
        "--recipe",
        "librosa",
        "--seconds",
        "1",
        "--perceptual",
        "no",
    )
    assert command(*arguments) == 1
    assert "text.wav" in capsys.readouterr().err
    assert (tmp_path / "out" / "voice" / "index.html").is_file()
    assert not (tmp_path / "out" / "text").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "nowhere.wav does not exist"),
        (["{speech}", "--recipe", "nonsense"], "nonsense"),
        (["{speech}", "--seconds", "-3"], "seconds=-3"),
        (["{speech}", "--seconds", "nan"], "seconds=nan"),
        (["{speech}", "--seconds", "inf"], "seconds=inf"),
        (["{empty}"], "no sound file was found"),
    ],
)
def test_what_cannot_be_started_is_refused(
    arguments: list[str], message: str, speech_cut: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    given = [argument.format(speech=speech_cut, empty=tmp_path / "empty") for argument in arguments]
    with pytest.raises(SpecloomError, match=message):
        command(*given, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_original_comes_back_beyond_full_scale(tmp_path: Path) -> None:
    from specloom.page.roundtrip import write_roundtrip
    from specloom.recipes import LIBROSA
    from specloom.tasks.roundtrip import roundtrip

    loud = Audio((3.0 * np.sin(np.arange(8000) * 0.1)).astype(np.float32), RATE)
    write_roundtrip(roundtrip(loud, LIBROSA, with_perceptual=False), tmp_path, "loud")
    samples, _ = soundfile.read(tmp_path / "sounds" / "00-original.wav", dtype="float32")
    np.testing.assert_array_equal(samples, loud.samples)


def test_only_the_beginning_of_a_long_file_is_read(tmp_path: Path) -> None:
    long = save(tmp_path / "long.wav", Audio(np.zeros((2, 100 * RATE), np.float32), RATE), subtype="PCM_16")
    audio, whole_s = beginning_of(long, 2.0)
    assert whole_s == 100.0
    assert 2.0 < audio.duration_s < 10.0
    assert beginning_of(long, 0)[0].duration_s == 100.0


def test_every_recording_has_a_folder_of_its_own() -> None:
    one, two, three = Path("a/x.wav"), Path("b/x.wav"), Path("a/x.flac")
    assert folders_for([one], Path("out")) == [Path("out")]
    assert folders_for([one], None) == [Path("x-roundtrip")]
    assert folders_for([one, three], Path("out")) == [Path("out/x.wav"), Path("out/x.flac")]
    many = folders_for([one, two, three], Path("out"))
    assert len(set(many)) == 3


def test_a_full_disk_is_told_and_leaves_nothing_half(
    speech_cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Path, text: str, **_: object) -> int:
        with self.open("w", encoding="utf-8") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    arguments = (speech_cut, "--recipe", "librosa", "--seconds", "0.5", "--perceptual", "no", "-o", tmp_path / "out")
    assert command(*arguments) == 1
    assert capsys.readouterr().err.rstrip().endswith("No space left on device")
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name.rpartition(".")[2] for name in left} == {"wav"}


def test_a_folder_that_cannot_be_made_is_told(
    speech_cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    arguments = (speech_cut, "--recipe", "librosa", "--seconds", "0.5", "--perceptual", "no")
    assert command(*arguments, "-o", tmp_path / "file" / "out") == 1
    assert "voice.wav" in capsys.readouterr().err


def test_sounds_of_a_former_recipe_are_removed_and_nothing_else(speech_cut: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = (speech_cut, "-o", out, "--seconds", "0.5", "--perceptual", "no", "--recipe")
    assert command(*short, "spoof-as-written") == 0
    before = {path.name for path in (out / "sounds").iterdir()}
    (out / "sounds" / "mine.wav").write_text("not of the report", encoding="utf-8")
    (tmp_path / "outside.wav").write_text("not below the folder", encoding="utf-8")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    report["sounds"] |= {"a": "sounds/../../outside.wav", "b": "../outside.wav", "c": 1, "d": str(speech_cut)}
    (out / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert command(*short, "librosa") == 0
    named = json.loads((out / "report.json").read_text(encoding="utf-8"))["sounds"].values()
    after = {path.name for path in (out / "sounds").iterdir()}
    assert before - after
    assert after == {Path(path).name for path in named} | {"mine.wav"}
    assert (tmp_path / "outside.wav").exists()
    assert speech_cut.exists()


@pytest.mark.parametrize("error", [MemoryError(), ArtifactError("an error of ours")])
def test_any_error_of_one_recording_lets_the_others_go_on(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.wav", "b.wav"):
        save(tmp_path / name, Audio(np.ones(100), RATE))
    tried = []

    def fails(self: Roundtrip, recording: Path, *_: object) -> None:
        tried.append(recording.name)
        raise error

    monkeypatch.setattr(Roundtrip, "_one", fails)
    assert command(tmp_path) == 1
    assert tried == ["a.wav", "b.wav"]
    assert capsys.readouterr().err.count(".wav: ") == 2


def test_a_name_is_no_markup(speech_cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "x[bold].wav"
    odd.write_bytes(speech_cut.read_bytes())
    short = ("--seconds", "0.5", "--perceptual", "no", "--recipe", "librosa")
    assert command(odd, "-o", tmp_path / "out[red]", *short) == 0
    shown = capsys.readouterr().out
    assert "x[bold].wav, recipe librosa" in shown
    assert "out[red]" in shown
