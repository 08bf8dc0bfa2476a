"""Laws of specloom.metrics: what must not change a figure, what must, silence, and wrong input."""

import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import metrics
from specloom.errors import MissingExtraError, ParameterError

AMPLITUDES = st.floats(-6, 4).map(lambda exponent: 10.0**exponent)
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from([np.float32, np.float64])
CENTS_16K_AS_22K = 1200 * np.log2(22050 / 16000)
# Nothing may warn, whatever the input: the test settings make every warning an error.


def locked(array, dtype=np.float64):
    array = np.array(array, dtype=dtype)
    array.flags.writeable = False
    return array


def noise(seed, shape, amplitude=1.0, dtype=np.float64):
    return locked(amplitude * np.random.default_rng(seed).standard_normal(shape), dtype)


def vowel(f0_hz, sample_rate, duration_s=1.0):
    """Harmonics under three formants."""
    time = np.arange(int(duration_s * sample_rate)) / sample_rate
    result = np.zeros_like(time)
    for harmonic in range(1, int(min(5000, 0.48 * sample_rate) / f0_hz)):
        distance = (harmonic * f0_hz - np.array([700, 1200, 2600])) / np.array([80, 90, 120])
        gain = 0.02 + np.sum(1 / (1 + distance**2))
        result += gain * np.cos(2 * np.pi * harmonic * f0_hz * time + 0.3 * harmonic**2)
    return locked(result / np.abs(result).max())


