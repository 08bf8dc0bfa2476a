"""Axes and their inverses, counting cells, hops that fit, and what levels become."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.errors import ParameterError
from specloom.io.audio import load
from specloom.rescue.assumptions import Ledger
from specloom.rescue.families import UNKNOWN, columns_are_segments, sox
from specloom.rescue.frequency_axis import (
    LAWS,
    RowAxis,
    axis_from_ticks,
    hz_of_law,
    law_of_hz,
    shift_by_partials,
)
from specloom.rescue.levels import Mapping, amplitude_exponent, backwards_evidence, levels_of_panel, table_of
from specloom.rescue.ticks import Tick
from specloom.rescue.timing import Columns, find_timing, frames_for, frames_of
from specloom.rescue.transform import best_window, differences, find_cells, hop_of, misfit_db


def cells_drawn(n_cells: int, n_pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random cells, and the pixels of a nearest drawing of them, ``(n_pixels, 5)``."""
    cells = np.random.default_rng(seed).integers(0, 256, (n_cells, 5)).astype(np.uint8)
    return cells, cells[((np.arange(n_pixels) + 0.5) / n_pixels * n_cells).astype(int)]


def chirps(config: StftConfig, seconds: float = 1.0) -> np.ndarray:
    """Partials that glide, and a little noise: something whose frames depend on the window."""
    t = np.arange(round(seconds * config.sample_rate)) / config.sample_rate
    partials = sum(np.sin(2 * np.pi * k * (150 * t + 40 * t**2)) / k for k in range(1, 20))
    noise = np.random.default_rng(1).standard_normal(t.size) * 0.01
    return ((partials + noise) * 0.1).astype(np.float32)


