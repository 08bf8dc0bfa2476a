"""Rows: a ten-minute file, on one thread and on two."""

from __future__ import annotations

import os
import time
from functools import partial

import numpy as np

import specloom
from peers import librosa_griffin_lim, librosa_magnitude, our_magnitude
from recordings import Recordings, long_sound
from results import Line, Result, microseconds, slashed
from settings import LONG_FILE_BAR, SAMPLE_RATE, SETTINGS, THREADS_BAR, Setting
from timing import Spread, cpu_seconds

LONG_S = 600.0
LIBROSA_S = 60.0
THREADS_ROUNDS = 4


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    lines, kept = [], []
    for setting in SETTINGS:
        line, share = _setting(setting, recordings, rounds)
        lines.append(line)
        kept.append(share)
    result = Result(
        name="ten-minutes",
        title="the same on a 10-minute file: share of the short files' speed that is kept (A / B / C)",
        measured=" / ".join(f"{100 * share:.0f}" for share in kept) + " %",
        bar=f"{100 * LONG_FILE_BAR:.0f} %",
        lines=tuple(lines),
        audio=f"{recordings.words}, one after the other until ten minutes are full",
        peer="librosa.griffinlim, on the first 60 s of it",
        notes=(
            'quality="fast". Ours: per frame on the 10-minute file; the bar is its speed over the speed on the same '
            "recordings one by one.",
            "librosa ran on 60 s of the file only (it needs about 32 bytes a bin, 2 GB for ten minutes at A, and "
            "minutes of time); its cost per frame there is what ours is compared with.",
        ),
    )
    return [result, _threads(recordings)]


def _setting(setting: Setting, recordings: Recordings, rounds: int) -> tuple[Line, float]:
    config = setting.config
    samples = long_sound(recordings, LONG_S)
    magnitude = our_magnitude(samples, config)
    short = [(our_magnitude(clip.samples, config), clip.samples.size) for clip in recordings.clips]
    minute = samples[: int(LIBROSA_S * SAMPLE_RATE)]
    theirs = librosa_magnitude(minute, config)

    def solve(values: np.ndarray, n: int) -> object:
        return specloom.reconstruct(values, config, quality="fast", length=n)

    solve(*short[0])
    spent: dict[str, list[float]] = {"short": [], "long": [], "librosa": []}
    for round_number in range(rounds):
        seconds = sum(cpu_seconds(partial(solve, *pair)) for pair in short)
        spent["short"].append(seconds / sum(values.shape[1] for values, _ in short))
        spent["long"].append(cpu_seconds(partial(solve, magnitude, samples.size)) / magnitude.shape[1])
        if round_number < 2:
            call = partial(librosa_griffin_lim, theirs, config, setting.librosa_iterations, minute.size)
            spent["librosa"].append(cpu_seconds(call) / theirs.shape[1])
    share = float(np.median(np.divide(spent["short"], spent["long"])))
    us, once, them = (float(np.median(spent[side])) for side in ("long", "short", "librosa"))
    line = Line(
        what=f"{setting.label}: one frame of ten minutes",
        ours=f"{microseconds(us)} (short files: {microseconds(once)}), {100 * share:.0f} % of their speed",
        peer=microseconds(them),
        ratio=Spread.of([them / value for value in spent["long"]]),
        bar=f"{100 * LONG_FILE_BAR:.0f} % of the short files' speed",
        met=share >= LONG_FILE_BAR,
    )
    return line, share


def _threads(recordings: Recordings) -> Result:
    """Wall time: this row needs both cores for itself."""
    lines, gains = [], []
    samples = long_sound(recordings, LONG_S)
    for setting in SETTINGS:
        magnitude = our_magnitude(samples, setting.config)
        for name in ("fast", "balanced"):
            line, gain = _threads_line(setting, name, magnitude, samples.size)
            lines.append(line)
            gains.append(gain)
    names = " / ".join(f"{s.name} {name}" for s in SETTINGS for name in ("fast", "balanced"))
    return Result(
        name="threads",
        title=f"two threads against one on the 10-minute file ({names})",
        measured=f"{slashed(gains)} ×",
        bar=f"{THREADS_BAR} ×",
        lines=tuple(lines),
        audio=f"{recordings.words}, one after the other until ten minutes are full",
        peer="the same on one thread",
        notes=(
            f"Wall time, the best of {THREADS_ROUNDS} on each side, in turn. The row means nothing unless the "
            f"machine is otherwise idle: load over the last minute when it began, {os.getloadavg()[0]:.1f} on "
            f"{os.cpu_count()} cores.",
        ),
    )


def _threads_line(setting: Setting, name: str, magnitude: np.ndarray, n: int) -> tuple[Line, float]:
    walls: dict[int, list[float]] = {1: [], 2: []}
    sounds = {}
    for _ in range(THREADS_ROUNDS):
        for threads in walls:
            begin = time.perf_counter()
            sounds[threads] = specloom.reconstruct(magnitude, setting.config, quality=name, length=n, threads=threads)
            walls[threads].append(time.perf_counter() - begin)
    one, two = min(walls[1]), min(walls[2])
    same = bool(np.array_equal(sounds[1], sounds[2]))
    line = Line(
        what=f"{setting.label}: {name}",
        ours=f"{two:.2f} s, {'the same bits' if same else 'OTHER BITS'}",
        peer=f"{one:.2f} s",
        ratio=Spread(one / two, *np.percentile(np.divide(walls[1], walls[2]), [10, 90]).tolist(), len(walls[1])),
        bar=f"{THREADS_BAR} ×, the same bits",
        met=same and one / two >= THREADS_BAR,
    )
    return line, one / two
