"""Spectrograms and their pictures cleaned by an autoencoder, and sound through them."""

from specloom.tasks.denoise.denoiser import Denoiser
from specloom.tasks.denoise.features import MelPatches
from specloom.tasks.denoise.files import denoise_files

__all__ = ["Denoiser", "MelPatches", "denoise_files"]
