"""Row: stft and istft, against torch and librosa."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import librosa
import numpy as np

import specloom
from peers import sizes
from recordings import Clip, Recordings
from results import Line, Result, microseconds, slashed
from settings import LIBROSA_TRANSFORM_BAR, SETTINGS, TORCH_BAR, Setting
from timing import Spread, interleaved, ratios

Calls = dict[str, Callable[[], Any]]


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    few = recordings.shortened()
    lines: list[Line] = []
    middle: dict[str, list[float]] = {}
    for setting in SETTINGS:
        for line, peer in _setting(setting, few.clips, rounds):
            assert line.ratio is not None
            lines.append(line)
            middle.setdefault(peer, []).append(line.ratio.median)
    bars = {"torch": TORCH_BAR, "librosa": LIBROSA_TRANSFORM_BAR}
    return [
        Result(
            name="stft-istft",
            title=f"stft + istft against {' and '.join(middle)} (A / B / C)",
            measured="; ".join(f"{slashed(values)} × {peer}" for peer, values in middle.items()),
            bar="; ".join(f"{bars[peer]:.0f} × {peer}" for peer in middle),
            lines=tuple(lines),
            audio=few.words,
            peer="torch.stft + torch.istft, librosa.stft + librosa.istft",
            notes=() if "torch" in middle else ("torch is not installed here: its line is missing.",),
        )
    ]


def _setting(setting: Setting, clips: tuple[Clip, ...], rounds: int) -> list[tuple[Line, str]]:
    seconds: dict[str, list[float]] = {}
    for clip in clips:
        calls = _calls(clip, setting)
        for call in calls.values():
            if not np.allclose(np.asarray(call()), clip.samples, atol=1e-4):
                raise SystemExit("a transform and its inverse did not give the sound back: nothing to compare")
        n_frames = setting.config.n_frames(clip.samples.size)
        for name, values in interleaved(calls, 3 * rounds).items():
            seconds.setdefault(name, []).extend(value / n_frames for value in values)
    lines = []
    for peer, bar in (("torch", TORCH_BAR), ("librosa", LIBROSA_TRANSFORM_BAR)):
        if peer not in seconds:
            continue
        spread = Spread.of(ratios(seconds[peer], seconds["ours"]))
        ours, theirs = (float(np.median(seconds[side])) for side in ("ours", peer))
        line = Line(
            what=f"{setting.label}: against {peer}", ours=f"{microseconds(ours)} a frame",
            peer=f"{microseconds(theirs)} a frame", ratio=spread, bar=f"{bar:.0f} ×", met=spread.median >= bar,
        )  # fmt: skip
        lines.append((line, peer))
    return lines


def _calls(clip: Clip, setting: Setting) -> Calls:
    config, samples, n = setting.config, clip.samples, clip.samples.size
    layout = {"hop_length": config.hop_length, "win_length": config.win_length}
    calls: Calls = {
        "ours": lambda: specloom.istft(specloom.stft(samples, config), config, length=n),
        "librosa": lambda: librosa.istft(
            librosa.stft(samples, **sizes(config)), n_fft=config.n_fft, length=n, **layout
        ),
    }
    try:
        import torch
    except ImportError:
        return calls
    torch.set_num_threads(1)
    line, window = torch.from_numpy(samples.copy()), torch.hann_window(config.win_length)
    there = {"n_fft": config.n_fft, "window": window, **layout}
    return {
        **calls,
        "torch": lambda: torch.istft(
            torch.stft(line, pad_mode="constant", return_complex=True, **there), length=n, **there
        ),
    }
