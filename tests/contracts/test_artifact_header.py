"""The header of a model: what it holds comes back, and nothing else is taken."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.artifact import Header, ModelOrigin, NetworkHeader, Probe, expect_task
from specloom.errors import ArtifactError, ParameterError

PROBE = Probe(seed=3, shapes={"spec": (1, 40, 5, 2)}, tolerance=1e-4, expected={"enhanced": ((0, 0.1), (7, -1e-9))})
NETWORK = NetworkHeader(
    kind="CausalEnhancer",
    settings={"hidden": 32, "dilations": (1, 2), "bias": True, "slope": 0.1, "norm": None, "deep": {"a": ["b"]}},
    states={"gru_0": (-1, 32, 32), "gru_1": (1, -1, 8)},
    probe=PROBE,
    sha256="0123456789abcdef" * 4,
)
ORIGIN = ModelOrigin(
    recipe="default",
    speech_hours=20.5,
    noise_hours=3.0,
    audio_hours_seen=1e3,
    steps=200_000,
    seed=0,
    data="öffentlich 🎤",
    scores={"pesq_wb": 2.9},
)
HEADER = Header(
    made_with="specloom 0.1.0",
    task="enhance",
    name="default",
    features={"interface": "spectrum", "sample_rate": 16000},
    networks={"enhancer": NETWORK},
    statistics={"mean": [0.5, -1.25]},
    origin=ORIGIN,
)


def changed(path, value):
    """The JSON of HEADER with one value set; the value `...` takes the key away."""
    plain = copy.deepcopy(HEADER.to_json())
    place = plain
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return plain


def test_a_header_survives_its_file():
    text = HEADER.to_text()
    back = Header.from_text(text)
    assert back == HEADER
    assert back.networks["enhancer"].settings["dilations"] == [1, 2]
    assert back.networks["enhancer"].states["gru_0"] == (-1, 32, 32)
    assert back.to_text() == text
    assert Header.from_json(HEADER.to_json()) == HEADER
    assert list(HEADER.to_json())[:3] == ["format", "made_with", "task"]
    assert pickle.loads(pickle.dumps(HEADER)) == HEADER


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(values=st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_may_stand_in_features_and_settings(values):
    made = replace(HEADER, features=values, statistics=values)
    back = Header.from_text(made.to_text())
    assert back == made
    assert back.features == values


def test_spaces_and_order_do_not_matter_to_the_checksum():
    plain = json.loads(HEADER.to_text())
    assert Header.from_text(json.dumps(dict(reversed(plain.items())), indent=3)) == HEADER


def test_what_was_given_may_change_afterwards():
    features = {"sizes": [1, 2]}
    made = replace(HEADER, features=features)
    features["sizes"].append(3)
    features["more"] = 1
    assert made.features == {"sizes": [1, 2]}


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["format"], 2, "made by a newer Specloom: format 2, this one reads 1; update Specloom"),
        (["format"], 0, "format is 0: a whole number of at least 1"),
        (["format"], True, "format is True"),
        (["format"], "1", "format is '1'"),
        (["format"], ..., "format is None"),
        (["task"], ..., "lacks the field 'task'"),
        (["task"], "Enhance!", "task name 'Enhance!'"),
        (["tsk"], "enhance", r"unknown field 'tsk' \(meant: 'task'\?\)"),
        (["name"], "", "name=''"),
        (["name"], "two\nlines", "one line of text"),
        (["made_with"], 7, "header.made_with is 7: text is needed"),
        (["features"], [1], r"features is \[1\]: an object is needed"),
        (["networks"], {}, "networks is empty"),
        (["networks"], {"../evil": {}}, "networks.../evil lacks the field 'kind'"),
        (["networks", "enhancer", "kind"], ..., "lacks the field 'kind'"),
        (["networks", "enhancer", "states"], {"gru": [1, 2]}, "one -1"),
        (["networks", "enhancer", "states"], {"gru": [-1, -1]}, "one -1"),
        (["networks", "enhancer", "states"], {"gru": [-1, 0]}, "at least 1"),
        (["networks", "enhancer", "states"], {"gru": [-1, 2.0]}, "2.0: a whole number"),
        (["networks", "enhancer", "states"], {"gru 0": [-1, 2]}, "state name 'gru 0'"),
        (["networks", "enhancer", "states"], {"gru": 3}, "a list is needed"),
        (["networks", "enhancer", "sha256"], "ABC", "64 hexadecimal digits"),
        (["networks", "enhancer", "probe", "tolerance"], 0, "tolerance=0"),
        (["networks", "enhancer", "probe", "tolerance"], 5.0, "tolerance=5.0"),
        (["networks", "enhancer", "probe", "seed"], -1, "seed=-1"),
        (["networks", "enhancer", "probe", "shapes"], {"spec": [40]}, "two or more sizes"),
        (["networks", "enhancer", "probe", "shapes"], {"spec": [1, 10**9]}, "4194304 values in all"),
        (["networks", "enhancer", "probe", "shapes"], {}, "at least one input"),
        (["networks", "enhancer", "probe", "expected"], {"enhanced": []}, "at least one expected value"),
        (["networks", "enhancer", "probe", "expected"], {"enhanced": [[-1, 0.0]]}, "indices at least 0"),
        (["networks", "enhancer", "probe", "expected"], {"enhanced": [[1, 2, 3]]}, "3 items"),
        (["origin", "steps"], 1.5, "steps is 1.5: a whole number"),
        (["origin", "speech_hours"], -1.0, "speech_hours=-1.0"),
        (["origin", "speech_hours"], True, "a finite number"),
        (["origin", "scores"], {"pesq": "good"}, "scores.pesq is 'good'"),
        (["origin", "author"], "me", "unknown field 'author'"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_in_one_sentence(path, value, sentence):
    with pytest.raises(ArtifactError, match=sentence) as caught:
        Header.from_json(changed(path, value))
    assert "\n" not in str(caught.value)


def test_a_network_name_cannot_be_a_path():
    with pytest.raises(ArtifactError, match=r"network name '\.\./evil'"):
        Header.from_json(changed(["networks"], {"../evil": HEADER.to_json()["networks"]["enhancer"]}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, object(), {"a": {1, 2}}, b"x"])
def test_what_is_no_json_cannot_get_in(value):
    with pytest.raises(ParameterError, match="features"):
        replace(HEADER, features={"x": value})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no readable JSON"),
        ("[]", "no header of a Specloom model"),
        ("{}", "no header of a Specloom model"),
        ('{"format": 1}', "does not agree with its checksum"),
        ('{"format": 3, "new": []}', "newer Specloom: format 3"),
        ('{"format": 1, "format": 1}', "twice"),
        ('{"format": NaN}', "no JSON number"),
        ("[" * 100_000, "no readable JSON"),
        ("9" * 10_000, "no readable JSON"),
        ("\0", "no readable JSON"),
    ],
)
def test_a_text_that_is_no_header_is_refused(text, sentence):
    with pytest.raises(ArtifactError, match=sentence):
        Header.from_text(text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_an_altered_text_is_refused_or_says_the_same(data):
    text = HEADER.to_text()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    with suppress(ArtifactError):
        assert Header.from_text(text[:place] + letter + text[place + 1 :]) == HEADER


def test_the_task_is_asked_for():
    expect_task(HEADER, "enhance")
    with pytest.raises(ArtifactError, match=r"'default' is for the task 'enhance': a model for 'denoise' is needed"):
        expect_task(HEADER, "denoise")


@pytest.mark.parametrize("depth", [700, 100_000])
def test_nesting_without_end_is_refused_in_a_sentence(depth) -> None:
    plain = HEADER.to_json() | {"statistics": {"deep": "@"}}
    deep = "[" * depth + "]" * depth
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":")).replace('"@"', deep)
    plain["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    with pytest.raises(ArtifactError, match=r"nested too deeply|no readable JSON"):
        Header.from_text(json.dumps(plain).replace('"@"', deep))
