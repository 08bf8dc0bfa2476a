"""A recipe: every setting of a chain from sound to spectrogram and back, as one frozen value.

Plain values all the way down, so a recipe is a line of JSON inside every spectrogram file, and a variant is a
`dataclasses.replace`: the difference between two recipes is a diff.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from specloom.artifact.strict_json import from_plain, to_plain
from specloom.config import MelConfig, MelNorm, MelScale, StftConfig
from specloom.dsp.mel_inversion import MelMethod
from specloom.errors import ArtifactError, ParameterError
from specloom.phase import reconstruct as phases
from specloom.recipes.scales import Linear, Scale

if TYPE_CHECKING:
    import numpy.typing as npt

    from specloom.audio import Audio
    from specloom.recipes.spectrogram import Spectrogram

Channels = Literal["mono", "each"]
PhaseQuality = phases.Quality
Source = Literal["auto", "linear", "mel"]
# Of the whole way from a mel spectrum to sound: "neural" is no way to seek phases alone.
Quality = Literal["fast", "balanced", "best", "neural"]


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The transform, with lengths in samples or in seconds (then it follows the sample rate).

    Parameters
    ----------
    n_fft : int
    hop_length, win_length : int, optional
        Samples. ``win_length`` is ``n_fft`` when neither it nor ``win_s`` is given.
    hop_s, win_s : float, optional
        Seconds, instead of the two above; rounded down to whole samples, as the article does.
    window, center
        As in `specloom.StftConfig`.
    """

    n_fft: int
    hop_length: int | None = None
    hop_s: float | None = None
    win_length: int | None = None
    win_s: float | None = None
    window: str | tuple[str | float, ...] = "hann"
    center: bool = True

    def __post_init__(self) -> None:
        if (self.hop_length is None) == (self.hop_s is None):
            raise ParameterError(
                f"hop_length={self.hop_length} and hop_s={self.hop_s}: give one of the two (samples, or seconds)"
            )
        if self.win_length is not None and self.win_s is not None:
            raise ParameterError(
                f"win_length={self.win_length} and win_s={self.win_s}: give at most one of the two (samples or seconds)"
            )
        for name, value in (("hop_s", self.hop_s), ("win_s", self.win_s)):
            if value is not None and not 0.0 < value < 60.0:
                raise ParameterError(f"{name}={value}: seconds between 0 and 60 are needed (0.0125 is usual for a hop)")
        # Checks what does not depend on the rate (one at which any length in seconds is at least a sample).
        StftConfig(
            sample_rate=1,
            n_fft=self.n_fft,
            hop_length=1 if self.hop_length is None else self.hop_length,
            win_length=self.n_fft if self.win_length is None else self.win_length,
            window=self.window,
            center=self.center,
        )

    def config(self, sample_rate: int) -> StftConfig:
        """The transform's settings at a sample rate."""
        hop, win = self.hop_length, self.win_length
        return StftConfig(
            sample_rate=sample_rate,
            n_fft=self.n_fft,
            hop_length=int(sample_rate * (self.hop_s or 0.0)) if hop is None else hop,
            win_length=int(sample_rate * (self.win_s or 0.0)) if win is None else win,
            window=self.window,
            center=self.center,
        )


@dataclass(frozen=True, kw_only=True)
class MelBands:
    """The mel filterbank, as in `specloom.MelConfig`, and what it is laid over.

    Parameters
    ----------
    n_mels, fmin_hz, fmax_hz, scale, norm
        As in `specloom.MelConfig`.
    power : {1.0, 2.0}
        Filters weigh the magnitude (1, the articles') or the power (2, ``librosa.feature.melspectrogram``'s).
    """

    n_mels: int = 80
    fmin_hz: float = 0.0
    fmax_hz: float | None = None
    scale: MelScale = "slaney"
    norm: MelNorm = "slaney"
    power: float = 1.0

    def __post_init__(self) -> None:
        if self.power not in (1.0, 2.0):
            raise ParameterError(f"power={self.power}: allowed are 1 (magnitude) and 2 (power)")

    def config(self, sample_rate: int, n_fft: int) -> MelConfig:
        """The filterbank's settings at a sample rate."""
        return MelConfig(
            sample_rate=sample_rate,
            n_fft=n_fft,
            n_mels=self.n_mels,
            fmin_hz=self.fmin_hz,
            fmax_hz=self.fmax_hz,
            scale=self.scale,
            norm=self.norm,
        )


