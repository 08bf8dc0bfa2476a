"""DNSMOS against the code that its networks come with."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from specloom import sounds
from specloom.errors import MissingExtraError, ParameterError
from specloom.io.audio import load
from specloom.metrics import dnsmos
from specloom.metrics.dnsmos import dnsmos_available, dnsmos_score

RATE = 16000

needs_networks = pytest.mark.skipif(not dnsmos_available(), reason="speechmos is not installed")


def speech(seconds: float) -> np.ndarray:
    samples = load(sounds.path("speech")).samples
    noise = 0.01 * np.random.default_rng(1).standard_normal(round(seconds * RATE)).astype(np.float32)
    return np.resize(samples, len(noise)) + noise


@needs_networks
@pytest.mark.parametrize("seconds", [0.7, 9.01, 11.3])
def test_the_same_as_the_package_says(seconds: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It needs more than it asks for.
        theirs = pytest.importorskip("speechmos.dnsmos", exc_type=ImportError)
        samples = speech(seconds)
        wanted = theirs.run(samples, RATE)
    found = dnsmos_score(samples, RATE)
    assert found.signal == pytest.approx(wanted["sig_mos"], abs=1e-3)
    assert found.background == pytest.approx(wanted["bak_mos"], abs=1e-3)
    assert found.overall == pytest.approx(wanted["ovrl_mos"], abs=1e-3)
    assert found.p808 == pytest.approx(wanted["p808_mos"], abs=1e-3)


@needs_networks
def test_noise_is_heard_and_silence_has_figures() -> None:
    clean = load(sounds.path("speech")).samples
    noisy = clean + 0.1 * np.random.default_rng(1).standard_normal(len(clean)).astype(np.float32)
    good, bad = dnsmos_score(clean, RATE), dnsmos_score(noisy, RATE)
    assert good.background > bad.background + 1.0
    assert good.overall > bad.overall + 0.5
    silence = dnsmos_score(np.zeros(100, np.float32), RATE)
    assert np.isfinite([silence.signal, silence.background, silence.overall, silence.p808]).all()


@needs_networks
def test_what_goes_beyond_full_scale_is_turned_down() -> None:
    samples = load(sounds.path("speech")).samples
    at_peak = samples / np.abs(samples).max()
    assert dnsmos_score(7.0 * at_peak, RATE).overall == pytest.approx(dnsmos_score(at_peak, RATE).overall, abs=1e-4)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ParameterError, match="sample_rate=8000: DNSMOS is defined at 16000 Hz only"):
        dnsmos_score(np.ones(100, np.float32), 8000)
    with pytest.raises(ParameterError, match="one channel"):
        dnsmos_score(np.ones((2, 100), np.float32), RATE)
    with pytest.raises(ParameterError, match="at least one sample"):
        dnsmos_score(np.ones(0, np.float32), RATE)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsmos, "_PACKAGE", "no_such_package")
    dnsmos._networks.cache_clear()
    assert not dnsmos_available()
    with pytest.raises(MissingExtraError, match=r"specloom\[eval\]"):
        dnsmos_score(np.ones(100, np.float32), RATE)
