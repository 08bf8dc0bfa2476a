"""Row: strangers' pictures to sound, for every known family."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import specloom
from peers import librosa_magnitude, sizes
from recordings import PESQ_RATE, Clip, Recordings, Samples
from results import Line, Result, mean_pesq, pesq, three_decimals
from settings import RESCUE_AXES_BAR, RESCUE_GIVEN_BAR, RESCUE_STOI_BAR, SAMPLE_RATE, SETTINGS
from specloom.metrics.perceptual import stoi_available, stoi_score
from specloom.rescue.rescue import rescue_picture
from strangers import (
    RIFFUSION_RATE,
    Draw,
    available,
    bare_specshow,
    ffmpeg,
    full_specshow,
    gray_screenshot,
    old_ffmpeg,
    riffusion,
    saved_as_jpeg,
    sox,
)  # fmt: skip

A, _, C = SETTINGS
Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of picture, what is told about it, and the bar that hangs on it."""

    what: str
    draw: Draw
    options: Options = field(default_factory=dict)
    """Beside the rate and the duration."""
    told: str = "rate, duration"
    setting: Any = None
    """Whose float spectrogram the PESQ loss is counted from."""
    loss_bar: float | None = None
    stoi_bar: float | None = None
    needs: str = ""
    rate: int = SAMPLE_RATE
    joined: bool = False
    """All speech in one picture, for programs that spread any length over the same width."""


def cases() -> list[Case]:
    return [*_specshow_cases(), *_other_cases()]


def _specshow_cases() -> list[Case]:
    found = []
    for setting in (A, C):
        config = setting.config
        told: Options = {**sizes(config), "range_db": 80.0}
        for colormap in ("gray", "magma"):
            draw = bare_specshow(config, colormap, None)
            name = f"specshow, {colormap}, no axes, {setting.name}"
            found += [
                Case(
                    what=name, draw=draw, options=told, told="all settings", setting=setting, loss_bar=RESCUE_GIVEN_BAR
                ),
                Case(what=name, draw=draw, setting=setting),
            ]
        full = full_specshow(config, "magma", "linear")
        small = bare_specshow(config, "magma", (600, 400))
        log = full_specshow(config, "viridis", "log")
        found += [
            Case(
                what=f"specshow, axes, title, bar, {setting.name}", draw=full, setting=setting, loss_bar=RESCUE_AXES_BAR
            ),
            Case(what=f"the same as JPEG of quality 75, {setting.name}", draw=saved_as_jpeg(full, 75), setting=setting),
            Case(what=f"the same on a log axis, {setting.name}", draw=log, setting=setting),
            Case(
                what=f"specshow, 600 × 400 pixels, {setting.name}",
                draw=small,
                options=told,
                told="all settings",
                setting=setting,
            ),
            Case(what=f"specshow, 600 × 400 pixels, {setting.name}", draw=small, setting=setting),
        ]
    mel = full_specshow(C.config, "magma", "mel", n_mels=128)
    return [
        *found,
        Case(what="specshow, 128 mels, axes, bar, C", draw=mel, setting=C),
        Case(what="specshow, 128 mels, axes, bar, C", draw=mel, options=sizes(C.config), told="transform", setting=C),
    ]


def _other_cases() -> list[Case]:
    return [
        Case(what="sox spectrogram", draw=sox, stoi_bar=RESCUE_STOI_BAR, needs="sox"),
        Case(
            what="ffmpeg showspectrumpic, one clip", draw=ffmpeg("4096x2048"), stoi_bar=RESCUE_STOI_BAR,
            needs="ffmpeg",
        ),
        Case(
            what="ffmpeg showspectrumpic, all clips in one picture", draw=ffmpeg("4096x2048"), needs="ffmpeg",
            joined=True,
        ),
        Case(what="ffmpeg showspectrumpic before 5.1 (imitated)", draw=old_ffmpeg(4096, 2048)),
        Case(what="ffmpeg showspectrumpic=s=512x512, one clip", draw=ffmpeg("512x512"), needs="ffmpeg"),
        Case(what="riffusion PNG with its tags", draw=riffusion, told="nothing", rate=RIFFUSION_RATE),
        Case(what="gray screenshot, 1000 × 600", draw=gray_screenshot),
    ]  # fmt: skip


@dataclass
class Measured:
    """A case over all clips."""

    case: Case
    pesq: list[float] = field(default_factory=list)
    stoi: list[float] = field(default_factory=list)
    float_pesq: list[float] = field(default_factory=list)
    warned: int = 0

    @property
    def loss(self) -> float:
        return mean_pesq(self.float_pesq) - mean_pesq(self.pesq)


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del rounds  # nothing is timed
    clips = [clip for clip in recordings.clips if clip.is_speech]
    floats = {s.name: [_from_floats(clip, s.config) for clip in clips] for s in (A, C)}
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases()):
            if case.needs and not available(case.needs):
                continue
            measured.append(_measure_case(case, clips, floats, Path(folder) / f"{number}.png"))
    return [_result(measured, recordings)]