# --- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
@given(hz=st.floats(1.0, 24_000.0))
def test_every_law_of_an_axis_has_its_inverse(law: str, hz: float) -> None:
    assert float(hz_of_law(law, law_of_hz(law, hz))) == pytest.approx(hz, rel=1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_an_axis_through_its_own_labels_is_itself(law: str) -> None:
    axis = RowAxis(law=law, low_hz=30.0, high_hz=11_025.0)
    n_rows, top = 400, 25
    values = (100.0, 1_000.0, 2_000.0, 8_000.0)
    low, high = law_of_hz(law, [axis.low_hz, axis.high_hz])
    places = (law_of_hz(law, values) - low) / (high - low)
    ticks = [Tick(position=top + n_rows * (1 - p), value=v, text=str(v)) for p, v in zip(places, values, strict=True)]
    found = axis_from_ticks(law, ticks, top + n_rows, top)
    assert found.low_hz == pytest.approx(axis.low_hz, rel=1e-6)
    np.testing.assert_allclose(found.rows_hz(n_rows), axis.rows_hz(n_rows), rtol=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_rows_that_lines_hide_are_left_out_of_the_axis(law: str) -> None:
    whole = RowAxis(law=law, low_hz=30.0, high_hz=8_000.0)
    part = RowAxis(law=law, low_hz=30.0, high_hz=8_000.0, first=0.02, last=0.95)
    np.testing.assert_allclose(part.rows_hz(93), whole.rows_hz(100)[2:95], rtol=1e-9)


def voices(rows_hz: np.ndarray, n_columns: int = 60) -> np.ndarray:
    """Levels of partials at multiples of 110 to 230 Hz, as wide as a Hann window of 2048 samples makes them."""
    pitch = np.linspace(110, 230, n_columns)
    off = np.abs((rows_hz[:, None] / pitch + 0.5) % 1 - 0.5) * pitch
    return (np.clip(1 - off / 40, 0, 1) * np.linspace(1, 0.3, rows_hz.size)[:, None]).astype(np.float32)


@pytest.mark.parametrize("shift", [-0.9, -0.4, 0.0, 0.5, 1.0])
def test_partials_tell_where_the_axis_begins(shift: float) -> None:
    axis = RowAxis(law="linear", low_hz=0.0, high_hz=11_025.0)
    rows = axis.rows_hz(400)
    levels = voices(rows - shift * (rows[1] - rows[0]))
    found, agreement = shift_by_partials(levels, rows)
    assert found == pytest.approx(shift, abs=0.15)
    assert agreement > 0.8


def test_what_has_no_partials_moves_no_axis() -> None:
    rows = RowAxis(law="linear", low_hz=0.0, high_hz=11_025.0).rows_hz(400)
    levels = np.random.default_rng(0).random((400, 300), dtype=np.float32)
    assert shift_by_partials(levels, rows)[0] == 0.0
    assert shift_by_partials(levels, rows)[1] < 0.3


# --- cells ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(n_cells=st.integers(20, 300), share=st.floats(1.1, 4.0), seed=st.integers(0, 99))
def test_cells_are_counted_and_read_back(n_cells: int, share: float, seed: int) -> None:
    n_pixels = max(n_cells + 12, round(n_cells * share))
    cells, pixels = cells_drawn(n_cells, n_pixels, seed)
    found = find_cells(differences(pixels, 0))
    assert found is not None
    assert found.count == n_cells
    np.testing.assert_array_equal(pixels[found.pixels], cells)


def test_cells_that_are_alike_are_counted_too() -> None:
    """Silence at the top of a spectrogram: some neighbouring cells do not differ."""
    cells, _ = cells_drawn(513, 600, 0)
    cells[500:] = 0
    pixels = cells[((np.arange(600) + 0.5) / 600 * 513).astype(int)]
    found = find_cells(differences(pixels, 0))
    assert found is not None
    assert found.count == 513


@pytest.mark.parametrize("n_pixels", [100, 250])
def test_fewer_pixels_than_cells_are_not_counted(n_pixels: int) -> None:
    _, pixels = cells_drawn(300, n_pixels, 3)
    assert find_cells(differences(pixels, 0)) is None


@pytest.mark.parametrize("n_cells", [513, 1025])
def test_cells_are_counted_behind_the_lines_of_a_frame(n_cells: int) -> None:
    """Lines hide the outer rows, and lie on whole pixels while the axis does not."""
    cells, _ = cells_drawn(n_cells, n_cells, 0)
    height = 1.083 * n_cells
    centres = np.arange(3, int(height) - 3) + 0.5
    pixels = cells[np.floor((centres + 0.37) / height * n_cells).astype(int)]
    found = find_cells(differences(pixels, 0), centres / height)
    assert found is not None
    assert found.count == n_cells
    np.testing.assert_array_equal(pixels[found.pixels][10:-10], cells[10:-10])


def test_cells_survive_the_noise_of_a_jpeg() -> None:
    _, pixels = cells_drawn(100, 350, 4)
    noisy = pixels + np.random.default_rng(0).integers(-2, 3, pixels.shape)
    found = find_cells(differences(noisy, 0), noise=True)
    assert found is not None
    assert found.count == 100


# --- columns ----------------------------------------------------------------------------------------------------------


@given(n_samples=st.integers(20_000, 500_000), hop=st.integers(64, 1024))
def test_the_hop_fits_the_number_of_frames(n_samples: int, hop: int) -> None:
    n_frames = 1 + n_samples // hop
    found, sure = hop_of(n_samples, n_frames, 2048, 22_050)
    assert 1 + n_samples // found == n_frames
    assert sure > 0.5


@pytest.mark.parametrize("hop", [128, 256, 276, 512])
def test_usual_hops_are_found(hop: int) -> None:
    assert hop_of(100_000, 1 + 100_000 // hop, 2048, 22_050)[0] == hop
    assert hop_of(300 * hop, 301, 2048, 22_050)[0] == hop, "a length that the hop divides"


@given(hop=st.integers(130, 512), n_columns=st.integers(2, 40))
def test_columns_that_are_frames_stay_as_they_are(hop: int, n_columns: int) -> None:
    columns = Columns(count=n_columns, counted=True, raw=False, seconds_each=None)
    timing = find_timing(
        columns, Ledger(), family=UNKNOWN, sample_rate=22_050, n_fft=2048, hop_length=hop, duration_s=None
    )
    levels = np.random.default_rng(0).random((3, n_columns), dtype=np.float32)
    frames = frames_for(timing, 2048)
    assert frames.hop_length == hop
    np.testing.assert_array_equal(frames_of(levels, timing, frames), levels)


@pytest.mark.parametrize(("seconds", "n_columns"), [(5.0, 800), (9.9, 800), (30.0, 799), (200.0, 800)])
def test_sox_columns_span_the_sound(seconds: float, n_columns: int) -> None:
    n_samples = round(seconds * 22_050)
    spacing = sox(513, sure=1.0, why="").spacing(n_samples, n_columns)
    assert spacing is not None
    assert spacing * n_columns == pytest.approx(n_samples, rel=0.02)


def test_labels_that_count_frames_are_no_seconds() -> None:
    columns = Columns(count=443, counted=True, raw=False, seconds_each=1.0)
    with pytest.raises(ParameterError, match="count frames"):
        find_timing(columns, Ledger(), family=UNKNOWN, sample_rate=22_050, n_fft=1024, hop_length=None, duration_s=None)


# --- levels -----------------------------------------------------------------------------------------------------------


@given(range_db=st.floats(20.0, 140.0))
def test_louder_levels_are_larger_and_a_silent_column_is_silence(range_db: float) -> None:
    levels = np.linspace(0, 1, 200, dtype=np.float32)[:, None].repeat(2, axis=1)
    levels[:, 1] = 0.0
    magnitude = Mapping(range_db=range_db).magnitude(levels)
    assert (np.diff(magnitude[:, 0]) >= 0).all()
    assert magnitude[-1, 0] == pytest.approx(1.0)
    assert (magnitude[:, 1] == 0).all()


@pytest.mark.parametrize("name", ["gray", "gray_r", "gray-inverted", "magma", "viridis_r", "jet", "sox"])
def test_a_given_colour_map_gives_the_levels_back(name: str) -> None:
    table = table_of(name)
    codes = np.random.default_rng(0).integers(0, len(table), (30, 40))
    levels = levels_of_panel(table[codes], Ledger(), given=name)
    np.testing.assert_allclose(levels, (codes / (len(table) - 1))[::-1], atol=0.006)


@pytest.mark.parametrize("name", ["gray", "gray-inverted", "magma", "magma_r"])
def test_which_end_of_the_colours_is_silence_says_the_picture(name: str) -> None:
    tilt = np.linspace(0.8, -0.2, 100)[:, None] + np.random.default_rng(0).normal(0, 0.15, (100, 200))
    levels = np.clip(tilt, 0, 1).astype(np.float32)
    table = table_of(name)
    panel = table[np.round(levels[::-1] * (len(table) - 1)).astype(int)]
    found = levels_of_panel(panel, Ledger())
    assert backwards_evidence(levels) < 0
    np.testing.assert_allclose(found, levels, atol=0.01)


def test_a_wrong_colour_map_is_told() -> None:
    ledger = Ledger()
    levels_of_panel(table_of("viridis")[np.random.default_rng(0).integers(0, 256, (30, 40))], ledger, given="hot")
    assert any("hot" in warning for warning in ledger.warnings)


def test_unknown_colours_are_told() -> None:
    ledger = Ledger()
    levels_of_panel(np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8), ledger)
    assert any("not known" in warning for warning in ledger.warnings)


def test_amplitudes_are_told_from_decibels() -> None:
    speech = load(sounds.path("speech"), channels="mono")
    config = StftConfig(sample_rate=speech.sample_rate, n_fft=1024, hop_length=256)
    magnitude = np.abs(stft(speech.samples, config))
    share = magnitude / magnitude.max()
    assert amplitude_exponent(share, None) == 1.0
    assert amplitude_exponent(share**2, (0.0, 113.0)) == 2.0
    assert amplitude_exponent(share, (-80.0, 0.0)) is None
    for range_db in (40, 80, 120):
        levels = np.clip(20 * np.log10(share + 1e-9) / range_db + 1, 0, 1)
        assert amplitude_exponent(levels, None) is None


def test_sixteen_bits_are_kept() -> None:
    panel = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    levels = levels_of_panel(panel, Ledger(), given="gray")
    assert np.unique(levels).size == 65_536


# --- which transform --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("win_length", [551, 1102, 2048])
def test_the_window_that_was_used_fits_best(win_length: int) -> None:
    config = StftConfig(sample_rate=22_050, n_fft=2048, hop_length=256, win_length=win_length)
    magnitude = np.abs(stft(chirps(config), config))
    found, misfit, margin = best_window(magnitude, StftConfig(sample_rate=22_050, n_fft=2048, hop_length=256))
    assert found.win_length == pytest.approx(win_length, rel=0.01)
    assert misfit < -15
    assert margin > 0


def test_noise_fits_no_transform() -> None:
    config = StftConfig(sample_rate=22_050, n_fft=512, hop_length=128)
    magnitude = 10 ** (4 * np.random.default_rng(0).random((257, 120), dtype=np.float32) - 4)
    assert misfit_db(magnitude, config) > -6


@pytest.mark.parametrize("overlap", [False, True])
def test_segments_are_told_from_overlapping_windows(overlap: bool) -> None:
    """ffmpeg before and from 5.1 on: a whole window a column, or its beginning over the column's own samples."""
    config = StftConfig(sample_rate=22_050, n_fft=1024, hop_length=128)
    sound, window, hop = chirps(config), np.hanning(1024), 128
    n = 1024 if overlap else hop
    frames = np.stack([sound[s : s + n] * window[:n] for s in range(0, sound.size - n, hop)])
    magnitude = np.abs(np.fft.rfft(frames, n=1024, axis=1))[:, :512].T.astype(np.float32)
    assert columns_are_segments(magnitude, hop) is not overlap
