"""A model for enhancement, ready to clean sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from specloom.artifact import Artifact
from specloom.audio import Audio
from specloom.errors import ArtifactError, ParameterError
from specloom.tasks.enhance.features import SpectrumFeatures, parse_features
from specloom.tasks.enhance.stream import EnhanceStream, wet_share

if TYPE_CHECKING:
    from specloom.artifact import Header
    from specloom.runtime import Session
    from specloom.tasks.enhance.features import EnhanceFeatures

# Samples of all channels that are given to the stream at a time: what waits between its parts stays small.
_PIECE = 1 << 19


class Enhancer:
    """Noisy speech in, cleaned speech out: the same rate, length and channels, aligned to the sample.

    Parameters
    ----------
    model : str, path or Artifact
        The name of a model that ships with Specloom, or a model file of your own (``specloom train enhance``).
    threads : int
        How many threads one run of the network may use. One is best for small models.

    Attributes
    ----------
    header : Header
        What the model file says about itself.
    features : SpectrumFeatures or WaveformFeatures
        What the network is fed with.

    Raises
    ------
    ParameterError
        When `model` is nothing of that, or the number of threads is impossible.
    ArtifactError
        When there is no such model, or it is damaged, of a newer Specloom, for another task, or answers its probe
        otherwise than where it was made.

    Notes
    -----
    Sound of another rate than the model's is resampled there and back; what the model cannot see, the band above its
    own, is kept and follows what was done to the upper octave of what it sees (`specloom.tasks.enhance.bands`). Each
    channel is enhanced on its own. Laws: see `EnhanceStream`.

    Examples
    --------
    >>> import specloom
    >>> noisy = specloom.load("noisy.wav")  # doctest: +SKIP
    >>> cleaned = specloom.Enhancer().process(noisy)  # doctest: +SKIP
    """

    def __init__(self, model: str | Path | Artifact = "default", *, threads: int = 1) -> None:
        from specloom.runtime import Session, check_probe, opened_model

        artifact = opened_model(model, task="enhance")
        self.header: Header = artifact.header
        self.features: EnhanceFeatures = parse_features(artifact.header.features)
        if len(artifact.networks) != 1:
            raise ArtifactError(
                f"the model {artifact.header.name!r} has the networks {', '.join(artifact.networks)}: "
                "one network is needed for enhancement"
            )
        self._session = Session(artifact, threads=threads)
        _require_interface(self._session, self.features)
        check_probe(self._session)

    def process(self, audio: Audio, *, strength: float = 1.0, limit_db: float | None = None) -> Audio:
        """Enhance a sound that is in memory.

        Parameters
        ----------
        audio : Audio
            Any rate, any number of channels, any length, also none.
        strength : float
            From 0, which returns the sound bit for bit, to 1.
        limit_db : float, optional
            The most that is taken away: the noisy sound stays under the cleaned one by this much.

        Returns
        -------
        Audio
            Of the same rate and shape.

        Raises
        ------
        ParameterError
            When strength or limit_db is out of its range, or `audio` is an array or a path.
        """
        if not isinstance(audio, Audio):
            raise ParameterError(
                f"audio is a {type(audio).__name__}: specloom.Audio(samples, sample_rate) is needed; "
                "specloom.load(path) makes one of a file"
            )
        share = wet_share(strength, limit_db)
        if share == 0.0 or audio.samples.size == 0:
            return audio
        stream = self.stream(
            sample_rate=audio.sample_rate, channels=audio.n_channels, strength=strength, limit_db=limit_db
        )
        samples = audio.samples.reshape(audio.n_channels, audio.n_samples)
        enhanced = np.empty_like(samples)
        n_done = 0
        piece = max(1, _PIECE // audio.n_channels)
        for start in range(0, audio.n_samples, piece):
            ready = stream.push(samples[:, start : start + piece])
            enhanced[:, n_done : n_done + ready.shape[1]] = ready
            n_done += ready.shape[1]
        enhanced[:, n_done:] = stream.flush()
        return Audio(enhanced.reshape(audio.samples.shape), audio.sample_rate)

    def stream(
        self,
        *,
        sample_rate: int,
        channels: int = 1,
        strength: float = 1.0,
        limit_db: float | None = None,
        dtype: type[np.float32] | type[np.float64] = np.float32,
    ) -> EnhanceStream:
        """Begin to enhance a sound that arrives in pieces; see `EnhanceStream`.

        Examples
        --------
        >>> import specloom
        >>> stream = specloom.Enhancer().stream(sample_rate=16_000)  # doctest: +SKIP
        >>> for piece in pieces:  # doctest: +SKIP
        ...     play(stream.push(piece))
        >>> play(stream.flush())  # doctest: +SKIP
        """
        return EnhanceStream(
            self.features,
            self._session,
            sample_rate=sample_rate,
            channels=channels,
            strength=strength,
            limit_db=limit_db,
            dtype=dtype,
        )


def _require_interface(session: Session, features: EnhanceFeatures) -> None:
    """Refuse a network whose input and output are not those of its interface."""
    from specloom.runtime import Tensor

    name, item = ("spec", (features.n_bins, 2)) if isinstance(features, SpectrumFeatures) else ("samples", ())
    given, made = (Tensor(name=each, shape=(None, None, *item)) for each in (name, "enhanced"))
    session.require_interface(features.interface, given, made)
