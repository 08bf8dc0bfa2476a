"""What a round trip loses does not hang on how loud the recording is."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom.audio import Audio
from specloom.recipes import SPOOF_AS_WRITTEN
from specloom.tasks.roundtrip import Copy, Judge, Losses, steps_of

RATE = 16000
_RNG = np.random.default_rng(3)
NOISE = (_RNG.standard_normal(6000) * np.hanning(6000)).astype(np.float32)
NOISE.flags.writeable = False


STEPS = [step for step in steps_of(SPOOF_AS_WRITTEN, RATE) if step.keeps_phase]


def losses_of_steps(samples: npt.NDArray[np.float32]) -> dict[str, Losses]:
    judge = Judge(Audio(samples, RATE), pesq=False, stoi=False)
    return {step.key: judge.losses(step.run(judge.original)) for step in STEPS}


@cache
def plain_losses() -> dict[str, Losses]:
    return losses_of_steps(NOISE)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-6, 1e4))
def test_loudness_changes_no_figure_but_the_level(amplitude: float) -> None:
    """The recipe divides by the maximum, so every copy is the same but for its level.

    Without phase retrieval, which rounding alone can send another way.
    """
    scaled = losses_of_steps(NOISE * np.float32(amplitude))
    for key, theirs in plain_losses().items():
        ours = scaled[key]
        assert ours.log_spectral_distance_db == pytest.approx(theirs.log_spectral_distance_db, abs=0.01), key
        assert ours.centroid_shift_cents == pytest.approx(theirs.centroid_shift_cents, abs=0.5), key
    expected = (plain_losses()["peak"].level_db or 0) - 20 * np.log10(amplitude)
    assert scaled["peak"].level_db == pytest.approx(expected, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-4, 1e4), st.floats(1e-6, 1e4))
def test_a_copy_that_is_only_louder_has_lost_nothing(gain: float, amplitude: float) -> None:
    original = Audio(NOISE * np.float32(amplitude), RATE)
    losses = Judge(original, pesq=False, stoi=False).losses(
        Copy(audio=Audio(original.samples * np.float32(gain), RATE))
    )
    assert losses.level_db == pytest.approx(20 * np.log10(gain), abs=1e-3)
    assert losses.spectral_convergence_db < -90
    assert losses.log_spectral_distance_db < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 2000))
def test_a_copy_lies_where_its_offset_says(cut_before: int, cut_after: int) -> None:
    """Compared at its place, a cut copy has lost its edges and nothing else."""
    original = Audio(NOISE, RATE)
    inside = NOISE[cut_before : len(NOISE) - cut_after]
    padded = np.pad(inside, (cut_before, cut_after))
    judge = Judge(original, pesq=False, stoi=False)
    cut = judge.losses(Copy(audio=Audio(inside, RATE), offset_s=cut_before / RATE))
    whole = judge.losses(Copy(audio=Audio(padded, RATE)))
    assert cut.log_spectral_distance_db == pytest.approx(whole.log_spectral_distance_db, abs=1e-6)
    assert cut.si_sdr_db == pytest.approx(whole.si_sdr_db, abs=1e-3)
    assert cut.duration_change_s == pytest.approx(-(cut_before + cut_after) / RATE)
