"""The folder of an evaluation: tables as CSV and JSON, plots, and a page to listen to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specloom.audio import Audio
from specloom.errors import SpecloomError
from specloom.page.figure import audio_panel, plain_picture
from specloom.page.folder import as_text, write_csv, write_json, write_pictures
from specloom.page.html import format_number, write_page
from specloom.page.parts import Card, Column, Note, Page, Part, Picture, Row, Section, Table
from specloom.page.sound import encode_sound, outline
from specloom.tasks.evaluate import CLEAN, FIGURES, NOISY, Clip, EvaluationReport, Figure, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# All players of a page together, before base64 makes them a third larger.
_SOUND_BYTES = 5_000_000
_LEAST_PLAYER_S = 3.0
_MOST_WORST = 8
_CONTEST = 3
_DPI = 110
_NOISY_COLOUR = "#8a8a8a"
_PLOTTED = ("pesq", "stoi", "si_sdr_db")
_FIGURE = {figure.key: figure for figure in FIGURES}
_SUMMARY = ("system", "kind", "given", "snr_db", "n_clips", *_FIGURE, "worse_pesq_percent", "cost")
_INTRODUCTION = (
    "Clean speech, the same speech with noise, and what became of it: every clip is compared with its clean speech, "
    "and the noisy sound itself is the mark that has to be beaten."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Example:
    """A clip to listen to: what can be heard of it, by name, the clean and the noisy sound first."""

    name: str
    sounds: Mapping[str, Audio]
    group: float | None


def write_evaluation(report: EvaluationReport, folder: str | PathLike[str]) -> Path:
    """Write the folder of an evaluation.

    ``report.json`` (everything), ``summary.csv`` (means, over all clips and by signal-to-noise ratio),
    ``pictures/*.png`` and ``index.html``; ``clips.csv`` is written by `specloom.tasks.evaluate.evaluate` itself. Every
    file is whole or not there; the page is written last.

    Parameters
    ----------
    report : EvaluationReport
    folder : path-like
        Made if it is not there.

    Returns
    -------
    Path
        The page.
    """
    place = Path(folder)
    write_json(place / "report.json", report.to_json())
    write_csv(place / "summary.csv", _SUMMARY, _summary_rows(report))
    pictures = _pictures(report)
    write_pictures(place / "pictures", pictures)
    return write_page(place / "index.html", evaluation_page(report, pictures))


def _summary_rows(report: EvaluationReport) -> Iterable[dict[str, Any]]:
    for system in report.systems:
        worse = report.worse(system, "pesq")
        about = {"system": system, "kind": report.kind(system)}
        for group in (None, *report.group_values):
            row: dict[str, Any] = {**about, "given": NOISY, "snr_db": "all" if group is None else group}
            row |= {key: report.means(key, group=group)[system] for key in report.taken}
            row["n_clips"] = len(report.common(report.main, group=group))
            if group is None:
                row |= {"worse_pesq_percent": worse.percent if worse else None, "cost": report.cost(system)}
            yield row
        n_clean = len(report.of(system, "clean"))
        if n_clean:
            clean = {key: report.of_clean(system, key) for key in report.taken}
            yield {**about, "given": CLEAN, "snr_db": "all", "n_clips": n_clean, **clean}


def figures_taken(report: EvaluationReport) -> list[Figure]:
    """The figures that the tables show."""
    return [_FIGURE[key] for key in report.taken]


def columns(report: EvaluationReport) -> tuple[Column, ...]:
    """The columns of the main table; `cells` gives the rows."""
    marked = _is_contest(report)
    return (
        Column(heading="System"),
        *(_column(figure, marked=marked) for figure in figures_taken(report)),
        Column(
            heading="Worse",
            unit="% of clips",
            better="lower" if marked else None,
            hint=f"Clips whose {_FIGURE[report.main].heading} is below that of the noisy sound.",
        ),
        Column(heading="Cost", unit="% of real time", decimals=2, hint="Median over the clips, on this machine."),
    )


def _column(figure: Figure, *, marked: bool) -> Column:
    return Column(
        heading=figure.heading,
        unit=figure.unit,
        decimals=figure.decimals,
        better="higher" if marked else None,
        hint=f"{figure.hint}.",
    )


def _is_contest(report: EvaluationReport) -> bool:
    """Whether there are so many systems that the best and the worst are worth a mark."""
    return len(report.systems) - 1 >= _CONTEST


def cells(report: EvaluationReport, system: str) -> tuple[str | float | None, ...]:
    """One row of the main table, for `columns`."""
    worse = report.worse(system, report.main) if system != NOISY else None
    cost = report.cost(system)
    return (
        as_text(system),
        *(report.means(key)[system] for key in report.taken),
        worse.percent if worse else None,
        None if cost is None else 100.0 * cost,
    )


def group_name(group: float) -> str:
    """A signal-to-noise ratio in words."""
    return f"{format_number(group, 0 if group == round(group) else 1)} dB"


def clips_of(report: EvaluationReport, key: str, group: float) -> str:
    """How many clips the means of a group are taken over, in words."""
    count = len(report.common(key, group=group))
    return "1 clip" if count == 1 else f"{count} clips"


def evaluation_page(report: EvaluationReport, pictures: Mapping[str, Picture]) -> Page:
    """The page of an evaluation."""
    examples, silent = _examples(report)
    sections = [Section(heading="What it reaches", parts=_main_parts(report, pictures))]
    if "change" in pictures:
        sections.append(
            Section(
                heading="Where it helps, and where it harms",
                introduction="Every clip is a dot; what lies below the line has become worse.",
                parts=_change_parts(report, pictures),
            )
        )
    budget = _SOUND_BYTES / max(1, sum(len(example.sounds) for example in examples))
    sections += [_listening(report, example, index, budget) for index, example in enumerate(examples)]
    sections.append(Section(heading="How it was measured", parts=_method(report, silent)))
    return Page(
        title="Evaluation of speech enhancement",
        introduction=_INTRODUCTION,
        facts=_facts(report),
        sections=tuple(sections),
        footer="Made by Specloom. Play one sound, then another: the place is kept.",
    )


def _facts(report: EvaluationReport) -> tuple[tuple[str, str], ...]:
    clips = report.of(NOISY).values()
    snrs = [clip.snr_db for clip in clips if clip.snr_db is not None]
    spread = f"{format_number(min(snrs), 1)} to {format_number(max(snrs), 1)} dB" if snrs else "no noise"
    failed = f" ({len(report.failures)} sounds failed)" if report.failures else ""
    return (
        ("Clips", f"{len(report.names)}{failed}"),
        ("Speech", f"{sum(clip.duration_s for clip in clips):.0f} s"),
        ("Signal-to-noise ratio", spread),
        ("Measured at", f"{report.sample_rate // 1000} kHz, PESQ {_band(report)}"),
    )


def _band(report: EvaluationReport) -> str:
    return "wide-band" if report.sample_rate == 16000 else "narrow-band"


def _main_parts(report: EvaluationReport, pictures: Mapping[str, Picture]) -> tuple[Part, ...]:
    parts: list[Part] = [Note(kind="verdict", text=as_text(verdict(report)))]
    rows = tuple(
        Row(cells=cells(report, system), tone="strong" if system == NOISY else "plain") for system in report.systems
    )
    n_clips = len(report.common(report.main))
    parts.append(Table(caption=f"Means over {n_clips} clips", columns=columns(report), rows=rows))
    parts += _clean_table(report)
    if "snr" in pictures:
        parts.append(Card(heading="By signal-to-noise ratio", picture=pictures["snr"], wide=True))
        parts += [_group_table(report, key) for key in _PLOTTED if key in report.taken]
    if report.failures:
        text = "\n\n".join(f"{failure.name}: {failure.message}" for failure in report.failures)
        parts.append(Note(kind="caution", heading="Could not be measured", text=as_text(text)))
    if report.remarks:
        parts.append(Note(text=as_text("\n\n".join(report.remarks))))
    return tuple(parts)


def _clean_table(report: EvaluationReport) -> list[Part]:
    through = [system for system in report.systems if report.of(system, "clean")]
    if not through:
        return []
    taken = [_FIGURE[key] for key in report.taken]
    rows = tuple(
        Row(cells=(as_text(system), *(report.of_clean(system, figure.key) for figure in taken))) for system in through
    )
    return [
        Table(
            caption="Clean speech that went through it",
            columns=(Column(heading="System"), *(_column(figure, marked=False) for figure in taken)),
            rows=rows,
            note="It should come out as it went in: PESQ above 4 and STOI above 0.99 are hardly heard.",
            mark_best=False,
        )
    ]


def _group_table(report: EvaluationReport, key: str) -> Table:
    figure = _FIGURE[key]
    groups, marked = report.group_values, _is_contest(report)
    means = [report.means(key, group=group) for group in groups]
    heads = tuple(
        Column(
            heading=group_name(group),
            unit=clips_of(report, key, group),
            decimals=figure.decimals,
            better="higher" if marked else None,
        )
        for group in groups
    )
    rows = tuple(
        Row(
            cells=(as_text(system), *(mean[system] for mean in means)),
            tone="strong" if system == NOISY else "plain",
        )
        for system in report.systems
    )
    unit = f" in {figure.unit}" if figure.unit else ""
    caption = f"{figure.heading}{unit} by signal-to-noise ratio"
    return Table(caption=caption, columns=(Column(heading="System"), *heads), rows=rows)


def _compared(report: EvaluationReport) -> list[str]:
    """What the details are about: the systems that were run, or the peers when none was."""
    ours = [system for system in report.systems if report.kind(system) == "system"]
    return ours or [system for system in report.systems if system != NOISY]


def _change_parts(report: EvaluationReport, pictures: Mapping[str, Picture]) -> tuple[Part, ...]:
    system, figure = _compared(report)[0], _FIGURE[report.main]
    before, after = report.of(NOISY), report.of(system)
    changes = {name: change for name in after if (change := _change(before[name], after[name], figure.key)) is not None}
    least = sorted(changes, key=lambda name: changes[name])[:_MOST_WORST]
    rows = tuple(
        Row(
            cells=(
                as_text(name),
                before[name].snr_db,
                before[name].figure(figure.key),
                after[name].figure(figure.key),
                changes[name],
                _change(before[name], after[name], "stoi"),
                _change(before[name], after[name], "si_sdr_db"),
            )
        )
        for name in least
    )
    heads = (
        Column(heading="Clip"),
        Column(heading="SNR", unit="dB"),
        Column(heading=f"{figure.heading} before", unit=figure.unit, decimals=figure.decimals),
        Column(heading=f"{figure.heading} after", unit=figure.unit, decimals=figure.decimals),
        Column(heading="Change", unit=figure.unit, decimals=figure.decimals, signed=True),
        Column(heading="STOI", unit="change", decimals=3, signed=True),
        Column(heading="SI-SDR", unit="change, dB", signed=True),
    )
    return (
        Card(heading=f"{figure.heading} of every clip", picture=pictures["change"], wide=True),
        Table(caption=f"Where {as_text(system)} helps least", columns=heads, rows=rows),
    )


def _change(before: Clip, after: Clip, key: str) -> float | None:
    first, second = before.figure(key), after.figure(key)
    return None if first is None or second is None else second - first


def _examples(report: EvaluationReport) -> tuple[list[_Example], list[str]]:
    """The clips to listen to, and sentences about what cannot be heard again."""
    pairs = {pair.name: pair for pair in report.bench.pairs}
    groups = report.groups
    found, silent = [], []
    for name in report.examples():
        try:
            clean, noisy = report.bench.sounds(pairs[name])
            sounds = {CLEAN: clean, NOISY: noisy}
            for system in report.systems:
                if system != NOISY and name in report.of(system):
                    sounds[system] = report.bench.output(system, pairs[name], noisy)
            found.append(_Example(name=name, sounds=sounds, group=groups.get(name)))
        except SpecloomError as error:
            silent.append(f"{name} cannot be played: {error}")
    return found, silent


def _listening(report: EvaluationReport, example: _Example, index: int, budget: float) -> Section:
    clean = example.sounds[CLEAN]
    # FLAC takes about 10 bits of a 16-bit sample.
    seconds = max(_LEAST_PLAYER_S, min(clean.duration_s, budget / (clean.sample_rate * 10 / 8)))
    reference = audio_panel(example.sounds[NOISY], seconds=seconds).peak
    parts = []
    for place, (name, audio) in enumerate(example.sounds.items()):
        heading = {CLEAN: "Clean", NOISY: "Noisy"}.get(name, as_text(name))
        panel = audio_panel(audio, seconds=seconds)
        parts.append(
            Card(
                heading=heading,
                caption=_in_words(report.of(name).get(example.name)) if name != CLEAN else "",
                sound=encode_sound(audio, key=f"clip{index}-{place}", name=heading, seconds=seconds),
                picture=plain_picture(panel, alt=f"Spectrogram: {heading}", reference=reference, range_db=70.0),
                waveform=outline(audio, seconds=seconds),
                compare_with=None if name == CLEAN else f"clip{index}-0",
            )
        )
    shown = report.examples()
    which = {shown[0]: "The clip that gained least.", shown[-1]: "The clip that gained most."}
    told = which.get(example.name, "The clip in the middle.") if len(shown) > 1 else ""
    snr = "" if example.group is None else f", {group_name(example.group)}"
    return Section(
        heading=as_text(f"Listen: {example.name}{snr}"),
        introduction=told,
        parts=tuple(parts),
    )


def _in_words(clip: Clip | None) -> str:
    known = [
        f"{_FIGURE[key].heading} {format_number(value, _FIGURE[key].decimals)}{f' {unit}' if unit else ''}"
        for key in _PLOTTED
        if clip is not None and (value := clip.figure(key)) is not None
        for unit in [_FIGURE[key].unit]
    ]
    return f"{', '.join(known)}." if known else ""


def _method(report: EvaluationReport, silent: Sequence[str]) -> tuple[Part, ...]:
    by = "the names of the files say" if report.by_name else "was measured, to the nearest 5 dB"
    sentences = [
        f"Every sound was taken to {report.sample_rate} Hz first, and the systems were given it so. Each output is "
        "compared with the clean speech sample by sample; of peers a delay that all their clips have is taken out "
        "first. PESQ, STOI and SI-SDR do not hear the level; DNSMOS does, and it does not know the clean speech.",
        f"Clips are grouped by the signal-to-noise ratio that {by}. Means are taken over those clips that every system "
        "has a figure for.",
        "Cost is the time that a system takes for a clip, beside whatever else this machine had to do.",
        *silent,
    ]
    return (Note(text=as_text("\n\n".join(sentences))),)


def _pictures(report: EvaluationReport) -> dict[str, Picture]:
    """The plots, by the names of their files."""
    found = {}
    if len(report.group_values) > 1:
        found["snr"] = snr_picture(report)
    told = _compared(report)
    if told and report.worse(told[0], report.main) is not None:
        found["change"] = change_picture(report, told)
    return found


def snr_picture(report: EvaluationReport) -> Picture:
    """PESQ, STOI and SI-SDR of every system over the signal-to-noise ratio."""
    keys = [key for key in _PLOTTED if key in report.taken]
    groups = report.group_values
    drawing = _drawing(3.4 * len(keys), 3.3)
    places = drawing.subplots(1, len(keys), squeeze=False)[0]
    colours = _colours(report.systems)
    for place, key in zip(places, keys):
        means = [report.means(key, group=group) for group in groups]
        for system in report.systems:
            values = [mean[system] for mean in means]
            # Missing groups leave a gap.
            heights = [float("nan") if value is None else value for value in values]
            dashed = "--" if system == NOISY else "-"
            place.plot(
                groups, heights, dashed, color=colours[system], marker="o", markersize=3.5, label=as_text(system)
            )
        _dress(place, "signal-to-noise ratio, dB", _with_unit(_FIGURE[key]))
        place.set_xticks(groups)
    places[0].legend(frameon=False, fontsize=8)
    return _finished(drawing, f"{' and '.join(_FIGURE[key].heading for key in keys)} by signal-to-noise ratio")


def change_picture(report: EvaluationReport, systems: Sequence[str]) -> Picture:
    """The main figure of every clip before and after, for up to three systems; the changes of the first in order."""
    figure, shown = _FIGURE[report.main], list(systems[:3])
    drawing = _drawing(10.2, 3.6)
    *places, last = drawing.subplots(1, len(shown) + 1, squeeze=False)[0]
    colours = _colours(report.systems)
    known = {system: _before_and_after(report, system, figure.key) for system in shown}
    values = [value for pairs in known.values() for pair in pairs for value in pair]
    ends = [min(values), max(values)]
    for place, system in zip(places, shown):
        pairs = known[system]
        place.plot(ends, ends, "--", color=_NOISY_COLOUR, linewidth=1.0)
        place.scatter([x for x, _ in pairs], [y for _, y in pairs], s=14, color=colours[system], alpha=0.8)
        place.set_title(as_text(system), loc="left", fontsize=10)
        _dress(place, f"{_with_unit(figure)}, noisy", f"{_with_unit(figure)}, after")
    changes = sorted(after - before for before, after in known[shown[0]])
    last.bar(range(len(changes)), changes, width=0.85, color=colours[shown[0]])
    last.axhline(0.0, color=_NOISY_COLOUR, linewidth=1.0)
    last.set_title(f"{as_text(shown[0])}, clips in order", loc="left", fontsize=10)
    last.set_xticks([])
    _dress(last, "clips", f"change of {_with_unit(figure)}")
    return _finished(drawing, f"{figure.heading} of every clip before and after, and the changes in order")


def _before_and_after(report: EvaluationReport, system: str, key: str) -> list[tuple[float, float]]:
    before = report.of(NOISY)
    return [
        (first, second)
        for name, clip in report.of(system).items()
        if name in before
        and (first := before[name].figure(key)) is not None
        and (second := clip.figure(key)) is not None
    ]


def _with_unit(figure: Figure) -> str:
    return f"{figure.heading}, {figure.unit}" if figure.unit else figure.heading


def _drawing(width: float, height: float) -> Drawing:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as NewDrawing

    drawing = NewDrawing(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def _dress(place: Axes, across: str, up: str) -> None:
    place.set_xlabel(across, fontsize=9)
    place.set_ylabel(up, fontsize=9)
    place.tick_params(labelsize=8)
    place.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _colours(systems: Sequence[str]) -> dict[str, Any]:
    from matplotlib import colormaps

    table = colormaps["tab10"]
    others = [system for system in systems if system != NOISY]
    return {NOISY: _NOISY_COLOUR, **{system: table(index % 10) for index, system in enumerate(others)}}


def _finished(drawing: Drawing, alt: str) -> Picture:
    file = BytesIO()
    drawing.savefig(file, format="png", dpi=_DPI)
    width, height = (int(size) for size in drawing.canvas.get_width_height())
    return Picture(data=file.getvalue(), alt=alt, width=width, height=height)
