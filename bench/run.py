"""Measure what Specloom promises: ``python bench/run.py [--only NAME ...] [--quick] [--audio DIR]``.

Every module ``row_*.py`` measures one or two rows of the bar table; ``docs/bench.md`` is written from what they found.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

# Before numpy and its like are imported: one thread for everybody.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

# Those with little memory and few interruptions first; the two that start processes of their own last.
MODULES = {
    "griffin_lim": ("griffin-lim",),
    "transforms": ("stft-istft",),
    "reconstruct": ("reconstruct", "best"),
    "mel": ("mel-to-magnitude", "mel-to-sound"),
    "streaming": ("streaming",),
    "pictures": ("pictures", "picture-hour"),
    "rescue": ("rescue",),
    "long": ("ten-minutes", "threads"),
    "masks": ("masks",),
    "enhance": ("enhance", "enhance-cost", "enhance-hour"),
    "training": ("training",),
    "denoise": ("denoise",),
    "inversion": ("inversion-speech16", "inversion-tacotron", "inversion-music22"),
    "start": ("import", "first-call"),
    "vectors": ("without-avx512",),
    "size": ("size",),
}


def main() -> int:
    arguments = _arguments()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    chosen = [m for m, rows in MODULES.items() if not arguments.only or {m, *rows} & set(arguments.only)]
    met = [_measure(module, arguments) for module in chosen]
    return 0 if all(met) else 1


def _arguments() -> argparse.Namespace:
    rows = sorted({name for module, rows in MODULES.items() for name in (module, *rows)})
    parser = argparse.ArgumentParser(description="Measure Specloom against its peers; write docs/bench.md.")
    parser.add_argument("--only", nargs="+", choices=rows, metavar="NAME", help=f"rows to measure: {', '.join(rows)}")
    parser.add_argument("--quick", action="store_true", help="two clips, one round, print only: is it alive?")
    parser.add_argument("--audio", type=Path, help="folder of recordings with a MANIFEST.csv (see bench/README.md)")
    return parser.parse_args()


def _measure(module: str, arguments: argparse.Namespace) -> bool:
    """Measure the rows of a module, print them and keep them."""
    import machine
    import recordings
    import report

    folder = arguments.audio or (recordings.USUAL_FOLDER if recordings.USUAL_FOLDER.is_dir() else None)
    heard = recordings.streaming_speech(folder) if module == "streaming" else recordings.chosen(folder)
    heard = heard.shortened() if arguments.quick else heard
    before, begin = machine.circumstances(), time.perf_counter()
    results = import_module(f"row_{module}").measure(heard, 1 if arguments.quick else 3)
    for result in results:
        record = report.as_record(result, before)
        print(f"\n{report.section(record)}\n", flush=True)
        if not arguments.quick:
            report.save(record)
            report.write_pages()
    print(f"[{module}: {time.perf_counter() - begin:.0f} s]", file=sys.stderr, flush=True)
    return all(result.met for result in results)


if __name__ == "__main__":
    sys.exit(main())
