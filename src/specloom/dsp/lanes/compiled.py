"""How kernels are compiled: once a machine, kept on disk, and again when any source that they are made of changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba as nb
from numba.core.caching import FunctionCache, IndexDataCacheFile


@lru_cache(maxsize=1)
def _digest() -> str:
    """Of the sources that kernels are made of: the lanes, and the phase retrieval built on them."""
    here = Path(__file__).resolve().parent
    sources = sorted([*here.glob("*.py"), *(here.parent.parent / "phase").glob("*.py")])
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


class _SourceAwareCache(FunctionCache):
    """numba's cache looks at the file of the function only, not at the functions that it calls from elsewhere.

    Sources that differ get files of their own. With one signature a kernel (which `specloom.dsp.lanes.plan.for_kernels`
    sees to), processes that compile at the same time then write the same file, and whichever is last does no harm.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{_digest()[:12]}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: cached where that can be, without the interpreter's lock."""
    return _kept(nb.njit(nogil=True)(function))


def summing_kernel(function: Callable[..., Any]) -> Any:
    """`kernel` for sums of many products, which may be added up in any order: that is what lets a processor do several
    at once. The order is the same in every call.
    """
    return _kept(nb.njit(nogil=True, fastmath={"reassoc", "contract"})(function))


def _kept(dispatcher: Any) -> Any:
    # numba's word for "no folder can be written to", as in a read-only installation: then nothing is kept.
    with suppress(RuntimeError):
        dispatcher._cache = _SourceAwareCache(dispatcher.py_func)
    return dispatcher
