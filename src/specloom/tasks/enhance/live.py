"""Microphone -> network -> speaker, through the sounddevice package (extra ``live``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from specloom.errors import MissingExtraError, ParameterError, SoundDeviceError, SpecloomError
from specloom.tasks.enhance.bands import Fifo
from specloom.tasks.enhance.enhancer import Enhancer
from specloom.tasks.enhance.features import SpectrumFeatures
from specloom.tasks.enhance.model_stream import FloatArray
from specloom.tasks.enhance.stream import EnhanceStream

Device = int | str | None

# More than a stream takes to settle; see `specloom.tasks.enhance.model_stream`.
_WARM_UP_BLOCKS = 32


@dataclass(frozen=True, kw_only=True)
class LiveLatency:
    """Where the time goes between microphone and speaker.

    Parameters
    ----------
    sample_rate : int
        Hertz, of both devices.
    devices_s : float
        What the system says about its buffers, in and out.
    model_s : float
        What the model waits for, resampling included where the device does not have the model's rate.
    work_s : float
        The longest that a block has taken to compute so far.
    block_s : float
        The length of a block.
    n_blocks, n_missed : int
        Blocks so far, and those before which the devices ran over or dry: each is heard as a click.
    """

    sample_rate: int
    devices_s: float
    model_s: float
    work_s: float
    block_s: float
    n_blocks: int
    n_missed: int

    @property
    def total_s(self) -> float:
        """From microphone to speaker."""
        return self.devices_s + self.model_s + self.work_s


class SteadyStream:
    """An `EnhanceStream` that gives back as much as it takes in, `latency_samples` later, with silence before."""

    def __init__(self, stream: EnhanceStream) -> None:
        self._stream = stream
        self._ready = Fifo(stream.channels)
        self._ready.push(np.zeros((stream.channels, stream.latency_samples), dtype=np.float32))

    def push(self, samples: FloatArray) -> FloatArray:
        """Take in ``(channels, n)``, give back as many."""
        self._ready.push(self._stream.push(samples))
        return self._ready.take(samples.shape[1])


def enhance_live(
    enhancer: Enhancer,
    *,
    strength: float = 1.0,
    limit_db: float | None = None,
    input_device: Device = None,
    output_device: Device = None,
    seconds: float | None = None,
    report: Callable[[LiveLatency], None] = lambda latency: None,
) -> LiveLatency:
    """Clean what the microphone hears and play it, until ``seconds`` are over or the keyboard interrupts.

    The devices are asked for the model's rate, which nearly every system converts to with little delay. Where it does
    not, they run at the microphone's own rate and the sound is resampled here, which takes 7 ms longer at 48 kHz.

    Parameters
    ----------
    enhancer : Enhancer
    strength, limit_db : float
        As for `Enhancer.process`.
    input_device, output_device : int or str, optional
        Number or a part of the name, as ``python -m sounddevice`` lists them; the system's choice if not given.
    seconds : float, optional
        When to end.
    report : callable
        Called about once a second.

    Returns
    -------
    LiveLatency
        At the end.

    Raises
    ------
    MissingExtraError
        When sounddevice (or PortAudio, which it needs) is not installed.
    SoundDeviceError
        When there is no such device, or it cannot be opened.
    ParameterError
        When a value is out of its range.
    """
    if seconds is not None and not 0.0 < seconds < float("inf"):
        raise ParameterError(f"seconds={seconds!r}: a number above 0, or None for no end, is needed")
    sounddevice = _sounddevice()
    devices = (input_device, output_device)
    try:
        rate = _common_rate(sounddevice, devices, enhancer.features.sample_rate)
        block = _block_length(enhancer, rate)
        _warm_up(enhancer.stream(sample_rate=rate, strength=strength, limit_db=limit_db), block)
        stream = enhancer.stream(sample_rate=rate, strength=strength, limit_db=limit_db)
        steady = SteadyStream(stream)
        with sounddevice.Stream(
            samplerate=rate, blocksize=block, device=devices, channels=1, dtype="float32", latency="low"
        ) as open_devices:
            return _Loop(open_devices, stream, steady, block, seconds, report).run()
    except (sounddevice.PortAudioError, ValueError) as error:
        if isinstance(error, SpecloomError):
            raise
        raise SoundDeviceError(
            f"microphone or speaker cannot be opened ({error}); 'python -m sounddevice' lists what is there, "
            "choose with --input-device and --output-device"
        ) from error


class _Loop:
    def __init__(
        self,
        devices: Any,
        stream: EnhanceStream,
        steady: SteadyStream,
        block: int,
        seconds: float | None,
        report: Callable[[LiveLatency], None],
    ) -> None:
        self._devices = devices
        self._stream = stream
        self._steady = steady
        self._block = block
        self._report = report
        rate = stream.sample_rate
        self._n_blocks = None if seconds is None else max(1, round(seconds * rate / block))
        self._n_between_reports = max(1, round(rate / block))
        self._n_done = self._n_missed = 0
        self._longest_s = 0.0

    def run(self) -> LiveLatency:
        """Until the last block; Ctrl-C ends it well."""
        try:
            while self._n_done != self._n_blocks:
                self._step()
                if self._n_done % self._n_between_reports == 0:
                    self._report(self._latency())
        except KeyboardInterrupt:
            # The only way to end a run without a last second.
            pass
        return self._latency()

    def _step(self) -> None:
        heard, overflowed = self._devices.read(self._block)
        begun = time.perf_counter()
        said = self._steady.push(heard.T)
        self._longest_s = max(self._longest_s, time.perf_counter() - begun)
        underflowed = self._devices.write(np.ascontiguousarray(said.T))
        self._n_missed += bool(overflowed or underflowed)
        self._n_done += 1

    def _latency(self) -> LiveLatency:
        return LiveLatency(
            sample_rate=self._stream.sample_rate,
            devices_s=float(sum(self._devices.latency)),
            model_s=self._stream.latency_s,
            work_s=self._longest_s,
            block_s=self._block / self._stream.sample_rate,
            n_blocks=self._n_done,
            n_missed=self._n_missed,
        )


def _warm_up(stream: EnhanceStream, block: int) -> None:
    """Let everything be loaded and compiled before the first block that is heard."""
    for _ in range(_WARM_UP_BLOCKS):
        stream.push(np.zeros(block, dtype=np.float32))


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError(
            'live enhancement needs the sounddevice package: pip install "specloom[live]"'
        ) from error
    except OSError as error:
        raise MissingExtraError(
            f"live enhancement needs the PortAudio library ({error}): install it (Debian: apt install libportaudio2)"
        ) from error
    return sounddevice


def _common_rate(sounddevice: Any, devices: tuple[Device, Device], model_rate: int) -> int:
    """The model's rate if both devices take it, else the rate of the microphone."""
    microphone, speaker = devices
    try:
        sounddevice.check_input_settings(device=microphone, channels=1, dtype="float32", samplerate=model_rate)
        sounddevice.check_output_settings(device=speaker, channels=1, dtype="float32", samplerate=model_rate)
    except sounddevice.PortAudioError:
        return round(float(sounddevice.query_devices(microphone, "input")["default_samplerate"]))
    return model_rate


def _block_length(enhancer: Enhancer, rate: int) -> int:
    """The samples of a hop of the model, at the rate of the devices."""
    features = enhancer.features
    hop = features.hop_length if isinstance(features, SpectrumFeatures) else features.hop_samples
    return max(1, round(hop * rate / features.sample_rate))
