"""Laws of what a JPEG does to a picture of a spectrogram, and of undoing it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from specloom import load, reconstruct, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.metrics.perceptual import pesq_available, pesq_score
from specloom.pictures.jpeg import Cells, levelled, refined, row_levels, unlevelled
from specloom.recipes.scales import Decibels, PeakPower

SCALE = PeakPower(exponent=0.25)
SMALL = StftConfig(sample_rate=8000, n_fft=256, hop_length=64)
TABLES = [np.full((8, 8), 16), np.add.outer(np.arange(8), np.arange(8)) * 5 + 3, np.ones((8, 8))]


def as_jpeg(codes, quality):
    """Decoded pixels and the luminance table."""
    buffer = io.BytesIO()
    Image.fromarray(codes).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image), np.array(image.quantization[0]).reshape(8, 8)


def drawn(magnitude, levels, scale=SCALE):
    """A gray picture of a magnitude, ``(..., n_bins, n_frames)``."""
    values = scale.apply(magnitude, float(magnitude.max()))
    codes = np.round((values if levels is None else levelled(values, levels)) * 255).astype(np.uint8)
    return np.ascontiguousarray(codes[..., ::-1, :].reshape(-1, codes.shape[-1]))


def speech_magnitude(config, seconds=3.0):
    audio = load(sounds.path("speech"), channels="mono")
    samples = audio.samples[: int(seconds * audio.sample_rate)]
    return samples, np.abs(stft(samples, config))


def speech_config(n_fft=1024, hop_length=256):
    return StftConfig(sample_rate=load(sounds.path("speech")).sample_rate, n_fft=n_fft, hop_length=hop_length)


def noise(shape, seed=0):
    values = np.random.default_rng(seed).random(shape).astype(np.float32)
    values.flags.writeable = False
    return values


def read_back(pixels, table, config, *, levels=None, peak=1.0, scale=SCALE, **more):
    return refined(pixels, quantisation=table, scale=scale, peak=peak, config=config, row_levels=levels, **more)


# --- levels -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(n_rows=st.integers(1, 70), n_frames=st.integers(1, 60), gain=st.floats(1e-3, 1.0), seed=st.integers(0, 99))
def test_levelled_and_unlevelled_are_inverse_above_the_floors(n_rows, n_frames, gain, seed):
    values = noise((n_rows, n_frames), seed) * np.float32(gain)
    levels = row_levels(values)
    back = unlevelled(levelled(values, levels), levels)
    floor = unlevelled(np.zeros_like(values), levels)
    np.testing.assert_allclose(back, np.maximum(values, floor), rtol=1e-5, atol=1e-6)
    assert np.mean(values < floor, axis=1).max() <= 0.05


def test_rows_are_stretched_and_silence_is_not():
    rows = np.linspace(1.0, 0.1, 64)[:, None] * np.array([0.4, 0.5, 0.7, 1.0])
    raised = levelled(rows, row_levels(rows))
    assert raised[-1].max() > 1.5 * rows[-1].max()
    assert raised.max() <= 1.0
    assert raised[20].max() - raised[20].min() > 1.2 * (rows[20].max() - rows[20].min())
    assert set(row_levels(np.zeros((64, 5)))) == {0.0, 1.0}


@pytest.mark.parametrize(
    "levels", [(1.0,), (0.0, 0.0, 1.0), (0, 0, 1.0, 0.0), (0, 0, 1.0, np.nan), (0, 0, 1.0, np.inf), (-1.0, 0, 1.0, 1.0)]
)
def test_damaged_levels_are_refused(levels):
    with pytest.raises(ParameterError, match="levels"):
        unlevelled(np.zeros((16, 3)), levels)


def test_nothing_has_no_levels():
    with pytest.raises(ParameterError, match="shape"):
        row_levels(np.zeros((0, 3)))


# --- cells ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("shape", [(64, 80), (61, 83)], ids=["whole blocks", "cut blocks"])
def test_the_picture_that_was_written_lies_in_the_cells(shape, quality):
    # Far from black and white, so that nothing is clipped; smooth, as pictures are.
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    codes = np.round(128 + 50 * np.sin(rows / 3) * np.cos(columns / 5) + 20 * noise(shape)).astype(np.uint8)
    pixels, table = as_jpeg(codes, quality)
    nearest = Cells.of(pixels, table).nearest(codes.astype(np.float32))
    whole = (slice(shape[0] // 8 * 8), slice(shape[1] // 8 * 8))
    # Pixels and encoders know whole numbers only, so a coefficient of a small step may be taken for its neighbour.
    off = np.abs(nearest - codes)[whole]
    assert off.mean() < 0.05
    assert off.max() < 1.0
    assert np.abs(nearest - codes).mean() < 0.2
    assert np.abs(pixels.astype(float) - codes)[whole].max() > 1.5


@pytest.mark.parametrize("table", TABLES)
def test_the_nearest_picture_in_the_cells_is_its_own_nearest(table):
    pixels = np.round(60 + 120 * noise((40, 48))).astype(np.uint8)
    cells = Cells.of(pixels, table)
    once = cells.nearest(noise((40, 48), 1) * 255)
    np.testing.assert_allclose(cells.nearest(once), once, atol=1e-3)
    # The decoded picture is one of them, up to the rounding of its pixels (or all of it, of a table of another file).
    np.testing.assert_allclose(cells.nearest(pixels.astype(np.float32)), pixels, atol=1.5)


@pytest.mark.parametrize("table", [np.ones((8, 7)), np.zeros((8, 8)), np.full((8, 8), np.nan)])
def test_tables_that_are_none_are_refused(table):
    with pytest.raises(ParameterError, match="quantisation"):
        Cells.of(np.zeros((8, 8), np.uint8), table)


# --- refined values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [75, 95])
def test_the_refined_picture_lies_in_the_cells(quality):
    config = speech_config()
    samples, magnitude = speech_magnitude(config)
    levels = row_levels(SCALE.apply(magnitude, float(magnitude.max())))
    pixels, table = as_jpeg(drawn(magnitude, levels), quality)
    values = read_back(pixels, table, config, levels=levels, peak=float(magnitude.max()), length=samples.size)
    picture = levelled(values, levels)[::-1] * 255
    assert np.abs(picture - pixels).max() > 1.0
    off = np.abs(Cells.of(pixels, table).nearest(picture) - picture)
    whole = off[: off.shape[0] // 8 * 8, : off.shape[1] // 8 * 8]
    # Codes below black are cut off after the cells; elsewhere nothing is.
    assert np.mean(whole > 0.5) < 1e-2
    assert whole[(picture > 10)[: whole.shape[0], : whole.shape[1]]].mean() < 0.05


@pytest.mark.parametrize("quality", [75, 95])
def test_refined_values_are_nearer_to_those_of_a_sound(quality):
    """Spectral convergence of the sound that is found, and the level of speech: no worse than the pixels alone."""
    config = speech_config()
    samples, magnitude = speech_magnitude(config)
    peak = float(magnitude.max())
    levels = row_levels(SCALE.apply(magnitude, peak))
    pixels, table = as_jpeg(drawn(magnitude, levels), quality)
    plain = SCALE.undo(unlevelled(pixels[::-1].astype(np.float32) / 255, levels), peak)
    ours = SCALE.undo(read_back(pixels, table, config, levels=levels, peak=peak, length=samples.size), peak)

    def misfit(values):
        found = np.abs(stft(reconstruct(values, config, length=samples.size), config))
        return np.linalg.norm(found - values) / np.linalg.norm(values)

    assert misfit(ours) < 0.8 * misfit(plain)
    assert abs(20 * np.log10(np.linalg.norm(ours) / np.linalg.norm(magnitude))) < 0.1


@pytest.mark.skipif(not pesq_available(), reason="the package pesq is not installed")
@pytest.mark.parametrize(("quality", "gain"), [(75, 0.1), (95, 0.0)])
def test_speech_sounds_better(quality, gain):
    from specloom import resample

    config = speech_config(2048, 512)
    samples, magnitude = speech_magnitude(config, seconds=6.0)
    peak = float(magnitude.max())
    levels = row_levels(SCALE.apply(magnitude, peak))

    def heard(values):
        sound = reconstruct(SCALE.undo(values, peak), config, length=samples.size)
        at_16k = [resample(x, config.sample_rate, 16000) for x in (samples, sound)]
        return pesq_score(*at_16k, 16000)

    naive, _ = as_jpeg(drawn(magnitude, None), quality)
    pixels, table = as_jpeg(drawn(magnitude, levels), quality)
    ours = heard(read_back(pixels, table, config, levels=levels, peak=peak, length=samples.size))
    assert ours > heard(naive[::-1].astype(np.float32) / 255) + gain


def test_channels_are_refined_each_for_itself():
    """The first channel is on top; blocks reach across where one begins, so the two agree nearly."""
    _, magnitude = speech_magnitude(speech_config(512, 128), seconds=1.0)
    config = speech_config(512, 128)
    both = np.stack([magnitude, magnitude[:, ::-1]])
    peak = float(magnitude.max())
    pixels, table = as_jpeg(drawn(both, None), 95)
    values = read_back(pixels, table, config, peak=peak, n_channels=2)
    assert values.shape == both.shape
    first, second = SCALE.apply(both, peak)
    for wanted, found in ((first, values[0]), (second, values[1])):
        assert np.sqrt(np.mean((wanted - found) ** 2)) < 0.02


def test_long_pictures_are_refined_in_chunks_without_a_jump():
    magnitude = np.tile(np.abs(stft(noise(8000) - 0.5, SMALL))[:, :100], (1, 22))
    peak = float(magnitude.max())
    pixels, table = as_jpeg(drawn(magnitude, None), 90)
    values = read_back(pixels, table, SMALL, peak=peak)
    assert values.shape == magnitude.shape
    error = np.abs(values - SCALE.apply(magnitude, peak)).mean(axis=0)
    assert error[1016:1032].mean() < 1.5 * error.mean()


def test_the_same_picture_gives_the_same_values():
    pixels, table = as_jpeg(drawn(np.abs(stft(noise(4000) - 0.5, SMALL)), None), 80)
    before = pixels.copy()
    np.testing.assert_array_equal(read_back(pixels, table, SMALL), read_back(pixels, table, SMALL))
    np.testing.assert_array_equal(pixels, before)


# --- odd pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peak", [0.0, 1.0])
@pytest.mark.parametrize("scale", [SCALE, Decibels(reference_db=None, range_db=80.0, clip_least=1.5 / 255)])
def test_silence_stays_silence(peak, scale):
    pixels, table = as_jpeg(np.zeros((129, 50), np.uint8), 75)
    values = read_back(pixels, table, SMALL, peak=peak, scale=scale)
    assert not scale.undo(values, peak).any()


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 7, 9])
@pytest.mark.parametrize("length", [None, 0, 1, 300])
def test_pictures_of_few_frames(n_frames, length):
    pixels, table = as_jpeg(np.round(noise((129, n_frames)) * 255).astype(np.uint8), 75)
    values = read_back(pixels, table, SMALL, length=length)
    assert values.shape == (129, n_frames)
    assert values.dtype == np.float32
    assert values.min() >= 0.0
    assert values.max() <= 1.0


def test_pictures_of_few_rows():
    config = StftConfig(sample_rate=8000, n_fft=8, hop_length=2)
    pixels, table = as_jpeg(np.round(noise((5, 20)) * 255).astype(np.uint8), 75)
    assert np.isfinite(read_back(pixels, table, config)).all()


@pytest.mark.parametrize("table", TABLES)
def test_a_wrong_table_does_no_harm(table):
    """Coefficients that are no multiples of its steps are taken as they are."""
    _, magnitude = speech_magnitude(speech_config(512, 128), seconds=1.0)
    peak = float(magnitude.max())
    codes = drawn(magnitude, None)
    pixels, _ = as_jpeg(codes, 95)
    values = read_back(pixels, table, speech_config(512, 128), peak=peak)
    assert np.sqrt(np.mean((values[::-1] * 255 - codes) ** 2)) < 6.0


@pytest.mark.parametrize("shape", [(128, 10), (130, 10), (0, 10), (129, 0), (129,)])
def test_pictures_of_another_height_are_refused(shape):
    with pytest.raises(ParameterError, match="129"):
        read_back(np.zeros(shape, np.uint8), np.ones((8, 8)), SMALL)


def test_damaged_levels_of_a_picture_are_refused():
    with pytest.raises(ParameterError, match="levels"):
        read_back(np.zeros((129, 10), np.uint8), np.ones((8, 8)), SMALL, levels=(1.0, 1.0))
