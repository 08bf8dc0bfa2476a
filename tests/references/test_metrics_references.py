"""specloom.metrics against scipy, librosa, and the packages of PESQ and STOI."""

import itertools

import librosa
import numpy as np
import pytest
import scipy.signal

from specloom import metrics
from specloom.errors import ParameterError


def locked(array):
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def speech_like(seed=0, sample_rate=16000, n_words=6, word_s=0.4, pause_s=0.25):
    """Gliding harmonics and pauses: enough of a voice for PESQ, STOI and a pitch tracker."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(n_words):
        time = np.arange(int(word_s * sample_rate)) / sample_rate
        phase = 2 * np.pi * np.cumsum(rng.uniform(100, 180) * (1 + 0.2 * time / word_s)) / sample_rate
        word = sum(np.sin(k * phase + k * k) * rng.uniform(0.2, 1) / k for k in range(1, 20))
        pieces += [word * np.hanning(len(word)), np.zeros(int(pause_s * sample_rate))]
    sound = np.concatenate(pieces)
    sound += 1e-4 * rng.standard_normal(len(sound))
    return locked(0.3 * sound / np.abs(sound).max())


def degraded(sound, seed=1, amount=0.02):
    return locked(sound + amount * np.random.default_rng(seed).standard_normal(len(sound)))


@pytest.mark.parametrize("lengths", [(400, 400), (400, 150), (150, 400), (70_000, 300)])
def test_align_equals_scipy(lengths):
    rng = np.random.default_rng(sum(lengths))
    reference, estimate = (locked(rng.standard_normal(n)) for n in lengths)
    correlation = scipy.signal.correlate(estimate, reference)
    lags = scipy.signal.correlation_lags(len(estimate), len(reference))
    for max_lag in (0, 10, 90, 10**6):
        near = np.abs(lags) <= max_lag
        assert metrics.align(reference, estimate, max_lag=max_lag) == lags[near][correlation[near].argmax()]


def test_f0_agrees_with_librosa():
    sound = speech_like()
    ours, confidence = metrics.f0_track(sound, 16000)
    theirs = librosa.yin(sound, fmin=60, fmax=500, sr=16000, frame_length=1024, hop_length=160, pad_mode="constant")
    voiced, expected_voiced, _ = librosa.pyin(
        sound, fmin=60, fmax=500, sr=16000, frame_length=1024, hop_length=160, pad_mode="constant"
    )
    both = np.isfinite(ours) & expected_voiced
    assert both.sum() > 0.8 * expected_voiced.sum() > 100
    for other in (theirs, voiced):
        cents = 1200 * np.abs(np.log2(ours[both] / other[both]))
        assert np.median(cents) < 10
        assert np.mean(cents > 100) < 0.03
    assert np.isfinite(ours[~expected_voiced]).mean() < 0.2
    assert np.median(confidence[both]) > 0.9


def test_difference_function_equals_its_definition():
    from specloom.metrics.pitch import _difference_function

    frames = np.random.default_rng(0).standard_normal((3, 90))
    longest = 40
    window = 50
    expected = [[np.sum((f[:window] - f[lag : lag + window]) ** 2) for lag in range(longest + 1)] for f in frames]
    np.testing.assert_allclose(_difference_function(frames, longest), expected, atol=1e-9)


def test_centroid_equals_scipy():
    sound, rate = speech_like(), 16000
    length, hop = 736, 184
    padded = np.pad(sound, length // 2)
    bins, _, spec = scipy.signal.stft(
        padded, rate, window="hann", nperseg=length, noverlap=length - hop, boundary=None, padded=False
    )
    magnitude = np.sqrt(np.square(np.abs(spec)).sum(axis=-1))
    expected = (bins @ magnitude) / magnitude.sum()
    assert metrics.spectral_centroid_hz(sound, rate) == pytest.approx(expected, rel=1e-9)


def test_pesq_is_that_of_the_package():
    pesq = pytest.importorskip("pesq", reason="the extra eval (pesq) is not installed")
    sound = speech_like()
    worse = degraded(sound)
    assert metrics.pesq_score(sound, worse, 16000) == pytest.approx(pesq.pesq(16000, sound, worse, "wb"))
    assert metrics.pesq_score(sound, worse, 16000, mode="nb") == pytest.approx(pesq.pesq(16000, sound, worse, "nb"))
    assert metrics.pesq_score(sound, worse[:30000], 16000) == pytest.approx(
        pesq.pesq(16000, sound, worse[:30000], "wb")
    )
    assert metrics.pesq_score(sound, sound, 16000) > 4.6
    assert metrics.pesq_score(sound, worse, 16000) < metrics.pesq_score(sound, degraded(sound, amount=0.002), 16000)


def test_pesq_of_long_speech_is_the_mean_of_its_pieces():
    """More than 50 utterances at once end the process inside P.862's own code."""
    pytest.importorskip("pesq", reason="the extra eval (pesq) is not installed")
    words = speech_like(n_words=70)
    long = locked(np.concatenate([words, np.zeros(16000 * 70), words[: 16000 * 3]]))
    worse = degraded(long)
    cuts = np.linspace(0, len(long), 7).astype(int)
    assert len(long) / 16000 == pytest.approx(118.5)
    expected = [
        metrics.pesq_score(long[start:stop], worse[start:stop], 16000)
        for start, stop in itertools.pairwise(cuts)
        if np.abs(long[start:stop]).max() > 0
    ]
    assert len(expected) == 4
    assert metrics.pesq_score(long, worse, 16000) == pytest.approx(np.mean(expected))
    short = words[: 16000 * 8]
    assert metrics.pesq_score(short, worse, 16000) == metrics.pesq_score(short, worse[: len(short)], 16000)


@pytest.mark.parametrize(
    ("reference", "estimate", "words"),
    [
        (np.zeros(32000), np.ones(32000), "no utterance"),
        (speech_like(), np.zeros(32000), "estimate is silent"),
        (speech_like(), 1e-40 * speech_like(), "estimate is silent"),
        (1e-40 * speech_like(), speech_like(), "no utterance"),
    ],
)
def test_pesq_of_silence_is_refused(reference, estimate, words):
    pytest.importorskip("pesq", reason="the extra eval (pesq) is not installed")
    with pytest.raises(ParameterError, match=words):
        metrics.pesq_score(reference, estimate, 16000)


@pytest.mark.parametrize("extended", [False, True])
def test_stoi_is_that_of_the_package(extended):
    pystoi = pytest.importorskip("pystoi", reason="the extra eval (pystoi) is not installed")
    sound = speech_like()
    worse = degraded(sound, amount=0.05)
    ours = metrics.stoi_score(sound, worse, 16000, extended=extended)
    assert ours == pytest.approx(pystoi.stoi(sound, worse, 16000, extended=extended), abs=1e-6)
    assert ours < 0.99 < metrics.stoi_score(sound, sound, 16000, extended=extended) <= 1.0 + 1e-9


def test_stoi_of_too_little_speech_is_refused():
    pytest.importorskip("pystoi", reason="the extra eval (pystoi) is not installed")
    blip = np.zeros(16000)
    blip[8000:9000] = np.sin(np.arange(1000))
    with pytest.raises(ParameterError, match="too little speech"):
        metrics.stoi_score(blip, blip, 16000)
