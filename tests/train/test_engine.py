"""The loop: what is interrupted and resumed ends where it would have ended, to the bit."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))

from toy_recipes import Pair, Regression  # noqa: E402

from specloom.errors import ArtifactError, ParameterError, TrainingError  # noqa: E402
from specloom.train.checkpoint import load_checkpoint  # noqa: E402
from specloom.train.engine import evaluate, fit  # noqa: E402
from specloom.train.logs import read_log  # noqa: E402


def train(recipe, folder, **options):
    return fit(
        recipe, folder, quiet=True, device="cpu", threads=1, **({"evaluate_every": 10, "log_every": 5} | options)
    )


def contents(finished):
    """Every number that training has made, as bytes: weights, averages, moments, schedules."""
    state = finished.state
    found = {}
    for kind in ("networks", "averages", "optimizers", "schedulers"):
        for name, holder in getattr(state, kind).items():
            found |= leaves(holder.state_dict(), f"{kind}/{name}")
    return found | {"counters": (state.step, state.items, state.audio_s, state.best_score)}


def leaves(value, name):
    if isinstance(value, dict):
        return {k: v for key, one in value.items() for k, v in leaves(one, f"{name}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, one in enumerate(value) for k, v in leaves(one, f"{name}/{i}").items()}
    return {name: value.numpy().tobytes() if isinstance(value, torch.Tensor) else value}


@pytest.mark.parametrize("recipe", [Regression(), Pair()], ids=lambda one: one.name)
def test_resumed_is_uninterrupted(recipe, tmp_path):
    whole = contents(train(recipe, tmp_path / "whole", steps=40))
    train(recipe, tmp_path / "parts", steps=17)
    parts = contents(train(recipe, tmp_path / "parts", steps=40, resume=True))
    assert parts == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_by_ctrl_c_saves_and_goes_on(number, tmp_path):
    whole = contents(train(Regression(), tmp_path / "whole", steps=40))
    stopped = train(Regression(signal_at=12, signal=number), tmp_path / "parts", steps=40)
    assert stopped.interrupted
    assert stopped.state.step == 13, "the step in hand is ended"
    finished = train(Regression(), tmp_path / "parts", steps=40, resume=True)
    assert not finished.interrupted
    assert contents(finished) == whole


def test_killed_between_checkpoints_ends_at_the_same_weights(tmp_path):
    whole = contents(train(Regression(), tmp_path / "whole", steps=40))
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from toy_recipes import Regression\n"
        "from specloom.train.engine import fit\n"
        f"fit(Regression(signal_at=27, signal={int(signal.SIGKILL)}), {str(tmp_path / 'parts')!r}, steps=40,\n"
        "    device='cpu', threads=1, evaluate_every=10, log_every=5, quiet=True)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [line["step"] for line in read_log(tmp_path / "parts", "step")] == [5, 10, 15, 20, 25]
    # What a process that was killed while it wrote leaves behind.
    (tmp_path / "parts" / ".specloom-0123.safetensors").write_bytes(b"half")
    finished = train(Regression(), tmp_path / "parts", steps=40, resume=True)
    assert contents(finished) == whole
    assert not list((tmp_path / "parts").glob(".specloom-*"))
    # Step 25 was done twice (the checkpoint was that of step 20), and stands in the log once.
    steps = [line["step"] for line in read_log(tmp_path / "parts", "step")]
    assert steps == [5, 10, 15, 20, 25, 30, 35, 40]
    logged = [[line[name] for name in ("step", "loss")] for line in read_log(tmp_path / "parts", "step")]
    assert logged == [[line[name] for name in ("step", "loss")] for line in read_log(tmp_path / "whole", "step")]


def test_how_often_it_is_evaluated_changes_nothing(tmp_path):
    often = train(Regression(), tmp_path / "often", steps=30, evaluate_every=1, save_minutes=1e-9)
    seldom = train(Regression(), tmp_path / "seldom", steps=30, evaluate_every=1000)
    assert contents(often) | {"counters": 0} == contents(seldom) | {"counters": 0}


def test_seeds_differ_and_the_callers_random_numbers_stay(tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    one = train(Regression(seed=1), tmp_path / "1", steps=3)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    other = train(Regression(seed=2), tmp_path / "2", steps=3)
    assert contents(one) != contents(other)


def test_it_learns_and_keeps_the_best(tmp_path):
    finished = train(Regression(dropout=0.0), tmp_path, steps=300, evaluate_every=50)
    scores = [line["score"] for line in read_log(tmp_path, "scores")]
    assert len(scores) == 6
    assert scores[-1] > 0.6 * scores[0]
    assert finished.state.best_score == max(scores)
    state = Regression().build(torch.device("cpu"))
    load_checkpoint(state, finished.best, recipe="regression")
    assert Regression().evaluate(state)["score"] == max(scores)
    assert state.step == 50 * (1 + scores.index(max(scores)))


def test_scores_that_fall_leave_the_best_where_it_was(tmp_path):
    class Scored(Regression):
        def evaluate(self, state):
            return {"score": {10: 1.0, 20: 3.0, 30: 2.0}[state.step]}

    finished = train(Scored(), tmp_path, steps=30)
    state = Regression().build(torch.device("cpu"))
    load_checkpoint(state, finished.best, recipe="regression")
    assert (state.step, state.best_score) == (20, 3.0)
    assert finished.state.best_score == 3.0
    load_checkpoint(state, finished.last, recipe="regression")
    assert (state.step, state.best_score) == (30, 3.0)


def test_weights_that_were_given_are_scored_first_and_kept_while_nothing_is_better(tmp_path):
    class Begun(Regression):
        def build(self, device):
            state = super().build(device)
            state.begun = True
            return state

        def evaluate(self, state):
            return {"score": -float(state.step)}

    finished = train(Begun(), tmp_path, steps=20)
    assert [line["step"] for line in read_log(tmp_path, "scores")] == [0, 10, 20]
    state = Regression().build(torch.device("cpu"))
    load_checkpoint(state, finished.best, recipe="regression")
    assert state.step == 0
    train(Begun(), tmp_path, steps=30, resume=True)
    assert [line["step"] for line in read_log(tmp_path, "scores")] == [0, 10, 20, 30], "once, at the very beginning"


def test_an_adversarial_pair_learns(tmp_path):
    finished = train(Pair(), tmp_path, steps=200, evaluate_every=50, log_every=50)
    assert finished.state.best_score > -0.3, "the generator's mean comes near 2"
    assert {"generator", "critic", "learning_rate_critic"} <= set(read_log(tmp_path, "step")[0])


def test_a_generators_loss_leaves_no_gradient_in_the_critic():
    from specloom.train.state import descend

    state = Pair().build(torch.device("cpu"))
    generator, critic = state.networks["generator"], state.networks["critic"]
    descend(state, "generator", -critic(generator(torch.ones(3, 4))).mean())
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_the_log(tmp_path):
    train(Regression(), tmp_path, steps=20)
    line = read_log(tmp_path, "step")[-1]
    assert line["step"] == 20
    assert line["audio_hours"] == pytest.approx(20 * 8.0 / 3600)
    assert 0 <= line["data_wait_share"] <= 1
    assert line["steps_per_s"] > 0
    pytest.importorskip("tensorboard")
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_the_average_follows_slowly(tmp_path):
    early = train(Regression(), tmp_path / "early", steps=1).state.averages["net"].state_dict()
    state = train(Regression(), tmp_path / "late", steps=50).state
    assert all(not torch.equal(early[name], value) for name, value in state.averages["net"].state_dict().items())
    slow, quick = (dict(one.named_parameters()) for one in (state.averages["net"], state.networks["net"]))
    assert any(not torch.equal(slow[name], quick[name]) for name in quick)
    assert not state.evaluated("net").training
    assert state.evaluated("net") is state.averages["net"]


def test_minutes_end_it_too(tmp_path):
    finished = train(Regression(), tmp_path, minutes=0.3 / 60)
    assert not finished.interrupted
    assert 0.3 <= finished.state.trained_s < 5
    again = train(Regression(), tmp_path, minutes=0.3 / 60, resume=True)
    assert again.state.step == finished.state.step, "the minutes of all stretches count"


def test_gradients_that_are_no_numbers_are_left_out_and_end_it_after_a_hundred(tmp_path):
    with pytest.raises(TrainingError, match="'net' has been nan for 100 steps up to step 119: lower"):
        train(Regression(nan_from=20), tmp_path, steps=200, evaluate_every=20)
    state = Regression().build(torch.device("cpu"))
    load_checkpoint(state, tmp_path / "last.safetensors", recipe="regression")
    assert state.skipped_steps == 80
    assert all(torch.isfinite(parameter).all() for parameter in state.networks["net"].parameters())
    assert read_log(tmp_path, "step")[-1]["loss"] is None


def test_a_run_is_not_overwritten(tmp_path):
    train(Regression(), tmp_path, steps=2)
    with pytest.raises(TrainingError, match=r"holds a run already: go on with it \(--resume\)"):
        train(Regression(), tmp_path, steps=2)


def test_another_recipes_run_is_refused(tmp_path):
    train(Regression(), tmp_path, steps=2)
    with pytest.raises(ArtifactError, match="was made by the recipe 'regression', not by 'pair'"):
        train(Pair(), tmp_path, steps=4, resume=True)
    with pytest.raises(ArtifactError, match="does not fit the recipe 'regression': networks 'net'"):
        train(Regression(normalise=False), tmp_path, steps=4, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "steps or minutes is needed"),
        ({"steps": 0}, "steps=0: 1 or more"),
        ({"minutes": -1.0}, "minutes=-1.0: more than 0"),
        ({"steps": 1, "log_every": 0}, "log_every=0"),
        ({"steps": 1, "threads": 0}, "threads=0: 1 or more is needed"),
        ({"steps": 1, "precision": "int8"}, "precision='int8': 'float32' or 'bfloat16'"),
        ({"steps": 1, "device": "toaster"}, "device='toaster': 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_options_are_checked(options, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        fit(Regression(), tmp_path, quiet=True, **({"device": "cpu"} | options))
    assert not list(tmp_path.iterdir())


def test_batches_that_end(tmp_path):
    class Ending(Regression):
        def batches(self, *, first_item, every, device):
            yield np.zeros((8, 6), dtype=np.float32)

    with pytest.raises(TrainingError, match="has run out of batches"):
        train(Ending(), tmp_path, steps=2)


def test_an_evaluation_leaves_the_modes_as_they_were():
    state = Regression().build(torch.device("cpu"))
    state.averages.clear()
    state.networks["net"][2].eval()
    evaluate(Regression(), state)
    assert [part.training for part in state.networks["net"].modules()] == [True, True, True, False, True, True]


def test_workers_are_ended(tmp_path):
    ended, kept = [], []

    def watched(batches):
        try:
            yield from batches
        finally:
            ended.append(True)

    class Watched(Regression):
        def batches(self, **where):
            # Kept, so that it is not the garbage collector who closes it.
            kept.append(watched(super().batches(**where)))
            return kept[0]

    train(Watched(), tmp_path, steps=2)
    assert ended == [True]


def test_two_ranks_learn_as_one_of_twice_the_batch(tmp_path):
    plain = Regression(dropout=0.0, normalise=False)
    one = train(replace(plain, batch_size=8), tmp_path / "one", steps=15)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from toy_recipes import Regression\n"
        "from specloom.train.engine import fit\n"
        f"fit(Regression(dropout=0.0, normalise=False, batch_size=4), {str(tmp_path / 'two')!r}, steps=15,\n"
        "    device='cpu', threads=1, evaluate_every=10, log_every=5, quiet=True)\n"
    )
    run_on_two_ranks(code)
    state = plain.build(torch.device("cpu"))
    load_checkpoint(state, tmp_path / "two" / "last.safetensors", recipe="regression")
    assert state.items == one.state.items == 15 * 8
    for name, value in one.state.networks["net"].state_dict().items():
        assert torch.allclose(value, state.networks["net"].state_dict()[name], atol=1e-5), name


def test_ranks_that_train_by_minutes_are_at_the_same_place(tmp_path):
    # Each has a clock of its own; a learning rate that follows progress must not differ.
    code = (
        f"import os, sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from toy_recipes import Regression\n"
        "from specloom.train.engine import fit\n"
        "class Watched(Regression):\n"
        "    def step(self, state, batch):\n"
        "        said.append(state.progress)\n"
        "        return super().step(state, batch)\n"
        "said = []\n"
        "time.sleep(0.3 * int(os.environ['RANK']))\n"
        f"fit(Watched(dropout=0.0, normalise=False), {str(tmp_path / 'run')!r}, minutes=3 / 60, device='cpu',\n"
        "    threads=1, quiet=True)\n"
        f"open({str(tmp_path)!r} + '/' + os.environ['RANK'], 'w').write(repr(said))\n"
    )
    run_on_two_ranks(code)
    first, second = ((tmp_path / str(rank)).read_text() for rank in (0, 1))
    assert first == second
    assert len(first) > 10


def test_ranks_begin_with_the_weights_of_the_first(tmp_path):
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import torch\n"
        "from toy_recipes import Regression\n"
        "from specloom.train.engine import fit\n"
        "class Apart(Regression):\n"
        "    def build(self, device):\n"
        "        state = super().build(device)\n"
        "        for tensor in state.tensors():\n"
        "            tensor.data.add_(int(os.environ['RANK']))\n"
        "        return state\n"
        f"state = fit(Apart(dropout=0.0, normalise=False), {str(tmp_path / 'run')!r}, steps=2, device='cpu',\n"
        "    threads=1, quiet=True).state\n"
        f"torch.save(list(state.tensors()), {str(tmp_path)!r} + '/' + os.environ['RANK'])\n"
    )
    run_on_two_ranks(code)
    first, second = (torch.load(tmp_path / str(rank)) for rank in (0, 1))
    assert len(first) == 8, "weights and biases of two layers, and their averages"
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_ranks_that_leave_leave_nothing_behind():
    # A group that something still holds has threads, and these abort a process that ends at the wrong moment.
    run_on_two_ranks(
        "import torch, weakref\n"
        "from torch import distributed\n"
        "from specloom.train.ranks import join_ranks, leave_ranks\n"
        "ranks = join_ranks(torch.device('cpu'))\n"
        "group = weakref.ref(distributed.group.WORLD)\n"
        "torch.optim.AdamW(torch.nn.Linear(2, 2).parameters())\n"
        "assert ranks.largest(ranks.rank, torch.device('cpu')) == 1\n"
        "leave_ranks()\n"
        "assert group() is None\n"
    )


def run_on_two_ranks(code):
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | meeting | {"RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [process.wait(60) for process in processes] == [0, 0]


def free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_log_lines_are_json_even_for_what_is_no_number(tmp_path):
    from specloom.train.logs import TrainingLog

    log = TrainingLog(tmp_path)
    log.write("step", 1, {"loss": float("inf")})
    log.close()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail) == {"kind": "step", "step": 1, "loss": None}


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"log\.jsonl cannot be written: Not a directory"):
        train(Regression(), tmp_path / "file" / "run", steps=1)


def test_a_step_knows_how_far_it_is_also_after_a_stop(tmp_path):
    seen = []

    class Watched(Regression):
        def step(self, state, batch):
            seen.append(state.progress)
            return super().step(state, batch)

    train(Watched(signal_at=2), tmp_path, steps=8)
    train(Watched(), tmp_path, steps=8, resume=True)
    assert seen == [step / 8 for step in range(8)]


def test_the_average_follows_by_its_formula():
    recipe = Regression(dropout=0.0)
    torch.manual_seed(0)
    state = recipe.build(torch.device("cpu"))
    batches = recipe.batches(first_item=0, every=recipe.batch_size, device=torch.device("cpu"))
    expected = [one.clone() for one in state.averages["net"].parameters()]
    for state.step in range(1, 121):
        recipe.step(state, next(batches))
        state.follow()
        decay = min(0.9, (1 + state.step) / (10 + state.step))
        quick = list(state.networks["net"].parameters())
        expected = [decay * slow + (1 - decay) * one.detach() for slow, one in zip(expected, quick, strict=True)]
    for slow, wanted in zip(state.averages["net"].parameters(), expected, strict=True):
        torch.testing.assert_close(slow, wanted, rtol=1e-4, atol=1e-6)
    for slow, one in zip(state.averages["net"].buffers(), state.networks["net"].buffers(), strict=True):
        assert torch.equal(slow, one)


@pytest.mark.parametrize(("longest", "moved"), [(0.5, 0.5), (1000.0, 100 * 3**0.5), (None, 100 * 3**0.5)])
def test_a_gradient_is_shortened_to_its_longest(longest, moved):
    from specloom.train.state import State, descend

    network = torch.nn.Linear(3, 1, bias=False)
    state = State(networks={"net": network}, optimizers={"net": torch.optim.SGD(network.parameters(), lr=1.0)})
    before = network.weight.detach().clone()
    assert descend(state, "net", 100 * network.weight.sum(), max_norm=longest) == pytest.approx(100 * 3**0.5)
    assert float((network.weight.detach() - before).norm()) == pytest.approx(moved, rel=1e-4)
