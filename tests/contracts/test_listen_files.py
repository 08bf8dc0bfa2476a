"""Listening to files and folders: rate, length and level back; finished files skipped; other programs' arrays."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom import sounds
from specloom.errors import ArtifactError, ParameterError
from specloom.io.audio import load, save
from specloom.recipes import LIBROSA, SPOOF, TACOTRON, TACOTRON_AS_WRITTEN, Spectrogram
from specloom.tasks.batch import FileResult
from specloom.tasks.draw import draw_files
from specloom.tasks.listen import listen_files


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    folder = tmp_path / "drawn"
    list(draw_files([sounds.path("speech")], folder / "deep", SPOOF))
    list(draw_files([sounds.path("music")], folder, replace(LIBROSA, channels="each")))
    return folder


def test_listen_gives_rate_length_channels_and_level_back(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = list(listen_files([drawn], out, quality="fast"))
    assert [result.status for result in results] == ["done", "done"]
    for name, path in [("speech", out / "deep" / "speech.wav"), ("music", out / "music.wav")]:
        original, back = load(sounds.path(name)), load(path)
        assert back.samples.shape == original.samples.shape
        assert back.sample_rate == original.sample_rate
        levels = [10 * np.log10(np.mean(audio.samples**2)) for audio in (original, back)]
        assert levels[1] == pytest.approx(levels[0], abs=0.5)
    assert sorted(path.name for path in out.rglob("*")) == ["deep", "music.wav", "speech.wav"]


def test_listen_skips_what_is_there_and_overwrites_when_told(drawn: Path, tmp_path: Path) -> None:
    path = drawn / "deep" / "speech.npz"
    [first] = listen_files([path], tmp_path / "out", quality="fast")
    made = first.target.stat().st_mtime_ns
    [again] = listen_files([path], tmp_path / "out", quality="fast")
    assert (again.status, first.target.stat().st_mtime_ns) == ("skipped", made)
    [anew] = listen_files([path], tmp_path / "out", quality="fast", overwrite=True)
    assert anew.status == "done"
    assert first.target.stat().st_mtime_ns > made


@pytest.mark.parametrize("sound_format", ["wav", "flac"])
def test_listen_refuses_a_sound_that_was_made_in_another_way(drawn: Path, tmp_path: Path, sound_format: str) -> None:
    path = drawn / "deep" / "speech.npz"
    quieter = replace(SPOOF, synthesis=replace(SPOOF.synthesis, written_peak=0.5))

    def again(**asked: object) -> FileResult:
        [result] = listen_files([path], tmp_path / "out", sound_format=sound_format, **asked)
        return result

    first = again(quality="fast")
    made = first.target.read_bytes()
    assert again(quality="fast", source="linear").status == "skipped"
    for asked, words in [
        ({"quality": "best"}, "quality 'fast', and 'best' is asked for"),
        ({"quality": "fast", "source": "mel"}, "array 'linear', and 'mel' is asked for"),
        ({"quality": "fast", "recipe": quieter}, "made with settings"),
    ]:
        result = again(**asked)
        assert result.status == "failed"
        assert words in result.message
        assert result.message.endswith("use --overwrite to replace it")
    assert first.target.read_bytes() == made
    assert again(quality="fast", source="mel", overwrite=True).status == "done"
    assert again(quality="fast", source="mel").status == "skipped"


def test_listen_keeps_the_sound_that_says_nothing_of_its_making(drawn: Path, tmp_path: Path) -> None:
    [first] = listen_files([drawn / "deep" / "speech.npz"], tmp_path, quality="fast")
    save(first.target, load(first.target))
    [again] = listen_files([drawn / "deep" / "speech.npz"], tmp_path, quality="best")
    assert again.status == "skipped"


def test_listen_keeps_a_file_that_cannot_be_the_result(drawn: Path, tmp_path: Path) -> None:
    path = drawn / "deep" / "speech.npz"
    [first] = listen_files([path], tmp_path / "out", quality="fast")
    status = path.stat()
    os.utime(first.target, ns=(status.st_mtime_ns - 10, status.st_mtime_ns - 10))
    [result] = listen_files([path], tmp_path / "out")
    assert result.status == "failed"
    assert "is older than the spectrogram; use --overwrite" in result.message
    first.target.write_text("mine")
    [result] = listen_files([path], tmp_path / "out")
    assert "cannot be used" in result.message
    assert first.target.read_text() == "mine"
    first.target.write_bytes(sounds.path("music").read_bytes())
    [result] = listen_files([path], tmp_path / "out")
    assert "has another sample rate (44100 Hz)" in result.message


def test_listen_tells_a_bad_file_and_does_the_rest(drawn: Path, tmp_path: Path) -> None:
    content = (drawn / "music.npz").read_bytes()
    (drawn / "cut.npz").write_bytes(content[:-100])
    changed = bytearray(content)
    changed[100_000] ^= 1
    (drawn / "changed.npz").write_bytes(changed)
    np.savez(drawn / "other.npz", np.zeros(3))
    results = {result.source.name: result for result in listen_files([drawn], tmp_path / "out", quality="fast")}
    assert {name: result.status for name, result in results.items()} == {
        "changed.npz": "failed",
        "cut.npz": "failed",
        "music.npz": "done",
        "other.npz": "failed",
        "speech.npz": "done",
    }
    assert "was cut off" in results["cut.npz"].message
    assert "checksum" in results["changed.npz"].message
    assert "--recipe, --sample-rate" in results["other.npz"].message
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.wav")) == ["music.wav", "speech.wav"]


def test_listen_flac_is_lowered_to_full_scale_and_says_so(drawn: Path, tmp_path: Path) -> None:
    spectrogram = Spectrogram.load(drawn / "deep" / "speech.npz")
    loud = Spectrogram(
        recipe=spectrogram.recipe,
        origin=replace(spectrogram.origin, linear_peak=spectrogram.origin.linear_peak * 20),
        linear=spectrogram.linear,
    )
    loud.save(tmp_path / "loud.npz")
    [wav] = listen_files([tmp_path / "loud.npz"], tmp_path / "out", quality="fast")
    [flac] = listen_files([tmp_path / "loud.npz"], tmp_path / "out", quality="fast", sound_format="flac")
    assert "lowered by" in flac.message
    assert "lowered by" not in wav.message
    float_samples, lowered = load(wav.target).samples, load(flac.target).samples
    assert np.abs(float_samples).max() > 2.0
    assert np.abs(lowered).max() == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(lowered, float_samples / np.abs(float_samples).max(), atol=1e-4)


def test_listen_takes_another_way_back_but_no_other_analysis(drawn: Path, tmp_path: Path) -> None:
    path = drawn / "deep" / "speech.npz"
    own = replace(SPOOF, name="mine", synthesis=replace(SPOOF.synthesis, written_sample_rate=22_050))
    [result] = listen_files([path], tmp_path / "out", recipe=own, quality="fast")
    assert load(result.target).sample_rate == 22_050
    [result] = listen_files([path], tmp_path / "other", recipe=TACOTRON)
    assert result.status == "failed"
    assert "made with other settings" in result.message


def test_listen_hears_arrays_of_other_programs_when_the_recipe_is_said(tmp_path: Path) -> None:
    speech = load(sounds.path("speech"))
    _, linear = TACOTRON_AS_WRITTEN.analyse(speech).frames_first()
    folder = tmp_path / "theirs"
    folder.mkdir()
    np.save(folder / "network.npy", linear)
    with pytest.raises(ParameterError, match="nothing to do"):
        listen_files([folder], tmp_path / "out")
    [result] = listen_files([folder / "network.npy"], tmp_path / "out")
    assert "say so with a recipe" in result.message
    [result] = listen_files([folder], tmp_path / "out", recipe=TACOTRON_AS_WRITTEN, quality="fast")
    assert (result.status, load(result.target).sample_rate) == ("done", 22_050)
    [result] = listen_files([folder], tmp_path / "out", recipe=TACOTRON_AS_WRITTEN)
    assert "quality 'fast', and 'griffin-lim' is asked for" in result.message
    [result] = listen_files([folder], tmp_path / "out", recipe=TACOTRON_AS_WRITTEN, quality="fast")
    assert result.status == "skipped"
    np.save(folder / "network.npy", SPOOF.analyse(speech).linear)
    [result] = listen_files([folder], tmp_path / "two", recipe=SPOOF, quality="fast")
    assert "--sample-rate" in result.message
    [result] = listen_files([folder], tmp_path / "two", recipe=SPOOF, sample_rate=16_000, quality="fast")
    assert (result.status, load(result.target).sample_rate) == ("done", 16_000)


def test_listen_refuses_before_anything_is_started(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not exist"):
        listen_files([tmp_path / "none.npz"], tmp_path / "out")
    copy = drawn / "speech.npz"
    copy.write_bytes((drawn / "deep" / "speech.npz").read_bytes())
    with pytest.raises(ParameterError, match="would both become"):
        listen_files([drawn, drawn / "deep" / "speech.npz"], tmp_path / "out")
    with pytest.raises(ParameterError, match="quality='good'"):
        listen_files([drawn], tmp_path / "out", quality="good")
    with pytest.raises(ParameterError, match="sound_format='mp3'"):
        listen_files([drawn], tmp_path / "out", sound_format="mp3")
    assert not (tmp_path / "out").exists()
