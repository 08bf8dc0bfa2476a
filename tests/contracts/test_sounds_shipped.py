"""The recordings that ship: there, small, real sound, with their licences beside them."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from specloom import sounds
from specloom.errors import ParameterError

EXPECTED = {"speech": (16_000, 1, 83_000), "music": (44_100, 2, 263_356)}


@pytest.mark.parametrize("name", sounds.NAMES)
def test_each_recording_has_its_rate_channels_and_length(name):
    info = soundfile.info(sounds.path(name))
    assert (info.samplerate, info.channels, info.frames) == EXPECTED[name]
    assert info.subtype == "PCM_16"


@pytest.mark.parametrize("name", sounds.NAMES)
def test_each_recording_is_sound_and_is_not_clipped(name):
    samples, _ = soundfile.read(sounds.path(name))
    assert np.sqrt(np.mean(samples**2)) > 0.05
    assert 0.2 < np.abs(samples).max() < 0.99


def test_the_recordings_are_small():
    folder = sounds.path("speech").parent
    assert sum(file.stat().st_size for file in folder.glob("*.flac")) <= 500_000


def test_every_sound_file_is_named_in_the_licence_file_with_its_licence_text():
    folder = sounds.path("speech").parent
    text = (folder / "LICENCES.md").read_text(encoding="utf-8")
    for file in folder.glob("*.flac"):
        assert f"## {file.name}" in text
    for needed in (
        "Nickolay V. Shmyrev",
        "The code must retain the above copyright notice",
        "DISCLAIM ALL WARRANTIES",
        "Modification, marked as the licence asks",
        "ru_0697.wav",
        "guit_e_fifths.flac",
        "Public License Fallback",
    ):
        assert needed in text


def test_another_name_is_refused_with_the_allowed_ones():
    with pytest.raises(ParameterError, match=r"name='voice'.*speech, music"):
        sounds.path("voice")
