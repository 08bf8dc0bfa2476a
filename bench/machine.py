"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "librosa", "torch", "onnxruntime", "soxr", "pesq", "pystoi")


def circumstances() -> dict[str, Any]:
    """Machine, versions, date, and the load before the row began."""
    return {
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "vectors": _vectors(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
            "system": platform.system(),
        },
        "versions": {"Python": platform.python_version(), "specloom": _specloom(), **_versions()},
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine()
    fields = dict(
        (part.strip() for part in line.split(":", 1)) for line in info.read_text().splitlines() if ":" in line
    )
    words = fields.get("model name", platform.machine())
    family = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
    return f"{words} ({_architecture()}, {family})" if family else words


def _architecture() -> str:
    import llvmlite.binding

    return str(llvmlite.binding.get_host_cpu_name())


def _vectors() -> str:
    from specloom.dsp.lanes.vector import FEATURES

    for feature, words in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("neon", "NEON")):
        if feature in FEATURES:
            return words
    return "SSE2" if "sse2" in FEATURES else "no vector unit known"


@cache
def _specloom() -> str:
    """The version, and the commit where there is one, as it was when the run began."""
    import specloom

    commit, changed = _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "--", "../src")
    if not commit:
        return specloom.__version__
    return f"{specloom.__version__} ({commit}{' with changes' if changed else ''})"


def _git(*arguments: str) -> str:
    """What git says, nothing where there is no git or no repository."""
    if shutil.which("git") is None:
        return ""
    here = Path(__file__).resolve().parent
    done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
