"""Which mel spectra a model for inversion knows, as its file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from specloom.artifact.strict_json import of_interface, to_plain
from specloom.config import MelConfig, StftConfig
from specloom.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class MelSettings:
    """How a mel spectrum was made of samples; what its inverse has to know.

    Parameters
    ----------
    stft : StftConfig
    mel : MelConfig
    power : {1.0, 2.0}
        Whether filters weighed magnitudes or powers.
    preemphasis : float or None
        The coefficient of the filter that the samples went through before.

    Raises
    ------
    ParameterError
        When the transform and the filters disagree about the rate or the length.
    """

    stft: StftConfig
    mel: MelConfig
    power: float = 1.0
    preemphasis: float | None = None

    def __post_init__(self) -> None:
        if (self.stft.sample_rate, self.stft.n_fft) != (self.mel.sample_rate, self.mel.n_fft):
            raise ParameterError(
                f"stft has {self.stft.sample_rate} Hz and n_fft={self.stft.n_fft}, mel has {self.mel.sample_rate} Hz "
                f"and n_fft={self.mel.n_fft}: they must be the same"
            )
        if self.power not in (1.0, 2.0):
            raise ParameterError(f"power={self.power}: allowed are 1 (magnitude) and 2 (power)")
        # What is the same is said in one way, so that it is also equal.
        stft, mel = self.stft, self.mel
        if isinstance(stft.window, tuple) and len(stft.window) == 1:
            object.__setattr__(self, "stft", replace(stft, window=str(stft.window[0])))
        if mel.fmax_hz is not None and mel.fmax_hz == mel.sample_rate / 2:
            object.__setattr__(self, "mel", replace(mel, fmax_hz=None))
        if self.preemphasis == 0.0:
            object.__setattr__(self, "preemphasis", None)

    def __str__(self) -> str:
        stft, mel = self.stft, self.mel
        emphasis = "" if self.preemphasis is None else f", pre-emphasis {self.preemphasis:g}"
        # What is as nearly everybody has it is not said.
        said = [
            "" if stft.window == "hann" else f", {stft.window}",
            "" if stft.center else ", not centred",
            "" if mel.fmin_hz == 0.0 else f", from {mel.fmin_hz:g} Hz",
            "" if mel.fmax_hz is None else f", to {mel.fmax_hz:g} Hz",
            "" if mel.scale == "slaney" else f", scale {mel.scale}",
            "" if mel.norm == "slaney" else f", norm {mel.norm}",
        ]
        return (
            f"{stft.sample_rate} Hz, n_fft {stft.n_fft}, hop {stft.hop_length}, window {stft.win_length}, "
            f"{mel.n_mels} mels of {'magnitudes' if self.power == 1.0 else 'powers'}{''.join(said)}{emphasis}"
        )


@dataclass(frozen=True, kw_only=True)
class MelInversion:
    """What a model for inversion is fed with.

    Two networks, each walking forward in time with states, `delay` frames late: ``magnitude`` (``mel (batch, n_frames,
    n_mels)`` -> ``magnitude (batch, n_frames, n_bins)``) and ``refine`` (``frames (batch, n_frames, n_bins, 3)``: real
    and imaginary part of a first sound's spectrum and the magnitude that it was to have -> ``refined (batch, n_frames,
    n_bins, 2)``).

    Parameters
    ----------
    interface : {"mel-inversion"}
    settings : MelSettings
    magnitude_delay, refine_delay : int
        Frames, 0 or more.

    Raises
    ------
    ParameterError
        For frames that are not centred, or an impossible delay.
    """

    interface: Literal["mel-inversion"] = "mel-inversion"
    settings: MelSettings
    magnitude_delay: int
    refine_delay: int

    def __post_init__(self) -> None:
        if self.interface != "mel-inversion":
            raise ParameterError(f"interface={self.interface!r}: 'mel-inversion' is needed")
        if not self.settings.stft.center:
            raise ParameterError("center=False: a model for inversion learns centred frames (center=True)")
        for name in ("magnitude_delay", "refine_delay"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ParameterError(f"{name}={value!r}: a whole number of at least 0 is needed")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as they stand in a model file."""
        plain: dict[str, Any] = to_plain(self)
        return plain


def parse_features(plain: Mapping[str, Any]) -> MelInversion:
    """Read what `MelInversion.to_json` gave, strictly.

    Raises
    ------
    ArtifactError
        Naming the first field that is unknown, missing, of a wrong type or out of range.
    """
    return of_interface({"mel-inversion": MelInversion}, plain, "features")
