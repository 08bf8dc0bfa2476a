"""Live enhancement with a sound device that only exists here: what is played, the latency that is told, the errors."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from specloom import Audio, Enhancer
from specloom.errors import MissingExtraError, ParameterError, SoundDeviceError
from specloom.tasks.enhance import enhance_live
from specloom.tasks.enhance.live import LiveLatency

MODEL = Path(__file__).parents[1] / "golden" / "tiny_spectrum.onnx"


class Devices:
    """What sounddevice.Stream is, with a microphone that hears noise."""

    latency = (0.010, 0.020)

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self.heard: list[np.ndarray] = []
        self.played: list[np.ndarray] = []
        self.stop_after: int | None = None
        self._rng = np.random.default_rng(0)

    def __enter__(self) -> Devices:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, n: int) -> tuple[np.ndarray, bool]:
        if len(self.heard) == self.stop_after:
            raise KeyboardInterrupt
        self.heard.append((0.1 * self._rng.standard_normal((n, 1))).astype(np.float32))
        return self.heard[-1], len(self.heard) == 3

    def write(self, samples: np.ndarray) -> bool:
        assert samples.flags.c_contiguous
        assert samples.dtype == np.float32
        self.played.append(samples.copy())
        return False


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("sounddevice")

    class PortAudioError(Exception):
        pass

    def open_stream(**asked: Any) -> Devices:
        module.opened = Devices(**asked)
        module.opened.stop_after = module.stop_after
        return module.opened

    module.PortAudioError = PortAudioError
    module.Stream = open_stream
    module.stop_after = None
    module.check_input_settings = module.check_output_settings = lambda **asked: None
    module.query_devices = lambda device, kind: {"default_samplerate": 44_100.0}
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_heard_is_played_cleaned_after_the_latency(sounddevice: Any, rate: int) -> None:
    def refuse(**asked: Any) -> None:
        raise sounddevice.PortAudioError("Invalid sample rate")

    if rate != 16_000:
        sounddevice.check_output_settings = refuse
    told: list[LiveLatency] = []
    enhancer = Enhancer(MODEL)
    latency = enhance_live(enhancer, seconds=2.0, report=told.append)
    devices = sounddevice.opened
    assert devices.asked["samplerate"] == rate
    heard, played = (np.concatenate(blocks)[:, 0] for blocks in (devices.heard, devices.played))
    assert heard.size == played.size == pytest.approx(2.0 * rate, rel=0.01)
    n_late = enhancer.stream(sample_rate=rate).latency_samples
    expected = enhancer.process(Audio(heard, rate)).samples
    assert not played[:n_late].any()
    assert np.abs(played[n_late:] - expected[: heard.size - n_late]).max() <= 1e-5
    assert latency.sample_rate == rate
    assert latency.model_s == n_late / rate
    assert latency.devices_s == pytest.approx(0.030)
    assert latency.total_s == latency.devices_s + latency.model_s + latency.work_s
    assert 0.0 < latency.work_s < 60.0
    assert latency.n_missed == 1
    assert latency.n_blocks == len(devices.heard)
    assert len(told) == 2


def test_everything_is_loaded_before_the_devices_are_opened(sounddevice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from specloom.dsp.lanes import hop

    made: list[bool] = []
    usual = hop.HopTransform

    def noticed(*arguments: Any) -> Any:
        made.append(hasattr(sounddevice, "opened"))
        return usual(*arguments)

    monkeypatch.setattr(hop, "HopTransform", noticed)
    enhance_live(Enhancer(MODEL), seconds=1.0)
    assert made == [False, True]


def test_the_keyboard_ends_it_well(sounddevice: Any) -> None:
    sounddevice.stop_after = 5
    assert enhance_live(Enhancer(MODEL)).n_blocks == 5


def test_devices_and_strength_are_passed_on(sounddevice: Any) -> None:
    enhance_live(Enhancer(MODEL), strength=0.0, input_device=3, output_device="speaker", seconds=0.1)
    devices = sounddevice.opened
    assert devices.asked["device"] == (3, "speaker")
    assert np.array_equal(np.concatenate(devices.heard), np.concatenate(devices.played))


@pytest.mark.parametrize("kind", ["PortAudioError", "ValueError"])
def test_a_device_that_is_not_there_is_a_sentence(sounddevice: Any, kind: str) -> None:
    def refuse(**asked: Any) -> None:
        raise {"PortAudioError": sounddevice.PortAudioError, "ValueError": ValueError}[kind]("no device matching 'x'")

    sounddevice.Stream = refuse
    with pytest.raises(SoundDeviceError, match=r"no device matching 'x'.*python -m sounddevice"):
        enhance_live(Enhancer(MODEL), input_device="x")


def test_a_wrong_strength_is_no_matter_of_devices(sounddevice: Any) -> None:
    with pytest.raises(ParameterError, match="strength=3"):
        enhance_live(Enhancer(MODEL), strength=3)
    with pytest.raises(ParameterError, match="seconds=0"):
        enhance_live(Enhancer(MODEL), seconds=0)


@pytest.mark.parametrize(("error", "sentence"), [(ImportError, r"specloom\[live\]"), (OSError, "PortAudio library")])
def test_without_sounddevice_a_sentence_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], sentence: str
) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name == "sounddevice":
            raise error("PortAudio library not found")
        return usual(name, *rest, **options)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=sentence):
        enhance_live(SimpleNamespace())  # type: ignore[arg-type]
