"""A spectrogram as a picture that can be heard, in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.io.image import DEFAULT_MAX_MEGAPIXELS
from specloom.pictures.files import read_picture, write_picture
from specloom.pictures.planes import array_of, laid_out, phase_of
from specloom.pictures.settings import Bins, Bits, PictureSettings, Piece, Rows, recording_id
from specloom.pixels.depth import Codes, bits_of, from_codes, to_codes
from specloom.recipes.recipe import Quality, Recipe
from specloom.recipes.scales import Decibels, FloatArray, PeakPower, Scale
from specloom.recipes.spectrogram import Origin, Spectrogram, remembered_peak
from specloom.recipes.spectrogram_file import ArrayName, SourceStamp

Mapping = Literal["auto", "recipe"] | Scale


def decibels(bits: Bits, range_db: float) -> Decibels:
    """Decibels below the loudest value, for pictures of so many bits.

    The lowest level is code 1 and means silence, as code 0 does, so a mark in the last bit cannot turn silence into
    noise.
    """
    least = 1.25 / (2**bits - 1)
    return Decibels(reference_db=None, range_db=range_db, floor=10.0 ** (-range_db / 20.0), clip_least=least)


# A step of 0.0015 dB.
SIXTEEN_BITS = decibels(16, 100.0)
# Finer steps for what is loud, and no lower end: what 256 levels are best spent on.
EIGHT_BITS = PeakPower(exponent=0.25)
# With the phase known every soft bin counts, so there must be no lower end.
EXACT = PeakPower(exponent=0.25)


def picture_recipe(
    recipe: Recipe,
    *,
    array: ArrayName = "linear",
    bits: Bits = 16,
    mapping: Mapping = "auto",
    exact: bool = False,
) -> Recipe:
    """The recipe with a picture's scale and rounding: what its settings say.

    Parameters
    ----------
    recipe : Recipe
    array : {"linear", "mel"}
        What is drawn.
    bits : {8, 16}
    mapping : {"auto", "recipe"} or PeakPower or Decibels
        How magnitudes become values between 0 and 1. "auto" is what sounds best for the bits; "recipe" keeps the
        recipe's own scale.
    exact : bool
        For a picture that holds the phase too.

    Raises
    ------
    ParameterError
        When the scale is not bounded.

    Notes
    -----
    Where a recipe leaves out frames of the mel array, "auto" keeps its scale if that is bounded: the way back draws
    straight lines between values as they are stored, so another scale would change the level between them.
    """
    if isinstance(mapping, str) and mapping not in ("auto", "recipe"):
        raise ParameterError(f"mapping={mapping!r}: allowed are 'auto', 'recipe', or a scale (PeakPower, Decibels)")
    scale = _automatic(recipe, array, bits, exact) if mapping == "auto" else mapping
    if isinstance(scale, str):
        scale = recipe.scale
    if not scale.bounded:
        raise ParameterError(
            f"mapping={mapping!r} with scale={scale.kind!r}: a picture needs values between 0 and 1; use "
            "mapping='auto', PeakPower or Decibels"
        )
    return replace(recipe, scale=scale, quantise_bits=bits)


def _automatic(recipe: Recipe, array: ArrayName, bits: Bits, exact: bool) -> Scale:
    if array == "mel" and recipe.mel_frame_step > 1 and recipe.scale.bounded:
        return recipe.scale
    if exact:
        return EXACT
    return EIGHT_BITS if bits == 8 else SIXTEEN_BITS


def picture(
    spectrogram: Spectrogram,
    *,
    array: Literal["auto", "linear", "mel"] = "auto",
    bits: Bits | None = None,
    colormap: str = "gray",
    rows: Rows | None = None,
    mapping: Mapping = "auto",
    phase: npt.ArrayLike | None = None,
    source: SourceStamp | None = None,
) -> Picture:
    """A spectrogram as a picture, one pixel for each bin and frame.

    Parameters
    ----------
    spectrogram : Spectrogram
    array : {"auto", "linear", "mel"}
        "auto" takes the linear array if it is there.
    bits : {8, 16}, optional
        16 for gray and 8 for colours, if not given.
    colormap : str
        A name of `specloom.pixels.colormaps.NAMES`.
    rows : Bins or LogRows, optional
        A row for each bin, if not given.
    mapping : {"auto", "recipe"} or PeakPower or Decibels
        As in `picture_recipe`.
    phase : real array, radians, shape of the linear array, optional
        Draw it too (`specloom.recipes.analysis.phase_of`); then the picture is the sound, exactly.
    source : SourceStamp, optional
        Which file it is of.

    Returns
    -------
    Picture

    Raises
    ------
    ParameterError
        For settings that contradict each other, or an array that is not there.

    Notes
    -----
    Law: of ``picture_recipe(recipe, bits=bits).analyse(audio)``, ``picture(...).spectrogram()`` is the same array, to
    the last bit (tests/laws).
    """
    chosen = _chosen(spectrogram, array)
    bits = bits or (16 if colormap == "gray" else 8)
    recipe = picture_recipe(spectrogram.recipe, array=chosen, bits=bits, mapping=mapping, exact=phase is not None)
    stored, origin = _rescaled(spectrogram, chosen, recipe)
    settings = PictureSettings(
        recipe=recipe,
        origin=origin,
        array=chosen,
        rows=Bins() if rows is None else rows,
        bits=bits,
        colormap=colormap,
        exact=phase is not None,
        piece=Piece(index=0, count=1, first_frame=0, n_frames=1, first_row=0, n_rows=1),
        recording="",
        source=source,
    )
    codes = laid_out(stored, None if phase is None else _checked_phase(phase, stored.shape), settings)
    content = b"" if source is not None else np.ascontiguousarray(codes).tobytes()
    settings = replace(settings, piece=settings.whole, recording=recording_id(settings, content))
    return Picture(codes=codes, settings=settings)


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """A picture of a spectrogram: codes, and everything that the way back needs.

    Parameters
    ----------
    codes : uint8 or uint16 array, shape ``(n_rows, n_frames)``
        The lowest frequency at the bottom, a column for each frame; kept read-only.
    settings : PictureSettings
    notes : tuple of str
        Of a picture that was opened: what was guessed or lost.

    Raises
    ------
    ParameterError
        When the codes are not of the shape or type that the settings say.
    """

    codes: Codes
    settings: PictureSettings
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        piece, codes = self.settings.piece, self.codes
        if codes.shape != (piece.n_rows, piece.n_frames) or bits_of(codes) != self.settings.bits:
            raise ParameterError(
                f"codes have shape {codes.shape} and {bits_of(codes)} bits, but the settings say "
                f"{(piece.n_rows, piece.n_frames)} and {self.settings.bits} bits"
            )
        view = codes.view()
        view.flags.writeable = False
        object.__setattr__(self, "codes", view)

    @classmethod
    def open(cls, path: str | Path, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> Picture:
        """Read a picture of ours, also one that was saved anew, scaled or cropped; ``notes`` say what happened to it.

        A picture that was changed, and a JPEG, has levels between the 256 codes: it becomes one of 16 bits.

        Parameters
        ----------
        path : path-like
        max_megapixels : float
            Larger pictures are refused.

        Raises
        ------
        ImageFileError
            When it is no picture, too large, or a stranger's.
        ArtifactError
            When its settings are damaged, or contradict its pixels.
        """
        file = read_picture(path, max_megapixels=max_megapixels)
        settings = file.settings
        if not file.lossless:
            recipe = replace(settings.recipe, quantise_bits=16)
            settings = replace(settings, bits=16, colormap="gray", recipe=recipe)
        return cls(codes=to_codes(file.values, settings.bits), settings=settings, notes=file.notes)

    def save(self, path: str | Path, *, jpeg_quality: int = 95, mark: bool = True) -> Path:
        """Write a picture file, whole or not at all. Missing folders are made.

        Parameters
        ----------
        path : path-like
            The suffix is the format: .png, .tif, .tiff, and, with 8 bits, .jpg and .jpeg.
        jpeg_quality : int
            1 to 100.
        mark : bool
            Write the settings into the last bits of some pixels too, where editors leave them alone. Off, the codes
            are kept to the last bit, and a program that drops texts from pictures makes this one mute.

        Raises
        ------
        ParameterError
            When the format cannot hold the picture.
        ImageFileError
            When it cannot be written.
        """
        return write_picture(path, self.codes, self.settings, jpeg_quality=jpeg_quality, mark=mark)

    def spectrogram(self) -> Spectrogram:
        """The spectrogram; of a piece, that of its frames alone."""
        values, origin = self._whole_rows()
        stored = array_of(values, self.settings)
        arrays = {self.settings.array: stored}
        return Spectrogram(
            recipe=self.settings.recipe, origin=origin, linear=arrays.get("linear"), mel=arrays.get("mel")
        )

    def phase(self) -> FloatArray | None:
        """The phase, radians, shape of the linear array; None when it is not drawn, or not all of it is there."""
        if not self.settings.exact or self.settings.piece.n_rows < self.settings.whole_shape[0]:
            return None
        return phase_of(self._whole_rows()[0], self.settings)

    def audio(self, quality: Quality | None = None, *, model: str | Path | None = None) -> Audio:
        """The sound; of a piece, that of its frames alone.

        Parameters
        ----------
        quality : {"fast", "balanced", "best", "neural"}, optional
            As in `Recipe.synthesise`; an exact picture needs none.
        model : str or path, optional
            For "neural", as there.
        """
        spectrogram = self.spectrogram()
        return spectrogram.recipe.synthesise(spectrogram, quality=quality, phase=self.phase(), model=model)

    def _whole_rows(self) -> tuple[FloatArray, Origin]:
        """Values of all rows, those that the picture does not show silent, and the origin of its frames."""
        settings, piece = self.settings, self.settings.piece
        n_rows, n_frames = settings.whole_shape
        shown = from_codes(self.codes)[: n_rows - piece.first_row, : n_frames - piece.first_frame]
        values = shown
        if shown.shape[0] < n_rows:
            values = np.zeros((n_rows, shown.shape[1]), dtype=np.float32)
            values[piece.first_row : piece.first_row + shown.shape[0]] = shown
        return values, settings.origin_of(piece.first_frame, piece.end_frame)


def _chosen(spectrogram: Spectrogram, array: str) -> ArrayName:
    if array not in ("auto", "linear", "mel"):
        raise ParameterError(f"array={array!r}: allowed are 'auto', 'linear' and 'mel'")
    chosen: ArrayName = "mel" if array == "mel" or (array == "auto" and spectrogram.linear is None) else "linear"
    if getattr(spectrogram, chosen) is None:
        raise ParameterError(f"array={array!r}: this spectrogram has no {chosen} array")
    return chosen


def _rescaled(spectrogram: Spectrogram, array: ArrayName, recipe: Recipe) -> tuple[FloatArray, Origin]:
    """The array as the picture's scale writes it down, and the origin with the peak that it was divided by."""
    origin, held = spectrogram.origin, getattr(spectrogram, array)
    peak_name = f"{array}_peak"
    # Of what is not drawn nothing is remembered; the peak of the bins says what a recipe's power is relative to.
    origin = replace(origin, mel_peak=origin.mel_peak if array == "mel" else None)
    if spectrogram.recipe.scale == recipe.scale:
        return held, origin
    peak = getattr(origin, peak_name)
    values = spectrogram.recipe.scale.undo(held, remembered_peak(peak))
    loudest = float(values.max(initial=0.0))
    # An array that was made louder than its recording was has a peak of its own.
    if peak is None or loudest > peak * 1.0001:
        peak = loudest
    return recipe.scale.apply(values, peak), replace(origin, **{peak_name: peak})


def _checked_phase(phase: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    angles = np.asarray(phase, dtype=np.float32)
    if angles.shape != shape or not np.isfinite(angles).all():
        raise ParameterError(f"phase has shape {angles.shape}: finite values of shape {shape} are needed")
    turned: FloatArray = np.remainder(angles + np.float32(np.pi), np.float32(2.0 * np.pi)) - np.float32(np.pi)
    return turned
