"""A pytest plugin (``-p without_torch``): every import of torch fails, as where it is not installed."""

import sys

sys.modules["torch"] = None  # type: ignore[assignment]
