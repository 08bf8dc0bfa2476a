"""``specloom train enhance``: from the command line to a model file, stopped and resumed on the way."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

sys.path.insert(0, str(Path(__file__).parent))

import toy_recipes  # noqa: E402

from specloom.artifact import read_artifact  # noqa: E402
from specloom.cli.main import DONE, INTERRUPTED, REFUSED, main  # noqa: E402
from specloom.io.audio import AudioFileWarning  # noqa: E402
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


def test_without_a_length_it_takes_the_recipes_usual_one(train, tmp_path, monkeypatch):
    monkeypatch.setitem(catalog.USUAL_MINUTES["enhance"], "toy", 0.01)
    code, out, err = train(*NEW, "-o", "mine.onnx")
    assert (code, err) == (DONE, "")
    assert "training for 0.01 minutes, as is usual for 'toy'; --minutes N or --steps N says otherwise" in out
    assert json.loads((tmp_path / "mine.training" / "run.json").read_text())["minutes"] == 0.01


def test_a_run_that_knows_less_than_can_be_asked_now_goes_on(train, tmp_path):
    train(*NEW, "--steps", "20", "-o", "m.onnx", "--target", "7")
    path = tmp_path / "m.training" / "run.json"
    said = json.loads(path.read_text())
    del said["begin_from"]
    path.write_text(json.dumps(said))
    assert train("--resume", "-o", "m.onnx")[0] == DONE
    path.write_text(json.dumps({name: value for name, value in said.items() if name != "speech"}))
    code, _, err = train("--resume", "-o", "m.onnx")
    assert code == REFUSED
    assert "is not what a run of this version writes" in err


def test_every_recipe_has_a_usual_length():
    # Digits are counted in epochs: their recipes say `usual_steps`.
    assert {task: set(names) for task, names in catalog.RECIPES.items() if task != "denoise_digits"} == {
        task: set(names) for task, names in catalog.USUAL_MINUTES.items()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "5", "-o", "m.onnx"), "--speech DIR and --noise DIR are needed"),
        ((*NEW, "--steps", "5", "-o", "m.pt"), "out='m.pt': a model of this kind is written as .onnx"),
        ((*NEW[:-1], "tyni", "--steps", "5"), "recipe='tyni': for 'enhance' there are default, tiny"),
        (("--resume", "-o", "m.onnx"), "m.training holds no run to go on with"),
    ],
)
def test_what_cannot_be_is_refused(train, arguments, message, tmp_path):
    code, _, err = train(*arguments)
    assert code == REFUSED
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--steps", "0", "steps=0: 1 or more is needed"),
        ("--threads", "0", "threads=0: 1 or more is needed"),
        ("--seed", "-1", "seed=-1: 0 or more is needed"),
        ("--workers", "-1", "workers=-1: 0 or more is needed"),
        ("--evaluate-every", "0", "evaluate_every=0: 1 or more is needed"),
        ("--minutes", "nan", "minutes=nan: a number above 0 is needed"),
    ],
)
def test_numbers_out_of_range_are_refused_and_spoil_no_run(train, option, value, message, tmp_path):
    given = (*NEW, "--steps", "5", "-o", "m.onnx", option, value)
    code, _, err = train(*given)
    assert (code, message in err) == (REFUSED, True)
    assert list(tmp_path.iterdir()) == []
    assert train(*NEW, "--steps", "5", "-o", "m.onnx")[0] == DONE
    before = (tmp_path / "m.training" / "run.json").read_bytes()
    code, _, err = train("--resume", "-o", "m.onnx", option, value)
    assert (code, message in err) == (REFUSED, True)
    assert (tmp_path / "m.training" / "run.json").read_bytes() == before


def test_a_run_goes_on_as_it_began_or_not_at_all(train):
    train(*NEW, "--steps", "5", "-o", "m.onnx")
    code, _, err = train("--resume", "--seed", "9", "--steps", "8", "-o", "m.onnx")
    assert code == REFUSED
    assert "seed was 0 when this run began, and is 9 now" in err
    code, _, err = train(*NEW, "--steps", "5", "-o", "m.onnx")
    assert code == REFUSED
    assert "m.onnx is there already" in err


def test_without_torch_it_says_how_to_get_it(train, monkeypatch):
    monkeypatch.setattr("specloom.cli.training.find_spec", lambda name: None if name == "torch" else object())
    code, _, err = train(*NEW, "--steps", "5")
    assert code == REFUSED
    assert 'training needs torch: pip install "specloom[train]"' in err


def test_train_alone_says_what_there_is(capsys):
    assert main(["train"]) == REFUSED
    assert "'train' needs to be told what: specloom train enhance" in capsys.readouterr().err


def test_two_cannot_train_in_one_folder(train, tmp_path):
    folder = tmp_path / "m.training"
    folder.mkdir()
    hold = (
        "from specloom.train.alone import alone_in as a\nwith a('m.training'):\n  print('held', flush=True)\n  input()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        code, _, err = train(*NEW, "--steps", "5", "-o", "m.onnx")
        other.communicate(b"\n")
    assert code == REFUSED
    assert "m.training: another process is training there" in err
    assert [path.name for path in folder.iterdir()] == ["lock"]
    # The file that is left holds nobody up.
    assert train(*NEW, "--steps", "5", "-o", "m.onnx")[0] == DONE


def test_recordings_that_are_left_out_are_told_in_a_sentence(train, monkeypatch):
    def warns(request):
        warnings.warn("voices/a.wav is no sound", AudioFileWarning, stacklevel=1)
        return toy_recipes.from_request(request)

    monkeypatch.setattr(catalog, "make_recipe", lambda task, request: warns(request))
    code, _, err = train(*NEW, "--steps", "5", "-o", "m.onnx")
    assert (code, err) == (DONE, "specloom: voices/a.wav is no sound\n")
