"""Masks that a network learns: what the target is, how it is bounded, which loss, all in one place (rows B3 and B4).

The arrays come from `specloom.masks`; here is only what learning needs on top: a name for each choice, the bounds that
the network's last layer gets (`specloom.train.nn.dense.DenseMask`), and the loss between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from specloom import masks
from specloom.errors import ParameterError

Loss = Literal["cross_entropy", "squared"]
Spec = npt.NDArray[np.complex64]
# What a definition gets: the clean spectrum, the noise, and their sum, (..., n_bins, n_frames).
Definition = Callable[[Spec, Spec, Spec], npt.NDArray[Any]]

_K, _C = 10.0, 0.1


@dataclass(frozen=True, kw_only=True)
class MaskTarget:
    """A mask as a target of learning.

    Parameters
    ----------
    name : str
        What people call it; see `MASK_TARGETS`.
    definition : callable
        From clean spectrum, noise and noisy spectrum to the mask, untruncated.
    low, high : float
        What it is truncated to, and so the bounds of the network's answer. Of a compressed mask its limits ±K.
    compress : float
        C of `specloom.masks.compress_mask`, with ``high`` as K; 0 for a mask that is not compressed.
    complex_mask : bool
        Whether it has a real and an imaginary part.
    loss : {"squared", "cross_entropy"}
        Cross-entropy is for the binary masks.
    """

    name: str
    definition: Definition
    low: float = 0.0
    high: float = 1.0
    compress: float = 0.0
    complex_mask: bool = False
    loss: Loss = "squared"

    def __post_init__(self) -> None:
        if not self.low < self.high or self.compress < 0.0:
            raise ParameterError(f"low={self.low}, high={self.high}, compress={self.compress}: these bound nothing")
        if self.loss == "cross_entropy" and (self.compress > 0.0 or (self.low, self.high) != (0.0, 1.0)):
            raise ParameterError("cross-entropy is a loss of masks from 0 to 1 that are not compressed")

    def values(self, clean: Spec, noise: Spec) -> npt.NDArray[np.float32]:
        """What the network is to answer.

        Parameters
        ----------
        clean, noise : complex array, shape ``(..., n_bins, n_frames)``

        Returns
        -------
        float32 array, shape ``(..., n_frames, n_bins)``, of a complex mask ``(..., n_frames, n_bins, 2)``
            Truncated or compressed; finite also on silence.
        """
        mask = self.definition(clean, noise, clean + noise)
        if self.compress > 0.0:
            mask = masks.compress_mask(mask, k=self.high, c=self.compress)
        else:
            mask = masks.truncate_mask(mask, low=self.low, high=self.high)
        mask = np.swapaxes(mask, -1, -2)
        if self.complex_mask:
            mask = np.stack((mask.real, mask.imag), axis=-1)
        return np.ascontiguousarray(mask, dtype=np.float32)

    def network_settings(self) -> dict[str, float | bool]:
        """What `specloom.train.nn.dense.DenseMask` has to be built with to answer in these bounds."""
        return {"low": self.low, "high": self.high, "compress": self.compress, "complex_mask": self.complex_mask}

    def loss_of(self, logits: Tensor, target: Tensor, *, caution: float = 0.0) -> Tensor:
        """Loss of a network's `logits` against `values`.

        Parameters
        ----------
        logits, target : Tensor, the same shape
        caution : float
            How much more a mask that is too small costs than one that is too large: its loss is multiplied by
            ``1 + caution``. Too small a mask eats speech, which costs intelligibility.

        Returns
        -------
        Tensor, a number
            Mean over everything. A squared error is counted in units of the mask's range.
        """
        if self.loss == "cross_entropy":
            weight = torch.tensor(1.0 + caution, device=logits.device)
            return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
        if self.compress > 0.0:
            error = torch.tanh(logits) - target / self.high
        else:
            error = torch.sigmoid(logits) - (target - self.low) / (self.high - self.low)
        squares = error.square()
        if caution > 0.0:
            squares = torch.where(error < 0.0, (1.0 + caution) * squares, squares)
        return squares.mean()


def _targets() -> dict[str, MaskTarget]:
    def irm(beta: float) -> Definition:
        return lambda clean, noise, noisy: masks.ideal_ratio_mask(clean, noise, beta=beta)

    def iam(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.ideal_amplitude_mask(clean, noisy)

    def psm(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.phase_sensitive_mask(clean, noisy)

    def orm(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.optimal_ratio_mask(clean, noise)

    def cirm(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.complex_ideal_ratio_mask(clean, noisy)

    def ibm(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.ideal_binary_mask(clean, noise)

    def ibm_majority(clean: Spec, noise: Spec, noisy: Spec) -> npt.NDArray[Any]:
        return masks.majority_binary_mask(clean, noisy)

    return {
        target.name: target
        for target in (
            MaskTarget(name="ibm", definition=ibm, loss="cross_entropy"),
            MaskTarget(name="ibm-majority", definition=ibm_majority, loss="cross_entropy"),
            MaskTarget(name="irm", definition=irm(0.5)),
            MaskTarget(name="wiener", definition=irm(1.0)),
            MaskTarget(name="iam", definition=iam),
            MaskTarget(name="iam2", definition=iam, high=2.0),
            MaskTarget(name="psm", definition=psm),
            MaskTarget(name="psm2", definition=psm, low=-1.0, high=2.0),
            MaskTarget(name="orm", definition=orm, low=-_K, high=_K, compress=_C),
            MaskTarget(name="cirm", definition=cirm, low=-_K, high=_K, compress=_C, complex_mask=True),
            MaskTarget(name="cirm1", definition=cirm, low=-1.0, complex_mask=True),
        )
    }


MASK_TARGETS: Mapping[str, MaskTarget] = MappingProxyType(_targets())
"""Binary: ``ibm`` (|S| >= |N|), ``ibm-majority`` (|S| >= |Y| / 2). Ratios: ``irm`` (beta 0.5), ``wiener`` (beta 1),
``iam`` [0, 1], ``iam2`` [0, 2], ``psm`` [0, 1], ``psm2`` [-1, 2], ``orm`` compressed (K = 10, C = 0.1). Complex:
``cirm`` compressed alike, ``cirm1`` with both parts in [-1, 1]."""


def mask_target(name: str) -> MaskTarget:
    """The target of that name, or a ParameterError that lists the names."""
    if name not in MASK_TARGETS:
        raise ParameterError(f"target={name!r} is no mask that can be learned; there are {', '.join(MASK_TARGETS)}")
    return MASK_TARGETS[name]
