"""Laws of rounding a picture of a spectrogram to a JPEG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from specloom import load, reconstruct, resample, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.metrics.perceptual import pesq_available, pesq_score
from specloom.pictures.jpeg import quantisation, rounded, rounded_to
from specloom.recipes.scales import PeakPower

SCALE = PeakPower(exponent=0.25)
SHAPES = [(64, 80), (61, 83), (57, 64), (64, 73), (3, 5), (1, 1)]


def as_jpeg(pixels, table):
    """Decoded pixels, and the size of the file in bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", qtables=[np.asarray(table).reshape(-1).tolist()], optimize=True)
    with Image.open(buffer) as image:
        return np.asarray(image), len(buffer.getvalue())


def usual_jpeg(pixels, quality):
    """The same, as Pillow writes it by itself."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image), len(buffer.getvalue())


def flat(step):
    return np.full((8, 8), step)


def plain(levels):
    return np.round(levels * 255).astype(np.uint8)


def noise(shape, seed=0):
    """Levels far from black and white, so that nothing is clipped, of all sizes of detail."""
    rng = np.random.default_rng(seed)
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    waves = np.sin(rows / rng.uniform(1, 5)) * np.cos(columns / rng.uniform(1, 9))
    levels = (0.5 + 0.15 * waves + 0.1 * rng.standard_normal(shape).clip(-1.5, 1.5)).astype(np.float32)
    levels.flags.writeable = False
    return levels


def weighted_error(pixels, levels):
    """Squared error of each pixel, by the law that the module states."""
    return levels**1.5 * (pixels - 255.0 * levels) ** 2


def speech_levels(config, seconds=3.0):
    audio = load(sounds.path("speech"), channels="mono")
    samples = audio.samples[: int(seconds * audio.sample_rate)]
    magnitude = np.abs(stft(samples, config))
    peak = float(magnitude.max())
    return samples, SCALE.apply(magnitude, peak)[::-1], peak


def speech_config(n_fft=1024, hop_length=256):
    return StftConfig(sample_rate=load(sounds.path("speech")).sample_rate, n_fft=n_fft, hop_length=hop_length)


# --- what is written ---


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("step", "bit_cost"), [(16, 0.0), (16, 20.0), (40, 60.0)])
def test_the_file_holds_whole_blocks_as_they_are(shape, step, bit_cost):
    """So the multiples that were chosen are the file's; plain rounding is changed much more. Cut blocks are plain."""
    levels = noise(shape)
    pixels = rounded_to(levels, step=step, bit_cost=bit_cost)
    assert (pixels.shape, pixels.dtype) == (shape, np.uint8)
    decoded, _ = as_jpeg(pixels, flat(step))
    height, width = shape[0] // 8 * 8, shape[1] // 8 * 8
    off = np.abs(decoded.astype(int) - pixels)[:height, :width]
    assert off.max(initial=0) <= 1
    assert off.sum() <= 0.1 * off.size
    usual = plain(levels)
    np.testing.assert_array_equal(pixels[height:], usual[height:])
    np.testing.assert_array_equal(pixels[:, width:], usual[:, width:])
    if off.size:
        assert np.abs(as_jpeg(usual, flat(step))[0].astype(int) - usual)[:height, :width].max() > 5


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_stays_black_and_white_stays_white(level):
    levels = np.full((20, 33), level, dtype=np.float32)
    for quality in (1, 50, 75, 95, 100):
        decoded, _ = as_jpeg(rounded(levels, quality), quantisation(quality))
        np.testing.assert_allclose(decoded, 255 * level, atol=0 if quality >= 50 else 32)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    step=st.sampled_from([6, 16, 40]),
    contrast=st.floats(0.3, 1.0),
)
def test_the_weighted_error_is_never_more_than_by_plain_rounding(seed, shape, step, contrast):
    levels = np.float32(0.5) + np.float32(contrast) * (noise(shape, seed) - np.float32(0.5))
    ours, _ = as_jpeg(rounded_to(levels, step=step, bit_cost=0.0), flat(step))
    usual, _ = as_jpeg(plain(levels), flat(step))
    # Files hold coefficients and pixels that are rounded once more, each by half a code at most.
    slack = 0.05 * weighted_error(usual, levels).sum() + 0.5 * np.sum(levels**1.5)
    assert weighted_error(ours, levels).sum() <= weighted_error(usual, levels).sum() + slack


