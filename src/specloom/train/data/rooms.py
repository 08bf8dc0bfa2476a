"""Responses of rooms: early reflections from images of the source, then a tail that decays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from specloom.train.data.settings import RoomSettings

_SOUND_M_S: Final = 343.0
# Images are summed up to here; later reflections are so dense that noise with the right decay sounds the same.
_IMAGES_S: Final = 0.06
_N_NOISES: Final = 3
# Nothing else that is drawn may begin from the same numbers.
_STREAM: Final = 0x526F6F6D


@dataclass(frozen=True, eq=False)
class Room:
    """Responses of one room to one microphone.

    Parameters
    ----------
    speech : float32 array, shape ``(2, n_taps)``
        Whole response, and its early part (what the target keeps). The direct sound is sample 0, with the value 1.
    noises : float32 array, shape ``(3, n_taps)``
        From three further places, whole, each with the direct sound first.
    """

    speech: npt.NDArray[np.float32]
    noises: npt.NDArray[np.float32]


def room(settings: RoomSettings, *, sample_rate: int, seed: int, index: int) -> Room:
    """The room of this number: the same settings, rate, seed and index always give the same one.

    Reflections of up to 60 ms are images of the source in the walls of a shoebox (Allen and Berkley 1979), at whole
    samples, with one coefficient for all walls from Eyring's formula; what follows is noise that decays by 60 dB in the
    drawn time (faster above 2 kHz), joined at the level that the images have reached.

    Returns
    -------
    Room
        The early part ends `early_s` after the direct sound, faded out over another 5 ms.

    References
    ----------
    J. B. Allen, D. A. Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979.
    """
    rng = np.random.default_rng([_STREAM, seed, index])
    t60 = rng.uniform(*settings.t60_s)
    sides = np.array([rng.uniform(*settings.side_m), rng.uniform(*settings.side_m), rng.uniform(*settings.height_m)])
    reflection = _reflection(sides, t60)
    n_taps = max(2, int(min(t60, settings.longest_s) * sample_rate))
    microphone = sides * rng.uniform(0.2, 0.8, 3)
    speaker = _placed(rng, microphone, sides, rng.uniform(*settings.distance_m))
    places = [speaker, *(sides * rng.uniform(0.05, 0.95, 3) for _ in range(_N_NOISES))]
    responses = np.stack(
        [_response(rng, place, microphone, sides, reflection, t60, n_taps, sample_rate) for place in places]
    )
    early = responses[0] * _early_window(n_taps, settings.early_s, sample_rate)
    return Room(np.stack([responses[0], early]), responses[1:])


@lru_cache(maxsize=4096)
def cached_room(settings: RoomSettings, sample_rate: int, seed: int, index: int) -> Room:
    """`room`, kept: a few hundred rooms serve thousands of hours."""
    return room(settings, sample_rate=sample_rate, seed=seed, index=index)


def _reflection(sides: npt.NDArray[np.float64], t60: float) -> float:
    volume = float(np.prod(sides))
    surface = 2.0 * float(sides[0] * sides[1] + sides[1] * sides[2] + sides[0] * sides[2])
    absorbed = 1.0 - np.exp(-0.161 * volume / (surface * t60))
    return float(np.sqrt(1.0 - absorbed))


def _placed(
    rng: np.random.Generator, microphone: npt.NDArray[np.float64], sides: npt.NDArray[np.float64], distance: float
) -> npt.NDArray[np.float64]:
    direction = rng.standard_normal(3) * [1.0, 1.0, 0.3]
    place = microphone + direction / np.linalg.norm(direction) * distance
    return np.clip(place, 0.05 * sides, 0.95 * sides)


def _response(
    rng: np.random.Generator,
    source: npt.NDArray[np.float64],
    microphone: npt.NDArray[np.float64],
    sides: npt.NDArray[np.float64],
    reflection: float,
    t60: float,
    n_taps: int,
    sample_rate: int,
) -> npt.NDArray[np.float32]:
    direct = max(float(np.linalg.norm(source - microphone)), 0.05)
    n_images = min(n_taps, int(_IMAGES_S * sample_rate))
    response = np.zeros(n_taps)
    response[:n_images] = _images(source, microphone, sides, reflection, direct, n_images, sample_rate)
    _add_tail(rng, response, t60, n_images, sample_rate)
    # Images all have the same sign, so they carry a constant that real rooms do not.
    response[1:] -= _slow_part(response[1:], sample_rate)
    response[0] = 1.0
    return response.astype(np.float32)


def _images(
    source: npt.NDArray[np.float64],
    microphone: npt.NDArray[np.float64],
    sides: npt.NDArray[np.float64],
    reflection: float,
    direct: float,
    n_samples: int,
    sample_rate: int,
) -> npt.NDArray[np.float64]:
    reach = direct + n_samples / sample_rate * _SOUND_M_S
    squares, bounces = [], []
    for axis in range(3):
        n = np.arange(-int(reach / (2 * sides[axis])) - 1, int(reach / (2 * sides[axis])) + 2)
        offsets = np.concatenate([2 * n * sides[axis] + source[axis], 2 * n * sides[axis] - source[axis]])
        squares.append((offsets - microphone[axis]) ** 2)
        bounces.append(np.concatenate([2 * np.abs(n), np.abs(n) + np.abs(n - 1)]))
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2]).ravel()
    order = (bounces[0][:, None, None] + bounces[1][:, None] + bounces[2]).ravel()
    place = np.rint((distance - direct) / _SOUND_M_S * sample_rate).astype(np.int64)
    heard = (place >= 0) & (place < n_samples)
    strength = reflection ** order[heard] * direct / np.maximum(distance[heard], direct)
    return np.bincount(place[heard], strength, minlength=n_samples)[:n_samples].astype(np.float64)


def _add_tail(
    rng: np.random.Generator, response: npt.NDArray[np.float64], t60: float, start: int, sample_rate: int
) -> None:
    from scipy.signal import lfilter

    n_tail = len(response) - start
    if n_tail <= 0:
        return
    seconds = np.arange(n_tail) / sample_rate
    # One pole at 2 kHz divides the noise into a part that decays as drawn and one that decays faster.
    pole = np.exp(-2.0 * np.pi * min(2000.0, 0.4 * sample_rate) / sample_rate)
    white = rng.standard_normal(n_tail)
    low = lfilter([1.0 - pole], [1.0, -pole], white)
    high_t60 = t60 * rng.uniform(0.5, 0.9)
    tail = low * np.exp(-6.91 * seconds / t60) + (white - low) * np.exp(-6.91 * seconds / high_t60)
    last = response[max(1, start - int(0.02 * sample_rate)) : start]
    level = np.sqrt(np.mean(np.square(last))) if len(last) else 0.0
    response[start:] = tail * level * _faded_end(n_tail)


def _slow_part(response: npt.NDArray[np.float64], sample_rate: int) -> npt.NDArray[np.float64]:
    from scipy.signal import lfilter

    pole = np.exp(-2.0 * np.pi * 40.0 / sample_rate)
    slow: npt.NDArray[np.float64] = lfilter([1.0 - pole], [1.0, -pole], response)
    return slow


def _faded_end(n: int) -> npt.NDArray[np.float64]:
    fade = np.ones(n)
    n_fade = max(1, n // 8)
    fade[n - n_fade :] = np.linspace(1.0, 0.0, n_fade)
    return fade


def _early_window(n_taps: int, early_s: float, sample_rate: int) -> npt.NDArray[np.float32]:
    kept = max(1, round(early_s * sample_rate))
    fade = max(1, round(0.005 * sample_rate))
    place = (np.arange(n_taps) - kept) / fade
    window: npt.NDArray[np.float32] = (0.5 + 0.5 * np.cos(np.pi * np.clip(place, 0.0, 1.0))).astype(np.float32)
    return window
