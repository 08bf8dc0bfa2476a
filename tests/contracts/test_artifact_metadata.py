"""Metadata of ONNX files, read and written without the onnx package."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from specloom.artifact import onnx_metadata
from specloom.artifact.onnx_metadata import read_metadata, split_metadata, with_metadata
from specloom.errors import ArtifactError

GOLDEN = Path(__file__).parents[1] / "golden"
MODEL = (GOLDEN / "tiny_context.onnx").read_bytes()
BARE = split_metadata(MODEL, "specloom", where="x")[1]

# ir_version 8, a graph without content, an operator set without content: the least that is taken for a model.
LEAST = b"\x08\x08\x3a\x00\x42\x00"


def metadata_of(model):
    return read_metadata(BytesIO(model), where="x")


def entry(pair):
    return b"\x72" + bytes([len(pair)]) + pair


def test_what_is_written_is_read_and_can_be_taken_out_again():
    assert metadata_of(BARE) == {}
    once = with_metadata(BARE, "specloom", "höher")
    twice = with_metadata(once, "other", "x" * 100_000)
    assert metadata_of(twice) == {"specloom": "höher", "other": "x" * 100_000}
    assert split_metadata(twice, "other", where="x") == ("x" * 100_000, once)
    assert split_metadata(once, "specloom", where="x") == ("höher", BARE)
    assert split_metadata(BARE, "specloom", where="x") == (None, BARE)


def test_a_key_is_replaced():
    again = with_metadata(with_metadata(BARE, "specloom", "old"), "specloom", "new")
    assert again == with_metadata(BARE, "specloom", "new")


@settings(max_examples=50, deadline=None)
@given(key=st.text(), value=st.text())
@example(key="", value="")
def test_any_text_survives(key, value):
    assert metadata_of(with_metadata(LEAST, key, value)) == {key: value}


def test_every_length_of_a_text_is_written_rightly():
    """The length is a number of one byte up to 127 and of two from 128 on, for the text and for the entry around it."""
    for length in range(300):
        assert metadata_of(with_metadata(LEAST, "k", "x" * length)) == {"k": "x" * length}


def test_onnxruntime_reads_the_same():
    import onnxruntime

    model = with_metadata(BARE, "specloom", '{"ü": 1}' * 300)
    runner = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert runner.get_modelmeta().custom_metadata_map == {"specloom": '{"ü": 1}' * 300}


def test_the_onnx_package_reads_and_writes_the_same():
    onnx = pytest.importorskip("onnx", reason="belongs to specloom[train]")
    model = onnx.load_from_string(BARE)
    onnx.helper.set_model_props(model, {"specloom": "from onnx", "empty": ""})
    assert metadata_of(model.SerializeToString()) == {"specloom": "from onnx", "empty": ""}
    back = onnx.load_from_string(with_metadata(BARE, "specloom", "from here"))
    assert {prop.key: prop.value for prop in back.metadata_props} == {"specloom": "from here"}


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (b"", "empty file"),
        (b"\x89PNG\r\n\x1a\n", "no ONNX model"),
        (b"RIFF\x24\x00\x00\x00WAVE", "no ONNX model"),
        (b"#!/bin/sh\n", "no ONNX model"),
        (b"\x00" * 100, "no ONNX model"),
        (b"\xff" * 100, "no ONNX model"),
        (b"\x08", "cut short"),
        (b"\x08\x08", "no ONNX model, or is cut short"),
        (b"\x08\x08\x3a\x00", "no ONNX model, or is cut short"),
        (LEAST + b"\x08\x08", "no ONNX model"),
        (LEAST + b"\x3a\x00", "no ONNX model"),
        (LEAST + b"\x72\x05ab", "cut short: 3 bytes"),
        (LEAST + b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than ten bytes"),
        (LEAST + b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut short"),
        (LEAST + b"\x70\x00", "begins no field"),
        (LEAST + b"\x7a\x00", "begins no field"),
        (LEAST + b"\x00\x00", "begins no field"),
        (LEAST + entry(b"\x0a\x01a\x0a\x01b"), "two keys or values"),
        (LEAST + entry(b"\x0a\x01\xff"), "no text"),
        (LEAST + entry(b"\x1a\x00"), "begins no field"),
        (LEAST + entry(b"\x0a\x09a"), "cut short"),
        (LEAST + entry(b"\x0a\x01a") * 2, "stands there twice"),
        (LEAST + b"\x42\x00" * 5000, "more than 4096 fields"),
    ],
)
def test_what_is_no_model_is_refused(model, sentence):
    with pytest.raises(ArtifactError, match=sentence):
        metadata_of(model)
    with pytest.raises(ArtifactError, match=sentence):
        split_metadata(model, "specloom", where="x")


def test_metadata_beyond_the_limit_is_not_read(monkeypatch):
    monkeypatch.setattr(onnx_metadata, "_MOST_METADATA_BYTES", 1000)
    assert metadata_of(with_metadata(BARE, "k", "x" * 900))
    with pytest.raises(ArtifactError, match=r"x has metadata of 10.. bytes: 1000 at most are read"):
        metadata_of(with_metadata(BARE, "k", "x" * 1000))


def test_a_file_beyond_the_limit_of_protobuf_is_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 31)  # sparse: it takes no place
    with path.open("rb") as file, pytest.raises(ArtifactError, match="2147483648 bytes"):
        read_metadata(file, where="x")


@pytest.mark.parametrize("place", range(0, len(MODEL), 97))
def test_a_model_that_was_cut_short_lacks_something(place):
    """Only a cut between two fields can be read at all, and then the header, the last field, is gone."""
    with suppress(ArtifactError):
        assert "specloom" not in metadata_of(MODEL[:place])


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=60), data=st.data())
def test_no_bytes_lead_to_another_error_or_to_other_bytes(noise, data):
    place = data.draw(st.integers(0, len(LEAST)))
    for model in (noise, LEAST[:place] + noise + LEAST[place:]):
        try:
            metadata = metadata_of(model)
        except ArtifactError:
            continue
        for key, value in metadata.items():
            found, rest = split_metadata(model, key, where="x")
            assert found == value
            assert key not in metadata_of(rest)
            assert metadata_of(with_metadata(rest, key, value)) == metadata
