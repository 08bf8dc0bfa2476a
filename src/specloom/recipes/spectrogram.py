"""The value between the two directions: the arrays, the recipe that made them, and what it threw away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specloom.config import MelConfig, StftConfig
from specloom.errors import ParameterError
from specloom.recipes.recipe import Recipe
from specloom.recipes.scales import FloatArray

if TYPE_CHECKING:
    from specloom.recipes.spectrogram_file import SourceStamp

# Of a sound whose level nobody knows.
_AUDIBLE_PEAK = 0.75


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a spectrogram remembers of its recording, so that the way back can restore it.

    Parameters
    ----------
    sample_rate, n_samples, n_channels : int
        Those of the recording (samples per channel).
    analysis_rate, n_analysed : int
        The rate of the analysis, and the recording's length in samples at that rate.
    start, stop : int
        Where the trimmed sound begins and ends, in samples at the analysis rate.
    linear_peak, mel_peak : float or None
        The loudest magnitude of each array before it was scaled; None when it was not measured.
    """

    sample_rate: int
    n_samples: int
    n_channels: int
    analysis_rate: int
    n_analysed: int
    start: int
    stop: int
    linear_peak: float | None = None
    mel_peak: float | None = None

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_channels", "analysis_rate"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)}: at least 1 is needed")
        if self.n_samples < 0 or not 0 <= self.start <= self.stop <= self.n_analysed:
            raise ParameterError(
                f"n_samples={self.n_samples}, start={self.start}, stop={self.stop}, n_analysed={self.n_analysed}: "
                "0 <= n_samples and 0 <= start <= stop <= n_analysed is needed"
            )
        for name in ("linear_peak", "mel_peak"):
            peak = getattr(self, name)
            if peak is not None and not 0.0 <= peak < np.inf:
                raise ParameterError(f"{name}={peak}: a finite magnitude of at least 0 is needed")

    @property
    def n_trimmed(self) -> int:
        """Samples between the trimmed edges, at the analysis rate."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrogram:
    """A spectrogram in memory.

    Parameters
    ----------
    recipe : Recipe
        Every setting that made it and that its inverse needs.
    origin : Origin
    linear : float32 array, shape ``(n_bins, n_frames)`` or ``(n_channels, n_bins, n_frames)``, optional
    mel : float32 array, shape ``(n_mels, n_frames // mel_frame_step)`` or with channels, optional
        Both as the recipe's scale writes them down; kept read-only. At least one of the two is there.

    Raises
    ------
    ParameterError
        For a wrong shape, negative or non-finite values, or no array at all.
    """

    recipe: Recipe
    origin: Origin
    linear: FloatArray | None = None
    mel: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.linear is None and self.mel is None:
            raise ParameterError("linear=None and mel=None: a spectrogram needs at least one of the two arrays")
        for name in ("linear", "mel"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, checked_values(name, given, array_shape(name, self.recipe, self.origin)))

    @classmethod
    def from_arrays(
        cls, recipe: Recipe, sample_rate: int, *, linear: npt.ArrayLike | None = None, mel: npt.ArrayLike | None = None
    ) -> Spectrogram:
        """A spectrogram of arrays without a memory: a network's output, or another program's.

        The length is what the frames say, and nothing counts as trimmed. Of a scale that divides by the peak nobody
        knows the level; the sound is then made audible with its largest sample at 0.75, as the article does.

        Parameters
        ----------
        recipe : Recipe
            How the values are to be understood.
        sample_rate : int
            The rate of the analysis, in hertz.
        linear, mel : arrays as in the class
        """
        rate = recipe.analysis_rate(sample_rate)
        if rate != sample_rate:
            raise ParameterError(f"sample_rate={sample_rate}: the recipe {recipe.name!r} analyses at {rate} Hz")
        first = np.asarray(linear if linear is not None else mel)
        if first.ndim not in (2, 3) or 0 in first.shape:
            raise ParameterError(f"the array has shape {first.shape}: (n_bins, n_frames) is needed")
        n_frames = first.shape[-1] * (1 if linear is not None else recipe.mel_frame_step)
        n_channels = first.shape[0] if first.ndim == 3 else 1
        n_samples = max(1, recipe.stft_config(rate).n_samples(n_frames))
        origin = Origin(
            sample_rate=rate,
            n_samples=n_samples,
            n_channels=n_channels,
            analysis_rate=rate,
            n_analysed=n_samples,
            start=0,
            stop=n_samples,
            linear_peak=None if linear is None or recipe.scale.needs_peak else float(np.max(np.asarray(linear))),
        )
        way = recipe.synthesis
        if recipe.scale.needs_peak and way.written_peak is None:
            way = replace(way, written_peak=_AUDIBLE_PEAK)
        recipe = replace(recipe, channels="each" if n_channels > 1 else "mono", synthesis=way)
        return cls(
            recipe=recipe,
            origin=origin,
            linear=None if linear is None else np.asarray(linear),
            mel=None if mel is None else np.asarray(mel),
        )

    @property
    def stft_config(self) -> StftConfig:
        """The transform's settings."""
        return self.recipe.stft_config(self.origin.analysis_rate)

    @property
    def mel_config(self) -> MelConfig:
        """The filterbank's settings."""
        return self.recipe.mel_config(self.origin.analysis_rate)

    @property
    def n_frames(self) -> int:
        """Frames of the linear array."""
        return self.recipe.n_frames(self.origin.n_trimmed, self.stft_config)

    def magnitude(self) -> FloatArray:
        """The linear magnitudes at the level of the recording: the scale undone, shape of ``linear``.

        Raises
        ------
        ParameterError
            When there is no linear array.
        """
        if self.linear is None:
            raise ParameterError("this spectrogram has no linear array; use mel_magnitude(), or draw it with 'linear'")
        return self.recipe.scale.undo(self.linear, remembered_peak(self.origin.linear_peak))

    def mel_magnitude(self) -> FloatArray:
        """The mel values at the level of the recording: the scale undone, shape of ``mel``.

        Raises
        ------
        ParameterError
            When there is no mel array.
        """
        if self.mel is None:
            raise ParameterError("this spectrogram has no mel array; use magnitude(), or draw it with 'mel'")
        return self.recipe.scale.undo(self.mel, remembered_peak(self.origin.mel_peak))

    def frames_first(self) -> tuple[FloatArray | None, FloatArray | None]:
        """The mel and the linear array as ``(..., n_frames, n_mels)`` and ``(..., n_frames, n_bins)``.

        That is the order, and the layout, of the article's ``get_spectrograms``.
        """
        mel, linear = self.mel, self.linear
        return (
            None if mel is None else np.ascontiguousarray(np.swapaxes(mel, -1, -2)),
            None if linear is None else np.ascontiguousarray(np.swapaxes(linear, -1, -2)),
        )

    def save(self, path: str | Path, *, source: SourceStamp | None = None) -> Path:
        """Write a spectrogram file (.npz), whole or not at all; see `specloom.recipes.spectrogram_file`.

        Missing folders are made.
        """
        from specloom.recipes.spectrogram_file import save_spectrogram

        return save_spectrogram(path, self, source=source)

    @classmethod
    def load(cls, path: str | Path) -> Spectrogram:
        """Read a spectrogram file, strictly.

        Raises
        ------
        ArtifactError
            When it is damaged, incomplete, of another version, or somebody else's.
        """
        from specloom.recipes.spectrogram_file import load_spectrogram

        return load_spectrogram(path)


def array_shape(name: str, recipe: Recipe, origin: Origin) -> tuple[int, ...]:
    """The shape that the array ``"linear"`` or ``"mel"`` has for a recording."""
    config = recipe.stft_config(origin.analysis_rate)
    n_frames = recipe.n_frames(origin.n_trimmed, config)
    plane = (config.n_bins, n_frames) if name == "linear" else (recipe.mel.n_mels, n_frames // recipe.mel_frame_step)
    return (origin.n_channels, *plane) if recipe.channels == "each" and origin.n_channels > 1 else plane


def checked_values(name: str, given: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """The array as read-only float32, or the reason why it is no spectrogram."""
    values = np.asarray(given)
    if values.dtype.kind not in "fiu":
        raise ParameterError(f"{name} has dtype {values.dtype}: real numbers are needed")
    if values.shape != shape:
        hint = "; it looks transposed" if values.shape[::-1] == shape else ""
        raise ParameterError(f"{name} has shape {values.shape}, but the settings say {shape}{hint}")
    if not np.isfinite(values).all():
        raise ParameterError(f"{name} holds NaN or infinity: replace them (numpy.nan_to_num) first")
    if values.size and values.min() < 0:
        raise ParameterError(
            f"{name} holds negative values (least {values.min():.3g}): magnitudes, their powers and normalised "
            "decibels are never negative; clip a network's output at 0 first"
        )
    checked = values.astype(np.float32, copy=False).view()
    checked.flags.writeable = False
    return checked


def remembered_peak(peak: float | None) -> float:
    """The peak to multiply by: 1 when it is not known."""
    return 1.0 if peak is None else peak
