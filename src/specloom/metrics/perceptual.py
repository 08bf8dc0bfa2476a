"""PESQ and STOI, through the packages of the extra ``eval`` (nothing here needs them until it is called)."""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray
from specloom.errors import MissingExtraError, ParameterError
from specloom.metrics.checks import require_one_channel, require_rate, require_same_shape

PesqMode = Literal["wb", "nb"]

# P.862 was made for test signals of 8 to 12 seconds, and its code holds room for 50 utterances: more end the process
# without a word. An utterance and its pause take at least 0.4 s, so 20 s can never hold more than that.
_PESQ_PIECE_S = 20.0
_PESQ_SHORTEST_S = 0.25
# 30 frames of 256 samples every 128, at STOI's own 10 kHz.
_STOI_SHORTEST_S = 0.41


def pesq_available() -> bool:
    """Whether the package that `pesq_score` needs is installed."""
    return importlib.util.find_spec("pesq") is not None


def stoi_available() -> bool:
    """Whether the package that `stoi_score` needs is installed."""
    return importlib.util.find_spec("pystoi") is not None


def pesq_score(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int, *, mode: PesqMode = "wb") -> float:
    """Perceptual evaluation of speech quality (MOS-LQO): 1 is bad, 4.64 (wide band) or 4.55 (narrow) is the same.

    Parameters
    ----------
    reference, estimate : real array, shape ``(n_samples,)``
        Speech. The lengths may differ; PESQ aligns the two itself, and it does not hear their levels.
    sample_rate : int
        16000 for both modes, or 8000 for ``"nb"``. Nothing is resampled here.
    mode : {"wb", "nb"}
        Wide band (P.862.2) or narrow band (P.862.1).

    Returns
    -------
    float
        Of more than 20 s, the mean over equal pieces of 10 to 20 s that hold speech: P.862 is made for such
        lengths, and its code cannot hold more than 50 utterances.

    Raises
    ------
    ParameterError
        For another rate, less than 0.25 s, a silent estimate, or a reference in which PESQ finds no utterance.
    MissingExtraError
        When the package ``pesq`` is not installed.

    References
    ----------
    ITU-T P.862 (2001), P.862.2 (2007).
    """
    truth, ours = require_one_channel("reference", reference), require_one_channel("estimate", estimate)
    _require_pesq_rate(sample_rate, mode)
    shortest = min(len(truth), len(ours))
    if shortest <= _PESQ_SHORTEST_S * sample_rate:
        raise ParameterError(
            f"{shortest / sample_rate:.3f} s of sound is too short for PESQ: more than {_PESQ_SHORTEST_S} s is needed"
        )
    pairs = _pesq_pieces(truth, ours, int(_PESQ_PIECE_S * sample_rate))
    scores = [score for pair in pairs if (score := _pesq_of_piece(*pair, sample_rate, mode)) is not None]
    if not scores:
        raise ParameterError("PESQ finds no utterance in the reference: it needs speech, and louder than silence")
    return float(np.mean(scores))


def stoi_score(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int, *, extended: bool = False) -> float:
    """Short-time objective intelligibility, about 0 (nothing understood) to 1 (the same).

    Parameters
    ----------
    reference, estimate : real array, shape ``(n_samples,)``
        Speech, sample by sample in step.
    sample_rate : int
        Any; STOI itself goes to 10 kHz.
    extended : bool
        ESTOI, for maskers that fluctuate.

    Raises
    ------
    ParameterError
        For different lengths, a silent sound, or fewer than 30 frames (0.41 s) of speech left without the pauses.
    MissingExtraError
        When the package ``pystoi`` is not installed.

    References
    ----------
    Taal, Hendriks, Heusdens, Jensen, "An algorithm for intelligibility prediction of time-frequency weighted noisy
    speech", IEEE TASLP 19(7), 2011. Jensen, Taal, IEEE/ACM TASLP 24(11), 2016 (extended).
    """
    truth, ours = require_one_channel("reference", reference), require_one_channel("estimate", estimate)
    rate = require_rate("sample_rate", sample_rate)
    require_same_shape(ours, truth, "STOI compares moment by moment: cut the longer one (align finds the offset)")
    too_short = ParameterError(
        f"{len(truth) / rate:.3f} s hold too little speech for STOI: at least {_STOI_SHORTEST_S} s besides the pauses "
        "are needed"
    )
    if len(truth) < _STOI_SHORTEST_S * rate:
        raise too_short
    for name, samples in (("reference", truth), ("estimate", ours)):
        if not samples.any():
            raise ParameterError(f"{name} is silent: STOI of silence has no meaning")
    score, messages = _stoi_with_messages(truth, ours, rate, extended)
    if any("Not enough STFT frames" in message for message in messages):
        raise too_short
    return score


def _require_pesq_rate(sample_rate: int, mode: str) -> None:
    if mode not in ("wb", "nb"):
        raise ParameterError(f"mode={mode!r}: allowed are 'wb' (wide band) and 'nb' (narrow band)")
    allowed = (16000,) if mode == "wb" else (8000, 16000)
    if sample_rate not in allowed:
        raise ParameterError(
            f"sample_rate={sample_rate!r}: PESQ in mode {mode!r} is defined at {' or '.join(map(str, allowed))} Hz "
            "only; resample both sounds first (specloom.dsp.resample)"
        )


def _pesq_pieces(truth: FloatArray, ours: FloatArray, longest: int) -> list[tuple[FloatArray, FloatArray]]:
    """Both as they are when neither exceeds `longest`, otherwise equal pieces of what they have in common."""
    if max(len(truth), len(ours)) <= longest:
        return [(truth, ours)]
    common = min(len(truth), len(ours))
    cuts = np.linspace(0, common, 1 + -(-common // longest)).astype(int)
    return [(truth[start:stop], ours[start:stop]) for start, stop in itertools.pairwise(cuts)]


def _pesq_of_piece(truth: FloatArray, ours: FloatArray, sample_rate: int, mode: str) -> float | None:
    """The score of at most 20 s, or None when the reference holds no utterance."""
    try:
        import pesq
    except ImportError as error:
        raise MissingExtraError(
            "PESQ needs the package pesq: pip install 'specloom[eval]' (it is compiled while it is installed, "
            "so a C compiler is needed)"
        ) from error
    if not truth.any():
        return None
    try:
        return float(pesq.pesq(int(sample_rate), truth, ours, mode))
    except pesq.NoUtterancesError:
        return None
    except ValueError as error:
        # The rate and the mode were checked: what is left is an estimate of zeros, or that PESQ's float32 makes zeros.
        raise ParameterError("estimate is silent where the reference speaks: PESQ has no score for that") from error


def _stoi_with_messages(truth: FloatArray, ours: FloatArray, rate: int, extended: bool) -> tuple[float, list[str]]:
    try:
        from pystoi import stoi
    except ImportError as error:
        raise MissingExtraError("STOI needs the package pystoi: pip install 'specloom[eval]'") from error
    # pystoi says only by a warning that its result is not one.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        score = float(stoi(truth, ours, rate, extended=extended))
    return score, [str(warning.message) for warning in caught]
