"""Two short real recordings that ship with Specloom: a spoken sentence and a guitar.

Who made them, under which licence, and what was changed is written in ``LICENCES.md`` beside them.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from specloom.errors import ParameterError

SoundName = Literal["speech", "music"]

NAMES: tuple[SoundName, ...] = get_args(SoundName)
"""The names that `path` knows."""


def path(name: SoundName) -> Path:
    """Where a recording that ships with the package lies.

    Parameters
    ----------
    name : {"speech", "music"}
        ``"speech"``: a read Russian sentence, 5.2 s, 16 kHz, mono. ``"music"``: an electric guitar, 6.0 s,
        44.1 kHz, stereo. Both are 16-bit FLAC.

    Returns
    -------
    pathlib.Path
        A file to read, never to write.

    Raises
    ------
    ParameterError
        For another name.

    Examples
    --------
    >>> path("speech").name
    'speech.flac'
    """
    if name not in NAMES:
        raise ParameterError(f"name={name!r}: no such recording ships with Specloom; allowed are {', '.join(NAMES)}")
    return Path(str(resources.files(__name__) / f"{name}.flac"))


def by_librosa() -> Path:
    """What librosa makes of the mel spectrogram of ``"speech"``, for comparison (``docs/make_librosa_sound.py``)."""
    return Path(str(resources.files(__name__) / "speech-by-librosa.flac"))
