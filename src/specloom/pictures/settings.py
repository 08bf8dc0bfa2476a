"""What a spectrogram picture says about itself, as strict JSON: everything that its inverse needs.

A picture shows a piece (some frames, usually all rows) of the whole picture of a recording. The whole picture is made
of planes, one below the other: the levels of each channel, the first channel on top, and in exact pictures below them
the phases in the same order. In each plane the lowest frequency is at the bottom. A column is a frame.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import ClassVar, Literal, get_args

from specloom.artifact.strict_json import from_plain, to_plain
from specloom.errors import ArtifactError, ParameterError
from specloom.pixels.colormaps import NAMES
from specloom.recipes.recipe import Recipe
from specloom.recipes.scales import Decibels, PeakPower
from specloom.recipes.spectrogram import Origin, array_shape
from specloom.recipes.spectrogram_file import ArrayName, SourceStamp

FORMAT = "specloom-picture"
VERSION = 1

Bits = Literal[8, 16]

# What is drawn, and believed, of a single picture.
MOST_PIXELS = 400_000_000

# What a picture may claim. Far above anything that is drawn, low enough that no claim makes a reader take memory
# that the pixels do not justify.
_MOST_FFT = 1 << 16
_MOST_STEP = 64
_MOST_ROWS = 1 << 18
_MOST_RATE = 10_000_000
_MOST_SAMPLES = 1 << 34
_MOST_PIECES = 10_000_000
_MOST_CHANNELS = 64


@dataclass(frozen=True, kw_only=True)
class Bins:
    """A row for each bin (or mel band)."""

    kind: ClassVar[str] = "bins"


@dataclass(frozen=True, kw_only=True)
class LogRows:
    """Rows at equal steps of pitch. What lies between the frequencies of bins is interpolated, so detail is lost.

    Parameters
    ----------
    min_hz, max_hz : float
        Frequencies of the lowest and the highest row.
    n_rows : int
    """

    kind: ClassVar[str] = "log"

    min_hz: float
    max_hz: float
    n_rows: int

    def __post_init__(self) -> None:
        if not 0.0 < self.min_hz < self.max_hz < math.inf:
            raise ParameterError(f"min_hz={self.min_hz} and max_hz={self.max_hz}: 0 < min_hz < max_hz is needed")
        _require_between("n_rows", self.n_rows, 2, _MOST_ROWS)


Rows = Bins | LogRows


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Which part of the whole picture a file shows.

    Parameters
    ----------
    index, count : int
        The number of this piece, from 0, and how many there are.
    first_frame, n_frames : int
        The columns.
    first_row, n_rows : int
        The rows, counted from the top of the whole picture.

    Notes
    -----
    Pieces may overlap. What lies beyond the end of the whole picture is filled with code 0.
    """

    index: int
    count: int
    first_frame: int
    n_frames: int
    first_row: int
    n_rows: int

    def __post_init__(self) -> None:
        _require_between("count", self.count, 1, _MOST_PIECES)
        _require_between("index", self.index, 0, self.count - 1)
        _require_between("first_frame", self.first_frame, 0, _MOST_SAMPLES)
        _require_between("n_frames", self.n_frames, 1, _MOST_SAMPLES)
        _require_between("first_row", self.first_row, 0, _MOST_ROWS)
        _require_between("n_rows", self.n_rows, 1, _MOST_ROWS)

    @property
    def end_frame(self) -> int:
        """The frame after the last."""
        return self.first_frame + self.n_frames

    @property
    def end_row(self) -> int:
        """The row after the last."""
        return self.first_row + self.n_rows


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """Everything that the way back from a picture needs.

    Parameters
    ----------
    recipe : Recipe
        The recipe of the spectrogram, with the picture's own scale (between 0 and 1) and its bits.
    origin : Origin
        What the recipe threw away: rate, length, edges, level of the whole recording.
    array : {"linear", "mel"}
    rows : Bins or LogRows
    bits : {8, 16}
    colormap : str
        A name of `specloom.pixels.colormaps`; with 16 bits ``"gray"``.
    exact : bool
        Whether the phases are drawn too, below the levels.
    piece : Piece
    recording : str
        The same for all pieces of one recording and one way of drawing it, and for no others.
    source : SourceStamp or None
        Which state of which file it was drawn from.

    Raises
    ------
    ParameterError
        When a value is out of its range, or two contradict each other.
    """

    recipe: Recipe
    origin: Origin
    array: ArrayName
    rows: Rows = field(default_factory=Bins)
    bits: Bits = 16
    colormap: str = "gray"
    exact: bool = False
    piece: Piece
    recording: str
    source: SourceStamp | None = None

    def __post_init__(self) -> None:
        _require_choice("array", self.array, get_args(ArrayName))
        _require_choice("bits", self.bits, get_args(Bits))
        _require_choice("colormap", self.colormap, NAMES)
        if self.bits == 16 and self.colormap != "gray":
            raise ParameterError(
                f"colormap={self.colormap!r} with bits=16: colours have 8 bits a channel; use bits=8, or 'gray'"
            )
        if self.exact and (self.array != "linear" or self.bits != 16 or not isinstance(self.rows, Bins)):
            raise ParameterError(
                f"exact=True with array={self.array!r}, bits={self.bits} and rows={self.rows.kind!r}: phases are kept "
                "in the linear array, with 16 bits and a row for each bin"
            )
        if isinstance(self.rows, LogRows) and self.array != "linear":
            raise ParameterError("rows='log' with array='mel': mel bands have rows of their own; use array='linear'")
        _require_sane_recipe(self.recipe)
        _require_sane_origin(self.origin)
        if self.array == "mel":
            self.recipe.mel_config(self.origin.analysis_rate)
        n_rows, n_frames = self.whole_shape
        _require_between("rows of the whole picture", n_rows, 1, _MOST_ROWS)
        _require_between("frames of the whole picture", n_frames, 1, _MOST_SAMPLES)
        if isinstance(self.rows, LogRows) and self.rows.max_hz > self.origin.analysis_rate / 2:
            raise ParameterError(
                f"max_hz={self.rows.max_hz}: half the rate of the analysis, {self.origin.analysis_rate / 2:g} Hz, is "
                "the most there is"
            )
        if self.piece.first_frame >= n_frames or self.piece.first_row >= n_rows:
            raise ParameterError(
                f"first_frame={self.piece.first_frame} and first_row={self.piece.first_row}: the whole picture has "
                f"only {n_frames} frames and {n_rows} rows"
            )

    @property
    def n_channels(self) -> int:
        """Channels that are drawn, each as a plane of its own."""
        return self.origin.n_channels if self.recipe.channels == "each" else 1

    @property
    def n_planes(self) -> int:
        """Planes, one below the other."""
        return self.n_channels * (2 if self.exact else 1)

    @property
    def plane_rows(self) -> int:
        """Rows of a plane."""
        if isinstance(self.rows, LogRows):
            return self.rows.n_rows
        return self.recipe.mel.n_mels if self.array == "mel" else self.recipe.frames.n_fft // 2 + 1

    @property
    def array_shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return array_shape(self.array, self.recipe, self.origin)

    @property
    def whole_shape(self) -> tuple[int, int]:
        """Rows and frames of the whole picture."""
        return self.n_planes * self.plane_rows, self.array_shape[-1]

    @property
    def whole(self) -> Piece:
        """The piece that is the whole picture."""
        n_rows, n_frames = self.whole_shape
        return Piece(index=0, count=1, first_frame=0, n_frames=n_frames, first_row=0, n_rows=n_rows)

    @property
    def peak(self) -> float | None:
        """The loudest value of the array before it was scaled."""
        return self.origin.linear_peak if self.array == "linear" else self.origin.mel_peak

    def frame_s(self) -> float:
        """Seconds from one column to the next."""
        config = self.recipe.stft_config(self.origin.analysis_rate)
        return self._frames_a_column * config.hop_length / self.origin.analysis_rate

    @property
    def _frames_a_column(self) -> int:
        return self.recipe.mel_frame_step if self.array == "mel" else 1

    def origin_of(self, first_frame: int, end_frame: int) -> Origin:
        """The origin of a sound of these columns alone: of its own length, and without the recording's edges.

        Of all columns it is `origin` itself.
        """
        n_whole = self.whole_shape[1]
        end_frame = min(end_frame, n_whole)
        if first_frame == 0 and end_frame == n_whole:
            return self.origin
        config = self.recipe.stft_config(self.origin.analysis_rate)
        begin = first_frame * self._frames_a_column * config.hop_length
        if end_frame == n_whole:
            length = self.origin.n_trimmed - begin
        else:
            length = config.n_samples((end_frame - first_frame) * self._frames_a_column)
            # The longest sound of so many frames: the last window sees the samples up to where the next would begin.
            length += config.hop_length - 1 if config.center else 0
        length = max(1, length)
        n_samples = max(1, round(length * self.origin.sample_rate / self.origin.analysis_rate))
        return replace(self.origin, n_samples=n_samples, n_analysed=length, start=0, stop=length)

    def to_json(self) -> str:
        """The settings as one line of JSON, ASCII."""
        plain = {"format": FORMAT, "version": VERSION, **to_plain(self)}
        return json.dumps(plain, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str) -> PictureSettings:
        """Settings from what `to_json` gave.

        Parameters
        ----------
        text : str
        where : str
            Where it was found, for the message.

        Raises
        ------
        ArtifactError
            For what is no JSON, of another version, or holds an unknown, missing or wrong field.
        """
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"{where}: the settings are damaged ({error}); draw the picture again") from error
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ArtifactError(f"{where}: the settings do not say format={FORMAT!r}; another program wrote them")
        version = plain.pop("version", None)
        if version != VERSION or isinstance(version, bool):
            raise ArtifactError(
                f"{where}: a picture of version {version!r}; this Specloom reads version {VERSION}: use the Specloom "
                "that wrote it, or draw the recording again"
            )
        try:
            settings = from_plain(cls, plain, "settings")
            _require_consistent(settings)
        except (ArtifactError, ParameterError) as error:
            raise ArtifactError(f"{where}: {error}") from error
        except RecursionError as error:
            raise ArtifactError(f"{where}: the settings are nested too deeply; draw the picture again") from error
        except (OverflowError, ZeroDivisionError) as error:
            raise ArtifactError(f"{where}: the settings hold a number beyond all bounds ({error})") from error
        return settings


