"""Training that begins from a model file instead of random weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from specloom.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import GraphProto


def graph_weights(network: bytes, *, where: str) -> dict[str, Tensor]:
    """The weights in an ONNX graph that `specloom.train.export` wrote, under torch's names.

    Parameters
    ----------
    network : bytes
    where : str
        What this is, as the beginning of a message.

    Returns
    -------
    dict of str to Tensor
        Recurrent layers as ``remember.0.weight_ih_l0``, in torch's order of gates (ONNX: update, reset, new).

    Raises
    ------
    ArtifactError
        When the graph cannot be read.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load_from_string(network).graph
    except DecodeError as error:
        raise ArtifactError(f"{where} is no ONNX graph: {error}") from error
    arrays = {
        each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy())
        for each in graph.initializer
        if each.data_type == onnx.TensorProto.FLOAT
    }
    named = {name: value for name, value in arrays.items() if name.endswith((".weight", ".bias"))}
    return named | _recurrent_weights(graph, arrays, where)


def _recurrent_weights(graph: GraphProto, arrays: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    found = {}
    for node in (node for node in graph.node if node.op_type == "GRU"):
        # The exporter names a node by the way to its module: "/remember.0/GRU".
        layer = node.name.strip("/").removesuffix("/GRU").replace("/", ".")
        if len(node.input) < 4 or not all(name in arrays for name in node.input[1:4]):
            raise ArtifactError(f"{where}: the weights of the recurrent layer {layer!r} are not kept in the graph")
        inputs, hidden, biases = (arrays[name][0] for name in node.input[1:4])
        input_bias, hidden_bias = biases.chunk(2)
        parts = {"weight_ih": inputs, "weight_hh": hidden, "bias_ih": input_bias, "bias_hh": hidden_bias}
        for name, part in parts.items():
            update, reset, new = part.chunk(3)
            found[f"{layer}.{name}_l0"] = torch.cat([reset, update, new])
    return found


def begin_from(
    network: nn.Module, weights: Mapping[str, Tensor], inputs: Iterable[Sequence[Tensor]], *, where: str
) -> None:
    """Give a network, in place, weights into which its batch normalisation was folded.

    Normalisation, which training needs, then changes nothing at first: it is measured on `inputs`, and what it takes
    away its own scale and shift give back. Law: in evaluation mode the network computes what the folded one does; in
    training about, for every batch is normalised by its own statistics (``tests/train/test_begin.py``).

    Parameters
    ----------
    network : torch.nn.Module
        It ends in evaluation mode.
    weights : mapping of str to Tensor
        As `graph_weights` gives them.
    inputs : iterable of sequence of Tensor
        The arguments of ``network(...)``, a batch each.
    where : str
        What the weights are of, as the beginning of a message.

    Raises
    ------
    ArtifactError
        When a weight is missing or has another shape.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    network.eval()
    for layer in layers:
        _make_neutral(layer)
    _take(network, weights, where)
    moments: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in layers}
    hooks = [layer.register_forward_hook(_noting(moments[layer])) for layer in layers]
    try:
        with torch.no_grad():
            for arguments in inputs:
                network(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        _settle(layer, moments[layer])


def _take(network: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    for name, value in network.state_dict().items():
        layer_name = name.rpartition(".")[0]
        if isinstance(network.get_submodule(layer_name), _BatchNorm):
            continue
        value.copy_(_weight(weights, name, value, where))
    for name, layer in _folded_shifts(network).items():
        # A layer without a bias of its own got one when normalisation was folded into it.
        layer.bias.data.copy_(_weight(weights, name, layer.bias, where))


def _weight(weights: Mapping[str, Tensor], name: str, like: Tensor, where: str) -> Tensor:
    given = weights.get(name)
    if given is None or given.shape != like.shape:
        said = "is missing" if given is None else f"has the shape {tuple(given.shape)}"
        raise ArtifactError(
            f"{where}: the weight {name!r} {said}, and the recipe's network needs {tuple(like.shape)}; "
            "begin from a model of the same recipe"
        )
    return given


def _folded_shifts(network: nn.Module) -> dict[str, _BatchNorm]:
    """``{"narrow.bias": settle}``: layers without bias, each with the normalisation registered right after it."""
    found: dict[str, _BatchNorm] = {}
    for prefix, module in network.named_modules():
        children = list(module.named_children())
        for (name, layer), (_, after) in pairwise(children):
            if isinstance(after, _BatchNorm) and getattr(layer, "bias", None) is None:
                found[f"{prefix}.{name}.bias".lstrip(".")] = after
    return found


def _make_neutral(layer: _BatchNorm) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.zero_()
    layer.running_var.fill_(1 - layer.eps)
    layer.weight.data.fill_(1)
    layer.bias.data.zero_()


def _noting(moments: list[tuple[Tensor, Tensor]]) -> Any:
    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        (seen,) = inputs
        axes = [axis for axis in range(seen.ndim) if axis != 1]
        moments.append((seen.mean(axes), seen.var(axes, correction=0)))

    return note


def _settle(layer: _BatchNorm, moments: Sequence[tuple[Tensor, Tensor]]) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    # The variance within batches, which is what training will divide by, as in `remember_statistics`.
    mean, variance = (torch.stack(each).mean(0) for each in zip(*moments, strict=True))
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
    layer.weight.data.copy_((layer.running_var + layer.eps).sqrt())
    layer.bias.data.add_(mean)
