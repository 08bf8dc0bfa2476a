"""Floor 2: figures that tell two sounds, or two spectrograms, apart.

Every figure is defined for silence, for one sample and for sounds shorter than a frame (each docstring says how), and
is NaN where it has no meaning; no warning of numpy reaches the caller.
"""

from specloom.metrics.dnsmos import Dnsmos, dnsmos_available, dnsmos_score
from specloom.metrics.perceptual import pesq_available, pesq_score, stoi_available, stoi_score
from specloom.metrics.pitch import f0_shift_cents, f0_track
from specloom.metrics.signal import align, level_difference_db, si_sdr_db, snr_db
from specloom.metrics.spectral import log_spectral_distance_db, spectral_convergence_db
from specloom.metrics.timbre import centroid_shift_cents, spectral_centroid_hz

__all__ = [
    "Dnsmos",
    "align",
    "centroid_shift_cents",
    "dnsmos_available",
    "dnsmos_score",
    "f0_shift_cents",
    "f0_track",
    "level_difference_db",
    "log_spectral_distance_db",
    "pesq_available",
    "pesq_score",
    "si_sdr_db",
    "snr_db",
    "spectral_centroid_hz",
    "spectral_convergence_db",
    "stoi_available",
    "stoi_score",
]
