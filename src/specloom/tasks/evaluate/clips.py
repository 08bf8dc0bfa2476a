"""The figures of one clip, the table of all of them, and what of an earlier run can be taken over."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Literal, get_args

from specloom.io.atomic import written_beside

Given = Literal["noisy", "clean"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure that clips have.

    Parameters
    ----------
    key : str
        Of the field of `Clip`.
    heading, unit, hint : str
    decimals : int
    """

    key: str
    heading: str
    decimals: int
    unit: str = ""
    hint: str = ""


FIGURES: tuple[Figure, ...] = (
    Figure(
        key="pesq", heading="PESQ", decimals=3, hint="Speech quality, ITU-T P.862; 4.64 (at 8 kHz 4.55) is the same"
    ),
    Figure(key="stoi", heading="STOI", decimals=3, hint="Short-time objective intelligibility, 0 to 1"),
    Figure(key="estoi", heading="ESTOI", decimals=3, hint="Extended STOI"),
    Figure(key="si_sdr_db", heading="SI-SDR", decimals=1, unit="dB", hint="Scale-invariant signal-to-distortion ratio"),
    Figure(
        key="dns_overall",
        heading="OVRL",
        decimals=2,
        unit="DNSMOS",
        hint="DNSMOS P.835, overall quality, without the reference",
    ),
    Figure(key="dns_signal", heading="SIG", decimals=2, unit="DNSMOS", hint="DNSMOS P.835, quality of the speech"),
    Figure(
        key="dns_background",
        heading="BAK",
        decimals=2,
        unit="DNSMOS",
        hint="DNSMOS P.835, absence of disturbing background",
    ),
    Figure(
        key="dns_p808",
        heading="P.808",
        decimals=2,
        unit="DNSMOS",
        hint="DNSMOS P.808, overall quality, without the reference",
    ),
)
"""Every figure, the most telling first; higher is better in all."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The figures of one sound of one system.

    Parameters
    ----------
    system : str
        ``"noisy"`` for the sound as it was given.
    given : {"noisy", "clean"}
        What the system was given.
    name : str
        Of the pair.
    sample_rate : int
        At which the figures were taken.
    duration_s : float
    snr_db : float or None
        Of the pair, measured over all of it; None where there is no noise.
    named_snr_db : float or None
        As the name of the file says.
    pesq, stoi, estoi, si_sdr_db, dns_overall, dns_signal, dns_background, dns_p808 : float or None
        None where a figure was not taken or has no meaning.
    cost : float or None
        Seconds of work for a second of sound; of a system that was run here.
    fingerprint : str
        Of everything that the figures depend on.
    """

    system: str
    given: Given
    name: str
    sample_rate: int
    duration_s: float
    snr_db: float | None
    named_snr_db: float | None
    pesq: float | None = None
    stoi: float | None = None
    estoi: float | None = None
    si_sdr_db: float | None = None
    dns_overall: float | None = None
    dns_signal: float | None = None
    dns_background: float | None = None
    dns_p808: float | None = None
    cost: float | None = None
    fingerprint: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What no other clip of an evaluation has."""
        return self.system, self.given, self.name

    def figure(self, key: str) -> float | None:
        """One of `FIGURES` by its key."""
        value: float | None = getattr(self, key)
        return value

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


_NUMBER = r"([-+\N{MINUS SIGN}]?\d+(?:\.\d+)?)"
# "..._-5dB", "snr5", "snr_-5": a letter or digit before them would make another word or number of it.
_NAMED_SNR = (
    re.compile(rf"(?:^|[\W_])snr[_= ]?{_NUMBER}", re.IGNORECASE),
    re.compile(rf"(?:^|[^\d.]){_NUMBER}[_ ]?dB(?![a-z])", re.IGNORECASE),
)


def named_snr_db(name: str) -> float | None:
    """The signal-to-noise ratio that a file's name says, in decibels.

    Examples
    --------
    >>> named_snr_db("mix00_LS_1334_Baby_cry_-5dB"), named_snr_db("clnsp1_1_snr15_tl-21_fileid_158")
    (-5.0, 15.0)
    >>> named_snr_db("speech/2.5 dB/take3"), named_snr_db("p232_003")
    (2.5, None)
    """
    for pattern in _NAMED_SNR:
        found = pattern.findall(name)
        if found:
            return float(found[-1].replace("\N{MINUS SIGN}", "-"))
    return None


NAMES = tuple(field.name for field in fields(Clip))
_WORDS = ("system", "given", "name", "fingerprint")


def read_clips(path: Path) -> list[Clip]:
    """The clips of a table as far as they can be read: one that is cut short or not ours gives what it has.

    A row that was being written when the power failed is left out.
    """
    try:
        with path.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != NAMES:
                return []
            return [clip for row in reader if (clip := _clip_of(row)) is not None]
    except (OSError, csv.Error):
        return []


def _clip_of(row: dict[str, Any]) -> Clip | None:
    try:
        plain: dict[str, Any] = {name: row[name] if name in _WORDS else _number(row[name]) for name in NAMES}
        plain["sample_rate"] = int(plain["sample_rate"])
    except (TypeError, ValueError):
        return None
    whole = plain["fingerprint"] and plain["given"] in get_args(Given) and plain["duration_s"] is not None
    return Clip(**plain) if whole else None


def _number(text: str) -> float | None:
    if text == "":
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class ClipTable:
    """A table of clips that grows: what was written stays, whatever happens next.

    Parameters
    ----------
    path : Path
    clips : iterable of Clip
        The first rows; a table that is there is replaced by them, all at once.
    """

    def __init__(self, path: Path, clips: Iterable[Clip]) -> None:
        self._path = path
        with written_beside(path) as temporary, _opened(temporary, "w") as file:
            csv.writer(file).writerow(NAMES)
            _write(file, clips)

    def append(self, clips: Iterable[Clip]) -> None:
        """Add rows, and let the system write them before this returns."""
        with _opened(self._path, "a") as file:
            _write(file, clips)


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write a table that is whole or not there."""
    ClipTable(path, clips)


def _opened(path: Path, mode: Literal["a", "w"]) -> IO[str]:
    # A file's name may hold bytes that are no text.
    return path.open(mode, encoding="utf-8", errors="backslashreplace", newline="")


def _write(file: IO[str], clips: Iterable[Clip]) -> None:
    writer = csv.writer(file)
    for clip in clips:
        writer.writerow(["" if value is None else value for value in asdict(clip).values()])
