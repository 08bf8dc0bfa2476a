"""Filters, rooms, codecs and made noises against plain references."""

from dataclasses import replace

import numpy as np
import pytest

from specloom.train.data.codecs import through_codec
from specloom.train.data.effects import (
    band_limited,
    clipped,
    convolved,
    drawn_band_limit,
    drawn_biquad,
    filtered,
    telephone_band,
)
from specloom.train.data.made import clicks, coloured, gusts, hum, made_noise, tones
from specloom.train.data.rooms import cached_room, room
from specloom.train.data.settings import CODECS, RoomSettings


def read_only(array):
    array.flags.writeable = False
    return array


def noise(n_samples, seed=0):
    return read_only(np.random.default_rng(seed).standard_normal(n_samples, dtype=np.float32) * np.float32(0.1))


@pytest.mark.parametrize(("n_samples", "n_taps"), [(1, 1), (5, 9), (1000, 30), (5000, 700), (300, 3000)])
def test_blocks_convolve_as_numpy_does(n_samples, n_taps):
    samples, responses = noise(n_samples), noise(2 * n_taps, 1).reshape(2, n_taps)
    expected = [np.convolve(samples.astype(float), each.astype(float))[:n_samples] for each in responses]
    result = convolved(samples, responses)
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() < 1e-5


def test_drawn_filters_are_stable_and_keep_float32():
    rng = np.random.default_rng(0)
    pulse = read_only(np.r_[np.float32(1), np.zeros(4000, np.float32)])
    for _ in range(200):
        response = filtered(pulse, drawn_biquad(rng, 0.499))
        assert response.dtype == np.float32
        assert response[0] == 1.0
        assert np.abs(response[3000:]).max() < 1e-3


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_band_limits_are_stable_and_the_telephone_keeps_its_band(sample_rate):
    rng = np.random.default_rng(1)
    long = noise(sample_rate)
    for _ in range(60):
        limited = band_limited(long, drawn_band_limit(rng, sample_rate))
        assert limited.dtype == np.float32
        assert 1e-4 < np.std(limited) < 0.2
    power = np.square(np.abs(np.fft.rfft(band_limited(long, telephone_band(sample_rate)))))
    hertz = np.fft.rfftfreq(len(long), 1 / sample_rate)
    inside = power[(hertz > 500) & (hertz < 3000)].mean()
    assert power[hertz < 80].mean() < 0.01 * inside
    if sample_rate > 8_000:
        assert power[hertz > 4500].mean() < 0.01 * inside


def test_clipping_is_so_far_under_the_peak():
    samples = noise(1000)
    assert np.abs(clipped(samples, 6.0)).max() == pytest.approx(np.abs(samples).max() * 10 ** (-0.3), rel=1e-6)
    assert np.array_equal(clipped(samples, 0.0), samples)
    assert not clipped(np.zeros(4, np.float32), 3.0).any()


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
@pytest.mark.parametrize("codec", CODECS)
def test_codecs_keep_length_and_place(codec, sample_rate):
    rng = np.random.default_rng(2)
    # A band that every codec carries.
    samples = band_limited(noise(sample_rate), telephone_band(sample_rate))
    decoded = through_codec(read_only(samples), codec, sample_rate=sample_rate, rng=rng)
    assert decoded.shape == samples.shape
    assert decoded.dtype == np.float32
    lag = np.argmax(np.correlate(decoded, samples[500:-500], "valid")) - 500
    assert lag == 0
    error = np.sum(np.square(decoded - samples)) / np.sum(np.square(samples))
    assert 1e-9 < error < 0.8


def test_companding_is_g711_to_its_accuracy():
    loud = read_only(np.linspace(-1, 1, 2001, dtype=np.float32))
    for codec in ("mulaw", "alaw"):
        decoded = through_codec(loud, codec, sample_rate=8_000, rng=np.random.default_rng(0))
        # 127 steps of a logarithm: about 2 % of the value, and nothing gross near zero.
        assert np.abs(decoded - loud)[np.abs(loud) > 0.05].max() < 0.03
        assert np.abs(decoded[1000]) < 1e-3
        assert len(np.unique(decoded)) < 256


def test_an_unusual_rate_still_finds_a_codec():
    assert through_codec(noise(4000), "mp3", sample_rate=15_000, rng=np.random.default_rng(0)).shape == (4000,)


ROOMS = RoomSettings()


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_a_room_begins_with_the_direct_sound_and_keeps_its_early_part(sample_rate):
    for index in range(8):
        one = room(ROOMS, sample_rate=sample_rate, seed=3, index=index)
        whole, early = one.speech
        assert one.noises.shape == (3, len(whole))
        assert whole[0] == early[0] == 1.0
        assert np.isfinite(whole).all()
        kept = round(ROOMS.early_s * sample_rate)
        assert np.array_equal(whole[:kept], early[:kept])
        assert not early[kept + round(0.006 * sample_rate) :].any()
        assert np.abs(whole[1:]).max() <= 1.5


def test_rooms_decay_in_the_time_that_was_asked_for():
    for t60 in (0.3, 0.6):
        settings = replace(ROOMS, t60_s=(t60, t60), longest_s=1.0)
        measured = []
        for index in range(12):
            power = np.square(room(settings, sample_rate=16_000, seed=0, index=index).speech[0], dtype=np.float64)
            decay_db = 10 * np.log10(np.cumsum(power[::-1])[::-1] / power.sum())
            first, last = np.argmax(decay_db < -10), np.argmax(decay_db < -25)
            measured.append(60 * (last - first) / 15 / 16_000)
        assert 0.6 * t60 < np.median(measured) < 1.25 * t60


def test_rooms_are_a_function_of_seed_and_index():
    one, same = (room(ROOMS, sample_rate=8_000, seed=1, index=2) for _ in range(2))
    assert np.array_equal(one.speech, same.speech)
    for seed, index in ((1, 3), (2, 2)):
        other = room(ROOMS, sample_rate=8_000, seed=seed, index=index).speech
        assert other.shape != one.speech.shape or not np.array_equal(other, one.speech)
    assert cached_room(ROOMS, 8_000, 1, 2) is cached_room(RoomSettings(), 8_000, 1, 2)


@pytest.mark.parametrize("n_samples", [1, 2, 63, 4_000])
@pytest.mark.parametrize("kind", [coloured, gusts, hum, clicks, tones])
def test_made_noises_are_finite_and_not_silent(kind, n_samples):
    for seed in range(20):
        made = kind(np.random.default_rng(seed), n_samples, 8_000)
        assert made.shape == (n_samples,)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert n_samples < 63 or np.abs(made).max() > 1e-4


def test_hum_has_lines_without_a_seam():
    made = made_noise(np.random.default_rng(0), n_samples=16_000, sample_rate=16_000)
    assert np.abs(made).max() > 0
    line = hum(np.random.default_rng(4), 64_000, 16_000)
    power = np.square(np.abs(np.fft.rfft(line * np.hanning(len(line)))))
    # A hundredth of the bins holds nearly all power.
    assert np.sort(power)[-len(power) // 100 :].sum() > 0.9 * power.sum()
