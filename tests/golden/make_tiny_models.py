"""Writes the tiny_*.onnx models beside itself: ``python tests/golden/make_tiny_models.py`` (needs the onnx package).

Nothing in them was learned; their weights are chosen so that the models do something plausible: what is near the noise
floor that they follow, or quiet beside its neighbours, is taken away.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from specloom.artifact import Artifact, Header, ModelOrigin, NetworkHeader, write_artifact
from specloom.recipes import TACOTRON
from specloom.runtime import Session, make_probe
from specloom.tasks.denoise import MelPatches

HERE = Path(__file__).parent
OPSET, IR_VERSION = 17, 8
# Bands that the GRU works in: a spectrum of 257 bins is pooled to so many.
N_BANDS = 16


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def bands(n_bins, n_bands):
    """Rectangles that share ``n_bins`` out, wider towards the top: 0 or 1, shape ``(n_bins, n_bands)``."""
    edges = np.round(np.linspace(0, 1, n_bands + 1) ** 1.5 * n_bins).astype(int)
    bins = np.arange(n_bins)[:, np.newaxis]
    return (bins >= edges[:-1]) & (bins < edges[1:])


def spectrum_model():
    """16 kHz, causal: a GRU follows the level of each band slowly; a sigmoid of the level above it is the gain."""
    n_bins, n = 257, N_BANDS
    # ONNX has the gates in the order update z, reset r, hidden h; h' = (1 - z) tanh(x) + z h. A bias of 3.5 on z makes
    # the state a running mean over some 30 frames of the compressed level.
    w = np.zeros((1, 3 * n, n))
    w[0, 2 * n :] = np.eye(n)
    b = np.zeros((1, 6 * n))
    b[0, :n] = 3.5
    b[0, n : 2 * n] = -8.0
    members = bands(n_bins, n)
    nodes = [
        helper.make_node("Mul", ["spec", "spec"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "last_axis"], ["power"], keepdims=0),
        # Kept as bytes, so that the file stays small.
        helper.make_node("Cast", ["members"], ["pool"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pool"], ["spread"]),
        helper.make_node("MatMul", ["power", "pool"], ["band_sum"]),
        helper.make_node("Mul", ["band_sum", "one_over_count"], ["band_power"]),
        helper.make_node("Add", ["band_power", "floor"], ["above_zero"]),
        helper.make_node("Log", ["above_zero"], ["log_power"]),
        helper.make_node("Mul", ["log_power", "scale"], ["level"]),
        helper.make_node("Transpose", ["level"], ["level_tbn"], perm=[1, 0, 2]),
        helper.make_node(
            "GRU", ["level_tbn", "w", "r", "b", "", "gru_0"], ["followed_all", "gru_0_next"], hidden_size=n
        ),
        helper.make_node("Squeeze", ["followed_all", "direction_axis"], ["followed_tbn"]),
        helper.make_node("Transpose", ["followed_tbn"], ["followed"], perm=[1, 0, 2]),
        helper.make_node("Tanh", ["level"], ["level_now"]),
        helper.make_node("Sub", ["level_now", "followed"], ["above"]),
        helper.make_node("Mul", ["above", "steepness"], ["steep"]),
        helper.make_node("Add", ["steep", "offset"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["band_gain"]),
        helper.make_node("MatMul", ["band_gain", "spread"], ["gain"]),
        helper.make_node("Unsqueeze", ["gain", "last_axis"], ["gain_1"]),
        helper.make_node("Mul", ["spec", "gain_1"], ["enhanced"]),
    ]
    constants = [
        tensor("last_axis", [3], np.int64),
        tensor("direction_axis", [1], np.int64),
        tensor("members", members, np.uint8),
        tensor("one_over_count", 1 / members.sum(axis=0)),
        tensor("floor", [1e-8]),
        tensor("scale", [0.05]),
        tensor("w", w),
        tensor("r", np.zeros((1, 3 * n, n))),
        tensor("b", b),
        tensor("steepness", [20.0]),
        tensor("offset", [-2.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_spectrum",
        [value("spec", ["batch", "n_frames", n_bins, 2]), value("gru_0", [1, "batch", n])],
        [value("enhanced", ["batch", "n_frames", n_bins, 2]), value("gru_0_next", [1, "batch", n])],
        constants,
    )
    features = {
        "interface": "spectrum",
        "sample_rate": 16000,
        "n_fft": 512,
        "win_length": 512,
        "hop_length": 256,
        "window": "sqrt_hann",
        "edges": "causal",
        "left_frames": 0,
        "right_frames": 0,
    }
    return graph, features, {"gru_0": (1, -1, n)}, {"spec": (1, 40, n_bins, 2)}


def context_model():
    """8 kHz, two frames to both sides, no state: the gain is low where power stands little above its neighbourhood."""
    n_bins = 129
    # Weights over (frame, frequency) as a convolution: the middle against a wide mean of neighbours.
    kernel = np.full((1, 1, 5, 9), 1 / 45)
    nodes = [
        helper.make_node("Mul", ["spec", "spec"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "last_axis"], ["power"], keepdims=0),
        helper.make_node("Unsqueeze", ["power", "channel_axis"], ["image"]),
        helper.make_node("Conv", ["image", "kernel"], ["mean_image"], pads=[0, 4, 0, 4]),
        helper.make_node("Squeeze", ["mean_image", "channel_axis"], ["mean"]),
        helper.make_node("Slice", ["power", "two", "minus_two", "time_axis"], ["power_here"]),
        helper.make_node("Slice", ["spec", "two", "minus_two", "time_axis"], ["spec_here"]),
        helper.make_node("Mul", ["mean", "share"], ["threshold"]),
        helper.make_node("Add", ["power_here", "threshold"], ["sum"]),
        helper.make_node("Add", ["sum", "floor"], ["above_zero"]),
        helper.make_node("Div", ["power_here", "above_zero"], ["gain"]),
        helper.make_node("Unsqueeze", ["gain", "last_axis"], ["gain_1"]),
        helper.make_node("Mul", ["spec_here", "gain_1"], ["enhanced"]),
    ]
    constants = [
        tensor("last_axis", [3], np.int64),
        tensor("channel_axis", [1], np.int64),
        tensor("time_axis", [1], np.int64),
        tensor("two", [2], np.int64),
        tensor("minus_two", [-2], np.int64),
        tensor("kernel", kernel),
        tensor("share", [0.5]),
        tensor("floor", [1e-12]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_context",
        [value("spec", ["batch", "n_given", n_bins, 2])],
        [value("enhanced", ["batch", "n_frames", n_bins, 2])],
        constants,
    )
    features = {
        "interface": "spectrum",
        "sample_rate": 8000,
        "n_fft": 256,
        "win_length": 256,
        "hop_length": 128,
        "window": "hann",
        "edges": "causal",
        "left_frames": 2,
        "right_frames": 2,
    }
    return graph, features, {}, {"spec": (1, 44, n_bins, 2)}


def waveform_model():
    """16 kHz samples: what is quiet beside its surroundings of 96 samples is turned down."""
    left, right, hop = 64, 32, 16
    nodes = [
        helper.make_node("Unsqueeze", ["samples", "channel_axis"], ["line"]),
        helper.make_node("Mul", ["line", "line"], ["power"]),
        helper.make_node("Conv", ["power", "kernel"], ["mean"]),
        helper.make_node("Slice", ["line", "left", "minus_right", "time_axis"], ["here"]),
        helper.make_node("Add", ["mean", "threshold"], ["above_zero"]),
        helper.make_node("Div", ["mean", "above_zero"], ["gain"]),
        helper.make_node("Mul", ["here", "gain"], ["out"]),
        helper.make_node("Squeeze", ["out", "channel_axis"], ["enhanced"]),
    ]
    constants = [
        tensor("channel_axis", [1], np.int64),
        tensor("time_axis", [2], np.int64),
        tensor("left", [left], np.int64),
        tensor("minus_right", [-right], np.int64),
        tensor("kernel", np.full((1, 1, left + right + 1), 1 / (left + right + 1))),
        tensor("threshold", [1e-4]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_waveform",
        [value("samples", ["batch", "n_given"])],
        [value("enhanced", ["batch", "n_samples"])],
        constants,
    )
    features = {
        "interface": "waveform",
        "sample_rate": 16000,
        "left_samples": left,
        "right_samples": right,
        "hop_samples": hop,
    }
    return graph, features, {}, {"samples": (1, left + 100 * hop + right)}


def mel_model():
    """Tacotron's mel spectrograms in patches of 16 frames: every band times a weight of its own."""
    n_mels, n_frames = TACOTRON.mel.n_mels, 16
    graph = helper.make_graph(
        [helper.make_node("Mul", ["mel", "weights"], ["cleaned"])],
        "mel",
        [value("mel", ["batch", n_frames, n_mels])],
        [value("cleaned", ["batch", n_frames, n_mels])],
        [tensor("weights", np.linspace(1.0, 0.5, n_mels))],
    )
    features = MelPatches(recipe=TACOTRON, n_frames=n_frames).to_json()
    return graph, features, {}, {"mel": (2, n_frames, n_mels)}


def serialised(graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="specloom tests")
    model.ir_version = IR_VERSION
    checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def artifact_of(name, graph, features, states, shapes, *, task="enhance"):
    origin = ModelOrigin(
        recipe="by hand",
        speech_hours=0.0,
        noise_hours=0.0,
        audio_hours_seen=0.0,
        steps=0,
        seed=0,
        data="none: the weights were chosen",
        scores={},
    )

    def built(probe):
        network = NetworkHeader(kind="ByHand", settings={}, states=states, probe=probe)
        header = Header(
            made_with="specloom 0.1.0",
            task=task,
            name=name,
            features=features,
            networks={"enhancer": network},
            statistics={},
            origin=origin,
        )
        return Artifact(header=header, networks={"enhancer": serialised(graph)})

    return built(make_probe(Session(built(None)), shapes=shapes))


def main() -> None:
    for make in (spectrum_model, context_model, waveform_model):
        name = "tiny_" + make.__name__.removesuffix("_model")
        path = write_artifact(HERE / f"{name}.onnx", artifact_of(name, *make()))
        print(path.name, path.stat().st_size, "bytes")
    path = write_artifact(HERE / "tiny_mel.onnx", artifact_of("tiny_mel", *mel_model(), task="denoise_mel"))
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
