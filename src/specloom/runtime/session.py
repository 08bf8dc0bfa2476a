"""One network of a model, ready to run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specloom.artifact import Artifact, Header, NetworkHeader
from specloom.errors import ArtifactError, ParameterError
from specloom.runtime.runner import make_runner, runner_errors, tensor_of
from specloom.runtime.stepper import Stepper
from specloom.runtime.tensor import Arrays, FloatArray, Tensor


class Session:
    """A network of a model file and the means to run it.

    Parameters
    ----------
    artifact : Artifact
    network : str, optional
        Which one; may be left out where there is only one.
    threads : int
        How many threads one run may use. More than one pays for large networks on long inputs only.

    Attributes
    ----------
    header : Header
    network : str
    network_header : NetworkHeader
    where : str
        What this is, as the beginning of a message.
    inputs, outputs : tuple of Tensor
        Those of the graph that are no states. All are float32.

    Raises
    ------
    ParameterError
        For a network that is not there, or an impossible number of threads.
    ArtifactError
        When ONNX Runtime does not take the graph, or its inputs and outputs are not what the header says.

    Notes
    -----
    Laws: the input in one run = in many, with the states carried over; a batch = each of its members alone; `run` =
    `stepper` (``tests/contracts/test_runtime_session.py``). Memory does not grow with the
    number of runs or lengths. A session may be used by several threads at once; a stepper may not.
    """

    def __init__(self, artifact: Artifact, *, network: str | None = None, threads: int = 1) -> None:
        if type(threads) is not int or threads < 1:
            raise ParameterError(f"threads={threads!r}: a whole number of at least 1 is needed")
        self.header: Header = artifact.header
        self.network: str = _only_or(network, artifact)
        self.network_header: NetworkHeader = artifact.header.networks[self.network]
        self.where: str = f"the network {self.network!r} of the model {self.header.name!r}"
        self._runner = make_runner(artifact.networks[self.network], where=self.where, threads=threads)
        self._errors = runner_errors()
        self._states = self.network_header.states
        self.inputs, self._state_inputs = self._split(self._runner.get_inputs(), "")
        self.outputs, state_outputs = self._split(self._runner.get_outputs(), "_next")
        if not self.inputs or not self.outputs:
            raise ArtifactError(f"{self.where} has no input or no output besides its states")
        self._input_names = [tensor.name for tensor in self.inputs]
        self._output_names = [tensor.name for tensor in self.outputs]
        self._asked = [*self._output_names, *(tensor.name for tensor in state_outputs)]

    def require_interface(self, interface: str, given: Tensor, made: Tensor) -> None:
        """Refuse a network that does not take just this input and give just this output, states aside.

        Raises
        ------
        ArtifactError
            Naming what it has, what is needed and for which interface.
        """
        for tensors, wanted in ((self.inputs, given), (self.outputs, made)):
            if len(tensors) != 1 or not tensors[0].serves(wanted):
                shown = ", ".join(f"{tensor.name!r} {tensor.shown}" for tensor in tensors)
                raise ArtifactError(
                    f"the network {self.network!r} has {shown}: {wanted.name!r} {wanted.shown} is needed for the "
                    f"interface {interface!r}; export the model again"
                )

    def initial_states(self, batch: int = 1) -> Arrays:
        """The states at the beginning of a sound: zeros, with ``batch`` in the place of -1."""
        if batch < 1:
            raise ParameterError(f"batch={batch}: at least 1 is needed")
        return {
            name: np.zeros([batch if size == -1 else size for size in shape], dtype=np.float32)
            for name, shape in self._states.items()
        }

    def run(
        self, inputs: Mapping[str, FloatArray], states: Mapping[str, FloatArray] | None = None
    ) -> tuple[Arrays, Arrays]:
        """Run the network once.

        Parameters
        ----------
        inputs : mapping of name to float32 array
            All that the attribute ``inputs`` names; the first axis is the batch.
        states : mapping of name to float32 array, optional
            What the run before returned, or `initial_states`, which is meant when nothing is given.

        Returns
        -------
        outputs : dict of name to float32 array
        states : dict of name to float32 array
            For the next run. New arrays: what was given is not written to.

        Raises
        ------
        ParameterError
            For an input or state that is missing, unknown, of a wrong dtype or shape, or that the network refuses.
        """
        _require("input", self.inputs, inputs)
        if states is None:
            states = self.initial_states(len(inputs[self._input_names[0]]))
        _require("state", self._state_inputs, states)
        try:
            results = self._runner.run(self._asked, {**inputs, **states})
        except self._errors as error:
            shapes = {name: value.shape for name, value in {**inputs, **states}.items()}
            raise ParameterError(f"{self.where} does not take inputs of these shapes together: {shapes}") from error
        n_outputs = len(self._output_names)
        return dict(zip(self._output_names, results)), dict(zip(self._states, results[n_outputs:]))

    def stepper(self, shapes: Mapping[str, tuple[int, ...]]) -> Stepper:
        """The cheapest way to run the network again and again on inputs of one shape, as a stream does.

        Parameters
        ----------
        shapes : mapping of input name to shape
            ``{"spec": (1, 1, 257, 2)}``: one channel, a frame at a time.

        Raises
        ------
        ParameterError
            As `run`.
        """
        inputs = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
        # One plain run: it refuses shapes that do not fit, and shows those of the outputs.
        outputs, states = self.run(inputs)
        return Stepper(self._runner, inputs=inputs, outputs=outputs, states=states)

    def _split(self, nodes: list[object], suffix: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Inputs (or outputs) that are no states, and those that are, which must be as the header says."""
        tensors = {tensor.name: tensor for tensor in (tensor_of(node, where=self.where) for node in nodes)}
        states = []
        for name, shape in self._states.items():
            tensor = tensors.pop(name + suffix, None)
            if tensor is None:
                raise ArtifactError(f"{self.where} lacks {name + suffix!r}, which its header promises")
            wanted = Tensor(name=name, shape=tuple(None if size == -1 else size for size in shape))
            # What the graph leaves open (None) may be settled by the header, the batch never by the graph.
            if len(tensor.shape) != len(wanted.shape) or any(
                made not in (None, asked) for made, asked in zip(tensor.shape, wanted.shape)
            ):
                raise ArtifactError(
                    f"{self.where} has {tensor.name!r} of the shape {tensor.shown}, and its header says {wanted.shown}"
                )
            states.append(Tensor(name=tensor.name, shape=wanted.shape))
        return tuple(tensors.values()), tuple(states)


def _require(what: str, tensors: tuple[Tensor, ...], given: Mapping[str, FloatArray]) -> None:
    for tensor in tensors:
        if tensor.name not in given:
            raise ParameterError(f"the {what} {tensor.name!r} is missing; needed are {_names(tensors)}")
        tensor.require(given[tensor.name])
    if len(given) != len(tensors):
        unknown = sorted(set(given) - {tensor.name for tensor in tensors})
        raise ParameterError(f"the network has no {what} {', '.join(map(repr, unknown))}; it has {_names(tensors)}")


def _names(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(repr(tensor.name) for tensor in tensors) or "none"


def _only_or(network: str | None, artifact: Artifact) -> str:
    names = list(artifact.networks)
    if network is None and len(names) == 1:
        return names[0]
    if network is None or network not in names:
        raise ParameterError(f"network={network!r}: name one of {', '.join(map(repr, names))}, which this model has")
    return network
