"""Row B1: the clean magnitude from the noisy one, by dense layers that see frames with their neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from specloom.errors import ParameterError
from specloom.tasks.enhance.features import SpectrumFeatures
from specloom.train.data import MixingSettings, Mixture
from specloom.train.nn.dense import DenseMapping, Features
from specloom.train.nn.spectrum import analysed, context_windows
from specloom.train.recipes.article_mask import (
    ARTICLE_FEATURES,
    ARTICLE_MIXING,
    dense_average,
    dense_export,
    dense_state,
    minibatches,
    statistics_spectra,
)
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
from specloom.train.state import State, descend, set_learning_rate

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import EnhanceRequest

Error = Literal["mse", "rmse", "mae"]
_ERRORS = ("mse", "rmse", "mae")


def mapping_error(estimate: Tensor, wanted: Tensor, error: Error, *, caution: float = 0.0) -> Tensor:
    """Mean squared, root mean squared or mean absolute error, the three that the article names.

    Parameters
    ----------
    estimate, wanted : Tensor, the same shape
    error : {"mse", "rmse", "mae"}
    caution : float
        An estimate that is too small costs ``1 + caution`` times as much.

    Returns
    -------
    Tensor, a number
    """
    missing = wanted - estimate
    sizes = missing.abs() if error == "mae" else missing.square()
    if caution > 0.0:
        sizes = torch.where(missing > 0.0, (1.0 + caution) * sizes, sizes)
    return torch.sqrt(sizes.mean()) if error == "rmse" else sizes.mean()


@dataclass(frozen=True, kw_only=True)
class ArticleMapping:
    """The recipe ``article-mapping``; see `specloom.train.recipes.recipe.Recipe` for its methods.

    Parameters
    ----------
    data : EnhancementData
        At 8000 Hz.
    seed : int
    workers : int
        Processes that mix.
    error : {"mse", "rmse", "mae"}
        In the normalised feature.
    features : {"log_power", "magnitude"}
        What is seen and what is learned.
    residual : bool
        See `DenseMapping`.
    caution : float
        How much more it costs to say too little than too much. The mean of the logarithms of what may have been said is
        less than what was said, and STOI falls below that of the noisy sound: on mixes that were held back, by 0.007
        with 2; with 6 it rises by 0.001, and the gain in PESQ is less than half.
    mixing, batch_size, n_frames, learning_rate, width, n_layers, average_decay
        As in `specloom.train.recipes.article_mask.ArticleMask`; `n_frames` are the frames in a step of the optimiser.
    """

    data: EnhancementData
    seed: int = 0
    workers: int = 1
    error: Error = "mse"
    features: Features = "log_power"
    residual: bool = True
    mixing: MixingSettings = ARTICLE_MIXING
    batch_size: int = 16
    n_frames: int = 128
    learning_rate: float = 1e-3
    caution: float = 6.0
    width: int = 1024
    n_layers: int = 3
    average_decay: float = 0.99
    spectrum: SpectrumFeatures = field(default=ARTICLE_FEATURES)

    name = "article-mapping"
    task = "enhance"

    def __post_init__(self) -> None:
        if self.error not in _ERRORS:
            raise ParameterError(f"error={self.error!r}: one of {', '.join(_ERRORS)} is needed")
        self.data.require_rate(self.spectrum.sample_rate)

    @property
    def batch_audio_s(self) -> float:
        """Seconds of sound in a step."""
        return self.batch_size * self.mixing.seconds

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        return {
            "n_bins": self.spectrum.n_bins,
            "left_frames": self.spectrum.left_frames,
            "right_frames": self.spectrum.right_frames,
            "width": self.width,
            "n_layers": self.n_layers,
            "features": self.features,
            "residual": self.residual,
        }

    def build(self, device: torch.device) -> State:
        """A new network, with the numbers that normalise its input and its answer."""
        network = DenseMapping(**self.network_settings())
        network.set_statistics(statistics_spectra(self.data, self.mixing, self.seed, self.spectrum))
        return dense_state(network, device, learning_rate=self.learning_rate, average_decay=self.average_decay)

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[Any]:
        """Mixes without end; on a GPU they are mixed there."""
        return enhancement_batches(self, first_item=first_item, every=every, device=device)

    def step(self, state: State, batch: Mixture) -> Mapping[str, Tensor | float]:
        """All frames of the batch, in random order, some at a time."""
        network = state.networks["enhancer"]
        assert isinstance(network, DenseMapping)
        noisy, clean = (analysed(torch.as_tensor(one, device=state.device), self.spectrum) for one in batch)
        windows, wanted = context_windows(noisy, self.spectrum), network.normalised(clean.flatten(0, 1))
        set_learning_rate(state, self.learning_rate)
        losses = []
        for some in minibatches(len(windows), self.n_frames):
            with state.autocast():
                estimate = network.mapped(windows[some])[:, 0]
            loss = mapping_error(estimate.float(), wanted[some], self.error, caution=self.caution)
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


def article_mapping(request: EnhanceRequest) -> ArticleMapping:
    """The recipe for the recordings of a request."""
    refuse_target(request, learned="magnitudes")
    refuse_beginning(request)
    data = request_data(request, sample_rate=ARTICLE_FEATURES.sample_rate)
    return ArticleMapping(data=data, seed=request.seed, workers=request.workers)
