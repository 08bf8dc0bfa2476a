"""The same kind of mixtures made on a GPU, whole batches at once, with the recordings kept in its memory.

Speech, recorded and made noise, babble, second-order filters, rooms, the ratio, the level, band limits, clipping and
companding are as in `specloom.train.data.mixing`. Missing are what would leave the device or is not worth it: codecs of
files, recordings at another speed, gusts, hum, clicks and tones. Draws come from other random numbers, so items differ
from those of the CPU; the laws are the same (tests/train/test_data_device.py).
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len

from specloom.errors import ParameterError
from specloom.train.data.clips import Clips
from specloom.train.data.mixing import Sources
from specloom.train.data.rooms import room
from specloom.train.data.settings import MixingSettings
from specloom.train.data.workers import MixtureStream

_SILENT: Final = 1e-7
# A second holds at most so many recordings; what would follow stays silent.
_MOST_PER_SECOND: Final = 8
# Nothing else that is drawn may begin from the same numbers.
_STREAM: Final = 0x44657669

_Ints = npt.NDArray[np.int64]


class DeviceMixture(NamedTuple):
    """Noisy sound and what should be left of it: float32 tensors ``(batch, n_samples)`` on the device."""

    noisy: torch.Tensor
    clean: torch.Tensor


class DeviceMixtureStream:
    """Batches of training items made on a device; an iterator without end.

    Parameters
    ----------
    sources : Sources
        Copied to the device as 16-bit integers (0.12 GB an hour at 16 kHz).
    settings : MixingSettings
        What the device does not make (see above) is left out; its shares go to plain recordings.
    seed, batch_size, first_item, every
        As for `specloom.train.data.MixtureStream`. Here the batch, not the item, is a pure function of the seed and
        the number of its first item.
    device : torch.device

    Raises
    ------
    ParameterError
        For a number out of its range.
    """

    def __init__(
        self,
        sources: Sources,
        settings: MixingSettings,
        *,
        seed: int,
        batch_size: int,
        device: torch.device,
        first_item: int = 0,
        every: int | None = None,
    ) -> None:
        every = batch_size if every is None else every
        least = {"seed": 0, "batch_size": 1, "first_item": 0, "every": 1}
        for name, value in zip(least, (seed, batch_size, first_item, every), strict=True):
            if isinstance(value, bool) or not isinstance(value, int) or value < least[name]:
                raise ParameterError(f"{name}={value!r}: a whole number of at least {least[name]} is needed")
        self._mixer = DeviceMixer(sources, settings, seed=seed, device=device)
        self._batch_size, self._next_item, self._every = batch_size, first_item, every
        self.n_given = 0
        self.waited_s = 0.0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DeviceMixture:
        began = time.perf_counter()
        mixture = self._mixer.mix(self._next_item, self._batch_size)
        self._next_item += self._every
        self.n_given += 1
        self.waited_s += time.perf_counter() - began
        return mixture

    def close(self) -> None:
        """Nothing to end; here so that both streams are used alike."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def mixture_stream(
    sources: Sources,
    settings: MixingSettings,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    first_item: int = 0,
    every: int | None = None,
    workers: int = 1,
) -> MixtureStream | DeviceMixtureStream:
    """The stream that suits a device: processes that mix for the CPU, the device itself for any other.

    Parameters
    ----------
    sources, settings, seed, batch_size, first_item, every, workers
        As for `specloom.train.data.MixtureStream`.
    device : torch.device

    Returns
    -------
    MixtureStream or DeviceMixtureStream
        Batches of arrays or of tensors; ``torch.as_tensor(batch.noisy, device=device)`` takes both.
    """
    if device.type != "cpu":
        return DeviceMixtureStream(
            sources, settings, seed=seed, batch_size=batch_size, device=device, first_item=first_item, every=every
        )
    return MixtureStream(
        sources, settings, seed=seed, batch_size=batch_size, first_item=first_item, every=every, workers=workers
    )


