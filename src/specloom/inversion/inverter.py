"""A model for inversion, ready to turn mel spectra into sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from specloom.artifact import Artifact
from specloom.dsp.level import DeEmphasis
from specloom.dsp.stft import require_finite_floats, require_length
from specloom.errors import ArtifactError, ParameterError
from specloom.inversion.chain import FloatArray, Networks, sound_blocks
from specloom.inversion.features import MelInversion, MelSettings, parse_features

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.runtime import Session

TASK = "inversion"
LOUDEST: Final = 1e12
"""Of magnitudes that networks are given; beyond it 32 bits are soon too few for powers and products."""


class MelInverter:
    """Mel spectra in, samples out: the networks of a model around our phase retrieval.

    Parameters
    ----------
    model : str, path or Artifact
        The name of a model that ships with Specloom, or a model file of your own (``specloom train inversion``).
    threads : int
        Threads to work with. The result does not depend on it.

    Attributes
    ----------
    header : Header
        What the model file says about itself.
    features : MelInversion
        What the networks are fed with; ``features.settings`` says which mel spectra.

    Raises
    ------
    ParameterError
        When `model` is nothing of that, or the number of threads is impossible.
    ArtifactError
        When there is no such model, or it is damaged, of a newer Specloom, for another task, or answers its probe
        otherwise than where it was made.

    Notes
    -----
    Laws (tests/laws/test_inversion_laws.py): silence stays silence; twice as loud a mel spectrum gives twice as loud a
    sound; `blocks` gives what `process` gives.
    """

    def __init__(self, model: str | Path | Artifact, *, threads: int = 1) -> None:
        from specloom.runtime import Session, check_probe, opened_model

        artifact = opened_model(model, task=TASK)
        self.header: Header = artifact.header
        self.features: MelInversion = parse_features(artifact.header.features)
        if set(artifact.networks) != {"magnitude", "refine"}:
            raise ArtifactError(
                f"the model {self.header.name!r} has the networks {', '.join(sorted(artifact.networks))}: 'magnitude' "
                "and 'refine' are needed"
            )
        sessions = {name: Session(artifact, network=name, threads=threads) for name in ("magnitude", "refine")}
        _require_interface(sessions, self.features)
        for session in sessions.values():
            check_probe(session)
        self.networks = Networks(**sessions)
        self._threads = threads

    @property
    def settings(self) -> MelSettings:
        """Of the mel spectra that the model knows."""
        return self.features.settings

    def process(self, mel: npt.ArrayLike, *, length: int | None = None) -> FloatArray:
        """Samples of a mel spectrum.

        Parameters
        ----------
        mel : real array, shape ``(..., n_mels, n_frames)``
            As the filters gave it: not negative, not in decibels, magnitudes of at most 1e12.
        length : int, optional
            Samples to return; tell it whenever it is known.

        Returns
        -------
        float32 array, shape ``(..., n_samples)``
            At the rate of the settings, pre-emphasis undone.

        Raises
        ------
        ParameterError
            For negative, non-finite or larger values, or another number of mels.
        """
        require_length(length)
        values = self._required(mel)
        n_samples = self.settings.stft.n_samples(values.shape[-1]) if length is None else length
        planes = values.reshape(-1, *values.shape[-2:])
        made = [np.concatenate(list(self.blocks([plane], length=n_samples))) for plane in planes]
        return np.stack(made).reshape(*values.shape[:-2], n_samples)

    def blocks(self, blocks: Iterable[npt.ArrayLike], *, length: int | None = None) -> Iterator[FloatArray]:
        """The same for mel spectra ``(n_mels, n)`` in blocks of any size: yields samples, in bounded memory.

        Law: the samples of all blocks together equal those of `process`.
        """
        yield from de_emphasised(self.emphasised_blocks(blocks, length=length), self.settings.preemphasis)

    def emphasised_blocks(self, blocks: Iterable[npt.ArrayLike], *, length: int | None = None) -> Iterator[FloatArray]:
        """`blocks` with pre-emphasis left in, for those who undo it themselves."""
        require_length(length)
        checked = (self.require_block(block) for block in blocks if np.shape(block)[-1:] != (0,))
        return sound_blocks(self.features, self.networks, checked, length=length, threads=self._threads)

    def require_block(self, mel: npt.ArrayLike) -> FloatArray:
        """One channel's mel spectrum ``(n_mels, n)`` as float32, or the reason why it is none."""
        values = self._required(mel)
        if values.ndim != 2:
            raise ParameterError(
                f"a block has shape {values.shape}: (n_mels, n_frames) is needed; give each channel its own call"
            )
        return values

    def _required(self, mel: npt.ArrayLike) -> FloatArray:
        values = require_finite_floats("mel", mel)
        n_mels = self.settings.mel.n_mels
        if values.ndim < 2 or values.shape[-2] != n_mels or values.size == 0:
            raise ParameterError(f"mel has shape {values.shape}: (..., {n_mels}, n_frames) is needed")
        if values.min() < 0:
            raise ParameterError(
                f"mel holds negative values (least {values.min():.3g}): undo the logarithm or the normalisation first"
            )
        if values.max() > LOUDEST**self.settings.power:
            raise ParameterError(
                f"mel holds values up to {values.max():.3g}: networks take at most {LOUDEST**self.settings.power:.0e}; "
                "scale it down, and the sound up again"
            )
        return values.astype(np.float32, copy=False)


def de_emphasised(blocks: Iterable[FloatArray], preemphasis: float | None) -> Iterator[FloatArray]:
    """Blocks of samples with the high frequencies let down again."""
    if preemphasis is None:
        yield from blocks
        return
    undo = DeEmphasis(preemphasis)
    for block in blocks:
        yield np.asarray(undo.process(block), dtype=np.float32)


def _require_interface(sessions: dict[str, Session], features: MelInversion) -> None:
    """Refuse networks whose inputs and outputs are not those of their interface."""
    from specloom.runtime import Tensor

    def frames(name: str, *item: int) -> Tensor:
        return Tensor(name=name, shape=(None, None, *item))

    n_mels, n_bins = features.settings.mel.n_mels, features.settings.stft.n_bins
    sessions["magnitude"].require_interface(features.interface, frames("mel", n_mels), frames("magnitude", n_bins))
    sessions["refine"].require_interface(features.interface, frames("frames", n_bins, 3), frames("refined", n_bins, 2))