@dataclass(frozen=True, kw_only=True)
class GriffinLim:
    """Phase by the published algorithm (`specloom.griffin_lim`), the whole sound at once.

    Parameters
    ----------
    n_iter, momentum
        As in `specloom.griffin_lim`.
    start : {"random", "zero"}
        The first phase: drawn (with a fixed seed), or zero everywhere.
    """

    kind: ClassVar[str] = "griffin-lim"

    n_iter: int
    momentum: float = 0.99
    start: Literal["random", "zero"] = "random"

    def __post_init__(self) -> None:
        if isinstance(self.n_iter, bool) or not isinstance(self.n_iter, int) or self.n_iter < 0:
            raise ParameterError(f"n_iter={self.n_iter!r}: a whole number of at least 0 is needed")
        if not 0.0 <= self.momentum <= 1.0:
            raise ParameterError(f"momentum={self.momentum}: 0 <= momentum <= 1 is needed; above 1 it diverges")


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Phase by `specloom.reconstruct`, which also works through hours of sound in bounded memory."""

    kind: ClassVar[str] = "reconstruct"

    quality: PhaseQuality = "balanced"


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """The way back: what is undone, how the phase is found, and what is restored from memory.

    The default restores everything that a spectrogram remembers.

    Parameters
    ----------
    phase : Reconstruct or GriffinLim
    mel_method : {"richardson-lucy", "transpose", "pseudo-inverse"}
        From mel bands to bins, as in `specloom.mel_to_magnitude`.
    power : float
        The magnitude is raised to it, relative to its loudest value. 1 is faithful; above 1 the spectrum gets
        sharper and the timbre changes.
    restore_level : bool
        Multiply by the peak that the scale divided by.
    restore_edges : bool
        Put silence where edges were trimmed, so that the length and the timing come back.
    restore_rate : bool
        Resample to the recording's own rate.
    trim_db : float or None
        Trim the result like ``librosa.effects.trim``.
    written_peak : float or None
        Scale the result so that its largest sample is this.
    written_sample_rate : int or None
        Say that the result has this rate, whatever its rate is: the article's first recipe does so, which changes
        pitch, tempo and timbre. None tells the truth.
    """

    phase: Reconstruct | GriffinLim = field(default_factory=Reconstruct)
    mel_method: MelMethod = "richardson-lucy"
    power: float = 1.0
    restore_level: bool = True
    restore_edges: bool = True
    restore_rate: bool = True
    trim_db: float | None = None
    written_peak: float | None = None
    written_sample_rate: int | None = None

    def __post_init__(self) -> None:
        _require_choice("mel_method", self.mel_method, get_args(MelMethod))
        _require_above_zero("power", self.power)
        for name in ("trim_db", "written_peak", "written_sample_rate"):
            if getattr(self, name) is not None:
                _require_above_zero(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every setting of a chain from sound to spectrogram and back.

    Parameters
    ----------
    name, description : str
        What it is called, and one sentence about it.
    sample_rate : int or None
        The rate of the analysis; None keeps each recording's own.
    channels : {"mono", "each"}
        The mean of the channels, or a spectrogram of each.
    trim_db : float or None
        Cut the edges that are this far below the loudest frame, like ``librosa.effects.trim``.
    preemphasis : float or None
        The coefficient of the filter that lifts high frequencies (0.97).
    frames : Frames
    mel : MelBands
    scale : Linear, PeakPower or Decibels
        How magnitudes are written down; the linear and the mel array each have their own peak.
    mel_frame_step : int
        The mel array keeps every such frame (4 in the article's first recipe).
    frame_count : {"fill", "cut"}
        A frame count that ``mel_frame_step`` does not divide is filled up with frames of silence after the end, or
        cut, which loses the last frames.
    quantise_bits : {8, 16} or None
        Round the stored values to that many bits, as a picture would.
    synthesis : Synthesis

    Examples
    --------
    >>> from dataclasses import replace
    >>> from specloom.recipes import TACOTRON, Recipe
    >>> quieter_edges = replace(TACOTRON, name="no-trim", trim_db=None)
    >>> Recipe.from_json(quieter_edges.to_json()) == quieter_edges
    True
    """

    name: str
    description: str = ""
    sample_rate: int | None = None
    channels: Channels = "mono"
    trim_db: float | None = None
    preemphasis: float | None = None
    frames: Frames
    mel: MelBands = field(default_factory=MelBands)
    scale: Scale = field(default_factory=Linear)
    mel_frame_step: int = 1
    frame_count: Literal["fill", "cut"] = "fill"
    quantise_bits: Literal[8, 16] | None = None
    synthesis: Synthesis = field(default_factory=Synthesis)

    def __post_init__(self) -> None:
        if not self.name:
            raise ParameterError("name='': a recipe needs a name")
        _require_choice("channels", self.channels, get_args(Channels))
        _require_choice("frame_count", self.frame_count, ("fill", "cut"))
        _require_choice("quantise_bits", self.quantise_bits, (None, 8, 16))
        if self.trim_db is not None:
            _require_above_zero("trim_db", self.trim_db)
        if self.preemphasis is not None and not 0.0 <= self.preemphasis < 1.0:
            raise ParameterError(f"preemphasis={self.preemphasis}: 0 <= preemphasis < 1 is needed (0.97 is usual)")
        if isinstance(self.mel_frame_step, bool) or not isinstance(self.mel_frame_step, int) or self.mel_frame_step < 1:
            raise ParameterError(f"mel_frame_step={self.mel_frame_step!r}: a whole number of at least 1 is needed")
        if self.quantise_bits is not None and not self.scale.bounded:
            raise ParameterError(
                f"quantise_bits={self.quantise_bits} with scale={self.scale.kind!r}: only values between 0 and 1 can "
                "be rounded to bits; use the scale PeakPower or Decibels"
            )
        if self.sample_rate is not None:
            self.mel_config(self.sample_rate)
            self.stft_config(self.sample_rate)

    def stft_config(self, sample_rate: int) -> StftConfig:
        """The transform at an analysis rate."""
        return self.frames.config(sample_rate)

    def mel_config(self, sample_rate: int) -> MelConfig:
        """The filterbank at an analysis rate."""
        return self.mel.config(sample_rate, self.frames.n_fft)

    def analysis_rate(self, recording_rate: int) -> int:
        """The rate at which a recording of ``recording_rate`` hertz is analysed."""
        return recording_rate if self.sample_rate is None else self.sample_rate

    def n_frames(self, n_samples: int, config: StftConfig) -> int:
        """Frames of the linear array for ``n_samples`` trimmed samples: a multiple of ``mel_frame_step``."""
        natural = config.n_frames(n_samples)
        step = self.mel_frame_step
        return natural // step * step if self.frame_count == "cut" else -(-natural // step) * step

    def analyse(self, audio: Audio) -> Spectrogram:
        """Sound to spectrogram, the linear and the mel array.

        Parameters
        ----------
        audio : Audio

        Returns
        -------
        Spectrogram
            Its ``origin`` remembers the rate, the length, the trimmed edges and the level.

        Raises
        ------
        ParameterError
            When the sound gives no frame.

        Notes
        -----
        Law: for the corrected recipes ``synthesise(analyse(audio))`` has the rate and the length of ``audio``, and
        its level up to what phase retrieval changes (tests/laws).
        """
        from specloom.recipes.analysis import analyse

        return analyse(audio, self)

    def synthesise(
        self,
        spectrogram: Spectrogram,
        *,
        source: Source = "auto",
        quality: Quality | None = None,
        phase: npt.ArrayLike | None = None,
        model: str | Path | None = None,
    ) -> Audio:
        """Spectrogram to sound.

        Parameters
        ----------
        spectrogram : Spectrogram
        source : {"auto", "linear", "mel"}
            Which array to start from; "auto" takes the linear one if it is there, but with quality "neural" the mel
            array.
        quality : {"fast", "balanced", "best", "neural"}, optional
            Find the phase by `specloom.reconstruct` at this quality, instead of as the recipe says; or go the whole
            way from the mel array with the networks of a model (`specloom.reconstruct_mel`).
        phase : real array, shape of the linear array, optional
            The true phase in radians, to measure a step without phase retrieval (`specloom.recipes.analysis.phase_of`).
        model : str or path, optional
            For "neural": a model by name or path, instead of the one that ships for the settings.

        Returns
        -------
        Audio

        Raises
        ------
        ParameterError
            When the spectrogram was made with other analysis settings, or lacks the array asked for; when a model is
            named that cannot be used.

        Warns
        -----
        SpecloomWarning
            When no model can go the "neural" way: the message says why, and "best" is done instead, from the array that
            `source` says. When the "neural" way leaves a linear array aside that `source` did not speak of.
        """
        from specloom.recipes.synthesis import synthesise

        return synthesise(spectrogram, self, source=source, quality=quality, phase=phase, model=model)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: object) -> Recipe:
        """A recipe from what `to_json` gave.

        Raises
        ------
        ArtifactError
            For an unknown, missing or wrong field.
        """
        return from_plain(cls, plain, "recipe")

    @classmethod
    def load(cls, name_or_path: str | Path) -> Recipe:
        """A recipe by its name (`specloom.recipes.RECIPES`) or from a JSON file.

        Raises
        ------
        ParameterError
            When there is neither a recipe nor a file of that name.
        ArtifactError
            When the file is not a recipe.
        """
        from specloom.recipes.catalog import RECIPES

        if str(name_or_path) in RECIPES:
            return RECIPES[str(name_or_path)]
        path = Path(name_or_path)
        if not path.is_file():
            close = get_close_matches(str(name_or_path), RECIPES, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise ParameterError(
                f"recipe={str(name_or_path)!r} is neither a known recipe ({', '.join(RECIPES)}) nor a JSON file{meant}"
            )
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(f"{path}: the recipe cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{path} is no recipe: it is not text in UTF-8 (byte {error.start})") from error
        except RecursionError as error:
            raise ArtifactError(f"{path} is no recipe: it is nested too deeply") from error
        except ValueError as error:
            raise ArtifactError(
                f"{path} is not JSON ({error}); 'specloom recipe NAME' prints a recipe to start from"
            ) from error
        try:
            return cls.from_json(plain)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
        except RecursionError as error:
            raise ArtifactError(f"{path} is no recipe: it is nested too deeply") from error


def _require_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ParameterError(f"{name}={value!r}: allowed are {', '.join(repr(item) for item in allowed)}")


def _require_above_zero(name: str, value: float) -> None:
    if isinstance(value, bool) or not 0.0 < value < float("inf"):
        raise ParameterError(f"{name}={value!r}: a number above 0 is needed")
