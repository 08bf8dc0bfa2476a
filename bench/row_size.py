"""Row: what an installation of the light core weighs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import child
from recordings import Recordings
from results import Line, Result
from settings import SIZE_BAR_MB

# What every numerical Python brings along, and the runtime of the models (llvmlite is a part of numba).
LEFT_OUT = frozenset({"numpy", "scipy", "numba", "llvmlite", "onnxruntime"})
MB = 1e6


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del recordings, rounds
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    names = sorted(_closure(project["project"]["dependencies"]))
    sizes = {name: _size_mb(name) for name in names}
    sizes["specloom"] = _source_size_mb()
    counted = {name: size for name, size in sizes.items() if name not in LEFT_OUT}
    total = sum(counted.values())
    lines = [
        Line(what="the light core", ours=f"{total:.1f} MB", bar=f"≤ {SIZE_BAR_MB:.0f} MB", met=total <= SIZE_BAR_MB),
        *(
            Line(what=name, ours=f"{size:.1f} MB")
            for name, size in sorted(counted.items(), key=lambda pair: -pair[1])
            if size >= 0.05
        ),
    ]
    without = ", ".join(f"{name} {sizes[name]:.0f} MB" for name in sorted(LEFT_OUT & sizes.keys()))
    return [
        Result(
            name="size",
            title="installed size of the light core besides numpy, scipy, numba and onnxruntime",
            measured=f"{total:.0f} MB",
            bar=f"≤ {SIZE_BAR_MB:.0f} MB",
            lines=tuple(lines),
            notes=(
                "Every file that the packages' RECORD lists, as it lies on the disk, compiled bytecode too; 1 MB is a "
                f"million bytes. Not counted: {without}. Packages below 0.05 MB are counted but not listed.",
            ),
        )
    ]


def _closure(requirements: list[str]) -> set[str]:
    """The installed packages that the requirements lead to, without extras of their own."""
    seen: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or not _wanted(requirement):
            continue
        seen.add(name)
        waiting += [Requirement(line) for line in distribution(name).requires or []]
    return seen


def _wanted(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _size_mb(name: str) -> float:
    try:
        files = distribution(name).files or []
    except PackageNotFoundError as error:
        raise SystemExit(f"{name} is not installed here, so its size is not known") from error
    return sum(_bytes(Path(str(file.locate()))) for file in files) / MB


def _source_size_mb() -> float:
    return sum(_bytes(path) for path in _shipped_files()) / MB


def _shipped_files() -> Iterator[Path]:
    """Of our own package, without what Python and numba have compiled beside it."""
    return (path for path in (child.SOURCE / "specloom").rglob("*") if "__pycache__" not in path.parts)


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