def recording_id(settings: PictureSettings, content: bytes = b"") -> str:
    """What tells a recording, drawn in one way, from all others: a hash of all settings but the piece.

    ``content`` takes the place of the source's stamp for what was never a file.
    """
    plain = to_plain(replace(settings, piece=settings.whole, recording=""))
    return sha256(json.dumps(plain, sort_keys=True).encode() + content).hexdigest()[:16]


def _require_consistent(settings: PictureSettings) -> None:
    """Refuse a piece that cannot be one of so many of this whole picture, as it was drawn."""
    piece, (n_rows, n_frames) = settings.piece, settings.whole_shape
    if piece.n_frames * piece.n_rows > MOST_PIXELS:
        raise ParameterError(
            f"a piece of {piece.n_frames} frames and {piece.n_rows} rows: pictures of ours have at most "
            f"{MOST_PIXELS // 10**6} megapixels"
        )
    begins = piece.index > 0 or (piece.first_frame, piece.first_row) == (0, 0)
    ends = piece.index < piece.count - 1 or (piece.end_frame >= n_frames and piece.end_row >= n_rows)
    # Pieces are of one size, but for the last: it may be shorter, or take a rest that is no piece of its own.
    n_covered = (piece.count + 1) * piece.n_frames * piece.n_rows
    covers = piece.index == piece.count - 1 or n_covered >= n_frames * n_rows
    if not (begins and ends and covers):
        raise ParameterError(
            f"the settings contradict themselves: piece {piece.index + 1} of {piece.count}, of {piece.n_frames} frames "
            f"and {piece.n_rows} rows from frame {piece.first_frame} and row {piece.first_row} on, does not fit a "
            f"picture of {n_frames} frames and {n_rows} rows"
        )


