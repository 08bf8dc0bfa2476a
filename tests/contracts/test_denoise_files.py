"""Cleaning files: each becomes one of its kind, what is done is skipped, bad ones are told."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom import Audio, Denoiser, Picture, Spectrogram, load, picture, save, sounds
from specloom.cli.main import DONE, REFUSED, SOME_FAILED, main
from specloom.errors import ArtifactError, ParameterError
from specloom.io.image import open_image, save_image
from specloom.recipes import LIBROSA, TACOTRON
from specloom.tasks.denoise import denoise_files
from specloom.tasks.denoise.trial import damaged_values, try_on

MODEL = Path(__file__).parents[1] / "golden" / "tiny_mel.onnx"


@pytest.fixture(scope="module")
def speech() -> Audio:
    spoken = load(sounds.path("speech"))
    return Audio(spoken.samples[: 2 * spoken.sample_rate], spoken.sample_rate)


def one(source, out, **asked):
    [result] = denoise_files([source], out, **({"model": MODEL} | asked))
    return result


def test_a_folder_becomes_one_of_the_same_kinds(speech, tmp_path):
    given = tmp_path / "in"
    spectrogram = TACOTRON.analyse(speech)
    save(given / "a" / "sound.flac", speech)
    spectrogram.save(given / "a" / "array.npz")
    picture(spectrogram, array="mel").save(given / "seen.png")
    results = list(denoise_files([given], tmp_path / "out", model=MODEL))
    assert [result.status for result in results] == ["done"] * 3
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert made == ["a/array.npz", "a/sound.wav", "seen.png"]
    expected = Denoiser(MODEL).process(spectrogram)
    array, seen = Spectrogram.load(tmp_path / "out" / "a" / "array.npz"), Picture.open(tmp_path / "out" / "seen.png")
    np.testing.assert_allclose(array.mel, expected.mel, atol=1e-6)
    # The picture's last bits hold a mark.
    np.testing.assert_allclose(seen.spectrogram().mel, expected.mel, atol=5e-4)
    sound = load(tmp_path / "out" / "a" / "sound.wav")
    assert (sound.sample_rate, sound.n_samples) == (speech.sample_rate, speech.n_samples)


@pytest.mark.parametrize("suffix", [".npz", ".png", ".wav"])
def test_what_is_done_is_skipped_and_what_is_another_stays(suffix, speech, tmp_path):
    source, target = tmp_path / f"one{suffix}", tmp_path / "out" / f"one{suffix}"
    make = {
        ".npz": lambda sound: TACOTRON.analyse(sound).save(source),
        ".png": lambda sound: picture(TACOTRON.analyse(sound), array="mel").save(source),
        ".wav": lambda sound: save(source, sound),
    }[suffix]
    make(speech)
    assert one(source, target.parent).status == "done"
    assert one(source, target.parent).status == "skipped"
    kept = target.read_bytes()
    os.utime(source, (4e9, 4e9))
    again = one(source, target.parent)
    assert again.status == "failed"
    assert "use --overwrite" in again.message
    assert target.read_bytes() == kept
    assert one(source, target.parent, overwrite=True).status == "done"


@pytest.mark.parametrize("suffix", [".npz", ".png", ".wav"])
def test_what_another_model_made_is_another(suffix, speech, tmp_path):
    source, out = tmp_path / f"one{suffix}", tmp_path / "out"
    if suffix == ".npz":
        TACOTRON.analyse(speech).save(source)
    elif suffix == ".png":
        picture(TACOTRON.analyse(speech), array="mel").save(source)
    else:
        save(source, speech)
    assert one(source, out).status == "done"
    result = one(source, out, model="mel80")
    assert result.status == "failed"
    assert "use --overwrite" in result.message


def test_a_jpeg_becomes_a_png(speech, tmp_path):
    picture(TACOTRON.analyse(speech), array="mel", bits=8).save(tmp_path / "one.jpg")
    result = one(tmp_path / "one.jpg", tmp_path / "out")
    assert (result.status, result.target.name) == ("done", "one.png")
    expected = Denoiser(MODEL).process(Picture.open(tmp_path / "one.jpg").spectrogram())
    made = Picture.open(tmp_path / "out" / "one.png").spectrogram()
    np.testing.assert_allclose(made.mel, expected.mel, atol=5e-4)


def test_a_picture_that_lost_its_settings_is_read_like_another(speech, tmp_path):
    drawn = picture(TACOTRON.analyse(speech), array="mel")
    drawn.save(tmp_path / "clean.png")
    codes = open_image(tmp_path / "clean.png").pixels
    values = damaged_values((codes / 65535).astype(np.float32), "salt-and-pepper", 0.2, np.random.default_rng(0))
    save_image(tmp_path / "damaged.png", np.round(values * 65535).astype(np.uint16))
    alone = one(tmp_path / "damaged.png", tmp_path / "out")
    assert alone.status == "failed"
    assert "does not say how it was made" in alone.message
    assert "--like" in alone.message
    assert one(tmp_path / "damaged.png", tmp_path / "out", like=tmp_path / "clean.png").status == "done"
    made = Picture.open(tmp_path / "out" / "damaged.png").spectrogram().mel
    # Rows stand the other way round in a picture: the lowest band is its last.
    expected = Denoiser(MODEL).process_values(values[::-1])
    np.testing.assert_allclose(made, expected, atol=5e-4)


def test_one_bad_file_does_not_stop_the_rest(speech, tmp_path):
    given = tmp_path / "in"
    TACOTRON.analyse(speech).save(given / "good.npz")
    LIBROSA.analyse(speech).save(given / "other.npz")
    replace(TACOTRON.analyse(speech), mel=None).save(given / "linear.npz")
    picture(TACOTRON.analyse(speech), array="linear").save(given / "linear.png")
    (given / "broken.npz").write_bytes(b"nothing")
    said = {result.source.name: result for result in denoise_files([given], tmp_path / "out", model=MODEL)}
    assert {name: result.status for name, result in said.items()} == {
        "good.npz": "done",
        "other.npz": "failed",
        "linear.npz": "failed",
        "linear.png": "failed",
        "broken.npz": "failed",
    }
    assert "the linear array, which is not cleaned, was left out" in said["good.npz"].message
    assert "made with other settings" in said["other.npz"].message
    assert "holds no mel array" in said["linear.npz"].message
    assert "shows no plain mel spectrogram" in said["linear.png"].message
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["good.npz"]


def test_nothing_is_put_in_the_place_of_what_is_cleaned(speech, tmp_path):
    TACOTRON.analyse(speech).save(tmp_path / "a.npz")
    with pytest.raises(ParameterError, match="would be replaced"):
        denoise_files([tmp_path], tmp_path, model=MODEL)
    with pytest.raises(ArtifactError, match="does not exist"):
        denoise_files([tmp_path / "no.npz"], tmp_path / "out", model=MODEL)
    with pytest.raises(ParameterError, match="sound_format='mp3'"):
        denoise_files([tmp_path], tmp_path / "out", model=MODEL, sound_format="mp3")
    with pytest.raises(ParameterError, match="quality='perfect'"):
        denoise_files([tmp_path], tmp_path / "out", model=MODEL, quality="perfect")


def test_the_command(speech, tmp_path, capsys):
    TACOTRON.analyse(speech).save(tmp_path / "a.npz")
    arguments = [str(tmp_path / "a.npz"), "-o", str(tmp_path / "out"), "--model", str(MODEL)]
    assert main(["denoise", *arguments]) == DONE
    assert "1 done" in capsys.readouterr().out
    (tmp_path / "b.npz").write_bytes(b"")
    assert main(["denoise", str(tmp_path / "b.npz"), *arguments[1:]]) == SOME_FAILED
    assert main(["denoise", *arguments[:-1], "no-such-model"]) == REFUSED
    assert "no-such-model" in capsys.readouterr().err


def test_a_trial_measures_picture_and_sound(speech):
    trial = try_on(Denoiser(MODEL), speech, name="speech", quality="fast")
    clean, damaged = (trial.spectrograms[stage].mel for stage in ("clean", "damaged"))
    hit = damaged != clean
    assert 0.15 < hit.mean() < 0.21
    assert trial.error_db["damaged"] == pytest.approx(100 * np.abs(damaged - clean).mean(), rel=1e-5)
    assert trial.error_db["median"] < 0.5 * trial.error_db["damaged"]
    assert set(trial.scores) == {"damaged", "median", "cleaned"}
    assert trial.scores["median"].si_sdr_db is not None
    assert {sound.n_samples for sound in trial.sounds.values()} == {speech.n_samples}
    assert np.array_equal(damaged_values(clean, "dropout", 0.0, np.random.default_rng(0)), clean)
    noise = Audio(np.random.default_rng(2).uniform(-1, 1, 5_000).astype(np.float32), speech.sample_rate)
    noisy = try_on(Denoiser(MODEL), speech, name="x", damage="noise", noise=noise, snr_db=0.0, quality="fast")
    assert noisy.error_db["damaged"] > 5.0
    assert noisy.spectrograms["damaged"].mel.shape == noisy.spectrograms["clean"].mel.shape
    with pytest.raises(ParameterError, match="needs a recording of noise"):
        try_on(Denoiser(MODEL), speech, name="x", damage="noise")
    with pytest.raises(ParameterError, match="damage='rain'"):
        damaged_values(clean, "rain", 0.2, np.random.default_rng(0))
