"""Whether the second sound of a pair is the noise alone or the noisy sound, and what both are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.tasks.pairs import Pair

SecondKind = Literal["noise", "noisy"]

# Of the speech in the second sound: 0 in noise alone, 1 in the noisy sound; between these it is doubtful.
_DOUBTFUL = (0.2, 0.8)
# Noise that lies so far below the speech is the rounding of the files.
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """What is measured: speech, and speech with noise, of one length and rate."""

    clean: Audio
    noisy: Audio

    @property
    def noise(self) -> npt.NDArray[np.float32]:
        """What the noisy sound has more."""
        return self.noisy.samples - self.clean.samples

    @property
    def snr_db(self) -> float:
        """Of the whole pair, in decibels."""
        powers = [float(np.square(samples, dtype=np.float64).sum()) for samples in (self.clean.samples, self.noise)]
        return 10.0 * float(np.log10(powers[0] / powers[1]))


def speech_share(clean: Audio, second: Audio) -> float:
    """How much of the speech is in the second sound, as a factor: about 1 in the noisy one, 0 in noise alone.

    Examples
    --------
    >>> speech, noise = np.float32([1, -1, 1, -1]), np.float32([2, 2, -2, -2])
    >>> speech_share(Audio(speech, 8000), Audio(speech + noise, 8000))
    1.0
    >>> speech_share(Audio(speech, 8000), Audio(noise, 8000))
    0.0
    """
    c, x = clean.samples.astype(np.float64), second.samples.astype(np.float64)
    return float(np.dot(c, x) / np.dot(c, c))


def tell_second(shares: Sequence[float]) -> tuple[SecondKind, str]:
    """Whether the second sounds are noise or noisy, by the median of `speech_share`, and the sentence that says so.

    Above a half, taking the speech out of the second sound leaves less energy than was there: it holds the speech.
    """
    share = float(np.median(shares))
    kind: SecondKind = "noisy" if share > 0.5 else "noise"
    found = f"the clean speech is in it {share:.2f} times"
    meant = (
        "noisy sounds, so the noise is the difference"
        if kind == "noisy"
        else "noise alone, so the noisy sound is the sum"
    )
    sentence = f"The second input was taken for {meant} ({found}; --second says otherwise)."
    if _DOUBTFUL[0] < share < _DOUBTFUL[1]:
        sentence += " That is doubtful: the two may lie at different levels or be shifted in time."
    return kind, sentence


def sounds_of(pair: Pair, clean: Audio, second: Audio, kind: SecondKind) -> Sounds:
    """Speech and noisy sound, whichever was given.

    Raises
    ------
    ParameterError
        When there is no noise.
    """
    noisy = second if kind == "noisy" else Audio(clean.samples + second.samples, clean.sample_rate)
    sounds = Sounds(clean=clean, noisy=noisy)
    loudest, noise = float(np.abs(clean.samples).max()), float(np.abs(sounds.noise).max())
    if noise <= _LEAST_NOISE * loudest:
        raise ParameterError(f"{pair.clean} and {pair.second} are the same sound: there is no noise to mask")
    if not noisy.samples.any():
        raise ParameterError(f"{pair.second} cancels {pair.clean} exactly: the noisy sound is silent")
    return sounds
