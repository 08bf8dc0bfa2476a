"""What a round trip found: frozen, and plain JSON but for the sounds themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from specloom.audio import Audio
from specloom.recipes import Recipe
from specloom.tasks.roundtrip.measure import SAME_DB, Copy, Losses
from specloom.tasks.roundtrip.steps import Chain

RowKind = Literal["step", "what-if", "total", "cured", "generation"]

FORMAT = "specloom-roundtrip"
FORMAT_VERSION = 1

# Level and length of a copy that differs by rounding.
_SAME_LEVEL_DB = 0.005
_SAME_S = 0.0005


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundtripRow:
    """One copy and what it has lost.

    Parameters
    ----------
    key, label, phrase, explanation : str
    kind : {"step", "what-if", "total", "cured", "generation"}
        A step of the recipe alone; an alternative beside it; all together; all but what spoils it; copies of copies.
    chain : {"both", "linear", "mel"}
        The way back that it lies on.
    losses : Losses
    copy : Copy
        The sound, and its place against ``original`` of the report.
    """

    key: str
    label: str
    phrase: str
    explanation: str
    kind: RowKind
    chain: Chain
    losses: Losses
    copy: Copy

    @property
    def is_same(self) -> bool:
        """Whether the copy is its original, up to rounding."""
        losses = self.losses
        return (
            losses.spectral_convergence_db <= SAME_DB
            and abs(losses.level_db or 0.0) < _SAME_LEVEL_DB
            and abs(losses.duration_change_s) < _SAME_S
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the sound."""
        return {
            "key": self.key,
            "label": _plain(self.label),
            "explanation": _plain(self.explanation),
            "kind": self.kind,
            "chain": self.chain,
            "written_sample_rate": self.copy.audio.sample_rate,
            "offset_s": self.copy.offset_s,
            "speed": self.copy.speed,
            **asdict(self.losses),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundtripReport:
    """The answer to: does sound, spectrogram, sound give the recording back, and if not, which step spoils it?

    Parameters
    ----------
    recipe : Recipe
    original : Audio
        What was compared: one channel, and no more than the excerpt.
    recording_s : float
        The length of the whole recording, in seconds.
    recording_channels : int
    pesq_rate : int or None
        The rate at which PESQ was taken (16 000: wide band, 8 000: narrow band); None without PESQ.
    with_stoi : bool
    rows : tuple of RoundtripRow
    verdict : str
        One or two sentences: what spoils the sound on the way over the linear spectrogram.
    remarks : tuple of str
        What else the figures say: without what spoils it, from mel, the level.
    """

    recipe: Recipe
    original: Audio
    recording_s: float
    recording_channels: int
    pesq_rate: int | None
    with_stoi: bool
    rows: tuple[RoundtripRow, ...]
    verdict: str
    remarks: tuple[str, ...]

    def row(self, key: str) -> RoundtripRow:
        """The row of this key.

        Raises
        ------
        KeyError
            When the recipe has no such step.
        """
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(key)

    @property
    def is_excerpt(self) -> bool:
        """Whether only the beginning of the recording was compared."""
        return self.original.duration_s < self.recording_s - 1e-9

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: no NaN, no infinity, no sound."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "recipe": self.recipe.to_json(),
            "recording": {
                "sample_rate": self.original.sample_rate,
                "duration_s": self.recording_s,
                "compared_s": self.original.duration_s,
                "n_channels": self.recording_channels,
            },
            "pesq_rate": self.pesq_rate,
            "with_stoi": self.with_stoi,
            "verdict": _plain(self.verdict),
            "remarks": [_plain(remark) for remark in self.remarks],
            "rows": [row.to_json() for row in self.rows],
        }


def _plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")
