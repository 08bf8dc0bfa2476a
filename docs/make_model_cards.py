"""Fill the tables of docs/models/*.md: ``.venv/bin/python docs/make_model_cards.py PAIRS...`` (after ``make test``).

The facts come from the header of each model that ships; scores, and the clips that gained least, from ``specloom
evaluate`` on the folders of pairs that are named (``clean/`` and ``noisy/`` in each). Without folders only facts.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from specloom.artifact import Header, ModelOrigin
from specloom.artifact.strict_json import from_plain
from specloom.inversion import MelSettings
from specloom.runtime import load_model, shipped_models
from specloom.tasks.evaluate import EvaluationReport, evaluate, model_systems

CARDS = Path(__file__).with_name("models")
FIGURES = {
    "pesq": "PESQ",
    "stoi": "STOI",
    "estoi": "ESTOI",
    "si_sdr_db": "SI-SDR dB",
    "dns_overall": "DNSMOS overall",
    "dns_signal": "DNSMOS speech",
}
LEAST = 6


def main() -> None:
    """Write the facts of every card, and the scores where there are pairs."""
    for task in ("denoise_mel", "inversion"):
        for model in shipped_models(task):
            path = CARDS / f"{model}.md"
            header = load_model(model, task=task).header
            path.write_text(filled(path.read_text(encoding="utf-8"), "facts", facts(header)), encoding="utf-8")
    for model in shipped_models("enhance"):
        path = CARDS / f"{model}.md"
        text = filled(path.read_text(encoding="utf-8"), "facts", facts(load_model(model, task="enhance").header))
        for place in sys.argv[1:]:
            report = measured(model, Path(place))
            name = re.sub(r"\W", "-", Path(place).name)
            text = filled(text, f"scores:{name}", scores(report, model))
            text = filled(text, f"least:{name}", least(report, model))
        path.write_text(text, encoding="utf-8")


def filled(text: str, name: str, table: str) -> str:
    """The text with what stands between the marks of that name replaced; unchanged where there are none."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if begin not in text:
        return text
    before, rest = text.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def measured(model: str, pairs: Path) -> EvaluationReport:
    """The model on a folder of pairs, DNSMOS included."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(pairs, model_systems([model]), folder=folder, rate=16_000, jobs=2)


def _hours(origin: ModelOrigin) -> dict[str, str]:
    seen = f"{origin.audio_hours_seen:.0f} h"
    if not origin.noise_hours:
        return {"recordings": f"{origin.speech_hours:.1f} h", "seen": f"{seen} in {origin.steps} steps"}
    hours = f"{origin.speech_hours:.1f} h, {origin.noise_hours:.1f} h"
    return {"speech, noise": hours, "seen": f"{seen} of mixes in {origin.steps} steps"}


def facts(header: Header) -> str:
    """What the file says about itself."""
    origin = header.origin
    networks = (
        f"{network.kind}, {', '.join(f'{name} {value}' for name, value in network.settings.items())}"
        for network in header.networks.values()
    )
    rows = {
        "network": "; ".join(networks),
        "features": ", ".join(f"{name} {shown(value)}" for name, value in header.features.items()),
        "recipe, seed": f"{origin.recipe}, {origin.seed}",
        **_hours(origin),
        "made with": header.made_with,
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def shown(value: object) -> object:
    """A value of the features; of a whole recipe its name."""
    if isinstance(value, dict) and "stft" in value:
        return from_plain(MelSettings, value, "settings")
    return value["name"] if isinstance(value, dict) else value


def scores(report: EvaluationReport, model: str) -> str:
    """Means over all clips: the noisy sound, and the model."""
    taken = [key for key in FIGURES if key in report.taken]
    lines = ["| | " + " | ".join(FIGURES[key] for key in taken) + " |", "|---|" + "---|" * len(taken)]
    for system in ("noisy", model):
        means = [report.means(key)[system] for key in taken]
        cells = ["–" if mean is None else f"{mean:.3f}" if abs(mean) < 10 else f"{mean:.1f}" for mean in means]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{len(report.names)} clips."])


def least(report: EvaluationReport, model: str) -> str:
    """The clips that gained least in PESQ."""
    before, after = report.of("noisy"), report.of(model)
    gains = []
    for name in report.common("pesq"):
        first, second = before[name].figure("pesq"), after[name].figure("pesq")
        if first is not None and second is not None:
            gains.append((second - first, name, first, second))
    rows = [f"| {name} | {first:.2f} | {second:.2f} |" for _, name, first, second in sorted(gains)[:LEAST]]
    return "\n".join(["| clip | PESQ, noisy | cleaned |", "|---|---|---|", *rows])


if __name__ == "__main__":
    main()
