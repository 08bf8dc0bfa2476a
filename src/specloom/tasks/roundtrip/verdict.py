"""What spoils the sound: one or two sentences that follow from the figures, and only from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specloom.tasks.roundtrip.measure import Losses
from specloom.tasks.roundtrip.report import RoundtripRow

_PESQ_BEST = 4.64
# A level that has changed by this much is said, though it spoils no timbre.
_LEVEL_WORTH_SAYING_DB = 1.0


@dataclass(frozen=True, kw_only=True)
class Limit:
    """From where on a figure counts as spoiling the sound."""

    name: str
    limit: float
    unit: str
    damage: Callable[[Losses], float | None]
    words: Callable[[Losses], str]


LIMITS: tuple[Limit, ...] = (
    Limit(
        name="pitch",
        limit=20.0,
        unit="cents",
        damage=lambda losses: _size(losses.f0_shift_cents),
        words=lambda losses: f"pitch {losses.f0_shift_cents or 0.0:+.0f} cents",
    ),
    Limit(
        name="brightness",
        limit=100.0,
        unit="cents",
        damage=lambda losses: _size(losses.centroid_shift_cents),
        words=lambda losses: f"brightness {losses.centroid_shift_cents or 0.0:+.0f} cents",
    ),
    Limit(
        name="log-spectral distance",
        limit=2.0,
        unit="dB",
        damage=lambda losses: losses.log_spectral_distance_db,
        words=lambda losses: f"log-spectral distance {losses.log_spectral_distance_db:.1f} dB",
    ),
    Limit(
        name="PESQ below its best",
        limit=1.0,
        unit="",
        damage=lambda losses: None if losses.pesq is None else max(0.0, _PESQ_BEST - losses.pesq),
        words=lambda losses: f"PESQ {losses.pesq or 0.0:.2f}",
    ),
)
"""Just noticeable in running speech: a pitch off by 20 cents, a centroid off by 6 % (100 cents). The other two are
about twice what a good phase retrieval leaves behind."""


def damage(losses: Losses) -> float:
    """How far the worst figure goes beyond its limit: above 1 the sound is spoilt."""
    found = [(limit.damage(losses) or 0.0) / limit.limit for limit in LIMITS]
    return max(found)


def reasons(losses: Losses, most: int = 2) -> str:
    """The figures that go furthest beyond their limits, in words; the nearest one if none does."""
    shares = sorted(LIMITS, key=lambda limit: -(limit.damage(losses) or 0.0) / limit.limit)
    beyond = [limit for limit in shares if (limit.damage(losses) or 0.0) > limit.limit]
    return ", ".join(limit.words(losses) for limit in (beyond or shares)[:most])


def spoilers(rows: Sequence[RoundtripRow]) -> list[RoundtripRow]:
    """The recipe's steps that spoil the sound alone, worst first."""
    found = [row for row in rows if row.kind == "step" and damage(row.losses) > 1.0]
    return sorted(found, key=lambda row: -damage(row.losses))


def verdict(rows: Sequence[RoundtripRow]) -> str:
    """One or two sentences: what spoils the sound on the way over the linear spectrogram."""
    steps = [row for row in rows if row.kind == "step" and row.chain != "mel"]
    whole = _row(rows, "copy-linear")
    if whole is None or whole.losses.level_db is None or _is_silent(rows):
        return "The recording or its copy is silent: there is nothing to compare."
    guilty = spoilers(steps)
    if guilty:
        said = f"What spoils it: {_listed(guilty)}."
        return " ".join(filter(None, [said, _acquitted_phase(steps)]))
    if damage(whole.losses) > 1.0:
        return f"No step spoils it alone, but all together they do ({reasons(whole.losses)})."
    return (
        "Nothing spoils it: neither a step alone nor all of them together go beyond the limits "
        f"({_short(whole.losses)} for the copy)."
    )


def remarks(rows: Sequence[RoundtripRow]) -> tuple[str, ...]:
    """What else the figures say, a sentence each."""
    return tuple(sentence for sentence in (_about_cure(rows), _about_mel(rows), _about_level(rows)) if sentence)


def _acquitted_phase(steps: Sequence[RoundtripRow]) -> str:
    phase = next((row for row in steps if row.key == "phase"), None)
    if phase is None or damage(phase.losses) > 1.0:
        return ""
    return f"Griffin-Lim does not: alone it leaves {_short(phase.losses)}."


def _about_cure(rows: Sequence[RoundtripRow]) -> str:
    whole, cured = _row(rows, "copy-linear"), _row(rows, "cured-linear")
    if whole is None or cured is None:
        return ""
    return f"All together leave {_short(whole.losses)}; without what spoils it, {_short(cured.losses)}."


def _about_mel(rows: Sequence[RoundtripRow]) -> str:
    guilty = spoilers([row for row in rows if row.chain == "mel"])
    whole = _row(rows, "copy-mel")
    if whole is None or damage(whole.losses) <= 1.0:
        return ""
    if not guilty:
        return f"The copy from the mel spectrogram goes beyond the limits ({reasons(whole.losses)})."
    return f"The mel spectrogram is spoilt further by {_listed(guilty)}: its copy has {_short(whole.losses)}."


def _about_level(rows: Sequence[RoundtripRow]) -> str:
    whole = _row(rows, "copy-linear")
    level = None if whole is None else whole.losses.level_db
    if level is None or abs(level) < _LEVEL_WORTH_SAYING_DB:
        return ""
    return f"The copy is {abs(level):.1f} dB {'louder' if level > 0 else 'softer'} than the recording."


def _is_silent(rows: Sequence[RoundtripRow]) -> bool:
    return all(row.losses.centroid_shift_cents is None for row in rows)


def _listed(rows: Sequence[RoundtripRow]) -> str:
    return _joined([f"{row.phrase} ({reasons(row.losses)})" for row in rows])


def _short(losses: Losses) -> str:
    parts = [f"a log-spectral distance of {losses.log_spectral_distance_db:.1f} dB"]
    if losses.pesq is not None:
        parts.append(f"PESQ {losses.pesq:.2f}")
    return " and ".join(parts)


def _row(rows: Sequence[RoundtripRow], key: str) -> RoundtripRow | None:
    return next((row for row in rows if row.key == key), None)


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)