def melody(sample_rate=16000):
    """A second of voice whose pitch moves, between pauses."""
    tones = [vowel(f0, sample_rate, 0.25) for f0 in (110.0, 123.0, 140.0, 128.0)]
    pause = np.zeros(sample_rate // 5)
    return locked(np.concatenate([pause, *tones, pause]))


# Spectral figures


@given(SEEDS, AMPLITUDES, DTYPES)
def test_spectral_figures_do_not_hear_a_common_scale(seed, amplitude, dtype):
    reference, other = np.abs(noise(seed, (2, 9, 5))), np.abs(noise(seed + 1, (2, 9, 5)))
    for figure in (metrics.spectral_convergence_db, metrics.log_spectral_distance_db):
        plain = figure(other, reference)
        assert plain.shape == (2,)
        scaled = figure(locked(other * amplitude, dtype), locked(reference * amplitude, dtype))
        np.testing.assert_allclose(scaled, plain, atol=1e-4)


@given(SEEDS, AMPLITUDES, DTYPES)
def test_spectral_figures_of_equals_and_of_a_known_error(seed, amplitude, dtype):
    reference = locked(np.abs(noise(seed, (9, 5))) * amplitude + 1e-2 * amplitude, dtype)
    assert metrics.spectral_convergence_db(reference, reference) == -np.inf
    assert metrics.log_spectral_distance_db(reference, reference) == 0.0
    tenth_more = locked(reference * dtype(1.1), dtype)
    assert metrics.spectral_convergence_db(tenth_more, reference) == pytest.approx(-20.0, abs=1e-4)
    assert metrics.log_spectral_distance_db(tenth_more, reference) == pytest.approx(20 * np.log10(1.1), abs=1e-4)


def test_spectral_figures_of_silence():
    sound, silence = np.ones((4, 3)), np.zeros((4, 3))
    convergence, distance = metrics.spectral_convergence_db, metrics.log_spectral_distance_db
    assert convergence(silence, silence) == -np.inf
    assert convergence(sound, silence) == np.inf
    assert convergence(silence, sound) == 0.0
    assert distance(silence, silence) == 0.0
    assert distance(sound, silence) == np.inf
    assert distance(silence, sound) == pytest.approx(80.0)
    mixed = distance(np.stack([sound, sound]), np.stack([sound, silence]))
    assert mixed.tolist() == [0.0, np.inf]


def test_log_spectral_distance_is_symmetric_and_does_not_hear_below_its_floor():
    left, right = np.abs(noise(0, (9, 5))), np.abs(noise(1, (9, 5)))
    left[0, 0] = right[0, 0] = 9.0
    distance = metrics.log_spectral_distance_db
    assert distance(left, right) == pytest.approx(distance(right, left))
    deep = np.where(left < 1.0, 1e-9, left)
    deeper = np.where(left < 1.0, 0.0, left)
    assert distance(deep, deeper) == 0.0
    assert distance(deep, left, floor_db=-60.0) < distance(deep, left, floor_db=-90.0)


# Waveform figures


@given(SEEDS, AMPLITUDES, AMPLITUDES, DTYPES, st.booleans(), st.sampled_from([1, -1]))
def test_si_sdr_does_not_hear_scale_or_sign(seed, amplitude, other, dtype, zero_mean, sign):
    reference = noise(seed, (2, 300))
    estimate = locked(reference + 0.1 * noise(seed + 1, (2, 300)))
    plain = metrics.si_sdr_db(estimate, reference, zero_mean=zero_mean)
    assert plain.shape == (2,)
    scaled = metrics.si_sdr_db(
        locked(sign * amplitude * estimate, dtype), locked(other * reference, dtype), zero_mean=zero_mean
    )
    np.testing.assert_allclose(scaled, plain, atol=1e-3)


def test_si_sdr_of_a_known_mixture():
    reference, error = locked([1.0, -1.0, 1.0, -1.0]), locked([1.0, 1.0, -1.0, -1.0])
    assert metrics.si_sdr_db(reference + 0.1 * error, reference) == pytest.approx(20.0)
    assert metrics.si_sdr_db(reference + 0.1 * error + 5.0, reference) == pytest.approx(20.0)
    assert metrics.si_sdr_db(reference + 0.1, reference, zero_mean=False) == pytest.approx(20.0)
    assert metrics.si_sdr_db(3.0 * reference, reference) > 250.0
    assert metrics.si_sdr_db(error, reference) < -250.0


@pytest.mark.parametrize("silence", [np.zeros(50), np.full(50, 0.1)])
def test_si_sdr_of_silence_has_no_meaning(silence):
    sound = noise(0, 50)
    assert np.isnan(metrics.si_sdr_db(silence, sound))
    assert np.isnan(metrics.si_sdr_db(sound, silence))
    assert np.isnan(metrics.si_sdr_db([0.3], [0.2]))
    stacked = metrics.si_sdr_db(np.stack([sound, sound]), np.stack([silence, noise(1, 50)]))
    assert np.isnan(stacked[0])
    assert np.isfinite(stacked[1])


@given(SEEDS, AMPLITUDES, DTYPES)
def test_snr_and_level_follow_their_definitions(seed, amplitude, dtype):
    reference = noise(seed, (2, 300), amplitude, dtype)
    half = locked(0.5 * reference, dtype)
    np.testing.assert_allclose(metrics.snr_db(half, reference), 20 * np.log10(2), atol=1e-5)
    np.testing.assert_allclose(metrics.level_difference_db(half, reference), -20 * np.log10(2), atol=1e-5)
    np.testing.assert_array_equal(metrics.snr_db(reference, reference), [np.inf, np.inf])


def test_snr_and_level_of_silence():
    sound, silence = np.ones(8), np.zeros(8)
    assert metrics.snr_db(silence, silence) == np.inf
    assert metrics.snr_db(sound, silence) == -np.inf
    assert metrics.snr_db(silence, sound) == 0.0
    assert metrics.level_difference_db(silence, silence) == 0.0
    assert metrics.level_difference_db(sound, silence) == np.inf
    assert metrics.level_difference_db(silence, np.ones(3)) == -np.inf


@given(SEEDS, AMPLITUDES, DTYPES, st.integers(-200, 200))
def test_align_finds_the_delay(seed, amplitude, dtype, lag):
    source = noise(seed, 1500)
    reference = locked(source[200:1200], dtype)
    estimate = locked(amplitude * source[200 - lag : 1200 - lag], dtype)
    assert metrics.align(reference, estimate, max_lag=200) == lag
    assert metrics.align(estimate, reference, max_lag=200) == -lag


def test_align_over_many_blocks_and_unequal_lengths():
    source = noise(3, 300_000, dtype=np.float32)
    assert metrics.align(source, source[1234:], max_lag=5000) == -1234
    assert metrics.align(source[1234:], source, max_lag=5000) == 1234
    # The evidence lies in the last block only.
    late = np.zeros(200_000)
    late[190_000:] = source[:10_000]
    assert metrics.align(late, np.pad(late, (77, 0)), max_lag=100) == 77


def test_align_of_ties_and_silence_takes_the_smallest_lag():
    assert metrics.align(np.zeros(10), np.zeros(7), max_lag=5) == 0
    assert metrics.align([1.0], [2.0], max_lag=100) == 0
    periodic = np.tile([1.0, 0.0, -1.0, 0.0], 50)
    assert metrics.align(periodic[:100], periodic, max_lag=60) == 0


# Pitch and brightness


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 48000])
@pytest.mark.parametrize("f0_hz", [65.0, 110.0, 173.3, 301.0, 480.0])
def test_f0_of_vowels_is_within_one_percent(sample_rate, f0_hz):
    f0, confidence = metrics.f0_track(vowel(f0_hz, sample_rate), sample_rate)
    assert f0.shape == confidence.shape == (101,)
    inner = slice(5, -5)
    np.testing.assert_allclose(f0[inner], f0_hz, rtol=0.01)
    assert confidence[inner].min() > 0.8
    assert confidence.max() <= 1.0