class DeviceMixer:
    """Recordings and rooms in the memory of a device, and what mixes them there.

    Parameters
    ----------
    sources : Sources
    settings : MixingSettings
    seed : int
    device : torch.device
    """

    def __init__(self, sources: Sources, settings: MixingSettings, *, seed: int, device: torch.device) -> None:
        self._settings, self._seed, self._device = settings, seed, device
        self._rate = sources.sample_rate
        self._n = round(settings.seconds * sources.sample_rate)
        self._speech = _Library(sources.speech, settings.speaker_balance, device)
        self._noise = None if sources.noise is None else _Library(sources.noise, settings.noise_balance, device)
        self._rooms = _room_spectra(settings, self._rate, seed, device) if settings.room_share > 0 else None
        taps = 0 if self._rooms is None else self._rooms.n_taps
        # Filters of second order ring for less than this.
        self._n_fft = int(next_fast_len(self._n + taps + 512, real=True))
        self._bins = torch.arange(self._n_fft // 2 + 1, device=device, dtype=torch.float32) / self._n_fft

    def mix(self, first_item: int, batch_size: int) -> DeviceMixture:
        """One batch; the same for the same seed, first item, size and device."""
        settings, n = self._settings, self._n
        rng = np.random.default_rng([_STREAM, self._seed, first_item])
        generator = torch.Generator(device=self._device)
        generator.manual_seed(int(rng.integers(2**62)))
        kind = rng.random(batch_size)
        passed = self._column(kind < settings.clean_share)
        voiceless = (kind >= settings.clean_share) & (kind < settings.clean_share + settings.noise_only_share)
        speakers = self._speech.groups(rng, batch_size)
        speech = self._speech.pieces(rng, speakers, n) * ~self._column(voiceless)

        in_room = rng.random(batch_size) < settings.room_share
        rooms = rng.integers(settings.rooms.count, size=batch_size)
        spectrum = torch.fft.rfft(speech, self._n_fft)
        spectrum = spectrum * self._filters(rng, batch_size, settings.speech_filter_share)
        dry = self._samples(spectrum)
        heard, target = dry, dry
        if self._rooms is not None and in_room.any():
            mask = self._column(in_room)
            heard = torch.where(mask, self._samples(spectrum * self._rooms.spectra(rooms, 0, self._n_fft)), dry)
            target = torch.where(mask, self._samples(spectrum * self._rooms.spectra(rooms, 1, self._n_fft)), dry)
        noise = self._noises(rng, generator, batch_size, speakers, in_room, rooms)
        noise = noise * self._noise_gain(rng, heard, noise)
        noisy = torch.where(passed, dry, heard + noise)
        clean = torch.where(passed, dry, target)
        return self._recorded(rng, *self._at_level(rng, noisy, clean), passed)

    def _column(self, values: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, non_blocking=True)[:, None]

    def _samples(self, spectrum: torch.Tensor) -> torch.Tensor:
        samples: torch.Tensor = torch.fft.irfft(spectrum, self._n_fft)
        return samples[:, : self._n]

    def _filters(self, rng: np.random.Generator, batch_size: int, share: float) -> torch.Tensor:
        """Responses ``(batch, n_bins)`` of drawn filters of second order, 1 where none was drawn."""
        strength = self._settings.filter_strength * (rng.random((batch_size, 1)) < share)
        r = rng.uniform(-1.0, 1.0, (batch_size, 4)) * strength
        r1, r2, r3, r4 = (self._column(r[:, index].astype(np.float32)) for index in range(4))
        delay = torch.polar(torch.ones_like(self._bins), -2.0 * torch.pi * self._bins)
        response: torch.Tensor = (1 + delay * (r1 + delay * r2)) / (1 + delay * (r3 + delay * r4))
        return response

    def _noises(
        self,
        rng: np.random.Generator,
        generator: torch.Generator,
        batch_size: int,
        speakers: _Ints,
        in_room: npt.NDArray[np.bool_],
        rooms: _Ints,
    ) -> torch.Tensor:
        settings = self._settings
        total = torch.zeros(batch_size, self._n, device=self._device)
        wanted = np.ones(batch_size, dtype=bool)
        for index in range(settings.most_noises):
            if index > 0:
                wanted &= rng.random(batch_size) < settings.more_noises_share
            dry = self._one_noise(rng, generator, batch_size, speakers)
            spectrum = torch.fft.rfft(dry, self._n_fft)
            spectrum = spectrum * self._filters(rng, batch_size, settings.noise_filter_share)
            if self._rooms is not None:
                response = self._rooms.spectra(rooms, 2 + index % 3, self._n_fft)
                spectrum = torch.where(self._column(in_room), spectrum * response, spectrum)
            noise = self._samples(spectrum)
            level = 10.0 ** (rng.uniform(-12.0, 0.0, batch_size) / 20.0) if index else np.ones(batch_size)
            gain = self._column((level * wanted).astype(np.float32))
            total = total + noise / _rms(noise).clamp_min(_SILENT) * gain
        return total

    def _one_noise(
        self, rng: np.random.Generator, generator: torch.Generator, batch_size: int, speakers: _Ints
    ) -> torch.Tensor:
        settings = self._settings
        kind = rng.random(batch_size)
        made = self._made(rng, generator, batch_size)
        if self._noise is None:
            noise = made
        else:
            noise = self._noise.pieces(rng, self._noise.groups(rng, batch_size), self._n, alone=False)
            # Digital silence is no noise; a made one takes its place.
            use_made = (kind >= settings.babble_share) & (kind < settings.babble_share + settings.made_share)
            noise = torch.where(self._column(use_made) | (_rms(noise) < 1e-5), made, noise)
        babbling = np.flatnonzero(kind < settings.babble_share)
        if len(babbling) and self._speech.n_groups > 1:
            noise = noise.index_copy(0, self._column(babbling)[:, 0], self._babble(rng, made, babbling, speakers))
        return noise

    def _babble(self, rng: np.random.Generator, made: torch.Tensor, babbling: _Ints, speakers: _Ints) -> torch.Tensor:
        low, high = self._settings.babble_voices
        rows = np.repeat(np.arange(len(babbling)), rng.integers(low, high + 1, len(babbling)))
        groups = self._speech.groups(rng, len(rows))
        others = groups != speakers[babbling][rows]
        voices = self._speech.pieces(rng, groups, self._n)
        level = self._column((10.0 ** rng.uniform(-0.4, 0.0, len(rows)) * others).astype(np.float32))
        voices = voices / _rms(voices).clamp_min(1e-5) * level
        summed = torch.zeros(len(babbling), self._n, device=self._device)
        summed.index_add_(0, self._column(rows)[:, 0], voices)
        return torch.where(_rms(summed) < 1e-5, made[: len(babbling)], summed)

    def _made(self, rng: np.random.Generator, generator: torch.Generator, batch_size: int) -> torch.Tensor:
        shape = (batch_size, len(self._bins))
        spectrum = torch.randn(shape, generator=generator, device=self._device, dtype=torch.complex64)
        slope = self._column(rng.uniform(-1.0, 2.2, batch_size).astype(np.float32))
        hertz = (self._bins * self._rate).clamp_min(20.0)
        return self._samples(spectrum * hertz ** (-slope / 2.0))

    def _noise_gain(self, rng: np.random.Generator, speech: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        settings, size = self._settings, len(speech)
        high = rng.random(size) < settings.high_snr_share
        snr_db = np.where(high, rng.uniform(*settings.high_snr_db, size), rng.uniform(*settings.snr_db, size))
        ratio = self._column((10.0 ** (-snr_db / 20.0)).astype(np.float32))
        speech_rms, noise_rms = _rms(speech), _rms(noise)
        gain = speech_rms / noise_rms.clamp_min(_SILENT) * ratio
        return torch.where((speech_rms < _SILENT) | (noise_rms < _SILENT), torch.ones_like(gain), gain)

    def _at_level(
        self, rng: np.random.Generator, noisy: torch.Tensor, clean: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        level = self._column((10.0 ** (rng.uniform(*self._settings.level_dbfs, len(noisy)) / 20.0)).astype(np.float32))
        peak = torch.maximum(noisy.abs().amax(1, keepdim=True), clean.abs().amax(1, keepdim=True))
        gain = torch.minimum(level / _rms(noisy).clamp_min(_SILENT), 1.0 / peak.clamp_min(_SILENT))
        return noisy * gain, clean * gain

    def _recorded(
        self, rng: np.random.Generator, noisy: torch.Tensor, clean: torch.Tensor, passed: torch.Tensor
    ) -> DeviceMixture:
        settings, size = self._settings, len(noisy)
        clip_db = rng.uniform(*settings.clip_db, size) * (rng.random(size) < settings.clip_share)
        limit = noisy.abs().amax(1, keepdim=True) * self._column((10.0 ** (-clip_db / 20.0)).astype(np.float32))
        noisy = torch.where(passed, noisy, noisy.clamp(-limit, limit))
        limited = rng.random(size) < settings.band_limit_share
        if limited.any():
            noisy, clean = self._band_limited(rng, limited, noisy, clean)
        coded = self._column(rng.random(size) < settings.codec_share) & ~passed
        return DeviceMixture(torch.where(coded, _companded(noisy), noisy), clean)

    def _band_limited(
        self, rng: np.random.Generator, limited: npt.NDArray[np.bool_], noisy: torch.Tensor, clean: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self._column(np.flatnonzero(limited))[:, 0]
        size = len(rows)
        highest = 0.48 * self._rate
        lowest = min(3000.0, 0.5 * highest)
        high = self._column((lowest * (highest / lowest) ** rng.random(size)).astype(np.float32))
        low = self._column(np.where(rng.random(size) < 0.5, 20.0, rng.uniform(60.0, 400.0, size)).astype(np.float32))
        hertz = (self._bins * self._rate).clamp_min(1.0)
        # The magnitudes of Butterworth filters, without their phase: noisy and clean stay aligned either way.
        response = 1.0 / torch.sqrt((1.0 + (hertz / high) ** 24) * (1.0 + (low / hertz) ** 4))
        parts = []
        for part in (noisy, clean):
            kept = self._samples(torch.fft.rfft(part[rows], self._n_fft) * response).clamp(-1.0, 1.0)
            parts.append(part.index_copy(0, rows, kept))
        return parts[0], parts[1]


class _Library:
    """Recordings in the device's memory, drawn by group for a whole batch at once."""

    def __init__(self, clips: Clips, balance: float, device: torch.device) -> None:
        self._samples = torch.from_numpy(np.array(clips.samples)).to(device)
        self._rate, self._device = clips.sample_rate, device
        names = {name: index for index, name in enumerate(clips.group_names)}
        member_of = np.array([names[group] for group in clips.groups])
        order = np.argsort(member_of, kind="stable")
        self._order, self._starts, self._lengths = order, clips.starts[:-1], clips.lengths
        self._within = np.concatenate([[0], np.cumsum(clips.lengths[order])])
        edges = np.searchsorted(member_of[order], np.arange(len(names) + 1))
        self._first, self._last = self._within[edges[:-1]], self._within[edges[1:]]
        totals = (self._last - self._first).astype(np.float64)
        weights = np.where(totals > 0, np.maximum(totals, 1.0) ** balance, 0.0)
        self._weights = np.cumsum(weights) / weights.sum()
        self.n_groups = int((weights > 0).sum())

    def groups(self, rng: np.random.Generator, count: int) -> _Ints:
        drawn = np.searchsorted(self._weights, rng.random(count), side="right")
        return np.minimum(drawn, len(self._weights) - 1)

    def pieces(self, rng: np.random.Generator, groups: _Ints, n_samples: int, *, alone: bool = True) -> torch.Tensor:
        """One row per group, ``(len(groups), n_samples)``: a cut, or short recordings one after another.

        With `alone` those that follow are of the same group, and pauses lie between.
        """
        rows = len(groups)
        clip = self._clips(rng, groups)
        spare = self._lengths[clip] - n_samples
        start = np.where(spare >= 0, np.floor(rng.random(rows) * (spare + 1)), 0).astype(np.int64)
        late = np.minimum(-spare, self._rate // 2) + 1
        place = np.where(spare < 0, np.floor(rng.random(rows) * late), 0).astype(np.int64)
        places, froms, lengths = [], [], []
        pause = (0.1, 0.6) if alone else (0.0, 0.3)
        for _ in range(1 + int(_MOST_PER_SECOND * n_samples / self._rate)):
            length = self._lengths[clip] - start
            places.append(place)
            froms.append(self._starts[clip] + start)
            lengths.append(length)
            place = place + length + (rng.uniform(*pause, rows) * self._rate).astype(np.int64)
            if (place >= n_samples).all():
                break
            clip = self._clips(rng, groups if alone else self.groups(rng, rows))
            start = np.zeros(rows, np.int64)
        return self._gathered(np.stack(places, 1), np.stack(froms, 1), np.stack(lengths, 1), n_samples)

    def _clips(self, rng: np.random.Generator, groups: _Ints) -> _Ints:
        first, last = self._first[groups], self._last[groups]
        target = first + np.minimum(np.floor(rng.random(len(groups)) * (last - first)), last - first - 1)
        found: _Ints = self._order[np.searchsorted(self._within, target, side="right") - 1]
        return found

    def _gathered(self, places: _Ints, froms: _Ints, lengths: _Ints, n_samples: int) -> torch.Tensor:
        place, origin, length = (torch.from_numpy(each).to(self._device) for each in (places, froms, lengths))
        position = torch.arange(n_samples, device=self._device).expand(len(places), -1).contiguous()
        which = torch.searchsorted(place, position, right=True) - 1
        before = which < 0
        which = which.clamp_min(0)
        offset = position - place.gather(1, which)
        silent = before | (offset >= length.gather(1, which))
        index = (origin.gather(1, which) + offset).masked_fill(silent, 0)
        samples = self._samples[index].to(torch.float32).mul_(1 / 32768)
        return samples.masked_fill_(silent, 0.0)


class _Rooms(NamedTuple):
    responses: torch.Tensor

    @property
    def n_taps(self) -> int:
        return int(self.responses.shape[-1])

    def spectra(self, rooms: _Ints, which: int, n_fft: int) -> torch.Tensor:
        """Of response 0 (speech), 1 (its early part), 2, 3 or 4 (noises) of each room: ``(batch, n_bins)``."""
        chosen = torch.from_numpy(rooms).to(self.responses.device)
        spectra: torch.Tensor = torch.fft.rfft(self.responses[chosen, which], n_fft)
        return spectra


def _room_spectra(settings: MixingSettings, sample_rate: int, seed: int, device: torch.device) -> _Rooms:
    numbers = range(settings.rooms.count)
    made = [room(settings.rooms, sample_rate=sample_rate, seed=seed, index=index) for index in numbers]
    n_taps = max(each.speech.shape[1] for each in made)
    responses = np.zeros((len(made), 5, n_taps), np.float32)
    for each, place in zip(made, responses, strict=True):
        place[:2, : each.speech.shape[1]] = each.speech
        place[2:, : each.noises.shape[1]] = each.noises
    return _Rooms(torch.from_numpy(responses).to(device))


def _rms(samples: torch.Tensor) -> torch.Tensor:
    return samples.square().mean(1, keepdim=True).sqrt()


def _companded(samples: torch.Tensor) -> torch.Tensor:
    """Through µ-law of 8 bits (ITU-T G.711)."""
    scale = float(np.log(256.0))
    code = torch.round(127.0 * torch.log1p(255.0 * samples.abs()) / scale) / 127.0
    return samples.sign() * torch.expm1(code * scale) / 255.0
