"""Specloom: sound to spectrogram to sound, right and fast.

Names are fetched when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from specloom.version import __version__ as __version__

if TYPE_CHECKING:
    from specloom.audio import Audio
    from specloom.config import MelConfig, StftConfig
    from specloom.dsp.mel import hz_to_mel, mel_filterbank, mel_to_hz
    from specloom.dsp.mel_inversion import mel_to_magnitude
    from specloom.dsp.resample import resample
    from specloom.dsp.spectrum import full_spectrum, half_spectrum
    from specloom.dsp.stft import istft, stft
    from specloom.errors import (
        ArtifactError,
        AudioFileError,
        ImageFileError,
        MissingExtraError,
        ParameterError,
        SpecloomError,
        SpecloomWarning,
    )
    from specloom.inversion import MelInverter, MelSettings, MelStream
    from specloom.io.audio import AudioReader, AudioWriter, load, save
    from specloom.page.plot import plot
    from specloom.phase.griffin_lim import griffin_lim
    from specloom.phase.reconstruct import reconstruct, reconstruct_blocks
    from specloom.phase.streaming import StreamingReconstructor
    from specloom.pictures import Picture, picture
    from specloom.recipes import (
        LIBROSA,
        RECIPES,
        SPEECH16,
        SPOOF,
        SPOOF_AS_WRITTEN,
        TACOTRON,
        TACOTRON_AS_WRITTEN,
        Recipe,
        Spectrogram,
    )
    from specloom.recipes.neural import reconstruct_mel
    from specloom.rescue.rescue import Rescue, rescue_picture
    from specloom.tasks.denoise.denoiser import Denoiser
    from specloom.tasks.enhance.enhancer import Enhancer

_HOMES = {
    "specloom.audio": ("Audio",),
    "specloom.config": ("MelConfig", "StftConfig"),
    "specloom.dsp.mel": ("hz_to_mel", "mel_filterbank", "mel_to_hz"),
    "specloom.dsp.mel_inversion": ("mel_to_magnitude",),
    "specloom.dsp.resample": ("resample",),
    "specloom.dsp.spectrum": ("full_spectrum", "half_spectrum"),
    "specloom.dsp.stft": ("istft", "stft"),
    "specloom.errors": (
        "ArtifactError",
        "AudioFileError",
        "ImageFileError",
        "MissingExtraError",
        "ParameterError",
        "SpecloomError",
        "SpecloomWarning",
    ),
    "specloom.inversion": ("MelInverter", "MelSettings", "MelStream"),
    "specloom.io.audio": ("AudioReader", "AudioWriter", "load", "save"),
    "specloom.page.plot": ("plot",),
    "specloom.phase.griffin_lim": ("griffin_lim",),
    "specloom.phase.reconstruct": ("reconstruct", "reconstruct_blocks"),
    "specloom.phase.streaming": ("StreamingReconstructor",),
    "specloom.pictures": ("Picture", "picture"),
    "specloom.recipes": (
        "LIBROSA",
        "RECIPES",
        "SPEECH16",
        "SPOOF",
        "SPOOF_AS_WRITTEN",
        "TACOTRON",
        "TACOTRON_AS_WRITTEN",
        "Recipe",
        "Spectrogram",
    ),
    "specloom.recipes.neural": ("reconstruct_mel",),
    "specloom.rescue.rescue": ("Rescue", "rescue_picture"),
    "specloom.tasks.denoise.denoiser": ("Denoiser",),
    "specloom.tasks.enhance.enhancer": ("Enhancer",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "LIBROSA",
    "RECIPES",
    "SPEECH16",
    "SPOOF",
    "SPOOF_AS_WRITTEN",
    "TACOTRON",
    "TACOTRON_AS_WRITTEN",
    "ArtifactError",
    "Audio",
    "AudioFileError",
    "AudioReader",
    "AudioWriter",
    "Denoiser",
    "Enhancer",
    "ImageFileError",
    "MelConfig",
    "MelInverter",
    "MelSettings",
    "MelStream",
    "MissingExtraError",
    "ParameterError",
    "Picture",
    "Recipe",
    "Rescue",
    "SpecloomError",
    "SpecloomWarning",
    "Spectrogram",
    "StftConfig",
    "StreamingReconstructor",
    "full_spectrum",
    "griffin_lim",
    "half_spectrum",
    "hz_to_mel",
    "istft",
    "load",
    "mel_filterbank",
    "mel_to_hz",
    "mel_to_magnitude",
    "picture",
    "plot",
    "reconstruct",
    "reconstruct_blocks",
    "reconstruct_mel",
    "resample",
    "rescue_picture",
    "save",
    "stft",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'specloom' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
