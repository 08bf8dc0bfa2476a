"""A sound file drawn as pictures and heard again, timed; run by `row_pictures` in a process of its own. Prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from specloom.pictures import PictureSequence, draw_pictures
from specloom.recipes import LIBROSA
from specloom.recipes.streaming_synthesis import sound_spectrogram


def most_mb() -> float:
    """The most memory that this process held; what `resource` counts begins with the memory of its parent."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def main() -> None:
    recording, folder = Path(sys.argv[1]), Path(sys.argv[2])
    imported_mb = most_mb()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    drawn = draw_pictures(recording, lambda piece: folder / f"{piece.index}.png", LIBROSA, piece_s=60.0)
    drawing_s, drawing_cpu_s, drawing_mb = time.perf_counter() - begin, time.process_time() - cpu_begin, most_mb()
    begin = time.perf_counter()
    pictures = PictureSequence(drawn.paths)
    heard = sound_spectrogram(pictures, folder / "heard.wav", pictures.recipe, quality="balanced")
    found = {
        "imported_mb": imported_mb,
        "drawing_s": drawing_s,
        "drawing_cpu_s": drawing_cpu_s,
        "drawing_mb": drawing_mb,
        "listening_s": time.perf_counter() - begin,
        "listening_mb": most_mb(),
        "missing": abs(heard.n_samples - drawn.origin.n_samples),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
