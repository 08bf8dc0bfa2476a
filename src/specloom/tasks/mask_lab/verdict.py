"""What the table says, in sentences: about the article's ranking, and about truncations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

from specloom.tasks.mask_lab.oracles import oracle
from specloom.tasks.mask_lab.values import ValueCounts
from specloom.tasks.scores import Scores

ARTICLE = ("orm", "psm", "cirm", "irm", "iam", "ibm")
"""The article's ranking, best first, by the key that stands for each mask: untruncated, as it is defined."""

# Differences below these are not heard as one, nor stable from one set of recordings to the next.
_SAME = {"pesq": 0.02, "si_sdr_db": 0.2}
# What a truncation may cost before a wider one is worth its while.
_CHEAP = {"pesq": 0.05, "si_sdr_db": 0.5}

_TRUNCATED: dict[str, tuple[tuple[str, tuple[float, float]], ...]] = {
    "iam": (("iam-0-1", (0.0, 1.0)), ("iam-0-2", (0.0, 2.0))),
    "psm": (("psm-0-1", (0.0, 1.0)), ("psm-1-2", (-1.0, 2.0))),
}
Figure = Literal["pesq", "si_sdr_db"]


def deciding_figure(means: Mapping[str, Scores]) -> Figure:
    """PESQ where it was taken, otherwise SI-SDR."""
    return "pesq" if all(means[key].pesq is not None for key in ARTICLE) else "si_sdr_db"


def ranking_verdict(means: Mapping[str, Scores], rate: int) -> str:
    """Two or three sentences: the order that was measured, and which steps of the article's order do not hold."""
    figure = deciding_figure(means)
    values = {key: getattr(means[key], figure) for key in ARTICLE}
    if any(value is None for value in values.values()):
        return "The table says nothing about the article's ranking: neither PESQ nor SI-SDR has a meaning here."
    order = sorted(ARTICLE, key=lambda key: -values[key])
    measured = _name(order[0]) + f" {_number(values[order[0]], figure)}"
    for better, worse in pairwise(order):
        sign = "=" if values[better] - values[worse] < _SAME[figure] else ">"
        measured += f" {sign} {_name(worse)} {_number(values[worse], figure)}"
    unit = "PESQ" if figure == "pesq" else "SI-SDR in dB"
    claim = " > ".join(map(_name, ARTICLE))
    wrong = [
        _against(better, worse, values[worse] - values[better], figure)
        for better, worse in pairwise(ARTICLE)
        if values[better] - values[worse] < _SAME[figure]
    ]
    opening = f"At {rate // 1000} kHz the order is {measured} ({unit}). "
    if not wrong:
        return opening + f"That is the article's order, {claim}."
    return opening + f"The article's {claim} does not hold: {'; '.join(wrong)}."


def _against(better: str, worse: str, lead: float, figure: Figure) -> str:
    """Why one step of the article's order is wrong."""
    if {better, worse} == {"orm", "psm"}:
        return "ORM and PSM are one and the same number"
    if worse == "cirm" and lead > 0:
        return f"the cIRM lies {_number(lead, figure)} above the {_name(better)}, because it gives the speech back"
    if abs(lead) < _SAME[figure]:
        return f"{_name(better)} and {_name(worse)} are level"
    return f"{_name(worse)} lies {_number(lead, figure)} above {_name(better)}"


def truncation_choice(means: Mapping[str, Scores], counts: Mapping[str, ValueCounts]) -> str:
    """For IAM and PSM the narrowest usual range that costs next to nothing, and what it leaves out."""
    figure = deciding_figure(means)
    return " ".join(_choice_of(key, means, counts[key], figure) for key in _TRUNCATED)


def _choice_of(key: str, means: Mapping[str, Scores], counts: ValueCounts, figure: Figure) -> str:
    whole = getattr(means[key], figure)
    told = []
    for row, (low, high) in _TRUNCATED[key]:
        share = counts.share_inside(low, high)
        cut = getattr(means[row], figure)
        cost = None if whole is None or cut is None else whole - cut
        told.append((low, high, share, cost))
    chosen = next((entry for entry in told if entry[3] is not None and entry[3] <= _CHEAP[figure]), told[-1])
    unit = "PESQ" if figure == "pesq" else "dB SI-SDR"
    parts = ", ".join(
        f"[{low:g}, {high:g}] holds {share:.0%} of the bins"
        + ("" if cost is None else f" and costs {_number(max(cost, 0.0), figure)} {unit}")
        for low, high, share, cost in told
    )
    return f"{_name(key)}: {parts}; the narrowest that costs next to nothing is [{chosen[0]:g}, {chosen[1]:g}]."


def _name(key: str) -> str:
    return str(oracle(key).family)


def _number(value: float, figure: Figure) -> str:
    return f"{value:.2f}" if figure == "pesq" else f"{value:.1f}"
