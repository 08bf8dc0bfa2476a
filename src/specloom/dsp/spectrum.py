"""Half and full spectra of real signals (row B8)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import ComplexArray
from specloom.errors import ParameterError


def full_spectrum(half: npt.ArrayLike, n_fft: int) -> ComplexArray:
    """The full spectrum of a real signal from its half spectrum, by mirroring.

    Parameters
    ----------
    half : complex or real array, shape ``(..., n_fft // 2 + 1, n_frames)``
        A spectrum, or a magnitude (which mirrors without conjugation, since it is real).
    n_fft : int
        Needed, because an odd and an even length give the same number of bins.

    Returns
    -------
    array, shape ``(..., n_fft, n_frames)``, of the dtype of ``half``.

    Raises
    ------
    ParameterError
        When the number of bins does not belong to ``n_fft``.

    Examples
    --------
    >>> frame = np.array([1.0, 2.0, 3.0, 4.0])[:, None]
    >>> bool(np.allclose(full_spectrum(np.fft.rfft(frame, axis=0), 4), np.fft.fft(frame, axis=0)))
    True
    """
    values = np.asarray(half)
    if values.ndim < 2 or values.shape[-2] != n_fft // 2 + 1:
        raise ParameterError(
            f"half has shape {values.shape}: (..., {n_fft // 2 + 1}, n_frames) is needed for n_fft={n_fft}"
        )
    mirrored = values[..., 1 : (n_fft + 1) // 2, :][..., ::-1, :]
    return np.concatenate([values, np.conj(mirrored)], axis=-2)


def half_spectrum(full: npt.ArrayLike) -> ComplexArray:
    """The first ``n_fft // 2 + 1`` bins: what `full_spectrum` was made of, ``(..., n_fft, n_frames)`` in."""
    values = np.asarray(full)
    if values.ndim < 2 or values.shape[-2] < 1:
        raise ParameterError(f"full has shape {values.shape}: (..., n_fft, n_frames) is needed")
    return values[..., : values.shape[-2] // 2 + 1, :]
