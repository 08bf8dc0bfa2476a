"""DNSMOS: what listeners would say of a sound, without a reference (networks of the package speechmos, extra ``eval``).

The package's own code needs librosa, requests and a version of numpy; its networks (MIT) need nothing but ONNX Runtime,
so they are read from where the package lies and it is never imported.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.config import MelConfig, StftConfig
from specloom.dsp.mel import mel_filterbank
from specloom.dsp.stft import FloatArray, stft
from specloom.errors import MissingExtraError, ParameterError
from specloom.metrics.checks import require_one_channel

DNSMOS_RATE = 16000
"""The only rate that DNSMOS is made for, in hertz."""

_PACKAGE = "speechmos"
_PIECE = int(9.01 * DNSMOS_RATE)
_HOP = DNSMOS_RATE
# The network of P.808 sees a little less than the piece.
_LEFT_OFF = 160
_TRANSFORM = StftConfig(sample_rate=DNSMOS_RATE, n_fft=321, hop_length=160)
_BANDS = MelConfig(sample_rate=DNSMOS_RATE, n_fft=321, n_mels=120)
# From what the network of P.835 says to the scale of the listeners, the highest power first.
_SIGNAL = (-0.08397278, 1.22083953, 0.0052439)
_BACKGROUND = (-0.13166888, 1.60915514, -0.39604546)
_OVERALL = (-0.06766283, 1.11546468, 0.04602535)


@dataclass(frozen=True, kw_only=True)
class Dnsmos:
    """What listeners would say, each about 1 (bad) to 5 (excellent).

    Parameters
    ----------
    signal, background, overall : float
        Of P.835: whether the speech is unspoilt, whether the background disturbs, and both together.
    p808 : float
        The overall quality of P.808.
    """

    signal: float
    background: float
    overall: float
    p808: float


def dnsmos_available() -> bool:
    """Whether the package that holds the networks is installed."""
    return _folder() is not None


def dnsmos_score(samples: npt.ArrayLike, sample_rate: int) -> Dnsmos:
    """Estimate what listeners would say of a sound; no reference is needed.

    Parameters
    ----------
    samples : real array, shape ``(n_samples,)``
        Speech, full scale ±1; it is heard at its level. A sound that goes beyond full scale is turned down to it.
    sample_rate : int
        16000. Nothing is resampled here.

    Returns
    -------
    Dnsmos
        The mean over pieces of 9.01 s, one every second; a shorter sound is repeated until it fills one.

    Raises
    ------
    ParameterError
        For another rate, several channels, non-finite or no samples.
    MissingExtraError
        When the package ``speechmos`` is not installed.

    Notes
    -----
    Agrees with the package's own ``dnsmos.run`` within 1e-3 (tests/references).

    References
    ----------
    Reddy, Gopal, Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech quality metric to evaluate noise
    suppressors", ICASSP 2022; "DNSMOS: ...", ICASSP 2021 (P.808).
    """
    sound = require_one_channel("samples", samples).astype(np.float32, copy=False)
    if sample_rate != DNSMOS_RATE:
        raise ParameterError(
            f"sample_rate={sample_rate!r}: DNSMOS is defined at {DNSMOS_RATE} Hz only; resample the sound first "
            "(specloom.dsp.resample)"
        )
    peak = float(np.abs(sound).max())
    pieces = _pieces(sound / np.float32(peak) if peak > 1.0 else sound)
    by_p835, by_p808 = _networks()
    raw = np.array([by_p835.run(None, {"input_1": piece[None]})[0][0] for piece in pieces], dtype=np.float64)
    p808 = [float(by_p808.run(None, {"input_1": _log_mel(piece)[None]})[0][0, 0]) for piece in pieces]
    signal, background, overall = (
        float(np.polyval(powers, raw[:, place]).mean()) for place, powers in enumerate((_SIGNAL, _BACKGROUND, _OVERALL))
    )
    return Dnsmos(signal=signal, background=background, overall=overall, p808=float(np.mean(p808)))


def _pieces(sound: FloatArray) -> list[FloatArray]:
    while len(sound) < _PIECE:
        sound = np.concatenate([sound, sound])
    # The published code counts whole seconds here.
    count = int(len(sound) // DNSMOS_RATE - _PIECE / DNSMOS_RATE) + 1
    starts = (index * _HOP for index in range(count))
    return [sound[start : start + _PIECE] for start in starts if start + _PIECE <= len(sound)]


def _log_mel(piece: FloatArray) -> npt.NDArray[np.float32]:
    """Decibels below the loudest value, 80 of them, from -1 to 1; shape ``(n_frames, n_mels)``."""
    power = np.square(np.abs(stft(piece[:-_LEFT_OFF], _TRANSFORM)))
    decibels = 10.0 * np.log10(np.maximum(mel_filterbank(_BANDS) @ power, 1e-10))
    level = np.maximum(decibels - decibels.max(), -80.0)
    shown: npt.NDArray[np.float32] = ((level + 40.0) / 40.0).T.astype(np.float32)
    return shown


def _folder() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "dnsmos_models"
    return folder if folder.is_dir() else None


@lru_cache(maxsize=1)
def _networks() -> tuple[Any, Any]:
    """Of P.835 and of P.808."""
    folder = _folder()
    if folder is None:
        raise MissingExtraError("DNSMOS needs the networks of the package speechmos: pip install 'specloom[eval]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    by_p835, by_p808 = (
        onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
        for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
    )
    return by_p835, by_p808
