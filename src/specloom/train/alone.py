"""One run, one process: two that trained in one folder would write over each other's checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specloom.errors import TrainingError

_LOCK = "lock"


@contextmanager
def alone_in(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes from training in a folder while the block runs.

    The system gives the lock back however the process ends; the empty file stays and means nothing on its own. Where
    the system or its disk knows no such locks, nothing is held. Under ``torchrun``, rank 0 holds it for all.

    Raises
    ------
    TrainingError
        When another process trains there, or the folder cannot be written to.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    path = Path(folder) / _LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise TrainingError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        if not _locked(file.fileno()):
            raise TrainingError(
                f"{folder}: another process is training there; let it end, or choose another output for this run"
            )
        yield


def _locked(descriptor: int) -> bool:
    """False when another process holds the lock."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A disk without locks.
        return True
    return True
