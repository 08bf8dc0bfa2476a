"""Fill the table of digits in docs/denoise.md from runs of ``specloom train denoise-digits``, and copy their pictures.

``.venv/bin/python docs/make_denoise_tables.py DENSE.training CONV.training ...``: a line for each run, its best scores.
The pictures of the last run become docs/pictures/denoise_digits.png and denoise_curves.png. With ``--mel RUN.training``
the first recording of that run's page becomes docs/pictures/denoise_mel.png.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from PIL import Image

from specloom.train.logs import read_log

DOCS = Path(__file__).parent
BEGIN, END = "<!-- digits:begin -->\n", "<!-- digits:end -->"
STAGES = {"damaged": "noise", "clean": "actual", "cleaned": "reconstructed", "median": "median filter"}


def main() -> None:
    """Write what the arguments name."""
    arguments = sys.argv[1:]
    if "--mel" in arguments:
        at = arguments.index("--mel")
        side_by_side(Path(arguments[at + 1]) / "page", DOCS / "pictures" / "denoise_mel.png")
        del arguments[at : at + 2]
    runs = [Path(argument) for argument in arguments]
    if not runs:
        return
    lines = [
        "| network, noise | digits | steps, minutes | noisy | median filter | autoencoder | gain | over the median |",
        "|---|---|---|---|---|---|---|---|",
        *(line(run) for run in runs),
    ]
    page = DOCS / "denoise.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    table = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    for name in ("digits", "curves"):
        shutil.copy(runs[-1] / "page" / f"{name}.png", DOCS / "pictures" / f"denoise_{name}.png")
    print(table)


def line(run: Path) -> str:
    """A row of the table: PSNR in decibels on digits that were held back."""
    asked = json.loads((run / "run.json").read_text(encoding="utf-8"))
    scores = json.loads((run / "page" / "scores.json").read_text(encoding="utf-8"))
    end = read_log(run, "scores")[-1]
    noisy = scores["psnr_db"] - scores["psnr_gain_db"]
    what = "MNIST" if asked["digits"] else "scikit-learn's"
    return (
        f"| {asked['recipe']}, {asked['damage']} {asked['amount']:g} | {what} "
        f"| {end['step']}, {end['trained_minutes']:.1f} | {noisy:.1f} dB | {noisy + scores['median_gain_db']:.1f} dB "
        f"| {scores['psnr_db']:.1f} dB | {scores['psnr_gain_db']:+.1f} dB "
        f"| {scores['psnr_gain_db'] - scores['median_gain_db']:+.1f} dB |"
    )


def side_by_side(page: Path, target: Path) -> None:
    """The pictures of the first recording, one below the other."""
    images = [Image.open(page / f"1-{stage}.png").convert("RGB") for stage in STAGES]
    width, height = max(image.width for image in images), sum(image.height + 6 for image in images)
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height + 6
    sheet.save(target)


if __name__ == "__main__":
    main()
