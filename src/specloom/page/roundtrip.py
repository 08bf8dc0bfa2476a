"""The report of a round trip as a folder: sounds, JSON, CSV and a page."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

from specloom.io.audio import save
from specloom.page.figure import audio_panel, plain_picture
from specloom.page.folder import as_text, write_csv, write_json
from specloom.page.html import format_number, write_page
from specloom.page.parts import Card, Column, Note, Page, Part, Row, RowTone, Section, Table
from specloom.page.sound import encode_sound, outline
from specloom.tasks.roundtrip import LIMITS, Copy, Losses, RoundtripReport, RoundtripRow
from specloom.tasks.roundtrip.steps import hertz

# All players of a page together, before base64 makes them a third larger.
_SOUND_BYTES = 4_000_000
_LEAST_PLAYER_S = 3.0

ORIGINAL = "original"

COLUMNS: tuple[Column, ...] = (
    Column(heading="Step"),
    Column(
        heading="Log-spectral distance",
        unit="dB",
        better="lower",
        hint="Root mean square over bins of the difference in decibels, mean over frames; above -60 dB. 0 is the same.",
    ),
    Column(
        heading="Spectral convergence",
        unit="dB",
        better="lower",
        hint="Error of the magnitudes relative to the original's. 0 dB is an error as large as the sound.",
    ),
    Column(
        heading="SI-SDR",
        unit="dB",
        better="higher",
        hint="Scale-invariant signal-to-distortion ratio of the waveforms, where phase and tempo are kept.",
    ),
    Column(heading="PESQ", unit="1 to 4.64", decimals=2, better="higher", hint="Speech quality, ITU-T P.862."),
    Column(heading="STOI", unit="0 to 1", decimals=3, better="higher", hint="Short-time objective intelligibility."),
    Column(
        heading="Pitch",
        unit="cents",
        signed=True,
        decimals=0,
        better="zero",
        hint="Shift of the voice's F0; 100 is a semitone.",
    ),
    Column(
        heading="Bright\N{SOFT HYPHEN}ness",
        unit="cents",
        decimals=0,
        signed=True,
        better="zero",
        hint="Shift of the spectral centroid.",
    ),
    Column(
        heading="Level", unit="dB", signed=True, hint="Louder or softer than the original; all other figures ignore it."
    ),
    Column(heading="Length", unit="s", signed=True, decimals=2, hint="Longer or shorter than the original."),
)
"""The columns of every table of losses; `cells` gives the rows."""


def cells(label: str, losses: Losses) -> tuple[str | float | None, ...]:
    """One row of a table of losses, for `COLUMNS`."""
    return (
        label,
        losses.log_spectral_distance_db,
        losses.spectral_convergence_db,
        losses.si_sdr_db,
        losses.pesq,
        losses.stoi,
        losses.f0_shift_cents,
        losses.centroid_shift_cents,
        losses.level_db,
        losses.duration_change_s,
    )


def write_roundtrip(report: RoundtripReport, folder: str | PathLike[str], name: str) -> Path:
    """Write the folder of a round trip.

    ``sounds/*.wav`` (16 bit, or floats where they go beyond full scale; the original and every copy that differs from
    it), ``report.json``, ``report.csv`` and ``index.html``. Sounds that only a former report in the folder names are
    removed. Every file is whole or not there; the page is written last.

    Parameters
    ----------
    report : RoundtripReport
    folder : path-like
        Made if it is not there.
    name : str
        What the recording is called on the page.

    Returns
    -------
    Path
        The page.
    """
    place = Path(folder)
    name = as_text(name)
    write_figures(report, place, name)
    return write_page(place / "index.html", roundtrip_page(report, name))


def write_figures(report: RoundtripReport, folder: Path, name: str) -> None:
    """Write what `write_roundtrip` writes, but for the page; sounds that a former report alone names are removed."""
    former = _sounds_named(folder / "report.json")
    named = write_sounds(report, folder / "sounds")
    plain = report.to_json()
    plain["name"] = name
    plain["sounds"] = {key: f"sounds/{path.name}" for key, path in named.items()}
    write_json(folder / "report.json", plain)
    names = ["key", "label", "kind", "chain", *(field.name for field in fields(Losses))]
    write_csv(folder / "report.csv", names, (row.to_json() for row in report.rows), unknown="ignore")
    for name_there in former - {path.name for path in named.values()}:
        stale = folder / "sounds" / name_there
        if stale.is_file():
            stale.unlink()


def _sounds_named(report: Path) -> set[str]:
    """The files in ``sounds/`` that a report names; none if it is missing or not ours."""
    try:
        plain = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    listed = plain.get("sounds") if isinstance(plain, dict) else None
    paths = [Path(path) for path in listed.values() if isinstance(path, str)] if isinstance(listed, dict) else []
    # Whatever the report says, nothing but a sound in that very folder is ours to remove.
    return {path.name for path in paths if path.parts == ("sounds", path.name) and path.suffix == ".wav"}


def write_sounds(report: RoundtripReport, folder: Path) -> dict[str, Path]:
    """Write the original and every copy that differs from it; the path of each by its key."""
    sounds = [(ORIGINAL, report.original)]
    sounds += [(row.key, row.copy.audio) for row in audible(report.rows)]
    written = {}
    for index, (key, audio) in enumerate(sounds):
        inside = audio.n_samples > 0 and float(abs(audio.samples).max()) < 1.0
        path = folder / f"{index:02d}-{key}.wav"
        written[key] = save(path, audio, subtype="PCM_16" if inside else "FLOAT")
    return written


def audible(rows: Sequence[RoundtripRow]) -> list[RoundtripRow]:
    """The rows whose copy is worth listening to: it differs, and it is not another row's over again."""
    return [
        row for row in rows if not row.is_same and row.copy.audio.n_samples > 0 and not row.key.startswith("between")
    ]


def roundtrip_page(report: RoundtripReport, name: str) -> Page:
    """The page of a round trip."""
    return Page(
        title=f"Round trip: {name}",
        introduction=(
            "Does sound, spectrogram, sound give the recording back, and if not, which step spoils it? "
            "Every step of the recipe was taken alone, with the true phase wherever the step permits; then all of them "
            "together; and then once more, on the copy."
        ),
        facts=facts(report),
        sections=(
            Section(heading="What each step loses", parts=verdict_parts(report)),
            Section(
                heading="Listen to the whole chain",
                introduction="Going over from one sound to another keeps the place. Compare switches between a copy "
                "and the original.",
                parts=cards(report, ("total", "cured", "generation"), with_original=name),
            ),
            Section(
                heading="Listen to single steps",
                introduction="Steps that change nothing have no player.",
                parts=cards(report, ("step", "what-if")),
            ),
            Section(heading="How it was measured", parts=(method(report),)),
        ),
        footer="Made by Specloom.",
    )


def facts(report: RoundtripReport) -> tuple[tuple[str, str], ...]:
    """The recording and the settings in short."""
    channels = "mono" if report.recording_channels == 1 else f"{report.recording_channels} channels, averaged"
    recording = f"{report.recording_s:.1f} s, {hertz(report.original.sample_rate)}, {channels}"
    compared = f"the first {report.original.duration_s:.1f} s" if report.is_excerpt else "all of it"
    return (
        ("Recipe", report.recipe.name),
        ("Recording", recording),
        ("Compared", compared),
        ("Perceptual measures", _perceptual(report)),
    )


def _perceptual(report: RoundtripReport) -> str:
    found = []
    if report.pesq_rate is not None:
        found.append(f"PESQ, {'wide' if report.pesq_rate == 16000 else 'narrow'} band at {hertz(report.pesq_rate)}")
    if report.with_stoi:
        found.append("STOI")
    return "; ".join(found) or "none (pip install 'specloom[eval]')"


def verdict_parts(
    report: RoundtripReport, *, prefix: str = "", playable: Collection[str] | None = None
) -> tuple[Part, ...]:
    """The verdict, what else is to be said, and the two tables.

    The rows have buttons for the sounds that are on the page: ``playable`` (keys with the prefix), or all.
    """
    if playable is None:
        playable = [prefix + row.key for row in audible(report.rows)]
    single = [row for row in report.rows if row.kind in ("step", "what-if")]
    whole = [row for row in report.rows if row.kind not in ("step", "what-if")]
    note = "A dash: the figure has no meaning there. Grey: nothing is lost, or an alternative that the recipe has not."
    remarks = (Note(text="\n\n".join(report.remarks)),) if report.remarks else ()
    return (
        Note(kind="verdict", text=report.verdict),
        *remarks,
        Table(
            caption="Every step alone",
            columns=COLUMNS,
            rows=tuple(
                _table_row(row, "muted" if row.is_same or row.kind == "what-if" else "plain", prefix, playable)
                for row in single
            ),
            note=note,
            mark_best=False,
        ),
        Table(
            caption="All together, and once more",
            columns=(Column(heading="Chain"), *COLUMNS[1:]),
            rows=tuple(
                _table_row(row, "strong" if row.kind == "total" else "plain", prefix, playable) for row in whole
            ),
        ),
    )


def _table_row(row: RoundtripRow, tone: RowTone, prefix: str, playable: Collection[str]) -> Row:
    key = prefix + row.key
    return Row(cells=cells(row.label, row.losses), sound=key if key in playable else None, tone=tone)


def cards(
    report: RoundtripReport, kinds: Sequence[str], *, with_original: str | None = None, prefix: str = ""
) -> tuple[Card, ...]:
    """Players with their pictures, of the rows of these kinds; the original first, if it is given a name."""
    seconds = player_seconds(report)
    easel = _Easel(report.original.sample_rate / 2, audio_panel(report.original, seconds=seconds).peak, prefix)
    result = []
    if with_original is not None:
        first = Copy(audio=report.original)
        result.append(easel.card(first, ORIGINAL, "Original", f"{with_original}, as it was read.", 0.0, seconds))
    for row in audible(report.rows):
        if row.kind in kinds:
            caption = f"{row.explanation} {in_words(row.losses)}"
            level_db = row.losses.level_db or 0.0
            result.append(easel.card(row.copy, row.key, row.label, caption, level_db, seconds))
    return tuple(result)


@dataclass(frozen=True)
class _Easel:
    """What all pictures of a page have in common, so that they can be compared."""

    top_hz: float
    reference: float
    prefix: str

    def card(self, copy: Copy, key: str, heading: str, caption: str, level_db: float, seconds: float) -> Card:
        """A player beside its spectrogram; the picture's brightness follows the level, as the ear does."""
        shown = seconds / copy.speed
        panel = audio_panel(copy.audio, top_hz=self.top_hz, seconds=shown)
        picture = plain_picture(
            panel, alt=f"Spectrogram: {heading}", reference=self.reference * 10.0 ** (level_db / 20.0), range_db=70.0
        )
        sound = encode_sound(
            copy.audio,
            key=self.prefix + key,
            name=heading,
            seconds=shown,
            offset_s=copy.offset_s,
            speed=copy.speed,
        )
        return Card(
            heading=heading,
            caption=caption,
            sound=sound,
            picture=picture,
            waveform=outline(copy.audio, seconds=shown),
            compare_with=None if key == ORIGINAL else self.prefix + ORIGINAL,
            wide=key == ORIGINAL,
        )


def player_seconds(report: RoundtripReport) -> float:
    """How much of each sound the players hold, so that the page stays small."""
    n_sounds = 1 + len(audible(report.rows))
    # FLAC takes about 10 bits of a 16-bit sample.
    bytes_per_s = report.original.sample_rate * 10 / 8
    return max(_LEAST_PLAYER_S, min(report.original.duration_s, _SOUND_BYTES / (n_sounds * bytes_per_s)))


def in_words(losses: Losses) -> str:
    """The figures of a caption: the ones that a listener can check."""
    parts = [f"Log-spectral distance {format_number(losses.log_spectral_distance_db, 1)} dB"]
    if losses.pesq is not None:
        parts.append(f"PESQ {format_number(losses.pesq, 2)}")
    if losses.f0_shift_cents is not None and abs(losses.f0_shift_cents) >= 1:
        parts.append(f"pitch {format_number(losses.f0_shift_cents, 0, signed=True)} cents")
    if losses.level_db is not None and abs(losses.level_db) >= 0.1:
        parts.append(f"level {format_number(losses.level_db, 1, signed=True)} dB")
    return ", ".join(parts) + "."


def method(report: RoundtripReport) -> Note:
    """How the figures were come by, and what the verdict calls spoilt."""
    limits = "; ".join(f"{limit.name} {limit.limit:g} {limit.unit}".rstrip() for limit in LIMITS)
    played = player_seconds(report)
    parts = [
        "Every copy is compared as it is heard: at the sample rate that is written in it, laid on the time line of the "
        "original, and (but for the column Level) after the levels are matched. SI-SDR is given where a step keeps "
        "phase and tempo, STOI where it keeps the tempo. Where a recipe resamples, its other steps are compared with "
        "the resampled recording; steps on the spectrum are taken between pre-emphasis and its inverse, which lose "
        "nothing but decide how loud the bins are.",
        f"A step counts as spoiling the sound when it goes beyond one of these limits: {limits}. PESQ and STOI are "
        "made for speech; of music they say little.",
    ]
    if played < report.original.duration_s:
        parts.append(f"The players hold the first {played:.1f} s; the whole sounds lie in the folder beside this page.")
    return Note(text="\n\n".join(parts))
