"""Griffin-Lim is librosa's from the same initial phase, on the lanes and on the reference path."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from specloom import load, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.phase.griffin_lim import griffin_lim

# n_fft, hop_length, win_length: the three settings of the benchmarks, and one that the lanes do not serve.
SETTINGS = {"A": (2048, 276, 1102), "B": (1024, 256, 1024), "C": (2048, 512, 2048), "odd hop": (1024, 171, 801)}
N_ITER = 5
IDENTICAL_DB = -100.0


def settings_of(size, **others):
    n_fft, hop_length, win_length = size
    return StftConfig(sample_rate=16000, n_fft=n_fft, hop_length=hop_length, win_length=win_length, **others)


def recording(name="speech", seconds=1.0):
    audio = load(sounds.path(name), channels="mono")
    begin = audio.sample_rate
    samples = audio.samples[begin : begin + int(seconds * audio.sample_rate) + 77].copy()
    samples.flags.writeable = False
    return samples


def librosa_griffin_lim(magnitude, config, momentum, length, seed, n_iter=N_ITER):
    return librosa.griffinlim(
        magnitude, n_iter=n_iter, hop_length=config.hop_length, win_length=config.win_length, n_fft=config.n_fft,
        window=config.window, center=config.center, length=length, momentum=momentum, init="random",
        random_state=np.random.default_rng(seed), dtype=magnitude.dtype,
    )  # fmt: skip


def phases(shape, seed):
    """Those that librosa draws from a generator of that seed."""
    return 2.0 * np.pi * np.random.default_rng(seed).random(size=shape)


def difference_db(ours, theirs):
    assert ours.shape == theirs.shape
    error = np.linalg.norm(ours.astype(np.float64) - theirs)
    return 20.0 * np.log10(max(error, 1e-30) / np.linalg.norm(theirs.astype(np.float64)))


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("name", ["speech", "music"])
@pytest.mark.parametrize("size", SETTINGS.values(), ids=SETTINGS)
def test_griffin_lim_is_librosas(size, name, momentum, with_length):
    config = settings_of(size)
    samples = recording(name)
    magnitude = np.abs(stft(samples, config))
    length = samples.size if with_length else None
    ours = griffin_lim(
        magnitude, config, n_iter=N_ITER, momentum=momentum, initial_phase=phases(magnitude.shape, 1), length=length
    )
    assert ours.dtype == np.float32
    assert difference_db(ours, librosa_griffin_lim(magnitude, config, momentum, length, 1)) <= IDENTICAL_DB


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("size", [(1024, 256, 1024), (1000, 250, 800)], ids=str)
def test_in_float64_it_is_librosas_to_the_last_digits(size, momentum):
    config = settings_of(size)
    samples = recording().astype(np.float64)
    magnitude = np.abs(stft(samples, config))
    ours = griffin_lim(
        magnitude, config, n_iter=N_ITER, momentum=momentum, initial_phase=phases(magnitude.shape, 2),
        length=samples.size,
    )  # fmt: skip
    assert ours.dtype == np.float64
    assert difference_db(ours, librosa_griffin_lim(magnitude, config, momentum, samples.size, 2)) <= -200.0


def test_the_seed_draws_what_librosa_draws():
    config = settings_of(SETTINGS["B"])
    magnitude = np.abs(stft(recording(), config))
    ours = griffin_lim(magnitude, config, n_iter=N_ITER, rng=7)
    assert difference_db(ours, librosa_griffin_lim(magnitude, config, 0.99, None, 7)) <= IDENTICAL_DB


@pytest.mark.parametrize("size", [(1024, 256, 1024), (1024, 200, 801), (1000, 250, 801)], ids=str)
def test_uncentred_it_is_librosas(size):
    config = settings_of(size, center=False, window="hamming")
    magnitude = np.abs(stft(recording(), config))
    ours = griffin_lim(magnitude, config, n_iter=N_ITER, initial_phase=phases(magnitude.shape, 3))
    theirs = librosa_griffin_lim(magnitude, config, 0.99, None, 3)
    assert difference_db(ours, theirs) <= IDENTICAL_DB


@pytest.mark.parametrize("window", ["hamming", ("kaiser", 8.0), "boxcar"])
def test_with_other_windows_it_is_librosas(window):
    config = settings_of((512, 128, 512), window=window)
    magnitude = np.abs(stft(recording(), config))
    ours = griffin_lim(magnitude, config, n_iter=N_ITER, initial_phase=phases(magnitude.shape, 4))
    assert difference_db(ours, librosa_griffin_lim(magnitude, config, 0.99, None, 4)) <= IDENTICAL_DB


@pytest.mark.parametrize("n_iter", [0, 1, 2, N_ITER])
@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("size", [*SETTINGS.values(), (256, 64, 200), (4096, 1000, 4096)], ids=str)
def test_lanes_equal_the_reference_path(size, momentum, n_iter, monkeypatch):
    config = settings_of(size)
    samples = recording()
    magnitude = np.abs(stft(samples, config))
    words = {
        "n_iter": n_iter,
        "momentum": momentum,
        "initial_phase": phases(magnitude.shape, 5),
        "length": samples.size,
    }
    fast = griffin_lim(magnitude, config, **words)
    exact = griffin_lim(magnitude.astype(np.float64), config, **words)
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    plain = griffin_lim(magnitude, config, **words)
    assert plain.dtype == fast.dtype == np.float32
    assert difference_db(fast, plain) <= IDENTICAL_DB
    assert difference_db(fast, exact) <= IDENTICAL_DB
