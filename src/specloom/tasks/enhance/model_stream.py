"""A network over sound of its own rate that arrives in pieces: frames cut, context kept, samples put together.

Nothing here depends on how the sound was cut: frames lie where `SpectrumFeatures` says, states are carried over, and a
network with context is given the same neighbours every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from specloom.dsp.stft import lanes_enabled
from specloom.errors import ArtifactError
from specloom.tasks.enhance.features import EnhanceFeatures, SpectrumFeatures, WaveformFeatures

FloatArray = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]


# After so many pushes of a hop each, the stream is taken for one that goes on like this; until then it is not worth
# while to load what makes it quick.
_SETTLED = 16


class Network(Protocol):
    """What runs the network: `specloom.runtime.Session`."""

    def initial_states(self, batch: int) -> Any:
        """The states before the first frame."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], states: Any) -> tuple[Mapping[str, npt.NDArray[Any]], Any]:
        """Outputs by name, and the states to give next."""


@runtime_checkable
class SteppingNetwork(Network, Protocol):
    """A network that can also be run on one shape again and again, at the least cost."""

    def stepper(self, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """The quickest way to run on inputs of these shapes again and again: `specloom.runtime.Stepper`."""


class ModelStream(Protocol):
    """Sound at the model's rate goes in, the enhanced sound comes out, the same samples later."""

    def push(self, samples: FloatArray) -> FloatArray:
        """Take in ``(n_channels, n)``, give back ``(n_channels, m)``, what is ready."""

    def flush(self) -> FloatArray:
        """What is left: after it as many samples have come out as went in."""


def model_stream(features: EnhanceFeatures, network: Network, n_channels: int) -> ModelStream:
    """The stream for a network of either interface."""
    if isinstance(features, SpectrumFeatures):
        return SpectrumStream(features, network, n_channels)
    return WaveformStream(features, network, n_channels)


class SpectrumStream:
    """Frames to the network, frames from it, added up again."""

    def __init__(self, features: SpectrumFeatures, network: Network, n_channels: int) -> None:
        self._features = features
        self._network = network
        self._n_channels = n_channels
        self._analysis = Analysis(features, n_channels)
        self._context = _Context(
            network, "spec", n_channels, left=features.left_frames, right=features.right_frames, unit=1
        )
        self._synthesis = Synthesis(features, n_channels)
        self._count = _Count()
        self._n_single_hops = 0
        self._hop_by_hop: _HopByHop | None = None

    def push(self, samples: FloatArray) -> FloatArray:
        """See `ModelStream`."""
        self._count.n_in += samples.shape[1]
        if samples.shape[1] != self._features.hop_length:
            self._n_single_hops = 0
            self._end_hops()
        elif self._hop_by_hop is None:
            self._n_single_hops += 1
            if self._n_single_hops == _SETTLED:
                self._begin_hops()
        if self._hop_by_hop is not None:
            return self._count.out(self._hop_by_hop.push(samples))
        return self._count.out(self._enhanced(samples))

    def flush(self) -> FloatArray:
        """See `ModelStream`."""
        self._end_hops()
        if self._count.n_in == 0:
            return np.zeros((self._n_channels, 0), dtype=np.float32)
        hop = self._features.hop_length
        # Every frame that holds a sample of the sound is needed; the last one ends behind it.
        n_frames = -(-(self._count.n_in + self._features.win_length - hop) // hop)
        silence = np.zeros((self._n_channels, n_frames * hop - self._count.n_in), dtype=np.float32)
        last = self._enhanced(silence)
        behind = np.zeros((self._n_channels, self._features.right_frames, self._features.n_bins), np.complex64)
        return self._count.last(np.concatenate([last, self._of_spectra(behind)], axis=1))

    def _enhanced(self, samples: FloatArray) -> FloatArray:
        return self._of_spectra(self._analysis.push(samples))

    def _of_spectra(self, spec: ComplexArray) -> FloatArray:
        parts = spec.view(np.float32).reshape(*spec.shape, 2)
        enhanced = np.ascontiguousarray(self._context.push(parts))
        return self._synthesis.push(enhanced.view(np.complex64)[..., 0])

    def _begin_hops(self) -> None:
        features, network = self._features, self._network
        if features.left_frames or features.right_frames or not isinstance(network, SteppingNetwork):
            return
        if not (self._analysis.is_even and self._synthesis.is_settled and lanes_enabled()):
            return
        from specloom.dsp.lanes.hop import supports_hop

        if supports_hop(features.n_fft):
            self._hop_by_hop = _HopByHop(features, network, self._analysis, self._context, self._synthesis)

    def _end_hops(self) -> None:
        if self._hop_by_hop is not None:
            self._hop_by_hop.hand_back(self._context)
            self._hop_by_hop = None


class _HopByHop:
    """The same for a sound that arrives one hop at a time, with as little as possible around the network.

    The arrays that carry the sound from hop to hop are those of `Analysis` and `Synthesis`, which so can go on at any
    moment; the states of the network are taken over and handed back.
    """

    def __init__(
        self,
        features: SpectrumFeatures,
        network: SteppingNetwork,
        analysis: Analysis,
        context: _Context,
        synthesis: Synthesis,
    ) -> None:
        from specloom.dsp.lanes.hop import HopTransform

        self._transform = HopTransform(
            features.n_fft, features.hop_length, features.analysis_window, features.synthesis_window
        )
        n_channels = analysis.n_channels
        self._stepper = network.stepper({"spec": (n_channels, 1, features.n_bins, 2)})
        self._stepper.load(context.states)
        self._spec = self._stepper.inputs["spec"][:, 0]
        self._enhanced = self._stepper.outputs["enhanced"][:, 0]
        self._tail = analysis.tail
        synthesis.begun = self._begun = np.array(synthesis.begun)
        # The kernels are compiled for arrays that may be written to, in order, whatever is given.
        self._given = np.zeros((n_channels, features.hop_length), dtype=np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """One hop in, one hop out."""
        self._given[:] = samples
        self._transform.forward(self._tail, self._given, self._spec)
        self._stepper.step()
        finished = np.empty_like(self._given)
        self._transform.inverse(self._enhanced, self._begun, finished)
        return finished

    def hand_back(self, context: _Context) -> None:
        """Let the other way go on."""
        context.states = self._stepper.states


class WaveformStream:
    """Samples to the network, samples from it."""

    def __init__(self, features: WaveformFeatures, network: Network, n_channels: int) -> None:
        self._features = features
        self._n_channels = n_channels
        self._context = _Context(
            network,
            "samples",
            n_channels,
            left=features.left_samples,
            right=features.right_samples,
            unit=features.hop_samples,
        )
        self._count = _Count()

    def push(self, samples: FloatArray) -> FloatArray:
        """See `ModelStream`."""
        self._count.n_in += samples.shape[1]
        return self._count.out(self._context.push(samples))

    def flush(self) -> FloatArray:
        """See `ModelStream`."""
        missing = -self._count.n_in % self._features.hop_samples + self._features.right_samples
        if self._count.n_in == 0:
            missing = 0
        return self._count.last(self._context.push(np.zeros((self._n_channels, missing), dtype=np.float32)))


class _Count:
    """Samples that went in and came out, so that both are as many in the end."""

    def __init__(self) -> None:
        self.n_in = 0
        self._n_out = 0

    def out(self, samples: FloatArray) -> FloatArray:
        self._n_out += samples.shape[1]
        return samples

    def last(self, samples: FloatArray) -> FloatArray:
        return self.out(samples[:, : self.n_in - self._n_out])


class _Context:
    """Runs a network on items (frames or samples) with their neighbours: ``left`` before, ``right`` behind."""

    def __init__(self, network: Network, input_name: str, n_channels: int, *, left: int, right: int, unit: int) -> None:
        self._network = network
        self._input_name = input_name
        self._n_channels = n_channels
        self._left = left
        self._around = left + right
        self._unit = unit
        self._held: FloatArray | None = None
        self.states = network.initial_states(n_channels)

    def push(self, items: FloatArray) -> FloatArray:
        """Take in ``(n_channels, n, ...)``, give back what the network made of all that have their neighbours."""
        given = self._with_neighbours(items)
        n_ready = max(0, given.shape[1] - self._around)
        n_ready -= n_ready % self._unit
        # A copy: a view would keep all that was given in memory, and the caller may write to what is his.
        self._held = given[:, n_ready:].copy()
        if n_ready == 0:
            return items[:, :0]
        outputs, self.states = self._network.run({self._input_name: given[:, : n_ready + self._around]}, self.states)
        enhanced: FloatArray = outputs["enhanced"]
        if enhanced.shape[:2] != (self._n_channels, n_ready):
            raise ArtifactError(
                f"the network returned {enhanced.shape[1]} of {n_ready} {self._input_name} frames or samples: "
                "its context is not what its header says; export it again"
            )
        return enhanced

    def _with_neighbours(self, items: FloatArray) -> FloatArray:
        if self._held is None:
            self._held = np.zeros((self._n_channels, self._left, *items.shape[2:]), dtype=np.float32)
        if self._held.shape[1] == 0:
            return items
        return np.concatenate([self._held, items], axis=1)


class Analysis:
    """The short-time Fourier transform of `SpectrumFeatures`, for sound in pieces.

    ``(n_channels, n)`` samples go in, ``(n_channels, n_frames, n_bins)`` come out, complex64: one frame for each whole
    hop that went in.
    """

    def __init__(self, features: SpectrumFeatures, n_channels: int) -> None:
        from scipy.fft import rfft

        self._rfft = rfft
        self.n_channels = n_channels
        self._n_fft, self._hop, self._win = features.n_fft, features.hop_length, features.win_length
        self._before = (features.n_fft - features.win_length) // 2
        self._window = features.analysis_window
        self.tail = np.zeros((n_channels, features.win_length - features.hop_length), dtype=np.float32)

    @property
    def is_even(self) -> bool:
        """Whether the sound so far was a whole number of hops."""
        return self.tail.shape[1] == self._win - self._hop

    def push(self, samples: FloatArray) -> ComplexArray:
        """Take in samples, give back the frames that are whole."""
        sound = np.concatenate([self.tail, samples], axis=1)
        n_frames = max(0, (sound.shape[1] - self._win) // self._hop + 1)
        self.tail = sound[:, n_frames * self._hop :].copy()
        if n_frames == 0:
            return np.zeros((self.n_channels, 0, self._n_fft // 2 + 1), dtype=np.complex64)
        step, size = sound.strides
        # As sliding_window_view gives it; that one takes longer than the transform of a frame.
        frames: FloatArray = np.ndarray(
            (self.n_channels, n_frames, self._win), np.float32, sound, strides=(step, size * self._hop, size)
        )
        spec: ComplexArray = self._rfft(self._centred(frames * self._window))
        return spec

    def _centred(self, weighed: FloatArray) -> FloatArray:
        if self._n_fft == self._win:
            return weighed
        centred = np.zeros((*weighed.shape[:-1], self._n_fft), dtype=np.float32)
        centred[..., self._before : self._before + self._win] = weighed
        return centred


class Synthesis:
    """The way back from `Analysis`: ``(n_channels, n_frames, n_bins)`` go in, the samples that are finished come out.

    Samples that lie before the sound (the silence of the first frames) are left out.
    """

    def __init__(self, features: SpectrumFeatures, n_channels: int) -> None:
        from scipy.fft import irfft

        self._irfft = irfft
        self._n_fft, self._hop, self._win = features.n_fft, features.hop_length, features.win_length
        self._before = (features.n_fft - features.win_length) // 2
        self._window = features.synthesis_window
        self._n_rows = -(-self._win // self._hop)
        # What later frames are added to: the samples behind those that are finished.
        self.begun = np.zeros((n_channels, self._win - self._hop), dtype=np.float32)
        self._n_early = self._win - self._hop

    @property
    def is_settled(self) -> bool:
        """Whether a hop comes out for every frame that goes in."""
        return self._n_early == 0

    def push(self, spec: ComplexArray) -> FloatArray:
        """Take in frames, give back the samples that no later frame reaches."""
        n_channels, n_frames, _ = spec.shape
        if n_frames == 0:
            return np.zeros((n_channels, 0), dtype=np.float32)
        frames = self._irfft(spec, self._n_fft)
        if self._n_fft != self._win:
            frames = frames[..., self._before : self._before + self._win]
        added = self._added(frames * self._window)
        samples, self.begun = added[:, : n_frames * self._hop], added[:, n_frames * self._hop :]
        if self._n_early == 0:
            return samples
        n_early = min(self._n_early, samples.shape[1])
        self._n_early -= n_early
        return samples[:, n_early:]

    def _added(self, frames: FloatArray) -> FloatArray:
        """Frames and what was begun before them, each a hop behind the other."""
        n_channels, n_frames, _ = frames.shape
        if n_frames == 1:
            added = frames[:, 0]
            added[:, : self.begun.shape[1]] += self.begun
            return added
        # As rows of a hop each: so a whole row of every frame is added at once.
        missing = self._n_rows * self._hop - self._win
        if missing:
            frames = np.pad(frames, ((0, 0), (0, 0), (0, missing)))
        rows = frames.reshape(n_channels, n_frames, self._n_rows, self._hop)
        total = np.zeros((n_channels, n_frames + self._n_rows - 1, self._hop), dtype=np.float32)
        for row in range(self._n_rows):
            total[:, row : row + n_frames] += rows[:, :, row]
        added = total.reshape(n_channels, -1)[:, : (n_frames - 1) * self._hop + self._win]
        added[:, : self.begun.shape[1]] += self.begun
        return added
