"""What training changes: networks, their optimisers and averages, and how far it has come."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import get_ema_multi_avg_fn

from specloom.errors import ParameterError, TrainingError
from specloom.train.ranks import Ranks

_MOST_SKIPPED_IN_A_ROW = 100


@dataclass(kw_only=True)
class State:
    """Everything that a checkpoint holds; a recipe's ``build`` makes it, its ``step`` changes it.

    Parameters
    ----------
    networks : dict of str to torch.nn.Module
        By name; on `device` already. A generator and a discriminator are two entries.
    optimizers : dict of str to Optimizer
        By name, which need not be a network's: one optimiser may move several networks.
    schedulers : dict of str to LRScheduler, optional
        Under the name of their optimiser; `descend` moves both.
    average_decay : dict of str to float, optional
        Networks of which a moving average is kept (its decay, such as .999): `evaluated` gives the average.
    device : torch.device
        Where the networks are, and where a step brings its batch.

    Attributes
    ----------
    averages : dict of str to torch.nn.Module
        Copies of networks, in evaluation mode, whose parameters follow slowly.
    step, items : int
        Steps done; items (of all ranks) that they used up. The next batch begins at item `items`.
    audio_s, trained_s : float
        Seconds of sound seen; seconds on the clock, all stretches together.
    progress : float
        From 0 to 1: the share of the steps or minutes asked for that is done; for learning rates that fall. Set by
        the engine before each step; by steps it is the same in every run, by minutes it is not.
    rng : numpy.random.Generator
        For what a step draws with numpy. It and torch's own are seeded anew before every step from the seed and the
        number of the step, so there is no random state to keep.
    best_score : float or None
        The best score so far (``recipe.evaluate`` gives it as "score"; higher is better).
    begun : bool
        Whether ``build`` gave the networks weights that are worth something: they are then scored before the first
        step, so that what training makes worse is not what comes out.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    schedulers: dict[str, LRScheduler] = field(default_factory=dict)
    average_decay: Mapping[str, float] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    averages: dict[str, nn.Module] = field(default_factory=dict, init=False)
    step: int = field(default=0, init=False)
    items: int = field(default=0, init=False)
    audio_s: float = field(default=0.0, init=False)
    trained_s: float = field(default=0.0, init=False)
    progress: float = field(default=0.0, init=False)
    best_score: float | None = field(default=None, init=False)
    skipped_steps: int = field(default=0, init=False)
    skipped_in_a_row: int = field(default=0, init=False)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), init=False)
    ranks: Ranks = field(default_factory=Ranks, init=False)
    precision: str = field(default="float32", init=False)
    begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for name in self.schedulers:
            if name not in self.optimizers:
                raise ParameterError(f"schedulers has {name!r}, which is no optimiser ({', '.join(self.optimizers)})")
        for name, decay in self.average_decay.items():
            if name not in self.networks:
                raise ParameterError(f"average_decay has {name!r}, which is no network ({', '.join(self.networks)})")
            if not 0 <= decay < 1:
                raise ParameterError(f"average_decay[{name!r}]={decay}: at least 0 and below 1 is needed")
            self.averages[name] = copy.deepcopy(self.networks[name]).eval().requires_grad_(False)

    def tensors(self) -> Iterator[torch.Tensor]:
        """Every weight and buffer of the networks and their averages."""
        for network in (*self.networks.values(), *self.averages.values()):
            yield from network.parameters()
            yield from network.buffers()

    def evaluated(self, name: str) -> nn.Module:
        """The network that is evaluated and exported: the average where one is kept; in evaluation mode."""
        network = self.averages.get(name)
        return self.networks[name].eval() if network is None else network

    def autocast(self) -> AbstractContextManager[None]:
        """For the forward pass of a step: bfloat16 where ``fit(precision="bfloat16")`` asks for it."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    def follow(self) -> None:
        """Move the averages towards the networks; the engine calls it after every step.

        The decay grows from .1 to its value (``min(decay, (1 + step) / (10 + step))``), so that the first weights,
        which are mostly random, are soon forgotten. Buffers (batch normalisation) are copied.
        """
        for name, average in self.averages.items():
            network = self.networks[name]
            decay = min(self.average_decay[name], (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                slow, quick = list(average.parameters()), list(network.parameters())
                get_ema_multi_avg_fn(decay)(slow, quick, self.step)  # type: ignore[no-untyped-call]
                for kept, new in zip(average.buffers(), network.buffers(), strict=True):
                    kept.copy_(new)


def descend(state: State, name: str, loss: torch.Tensor, *, max_norm: float | None = None) -> float:
    """One step downhill: gradients of `loss`, averaged over ranks, clipped, then ``optimizers[name].step()``.

    Only the optimiser's own parameters get gradients: a generator's loss leaves none in the critic that it went
    through.

    Parameters
    ----------
    state : State
    name : str
        The optimiser; its scheduler, if any, moves too.
    loss : torch.Tensor
        One number.
    max_norm : float, optional
        The gradient is shortened to this norm.

    Returns
    -------
    float
        The norm of the gradient before clipping. Where it is no finite number, the weights stay as they are and the
        step is counted in `state.skipped_steps`.

    Raises
    ------
    TrainingError
        When that happened a hundred times in a row.
    """
    optimizer = state.optimizers[name]
    optimizer.zero_grad(set_to_none=True)
    learned = [one for group in optimizer.param_groups for one in group["params"] if one.requires_grad]
    loss.backward(inputs=learned)  # type: ignore[no-untyped-call]
    gradients = [one.grad for one in learned if one.grad is not None]
    state.ranks.average(gradients)
    total = nn.utils.get_total_norm(gradients)
    norm = float(total)
    if not np.isfinite(norm):
        _skip(state, name, norm)
        return norm
    state.skipped_in_a_row = 0
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(learned, max_norm, total)
    optimizer.step()
    if name in state.schedulers:
        state.schedulers[name].step()
    return norm


def set_learning_rate(
    state: State, learning_rate: float, *, warm_up_steps: int = 1, progress: float | None = None
) -> None:
    """Up over the first steps, even until 60 % of the training, then down to a fiftieth in a straight line.

    `progress` is the state's own, or that of the part of the training that this is.
    """
    progress = state.progress if progress is None else progress
    share = min(1.0, (state.step + 1) / warm_up_steps, max(0.02, (1.0 - progress) / 0.4))
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * share


def _skip(state: State, name: str, norm: float) -> None:
    state.skipped_steps += 1
    state.skipped_in_a_row += 1
    if state.skipped_in_a_row >= _MOST_SKIPPED_IN_A_ROW:
        raise TrainingError(
            f"the gradient of '{name}' has been {norm} for {state.skipped_in_a_row} steps up to step {state.step}: "
            f"lower the learning rate, or clip more (max_norm)"
        )


def count_parameters(networks: Iterable[nn.Module]) -> int:
    """How many numbers are learned."""
    return sum(one.numel() for network in networks for one in network.parameters())
