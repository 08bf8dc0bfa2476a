"""The causal enhancer that ships: few large operations, two recurrent layers, and a complex mask of bounded size."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_SLOPE = 0.1
"""Of the leaky ReLU."""

_FAINTEST = 1e-8
"""Added to the power of a bin, against the infinite slope of a root at zero."""

_MOMENTUM = 0.02
"""Of the means and variances that batch normalisation remembers: batches are small, so it takes many of them."""

_STRIDE, _WIDTH = 4, 8
"""Bins from one position to the next, and bins that a position sees."""

_N_PARTS = 3
"""Numbers per bin that the network sees; see `compressed`."""

MOST_GAIN = 1.4
"""The usual bound of the mask's parts: where speech and noise cancel in part, the speech is the larger of them."""

_MOSTLY_KEPT = 0.85
"""Bias of the mask: its real part starts at 1.4 tanh(0.85) = 0.97, so what is not known to be noise stays."""


class CausalEnhancer(nn.Module):
    """Noisy spectrum in, enhanced spectrum out, one frame at a time: nothing looks ahead.

    A convolution along frequency makes a position of every 4 bins; dense layers, shared by all positions, join
    neighbours in pairs, twice. The quarter that is left goes as one vector through GRUs over time, and the mirror
    image of the layers, which sees what they saw, makes a complex mask from it.

    Parameters
    ----------
    n_bins
        Bins of the spectrum, ``n_fft // 2 + 1``; ``n_bins - 1`` must be a multiple of 16. The last bin, half the
        sample rate, is not kept.
    channels
        Numbers per position: of 4 bins, of 8 and of 16.
    units
        Of each recurrent layer.
    n_layers
        Recurrent layers.
    past_frames
        Frames before the current one that the convolution sees too, and that the mask has weights for: what is
        enhanced is a filter over this frame and those, bin by bin, which tells harmonics apart that lie in one bin.
    band_memory
        Whether every position of 8 bins has a recurrent layer of its own over time, the same for all: few weights, but
        many numbers to compute with.
    most_gain
        Both parts of every weight of the mask lie within this.

    Notes
    -----
    For streaming on one core the reading of the weights and the number of operations decide, not the multiplications:
    hence few and large ones. Compressed spectra as input: Braun and Tashev, "Data augmentation and loss normalization
    for deep noise suppression", 2020. Complex masks: Williamson, Wang and Wang, "Complex ratio masking for monaural
    speech separation", 2016; over several frames: Mack and Habets, "Deep filtering: signal extraction and
    reconstruction using complex time-frequency filters", 2020.
    """

    def __init__(
        self,
        *,
        n_bins: int,
        channels: Sequence[int],
        units: int,
        n_layers: int,
        past_frames: int = 0,
        band_memory: bool = False,
        most_gain: float = MOST_GAIN,
    ) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.n_kept, self.units, self.channels = n_bins - 1, units, tuple(channels)
        self.past_frames, self.most_gain = past_frames, most_gain
        self.n_fine = self.n_kept // _STRIDE
        width = self.n_fine // 4 * coarse
        self.narrow = nn.Conv1d(
            _N_PARTS * (past_frames + 1), fine, _WIDTH, stride=_STRIDE, padding=(_WIDTH - _STRIDE) // 2, bias=False
        )
        self.settle: nn.Module = nn.BatchNorm1d(fine, momentum=_MOMENTUM)
        self.join_pairs = Layer(2 * fine, middle)
        self.remember_bands = nn.GRU(middle, middle) if band_memory else None
        self.join_fours = Layer(2 * middle, coarse)
        self.gather = Layer(width, units)
        self.remember = nn.ModuleList(nn.GRU(units, units) for _ in range(n_layers))
        self.spread = Layer(units, width)
        self.part_fours = Layer(coarse, 2 * middle)
        self.part_pairs = Layer(middle, 2 * fine)
        self.refine = Layer(fine, fine)
        # For every bin and frame, the oldest first, a real and an imaginary part.
        self.widen = nn.Linear(fine, _STRIDE * 2 * (past_frames + 1))
        with torch.no_grad():
            self.widen.weight.mul_(0.3)
            self.widen.bias.copy_(torch.tensor(([0.0] * 2 * past_frames + [_MOSTLY_KEPT, 0.0]) * _STRIDE))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every state; -1 is the batch."""
        past: dict[str, tuple[int, ...]] = {}
        if self.past_frames:
            past["past"] = (self.past_frames, -1, 2, self.n_kept + 1)
        if self.remember_bands is not None:
            past["bands"] = (1, -1, self.n_fine // 2 * self.channels[1])
        return past | {f"memory_{index}": (1, -1, self.units) for index in range(len(self.remember))}

    def initial_states(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for every state, on the network's device."""
        device = self.widen.weight.device
        return tuple(
            torch.zeros([batch if size < 0 else size for size in shape], device=device)
            for shape in self.state_shapes.values()
        )

    def forward(self, spec: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """``spec (batch, n_frames, n_bins, 2)`` and the states -> enhanced spec of the same shape, and the states.

        Layers that treat every position alike see ``(n_frames * batch * positions, channels)``: a dense layer on two
        axes is one operation in ONNX Runtime, bias and ReLU included.
        """
        fine, middle, coarse = self.channels
        # Real and imaginary parts apart and whole: (n_frames, batch, 2, n_bins).
        frames = spec.permute(1, 0, 3, 2)
        before, memories = states[: len(states) - len(self.remember)], states[-len(self.remember) :]
        together, after = self._with_past(frames, before)
        parts = compressed(together).reshape(-1, _N_PARTS * (self.past_frames + 1), self.n_kept + 1)
        narrow = nn.functional.leaky_relu(self.settle(self.narrow(parts)), _SLOPE)
        ones = narrow.transpose(1, 2).reshape(-1, 2 * fine)
        pairs = self.join_pairs(ones)
        if self.remember_bands is not None:
            # To (n_frames, batch * positions, middle): every position is an item of its own.
            rows, bands = pairs.reshape(frames.shape[0], -1, middle), before[-1].reshape(1, -1, middle)
            remembered, last = self.remember_bands(rows, bands)
            pairs = pairs + remembered.reshape(-1, middle)
            after.append(last.reshape(1, -1, self.n_fine // 2 * middle))
        pairs = pairs.reshape(-1, 2 * middle)
        fours = self.join_fours(pairs).reshape(-1, self.n_fine // 4 * coarse)
        seen = self.gather(fours)
        seen = seen.reshape(frames.shape[0], -1, self.units)
        for layer, state in zip(self.remember, memories, strict=True):
            remembered, last = layer(seen, state)
            seen = seen + remembered
            after.append(last)
        fours = fours + self.spread(seen.reshape(-1, self.units))
        pairs = pairs + self.part_fours(fours.reshape(-1, coarse))
        ones = ones + self.part_pairs(pairs.reshape(-1, middle))
        mask = self.most_gain * torch.tanh(self.widen(self.refine(ones.reshape(-1, fine))))
        mask = nn.functional.pad(mask.reshape(-1, self.n_kept, 2 * (self.past_frames + 1)).transpose(1, 2), (0, 1))
        enhanced = masked(together, mask.reshape(-1, self.past_frames + 1, 2, self.n_kept + 1)).sum(1)
        return enhanced.reshape_as(frames).permute(1, 0, 3, 2), *after

    def _with_past(self, frames: Tensor, before: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        """``frames (n_frames, batch, 2, n_bins)``, each with those before it, the oldest first, as ``(n_frames * batch,
        past_frames + 1, 2, n_bins)``; and what the next call has to know of them.
        """
        together, after = frames, []
        if self.past_frames:
            row = torch.cat([before[0], frames])
            after.append(row[-self.past_frames :])
            lags = [row[lag : lag - self.past_frames] for lag in range(self.past_frames)]
            together = torch.cat([*lags, row[self.past_frames :]], dim=2)
        return together.reshape(-1, self.past_frames + 1, 2, self.n_kept + 1), after


class Layer(nn.Module):
    """Dense layer, batch normalisation, leaky ReLU: ``(n, n_in)`` -> ``(n, n_out)``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(n_in, n_out)
        self.settle: nn.Module = nn.BatchNorm1d(n_out, momentum=_MOMENTUM)

    def forward(self, rows: Tensor) -> Tensor:
        """Every row by itself."""
        return nn.functional.leaky_relu(self.settle(self.dense(rows)), _SLOPE)


def compressed(frames: Tensor) -> Tensor:
    """``frames (..., 2, n_bins)`` -> ``(..., 3, n_bins)``: |X|^(1/4), and X / |X|^(3/4) in its two parts."""
    real, imaginary = torch.split(frames, 1, dim=-2)
    size = (real * real + imaginary * imaginary + _FAINTEST).sqrt()
    root = size.sqrt().sqrt()
    scale = root / size
    return torch.cat([root, real * scale, imaginary * scale], dim=-2)


def masked(frames: Tensor, mask: Tensor) -> Tensor:
    """The complex product of ``frames`` and ``mask``, both ``(..., 2, n_bins)``."""
    real, imaginary = torch.split(frames, 1, dim=-2)
    gain, turn = torch.split(mask, 1, dim=-2)
    return torch.cat([real * gain - imaginary * turn, real * turn + imaginary * gain], dim=-2)


def without_normalisation(enhancer: CausalEnhancer) -> CausalEnhancer:
    """A copy with every batch normalisation folded into the layer before it; `enhancer` is in evaluation mode."""
    folded = copy.deepcopy(enhancer)
    if isinstance(folded.settle, nn.BatchNorm1d):
        folded.narrow, folded.settle = nn.utils.fuse_conv_bn_eval(folded.narrow, folded.settle), nn.Identity()
    for layer in folded.modules():
        if isinstance(layer, Layer) and isinstance(layer.settle, nn.BatchNorm1d):
            layer.dense, layer.settle = nn.utils.fuse_linear_bn_eval(layer.dense, layer.settle), nn.Identity()
    return folded
