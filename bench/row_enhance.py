"""Rows: what the models that ship make of noisy speech, what they cost while it arrives, and an hour of it."""

from __future__ import annotations

import csv
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import child
import specloom
from recordings import Recordings, Samples, long_sound
from results import Line, Result, microseconds, number, three_decimals
from settings import (
    ENHANCE_BARS,
    ENHANCE_CLEAN_BARS,
    ENHANCE_HOUR_BAR,
    ENHANCE_HOUR_BAR_MB,
    ENHANCE_LATENCY_BAR_S,
    ENHANCE_MODEL_BAR_MB,
    ENHANCE_TIME_BAR,
    ENHANCE_WORSE_BAR,
    SAMPLE_RATE,
)
from specloom.runtime import shipped_models
from specloom.tasks.evaluate import EvaluationReport, evaluate, model_systems
from timing import Spread

SHIPPED = Path(specloom.__file__).parent / "models"
HOUR_S, QUICK_HOUR_S = 3600.0, 60.0
HOUR_RATE = STREAM_RATE = 16_000
HOP = 256
FIGURES = ("pesq", "stoi", "si_sdr_db")

# A folder of pairs, which of its clips, and the peers' figures: measured earlier with their own published weights, on
# the same clips, by other code. They are read from a table beside the recordings where there is one.
SETS = {"mixed": ("mixed", "*"), "p232": ("voicebank_demand", "p232_*")}
PEERS = {
    "rnnoise": "RNNoise", "dtln": "DTLN", "gtcrn_dns3": "GTCRN (DNS3)", "nsnet2": "NSNet2", "dfn3": "DeepFilterNet 3",
    "ulunas": "UL-UNAS",
}  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """Means over a set of clips."""

    pesq: float
    stoi: float
    si_sdr_db: float

    def __str__(self) -> str:
        return f"{three_decimals(self.pesq)} / {three_decimals(self.stoi)} / {self.si_sdr_db:.1f}"

    def reach(self, bar: Sequence[float]) -> bool:
        return all(value >= least for value, least in zip((self.pesq, self.stoi, self.si_sdr_db), bar, strict=True))


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    models = [name for name in ("default", "tiny") if name in shipped_models("enhance")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [_cost(recordings, models, rounds), _hour(recordings, HOUR_S if rounds > 1 else QUICK_HOUR_S, folder)]
        if recordings.folder is not None and (recordings.folder / "pairs").is_dir():
            results.insert(0, _quality(recordings.folder, models, folder))
    return results


def _quality(audio: Path, models: list[str], folder: Path) -> Result:
    lines: list[Line] = []
    for name, (place, pattern) in SETS.items():
        pairs = _chosen_pairs(audio / "pairs" / place, pattern, folder / name)
        report = evaluate(pairs, model_systems(models), rate=16_000, with_dnsmos=False)
        peers = _peers(audio.parent / "peers" / f"enhancement_{name}.csv")
        lines.append(
            Line(what=f"{name}, {len(report.names)} clips: the noisy sound", ours=str(_means(report, "noisy")))
        )
        lines += [Line(what=f"{name}: {PEERS[key]}", ours="", peer=str(found)) for key, found in peers.items()]
        for model in models:
            lines += _model_lines(report, name, model, peers)
    return Result(
        name="enhance",
        title="noisy speech cleaned: PESQ (wide band) / STOI / SI-SDR in dB",
        measured="; ".join(f"{line.what}: {line.ours}" for line in lines if line.bar and line.what.endswith("default")),
        bar="; ".join(f"{name} {_bar(bar)}" for (name, model), bar in ENHANCE_BARS.items() if model == "default"),
        lines=tuple(lines),
        audio="mixed: test speakers in noises that were not trained on, -5 to 15 dB; p232: test pairs of "
        "VoiceBank-DEMAND with one speaker; no speaker and no noise of either was trained on",
        peer="other systems with their own published weights, measured earlier on the same clips",
    )


def _model_lines(report: EvaluationReport, name: str, model: str, peers: dict[str, Figures]) -> list[Line]:
    found, bar = _means(report, model), ENHANCE_BARS.get((name, model))
    if model == "tiny" and "rnnoise" in peers:
        peer = peers["rnnoise"]
        bar = (peer.pesq, peer.stoi, peer.si_sdr_db)
    lines = [
        Line(
            what=f"{name}: {model}",
            ours=str(found),
            bar="" if bar is None else f"≥ {_bar(bar)}",
            met=None if bar is None else found.reach(bar),
        )
    ]
    worse = report.worse(model, "pesq")
    if worse is not None:
        held = worse.percent <= ENHANCE_WORSE_BAR if model == "default" else None
        bar_words = f"≤ {ENHANCE_WORSE_BAR} %" if model == "default" else ""
        lines.append(
            Line(what=f"{name}: {model}, clips worse in PESQ", ours=f"{worse.percent:.1f} %", bar=bar_words, met=held)
        )
    clean = [report.of_clean(model, figure) for figure in ("pesq", "stoi")]
    if None not in clean:
        held = all(value >= bar for value, bar in zip(clean, ENHANCE_CLEAN_BARS, strict=True) if value is not None)
        lines.append(
            Line(
                what=f"{name}: {model}, clean speech through it, PESQ / STOI",
                ours=" / ".join(three_decimals(value) for value in clean if value is not None),
                bar=" / ".join(f"≥ {bar}" for bar in ENHANCE_CLEAN_BARS) if model == "default" else "",
                met=held if model == "default" else None,
            )
        )
    return lines


def _bar(bar: Sequence[float]) -> str:
    return " / ".join(f"{value:.3g}" for value in bar)


def _means(report: EvaluationReport, system: str) -> Figures:
    values = {figure: report.means(figure).get(system) for figure in FIGURES}
    return Figures(**{figure: float("nan") if value is None else value for figure, value in values.items()})


def _chosen_pairs(place: Path, pattern: str, folder: Path) -> Path:
    """A folder of links to the clips that are meant: that of VoiceBank-DEMAND holds another speaker, too."""
    for side in ("clean", "noisy"):
        (folder / side).mkdir(parents=True)
        for file in sorted((place / side).glob(f"{pattern}.flac")):
            (folder / side / file.name).symlink_to(file)
    return folder


def _peers(table: Path) -> dict[str, Figures]:
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        key: Figures(*(float(np.nanmean([float(r[c]) for r in rows if r["system"] == key])) for c in columns))
        for key in PEERS
        if any(row["system"] == key for row in rows)
        for columns in [("pesq_wb", "stoi", "sisdr")]
    }


