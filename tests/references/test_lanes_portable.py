"""The lanes on a machine without wide registers: the same answers from the code that its compiler makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import specloom

# Runs in a process of its own, because numba reads its environment once. It prints differences in decibels.
PROGRAM = """
import os
import numpy as np
from specloom import (
    MelConfig, StftConfig, griffin_lim, istft, load, mel_filterbank, mel_to_magnitude, reconstruct, sounds, stft
)
from specloom.dsp.lanes.plan import LANES

def db(a, b):
    return 20 * np.log10(max(np.linalg.norm(a - b), 1e-30) / np.linalg.norm(b))

def answers(config):
    spec = stft(samples, config)
    magnitude = np.abs(spec)
    mel = MelConfig(sample_rate=16000, n_fft=config.n_fft, n_mels=20)
    return {
        "stft": spec,
        "istft": istft(spec, config, length=samples.size),
        "griffin_lim": griffin_lim(magnitude, config, n_iter=5, initial_phase=phase(config), length=samples.size),
        "mel_to_magnitude": mel_to_magnitude(mel_filterbank(mel) @ magnitude, mel),
        "reconstruct": np.abs(stft(reconstruct(magnitude, config, quality="fast", length=samples.size), config)),
    }

def phase(config):
    return np.random.default_rng(1).uniform(-3, 3, (config.n_bins, config.n_frames(samples.size)))

samples = load(sounds.path("speech")).samples[16000:40000]
print("LANES", LANES)
for sizes in ((512, 128, 512), (1024, 171, 801)):
    config = StftConfig(sample_rate=16000, n_fft=sizes[0], hop_length=sizes[1], win_length=sizes[2])
    os.environ["SPECLOOM_LANES"] = "1"
    fast = answers(config)
    os.environ["SPECLOOM_LANES"] = "0"
    plain = answers(config)
    for name in fast:
        print(name, db(fast[name], plain[name]))
    target = np.abs(plain["stft"])
    print("convergence", db(fast["reconstruct"], target) - db(plain["reconstruct"], target))
"""


@pytest.mark.parametrize(("cpu", "features"), [("generic", "")])
def test_with_narrow_registers_the_answers_are_the_same(tmp_path, cpu, features):
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": cpu,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(specloom.__file__).parent.parent),
    }
    environment.pop("SPECLOOM_LANES", None)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert lines[0] == ["LANES", "8"]
    limits = {"stft": -120, "istft": -120, "griffin_lim": -100, "mel_to_magnitude": -90, "convergence": 1.0}
    found = {}
    for name, value in lines[1:]:
        found.setdefault(name, []).append(float(value))
    assert set(limits) <= set(found)
    for name, limit in limits.items():
        assert len(found[name]) == 2
        assert np.max(found[name]) <= limit, name
