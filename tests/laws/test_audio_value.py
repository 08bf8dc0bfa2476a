"""Laws of the value in which sound travels, and of the files that carry it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.io.audio import AudioReader, AudioWriter, load, save


@st.composite
def sounds(draw):
    n_channels = draw(st.integers(1, 6))
    n_samples = draw(st.integers(1, 400))
    amplitude = 10.0 ** draw(st.floats(-6, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples = (amplitude * rng.uniform(-1, 1, (n_channels, n_samples))).astype(np.float32)
    samples = samples[0] if n_channels == 1 else samples
    samples.flags.writeable = False
    return Audio(samples, draw(st.sampled_from([8_000, 22_050, 44_100, 192_000])))


@settings(max_examples=40, deadline=None)
@given(audio=sounds(), suffix=st.sampled_from([".wav", ".w64", ".caf", ".au", ".aiff"]))
def test_a_float_file_gives_back_the_very_samples(audio, suffix):
    with tempfile.TemporaryDirectory() as folder:
        again = load(save(Path(folder) / f"x{suffix}", audio))
    assert again.sample_rate == audio.sample_rate
    assert again.samples.dtype == np.float32
    np.testing.assert_array_equal(again.samples, audio.samples)


@settings(max_examples=30, deadline=None)
@given(audio=sounds(), written=st.integers(1, 500), read=st.integers(1, 500))
def test_block_lengths_change_nothing(audio, written, read):
    samples = np.atleast_2d(audio.samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        with AudioWriter(path, audio.sample_rate, audio.n_channels) as writer:
            for start in range(0, audio.n_samples, written):
                writer.write(samples[:, start : start + written])
        with AudioReader(path) as reader:
            blocks = list(reader.blocks(block_samples=read))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), samples)


@settings(max_examples=30, deadline=None)
@given(audio=sounds())
def test_integers_lose_at_most_one_step(audio):
    samples = audio.samples / max(1.0, float(np.abs(audio.samples).max()))
    with tempfile.TemporaryDirectory() as folder:
        for suffix, subtype, step in ((".flac", "PCM_16", 2.0**-15), (".wav", "PCM_24", 2.0**-23)):
            path = save(Path(folder) / f"x{suffix}", Audio(samples, audio.sample_rate), subtype=subtype)
            assert np.abs(load(path).samples - samples).max() <= step


@given(audio=sounds())
def test_the_value_is_read_only_and_leaves_the_givers_array_alone(audio):
    given_array = np.array(audio.samples)
    value = Audio(given_array, audio.sample_rate)
    with pytest.raises(ValueError, match="read-only"):
        value.samples[..., 0] = 1.0
    assert given_array.flags.writeable


@given(audio=sounds())
def test_mono_is_the_mean_and_keeps_rate_and_length(audio):
    mono = audio.mono()
    assert (mono.n_channels, mono.n_samples, mono.sample_rate) == (1, audio.n_samples, audio.sample_rate)
    reference = np.atleast_2d(audio.samples).astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(mono.samples, reference, atol=1e-6 * float(np.abs(audio.samples).max()))
    assert mono.duration_s == audio.n_samples / audio.sample_rate


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(4, np.int16), 8_000, "int16.*divide integers"),
        (np.zeros((1, 2, 3)), 8_000, r"shape \(1, 2, 3\)"),
        (np.float32(1.0), 8_000, r"shape \(\)"),
        (np.array([0.0, np.nan]), 8_000, "NaN or infinity"),
        (np.array([0.0, -np.inf]), 8_000, "NaN or infinity"),
        (np.zeros(4), 0, "sample_rate=0"),
        (np.zeros(4), -8_000, "sample_rate=-8000"),
        (np.zeros(4), 44_100.0, "sample_rate=44100.0"),
        (np.zeros(4), True, "sample_rate=True"),
        (np.zeros(4), "8000", "sample_rate='8000'"),
    ],
)
def test_what_is_no_sound_is_refused(samples, rate, words):
    with pytest.raises(ParameterError, match=words):
        Audio(samples, rate)
