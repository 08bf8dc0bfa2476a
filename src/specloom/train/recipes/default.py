"""The models that ship: causal, light, trained for how speech sounds as well as for what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from specloom.artifact import Artifact
from specloom.errors import ParameterError
from specloom.runtime.models import load_model
from specloom.tasks.enhance.features import SpectrumFeatures
from specloom.train.begin import begin_from, graph_weights
from specloom.train.checkpoint import LAST
from specloom.train.data import MixingSettings, Mixture, mix_batch
from specloom.train.losses.intelligibility import IntelligibilityLoss
from specloom.train.losses.perceptual import PerceptualLoss
from specloom.train.losses.signal import negative_snr_db
from specloom.train.losses.spectral import compressed_spectral_loss
from specloom.train.nn.causal import MOST_GAIN, CausalEnhancer, without_normalisation
from specloom.train.nn.spectrum import analysed, synthesised
from specloom.train.nn.statistics import with_own_statistics
from specloom.train.recipes.enhancement import (
    EnhancementData,
    enhancement_batches,
    enhancement_header,
    enhancement_scores,
    refuse_target,
    request_data,
)
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.state import State, descend, set_learning_rate

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import EnhanceRequest

FEATURES: Final = SpectrumFeatures(sample_rate=16_000, n_fft=512, win_length=512, hop_length=256, window="sqrt_hann")
"""32 ms windows every 16 ms: the latency is one window."""

MIXING: Final = MixingSettings(
    seconds=3.0,
    snr_db=(-6.0, 16.0),
    high_snr_share=0.12,
    clean_share=0.03,
    noise_only_share=0.0,
    room_share=0.15,
    level_dbfs=(-50.0, -12.0),
)
"""Without items of noise alone: the perceptual loss and the ratio need speech to compare with. Down to levels that
are hardly recorded: what is soft should be cleaned like what is loud."""

_MOST_GRADIENT = 1.0
_WARM_UP_STEPS = 300
_WORST_DISTURBANCE = 6.0
_STATISTICS_BATCHES = 32


@dataclass(frozen=True, kw_only=True)
class Default:
    """The recipes ``default`` and ``tiny``; see `specloom.train.recipes.recipe.Recipe` for their methods.

    Parameters
    ----------
    data : EnhancementData
        At 16 kHz.
    name : str
    seed : int
    workers : int
        Processes that mix.
    channels, units, n_layers, past_frames, band_memory
        Of `CausalEnhancer`.
    begin : Artifact, optional
        A model of this recipe whose weights are trained on.
    mixing : MixingSettings
    batch_size : int
        Small: many steps bring more than many items in each.
    learning_rate : float
        Of AdamW; rises over the first steps and falls in the last 40 % of the training.
    average_decay : float
        Of the moving average of the weights, which is what is evaluated and exported.
    spectral_weight, perceptual_weight, intelligibility_weight, snr_weight : float
        Of `compressed_spectral_loss`, of `PerceptualLoss` (in points of PESQ), of `IntelligibilityLoss` and of
        `negative_snr_db` (per dB).
    lost_speech : float
        How much more it costs to take too much away.
    stoi_worth : float
        Points of PESQ that a point of STOI is worth, where the best weights are chosen.
    """

    data: EnhancementData
    name: str = "default"
    seed: int = 0
    workers: int = 1
    channels: tuple[int, int, int] = (16, 24, 24)
    units: int = 128
    n_layers: int = 2
    past_frames: int = 2
    band_memory: bool = False
    begin: Artifact | None = None
    mixing: MixingSettings = MIXING
    batch_size: int = 8
    learning_rate: float = 2e-3
    average_decay: float = 0.999
    spectral_weight: float = 2.0
    perceptual_weight: float = 0.3
    intelligibility_weight: float = 2.0
    snr_weight: float = 0.2
    lost_speech: float = 0.15
    stoi_worth: float = 10.0
    heard: PerceptualLoss = field(default_factory=PerceptualLoss, init=False, repr=False)
    understood: IntelligibilityLoss = field(default_factory=IntelligibilityLoss, init=False, repr=False)

    task = "enhance"

    def __post_init__(self) -> None:
        self.data.require_rate(FEATURES.sample_rate)
        if self.begin is not None:
            _require_same_network(self.begin, self.network_settings(), recipe=self.name)

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a step."""
        return self.batch_size * self.mixing.seconds

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        return _network_settings({name: getattr(self, name) for name in _SIZES})

    def build(self, device: torch.device) -> State:
        """A new network."""
        network = CausalEnhancer(**self.network_settings()).to(device)
        if self.begin is not None:
            self._begin(network, self.begin)
        self.heard.to(device)
        self.understood.to(device)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        state = State(
            networks={"enhancer": network},
            optimizers={"enhancer": optimizer},
            average_decay={"enhancer": self.average_decay},
            device=device,
        )
        state.begun = self.begin is not None
        return state

    def _begin(self, network: CausalEnhancer, model: Artifact) -> None:
        where = f"the model {model.header.name!r}"
        weights = graph_weights(model.networks["enhancer"], where=where)
        device = next(network.parameters()).device
        begin_from(network, weights, self._first_inputs(network, device), where=where)
        network.train()

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Any]:
        """Mixes without end; on a GPU they are mixed there."""
        return enhancement_batches(self, first_item=first_item, every=every, device=device)

    def step(self, state: State, batch: Mixture) -> Mapping[str, Tensor | float]:
        """One batch, four losses: the spectrum, what is heard of the difference, what is understood, the samples."""
        network = state.networks["enhancer"]
        assert isinstance(network, CausalEnhancer)
        noisy, clean = (torch.as_tensor(one, device=state.device) for one in batch)
        spec, wanted = analysed(noisy, FEATURES), analysed(clean, FEATURES)
        with state.autocast():
            enhanced = network(spec, *network.initial_states(len(spec)))[0]
        enhanced = enhanced.float()
        # The last hop of the analysis has only one of its two windows.
        sound = synthesised(enhanced, FEATURES)
        clean = clean[:, : sound.shape[1]]
        spectral = compressed_spectral_loss(enhanced, wanted, lost_speech=self.lost_speech).mean()
        disturbance = self.heard(sound, clean).clamp(max=_WORST_DISTURBANCE).mean()
        lost_words = self.understood(sound, clean).mean()
        distortion_db = negative_snr_db(sound, clean).mean()
        loss = (
            self.spectral_weight * spectral
            + self.perceptual_weight * disturbance
            + self.intelligibility_weight * lost_words
            + self.snr_weight * distortion_db
        )
        set_learning_rate(state, self.learning_rate, warm_up_steps=_WARM_UP_STEPS)
        norm = descend(state, "enhancer", loss, max_norm=_MOST_GRADIENT)
        losses = {
            "loss": loss,
            "spectral": spectral,
            "disturbance": disturbance,
            "lost_words": lost_words,
            "distortion_db": distortion_db,
        }
        return {**{name: value.detach() for name, value in losses.items()}, "gradient_norm": norm}

    def evaluate(self, state: State) -> Mapping[str, float]:
        """`specloom.train.recipes.enhancement.enhancement_scores`."""
        return enhancement_scores(self._averaged(state), FEATURES, self.data, stoi_worth=self.stoi_worth)

    def _averaged(self, state: State) -> CausalEnhancer:
        """The averaged network, with batch normalisation that fits it."""
        network = state.evaluated("enhancer")
        assert isinstance(network, CausalEnhancer)
        return with_own_statistics(network, self._first_inputs(network, state.device))

    def _first_inputs(self, network: CausalEnhancer, device: torch.device) -> Iterator[tuple[Tensor, ...]]:
        """What the statistics of normalisation are measured on."""
        for index in range(_STATISTICS_BATCHES):
            spec = self._first_spectra(index, device)
            yield spec, *network.initial_states(len(spec))

    def _first_spectra(self, index: int, device: torch.device) -> Tensor:
        """Noisy spectra of the training items with the lowest numbers: the same ones every time."""
        items = range(index * self.batch_size, (index + 1) * self.batch_size)
        noisy = mix_batch(self.data.sources, self.mixing, seed=self.seed, items=items).noisy
        return analysed(torch.as_tensor(noisy, device=device), FEATURES)

    def header(self, state: State) -> Header:
        """What the model file says."""
        return enhancement_header(self, state, FEATURES)

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The one network, batch normalisation folded."""
        network = without_normalisation(self._averaged(state))
        states = dict(zip(network.state_shapes, network.initial_states(2), strict=True))
        return {
            "enhancer": NetworkExport(
                module=network,
                inputs={"spec": torch.zeros(2, 3, FEATURES.n_bins, 2, device=state.device), **states},
                outputs=("enhanced", *(f"{name}_next" for name in states)),
                dynamic={"spec": {0: "batch", 1: "n_frames"}, **{name: {1: "batch"} for name in states}},
            )
        }


def default(request: EnhanceRequest) -> Default:
    """The recipe of the model that ships as ``default``, for the recordings of a request."""
    return _recipe(request)


def tiny(request: EnhanceRequest) -> Default:
    """Under 100 000 parameters, for small machines: the same recipe with a small network.

    It cannot do everything: left alone it buys a better sound with words, so these weigh more.
    """
    recipe = _recipe(request, name="tiny", channels=(8, 12, 16), units=64, band_memory=True)
    return replace(recipe, intelligibility_weight=6.0, stoi_worth=30.0)


_SIZES: Final = ("channels", "units", "n_layers", "past_frames", "band_memory")


def _network_settings(sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {"n_bins": FEATURES.n_bins, "most_gain": MOST_GAIN} | {
        name: list(value) if isinstance(value, tuple) else value for name, value in sizes.items()
    }


def _recipe(request: EnhanceRequest, *, name: str = "default", **sizes: Any) -> Default:
    refuse_target(request, learned="no mask")
    begin = None
    # A run that goes on has its weights in its checkpoint, wherever they came from.
    if request.begin_from is not None and not (Path(request.folder) / LAST).exists():
        begin = load_model(request.begin_from, task="enhance")
        # Before the recordings are read, which takes long.
        usual = {size: Default.__dataclass_fields__[size].default for size in _SIZES}
        _require_same_network(begin, _network_settings(usual | sizes), recipe=name)
    data = request_data(request, sample_rate=FEATURES.sample_rate)
    return Default(data=data, name=name, seed=request.seed, workers=request.workers, begin=begin, **sizes)


def _require_same_network(model: Artifact, wanted: Mapping[str, Any], *, recipe: str) -> None:
    """Refuse to begin from a model whose one network is not what the recipe trains, naming what differs."""
    built = model.header.networks.get("enhancer")
    if built is None or len(model.networks) != 1 or built.kind != CausalEnhancer.__name__:
        differs = f"holds no single {CausalEnhancer.__name__} named 'enhancer'"
    else:
        unlike = [key for key in sorted({*wanted, *built.settings}) if built.settings.get(key) != wanted.get(key)]
        differs = "has " + ", ".join(f"{key} {built.settings.get(key)} instead of {wanted.get(key)}" for key in unlike)
        if not unlike:
            return
    raise ParameterError(
        f"begin_from: the model {model.header.name!r} {differs}; the recipe {recipe!r} begins from its own kind only"
    )
