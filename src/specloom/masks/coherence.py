"""How much speech and noise hang together, bin by bin: what the IRM takes to be nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import FloatArray
from specloom.errors import ParameterError
from specloom.masks.checks import Wide, precision_of, require_same_spectra, require_spec, with_unit_peak


def speech_noise_coherence(
    clean: npt.ArrayLike, noise: npt.ArrayLike, *, n_bins: int = 3, n_frames: int = 5
) -> FloatArray:
    """The coherent part of speech and noise, ``Re <S N*> / sqrt(<|S|²> <|N|²>)``, averaged over neighbouring bins.

    Parameters
    ----------
    clean, noise : complex spectrum, shape ``(..., n_bins, n_frames)``
    n_bins, n_frames : int
        The neighbourhood of each average, odd numbers; less at the edges. 1 and 1 give the cosine of the angle between
        the two in every single bin.

    Returns
    -------
    float array, the same shape
        -1 to 1; float32 for complex64. 0 where either is silent in the whole neighbourhood.

    Raises
    ------
    ParameterError
        For different shapes, NaN, what is not complex, or a neighbourhood of an even size.

    Notes
    -----
    Two sounds that have nothing to do with each other do not give 0 here: an average over so few bins scatters, by
    about ``1 / sqrt(2 n)`` for n independent bins. Whether there is more than chance shows only against the same
    estimate with the noise moved in time; the laboratory gives both.

    Laws (tests/laws/test_masks_laws.py): symmetric; 1 for equal spectra and -1 for opposite ones.

    References
    ----------
    Xia, Li, Zhang, Yan, "Using optimal ratio mask as training target for supervised speech separation", APSIPA ASC
    2017.

    Examples
    --------
    >>> speech_noise_coherence([[1.0 + 0j, 1.0]], [[1j, 2.0]], n_bins=1, n_frames=1)
    array([[0., 1.]])
    """
    for name, size in (("n_bins", n_bins), ("n_frames", n_frames)):
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 or size % 2 == 0:
            raise ParameterError(
                f"{name}={size!r}: an odd whole number of at least 1 is needed, so that it has a middle"
            )
    speech, disturbance = require_spec("clean", clean), require_spec("noise", noise)
    require_same_spectra(("clean", "noise"), speech, disturbance)
    s, n = with_unit_peak(speech), with_unit_peak(disturbance)
    cross, own, other = (
        _around(product, int(n_bins), int(n_frames))
        for product in ((s * n.conj()).real, np.square(np.abs(s)), np.square(np.abs(n)))
    )
    norm = np.sqrt(own) * np.sqrt(other)
    coherence = np.divide(cross, norm, out=np.zeros_like(norm), where=norm > 0.0)
    return np.asarray(np.clip(coherence, -1.0, 1.0), dtype=precision_of(speech, disturbance))


def _around(values: Wide, n_bins: int, n_frames: int) -> Wide:
    """The sum over each bin's neighbourhood. Not a running sum, whose rounding would fill silence with directions."""
    from scipy.ndimage import correlate1d

    along_bins = correlate1d(values, np.ones(n_bins), axis=-2, mode="constant")
    return np.asarray(correlate1d(along_bins, np.ones(n_frames), axis=-1, mode="constant"))
