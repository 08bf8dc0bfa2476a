"""Floor 3: recipes, the settings of a whole chain from sound to spectrogram and back."""

from specloom.recipes.catalog import LIBROSA, RECIPES, SPEECH16, SPOOF, SPOOF_AS_WRITTEN, TACOTRON, TACOTRON_AS_WRITTEN
from specloom.recipes.recipe import Frames, GriffinLim, MelBands, Recipe, Reconstruct, Synthesis
from specloom.recipes.scales import Decibels, Linear, PeakPower
from specloom.recipes.spectrogram import Origin, Spectrogram

__all__ = [
    "LIBROSA",
    "RECIPES",
    "SPEECH16",
    "SPOOF",
    "SPOOF_AS_WRITTEN",
    "TACOTRON",
    "TACOTRON_AS_WRITTEN",
    "Decibels",
    "Frames",
    "GriffinLim",
    "Linear",
    "MelBands",
    "Origin",
    "PeakPower",
    "Recipe",
    "Reconstruct",
    "Spectrogram",
    "Synthesis",
]
