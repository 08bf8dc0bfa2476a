"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specloom.errors import ParameterError


@contextmanager
def written_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder; rename it to `path` when the block ends well.

    When the block raises (an interrupt from the keyboard included), the temporary file is removed and whatever
    was at `path` before stays as it was. Missing parent folders are created. A symbolic link is followed, so the
    file that it points to is replaced and the link stays.

    Parameters
    ----------
    path : path-like
        Where the finished file belongs.

    Yields
    ------
    pathlib.Path
        A path whose name is hidden (begins with a dot) and keeps the suffix of `path`. Nothing is there yet: the
        block must create the file, which so gets the usual permissions.

    Raises
    ------
    OSError
        As the system gives it: a folder at `path` (`IsADirectoryError`), something there that is no ordinary
        file, no permission, a full disk.

    Notes
    -----
    The temporary file lies in the same folder because only a rename within one file system is atomic.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        # Renaming over a device or a pipe would replace it.
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".specloom-{secrets.token_hex(6)}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        # After the rename nothing is left under this name; in every other case it must go.
        temporary.unlink(missing_ok=True)


def require_room_for_folder(folder: Path) -> None:
    """Refuse a folder to write to that cannot be made, because a file stands in its place or above it.

    Raises
    ------
    ParameterError
        Naming the file.
    """
    try:
        nearest = next((place for place in (folder, *folder.parents) if place.exists()), None)
    except PermissionError:
        # What may not be looked at is told when something is written there.
        return
    if nearest is not None and not nearest.is_dir():
        raise ParameterError(
            f"out={str(folder)!r}: a folder to write to is needed, and {nearest} is a file; choose another name"
        )
