"""What pytest leaves out where torch is not installed: the doctests of training, whose modules import it."""

import sys
from importlib.util import find_spec

_TORCH = (
    ("torch" in sys.modules
    and sys.modules["torch"] is not None)
    or ("torch" not in sys.modules and find_spec("torch") is not None)
)

collect_ignore_glob = [] if _TORCH else ["src/specloom/train/*"]