@settings(max_examples=15, deadline=None)
@given(AMPLITUDES, st.sampled_from([1, -1]), DTYPES)
def test_f0_and_centroid_do_not_hear_scale_or_sign(amplitude, sign, dtype):
    plain = melody()
    other = locked(sign * amplitude * plain, dtype)
    np.testing.assert_allclose(metrics.f0_track(other, 16000)[0], metrics.f0_track(plain, 16000)[0], rtol=1e-4)
    centroid = metrics.spectral_centroid_hz(plain, 16000)
    assert metrics.spectral_centroid_hz(other, 16000) == pytest.approx(centroid, rel=1e-4)


def test_f0_finds_no_voice_in_noise_hum_or_pauses():
    assert np.isnan(metrics.f0_track(noise(0, 16000), 16000)[0]).all()
    hum = 1e-4 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)
    voice = vowel(200.0, 16000)
    f0, confidence = metrics.f0_track(np.concatenate([voice, hum]), 16000)
    assert np.isnan(f0[110:]).all()
    assert (confidence[110:] == 0).all()


def test_f0_of_a_long_sound_equals_that_of_its_parts():
    """Frames are worked off 256 at a time; where a batch ends must not show."""
    pattern = np.concatenate([melody()] * 4)
    f0, _ = metrics.f0_track(pattern, 16000)
    assert len(f0) > 512
    period = len(melody()) // 160
    np.testing.assert_allclose(f0[10 : period - 10], f0[10 + 3 * period : 4 * period - 10], rtol=1e-9)


def test_shifts_of_a_file_written_at_the_wrong_rate():
    voice = melody()
    assert metrics.f0_shift_cents(voice, voice, 22050, 16000) == pytest.approx(CENTS_16K_AS_22K, abs=5)
    assert metrics.f0_shift_cents(voice, voice, 16000, 22050) == pytest.approx(-CENTS_16K_AS_22K, abs=5)
    assert metrics.centroid_shift_cents(voice, voice, 22050, 16000) == pytest.approx(CENTS_16K_AS_22K, abs=17)
    assert metrics.f0_shift_cents(voice, voice, 16000, 16000) == 0.0
    assert metrics.centroid_shift_cents(voice, voice, 16000, 16000) == 0.0


def test_f0_shift_of_sounds_out_of_step():
    """The pairs disagree (their median would say 900 cents); the medians still compare."""
    low, middle, high = 100.0, 150.0, 300.0
    up = 2 ** (200 / 1200)
    reference = np.concatenate([vowel(f0, 16000, 0.3) for f0 in (low, low, middle, high, high)])
    estimate = np.concatenate([vowel(f0 * up, 16000, 0.3) for f0 in (middle, high, high, low, low)])
    assert metrics.f0_shift_cents(estimate, reference, 16000, 16000) == pytest.approx(200, abs=10)


def test_f0_shift_pairs_what_was_said_at_the_same_time():
    """A copy that lost its high half is not a lower voice, also when it was written at a wrong rate."""
    reference = np.concatenate([vowel(f0, 16000, 0.3) for f0 in (100.0, 150.0, 120.0, 180.0)])
    estimate = np.where(np.arange(len(reference)) < 0.65 * len(reference), reference, 0.0)
    assert metrics.f0_shift_cents(estimate, reference, 16000, 16000) == pytest.approx(0, abs=5)
    slower = metrics.f0_shift_cents(estimate, reference, 11025, 16000)
    assert slower == pytest.approx(1200 * np.log2(11025 / 16000), abs=5)


def test_centroid_of_known_sounds():
    time, swell = np.arange(16000) / 16000, np.hanning(16000)
    tone = swell * np.sin(2 * np.pi * 1000 * time)
    assert metrics.spectral_centroid_hz(tone, 16000) == pytest.approx(1000, rel=0.01)
    assert metrics.spectral_centroid_hz(noise(0, 64000), 16000) == pytest.approx(4000, rel=0.02)
    assert metrics.spectral_centroid_hz(1e-200 * tone, 16000) == pytest.approx(1000, rel=0.01)
    quiet_tail = np.concatenate([tone, 1e-4 * swell * np.sin(2 * np.pi * 7000 * time)])
    assert metrics.spectral_centroid_hz(quiet_tail, 16000) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("n_samples", [1, 2, 100, 5000])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_pitch_and_brightness_of_sounds_with_nothing_in_them(n_samples, value):
    sound, voice = locked(np.full(n_samples, value), np.float32), melody()
    f0, confidence = metrics.f0_track(sound, 16000)
    assert len(f0) == len(confidence) == 1 + n_samples // 160
    assert np.isnan(f0).all()
    assert np.isfinite(confidence).all()
    assert np.isnan(metrics.f0_shift_cents(sound, voice, 16000, 16000))
    assert np.isnan(metrics.f0_shift_cents(voice, sound, 16000, 16000))
    centroid = metrics.spectral_centroid_hz(sound, 16000)
    assert np.isnan(centroid) if value == 0.0 else 0.0 <= centroid <= 8000.0
    assert np.isnan(metrics.centroid_shift_cents(voice, sound, 16000, 16000)) == (value == 0.0)


