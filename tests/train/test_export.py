"""Exported networks: what torch computes, at any batch and length, in pieces or at once; few nodes."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

sys.path.insert(0, str(Path(__file__).parent))

from toy_recipes import Regression, Streaming  # noqa: E402

from specloom.artifact import NetworkHeader, read_artifact  # noqa: E402
from specloom.errors import ArtifactError, ParameterError  # noqa: E402
from specloom.runtime import Session, check_probe  # noqa: E402
from specloom.train.export import export_model, to_onnx  # noqa: E402
from specloom.train.recipes.recipe import NetworkExport  # noqa: E402


def built(recipe, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return recipe.build(torch.device("cpu"))


def test_it_runs_as_in_torch_at_any_batch_and_length(tmp_path):
    recipe = Streaming()
    state = built(recipe)
    report = export_model(recipe, state, tmp_path / "model.onnx", name="mine")["net"]
    artifact = read_artifact(tmp_path / "model.onnx")
    assert artifact.header.name == "mine"
    session = Session(artifact)
    assert check_probe(session) <= 1
    network = state.evaluated("net")
    rng = np.random.default_rng(0)
    for batch, n_frames in [(1, 1), (6, 1), (1, 400), (2, 31)]:
        spec = rng.standard_normal((batch, n_frames, 9, 2)).astype(np.float32)
        memory = rng.standard_normal((batch, 12)).astype(np.float32)
        outputs, after = session.run({"spec": spec}, {"memory": memory})
        expected, remembered = network(torch.from_numpy(spec), torch.from_numpy(memory))
        np.testing.assert_allclose(outputs["enhanced"], expected.detach().numpy(), atol=1e-5)
        np.testing.assert_allclose(after["memory"], remembered.detach().numpy(), atol=1e-5)
    assert report.agrees <= 1e-4
    assert report.streams <= 1e-5


def test_it_is_the_average_that_is_exported(tmp_path):
    recipe = Streaming()
    state = built(recipe)
    with torch.no_grad():
        for parameter in state.networks["net"].parameters():
            parameter.add_(1.0)
    export_model(recipe, state, tmp_path / "model.onnx")
    spec = np.ones((1, 3, 9, 2), dtype=np.float32)
    outputs, _ = Session(read_artifact(tmp_path / "model.onnx")).run({"spec": spec})
    expected, _ = state.averages["net"](torch.from_numpy(spec), torch.zeros(1, 12))
    np.testing.assert_allclose(outputs["enhanced"], expected.numpy(), atol=1e-5)


def test_the_graph_is_small_and_says_its_shapes():
    export = Streaming().exports(built(Streaming()))["net"]
    graph, traced = to_onnx(export)
    model = onnx.load_from_string(graph)
    kinds = {node.op_type for node in model.graph.node}
    # Sizes are no business of run time.
    assert not kinds & {"Shape", "Gather", "ConstantOfShape", "Constant", "Identity"}
    assert len(model.graph.node) <= 16 < traced
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "spec": ["batch", "n_frames", 9, 2],
        "memory": ["batch", 12],
        "enhanced": ["batch", "n_frames", 9, 2],
        "memory_next": ["batch", 12],
    }
    assert model.opset_import[0].version == 17


class Merged(torch.nn.Module):
    """Frames and batch in one axis, and apart again: sizes that no constant can say."""

    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(9, 5)

    def forward(self, spec):
        frames = spec.transpose(0, 1)
        rows = self.dense(frames.reshape(-1, 9))
        return rows.reshape_as(frames[..., :5]).transpose(0, 1)


def test_sizes_that_vary_are_taken_from_the_input():
    module = Merged().eval()
    graph, _ = to_onnx(
        NetworkExport(
            module=module,
            inputs={"spec": torch.zeros(2, 3, 9)},
            outputs=("enhanced",),
            dynamic={"spec": {0: "batch", 1: "n_frames"}},
        )
    )
    operations = [node.op_type for node in onnx.load_from_string(graph).graph.node]
    assert operations.count("Shape") == 1
    assert operations.count("Gather") == 1
    assert "Slice" not in operations
    assert "Unsqueeze" not in operations
    session = onnxruntime.InferenceSession(graph)
    for shape in [(1, 1, 9), (3, 1, 9), (1, 7, 9), (4, 4, 9), (9, 5, 9), (5, 9, 9)]:
        spec = torch.randn(shape)
        (found,) = session.run(None, {"spec": spec.numpy()})
        np.testing.assert_allclose(found, module(spec).detach().numpy(), atol=1e-6)


def test_a_network_that_looks_ahead_is_refused(tmp_path):
    recipe = Streaming(looks_ahead=True)
    with pytest.raises(ArtifactError, match=r"'net' gives values [\d.]+ apart when cut in pieces \(1e-05 is allowed\)"):
        export_model(recipe, built(recipe), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_size_that_the_trace_has_fixed_is_refused(tmp_path):
    recipe = Streaming(fixed=True)
    with pytest.raises(ArtifactError, match=r"'net' lies [\d.]+ from what torch computes"):
        export_model(recipe, built(recipe), tmp_path / "model.onnx")


class Context(torch.nn.Module):
    """The mean of three frames; two are given besides."""

    def forward(self, spec):
        return (spec[:, :-2] + spec[:, 1:-1] + spec[:, 2:]) / 3


class Waveform(torch.nn.Module):
    """Blocks of 4 samples, each with the one before."""

    def forward(self, samples):
        return samples[:, 4:] - 0.5 * samples[:, :-4]


@pytest.mark.parametrize(
    ("module", "export"),
    [
        (
            Context(),
            {
                "inputs": {"spec": torch.zeros(2, 5, 9, 2)},
                "dynamic": {"spec": {0: "batch", 1: "n_frames"}},
                "context": 2,
            },
        ),
        (
            Waveform(),
            {
                "inputs": {"samples": torch.zeros(2, 8)},
                "dynamic": {"samples": {0: "batch", 1: "n_samples"}},
                "time": "n_samples",
                "context": 4,
                "piece": 4,
            },
        ),
    ],
    ids=["context", "waveform"],
)
def test_context_in_frames_and_samples(module, export, tmp_path):
    class Plain(Streaming):
        def header(self, state):
            header = super().header(state)
            return dataclasses.replace(header, networks={"net": NetworkHeader(kind="Plain", settings={}, states={})})

        def exports(self, state):
            return {"net": NetworkExport(module=module, outputs=("enhanced",), **export)}

    report = export_model(Plain(), built(Plain()), tmp_path / "model.onnx")["net"]
    assert report.streams <= 1e-6
    (tensor,) = Session(read_artifact(tmp_path / "model.onnx")).inputs
    assert tensor.shape[:2] == (None, None)


def test_several_networks_are_one_zip(tmp_path):
    class Two(Regression):
        def header(self, state):
            network = NetworkHeader(kind="Sequential", settings={}, states={})
            return dataclasses.replace(super().header(state), networks={"one": network, "two": network})

        def exports(self, state):
            return {"one": super().exports(state)["net"], "two": super().exports(state)["net"]}

    recipe = Two(normalise=False)
    export_model(recipe, built(recipe), tmp_path / "model.zip")
    assert set(read_artifact(tmp_path / "model.zip").networks) == {"one", "two"}


def test_headers_and_networks_must_agree(tmp_path):
    class Other(Streaming):
        def header(self, state):
            return dataclasses.replace(
                super().header(state), networks={"other": NetworkHeader(kind="Causal", settings={}, states={})}
            )

    with pytest.raises(ArtifactError, match="exports net, and its header names other"):
        export_model(Other(), built(Other()), tmp_path / "model.onnx")


def test_names_of_axes_are_checked():
    spec = torch.zeros(2, 3)
    with pytest.raises(ParameterError, match="dynamic has 'other', which is no input"):
        NetworkExport(module=Context(), inputs={"spec": spec}, outputs=("a",), dynamic={"other": {0: "batch"}})
    with pytest.raises(ParameterError, match=r"dynamic\['memory'\]: a state needs an axis named 'batch'"):
        NetworkExport(module=Context(), inputs={"memory": spec}, outputs=("memory_next",), dynamic={})
    with pytest.raises(ParameterError, match=r"dynamic\['spec'\] names 'n_bins': 'batch' and 'n_frames' are known"):
        to_onnx(NetworkExport(module=Context(), inputs={"spec": spec}, outputs=("a",), dynamic={"spec": {1: "n_bins"}}))
