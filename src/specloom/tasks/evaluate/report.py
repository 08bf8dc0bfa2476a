"""What an evaluation found: frozen, and plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specloom.tasks.evaluate.bench import Bench
from specloom.tasks.evaluate.clips import FIGURES, Clip, Given
from specloom.tasks.evaluate.systems import NOISY, Kind

FORMAT = "specloom-evaluation"
FORMAT_VERSION = 1

# So far may what the names say lie from what is measured; beyond it they mean something else.
_TRUSTED_DB = 6.0
_MOST_GROUPS = 8
_STEP_DB = 5.0
# A smaller difference no table shows, and a file of 16 bits may have made it.
_NO_DIFFERENCE = 5e-4


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A clip that could not be measured (of one system, or of all), and why."""

    name: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Worse:
    """How many clips a system has made worse than they were.

    Parameters
    ----------
    count, of : int
    names : tuple of str
        The worst first.
    """

    count: int
    of: int
    names: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Of all clips."""
        return 100.0 * self.count / self.of


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationReport:
    """The answer to: how good are these systems, on these pairs?

    Parameters
    ----------
    bench : Bench
        What was measured with what; the sounds can be asked of it again.
    clips : tuple of Clip
        At least one of ``"noisy"``.
    failures : tuple of Failure
    remarks : tuple of str
        What else is to be said.
    n_taken_over : int
        Clips whose figures an earlier run had left.
    """

    bench: Bench
    clips: tuple[Clip, ...]
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]
    n_taken_over: int

    @property
    def systems(self) -> tuple[str, ...]:
        """The noisy input, what was run here, and peers, as far as they have a clip."""
        have = {clip.system for clip in self.clips if clip.given == "noisy"}
        return tuple(name for name in self.bench.names if name in have)

    @property
    def sample_rate(self) -> int:
        """At which all figures were taken."""
        return self.bench.rate

    def kind(self, system: str) -> Kind:
        """Whether a system is the noisy input, was run here, or is a peer."""
        return self.bench.kind(system)

    def of(self, system: str, given: Given = "noisy") -> dict[str, Clip]:
        """The clips of a system by the name of the pair."""
        return {clip.name: clip for clip in self.clips if clip.system == system and clip.given == given}

    @property
    def names(self) -> tuple[str, ...]:
        """The pairs that were measured."""
        return tuple(self.of(NOISY))

    @property
    def taken(self) -> tuple[str, ...]:
        """The keys of the figures that some clip has."""
        return tuple(
            figure.key for figure in FIGURES if any(clip.figure(figure.key) is not None for clip in self.clips)
        )

    def means(self, figure: str, *, group: float | None = None) -> dict[str, float | None]:
        """The mean of a figure for every system, over the clips in which all of them have it.

        Parameters
        ----------
        figure : str
            A key of `FIGURES`.
        group : float, optional
            Only clips of this group of signal-to-noise ratios.
        """
        tables = {system: self.of(system) for system in self.systems}
        names = self.common(figure, group=group)
        return {system: _mean([table[name].figure(figure) for name in names]) for system, table in tables.items()}

    def common(self, figure: str, *, group: float | None = None) -> list[str]:
        """The clips in which every system has a figure."""
        tables = [self.of(system) for system in self.systems]
        groups = self.groups
        return [
            name
            for name in self.names
            if (group is None or groups.get(name) == group)
            and all(name in table and table[name].figure(figure) is not None for table in tables)
        ]

    def of_clean(self, system: str, figure: str) -> float | None:
        """The mean of a figure for clean speech that went through a system."""
        return _mean([clip.figure(figure) for clip in self.of(system, "clean").values()])

    def cost(self, system: str) -> float | None:
        """The median of the seconds of work for a second of sound."""
        known = [clip.cost for clip in self.of(system).values() if clip.cost is not None]
        return float(np.median(known)) if known else None

    def worse(self, system: str, figure: str) -> Worse | None:
        """The clips that are worse than the noisy sound was; None where none can be compared."""
        before, after = self.of(NOISY), self.of(system)
        gains = {name: gain for name in after if (gain := _gain(before.get(name), after[name], figure)) is not None}
        worse = sorted((gain, name) for name, gain in gains.items() if gain < -_NO_DIFFERENCE)
        return Worse(count=len(worse), of=len(gains), names=tuple(name for _, name in worse)) if gains else None

    @property
    def by_name(self) -> bool:
        """Whether the groups are what the names of the files say, not what was measured."""
        clips = self.of(NOISY).values()
        pairs = [(clip.named_snr_db, clip.snr_db) for clip in clips if clip.snr_db is not None]
        off = [abs(named - measured) for named, measured in pairs if named is not None]
        return bool(off) and len(off) == len(pairs) and float(np.median(off)) <= _TRUSTED_DB

    @property
    def groups(self) -> dict[str, float]:
        """For every pair the signal-to-noise ratio that it is counted to, in decibels.

        What all names say, if they do and it is about what is measured; otherwise the nearest multiple of 5 dB of what
        is measured. Pairs without noise have none.
        """
        by_name = self.by_name
        found = {
            name: snr
            for name, clip in self.of(NOISY).items()
            if (snr := clip.named_snr_db if by_name else clip.snr_db) is not None
        }
        if by_name and len(set(found.values())) <= _MOST_GROUPS:
            return found
        return {name: _STEP_DB * round(snr / _STEP_DB) for name, snr in found.items()}

    @property
    def group_values(self) -> tuple[float, ...]:
        """The groups that there are, the noisiest first."""
        return tuple(sorted(set(self.groups.values())))

    def examples(self) -> tuple[str, ...]:
        """Up to three clips to listen to: what the first system made least of, the one in the middle, and most."""
        systems = [system for system in self.systems if system != NOISY]
        names = list(self.names)
        if systems:
            before, after = self.of(NOISY), self.of(systems[0])
            figure = self.main
            gains = {name: gain for name in after if (gain := _gain(before.get(name), after[name], figure)) is not None}
            names = sorted(gains, key=lambda name: gains[name]) or names
        middle = (len(names) - 1) // 2
        return tuple(names[place] for place in sorted({0, middle, len(names) - 1}))

    @property
    def main(self) -> str:
        """The key of the figure that the systems are put in order by."""
        return "pesq" if "pesq" in self.taken else "si_sdr_db"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: no NaN, no infinity, no machine's path but the names of the files."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "sample_rate": self.sample_rate,
            "pesq": "wb" if self.sample_rate == 16000 else "nb",
            "seconds": self.bench.seconds,
            "n_pairs": len(self.names),
            "snr_from": "names" if self.by_name else "measured",
            "remarks": list(self.remarks),
            "failures": [{"name": failure.name, "message": failure.message} for failure in self.failures],
            "systems": [self._system(system) for system in self.systems],
            "clips": [clip.to_json() for clip in self.clips],
        }

    def _system(self, system: str) -> dict[str, Any]:
        worse = {figure: self.worse(system, figure) for figure in ("pesq", "stoi")} if system != NOISY else {}
        clean = {key: mean for key in self.taken if (mean := self.of_clean(system, key)) is not None}
        return {
            "name": system,
            "kind": self.kind(system),
            "means": {key: self.means(key)[system] for key in self.taken},
            "by_snr": [
                {"snr_db": group, **{key: self.means(key, group=group)[system] for key in self.taken}}
                for group in self.group_values
            ],
            "worse_than_noisy": {key: {"count": w.count, "of": w.of} for key, w in worse.items() if w is not None},
            "clean_speech": clean or None,
            "cost": self.cost(system),
            "lag_s": self.bench.lag_s(system),
        }


def _gain(before: Clip | None, after: Clip, figure: str) -> float | None:
    first, second = (before.figure(figure) if before else None), after.figure(figure)
    return None if first is None or second is None else second - first


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
