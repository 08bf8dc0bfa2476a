"""The part of the demonstration that shows pictures which can be heard, and a figure that was rescued."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from specloom.audio import Audio
from specloom.io.atomic import written_beside
from specloom.io.audio import save
from specloom.metrics import pesq_available, stoi_available
from specloom.page.figure import Panel, audio_panel, figure_file, frequency_marks, linear_panel, plain_picture
from specloom.page.parts import Card, Column, Note, Part, Picture, Row, Section, Table
from specloom.page.roundtrip import COLUMNS, cells, in_words
from specloom.page.sound import encode_sound, outline
from specloom.pictures import Picture as HeardPicture
from specloom.pictures import picture
from specloom.recipes import LIBROSA, Frames
from specloom.recipes.analysis import phase_of
from specloom.rescue.assumptions import Assumption
from specloom.rescue.rescue import rescue_picture
from specloom.tasks.roundtrip.measure import Copy, Judge, Losses

FOLDER = "picture"

# Rows enough for a voice, and few enough that each has a row of pixels in an ordinary figure.
_RECIPE = replace(
    LIBROSA, name="picture", description="librosa's, in 513 bins.", frames=Frames(n_fft=1024, hop_length=256)
)
_JPEG_QUALITY = 75
_FIGURE_DPI = 150
_FIGURE_HEIGHT_INCH = 4.2
_ORIGINAL = "picture-original"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Heard:
    """A picture file, and the sound that was made of it."""

    key: str
    heading: str
    caption: str
    file: Path
    audio: Audio
    keeps_phase: bool = False
    is_figure: bool = False


def write_picture_demo(audio: Audio, folder: Path, name: str) -> Section:
    """Write pictures of a recording and the sound of each; the section that shows them.

    Parameters
    ----------
    audio : Audio
        One channel.
    folder : Path
        Of the demonstration; the files lie in ``picture/`` below it.
    name : str
        Of the recording.

    Returns
    -------
    Section
    """
    place = folder / FOLDER
    heard, assumed = _heard(audio, place, name)
    judge = Judge(audio, pesq=pesq_available(), stoi=stoi_available())
    losses = [judge.losses(Copy(audio=each.audio, keeps_phase=each.keeps_phase)) for each in heard]
    for each in heard:
        save(place / f"{each.file.stem}-heard.wav", each.audio)
    span_s = audio.duration_s
    cards = [card for each, figures in zip(heard, losses, strict=True) for card in _cards(each, figures, span_s)]
    return Section(
        heading="Pictures that can be heard",
        introduction="A spectrogram as a picture: one pixel for each bin and frame, and every setting that the way "
        "back needs inside the file. Each picture here is the file itself, as it lies in the folder "
        f"{FOLDER}/, and the sound beside it was made of that file and of nothing else.",
        parts=(_original(audio, name), *cards, *_tables(heard, losses, assumed)),
    )


def _heard(audio: Audio, place: Path, name: str) -> tuple[list[_Heard], tuple[Assumption, ...]]:
    """Write the pictures, read them again, and make them sound."""
    spectrogram = _RECIPE.analyse(audio)
    png = picture(spectrogram).save(place / f"{name}.png")
    exact = picture(spectrogram, phase=phase_of(audio, _RECIPE)).save(place / f"{name}-exact.png")
    jpeg = picture(spectrogram, bits=8).save(place / f"{name}-{_JPEG_QUALITY}.jpg", jpeg_quality=_JPEG_QUALITY)
    figure = place / f"{name}-figure.png"
    panel = linear_panel(spectrogram.magnitude(), spectrogram.stft_config)
    drawn = figure_file(
        [panel], "png", title="A spectrogram as people publish it", dpi=_FIGURE_DPI, panel_inch=_FIGURE_HEIGHT_INCH
    )
    with written_beside(figure) as temporary:
        temporary.write_bytes(drawn)
    rescued = rescue_picture(figure, sample_rate=audio.sample_rate, duration_s=audio.duration_s)
    return [
        _Heard(
            key="picture-png",
            heading="PNG of 16 bits",
            caption="As specloom draw --format png makes it. The phase is not in it, and is found again.",
            file=png,
            audio=HeardPicture.open(png).audio(),
        ),
        _Heard(
            key="picture-exact",
            heading="Exact PNG",
            caption="With --exact the lower half is the phase: the picture is the recording.",
            file=exact,
            audio=HeardPicture.open(exact).audio(),
            keeps_phase=True,
        ),
        _Heard(
            key="picture-jpeg",
            heading=f"JPEG of quality {_JPEG_QUALITY}",
            caption="A lossy picture of 8 bits, as pages of the web have them.",
            file=jpeg,
            audio=HeardPicture.open(jpeg).audio(),
        ),
        _Heard(
            key="picture-figure",
            heading="Rescued from a figure with axes",
            caption="Nothing was told but the sample rate and the length. The panel, the colours and the axes were "
            "found in the figure, and its level is not known.",
            file=figure,
            audio=rescued.audio,
            is_figure=True,
        ),
    ], rescued.assumptions


def _original(audio: Audio, name: str) -> Card:
    return Card(
        heading="Original",
        caption=f"{name}, as it was read.",
        sound=encode_sound(audio, key=_ORIGINAL, name="Original"),
        waveform=outline(audio),
        wide=True,
    )


def _cards(heard: _Heard, losses: Losses, span_s: float) -> list[Card]:
    """The sound of a picture with the picture; of a figure, which has no time line of its own, in two cards."""
    data = heard.file.read_bytes()
    width, height = _size(data)
    said = f"{heard.file.name}: {width} \N{MULTIPLICATION SIGN} {height} pixels, {len(data) / 1000:.0f} kB."
    shown = Picture(
        data=data,
        alt=f"The spectrogram picture {heard.file.name}",
        width=width,
        height=height,
        media_type="image/jpeg" if heard.file.suffix == ".jpg" else "image/png",
        span_s=0.0 if heard.is_figure else span_s,
        levels=() if heard.is_figure or heard.keeps_phase else frequency_marks(_axis(heard.audio.sample_rate)),
    )
    player = Card(
        heading=heard.heading,
        caption=f"{heard.caption} {'' if heard.is_figure else said} {in_words(losses)}",
        picture=shown,
        sound=encode_sound(heard.audio, key=heard.key, name=heard.heading),
        compare_with=_ORIGINAL,
    )
    if not heard.is_figure:
        return [player]
    own = plain_picture(audio_panel(heard.audio), alt="Spectrogram of the rescued sound", range_db=70.0)
    figure = Card(heading="The figure that it was rescued from", picture=shown, caption=said, wide=True)
    return [replace(player, picture=own), figure]


def _size(picture: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(BytesIO(picture)) as image:
        return image.size


def _axis(sample_rate: int) -> Panel:
    """A panel of the pictures' rows, for the marks of their axis."""
    import numpy as np

    config = _RECIPE.stft_config(sample_rate)
    return linear_panel(np.ones((config.n_bins, 1)), config)


def _tables(heard: list[_Heard], losses: list[Losses], assumed: tuple[Assumption, ...]) -> tuple[Part, ...]:
    measured = Table(
        caption="What each picture keeps of the sound",
        columns=(Column(heading="Picture"), *COLUMNS[1:]),
        rows=tuple(
            Row(cells=cells(each.heading, figures), sound=each.key) for each, figures in zip(heard, losses, strict=True)
        ),
        mark_best=False,
    )
    found = Table(
        caption="What was found out about the figure",
        columns=(
            Column(heading="What"),
            Column(heading="Value"),
            Column(heading="How"),
            Column(heading="How sure", unit="%", decimals=0),
        ),
        rows=tuple(Row(cells=(each.name, each.value, each.how, 100.0 * each.sure)) for each in assumed),
    )
    note = Note(
        text="specloom listen prints the second table for every picture that says nothing about itself, with the "
        "option that overrides each line."
    )
    return measured, found, note
