"""Pieces of recordings of exactly the wanted length: one speaker's voice, a noise, a babble."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from specloom.train.data.clips import Clips, Picker, picker_of
from specloom.train.data.made import made_noise
from specloom.train.data.settings import MixingSettings

_Floats = npt.NDArray[np.float32]

# A piece is drawn so often until it is louder than -46 dB under full scale; recordings are stored with their peak near
# full scale, so quieter pieces are pauses.
_DRAWS: Final = 4
_QUIET: Final = 0.005
# Joints of looped noise are faded over this.
_JOINT_S: Final = 0.01
# Samples at each end of a piece that is resampled as if it went round.
_JOINED: Final = 128


def speech_piece(rng: np.random.Generator, clips: Clips, picker: Picker, group: int, n_samples: int) -> _Floats:
    """One speaker for `n_samples`: a cut of one recording, or several short ones with pauses between them.

    Drawn again (up to four times) when it is nearly silent.
    """
    piece = _of_one_voice(rng, clips, picker, group, n_samples)
    for _ in range(_DRAWS - 1):
        if rms(piece) >= _QUIET:
            break
        piece = _of_one_voice(rng, clips, picker, group, n_samples)
    return piece


def speech_at_speed(
    rng: np.random.Generator, clips: Clips, picker: Picker, group: int, n_samples: int, speed: float
) -> _Floats:
    """As `speech_piece`, played faster (`speed` above 1, higher too) or slower.

    Resampled in the frequency domain, because between neighbours on a straight line the highs of the target would
    suffer; both ends, where the transform joins end and beginning, are cut off. The speed is rounded to what quick
    transforms have.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n_read = next_fast_len(int((n_samples + 2 * _JOINED) * speed) + 1)
    n_played = next_fast_len(max(n_samples + 2 * _JOINED, round(n_read / speed)))
    spectrum = rfft(speech_piece(rng, clips, picker, group, n_read))
    played: _Floats = irfft(spectrum[: n_played // 2 + 1], n_played)
    return played[_JOINED : _JOINED + n_samples] * np.float32(n_played / n_read)


def _of_one_voice(rng: np.random.Generator, clips: Clips, picker: Picker, group: int, n_samples: int) -> _Floats:
    piece = np.zeros(n_samples, np.float32)
    index = picker.clip(rng, group)
    spare = int(clips.lengths[index]) - n_samples
    if spare >= 0:
        return clips.read(index, int(rng.integers(spare + 1)), n_samples)
    place = int(rng.integers(min(-spare, clips.sample_rate // 2) + 1))
    while place < n_samples:
        words = clips.read(index, 0, n_samples - place)
        piece[place : place + len(words)] = words
        place += len(words) + int(rng.uniform(0.1, 0.6) * clips.sample_rate)
        index = picker.clip(rng, group)
    return piece


def noise_piece(rng: np.random.Generator, clips: Clips, settings: MixingSettings, n_samples: int) -> _Floats:
    """A recording of noise for `n_samples`, maybe faster or slower; shorter ones are looped or followed by others.

    Recordings of digital silence are drawn again; after four of them the noise is a made one.
    """
    picker = picker_of(clips, settings.noise_balance)
    for _ in range(_DRAWS):
        speed = rng.uniform(*settings.noise_speed) if rng.random() < settings.noise_speed_share else 1.0
        n_read = n_samples if speed == 1.0 else int(n_samples * speed) + 2
        piece = _of_one_noise(rng, clips, picker, n_read)
        if rms(piece) > 1e-5:
            return piece if speed == 1.0 else _at_speed(piece, speed, n_samples)
    return made_noise(rng, n_samples=n_samples, sample_rate=clips.sample_rate)


def _of_one_noise(rng: np.random.Generator, clips: Clips, picker: Picker, n_samples: int) -> _Floats:
    index = picker.clip(rng, picker.group(rng))
    spare = int(clips.lengths[index]) - n_samples
    if spare >= 0:
        return clips.read(index, int(rng.integers(spare + 1)), n_samples)
    if rng.random() < 0.5:
        return _looped(clips.read(index), rng, n_samples, clips.sample_rate)
    piece = np.zeros(n_samples, np.float32)
    place = int(rng.integers(-spare + 1))
    while place < n_samples:
        sound = clips.read(index, 0, n_samples - place)
        piece[place : place + len(sound)] = sound
        place += len(sound) + int(rng.uniform(0.0, 0.5) * clips.sample_rate)
        index = picker.clip(rng, picker.group(rng))
    return piece


def _looped(sound: _Floats, rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    n_fade = min(len(sound) // 4, int(_JOINT_S * sample_rate))
    if n_fade > 0:
        fade = np.linspace(0.0, 1.0, n_fade, dtype=np.float32)
        sound[:n_fade] = sound[:n_fade] * fade + sound[len(sound) - n_fade :] * fade[::-1]
        sound = sound[: len(sound) - n_fade]
    return np.resize(np.roll(sound, int(rng.integers(len(sound)))), n_samples)


def _at_speed(piece: _Floats, speed: float, n_samples: int) -> _Floats:
    # Between neighbours on a straight line: what aliases is noise among noise.
    place = np.arange(n_samples) * speed
    whole = place.astype(np.int64)
    share = (place - whole).astype(np.float32)
    return piece[whole] * (1 - share) + piece[whole + 1] * share


def babble_piece(
    rng: np.random.Generator, clips: Clips, settings: MixingSettings, n_samples: int, *, but_not: int
) -> _Floats | None:
    """Several speakers at once, each at a level of up to 8 dB under the loudest; None without other speakers."""
    picker = picker_of(clips, settings.speaker_balance)
    if picker.n_groups < 2:
        return None
    babble = np.zeros(n_samples, np.float32)
    low, high = settings.babble_voices
    for _ in range(int(rng.integers(low, high + 1))):
        group = picker.group(rng)
        level = 10.0 ** rng.uniform(-0.4, 0.0)
        if group == but_not:
            continue
        voice = speech_piece(rng, clips, picker, group, n_samples)
        babble += voice * np.float32(level / max(rms(voice), 1e-5))
    return babble if rms(babble) > 0 else None


def rms(samples: _Floats) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples))))
