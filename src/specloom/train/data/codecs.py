"""What telephones and small files do to a sound, aligned with it to the sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Codec = Literal["mulaw", "alaw", "telephone", "gsm", "mp3", "vorbis"]

# Codecs of the telephone: noisy and clean both lose what it does not carry.
BAND_LIMITED: Final = ("telephone", "gsm")

# libsndfile's names of the container and the encoding, and the compression levels that are drawn (0 best, 1 smallest).
_FILES: Final[dict[str, tuple[str, str, tuple[float, float] | None]]] = {
    "gsm": ("WAV", "GSM610", None),
    "mp3": ("MP3", "MPEG_LAYER_III", (0.5, 0.99)),
    "vorbis": ("OGG", "VORBIS", (0.4, 1.0)),
}
_MP3_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def through_codec(
    samples: npt.NDArray[np.float32], codec: Codec, *, sample_rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Encode and decode a sound.

    Parameters
    ----------
    samples : float32 array, shape ``(n_samples,)``
        Beyond ±1 it is clipped.
    codec : str
        ``"mulaw"`` and ``"alaw"``: 8 bits a sample (ITU-T G.711) at any rate; ``"telephone"`` is µ-law too, for a band
        that the caller limits. ``"gsm"``: GSM 06.10 full rate at 8 kHz (elsewhere the sound is resampled there and
        back). ``"mp3"``, ``"vorbis"``: libsndfile's encoders at a drawn compression; a rate without MP3 gets Vorbis.
    sample_rate : int
        Hertz.
    rng : numpy.random.Generator

    Returns
    -------
    float32 array, shape ``(n_samples,)``
        Without delay: its correlation with `samples` is greatest at lag 0 (tests/train/test_data_effects.py).
    """
    clipped = np.clip(samples, -1.0, 1.0)
    if codec in ("mulaw", "telephone"):
        return _looked_up(clipped, _mulaw_table())
    if codec == "alaw":
        return _looked_up(clipped, _alaw_table())
    if codec == "gsm" and sample_rate != 8_000:
        return _at_8_khz(clipped, sample_rate, lambda narrow: _through_file(narrow, "gsm", 8_000, rng))
    if codec == "mp3" and sample_rate not in _MP3_RATES:
        codec = "vorbis"
    return _through_file(clipped, codec, sample_rate, rng)


def _through_file(
    samples: npt.NDArray[np.float32], codec: Codec, sample_rate: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    import soundfile

    container, encoding, levels = _FILES[codec]
    options: dict[str, float] = {} if levels is None else {"compression_level": float(rng.uniform(*levels))}
    file = BytesIO()
    soundfile.write(file, samples, sample_rate, format=container, subtype=encoding, **options)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    result = np.zeros_like(samples)
    n = min(len(samples), len(decoded))
    result[:n] = decoded[:n]
    return result


def _at_8_khz(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    work: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    from specloom.dsp.resample import resample

    narrow = resample(samples, sample_rate, 8_000)
    wide = resample(work(narrow), 8_000, sample_rate)
    result = np.zeros_like(samples)
    n = min(len(samples), len(wide))
    result[:n] = wide[:n]
    return result


def _looked_up(samples: npt.NDArray[np.float32], table: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # A table over 16-bit integers costs a twentieth of the logarithm.
    places = (samples * np.float32(32767.0)).astype(np.int16).astype(np.int64) + 32768
    return table[places]


@lru_cache(maxsize=1)
def _mulaw_table() -> npt.NDArray[np.float32]:
    value = np.arange(-32768, 32768) / 32768.0
    code = np.rint(127.0 * np.log1p(255.0 * np.abs(value)) / np.log(256.0))
    back = np.expm1(code / 127.0 * np.log(256.0)) / 255.0
    table: npt.NDArray[np.float32] = (np.sign(value) * back).astype(np.float32)
    return table


@lru_cache(maxsize=1)
def _alaw_table() -> npt.NDArray[np.float32]:
    value = np.arange(-32768, 32768) / 32768.0
    a, size = 87.6, np.abs(value)
    scale = 1.0 + np.log(a)
    code = np.where(size < 1 / a, a * size / scale, (1.0 + np.log(np.maximum(a * size, 1.0))) / scale)
    code = np.rint(code * 127.0) / 127.0
    back = np.where(code < 1 / scale, code * scale / a, np.exp(code * scale - 1.0) / a)
    table: npt.NDArray[np.float32] = (np.sign(value) * back).astype(np.float32)
    return table
