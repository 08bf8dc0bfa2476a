"""Row B8: the full spectrum of a real signal from its half, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specloom import ParameterError, StftConfig, full_spectrum, half_spectrum, stft


@given(
    n_fft=st.integers(1, 65), n_frames=st.integers(0, 3), leading=st.sampled_from([(), (2,), (2, 3)]),
    exponent=st.floats(-6, 4),
)  # fmt: skip
def test_the_full_spectrum_is_that_of_numpy(n_fft, n_frames, leading, exponent):
    frames = 10.0**exponent * np.random.default_rng(n_fft).standard_normal((*leading, n_fft, n_frames))
    half = np.fft.rfft(frames, axis=-2)
    half.flags.writeable = False
    full = full_spectrum(half, n_fft)
    expected = np.fft.fft(frames, axis=-2)
    assert full.shape == expected.shape
    np.testing.assert_allclose(full, expected, atol=1e-11 * 10.0**exponent)
    np.testing.assert_array_equal(half_spectrum(full), half)


@pytest.mark.parametrize("n_fft", [512, 401])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_a_transform(n_fft, dtype):
    samples = np.random.default_rng(0).standard_normal(3000).astype(dtype)
    spec = stft(samples, StftConfig(sample_rate=8000, n_fft=n_fft, hop_length=100))
    full = full_spectrum(spec, n_fft)
    assert full.dtype == spec.dtype
    assert full.shape == (n_fft, spec.shape[1])
    assert np.abs(np.fft.ifft(full, axis=0).imag).max() <= 1e-6 * np.abs(full).max()
    np.testing.assert_array_equal(half_spectrum(full), spec)


@pytest.mark.parametrize("n_fft", [8, 9])
def test_a_magnitude_is_mirrored_as_it_is(n_fft):
    magnitude = np.arange(1.0, 6.0, dtype=np.float32)[:, None]
    full = full_spectrum(magnitude, n_fft)
    assert full.dtype == np.float32
    back = [4.0, 3.0, 2.0] if n_fft == 8 else [5.0, 4.0, 3.0, 2.0]
    assert full[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, *back]


@pytest.mark.parametrize("shape", [(5,), (5, 3), (3, 5)])
def test_a_wrong_number_of_bins_is_refused(shape):
    with pytest.raises(ParameterError, match=r"half has shape .*\(\.\.\., 9, n_frames\) is needed for n_fft=16"):
        full_spectrum(np.zeros(shape), 16)


@pytest.mark.parametrize("shape", [(5,), (0, 4), ()])
def test_half_of_something_else_is_refused(shape):
    with pytest.raises(ParameterError, match=r"full has shape .* \(\.\.\., n_fft, n_frames\) is needed"):
        half_spectrum(np.zeros(shape))
