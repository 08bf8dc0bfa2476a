"""The errors that Specloom raises. Only the roof (the command line) turns them into exit codes."""

from __future__ import annotations


class SpecloomError(Exception):
    """The parent of every error that Specloom raises on purpose."""


class ParameterError(SpecloomError, ValueError):
    """A value that cannot be worked with: its name, what it was, what is allowed, what to do."""


class AudioFileError(SpecloomError, OSError):
    """A sound file that cannot be read or written."""


class ImageFileError(SpecloomError, OSError):
    """A picture file that cannot be read or written, or that is no picture."""


class SoundDeviceError(SpecloomError, OSError):
    """A microphone or speaker that is not there, or does not take what is asked of it."""


class ArtifactError(SpecloomError, ValueError):
    """A file of ours (spectrogram, recipe, model) that is damaged, incomplete or of another version."""


class MissingExtraError(SpecloomError, ImportError):
    """An optional package or program is needed; the message says which, and how to get it."""


class TrainingError(SpecloomError):
    """A training run that cannot begin or go on: a full disk, a loss that is no number, another run's folder."""


class SpecloomWarning(UserWarning):
    """Something was done otherwise than was asked for; the message says why, and what was done."""
