"""The command line: what it makes, its exit codes, and its one-sentence errors."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import specloom
from specloom import sounds
from specloom.audio import Audio
from specloom.cli import main as cli
from specloom.cli.main import COMMANDS, main
from specloom.io.audio import load, save
from specloom.recipes import RECIPES, TACOTRON, Recipe, Spectrogram


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1])}
    command = [sys.executable, "-m", "specloom.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **options)


def test_cli_draw_and_listen_give_the_sound_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, heard = tmp_path / "drawn", tmp_path / "heard"
    assert main(["draw", str(sounds.path("speech")), "-o", str(drawn), "--recipe", "tacotron"]) == 0
    assert main(["listen", str(drawn), "-o", str(heard), "--quality", "fast", "--format", "flac"]) == 0
    original, back = load(sounds.path("speech")), load(heard / "speech.flac")
    assert (back.sample_rate, back.n_samples) == (original.sample_rate, original.n_samples)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("done: ")
    assert lines[1] == "1 done"
    assert main(["draw", str(sounds.path("speech")), "-o", str(drawn), "--recipe", "tacotron"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 skipped"


def test_cli_options_reach_the_work(tmp_path: Path) -> None:
    arguments = ["draw", str(sounds.path("music")), "--out", str(tmp_path), "--which", "mel", "--channels", "each"]
    assert main(arguments) == 0
    spectrogram = Spectrogram.load(tmp_path / "music.npz")
    assert spectrogram.linear is None
    assert spectrogram.mel.shape[0] == 2
    assert main([*arguments, "--recipe", "spoof"]) == 1
    assert main([*arguments, "--recipe", "spoof", "--overwrite"]) == 0


def test_cli_one_bad_file_of_several_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.wav").write_text("text")
    code = main(["draw", str(tmp_path / "bad.wav"), str(sounds.path("speech")), "-o", str(tmp_path / "out")])
    shown = capsys.readouterr()
    assert code == 1
    assert shown.err.startswith("specloom: ")
    assert "bad.wav" in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out.splitlines()[-1] == "1 done, 1 failed"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["drwa", "a.wav"], "'drwa' is no command of specloom (draw, listen, "),
        (["draw", "none.wav", "-o", "out"], "none.wav does not exist"),
        (["draw", "-o", "out"], "no input was given"),
        (["draw", "none.wav", "-o", "out", "--recipe", "nix"], "recipe='nix' is neither a known recipe"),
        (["listen", "none.npz", "-o", "out"], "none.npz does not exist"),
        (["recipe", "nix"], "recipe='nix' is neither a known recipe"),
    ],
)
def test_cli_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "arguments", [["draw", "a.wav"], ["draw", "a.wav", "-o", "x", "--wich", "mel"], ["draw", "a", "-o", "x", "-j", "y"]]
)
def test_cli_a_wrong_option_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Traceback" not in "".join(capsys.readouterr())


def test_cli_unknown_command_is_told_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lisen"])
    assert "did you mean 'listen'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_cli_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"specloom {name}" in capsys.readouterr().out.partition("Examples:")[2]


def test_cli_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name}" in text for name in COMMANDS)
    assert main([]) == 2


def test_cli_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("specloom ")


def test_cli_version_without_an_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"specloom {specloom.__version__}\n"


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_cli_a_name_of_bytes_that_are_no_text_is_drawn_and_heard(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = folder / os.fsdecode(b"\xff.wav")
    try:
        odd.touch()
    except OSError:
        pytest.skip("this file system takes no such names")
    save(odd, Audio(0.1 * np.sin(np.arange(8000.0)), 8000))
    drawn = run("draw", str(folder), "-o", str(tmp_path / "drawn"))
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert "\\udcff.wav" in drawn.stdout
    assert run("listen", str(tmp_path / "drawn"), "-o", str(tmp_path / "heard"), "--quality", "fast").returncode == 0
    assert load(tmp_path / "heard" / odd.name).n_samples == 8000
    there = run("roundtrip", str(odd), "-o", str(tmp_path / "out"), "--recipe", "librosa", "--perceptual", "no")
    assert (there.returncode, there.stderr) == (0, "")


def test_cli_a_file_in_the_place_of_the_folder_is_refused_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    both = [str(sounds.path("speech")), str(sounds.path("music"))]
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["draw", *both, "-o", str(out)]) == 2
        shown = capsys.readouterr().err
        assert shown.count("\n") == 1
        assert f"{tmp_path / 'file'} is a file" in shown


def test_cli_draw_says_when_channels_were_averaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = str(sounds.path("music"))
    assert main(["draw", music, "-o", str(tmp_path / "mono"), "--channels", "mono"]) == 0
    assert "; 2 channels averaged (--channels each keeps them)" in capsys.readouterr().out
    assert main(["draw", music, "-o", str(tmp_path / "each"), "--channels", "each"]) == 0
    assert "averaged" not in capsys.readouterr().out


def test_cli_recipe_prints_what_load_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "tacotron"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "mine.json").write_text(text)
    assert Recipe.load(tmp_path / "mine.json") == TACOTRON
    assert json.loads(text)["sample_rate"] == 22_050
    assert main(["recipe"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in RECIPES)


def test_cli_interrupt_is_exit_code_130_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    assert main(["draw"]) == 130
    assert capsys.readouterr().err == "specloom: interrupted; run the same command again to go on\n"
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "specloom: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_cli_interrupted_run_leaves_no_half_file_and_goes_on(tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = sounds.path("music").read_bytes()
    for number in range(100):
        (folder / f"{number:03}.flac").write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1])}
    command = [sys.executable, "-m", "specloom.cli.main", "draw", str(folder), "-o", str(tmp_path / "out"), "-j", jobs]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline().startswith("done: ")
        # As Ctrl-C does: to the whole group, workers included.
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "specloom: interrupted; run the same command again to go on\n"
    made = list((tmp_path / "out").iterdir())
    assert 0 < len(made) < 100
    for path in made:
        assert Spectrogram.load(path).linear is not None


def test_cli_help_is_quick() -> None:
    begun = time.perf_counter()
    for arguments in (["--help"], ["draw", "--help"]):
        assert run(*arguments).returncode == 0
    assert time.perf_counter() - begun < 3.0
    commands = "specloom.cli.main, specloom.cli.draw, specloom.cli.listen, specloom.cli.recipe"
    heavy = "('scipy', 'numba', 'soundfile', 'soxr', 'matplotlib', 'rich.progress')"
    modules = run_python(f"import {commands}, sys; print([name for name in {heavy} if name in sys.modules])")
    assert modules == "[]"


def run_python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_cli_on_a_terminal_shows_bars_and_tells_a_bad_file_in_red(tmp_path: Path) -> None:
    import pty

    (tmp_path / "bad.wav").write_text("text")
    (tmp_path / "good.flac").write_bytes(sounds.path("speech").read_bytes())
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1]), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "specloom.cli.main", "draw", str(tmp_path), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:
            pass  # Linux says so when the other end is closed.
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 1
    assert "of 2 files" in text
    assert "\x1b[31mspecloom: " in text
    assert "bad.wav is not a sound file" in text.replace("\r\n", "")
    assert text.rstrip().endswith("1 done, 1 failed")


@pytest.mark.skipif(os.name == "nt", reason="no pipes of the shell")
def test_cli_output_into_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(specloom.__file__).parents[1])}
    finished = subprocess.run(
        ["sh", "-c", f"{sys.executable} -u -m specloom.cli.main recipe tacotron | true"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert finished.stderr == ""
