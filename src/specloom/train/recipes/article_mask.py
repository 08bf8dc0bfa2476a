"""Row B4: a mask estimated by dense layers from five frames, as the article trains it, with its mistakes put right.

The article fits its scaler to every file anew, also to the one that it enhances (here the numbers are in the weights);
it drops the frames at the edges, and leaves rows of zeros in the training data that no frame belongs to (here frames
beyond the edges are silent, and every frame is learned from); it learns one file (here mixes are made as they are
needed, at many levels and ratios).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from specloom.tasks.enhance.features import SpectrumFeatures
from specloom.train.data import MixingSettings, Mixture, mix_batch
from specloom.train.losses.masks import mask_target
from specloom.train.nn.dense import DenseMask, Features
from specloom.train.nn.spectrum import analysed, context_windows, with_context
from specloom.train.nn.statistics import with_own_statistics
from specloom.train.recipes.enhancement import (
    EnhancementData,
    enhancement_batches,
    enhancement_header,
    enhancement_scores,
    refuse_beginning,
    request_data,
)
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.state import State, descend, set_learning_rate

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import EnhanceRequest

ARTICLE_FEATURES = SpectrumFeatures(
    sample_rate=8000, n_fft=512, win_length=256, hop_length=128, window="hann", left_frames=2, right_frames=2
)
"""The article's transform and its five frames."""

# 64 frames each, so 16 items are 8 batches of 128 frames.
ARTICLE_MIXING = MixingSettings(
    seconds=1.024, snr_db=(-5.0, 20.0), high_snr_share=0.25, clean_share=0.05, noise_only_share=0.0, room_share=0.0
)

_STATISTICS_ITEMS = 256
"""Training items that the normalisation is taken from, of the input and of the averaged network's layers."""

_N_FRAMES = 128
"""Frames in a step of the optimiser: row B4's batch."""


@dataclass(frozen=True, kw_only=True)
class ArticleMask:
    """The recipe ``article-mask``; see `specloom.train.recipes.recipe.Recipe` for its methods.

    Parameters
    ----------
    data : EnhancementData
        At 8000 Hz.
    seed : int
    workers : int
        Processes that mix.
    target : str
        A name of `specloom.train.losses.masks.MASK_TARGETS`: ``"ibm"`` is learned by cross-entropy, all others by
        squared error.
    mixing : MixingSettings
    batch_size : int
        Items in a step of training, which is as many steps of the optimiser as they have times 128 frames, in random
        order.
    learning_rate : float
        Of Adam; it falls in the last 40 % of the training. The offsets of the last BatchNorm, which row B4 has before
        the sigmoid, move by it alone: at Adam's usual 1e-3 they are the last to arrive.
    caution : float
        How much more it costs to take too much away (`MaskTarget.loss_of`): a little keeps STOI above that of the
        noisy sound, at some cost in PESQ.
    gain_bias : float
        See `DenseMask`.
    features : {"magnitude", "log_power"}
        What the layers see; the article takes the magnitude.
    width, n_layers : int
        Row B4 has 3 layers of 2048; smaller ones are for tests.
    average_decay : float
        Of the moving average of the weights, which is what is evaluated and exported.
    """

    data: EnhancementData
    seed: int = 0
    workers: int = 1
    target: str = "irm"
    mixing: MixingSettings = ARTICLE_MIXING
    batch_size: int = 16
    learning_rate: float = 3e-3
    caution: float = 0.5
    gain_bias: float = 1.5
    features: Features = "magnitude"
    width: int = 2048
    n_layers: int = 3
    average_decay: float = 0.99
    spectrum: SpectrumFeatures = field(default=ARTICLE_FEATURES, init=False)

    name = "article-mask"
    task = "enhance"

    def __post_init__(self) -> None:
        mask_target(self.target)
        self.data.require_rate(self.spectrum.sample_rate)

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a step."""
        return self.batch_size * self.mixing.seconds

    def steps_of(self, epochs: float) -> int:
        """Steps in which as much sound is seen as this many times all speech (row B4 has 20 epochs)."""
        return max(1, round(epochs * self.data.sources.speech.seconds / self.batch_audio_s))

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        return {
            "n_bins": self.spectrum.n_bins,
            "left_frames": self.spectrum.left_frames,
            "right_frames": self.spectrum.right_frames,
            "width": self.width,
            "n_layers": self.n_layers,
            "features": self.features,
            "gain_bias": self.gain_bias,
            **mask_target(self.target).network_settings(),
        }

    def build(self, device: torch.device) -> State:
        """A new network, with the numbers that normalise its input."""
        network = DenseMask(**self.network_settings())
        network.set_statistics(statistics_spectra(self.data, self.mixing, self.seed, self.spectrum))
        return dense_state(network, device, learning_rate=self.learning_rate, average_decay=self.average_decay)

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Any]:
        """Mixes without end; on a GPU they are mixed there."""
        return enhancement_batches(self, first_item=first_item, every=every, device=device)

    def step(self, state: State, batch: Mixture) -> Mapping[str, Tensor | float]:
        """All frames of the batch, 128 at a time."""
        target = mask_target(self.target)
        network = state.networks["enhancer"]
        assert isinstance(network, DenseMask)
        noisy, clean = (analysed(torch.as_tensor(one, device=state.device), self.spectrum) for one in batch)
        speech, sound = _complex_of(clean), _complex_of(noisy)
        wanted = torch.from_numpy(target.values(speech, sound - speech)).flatten(0, 1).to(state.device)
        windows = context_windows(noisy, self.spectrum)
        set_learning_rate(state, self.learning_rate)
        losses = []
        for some in minibatches(len(windows), _N_FRAMES):
            with state.autocast():
                logits = network.logits(windows[some])[:, 0]
            loss = target.loss_of(logits.float(), wanted[some], caution=self.caution)
            descend(state, "enhancer", loss)
            losses.append(loss.detach())
        return {"loss": torch.stack(losses).mean()}

    def evaluate(self, state: State) -> Mapping[str, float]:
        """`specloom.train.recipes.enhancement.enhancement_scores`."""
        return enhancement_scores(self._averaged(state), self.spectrum, self.data)

    def _averaged(self, state: State) -> torch.nn.Module:
        """The averaged network, with batch normalisation that fits it."""
        spectra = statistics_spectra(self.data, self.mixing, self.seed, self.spectrum)
        return dense_average(state, spectra, self.spectrum, self.batch_size)

    def header(self, state: State) -> Header:
        """What the model file says."""
        return enhancement_header(self, state, self.spectrum)

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The one network."""
        return {"enhancer": dense_export(self._averaged(state), self.spectrum)}


