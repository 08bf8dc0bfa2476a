"""Noises that need no recording: colours, gusts, hum, clicks and tones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]


def made_noise(rng: np.random.Generator, *, n_samples: int, sample_rate: int) -> _Floats:
    """A noise of a drawn kind.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int
    sample_rate : int
        Hertz.

    Returns
    -------
    float32 array, shape ``(n_samples,)``
        Never all zeros; of no particular level.
    """
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    return kind(rng, n_samples, sample_rate)


def coloured(rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    """Noise whose power falls with ``f ** -s``, s drawn from -1 (blue) to 2.2 (brown and beyond)."""
    return _shaped(rng, n_samples, sample_rate, slope=rng.uniform(-1.0, 2.2))


def gusts(rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    """Coloured noise that swells and sinks up to eight times a second, as wind and passing cars do."""
    n_knots = 2 + int(n_samples / sample_rate * rng.uniform(0.5, 8.0))
    level_db = rng.uniform(-24.0, 0.0, n_knots)
    knots = np.linspace(0, n_samples - 1, n_knots)
    swell = np.interp(np.arange(0, n_samples, 64), knots, 10.0 ** (level_db / 20.0)).astype(np.float32)
    noise = _shaped(rng, n_samples, sample_rate, slope=rng.uniform(0.5, 2.2))
    return noise * np.repeat(swell, 64)[:n_samples]


def hum(rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    """Mains hum (50 or 60 Hz) or an engine (up to 180 Hz) with harmonics, over a little coloured noise."""
    base = float(rng.choice([50.0, 60.0, rng.uniform(20.0, 180.0)]))
    most = max(1, min(24, int(0.45 * sample_rate / base)))
    strength = rng.standard_normal(most) * np.arange(1, most + 1) ** -rng.uniform(0.3, 1.5)
    # Twenty periods, rounded to whole samples, repeat without a seam.
    n_wave = max(2, round(20.0 * sample_rate / base))
    phase = np.float32(2.0 * np.pi * 20.0 / n_wave) * np.arange(n_wave, dtype=np.float32)
    wave = np.zeros(len(phase), np.float32)
    for harmonic, amount in enumerate(strength, start=1):
        wave += np.float32(amount) * np.sin(harmonic * phase + np.float32(rng.uniform(0, 2 * np.pi)))
    floor = _shaped(rng, n_samples, sample_rate, slope=1.0) * np.float32(10.0 ** rng.uniform(-2.0, -0.5))
    return np.resize(wave, n_samples) + floor


def clicks(rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    """Between one and thirty short resonances a second, as of keys, drops and crackle."""
    from scipy.signal import oaconvolve

    count = 1 + rng.poisson(n_samples / sample_rate * 10.0 ** rng.uniform(0.0, 1.5))
    pulses = np.zeros(n_samples, np.float32)
    pulses[rng.integers(0, n_samples, count)] = rng.standard_normal(count) * 10.0 ** rng.uniform(-1.0, 0.0, count)
    n_ring = max(2, int(rng.uniform(0.001, 0.03) * sample_rate))
    decay = np.exp(-6.9 * np.arange(n_ring) / n_ring)
    tone = np.cos(2.0 * np.pi * rng.uniform(200.0, 0.4 * sample_rate) / sample_rate * np.arange(n_ring))
    ring = decay * (tone * rng.uniform(0.0, 1.0) + rng.standard_normal(n_ring) * rng.uniform(0.1, 1.0))
    result: _Floats = oaconvolve(pulses, ring.astype(np.float32))[:n_samples]
    return result


def tones(rng: np.random.Generator, n_samples: int, sample_rate: int) -> _Floats:
    """Beeps and alarms: a tone that is switched on and off, or glides, with a few harmonics."""
    block = 32
    seconds = np.arange(0, n_samples, block) / sample_rate
    base = 10.0 ** rng.uniform(np.log10(200.0), np.log10(0.2 * sample_rate))
    glide = rng.uniform(0.0, 0.3) * np.sin(2.0 * np.pi * rng.uniform(0.1, 6.0) * seconds)
    frequency = np.repeat((base * (1.0 + glide)).astype(np.float32), block)[:n_samples]
    phase = 2.0 * np.pi / sample_rate * np.cumsum(frequency, dtype=np.float64) % (2.0 * np.pi)
    wave: _Floats = np.sin(phase.astype(np.float32))
    wave += np.float32(rng.uniform(0.0, 0.7)) * np.sin(2.0 * phase).astype(np.float32)
    if rng.random() < 0.7:
        on = np.sin(2.0 * np.pi * rng.uniform(0.5, 5.0) * seconds) > -0.2
        wave *= np.repeat(on.astype(np.float32), block)[:n_samples]
    wave += _shaped(rng, n_samples, sample_rate, slope=1.0) * np.float32(0.003)
    return wave


_KINDS: Final[tuple[Callable[[np.random.Generator, int, int], _Floats], ...]] = (
    coloured,
    coloured,
    gusts,
    hum,
    clicks,
    tones,
)


def _shaped(rng: np.random.Generator, n_samples: int, sample_rate: int, *, slope: float) -> _Floats:
    from scipy.fft import irfft, next_fast_len

    n_fft = next_fast_len(n_samples + 1, real=True)
    n_bins = n_fft // 2 + 1
    spectrum = rng.standard_normal(2 * n_bins, dtype=np.float32).view(np.complex64)
    frequency = np.arange(n_bins, dtype=np.float32) * np.float32(sample_rate / n_fft)
    # Below 20 Hz nothing is heard, and a steep slope would put all of its power there.
    spectrum *= np.maximum(frequency, np.float32(20.0)) ** np.float32(-slope / 2.0)
    spectrum[0] = 0.0
    noise: _Floats = irfft(spectrum, n_fft)[:n_samples]
    noise /= np.float32(np.abs(noise).max() + 1e-20)
    return noise
