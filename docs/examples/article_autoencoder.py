"""The article's experiment, exactly: an autoencoder trained on one clip and tested on the same clip.

``.venv/bin/python docs/examples/article_autoencoder.py`` (after ``make test``, for torch) writes the figure
docs/pictures/article_autoencoder.png and the table in docs/denoise.md. What the article does is marked; the last column
and the second clip are the honest part: another recording, and a model that was trained on other recordings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

import specloom
from specloom import Audio, Denoiser, load, resample, sounds
from specloom.pixels.damage import salt_and_pepper
from specloom.train.nn.autoencoder import DenseAutoencoder

DOCS = Path(__file__).resolve().parents[1]
RATE, SECONDS, EPOCHS = 22_050, 1.5, 100
# librosa.feature.melspectrogram(y=sig, sr=fs): 128 bands of the power of 2048 samples every 512.
ARTICLE = replace(specloom.LIBROSA, mel=replace(specloom.LIBROSA.mel, power=2.0))
SHOWN_DB = 80.0


def main() -> None:
    """Train on one clip, try on it and on another, beside the model that ships."""
    torch.manual_seed(0)
    spoken = load(sounds.path("speech"))
    samples = resample(spoken.samples, spoken.sample_rate, RATE)
    first, second = (Audio(samples[k : k + round(SECONDS * RATE)], RATE) for k in (0, round(1.5 * RATE)))
    clips = {"the clip it was trained on": first, "another clip of the same voice": second}
    network = trained(power_of(first), noisy_of(power_of(first), seed=0))
    rows = {
        f"{name}, {kind}": tried(network, audio, seed)
        for name, audio in clips.items()
        for kind, seed in (("the noise it was trained on", 0), ("new noise", 1))
        if audio is first or seed == 1
    }
    write_table(rows)
    draw(rows, DOCS / "pictures" / "article_autoencoder.png")


def power_of(audio: Audio) -> np.ndarray:
    """The mel spectrogram in power, not normalised: what the article calls M."""
    mel = ARTICLE.analyse(audio).mel
    assert mel is not None
    return mel


def noisy_of(power: np.ndarray, *, seed: int) -> np.ndarray:
    """``255 * skimage.util.random_noise(M, mode='s&p', amount=0.2)``, which also cuts M off at 1."""
    return 255.0 * salt_and_pepper(np.clip(power, 0.0, 1.0), 0.2, rng=np.random.default_rng(seed))


def trained(power: np.ndarray, noisy: np.ndarray) -> torch.nn.Module:
    """Flatten, 3 x Dense 1000 with ReLU, Dense; AdaMax, squared error, 100 epochs of one example."""
    network = DenseAutoencoder(shape=power.shape, widths=(1000, 1000, 1000))
    optimizer = torch.optim.Adamax(network.parameters(), lr=1e-3)
    example, target = (torch.from_numpy(np.array(one, dtype=np.float32))[None] for one in (noisy, power))
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(example), target).backward()
        optimizer.step()
    return network


def tried(network: torch.nn.Module, audio: Audio, seed: int) -> dict[str, np.ndarray]:
    """Decibels below the loudest value, of what each method makes of a clip."""
    power = power_of(audio)
    noisy = noisy_of(power, seed=seed)
    with torch.no_grad():
        article = network(torch.from_numpy(np.float32(noisy))[None])[0].numpy()
    # Ours: its own spectrogram of the same clip, with the same amount of salt and pepper, in decibels.
    denoiser = Denoiser()
    recipe = replace(denoiser.features.recipe, trim_db=None)
    clean = recipe.analyse(audio).mel
    assert clean is not None
    spoilt = salt_and_pepper(clean, 0.2, rng=np.random.default_rng(seed)).astype(np.float32)
    return {
        "noise": decibels(noisy, power.max()),
        "actual": decibels(power, power.max()),
        "the article's autoencoder": decibels(article, power.max()),
        "noise, in decibels": 100.0 * (spoilt - 1.0),
        "actual, 80 bands": 100.0 * (clean - 1.0),
        "the model that ships": 100.0 * (denoiser.process_values(spoilt) - 1.0),
    }


def decibels(power: np.ndarray, loudest: float) -> np.ndarray:
    """``power_to_db(power, ref=loudest)``, down to -80."""
    return np.clip(10.0 * np.log10(np.maximum(power, 1e-10) / loudest), -SHOWN_DB, 0.0)


def errors(row: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean absolute differences in decibels, from -80 on."""
    floor = {name: np.maximum(values, -SHOWN_DB) for name, values in row.items()}
    return {
        "article": float(np.abs(floor["the article's autoencoder"] - floor["actual"]).mean()),
        "ships": float(np.abs(floor["the model that ships"] - floor["actual, 80 bands"]).mean()),
    }


def write_table(rows: dict[str, dict[str, np.ndarray]]) -> None:
    """Between the marks in docs/denoise.md."""
    lines = ["| tried on | error of the article's autoencoder | of the model that ships |", "|---|---|---|"]
    for name, row in rows.items():
        found = errors(row)
        lines.append(f"| {name} | {found['article']:.1f} dB | {found['ships']:.1f} dB |")
    page = DOCS / "denoise.md"
    before, rest = page.read_text(encoding="utf-8").split("<!-- article:begin -->\n")
    after = rest.split("<!-- article:end -->")[1]
    text = "\n".join(lines)
    page.write_text(f"{before}<!-- article:begin -->\n{text}\n<!-- article:end -->{after}", encoding="utf-8")
    print(text)


def draw(rows: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """One line of pictures for each clip and noise."""
    columns = ("noise", "actual", "the article's autoencoder", "noise, in decibels", "the model that ships")
    figure = Figure(figsize=(13, 2.5 * len(rows)), dpi=75, layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for number, (line, (name, row)) in enumerate(zip(grid, rows.items(), strict=True)):
        for axes, column in zip(line, columns, strict=True):
            axes.imshow(row[column], origin="lower", aspect="auto", vmin=-SHOWN_DB, vmax=0.0, cmap="magma")
            axes.set(xticks=[], yticks=[])
            if number == 0:
                axes.set_title(column)
        line[0].set_ylabel(name.replace(", ", ",\n"))
    figure.savefig(path, metadata={"Software": None})
    with Image.open(path) as image:
        # A fifth of the size, and the eye sees no difference.
        small = image.convert("RGB").quantize(128)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
