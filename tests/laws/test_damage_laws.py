"""Laws of damage: what is not hit stays, shares are kept, the input is not written to, the same seed spoils alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.errors import ParameterError
from specloom.pixels.damage import gaussian_noise, lost_lines, salt_and_pepper


def values(shape=(3, 80, 60), dtype=np.float32):
    made = np.random.default_rng(0).uniform(0.01, 0.99, shape).astype(dtype)
    made.flags.writeable = False
    return made


def rng(seed=1):
    return np.random.default_rng(seed)


KINDS = {
    "salt": lambda x, seed: salt_and_pepper(x, 0.2, rng=rng(seed)),
    "gaussian": lambda x, seed: gaussian_noise(x, 0.2, rng=rng(seed)),
    "rows": lambda x, seed: lost_lines(x, 0.2, rng=rng(seed), axis="rows"),
    "columns": lambda x, seed: lost_lines(x, 0.2, rng=rng(seed)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_dtype_and_range_stay_and_the_seed_decides(kind, dtype):
    before = values(dtype=dtype)
    made = KINDS[kind](before, 1)
    assert made.shape == before.shape
    assert made.dtype == dtype
    assert made.min() >= 0.0
    assert made.max() <= 1.0
    assert np.array_equal(made, KINDS[kind](before, 1))
    assert not np.array_equal(made, KINDS[kind](before, 2))
    assert not np.array_equal(made, before)


@settings(max_examples=30, deadline=None)
@given(amount=st.floats(0, 1), salt_share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_salt_and_pepper_hit_their_shares_and_leave_the_rest(amount, salt_share, seed):
    before = values()
    made = salt_and_pepper(before, amount, rng=rng(seed), salt_share=salt_share)
    salt, pepper = made == 1.0, made == 0.0
    assert np.array_equal(made[~(salt | pepper)], before[~(salt | pepper)])
    assert np.mean(salt) == pytest.approx(amount * salt_share, abs=0.015)
    assert np.mean(pepper) == pytest.approx(amount * (1 - salt_share), abs=0.015)


def test_it_is_what_scikit_image_calls_salt_and_pepper():
    # skimage.util.random_noise(mode="s&p"): `amount` of all, each by itself, half of them salt.
    made = salt_and_pepper(values((400, 500)), 0.2, rng=rng())
    assert (np.mean(made == 1.0), np.mean(made == 0.0)) == pytest.approx((0.1, 0.1), abs=0.003)
    hit = np.isin(made, (0.0, 1.0)).astype(float)
    assert abs(np.corrcoef(hit[:, 1:].ravel(), hit[:, :-1].ravel())[0, 1]) < 0.01


def test_gaussian_noise_has_its_deviation_where_nothing_is_cut():
    before = np.full((300, 300), 0.5)
    assert np.std(gaussian_noise(before, 0.1, rng=rng()) - before) == pytest.approx(0.1, rel=0.02)
    assert np.array_equal(gaussian_noise(before, 0.0, rng=rng()), before)


@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_whole_lines_are_lost_about_their_share(axis, share):
    before = values((400, 410))
    made = lost_lines(before, share, rng=rng(), axis=axis)
    along = 1 if axis == "rows" else 0
    lost = (made == 0.0).all(axis=along)
    assert np.array_equal(lost, (made == 0.0).any(axis=along))
    assert np.mean(lost) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: salt_and_pepper(values(), 1.2, rng=rng()), "amount=1.2"),
        (lambda: salt_and_pepper(values(), 0.2, rng=rng(), salt_share=-1), "salt_share=-1"),
        (lambda: salt_and_pepper(np.arange(4), 0.2, rng=rng()), "dtype int64"),
        (lambda: gaussian_noise(values(), -0.1, rng=rng()), "deviation=-0.1"),
        (lambda: lost_lines(values(), 0.1, rng=rng(), axis="both"), "axis='both'"),
        (lambda: lost_lines(values(), 0.1, rng=rng(), most=0), "most=0"),
        (lambda: lost_lines(np.zeros(3), 0.1, rng=rng()), r"shape \(3,\)"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
