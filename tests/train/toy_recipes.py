"""Recipes that learn in milliseconds, for tests of the engine; a subprocess imports this file too."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from specloom.artifact import Header, ModelOrigin, NetworkHeader  # noqa: E402
from specloom.train.recipes.recipe import NetworkExport  # noqa: E402
from specloom.train.state import State, descend  # noqa: E402


def header_of(recipe, state, networks):
    return Header(
        made_with="specloom test",
        task="toy",
        name=recipe.name,
        features={},
        networks=networks,
        statistics={},
        origin=ModelOrigin(
            recipe=recipe.name,
            speech_hours=0.0,
            noise_hours=0.0,
            audio_hours_seen=state.audio_s / 3600,
            steps=state.step,
            seed=recipe.seed,
            data="made by a test",
            scores={},
        ),
    )


def batches_of(recipe, first_item, every):
    """Item k is a pure function of the seed and k."""
    while True:
        rows = [
            np.random.default_rng([recipe.seed, first_item + k]).standard_normal(6) for k in range(recipe.batch_size)
        ]
        yield np.array(rows, dtype=np.float32)
        first_item += every


@dataclass(frozen=True, kw_only=True)
class Regression:
    """One network with everything that has a memory: Adam, a schedule, batch normalisation, dropout, an average."""

    seed: int = 3
    batch_size: int = 8
    dropout: float = 0.2
    normalise: bool = True
    signal_at: int | None = None
    signal: int = signal.SIGINT
    nan_from: int | None = None
    falling: bool = True

    name = "regression"
    task = "toy"
    batch_audio_s = 8.0

    def build(self, device):
        middle = nn.BatchNorm1d(16) if self.normalise else nn.Identity()
        network = nn.Sequential(nn.Linear(5, 16), middle, nn.Dropout(self.dropout), nn.ReLU(), nn.Linear(16, 1))
        network.to(device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
        schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, fall], milestones=[10])
        return State(
            networks={"net": network},
            optimizers={"net": optimizer},
            schedulers={"net": schedule} if self.falling else {},
            average_decay={"net": 0.9},
            device=device,
        )

    def batches(self, *, first_item, every, device):
        yield from batches_of(self, first_item, every)

    def step(self, state, batch):
        if state.step == self.signal_at:
            os.kill(os.getpid(), self.signal)
        batch = torch.from_numpy(batch).to(state.device)
        loss = (state.networks["net"](batch[:, :5])[:, 0] - batch[:, :3].sum(1)).square().mean()
        if self.nan_from is not None and state.step >= self.nan_from:
            loss = loss * float("nan")
        norm = descend(state, "net", loss, max_norm=1.0)
        return {"loss": loss.detach(), "norm": norm}

    def evaluate(self, state):
        torch.rand(5)  # An evaluation may draw random numbers; training must not notice.
        batch = torch.from_numpy(next(batches_of(replace(self, batch_size=100), 10**6, 1)))
        loss = (state.evaluated("net")(batch[:, :5])[:, 0] - batch[:, :3].sum(1)).square().mean()
        return {"score": -float(loss)}

    def header(self, state):
        return header_of(self, state, {"net": NetworkHeader(kind="Sequential", settings={}, states={})})

    def exports(self, state):
        return {
            "net": NetworkExport(
                module=state.evaluated("net"),
                inputs={"rows": torch.zeros(2, 3, 5)},
                outputs=("sums",),
                dynamic={"rows": {0: "batch", 1: "n_frames"}},
            )
        }


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A generator and a critic that judges it: two networks, two optimisers, one step."""

    seed: int = 5
    batch_size: int = 16

    name = "pair"
    task = "toy"
    batch_audio_s = 1.0

    def build(self, device):
        generator, critic = nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.1), nn.Linear(16, 1))
        return State(
            networks={"generator": generator, "critic": critic},
            optimizers={
                "generator": torch.optim.Adam(generator.parameters(), lr=0.03, betas=(0.5, 0.9)),
                "critic": torch.optim.SGD(critic.parameters(), lr=0.05, momentum=0.5),
            },
            average_decay={"generator": 0.95},
            device=device,
        )

    def batches(self, *, first_item, every, device):
        yield from batches_of(self, first_item, every)

    def step(self, state, batch):
        generator, critic = state.networks["generator"], state.networks["critic"]
        real = torch.from_numpy(batch[:, :2] * 0.1 + 2.0)
        noise = torch.from_numpy(state.rng.standard_normal((len(batch), 4)).astype(np.float32))
        fake = generator(noise)
        judged = (1 - critic(real)).relu().mean() + (1 + critic(fake.detach())).relu().mean()
        descend(state, "critic", judged)
        fooled = -critic(fake).mean()
        descend(state, "generator", fooled)
        return {"generator": fooled.detach(), "critic": judged.detach()}

    def evaluate(self, state):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            fake = state.evaluated("generator")(torch.randn(500, 4))
        return {"score": -float((fake.mean(0) - 2.0).abs().max())}

    def header(self, state):
        return header_of(self, state, {"generator": NetworkHeader(kind="Linear", settings={}, states={})})

    def exports(self, state):
        raise NotImplementedError


class Causal(nn.Module):
    """A GRU between two convolutions along frequency, with a state: the shape of what ships."""

    def __init__(self, *, looks_ahead=False, fixed=False):
        super().__init__()
        self.widen = nn.Conv2d(2, 4, (1, 3), padding=(0, 1))
        self.settle = nn.BatchNorm2d(4)
        self.remember = nn.GRU(4 * 9, 12, batch_first=True)
        self.mask = nn.Linear(12, 9)
        self.looks_ahead, self.fixed = looks_ahead, fixed

    def forward(self, spec, memory):
        features = self.settle(self.widen(spec.permute(0, 3, 1, 2))).relu()
        frames = features.permute(0, 2, 1, 3).reshape(spec.shape[0], spec.shape[1], -1)
        remembered, after = self.remember(frames, memory.unsqueeze(0))
        mask = self.mask(remembered).sigmoid()
        if self.looks_ahead:
            mask = mask.roll(-1, dims=1)
        if self.fixed:
            mask = mask * torch.ones(7)[: int(spec.shape[1])].mean() * float(spec.shape[0])
        return spec * mask.unsqueeze(-1), after.squeeze(0)


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """Exports `Causal`, as it is after building."""

    seed: int = 0
    batch_size: int = 2
    looks_ahead: bool = False
    fixed: bool = False

    name = "streaming"
    task = "toy"
    batch_audio_s = 1.0

    def build(self, device):
        network = Causal(looks_ahead=self.looks_ahead, fixed=self.fixed)
        return State(networks={"net": network}, optimizers={}, average_decay={"net": 0.9}, device=device)

    def header(self, state):
        network = NetworkHeader(kind="Causal", settings={}, states={"memory": (-1, 12)})
        return header_of(self, state, {"net": network})

    def exports(self, state):
        return {
            "net": NetworkExport(
                module=state.evaluated("net"),
                inputs={"spec": torch.zeros(2, 4, 9, 2), "memory": torch.zeros(2, 12)},
                outputs=("enhanced", "memory_next"),
                dynamic={"spec": {0: "batch", 1: "n_frames"}, "memory": {0: "batch"}},
            )
        }


def from_request(request):
    """`Regression` for the catalog; the target says when a signal comes."""
    return Regression(
        seed=request.seed, normalise=False, signal_at=None if request.target is None else int(request.target)
    )
