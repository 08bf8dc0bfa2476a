"""Settings of the transforms: frozen, keyword-only, checked where they are built.

They are plain numbers and names, so they travel as JSON inside every file that Specloom writes.
"""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Literal

from specloom.errors import ParameterError

MelScale = Literal["slaney", "htk"]
MelNorm = Literal["slaney"] | None
WindowSpec = str | tuple[str | float, ...]


def _require_whole(settings: object, name: str, least: int, hint: str) -> None:
    """Refuse a field that is no whole number; numpy's integers become Python's, so that settings are JSON."""
    value = getattr(settings, name)
    try:
        whole = operator.index(value)
    except TypeError:
        whole = least - 1
    if isinstance(value, bool) or whole < least:
        raise ParameterError(f"{name}={value!r}: a whole number of at least {least} is needed; {hint}")
    object.__setattr__(settings, name, whole)


def _require_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ParameterError(f"{name}={value!r}: a number of hertz is needed")


@dataclass(frozen=True, kw_only=True)
class StftConfig:
    """How a short-time Fourier transform is taken.

    Parameters
    ----------
    sample_rate : int
        Hertz. Never defaulted, never guessed.
    n_fft : int
        Samples per transform; the spectrum has ``n_fft // 2 + 1`` bins.
    hop_length : int
        Samples from one frame to the next.
    win_length : int, optional
        Samples under the window, centred in ``n_fft``; ``n_fft`` if not given (or 0).
    window : str or tuple
        Any name (or ``(name, parameter)``) that `scipy.signal.get_window` knows, taken periodic.
    center : bool
        True: frame ``t`` is centred on sample ``t * hop_length`` and the edges are padded with zeros
        (librosa's convention). False: frame ``t`` begins at sample ``t * hop_length``.

    Raises
    ------
    ParameterError
        When a value is out of its range.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    win_length: int = 0
    window: WindowSpec = "hann"
    center: bool = True

    def __post_init__(self) -> None:
        _require_whole(self, "sample_rate", 1, "give the rate of the recording in hertz")
        _require_whole(self, "n_fft", 2, "1024 or 2048 are usual")
        _require_whole(self, "hop_length", 1, "a quarter of the window is usual")
        if not isinstance(self.center, bool):
            raise ParameterError(f"center={self.center!r}: True or False is needed")
        if self.win_length == 0 and not isinstance(self.win_length, bool):
            object.__setattr__(self, "win_length", self.n_fft)
        _require_whole(self, "win_length", 1, "at most n_fft")
        if self.win_length > self.n_fft:
            raise ParameterError(
                f"win_length={self.win_length} is larger than n_fft={self.n_fft}; shorten the window or raise n_fft"
            )
        window: object = self.window  # a list, when the settings come from JSON
        if isinstance(window, list):
            object.__setattr__(self, "window", tuple(window))
        if not isinstance(self.window, str | tuple):
            raise ParameterError(
                f"window={self.window!r}: a name such as 'hann' or a tuple such as ('kaiser', 8.0) is needed"
            )

    @property
    def n_bins(self) -> int:
        """Bins of the half spectrum, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    @property
    def _edge(self) -> int:
        """Zeros that are put before and behind the sound."""
        return self.n_fft // 2 if self.center else 0

    def n_frames(self, n_samples: int) -> int:
        """Frames that ``n_samples`` give (0 when an uncentred transform finds no whole frame)."""
        return max(0, 1 + (n_samples + 2 * self._edge - self.n_fft) // self.hop_length)

    def n_samples(self, n_frames: int) -> int:
        """The shortest length that gives ``n_frames`` frames: what an inverse returns when told no length."""
        return max(0, (n_frames - 1) * self.hop_length + self.n_fft - 2 * self._edge) if n_frames else 0

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MelConfig:
    """Which mel filterbank is laid over a spectrum of ``n_fft // 2 + 1`` bins.

    Parameters
    ----------
    sample_rate, n_fft : int
        Those of the transform whose bins the filters weigh.
    n_mels : int
        Number of filters.
    fmin_hz, fmax_hz : float
        Lower edge of the first and upper edge of the last filter; ``fmax_hz`` is half the rate if not given.
    scale : {"slaney", "htk"}
        Slaney's Auditory Toolbox scale (librosa's default) or HTK's formula.
    norm : {"slaney"} or None
        Filters of equal area, or of equal height 1.
    """

    sample_rate: int
    n_fft: int
    n_mels: int = 80
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    scale: MelScale = "slaney"
    norm: MelNorm = "slaney"

    def __post_init__(self) -> None:
        _require_whole(self, "sample_rate", 1, "give the rate of the recording in hertz")
        _require_whole(self, "n_fft", 2, "the transform's n_fft")
        _require_whole(self, "n_mels", 1, "80 and 128 are usual")
        if self.n_mels > self.n_fft // 2 + 1:
            raise ParameterError(
                f"n_mels={self.n_mels} is more than the {self.n_fft // 2 + 1} bins of n_fft={self.n_fft}; "
                "lower n_mels or raise n_fft"
            )
        if self.scale not in ("slaney", "htk"):
            raise ParameterError(f"scale={self.scale!r}: allowed are 'slaney' and 'htk'")
        if self.norm not in ("slaney", None):
            raise ParameterError(f"norm={self.norm!r}: allowed are 'slaney' and None")
        _require_number("fmin_hz", self.fmin_hz)
        if self.fmax_hz is not None:
            _require_number("fmax_hz", self.fmax_hz)
        upper = self.upper_hz
        if not 0.0 <= self.fmin_hz < upper:
            raise ParameterError(f"fmin_hz={self.fmin_hz} and fmax_hz={upper}: 0 <= fmin_hz < fmax_hz is needed")
        if upper > self.sample_rate / 2:
            raise ParameterError(
                f"fmax_hz={upper} lies above half the sample rate ({self.sample_rate / 2} Hz); lower it"
            )

    @property
    def upper_hz(self) -> float:
        """The upper edge that is in force."""
        return self.sample_rate / 2 if self.fmax_hz is None else self.fmax_hz

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return asdict(self)
