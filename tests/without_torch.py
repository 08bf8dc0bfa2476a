"""A pytest plugin (``-p without_torch``): what training needs cannot be found, as where it is not installed."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

HIDDEN = frozenset({"torch", "onnx", "onnxscript", "safetensors", "tensorboard"})


class _Hiding:
    """Python's search of the path for modules, blind for some.

    Not None in ``sys.modules``: scipy looks there for torch, and stumbles over what is no module.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        # What else is asked of the search: installed distributions, forgetting what was looked up.
        return getattr(PathFinder, name)


sys.meta_path[:] = [_Hiding() if finder is PathFinder else finder for finder in sys.meta_path]
