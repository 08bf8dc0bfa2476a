"""What the README shows runs, and what it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import specloom
from specloom.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "THIRD_PARTY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_the_examples_of_the_readme_leave_a_sound(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    (left,) = tmp_path.iterdir()
    original = specloom.load(specloom.sounds.path("speech"))
    copy = specloom.load(left)
    assert (copy.sample_rate, copy.n_samples) == (original.sample_rate, original.n_samples)


def test_the_readme_names_commands_that_exist():
    shown = [line.split() for line in re.findall(r"^specloom (.+)", README, flags=re.MULTILINE)]
    # "train enhance" is one command of two words.
    named = {name for name in COMMANDS for words in shown if words[: name.count(" ") + 1] == name.split()}
    assert named == set(COMMANDS)
    assert all(any(words[: name.count(" ") + 1] == name.split() for name in COMMANDS) for words in shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    written_by_bench = {"bench.md", "docs/bench.md"}
    missing = [t for t in local if not (page.parent / t).exists() and t not in written_by_bench]
    assert not missing
