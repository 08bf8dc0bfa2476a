"""Which mel spectra a model for inversion knows, as its file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from specloom.artifact.strict_json import from_plain, to_plain
from specloom.config import MelConfig, StftConfig
from specloom.errors import ArtifactError, ParameterError


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

    def __str__(self) -> str:
        stft, mel = self.stft, self.mel
        emphasis = "" if self.preemphasis is None else f", pre-emphasis {self.preemphasis:g}"
        return (
            f"{stft.sample_rate} Hz, n_fft {stft.n_fft}, hop {stft.hop_length}, window {stft.win_length}, "
            f"{mel.n_mels} mels of {'magnitudes' if self.power == 1.0 else 'powers'}{emphasis}"
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
    interface = plain.get("interface")
    if interface != "mel-inversion":
        raise ArtifactError(f"features.interface is {interface!r}: 'mel-inversion' is known; update Specloom")
    return from_plain(MelInversion, dict(plain), "features")
