"""Checkpoints: whole or not there, equal after a round trip, and noticed when they are not what was written."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

sys.path.insert(0, str(Path(__file__).parent))

from toy_recipes import Pair, Regression  # noqa: E402

from specloom.artifact import Header  # noqa: E402
from specloom.errors import ArtifactError, TrainingError  # noqa: E402
from specloom.train.checkpoint import checkpoint_bytes, load_checkpoint, restore, save_checkpoint  # noqa: E402
from specloom.train.state import State, count_parameters  # noqa: E402

CPU = torch.device("cpu")


def stepped(recipe, n=3, seed=0):
    torch.manual_seed(seed)
    state = recipe.build(CPU)
    batches = recipe.batches(first_item=0, every=recipe.batch_size, device=CPU)
    for _ in range(n):
        recipe.step(state, next(batches))
        state.step += 1
        state.follow()
    state.best_score, state.audio_s = 0.1 + 0.2, 1e9 / 3
    return state


@pytest.mark.parametrize("recipe", [Regression(), Pair()], ids=lambda one: one.name)
def test_round_trip_is_exact(recipe, tmp_path):
    state = stepped(recipe)
    save_checkpoint(state, tmp_path / "a.safetensors", recipe=recipe.name)
    other = stepped(recipe, n=1, seed=9)
    load_checkpoint(other, tmp_path / "a.safetensors", recipe=recipe.name)
    assert checkpoint_bytes(other, recipe=recipe.name) == checkpoint_bytes(state, recipe=recipe.name)
    assert other.best_score == 0.1 + 0.2


def test_it_is_plain_safetensors_with_the_models_header():
    from safetensors.torch import load

    recipe = Regression()
    state = stepped(recipe)
    content = checkpoint_bytes(state, recipe=recipe.name, header=recipe.header(state))
    assert torch.equal(load(content)["networks/net/0.weight"], state.networks["net"][0].weight)
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    assert Header.from_text(metadata["specloom"]) == recipe.header(state)


def test_tied_weights_and_tuples_and_numbers_as_keys():
    shared = torch.nn.Linear(3, 3)
    network = torch.nn.ModuleList([shared, torch.nn.Linear(3, 3)])
    network[1].weight = shared.weight
    state = State(
        networks={"net": network}, optimizers={"net": torch.optim.Adam(network.parameters(), betas=(0.5, 0.9))}
    )
    restore(state, checkpoint_bytes(state, recipe="toy"), recipe="toy")
    assert state.optimizers["net"].param_groups[0]["betas"] == (0.5, 0.9)
    assert network[1].weight is shared.weight
    assert count_parameters([network]) == 9 + 3 + 3


def damage(content, how):
    size = int.from_bytes(content[:8], "little")
    if how == "short":
        return content[:-7]
    if how == "weights":
        return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
    if how == "no safetensors":
        return b"PK" + content
    if how == "empty":
        return b""
    said = json.loads(content[8 : 8 + size])
    training = json.loads(said["__metadata__"]["training"])
    if how == "newer":
        training["format"] = 2
    elif how == "counter":
        del training["counters"]["items"]
    said["__metadata__"] = {} if how == "foreign" else {"training": json.dumps(training)}
    header = json.dumps(said).encode()
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("short", "it is damaged"),
        ("weights", "its weights are not those that were written"),
        ("no safetensors", "no checkpoint of a training run, or it is damaged"),
        ("empty", "no checkpoint of a training run"),
        ("newer", "made by another Specloom: format 2, this one reads 1"),
        ("counter", "what it says about itself is not complete"),
        ("foreign", "no checkpoint of a training run"),
    ],
)
def test_what_is_damaged_is_refused_and_nothing_is_changed(how, message, tmp_path):
    recipe = Regression()
    path = tmp_path / "last.safetensors"
    path.write_bytes(damage(checkpoint_bytes(stepped(recipe), recipe=recipe.name), how))
    state = stepped(recipe, n=1)
    before = checkpoint_bytes(state, recipe=recipe.name)
    with pytest.raises(ArtifactError, match=message) as caught:
        load_checkpoint(state, path, recipe=recipe.name)
    assert str(path) in str(caught.value)
    assert checkpoint_bytes(state, recipe=recipe.name) == before


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ArtifactError, match=r"last\.safetensors cannot be read: No such file"):
        load_checkpoint(stepped(Regression(), n=0), tmp_path / "last.safetensors", recipe="regression")


def test_other_networks_are_refused():
    content = checkpoint_bytes(stepped(Pair()), recipe="same")
    with pytest.raises(ArtifactError, match="holds the networks critic, generator; the recipe 'same' has net"):
        restore(stepped(Regression(), n=0), content, recipe="same")


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    resource = pytest.importorskip("resource")
    recipe, path = Regression(), tmp_path / "last.safetensors"
    save_checkpoint(stepped(recipe), path, recipe=recipe.name)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(TrainingError, match=r"cannot be written: .*; the one before is unharmed, so make room"):
            save_checkpoint(stepped(recipe, n=5), path, recipe=recipe.name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_checkpoint_cannot_hold_is_told():
    state = stepped(Regression(), n=0)
    state.optimizers["net"].param_groups[0]["extra"] = object()
    with pytest.raises(TrainingError, match="optimizers/net/param_groups/0/extra is a object, which a checkpoint"):
        checkpoint_bytes(state, recipe="regression")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("networks", {"items": [["net", {"tensor": "of another file"}]]}),
        ("networks", {"items": 5}),
        ("networks", {"two": 1, "kinds": 2}),
        ("averages", []),
        ("optimizers", {"items": [["net", 5]]}),
        ("counters", 5),
        ("counters", {"step": "three"}),
    ],
)
def test_what_it_says_about_itself_may_be_nonsense(part, value):
    from safetensors.torch import load, save

    recipe = Regression()
    content = checkpoint_bytes(stepped(recipe), recipe=recipe.name)
    size = int.from_bytes(content[:8], "little")
    training = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["training"])
    training[part] = training[part] | value if part == "counters" and isinstance(value, dict) else value
    altered = save(load(content), metadata={"training": json.dumps(training)})
    with pytest.raises(ArtifactError, match=r"is damaged|does not fit"):
        restore(stepped(recipe, n=0), altered, recipe=recipe.name)
