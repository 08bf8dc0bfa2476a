"""A smaller ONNX graph that computes the same: what the exporter leaves to run time, though it is known before.

A traced ``reshape`` keeps the arithmetic of its sizes in the graph (Shape, Gather, Unsqueeze, Concat for each), and
each of these nodes costs about two microseconds in every frame. ONNX's Reshape can say the same with a constant: 0
takes a size over from the input, -1 takes what is left. What no constant can say is gathered from the sizes of an input
of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

# Smaller constants stay as they are.
NARROWED_FROM = 1024

Feed = Mapping[str, npt.NDArray[np.float32]]


def simplified(model: ModelProto, feeds: Sequence[Feed]) -> ModelProto:
    """Make sizes constant where one constant fits every feed, else few nodes, and drop what is not needed any more.

    Parameters
    ----------
    model : ModelProto
        Changed in place, and returned.
    feeds : sequence of mappings of name to array
        Inputs whose dynamic axes have sizes that tell them apart: different primes in every feed. The sizes of the
        outputs are taken from there too.

    Notes
    -----
    What is read off a few sizes holds for others only if it was read rightly; the export checks further sizes.
    """
    graph = model.graph
    _constants_to_initializers(graph)
    _drop_identities(graph)
    _share_constants(graph)
    reshapes = _computed_reshapes(graph)
    watched = [name for node in reshapes for name in (node.input[0], node.output[0])]
    seen = [_shapes(model, watched, feed) for feed in feeds]
    for node in reshapes:
        _settle_sizes(graph, node, seen)
    _say_output_shapes(graph, feeds, seen)
    _drop_unused(graph)
    return model


def narrow_scales(matrix: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """What the whole numbers from -127 to 127 that stand for a matrix are multiplied by, one for each row or column.

    Of so few digits that their products with whole numbers are exact: `_as_whole_numbers` finds the numbers again.

    Parameters
    ----------
    matrix : float32 array, shape ``(n_rows, n_columns)``
    axis : {0, 1}
        0 for a scale for each row, 1 for each column.

    Returns
    -------
    float32 array, shape ``(n_rows, 1)`` or ``(1, n_columns)``
    """
    largest = np.abs(matrix).max(axis=1 - axis, keepdims=True)
    digits, exponent = np.frexp(np.where(largest > 0.0, largest, 1.0) / np.float32(127.0))
    return np.ldexp(np.ceil(digits * 4096.0) / 4096.0, exponent).astype(np.float32)


def with_narrow_weights(model: ModelProto) -> ModelProto:
    """Keep large matrices in 8 bits and other large constants in 16; ONNX Runtime widens them once, when it loads.

    Parameters
    ----------
    model : ModelProto
        Changed in place, and returned. Its constants of `NARROWED_FROM` values or more are numbers that so many bits
        hold: matrices whole numbers times `narrow_scales` of their rows or columns, or else of 16 bits.
    """
    import onnx

    graph, make = model.graph, onnx.helper.make_node
    for tensor in list(graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < NARROWED_FROM:
            continue
        name = tensor.name
        whole = _as_whole_numbers(values)
        if whole is None:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            graph.node.insert(0, make("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
            continue
        numbers, scales = whole
        tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, f"{name}.whole"))
        graph.initializer.append(onnx.numpy_helper.from_array(scales, f"{name}.scales"))
        graph.node.insert(0, make("Mul", [f"{name}.numbers", f"{name}.scales"], [name]))
        graph.node.insert(0, make("Cast", [f"{name}.whole"], [f"{name}.numbers"], to=onnx.TensorProto.FLOAT))
    return model


def _as_whole_numbers(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]] | None:
    """A matrix as whole numbers and scales of its rows, or columns, where it is just that."""
    if values.ndim != 2:
        return None
    for axis in (0, 1):
        scales = narrow_scales(values, axis)
        numbers = np.rint(values / scales)
        if np.array_equal(numbers * scales, values):
            return numbers.astype(np.int8), scales
    return None


def count_nodes(model: bytes) -> int:
    """Nodes of a serialised model."""
    import onnx

    return len(onnx.load_from_string(model).graph.node)


def _constants_to_initializers(graph: GraphProto) -> None:
    import onnx

    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _drop_identities(graph: GraphProto) -> None:
    outputs = {output.name for output in graph.output}
    source: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.output[0] not in outputs]:
        # Nodes stand in the order of their values, so what this one copies has been resolved.
        source[node.output[0]] = source.get(node.input[0], node.input[0])
        graph.node.remove(node)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = source.get(name, name)


def _share_constants(graph: GraphProto) -> None:
    """Keep one of constants that are the same: the trace writes one down wherever it is used."""
    kept: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    renamed = {}
    for tensor in list(graph.initializer):
        key = (tensor.data_type, tuple(tensor.dims), _content(tensor))
        if key in kept:
            renamed[tensor.name] = kept[key]
            graph.initializer.remove(tensor)
        else:
            kept[key] = tensor.name
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)


def _content(tensor: TensorProto) -> bytes:
    import onnx

    return onnx.numpy_helper.to_array(tensor).tobytes()


def _computed_reshapes(graph: GraphProto) -> list[NodeProto]:
    known = {tensor.name for tensor in graph.initializer}
    return [node for node in graph.node if node.op_type == "Reshape" and node.input[1] not in known]


def _shapes(model: ModelProto, names: Sequence[str], feed: Feed) -> dict[str, tuple[int, ...]]:
    """The shapes that these values, and the outputs, have for this feed."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {one.name for one in (*model.graph.output, *model.graph.input)}
    for name in dict.fromkeys(names):
        if name not in present:
            watched.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    # Optimised away, a value could not be watched.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = dict(zip((node.name for node in session.get_outputs()), session.run(None, dict(feed))))
    return {name: value.shape for name, value in (found | dict(feed)).items()}


