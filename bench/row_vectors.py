"""Row: the same kernels compiled without AVX-512 (and, for information, with SSE2 only)."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from dataclasses import replace

import llvmlite.binding

import child
from recordings import Recordings, shipped
from results import Line, Result, slashed
from row_griffin_lim import iteration_line, slopes
from settings import ITERATION_BAR_WITHOUT_AVX512, SETTINGS

_SSE2 = "+64bit,+cmov,+cx8,+fxsr,+mmx,+sse,+sse2"


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del recordings
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    levels = (
        ("without AVX-512", {"NUMBA_CPU_FEATURES": _features_without_avx512()}, ITERATION_BAR_WITHOUT_AVX512),
        ("SSE2 only", {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": _SSE2}, None),
    )
    lines: list[Line] = []
    middle: list[float] = []
    lanes = {}
    for words, environment, bar in levels:
        seen = _in_child(rounds, environment)
        lanes[words] = seen["lanes"]
        for setting in SETTINGS:
            line = _as_line(setting.name, seen["slopes"][setting.name], bar, words)
            lines.append(line)
            if bar is not None and line.ratio is not None:
                middle.append(line.ratio.median)
    return [
        Result(
            name="without-avx512",
            title="Griffin-Lim per iteration without AVX-512 (A / B / C)",
            measured=f"{slashed(middle)} ×",
            bar=f"{ITERATION_BAR_WITHOUT_AVX512:.0f} ×",
            lines=tuple(lines),
            audio=shipped().words,
            peer="librosa.griffinlim",
            notes=(
                "Each level in a process of its own, with NUMBA_CPU_FEATURES and an empty cache. Only our kernels lose "
                "the instructions: librosa's numpy and scipy keep whatever they use.",
                "Frames in a vector: " + ", ".join(f"{n} {words}" for words, n in lanes.items()) + ".",
            ),
        )
    ]


def _features_without_avx512() -> str:
    """The host's features, AVX-512 and what builds on it switched off."""
    host = llvmlite.binding.get_host_cpu_features()
    off = ("avx512", "avx10", "amx-avx512")
    return ",".join(
        f"{'+' if there and not name.startswith(off) else '-'}{name}" for name, there in sorted(host.items())
    )


def _in_child(rounds: int, environment: dict[str, str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as cache:
        return child.run([__file__, str(rounds)], NUMBA_CACHE_DIR=cache, **environment)


def _as_line(name: str, slopes: dict[str, list[float]], bar: float | None, words: str) -> Line:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    line = iteration_line(setting, slopes, bar)
    return replace(line, what=f"{words}, {line.what}")


def _print_slopes(rounds: int) -> None:
    """What the child does."""
    from specloom.dsp.lanes.vector import FEATURES, LANES

    clips = shipped().clips
    found = {setting.name: slopes(setting, clips, rounds) for setting in SETTINGS}
    print(json.dumps({"lanes": LANES, "features": sorted(FEATURES), "slopes": found}))


if __name__ == "__main__":
    _print_slopes(int(sys.argv[1]))
