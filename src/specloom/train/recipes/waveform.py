"""Row B2: noisy samples to clean samples, by a small network of the Conv-TasNet family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from specloom.errors import ParameterError
from specloom.tasks.enhance.features import SpectrumFeatures, WaveformFeatures
from specloom.train.data import MixingSettings, Mixture, mix_batch
from specloom.train.losses.signal import negative_si_sdr_db
from specloom.train.losses.spectral import compressed_spectral_loss
from specloom.train.nn.spectrum import analysed
from specloom.train.nn.statistics import with_own_statistics
from specloom.train.nn.waveform import WaveformEnhancer
from specloom.train.recipes.enhancement import (
    EnhancementData,
    enhancement_batches,
    enhancement_header,
    enhancement_scores,
    refuse_beginning,
    refuse_target,
    request_data,
)
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.state import State, descend

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import EnhanceRequest

WAVEFORM_MIXING = MixingSettings(
    seconds=3.072, snr_db=(-5.0, 20.0), high_snr_share=0.2, clean_share=0.05, noise_only_share=0.0, room_share=0.0
)

_SAMPLE_RATE = 16000
_RESOLUTIONS = tuple(
    SpectrumFeatures(sample_rate=_SAMPLE_RATE, n_fft=size, win_length=size, hop_length=hop, window="hann")
    for size, hop in ((256, 64), (512, 128), (1024, 512))
)
# What a loss hears every item at: the compressed spectra have no scale of their own.
_LOUDNESS = 0.1
_LONGEST_GRADIENT = 5.0
# As large as those of training, that batch normalisation of the averaged network is measured on.
_STATISTICS_BATCHES = 64


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The recipe ``waveform``; see `specloom.train.recipes.recipe.Recipe` for its methods.

    Parameters
    ----------
    data : EnhancementData
        At 16000 Hz.
    seed : int
    workers : int
        Processes that mix.
    mixing : MixingSettings
        Whose ``seconds`` are a whole number of the network's hops.
    batch_size : int
        Items in a step.
    learning_rate : float
        Of AdamW; it falls in the second half.
    si_sdr_weight : float
        Of the loss on samples, in dB, beside the sum of three compressed spectral losses.
    lost_speech : float
        See `compressed_spectral_loss`.
    hop_samples, channels, dilations, ahead_frames
        See `WaveformEnhancer`.
    average_decay : float
        Of the moving average of the weights, which is what is evaluated and exported.
    """

    data: EnhancementData
    seed: int = 0
    workers: int = 1
    mixing: MixingSettings = WAVEFORM_MIXING
    batch_size: int = 2
    learning_rate: float = 1.5e-3
    si_sdr_weight: float = 0.02
    lost_speech: float = 3.0
    hop_samples: int = 256
    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4)
    ahead_frames: int = 2
    average_decay: float = 0.998

    name = "waveform"
    task = "enhance"

    def __post_init__(self) -> None:
        self.data.require_rate(_SAMPLE_RATE)
        n_samples = round(self.mixing.seconds * _SAMPLE_RATE)
        if n_samples % self.hop_samples:
            raise ParameterError(
                f"mixing.seconds={self.mixing.seconds}: {n_samples} samples are no whole number of hops of "
                f"{self.hop_samples}"
            )

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a step."""
        return self.batch_size * self.mixing.seconds

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        return {
            "hop_samples": self.hop_samples,
            "channels": self.channels,
            "dilations": list(self.dilations),
            "ahead_frames": self.ahead_frames,
        }

    def features(self) -> WaveformFeatures:
        """What the network asks of whoever runs it."""
        with torch.device("meta"):
            network = WaveformEnhancer(**self.network_settings())
        return WaveformFeatures(
            sample_rate=_SAMPLE_RATE,
            left_samples=network.left_samples,
            right_samples=network.right_samples,
            hop_samples=network.hop_samples,
        )

    def build(self, device: torch.device) -> State:
        """A new network, which gives back what it hears, a little softer."""
        network = WaveformEnhancer(**self.network_settings()).to(device)
        return State(
            networks={"enhancer": network},
            optimizers={
                "enhancer": torch.optim.AdamW(
                    network.parameters(), lr=self.learning_rate, weight_decay=1e-3, fused=True
                )
            },
            average_decay={"enhancer": self.average_decay},
            device=device,
        )

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Any]:
        """Mixes without end; on a GPU they are mixed there."""
        return enhancement_batches(self, first_item=first_item, every=every, device=device)

    def step(self, state: State, batch: Mixture) -> Mapping[str, Tensor | float]:
        """One step of the optimiser."""
        network = state.networks["enhancer"]
        assert isinstance(network, WaveformEnhancer)
        noisy, clean = (torch.as_tensor(one, device=state.device) for one in batch)
        with state.autocast():
            enhanced = network(_padded(noisy, network))
        gain = _LOUDNESS / (noisy.square().mean(dim=1, keepdim=True).sqrt() + 1e-4)
        losses = self.losses(enhanced.float() * gain, clean * gain)
        for group in state.optimizers["enhancer"].param_groups:
            group["lr"] = self._learning_rate(state)
        norm = descend(state, "enhancer", losses["loss"], max_norm=_LONGEST_GRADIENT)
        return {**{name: loss.detach() for name, loss in losses.items()}, "gradient_norm": norm}

    def losses(self, enhanced: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """SI-SDR and compressed spectra at three resolutions, of ``(batch, n_samples)``; ``"loss"`` is the whole."""
        si_sdr = negative_si_sdr_db(enhanced, clean).mean()
        spectral = torch.stack(
            [
                compressed_spectral_loss(
                    analysed(enhanced, each), analysed(clean, each), lost_speech=self.lost_speech
                ).mean()
                for each in _RESOLUTIONS
            ]
        ).sum()
        return {"loss": spectral + self.si_sdr_weight * si_sdr, "spectral": spectral, "negative_si_sdr_db": si_sdr}

    def _learning_rate(self, state: State) -> float:
        """Rising over a hundred steps, even until half of the training, then down to a fiftieth."""
        rising = min(1.0, (state.step + 1) / 100)
        return self.learning_rate * rising * min(1.0, max(0.02, (1.0 - state.progress) / 0.5))

    def evaluate(self, state: State) -> Mapping[str, float]:
        """`specloom.train.recipes.enhancement.enhancement_scores`."""
        return enhancement_scores(self._averaged(state), self.features(), self.data)

    def _averaged(self, state: State) -> WaveformEnhancer:
        """The averaged network, with batch normalisation that fits it."""
        network = state.evaluated("enhancer")
        assert isinstance(network, WaveformEnhancer)
        firsts = range(0, _STATISTICS_BATCHES * self.batch_size, self.batch_size)
        batches = (
            mix_batch(self.data.sources, self.mixing, seed=self.seed, items=range(first, first + self.batch_size)).noisy
            for first in firsts
        )
        return with_own_statistics(
            network, ((_padded(torch.as_tensor(noisy, device=state.device), network),) for noisy in batches)
        )

    def header(self, state: State) -> Header:
        """What the model file says."""
        return enhancement_header(self, state, self.features())

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The one network."""
        features = self.features()
        context = features.left_samples + features.right_samples
        example = torch.zeros(2, context + 3 * features.hop_samples, device=state.device)
        return {
            "enhancer": NetworkExport(
                module=self._averaged(state),
                inputs={"samples": example},
                outputs=("enhanced",),
                dynamic={"samples": {0: "batch", 1: "n_samples"}},
                time="n_samples",
                context=context,
                piece=features.hop_samples,
            )
        }


def _padded(noisy: Tensor, network: WaveformEnhancer) -> Tensor:
    """Silence before and after, so that as many samples come back as there are."""
    return torch.nn.functional.pad(noisy, (network.left_samples, network.right_samples))


def waveform(request: EnhanceRequest) -> Waveform:
    """The recipe for the recordings of a request."""
    refuse_target(request, learned="samples")
    refuse_beginning(request)
    data = request_data(request, sample_rate=_SAMPLE_RATE)
    return Waveform(data=data, seed=request.seed, workers=request.workers)