def test_the_error_is_where_it_is_soft():
    levels = noise((80, 96)) * np.linspace(0.4, 1.0, 96, dtype=np.float32) ** 2
    levels[:, ::4] *= 0.3
    ours, _ = as_jpeg(rounded_to(levels, step=24, bit_cost=0.0), flat(24))
    usual, _ = as_jpeg(plain(levels), flat(24))
    assert weighted_error(ours, levels).sum() < 0.84 * weighted_error(usual, levels).sum()
    loud = levels > np.median(levels)
    assert np.abs(ours - 255 * levels)[loud].mean() < 0.9 * np.abs(usual - 255 * levels)[loud].mean()


def test_bits_that_cost_more_are_fewer():
    """And what they save is worth more than the error that it makes."""
    _, levels, _ = speech_levels(speech_config(), seconds=1.5)
    found = [as_jpeg(rounded_to(levels, step=8, bit_cost=cost), flat(8)) for cost in (0.0, 0.3, 1.0)]
    errors = [weighted_error(pixels, levels).sum() for pixels, _ in found]
    bits = [8 * size for _, size in found]
    assert bits[0] > 1.1 * bits[1] > 1.2 * bits[2]
    assert errors[0] < errors[1] < errors[2]
    for cost, error, n_bits in zip((0.3, 1.0), errors[1:], bits[1:], strict=True):
        assert error + cost * n_bits < errors[0] + cost * bits[0]


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_speech_takes_about_as_many_bytes_as_in_the_usual_jpeg(quality):
    _, levels, _ = speech_levels(speech_config(2048, 512), seconds=6.0)
    _, ours = as_jpeg(rounded(levels, quality), quantisation(quality))
    _, usual = usual_jpeg(plain(levels), quality)
    assert ours < 1.35 * usual


@pytest.mark.skipif(not pesq_available(), reason="the package pesq is not installed")
@pytest.mark.parametrize(("quality", "gain"), [(75, 0.2), (95, 0.1)])
def test_speech_sounds_better_than_from_the_usual_jpeg(quality, gain):
    config = speech_config(2048, 512)
    samples, levels, peak = speech_levels(config, seconds=6.0)

    def heard(pixels):
        magnitude = SCALE.undo(pixels[::-1].astype(np.float32) / np.float32(255), peak)
        sound = reconstruct(magnitude, config, length=samples.size)
        return pesq_score(*(resample(x, config.sample_rate, 16000) for x in (samples, sound)), 16000)

    ours, _ = as_jpeg(rounded(levels, quality), quantisation(quality))
    usual, _ = usual_jpeg(plain(levels), quality)
    assert heard(ours) > heard(usual) + gain


def test_the_same_levels_give_the_same_pixels_and_are_left_alone():
    levels = np.array(noise((40, 50)))
    before = levels.copy()
    np.testing.assert_array_equal(rounded(levels, 75), rounded(levels.astype(np.float64)[:, ::-1][:, ::-1], 75))
    np.testing.assert_array_equal(levels, before)


# --- tables, and what is refused ---


def test_a_better_quality_has_finer_steps():
    steps = [int(quantisation(quality)[0, 0]) for quality in range(1, 101)]
    assert steps == sorted(steps, reverse=True)
    assert (steps[0], steps[49], steps[74], steps[94], steps[99]) == (255, 16, 8, 2, 1)
    assert all(np.unique(quantisation(quality)).size == 1 for quality in (1, 40, 100))


@pytest.mark.parametrize("quality", [0, -5, 101])
def test_qualities_that_are_none_are_refused(quality):
    with pytest.raises(ParameterError, match="quality"):
        rounded(noise((8, 8)), quality)


@pytest.mark.parametrize("shape", [(0, 10), (10, 0), (10,), (3, 8, 8)])
def test_levels_that_are_no_picture_are_refused(shape):
    with pytest.raises(ParameterError, match="levels"):
        rounded(np.zeros(shape), 75)
