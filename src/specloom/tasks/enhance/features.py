"""What a network for enhancement is fed with and gives back, as its model file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from specloom.artifact.strict_json import of_interface
from specloom.errors import ParameterError

Window = Literal["sqrt_hann", "hann", "hamming"]

# Below this share of its maximum the sum of squared windows counts as zero.
_UNSEEN = 1e-8


@dataclass(frozen=True, kw_only=True)
class SpectrumFeatures:
    """A network that is given spectra and returns spectra: ``spec`` -> ``enhanced``, ``(batch, n_frames, n_bins, 2)``.

    Frame ``t`` holds the ``win_length`` samples that end before sample ``(t + 1) * hop_length``; before the first and
    behind the last sample the sound is silent. It is weighed with the window, centred in ``n_fft`` and transformed
    without any factor, as `specloom.stft` does it. The way back weighs with the dual window, so a network that changes
    nothing gives the sound back.

    Parameters
    ----------
    interface : {"spectrum"}
    sample_rate : int
        Hertz.
    n_fft, win_length, hop_length : int
        Samples; ``hop_length <= win_length <= n_fft``.
    window : {"sqrt_hann", "hann", "hamming"}
        Periodic.
    edges : {"causal"}
        What is said above about frame ``t``.
    left_frames, right_frames : int
        Frames that the network is given before and behind those that it returns. Beyond the edges of the sound they
        are zero. The right ones are waited for.

    Raises
    ------
    ParameterError
        When a value is out of its range, or windows and hop leave samples that no window sees.

    Examples
    --------
    >>> features = SpectrumFeatures(
    ...     sample_rate=16_000, n_fft=512, win_length=512, hop_length=256, window="sqrt_hann"
    ... )
    >>> features.n_bins, features.latency_samples
    (257, 512)
    """

    interface: Literal["spectrum"] = "spectrum"
    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    window: Window
    edges: Literal["causal"] = "causal"
    left_frames: int = 0
    right_frames: int = 0

    def __post_init__(self) -> None:
        _require_whole(self, "sample_rate", 1)
        for name, least in [
            ("n_fft", 2),
            ("win_length", 1),
            ("hop_length", 1),
            ("left_frames", 0),
            ("right_frames", 0),
        ]:
            _require_whole(self, name, least)
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise ParameterError(
                f"hop_length={self.hop_length}, win_length={self.win_length} and n_fft={self.n_fft}: "
                "hop_length <= win_length <= n_fft is needed"
            )
        _require_one_of(self, "interface", ("spectrum",))
        _require_one_of(self, "window", ("sqrt_hann", "hann", "hamming"))
        _require_one_of(self, "edges", ("causal",))
        envelope = self._envelope
        if envelope.min() <= _UNSEEN * envelope.max():
            raise ParameterError(
                f"window={self.window!r} with win_length={self.win_length} and hop_length={self.hop_length} leaves "
                "samples that every window weighs with zero; shorten the hop"
            )

    @property
    def n_bins(self) -> int:
        """Bins of a frame, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    @property
    def latency_samples(self) -> int:
        """From a sample going in to its coming out, at worst: a window, and the frames that are waited for."""
        return self.win_length + self.right_frames * self.hop_length

    @cached_property
    def analysis_window(self) -> npt.NDArray[np.float32]:
        """The window that a frame is weighed with, shape ``(win_length,)``, read-only."""
        return _read_only(self._window)

    @cached_property
    def synthesis_window(self) -> npt.NDArray[np.float32]:
        """Its dual: the window over the sum of all squared windows at that sample; shape ``(win_length,)``."""
        return _read_only(self._window / np.resize(self._envelope, self.win_length))

    @cached_property
    def _window(self) -> npt.NDArray[np.float64]:
        # Written out: scipy knows no square root of a window, and reading features should not load it.
        angle = 2.0 * np.pi * np.arange(self.win_length) / self.win_length
        if self.window == "hamming":
            return np.asarray(0.54 - 0.46 * np.cos(angle))
        hann = 0.5 - 0.5 * np.cos(angle)
        return np.asarray(np.sqrt(hann) if self.window == "sqrt_hann" else hann)

    @property
    def _envelope(self) -> npt.NDArray[np.float64]:
        """The sum of the squared windows that reach a sample, over the samples of one hop."""
        square = np.pad(self._window**2, (0, -self.win_length % self.hop_length))
        return np.asarray(square.reshape(-1, self.hop_length).sum(axis=0))

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values: ``features`` of a header."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class WaveformFeatures:
    """A network that is given samples and returns samples: ``samples`` -> ``enhanced``, ``(batch, n_samples)``.

    Parameters
    ----------
    interface : {"waveform"}
    sample_rate : int
        Hertz.
    left_samples, right_samples : int
        Samples that the network is given before and behind those that it returns. Beyond the edges of the sound they
        are zero. The right ones are waited for.
    hop_samples : int
        It returns a multiple of this.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    interface: Literal["waveform"] = "waveform"
    sample_rate: int
    left_samples: int
    right_samples: int
    hop_samples: int

    def __post_init__(self) -> None:
        for name, least in [("sample_rate", 1), ("left_samples", 0), ("right_samples", 0), ("hop_samples", 1)]:
            _require_whole(self, name, least)
        _require_one_of(self, "interface", ("waveform",))

    @property
    def latency_samples(self) -> int:
        """From a sample going in to its coming out, at worst: a hop, and the samples that are waited for."""
        return self.hop_samples + self.right_samples

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values: ``features`` of a header."""
        return asdict(self)


EnhanceFeatures = SpectrumFeatures | WaveformFeatures
_KINDS: dict[str, type[EnhanceFeatures]] = {
    "spectrum": SpectrumFeatures,
    "waveform": WaveformFeatures,
}


def parse_features(plain: Mapping[str, Any]) -> EnhanceFeatures:
    """Read the ``features`` of a model's header.

    Raises
    ------
    ArtifactError
        Naming the first field that is unknown, missing, of a wrong type or out of range.
    """
    return of_interface(_KINDS, plain, "features")


def _require_whole(features: object, name: str, least: int) -> None:
    value = getattr(features, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"{name}={value!r}: a whole number of at least {least} is needed")


def _require_one_of(features: object, name: str, allowed: tuple[str, ...]) -> None:
    value = getattr(features, name)
    if value not in allowed:
        raise ParameterError(f"{name}={value!r}: allowed are {', '.join(map(repr, allowed))}")


def _read_only(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    narrow = values.astype(np.float32)
    narrow.flags.writeable = False
    return narrow
