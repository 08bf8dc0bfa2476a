"""Autoencoders that clean pictures: the article's dense ones, and convolutional ones with skip connections.

Both map values between 0 and 1, ``(batch, n_rows, n_columns)``, to values of the same shape: digits, or patches of a
mel spectrogram with frames as rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from specloom.errors import ParameterError

_SLOPE = 0.1
_MOSTLY_KEPT = 1.0
"""Bias of the gate: a sigmoid of 0.73, so that a network which knows nothing keeps most of what it sees."""


class DenseAutoencoder(nn.Module):
    """Flatten, dense layers with ReLU, and one more without: the article's (its digits have one of 1000).

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the picture.
    widths : sequence of int
        Of the hidden layers. The article's deeper one means three of 1000; its code adds the decoder's to the encoder,
        which in this order is the same network.
    """

    def __init__(self, *, shape: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        n_rows, n_columns = _checked_shape(shape)
        if not widths or any(width < 1 for width in widths):
            raise ParameterError(f"widths={list(widths)}: at least one hidden layer of at least 1 is needed")
        self.shape = (n_rows, n_columns)
        sizes = [n_rows * n_columns, *widths]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], sizes[0]))

    def forward(self, values: Tensor) -> Tensor:
        """``(batch, n_rows, n_columns)`` -> the same."""
        cleaned: Tensor = self.layers(values.flatten(1))
        return cleaned.reshape(-1, *self.shape)


class ConvAutoencoder(nn.Module):
    """Convolutions down to a fourth of the size and up again, each size handed across (a U-Net).

    The last layer gives two pictures: what the clean one would be, and how far the one that was seen is to be trusted,
    value by value: ``trust * seen + (1 - trust) * guess``. Where nothing was spoilt nothing need be reconstructed.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns; multiples of 4.
    channels : (int, int, int)
        At the full, half and quarter size.

    Notes
    -----
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015.
    """

    def __init__(self, *, shape: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.shape = _checked_shape(shape)
        if any(size % 4 for size in self.shape):
            raise ParameterError(f"shape={list(shape)}: multiples of 4 are needed")
        if len(channels) != 3 or any(channel < 1 for channel in channels):
            raise ParameterError(f"channels={list(channels)}: three numbers of at least 1 are needed")
        fine, middle, coarse = channels
        self.enter = _block(1, fine)
        self.down_middle = _block(fine, middle, stride=2)
        self.down_coarse = _block(middle, coarse, stride=2)
        self.deepest = _block(coarse, coarse)
        self.up_middle = nn.Conv2d(coarse, 4 * middle, 1)
        self.join_middle = _block(2 * middle, middle)
        self.up_fine = nn.Conv2d(middle, 4 * fine, 1)
        self.join_fine = _block(2 * fine, fine)
        self.leave = nn.Conv2d(fine, 2, 3, padding=1)
        with torch.no_grad():
            assert self.leave.bias is not None
            self.leave.bias[1] = _MOSTLY_KEPT

    def forward(self, values: Tensor) -> Tensor:
        """``(batch, n_rows, n_columns)`` -> the same, between 0 and 1 for what lies there."""
        # One channel: (batch, 1, n_rows, n_columns).
        seen = values.unsqueeze(1)
        fine = self.enter(seen)
        middle = self.down_middle(fine)
        coarse = self.deepest(self.down_coarse(middle))
        # A pixel of the coarser size becomes 2 x 2 of the finer.
        middle = self.join_middle(torch.cat([nn.functional.pixel_shuffle(self.up_middle(coarse), 2), middle], dim=1))
        fine = self.join_fine(torch.cat([nn.functional.pixel_shuffle(self.up_fine(middle), 2), fine], dim=1))
        guess, trust = self.leave(fine).split(1, dim=1)
        trust = torch.sigmoid(trust)
        cleaned: Tensor = trust * seen + (1 - trust) * torch.sigmoid(guess)
        return cleaned.squeeze(1)


def cleaned_by(network: nn.Module, pictures: npt.NDArray[np.float32], device: torch.device) -> npt.NDArray[np.float32]:
    """Pictures ``(n, n_rows, n_columns)`` through an autoencoder, some at a time, without gradients."""
    with torch.no_grad():
        parts = [network(torch.from_numpy(pictures[k : k + 64]).to(device)).cpu() for k in range(0, len(pictures), 64)]
    cleaned: npt.NDArray[np.float32] = torch.cat(parts).numpy()
    return cleaned


def _block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.LeakyReLU(_SLOPE),
    )


def _checked_shape(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) != 2 or any(size < 1 for size in shape):
        raise ParameterError(f"shape={list(shape)}: rows and columns, at least 1 each, are needed")
    n_rows, n_columns = (int(size) for size in shape)
    return n_rows, n_columns
