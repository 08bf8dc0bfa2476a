"""Pages about autoencoders: how training went, and what they make of what they have not seen."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specloom.page.figure import mel_panel, plain_picture
from specloom.page.folder import write_json, write_pictures
from specloom.page.html import format_number, write_page
from specloom.page.parts import Card, Column, Page, Picture, Row, Section, Table
from specloom.page.sound import encode_sound
from specloom.tasks.denoise.trial import Stage, Trial

FloatArray = npt.NDArray[np.floating]
Curve = tuple[Sequence[float], Sequence[float]]

_HEADINGS: dict[Stage, str] = {
    "damaged": "Noise",
    "clean": "Actual",
    "cleaned": "Reconstructed",
    "median": "Median filter",
}
_CAPTIONS: dict[Stage, str] = {
    "damaged": "What the network is given.",
    "clean": "What it should give back.",
    "cleaned": "What it gives back.",
    "median": "3 x 3, for comparison.",
}
_SHOWN_DB = 80.0


def curves_picture(curves: Mapping[str, Curve], *, x: str, y: str, alt: str, logarithmic: bool = False) -> Picture:
    """Lines over the steps of a training, as a picture for a page.

    Parameters
    ----------
    curves : mapping of name to (steps, values)
    x, y : str
        What stands at the axes.
    alt : str
        What the picture shows, in words.
    logarithmic : bool
        Whether the vertical axis is.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, label=name, linewidth=1.4, marker="o" if len(steps) == 1 else None)
    if logarithmic:
        axes.set_yscale("log")
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return _as_picture(figure, alt)


def digits_picture(rows: Mapping[str, FloatArray], *, alt: str) -> Picture:
    """Digits below each other in named rows, ``(n, height, width)`` each, as a picture for a page."""
    from matplotlib.figure import Figure

    n = max(len(digits) for digits in rows.values())
    figure = Figure(figsize=(0.75 * n + 1.4, 0.85 * len(rows)), dpi=120, layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for line, (name, digits) in zip(grid, rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axes in line:
            axes.set(xticks=[], yticks=[])
        for axes, digit in zip(line, digits):
            axes.imshow(digit, cmap="gray", vmin=0.0, vmax=1.0)
    return _as_picture(figure, alt)


def write_digits_page(
    folder: Path,
    *,
    title: str,
    curves: Picture,
    digits: Picture,
    scores: Mapping[str, float],
    facts: Sequence[tuple[str, str]],
) -> Path:
    """What an autoencoder makes of digits that were held back: ``index.html``, ``scores.json`` and its pictures.

    Parameters
    ----------
    scores : mapping
        ``mse``, ``psnr_db``, ``psnr_gain_db`` and ``median_gain_db``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scores.json", dict(scores))
    noisy_db = scores["psnr_db"] - scores["psnr_gain_db"]
    table = Table(
        caption="Digits that neither trained the network nor chose its weights",
        columns=(
            Column(heading=""),
            Column(heading="PSNR", unit="dB", better="higher"),
            Column(heading="gain", unit="dB", signed=True),
        ),
        rows=(
            Row(cells=("noisy", noisy_db, None), tone="strong"),
            Row(cells=("median filter, 3 x 3", noisy_db + scores["median_gain_db"], scores["median_gain_db"])),
            Row(cells=("autoencoder", scores["psnr_db"], scores["psnr_gain_db"])),
        ),
        note=f"Mean squared error of the autoencoder: {scores['mse']:.5f}.",
    )
    page = Page(
        title=title,
        facts=tuple(facts),
        sections=(
            Section(
                heading="Noisy, cleaned, true", parts=(Card(heading="Ten of them", picture=digits, wide=True), table)
            ),
            Section(heading="How it learned", parts=(Card(heading="Loss", picture=curves, wide=True),)),
        ),
    )
    return _written(folder, page, {"digits": digits, "curves": curves})


def write_mel_page(
    folder: Path, *, title: str, curves: Picture, trials: Sequence[Trial], damage: str, facts: Sequence[tuple[str, str]]
) -> Path:
    """What an autoencoder makes of recordings that were held back, to be seen and heard: ``index.html``."""
    pictures = {"curves": curves}
    sections = []
    for number, trial in enumerate(trials, start=1):
        cards = _cards(trial, f"t{number}")
        pictures |= {f"{number}-{stage}": card.picture for stage, card in cards.items() if card.picture is not None}
        sections.append(Section(heading=trial.name, parts=(*cards.values(), _trial_table(trial, f"t{number}"))))
    page = Page(
        title=title,
        introduction="Recordings that were held back (they chose the weights). Their mel spectrograms were spoilt "
        f"({damage}) and cleaned; every sound is made from its picture alone, with a phase that is found anew, also "
        "that of the actual one.",
        facts=tuple(facts),
        sections=(
            *sections,
            Section(heading="How it learned", parts=(Card(heading="Error", picture=curves, wide=True),)),
        ),
    )
    return _written(folder, page, pictures)


def _cards(trial: Trial, key: str) -> dict[Stage, Card]:
    clean = trial.spectrograms["clean"]
    rate = clean.stft_config.frame_rate_hz / clean.recipe.mel_frame_step
    panels = {
        stage: mel_panel(each.mel_magnitude(), each.mel_config, rate) for stage, each in trial.spectrograms.items()
    }
    cards: dict[Stage, Card] = {}
    order: tuple[Stage, ...] = ("damaged", "clean", "cleaned", "median")
    for stage in order:
        said = f" {format_number(trial.error_db[stage], 1)} dB from the actual one." if stage in trial.error_db else ""
        cards[stage] = Card(
            heading=_HEADINGS[stage],
            caption=f"{_CAPTIONS[stage]}{said}",
            sound=encode_sound(trial.sounds[stage], key=f"{key}-{stage}", name=f"{trial.name}: {_HEADINGS[stage]}"),
            picture=plain_picture(
                panels[stage],
                alt=f"Mel spectrogram of {trial.name}: {_HEADINGS[stage]}",
                reference=panels["clean"].peak,
                range_db=_SHOWN_DB,
            ),
            compare_with=f"{key}-clean" if stage != "clean" else f"{key}-cleaned",
        )
    return cards


def _trial_table(trial: Trial, key: str) -> Table:
    columns = (
        Column(heading=""),
        Column(heading="error", unit="dB", decimals=2, better="lower"),
        Column(heading="PESQ", decimals=2, better="higher"),
        Column(heading="STOI", decimals=3, better="higher"),
    )
    order: tuple[Stage, ...] = ("damaged", "median", "cleaned")
    rows = tuple(
        Row(
            cells=(_HEADINGS[stage], trial.error_db[stage], trial.scores[stage].pesq, trial.scores[stage].stoi),
            sound=f"{key}-{stage}",
            tone="strong" if stage == "damaged" else "plain",
        )
        for stage in order
    )
    return Table(caption="Against the actual one, in picture and sound", columns=columns, rows=rows)


def _as_picture(figure: object, alt: str) -> Picture:
    from PIL import Image

    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})  # type: ignore[attr-defined]
    with Image.open(file) as image:
        width, height = image.size
    return Picture(data=file.getvalue(), alt=alt, width=width, height=height)


def _written(folder: Path, page: Page, pictures: Mapping[str, Picture]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_pictures(folder, pictures)
    return write_page(folder / "index.html", page)
