"""The first calls of a new process, timed; run by `row_start` in a process of its own. Prints JSON."""

from __future__ import annotations

import json
import time

_BEGIN = time.process_time()

import numpy as np  # noqa: E402 (the imports are what is timed)
from numba.core import event  # noqa: E402

import specloom  # noqa: E402
from specloom import sounds  # noqa: E402


class Compiled(event.Listener):
    """What numba really compiles (a kernel taken from its cache is none), outermost functions only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._depth = 0
        self._begin = 0.0

    def on_start(self, event: event.Event) -> None:
        if self._depth == 0:
            self._begin = time.process_time()
        self._depth += 1

    def on_end(self, event: event.Event) -> None:
        self._depth -= 1
        if self._depth == 0:
            name = event.data["dispatcher"].py_func.__name__
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - self._begin


def _calls(audio: specloom.Audio) -> float:
    """CPU seconds."""
    begin = time.process_time()
    config = specloom.StftConfig(sample_rate=audio.sample_rate, n_fft=1024, hop_length=256)
    mel = specloom.MelConfig(sample_rate=audio.sample_rate, n_fft=1024)
    magnitude = np.abs(specloom.stft(audio.samples, config))
    specloom.reconstruct(magnitude, config)
    specloom.mel_to_magnitude(specloom.mel_filterbank(mel) @ magnitude, mel)
    return time.process_time() - begin


def main() -> None:
    audio = specloom.load(sounds.path("speech"))
    imports = time.process_time() - _BEGIN
    compiled = Compiled()
    with event.install_listener("numba:compile", compiled):
        first = _calls(audio)
    again = _calls(audio)
    print(json.dumps({"imports": imports, "first": first, "again": again, "compiled": compiled.seconds}))


if __name__ == "__main__":
    main()
