"""The part of the demonstration that cleans a noisy recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.io.audio import save
from specloom.metrics import pesq_available, stoi_available
from specloom.page.heard import Heard, heard_cards, heard_table
from specloom.page.parts import Note, Section
from specloom.tasks.scores import Judge

if TYPE_CHECKING:
    from specloom.artifact import Artifact

FOLDER = "enhance"

_SNR_DB = 5.0
_LIMIT_DB = 12.0
_SEED = 4
_PREFIX = "enhance-"


def write_enhance_demo(clean: Audio, folder: Path, model: str | Path | Artifact = "default") -> Section:
    """Add noise to a recording, let a model take it away again, and write all of it; the section that shows it.

    Parameters
    ----------
    clean : Audio
        Speech, one channel.
    folder : Path
        Of the demonstration; the sounds lie in ``enhance/`` below it.
    model : str, path or Artifact
        As for `specloom.Enhancer`.

    Returns
    -------
    Section

    Raises
    ------
    ArtifactError
        When there is no such model.
    """
    judge = Judge(pesq=pesq_available() and clean.sample_rate in (8000, 16000), stoi=stoi_available())
    heard = []
    for each in _heard(clean, model):
        save(folder / FOLDER / f"{each.key}.wav", each.audio)
        scores = judge.scores(each.audio.samples, clean.samples, clean.sample_rate)
        heard.append(each if each.key == "clean" else replace(each, scores=scores))
    return Section(
        heading="A noisy recording, cleaned",
        introduction="The spoken sentence in the noise of a fan and the hum of a mains cable, both made by "
        f"computation, {_SNR_DB:.0f}\N{NO-BREAK SPACE}dB below the speech; and what specloom enhance makes of it with "
        f"the model that ships. The sounds lie in the folder {FOLDER}/.",
        parts=(
            *heard_cards(heard, prefix=_PREFIX, before="noisy", after="cleaned"),
            heard_table(heard, prefix=_PREFIX, strong="noisy", caption="Compared with the clean recording"),
            _note(),
        ),
    )


def _heard(clean: Audio, model: str | Path | Artifact) -> list[Heard]:
    from specloom.tasks.enhance.enhancer import Enhancer

    noisy = Audio(clean.samples + made_noise(clean), clean.sample_rate)
    enhancer = Enhancer(model)
    return [
        Heard(key="noisy", heading="Noisy", caption="What the model is given.", audio=noisy),
        Heard(key="cleaned", heading="Cleaned", caption="All that the model can do.", audio=enhancer.process(noisy)),
        Heard(
            key="limited",
            heading=f"Cleaned by {_LIMIT_DB:.0f} dB at most",
            caption=f"With --limit-db {_LIMIT_DB:.0f} some of the noise stays, and the voice sounds less worked on.",
            audio=enhancer.process(noisy, limit_db=_LIMIT_DB),
        ),
        Heard(key="clean", heading="Clean", caption="The recording before the noise was added.", audio=clean),
    ]


def made_noise(speech: Audio) -> npt.NDArray[np.float32]:
    """A fan (falling by 4.5 dB an octave, with the beat of its blades) and mains hum, 5 dB below the speech.

    Always the same for the same speech.
    """
    rng = np.random.default_rng(_SEED)
    n_samples, rate = speech.n_samples, speech.sample_rate
    hz = np.fft.rfftfreq(n_samples, 1.0 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples)) / np.maximum(hz, 50.0) ** 0.75
    seconds = np.arange(n_samples) / rate
    fan = np.fft.irfft(spectrum, n_samples) * (1.0 + 0.3 * np.sin(2.0 * np.pi * 9.0 * seconds))
    hum = sum(np.sin(2.0 * np.pi * 100.0 * order * seconds) / order for order in range(1, 8))
    noise = fan / fan.std() + 0.5 * hum
    wanted = np.sqrt(np.square(speech.samples, dtype=np.float64).mean()) * 10.0 ** (-_SNR_DB / 20.0)
    made: npt.NDArray[np.float32] = (noise * wanted / np.sqrt(np.square(noise).mean())).astype(np.float32)
    return made


def _note() -> Note:
    return Note(
        text="One sentence shows what to listen for, not how good a model is: specloom evaluate measures that on as "
        "many pairs of clean and noisy recordings as you have."
    )
