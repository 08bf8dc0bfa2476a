"""Masks of real and complex values: IRM, IAM (SMM), PSM, cIRM and ORM.

With S the clean speech, N the noise and Y = S + N the noisy sound, in every bin:

====  =====================================  ==========================  ==============================================
IRM   ``(|S|² / (|S|² + |N|²)) ** beta``     0 to 1                      as if S and N were orthogonal
IAM   ``|S| / |Y|``                          0 and more                  the right magnitude
PSM   ``|S| / |Y| cos(angle S - angle Y)``   any                         the nearest real factor: Re(S / Y)
ORM   written with S and N                   any                         the same number as the PSM
cIRM  ``S / Y``                              complex                     gives S back
====  =====================================  ==========================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import ComplexArray, FloatArray
from specloom.masks.checks import (
    Wide,
    WideComplex,
    limited,
    on_one_scale,
    precision_of,
    require_above_zero,
    require_same_spectra,
    require_spec,
    require_spec_or_magnitude,
)


def ideal_ratio_mask(clean: npt.ArrayLike, noise: npt.ArrayLike, *, beta: float = 0.5) -> FloatArray:
    """Ideal ratio mask (IRM): the share of the speech in the energy, ``(|S|² / (|S|² + |N|²)) ** beta``.

    Parameters
    ----------
    clean, noise : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
        The speech and the noise apart from each other (not the noisy sound).
    beta : float
        Above 0. 0.5 is usual (the square root of the Wiener filter); 1 is the Wiener filter itself.

    Returns
    -------
    float array, the same shape
        0 to 1; float32 for single precision. 0 where the speech is silent.

    Raises
    ------
    ParameterError
        For different shapes, NaN, a magnitude below 0, or a ``beta`` that is no number above 0.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): the masks of speech and noise raised to ``1 / beta`` add up to 1; a smaller
    ``beta`` never gives a smaller mask; a common scale changes nothing.

    The article prints the quotient without the parentheses of its denominator, which makes it 1 plus the noise's power.

    References
    ----------
    Srinivasan, Roman, Wang, "Binary and ratio time-frequency masks for robust speech recognition", Speech
    Communication 48(11), 2006. Wang, Narayanan, Wang, "On training targets for supervised speech separation",
    IEEE/ACM TASLP 22(12), 2014.

    Examples
    --------
    >>> ideal_ratio_mask([[3.0, 0.0]], [[4.0, 0.0]])
    array([[0.6, 0. ]])
    """
    require_above_zero("beta", beta, "0.5 is usual, 1 is the Wiener filter")
    speech, disturbance, dtype = _magnitudes(("clean", "noise"), clean, noise)
    total = np.square(speech) + np.square(disturbance)
    share = np.divide(np.square(speech), total, out=np.zeros_like(total), where=total > 0.0)
    return limited(share ** float(beta), dtype)


def ideal_amplitude_mask(clean: npt.ArrayLike, noisy: npt.ArrayLike) -> FloatArray:
    """Ideal amplitude mask (IAM), also called spectral magnitude mask (SMM) or FFT-mask: ``|S| / |Y|``.

    Parameters
    ----------
    clean, noisy : complex spectrum or magnitude, shape ``(..., n_bins, n_frames)``
        The speech, and the sound that holds it.

    Returns
    -------
    float array, the same shape
        0 and more, untruncated (`truncate_mask` to [0, 1] or [0, 2] is usual); float32 for single precision. 0 where
        either is silent.

    Raises
    ------
    ParameterError
        For different shapes, NaN, or a magnitude below 0.

    Notes
    -----
    Laws (tests/laws/test_masks_laws.py): ``mask * |Y| == |S|`` wherever Y is not zero; the absolute value of the cIRM;
    never below the absolute value of the PSM.

    References
    ----------
    Wang, Narayanan, Wang, "On training targets for supervised speech separation", IEEE/ACM TASLP 22(12), 2014.

    Examples
    --------
    >>> ideal_amplitude_mask([[1.0, 3.0, 1.0]], [[2.0, 1.0, 0.0]])
    array([[0.5, 3. , 0. ]])
    """
    speech, mixture, dtype = _magnitudes(("clean", "noisy"), clean, noisy)
    return limited(_quotient(speech, mixture), dtype)


def phase_sensitive_mask(clean: npt.ArrayLike, noisy: npt.ArrayLike) -> FloatArray:
    """Phase-sensitive mask (PSM): ``|S| / |Y| cos(angle S - angle Y)``, the real part of the cIRM.

    Parameters
    ----------
    clean, noisy : complex spectrum, shape ``(..., n_bins, n_frames)``

    Returns
    -------
    float array, the same shape
        Any sign, untruncated (`truncate_mask` to [0, 1] or [-1, 2] is usual); float32 for complex64. 0 where either is
        silent.

    Raises
    ------
    ParameterError
        For different shapes, NaN, or what is not complex.

    Notes
    -----
    Of all real masks it leaves the least squared error ``|S - mask Y|²`` in every bin. Laws
    (tests/laws/test_masks_laws.py): that; equal to the untruncated ORM; a common scale or rotation changes nothing.

    References
    ----------
    Erdogan, Hershey, Watanabe, Le Roux, "Phase-sensitive and recognition-boosted speech separation using deep
    recurrent neural networks", ICASSP 2015.

    Examples
    --------
    >>> phase_sensitive_mask([[1.0 + 0j, 1j]], [[2.0 + 0j, 1.0 + 0j]])
    array([[0.5, 0. ]])
    """
    mask, dtype = _complex_quotient(("clean", "noisy"), clean, noisy)
    return limited(mask.real, dtype)


def complex_ideal_ratio_mask(clean: npt.ArrayLike, noisy: npt.ArrayLike) -> ComplexArray:
    """Complex ideal ratio mask (cIRM): ``S / Y``, which corrects magnitude and phase.

    Parameters
    ----------
    clean, noisy : complex spectrum, shape ``(..., n_bins, n_frames)``

    Returns
    -------
    complex array, the same shape
        complex64 for complex64. 0 where either is silent.

    Raises
    ------
    ParameterError
        For different shapes, NaN, or what is not complex.

    Notes
    -----
    Law (tests/laws/test_masks_laws.py): applied to the noisy spectrum it gives the clean one back, within -100 dB, also
    in single precision. The published formula divides by ``Yr² + Yi²``, which is 0/0 on silence and underflows near it;
    here nothing is squared.

    References
    ----------
    Williamson, Wang, Wang, "Complex ratio masking for monaural speech separation", IEEE/ACM TASLP 24(3), 2016.

    Examples
    --------
    >>> complex_ideal_ratio_mask([[1j, 1.0]], [[2.0 + 0j, 0j]])
    array([[0.+0.5j, 0.+0.j ]])
    """
    mask, dtype = _complex_quotient(("clean", "noisy"), clean, noisy)
    result = np.empty(mask.shape, np.complex64 if dtype == np.float32 else np.complex128)
    result.real, result.imag = limited(mask.real, dtype), limited(mask.imag, dtype)
    return result


def optimal_ratio_mask(clean: npt.ArrayLike, noise: npt.ArrayLike) -> FloatArray:
    """Optimal ratio mask (ORM): ``(|S|² + Re(S N*)) / (|S|² + |N|² + 2 Re(S N*))``, from the speech and the noise.

    Parameters
    ----------
    clean, noise : complex spectrum, shape ``(..., n_bins, n_frames)``
        The speech and the noise apart from each other (not the noisy sound).

    Returns
    -------
    float array, the same shape
        Any sign, untruncated; float32 for complex64. 0 where the speech is silent or the noise cancels it exactly.

    Raises
    ------
    ParameterError
        For different shapes, NaN, or what is not complex.

    Notes
    -----
    It **is** the untruncated PSM of the mixture: the numerator is ``Re(S (S + N)*)`` and the denominator ``|S + N|²``,
    so with Y = S + N it is ``Re(S Y*) / |Y|² = Re(S / Y)`` (tests/laws/test_masks_laws.py). No measurement can put one
    above the other. It is worked out in these factors, because the four terms of the published denominator cancel to
    rounding errors where the noise nearly cancels the speech.

    References
    ----------
    Liang, Liu, Jiang, Xue, "The optimal ratio time-frequency mask for speech separation in terms of the signal-to-noise
    ratio", JASA 134(5), 2013. Xia, Li, Zhang, Yan, "Using optimal ratio mask as training target for supervised speech
    separation", APSIPA ASC 2017.

    Examples
    --------
    >>> optimal_ratio_mask([[2.0 + 0j, 1j]], [[2.0 + 0j, -1j]])
    array([[0.5, 0. ]])
    """
    speech, disturbance = require_spec("clean", clean), require_spec("noise", noise)
    require_same_spectra(("clean", "noise"), speech, disturbance)
    dtype = precision_of(speech, disturbance)
    s, n = on_one_scale(speech, disturbance)
    mixture = s + n
    power = np.square(np.abs(mixture))
    projection = (s * mixture.conj()).real
    mask = np.divide(projection, power, out=np.zeros_like(power), where=power > 0.0)
    return limited(mask, dtype)


def _magnitudes(names: tuple[str, str], left: npt.ArrayLike, right: npt.ArrayLike) -> tuple[Wide, Wide, np.dtype[Any]]:
    """Both magnitudes on one scale, and the precision of the result."""
    first, second = require_spec_or_magnitude(names[0], left), require_spec_or_magnitude(names[1], right)
    require_same_spectra(names, first, second)
    one, other = on_one_scale(first, second)
    return np.abs(one), np.abs(other), precision_of(first, second)


def _quotient(numerator: Wide, denominator: Wide) -> Wide:
    """Zero where the denominator is; where it is next to nothing possibly infinite, which `limited` takes back."""
    with np.errstate(over="ignore"):
        return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0.0)


def _complex_quotient(
    names: tuple[str, str], clean: npt.ArrayLike, noisy: npt.ArrayLike
) -> tuple[WideComplex, np.dtype[Any]]:
    """``S / Y`` part by part: S turned back by the direction of Y, then divided by its magnitude; never squared."""
    speech, mixture = require_spec(names[0], clean), require_spec(names[1], noisy)
    require_same_spectra(names, speech, mixture)
    s, y = on_one_scale(speech, mixture)
    size = np.abs(y)
    divisor = np.where(size > 0.0, size, 1.0)
    direction = np.empty_like(y)
    direction.real, direction.imag = y.real / divisor, y.imag / divisor
    turned = s * direction.conj()
    mask = np.empty_like(turned)
    mask.real, mask.imag = _quotient(turned.real, size), _quotient(turned.imag, size)
    return mask, precision_of(speech, mixture)
