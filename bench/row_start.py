"""Rows: what an import costs, and what the first call costs, before and after the machine has compiled."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

import child
from recordings import Recordings
from results import Line, Result, milliseconds, number
from settings import COMPILE_BAR_S, IMPORT_BAR_S
from timing import Spread

_TIMED = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""

_EVERY_NAME = "import specloom\nfor name in specloom.__all__:\n    getattr(specloom, name)"


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del recordings
    return [_imports(5 * max(rounds, 2)), _first_calls(max(rounds, 2))]


def _imports(repeats: int) -> Result:
    def line(what: str, statement: str, bar: float | None) -> Line:
        seconds = [child.run(["-c", _TIMED.format(statement=statement)]) for _ in range(repeats)]
        wall = Spread.of([pair[0] for pair in seconds])
        return Line(
            what=what,
            ours=f"{milliseconds(wall.median)} ({milliseconds(wall.low)} – {milliseconds(wall.high)}), "
            f"CPU {milliseconds(float(np.median([pair[1] for pair in seconds])))}",
            bar="" if bar is None else f"≤ {bar} s",
            met=None if bar is None else wall.median <= bar,
        )

    lines = (
        line("import specloom", "import specloom", IMPORT_BAR_S),
        line("import specloom, and every public name", _EVERY_NAME, None),
        line("for comparison: import numpy", "import numpy", None),
        line("for comparison: import librosa, and its stft", "import librosa; librosa.stft", None),
    )
    return Result(
        name="import",
        title="`import specloom`",
        measured=lines[0].ours,
        bar=f"≤ {IMPORT_BAR_S} s",
        lines=lines,
        notes=(f"Wall time inside a new process, the interpreter's own start left out; median of {repeats}.",),
    )


def _first_calls(repeats: int) -> Result:
    code, cold, warm = str(child.HERE / "first_calls.py"), [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(child.run([code], NUMBA_CACHE_DIR=cache))
            warm.append(child.run([code], NUMBA_CACHE_DIR=cache))
    compiling = _median(cold, "first") - _median(warm, "first")
    recompiled = max(len(run["compiled"]) for run in warm)
    share = {name: float(np.median([run["compiled"][name] for run in cold])) for name in cold[0]["compiled"]}
    lines = (
        Line(
            what="compiling, once a machine (cold first calls less warm ones)",
            ours=f"{number(compiling)} s of CPU time",
            bar=f"≤ {COMPILE_BAR_S:.0f} s",
            met=compiling <= COMPILE_BAR_S,
        ),
        Line(what="kernels compiled in the next process", ours=str(recompiled), bar="0", met=recompiled == 0),
        _calls_line("first calls, nothing compiled yet", cold, "first"),
        _calls_line("first calls in the next process", warm, "first"),
        _calls_line("the same calls again", warm, "again"),
        _calls_line("imports of specloom, numba, scipy and the recording", warm, "imports"),
    )
    return Result(
        name="first-call",
        title="compiling, once; kernels compiled again in the next process",
        measured=f"{number(compiling)} s; {recompiled}",
        bar=f"≤ {COMPILE_BAR_S:.0f} s; 0",
        lines=lines,
        audio="the speech that ships with Specloom, 5.2 s",
        notes=(
            "stft, reconstruct (balanced) and mel_to_magnitude, 1024/256, each in a new process, first with an empty "
            f"NUMBA_CACHE_DIR and then with the one it has filled; CPU time, median of {repeats}. numba's own events "
            "tell what is compiled.",
            "Compiled the first time: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in share.items()) + ".",
        ),
    )


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return float(np.median([run[key] for run in runs]))


def _calls_line(what: str, runs: list[dict[str, Any]], key: str) -> Line:
    return Line(what=what, ours=f"{_median(runs, key):.3f} s")
