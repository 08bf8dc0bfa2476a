"""Laws of the streaming reconstruction: grouping, causality, latency, lengths, quality, silence."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import load, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.phase.streaming import StreamingReconstructor

USUAL = StftConfig(sample_rate=16000, n_fft=512, hop_length=128)
SHORT_WINDOW = StftConfig(sample_rate=16000, n_fft=512, hop_length=100, win_length=401)
REFERENCE = StftConfig(sample_rate=16000, n_fft=400, hop_length=100)
UNCENTRED = replace(USUAL, center=False)
CONFIGS = {"usual": USUAL, "short": SHORT_WINDOW, "reference": REFERENCE, "uncentred": UNCENTRED}
ALL = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def speech(n_samples=None):
    return load(sounds.path("speech")).samples[:n_samples]


def magnitude_of(samples, config):
    magnitude = np.abs(stft(samples, config))
    magnitude.flags.writeable = False
    return magnitude


def streamed(magnitude, config, lookahead=0, cuts=(), length=None):
    """All samples, the frames given in groups that end at ``cuts``."""
    machine = StreamingReconstructor(config, lookahead)
    edges = [0, *cuts, magnitude.shape[1]]
    pieces = [machine.process(magnitude[:, a:b]) for a, b in itertools.pairwise(edges)]
    assert all(piece.dtype == np.float32 and piece.ndim == 1 for piece in pieces)
    return np.concatenate([*pieces, machine.finish(length)])


def convergence_db(samples, magnitude, config):
    found = np.abs(stft(samples.astype(np.float64), config))[..., : magnitude.shape[-1]]
    return 20 * np.log10(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))


@settings(max_examples=20, deadline=None)
@given(data=st.data(), config=st.sampled_from([*CONFIGS.values()]), lookahead=st.integers(0, 2))
def test_how_the_frames_are_grouped_does_not_matter(data, config, lookahead):
    magnitude = magnitude_of(speech(20_000)[16_000:], config)
    n = magnitude.shape[1]
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=8), "cuts"))
    np.testing.assert_array_equal(streamed(magnitude, config, lookahead, cuts), streamed(magnitude, config, lookahead))


@ALL
def test_one_frame_at_a_time_as_a_vector(config):
    magnitude = magnitude_of(speech(18_000)[16_000:], config)
    machine = StreamingReconstructor(config)
    pieces = [machine.process(frame) for frame in magnitude.T]
    np.testing.assert_array_equal(np.concatenate([*pieces, machine.finish()]), streamed(magnitude, config))


@ALL
@pytest.mark.parametrize("lookahead", [0, 1, 3])
def test_what_has_been_given_out_does_not_depend_on_later_frames(config, lookahead):
    magnitude = magnitude_of(speech(20_000)[14_000:], config)
    for n in (1, 2, 5, 20, 33):
        given_out = StreamingReconstructor(config, lookahead).process(magnitude[:, :n])
        changed = np.array(magnitude)
        changed[:, n:] = changed[:, n:][:, ::-1] * 3 + 1
        for whole in (streamed(magnitude, config, lookahead), streamed(changed, config, lookahead)):
            np.testing.assert_array_equal(whole[: given_out.size], given_out)
        assert np.abs(streamed(magnitude, config, lookahead) - streamed(changed, config, lookahead)).max() > 1e-3


@ALL
@pytest.mark.parametrize("lookahead", [0, 1, 3, 8])
def test_the_latency_is_what_it_says(config, lookahead):
    """A frame can be analysed when the last sample under its window has come; so long each sample waits at worst."""
    machine = StreamingReconstructor(config, lookahead)
    first_end = config.win_length / 2 + (0 if config.center else config.n_fft // 2)  # of the first frame's window
    given_out, worst = 0, 0.0
    for t in range(60):
        n = machine.process(np.ones(config.n_bins, np.float32)).size
        if n and t > 10 + lookahead:
            worst = max(worst, t * config.hop_length + first_end - given_out)
        given_out += n
    assert worst <= machine.latency_samples + 1
    assert worst >= machine.latency_samples - 1
    assert machine.latency_s == machine.latency_samples / config.sample_rate


def test_at_the_real_time_setting_the_latency_is_below_thirty_milliseconds():
    assert StreamingReconstructor(USUAL).latency_s <= 0.030


@ALL
@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_click_comes_out_where_it_went_in(config, lookahead):
    samples = np.zeros(12_000, np.float32)
    samples[[3000, 7123]] = 1.0
    sound = streamed(magnitude_of(samples, config), config, lookahead, length=12_000)
    energy = sound.astype(np.float64) ** 2
    for place in (3000, 7123):
        around = np.arange(place - 1500, place + 1500)
        centre = np.average(around, weights=energy[around])
        assert abs(centre - place) <= config.hop_length


@ALL
@pytest.mark.parametrize("lookahead", [0, 1])
def test_the_sound_is_neither_late_nor_early(config, lookahead):
    """Moved by any number of samples it would fit its magnitudes less well."""
    samples = speech(40_000)[8000:]
    magnitude = magnitude_of(samples, config)
    sound = streamed(magnitude, config, lookahead, length=samples.size)
    moves = [-config.hop_length // 2, -32, -16, 0, 16, 32, config.hop_length // 2]
    fits = [convergence_db(np.roll(sound, move), magnitude, config) for move in moves]
    assert moves[int(np.argmin(fits))] == 0


@settings(max_examples=25, deadline=None)
@given(
    config=st.sampled_from([*CONFIGS.values()]), n_frames=st.integers(1, 30), lookahead=st.integers(0, 4),
    missing=st.one_of(st.none(), st.integers(-300, 3000)),
)  # fmt: skip
def test_all_output_together_has_the_length_of_the_sound(config, n_frames, lookahead, missing):
    magnitude = np.ones((config.n_bins, n_frames), np.float32)
    usual = config.n_samples(n_frames)
    if missing is None:
        assert streamed(magnitude, config, lookahead).shape == (usual,)
        return
    length = max(0, usual + missing)
    machine = StreamingReconstructor(config, lookahead)
    given_out = machine.process(magnitude).size
    rest = machine.finish(length)
    assert given_out + rest.size == max(length, given_out)  # what has left cannot be taken back
    assert np.isfinite(rest).all()


def test_nothing_in_nothing_out():
    machine = StreamingReconstructor(USUAL)
    assert machine.process(np.ones((257, 0), np.float32)).shape == (0,)
    assert machine.finish().shape == (0,)
    assert StreamingReconstructor(USUAL).finish(50).tolist() == [0.0] * 50


@pytest.mark.parametrize(
    ("config", "lookahead", "mark"),
    [(USUAL, 0, -17.0), (USUAL, 2, -19.0), (SHORT_WINDOW, 0, -17.0), (REFERENCE, 0, -17.0), (UNCENTRED, 0, -17.0)],
    ids=["usual", "looking ahead", "short", "reference", "uncentred"],
)
def test_speech_converges(config, lookahead, mark):
    samples = speech()
    magnitude = magnitude_of(samples, config)
    sound = streamed(magnitude, config, lookahead, length=samples.size)
    assert sound.shape == samples.shape
    assert convergence_db(sound, magnitude, config) <= mark


def test_looking_ahead_helps():
    samples = speech()
    magnitude = magnitude_of(samples, USUAL)
    reached = [
        convergence_db(streamed(magnitude, USUAL, lookahead, length=samples.size), magnitude, USUAL)
        for lookahead in (0, 2)
    ]
    assert reached[1] < reached[0] - 0.5


def test_the_reference_engine_equals_the_lanes(monkeypatch):
    """Up to the rounding that decides between equally loud bins: the same first frames, the same quality."""
    samples = speech(48_000)[16_000:]
    magnitude = magnitude_of(samples, USUAL)
    lanes = streamed(magnitude, USUAL, length=samples.size)
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    plain = streamed(magnitude, USUAL, length=samples.size)
    first = slice(0, 3 * USUAL.hop_length)
    assert np.abs(plain[first] - lanes[first]).max() <= 1e-3 * np.abs(lanes[first]).max()
    reached = [convergence_db(sound, magnitude, USUAL) for sound in (lanes, plain)]
    assert abs(reached[0] - reached[1]) <= 1.0


@ALL
def test_silence_stays_silence(config):
    assert not streamed(np.zeros((config.n_bins, 30), np.float32), config).any()


@ALL
def test_sound_after_silence_and_silence_after_sound(config):
    samples = np.zeros(24_000, np.float32)
    samples[8000:16_000] = speech(24_000)[16_000:]
    sound = streamed(magnitude_of(samples, config), config, length=24_000)
    assert np.isfinite(sound).all()
    loudest = np.abs(sound).max()
    assert np.abs(sound[: 8000 - config.n_fft]).max() <= 1e-6 * loudest
    assert np.abs(sound[16_000 + config.n_fft :]).max() <= 1e-6 * loudest


@ALL
@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e4])
def test_scaling_the_magnitude_scales_the_sound(config, factor):
    samples = speech(48_000)[16_000:]
    magnitude = magnitude_of(samples, config)
    factor = np.float32(factor)
    usual = streamed(magnitude, config, length=samples.size)
    scaled = streamed(magnitude * factor, config, length=samples.size) / factor
    marks = [convergence_db(sound, magnitude, config) for sound in (usual, scaled)]
    assert abs(marks[0] - marks[1]) <= 1.0
    assert np.linalg.norm(scaled) == pytest.approx(np.linalg.norm(usual), rel=0.01)


def test_the_input_is_left_as_it_was_and_the_output_is_nobody_elses():
    magnitude = np.array(magnitude_of(speech(20_000)[16_000:], USUAL))
    kept = magnitude.copy()
    expected = streamed(magnitude, USUAL)
    np.testing.assert_array_equal(magnitude, kept)
    machine = StreamingReconstructor(USUAL)
    pieces = []
    for frame in magnitude.astype(np.float64).T:
        piece = machine.process(frame)
        pieces.append(piece.copy())
        piece[:] = 1e3
    np.testing.assert_array_equal(np.concatenate([*pieces, machine.finish()]), expected)


def test_a_refused_frame_leaves_the_machine_as_it_was():
    magnitude = magnitude_of(speech(20_000)[16_000:], USUAL)
    machine = StreamingReconstructor(USUAL)
    first = machine.process(magnitude[:, :9])
    for bad in (np.full(257, np.nan), np.full(257, -1.0), np.ones(256), np.ones((2, 257, 3))):
        with pytest.raises(ValueError, match="magnitude"):
            machine.process(bad)
    rest = [machine.process(magnitude[:, 9:]), machine.finish()]
    np.testing.assert_array_equal(np.concatenate([first, *rest]), streamed(magnitude, USUAL))


def test_two_machines_do_not_disturb_each_other():
    magnitude = magnitude_of(speech(20_000)[16_000:], USUAL)
    one, other = StreamingReconstructor(USUAL), StreamingReconstructor(USUAL)
    pieces = []
    for frame in magnitude.T:
        pieces.append(one.process(frame))
        other.process(frame[::-1] * 5)
    np.testing.assert_array_equal(np.concatenate([*pieces, one.finish()]), streamed(magnitude, USUAL))


def test_a_finished_sound_takes_no_more_frames():
    stream = StreamingReconstructor(USUAL)
    stream.process(np.ones((USUAL.n_bins, 3), np.float32))
    stream.finish()
    with pytest.raises(ParameterError, match="finished: make a new StreamingReconstructor"):
        stream.process(np.ones((USUAL.n_bins, 1), np.float32))
