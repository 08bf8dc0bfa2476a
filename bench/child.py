"""Python in a process of its own, which prints JSON last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import specloom

HERE = Path(__file__).resolve().parent
SOURCE = Path(specloom.__file__).resolve().parents[1]


def run(arguments: Sequence[str], **environment: str) -> Any:
    """What ``python ARGUMENTS`` prints on its last line, read as JSON. It sees bench/ and the same specloom."""
    path = os.pathsep.join([str(HERE), str(SOURCE)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"a process of the benchmark failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])