# Perceptual figures


@pytest.mark.parametrize("package", ["pesq", "pystoi"])
def test_a_missing_package_is_said_with_its_cure(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    score = metrics.pesq_score if package == "pesq" else metrics.stoi_score
    with pytest.raises(MissingExtraError, match=r"pip install 'specloom\[eval\]'"):
        score(melody(), melody(), 16000)


@pytest.mark.parametrize(("package", "available"), [("pesq", "pesq_available"), ("pystoi", "stoi_available")])
def test_availability_is_that_of_the_package(package, available, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert getattr(metrics, available)() is False
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == package or None)
    assert getattr(metrics, available)() is True


LONG = np.ones(16000)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.spectral_convergence_db(np.ones((3, 4)), np.ones((4, 3))), r"\(3, 4\), reference \(4, 3\)"),
        (lambda: metrics.spectral_convergence_db(np.ones((3, 4)) * 1j, np.ones((3, 4))), "estimate is complex"),
        (lambda: metrics.spectral_convergence_db(np.ones((3, 4)), -np.ones((3, 4))), "reference holds negative"),
        (lambda: metrics.log_spectral_distance_db(np.ones(3), np.ones(3)), "n_bins, n_frames"),
        (lambda: metrics.log_spectral_distance_db(np.ones((3, 0)), np.ones((3, 0))), "none of them 0"),
        (lambda: metrics.log_spectral_distance_db(np.ones((3, 4)), np.ones((3, 4)), floor_db=0.0), "floor_db=0.0"),
        (lambda: metrics.si_sdr_db(np.ones(3), np.ones(4)), r"\(3,\), reference \(4,\)"),
        (lambda: metrics.si_sdr_db([np.nan], [1.0]), "estimate holds NaN"),
        (lambda: metrics.snr_db([], []), "at least one sample"),
        (lambda: metrics.snr_db(1.0, 1.0), "at least one sample"),
        (lambda: metrics.level_difference_db(np.ones((2, 3)), np.ones(3)), "only the lengths may differ"),
        (lambda: metrics.align(np.ones((2, 9)), np.ones(9), max_lag=1), "one channel"),
        (lambda: metrics.align(np.ones(9), np.ones(9), max_lag=-1), "max_lag=-1"),
        (lambda: metrics.align(np.ones(9), np.ones(9), max_lag=1.5), "max_lag=1.5"),
        (lambda: metrics.f0_track(np.ones((2, 9)), 16000), "Audio.mono"),
        (lambda: metrics.f0_track(np.ones(9), 0), "sample_rate=0"),
        (lambda: metrics.f0_track(np.ones(9), 16000, fmin_hz=500), "fmin_hz=500"),
        (lambda: metrics.f0_track(np.ones(9), 1000), "sample_rate / 4"),
        (lambda: metrics.f0_track(np.ones(9), 16000, frame_s=0.01), "lengthen the frame"),
        (lambda: metrics.f0_track(np.ones(9), 16000, hop_s=0.0), "hop_s=0.0"),
        (lambda: metrics.spectral_centroid_hz(np.ones(9), 16000.5), "sample_rate=16000.5"),
        (lambda: metrics.pesq_score(LONG, LONG, 22050), "resample both sounds first"),
        (lambda: metrics.pesq_score(LONG, LONG, 8000), "at 16000 Hz only"),
        (lambda: metrics.pesq_score(LONG, LONG, 16000, mode="swb"), "mode='swb'"),
        (lambda: metrics.pesq_score(LONG[:4000], LONG, 16000), "too short for PESQ"),
        (lambda: metrics.stoi_score(LONG, LONG[1:], 16000), "moment by moment"),
        (lambda: metrics.stoi_score(LONG[:99], LONG[:99], 16000), "too little speech"),
        (lambda: metrics.stoi_score(0 * LONG, LONG, 16000), "reference is silent"),
        (lambda: metrics.stoi_score(LONG, 0 * LONG, 16000), "estimate is silent"),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ParameterError, match=words):
        call()
