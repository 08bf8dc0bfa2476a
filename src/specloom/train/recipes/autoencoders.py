"""What the recipes for autoencoders have in common: the two networks, the model file's header, the export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch

from specloom.artifact import Header, ModelOrigin, NetworkHeader
from specloom.train.nn.autoencoder import ConvAutoencoder, DenseAutoencoder
from specloom.train.recipes.recipe import NetworkExport, Recipe
from specloom.train.state import State, set_learning_rate
from specloom.version import __version__

NETWORK: Final = "autoencoder"

_CONV_RATE, _DENSE_RATE = 2e-3, 1e-3


def built(name: str, settings: Mapping[str, Any], device: torch.device) -> State:
    """A new network: "dense" with the article's AdaMax, "conv" with AdamW."""
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    if name == "dense":
        network = DenseAutoencoder(**settings).to(device)
        optimizer = torch.optim.Adamax(network.parameters(), lr=_DENSE_RATE)
    else:
        # The layout that convolutions are quickest in.
        network = ConvAutoencoder(**settings).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Not fused: that walks weights and moments as they lie in memory, and a checkpoint lays moments out otherwise.
        optimizer = torch.optim.AdamW(network.parameters(), lr=_CONV_RATE, weight_decay=0.01)
    return State(networks={NETWORK: network}, optimizers={NETWORK: optimizer}, device=device)


def schedule(name: str, state: State) -> None:
    """The learning rate of this step: AdaMax's stays as it is, the other rises and falls."""
    if name != "dense":
        set_learning_rate(state, _CONV_RATE, warm_up_steps=200)


def header(
    recipe: Recipe,
    state: State,
    *,
    settings: Mapping[str, Any],
    features: Mapping[str, Any],
    data: str,
    speech_hours: float = 0.0,
    noise_hours: float = 0.0,
) -> Header:
    """What the model file says."""
    origin = ModelOrigin(
        recipe=recipe.name,
        speech_hours=speech_hours,
        noise_hours=noise_hours,
        audio_hours_seen=state.audio_s / 3600.0,
        steps=state.step,
        seed=recipe.seed,
        data=data,
        scores={} if state.best_score is None else {"validation": state.best_score},
    )
    kind = NetworkHeader(kind=type(state.networks[NETWORK]).__name__, settings=settings, states={})
    return Header(
        made_with=f"specloom {__version__}",
        task=recipe.task,
        name=recipe.name,
        features=features,
        networks={NETWORK: kind},
        statistics={},
        origin=origin,
    )


def exported(state: State, *, given: str, shape: tuple[int, int]) -> dict[str, NetworkExport]:
    """The one network, from the input ``given (batch, *shape)`` to ``cleaned``."""
    return {
        NETWORK: NetworkExport(
            module=state.evaluated(NETWORK),
            inputs={given: torch.zeros(2, *shape, device=state.device)},
            outputs=("cleaned",),
            dynamic={given: {0: "batch"}},
            time=None,
        )
    }
