"""Mel frames to sound while they arrive, with little delay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specloom.dsp.level import DeEmphasis
from specloom.dsp.stft import fit_length, require_length
from specloom.dsp.stream import IstftStream, StftStream
from specloom.errors import ParameterError
from specloom.inversion.chain import ComplexArray, FloatArray, as_spectrum, magnitude_network, paired, refining_network
from specloom.inversion.inverter import MelInverter


class MelStream:
    """Mel frames in, samples out, as they come.

    The networks are those of the model; the phases of the first sound are sought by
    `specloom.StreamingReconstructor`, which sees little of the future. So it sounds a little less well than
    `MelInverter`, and not the same.

    Parameters
    ----------
    inverter : MelInverter
        The model.
    lookahead : int
        Frames that the search for phases waits for, from 0 to 8. Each costs a hop of latency.

    Notes
    -----
    Laws (tests/laws/test_inversion_laws.py): how the frames are grouped into calls does not matter; what has been
    given out does not depend on frames that come later.

    Examples
    --------
    >>> import specloom
    >>> stream = specloom.MelStream(specloom.MelInverter("speech16"))  # doctest: +SKIP
    >>> samples = stream.push(mel[:, :10])  # doctest: +SKIP
    """

    def __init__(self, inverter: MelInverter, *, lookahead: int = 2) -> None:
        from specloom.phase.streaming import StreamingReconstructor

        if not isinstance(inverter, MelInverter):
            raise ParameterError(f"inverter={inverter!r}: a MelInverter is needed, such as MelInverter('speech16')")
        features, networks = inverter.features, inverter.networks
        config = features.settings.stft
        self._inverter = inverter
        self._magnitude = magnitude_network(features, networks, together=1)
        self._first = StreamingReconstructor(config, lookahead)
        self._transform = StftStream(config)
        self._refine = refining_network(features, networks, together=1)
        self._inverse = IstftStream(config)
        emphasis = features.settings.preemphasis
        self._undo = None if emphasis is None else DeEmphasis(emphasis)
        # Frames whose first sound has not come yet.
        self._wanted = np.zeros((config.n_bins, 0), dtype=np.float32)
        self._n_frames = self._n_given = 0
        self._finished = False

    @property
    def latency_samples(self) -> int:
        """Samples from one's arrival in the analysed sound to its leaving here, at worst.

        The look-ahead of both networks, the search for phases, and the two transforms of its sound.
        """
        features = self._inverter.features
        config = features.settings.stft
        networks = (features.magnitude_delay + features.refine_delay) * config.hop_length
        return networks + self._first.latency_samples + config.n_fft + config.hop_length

    @property
    def latency_s(self) -> float:
        """The same in seconds."""
        return self.latency_samples / self._inverter.settings.stft.sample_rate

    def push(self, mel: npt.ArrayLike) -> FloatArray:
        """Take frames, ``(n_mels, n)`` or one ``(n_mels,)``; give the samples that are ready.

        Raises
        ------
        ParameterError
            For negative, non-finite or too large values, or a wrong number of mels; when the stream is finished.
        """
        self._require_going_on()
        values = np.asarray(mel)
        if values.ndim == 2 and values.shape[1] == 0:
            return np.zeros(0, dtype=np.float32)
        frames = self._inverter.require_block(values[:, np.newaxis] if values.ndim == 1 else values)
        self._n_frames += frames.shape[1]
        return self._given(self._spread(self._magnitude.push(np.ascontiguousarray(frames.T))))

    def finish(self, length: int | None = None) -> FloatArray:
        """The samples still held, up to ``length`` in all (what the frames give, if None)."""
        self._require_going_on()
        require_length(length)
        self._finished = True
        config = self._inverter.settings.stft
        wanted = config.n_samples(self._n_frames) if length is None else length
        if self._n_frames == 0:
            return np.zeros(wanted, dtype=np.float32)
        samples = [self._spread(self._magnitude.finish()), self._refined(self._first.finish(), last=True)]
        samples.append(self._inverse.finish(wanted))
        return self._given(fit_length(np.concatenate(samples), max(0, wanted - self._n_given)))

    def _require_going_on(self) -> None:
        if self._finished:
            raise ParameterError("this stream is finished: begin another MelStream")

    def _spread(self, made: list[FloatArray]) -> FloatArray:
        """Magnitudes that are ready, on to the first sound."""
        parts = []
        for frames in made:
            magnitude = np.ascontiguousarray(frames.T)
            self._wanted = np.concatenate([self._wanted, magnitude], axis=1)
            parts.append(self._refined(self._first.process(magnitude)))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _refined(self, first: FloatArray, *, last: bool = False) -> FloatArray:
        """The first sound, on to spectra and their refinement."""
        spectra: list[ComplexArray] = [self._transform.push(first)]
        if last:
            spectra.append(self._transform.finish())
        made: list[FloatArray] = []
        for spec in spectra:
            n_frames = min(spec.shape[1], self._wanted.shape[1])
            made += self._refine.push(paired(spec[:, :n_frames], self._wanted[:, :n_frames]))
            self._wanted = self._wanted[:, n_frames:]
        if last:
            made += self._refine.finish()
        parts = [self._inverse.push(as_spectrum(frames)) for frames in made]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _given(self, samples: FloatArray) -> FloatArray:
        self._n_given += samples.size
        return samples if self._undo is None else np.asarray(self._undo.process(samples), dtype=np.float32)
