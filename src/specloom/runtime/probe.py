"""Asking a network what it answered where it was made: the check that a model runs here as it did there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from specloom.artifact.probe import Probe, probe_input
from specloom.errors import ArtifactError, ParameterError
from specloom.runtime.session import Session

# Places that are kept of each output: one in each of so many stretches, so every level of the input is among them.
_N_PLACES = 40


def make_probe(
    session: Session, *, shapes: Mapping[str, tuple[int, ...]], seed: int = 0, tolerance: float = 1e-4
) -> Probe:
    """Run a network on a seeded input and keep some of what it answers.

    Parameters
    ----------
    session : Session
    shapes : mapping of input name to shape
        Every input but the states: ``{"spec": (1, 40, 257, 2)}``. Axis 1 is the time; 40 frames are plenty.
    seed : int
    tolerance : float
        See `Probe`.

    Raises
    ------
    ArtifactError
        When an output is empty or not finite.
    """
    expected = {}
    for name, values in _answers(session, seed=seed, shapes=shapes).items():
        # The largest of each stretch says the most: a place near zero would agree whatever the network did.
        stretches = np.array_split(np.arange(values.size), min(_N_PLACES, values.size))
        places = [int(stretch[np.argmax(np.abs(values[stretch]))]) for stretch in stretches]
        expected[name] = tuple((place, float(values[place])) for place in places)
    return Probe(seed=seed, shapes=dict(shapes), tolerance=tolerance, expected=expected)


def check_probe(session: Session) -> float:
    """Run a network on the input of its file's probe and compare.

    Returns
    -------
    float
        The largest deviation, as a share of the probe's tolerance: 1 would just pass.

    Raises
    ------
    ArtifactError
        When the file has no probe, or the network answers otherwise than where it was made.
    """
    probe = session.network_header.probe
    if probe is None:
        raise ArtifactError(f"{session.where} has no probe to be checked by")
    try:
        answers = _answers(session, seed=probe.seed, shapes=probe.shapes)
    except ParameterError as error:
        raise ArtifactError(f"{session.where} cannot be probed: {error}") from error
    if set(answers) != set(probe.expected):
        raise ArtifactError(f"the probe expects the outputs {sorted(probe.expected)}, and there are {sorted(answers)}")
    return max(_compared(session, name, answers[name], probe) for name in probe.expected)


def _compared(session: Session, name: str, values: npt.NDArray[np.float32], probe: Probe) -> float:
    places, expected = (np.array(column) for column in zip(*probe.expected[name]))
    if places.max() >= values.size:
        raise ArtifactError(
            f"the probe expects the output {name!r} to have more than {places.max()} values: {values.size}"
        )
    allowed = probe.tolerance * np.maximum(np.abs(expected), 0.01 * np.abs(expected).max())
    deviation = np.abs(values[places] - expected)
    # An output of zeros allows nothing but zeros.
    shares = np.divide(deviation, allowed, out=np.where(deviation > 0, np.inf, 0.0), where=allowed > 0)
    worst = int(np.argmax(shares))
    if not shares[worst] <= 1:
        raise ArtifactError(
            f"{session.where} answers its probe with {name}[{places[worst]}] = {values[places[worst]]:.7g} "
            f"where {expected[worst]:.7g} (±{allowed[worst]:.2g}) is expected: "
            "this machine or this onnxruntime computes it wrongly; update onnxruntime, or fetch the model again"
        )
    return float(shares[worst])


def _answers(
    session: Session, *, seed: int, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, npt.NDArray[np.float32]]:
    """Every output, flattened, for the input of this seed."""
    inputs = {name: probe_input(seed + i, tuple(shapes[name])) for i, name in enumerate(sorted(shapes))}
    outputs, _ = session.run(inputs)
    answers = {name: values.ravel() for name, values in outputs.items()}
    for name, values in answers.items():
        if not values.size or not np.isfinite(values).all():
            raise ArtifactError(f"{session.where} gives no finite {name!r} for its probe")
    return answers
