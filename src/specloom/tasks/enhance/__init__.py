"""Speech enhancement: noisy sound -> cleaned sound, in memory, from files, and while it arrives."""

from specloom.tasks.enhance.enhancer import Enhancer
from specloom.tasks.enhance.features import EnhanceFeatures, SpectrumFeatures, WaveformFeatures, parse_features
from specloom.tasks.enhance.files import enhance_files
from specloom.tasks.enhance.live import enhance_live
from specloom.tasks.enhance.stream import EnhanceStream

__all__ = [
    "EnhanceFeatures",
    "EnhanceStream",
    "Enhancer",
    "SpectrumFeatures",
    "WaveformFeatures",
    "enhance_files",
    "enhance_live",
    "parse_features",
]
