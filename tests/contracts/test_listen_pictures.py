"""Listening to pictures: of ours without options and joined, of strangers with what was assumed, changed ones too."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from specloom import sounds
from specloom.errors import ParameterError
from specloom.io.audio import load, read_comment
from specloom.page.plot import plot
from specloom.recipes import LIBROSA, TACOTRON, Frames, GriffinLim, Synthesis
from specloom.rescue.assumptions import Assumption
from specloom.tasks.batch import FileResult
from specloom.tasks.draw import draw_files
from specloom.tasks.draw_pictures import Style, draw_picture_files
from specloom.tasks.listen import listen_files
from specloom.tasks.strangers import Hints, picture_like

RECIPE = replace(LIBROSA, name="small", frames=Frames(n_fft=512, hop_length=128))
SPEECH = sounds.path("speech")


def pictures(out: Path, style: Style | None = None, recipe=RECIPE) -> list[Path]:  # type: ignore[no-untyped-def]
    [result] = draw_picture_files([SPEECH], out, recipe, style)
    assert result.status == "done", result.message
    return list(result.files)


def heard(inputs: list[Path], out: Path, **options: object) -> list[FileResult]:
    return list(listen_files(inputs, out, quality="fast", **options))  # type: ignore[arg-type]


def one(source: Path, out: Path, **options: object) -> FileResult:
    [result] = heard([source], out, **options)
    return result


def level_db(path: Path) -> float:
    return float(10 * np.log10(np.mean(load(path).mono().samples.astype(float) ** 2)))


def test_pieces_of_a_recording_become_one_sound(tmp_path: Path) -> None:
    files = pictures(tmp_path / "pieces", Style(piece_s=1.4))
    assert len(files) == 4
    joined = one(tmp_path / "pieces", tmp_path / "out")
    assert (joined.status, joined.target.name) == ("done", "speech.wav")
    assert joined.message.endswith("4 pictures joined")
    original, back = load(SPEECH), load(joined.target)
    assert (back.sample_rate, back.n_samples) == (original.sample_rate, original.n_samples)
    assert level_db(joined.target) == pytest.approx(level_db(SPEECH), abs=0.1)
    # In any order, and as files.
    [shuffled] = heard(files[::-1], tmp_path / "shuffled")
    assert np.array_equal(load(shuffled.target).samples, back.samples)
    whole = one(pictures(tmp_path / "whole", Style(piece_s=None))[0], tmp_path / "one")
    # The settings in the last bits of the pixels differ, and nothing else does.
    difference = load(whole.target).samples - back.samples
    assert 20 * np.log10(np.abs(difference).max() / np.abs(back.samples).max()) < -40


def test_each_run_of_an_incomplete_set_is_a_sound_that_says_what_is_missing(tmp_path: Path) -> None:
    files = pictures(tmp_path / "pieces", Style(piece_s=0.6))
    assert len(files) == 9
    for index in (0, 3, 4):
        files[index].unlink()
    results = heard([tmp_path / "pieces"], tmp_path / "out")
    assert [result.target.name for result in results] == ["speech-002-003.wav", "speech-006-009.wav"]
    assert all("; pieces 1 and 4-5 of 9 are missing" in result.message for result in results)
    lengths = [load(result.target).duration_s for result in results]
    assert lengths == pytest.approx([1.2, 5.1875 - 5 * 0.6], abs=0.02)
    assert [result.status for result in heard([tmp_path / "pieces"], tmp_path / "out")] == ["skipped"] * 2


def test_spectrogram_files_and_pictures_are_mixed_and_folders_mirrored(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    list(draw_files([SPEECH], folder / "arrays", RECIPE))
    pictures(folder / "pieces" / "deep", Style(piece_s=2.0))
    pictures(folder / "jpeg", Style(file_format="jpeg"))
    results = heard([folder], tmp_path / "out")
    assert [result.target.relative_to(tmp_path / "out").as_posix() for result in results] == [
        "arrays/speech.wav",
        "jpeg/speech.wav",
        "pieces/deep/speech.wav",
    ]
    assert {result.status for result in results} == {"done"}
    assert "JPEG" in results[1].message


def test_a_changed_copy_of_a_picture_is_heard_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    files = pictures(folder, Style(piece_s=2.0))
    (folder / "speech-002-edited.png").write_bytes(files[1].read_bytes())
    results = heard([folder], tmp_path / "out")
    assert [(result.target.name, len(result.message.split("joined"))) for result in results] == [
        ("speech.wav", 2),
        ("speech-002-edited.wav", 1),
    ]
    assert "pieces 1 and 3 of 3 are missing" in results[1].message
    assert load(results[1].target).duration_s == pytest.approx(2.0, abs=0.02)


def test_pieces_may_be_renamed(tmp_path: Path) -> None:
    for letter, path in zip("cab", pictures(tmp_path / "in", Style(piece_s=2.0)), strict=True):
        path.rename(path.with_name(f"{letter}.png"))
    result = one(tmp_path / "in", tmp_path / "out")
    assert result.target.name == "c.wav"
    assert load(result.target).n_samples == load(SPEECH).n_samples


def test_two_ways_to_one_sound_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    list(draw_files([SPEECH], folder, RECIPE))
    pictures(folder)
    with pytest.raises(ParameterError, match=r"would both become .*speech\.wav"):
        heard([folder], tmp_path / "out")


def test_an_exact_picture_is_the_recording(tmp_path: Path) -> None:
    files = pictures(tmp_path / "exact", Style(exact=True, piece_s=2.0))
    assert len(files) == 3
    back = load(one(tmp_path / "exact", tmp_path / "out").target).samples
    original = load(SPEECH).samples.ravel()
    noise = back.ravel() - original
    assert 10 * np.log10(np.sum(original**2) / np.sum(noise**2)) > 80


def test_skipped_when_nothing_changed_and_made_anew_when_told(tmp_path: Path) -> None:
    files = pictures(tmp_path / "pieces", Style(piece_s=2.0))
    first = one(tmp_path / "pieces", tmp_path / "out")
    assert one(tmp_path / "pieces", tmp_path / "out").status == "skipped"
    [other] = listen_files([tmp_path / "pieces"], tmp_path / "out", quality="best")
    assert other.status == "failed"
    assert "quality 'fast', and 'best' is asked for" in other.message
    assert one(tmp_path / "pieces", tmp_path / "out", overwrite=True).status == "done"
    # Any of the pieces may have changed, not only the first.
    later = first.target.stat().st_mtime_ns + 10**9
    os.utime(files[2], ns=(later, later))
    assert "is older than the spectrogram" in one(tmp_path / "pieces", tmp_path / "out").message
    assert '"pictures": "3"' in read_comment(first.target)


def test_another_way_back_may_be_given(tmp_path: Path) -> None:
    [path] = pictures(tmp_path / "in")
    quieter = replace(RECIPE, name="quieter", synthesis=Synthesis(phase=GriffinLim(n_iter=2), written_peak=0.25))
    [result] = listen_files([path], tmp_path / "out", recipe=quieter)
    assert result.status == "done", result.message
    assert np.abs(load(result.target).samples).max() == pytest.approx(0.25, rel=1e-3)
    [refused] = listen_files([path], tmp_path / "two", recipe=TACOTRON)
    assert refused.status == "failed"


def test_a_damaged_picture_of_ours_fails_alone(tmp_path: Path) -> None:
    [path] = pictures(tmp_path / "in")
    content = path.read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "in" / "text.png").write_text("no picture")
    results = heard([tmp_path / "in"], tmp_path / "out", sample_rate=16_000)
    assert [(result.source.name, result.status) for result in results] == [
        ("cut.png", "failed"),
        ("speech.png", "done"),
        ("text.png", "failed"),
    ]
    for result in results:
        assert "\n" not in result.message
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["speech.wav"]


def test_a_picture_that_an_editor_saved_anew_is_still_ours(tmp_path: Path) -> None:
    [path] = pictures(tmp_path / "in")
    with Image.open(path) as image:
        image.load()
        Image.fromarray(np.asarray(image)).save(tmp_path / "anew.png")
    result = one(tmp_path / "anew.png", tmp_path / "out")
    assert result.status == "done"
    assert "the settings were found in the pixels" in result.message
    assert load(result.target).n_samples == load(SPEECH).n_samples


def test_like_gives_a_networks_output_the_settings_of_ours(tmp_path: Path) -> None:
    for name, style in (("gray", Style(file_format="png8")), ("magma", Style(file_format="jpeg", colormap="magma"))):
        [ours] = pictures(tmp_path / name, style)
        out = tmp_path / f"{name}.bmp"
        with Image.open(ours) as image:
            # Off by up to two codes, so that nothing of ours is left in the pixels.
            pixels = np.asarray(image.convert("RGB")).astype(int)
        jitter = np.random.default_rng(0).integers(-2, 3, pixels.shape[:2])[..., None]
        Image.fromarray(np.clip(pixels + jitter, 0, 255).astype(np.uint8)).save(out)
        assert "--sample-rate" in one(out, tmp_path / "refused").message
        result = one(out, tmp_path / "out", like=ours)
        assert (result.status, result.message[-29:]) == ("done", f"with the settings of {ours.name}"[-29:])
        assert load(result.target).n_samples == load(SPEECH).n_samples
        assert level_db(result.target) == pytest.approx(level_db(SPEECH), abs=0.5)
        assert one(out, tmp_path / "out", like=ours).status == "skipped"


def test_like_refuses_16_bits_that_were_cut_off(tmp_path: Path) -> None:
    [ours] = pictures(tmp_path / "ours")
    with Image.open(ours) as image:
        codes = np.asarray(image)
    Image.fromarray(np.minimum(codes, 255).astype(np.uint8)).save(tmp_path / "cut.png")
    Image.fromarray((codes >> 8).astype(np.uint8)).save(tmp_path / "divided.png")
    assert "cut them off" in one(tmp_path / "cut.png", tmp_path / "out", like=ours).message
    assert one(tmp_path / "divided.png", tmp_path / "out", like=ours).status == "done"


def test_like_needs_a_picture_of_ours_of_the_same_size(tmp_path: Path) -> None:
    [ours] = pictures(tmp_path / "in")
    stranger = tmp_path / "stranger.png"
    Image.new("L", (7, 5), 100).save(stranger)
    with pytest.raises(ParameterError, match=r"has 7 x 5 pixels, and .* has 649 x 257: the same size is needed"):
        picture_like(stranger, ours)
    with pytest.raises(ParameterError, match="holds no settings"):
        picture_like(stranger, stranger)
    assert one(stranger, tmp_path / "out", like=stranger).status == "failed"
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def figure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figure") / "figure.png"
    plot(RECIPE.analyse(load(SPEECH)), path, which="linear", axes=False, max_columns=10_000)
    return path


def test_a_strangers_picture_is_heard_and_says_what_was_assumed(figure: Path, tmp_path: Path) -> None:
    hints = Hints(n_fft=512, hop_length=128, range_db=80.0, axes=False)
    result = one(figure, tmp_path, sample_rate=16_000, hints=hints)
    assert result.status == "done", result.message
    assert "from a picture without settings" in result.message
    back = load(result.target)
    assert back.sample_rate == 16_000
    assert back.duration_s == pytest.approx(load(SPEECH).duration_s, abs=0.02)
    assert 0.01 < np.abs(back.samples).max() <= 1.0
    assert result.assumptions
    assert all(isinstance(assumption, Assumption) for assumption in result.assumptions)
    assert {"given"} < {assumption.how for assumption in result.assumptions}
    assert one(figure, tmp_path, sample_rate=16_000, hints=hints).status == "skipped"
    other = one(figure, tmp_path, sample_rate=16_000, hints=replace(hints, range_db=60.0))
    assert other.status == "failed"
    assert "made with settings" in other.message


def test_a_strangers_picture_without_a_rate_says_what_to_give(figure: Path, tmp_path: Path) -> None:
    result = one(figure, tmp_path)
    assert result.status == "failed"
    assert "--sample-rate" in result.message
    assert result.message.count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_work_and_results_can_travel_between_processes(figure: Path, tmp_path: Path) -> None:
    hints = Hints(n_fft=512, hop_length=128, axes=False)
    batch = listen_files([figure], tmp_path, sample_rate=16_000, hints=hints, quality="fast")
    [result] = pickle.loads(pickle.dumps(batch))
    assert result.status == "done"
    assert pickle.loads(pickle.dumps(result)) == result
