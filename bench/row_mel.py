"""Rows: mel to magnitude, and mel to sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import specloom
from peers import librosa_griffin_lim, librosa_magnitude, librosa_mel_filters, librosa_mel_to_magnitude, our_magnitude
from recordings import Clip, Recordings
from results import Line, Result, mean_pesq, microseconds, no_worse, pesq, slashed, three_decimals
from settings import MEL_BAR, MEL_SOUND_BAR, N_MELS, SETTINGS, Setting
from timing import Spread, timed

SIDES = ("ours", "librosa")


@dataclass
class Measured:
    """One setting: seconds per frame and PESQ, up to the magnitude and up to the sound, of both sides."""

    setting: Setting
    seconds: dict[str, list[float]] = field(default_factory=dict)
    pesq: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, step: str) -> Spread:
        return Spread.of(np.divide(self.seconds[f"librosa {step}"], self.seconds[f"ours {step}"]).tolist())

    def heard(self, step: str) -> tuple[float, float]:
        ours, theirs = (mean_pesq(self.pesq[f"{side} {step}"]) for side in SIDES)
        return ours, theirs


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del rounds  # every clip is one, and least squares take long
    measured = []
    for setting in SETTINGS:
        first = recordings.clips[0]
        _measure_clip(Measured(setting), Clip(first.samples[: first.sample_rate], False))
        measured.append(Measured(setting))
        for clip in recordings.clips:
            _measure_clip(measured[-1], clip)
    return [_to_magnitude(measured, recordings), _to_sound(measured, recordings)]


def _measure_clip(measured: Measured, clip: Clip) -> None:
    config, n = measured.setting.config, clip.samples.size
    n_frames = config.n_frames(n)
    for side, (to_magnitude, to_sound) in _steps(clip, measured.setting).items():
        seconds, magnitude = timed(to_magnitude)
        more_seconds, sound = timed(partial(to_sound, magnitude))
        same_step = specloom.reconstruct(magnitude, config, quality="fast", length=n)
        measured.seconds.setdefault(f"{side} magnitude", []).append(seconds / n_frames)
        measured.seconds.setdefault(f"{side} sound", []).append((seconds + more_seconds) / n_frames)
        measured.pesq.setdefault(f"{side} magnitude", []).append(pesq(clip, same_step))
        measured.pesq.setdefault(f"{side} sound", []).append(pesq(clip, sound))


def _steps(clip: Clip, setting: Setting) -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Mel to magnitude, magnitude to sound, of both sides."""
    config, n = setting.config, clip.samples.size
    our_mel = specloom.mel_filterbank(setting.mel) @ our_magnitude(clip.samples, config)
    their_mel = librosa_mel_filters(config) @ librosa_magnitude(clip.samples, config)
    return {
        "ours": (
            lambda: specloom.mel_to_magnitude(our_mel, setting.mel),
            lambda magnitude: specloom.reconstruct(magnitude, config, quality="fast", length=n),
        ),
        "librosa": (
            lambda: librosa_mel_to_magnitude(their_mel, config),
            lambda magnitude: librosa_griffin_lim(magnitude, config, setting.librosa_iterations, n),
        ),
    }


def _line(measured: Measured, step: str, bar: float, pesq_bar: float) -> Line:
    ratio = measured.ratio(step)
    ours, theirs = measured.heard(step)
    cells = [
        f"{microseconds(float(np.median(measured.seconds[f'{side} {step}'])))} a frame, PESQ {three_decimals(heard)}"
        for side, heard in zip(SIDES, (ours, theirs), strict=True)
    ]
    wanted = "no worse" if pesq_bar == 0 else f"better by {pesq_bar}"
    return Line(
        what=measured.setting.label,
        ours=cells[0],
        peer=cells[1],
        ratio=ratio,
        bar=f"{bar:.0f} ×, PESQ {wanted}",
        met=bool(ratio.median >= bar and no_worse(ours, theirs + pesq_bar)),
    )


def _gains(measured: list[Measured], step: str) -> str:
    return " / ".join(f"{ours - theirs:+.2f}" for ours, theirs in (m.heard(step) for m in measured))


def _to_magnitude(measured: list[Measured], recordings: Recordings) -> Result:
    return Result(
        name="mel-to-magnitude",
        title="mel → magnitude, and PESQ after the same phase step (A / B / C)",
        measured=f"{slashed([m.ratio('magnitude').median for m in measured])} ×, PESQ {_gains(measured, 'magnitude')}",
        bar=f"{MEL_BAR:.0f} ×, PESQ better by 0.3 (A), no worse (B, C)",
        lines=tuple(_line(m, "magnitude", MEL_BAR, m.setting.mel_pesq_bar) for m in measured),
        audio=recordings.words,
        peer="librosa.feature.inverse.mel_to_stft(power=1)",
        notes=(
            f'{N_MELS} mels of the magnitude. Both magnitudes go through reconstruct(quality="fast") for PESQ; '
            "the time is that of mel to magnitude alone.",
        ),
    )


def _to_sound(measured: list[Measured], recordings: Recordings) -> Result:
    return Result(
        name="mel-to-sound",
        title="mel → sound (A / B / C)",
        measured=f"{slashed([m.ratio('sound').median for m in measured])} ×, PESQ {_gains(measured, 'sound')}",
        bar=f"{MEL_SOUND_BAR:.0f} ×, PESQ no worse",
        lines=tuple(_line(m, "sound", MEL_SOUND_BAR, 0.0) for m in measured),
        audio=recordings.words,
        peer="librosa's mel_to_stft + griffinlim, which is its mel_to_audio",
        notes=(
            'Ours: mel_to_magnitude + reconstruct(quality="fast"). librosa: '
            + " / ".join(str(s.librosa_iterations) for s in SETTINGS)
            + " iterations.",
        ),
    )
