"""Drawing files and folders: the tree mirrored, finished files skipped, one bad file told and the rest done."""

import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.errors import AudioFileError, ParameterError
from specloom.io.audio import save
from specloom.recipes import LIBROSA, SPOOF, Spectrogram, streaming_analysis
from specloom.tasks import batch
from specloom.tasks.batch import Batch, FileResult, Job, Outcome, run_job
from specloom.tasks.draw import draw_files


def sound(path: Path, seed: int = 0, n_channels: int = 1) -> Path:
    shape = (6_000,) if n_channels == 1 else (n_channels, 6_000)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return save(path, Audio(samples, 16_000))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for seed, name in enumerate(["one.wav", "deep/two.flac", "deep/er/three.one.ogg"]):
        sound(tmp_path / "in" / name, seed)
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    return tmp_path / "in"


def statuses(results: list[FileResult]) -> list[tuple[str, str]]:
    return sorted((result.target.name, result.status) for result in results)


def test_draw_mirrors_the_tree_and_stores_what_analyse_gives(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ready = draw_files([tree], out, SPOOF)
    assert len(ready) == 3
    assert not out.exists()
    results = list(ready)
    assert statuses(results) == [("one.npz", "done"), ("three.one.npz", "done"), ("two.npz", "done")]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.npz")) == [
        "deep/er/three.one.npz",
        "deep/two.npz",
        "one.npz",
    ]
    assert Spectrogram.load(out / "one.npz").recipe == SPOOF
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_draw_skips_what_is_finished_so_an_interrupted_run_goes_on(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    running = iter(draw_files([tree], out, SPOOF))
    first = next(running)
    running.close()
    made = first.target.stat().st_mtime_ns
    results = list(draw_files([tree], out, SPOOF))
    assert sorted(result.status for result in results) == ["done", "done", "skipped"]
    assert first.target.stat().st_mtime_ns == made


def test_draw_does_not_touch_a_file_of_other_settings_unless_told(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(draw_files([tree / "one.wav"], out, SPOOF))
    for change, reason in [
        ({"recipe": LIBROSA}, r"was drawn with other settings (recipe 'spoof')"),
        ({"recipe": SPOOF, "which": "mel"}, "holds other arrays (linear and mel)"),
    ]:
        [result] = draw_files([tree / "one.wav"], out, **change)
        assert result.status == "failed"
        assert reason in result.message
        assert "--overwrite" in result.message
    assert Spectrogram.load(out / "one.npz").recipe == SPOOF
    [result] = draw_files([tree / "one.wav"], out, LIBROSA, overwrite=True)
    assert result.status == "done"
    assert Spectrogram.load(out / "one.npz").recipe == LIBROSA


def test_draw_sees_that_the_recording_has_changed_or_the_result_is_damaged(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(draw_files([tree / "one.wav"], out, SPOOF))
    sound(tree / "one.wav", seed=9)
    os.utime(tree / "one.wav", ns=(1, 1))
    [result] = draw_files([tree / "one.wav"], out, SPOOF)
    assert result.status == "failed"
    assert "was drawn from another recording" in result.message
    (out / "one.npz").write_bytes((out / "one.npz").read_bytes()[:-30])
    [result] = draw_files([tree / "one.wav"], out, SPOOF)
    assert result.status == "failed"
    assert "cannot be used" in result.message


@pytest.mark.parametrize(("which", "held"), [("linear", (True, False)), ("mel", (False, True))])
def test_draw_stores_the_arrays_asked_for(tree: Path, tmp_path: Path, which: str, held: tuple[bool, bool]) -> None:
    list(draw_files([tree / "one.wav"], tmp_path / "out", SPOOF, which=which))
    spectrogram = Spectrogram.load(tmp_path / "out" / "one.npz")
    assert (spectrogram.linear is not None, spectrogram.mel is not None) == held


def test_draw_takes_channels_instead_of_the_recipes(tmp_path: Path) -> None:
    sound(tmp_path / "six.wav", n_channels=6)
    list(draw_files([tmp_path / "six.wav"], tmp_path / "out", SPOOF, channels="each"))
    spectrogram = Spectrogram.load(tmp_path / "out" / "six.npz")
    assert spectrogram.linear.shape[0] == 6
    assert spectrogram.recipe == replace(SPOOF, channels="each")


@pytest.mark.parametrize("jobs", [1, 2])
def test_draw_tells_a_bad_file_and_does_the_rest(tree: Path, tmp_path: Path, jobs: int) -> None:
    (tree / "bad.wav").write_text("this is text")
    (tree / "empty.wav").write_bytes(b"")
    results = list(draw_files([tree], tmp_path / "out", SPOOF, jobs=jobs))
    assert statuses(results) == [
        ("bad.npz", "failed"),
        ("empty.npz", "failed"),
        ("one.npz", "done"),
        ("three.one.npz", "done"),
        ("two.npz", "done"),
    ]
    told = {result.target.name: result.message for result in results}
    assert str(tree / "bad.wav") in told["bad.npz"]
    assert "empty" in told["empty.npz"]
    assert not (tmp_path / "out" / "bad.npz").exists()


def test_draw_refuses_two_recordings_that_would_become_one_file(tmp_path: Path) -> None:
    sound(tmp_path / "in" / "a.wav")
    sound(tmp_path / "in" / "a.flac")
    with pytest.raises(ParameterError, match=r"a\.flac and .*a\.wav would both become .*a\.npz"):
        draw_files([tmp_path / "in"], tmp_path / "out", SPOOF)
    assert not (tmp_path / "out").exists()


def test_draw_takes_a_file_that_is_given_twice_once(tree: Path, tmp_path: Path) -> None:
    assert len(draw_files([tree, tree / "one.wav", tree / ".." / "in" / "one.wav"], tmp_path / "out", SPOOF)) == 3


def test_draw_says_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ParameterError, match=r"nothing to do: no suitable file below .*in"):
        draw_files([tmp_path / "in"], tmp_path / "out", SPOOF)
    with pytest.raises(ParameterError, match="no input was given"):
        draw_files([], tmp_path / "out", SPOOF)
    with pytest.raises(AudioFileError, match="does not exist"):
        draw_files([tmp_path / "none.wav"], tmp_path / "out", SPOOF)
    with pytest.raises(ParameterError, match="jobs=0"):
        draw_files([sound(tmp_path / "in" / "a.wav")], tmp_path / "out", SPOOF, jobs=0)
    with pytest.raises(ParameterError, match="which='all'"):
        draw_files([tmp_path / "in"], tmp_path / "out", SPOOF, which="all")


def test_draw_on_a_full_disk_tells_it_and_leaves_nothing(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(streaming_analysis.SampleScratch, "append", full)
    [result] = draw_files([tree / "one.wav"], tmp_path / "out", SPOOF)
    assert result.status == "failed"
    assert result.message == f"{tmp_path / 'out' / 'one.npz'} cannot be written: the disk is full"
    monkeypatch.undo()
    monkeypatch.setattr("specloom.recipes.spectrogram_file.FrameSink.append", full)
    [result] = draw_files([tree / "one.wav"], tmp_path / "out", SPOOF)
    assert "the disk is full" in result.message
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_draw_without_permission_tells_it(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    [result] = draw_files([tree / "one.wav"], tmp_path / "out", SPOOF)
    assert result.status == "failed"
    assert "permission is denied" in result.message


def test_draw_of_a_recording_that_was_cut_short_says_so(tree: Path, tmp_path: Path) -> None:
    content = (tree / "one.wav").read_bytes()
    (tree / "one.wav").write_bytes(content[: len(content) // 2])
    [result] = draw_files([tree / "one.wav"], tmp_path / "out", SPOOF)
    assert result.status == "done"
    assert "was cut short" in result.message


def test_draw_reports_progress_up_to_the_end(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    list(draw_files([tree], tmp_path / "out", SPOOF).run(lambda job, share: seen.append((job.source.name, share))))
    for name in {name for name, _ in seen}:
        shares = [share for seen_name, share in seen if seen_name == name]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


def test_draw_worker_hears_an_interrupt_only_while_it_works(tmp_path: Path) -> None:
    heard: list[object] = []

    def work(job: Job, progress: object) -> Outcome:
        heard.append(signal.getsignal(signal.SIGINT))
        return Outcome("done", "")

    before = signal.getsignal(signal.SIGINT)
    try:
        batch._ignore_interrupts()
        batch._run_in_worker(work, Job(source=tmp_path / "a", target=tmp_path / "b"))
        heard.append(signal.getsignal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.default_int_handler, signal.SIG_IGN]


def test_draw_batch_turns_only_expected_errors_into_results(tmp_path: Path) -> None:
    job = Job(source=tmp_path / "a", target=tmp_path / "b")

    def raising(error: BaseException) -> object:
        def work(job: Job, progress: object) -> None:
            raise error

        return work

    assert run_job(raising(OSError(errno.EIO, "Input/output error", "a")), job).message == "a: Input/output error"
    assert "not enough memory" in run_job(raising(MemoryError()), job).message
    with pytest.raises(ZeroDivisionError):
        list(Batch(jobs=(job,), work=raising(ZeroDivisionError())))
