"""A fixed set of mixtures to validate with, of speakers and noises that training never hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from specloom.errors import ParameterError
from specloom.train.data.mixing import Sources, mix_item, plain
from specloom.train.data.settings import MixingSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """A noisy clip with its clean one.

    Parameters
    ----------
    name : str
        Its number and ratio.
    snr_db : float
        Energy of speech over that of noise.
    sample_rate : int
        Hertz.
    noisy, clean : float32 array, shape ``(n_samples,)``
    """

    name: str
    snr_db: float
    sample_rate: int
    noisy: npt.NDArray[np.float32]
    clean: npt.NDArray[np.float32]


def validation_pairs(
    sources: Sources,
    settings: MixingSettings,
    *,
    count: int = 40,
    seed: int = 0,
    snr_db: Sequence[float] = (-5.0, 0.0, 5.0, 10.0, 15.0),
) -> tuple[Pair, ...]:
    """Mix clips at fixed ratios: speech, recorded noise and nothing else (see `plain`).

    Parameters
    ----------
    sources : Sources
        Of what was held back.
    settings : MixingSettings
        Length, level and balances are taken from here.
    count : int
        Clips; the ratios take turns.
    seed : int
        The same sources, settings and seed give the same clips, always.
    snr_db : sequence of float

    Returns
    -------
    tuple of Pair
        Every clip has its ratio to 0.01 dB.

    Raises
    ------
    ParameterError
        Without clips or ratios.
    """
    if count < 1 or not snr_db:
        raise ParameterError(f"count={count} and {len(snr_db)} ratios: at least one of each is needed")
    # Speakers equally often: a set of few clips should hear many voices.
    quiet = replace(plain(settings), speaker_balance=0.0)
    pairs = []
    for item in range(count):
        ratio = float(snr_db[item % len(snr_db)])
        mixture = mix_item(sources, replace(quiet, snr_db=(ratio, ratio)), seed=seed, item=item)
        pairs.append(
            Pair(
                name=f"{item:03d}_{ratio:+.0f}dB",
                snr_db=ratio,
                sample_rate=sources.sample_rate,
                noisy=mixture.noisy,
                clean=mixture.clean,
            )
        )
    return tuple(pairs)
