"""The masks against their published formulas, written out plainly in extended precision."""

from __future__ import annotations

import numpy as np
import pytest

from specloom import masks

WIDE = np.clongdouble


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(4)
    clean, noise = (rng.standard_normal((2, 65, 40)) + 1j * rng.standard_normal((2, 65, 40)) for _ in range(2))
    noise = noise * 10.0 ** rng.uniform(-2, 2, noise.shape)
    return clean, noise, clean + noise


def test_irm(spectra):
    clean, noise, _ = spectra
    s, n = np.abs(clean.astype(WIDE)) ** 2, np.abs(noise.astype(WIDE)) ** 2
    for beta in (0.5, 1.0, 2.0):
        np.testing.assert_allclose(masks.ideal_ratio_mask(clean, noise, beta=beta), (s / (s + n)) ** beta, rtol=1e-13)


def test_iam_and_psm(spectra):
    clean, _, noisy = spectra
    s, y = clean.astype(WIDE), noisy.astype(WIDE)
    ratio = np.abs(s) / np.abs(y)
    np.testing.assert_allclose(masks.ideal_amplitude_mask(clean, noisy), ratio, rtol=1e-13)
    psm = ratio * np.cos(np.angle(s) - np.angle(y))
    np.testing.assert_allclose(masks.phase_sensitive_mask(clean, noisy), psm, rtol=1e-11, atol=1e-13)


def test_cirm_as_its_paper_writes_it(spectra):
    clean, _, noisy = spectra
    s, y = clean.astype(WIDE), noisy.astype(WIDE)
    power = y.real**2 + y.imag**2
    mask = masks.complex_ideal_ratio_mask(clean, noisy)
    np.testing.assert_allclose(mask.real, (y.real * s.real + y.imag * s.imag) / power, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(mask.imag, (y.real * s.imag - y.imag * s.real) / power, rtol=1e-11, atol=1e-13)


def test_orm_as_its_paper_writes_it(spectra):
    clean, noise, _ = spectra
    s, n = clean.astype(WIDE), noise.astype(WIDE)
    coherent = (s * n.conj()).real
    published = (np.abs(s) ** 2 + coherent) / (np.abs(s) ** 2 + np.abs(n) ** 2 + 2 * coherent)
    np.testing.assert_allclose(masks.optimal_ratio_mask(clean, noise), published, rtol=1e-10, atol=1e-12)


def test_orm_next_to_cancellation_where_its_published_form_loses_all_digits():
    clean = np.array([[1.0 + 0.5j]])
    noise = -clean + 1e-9j
    noisy = clean + noise
    exact = (clean.astype(WIDE) / noisy.astype(WIDE)).real
    np.testing.assert_allclose(masks.optimal_ratio_mask(clean, noise), exact, rtol=1e-6)
    coherent = (clean * noise.conj()).real
    published = np.abs(clean) ** 2 + np.abs(noise) ** 2 + 2 * coherent
    assert abs(float(published[0, 0]) / 1e-18 - 1.0) > 0.5


def test_ibm_in_its_three_definitions(spectra):
    clean, noise, noisy = spectra
    np.testing.assert_array_equal(masks.ideal_binary_mask(clean, noise), np.abs(clean) >= np.abs(noise))
    np.testing.assert_array_equal(masks.majority_binary_mask(clean, noisy), np.abs(clean) / np.abs(noisy) >= 0.5)
    snr = 10 * np.log10(np.abs(clean) ** 2 / np.abs(noise) ** 2)
    for threshold in (-6.0, 0.0, 3.0):
        np.testing.assert_array_equal(
            masks.local_snr_binary_mask(clean, noise, threshold_db=threshold), snr >= threshold
        )


def test_compression_as_its_paper_writes_it():
    mask = np.linspace(-60, 60, 1001)
    e = np.exp(-0.1 * mask.astype(np.longdouble))
    np.testing.assert_allclose(masks.compress_mask(mask), 10 * (1 - e) / (1 + e), rtol=1e-13, atol=1e-14)
    compressed = np.linspace(-9.9, 9.9, 1001)
    wide = compressed.astype(np.longdouble)
    np.testing.assert_allclose(
        masks.decompress_mask(compressed), -10 * np.log((10 - wide) / (10 + wide)), rtol=1e-12, atol=1e-13
    )


def test_coherence_as_a_plain_loop(spectra):
    clean, noise = (spectrum[0, :12, :9] for spectrum in spectra[:2])
    found = masks.speech_noise_coherence(clean, noise, n_bins=3, n_frames=5)
    for row in range(12):
        for column in range(9):
            rows, columns = slice(max(0, row - 1), row + 2), slice(max(0, column - 2), column + 3)
            s, n = clean[rows, columns], noise[rows, columns]
            wanted = np.vdot(n, s).real / np.sqrt(np.vdot(s, s).real * np.vdot(n, n).real)
            assert found[row, column] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
