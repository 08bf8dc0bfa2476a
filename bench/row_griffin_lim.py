"""Row: Griffin-Lim, the identical algorithm, time per iteration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import specloom
from peers import librosa_griffin_lim, librosa_magnitude, our_magnitude, seeded_phase
from recordings import Clip, Recordings
from results import Line, Result, microseconds, number, slashed
from settings import ITERATION_BAR, SAME_BAR_DB, SETTINGS, Setting
from timing import Spread, cpu_seconds, ratios

# The slope between two counts: what a call costs besides its iterations cancels.
OUR_COUNTS = (20, 140)
LIBROSA_COUNTS = (2, 12)


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    few = recordings.shortened()
    lines: list[Line] = []
    middle: list[float] = []
    for setting in SETTINGS:
        line = iteration_line(setting, slopes(setting, few.clips, rounds), ITERATION_BAR)
        assert line.ratio is not None
        middle.append(line.ratio.median)
        lines += [line, _difference(setting, recordings), _whole_call(setting, few.clips, rounds)]
    return [
        Result(
            name="griffin-lim",
            title="Griffin-Lim, the identical algorithm, per iteration (A / B / C)",
            measured=f"{slashed(middle)} ×",
            bar=f"{ITERATION_BAR:.0f} ×, difference ≤ {SAME_BAR_DB:.0f} dB",
            lines=tuple(lines),
            audio=f"time: {few.words}; difference: {recordings.words}",
            peer="librosa.griffinlim",
            notes=(
                f"Per iteration: the slope between {OUR_COUNTS[0]} and {OUR_COUNTS[1]} iterations (librosa: "
                f"{LIBROSA_COUNTS[0]} and {LIBROSA_COUNTS[1]}), divided by the frames; fixed costs cancel.",
                "The difference is that of the sounds after 5 iterations from the same phase, relative to librosa's.",
            ),
        )
    ]


def iteration_line(setting: Setting, per_iteration: dict[str, list[float]], bar: float | None) -> Line:
    """The slopes as a line of a table."""
    spread = Spread.of(ratios(per_iteration["librosa"], per_iteration["ours"]))
    return Line(
        what=f"{setting.label}: one iteration, one frame",
        ours=microseconds(float(np.median(per_iteration["ours"]))),
        peer=microseconds(float(np.median(per_iteration["librosa"]))),
        ratio=spread,
        bar="" if bar is None else f"{bar:.0f} ×",
        met=None if bar is None else spread.median >= bar,
    )


def slopes(setting: Setting, clips: tuple[Clip, ...], rounds: int) -> dict[str, list[float]]:
    """CPU seconds per iteration and frame, by side."""
    result: dict[str, list[float]] = {"ours": [], "librosa": []}
    for clip in clips:
        ours, theirs = _calls(clip, setting)
        n_frames = setting.config.n_frames(clip.samples.size)
        ours(1), theirs(1)
        for _ in range(rounds):
            result["ours"].append(_slope(ours, OUR_COUNTS) / n_frames)
            result["librosa"].append(_slope(theirs, LIBROSA_COUNTS) / n_frames)
    return result


def _slope(call: Callable[[int], object], counts: tuple[int, int]) -> float:
    few, many = (cpu_seconds(partial(call, count)) for count in counts)
    return (many - few) / (counts[1] - counts[0])


def _calls(clip: Clip, setting: Setting) -> tuple[Callable[[int], object], Callable[[int], object]]:
    """Ours and librosa's on one clip, as functions of the number of iterations."""
    config, n = setting.config, clip.samples.size
    ours, theirs = our_magnitude(clip.samples, config), librosa_magnitude(clip.samples, config)
    return (
        lambda n_iter: specloom.griffin_lim(ours, config, n_iter=n_iter, length=n, rng=0),
        lambda n_iter: librosa_griffin_lim(theirs, config, n_iter, n),
    )


def _difference(setting: Setting, recordings: Recordings) -> Line:
    """After 5 iterations from the same phase, the worst clip."""
    config, worst = setting.config, -np.inf
    for clip in recordings.clips:
        n = clip.samples.size
        magnitude = librosa_magnitude(clip.samples, config)
        reference = librosa_griffin_lim(magnitude, config, 5, n)
        phase = seeded_phase(magnitude.shape)
        ours = specloom.griffin_lim(magnitude, config, n_iter=5, initial_phase=phase, length=n)
        worst = max(worst, 20 * np.log10(np.linalg.norm(ours - reference) / np.linalg.norm(reference)))
    return Line(
        what=f"{setting.label}: difference after 5 iterations, worst clip",
        ours=f"{worst:.1f} dB",
        bar=f"≤ {SAME_BAR_DB:.0f} dB",
        met=bool(worst <= SAME_BAR_DB),
    )


def _whole_call(setting: Setting, clips: tuple[Clip, ...], rounds: int) -> Line:
    """With the drawing of the first phase and all."""
    n_iter = setting.librosa_iterations
    quotients: list[float] = []
    speeds: list[tuple[float, float]] = []
    for clip in clips:
        calls = _calls(clip, setting)
        for _ in range(rounds):
            us, them = (cpu_seconds(partial(call, n_iter)) for call in calls)
            quotients.append(them / us)
            speeds.append((clip.duration_s / us, clip.duration_s / them))
    us, them = np.median(speeds, axis=0)
    return Line(
        what=f"{setting.label}: the whole call, {n_iter} iterations",
        ours=f"{number(us)} × real time",
        peer=f"{number(them)} × real time",
        ratio=Spread.of(quotients),
    )
