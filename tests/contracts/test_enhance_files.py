"""Cleaning files and folders: rate, length, channels kept; what is done skipped; a bad file does not stop the rest."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from specloom import Audio, Enhancer, load, save, sounds
from specloom.errors import ArtifactError, AudioFileError, ParameterError
from specloom.io.audio import AudioWriter
from specloom.tasks.batch import FileResult
from specloom.tasks.enhance import enhance_files
from specloom.tasks.enhance.files import enhance_recording

MODEL = Path(__file__).parents[1] / "golden" / "tiny_spectrum.onnx"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    speech, music = load(sounds.path("speech")), load(sounds.path("music"))
    save(folder / "deep" / "speech.flac", speech)
    save(folder / "music.wav", Audio(music.samples[:, :50_000], music.sample_rate))
    return folder


def one(source: Path, out: Path, **asked: object) -> FileResult:
    [result] = enhance_files([source], out, **{"model": MODEL, **asked})
    return result


def test_a_folder_is_mirrored_and_each_file_is_what_process_makes(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = list(enhance_files([recordings], out, model=MODEL))
    assert [result.status for result in results] == ["done", "done"]
    for source, made in [("deep/speech.flac", "deep/speech.wav"), ("music.wav", "music.wav")]:
        original, cleaned = load(recordings / source), load(out / made)
        assert cleaned.sample_rate == original.sample_rate
        assert cleaned.samples.shape == original.samples.shape
        assert np.abs(cleaned.samples - Enhancer(MODEL).process(original).samples).max() <= 1e-5
    assert sorted(path.name for path in out.rglob("*")) == ["deep", "music.wav", "speech.wav"]


def test_what_is_done_is_skipped_and_what_is_another_is_not_replaced(recordings: Path, tmp_path: Path) -> None:
    source, out = recordings / "music.wav", tmp_path / "out"
    first = one(source, out)
    assert first.status == "done"
    assert one(source, out).status == "skipped"
    other = one(source, out, strength=0.5)
    assert other.status == "failed"
    assert "made with strength '1.0', and '0.5' is asked for; use --overwrite" in other.message
    assert "limit_db 'none'" in one(source, out, limit_db=6).message
    assert (
        "made with model 'tiny_spectrum', and 'tiny_waveform'"
        in one(source, out, model=MODEL.with_name("tiny_waveform.onnx")).message
    )
    assert one(source, out, strength=0.5, overwrite=True).status == "done"
    os.utime(first.target, (1, 1))
    assert "is older than the recording" in one(source, out, strength=0.5).message


def test_a_model_file_that_has_changed_is_read_again(recordings: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(MODEL.read_bytes())
    one(recordings / "music.wav", tmp_path / "out", model=model)
    model.write_bytes(MODEL.with_name("tiny_waveform.onnx").read_bytes())
    assert "'tiny_waveform' is asked for" in one(recordings / "music.wav", tmp_path / "out", model=model).message


def test_a_bad_file_is_told_and_the_rest_goes_on(recordings: Path, tmp_path: Path) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF but no more")
    save(recordings / "nan.wav", Audio(np.zeros(10, dtype=np.float32), 8_000))
    raw = bytearray((recordings / "nan.wav").read_bytes())
    raw[-4:] = np.float32(np.nan).tobytes()
    (recordings / "nan.wav").write_bytes(bytes(raw))
    results = {result.source.name: result for result in enhance_files([recordings], tmp_path / "out", model=MODEL)}
    assert {name: result.status for name, result in results.items()} == {
        "broken.wav": "failed",
        "nan.wav": "failed",
        "speech.flac": "done",
        "music.wav": "done",
    }
    assert "nan" in results["nan.wav"].message
    assert "at sample 9" in results["nan.wav"].message
    assert not (tmp_path / "out" / "nan.wav").exists()
    assert not list((tmp_path / "out").rglob(".*"))


def test_several_processes_make_the_same(recordings: Path, tmp_path: Path) -> None:
    alone = {
        result.target.name: load(result.target).samples
        for result in enhance_files([recordings], tmp_path / "a", model=MODEL)
    }
    results = list(enhance_files([recordings], tmp_path / "b", model=MODEL, jobs=2))
    assert [result.status for result in results] == ["done", "done"]
    for result in results:
        assert np.array_equal(load(result.target).samples, alone[result.target.name])


def test_flac_that_would_clip_is_lowered_as_a_whole_and_says_so(tmp_path: Path) -> None:
    speech = load(sounds.path("speech")).samples
    save(tmp_path / "loud.wav", Audio(speech * (2.0 / np.abs(speech).max()), 16_000))
    floats = one(tmp_path / "loud.wav", tmp_path / "out")
    lowered = one(tmp_path / "loud.wav", tmp_path / "out", sound_format="flac")
    assert lowered.target.suffix == ".flac"
    kept, made = load(floats.target).samples, load(lowered.target).samples
    peak = np.abs(kept).max()
    assert peak > 1.0
    assert f"lowered by {20 * np.log10(peak):.1f} dB" in lowered.message
    assert np.abs(made * peak - kept).max() < 1e-6 * peak


def test_strength_0_writes_the_recording_bit_for_bit(recordings: Path, tmp_path: Path) -> None:
    made = one(recordings / "music.wav", tmp_path / "out", strength=0.0)
    assert load(made.target).samples.tobytes() == load(recordings / "music.wav").samples.tobytes()


def test_progress_goes_to_the_end(recordings: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    enhance_recording(Enhancer(MODEL), recordings / "music.wav", tmp_path / "a.wav", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_recording_is_never_replaced_by_its_cleaned_self(recordings: Path) -> None:
    for overwrite in (False, True):
        with pytest.raises(ParameterError, match="is a recording that is to be cleaned, and would be replaced"):
            enhance_files([recordings], recordings, model=MODEL, overwrite=overwrite)


def test_nothing_is_begun_with_a_model_or_value_that_cannot_be_used(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"\x08\x07 nonsense")
    with pytest.raises(ArtifactError, match=r"no\.onnx"):
        enhance_files([recordings], tmp_path / "out", model=tmp_path / "no.onnx")
    with pytest.raises(ArtifactError, match="no-such-model"):
        enhance_files([recordings], tmp_path / "out", model="no-such-model")
    with pytest.raises(ParameterError, match="strength=2"):
        enhance_files([recordings], tmp_path / "out", model=MODEL, strength=2)
    with pytest.raises(ParameterError, match="sound_format='mp3'"):
        enhance_files([recordings], tmp_path / "out", model=MODEL, sound_format="mp3")
    with pytest.raises(AudioFileError, match="does not exist"):
        enhance_files([tmp_path / "none.wav"], tmp_path / "out", model=MODEL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_longer_recording_takes_no_more_memory(tmp_path: Path, rate: int) -> None:
    enhancer = Enhancer(MODEL)
    block = (0.1 * np.random.default_rng(0).standard_normal((2, 5 * rate))).astype(np.float32)
    peaks = []
    for n_blocks in (4, 12):
        with AudioWriter(tmp_path / f"{n_blocks}.wav", rate, 2, "PCM_16") as writer:
            for _ in range(n_blocks):
                writer.write(block)
        tracemalloc.start()
        enhance_recording(enhancer, tmp_path / f"{n_blocks}.wav", tmp_path / "out.wav")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 40e6
