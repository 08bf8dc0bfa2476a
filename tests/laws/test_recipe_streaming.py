"""A recording in blocks gives the spectrogram of the whole, and a spectrogram in blocks the sound of the whole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import sounds
from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.dsp.stream import stft_blocks
from specloom.io.audio import load, save
from specloom.recipes import RECIPES, SPOOF, TACOTRON, Frames, Recipe, Spectrogram, streaming_analysis
from specloom.recipes import streaming_synthesis as synthesis_module
from specloom.recipes.spectrogram_file import SpectrogramFile
from specloom.recipes.streaming_analysis import SampleScratch, draw_recording
from specloom.recipes.streaming_synthesis import magnitude_blocks, sound_spectrogram


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every recording has many, with odd sizes."""
    monkeypatch.setattr(streaming_analysis, "_BLOCK_FRAMES", 7)
    monkeypatch.setattr(synthesis_module, "_BLOCK_FRAMES", 13)
    monkeypatch.setattr(synthesis_module, "_BLOCK_SAMPLES", 1_009)


VARIANTS = [
    *RECIPES.values(),
    replace(SPOOF, name="spoof-each", channels="each", quantise_bits=8),
    replace(SPOOF, name="spoof-16k", sample_rate=16_000, mel_frame_step=3),
    replace(TACOTRON, name="uncentred", frames=Frames(n_fft=1000, hop_length=333, center=False), channels="each"),
]


def make_recording(folder: Path) -> Path:
    music = load(sounds.path("music"))
    samples = music.samples[:, 30_000:91_234] * np.hanning(61_234).astype(np.float32) ** 2
    return save(folder / "in.wav", Audio(samples, music.sample_rate))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("recipe", VARIANTS, ids=lambda recipe: recipe.name)
def test_recipe_streaming_analysis_equals_the_whole(recipe: Recipe, tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    whole = recipe.analyse(load(recording))
    origin = draw_recording(recording, tmp_path / "out.npz", recipe)
    drawn = Spectrogram.load(tmp_path / "out.npz")
    assert drawn.recipe == recipe
    assert drawn.linear.shape == whole.linear.shape
    assert drawn.mel.shape == whole.mel.shape
    np.testing.assert_allclose(drawn.linear, whole.linear, atol=1e-6 * max(1.0, whole.linear.max()))
    np.testing.assert_allclose(drawn.mel, whole.mel, atol=1e-6 * max(1.0, whole.mel.max()))
    assert origin == drawn.origin
    np.testing.assert_allclose(
        [drawn.origin.linear_peak, drawn.origin.mel_peak], [whole.origin.linear_peak, whole.origin.mel_peak], rtol=1e-6
    )
    assert replace(drawn.origin, linear_peak=None, mel_peak=None) == replace(
        whole.origin, linear_peak=None, mel_peak=None
    )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("recipe", VARIANTS, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("source", ["linear", "mel"])
def test_recipe_streaming_synthesis_equals_the_whole(recipe: Recipe, source: str, tmp_path: Path) -> None:
    recording = make_recording(tmp_path)
    spectrogram = recipe.analyse(load(recording))
    spectrogram.save(tmp_path / "in.npz")
    whole = recipe.synthesise(spectrogram, source=source)
    with SpectrogramFile(tmp_path / "in.npz") as file:
        heard = sound_spectrogram(file, tmp_path / "out.wav", recipe, source=source)
    written = load(tmp_path / "out.wav")
    assert (heard.n_samples, heard.sample_rate) == (written.n_samples, written.sample_rate)
    assert written.samples.shape == whole.samples.shape
    assert written.sample_rate == whole.sample_rate
    # From the mel, a rounding that depends on where a block begins may turn a phase here and there.
    error = np.sum((written.samples - whole.samples) ** 2) / np.sum(whole.samples**2)
    assert error < (1e-3 if source == "mel" else 1e-9)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("step", [1, 3, 4])
def test_recipe_streaming_magnitudes_equal_the_whole(step: int, tmp_path: Path) -> None:
    recipe = replace(SPOOF, mel_frame_step=step, synthesis=replace(SPOOF.synthesis, power=1.2))
    recording = make_recording(tmp_path)
    spectrogram = recipe.analyse(load(recording))
    spectrogram.save(tmp_path / "in.npz")
    with SpectrogramFile(tmp_path / "in.npz") as file:
        blocks = list(magnitude_blocks(file, recipe, "linear"))
    assert len(blocks) > 3
    peak = spectrogram.origin.linear_peak
    expected = (spectrogram.magnitude() / peak) ** 1.2 * peak
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), expected, atol=1e-5 * peak)


@given(
    n_samples=st.integers(1, 3_000),
    block=st.integers(1, 700),
    n_fft=st.sampled_from([64, 100, 256]),
    hop=st.integers(1, 64),
    center=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_recipe_stft_blocks_equal_the_stft(n_samples: int, block: int, n_fft: int, hop: int, center: bool) -> None:
    config = StftConfig(sample_rate=8_000, n_fft=n_fft, hop_length=hop, center=center)
    samples = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    samples.flags.writeable = False
    if config.n_frames(n_samples) == 0:
        return

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, n_samples, block):
            yield samples[start : start + block]

    pieces = list(stft_blocks(blocks(), config))
    np.testing.assert_allclose(np.concatenate(pieces, axis=-1), stft(samples, config), atol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_recipe_sample_scratch_gives_back_what_it_took_and_leaves_no_file(n_channels: int, tmp_path: Path) -> None:
    shape = (1_000,) if n_channels == 1 else (n_channels, 1_000)
    samples = np.random.default_rng(0).random(shape).astype(np.float32)
    with SampleScratch(tmp_path) as scratch:
        for start in range(0, 1_000, 130):
            scratch.append(samples[..., start : start + 130])
        assert (scratch.n_samples, scratch.n_channels) == (1_000, n_channels)
        joined = np.concatenate(list(scratch.blocks(11, 990, 101)), axis=-1)
    np.testing.assert_array_equal(joined, samples[..., 11:990])
    assert list(tmp_path.iterdir()) == []
