"""Laws of the mark in the pixels: it comes back, from any crop along time, and never where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.errors import ParameterError
from specloom.pixels.mark import LARGEST_PAYLOAD, find_mark, mark_fits, write_mark


def noise(shape, dtype=np.uint16, seed=0):
    codes = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    codes.flags.writeable = False
    return codes


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 80), st.integers(1, 400)),
    payload=st.binary(max_size=60),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    filling=st.sampled_from(["noise", "black", "white"]),
)
def test_what_was_written_is_found_or_nothing_was_touched(shape, payload, dtype, filling):
    codes = noise(shape, dtype) if filling == "noise" else np.full(shape, 0 if filling == "black" else -1).astype(dtype)
    marked = write_mark(codes, payload)
    assert marked.dtype == dtype
    assert marked.shape == shape
    found = find_mark(marked)
    if mark_fits(shape, payload):
        assert found is not None
        assert (found.payload, found.column, found.found_at) == (payload, 0, 0)
    else:
        np.testing.assert_array_equal(marked, codes)
        assert found is None
    assert np.abs(marked.astype(int) - codes).max() <= 1


@pytest.mark.parametrize(("dtype", "one_in"), [(np.uint8, 64), (np.uint16, 8)])
def test_few_pixels_change_and_the_mean_stays(dtype, one_in):
    codes = noise((1025, 3000), dtype)
    marked = write_mark(codes, bytes(range(256)) * 5)
    change = marked.astype(int) - codes
    assert np.abs(change).max() == 1
    # Half of the bits are right already.
    assert 0.3 < (change != 0).mean() * one_in < 0.55
    assert abs(change.mean()) < 1e-3


def test_any_crop_that_holds_a_copy_says_where_it_was():
    payload = b"settings " * 20
    codes = noise((200, 1000))
    marked = write_mark(codes, payload)
    columns = -(-8 * (14 + len(payload)) // 200)
    needed = 9 * columns
    for start in range(0, 1000 - needed, 7):
        found = find_mark(marked[:, start : start + needed])
        assert found is not None
        assert found.payload == payload
        assert found.column - found.found_at == start


def test_a_damaged_copy_is_passed_over_for_the_next_one():
    marked = write_mark(noise((100, 800)), b"hello world")
    first = find_mark(marked)
    second = find_mark(marked[:, 1:])
    damaged = marked.copy()
    damaged[60:, 0] ^= 1  # the payload of the first copy; its sync word is whole
    found = find_mark(damaged)
    assert first.column == 0 < found.column == second.column
    assert found.payload == b"hello world"


def test_pixels_without_a_mark_are_no_mark():
    for seed in range(20):
        assert find_mark(noise((64, 5000), seed=seed)) is None
    for codes in (np.zeros((30, 30), np.uint8), np.full((30, 30), 255, np.uint8), np.zeros((0, 0), np.uint8)):
        assert find_mark(codes) is None
    for shape in ((1, 1), (1, 5), (5, 1), (0, 9), (9, 0)):
        assert find_mark(np.ones(shape, np.uint16)) is None


def test_other_rows_or_other_levels_are_no_mark():
    marked = write_mark(noise((64, 900)), b"some settings")
    assert find_mark(marked[1:]) is None
    assert find_mark(marked[:-1]) is None
    assert find_mark(marked // 2) is None


def test_a_picture_full_of_sync_words_holds_no_mark():
    one = write_mark(np.zeros((64, 30), np.uint8), b"x" * 50)[:, :1].copy()
    one[32:48] = 1  # a payload of 65,535 bytes
    codes = np.tile(one, (1, 20_000))
    assert find_mark(codes) is None


def test_wrong_codes_and_payloads_are_refused():
    with pytest.raises(ParameterError, match="float32"):
        write_mark(np.zeros((4, 4), np.float32), b"")
    with pytest.raises(ParameterError, match=r"\(height, width\)"):
        find_mark(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ParameterError, match="at most 65535"):
        write_mark(noise((4, 4)), bytes(LARGEST_PAYLOAD + 1))
