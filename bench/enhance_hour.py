"""A long sound file cleaned, timed; run by `row_enhance` in a process of its own. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from picture_hour import most_mb
from specloom.tasks.enhance import enhance_files


def main() -> None:
    recording, folder = Path(sys.argv[1]), Path(sys.argv[2])
    imported_mb = most_mb()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    # The work is done while the results are taken.
    results = list(enhance_files([recording], folder))
    found = {
        "imported_mb": imported_mb,
        "seconds": time.perf_counter() - begin,
        "cpu_s": time.process_time() - cpu_begin,
        "mb": most_mb(),
        "failed": [result.message for result in results if result.status != "done"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
