"""Row: streaming reconstruction, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import specloom
from peers import librosa_griffin_lim, librosa_magnitude, our_magnitude
from recordings import STREAMING_RATE, Clip, Recordings
from results import Line, Result, mean_pesq, milliseconds, no_worse, pesq, three_decimals
from settings import LATENCY_BAR_S, STREAMING_PESQ_BAR, STREAMING_TIME_BAR
from specloom.config import StftConfig
from timing import Spread, interleaved

CONFIG = StftConfig(sample_rate=STREAMING_RATE, n_fft=512, hop_length=128)
LIBROSA_ITERATIONS = 32


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    heard: dict[str, list[float]] = {"ours": [], "librosa": []}
    shares: dict[str, list[float]] = {"ours": [], "librosa": []}
    for clip in recordings.clips:
        calls = _calls(clip)
        for name, call in calls.items():
            heard[name].append(pesq(clip, call()))
        for name, seconds in interleaved(calls, rounds).items():
            shares[name] += [value / clip.duration_s for value in seconds]
    ours = mean_pesq(heard["ours"])
    latency_s = specloom.StreamingReconstructor(CONFIG, lookahead=0).latency_s
    share, offline = Spread.of(shares["ours"]), Spread.of(shares["librosa"])
    lines = (
        Line(
            what="latency", ours=milliseconds(latency_s), peer="the whole sound",
            bar=f"≤ {milliseconds(LATENCY_BAR_S)}", met=latency_s <= LATENCY_BAR_S,
        ),
        Line(
            what=f"PESQ, mean of {len(heard['ours'])} (median; least)",
            ours=_pesq_cell(heard["ours"]), peer=_pesq_cell(heard["librosa"]),
            bar=f"≥ {STREAMING_PESQ_BAR}", met=bool(no_worse(ours, STREAMING_PESQ_BAR)),
        ),
        Line(
            what="share of real time, one frame a call",
            ours=f"{share.median:.4f} ({share.low:.4f} – {share.high:.4f})", peer=f"{offline.median:.4f}",
            bar=f"≤ {STREAMING_TIME_BAR}", met=share.median <= STREAMING_TIME_BAR,
        ),
    )  # fmt: skip
    return [
        Result(
            name="streaming",
            title="streaming, 512/128 at 16 kHz: latency, PESQ, share of real time",
            measured=f"{milliseconds(latency_s)}, {three_decimals(ours)}, {share.median:.4f}",
            bar=f"≤ {milliseconds(LATENCY_BAR_S)}, ≥ {STREAMING_PESQ_BAR}, ≤ {STREAMING_TIME_BAR}",
            lines=lines,
            audio=recordings.words,
            peer=f"librosa.griffinlim offline, {LIBROSA_ITERATIONS} iterations",
            notes=("StreamingReconstructor(lookahead=0), one frame a call, the samples taken as they come.",),
            numbers={f"pesq {side}": values for side, values in heard.items()},
        )
    ]


def _pesq_cell(values: list[float]) -> str:
    return f"{three_decimals(mean_pesq(values))} ({three_decimals(float(np.median(values)))}; {min(values):.2f})"


def _calls(clip: Clip) -> dict[str, Callable[[], np.ndarray]]:
    ours, theirs = our_magnitude(clip.samples, CONFIG), librosa_magnitude(clip.samples, CONFIG)
    n = clip.samples.size

    def stream() -> np.ndarray:
        box = specloom.StreamingReconstructor(CONFIG, lookahead=0)
        pieces = [box.process(ours[:, frame]) for frame in range(ours.shape[1])]
        return np.concatenate([*pieces, box.finish(n)])

    return {"ours": stream, "librosa": lambda: librosa_griffin_lim(theirs, CONFIG, LIBROSA_ITERATIONS, n)}
