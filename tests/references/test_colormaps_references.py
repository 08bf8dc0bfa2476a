"""Colour tables agree with the programs that they are named after."""

from __future__ import annotations

import shutil
import subprocess

import matplotlib
import numpy as np
import pytest
from PIL import Image as Pillow

from specloom.io.image import open_image
from specloom.pixels.colormaps import NAMES, colourise, colours_of, levels_of, recognise
from specloom.pixels.measured import CORNERS

needs_sox = pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

# sox's first colours are its background, text, labels and grid.
_SOX_COLOURS_OF_ITS_OWN = 4

FFMPEG = [name for name in CORNERS if name.startswith("ffmpeg-")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Noise that grows from silence to full scale in two seconds."""
    import soundfile

    path = tmp_path_factory.mktemp("sound") / "sweep.wav"
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.9, 0.9, 16_000) * np.geomspace(1e-6, 1.0, 16_000)
    soundfile.write(path, samples, 8_000)
    return path


def drawn_by_sox(sound, folder, *options):
    path = folder / "sox.png"
    subprocess.run(["sox", sound, "-n", "spectrogram", "-r", *options, "-o", path], check=True, capture_output=True)
    return path


def drawn_by_ffmpeg(sound, path, color):
    picture = f"showspectrumpic=s=64x1024:legend=1:color={color}"
    command = ["ffmpeg", "-v", "error", "-y", "-i", sound, "-lavfi", picture, "-q:v", "1", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.mark.parametrize("name", ["magma", "viridis", "jet", "hot", "coolwarm"])
def test_matplotlib_draws_these_colours(name):
    levels = np.linspace(0, 1, 256)
    expected = matplotlib.colormaps[name](levels, bytes=True)[:, :3]
    np.testing.assert_array_equal(colours_of(name), expected)


@needs_sox
@pytest.mark.parametrize(
    ("options", "name"),
    [((), "sox"), (("-h",), "sox-high"), (("-l",), "sox-light"), (("-m",), "gray"), (("-A",), "sox-alternative")],
)
def test_sox_draws_these_colours(sound, tmp_path, options, name):
    path = drawn_by_sox(sound, tmp_path, *options)
    with Pillow.open(path) as image:
        colours = np.reshape(image.getpalette(), (-1, 3))[_SOX_COLOURS_OF_ITS_OWN:].astype(np.uint8)
    levels, distance = levels_of(colours, colours_of(name))
    if name in ("sox", "sox-high", "sox-light"):
        np.testing.assert_array_equal(colours_of(name), colours)
    else:
        assert distance.max() <= 1.5
        np.testing.assert_allclose(levels, np.linspace(0, 1, len(colours)), atol=0.005)
    pixels = open_image(path).pixels
    if name == "gray":
        assert pixels.ndim == 2
        return
    matches = recognise(pixels)
    # A table and its inverse are the same line.
    assert name in [match.name for match in matches if match.distance == matches[0].distance]


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("name", FFMPEG)
def test_ffmpeg_draws_these_colours(sound, tmp_path, name, suffix):
    pixels = open_image(drawn_by_ffmpeg(sound, tmp_path / f"a{suffix}", name.removeprefix("ffmpeg-"))).pixels
    bar = colour_bar(pixels)
    levels, distance = levels_of(bar, colours_of(name))
    assert distance.max() <= 4.0
    assert distance.mean() <= 1.2
    expected = np.arange(len(bar)) / len(bar)
    # Tables that dwell on a colour cannot say where on it they are.
    assert np.mean(np.abs(levels - expected)) < 0.005
    assert np.abs(colourise(expected, name).astype(int) - bar).max() <= 6
    if suffix == ".png":
        assert recognise(bar)[0].name == name


def colour_bar(pixels):
    """The legend's colours from the softest to the loudest: the column of pixels with the most of them."""
    right = pixels[64:-64, pixels.shape[1] // 2 :]
    counts = [len(np.unique(right[:, column], axis=0)) for column in range(right.shape[1])]
    same = [
        column
        for column in range(right.shape[1] - 2)
        if counts[column] > 30 and np.abs(right[:, column].astype(int) - right[:, column + 2]).max() <= 9
    ]
    return right[::-1, same[len(same) // 2]]


def test_every_table_of_the_programs_is_among_the_names():
    assert {"sox", "sox-high", "sox-light", "sox-alternative", *FFMPEG} <= set(NAMES)
