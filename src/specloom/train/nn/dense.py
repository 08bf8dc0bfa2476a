"""The article's networks: dense layers that see a frame with its neighbours and give one frame (rows B1 and B4).

Both keep the interface of every enhancement network: a spectrum goes in, with ``left_frames`` and ``right_frames`` more
frames than come out, and the enhanced spectrum comes out; the numbers that normalise the input are buffers, so they are
saved with the weights and exported with them. (The article fits another scaler to every file that it enhances.)
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from specloom.errors import ParameterError

Features = Literal["magnitude", "log_power"]

# Far below a step of 16 bits with win_length 256: -60 dB, where a full-scale tone has +36 dB.
_POWER_FLOOR = 1e-6
_LEAST_SPREAD = 1e-4


class DenseNetwork(nn.Module):
    """Frames with context through layers of [Dense, BatchNorm, LeakyReLU, Dropout], and a last Dense.

    Parameters
    ----------
    n_bins : int
        Bins of the spectrum.
    n_outputs : int
        Values for each frame.
    left_frames, right_frames : int
        Context. 2 and 2 are the article's five frames.
    width, n_layers : int
        Of the hidden layers; 2048 and 3 in row B4.
    slope, dropout : float
        Of the LeakyReLU, and the share that is dropped while training; 0.1 and 0.1 in row B4.
    last_norm : bool
        A BatchNorm after the last Dense, as row B4 has it before its sigmoid.
    features : {"magnitude", "log_power"}
        What the layers see: ``|Y|``, or ``log10(|Y|² + 1e-6)``; normalised by `input_mean` and `input_spread`.

    Raises
    ------
    ParameterError
        For numbers that make no network.

    Notes
    -----
    Batches of frames and whole sounds are one case: 128 windows of five frames are ``(128, 5, n_bins, 2)`` and give
    ``(128, 1, n_outputs)``; law (tests/train/test_dense.py): the same as those frames of the whole.
    """

    input_mean: Tensor
    input_spread: Tensor

    def __init__(
        self,
        *,
        n_bins: int,
        n_outputs: int,
        left_frames: int = 2,
        right_frames: int = 2,
        width: int = 2048,
        n_layers: int = 3,
        slope: float = 0.1,
        dropout: float = 0.1,
        last_norm: bool = True,
        features: Features = "magnitude",
    ) -> None:
        super().__init__()
        _require_sizes(n_bins=n_bins, n_outputs=n_outputs, width=width, n_layers=n_layers)
        _require_context(left_frames=left_frames, right_frames=right_frames)
        if features not in ("magnitude", "log_power"):
            raise ParameterError(f'features={features!r}: "magnitude" or "log_power" is needed')
        self.n_bins, self.n_outputs = n_bins, n_outputs
        self.left_frames, self.right_frames = left_frames, right_frames
        self.features: Features = features
        self.register_buffer("input_mean", torch.zeros(n_bins))
        self.register_buffer("input_spread", torch.ones(n_bins))
        layers: list[nn.Module] = []
        n_inputs = n_bins * (left_frames + 1 + right_frames)
        for _ in range(n_layers):
            layers += [nn.Linear(n_inputs, width), nn.BatchNorm1d(width), nn.LeakyReLU(slope), nn.Dropout(dropout)]
            n_inputs = width
        layers.append(nn.Linear(n_inputs, n_outputs))
        if last_norm:
            layers.append(nn.BatchNorm1d(n_outputs))
        self.layers = nn.Sequential(*layers)

    def features_of(self, spec: Tensor) -> Tensor:
        """``(batch, n_frames, n_bins, 2)`` to ``(batch, n_frames, n_bins)``, not yet normalised."""
        power = spec.square().sum(dim=-1)
        return torch.log10(power + _POWER_FLOOR) if self.features == "log_power" else torch.sqrt(power)

    @torch.no_grad()
    def set_statistics(self, spec: Tensor) -> None:
        """Take mean and spread of every bin from spectra of training mixes, ``(..., n_bins, 2)``."""
        values = self.features_of(spec).reshape(-1, self.n_bins)
        self.input_mean.copy_(values.mean(dim=0))
        self.input_spread.copy_(values.std(dim=0, correction=0).clamp(min=_LEAST_SPREAD))

    def raw(self, spec: Tensor) -> Tensor:
        """What the last layer gives, ``(batch, n_frames, n_outputs)``, for that many frames and their context."""
        seen = (self.features_of(spec) - self.input_mean) / self.input_spread
        n_frames = spec.shape[1] - self.left_frames - self.right_frames
        reach = range(self.left_frames + 1 + self.right_frames)
        windows = torch.cat([seen[:, k : k + n_frames] for k in reach], dim=-1)
        values: Tensor = self.layers(windows.flatten(0, 1))
        return values.reshape(spec.shape[0], n_frames, self.n_outputs)

    def centre(self, spec: Tensor) -> Tensor:
        """The frames that an answer is given for: those without the context."""
        return spec[:, self.left_frames : spec.shape[1] - self.right_frames]


class DenseMask(DenseNetwork):
    """Mask estimation (row B4): the last layer says a mask, and the noisy spectrum is multiplied by it.

    Parameters
    ----------
    n_bins : int
        257 in row B4, with the defaults of everything else: 1285 inputs, 3 layers of 2048, sigmoid.
    low, high : float
        Bounds of the mask. With ``compress`` 0 the answer is ``low + (high - low) sigmoid(x)``.
    compress : float
        Above 0 for a mask that was learned compressed (ORM, cIRM; see `specloom.masks.compress_mask`): the steepness
        C, and ``high`` is its limit K: the answer ``high tanh(x)`` is decompressed before it is used.
    complex_mask : bool
        Two values for each bin, of the real and the imaginary part.
    gain_bias : float
        Where the last BatchNorm's offset begins: above 0 the untrained network lets sound through.
    left_frames, right_frames, width, n_layers, slope, dropout, features
        Of `DenseNetwork`.

    Raises
    ------
    ParameterError
        For numbers that make no network, or bounds that bound nothing.

    References
    ----------
    The article of row B4; Wang, Narayanan, Wang, "On training targets for supervised speech separation", IEEE/ACM
    TASLP 22(12), 2014.
    """

    def __init__(
        self,
        *,
        n_bins: int,
        low: float = 0.0,
        high: float = 1.0,
        compress: float = 0.0,
        complex_mask: bool = False,
        gain_bias: float = 0.0,
        left_frames: int = 2,
        right_frames: int = 2,
        width: int = 2048,
        n_layers: int = 3,
        slope: float = 0.1,
        dropout: float = 0.1,
        features: Features = "magnitude",
    ) -> None:
        super().__init__(
            n_bins=n_bins,
            n_outputs=n_bins * (2 if complex_mask else 1),
            left_frames=left_frames,
            right_frames=right_frames,
            width=width,
            n_layers=n_layers,
            slope=slope,
            dropout=dropout,
            features=features,
        )
        if not low < high or compress < 0.0:
            raise ParameterError(
                f"low={low}, high={high}, compress={compress}: low < high and compress >= 0 are needed"
            )
        self.low, self.high, self.compress, self.complex_mask = low, high, compress, complex_mask
        last = self.layers[-1]
        if isinstance(last, nn.BatchNorm1d):
            nn.init.constant_(last.bias, gain_bias)

    def logits(self, spec: Tensor) -> Tensor:
        """What `MaskTarget.loss_of` takes: ``(batch, n_frames, n_bins)``, of a complex mask ``(..., n_bins, 2)``."""
        values = self.raw(spec)
        return values.reshape(*values.shape[:2], self.n_bins, 2) if self.complex_mask else values

    def learned(self, logits: Tensor) -> Tensor:
        """The learned values in their bounds: a mask, or a compressed one."""
        if self.compress > 0.0:
            return self.high * torch.tanh(logits)
        return self.low + (self.high - self.low) * torch.sigmoid(logits)

    def forward(self, spec: Tensor) -> Tensor:
        """``(batch, left_frames + n_frames + right_frames, n_bins, 2)`` to ``(batch, n_frames, n_bins, 2)``."""
        mask = self.learned(self.logits(spec))
        if self.compress > 0.0:
            mask = _decompressed(mask, self.high, self.compress)
        noisy = self.centre(spec)
        if not self.complex_mask:
            return mask.unsqueeze(-1) * noisy
        real = mask[..., 0] * noisy[..., 0] - mask[..., 1] * noisy[..., 1]
        imaginary = mask[..., 0] * noisy[..., 1] + mask[..., 1] * noisy[..., 0]
        return torch.stack((real, imaginary), dim=-1)


class DenseMapping(DenseNetwork):
    """Spectral mapping (row B1): the last layer says the clean magnitude itself; the noisy phase is kept.

    Parameters
    ----------
    n_bins : int
        Bins of the spectrum.
    residual : bool
        Whether the last layer says what to add to the noisy value (in its feature), which an untrained network begins
        with; else the clean value from nothing.
    left_frames, right_frames, width, n_layers, slope, dropout, features
        Of `DenseNetwork`. The clean value is learned in the same feature as the noisy one is seen, with the same
        normalisation; the output is linear.

    Raises
    ------
    ParameterError
        For numbers that make no network.

    References
    ----------
    Xu, Du, Dai, Lee, "A regression approach to speech enhancement based on deep neural networks", IEEE/ACM TASLP
    23(1), 2015.
    """

    def __init__(
        self,
        *,
        n_bins: int,
        residual: bool = True,
        left_frames: int = 2,
        right_frames: int = 2,
        width: int = 1024,
        n_layers: int = 3,
        slope: float = 0.1,
        dropout: float = 0.1,
        features: Features = "log_power",
    ) -> None:
        super().__init__(
            n_bins=n_bins,
            n_outputs=n_bins,
            left_frames=left_frames,
            right_frames=right_frames,
            width=width,
            n_layers=n_layers,
            slope=slope,
            dropout=dropout,
            last_norm=False,
            features=features,
        )
        self.residual = residual
        last = self.layers[-1]
        if residual and isinstance(last, nn.Linear):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def normalised(self, spec: Tensor) -> Tensor:
        """What is learned, of clean frames ``(batch, n_frames, n_bins, 2)``: their normalised feature."""
        return (self.features_of(spec) - self.input_mean) / self.input_spread

    def mapped(self, spec: Tensor) -> Tensor:
        """The estimate of `normalised` of the clean frames, ``(batch, n_frames, n_bins)``."""
        values = self.raw(spec)
        return values + self.normalised(self.centre(spec)) if self.residual else values

    def forward(self, spec: Tensor) -> Tensor:
        """``(batch, left_frames + n_frames + right_frames, n_bins, 2)`` to ``(batch, n_frames, n_bins, 2)``."""
        value = self.mapped(spec) * self.input_spread + self.input_mean
        noisy = self.centre(spec)
        if self.features == "log_power":
            # Above the largest spectrum there is; without it a wild answer would be infinite.
            power = torch.pow(10.0, value.clamp(max=12.0)) - _POWER_FLOOR
            magnitude = torch.sqrt(power.clamp(min=0.0))
        else:
            magnitude = value.clamp(min=0.0)
        size = torch.sqrt(noisy.square().sum(dim=-1))
        # Where there is no sound there is no phase to keep, and silence has to stay silence.
        return (magnitude / size.clamp(min=1e-12)).unsqueeze(-1) * noisy


def _decompressed(values: Tensor, k: float, c: float) -> Tensor:
    """`specloom.masks.decompress_mask` for tensors; artanh by logarithms, which every exporter knows."""
    share = (values / k).clamp(min=-1.0 + 1e-6, max=1.0 - 1e-6)
    return (torch.log1p(share) - torch.log1p(-share)) / c


def _require_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ParameterError(f"{name}={value}: at least 1 is needed")


def _require_context(**frames: int) -> None:
    for name, value in frames.items():
        if value < 0:
            raise ParameterError(f"{name}={value}: 0 frames of context or more are needed")
