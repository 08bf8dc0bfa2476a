"""Floor 2: ideal time-frequency masks as plain array functions, what bounds them, and how they are applied.

Every mask follows one set of rules. Spectra are ``(..., n_bins, n_frames)``. Single precision in gives single precision
out (complex64 spectra give float32 masks and a complex64 complex mask). Nothing is written into the arguments. A bin in
which the clean speech, or the noisy sound, is exactly zero has the mask 0 (nothing can be gained there, and 0/0 never
arises), and no value is beyond the square root of the largest number of its precision, so nothing is ever NaN or
infinite.
"""

from specloom.masks.apply import apply_mask
from specloom.masks.binary import ideal_binary_mask, local_snr_binary_mask, majority_binary_mask
from specloom.masks.bounds import compress_mask, decompress_mask, truncate_mask
from specloom.masks.coherence import speech_noise_coherence
from specloom.masks.ratio import (
    complex_ideal_ratio_mask,
    ideal_amplitude_mask,
    ideal_ratio_mask,
    optimal_ratio_mask,
    phase_sensitive_mask,
)

__all__ = [
    "apply_mask",
    "complex_ideal_ratio_mask",
    "compress_mask",
    "decompress_mask",
    "ideal_amplitude_mask",
    "ideal_binary_mask",
    "ideal_ratio_mask",
    "local_snr_binary_mask",
    "majority_binary_mask",
    "optimal_ratio_mask",
    "phase_sensitive_mask",
    "speech_noise_coherence",
    "truncate_mask",
]
