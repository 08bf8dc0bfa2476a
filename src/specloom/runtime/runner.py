"""The one place that knows ONNX Runtime's options and errors."""

from __future__ import annotations

from typing import Any

from specloom.errors import ArtifactError
from specloom.runtime.tensor import Tensor


def make_runner(model: bytes, *, where: str, threads: int) -> Any:
    """An ``onnxruntime.InferenceSession`` that is quiet, computes in order, and does not grow with what it has run.

    Raises
    ------
    ArtifactError
        When ONNX Runtime does not take the graph.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Only what ends the process is printed; everything else comes as an exception.
    options.log_severity_level = 4
    # Patterns are kept for every length that was ever given (100 MB after some hundred of them), and an arena keeps
    # its peak for good. Neither is quicker here, for a frame or for thousands.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Threads that wait in a loop take the time of other files' jobs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except runner_errors() as error:
        raise ArtifactError(
            f"{where} cannot be run by onnxruntime {onnxruntime.__version__} ({_shortly(error)}); "
            "update onnxruntime, or export the model again"
        ) from error


def runner_errors() -> tuple[type[Exception], ...]:
    """Every class of error that ONNX Runtime raises; its own have no common parent but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception))
    return (RuntimeError, *own)


def tensor_of(node: Any, *, where: str) -> Tensor:
    """The name and shape of an input or output as ONNX Runtime says it.

    Raises
    ------
    ArtifactError
        When it is not float32.
    """
    if node.type != "tensor(float)":
        raise ArtifactError(f"{where} has {node.name!r} of the type {node.type}: float32 is needed")
    return Tensor(name=node.name, shape=tuple(size if isinstance(size, int) else None for size in node.shape))


def _shortly(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
