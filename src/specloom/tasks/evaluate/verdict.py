"""What the figures of an evaluation say, in sentences."""

from __future__ import annotations

from specloom.tasks.evaluate.report import EvaluationReport
from specloom.tasks.evaluate.systems import NOISY

# Clean speech that comes out below this was spoilt, by what our own models are held to.
_CLEAN_PESQ, _CLEAN_STOI = 4.0, 0.99
_MOST_WORSE_PERCENT = 3.0
_TOLD = (("pesq", "PESQ", 2, ""), ("stoi", "STOI", 3, ""), ("si_sdr_db", "SI-SDR", 1, " dB"))


def verdict(report: EvaluationReport) -> str:
    """What is to be said about every system that was run, or about the peers when none was: a paragraph each."""
    ours = [system for system in report.systems if report.kind(system) == "system"]
    told = ours or [system for system in report.systems if system != NOISY]
    if not told:
        return "Only the noisy sounds were measured: give a model or a peer's folder to compare them with."
    return "\n\n".join(_about(report, system) for system in told)


def _about(report: EvaluationReport, system: str) -> str:
    sentences = [_gain(report, system), _worse(report, system), _clean(report, system), _rivals(report, system)]
    return " ".join(sentence for sentence in sentences if sentence)


def _gain(report: EvaluationReport, system: str) -> str:
    parts = []
    for key, heading, decimals, unit in _TOLD:
        means = report.means(key)
        ours, before = means[system], means[NOISY]
        if ours is not None and before is not None:
            parts.append(f"{heading} {ours:.{decimals}f}{unit} ({_signed(ours - before, decimals)})")
    if not parts:
        return f"{system}: there is no clip that all systems have a figure for."
    return f"{system} over the noisy sounds: {', '.join(parts)}."


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _worse(report: EvaluationReport, system: str) -> str:
    worse = report.worse(system, report.main)
    if worse is None:
        return ""
    heading = "PESQ" if report.main == "pesq" else "SI-SDR"
    if worse.count == 0:
        return f"No clip is worse than it was in {heading}."
    much = " That is much." if worse.percent > _MOST_WORSE_PERCENT else ""
    return f"{worse.count} of {worse.of} clips ({worse.percent:.1f} %) are worse than they were in {heading}.{much}"


def _clean(report: EvaluationReport, system: str) -> str:
    pesq, stoi = report.of_clean(system, "pesq"), report.of_clean(system, "stoi")
    if pesq is None or stoi is None:
        return ""
    spoilt = "is spoilt by it" if pesq < _CLEAN_PESQ or stoi < _CLEAN_STOI else "is left alone"
    return f"Clean speech {spoilt} (PESQ {pesq:.2f}, STOI {stoi:.3f})."


def _rivals(report: EvaluationReport, system: str) -> str:
    """Where it stands among all systems, by the main figure."""
    others = [name for name in report.systems if name not in (NOISY, system)]
    means = report.means(report.main)
    ours = means[system]
    known = {name: value for name in others if (value := means[name]) is not None}
    if ours is None or not known:
        return ""
    heading, decimals = ("PESQ", 2) if report.main == "pesq" else ("SI-SDR", 1)
    above = sorted((value, name) for name, value in known.items() if value > ours)
    below = sorted(((value, name) for name, value in known.items() if value <= ours), reverse=True)
    said = []
    if below:
        said.append(f"above {_listed([name for _, name in below])}")
    if above:
        said.append(f"below {', '.join(f'{name} ({value:.{decimals}f})' for value, name in above)}")
    return f"In {heading} it lies {' and '.join(said)}."


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