def article_mask(request: EnhanceRequest) -> ArticleMask:
    """The recipe for the recordings of a request; ``--target`` is the mask."""
    refuse_beginning(request)
    data = request_data(request, sample_rate=ARTICLE_FEATURES.sample_rate)
    recipe = ArticleMask(data=data, seed=request.seed, workers=request.workers)
    return recipe if request.target is None else replace(recipe, target=request.target)


def dense_state(network: torch.nn.Module, device: torch.device, *, learning_rate: float, average_decay: float) -> State:
    """A dense network on its device, with Adam."""
    network.to(device)
    return State(
        networks={"enhancer": network},
        optimizers={"enhancer": torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)},
        average_decay={"enhancer": average_decay},
        device=device,
    )


def dense_average(state: State, spectra: Tensor, spectrum: SpectrumFeatures, batch_size: int) -> torch.nn.Module:
    """The averaged network, its batch normalisation measured on `spectra`, as many at once as in training."""
    inputs = with_context(spectra.to(state.device), spectrum)
    batches = inputs.tensor_split(max(1, len(inputs) // batch_size))
    return with_own_statistics(state.evaluated("enhancer"), ((each,) for each in batches))


def dense_export(network: torch.nn.Module, spectrum: SpectrumFeatures) -> NetworkExport:
    """How a dense network becomes a graph: batch and frames of any number."""
    context = spectrum.left_frames + spectrum.right_frames
    device = next(network.parameters()).device
    return NetworkExport(
        module=network,
        inputs={"spec": torch.zeros(2, context + 3, spectrum.n_bins, 2, device=device)},
        outputs=("enhanced",),
        dynamic={"spec": {0: "batch", 1: "n_frames"}},
        context=context,
    )


def statistics_spectra(data: EnhancementData, mixing: MixingSettings, seed: int, spectrum: SpectrumFeatures) -> Tensor:
    """Spectra of noisy training items, for the numbers that normalise: the same ones every time."""
    items = mix_batch(data.sources, mixing, seed=seed, items=range(_STATISTICS_ITEMS))
    return analysed(torch.from_numpy(items.noisy), spectrum)


def minibatches(n_frames: int, size: int) -> Iterator[Tensor]:
    """All frames in random order, in pieces of about `size`; torch's random numbers."""
    order = torch.randperm(n_frames)
    yield from order.tensor_split(max(1, round(n_frames / size)))


def _complex_of(spec: Tensor) -> Any:
    """``(batch, n_frames, n_bins, 2)`` as the complex array ``(batch, n_bins, n_frames)`` that masks are made from."""
    return np.swapaxes(torch.view_as_complex(spec).cpu().numpy(), -1, -2)
