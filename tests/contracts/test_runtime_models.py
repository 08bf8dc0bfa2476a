"""Models are found by the name under which they are shipped, or by their path."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from specloom.artifact import read_artifact
from specloom.errors import ArtifactError
from specloom.runtime import Session, check_probe, load_model, models, shipped_models

SHIPPED = [(task, name) for task in ("enhance", "denoise_mel") for name in shipped_models(task)]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped models that holds one, "default"."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    shutil.copy(GOLDEN / "tiny_context.onnx", folder / "default.onnx")
    (folder / "notes.txt").write_text("no model")
    monkeypatch.setattr(models, "_SHIPPED", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_shipped_model_has_a_name(shipped):
    assert shipped_models("enhance") == ("default",)
    assert shipped_models("denoise_mel") == ()
    assert load_model("default", task="enhance") == read_artifact(GOLDEN / "tiny_context.onnx")


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_model_has_a_path(shipped, as_given):
    assert load_model(as_given(GOLDEN / "tiny_waveform.onnx"), task="enhance").header.name == "tiny_waveform"


def test_a_file_of_a_shipped_name_is_reached_by_a_path(shipped, tmp_path):
    shutil.copy(GOLDEN / "tiny_waveform.onnx", tmp_path / "default")
    shutil.copy(GOLDEN / "tiny_waveform.onnx", tmp_path / "mine")
    assert load_model("default", task="enhance").header.name == "tiny_context"
    assert load_model("./default", task="enhance").header.name == "tiny_waveform"
    assert load_model(Path("default"), task="enhance").header.name == "tiny_waveform"
    assert load_model("mine", task="enhance").header.name == "tiny_waveform"


@pytest.mark.parametrize("name", ["defult", "Default", "", "notes"])
def test_an_unknown_name_lists_the_names(shipped, name):
    with pytest.raises(ArtifactError, match=r"no shipped model of this name \(shipped: default\) and no such file"):
        load_model(name, task="enhance")


def test_without_shipped_models_it_says_so(shipped):
    (shipped / "default.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"'default': there is no shipped model of this name \(shipped: none\)"):
        load_model("default", task="enhance")


@pytest.mark.parametrize("path", ["missing.onnx", "./default", "../default", "shipped/other.onnx"])
def test_a_missing_file_says_so(shipped, path):
    with pytest.raises(ArtifactError, match="does not exist"):
        load_model(path, task="enhance")


def test_a_model_for_another_task_is_refused(shipped):
    with pytest.raises(ArtifactError, match=r"default\.onnx: the model 'tiny_context' is for the task 'enhance'"):
        load_model("default", task="invert")


@pytest.mark.parametrize(("task", "name"), SHIPPED)
def test_every_shipped_model_is_whole_and_answers_its_probe(task, name):
    artifact = load_model(name, task=task)
    for network in artifact.networks:
        check_probe(Session(artifact, network=network))
