"""How kernels are compiled: once a machine, kept on disk, and again when any source that they are made of changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba as nb
from numba.core.caching import FunctionCache


@lru_cache(maxsize=1)
def _digest() -> str:
    """Of the sources that kernels are made of: the lanes, and the phase retrieval built on them."""
    here = Path(__file__).resolve().parent
    sources = sorted([*here.glob("*.py"), *(here.parent.parent / "phase").glob("*.py")])
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


class _SourceAwareCache(FunctionCache):
    """numba's cache looks at the file of the function only, not at the functions that it calls from elsewhere."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _digest())


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: cached, without the interpreter's lock."""
    dispatcher: Any = nb.njit(cache=True, nogil=True)(function)
    dispatcher._cache = _SourceAwareCache(function)
    return dispatcher
