"""What values the masks take: the histograms that choose a truncation, and the coherence of speech and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.masks import (
    complex_ideal_ratio_mask,
    ideal_amplitude_mask,
    ideal_ratio_mask,
    phase_sensitive_mask,
    speech_noise_coherence,
)
from specloom.tasks.mask_lab.oracles import Spectra

EDGES: npt.NDArray[np.float64] = np.linspace(-5.0, 5.0, 201)
"""The borders of the histograms' columns; what lies outside is counted apart."""

NAMES: dict[str, str] = {
    "iam": "IAM",
    "psm": "PSM = ORM = real part of the cIRM",
    "cirm-imag": "cIRM, imaginary part",
    "irm": "IRM, beta 0.5",
}
"""What is counted, and what it is called."""

RANGES: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.0, 2.0), (-1.0, 1.0), (-1.0, 2.0), (-2.0, 2.0), (-10.0, 10.0))
"""The truncations whose share of all bins is counted."""


class ValueCounts:
    """How often the values of one mask fall where, over any number of sounds; bins of a silent mixture do not count.

    Every bin counts once, and once more with the energy of the noisy sound in it: a quiet bin may take any value
    without anybody hearing it.
    """

    def __init__(self) -> None:
        self.n_bins = 0
        self.energy = 0.0
        self.counts = np.zeros(len(EDGES) - 1, np.int64)
        self.below = self.above = 0
        self._inside = np.zeros((2, len(RANGES)))

    def add(self, mask: npt.NDArray[Any], power: npt.NDArray[Any]) -> None:
        """Count the values of a mask over a noisy sound of this power, two arrays of one shape."""
        heard = power > 0.0
        values, energy = mask[heard].astype(np.float64), power[heard].astype(np.float64)
        self.n_bins += values.size
        self.energy += float(energy.sum())
        self.below += int((values < EDGES[0]).sum())
        self.above += int((values > EDGES[-1]).sum())
        self.counts += np.histogram(values, EDGES)[0]
        for at, (low, high) in enumerate(RANGES):
            inside = (values >= low) & (values <= high)
            self._inside[:, at] += inside.sum(), energy[inside].sum()

    def share_inside(self, low: float, high: float, *, by_energy: bool = False) -> float:
        """The share of the bins (or of the energy) whose value lies within one of `RANGES`, 0 to 1."""
        total = self.energy if by_energy else self.n_bins
        return float(self._inside[int(by_energy), RANGES.index((low, high))] / total) if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "n_bins": self.n_bins,
            "edges": [round(float(edge), 6) for edge in EDGES],
            "counts": self.counts.tolist(),
            "below": self.below,
            "above": self.above,
            "inside": [
                {
                    "low": low,
                    "high": high,
                    "share_of_bins": self.share_inside(low, high),
                    "share_of_energy": self.share_inside(low, high, by_energy=True),
                }
                for low, high in RANGES
            ],
        }


def count_values(spectra: Spectra, counts: dict[str, ValueCounts]) -> None:
    """Add the masks of one sound to the counts, by the keys of `NAMES`."""
    masks = {
        "iam": ideal_amplitude_mask(spectra.clean, spectra.noisy),
        "psm": phase_sensitive_mask(spectra.clean, spectra.noisy),
        "cirm-imag": complex_ideal_ratio_mask(spectra.clean, spectra.noisy).imag,
        "irm": ideal_ratio_mask(spectra.clean, spectra.noise),
    }
    power = np.square(np.abs(spectra.noisy))
    for name, mask in masks.items():
        counts.setdefault(name, ValueCounts()).add(mask, power)


@dataclass(frozen=True, kw_only=True)
class Coherence:
    """The mean absolute coherence of speech and noise over all bins, and by chance: with the noise moved in time."""

    found: float
    by_chance: float


def moved(noise: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The noise half its length later, the end put in front: the same noise, at moments it has no business with."""
    return np.roll(noise, noise.shape[-1] // 2, axis=-1)


def coherence_of(spectra: Spectra) -> Coherence:
    """The coherence of one sound."""
    found = np.abs(speech_noise_coherence(spectra.clean, spectra.noise)).mean()
    chance = np.abs(speech_noise_coherence(spectra.clean, moved(spectra.noise))).mean()
    return Coherence(found=float(found), by_chance=float(chance))
