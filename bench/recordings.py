"""The recordings that are measured: the two that ship always, and a folder of more where there is one."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

import specloom
from settings import SAMPLE_RATE
from specloom import sounds

Samples = npt.NDArray[np.float32]

USUAL_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "audio"
LONGEST_S = 10.0
STREAMING_RATE = 16_000
PESQ_RATE = 16_000


@dataclass(frozen=True)
class Clip:
    """One recording, mono, at the rate that it is measured at."""

    samples: Samples
    is_speech: bool
    sample_rate: int = SAMPLE_RATE
    piece: str = ""
    """What it is a stretch of, where there are several of one piece."""

    @property
    def duration_s(self) -> float:
        return self.samples.size / self.sample_rate


@dataclass(frozen=True)
class Recordings:
    """A set of clips, said in words."""

    words: str
    clips: tuple[Clip, ...]
    folder: Path | None = None
    """Where they are from; None for those that ship."""

    def of_kind(self, *, is_speech: bool) -> Recordings:
        """Those of speech, or those of music."""
        kind = "speech" if is_speech else "music"
        clips = tuple(clip for clip in self.clips if clip.is_speech == is_speech)
        return Recordings(f"{self.words}, {kind} only", clips, self.folder)

    def shortened(self) -> Recordings:
        """One clip of speech and one of music, where the sound matters little."""
        kinds = {clip.is_speech: clip for clip in reversed(self.clips)}
        words = " and ".join(f"one clip of {'speech' if is_speech else 'music'}" for is_speech in kinds)
        return Recordings(words, tuple(kinds.values()), self.folder)


def shipped() -> Recordings:
    """Those of `specloom.sounds`."""
    clips = tuple(_clip(sounds.path(name), name == "speech", SAMPLE_RATE) for name in sounds.NAMES)
    return Recordings("the two recordings that ship with Specloom", clips)


def chosen(folder: Path | None) -> Recordings:
    """Ten of speech and five of music from ``folder``, or the shipped ones without it."""
    if folder is None:
        return shipped()
    speech = _listed(folder, "voices/LJSpeech_22k", "valid")[:4] + _listed(folder, "voices/VCTK24k", "test")[:6]
    music = _listed(folder, "music/misc", "test")[:3] + _listed(folder, "music/orchestral", "test")[:2]
    clips = [_clip(path, True, SAMPLE_RATE) for path in speech] + [_clip(path, False, SAMPLE_RATE) for path in music]
    return Recordings(
        f"{len(speech)} speech and {len(music)} music recordings of up to {LONGEST_S:.0f} s, "
        f"{SAMPLE_RATE} Hz (see bench/README.md)",
        tuple(clips),
        folder,
    )


def streaming_speech(folder: Path | None) -> Recordings:
    """Speech at 16 kHz for the streaming row."""
    if folder is None:
        clips = (_clip(sounds.path("speech"), True, STREAMING_RATE),)
        return Recordings("the speech that ships with Specloom, 16 kHz", clips)
    paths = _listed(folder, "speech/", "test")
    clips = tuple(_clip(path, True, STREAMING_RATE) for path in paths)
    return Recordings(
        f"{len(clips)} speakers reading, up to {LONGEST_S:.0f} s each, 16 kHz (see bench/README.md)", clips
    )


def inversion_sounds(folder: Path | None, model: str, *, quick: bool) -> Recordings:
    """What no model for inversion was trained on: speakers of both test sets, or all of the recorded music."""
    if folder is None:
        return shipped().of_kind(is_speech=not model.startswith("music"))
    rate = STREAMING_RATE if model.endswith("16") else SAMPLE_RATE
    if model.startswith("music"):
        paths = [path for path in _listed(folder, "music/", "test") if "rendered" not in str(path.relative_to(folder))]
        what = "stretches of {pieces} recordings of music, pieces that were not trained on"
        clips = tuple(clip for path in paths for clip in _stretches(path, rate))
        clips = tuple({clip.piece: clip for clip in clips}.values()) if quick else clips
    else:
        others = _listed(folder, "voices/VCTK24k", "test")
        paths = _listed(folder, "speech/", "test")[::2] + others[:: max(1, len(others) // 11)]
        what = "recordings of speech, speakers that were not trained on"
        clips = tuple(_clip(path, True, rate) for path in (paths[:2] if quick else paths))
    clips = clips[:2] if quick else clips
    what = what.format(pieces=len({clip.piece for clip in clips}))
    return Recordings(f"{len(clips)} {what}, up to {LONGEST_S:.0f} s each (see bench/README.md)", clips, folder)


def long_sound(recordings: Recordings, seconds: float) -> Samples:
    """All clips one after the other, again and again."""
    once = np.concatenate([clip.samples for clip in recordings.clips])
    return np.resize(once, int(seconds * SAMPLE_RATE))


def _listed(folder: Path, prefix: str, split: str) -> list[Path]:
    """Files of the folder's MANIFEST.csv under a prefix and in a split, by name."""
    rows = [row for row in _manifest(folder) if row["path"].startswith(prefix) and row["split"] == split]
    if not rows:
        raise SystemExit(f"{folder / 'MANIFEST.csv'} lists no {split} files under {prefix}: give another --audio")
    return [folder / row["path"] for row in sorted(rows, key=lambda row: row["path"])]


@cache
def _manifest(folder: Path) -> list[dict[str, str]]:
    path = folder / "MANIFEST.csv"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: --audio needs a folder with that list (columns path, split)")
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _stretches(path: Path, sample_rate: int) -> list[Clip]:
    """All of a piece of music, cut; no rest that is shorter than half a stretch, unless it is all there is."""
    samples = _mono(path, sample_rate)
    n = int(LONGEST_S * sample_rate)
    cut = [np.ascontiguousarray(samples[begin : begin + n]) for begin in range(0, samples.size, n)]
    return [Clip(each, False, sample_rate, path.stem) for each in cut if each.size >= n // 2 or len(cut) == 1]


def _mono(path: Path, sample_rate: int) -> Samples:
    audio = specloom.load(path, channels="mono")
    return specloom.resample(audio.samples, audio.sample_rate, sample_rate)


def _clip(path: Path, is_speech: bool, sample_rate: int) -> Clip:
    """The first seconds of speech, the middle of music (which often fades in)."""
    samples = _mono(path, sample_rate)
    n = min(samples.size, int(LONGEST_S * sample_rate))
    begin = 0 if is_speech else (samples.size - n) // 2
    return Clip(np.ascontiguousarray(samples[begin : begin + n]), is_speech, sample_rate)
