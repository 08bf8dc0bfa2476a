"""``specloom train enhance``: from the command line to a model file, stopped and resumed on the way."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

sys.path.insert(0, str(Path(__file__).parent))

from specloom.artifact import read_artifact  # noqa: E402
from specloom.cli.main import DONE, INTERRUPTED, REFUSED, main  # noqa: E402
from specloom.runtime import Session, check_probe  # noqa: E402
from specloom.train.logs import read_log  # noqa: E402
from specloom.train.recipes import catalog  # noqa: E402


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(catalog.RECIPES["enhance"], "toy", "toy_recipes:from_request")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["train", "enhance", "--device", "cpu", "--threads", "1", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


NEW = ("--speech", "voices", "more-voices", "--noise", "noises", "--recipe", "toy")


def test_a_model_is_trained_and_written(train, tmp_path):
    code, out, err = train(*NEW, "--steps", "20", "--seed", "4", "-o", "mine.onnx")
    assert (code, err) == (DONE, "")
    assert "the best so far" in out
    assert "weights of step 20, score -" in out
    artifact = read_artifact(tmp_path / "mine.onnx")
    assert artifact.header.origin.steps == 20
    assert artifact.header.origin.seed == 4
    check_probe(Session(artifact))
    said = json.loads((tmp_path / "mine.training" / "run.json").read_text())
    assert said["speech"] == ["voices", "more-voices"]


def test_stopped_and_resumed(train, tmp_path):
    train(*NEW, "--steps", "20", "-o", "whole.onnx")
    code, _, err = train(*NEW, "--steps", "20", "-o", "parts.onnx", "--target", "7")
    assert code == INTERRUPTED
    assert "stopped after 8 steps, all is saved; go on with: specloom train enhance --resume -o parts.onnx" in err
    assert not (tmp_path / "parts.onnx").exists()
    code, _, err = train("--resume", "-o", "parts.onnx")
    assert (code, err) == (DONE, "")
    whole, parts = (read_artifact(tmp_path / f"{name}.onnx").networks["net"] for name in ("whole", "parts"))
    assert parts == whole
    # Longer than it was first meant to be.
    assert train("--resume", "--steps", "25", "-o", "parts.onnx")[0] == DONE
    assert read_log(tmp_path / "parts.training", "scores")[-1]["step"] == 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*NEW, "-o", "m.onnx"), "say how long: --minutes N or --steps N"),
        (("--steps", "5", "-o", "m.onnx"), "--speech DIR and --noise DIR are needed"),
        ((*NEW, "--steps", "5", "-o", "m.pt"), "out='m.pt': a model is written as .onnx"),
        ((*NEW[:-1], "tyni", "--steps", "5"), "recipe='tyni': for 'enhance' there are default, tiny"),
        (("--resume", "-o", "m.onnx"), "m.training holds no run to go on with"),
    ],
)
def test_what_cannot_be_is_refused(train, arguments, message):
    code, _, err = train(*arguments)
    assert code == REFUSED
    assert message in err


def test_a_run_goes_on_as_it_began_or_not_at_all(train):
    train(*NEW, "--steps", "5", "-o", "m.onnx")
    code, _, err = train("--resume", "--seed", "9", "--steps", "8", "-o", "m.onnx")
    assert code == REFUSED
    assert "seed was 0 when this run began, and is 9 now" in err
    code, _, err = train(*NEW, "--steps", "5", "-o", "m.onnx")
    assert code == REFUSED
    assert "m.onnx is there already" in err


def test_without_torch_it_says_how_to_get_it(train, monkeypatch):
    monkeypatch.setattr("specloom.cli.train.find_spec", lambda name: None if name == "torch" else object())
    code, _, err = train(*NEW, "--steps", "5")
    assert code == REFUSED
    assert 'training needs torch: pip install "specloom[train]"' in err


def test_train_alone_says_what_there_is(capsys):
    assert main(["train"]) == REFUSED
    assert "'train' needs to be told what: specloom train enhance" in capsys.readouterr().err
