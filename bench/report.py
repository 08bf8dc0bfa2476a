"""Results on the disk, and the pages that are written from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from results import Result, number

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "bench.md"
README = ROOT / "README.md"
PAGES = tuple(ROOT / "docs" / name for name in ("pictures.md", "masks.md", "enhance.md", "denoise.md", "inversion.md"))
END = "<!-- bench:end -->"

ORDER = (
    "griffin-lim", "reconstruct", "ten-minutes", "best", "mel-to-magnitude", "mel-to-sound", "stft-istft", "threads",
    "streaming", "pictures", "picture-hour", "rescue", "masks", "enhance", "enhance-cost", "enhance-hour", "training",
    "denoise", "inversion-speech16", "inversion-tacotron", "inversion-music22", "import", "first-call", "size",
    "without-avx512",
)  # fmt: skip

Record = dict[str, Any]


def as_record(result: Result, circumstances: Record) -> Record:
    """The result and where it was measured, as JSON has it."""
    return dict(_without_nan({**asdict(result), "met": result.met, **circumstances}))


def save(record: Record) -> None:
    """Write ``results/<name>.json``."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    _write(RESULTS / f"{record['name']}.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def write_pages() -> list[Path]:
    """Write docs/bench.md, and the blocks of the README and of other pages, from all results there are."""
    records = [
        json.loads(path.read_text(encoding="utf-8")) for name in ORDER if (path := RESULTS / f"{name}.json").is_file()
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    _write(PAGE, page(records))
    blocks = [_write_block(README, "begin", _readme_block(records))]
    blocks += [_write_block(page, r["name"], _page_block(r)) for r in records for page in PAGES]
    return [PAGE, *sorted({page for page in blocks if page is not None})]


def page(records: list[Record]) -> str:
    """docs/bench.md."""
    parts = [
        "# Benchmark",
        "Written by `make bench` (`bench/run.py`); what each row means and how it is measured stands in "
        "[bench/README.md](../bench/README.md).",
        _machines(records),
        "## The bars",
        summary(records),
        *(section(record) for record in records),
    ]
    return "\n\n".join(parts) + "\n"


def summary(records: list[Record]) -> str:
    """One line a row."""
    head = ["| what | measured | at least | met |", "|---|---|---|---|"]
    return "\n".join(
        head + [f"| {r['title']} | {r['measured']} | {r['bar']} | {'yes' if r['met'] else '**no**'} |" for r in records]
    )


def section(record: Record) -> str:
    """One row with all its lines."""
    facts = [
        f"Audio: {record['audio']}." if record["audio"] else "",
        f"Peer: {record['peer']}." if record["peer"] else "",
    ]
    facts.append(
        f"Measured {record['date']} with specloom {record['versions']['specloom']}, load {record['load']} on "
        f"{record['machine']['cores']} cores."
    )
    return "\n\n".join(
        [f"## {record['title']}", " ".join(fact for fact in facts if fact), table(record), *record["notes"]]
    )


def table(record: Record) -> str:
    """The columns that the row has something in."""
    columns = [
        ("", lambda line: line["what"]),
        ("ours", lambda line: line["ours"]),
        ("peer", lambda line: line["peer"]),
        ("ratio", lambda line: _ratio(line["ratio"])),
        ("bar", lambda line: line["bar"]),
        ("met", lambda line: {True: "yes", False: "**no**", None: ""}[line["met"]]),
    ]
    cells = [[cell(line) for line in record["lines"]] for _, cell in columns]
    kept = [(name, column) for (name, _), column in zip(columns, cells, strict=True) if any(column)]
    rows = [[name for name, _ in kept], ["---"] * len(kept), *zip(*(column for _, column in kept), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _ratio(spread: Record | None) -> str:
    if spread is None:
        return ""
    low, median, high = (number(spread[key]) for key in ("low", "median", "high"))
    return f"**{median} ×** ({low} – {high})"


def _machines(records: list[Record]) -> str:
    return "\n\n".join(_by_machine(records, _machine))


def _by_machine(records: list[Record], words: Callable[[Record], str]) -> list[str]:
    """Mostly one; each is said with its rows where there are several."""
    seen: dict[str, list[str]] = {}
    for record in records:
        seen.setdefault(words(record), []).append(record["name"])
    if len(seen) == 1:
        return list(seen)
    return [f"{said} Rows: {', '.join(names)}." for said, names in seen.items()]


def _machine(record: Record) -> str:
    m = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if name != "specloom")
    return (
        f"Machine: {m['cpu']}, {m['cores']} cores, {m['vectors']}, {m['memory_gb']} GB, {m['system']}. {versions}. "
        "One thread, process CPU time, ours and the peer in turn; a ratio is the median with the range of the middle "
        "80 %."
    )


def _readme_block(records: list[Record]) -> str:
    where = "\n\n".join(_by_machine(records, _machine_in_short))
    return f"{summary(records)}\n\n{where}\n\nAll tables, with dates: [docs/bench.md](docs/bench.md)."


def _machine_in_short(record: Record) -> str:
    m, libraries = record["machine"], record["versions"]
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['vectors']}, one thread, Python {libraries['Python']}, against librosa "
        f"{libraries['librosa']}."
    )


def _page_block(record: Record) -> str:
    return f"{table(record)}\n\nAudio: {record['audio']}. {_machine(record)} {record['date'][:10]}."


def _write_block(page: Path, name: str, block: str) -> Path | None:
    """Replace what stands between ``<!-- bench:name -->`` and the next end; a page without it is left alone."""
    begin = f"<!-- bench:{name} -->"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    if text.count(begin) != 1 or END not in text.split(begin)[1]:
        return None
    before, rest = text.split(begin)
    after = rest.split(END, 1)[1]
    _write(page, f"{before}{begin}\n{block}\n{END}{after}")
    return page


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return bool(value) if isinstance(value, np.bool_) else value


def _write(path: Path, text: str) -> None:
    """Beside, then renamed: a page is never half."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
