"""What an autoencoder for mel spectrograms is fed with, as its model file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from specloom.artifact.strict_json import of_interface, to_plain
from specloom.errors import ParameterError
from specloom.recipes.recipe import Recipe, Synthesis
from specloom.recipes.scales import Decibels


@dataclass(frozen=True, kw_only=True)
class MelPatches:
    """A network that is given patches of a mel spectrogram and returns them cleaned: ``mel`` -> ``cleaned``.

    Both are ``(batch, n_frames, n_mels)``, values between 0 and 1 as the recipe's scale writes them down: decibels
    below the loudest value. Patches overlap by a half; where they do, one fades into the next.

    Parameters
    ----------
    interface : {"mel-patches"}
    recipe : Recipe
        How a sound becomes a mel spectrogram; only its analysis counts. Its scale is `Decibels` below the loudest.
    n_frames : int
        Of a patch; even.

    Raises
    ------
    ParameterError
        When the scale has another reference, frames are left out or not centred, or `n_frames` is odd.
    """

    interface: Literal["mel-patches"] = "mel-patches"
    recipe: Recipe
    n_frames: int

    def __post_init__(self) -> None:
        if self.interface != "mel-patches":
            raise ParameterError(f"interface={self.interface!r}: 'mel-patches' is needed")
        if (
            isinstance(self.n_frames, bool)
            or not isinstance(self.n_frames, int)
            or self.n_frames < 2
            or self.n_frames % 2
        ):
            raise ParameterError(f"n_frames={self.n_frames!r}: an even number of at least 2 is needed")
        scale = self.recipe.scale
        if not isinstance(scale, Decibels) or scale.reference_db is not None:
            raise ParameterError(
                f"recipe={self.recipe.name!r} with the scale {scale.kind!r}: an autoencoder learns decibels below the "
                "loudest value (Decibels(reference_db=None)); 'tacotron' has them"
            )
        if self.recipe.mel_frame_step != 1 or not self.recipe.frames.center:
            raise ParameterError(
                f"recipe={self.recipe.name!r} with mel_frame_step={self.recipe.mel_frame_step} and "
                f"center={self.recipe.frames.center}: an autoencoder learns every frame, centred (1 and True)"
            )
        # What is stored must not depend on how the sound is made afterwards.
        object.__setattr__(self, "recipe", replace(self.recipe, synthesis=Synthesis(), quantise_bits=None))

    @property
    def n_mels(self) -> int:
        """Bands."""
        return self.recipe.mel.n_mels

    @property
    def scale(self) -> Decibels:
        """Between magnitudes and values."""
        assert isinstance(self.recipe.scale, Decibels)
        return self.recipe.scale

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as they stand in a model file."""
        plain: dict[str, Any] = to_plain(self)
        return plain


def parse_features(plain: Mapping[str, Any]) -> MelPatches:
    """Read what `MelPatches.to_json` gave, strictly.

    Raises
    ------
    ArtifactError
        Naming the first field that is unknown, missing, of a wrong type or out of range.
    """
    return of_interface({"mel-patches": MelPatches}, plain, "features")
