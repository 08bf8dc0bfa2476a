"""Resampling agrees with librosa's soxr_vhq, and with a Fourier resampling of a periodic sound."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import soundfile

from specloom import sounds
from specloom.dsp.resample import resample

PAIRS = [(16_000, 22_050), (16_000, 8_000), (16_000, 44_100), (44_100, 16_000), (44_100, 22_050)]


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_it_is_librosas_soxr_vhq_in_length_and_samples(from_rate, to_rate):
    librosa = pytest.importorskip("librosa")
    speech, _ = soundfile.read(sounds.path("speech"), dtype="float32")
    speech.flags.writeable = False
    reference = librosa.resample(speech, orig_sr=from_rate, target_sr=to_rate, res_type="soxr_vhq")
    ours = resample(speech, from_rate, to_rate)
    assert ours.shape == reference.shape
    # librosa pads the last sample with zero where it rounds the length up.
    assert np.abs(ours - reference)[:-1].max() <= 1e-6


@pytest.mark.parametrize(("from_rate", "to_rate"), [(16_000, 22_050), (48_000, 16_000), (22_050, 44_100)])
def test_away_from_the_edges_it_is_the_fourier_resampling_of_a_periodic_sound(from_rate, to_rate):
    rng = np.random.default_rng(3)
    time = np.arange(from_rate) / from_rate
    frequencies_hz = rng.integers(20, from_rate // 6 if from_rate < to_rate else to_rate // 4, 20)
    samples = sum(np.sin(2 * np.pi * f * time + phase) for f, phase in zip(frequencies_hz, rng.uniform(0, 6, 20))) / 20
    reference = scipy.signal.resample(samples, to_rate)
    middle = slice(to_rate // 5, -to_rate // 5)
    assert np.abs(resample(samples, from_rate, to_rate) - reference)[middle].max() < 1e-6
