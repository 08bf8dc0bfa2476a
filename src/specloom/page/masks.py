"""The folder of the mask laboratory: tables as CSV and JSON, pictures of every mask, and a page to listen to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.masks import speech_noise_coherence
from specloom.page.figure import Panel, audio_panel, frequency_marks, palette, plain_picture
from specloom.page.folder import as_text, write_csv, write_json, write_pictures
from specloom.page.html import format_number, write_page
from specloom.page.parts import Card, Column, Note, Page, Part, Picture, Row, Section, Table
from specloom.page.sound import encode_sound, outline
from specloom.tasks.mask_lab import (
    ORACLES,
    MaskReport,
    Oracle,
    PairResult,
    Scores,
    Sounds,
    Spectra,
    ValueCounts,
    read_pair,
    sounds_of,
)
from specloom.tasks.mask_lab.task import resampled, spectra_of
from specloom.tasks.mask_lab.values import EDGES, NAMES, RANGES, moved

# All players of a page together, before base64 makes them a third larger.
_SOUND_BYTES = 4_000_000
_LEAST_PLAYER_S = 2.0
_MOST_COLUMNS = 1200

_SIGNED_COLOURS, _SHARE_COLOURS = "RdBu_r", "viridis"
CLEAN, NOISY = "clean", "noisy"


def score_columns(rate: int) -> tuple[Column, ...]:
    """The columns of an oracle table; `score_cells` gives the rows."""
    band, best = ("wide band", "4.64") if rate == 16000 else ("narrow band", "4.55")
    return (
        Column(heading="Mask"),
        Column(heading="PESQ", unit=f"1 to {best}", decimals=3, better="higher", hint=f"ITU-T P.862, {band}."),
        Column(
            heading="STOI", unit="0 to 1", decimals=3, better="higher", hint="Short-time objective intelligibility."
        ),
        Column(heading="ESTOI", unit="0 to 1", decimals=3, better="higher", hint="Extended STOI."),
        Column(heading="SI-SDR", unit="dB", better="higher", hint="Scale-invariant signal-to-distortion ratio."),
    )


def score_cells(label: str, scores: Scores) -> tuple[str | float | None, ...]:
    """One row of an oracle table, for `score_columns`."""
    return label, scores.pesq, scores.stoi, scores.estoi, scores.si_sdr_db


def ranked(means: Mapping[str, Scores]) -> list[Oracle]:
    """The masks, the best first: by PESQ where it was taken, otherwise by SI-SDR."""

    def badness(row: Oracle) -> tuple[float, float]:
        scores = means[row.key]
        # Rounded, so that two names of one mask stand in the order of the list.
        return -round(scores.pesq or 0.0, 3), -round(scores.si_sdr_db if scores.si_sdr_db is not None else -999.0, 1)

    return sorted(ORACLES, key=badness)


def write_masks(report: MaskReport, folder: str | PathLike[str]) -> Path:
    """Write the folder of the mask laboratory.

    ``report.json`` (everything), ``masks.csv`` (means), ``pairs.csv`` (every pair), ``values.csv`` (histograms),
    ``pictures/*.png`` (every mask of the example, the coherence, the histograms) and ``index.html``. Every file is
    whole or not there; the page is written last.

    Parameters
    ----------
    report : MaskReport
    folder : path-like
        Made if it is not there.

    Returns
    -------
    Path
        The page.
    """
    place = Path(folder)
    easel = _Easel.of(report)
    write_json(place / "report.json", report.to_json())
    _write_means(report, place / "masks.csv")
    _write_pairs(report.results, place / "pairs.csv")
    _write_values(report, place / "values.csv")
    pictures = easel.pictures()
    write_pictures(place / "pictures", pictures)
    return write_page(place / "index.html", masks_page(report, easel, pictures))


_SCORES = [field.name for field in fields(Scores)]


def _write_means(report: MaskReport, path: Path) -> None:
    rows = (
        {
            "sample_rate": rate,
            "key": row.key,
            "label": row.label,
            "n_pairs": report.n_pairs(rate),
            **asdict(report.means(rate)[row.key]),
        }
        for rate in report.rates
        for row in ORACLES
    )
    write_csv(path, ["sample_rate", "key", "label", "n_pairs", *_SCORES], rows)


def _write_pairs(results: Sequence[PairResult], path: Path) -> None:
    rows = (
        {"name": result.pair.name, "snr_db": result.snr_db, "sample_rate": rate, "key": key, **asdict(scores)}
        for result in results
        for rate, table in result.scores.items()
        for key, scores in table.items()
    )
    write_csv(path, ["name", "snr_db", "sample_rate", "key", *_SCORES], rows)


def _write_values(report: MaskReport, path: Path) -> None:
    rows = (
        {"sample_rate": rate, "key": key, "low": low, "high": high, "count": count}
        for rate in report.rates
        for key, counts in report.counts[rate].items()
        for low, high, count in _columns(counts)
    )
    write_csv(path, ["sample_rate", "key", "low", "high", "count"], rows)


def _columns(counts: ValueCounts) -> Iterable[tuple[float | str, float | str, int]]:
    """Every column of a histogram; no number is the end of what lies outside."""
    edges = [round(float(edge), 6) for edge in EDGES]
    yield "", edges[0], counts.below
    yield from zip(edges[:-1], edges[1:], counts.counts.tolist())
    yield edges[-1], "", counts.above


@dataclass(frozen=True, kw_only=True, eq=False)
class _Easel:
    """The example pair at the rate of the first table, and how much of it is shown and played."""

    report: MaskReport
    sounds: Sounds
    spectra: Spectra
    seconds: float
    reference: float

    @classmethod
    def of(cls, report: MaskReport) -> _Easel:
        result = report.example
        whole = sounds_of(result.pair, *read_pair(result.pair, seconds=report.seconds), report.second)
        sounds = resampled(whole, max(result.scores))
        # FLAC takes about 10 bits of a 16-bit sample.
        bytes_per_s = sounds.clean.sample_rate * 10 / 8
        affordable = _SOUND_BYTES / ((len(ORACLES) + 1) * bytes_per_s)
        seconds = max(_LEAST_PLAYER_S, min(sounds.clean.duration_s, affordable))
        reference = audio_panel(sounds.noisy, seconds=seconds).peak
        return cls(report=report, sounds=sounds, spectra=spectra_of(sounds), seconds=seconds, reference=reference)

    @property
    def name(self) -> str:
        """What the example is called."""
        return as_text(self.report.example.pair.name)

    @property
    def rate(self) -> int:
        """Of the example's table."""
        return self.sounds.clean.sample_rate

    def pictures(self) -> dict[str, Picture]:
        """Every mask, the coherence maps and the histograms, by the names of their files."""
        found = {}
        for row in ORACLES:
            if row.kind != "mask":
                continue
            mask = row.mask(self.spectra)
            found[row.key] = self.picture(mask.real, row.shown, row.label)
            if mask.dtype.kind == "c":
                found[f"{row.key}-imag"] = self.picture(mask.imag, row.shown, f"{row.label}, imaginary part")
        clean, noise = self.spectra.clean, self.spectra.noise
        found["coherence"] = self.picture(
            speech_noise_coherence(clean, noise), (-1.0, 1.0), "Coherence of speech and noise"
        )
        found["coherence-by-chance"] = self.picture(
            speech_noise_coherence(clean, moved(noise)), (-1.0, 1.0), "Coherence of speech and noise moved in time"
        )
        found["values"] = histogram_picture(self.report.counts[self.rate])
        return found

    def picture(self, values: npt.NDArray[Any], shown: tuple[float, float], what: str) -> Picture:
        """A map of values over time and frequency."""
        config = self.spectra.config
        n_frames = max(1, min(values.shape[-1], round(self.seconds * config.frame_rate_hz)))
        return value_picture(values[:, :n_frames], config, shown=shown, alt=f"{what}, {shown[0]:g} to {shown[1]:g}")

    def card(self, row: Oracle, picture: Picture | None) -> Card:
        """A mask: what it sounds like, and what it looks like."""
        estimate = Audio(self.spectra.masked(row.mask(self.spectra)), self.rate)
        scores = self.report.example.scores[self.rate][row.key]
        colours = "" if picture is None else f" Colours from {row.shown[0]:g} to {row.shown[1]:g}."
        return Card(
            heading=row.label,
            caption=f"{row.about}{colours} {in_words(scores)}",
            sound=encode_sound(estimate, key=row.key, name=row.label, seconds=self.seconds),
            picture=picture if picture is not None else self.spectrogram(estimate, row.label),
            compare_with=CLEAN,
        )

    def given(self, audio: Audio, key: str, heading: str, compare_with: str | None) -> Card:
        """A sound as it was given."""
        return Card(
            heading=heading,
            sound=encode_sound(audio, key=key, name=heading, seconds=self.seconds),
            picture=self.spectrogram(audio, heading),
            waveform=outline(audio, seconds=self.seconds),
            compare_with=compare_with,
        )

    def spectrogram(self, audio: Audio, heading: str) -> Picture:
        """All on one scale of levels and a linear axis, as the masks have."""
        panel = audio_panel(audio, scale="linear", seconds=self.seconds)
        return plain_picture(panel, alt=f"Spectrogram: {heading}", reference=self.reference, range_db=70.0)


def value_picture(values: npt.NDArray[Any], config: StftConfig, *, shown: tuple[float, float], alt: str) -> Picture:
    """A map of values, shape ``(n_bins, n_frames)``, one pixel each: not decibels, and of both signs if need be.

    Parameters
    ----------
    values : real array
        Of more frames than pixels every so many is shown: an average would show values that no bin has.
    config : StftConfig
        Of the transform that the bins are of.
    shown : (float, float)
        The values of the first and the last colour; what lies beyond looks like them. With limits of both signs red
        is above 0 and blue below.
    alt : str
    """
    from PIL import Image

    low, high = shown
    step = -(-values.shape[-1] // _MOST_COLUMNS)
    kept = np.clip(values[:, ::step].astype(np.float64), low, high)
    shades = np.rint((kept - low) / (high - low) * 255.0).astype(np.uint8)[::-1]
    image = Image.fromarray(np.ascontiguousarray(shades)).convert("P")
    image.putpalette(palette(_SIGNED_COLOURS if low < 0 else _SHARE_COLOURS))
    file = BytesIO()
    image.save(file, format="PNG", compress_level=9)
    span = values.shape[-1] / config.frame_rate_hz
    hz = np.fft.rfftfreq(config.n_fft, 1.0 / config.sample_rate)
    marks = frequency_marks(Panel(magnitude=kept, row_hz=hz, span_s=span))
    return Picture(data=file.getvalue(), alt=alt, width=kept.shape[1], height=len(hz), span_s=span, levels=marks)


def histogram_picture(counts: Mapping[str, ValueCounts]) -> Picture:
    """The histograms of all masks below one another, with the usual truncations marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dpi = 100
    figure = Figure(figsize=(9.0, 1.9 * len(counts)), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(len(counts), 1, squeeze=False)[:, 0]
    for place, (key, values) in zip(places, counts.items()):
        shares = 100.0 * values.counts / max(1, values.n_bins)
        place.bar(EDGES[:-1], shares, width=np.diff(EDGES), align="edge", color="#5b4b9a")
        for limit in (-1.0, 0.0, 1.0, 2.0):
            place.axvline(limit, color="#b0552f", linewidth=0.8, linestyle=":")
        outside = 100.0 * (values.below + values.above) / max(1, values.n_bins)
        place.set_title(f"{NAMES[key]} ({outside:.2g} % beyond ±5)", loc="left", fontsize=10)
        place.set_ylabel("% of bins", fontsize=9)
        place.set_xlim(-2.0 if key != "cirm-imag" else -3.0, 3.0)
        place.tick_params(labelsize=9)
    file = BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    width, height = (int(size) for size in figure.canvas.get_width_height())
    alt = "Histograms of the values of IAM, PSM, the imaginary part of the cIRM, and IRM"
    return Picture(data=file.getvalue(), alt=alt, width=width, height=height)


def masks_page(report: MaskReport, easel: _Easel, pictures: Mapping[str, Picture]) -> Page:
    """The page of the mask laboratory."""
    return Page(
        title="The mask laboratory",
        introduction="How good could each time-frequency mask be at best? Every mask is worked out from the clean "
        "speech itself and laid over the noisy sound: a network that estimates it can hardly do better.",
        facts=_facts(report),
        sections=(
            Section(heading="What each mask reaches", parts=_tables(report)),
            Section(
                heading=f"Listen and look: {easel.name}",
                introduction="The pair whose signal-to-noise ratio is nearest to the median. Going over from one sound "
                "to another keeps the place; Compare switches to the clean speech. Red is above 0, blue below.",
                parts=_cards(easel, pictures),
            ),
            Section(
                heading="Which values the masks take",
                introduction="What a network is to estimate has to be bounded. The histograms show what a truncation "
                "leaves out, the table what that costs.",
                parts=_values(report, easel, pictures),
            ),
            Section(
                heading="How speech and noise hang together",
                introduction="The coherent part, which the IRM takes to be nothing, averaged over 3 bins and 5 frames. "
                "So small an average is never 0; the second map shows what chance alone gives.",
                parts=(
                    Card(heading="Coherence of speech and noise", picture=pictures["coherence"]),
                    Card(heading="With the noise moved in time", picture=pictures["coherence-by-chance"]),
                ),
            ),
        ),
        footer="Made by Specloom.",
    )


def _facts(report: MaskReport) -> tuple[tuple[str, str], ...]:
    snrs = [result.snr_db for result in report.results]
    spread = format_number(min(snrs), 1) + (f" to {format_number(max(snrs), 1)}" if len(snrs) > 1 else "")
    return (
        ("Pairs", str(len(report.results)) + (f" ({len(report.failures)} failed)" if report.failures else "")),
        ("Signal-to-noise ratio", f"{spread} dB"),
        ("Speech", f"{sum(result.duration_s for result in report.results):.0f} s"),
        ("Second input", "noise alone" if report.second == "noise" else "noisy sound"),
    )


def _tables(report: MaskReport) -> tuple[Part, ...]:
    parts: list[Part] = [Note(kind="verdict", text=report.verdict)]
    for rate in report.rates:
        means = report.means(rate)
        rows = tuple(
            Row(
                cells=score_cells(row.label, means[row.key]),
                sound=row.key if row.kind != "mistake" and rate == report.rates[0] else None,
                tone={"mask": "plain", "mistake": "muted", "noisy": "strong"}[row.kind],  # type: ignore[arg-type]
            )
            for row in ranked(means)
        )
        transform = "512/256 samples" if rate == 16000 else "256/128 samples in transforms of 512"
        caption = f"{rate // 1000} kHz, Hann {transform}, mean of {report.n_pairs(rate)}"
        parts.append(Table(caption=caption, columns=score_columns(rate), rows=rows))
    if report.failures:
        text = "\n\n".join(f"{failure.name}: {failure.message}" for failure in report.failures)
        parts.append(Note(kind="caution", heading="Could not be measured", text=as_text(text)))
    parts.append(Note(text=as_text("\n\n".join(report.remarks))))
    return tuple(parts)


def _cards(easel: _Easel, pictures: Mapping[str, Picture]) -> tuple[Part, ...]:
    cards = [
        easel.given(easel.sounds.clean, CLEAN, "Clean", None),
        easel.given(easel.sounds.noisy, NOISY, "Noisy", CLEAN),
    ]
    for row in ORACLES:
        if row.kind != "mask":
            continue
        cards.append(easel.card(row, pictures[row.key]))
        if f"{row.key}-imag" in pictures:
            cards.append(Card(heading=f"{row.label}: imaginary part", picture=pictures[f"{row.key}-imag"]))
    return tuple(cards)


def _values(report: MaskReport, easel: _Easel, pictures: Mapping[str, Picture]) -> tuple[Part, ...]:
    counts = report.counts[easel.rate]
    columns = (
        Column(heading="Mask"),
        *(Column(heading=f"[{low:g}, {high:g}]", unit="% of bins") for low, high in RANGES),
        Column(heading="[0, 1]", unit="% of energy"),
        Column(heading="[-1, 2]", unit="% of energy"),
    )
    rows = tuple(
        Row(
            cells=(
                NAMES[key],
                *(100.0 * values.share_inside(low, high) for low, high in RANGES),
                100.0 * values.share_inside(0.0, 1.0, by_energy=True),
                100.0 * values.share_inside(-1.0, 2.0, by_energy=True),
            )
        )
        for key, values in counts.items()
    )
    return (
        Note(kind="verdict", text=report.choice),
        Table(caption="How much lies inside a range", columns=columns, rows=rows),
        Card(heading="Histograms over all pairs", picture=pictures["values"], wide=True),
    )


def in_words(scores: Scores) -> str:
    """The figures of a caption."""
    known = [
        (name, value, decimals)
        for name, value, decimals in (
            ("PESQ", scores.pesq, 2),
            ("STOI", scores.stoi, 3),
            ("SI-SDR in dB", scores.si_sdr_db, 1),
        )
        if value is not None
    ]
    text = ", ".join(f"{name} {format_number(value, decimals)}" for name, value, decimals in known)
    return f"{text}." if text else ""
