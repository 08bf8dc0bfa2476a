"""Training items: speech and noise mixed on the fly, each item a pure function of the seed and its number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.train.data.clips import Clips, picker_of
from specloom.train.data.codecs import BAND_LIMITED, through_codec
from specloom.train.data.effects import (
    band_limited,
    clipped,
    convolved,
    drawn_band_limit,
    drawn_biquad,
    filtered,
    telephone_band,
)
from specloom.train.data.made import made_noise
from specloom.train.data.rooms import Room, cached_room
from specloom.train.data.segments import babble_piece, noise_piece, rms, speech_at_speed, speech_piece
from specloom.train.data.settings import MixingSettings

_Floats = npt.NDArray[np.float32]

_SILENT: Final = 1e-7


class Mixture(NamedTuple):
    """Noisy sound and what should be left of it: float32 arrays ``(n_samples,)`` or ``(batch, n_samples)``."""

    noisy: _Floats
    clean: _Floats


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What is mixed.

    Parameters
    ----------
    speech : Clips
        Grouped by speaker.
    noise : Clips or None
        Grouped by recording. Without it all noise is made (and babble).

    Raises
    ------
    ParameterError
        When there is no speech, or the two have different rates.
    """

    speech: Clips
    noise: Clips | None = None

    def __post_init__(self) -> None:
        if not self.speech.lengths.any():
            raise ParameterError("the speech to mix holds no samples; give folders with recordings of speech")
        if self.noise is not None and self.noise.sample_rate != self.speech.sample_rate:
            raise ParameterError(
                f"speech at {self.speech.sample_rate} Hz and noise at {self.noise.sample_rate} Hz: "
                "one rate is needed; make both with the same sample_rate"
            )
        if self.noise is not None and not self.noise.lengths.any():
            object.__setattr__(self, "noise", None)

    @property
    def sample_rate(self) -> int:
        """Hertz, of both."""
        return self.speech.sample_rate


def mix_batch(sources: Sources, settings: MixingSettings, *, seed: int, items: Iterable[int]) -> Mixture:
    """Several items, one per row; see `mix_item`."""
    mixtures = [mix_item(sources, settings, seed=seed, item=item) for item in items]
    return Mixture(np.stack([each.noisy for each in mixtures]), np.stack([each.clean for each in mixtures]))


def mix_item(sources: Sources, settings: MixingSettings, *, seed: int, item: int) -> Mixture:
    """Item number `item` of the endless stream that belongs to `seed`.

    Parameters
    ----------
    sources : Sources
    settings : MixingSettings
    seed, item : int
        At least 0. The same sources, settings, seed and item give the same samples, in any process and order.

    Returns
    -------
    Mixture
        Arrays of ``(round(seconds * sample_rate),)``, aligned to the sample, within ±1.

    Notes
    -----
    Speech and each noise are drawn, maybe played at another speed, and filtered; a room adds reflections (the target
    keeps the early ones); the noise is scaled to the drawn ratio, then everything to the drawn level; a band limit
    acts on noisy and clean; clipping and codecs act on noisy alone. Without room, band limit, clipping and codec,
    noisy - clean is the noise at exactly the drawn ratio (tests/train/test_data_mixing.py).
    """
    rng = np.random.default_rng([seed, item])
    n_samples = round(settings.seconds * sources.sample_rate)
    kind = rng.random()
    picker = picker_of(sources.speech, settings.speaker_balance)
    speaker = picker.group(rng)
    if rng.random() < settings.speech_speed_share:
        speech = speech_at_speed(rng, sources.speech, picker, speaker, n_samples, rng.uniform(*settings.speech_speed))
    else:
        speech = speech_piece(rng, sources.speech, picker, speaker, n_samples)
    if rng.random() < settings.speech_filter_share:
        speech = filtered(speech, drawn_biquad(rng, settings.filter_strength))
    if kind < settings.clean_share:
        return _band_limited(rng, settings, _at_level(rng, settings, speech, speech), sources.sample_rate)
    if kind < settings.clean_share + settings.noise_only_share:
        speech = np.zeros_like(speech)
    room = _drawn_room(rng, sources, settings, seed)
    heard, target = (speech, speech) if room is None else convolved(speech, room.speech)
    noise = _all_noises(rng, sources, settings, speaker, room)
    noise *= np.float32(_noise_gain(heard, noise, _drawn_snr(rng, settings)))
    mixture = _at_level(rng, settings, heard + noise, target)
    return _recorded(rng, settings, mixture, sources.sample_rate)


