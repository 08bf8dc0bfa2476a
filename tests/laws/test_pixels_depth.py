"""Laws of the depth of pixels: what is rounded to codes is what a recipe's rounding gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from specloom.errors import ParameterError
from specloom.pixels.depth import bits_of, from_codes, to_codes
from specloom.recipes.scales import quantise

LEVELS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=9), elements=st.floats(0, 1, width=32))


@pytest.mark.parametrize("bits", [8, 16])
@given(stored=LEVELS)
def test_codes_and_back_are_the_recipes_rounding_to_the_last_bit(bits, stored):
    stored.flags.writeable = False
    again = from_codes(to_codes(stored, bits))
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, quantise(stored, bits))


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_every_code_comes_back(bits, dtype):
    codes = np.arange(2**bits, dtype=dtype).reshape(2, -1)
    again = to_codes(from_codes(codes), bits)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, codes)
    assert bits_of(codes) == bits


def test_large_and_strided_arrays_are_rounded_alike():
    stored = np.random.default_rng(0).random((700, 900), dtype=np.float32)
    np.testing.assert_array_equal(to_codes(stored[::-1].T, 16), np.round(stored[::-1].T * np.float32(65_535)))


def test_levels_outside_are_clipped_and_doubles_are_taken():
    assert to_codes(np.array([-3.0, -1e-9, 0.5, 1.0, 7.0, np.inf]), 8).tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize("bits", [1, 12, 0, "8"])
def test_other_depths_are_refused(bits):
    with pytest.raises(ParameterError, match="8 or 16 bits"):
        to_codes(np.zeros((2, 2), np.float32), bits)


def test_what_is_not_a_number_or_no_code_is_refused():
    with pytest.raises(ParameterError, match="NaN"):
        to_codes(np.array([[0.0, np.nan]], dtype=np.float32), 8)
    with pytest.raises(ParameterError, match="float32: uint8 or uint16"):
        from_codes(np.zeros(3, np.float32))
