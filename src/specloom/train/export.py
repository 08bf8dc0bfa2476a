"""From a trained state to a model file that is checked: torch, ONNX Runtime and streaming agree."""

from __future__ import annotations

import copy
import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from specloom.artifact import Artifact, Header, read_artifact, write_artifact
from specloom.errors import ArtifactError, ParameterError
from specloom.runtime import Session, check_probe, make_probe
from specloom.train.onnx_graph import NARROWED_FROM, count_nodes, narrow_scales, simplified, with_narrow_weights
from specloom.train.recipes.recipe import NetworkExport, Recipe
from specloom.train.state import State

OPSET = 17
"""Has everything that GRU and convolution networks need, and is read by every ONNX Runtime since 1.12."""

AGREES, STREAMS = 1e-4, 1e-5
"""How far ONNX may lie from torch, and streaming from the whole, as a share of the largest value (or of 1)."""

_PROBE_PIECES = 40
# Different primes: an axis is told by its sizes. None is a size of a network, and none is what was traced.
_SIZES = ((2, 7), (3, 11), (5, 13))
# Batch and pieces that are tried afterwards, 1 among them, which a careless trace takes for something to broadcast.
_TRIED = ((1, 1), (1, 50), (3, 1), (4, 17))

Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was measured of a network on its way into the file.

    Parameters
    ----------
    nodes, traced_nodes : int
        Of the graph in the file, and as the exporter gave it.
    agrees : float
        The largest deviation of ONNX Runtime from torch, over several batches and lengths.
    streams : float
        The largest deviation of piece by piece from the whole.
    """

    nodes: int
    traced_nodes: int
    agrees: float
    streams: float


def export_model(
    recipe: Recipe, state: State, path: str | os.PathLike[str], *, name: str | None = None
) -> dict[str, ExportReport]:
    """Write the model that a recipe has trained, after checking that it computes what torch computes.

    Parameters
    ----------
    recipe : Recipe
    state : State
        As after training, or with the best checkpoint loaded.
    path : path-like
        ``.onnx`` for a recipe that exports one network, ``.zip`` for several.
    name : str, optional
        Of the model; that of the recipe's header otherwise.

    Returns
    -------
    dict of str to ExportReport
        By network.

    Raises
    ------
    ArtifactError
        When ONNX Runtime gives other values than torch, when piece by piece gives other values than the whole, when
        the header does not fit the networks, or when the file cannot be written. There is no new file then.

    Notes
    -----
    torch's older exporter (TorchScript) is used on purpose: in torch 2.13 the newer one unrolls or fixes the number of
    frames of a GRU, and takes half a minute where this one takes a second.
    """
    header, exports = recipe.header(state), recipe.exports(state)
    if name is not None:
        header = replace(header, name=name)
    if set(exports) != set(header.networks):
        raise ArtifactError(
            f"the recipe '{recipe.name}' exports {', '.join(sorted(exports))}, and its header names "
            f"{', '.join(sorted(header.networks))}"
        )
    exports = {key: _as_kept(export) for key, export in exports.items()}
    graphs, traced = {}, {}
    for key, export in exports.items():
        graphs[key], traced[key] = to_onnx(export)
    artifact = Artifact(header=header, networks=graphs)
    reports = {}
    for key, export in exports.items():
        session = Session(artifact, network=key)
        reports[key] = ExportReport(
            nodes=count_nodes(graphs[key]),
            traced_nodes=traced[key],
            agrees=_require(_from_torch(export, session), AGREES, key, "lies {} from what torch computes"),
            streams=_require(_from_whole(export, session), STREAMS, key, "gives values {} apart when cut in pieces"),
        )
    artifact = Artifact(header=_with_probes(artifact, exports), networks=graphs)
    for key in exports:
        check_probe(Session(artifact, network=key))
    write_artifact(path, artifact)
    read_artifact(path)
    return reports


def to_onnx(export: NetworkExport) -> tuple[bytes, int]:
    """The network as a serialised ONNX graph, simplified; and how many nodes it had before.

    Raises
    ------
    ArtifactError
        When torch cannot export it.
    """
    import onnx

    module = copy.deepcopy(export.module).cpu().eval()
    axes = {name: dict(named) for name, named in export.dynamic.items()}
    names = list(export.inputs)
    feeds = [_feed(export, batch=batch, pieces=pieces) for batch, pieces in _SIZES]
    example = tuple(torch.from_numpy(feeds[0][name]) for name in names)
    out_axes = {f"{name}_next": axes[name] for name in export.states}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # That it is the older exporter; that a GRU might be tied to its batch: what is dynamic is tried below.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                example,
                buffer,  # type: ignore[arg-type]
                input_names=names,
                output_names=list(export.outputs),
                dynamic_axes=axes | out_axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise ArtifactError(f"torch cannot export {type(module).__name__} to ONNX: {error}") from error
    model = onnx.load_from_string(buffer.getvalue())
    traced = len(model.graph.node)
    model = simplified(model, feeds)
    if export.narrow:
        model = with_narrow_weights(model)
    onnx.checker.check_model(model)
    return model.SerializeToString(), traced


def _as_kept(export: NetworkExport) -> NetworkExport:
    """With the weights that the file will hold, so that everything is checked with these."""
    if not export.narrow:
        return export
    module = copy.deepcopy(export.module)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point() and tensor.numel() >= NARROWED_FROM:
            is_weight = isinstance(tensor, torch.nn.Parameter) and tensor.ndim == 2
            tensor.data = _in_8_bits(tensor.data) if is_weight else tensor.data.half().float()
    return replace(export, module=module)


def _in_8_bits(weight: torch.Tensor) -> torch.Tensor:
    """A matrix rounded to whole numbers times a scale for each row."""
    scales = torch.from_numpy(narrow_scales(weight.cpu().numpy(), 0)).to(weight.device)
    return torch.round(weight / scales) * scales


def _feed(export: NetworkExport, *, batch: int, pieces: int) -> Arrays:
    """Noise, quiet and loud, of these sizes; states at zero."""
    sizes = {"batch": batch} | ({} if export.time is None else {export.time: export.context + pieces * export.piece})
    rng = np.random.default_rng([batch, pieces])
    feed = {}
    for name, example in export.inputs.items():
        named = export.dynamic.get(name, {})
        unknown = sorted(set(named.values()) - set(sizes))
        if unknown:
            known = " and ".join(map(repr, sizes))
            raise ParameterError(f"dynamic[{name!r}] names {unknown[0]!r}: {known} are known")
        shape = [sizes[named[axis]] if axis in named else size for axis, size in enumerate(example.shape)]
        level = 0.0 if name in export.states else 1.0
        feed[name] = (level * rng.standard_normal(shape)).astype(np.float32)
    return feed


def _from_torch(export: NetworkExport, session: Session) -> float:
    """The largest deviation of ONNX Runtime from torch; each feed twice, so that states are carried over once."""
    module = copy.deepcopy(export.module).cpu().eval()
    largest = 0.0
    for batch, pieces in _TRIED:
        feed = _feed(export, batch=batch, pieces=pieces)
        for _ in range(2):
            with torch.no_grad():
                answer = module(*(torch.from_numpy(feed[name]) for name in export.inputs))
            tensors = answer if isinstance(answer, tuple | list) else (answer,)
            expected = {name: tensor.numpy() for name, tensor in zip(export.outputs, tensors, strict=True)}
            found = _run(export, session, feed)
            largest = max(largest, *(_deviation(found[name], expected[name]) for name in export.outputs))
            feed = feed | {name: expected[f"{name}_next"] for name in export.states}
    return largest


def _from_whole(export: NetworkExport, session: Session) -> float:
    """The largest deviation of piece by piece, states carried over, from all at once."""
    if export.time is None:
        return _from_batch(export, session)
    feed = _feed(export, batch=2, pieces=_PROBE_PIECES)
    whole = _run(export, session, feed)
    states = {name: feed[name] for name in export.states}
    axes = {name: axis for name, named in export.dynamic.items() for axis, what in named.items() if what == export.time}
    parts: list[Arrays] = []
    for begin in range(0, _PROBE_PIECES * export.piece, export.piece):
        window = np.arange(begin, begin + export.context + export.piece)
        cut = {name: np.take(feed[name], window, axis=axis) for name, axis in axes.items()}
        parts.append(_run(export, session, feed | cut | states))
        states = {name: parts[-1][f"{name}_next"] for name in export.states}
    plain = [name for name in export.outputs if name.removesuffix("_next") not in export.states]
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in plain}
    joined |= {f"{name}_next": value for name, value in states.items()}
    return max(_deviation(joined[name], whole[name]) for name in export.outputs)


def _from_batch(export: NetworkExport, session: Session) -> float:
    """The largest deviation of each member alone from the batch."""
    feed = _feed(export, batch=5, pieces=1)
    whole = _run(export, session, feed)
    alone = [
        _run(export, session, {name: value[index : index + 1] for name, value in feed.items()}) for index in range(5)
    ]
    return max(_deviation(np.concatenate([one[name] for one in alone]), whole[name]) for name in export.outputs)


def _run(export: NetworkExport, session: Session, feed: Mapping[str, npt.NDArray[np.float32]]) -> Arrays:
    states = {name: feed[name] for name in export.states}
    outputs, after = session.run({name: feed[name] for name in export.inputs if name not in states}, states)
    return {**outputs, **{f"{name}_next": value for name, value in after.items()}}


def _deviation(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))


def _require(deviation: float, allowed: float, network: str, complaint: str) -> float:
    if not deviation <= allowed:
        told = complaint.format(f"{deviation:.2g}")
        raise ArtifactError(f"the network {network!r} {told} ({allowed:g} is allowed); nothing was written")
    return deviation


def _with_probes(artifact: Artifact, exports: Mapping[str, NetworkExport]) -> Header:
    networks = {}
    for key, export in exports.items():
        feed = _feed(export, batch=1, pieces=_PROBE_PIECES)
        shapes = {name: feed[name].shape for name in export.inputs if name not in export.states}
        probe = make_probe(Session(artifact, network=key), shapes=shapes)
        networks[key] = replace(artifact.header.networks[key], probe=probe)
    return replace(artifact.header, networks=networks)
