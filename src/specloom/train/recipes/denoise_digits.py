"""Noise off digits: the article's dense autoencoder (row D1), and a convolutional one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn

from specloom.pixels.damage import gaussian_noise, salt_and_pepper
from specloom.train.data.digits import Digits, FloatArray, load_digits
from specloom.train.nn.autoencoder import cleaned_by
from specloom.train.recipes import autoencoders
from specloom.train.recipes.recipe import NetworkExport
from specloom.train.state import State, descend

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.train.recipes.catalog import Request

_CONV_CHANNELS = (16, 32, 64)
_ARTICLE_WIDTHS = (1000,)


@dataclass(frozen=True, kw_only=True)
class DenoiseDigits:
    """The recipes for digits; see `specloom.train.recipes.recipe.Recipe` for their methods.

    Parameters
    ----------
    digits : Digits
    name : {"conv", "dense"}
        Dense is the article's: 1000 units, AdaMax, squared error, batches of 32.
    damage : {"gaussian", "salt-and-pepper"}
    amount : float
        The deviation, or the share of pixels.
    seed, epochs, batch_size : int
    """

    digits: Digits
    name: str = "conv"
    damage: str = "gaussian"
    amount: float = 0.2
    seed: int = 0
    epochs: int = 30
    batch_size: int = 32

    task = "denoise_digits"
    batch_audio_s = 0.0

    @property
    def usual_steps(self) -> int:
        """The epochs, counted in steps."""
        return math.ceil(self.epochs * len(self.digits.train) / self.batch_size)

    @property
    def evaluate_every(self) -> int:
        """An epoch, in steps."""
        return math.ceil(len(self.digits.train) / self.batch_size)

    def network_settings(self) -> dict[str, Any]:
        """What the network is built with."""
        shape = list(self.digits.shape)
        if self.name == "dense":
            return {"shape": shape, "widths": list(_ARTICLE_WIDTHS)}
        return {"shape": shape, "channels": list(_CONV_CHANNELS)}

    def build(self, device: torch.device) -> State:
        """A new network."""
        return autoencoders.built(self.name, self.network_settings(), device)

    def batches(self, *, first_item: int, every: int, device: torch.device) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Noisy and clean digits without end: every digit once in an epoch, in an order and with noise of its own."""
        while True:
            items = range(first_item, first_item + self.batch_size)
            clean = np.stack([self._digit(item) for item in items])
            noisy = np.stack(
                [self.spoilt(digit, [self.seed, 1, item]) for digit, item in zip(clean, items, strict=True)]
            )
            yield noisy, clean
            first_item += every

    def _digit(self, item: int) -> FloatArray:
        epoch, place = divmod(item, len(self.digits.train))
        order = _order(self.seed, epoch, len(self.digits.train))
        digit: FloatArray = self.digits.train[order[place]]
        return digit

    def spoilt(self, values: FloatArray, seed: Sequence[int]) -> FloatArray:
        """Digits with the recipe's noise, a pure function of the seed."""
        rng = np.random.default_rng(seed)
        if self.damage == "gaussian":
            return gaussian_noise(values, self.amount, rng=rng).astype(np.float32, copy=False)
        return salt_and_pepper(values, self.amount, rng=rng).astype(np.float32, copy=False)

    def step(self, state: State, batch: tuple[FloatArray, FloatArray]) -> Mapping[str, Tensor | float]:
        """Squared error, one batch."""
        noisy, clean = (torch.from_numpy(one).to(state.device) for one in batch)
        with state.autocast():
            cleaned = state.networks["autoencoder"](noisy)
        loss = nn.functional.mse_loss(cleaned.float(), clean)
        autoencoders.schedule(self.name, state)
        return {"loss": loss.detach(), "gradient_norm": descend(state, "autoencoder", loss)}

    def evaluate(self, state: State) -> Mapping[str, float]:
        """`digit_scores` on the digits that choose the best weights; the score is the gain."""
        noisy = self.spoilt(self.digits.valid, [self.seed, 2])
        scores = digit_scores(cleaned_by(state.evaluated("autoencoder"), noisy, state.device), noisy, self.digits.valid)
        return scores | {"score": scores["psnr_gain_db"]}

    def unseen(self) -> tuple[FloatArray, FloatArray]:
        """Digits that neither trained nor chose, noisy and clean; the same ones every time."""
        return self.spoilt(self.digits.test, [self.seed, 3]), self.digits.test

    def header(self, state: State) -> Header:
        """What the model file says."""
        return autoencoders.header(
            self,
            state,
            settings=self.network_settings(),
            features={"shape": list(self.digits.shape)},
            data=f"{self.digits.name}, {len(self.digits.train)} digits; {self.damage} {self.amount:g}",
        )

    def exports(self, state: State) -> Mapping[str, NetworkExport]:
        """The one network."""
        return autoencoders.exported(state, given="noisy", shape=self.digits.shape)


def conv(request: Request) -> DenoiseDigits:
    """Convolutions with skip connections."""
    return _recipe(request, "conv")


def dense(request: Request) -> DenoiseDigits:
    """784-1000-784, as the article has it."""
    return _recipe(request, "dense")


def _recipe(request: Request, name: str) -> DenoiseDigits:
    from specloom.train.recipes.catalog import DenoiseDigitsRequest

    assert isinstance(request, DenoiseDigitsRequest)
    return DenoiseDigits(
        digits=load_digits(request.digits),
        name=name,
        damage=request.damage,
        amount=request.amount,
        seed=request.seed,
        epochs=request.epochs,
        batch_size=32 if name == "dense" else 64,
    )


def digit_scores(cleaned: FloatArray, noisy: FloatArray, clean: FloatArray) -> dict[str, float]:
    """Squared error, PSNR, and how far above the noisy digits' it lies; and how far a 3 x 3 median filter's does."""
    before = psnr_db(noisy, clean)
    return {
        "mse": float(np.mean(np.square(cleaned - clean, dtype=np.float64))),
        "psnr_db": psnr_db(cleaned, clean),
        "psnr_gain_db": psnr_db(cleaned, clean) - before,
        "median_gain_db": psnr_db(median_filter(noisy, size=(1, 3, 3)), clean) - before,
    }


def psnr_db(found: FloatArray, clean: FloatArray) -> float:
    """Peak signal to noise ratio over all pictures, ``-10 log10(mean squared error)`` for values between 0 and 1."""
    error = float(np.mean(np.square(found - clean, dtype=np.float64)))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> npt.NDArray[np.intp]:
    """The order of the digits in an epoch."""
    return np.random.default_rng([seed, 0, epoch]).permutation(n)
