"""The two networks between a mel spectrum and sound: one spreads it over the bins, one refines a first sound.

Both walk forward in time and carry what they need of the past in states, so that frames may come in pieces of any size;
what comes out is ``delay`` frames late, which is how far they look ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from specloom.config import MelConfig
from specloom.dsp.mel_inversion import filter_weights

# Frames over which the loudest value sets the scale that a network works at.
_MEMORY = 16
# 100 dB below that: what logarithms begin at. Far below it: what stands for nothing in a division.
_FLOOR, _NOTHING = 1e-5, 1e-20
# 60 dB above it: what a sound that rises from silence is taken for, one frame before it was to be heard.
_MOST = 1e3
_KERNEL = 5
# Channels where every bin is there.
_FINE = 8


class TimeBlock(nn.Module):
    """A depthwise convolution in time, then two layers on every frame, added to what came in (ConvNeXt).

    Parameters
    ----------
    width : int
    ahead : int
        Frames of the kernel's five that lie in the future; the output is so many frames late.

    Notes
    -----
    Liu et al., "A ConvNet for the 2020s", CVPR 2022; for vocoders Siuzdak, "Vocos", ICLR 2024.
    """

    def __init__(self, width: int, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.depthwise = nn.Conv1d(width, width, _KERNEL, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, frames: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``frames (batch, n_frames, width)``, ``past (batch, 4, width)`` -> as many frames, next past."""
        joined = torch.cat([past, frames], dim=1)
        seen = self.norm(self.depthwise(joined.transpose(1, 2)).transpose(1, 2))
        added = self.narrow(F.gelu(self.widen(seen)))
        kept = joined[:, _KERNEL - 1 - self.ahead : joined.shape[1] - self.ahead]
        return kept + self.scale * added, joined[:, 1 - _KERNEL :]


