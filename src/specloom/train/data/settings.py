"""How training mixtures are made: plain numbers, checked where they are built."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real
from typing import Final, get_args

from specloom.errors import ParameterError
from specloom.train.data.codecs import Codec

Range = tuple[float, float]

CODECS: Final[tuple[Codec, ...]] = get_args(Codec)


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """The rooms that responses are made for.

    Parameters
    ----------
    count : int
        Different rooms; each has one place for the speaker and three for noises.
    t60_s : (float, float)
        Reverberation time, in seconds, drawn evenly.
    side_m, height_m : (float, float)
        Length and width, and height, in metres.
    distance_m : (float, float)
        From the speaker to the microphone.
    early_s : float
        Reflections that arrive at most so late after the direct sound belong to the target.
    longest_s : float
        Responses are cut here.
    """

    count: int = 300
    t60_s: Range = (0.15, 0.8)
    side_m: Range = (2.5, 9.0)
    height_m: Range = (2.3, 4.0)
    distance_m: Range = (0.3, 2.5)
    early_s: float = 0.05
    longest_s: float = 0.5

    def __post_init__(self) -> None:
        _require_count(self, "count", 1)
        for name in ("t60_s", "side_m", "height_m", "distance_m"):
            _require_range(self, name, least=0.05)
        _require_number(self, "early_s", 0.0, 1.0)
        _require_number(self, "longest_s", 0.05, 3.0)


@dataclass(frozen=True, kw_only=True)
class MixingSettings:
    """How a training item is mixed. Shares are probabilities; ranges are drawn evenly.

    Parameters
    ----------
    seconds : float
        Length of an item.
    snr_db : (float, float)
        Energy of the speech over that of the noise, both summed over the whole item, pauses included. Speech is
        what is heard of it (with all reflections of the room).
    high_snr_share, high_snr_db : float, (float, float)
        So many of the items draw their ratio from this range instead: what is nearly clean must stay as it is.
    clean_share : float
        Items without noise and without reverberation: noisy and clean are equal.
    noise_only_share : float
        Items without speech: clean is silent.
    level_dbfs : (float, float)
        Root mean square of the noisy item, relative to full scale ±1 (a full-scale square wave is 0 dB). Lowered
        where a sample would pass full scale.
    speaker_balance, noise_balance : float
        Speakers (recordings of noise) are drawn with a probability proportional to ``seconds ** balance``: 0 all
        equally often, 1 every second of the material equally often.
    most_noises, more_noises_share : int, float
        Up to so many sources of noise at once; each further one comes with this probability.
    made_share, babble_share : float
        How often a source of noise is made (colours, hum, clicks, tones, gusts), or other speakers who talk at once,
        instead of a recording.
    babble_voices : (int, int)
        How many speakers babble. Nobody babbles whose voice is the target, so one speaker alone gives no babble.
    speech_speed_share, speech_speed, noise_speed_share, noise_speed : float, (float, float)
        Recordings that are played faster or slower, by this factor: a voice becomes another one.
    room_share : float
        Items in a room; the target keeps the early reflections.
    rooms : RoomSettings
    speech_filter_share, noise_filter_share, filter_strength : float
        Random filters of second order, ``(1 + r1/z + r2/z²) / (1 + r3/z + r4/z²)`` with every r within ±strength
        (Valin 2018, RNNoise); speech is filtered before it becomes target and mixture.
    band_limit_share : float
        Items that lack highs, lows, or are of a telephone: noisy and clean alike.
    clip_share, clip_db : float, (float, float)
        Items clipped so many decibels under their peak: noisy only.
    codec_share, codecs : float, tuple of str
        Items that went through one of these codecs: noisy only. "gsm" and "telephone" also limit the band, of noisy
        and clean alike.

    Raises
    ------
    ParameterError
        Naming the field, its value and what is allowed.

    Examples
    --------
    >>> from dataclasses import replace
    >>> replace(MixingSettings(), snr_db=(-5.0, 15.0), room_share=0.0).snr_db
    (-5.0, 15.0)
    """

    seconds: float = 4.0
    snr_db: Range = (-5.0, 20.0)
    high_snr_share: float = 0.2
    high_snr_db: Range = (15.0, 35.0)
    clean_share: float = 0.05
    noise_only_share: float = 0.02
    level_dbfs: Range = (-38.0, -15.0)
    speaker_balance: float = 0.5
    noise_balance: float = 0.5
    most_noises: int = 3
    more_noises_share: float = 0.25
    made_share: float = 0.12
    babble_share: float = 0.06
    babble_voices: tuple[int, int] = (3, 8)
    speech_speed_share: float = 0.25
    speech_speed: Range = (0.88, 1.14)
    noise_speed_share: float = 0.3
    noise_speed: Range = (0.8, 1.25)
    room_share: float = 0.25
    rooms: RoomSettings = field(default_factory=RoomSettings)
    speech_filter_share: float = 0.4
    noise_filter_share: float = 0.5
    filter_strength: float = 0.375
    band_limit_share: float = 0.08
    clip_share: float = 0.03
    clip_db: Range = (1.0, 10.0)
    codec_share: float = 0.03
    codecs: tuple[Codec, ...] = ("mulaw", "alaw", "telephone", "gsm", "mp3", "vorbis")

    def __post_init__(self) -> None:
        _require_number(self, "seconds", 0.05, 600.0)
        for name in (name for name in self.__dataclass_fields__ if name.endswith("_share")):
            _require_number(self, name, 0.0, 1.0)
        if self.clean_share + self.noise_only_share > 1:
            raise ParameterError(
                f"clean_share={self.clean_share} and noise_only_share={self.noise_only_share}: together at most 1"
            )
        for name in ("snr_db", "high_snr_db", "level_dbfs"):
            _require_range(self, name)
        _require_range(self, "speech_speed", least=0.25)
        _require_range(self, "noise_speed", least=0.25)
        _require_range(self, "clip_db", least=0.0)
        _require_range(self, "babble_voices", least=1)
        _require_number(self, "speaker_balance", 0.0, 1.0)
        _require_number(self, "noise_balance", 0.0, 1.0)
        # Beyond a half the filter need not be stable.
        _require_number(self, "filter_strength", 0.0, 0.499)
        _require_count(self, "most_noises", 1)
        object.__setattr__(self, "codecs", tuple(self.codecs))
        if not self.codecs or not set(self.codecs) <= set(CODECS):
            raise ParameterError(f"codecs={self.codecs!r}: at least one of {', '.join(CODECS)} is needed")


def _require_number(settings: object, name: str, least: float, most: float) -> None:
    value = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= float(value) <= most:
        raise ParameterError(f"{name}={value!r}: a number from {least:g} to {most:g} is needed")


def _require_count(settings: object, name: str, least: int) -> None:
    value = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"{name}={value!r}: a whole number of at least {least} is needed")


def _require_range(settings: object, name: str, least: float = -math.inf) -> None:
    value = getattr(settings, name)
    numbers = isinstance(value, tuple | list) and len(value) == 2
    if not numbers or any(isinstance(end, bool) or not isinstance(end, Real) for end in value):
        raise ParameterError(f"{name}={value!r}: two numbers are needed, the least and the most")
    low, high = value
    if not (math.isfinite(low) and math.isfinite(high) and least <= low <= high):
        floor = "" if least == -math.inf else f", of at least {least:g}"
        raise ParameterError(f"{name}={value!r}: two numbers{floor} are needed, the smaller one first")
    object.__setattr__(settings, name, (low, high))