def _drawn_snr(rng: np.random.Generator, settings: MixingSettings) -> float:
    high = rng.random() < settings.high_snr_share
    return float(rng.uniform(*(settings.high_snr_db if high else settings.snr_db)))


def _noise_gain(speech: _Floats, noise: _Floats, snr_db: float) -> float:
    speech_rms, noise_rms = rms(speech), rms(noise)
    if noise_rms < _SILENT or speech_rms < _SILENT:
        return 1.0
    return speech_rms / noise_rms * float(10.0 ** (-snr_db / 20.0))


def _drawn_room(rng: np.random.Generator, sources: Sources, settings: MixingSettings, seed: int) -> Room | None:
    if rng.random() >= settings.room_share:
        return None
    return cached_room(settings.rooms, sources.sample_rate, seed, int(rng.integers(settings.rooms.count)))


def _all_noises(
    rng: np.random.Generator, sources: Sources, settings: MixingSettings, speaker: int, room: Room | None
) -> _Floats:
    total = _one_noise(rng, sources, settings, speaker, room, 0)
    for index in range(1, settings.most_noises):
        if rng.random() >= settings.more_noises_share:
            break
        another = _one_noise(rng, sources, settings, speaker, room, index)
        level = rms(total) / max(rms(another), _SILENT) * 10.0 ** (rng.uniform(-12.0, 0.0) / 20.0)
        total += another * np.float32(level)
    return total


def _one_noise(
    rng: np.random.Generator, sources: Sources, settings: MixingSettings, speaker: int, room: Room | None, index: int
) -> _Floats:
    noise = _dry_noise(rng, sources, settings, speaker)
    if rng.random() < settings.noise_filter_share:
        noise = filtered(noise, drawn_biquad(rng, settings.filter_strength))
    if room is None:
        return noise
    response = room.noises[index % len(room.noises)]
    heard: _Floats = convolved(noise, response[np.newaxis])[0]
    return heard


def _dry_noise(rng: np.random.Generator, sources: Sources, settings: MixingSettings, speaker: int) -> _Floats:
    n_samples = round(settings.seconds * sources.sample_rate)
    kind = rng.random()
    if kind < settings.babble_share:
        babble = babble_piece(rng, sources.speech, settings, n_samples, but_not=speaker)
        if babble is not None:
            return babble
    if kind < settings.babble_share + settings.made_share or sources.noise is None:
        return made_noise(rng, n_samples=n_samples, sample_rate=sources.sample_rate)
    return noise_piece(rng, sources.noise, settings, n_samples)


def _at_level(rng: np.random.Generator, settings: MixingSettings, noisy: _Floats, clean: _Floats) -> Mixture:
    level = 10.0 ** (rng.uniform(*settings.level_dbfs) / 20.0)
    gain = level / max(rms(noisy), _SILENT)
    peak = max(float(np.abs(noisy).max(initial=0.0)), float(np.abs(clean).max(initial=0.0)))
    gain = np.float32(min(gain, 1.0 / max(peak, _SILENT)))
    loud = noisy * gain
    return Mixture(loud, loud.copy() if clean is noisy else clean * gain)


def _recorded(rng: np.random.Generator, settings: MixingSettings, mixture: Mixture, sample_rate: int) -> Mixture:
    if rng.random() < settings.clip_share:
        mixture = mixture._replace(noisy=clipped(mixture.noisy, rng.uniform(*settings.clip_db)))
    if rng.random() >= settings.codec_share:
        return _band_limited(rng, settings, mixture, sample_rate)
    codec = settings.codecs[int(rng.integers(len(settings.codecs)))]
    if codec in BAND_LIMITED:
        mixture = _through_band(mixture, telephone_band(sample_rate))
    return mixture._replace(noisy=through_codec(mixture.noisy, codec, sample_rate=sample_rate, rng=rng))


def _band_limited(rng: np.random.Generator, settings: MixingSettings, mixture: Mixture, sample_rate: int) -> Mixture:
    if rng.random() >= settings.band_limit_share:
        return mixture
    return _through_band(mixture, drawn_band_limit(rng, sample_rate))


def _through_band(mixture: Mixture, sections: _Floats) -> Mixture:
    # A filter can push a peak over full scale.
    return Mixture(*np.clip(band_limited(np.stack(mixture), sections), -1.0, 1.0))


def plain(settings: MixingSettings) -> MixingSettings:
    """The same settings with nothing but speech, recorded noise, a ratio and a level.

    Examples
    --------
    >>> plain(MixingSettings(seconds=2.0)).room_share
    0.0
    """
    shares = {name: 0.0 for name in settings.__dataclass_fields__ if name.endswith("_share")}
    return replace(settings, **shares)  # type: ignore[arg-type]
