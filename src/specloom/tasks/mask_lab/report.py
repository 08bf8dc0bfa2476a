"""What the mask laboratory found: frozen, and plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from specloom.tasks.mask_lab.oracles import ORACLES, TRANSFORMS
from specloom.tasks.mask_lab.pairs import SecondKind
from specloom.tasks.mask_lab.values import NAMES, Coherence, ValueCounts
from specloom.tasks.pairs import Pair
from specloom.tasks.scores import Scores

FORMAT = "specloom-masks"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """The figures of one pair.

    Parameters
    ----------
    pair : Pair
    sample_rate : int
        Of its files.
    duration_s, snr_db : float
    scores : dict
        Of each table (its rate in hertz) the scores by the key of the mask.
    coherence : Coherence
        At the higher of its rates.
    """

    pair: Pair
    sample_rate: int
    duration_s: float
    snr_db: float
    scores: Mapping[int, Mapping[str, Scores]]
    coherence: Coherence


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A pair that could not be measured, and why."""

    name: str
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskReport:
    """The answer to: how good could each mask be at best, on these sounds?

    Parameters
    ----------
    results : tuple of PairResult
        At least one.
    failures : tuple of Failure
    second : {"noise", "noisy"}
        What the second input was taken for.
    with_pesq, with_stoi : bool
    seconds : float or None
        No more than this of each recording was measured.
    counts : dict
        Of each table (its rate) the values of the masks, by the keys of `specloom.tasks.mask_lab.values.NAMES`.
    verdict, choice : str
        What the table says about the article's ranking, and which truncation it speaks for.
    remarks : tuple of str
        What else is to be said.
    """

    results: tuple[PairResult, ...]
    failures: tuple[Failure, ...]
    second: SecondKind
    with_pesq: bool
    with_stoi: bool
    seconds: float | None
    counts: Mapping[int, Mapping[str, ValueCounts]]
    verdict: str
    choice: str
    remarks: tuple[str, ...]

    @property
    def rates(self) -> tuple[int, ...]:
        """The tables that there are, the higher rate first."""
        return tuple(rate for rate in TRANSFORMS if any(rate in result.scores for result in self.results))

    def n_pairs(self, rate: int) -> int:
        """How many pairs a table is the mean of."""
        return sum(rate in result.scores for result in self.results)

    def means(self, rate: int) -> dict[str, Scores]:
        """The mean scores of every mask, by its key."""
        return mean_scores(self.results, rate)

    @property
    def coherence(self) -> Coherence:
        """The mean over the pairs."""
        return Coherence(
            found=float(np.mean([result.coherence.found for result in self.results])),
            by_chance=float(np.mean([result.coherence.by_chance for result in self.results])),
        )

    @property
    def example(self) -> PairResult:
        """The pair that is pictured and played: the one whose SNR is nearest to the median."""
        middle = float(np.median([result.snr_db for result in self.results]))
        return min(self.results, key=lambda result: abs(result.snr_db - middle))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: no NaN, no infinity, no machine's path but the names of the files."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "second": self.second,
            "seconds": self.seconds,
            "verdict": self.verdict,
            "choice": self.choice,
            "remarks": list(self.remarks),
            "failures": [asdict(failure) for failure in self.failures],
            "coherence": asdict(self.coherence),
            "tables": [self._table(rate) for rate in self.rates],
            "pairs": [_pair_json(result) for result in self.results],
        }

    def _table(self, rate: int) -> dict[str, Any]:
        means = self.means(rate)
        return {
            "sample_rate": rate,
            "transform": TRANSFORMS[rate].to_json(),
            "pesq": "wb" if rate == 16000 else "nb",
            "n_pairs": self.n_pairs(rate),
            "masks": [
                {"key": row.key, "label": row.label, "kind": row.kind, **asdict(means[row.key])} for row in ORACLES
            ],
            "values": {
                key: {"label": NAMES[key], **counts.to_json()} for key, counts in self.counts.get(rate, {}).items()
            },
        }


def mean_scores(results: tuple[PairResult, ...], rate: int) -> dict[str, Scores]:
    """Of each figure the means over those pairs in which every mask has it, so that they can be compared."""
    tables = [result.scores[rate] for result in results if rate in result.scores]
    return {
        row.key: Scores(**{field.name: _mean_of(tables, row.key, field.name) for field in fields(Scores)})
        for row in ORACLES
    }


def _mean_of(tables: list[Mapping[str, Scores]], key: str, name: str) -> float | None:
    known = [getattr(table[key], name) for table in tables if knows(table, name)]
    return float(np.mean(known)) if known else None


def knows(table: Mapping[str, Scores], name: str) -> bool:
    """Whether a figure has a meaning for a pair under every mask."""
    return all(getattr(scores, name) is not None for scores in table.values())


def _pair_json(result: PairResult) -> dict[str, Any]:
    return {
        "name": result.pair.name,
        "sample_rate": result.sample_rate,
        "duration_s": result.duration_s,
        "snr_db": result.snr_db,
        "coherence": asdict(result.coherence),
        "scores": {
            str(rate): {key: asdict(scores) for key, scores in table.items()} for rate, table in result.scores.items()
        },
    }
