"""The masks that are compared, each as it would be applied, and the transforms that they are taken with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from specloom.config import StftConfig
from specloom.dsp.stft import ComplexArray, istft, stft
from specloom.dsp.windows import padded_window
from specloom.masks import (
    apply_mask,
    complex_ideal_ratio_mask,
    compress_mask,
    decompress_mask,
    ideal_amplitude_mask,
    ideal_binary_mask,
    ideal_ratio_mask,
    local_snr_binary_mask,
    majority_binary_mask,
    optimal_ratio_mask,
    phase_sensitive_mask,
    truncate_mask,
)

Family = Literal["cIRM", "ORM", "PSM", "IAM", "IRM", "IBM", "none"]
OracleKind = Literal["mask", "mistake", "noisy"]
Samples = npt.NDArray[np.float32]

TRANSFORMS: dict[int, StftConfig] = {
    16000: StftConfig(sample_rate=16000, n_fft=512, hop_length=256),
    8000: StftConfig(sample_rate=8000, n_fft=512, win_length=256, hop_length=128),
}
"""The transform of each table: the usual one of wide-band enhancement, and the article's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectra:
    """Speech, noise and their sum, transformed alike.

    Parameters
    ----------
    config : StftConfig
    clean, noise, noisy : complex array, shape ``(n_bins, n_frames)``
    n_samples : int
        Of the sounds that they were taken of.
    """

    config: StftConfig
    clean: ComplexArray
    noise: ComplexArray
    noisy: ComplexArray
    n_samples: int

    @classmethod
    def of(cls, clean: Samples, noisy: Samples, config: StftConfig) -> Spectra:
        """The spectra of two sounds; the noise is what the noisy one has more."""
        c, n, y = (stft(samples, config) for samples in (clean, noisy - clean, noisy))
        return cls(config=config, clean=c, noise=n, noisy=y, n_samples=len(clean))

    def masked(self, mask: npt.NDArray[Any]) -> Samples:
        """The sound of the noisy spectrum under a mask."""
        return np.asarray(istft(apply_mask(mask, self.noisy), self.config, self.n_samples), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A row of the table.

    Parameters
    ----------
    key, label : str
    family : str
        The mask of the article's ranking that it belongs to.
    mask : callable
        Spectra to the mask as it is applied: truncated, or compressed and decompressed again.
    kind : {"mask", "mistake", "noisy"}
        A mistake is computed as the article prints it; the noisy sound has the mask 1.
    shown : (float, float)
        The values of the darkest and the brightest colour of its picture.
    about : str
        A sentence about it.
    """

    key: str
    label: str
    family: Family
    mask: Callable[[Spectra], npt.NDArray[Any]]
    kind: OracleKind = "mask"
    shown: tuple[float, float] = (0.0, 1.0)
    about: str = ""


def _truncated(mask: Callable[[Spectra], npt.NDArray[Any]], low: float, high: float) -> Any:
    return lambda spectra: truncate_mask(mask(spectra), low=low, high=high)


def _through_compression(mask: Callable[[Spectra], npt.NDArray[Any]]) -> Any:
    return lambda spectra: decompress_mask(compress_mask(mask(spectra)))


def _cirm(spectra: Spectra) -> npt.NDArray[Any]:
    return complex_ideal_ratio_mask(spectra.clean, spectra.noisy)


def _orm(spectra: Spectra) -> npt.NDArray[Any]:
    return optimal_ratio_mask(spectra.clean, spectra.noise)


def _psm(spectra: Spectra) -> npt.NDArray[Any]:
    return phase_sensitive_mask(spectra.clean, spectra.noisy)


def _iam(spectra: Spectra) -> npt.NDArray[Any]:
    return ideal_amplitude_mask(spectra.clean, spectra.noisy)


def _irm_as_printed(spectra: Spectra) -> npt.NDArray[Any]:
    """``|S|² / |S|² + |N|² + eps``: without its parentheses the quotient is 1, and noise makes the mask larger.

    How much larger depends on the scale of the transform, as no mask should. Taken here of amplitudes (divided by the
    sum of the window), where the noise's power is far below 1.
    """
    noise = np.abs(spectra.noise) / padded_window(spectra.config).sum()
    printed = 1.0 + np.square(noise) + np.finfo(np.float64).eps
    return np.asarray(np.sqrt(printed), dtype=np.float32)


_SIGNED = (-2.0, 2.0)

ORACLES: tuple[Oracle, ...] = (
    Oracle(key="cirm", label="cIRM", family="cIRM", mask=_cirm, shown=_SIGNED, about="S / Y: gives the speech back."),
    Oracle(
        key="cirm-compressed",
        label="cIRM, compressed and decompressed",
        family="cIRM",
        mask=_through_compression(_cirm),
        shown=_SIGNED,
        about="K tanh(C x / 2) with K = 10, C = 0.1, and back: the compression alone costs next to nothing.",
    ),
    Oracle(
        key="cirm-1-1",
        label="cIRM, parts in [-1, 1]",
        family="cIRM",
        mask=_truncated(_cirm, -1.0, 1.0),
        shown=_SIGNED,
        about="Real and imaginary part clipped.",
    ),
    Oracle(
        key="psm",
        label="PSM, untruncated",
        family="PSM",
        mask=_psm,
        shown=_SIGNED,
        about="|S| / |Y| times the cosine between their phases.",
    ),
    Oracle(
        key="orm",
        label="ORM, untruncated",
        family="ORM",
        mask=_orm,
        shown=_SIGNED,
        about="Written with speech and noise, and the same number as the PSM.",
    ),
    Oracle(
        key="orm-compressed",
        label="ORM, compressed and decompressed",
        family="ORM",
        mask=_through_compression(_orm),
        shown=_SIGNED,
        about="K tanh(C x / 2) with K = 10, C = 0.1, and back.",
    ),
    Oracle(
        key="psm-1-2",
        label="PSM in [-1, 2]",
        family="PSM",
        mask=_truncated(_psm, -1.0, 2.0),
        shown=_SIGNED,
        about="The wider of the two usual truncations.",
    ),
    Oracle(
        key="psm-0-1",
        label="PSM in [0, 1]",
        family="PSM",
        mask=_truncated(_psm, 0.0, 1.0),
        about="The range of a sigmoid.",
    ),
    Oracle(
        key="orm-0-1",
        label="ORM in [0, 1]",
        family="ORM",
        mask=_truncated(_orm, 0.0, 1.0),
        about="The range of a sigmoid; the same as the PSM there.",
    ),
    Oracle(
        key="iam",
        label="IAM, untruncated",
        family="IAM",
        mask=_iam,
        shown=(0.0, 2.0),
        about="|S| / |Y|: the right magnitude with the noisy phase.",
    ),
    Oracle(
        key="iam-0-2",
        label="IAM in [0, 2]",
        family="IAM",
        mask=_truncated(_iam, 0.0, 2.0),
        shown=(0.0, 2.0),
        about="The wider of the two usual truncations.",
    ),
    Oracle(
        key="iam-0-1",
        label="IAM in [0, 1]",
        family="IAM",
        mask=_truncated(_iam, 0.0, 1.0),
        about="The range of a sigmoid.",
    ),
    Oracle(
        key="irm",
        label="IRM, beta 0.5",
        family="IRM",
        mask=lambda spectra: ideal_ratio_mask(spectra.clean, spectra.noise, beta=0.5),
        about="The square root of the speech's share of the energy.",
    ),
    Oracle(
        key="irm-1",
        label="IRM, beta 1 (Wiener)",
        family="IRM",
        mask=lambda spectra: ideal_ratio_mask(spectra.clean, spectra.noise, beta=1.0),
        about="The Wiener filter.",
    ),
    Oracle(
        key="ibm-majority",
        label="IBM, |S| / |Y| at least 0.5",
        family="IBM",
        mask=lambda spectra: majority_binary_mask(spectra.clean, spectra.noisy),
        about="Second definition, against the noisy sound.",
    ),
    Oracle(
        key="ibm-majority-noise",
        label="IBM, |S| / |N| at least 0.5",
        family="IBM",
        mask=lambda spectra: majority_binary_mask(spectra.clean, spectra.noise),
        about="Second definition as its code reads, against the noise: a local SNR of -6 dB.",
    ),
    Oracle(
        key="ibm",
        label="IBM, |S| at least |N|",
        family="IBM",
        mask=lambda spectra: ideal_binary_mask(spectra.clean, spectra.noise),
        about="First definition.",
    ),
    Oracle(
        key="ibm-snr",
        label="IBM, local SNR at least 0 dB",
        family="IBM",
        mask=lambda spectra: local_snr_binary_mask(spectra.clean, spectra.noise),
        about="Third definition, without cutting edge frames: the same mask as the first.",
    ),
    Oracle(
        key="irm-as-printed",
        label="IRM as printed, without parentheses",
        family="none",
        mask=_irm_as_printed,
        kind="mistake",
        about="The formula as the article's code has it: 1 plus the noise's power, so the noise stays. Taken of "
        "amplitudes; of a transform that is not scaled it makes the noise louder.",
    ),
    Oracle(
        key="noisy",
        label="noisy",
        family="none",
        mask=lambda spectra: np.ones(spectra.noisy.shape, np.float32),
        kind="noisy",
        about="As it was given.",
    ),
)
"""Every row of the table."""


def oracle(key: str) -> Oracle:
    """The row of this key.

    Raises
    ------
    KeyError
        When there is none.
    """
    return {row.key: row for row in ORACLES}[key]
