"""specloom.dsp.level against librosa, scipy and the article's own formula."""

import librosa
import numpy as np
import pytest
import scipy.signal

from specloom.dsp.level import amplitude_to_db, db_to_amplitude, de_emphasis, pre_emphasis, trim_bounds


def sound(seed, n_samples, scale, channels=()):
    rng = np.random.default_rng(seed)
    envelope = 10.0 ** (-rng.uniform(0, 6) * np.linspace(-1, 1, n_samples) ** 2)
    samples = (scale * envelope * rng.standard_normal((*channels, n_samples))).astype(np.float32)
    samples.flags.writeable = False
    return samples


@pytest.mark.parametrize("frame_length", [2048, 1024, 301, 1])
@pytest.mark.parametrize("hop_length", [512, 276, 1500, 33])
def test_trim_equals_librosa(frame_length, hop_length):
    for seed, n_samples in enumerate([1, 100, 2047, 5000, 44100]):
        for scale in (1e-6, 3e-4, 1.0, 1e4):
            samples = sound(seed, n_samples, scale)
            for top_db in (15, 22, 60):
                settings = {"top_db": top_db, "frame_length": frame_length, "hop_length": hop_length}
                expected = tuple(librosa.effects.trim(samples, **settings)[1])
                assert trim_bounds(samples, **settings) == expected


def test_trim_of_channels_and_of_silence_equals_librosa():
    stereo = sound(7, 30000, 0.1, (2,)) * np.float32([[1.0], [0.01]])
    stereo[1, :500] = 1.0
    assert trim_bounds(stereo, top_db=30) == tuple(librosa.effects.trim(stereo, top_db=30)[1])
    silence = np.zeros(7000, np.float32)
    assert trim_bounds(silence, top_db=30) == tuple(librosa.effects.trim(silence, top_db=30)[1])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_decibels_equal_librosa(scale):
    values = np.abs(sound(3, 4000, scale))
    for floor, reference in ((1e-5, 1.0), (1e-3, float(values.max())), (1e-5, 0.0)):
        ours = amplitude_to_db(values, floor=floor, reference=reference)
        theirs = librosa.amplitude_to_db(values.copy(), amin=floor, ref=reference, top_db=None)
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
        np.testing.assert_allclose(
            db_to_amplitude(ours, reference=0.3), librosa.db_to_amplitude(ours, ref=0.3), rtol=1e-4
        )


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.97])
def test_pre_emphasis_equals_the_article_and_librosa(coefficient):
    samples = sound(5, 3000, 0.3).astype(np.float64)
    ours = pre_emphasis(samples, coefficient)
    article = np.append(samples[0], samples[1:] - coefficient * samples[:-1])
    np.testing.assert_array_equal(ours, article)
    np.testing.assert_allclose(ours, librosa.effects.preemphasis(samples, coef=coefficient, zi=[0.0]), atol=1e-15)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.97])
def test_de_emphasis_equals_scipy_and_librosa(coefficient):
    samples = sound(6, 3000, 0.3, (2,)).astype(np.float64)
    ours = de_emphasis(samples, coefficient)
    np.testing.assert_array_equal(ours, scipy.signal.lfilter([1.0], [1.0, -coefficient], samples))
    theirs = librosa.effects.deemphasis(samples, coef=coefficient, zi=np.zeros((2, 1)))
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
