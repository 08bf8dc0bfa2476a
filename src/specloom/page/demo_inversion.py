"""The part of the demonstration that makes sound of a mel spectrogram in three ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from specloom import sounds
from specloom.audio import Audio
from specloom.io.audio import load, save
from specloom.metrics import pesq_available, stoi_available
from specloom.page.heard import Heard, heard_cards, heard_table
from specloom.page.parts import Note, Section
from specloom.recipes import SPEECH16
from specloom.tasks.scores import Judge

FOLDER = "inversion"
_PREFIX = "inversion-"


def write_inversion_demo(speech: Audio, folder: Path) -> Section:
    """Make a mel spectrogram of a recording, and sound of that again; the section that shows it.

    Parameters
    ----------
    speech : Audio
        One channel, 16 kHz.
    folder : Path
        Of the demonstration; the sounds lie in ``inversion/`` below it.
    """
    judge = Judge(pesq=pesq_available(), stoi=stoi_available())
    heard = []
    for each in _heard(speech):
        save(folder / FOLDER / f"{each.key}.wav", each.audio)
        # Phases are made anew, so a distance between samples means nothing.
        scores = replace(judge.scores(each.audio.samples, speech.samples, speech.sample_rate), si_sdr_db=None)
        heard.append(replace(each, scores=scores))
    return Section(
        heading="Sound from 80 mel bands",
        introduction="What most networks for speech give out is a mel spectrogram: 80 bands, 62.5 frames a second, no "
        "phase. The sentence as the recipe speech16 sees it, made into sound by librosa, by the classical way of "
        f"specloom, and with the help of networks (--quality neural). The sounds lie in the folder {FOLDER}/.",
        parts=(
            *heard_cards(heard, prefix=_PREFIX, before="librosa", after="neural"),
            heard_table(heard, prefix=_PREFIX, strong="neural", caption="Compared with the recording (above)"),
            Note(
                text="librosa is not needed to make this page: its sound ships with Specloom, made by "
                "docs/make_librosa_sound.py with librosa.feature.inverse.mel_to_audio as it is."
            ),
        ),
    )


def _heard(speech: Audio) -> list[Heard]:
    spectrogram = SPEECH16.analyse(speech)
    classical, neural = (
        spectrogram.recipe.synthesise(spectrogram, source="mel", quality=quality) for quality in ("best", "neural")
    )
    return [
        Heard(
            key="librosa",
            heading="librosa",
            caption="mel_to_audio: least squares, then 32 iterations of Griffin-Lim.",
            audio=load(sounds.by_librosa()),
        ),
        Heard(key="classical", heading="Specloom, classical", caption="--quality best.", audio=classical),
        Heard(key="neural", heading="Specloom, neural", caption="--quality neural, the model speech16.", audio=neural),
    ]
