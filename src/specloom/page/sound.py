"""Sound for a page: encoded in memory, and its outline."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.page.parts import Sound, Waveform

_FULL_SCALE = 32767.0 / 32768.0


def encode_sound(
    audio: Audio, *, key: str, name: str, seconds: float | None = None, offset_s: float = 0.0, speed: float = 1.0
) -> Sound:
    """Encode a sound as 16-bit FLAC, which every browser plays and which is about half as large as WAV.

    Parameters
    ----------
    audio : Audio
        One or more channels. Sound beyond full scale is turned down to it as a whole, never clipped, and the
        result says by how much.
    key, name : str
        See `Sound`.
    seconds : float, optional
        Keep no more than this from the beginning.
    offset_s, speed : float
        The place on the page's time line, see `Sound`.

    Raises
    ------
    ParameterError
        When there is nothing to play.
    """
    import soundfile

    samples = audio.samples
    if seconds is not None:
        samples = samples[..., : round(seconds * audio.sample_rate)]
    if samples.shape[-1] == 0:
        raise ParameterError(f"the sound {name!r} is empty: at least one sample is needed to make a player")
    peak = float(np.max(np.abs(samples)))
    gain = _FULL_SCALE / peak if peak > 1.0 else 1.0
    file = BytesIO()
    soundfile.write(file, (samples * np.float32(gain)).T, audio.sample_rate, format="FLAC", subtype="PCM_16")
    return Sound(
        key=key,
        name=name,
        data=file.getvalue(),
        media_type="audio/flac",
        duration_s=samples.shape[-1] / audio.sample_rate,
        offset_s=offset_s,
        speed=speed,
        gain_db=20.0 * float(np.log10(gain)) if gain < 1.0 else 0.0,
    )


def outline(audio: Audio, *, columns: int = 500, seconds: float | None = None) -> Waveform:
    """The least and the greatest sample of each of at most ``columns`` stretches, over all channels."""
    if columns < 1:
        raise ParameterError(f"columns={columns}: at least 1 is needed")
    samples: npt.NDArray[Any] = np.atleast_2d(audio.samples)
    if seconds is not None:
        samples = samples[:, : round(seconds * audio.sample_rate)]
    n_samples = samples.shape[-1]
    if n_samples == 0:
        return Waveform(low=(), high=())
    starts = np.unique(np.linspace(0, n_samples, min(columns, n_samples), endpoint=False).astype(np.intp))
    low = np.minimum.reduceat(samples.min(axis=0), starts)
    high = np.maximum.reduceat(samples.max(axis=0), starts)
    return Waveform(low=tuple(map(float, low)), high=tuple(map(float, high)))
