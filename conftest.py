"""What pytest leaves out where the extra ``train`` is not installed: modules and scripts that import it."""

from importlib.util import find_spec

# The doctests of training; the script that makes the small models of the tests.
_NEEDS = {"torch": "src/specloom/train/*", "onnx": "tests/golden/make_tiny_models.py"}

# Looking into the plugin for doctests would import it, and hide what training needs from all later tests.
collect_ignore = ["tests/without_torch.py"]
collect_ignore_glob = [pattern for package, pattern in _NEEDS.items() if find_spec(package) is None]
