"""Row: does training wait for its data? The recipe of the model that ships, beside one process that mixes."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path

from recordings import Recordings
from results import Line, Result
from settings import TRAINING_WAIT_BAR

STEPS, QUICK_STEPS = 300, 60
# The first steps wait until the mixing process has been started.
SKIPPED = 50


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    if find_spec("torch") is None or recordings.folder is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        lines = _logged(recordings.folder, Path(name), STEPS if rounds > 1 else QUICK_STEPS)
    shares = [line["data_wait_share"] for line in lines]
    rates = [line["steps_per_s"] for line in lines]
    waited, steps_per_s, audio_s = sum(shares) / len(shares), sum(rates) / len(rates), lines[-1]["batch_audio_s"]
    return [
        Result(
            name="training",
            title="training the recipe of the model that ships, one thread and one process that mixes",
            measured=f"{100 * (1 - waited):.1f} % of the time in the network",
            bar=f"≥ {100 * (1 - TRAINING_WAIT_BAR):.0f} %",
            lines=(
                Line(
                    what="share of the time that the trainer waits for data",
                    ours=f"{100 * waited:.2f} %",
                    bar=f"≤ {100 * TRAINING_WAIT_BAR:.0f} %",
                    met=waited <= TRAINING_WAIT_BAR,
                ),
                Line(
                    what="speed",
                    ours=f"{steps_per_s:.1f} steps/s, {steps_per_s * audio_s:.0f} × real time",
                ),
            ),
            audio="the training split's speech and noise",
        )
    ]


def _logged(audio: Path, folder: Path, steps: int) -> list[dict[str, float]]:
    """The lines of the run's log, without the first."""
    from specloom.train.engine import fit
    from specloom.train.recipes.catalog import EnhanceRequest, make_recipe

    places = {"speech": (str(audio / "speech"),), "noise": (str(audio / "noise"),)}
    recipe = make_recipe("enhance", EnhanceRequest(recipe="default", folder=str(folder), **places))
    fit(recipe, folder, steps=steps, device="cpu", threads=1, log_every=10, evaluate_every=10 * steps, quiet=True)
    with (folder / "log.jsonl").open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    kept = [line for line in lines if line["kind"] == "step" and line["step"] > min(SKIPPED, steps // 2)]
    return [{**line, "batch_audio_s": recipe.batch_audio_s} for line in kept]