def _require_sane_recipe(recipe: Recipe) -> None:
    """Refuse what no picture of ours has, before anything is computed with it."""
    _require_between("n_fft", recipe.frames.n_fft, 2, _MOST_FFT)
    _require_between("mel_frame_step", recipe.mel_frame_step, 1, _MOST_STEP)
    scale = recipe.scale
    if not scale.bounded:
        raise ParameterError(f"scale={scale.kind!r}: a picture's values lie between 0 and 1 (PeakPower or Decibels)")
    if isinstance(scale, PeakPower):
        _require_between("exponent", scale.exponent, 0.01, 10.0)
    if isinstance(scale, Decibels):
        _require_between("range_db", scale.range_db, 1.0, 400.0)
        _require_between("reference_db", scale.reference_db or 0.0, -200.0, 200.0)


def _require_sane_origin(origin: Origin) -> None:
    for name in ("sample_rate", "analysis_rate"):
        _require_between(name, getattr(origin, name), 1, _MOST_RATE)
    for name in ("n_samples", "n_analysed"):
        _require_between(name, getattr(origin, name), 0, _MOST_SAMPLES)
    _require_between("n_channels", origin.n_channels, 1, _MOST_CHANNELS)
    for peak in (origin.linear_peak, origin.mel_peak):
        _require_between("peak", peak or 0.0, 0.0, 1e30)
    expected = origin.n_samples * origin.analysis_rate / origin.sample_rate
    if abs(origin.n_analysed - expected) > 2.0 + origin.analysis_rate / origin.sample_rate + 1e-6 * expected:
        raise ParameterError(
            f"n_samples={origin.n_samples} at {origin.sample_rate} Hz and n_analysed={origin.n_analysed} at "
            f"{origin.analysis_rate} Hz are not of one length"
        )


def _require_between(name: str, value: float, least: float, most: float) -> None:
    if isinstance(value, bool) or not least <= value <= most:
        raise ParameterError(f"{name}={value}: a number from {least:g} to {most:g} is needed")


def _require_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ParameterError(f"{name}={value!r}: allowed are {', '.join(str(item) for item in allowed)}")
