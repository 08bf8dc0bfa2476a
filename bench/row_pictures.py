"""Rows: our own pictures to sound again, and an hour of them."""

from __future__ import annotations

import json
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import child
import specloom
from recordings import Clip, Recordings, Samples, long_sound
from results import Line, Result, mean_pesq, number, pesq
from settings import (
    PICTURE_DRAWING_BAR,
    PICTURE_EXACT_BAR_DB,
    PICTURE_LEVEL_BAR_DB,
    PICTURE_LOSS_BARS,
    SAMPLE_RATE,
    SETTINGS,
    Setting,
)
from specloom.audio import Audio
from specloom.pictures import Picture, picture
from specloom.recipes import Frames, Recipe
from specloom.recipes.analysis import phase_of

A, _, C = SETTINGS
HOUR_S, QUICK_HOUR_S = 3600.0, 60.0
HOUR_RATE = 44_100


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of picture file."""

    name: str
    bits: Any
    suffix: str
    options: dict[str, Any] = field(default_factory=dict)
    by_others: bool = False
    """A picture of ours that another program turned into a JPEG with its usual tables and rounding."""

    def save(self, drawn: Picture, path: Path) -> None:
        if not self.by_others:
            drawn.save(path, **self.options)
            return
        texts = json.dumps({"specloom": drawn.settings.to_json()})
        Image.fromarray(drawn.codes).save(path, quality=self.options["jpeg_quality"], comment=texts)


FORMATS = (
    Format(name="PNG, 16 bits", bits=16, suffix=".png"),
    Format(name="PNG, 8 bits", bits=8, suffix=".png"),
    Format(name="JPEG, quality 95", bits=8, suffix=".jpg", options={"jpeg_quality": 95}),
    Format(name="JPEG, quality 75", bits=8, suffix=".jpg", options={"jpeg_quality": 75}),
    Format(
        name="JPEG, quality 95, by another program", bits=8, suffix=".jpg", options={"jpeg_quality": 95}, by_others=True
    ),
    Format(
        name="JPEG, quality 75, by another program", bits=8, suffix=".jpg", options={"jpeg_quality": 75}, by_others=True
    ),
)


@dataclass
class Measured:
    """One format at one setting, over all clips."""

    format: Format
    setting: Setting
    pesq: list[float] = field(default_factory=list)
    float_pesq: list[float] = field(default_factory=list)
    level_db: list[float] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    n_bytes: list[float] = field(default_factory=list)

    @property
    def loss(self) -> float:
        return mean_pesq(self.float_pesq) - mean_pesq(self.pesq)

    @property
    def bar(self) -> float | None:
        return PICTURE_LOSS_BARS.get(self.format.name, {}).get(self.setting.name)

    @property
    def worst_level_db(self) -> float:
        return max(map(abs, self.level_db))


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = [_measure(form, setting, recordings, folder) for form in FORMATS for setting in (A, C)]
        exact = {s.name: min(_exact_snr_db(clip, s, folder) for clip in recordings.clips) for s in (A, C)}
        hour = _hour(recordings, HOUR_S if rounds > 1 else QUICK_HOUR_S, folder)
    return [_heard(measured, exact, recordings), hour]


def recipe_of(setting: Setting) -> Recipe:
    c = setting.config
    frames = Frames(n_fft=c.n_fft, hop_length=c.hop_length, win_length=c.win_length)
    return Recipe(name=f"bench-{setting.name}", frames=frames)


def _measure(form: Format, setting: Setting, recordings: Recordings, folder: Path) -> Measured:
    found, path = Measured(form, setting), folder / f"picture{form.suffix}"
    for clip in recordings.clips:
        spectrogram = recipe_of(setting).analyse(Audio(clip.samples, SAMPLE_RATE))
        form.save(picture(spectrogram, bits=form.bits), path)
        sound = Picture.open(path).audio("balanced").samples
        found.n_bytes.append(path.stat().st_size / clip.duration_s)
        found.missing.append(abs(sound.size - clip.samples.size))
        if clip.is_speech:
            floats = specloom.reconstruct(spectrogram.linear, setting.config, length=clip.samples.size)
            found.float_pesq.append(pesq(clip, floats))
            found.pesq.append(pesq(clip, sound))
            found.level_db.append(_level_db(sound, floats))
    return found


def _level_db(sound: Samples, reference: Samples) -> float:
    """How much louder than the sound from floats."""
    return float(10.0 * np.log10(np.sum(sound.astype(np.float64) ** 2) / np.sum(reference.astype(np.float64) ** 2)))


def _exact_snr_db(clip: Clip, setting: Setting, folder: Path) -> float:
    audio, recipe = Audio(clip.samples, SAMPLE_RATE), recipe_of(setting)
    path = folder / "exact.png"
    picture(recipe.analyse(audio), phase=phase_of(audio, recipe)).save(path)
    error = Picture.open(path).audio().samples.astype(np.float64) - clip.samples
    return float(10.0 * np.log10(np.sum(clip.samples.astype(np.float64) ** 2) / np.sum(error**2)))


def _heard(measured: list[Measured], exact: dict[str, float], recordings: Recordings) -> Result:
    barred = [m for m in measured if m.bar is not None]
    lossless = [m for m in measured if m.format.suffix == ".png"]
    level, missing = max(m.worst_level_db for m in lossless), max(n for m in measured for n in m.missing)
    least = min(exact.values())
    lines = (
        *(_loss_line(m) for m in measured),
        Line(
            what="level, PNG, the worst clip", ours=f"{level:.3f} dB off", bar=f"≤ {PICTURE_LEVEL_BAR_DB} dB",
            met=level <= PICTURE_LEVEL_BAR_DB,
        ),
        Line(
            what="level, JPEG, the worst clip",
            ours=f"{max(m.worst_level_db for m in measured if m not in lossless):.3f} dB off",
        ),
        Line(what="length, all formats", ours=f"{missing} samples off", bar="0", met=missing == 0),
        Line(
            what="with the phase in the picture (--exact), signal to noise, the worst clip, A / C",
            ours=" / ".join(f"{value:.1f}" for value in exact.values()) + " dB", bar=f"≥ {PICTURE_EXACT_BAR_DB:.0f} dB",
            met=least >= PICTURE_EXACT_BAR_DB,
        ),
    )  # fmt: skip
    return Result(
        name="pictures",
        title="our own pictures → sound, PESQ loss (PNG 16 / PNG 8 / JPEG 95 / JPEG 75; the worse of A and C each)",
        measured=" / ".join(f"{max(pair):.3f}" for pair in _by_format(barred, lambda m: m.loss)),
        bar=" / ".join(
            " and ".join(f"{bar:.2f}" for bar in pair) for pair in _by_format(barred, lambda m: m.bar or 0.0)
        ),
        lines=lines,
        audio=recordings.words,
        notes=(
            "Loss: against `reconstruct` from the float spectrogram of the same transform, both `balanced`; speech "
            "only. Every sound went through a real file: `picture(...).save`, `Picture.open(...).audio`. Level: "
            "against the sound from floats, whose own level phase retrieval changes.",
            "JPEG: Specloom writes gray pictures with quantisation tables of its own (all steps alike, 8 for 75) "
            "and rounds each block where it is heard least. As another program writes them (Pillow's tables, plain "
            "rounding) they are smaller and lose more.",
        ),
    )


def _by_format(measured: list[Measured], value: Callable[[Measured], float]) -> list[list[float]]:
    return [[value(m) for m in measured if m.format is form] for form in FORMATS if not form.by_others]


def _loss_line(m: Measured) -> Line:
    kilobytes = number(float(np.mean(m.n_bytes)) / 1e3)
    return Line(
        what=f"{m.format.name}, {m.setting.label}",
        ours=f"PESQ {mean_pesq(m.pesq):.3f} (loss {m.loss:+.3f}), {kilobytes} kB a second",
        peer=f"from floats {mean_pesq(m.float_pesq):.3f}",
        bar="" if m.bar is None else f"loss ≤ {m.bar}",
        met=None if m.bar is None else bool(np.isnan(m.loss) or m.loss <= m.bar),
    )


def _hour(recordings: Recordings, seconds: float, folder: Path) -> Result:
    """Draw and hear a long file, in a process of its own."""
    path = folder / "long.wav"
    _write_long(path, long_sound(recordings, seconds * HOUR_RATE / SAMPLE_RATE))
    found = child.run([str(child.HERE / "picture_hour.py"), str(path), str(folder / "pieces")])
    drawing, listening = seconds / found["drawing_s"], seconds / found["listening_s"]
    hours, most_mb = f"{seconds / 3600:.2g} h", max(found["drawing_mb"], found["listening_mb"])
    lines = (
        Line(
            what=f"drawing {hours} as PNG of 16 bits, 60 s each", ours=f"{drawing:.0f} × real time, CPU "
            f"{found['drawing_cpu_s']:.0f} s, at most {found['drawing_mb']:.0f} MB of memory",
            bar=f"≥ {PICTURE_DRAWING_BAR:.0f} × real time", met=drawing >= PICTURE_DRAWING_BAR,
        ),
        Line(
            what="hearing them again (balanced)", ours=f"{listening:.0f} × real time, at most "
            f"{found['listening_mb']:.0f} MB of memory",
        ),
        Line(
            what="memory before the first call, everything imported", ours=f"{found['imported_mb']:.0f} MB",
        ),
        Line(
            what="length of the sound", ours=f"{found['missing']} samples off", bar="0", met=found["missing"] == 0,
        ),
    )  # fmt: skip
    return Result(
        name="picture-hour",
        title=f"{hours} → pictures → sound, {HOUR_RATE} Hz mono, 2048/512",
        measured=f"{drawing:.0f} × / {listening:.0f} × real time, {most_mb:.0f} MB",
        bar=f"≥ {PICTURE_DRAWING_BAR:.0f} × (drawing)",
        lines=lines,
        audio=f"{recordings.words}, one after the other until {hours} is full, taken for {HOUR_RATE} Hz",
        notes=("Wall time, with reading and writing the files; the most memory that the process held.",),
    )


def _write_long(path: Path, samples: Samples) -> None:
    """16 bits, a block at a time."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HOUR_RATE)
        for start in range(0, samples.size, 1 << 20):
            block = np.clip(samples[start : start + (1 << 20)], -1.0, 1.0)
            file.writeframes(np.round(block * 32767).astype("<i2").tobytes())
