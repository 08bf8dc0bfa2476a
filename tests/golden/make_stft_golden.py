"""Writes stft_golden.npz beside itself, with librosa 0.11: ``python tests/golden/make_stft_golden.py``."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np

SETTINGS = {"lanes": (512, 128, 512), "short": (512, 100, 401), "other": (400, 100, 400)}


def golden_sound() -> np.ndarray:
    """A rising tone with a click, 900 samples of float32."""
    t = np.arange(900) / 16000
    sound = 0.5 * np.sin(2 * np.pi * (300 + 8000 * t) * t) + 0.01 * np.cos(2 * np.pi * 3000 * t)
    sound[500] += 0.5
    return sound.astype(np.float32)


def main() -> None:
    sound = golden_sound()
    arrays = {}
    for name, (n_fft, hop_length, win_length) in SETTINGS.items():
        words = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length}
        spec = librosa.stft(sound.astype(np.float64), **words)
        filters = librosa.filters.mel(sr=16000, n_fft=n_fft, n_mels=20)
        arrays[f"{name}_stft"] = spec.astype(np.complex64)
        arrays[f"{name}_mel"] = (filters @ np.abs(spec)).astype(np.float32)
        magnitude = np.abs(arrays[f"{name}_stft"]).astype(np.float64)
        arrays[f"{name}_griffin_lim"] = librosa.griffinlim(
            magnitude, n_iter=5, momentum=0.99, random_state=np.random.default_rng(0), length=sound.size, **words
        ).astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("stft_golden.npz"), sound=sound, **arrays)


if __name__ == "__main__":
    main()
