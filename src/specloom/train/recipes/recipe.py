"""What the engine asks of a recipe. A recipe is a plain object; nothing is to be inherited from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from specloom.errors import ParameterError
from specloom.train.state import State

if TYPE_CHECKING:
    from specloom.artifact import Header


class Recipe(Protocol):
    """Something that `specloom.train.engine.fit` can train.

    A frozen dataclass with these fields and methods will do::

        def step(self, state, batch):
            noisy, clean = (torch.from_numpy(one).to(state.device) for one in (batch.noisy, batch.clean))
            fake = state.networks["generator"](noisy)
            d_loss = hinge(state.networks["critic"], real=clean, fake=fake.detach())
            descend(state, "critic", d_loss)
            g_loss = distance(fake, clean) - state.networks["critic"](fake).mean()
            norm = descend(state, "generator", g_loss, max_norm=5.0)
            return {"generator": g_loss.detach(), "critic": d_loss.detach(), "gradient_norm": norm}

    Attributes
    ----------
    name, task : str
        Such as ``"default"`` and ``"enhance"``.
    seed : int
        Weights, dropout and batches all come from it.
    batch_size : int
        Items in a batch.
    batch_audio_s : float
        Seconds of sound in a batch, for the log.

    Notes
    -----
    A recipe may also have ``usual_steps`` (how long it trains where nobody says) and ``evaluate_every`` (steps): the
    command line asks for them.
    """

    @property
    def name(self) -> str:
        """Of the recipe."""
        ...

    @property
    def task(self) -> str:
        """What the model is for."""
        ...

    @property
    def seed(self) -> int:
        """0 or more."""
        ...

    @property
    def batch_size(self) -> int:
        """Items."""
        ...

    @property
    def batch_audio_s(self) -> float:
        """Seconds."""
        ...

    def build(self, device: torch.device) -> State:
        """Networks with new weights, their optimisers, schedulers and averages.

        torch's random numbers are seeded when this is called.
        """
        ...

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Any]:
        """Batches without end: the first of items ``first_item .. first_item + batch_size - 1``, the next begins
        `every` items later (`every` is ``batch_size`` times the number of ranks).

        Item k must be a pure function of the seed and k. What it yields is what `step` gets: numpy arrays or
        tensors, on any device. A generator is closed at the end of training (its ``finally`` ends worker processes).
        """
        ...

    def step(self, state: State, batch: Any) -> Mapping[str, torch.Tensor | float]:
        """Forward, losses, backward, optimiser steps (`specloom.train.state.descend`); returns what to log.

        Detached tensors of one number are best: they are read only when a line is logged, so a GPU need not wait.
        """
        ...

    def evaluate(self, state: State) -> Mapping[str, float]:
        """Scores on what is held back, of ``state.evaluated(name)``; ``"score"`` decides (higher is better).

        Called without gradients, on rank 0. Must not change the state.
        """
        ...

    def header(self, state: State) -> Header:
        """What the model file says about itself; probes are added by the export."""
        ...

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The networks that are shipped (a discriminator is not), by the name that the header uses."""
        ...


@dataclass(frozen=True, kw_only=True)
class NetworkExport:
    """How a network becomes an ONNX graph.

    Parameters
    ----------
    module : torch.nn.Module
        ``forward(*inputs)`` gives one tensor or a tuple; take it from ``state.evaluated(name)``.
    inputs : dict of str to torch.Tensor
        Examples, in the order of ``forward``'s arguments. An input whose output ``<name>_next`` exists is a state;
        states begin as zeros.
    outputs : tuple of str
        Names, in the order of what ``forward`` returns.
    dynamic : dict of str to dict of int to str
        Which axes of which inputs may have any length, and their names: ``{"spec": {0: "batch", 1: "n_frames"}}``.
        Axes of the same name have the same length. Every state needs its batch axis here.
    time : str or None
        The name of the axis that runs in time; the outputs are shorter there by `context`. None where nothing does
        (a picture): then the pieces that must give what the whole gives are the members of a batch.
    context : int
        Frames (samples) given beyond those that come back: ``left_frames + right_frames``.
    piece : int
        The smallest length in time beyond the context: 1 frame, ``hop_samples`` samples.
    narrow : bool
        Keep matrices of weights in 8 bits, with a scale for each row, and other weights in 16, which makes the file a
        quarter as large; they are computed with in 32.
    """

    module: nn.Module
    inputs: Mapping[str, torch.Tensor]
    outputs: tuple[str, ...]
    dynamic: Mapping[str, Mapping[int, str]]
    time: str | None = "n_frames"
    context: int = 0
    piece: int = 1
    narrow: bool = False
    states: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        states = tuple(name for name in self.inputs if f"{name}_next" in self.outputs)
        object.__setattr__(self, "states", states)
        for name in self.dynamic:
            if name not in self.inputs:
                raise ParameterError(f"dynamic has {name!r}, which is no input ({', '.join(self.inputs)})")
        for name in states:
            if "batch" not in self.dynamic.get(name, {}).values():
                raise ParameterError(f"dynamic[{name!r}]: a state needs an axis named 'batch'")
