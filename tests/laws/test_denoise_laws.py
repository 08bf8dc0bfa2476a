"""Laws of cleaning mel spectrograms: patches leave no seam, level and scale do not matter, shapes stay."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import Audio, Denoiser, load, sounds
from specloom.artifact import read_artifact
from specloom.errors import ArtifactError, ParameterError
from specloom.recipes import LIBROSA, TACOTRON
from specloom.recipes.recipe import Frames
from specloom.recipes.scales import Decibels, PeakPower
from specloom.tasks.denoise.denoiser import patch_starts
from specloom.tasks.denoise.features import MelPatches, parse_features

# Every band times a weight of its own.
MODEL = Path(__file__).parents[1] / "golden" / "tiny_mel.onnx"
WEIGHTS = np.linspace(1.0, 0.5, 80, dtype=np.float32)[:, np.newaxis]


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser(MODEL)


@pytest.fixture(scope="module")
def speech() -> Audio:
    spoken = load(sounds.path("speech"))
    return Audio(spoken.samples[: 3 * spoken.sample_rate], spoken.sample_rate)


@settings(max_examples=40, deadline=None)
@given(n_frames=st.integers(0, 700), leading=st.sampled_from([(), (2,), (2, 3)]))
def test_patches_leave_no_seam_at_any_length(n_frames, leading):
    values = np.random.default_rng(n_frames).uniform(0, 1, (*leading, 80, n_frames)).astype(np.float32)
    values.flags.writeable = False
    made = Denoiser(MODEL).process_values(values)
    assert made.shape == values.shape
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, values * WEIGHTS, atol=1e-6)


def test_one_patch_fades_into_the_next(denoiser, monkeypatch):
    # A network that answers with the place in the patch: at a join nothing may jump.
    class Places:
        def run(self, inputs):
            n, size, n_mels = inputs["mel"].shape
            ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)[None, :, None]
            return {"cleaned": np.broadcast_to(ramp, (n, size, n_mels))}, {}

    monkeypatch.setattr(denoiser, "_session", Places())
    made = denoiser.process_values(np.zeros((80, 16 * 8), np.float32))[0]
    steps = np.abs(np.diff(made))
    assert steps.max() < 2 / 15, "a box would jump by a half"
    assert made[0] == 0.0
    assert made[-1] == 1.0


@settings(max_examples=60, deadline=None)
@given(n_frames=st.integers(1, 2_000), half=st.integers(1, 64))
def test_patches_cover_everything_and_overlap_by_a_half(n_frames, half):
    size = 2 * half
    starts = patch_starts(n_frames, size)
    assert starts[0] == 0
    assert starts[-1] == max(0, n_frames - size)
    assert all(0 < after - before <= half for before, after in pairwise(starts))


def test_what_is_twice_as_loud_is_cleaned_alike(denoiser, speech):
    once = denoiser.process(TACOTRON.analyse(speech))
    twice = denoiser.process(TACOTRON.analyse(Audio(0.25 * speech.samples, speech.sample_rate)))
    np.testing.assert_allclose(once.mel, twice.mel, atol=1e-4)
    assert twice.origin.mel_peak == pytest.approx(0.25 * once.origin.mel_peak, rel=1e-5)


@pytest.mark.parametrize(
    "scale",
    [PeakPower(exponent=0.25), Decibels(reference_db=20.0), Decibels(reference_db=None, range_db=100.0, floor=1e-5)],
)
def test_another_scale_is_cleaned_like_the_models(denoiser, speech, scale):
    ours = denoiser.process(TACOTRON.analyse(speech)).mel_magnitude()
    theirs = denoiser.process(replace(TACOTRON, scale=scale).analyse(speech)).mel_magnitude()
    loud = ours > 1e-3 * ours.max()
    np.testing.assert_allclose(theirs[loud], ours[loud], rtol=1e-2)


def test_recipe_and_origin_stay_and_the_linear_array_goes(denoiser, speech):
    given_ = TACOTRON.analyse(speech)
    made = denoiser.process(given_)
    assert made.linear is None
    assert (made.recipe, made.origin) == (given_.recipe, given_.origin)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound_keeps_rate_length_and_channels(denoiser, speech, n_channels, rate):
    samples = np.stack([speech.samples[:rate], speech.samples[100 : rate + 100]])[:n_channels]
    made = denoiser.process_audio(Audio(samples, rate), quality="fast")
    assert (made.sample_rate, made.samples.shape[-1], made.n_channels) == (rate, rate, n_channels)


def test_silence_stays_silent(denoiser):
    assert not denoiser.process_values(np.zeros((80, 100), np.float32)).any()
    made = denoiser.process_audio(Audio(np.zeros(16_000, np.float32), 16_000))
    assert np.abs(made.samples).max() == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((79, 10)), r"shape \(79, 10\)"),
        (np.zeros(80), r"shape \(80,\)"),
        (np.full((80, 3), np.nan), "NaN or infinity"),
    ],
)
def test_values_that_cannot_be_are_refused(denoiser, values, message):
    with pytest.raises(ParameterError, match=message):
        denoiser.process_values(values)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(TACOTRON, preemphasis=None),
        replace(TACOTRON, frames=Frames(n_fft=2048, hop_s=0.01, win_s=0.05)),
        replace(TACOTRON, sample_rate=16_000),
        LIBROSA,
    ],
    ids=["preemphasis", "hop", "rate", "bands"],
)
def test_other_settings_are_refused(denoiser, speech, recipe):
    with pytest.raises(ParameterError, match="made with other settings than the model 'tiny_mel' learned"):
        denoiser.process(recipe.analyse(speech))


def test_without_a_mel_array_there_is_nothing_to_clean(denoiser, speech):
    with pytest.raises(ParameterError, match="no mel array"):
        denoiser.process(replace(TACOTRON.analyse(speech), mel=None))


def test_features_go_through_json_and_only_decibels_below_the_loudest_will_do():
    features = MelPatches(recipe=TACOTRON, n_frames=64)
    assert parse_features(features.to_json()) == features
    assert features.recipe.synthesis == type(TACOTRON.synthesis)()
    with pytest.raises(ParameterError, match="decibels below the loudest"):
        MelPatches(recipe=LIBROSA, n_frames=64)
    with pytest.raises(ParameterError, match="even number"):
        MelPatches(recipe=TACOTRON, n_frames=63)
    with pytest.raises(ArtifactError, match=r"features\.interface is 'spectrum'"):
        parse_features({"interface": "spectrum"})


def test_a_model_of_another_task_or_shape_is_refused(denoiser):
    with pytest.raises(ArtifactError, match="is for the task 'enhance'"):
        Denoiser(MODEL.with_name("tiny_spectrum.onnx"))
    artifact = read_artifact(MODEL)
    features = {**artifact.header.features, "n_frames": 32}
    with pytest.raises(ArtifactError, match=r"'mel' \(\*, 32, 80\) is needed"):
        Denoiser(replace(artifact, header=replace(artifact.header, features=features)))
    with pytest.raises(ParameterError, match="model=3"):
        Denoiser(3)
