"""Floor 3: model files. One file holds the networks of a model and a header that says everything about them.

Nothing here runs a network (that is `specloom.runtime`), and nothing here needs the onnx package.
"""

from specloom.artifact.files import Artifact, read_artifact, read_header, write_artifact
from specloom.artifact.header import Header, ModelOrigin, NetworkHeader, expect_task
from specloom.artifact.probe import Probe

__all__ = [
    "Artifact",
    "Header",
    "ModelOrigin",
    "NetworkHeader",
    "Probe",
    "expect_task",
    "read_artifact",
    "read_header",
    "write_artifact",
]
