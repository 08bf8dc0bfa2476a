"""Laws of colour tables: colours give their levels back, and a picture says which table it was drawn with."""

from __future__ import annotations

import numpy as np
import pytest

from specloom.errors import ParameterError
from specloom.pixels import colormaps
from specloom.pixels.colormaps import NAMES, colourise, colours_of, levels_of, recognise

# ffmpeg's table of this name stays on one yellow for a sixteenth of its levels; those cannot be told apart.
PLATEAUS = {"ffmpeg-terrain": 0.04, "sox-high": 0.01}


def spread(n=4_000, seed=0):
    levels = np.random.default_rng(seed).random((n // 50, 50), dtype=np.float32)
    levels.flags.writeable = False
    return levels


@pytest.mark.parametrize("name", NAMES)
def test_colours_give_their_levels_back(name):
    levels = spread()
    table = colours_of(name)
    again, distance = levels_of(colourise(levels, name), table)
    assert again.dtype == distance.dtype == np.float32
    assert again.shape == distance.shape == levels.shape
    assert np.abs(again - levels).max() <= PLATEAUS.get(name, 0.009)
    # Half a code of rounding in each channel.
    assert distance.max() <= 0.87


@pytest.mark.parametrize("name", NAMES)
def test_a_table_lies_on_itself_from_end_to_end(name):
    table = colours_of(name)
    assert table.dtype == np.uint8
    assert not table.flags.writeable
    levels, distance = levels_of(table, table)
    assert distance.max() < 1e-3
    assert levels[0] == 0.0
    assert levels[-1] == pytest.approx(1.0)
    np.testing.assert_array_equal(colours_of(f"{name}-inverted"), table[::-1])


def test_codes_of_eight_bits_are_the_entries_of_a_table_of_256():
    codes = np.arange(256, dtype=np.uint8)
    for name in ("gray", "magma", "viridis", "jet"):
        np.testing.assert_array_equal(colourise(codes, name), colours_of(name))
    np.testing.assert_array_equal(colourise(codes.astype(np.uint16) * 257, "magma"), colours_of("magma"))
    np.testing.assert_array_equal(colourise(codes / 255.0, "magma"), colours_of("magma"))


def brute(rgb, table):
    """Nearest place on every segment in turn."""
    points = rgb.reshape(-1, 3).astype(np.float64)
    best, level = np.full(len(points), np.inf), np.zeros(len(points))
    for number, (start, end) in enumerate(zip(table[:-1].astype(float), table[1:].astype(float), strict=True)):
        along = end - start
        share = np.clip((points - start) @ along / max(along @ along, 1e-12), 0, 1)
        off = np.linalg.norm(points - start - share[:, None] * along, axis=1)
        nearer = off < best - 1e-9
        best[nearer], level[nearer] = off[nearer], ((number + share) / (len(table) - 1))[nearer]
    return level, best


@pytest.mark.parametrize("name", ["magma", "jet", "sox", "ffmpeg-rainbow", "six corners"])
def test_the_nearest_place_is_as_near_as_a_search_of_every_segment_finds(name):
    rng = np.random.default_rng(1)
    table = rng.integers(0, 256, (6, 3), dtype=np.uint8) if name == "six corners" else colours_of(name)
    rgb = rng.integers(0, 256, (2_000, 3), dtype=np.uint8)
    levels, distance = levels_of(rgb, table)
    expected_level, expected = brute(rgb, table)
    # A place may lose against an equally near one elsewhere, so distances are compared for all, levels for most.
    assert (distance - expected).max() < 0.02
    assert np.mean(np.abs(levels - expected_level) < 0.005) > 0.97


def test_many_pixels_and_few_are_read_alike():
    levels = np.random.default_rng(2).random((400, 500), dtype=np.float32)
    rgb = colourise(levels, "inferno")
    assert levels.size > colormaps._MANY_PIXELS
    whole = levels_of(rgb, colours_of("inferno"))
    part = levels_of(rgb[:20], colours_of("inferno"))
    for large, small in zip(whole, part, strict=True):
        np.testing.assert_array_equal(large[:20], small)


def test_tables_of_few_colours_and_of_one():
    table = np.uint8([[0, 0, 0], [100, 0, 0]])
    levels, distance = levels_of(np.uint8([[25, 0, 0], [200, 0, 0], [50, 3, 4]]), table)
    np.testing.assert_allclose(levels, [0.25, 1.0, 0.5])
    np.testing.assert_allclose(distance, [0, 100, 5], atol=1e-6)
    levels, distance = levels_of(np.uint8([[3, 4, 0]]), np.zeros((1, 3), np.uint8))
    assert (levels[0], distance[0]) == (0, 5)
    run = np.uint8([[9, 9, 9], [9, 9, 9], [50, 0, 0], [50, 0, 0], [50, 0, 0], [90, 0, 0], [90, 0, 0]])
    np.testing.assert_allclose(levels_of(run, run)[0], [0, 0, 0.5, 0.5, 0.5, 1, 1])


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_says_which_table_it_was_drawn_with(name):
    matches = recognise(colourise(spread(), name))
    # Grays, and a table and its inverse, lie on the same line.
    assert name in [match.name for match in matches if match.distance == matches[0].distance]
    assert matches[0].distance < 0.5
    assert matches[0].used > 0.95
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)


@pytest.mark.parametrize("name", ["magma", "viridis", "inferno", "jet", "gray", "sox", "ffmpeg-intensity"])
def test_noise_as_of_a_jpeg_does_not_hide_the_table(name):
    rng = np.random.default_rng(3)
    rgb = colourise(spread(), name).astype(int)
    noisy = np.clip(rgb + rng.integers(-6, 7, rgb.shape), 0, 255).astype(np.uint8)
    best = recognise(noisy)[0]
    assert best.name == name
    assert best.distance < 8
    levels, _ = levels_of(noisy, colours_of(name))
    assert np.median(np.abs(levels - spread())) < 0.02


@pytest.mark.parametrize("colours", [[[0, 0, 0]], [[0, 0, 0], [255, 255, 255]]])
def test_pictures_of_one_or_two_colours_fit_several_tables_equally(colours):
    matches = recognise(np.uint8([colours] * 8))
    assert matches[0].name == "gray"
    assert matches[0].distance == matches[1].distance == matches[2].distance == 0


def test_recognising_tries_only_what_is_asked_for():
    matches = recognise(colourise(spread(), "magma"), ["jet", "inferno-inverted"])
    assert {match.name for match in matches} == {"jet", "inferno-inverted"}


def test_unknown_names_and_wrong_arrays_are_refused():
    for name in ("pink", "magma-inverted-inverted", "-inverted", ""):
        with pytest.raises(ParameterError, match=rf"colormap='{name}': allowed are gray, "):
            colours_of(name)
    for rgb in (np.zeros((4, 4), np.uint8), np.zeros((4, 3), np.float32), np.zeros((4, 4), np.uint16)):
        with pytest.raises(ParameterError, match=r"uint8 \(\.\.\., 3\) is needed"):
            levels_of(rgb, colours_of("gray"))
    with pytest.raises(ParameterError, match="at least one colour"):
        levels_of(np.zeros((4, 3), np.uint8), np.zeros((0, 3), np.uint8))
    with pytest.raises(ParameterError, match="at least one pixel"):
        recognise(np.zeros((0, 3), np.uint8))
    with pytest.raises(ParameterError, match="NaN"):
        colourise(np.array([np.nan]), "gray")
