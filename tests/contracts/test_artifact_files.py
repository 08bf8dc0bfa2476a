"""Model files: whole or refused, whatever was done to them."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.artifact import Artifact, read_artifact, read_header, write_artifact
from specloom.artifact.onnx_metadata import split_metadata, with_metadata
from specloom.errors import ArtifactError, ParameterError

GOLDEN = Path(__file__).parents[1] / "golden"
CONTEXT = GOLDEN / "tiny_context.onnx"
NAMES = ("tiny_spectrum", "tiny_context", "tiny_waveform")


def two_networks():
    """A model of two networks, put together from the golden ones."""
    one, other = (read_artifact(GOLDEN / f"{name}.onnx") for name in NAMES[:2])
    networks = {"first": one.networks["enhancer"], "second": other.networks["enhancer"]}
    headers = {"first": one.header.networks["enhancer"], "second": other.header.networks["enhancer"]}
    return Artifact(header=replace(one.header, name="pair", networks=headers), networks=networks)


@pytest.fixture(params=["one", "several"])
def model_file(request, tmp_path):
    if request.param == "one":
        return write_artifact(tmp_path / "m.onnx", read_artifact(CONTEXT))
    return write_artifact(tmp_path / "m.zip", two_networks())


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_models_are_whole_and_small(name):
    path = GOLDEN / f"{name}.onnx"
    artifact = read_artifact(path)
    assert path.stat().st_size < 20_000
    assert artifact.header == read_header(path)
    assert artifact.header.name == name
    assert len(repr(artifact)) < 10_000  # no graph in it
    assert artifact.header.networks["enhancer"].probe is not None


def test_a_model_survives_its_file_to_the_byte(model_file, tmp_path):
    artifact = read_artifact(model_file)
    again = write_artifact(tmp_path / "deep" / "er" / model_file.name, artifact)
    assert again.read_bytes() == model_file.read_bytes()
    assert read_artifact(str(again)) == artifact
    assert read_header(again) == artifact.header


def test_several_networks_are_a_plain_zip(tmp_path):
    artifact = two_networks()
    with zipfile.ZipFile(write_artifact(tmp_path / "m.zip", artifact)) as archive:
        assert archive.namelist() == ["header.json", "first.onnx", "second.onnx"]
        assert archive.read("second.onnx") == artifact.networks["second"]
        assert json.loads(archive.read("header.json"))["name"] == "pair"
        assert archive.testzip() is None
        # No clock in the file: the same model gives the same bytes on another day.
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(("name", "wanted"), [("m.zip", "1 network is written as .onnx"), ("m", "as .onnx")])
def test_the_suffix_says_how_many_networks(tmp_path, name, wanted):
    with pytest.raises(ParameterError, match=wanted):
        write_artifact(tmp_path / name, read_artifact(CONTEXT))
    with pytest.raises(ParameterError, match=r"2 networks is written as \.zip"):
        write_artifact(tmp_path / "m.onnx", two_networks())
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_file_does_not_decide_how_it_is_read(model_file):
    moved = model_file.rename(model_file.with_name("model.bin"))
    assert read_artifact(moved).header == read_header(moved)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_noticed_or_says_the_same(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole = CONTEXT.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    altered = bytearray(whole)
    altered[place] ^= 1 << bit
    path = folder / "altered.onnx"
    path.write_bytes(altered)
    with suppress(ArtifactError):
        # 1e-05 and 1E-05 are the same number, and so are some that differ in the seventeenth digit.
        assert read_artifact(path) == read_artifact(CONTEXT)


def test_a_flipped_bit_in_an_archive_is_noticed_or_harmless(tmp_path):
    artifact = two_networks()
    path = write_artifact(tmp_path / "m.zip", artifact)
    whole = path.read_bytes()
    for place in range(0, len(whole), 211):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        # A time or an attribute in the archive's own tables says nothing about the model.
        with suppress(ArtifactError):
            assert read_artifact(path) == artifact


def test_a_file_cut_short_is_noticed(model_file):
    whole = model_file.read_bytes()
    for length in [*range(0, len(whole), 131), len(whole) - 1]:
        model_file.write_bytes(whole[:length])
        for read in (read_artifact, read_header):
            with pytest.raises(ArtifactError, match=model_file.name):
                read(model_file)


def test_bytes_behind_the_end_are_noticed(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(CONTEXT.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match="no ONNX model, or is damaged"):
        read_artifact(path)


def test_another_networks_graph_under_this_header_is_noticed(tmp_path):
    header, _ = split_metadata(CONTEXT.read_bytes(), "specloom", where="x")
    _, graph = split_metadata((GOLDEN / "tiny_waveform.onnx").read_bytes(), "specloom", where="x")
    path = tmp_path / "swapped.onnx"
    path.write_bytes(with_metadata(graph, "specloom", header))
    with pytest.raises(ArtifactError, match="'enhancer' does not agree with its hash"):
        read_artifact(path)


def test_a_header_changed_by_hand_is_noticed(tmp_path):
    text, graph = split_metadata(CONTEXT.read_bytes(), "specloom", where="x")
    path = tmp_path / "edited.onnx"
    path.write_bytes(with_metadata(graph, "specloom", text.replace("8000", "8001")))
    for read in (read_artifact, read_header):
        with pytest.raises(ArtifactError, match=r"edited\.onnx does not agree with its checksum"):
            read(path)


def test_a_newer_format_says_so(tmp_path):
    _, graph = split_metadata(CONTEXT.read_bytes(), "specloom", where="x")
    path = tmp_path / "newer.onnx"
    path.write_bytes(with_metadata(graph, "specloom", '{"format": 2, "whatever": true}'))
    for read in (read_artifact, read_header):
        with pytest.raises(
            ArtifactError, match=r"newer\.onnx was made by a newer Specloom: format 2, this one reads 1"
        ):
            read(path)


def test_somebody_elses_onnx_file_says_so(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(split_metadata(CONTEXT.read_bytes(), "specloom", where="x")[1])
    with pytest.raises(ArtifactError, match="without a header of Specloom"):
        read_artifact(path)


def test_a_header_without_hash_is_incomplete(tmp_path):
    artifact = read_artifact(CONTEXT)
    bare = replace(artifact.header.networks["enhancer"], sha256=None)
    header = replace(artifact.header, networks={"enhancer": bare})
    assert Artifact(header=header, networks=artifact.networks) == artifact  # filled in
    path = tmp_path / "m.onnx"
    path.write_bytes(with_metadata(artifact.networks["enhancer"], "specloom", header.to_text()))
    with pytest.raises(ArtifactError, match="no hash of the network 'enhancer'"):
        read_artifact(path)


def test_header_and_networks_must_name_the_same():
    artifact = read_artifact(CONTEXT)
    with pytest.raises(ArtifactError, match=r"names the networks \['enhancer'\], and there are \['other'\]"):
        Artifact(header=artifact.header, networks={"other": artifact.networks["enhancer"]})


def test_weights_in_another_file_are_refused():
    """Neither would the hash say anything about them, nor would the model be one file."""
    onnx = pytest.importorskip("onnx", reason="belongs to specloom[train]")
    artifact = read_artifact(CONTEXT)
    model = onnx.load_from_string(artifact.networks["enhancer"])
    tensor = model.graph.initializer[5]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(ArtifactError, match="has its weights in another file"):
        Artifact(header=artifact.header, networks={"enhancer": model.SerializeToString()})


def test_one_file_cannot_hold_a_header_of_two_networks(tmp_path):
    artifact = two_networks()
    path = tmp_path / "m.onnx"
    path.write_bytes(with_metadata(artifact.networks["first"], "specloom", artifact.header.to_text()))
    with pytest.raises(ArtifactError, match="its header names 2"):
        read_artifact(path)


def archive_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, *compression in members:
            archive.writestr(name, content, *compression)
    return path


def test_archives_that_are_no_models_say_so(tmp_path):
    artifact = two_networks()
    header = ("header.json", artifact.header.to_text())
    first, second = (f"{name}.onnx" for name in artifact.networks)
    parts = [(first, artifact.networks["first"]), (second, artifact.networks["second"])]
    cases = [
        ([], "no header.json"),
        (parts, "no header.json"),
        ([header, parts[0]], "its header asks for"),
        ([header, *parts, ("../up.onnx", b"x")], "its header asks for"),
        ([header, parts[0], (*parts[1], zipfile.ZIP_DEFLATED)], "second.onnx is packed or locked"),
        ([header, *parts, ("bomb.onnx", bytes(10**6), zipfile.ZIP_DEFLATED)], "bomb.onnx is packed or locked"),
        ([("header.json", b"\xff"), *parts], "is no text"),
        ([("header.json", "{}"), *parts], "no header of a Specloom model"),
        ([header, parts[0], (second, b"nothing")], "no ONNX model"),
        ([header, parts[0], (second, parts[0][1])], "does not agree with its hash"),
    ]
    for i, (members, sentence) in enumerate(cases):
        path = archive_of(tmp_path / f"{i}.zip", members)
        with pytest.raises(ArtifactError, match=sentence) as caught:
            read_artifact(path)
        assert str(path) in str(caught.value)


def test_what_is_no_file_says_so(tmp_path):
    folder = tmp_path / "x.onnx"
    folder.mkdir()
    with pytest.raises(ArtifactError, match=r"none\.onnx does not exist"):
        read_artifact(tmp_path / "none.onnx")
    with pytest.raises(ArtifactError, match="is a folder where a model file is expected"):
        read_artifact(tmp_path)
    with pytest.raises(ArtifactError, match="is a folder where a model file is expected"):
        write_artifact(folder, read_artifact(CONTEXT))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="no ordinary file"):
        read_artifact(tmp_path / "pipe")


def test_a_full_disk_leaves_the_old_model(tmp_path, monkeypatch):
    path = write_artifact(tmp_path / "m.onnx", read_artifact(CONTEXT))
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="cannot be written: the disk is full"):
        write_artifact(path, read_artifact(GOLDEN / "tiny_waveform.onnx"))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