def _from_floats(clip: Clip, config: Any) -> float:
    magnitude = librosa_magnitude(clip.samples, config)
    return pesq(clip, specloom.reconstruct(magnitude, config, length=clip.samples.size))


def _measure_case(case: Case, clips: list[Clip], floats: dict[str, list[float]], path: Path) -> Measured:
    result = Measured(case, float_pesq=floats[case.setting.name] if case.setting else [])
    sounds = _joined(case, clips, path) if case.joined else (_rescued(case, clip.samples, path) for clip in clips)
    for clip, (sound, warned) in zip(clips, sounds, strict=True):
        result.pesq.append(_or_nothing(pesq, clip, sound))
        result.stoi.append(_or_nothing(_stoi, clip, sound))
        result.warned += warned
    return result


def _rescued(case: Case, samples: Samples, path: Path) -> tuple[Samples, bool]:
    """The sound of the picture, at our rate and as long as the original, and whether there were warnings."""
    case.draw(samples, path)
    told: Options = (
        {} if case.told == "nothing" else {"sample_rate": case.rate, "duration_s": samples.size / SAMPLE_RATE}
    )
    found = rescue_picture(path, **told, **case.options)
    sound = specloom.resample(found.audio.mono().samples, found.audio.sample_rate, SAMPLE_RATE)
    return np.pad(sound, (0, max(0, samples.size - sound.size)))[: samples.size], bool(found.warnings)


def _joined(case: Case, clips: list[Clip], path: Path) -> list[tuple[Samples, bool]]:
    sound, warned = _rescued(case, np.concatenate([clip.samples for clip in clips]), path)
    ends = np.cumsum([clip.samples.size for clip in clips])
    return [(piece, warned) for piece in np.split(sound, ends[:-1])]


def _stoi(clip: Clip, sound: Samples) -> float:
    return stoi_score(clip.samples, sound, clip.sample_rate) if stoi_available() else float("nan")


def _or_nothing(score: Callable[[Clip, Samples], float], clip: Clip, sound: Samples) -> float:
    """The score; the worst there is where a silent estimate has none."""
    loudest = float(np.abs(sound).max())
    if loudest == 0.0:
        return 1.0 if score is pesq else 0.0
    return score(clip, sound * np.float32(np.abs(clip.samples).max() / loudest))


def _line(measured: Measured) -> Line:
    case = measured.case
    heard, stoi = mean_pesq(measured.pesq), mean_pesq(measured.stoi)
    loss = f" (loss {measured.loss:+.3f})" if case.setting else ""
    warned = f", warned {measured.warned} of {len(measured.pesq)}" if measured.warned else ""
    bar, met = "", None
    if case.loss_bar is not None:
        bar, met = f"loss ≤ {case.loss_bar}", bool(np.isnan(heard) or measured.loss <= case.loss_bar)
    elif case.stoi_bar is not None:
        bar, met = f"STOI ≥ {case.stoi_bar}", bool(np.isnan(stoi) or stoi >= case.stoi_bar)
    ours = f"PESQ {three_decimals(heard)}{loss}, STOI {three_decimals(stoi)}{warned}"
    return Line(what=f"{case.what}; told: {case.told}", ours=ours, bar=bar, met=met)


def _result(measured: list[Measured], recordings: Recordings) -> Result:
    given = [m.loss for m in measured if m.case.loss_bar == RESCUE_GIVEN_BAR]
    axes = [m.loss for m in measured if m.case.loss_bar == RESCUE_AXES_BAR]
    stoi = [mean_pesq(m.stoi) for m in measured if m.case.stoi_bar is not None]
    return Result(
        name="rescue",
        title="strangers' pictures → sound",
        measured=(
            f"PESQ loss ≤ {max(given):.2f} (settings given), ≤ {max(axes):.2f} (axes, nothing given); "
            f"STOI ≥ {min(stoi):.2f} (sox, ffmpeg)"
        ),
        bar=f"≤ {RESCUE_GIVEN_BAR}, ≤ {RESCUE_AXES_BAR}; ≥ {RESCUE_STOI_BAR}",
        lines=tuple(_line(m) for m in measured),
        audio=f"the speech of {recordings.words}",
        notes=(
            "Loss: against `reconstruct` from the float spectrogram of the same transform. A is 2048/276/1102, C is "
            f"2048/512/2048. PESQ at {PESQ_RATE} Hz, each sound at the level of its original.",
            "ffmpeg 5.1 and later draws each column from the few samples between it and the next, under the beginning "
            "of a long window: the default picture of some seconds is black but for a pixel in a hundred or less, and "
            "nothing can be heard in it; of a minute or more something can. Before 5.1 its windows overlapped.",
        ),
    )