def _cost(recordings: Recordings, models: list[str], rounds: int) -> Result:
    """Hop by hop, as the sound arrives, transforms and all; the median of hops: one interruption does not count."""
    noisy = _noisy(recordings, 20.0)
    lines: list[Line] = []
    for model in models:
        stream = specloom.Enhancer(model).stream(sample_rate=STREAM_RATE)
        latency_s, seconds = stream.latency_s, []
        for _ in range(rounds):
            for first in range(0, noisy.size - HOP, HOP):
                begin = time.perf_counter()
                stream.push(noisy[first : first + HOP])
                seconds.append(time.perf_counter() - begin)
        spread = Spread.of(seconds)
        share, size_mb = spread.median * STREAM_RATE / HOP, (SHIPPED / f"{model}.onnx").stat().st_size / 1e6
        is_default = model == "default"
        lines += [
            Line(
                what=f"{model}: a hop of {1e3 * HOP / STREAM_RATE:.0f} ms, everything included",
                ours=f"{microseconds(spread.median)} ({microseconds(spread.low)} – {microseconds(spread.high)}): "
                f"{share:.4f} of real time",
                bar=f"≤ {ENHANCE_TIME_BAR}" if is_default else "",
                met=share <= ENHANCE_TIME_BAR if is_default else None,
            ),
            Line(
                what=f"{model}: latency",
                ours=f"{1e3 * latency_s:.0f} ms",
                bar=f"{1e3 * ENHANCE_LATENCY_BAR_S:.0f} ms" if is_default else "",
                met=latency_s <= ENHANCE_LATENCY_BAR_S + 1e-9 if is_default else None,
            ),
            Line(
                what=f"{model}: file",
                ours=f"{size_mb:.2f} MB",
                bar=f"≤ {ENHANCE_MODEL_BAR_MB} MB" if is_default else "",
                met=size_mb <= ENHANCE_MODEL_BAR_MB if is_default else None,
            ),
        ]
    return Result(
        name="enhance-cost",
        title="cleaning while the sound arrives, one thread",
        measured="; ".join(f"{line.what}: {line.ours}" for line in lines if line.bar),
        bar=f"≤ {ENHANCE_TIME_BAR} of real time, {1e3 * ENHANCE_LATENCY_BAR_S:.0f} ms, ≤ {ENHANCE_MODEL_BAR_MB} MB",
        lines=tuple(lines),
        audio=f"20 s of speech in noise, {STREAM_RATE} Hz",
        notes=("Wall-clock time of one push, the median with the range of the middle 80 %.",),
    )


def _hour(recordings: Recordings, seconds: float, folder: Path) -> Result:
    path = folder / "hour.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(HOUR_RATE)
        file.writeframes(np.int16(32767 * _noisy(recordings, seconds)).tobytes())
    found = child.run([str(child.HERE / "enhance_hour.py"), str(path), str(folder / "cleaned")])
    if found["failed"]:
        raise SystemExit(f"the hour was not cleaned: {found['failed'][0]}")
    hours, speed = f"{seconds / 3600:.2g} h", seconds / found["seconds"]
    return Result(
        name="enhance-hour",
        title=f"{hours} of noisy speech cleaned, {HOUR_RATE} Hz mono, one thread",
        measured=f"{speed:.0f} × real time, {found['mb']:.0f} MB",
        bar=f"≥ {ENHANCE_HOUR_BAR:.0f} × real time, ≤ {ENHANCE_HOUR_BAR_MB:.0f} MB",
        lines=(
            Line(
                what="speed, reading and writing included",
                ours=f"{number(speed)} × real time ({found['seconds']:.1f} s; CPU {found['cpu_s']:.1f} s)",
                bar=f"≥ {ENHANCE_HOUR_BAR:.0f} ×",
                met=speed >= ENHANCE_HOUR_BAR,
            ),
            Line(
                what="the most memory that the process held",
                ours=f"{found['mb']:.0f} MB ({found['imported_mb']:.0f} MB of it before the work)",
                bar=f"≤ {ENHANCE_HOUR_BAR_MB:.0f} MB",
                met=found["mb"] <= ENHANCE_HOUR_BAR_MB,
            ),
        ),
        audio=f"{recordings.words}, one after the other until {hours} is full, in noise, taken for {HOUR_RATE} Hz",
    )


def _noisy(recordings: Recordings, seconds: float) -> Samples:
    sound = long_sound(recordings, seconds * STREAM_RATE / SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(sound.size).astype(np.float32)
    mixed = sound + noise * np.float32(0.2 * np.sqrt(np.mean(np.square(sound))))
    return np.asarray(0.7 * mixed / np.abs(mixed).max(), np.float32)
