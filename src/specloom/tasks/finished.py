"""Whether the sound that lies there already is the one that is asked for; our sounds say how they were made."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from specloom.errors import ArtifactError, AudioFileError, SpecloomWarning
from specloom.tasks.batch import Job, Outcome

if TYPE_CHECKING:
    from specloom.audio import Audio
    from specloom.recipes.synthesis import Way

# Under this name a sound's comment says how it was made.
_MARK = "specloom"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is known of a sound before it is made.

    Parameters
    ----------
    way : dict
        How it is made, in the words that are written into it.
    sample_rate, n_samples : int, optional
        None when only the making shows it.
    made_of : str
        What the sound is made of, in a word for sentences.
    """

    way: dict[str, str]
    sample_rate: int | None = None
    n_samples: int | None = None
    made_of: str = "spectrogram"

    @property
    def comment(self) -> str:
        """What is written into the sound."""
        return json.dumps({_MARK: self.way})


def kept(job: Job, wanted: Wanted) -> Outcome:
    """Skip the sound that is there.

    Raises
    ------
    ArtifactError
        When it is not the one that is wanted.
    """
    difference = _difference(job, wanted) or _another_way(job, wanted.way)
    if difference is None:
        return Outcome("skipped", "there already; use --overwrite to make it anew")
    raise ArtifactError(f"{job.target} is there already and {difference}; use --overwrite to replace it")


def _difference(job: Job, wanted: Wanted) -> str | None:
    """Why the sound that is there cannot be that of the files; None when it can."""
    from specloom.io.audio import AudioReader

    try:
        with AudioReader(job.target) as reader:
            rate, n_samples = reader.sample_rate, reader.n_samples
    except AudioFileError as error:
        return f"cannot be used ({error})"
    made = job.target.stat().st_mtime_ns
    if any(made < source.stat().st_mtime_ns for source in job.sources):
        return f"is older than the {wanted.made_of}"
    if wanted.sample_rate not in (None, rate):
        return f"has another sample rate ({rate} Hz)"
    return None if wanted.n_samples in (None, n_samples) else f"has another length ({n_samples} samples)"


def _another_way(job: Job, way: dict[str, str]) -> str | None:
    """In what the making of the sound that is there differs from what is asked for; None when it does not say."""
    from specloom.io.audio import read_comment

    there = _way_there(read_comment(job.target))
    for name, asked in way.items():
        if name in there and there[name] != asked:
            return f"differs: it was made with {name} {there[name]!r}, and {asked!r} is asked for"
    return None


def _way_there(comment: str) -> dict[str, str]:
    """What a sound's comment says about its making; empty for a sound that says nothing."""
    try:
        plain = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    way = plain.get(_MARK) if isinstance(plain, dict) else None
    return way if isinstance(way, dict) else {}


def digest(settings: object) -> str:
    """A short word that is another one for other settings."""
    from hashlib import sha256

    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def clips(target: Path) -> bool:
    """Whether the file cannot hold samples beyond full scale."""
    return target.suffix == ".flac"


def said(n_samples: int, sample_rate: int, lowered_by: float, note: str = "") -> str:
    """The sentence about a sound that was made, and a note on it."""
    lowered = "" if lowered_by == 1.0 else f"; lowered by {-20.0 * math.log10(lowered_by):.1f} dB to fit full scale"
    return f"{n_samples / sample_rate:.1f} s of sound at {sample_rate} Hz{lowered}" + (f"; {note}" if note else "")


def quality_said(taken: Way, otherwise: str) -> dict[str, str]:
    """How a way's quality is written into a sound; `otherwise` where it is nobody's wish."""
    if taken.inverter is None:
        return {"quality": taken.quality or otherwise}
    return {"quality": "neural", "networks": digest(taken.inverter.header.to_json())}


@contextmanager
def told_of_other_ways() -> Iterator[list[str]]:
    """What was done otherwise than asked for, as notes instead of warnings; they are there at the end of the block."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SpecloomWarning)
        yield notes
    for each in caught:
        if issubclass(each.category, SpecloomWarning):
            notes.append(str(each.message))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def write_sound(target: Path, audio: Audio, comment: str, note: str = "") -> str:
    """Write a sound that is in memory; the sentence about it."""
    from specloom.io.audio import AudioWriter
    from specloom.recipes.synthesis import lowered_to_full_scale

    audio, lowered_by = lowered_to_full_scale(audio) if clips(target) else (audio, 1.0)
    with AudioWriter(
        target, audio.sample_rate, audio.n_channels, expected_samples=audio.n_samples, comment=comment
    ) as writer:
        writer.write(audio.samples)
    return said(audio.n_samples, audio.sample_rate, lowered_by, note)
