"""Pictures of digits: MNIST from its files, or the small ones that scikit-learn brings."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specloom.errors import MissingExtraError, TrainingError

FloatArray = npt.NDArray[np.float32]

_FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_IDX_IMAGES = b"\x00\x00\x08\x03"
_HEADER_BYTES = 16
_PARTS = 6
"""Of scikit-learn's digits a sixth is for choosing, and another for measuring."""
_MNIST_VALID = 2000
"""Of MNIST's test digits, those for choosing."""


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Digits to train with, to choose the best weights by, and to measure on.

    Parameters
    ----------
    name : str
        What they are: ``"MNIST"``.
    train, valid, test : float32 arrays, shape ``(n, n_rows, n_columns)``
        Between 0 (paper) and 1 (ink).
    """

    name: str
    train: FloatArray
    valid: FloatArray
    test: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.train.shape[1], self.train.shape[2]


def load_digits(folder: str | Path | None = None) -> Digits:
    """MNIST from a folder, or scikit-learn's 1797 digits of 8 x 8 pixels.

    Of MNIST's test digits the first 2000 choose the weights, and the others are measured on.

    Parameters
    ----------
    folder : path-like, optional
        Holds ``train-images-idx3-ubyte`` and ``t10k-images-idx3-ubyte``, compressed (``.gz``) or not, at any depth.

    Raises
    ------
    TrainingError
        When a file is missing or is no such file.
    MissingExtraError
        When scikit-learn is not installed.
    """
    if folder is not None:
        train, test = (_idx_images(_found(Path(folder), name)) for name in _FILES.values())
        n_valid = min(_MNIST_VALID, len(test) // 2)
        return Digits(name="MNIST", train=train, valid=test[:n_valid], test=test[n_valid:])
    try:
        from sklearn.datasets import load_digits as bundled
    except ImportError as error:
        raise MissingExtraError(
            'the digits come with scikit-learn: pip install "specloom[train]"; or name a folder with MNIST (--digits)'
        ) from error
    images = np.asarray(bundled().images, dtype=np.float32) / np.float32(16.0)
    turn = np.arange(len(images)) % _PARTS
    return Digits(name="scikit-learn's digits", train=images[turn > 1], valid=images[turn == 1], test=images[turn == 0])


def _found(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise TrainingError(f"digits={str(folder)!r} is no folder: one with MNIST's files is needed")
    # Some copies write a point where the original has a hyphen.
    spellings = {f"{one}{end}" for one in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")}
    for path in sorted(folder.rglob("*")):
        if path.name in spellings and path.is_file():
            return path
    raise TrainingError(f"digits={str(folder)!r} lacks {name} (or {name}.gz); docs/denoise.md says where to get MNIST")


def _idx_images(path: Path) -> FloatArray:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    sizes = np.frombuffer(content[4:_HEADER_BYTES], dtype=">u4")
    if (
        content[:4] != _IDX_IMAGES
        or len(sizes) != 3
        or 0 in sizes
        or len(content) != _HEADER_BYTES + int(np.prod(sizes.astype(np.int64)))
    ):
        raise TrainingError(f"{path} is no file of MNIST images, or was cut off; fetch it again")
    pixels = np.frombuffer(content, dtype=np.uint8, offset=_HEADER_BYTES).reshape(*map(int, sizes))
    return pixels.astype(np.float32) / np.float32(255.0)
