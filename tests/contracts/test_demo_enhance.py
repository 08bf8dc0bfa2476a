"""The section of the demonstration that cleans a noisy recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.io.audio import load
from specloom.page.demo_enhance import made_noise, write_enhance_demo
from specloom.page.html import render
from specloom.page.parts import Page
from specloom.tasks.enhance import Enhancer

TINY = Path(__file__).parent.parent / "golden" / "tiny_spectrum.onnx"


def test_the_noise_is_always_the_same_and_5_db_below_the_speech() -> None:
    speech = load(sounds.path("speech"))
    noise = made_noise(speech)
    assert noise.shape == speech.samples.shape
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, made_noise(speech))
    ratio_db = 20 * np.log10(np.linalg.norm(speech.samples) / np.linalg.norm(noise))
    assert ratio_db == pytest.approx(5.0, abs=1e-3)


def test_the_sounds_are_written_and_shown(tmp_path: Path) -> None:
    whole = load(sounds.path("speech"))
    speech = Audio(whole.samples[16000:40000], whole.sample_rate)
    section = write_enhance_demo(speech, tmp_path, TINY)
    page = Page(title="demo", sections=(section,))
    assert [sound.key for sound in page.sounds] == [
        "enhance-noisy",
        "enhance-cleaned",
        "enhance-limited",
        "enhance-clean",
    ]
    written = {path.stem: load(path) for path in (tmp_path / "enhance").iterdir()}
    assert set(written) == {"noisy", "cleaned", "limited", "clean"}
    noisy = Audio(speech.samples + made_noise(speech), speech.sample_rate)
    np.testing.assert_allclose(written["noisy"].samples, noisy.samples, atol=1e-4)
    np.testing.assert_allclose(written["cleaned"].samples, Enhancer(TINY).process(noisy).samples, atol=1e-4)
    assert not np.allclose(written["limited"].samples, written["cleaned"].samples, atol=1e-3)
    assert "Compared with the clean recording" in render(page)
