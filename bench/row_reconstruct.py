"""Rows: reconstruct at its three qualities, against librosa's Griffin-Lim with its usual iterations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import specloom
from peers import librosa_griffin_lim, librosa_magnitude, our_magnitude
from recordings import Clip, Recordings, shipped
from results import Line, Result, Scores, mean_score, no_worse, number, quality, score, slashed
from settings import SETTINGS, Setting
from timing import Spread, timed

QUALITIES = ("fast", "balanced", "best")


@dataclass
class Measured:
    """One setting on one set of recordings."""

    setting: Setting
    scores: dict[str, list[Scores]] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    speeds: dict[str, list[float]] = field(default_factory=dict)

    def mean(self, name: str) -> Scores:
        return mean_score(self.scores[name])

    def ratio(self, name: str) -> Spread:
        return Spread.of(self.ratios[name])


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    measured = [measure_setting(setting, recordings, rounds) for setting in SETTINGS]
    small = shipped()
    also = [measure_setting(setting, small, rounds) for setting in SETTINGS] if small.words != recordings.words else []
    return [_fast(measured, also, recordings, small), _best(measured, also, recordings)]


def measure_setting(setting: Setting, recordings: Recordings, rounds: int) -> Measured:
    measured = Measured(setting)
    first = recordings.clips[0]
    for call in _calls(Clip(first.samples[: first.sample_rate], True), setting).values():
        call()
    for clip in recordings.clips:
        _measure_clip(measured, clip, rounds)
    return measured


def _calls(clip: Clip, setting: Setting) -> dict[str, Callable[[], Any]]:
    config, n = setting.config, clip.samples.size
    ours, theirs = our_magnitude(clip.samples, config), librosa_magnitude(clip.samples, config)

    def reconstruct(name: Any) -> Callable[[], Any]:
        return lambda: specloom.reconstruct(ours, config, quality=name, length=n)

    calls = {name: reconstruct(name) for name in QUALITIES}
    return {"librosa": lambda: librosa_griffin_lim(theirs, config, setting.librosa_iterations, n), **calls}


def _measure_clip(measured: Measured, clip: Clip, rounds: int) -> None:
    calls = _calls(clip, measured.setting)
    config = measured.setting.config
    magnitude = librosa_magnitude(clip.samples, config)
    for round_number in range(rounds):
        found = {name: timed(call) for name, call in calls.items()}
        for name, (seconds, sound) in found.items():
            measured.ratios.setdefault(name, []).append(found["librosa"][0] / seconds)
            measured.speeds.setdefault(name, []).append(clip.duration_s / seconds)
            if round_number == 0:
                measured.scores.setdefault(name, []).append(score(clip, sound, magnitude, config))


def _line(measured: Measured, name: str, bar: str, met: bool | None, prefix: str = "") -> Line:
    def cell(side: str) -> str:
        return f"{quality(measured.mean(side))}, {number(float(np.median(measured.speeds[side])))} × real time"

    return Line(
        what=f"{prefix}{measured.setting.label}: {name}",
        ours=cell(name),
        peer=cell("librosa"),
        ratio=measured.ratio(name),
        bar=bar,
        met=met,
    )


def _fast_met(measured: Measured) -> bool:
    ours, theirs = measured.mean("fast"), measured.mean("librosa")
    better = ours.convergence_db <= theirs.convergence_db and no_worse(ours.pesq, theirs.pesq)
    return bool(better and measured.ratio("fast").median >= measured.setting.fast_bar)


def _wins(measured: Measured, name: str) -> str:
    """On how many clips ours is at least as good."""
    pairs = list(zip(measured.scores[name], measured.scores["librosa"], strict=True))
    closer = sum(a.convergence_db <= b.convergence_db for a, b in pairs)
    heard = [(a.pesq, b.pesq) for a, b in pairs if not np.isnan(a.pesq)]
    return f"SC on {closer} of {len(pairs)}, PESQ on {sum(a >= b for a, b in heard)} of {len(heard)}"


def _fast(measured: list[Measured], also: list[Measured], recordings: Recordings, small: Recordings) -> Result:
    lines = []
    for m in measured:
        lines.append(_line(m, "fast", f"{m.setting.fast_bar:.0f} ×, SC and PESQ no worse", _fast_met(m)))
        lines.append(_line(m, "balanced", "", None))
    lines += [_line(m, "fast", "", None, "shipped, ") for m in also]
    wins = "; ".join(f"{m.setting.name}: {_wins(m, 'fast')}" for m in measured)
    notes = [
        "librosa runs " + " / ".join(str(s.librosa_iterations) for s in SETTINGS) + " iterations with momentum 0.99.",
        "SC: spectral convergence, mean of all clips, lower is better, judged by librosa's stft. "
        "PESQ: wide band at 16 kHz, mean of the speech clips.",
        f"Clips on which fast is at least as good as librosa: {wins}.",
    ]
    if also:
        notes.append(f"Lines that begin with 'shipped' are of {small.words} only.")
    return Result(
        name="reconstruct",
        title='`reconstruct(quality="fast")` at no worse SC and PESQ than librosa (A / B / C)',
        measured=f"{slashed([m.ratio('fast').median for m in measured])} ×",
        bar=" / ".join(f"{s.fast_bar:.0f}" for s in SETTINGS) + " ×",
        lines=tuple(lines),
        audio=recordings.words,
        peer="librosa.griffinlim",
        notes=tuple(notes),
        numbers={m.setting.name: _numbers(m) for m in measured},
    )


def _best(measured: list[Measured], also: list[Measured], recordings: Recordings) -> Result:
    lines = []
    for m in measured:
        met = m.ratio("best").median >= 1.0 and m.mean("best").convergence_db <= m.setting.best_bar_db
        lines.append(_line(m, "best", f"≥ 1 ×, SC ≤ {m.setting.best_bar_db:.0f} dB", bool(met)))
    lines += [_line(m, "best", "", None, "shipped, ") for m in also]
    reached = " / ".join(f"{m.mean('best').convergence_db:.1f}" for m in measured)
    return Result(
        name="best",
        title='`reconstruct(quality="best")` in no more than librosa\'s time: SC (A / B / C)',
        measured=f"{reached} dB, {slashed([m.ratio('best').median for m in measured])} × as fast",
        bar=" / ".join(f"{s.best_bar_db:.0f}" for s in SETTINGS) + " dB",
        lines=tuple(lines),
        audio=recordings.words,
        peer="librosa.griffinlim",
        numbers={m.setting.name: _numbers(m) for m in measured},
    )


def _numbers(measured: Measured) -> dict[str, object]:
    return {
        name: {
            "convergence_db": measured.mean(name).convergence_db,
            "pesq": measured.mean(name).pesq,
            "times_librosa": measured.ratio(name).median,
            "clips_convergence_db": [s.convergence_db for s in measured.scores[name]],
            "clips_pesq": [s.pesq for s in measured.scores[name]],
        }
        for name in ("librosa", *QUALITIES)
    }
