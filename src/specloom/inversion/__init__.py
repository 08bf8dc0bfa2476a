"""Mel spectra to sound with the help of networks (row C4).

A network spreads the bands over the bins, our phase retrieval makes a first sound of that, and another network, which
sees the spectra of that sound, refines them.
"""

from __future__ import annotations

from specloom.inversion.features import MelInversion, MelSettings
from specloom.inversion.inverter import MelInverter
from specloom.inversion.stream import MelStream

__all__ = ["MelInversion", "MelInverter", "MelSettings", "MelStream"]
