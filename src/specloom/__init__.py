"""Specloom: sound to spectrogram to sound."""
