"""Floor 4: running the networks of a model file with ONNX Runtime, and finding model files by name."""

from specloom.runtime.models import load_model, opened_model, shipped_models
from specloom.runtime.probe import check_probe, make_probe
from specloom.runtime.session import Session
from specloom.runtime.stepper import Stepper
from specloom.runtime.tensor import Tensor

__all__ = ["Session", "Stepper", "Tensor", "check_probe", "load_model", "make_probe", "opened_model", "shipped_models"]