def _settle_sizes(graph: GraphProto, node: NodeProto, seen: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
    import onnx

    before, after = ([shapes[name] for shapes in seen] for name in (node.input[0], node.output[0]))
    sizes = []
    for axis, made in enumerate(zip(*after)):
        given = tuple(shape[axis] for shape in before if axis < len(shape))
        sizes.append(made[0] if len(set(made)) == 1 else 0 if made == given else -1)
    if sizes.count(-1) > 1:
        _take_from_input(graph, node, seen)
        return
    name = f"{node.output[0]}_sizes"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(sizes, dtype=np.int64), name))
    node.input[1] = name


def _take_from_input(graph: GraphProto, node: NodeProto, seen: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
    """Put together the sizes that no constant says from those of one input, in at most three small nodes."""
    wanted = list(zip(*(shapes[node.output[0]] for shapes in seen)))
    for given in graph.input:
        axes = list(zip(*(shapes[given.name] for shapes in seen)))
        others = [sizes for sizes in wanted if sizes not in axes]
        if any(len(set(sizes)) > 1 for sizes in others):
            continue
        places = [(axes + others).index(sizes) for sizes in wanted]
        _compute_sizes(graph, node, given.name, [size for size, *_ in others], places)
        return


def _compute_sizes(graph: GraphProto, node: NodeProto, given: str, others: list[int], places: list[int]) -> None:
    """Give a Reshape its sizes: those at these places among the sizes of an input, with further ones behind them."""
    import onnx

    name, sizes = f"{node.output[0]}_sizes", f"{given}_sizes"
    constants = {f"{name}_places": places} | ({f"{name}_others": others} if others else {})
    for constant, values in constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, dtype=np.int64), constant))
    make = onnx.helper.make_node
    parts = [] if any(sizes in each.output for each in graph.node) else [make("Shape", [given], [sizes])]
    if others:
        parts.append(make("Concat", [sizes, f"{name}_others"], [f"{name}_all"], axis=0))
    parts.append(make("Gather", [f"{name}_all" if others else sizes, f"{name}_places"], [name], axis=0))
    place = next(index for index, each in enumerate(graph.node) if each.output[0] == node.output[0])
    for part in reversed(parts):
        graph.node.insert(place, part)
    # Inserting may have copied the node.
    graph.node[place + len(parts)].input[1] = name


def _say_output_shapes(graph: GraphProto, feeds: Sequence[Feed], seen: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
    """Name the dynamic axes of outputs as those of inputs; the exporter calls them by the node that made them."""
    named: dict[tuple[int, ...], str] = {}
    for value in graph.input:
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if size.dim_param:
                named.setdefault(tuple(feed[value.name].shape[axis] for feed in feeds), size.dim_param)
    for value in graph.output:
        dims: Any = value.type.tensor_type.shape.dim
        for axis, size in enumerate(dims):
            sizes = tuple(shapes[value.name][axis] for shapes in seen)
            if len(set(sizes)) == 1:
                size.dim_value = sizes[0]
            else:
                size.dim_param = named.get(sizes, f"{value.name}_{axis}")


def _drop_unused(graph: GraphProto) -> None:
    outputs = {output.name for output in graph.output}
    while True:
        used = outputs.union(*(node.input for node in graph.node))
        unused = [node for node in graph.node if used.isdisjoint(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
