"""What pytest leaves out where torch is not installed: the doctests of training, whose modules import it."""

import sys
from importlib.util import find_spec

# None in sys.modules is how tests/without_torch.py hides it; find_spec must not be asked then.
_HAS_TORCH = sys.modules.get("torch", "unknown") is not None and find_spec("torch") is not None

collect_ignore_glob = [] if _HAS_TORCH else ["src/specloom/train/*"]