class MelToMagnitude(nn.Module):
    """Mel frames to magnitudes that have just this mel spectrum: `specloom.mel_to_magnitude`, learned.

    A network says by how much each bin differs from the mel bands around it (harmonics, gaps); two steps of the
    Richardson-Lucy iteration then make the magnitudes agree with the mel spectrum again. Law: twice the input gives
    twice the output, and silence gives silence (``tests/train/test_inversion.py``).

    Parameters
    ----------
    mel : MelConfig
    power : float
        1 where the filters weighed magnitudes, 2 where they weighed powers. Magnitudes come out either way.
    width : int
    ahead : sequence of int
        Of each `TimeBlock`.
    """

    filters: Tensor
    areas: Tensor
    evened: Tensor

    def __init__(self, *, mel: MelConfig, power: float, width: int, ahead: Sequence[int]) -> None:
        super().__init__()
        filters = filter_weights(mel)
        self.n_mels, self.n_bins, self.power, self.delay = mel.n_mels, filters.shape[1], power, sum(ahead)
        for name, values in (
            ("filters", filters),
            ("areas", _one_over(filters.sum(axis=1))),
            ("evened", _one_over(filters.sum(axis=0))),
        ):
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)), persistent=False)
        self.enter = nn.Linear(mel.n_mels + 1, width)
        self.blocks = nn.ModuleList(TimeBlock(width, each) for each in ahead)
        self.leave = nn.Linear(width, self.n_bins)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.width = width

    def states(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the states without the batch, in the order of `forward`."""
        shapes: dict[str, tuple[int, ...]] = {
            "loudest": (_MEMORY,),
            "waiting": (self.delay, self.n_mels + 1),
        }
        return shapes | {f"past{index}": (_KERNEL - 1, self.width) for index in range(len(self.blocks))}

    def forward(self, mel: Tensor, loudest: Tensor, waiting: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        """``mel (batch, n_frames, n_mels)`` -> ``magnitude (batch, n_frames, n_bins)``, late by ``delay``; states."""
        mel = mel.clamp_min(0.0)
        level, change, loudest = _levels(mel, loudest)
        relative = mel / level
        floor = _FLOOR**self.power
        logs = torch.log(relative + floor) / self.power
        x = self.enter(torch.cat([0.25 * logs + 1.0, change], dim=-1))
        after = []
        for block, before in zip(self.blocks, past, strict=True):
            x, kept = block(x, before)
            after.append(kept)
        joined = torch.cat([waiting, torch.cat([relative, level], dim=-1)], dim=1)
        ready = joined[:, : joined.shape[1] - self.delay]
        relative, level = ready[..., :-1], ready[..., -1:].clamp_min(_NOTHING)
        spread = torch.log(self._shared_out(relative * self.areas) + floor)
        bins = torch.exp((self.power * self.leave(x) + spread).clamp(max=8.0 * self.power))
        for _ in range(2):
            bins = bins * self._shared_out(relative / (self._gathered(bins) + 1e-12))
        magnitude = _root(bins * level) if self.power == 2.0 else bins * level
        return magnitude, loudest, joined[:, joined.shape[1] - self.delay :], *after

    def _gathered(self, bins: Tensor) -> Tensor:
        """What the filters find in the bins."""
        # Not ``bins @ filters.T``, for which a model file would hold the filters a second time, the other way round.
        return (self.filters @ bins.transpose(1, 2)).transpose(1, 2)

    def _shared_out(self, bands: Tensor) -> Tensor:
        """To each bin the mean of its bands, weighed by its shares in them."""
        return bands @ self.filters * self.evened


class Refiner(nn.Module):
    """Spectra of a first sound, and the magnitudes that it was to have, to better spectra.

    Bins get a gain and a turn. The network sees nothing that depends on where a sound begins: levels, how far the
    sound's magnitudes lie from those wanted, and how phases advance from frame to frame and bin to bin. Law: a louder
    input gives as much more, silence gives silence, and a turn of all phases turns the output
    (``tests/train/test_inversion.py``).

    Parameters
    ----------
    n_bins, hop_length : int
    width : int
        Between the convolutions over frequency, which see about 64 bands.
    channels : int
        Of these convolutions.
    ahead : sequence of int
        Of each `TimeBlock`; one frame more is seen before them.
    """

    advance: Tensor

    def __init__(self, *, n_bins: int, hop_length: int, width: int, channels: int, ahead: Sequence[int]) -> None:
        super().__init__()
        self.n_bins, self.width, self.channels, self.later = n_bins, width, channels, sum(ahead)
        self.delay = self.later + 1
        self.n_half = (n_bins + 1) // 2
        self.stride = max(1, round((n_bins - 1) / 128))
        self.n_bands = (self.n_half - 1) // self.stride + 1
        turns = hop_length * np.arange(n_bins) / (2 * (n_bins - 1))
        angles = 2 * math.pi * (turns - np.rint(turns))
        advance = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
        self.register_buffer("advance", torch.from_numpy(advance), persistent=False)
        self.halve = nn.Conv2d(6, channels, (3, 3), stride=(1, 2), padding=(0, 1))
        self.gather = nn.Conv2d(
            channels, channels, (1, 2 * self.stride - 1), stride=(1, self.stride), padding=(0, self.stride - 1)
        )
        self.enter = nn.Linear(channels * self.n_bands, width)
        self.blocks = nn.ModuleList(TimeBlock(width, each) for each in ahead)
        self.leave = nn.Linear(width, channels * self.n_bands)
        self.spread = nn.ConvTranspose2d(channels, channels, (1, self.stride), stride=(1, self.stride))
        self.back = nn.ConvTranspose2d(channels, _FINE, (1, 2), stride=(1, 2))
        self.look = nn.Conv2d(_FINE + 6, _FINE, (1, 3), padding=(0, 1))
        self.say = nn.Conv2d(_FINE, 4, (1, 3), padding=(0, 1))
        nn.init.zeros_(self.say.weight)
        # At first the sound stays what it is.
        self.say.bias = nn.Parameter(torch.tensor([-3.0, 0.0, 0.0, 0.0]))

    def states(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the states without the batch, in the order of `forward`."""
        shapes: dict[str, tuple[int, ...]] = {
            "loudest": (_MEMORY,),
            "before": (1, self.n_bins, 2),
            "maps": (self.delay + 1, self.n_bins, 6),
            "halves": (self.later, self.n_half, self.channels),
            "waiting": (self.delay, self.n_bins, 3),
        }
        return shapes | {f"past{index}": (_KERNEL - 1, self.width) for index in range(len(self.blocks))}

    def forward(
        self,
        frames: Tensor,
        loudest: Tensor,
        before: Tensor,
        maps: Tensor,
        halves: Tensor,
        waiting: Tensor,
        *past: Tensor,
    ) -> tuple[Tensor, ...]:
        """``frames (batch, n_frames, n_bins, 3)``: real, imaginary, wanted magnitude -> ``refined (batch, n_frames,
        n_bins, 2)``, late by ``delay``; states.
        """
        wanted = frames[..., 2].clamp_min(0.0)
        level, _, loudest = _levels(wanted, loudest)
        level = level.unsqueeze(-1)
        scaled = (torch.cat([frames[..., :2], wanted.unsqueeze(-1)], dim=-1) / level).clamp(-_MOST, _MOST)
        size = (scaled[..., :2].square().sum(-1, keepdim=True) + 1e-12).sqrt()
        unit = scaled[..., :2] / size
        logs, wanted_logs = torch.log(size + _FLOOR), torch.log(scaled[..., 2:] + _FLOOR)
        units = torch.cat([before, unit], dim=1)
        in_time = _times(_turned_back(units[:, 1:], units[:, :-1]), self.advance)
        in_frequency = -_turned_back(unit[:, :, 1:], unit[:, :, :-1])
        in_frequency = F.pad(in_frequency, (0, 0, 1, 0))
        now = torch.cat([0.25 * logs + 1.0, (wanted_logs - logs).clamp(-3.0, 3.0), in_time, in_frequency], dim=-1)
        all_maps = torch.cat([maps, now], dim=1)
        # Of the maps that are kept, the convolution needs the last two.
        seen = all_maps[:, self.delay - 1 :].permute(0, 3, 1, 2)
        half = F.relu(self.halve(seen))
        bands = F.gelu(self.gather(half))
        x = self.enter(bands.permute(0, 2, 1, 3).flatten(2))
        after = []
        for block, earlier in zip(self.blocks, past, strict=True):
            x, kept = block(x, earlier)
            after.append(kept)
        all_halves = torch.cat([halves, half.permute(0, 2, 3, 1)], dim=1)
        ready = all_halves[:, : all_halves.shape[1] - self.later].permute(0, 3, 1, 2)
        y = self.leave(x).unflatten(2, (self.channels, self.n_bands)).permute(0, 2, 1, 3)
        y = F.relu(self.spread(y)[..., : self.n_half] + ready)
        y = self.back(y)[..., : self.n_bins]
        ready_maps = all_maps[:, 1 : all_maps.shape[1] - self.delay].permute(0, 3, 1, 2)
        said = self.say(F.relu(self.look(torch.cat([y, ready_maps], dim=1)))).permute(0, 2, 3, 1)
        delayed = torch.cat([waiting, torch.cat([frames[..., :2], wanted.unsqueeze(-1)], dim=-1)], dim=1)
        refined = _refined(delayed[:, : delayed.shape[1] - self.delay], said)
        return (
            refined,
            loudest,
            unit[:, -1:],
            all_maps[:, all_maps.shape[1] - self.delay - 1 :],
            all_halves[:, all_halves.shape[1] - self.later :],
            delayed[:, delayed.shape[1] - self.delay :],
            *after,
        )


def zero_states(network: MelToMagnitude | Refiner, batch: int, device: torch.device) -> list[Tensor]:
    """What a sound begins with."""
    return [torch.zeros(batch, *shape, device=device) for shape in network.states().values()]


def _levels(values: Tensor, loudest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loudest of the last frames ``(batch, n_frames, 1)``, its change from frame to frame, and the state."""
    joined = torch.cat([loudest, values.amax(-1)], dim=1)
    level = F.max_pool1d(joined.unsqueeze(1), _MEMORY, stride=1).squeeze(1).clamp_min(_NOTHING)
    change = torch.log(level[:, 1:] / level[:, :-1]).clamp(-3.0, 3.0)
    return level[:, 1:].unsqueeze(-1), change.unsqueeze(-1), joined[:, joined.shape[1] - _MEMORY :]


def _root(power: Tensor) -> Tensor:
    """The square root, whose slope is no number at nothing."""
    there = power > 0.0
    return torch.where(there, torch.where(there, power, 1.0).sqrt(), 0.0)


def _turned_back(one: Tensor, other: Tensor) -> Tensor:
    """``one * conj(other)``, last axis real and imaginary."""
    real = (one * other).sum(-1)
    imaginary = one[..., 1] * other[..., 0] - one[..., 0] * other[..., 1]
    return torch.stack([real, imaginary], dim=-1)


def _times(spec: Tensor, advance: Tensor) -> Tensor:
    """``spec`` turned back by the advance that a bin's own frequency makes in a hop."""
    return _turned_back(spec, advance.expand_as(spec))


def _refined(frames: Tensor, said: Tensor) -> Tensor:
    """Spectra with magnitudes between what they are and what is wanted, times a gain up to e, and turned."""
    spec, wanted = frames[..., :2], frames[..., 2]
    power = spec.square().sum(-1)
    size = (power + 1e-30).sqrt()
    share = torch.sigmoid(said[..., 0])
    # Between the two on a scale of logarithms; both from nothing on, so that nothing stays nothing.
    aim = torch.exp((1.0 - share) * torch.log(size + 1e-15) + share * torch.log(wanted + 1e-15))
    cosine, sine = 1.0 + said[..., 2], said[..., 3]
    gain = torch.exp(torch.tanh(said[..., 1])) * aim / (size * (cosine.square() + sine.square() + 1e-9).sqrt())
    real = spec[..., 0] * cosine - spec[..., 1] * sine
    imaginary = spec[..., 0] * sine + spec[..., 1] * cosine
    return torch.stack([real, imaginary], dim=-1) * gain.unsqueeze(-1)


def _one_over(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums)))
