"""The demonstration: the recordings that ship with Specloom, to spectrograms and back, as a folder with one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from specloom import sounds
from specloom.audio import Audio
from specloom.io.atomic import require_room_for_folder, written_beside
from specloom.io.audio import load
from specloom.page.demo_enhance import write_enhance_demo
from specloom.page.demo_inversion import write_inversion_demo
from specloom.page.demo_pictures import write_picture_demo
from specloom.page.figure import figure_png, linear_panel, mel_panel, plain_png
from specloom.page.html import write_page
from specloom.page.parts import Card, Note, Page, Picture, Section
from specloom.page.roundtrip import cards, method, verdict_parts, write_figures
from specloom.recipes import LIBROSA, SPOOF_AS_WRITTEN, TACOTRON, Recipe
from specloom.tasks.roundtrip import RoundtripReport, roundtrip

_FIGURE_DPI = 90


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One part of the demonstration: a recording, a recipe, and why."""

    key: str
    sound: sounds.SoundName
    recipe: Recipe
    heading: str
    introduction: str
    kinds: tuple[str, ...] = ("total",)


SCENES: tuple[Scene, ...] = (
    Scene(
        key="speech",
        sound="speech",
        recipe=TACOTRON,
        heading="Speech",
        introduction="A spoken sentence, made into a linear and a mel spectrogram by the recipe tacotron "
        "(22\N{NO-BREAK SPACE}050 Hz, 80 mel bands, decibels), and both turned back into sound. The phase, which a "
        "spectrogram does not hold, is found again.",
    ),
    Scene(
        key="music",
        sound="music",
        recipe=LIBROSA,
        heading="Music",
        introduction="A guitar, by the recipe librosa (44\N{NO-BREAK SPACE}100 Hz, 128 mel bands, plain magnitudes).",
    ),
    Scene(
        key="article",
        sound="speech",
        recipe=SPOOF_AS_WRITTEN,
        heading="Which step spoils the voice?",
        introduction="The first recipe of the article that this tool began with, errors included. Its copy sounds like "
        "another person, and the article blames Griffin-Lim. Measured step by step, something else is to blame.",
        kinds=("total", "cured"),
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Demo:
    """What the demonstration has left: its page, and the report of every scene."""

    page: Path
    reports: dict[str, RoundtripReport]


def write_demo(folder: str | PathLike[str], *, tell: Callable[[str], None] | None = None) -> Demo:
    """Write the demonstration.

    Parameters
    ----------
    folder : path-like
        Gets ``index.html`` (self-contained) and, for every scene, a folder with sounds, pictures and figures; in
        ``picture/`` lie pictures that can be heard, in ``inversion/`` what became of mel bands, in ``enhance/`` a noisy
        recording and what a model made of it.
    tell : callable, optional
        Is told what is being done.

    Returns
    -------
    Demo
    """
    place = Path(folder)
    # Said before the work, not after it, when the folder cannot be made.
    require_room_for_folder(place)
    place.mkdir(parents=True, exist_ok=True)
    reports, sections = {}, []
    for scene in SCENES:
        if tell is not None:
            tell(f"{scene.heading}: {scene.sound} with the recipe {scene.recipe.name}")
        audio = load(sounds.path(scene.sound))
        report = roundtrip(audio, scene.recipe)
        write_figures(report, place / scene.key, scene.sound)
        figure = write_pictures(audio.mono(), scene.recipe, place / scene.key, scene.sound)
        reports[scene.key] = report
        sections.append(_section(scene, report, figure))
    if tell is not None:
        tell("Pictures that can be heard")
    speech = load(sounds.path("speech")).mono()
    sections.insert(1, write_picture_demo(speech, place, "speech"))
    if tell is not None:
        tell("Sound from mel bands, with networks")
    sections.insert(2, write_inversion_demo(speech, place))
    if tell is not None:
        tell("A noisy recording, cleaned")
    sections.insert(3, write_enhance_demo(speech, place))
    sections.append(Section(heading="How it was measured", parts=(method(report), *_credits())))
    page = Page(
        title="Sound to spectrogram to sound",
        introduction="Two recordings went through a spectrogram and came back. Listen to what came back, look at what "
        "it was made from, and see what each step lost.",
        facts=(("Made by", "specloom demo"), ("Sounds and pictures", "in the folders beside this page")),
        sections=tuple(sections),
        footer="Made by Specloom. Play one sound, then another: the place is kept.",
    )
    return Demo(page=write_page(place / "index.html", page), reports=reports)


def write_pictures(audio: Audio, recipe: Recipe, folder: Path, name: str) -> Picture:
    """Write the linear and the mel spectrogram of a recipe, each alone without axes and both in one figure.

    Returns
    -------
    Picture
        The figure, for a page.
    """
    from io import BytesIO

    from PIL import Image

    spectrogram = recipe.analyse(audio)
    frame_rate_hz = spectrogram.stft_config.frame_rate_hz
    linear = linear_panel(spectrogram.magnitude(), spectrogram.stft_config, heading="Linear spectrogram")
    mel = mel_panel(
        spectrogram.mel_magnitude(),
        spectrogram.mel_config,
        frame_rate_hz / recipe.mel_frame_step,
        heading=f"Mel spectrogram, {recipe.mel.n_mels} bands",
    )
    figure = figure_png([linear, mel], dpi=_FIGURE_DPI)
    for stem, data in (("linear", plain_png(linear)), ("mel", plain_png(mel)), ("both", figure)):
        with written_beside(folder / f"{stem}.png") as temporary:
            temporary.write_bytes(data)
    width, height = Image.open(BytesIO(figure)).size
    alt = f"The linear and the mel spectrogram of {name} by the recipe {recipe.name}, with axes in seconds and hertz"
    return Picture(data=figure, alt=alt, width=width, height=height)


def _section(scene: Scene, report: RoundtripReport, figure: Picture) -> Section:
    prefix = f"{scene.key}-"
    players = cards(report, scene.kinds, with_original=f"{scene.sound}.flac", prefix=prefix)
    playable = [card.sound.key for card in players if card.sound is not None]
    return Section(
        heading=scene.heading,
        introduction=scene.introduction,
        parts=(
            *players,
            Card(
                heading="The spectrograms that it was made from",
                picture=figure,
                caption="As the recipe sees the sound: trimmed and pre-emphasised where it says so.",
                wide=True,
            ),
            *verdict_parts(report, prefix=prefix, playable=playable),
        ),
    )


def _credits() -> tuple[Note, ...]:
    return (
        Note(text="Who made the two recordings, and under which licence, is written in LICENCES.md of the package."),
    )
