"""The ideal binary mask (IBM) in the three definitions that are in use.

They are not three spellings of one thing. The first and the third compare the speech with the **noise** and are the
same at 0 dB. The second compares it with whatever it is given: with the **noisy** sound it keeps bins in which the
speech has at least half of the mixture's magnitude, with the noise those in which it lies above -6 dB. The article
calls this argument "noise" in the code and "noisy speech" in its comment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray
from specloom.errors import ParameterError
from specloom.masks.checks import (
    Wide,
    is_number,
    on_one_scale,
    precision_of,
    require_above_zero,
    require_same_spectra,
    require_spec_or_magnitude,
)


def ideal_binary_mask(clean: npt.ArrayLike, noise: npt.ArrayLike) -> FloatArray:
    """Ideal binary mask, first definition: 1 where ``|S| >= |N|``.

    Parameters
    ----------
    clean, noise : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
        The speech and the noise apart from each other (not the noisy sound).

    Returns
    -------
    float array, the same shape
        0 or 1; float32 for single precision. 0 where the speech is silent, also if the noise is.

    Raises
    ------
    ParameterError
        For different shapes, NaN, or a magnitude below 0.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): equal to `local_snr_binary_mask` at 0 dB; 1 exactly where the IRM with
    ``beta=1`` is at least a half.

    References
    ----------
    Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in: Speech separation by humans
    and machines, 2005. Hu, Wang, IEEE TNN 15(5), 2004.

    Examples
    --------
    >>> ideal_binary_mask([[1.0, 2.0, 0.0]], [[2.0, 2.0, 0.0]])
    array([[0., 1., 0.]])
    """
    speech, disturbance, dtype = _magnitudes(("clean", "noise"), clean, noise)
    return _where_speech(speech >= disturbance, speech, dtype)


def majority_binary_mask(
    clean: npt.ArrayLike, other: npt.ArrayLike, *, threshold: float = 0.5, exponent: float = 1.0
) -> FloatArray:
    """Ideal binary mask, second definition: 1 where ``|S| ** exponent / |X| ** exponent >= threshold``.

    Parameters
    ----------
    clean : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
    other : the same
        X: the noisy sound, as the definition means it ("a majority vote"), or the noise; see the top of this module.
    threshold : float
        Above 0.
    exponent : float
        Above 0: 1 compares magnitudes, 2 powers.

    Returns
    -------
    float array, the same shape
        0 or 1; float32 for single precision. 0 where the speech is silent.

    Raises
    ------
    ParameterError
        For different shapes, NaN, a magnitude below 0, or a threshold or exponent that is no number above 0.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): given the noise it is `local_snr_binary_mask` at
    ``20 log10(threshold) / exponent`` dB, so with threshold 1 the first definition; given the noisy sound it is another
    mask, and the rounded ``|S| / |Y|`` of the article's training code but where that is exactly a half.

    References
    ----------
    Erdogan, Hershey, Watanabe, Le Roux, "Phase-sensitive and recognition-boosted speech separation using deep
    recurrent neural networks", ICASSP 2015.

    Examples
    --------
    >>> majority_binary_mask([[1.0, 1.0]], [[2.0, 2.1]])
    array([[1., 0.]])
    """
    require_above_zero("threshold", threshold, "0.5 is usual")
    require_above_zero("exponent", exponent, "1 compares magnitudes, 2 powers")
    speech, whole, dtype = _magnitudes(("clean", "other"), clean, other)
    return _where_speech(_reaches(speech, whole, float(threshold), 1.0 / float(exponent)), speech, dtype)


def local_snr_binary_mask(
    clean: npt.ArrayLike, noise: npt.ArrayLike, *, threshold_db: float = 0.0, edge_frames: int = 0
) -> FloatArray:
    """Ideal binary mask, third definition: 1 where ``20 log10(|S| / |N|) >= threshold_db``.

    Parameters
    ----------
    clean, noise : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
        The speech and the noise apart from each other (not the noisy sound).
    threshold_db : float
        The local criterion. A higher one keeps less.
    edge_frames : int
        Frames that are cut away at the begin and at the end, for a network that sees so many frames of context on both
        sides. The mask is then that much shorter than the spectrum, and whatever it is applied to must be cut alike;
        padding the sound with silence instead loses nothing.

    Returns
    -------
    float array, shape ``(..., n_bins, n_frames - 2 * edge_frames)``
        0 or 1; float32 for single precision. 0 where the speech is silent, 1 where only the noise is.

    Raises
    ------
    ParameterError
        For different shapes, NaN, a magnitude below 0, a threshold that is no finite number, or edges that leave no
        frame.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): at 0 dB the same as `ideal_binary_mask`; a higher threshold never adds a bin.

    References
    ----------
    Wang, "On ideal binary mask as the computational goal of auditory scene analysis", in: Speech separation by humans
    and machines, 2005. Li, Loizou, "Factors influencing intelligibility of ideal binary-masked speech", JASA 123(3),
    2008 (local criterion).

    Examples
    --------
    >>> local_snr_binary_mask([[1.0, 1.0, 1.0]], [[1.9, 2.1, 0.0]], threshold_db=-6.0)
    array([[1., 0., 1.]])
    """
    if not is_number(threshold_db):
        raise ParameterError(f"threshold_db={threshold_db!r}: a finite number of decibels is needed; 0 is usual")
    speech, disturbance, dtype = _magnitudes(("clean", "noise"), clean, noise)
    _require_edges(edge_frames, speech.shape[-1])
    kept = _reaches(speech, disturbance, 10.0, float(threshold_db) / 20.0)
    mask = _where_speech(kept, speech, dtype)
    return mask[..., int(edge_frames) : mask.shape[-1] - int(edge_frames)]


def _reaches(speech: Wide, other: Wide, base: float, exponent: float) -> npt.NDArray[np.bool_]:
    """Where ``speech >= base ** exponent * other``: no quotient, which knows no silence, and no rounded 0 dB."""
    with np.errstate(over="ignore", under="ignore"):
        criterion = np.power(np.float64(base), exponent)
        return np.asarray(speech >= np.where(other > 0.0, criterion, 1.0) * other)


def _where_speech(kept: npt.NDArray[np.bool_], speech: Wide, dtype: np.dtype[Any]) -> FloatArray:
    return (kept & (speech > 0.0)).astype(dtype)


def _magnitudes(names: tuple[str, str], left: npt.ArrayLike, right: npt.ArrayLike) -> tuple[Wide, Wide, np.dtype[Any]]:
    first, second = require_spec_or_magnitude(names[0], left), require_spec_or_magnitude(names[1], right)
    require_same_spectra(names, first, second)
    one, other = on_one_scale(first, second)
    return np.abs(one), np.abs(other), precision_of(first, second)


def _require_edges(edge_frames: int, n_frames: int) -> None:
    if isinstance(edge_frames, bool) or not isinstance(edge_frames, int | np.integer) or edge_frames < 0:
        raise ParameterError(f"edge_frames={edge_frames!r}: a whole number of frames of at least 0 is needed")
    if edge_frames and 2 * edge_frames >= n_frames:
        raise ParameterError(f"edge_frames={edge_frames} at both ends leave none of {n_frames} frames; use fewer")
