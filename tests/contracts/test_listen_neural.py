"""``listen --quality neural`` on files: what is skipped, what is said, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom import SPEECH16, SPOOF, Picture, load, picture, sounds
from specloom.artifact import read_artifact, write_artifact
from specloom.errors import ArtifactError, ParameterError
from specloom.inversion import MelInverter
from specloom.recipes.analysis import phase_of
from specloom.runtime import shipped_models
from specloom.runtime.models import load_model
from specloom.tasks.draw import draw_files
from specloom.tasks.listen import listen_files
from specloom.tasks.strangers import Hints


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    list(draw_files([sounds.path("speech")], folder, SPEECH16))
    return folder / "speech.npz"


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that ships under another name: another model."""
    artifact = load_model("speech16", task="inversion")
    path = tmp_path_factory.mktemp("models") / "other.zip"
    write_artifact(path, replace(artifact, header=replace(artifact.header, name="other")))
    return path


def test_a_file_is_made_by_networks_as_in_memory(drawn, tmp_path):
    [made] = listen_files([drawn], tmp_path, quality="neural")
    assert made.status == "done"
    assert "instead" not in made.message
    assert "comes nearer" in made.message
    spectrogram = SPEECH16.analyse(load(sounds.path("speech")))
    wanted = SPEECH16.synthesise(spectrogram, source="mel", quality="neural")
    assert load(made.target).sample_rate == 16_000
    np.testing.assert_allclose(load(made.target).samples, wanted.samples, atol=1e-4)


def test_every_channel_is_made(tmp_path):
    recipe = replace(SPEECH16, channels="each", sample_rate=16_000)
    [file] = draw_files([sounds.path("music")], tmp_path / "drawn", recipe)
    [made] = listen_files([file.target], tmp_path, quality="neural")
    assert load(made.target).samples.shape == load(sounds.path("music")).samples.shape


def test_what_networks_made_is_skipped_and_another_model_s_sound_is_not(drawn, other_model, tmp_path):
    assert [each.status for each in listen_files([drawn], tmp_path, quality="neural")] == ["done"]
    assert [each.status for each in listen_files([drawn], tmp_path, quality="neural")] == ["skipped"]
    for asked in ({"quality": "best"}, {"quality": "neural", "model": other_model}):
        [refused] = listen_files([drawn], tmp_path, **asked)
        assert refused.status == "failed"
        assert "--overwrite" in refused.message


def test_pictures_are_made_by_networks(tmp_path):
    spectrogram = SPEECH16.analyse(load(sounds.path("speech")))
    path = picture(spectrogram, array="mel").save(tmp_path / "speech.png")
    [made] = listen_files([path], tmp_path / "out", quality="neural")
    assert made.status == "done", made.message
    assert load(made.target).n_samples == load(sounds.path("speech")).n_samples


def test_what_no_model_knows_is_told_in_the_result(tmp_path):
    [file] = draw_files([sounds.path("speech")], tmp_path / "drawn", SPOOF)
    [made] = listen_files([file.target], tmp_path / "out", quality="neural")
    assert made.status == "done"
    assert "'best' is used" in made.message
    # It is what 'best' makes, so that is what is there.
    assert [each.status for each in listen_files([file.target], tmp_path / "out", quality="neural")] == ["skipped"]


def test_a_picture_like_another_and_a_stranger_s_are_told_about(tmp_path):
    from PIL import Image

    ours = tmp_path / "ours.png"
    picture(SPOOF.analyse(load(sounds.path("speech"))), array="mel").save(ours)
    plain = tmp_path / "plain" / "bare.png"
    plain.parent.mkdir()
    pixels = np.asarray(Image.open(ours).convert("L")).copy()
    # Whatever the last bits say about the settings is gone.
    Image.fromarray(pixels & 0xFC).save(plain)
    [made] = listen_files([plain], tmp_path / "out", quality="neural", like=ours)
    assert made.status == "done", made.message
    assert "'best' is used" in made.message
    [made] = listen_files(
        [plain], tmp_path / "other", quality="neural", sample_rate=16_000, hints=Hints(hop_length=1024)
    )
    assert made.status == "done", made.message
    assert "'best' is used" in made.message


def test_an_exact_picture_needs_nothing_and_nothing_is_told(tmp_path):
    audio = load(sounds.path("speech"))
    path = picture(SPEECH16.analyse(audio), phase=phase_of(audio, SPEECH16)).save(tmp_path / "exact.png")
    [made] = listen_files([path], tmp_path / "out", quality="neural")
    assert made.status == "done", made.message
    assert "neural" not in made.message


def test_a_model_that_is_not_needed_is_looked_at_and_said(tmp_path):
    audio = load(sounds.path("speech"))
    path = picture(SPEECH16.analyse(audio), phase=phase_of(audio, SPEECH16)).save(tmp_path / "exact.png")
    [made] = listen_files([path], tmp_path / "out", quality="neural", model="speech16")
    assert (made.status, "the model is not needed" in made.message) == ("done", True)
    [failed] = listen_files([path], tmp_path / "other", quality="neural", model=tmp_path / "no.zip")
    assert failed.status == "failed"


def test_a_picture_like_another_is_made_by_the_model_that_is_named(other_model, tmp_path, monkeypatch):
    from PIL import Image

    ours = picture(SPEECH16.analyse(load(sounds.path("speech"))), array="mel").save(tmp_path / "ours.png")
    plain = tmp_path / "plain" / "bare.png"
    plain.parent.mkdir()
    Image.fromarray(np.asarray(Image.open(ours).convert("L")) & 0xFC).save(plain)

    def heard(**asked):
        [result] = listen_files([plain], tmp_path / "out", quality="neural", **asked)
        return result

    made = heard(like=ours)
    assert (made.status, "instead" in made.message) == ("done", False)
    assert heard(like=ours).status == "skipped"
    assert "networks" in heard(like=ours, model=other_model).message
    assert heard(like=ours, model=tmp_path / "no.zip").status == "failed"
    used = []
    audio = Picture.audio
    monkeypatch.setattr(Picture, "audio", lambda self, *a, **k: used.append(k.get("model")) or audio(self, *a, **k))
    assert heard(like=ours, model=other_model, overwrite=True).status == "done"
    assert used == [other_model]
    assert "stranger's picture" in heard(model=other_model, sample_rate=16_000).message


def test_models_that_do_not_fit_are_refused(drawn, tmp_path):
    with pytest.raises(ParameterError, match="a model is for quality='neural'"):
        listen_files([drawn], tmp_path, quality="best", model="speech16")
    [failed] = listen_files([drawn], tmp_path, quality="neural", model="default")
    assert failed.status == "failed"
    assert "'inversion'" in failed.message
    [failed] = listen_files([drawn], tmp_path, quality="neural", model=tmp_path / "no.zip")
    assert failed.status == "failed"
    assert not list(tmp_path.glob("*.wav"))


def test_a_model_with_other_networks_is_refused(tmp_path):
    artifact = load_model("speech16", task="inversion")
    header = replace(artifact.header, networks={"refine": artifact.header.networks["refine"]})
    with pytest.raises(ArtifactError, match="'magnitude' and 'refine' are needed"):
        MelInverter(replace(artifact, header=header, networks={"refine": artifact.networks["refine"]}))


def test_models_that_ship_are_small():
    from specloom.runtime.models import path_of

    for name in shipped_models("inversion"):
        assert path_of(name, "inversion").stat().st_size <= 2_500_000
        assert read_artifact(path_of(name, "inversion")).header.task == "inversion"
