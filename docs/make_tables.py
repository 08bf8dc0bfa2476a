"""Fill the tables of docs/recipes.md: ``.venv/bin/python docs/make_tables.py`` (after ``make test``; needs PESQ).

Each table is what ``specloom roundtrip`` prints for a recipe and the speech that ships, with fewer columns; it stands
between ``<!-- table:RECIPE:begin -->`` and ``<!-- table:RECIPE:end -->``.
"""

from __future__ import annotations

import re
from pathlib import Path

from specloom import RECIPES, Audio, load, sounds
from specloom.tasks.roundtrip import RoundtripReport, RoundtripRow, roundtrip

PAGE = Path(__file__).with_name("recipes.md")
HEAD = "| step | LSD dB | SC dB | PESQ | STOI | pitch cents | brightness cents | level dB | length s |"


def main() -> None:
    """Measure, and replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    speech = load(sounds.path("speech"))
    for name in re.findall(r"<!-- table:(\S+):begin -->", text):
        begin, end = f"<!-- table:{name}:begin -->", f"<!-- table:{name}:end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table(measured(name, speech))}\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text, encoding="utf-8")


def measured(name: str, speech: Audio) -> RoundtripReport:
    """The round trip of a recipe, with PESQ and STOI."""
    return roundtrip(speech, RECIPES[name], with_perceptual=True)


def table(report: RoundtripReport) -> str:
    """The rows as Markdown, and what follows from them."""
    rows = [line(row) for row in report.rows]
    said = " ".join([report.verdict, *report.remarks])
    return "\n".join([HEAD, "|" + "---|" * HEAD.count(" | ") + "---|", *rows, "", f"> {said}"])


def line(row: RoundtripRow) -> str:
    """One row: the steps that lose nothing say so in a word."""
    label = {"step": "{}", "what-if": "*instead:* {}"}.get(row.kind, "**{}**").format(row.label)
    if row.is_same:
        return f"| {label} | nothing lost |" + " |" * 7
    losses = row.losses
    cells = [
        number(losses.log_spectral_distance_db, ".1f"),
        number(losses.spectral_convergence_db, ".1f"),
        number(losses.pesq, ".2f"),
        number(losses.stoi, ".3f"),
        number(losses.f0_shift_cents, "+.0f"),
        number(losses.centroid_shift_cents, "+.0f"),
        number(losses.level_db, "+.1f"),
        number(losses.duration_change_s, "+.2f"),
    ]
    return f"| {label} | " + " | ".join(cells) + " |"


def number(value: float | None, form: str) -> str:
    """As text; a dash where the figure has no meaning, and no minus before a zero."""
    if value is None:
        return "–"
    text = format(value, form)
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


if __name__ == "__main__":
    main()
