"""What survives sound -> spectrogram -> sound, and what a recipe remembers of what it throws away."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import ParameterError
from specloom.io.audio import load
from specloom.recipes import (
    LIBROSA,
    RECIPES,
    SPOOF,
    SPOOF_AS_WRITTEN,
    TACOTRON,
    TACOTRON_AS_WRITTEN,
    Decibels,
    Frames,
    GriffinLim,
    Linear,
    MelBands,
    PeakPower,
    Recipe,
    Reconstruct,
    Spectrogram,
)
from specloom.recipes.analysis import phase_of
from specloom.recipes.scales import quantise
from specloom.recipes.steps import STEPS, in_use, neutral, only
from specloom.recipes.synthesis import frames_between

CORRECTED = [LIBROSA, SPOOF, TACOTRON]
SCALES = [Linear(), PeakPower(exponent=0.6), Decibels(reference_db=None), Decibels(reference_db=20.0)]


def rms_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(samples.astype(np.float64) ** 2))


@pytest.fixture(scope="module")
def speech() -> Audio:
    return load(sounds.path("speech"))


@pytest.fixture(scope="module")
def guitar() -> Audio:
    music = load(sounds.path("music"))
    return Audio(music.samples[:, 60_000:120_001], music.sample_rate)


@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("sound", ["speech", "guitar"])
def test_recipe_keeps_rate_and_length_to_the_sample(recipe: Recipe, sound: str, request: pytest.FixtureRequest) -> None:
    audio = request.getfixturevalue(sound)
    back = recipe.synthesise(recipe.analyse(audio), quality="fast")
    assert (back.sample_rate, back.n_samples) == (audio.sample_rate, audio.n_samples)


@pytest.mark.parametrize("rate", [8_000, 11_025, 48_000, 192_000])
@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
def test_recipe_takes_every_rate(recipe: Recipe, rate: int) -> None:
    samples = np.sin(2 * np.pi * 440.0 / rate * np.arange(rate // 3)).astype(np.float32)
    audio = Audio(0.1 * samples, rate)
    back = recipe.synthesise(recipe.analyse(audio), quality="fast")
    assert (back.sample_rate, back.n_samples) == (rate, audio.n_samples)
    assert rms_db(back.samples) == pytest.approx(rms_db(audio.samples), abs=0.3)


@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
def test_recipe_gives_sound_and_level_back_when_the_phase_is_known(recipe: Recipe, speech: Audio) -> None:
    untrimmed = replace(recipe, trim_db=None)
    phase = phase_of(speech, untrimmed)
    back = untrimmed.synthesise(untrimmed.analyse(speech), phase=phase)
    error_db = rms_db(back.samples - speech.samples) - rms_db(speech.samples)
    assert error_db < -50.0
    assert rms_db(back.samples) == pytest.approx(rms_db(speech.samples), abs=0.01)


@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
def test_recipe_puts_silence_of_the_right_length_where_it_trimmed(recipe: Recipe, speech: Audio) -> None:
    trimming = replace(recipe, trim_db=15.0)
    spectrogram = trimming.analyse(speech)
    origin = spectrogram.origin
    assert 0 < origin.start < origin.stop < origin.n_analysed
    back = trimming.synthesise(spectrogram, phase=phase_of(speech, trimming))
    # In place: what was kept lies where it was, what was cut is silent.
    scale = speech.sample_rate / origin.analysis_rate
    start, stop = int(origin.start * scale) + 100, int(origin.stop * scale) - 100
    assert rms_db(back.samples[start:stop] - speech.samples[start:stop]) < rms_db(speech.samples[start:stop]) - 40.0
    edge = int(origin.start * scale) - 100
    np.testing.assert_allclose(back.samples[:edge], 0.0, atol=1e-4)


@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
@given(level=st.floats(1e-6, 1e4))
@settings(max_examples=15, deadline=None)
def test_recipe_arrays_do_not_depend_on_the_level_and_the_level_comes_back(recipe: Recipe, level: float) -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(9_000).astype(np.float32) * np.hanning(9_000).astype(np.float32)
    # No trimming: the silence that it looks for is an absolute one below 1e-5.
    recipe = replace(recipe, trim_db=None)
    reference, scaled = (recipe.analyse(Audio(noise * np.float32(gain), 22_050)) for gain in (1.0, level))
    ratio = level if recipe.scale == Linear() else 1.0
    # In decibels the rounding of a bin 80 dB below the loudest one is seen.
    close = 1e-3 if isinstance(recipe.scale, Decibels) else 2e-5
    np.testing.assert_allclose(scaled.linear, reference.linear * ratio, atol=close * reference.linear.max() * ratio)
    np.testing.assert_allclose(scaled.mel, reference.mel * ratio, atol=close * reference.mel.max() * ratio)
    np.testing.assert_allclose(scaled.magnitude().max(), reference.magnitude().max() * np.float32(level), rtol=1e-4)
    np.testing.assert_allclose(
        scaled.mel_magnitude().max(), reference.mel_magnitude().max() * np.float32(level), rtol=1e-4
    )


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
@given(peak=st.floats(1e-6, 1e4), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_recipe_scale_undo_is_the_inverse_of_apply(scale: object, peak: float, seed: int) -> None:
    share = np.random.default_rng(seed).uniform(1e-4, 1.0, (7, 5)).astype(np.float32)
    share[3, 2] = 1.0
    magnitude = share * np.float32(min(peak, 9.9) if scale == Decibels(reference_db=20.0) else peak)
    magnitude.flags.writeable = False
    top = float(magnitude.max())
    back = scale.undo(scale.apply(magnitude, top), top)
    audible = magnitude > 1e-4 if scale == Decibels(reference_db=20.0) else magnitude > 0
    np.testing.assert_allclose(back[audible], magnitude[audible], rtol=1e-4)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
def test_recipe_scale_keeps_silence_silent(scale: object) -> None:
    nothing = np.zeros((3, 4), np.float32)
    stored = scale.apply(nothing, 0.0)
    assert np.isfinite(stored).all()
    np.testing.assert_array_equal(scale.undo(stored, 0.0), 0.0)


def test_recipe_decibels_as_written_turn_silence_into_faint_noise() -> None:
    scale = TACOTRON_AS_WRITTEN.scale
    stored = scale.apply(np.zeros((2, 2), np.float32), 0.0)
    np.testing.assert_allclose(scale.undo(stored, 1.0), 1e-4, rtol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_recipe_gives_silence_for_silence(recipe: Recipe) -> None:
    audio = Audio(np.zeros(8_000, np.float32), 16_000)
    back = recipe.synthesise(recipe.analyse(audio), quality="fast")
    assert np.abs(back.samples).max() < (0.76 if recipe.synthesis.written_peak else 1e-2)
    if recipe in CORRECTED:
        assert not back.samples.any()
        assert back.n_samples == audio.n_samples


@pytest.mark.parametrize("n_samples", [1, 2, 255, 256, 257, 1023, 1024, 3001])
@pytest.mark.parametrize("recipe", CORRECTED, ids=lambda recipe: recipe.name)
def test_recipe_keeps_the_length_of_very_short_sounds(recipe: Recipe, n_samples: int) -> None:
    samples = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    audio = Audio(samples, 22_050)
    back = recipe.synthesise(recipe.analyse(audio), quality="fast")
    assert back.n_samples == n_samples


def test_recipe_spoof_as_written_says_why_it_has_no_frame_of_a_very_short_sound() -> None:
    with pytest.raises(ParameterError, match=r"frame_count='cut' keeps multiples only"):
        SPOOF_AS_WRITTEN.analyse(Audio(np.ones(500, np.float32), 16_000))


def test_recipe_that_cuts_frames_keeps_the_length_and_ends_in_silence(speech: Audio) -> None:
    cutting = replace(SPOOF, name="cut", frame_count="cut", trim_db=None, preemphasis=None)
    spectrogram = cutting.analyse(speech)
    covered = spectrogram.stft_config.n_samples(spectrogram.n_frames)
    assert covered < speech.n_samples
    back = cutting.synthesise(spectrogram, quality="fast")
    assert back.n_samples == speech.n_samples
    assert back.samples[:covered].any()
    assert not back.samples[covered:].any()


def test_recipe_says_why_an_empty_sound_has_no_frame() -> None:
    with pytest.raises(ParameterError, match="0 samples give no frame"):
        LIBROSA.analyse(Audio(np.zeros(0, np.float32), 16_000))


def test_recipe_that_cannot_be_inverted_is_refused_with_the_reason(speech: Audio) -> None:
    with pytest.raises(ParameterError, match="not invertible"):
        replace(LIBROSA, frames=Frames(n_fft=512, hop_length=600)).analyse(speech)


def test_recipe_channels_each_is_the_channels_one_by_one(guitar: Audio) -> None:
    both = replace(SPOOF, scale=Linear(), trim_db=None, channels="each").analyse(guitar)
    assert both.linear.shape[0] == 2
    for channel in range(2):
        alone = replace(SPOOF, scale=Linear(), trim_db=None).analyse(Audio(guitar.samples[channel], 44_100))
        np.testing.assert_allclose(both.linear[channel], alone.linear, atol=1e-5)
        np.testing.assert_allclose(both.mel[channel], alone.mel, atol=1e-6)
    back = both.recipe.synthesise(both, quality="fast")
    assert back.samples.shape == guitar.samples.shape


def test_recipe_mono_is_the_mean_of_the_channels(guitar: Audio) -> None:
    np.testing.assert_array_equal(LIBROSA.analyse(guitar).linear, LIBROSA.analyse(guitar.mono()).linear)


def test_recipe_mel_alone_comes_back_with_rate_and_length(guitar: Audio) -> None:
    for recipe in CORRECTED:
        spectrogram = recipe.analyse(guitar)
        mel_only = Spectrogram(recipe=recipe, origin=spectrogram.origin, mel=spectrogram.mel)
        back = recipe.synthesise(mel_only, quality="fast")
        assert (back.sample_rate, back.n_samples) == (guitar.sample_rate, guitar.n_samples)
        assert rms_db(back.samples) == pytest.approx(rms_db(guitar.mono().samples), abs=6.0)
        with pytest.raises(ParameterError, match="holds only the mel array"):
            recipe.synthesise(mel_only, source="linear")


def test_recipe_mel_of_powers_comes_back_as_magnitudes(speech: Audio) -> None:
    of_power = replace(LIBROSA, mel=MelBands(n_mels=128, power=2.0))
    spectrogram = of_power.analyse(speech)
    back = of_power.synthesise(spectrogram, source="mel", quality="fast")
    assert rms_db(back.samples) == pytest.approx(rms_db(speech.samples), abs=3.0)


@given(step=st.integers(1, 6), n=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_recipe_frames_between_keeps_the_kept_and_lies_on_lines(step: int, n: int) -> None:
    kept = np.random.default_rng(n).random((3, n)).astype(np.float32)
    kept.flags.writeable = False
    frames = frames_between(kept, step)
    assert frames.shape == (3, n * step)
    np.testing.assert_array_equal(frames[:, ::step], kept)
    places = np.minimum(np.arange(n * step) / step, n - 1)
    expected = [np.interp(places, np.arange(n), row) for row in kept]
    np.testing.assert_allclose(frames, expected, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_recipe_quantise_rounds_to_the_nearest_level_and_is_idempotent(bits: int) -> None:
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    rounded = quantise(values, bits)
    assert np.abs(rounded - values).max() <= 0.5 / (2**bits - 1) + 1e-7
    np.testing.assert_array_equal(quantise(rounded, bits), rounded)
    assert len(np.unique(quantise(np.linspace(0, 1, 100_000, dtype=np.float32), bits))) == 2**bits


def test_recipe_power_sharpens_relative_to_the_loudest(speech: Audio) -> None:
    plain = only(LIBROSA)
    sharp = replace(plain, synthesis=replace(plain.synthesis, power=1.3))
    phase = phase_of(speech, plain)
    spectrogram = plain.analyse(speech)
    softer = rms_db(plain.synthesise(spectrogram, phase=phase).samples)
    sharper = rms_db(sharp.synthesise(spectrogram, phase=phase).samples)
    assert -12.0 < sharper - softer < -2.0


def test_recipe_griffin_lim_and_quality_choose_the_phase(speech: Audio) -> None:
    spectrogram = TACOTRON.analyse(speech)
    by_recipe = replace(TACOTRON, synthesis=replace(TACOTRON.synthesis, phase=GriffinLim(n_iter=0, start="zero")))
    zero_phase = by_recipe.synthesise(spectrogram).samples
    asked = by_recipe.synthesise(spectrogram, quality="fast").samples
    default = TACOTRON.synthesise(spectrogram, quality="fast").samples
    assert not np.allclose(zero_phase, asked, atol=1e-3)
    np.testing.assert_array_equal(asked, default)
    assert not np.allclose(default, TACOTRON.synthesise(spectrogram).samples, atol=1e-5)
    quick = replace(TACOTRON, synthesis=replace(TACOTRON.synthesis, phase=Reconstruct(quality="fast")))
    np.testing.assert_array_equal(quick.synthesise(spectrogram).samples, default)


def test_recipe_refuses_a_spectrogram_of_other_analysis_settings(speech: Audio) -> None:
    spectrogram = SPOOF.analyse(speech)
    with pytest.raises(ParameterError, match="made with other settings"):
        TACOTRON.synthesise(spectrogram)
    with pytest.raises(ParameterError, match="made with other settings"):
        SPOOF_AS_WRITTEN.synthesise(spectrogram)
    other_way = replace(SPOOF, name="mine", synthesis=SPOOF_AS_WRITTEN.synthesis)
    assert other_way.synthesise(spectrogram, quality="fast").sample_rate == 22_050
    # What the arrays and the origin tell already need not be the same.
    elsewhere = replace(SPOOF, channels="each", trim_db=None, quantise_bits=8, sample_rate=44_100)
    assert elsewhere.synthesise(spectrogram, quality="fast").n_samples == speech.n_samples


def test_recipe_makes_arrays_of_unknown_level_audible(speech: Audio) -> None:
    known = SPOOF.analyse(speech)
    bare = Spectrogram.from_arrays(SPOOF, speech.sample_rate, linear=known.linear)
    assert bare.origin.linear_peak is None
    audio = bare.recipe.synthesise(bare, quality="fast")
    assert audio.samples.max() == pytest.approx(0.75, abs=1e-6)
    plain = LIBROSA.analyse(speech)
    bare = Spectrogram.from_arrays(LIBROSA, speech.sample_rate, linear=plain.linear)
    audio = bare.recipe.synthesise(bare, quality="fast")
    assert rms_db(audio.samples) == pytest.approx(rms_db(speech.samples), abs=0.5)


def test_recipe_steps_alone_change_what_they_name_and_nothing_else() -> None:
    plain = neutral(TACOTRON_AS_WRITTEN)
    assert plain.frames == TACOTRON_AS_WRITTEN.frames
    assert plain.scale == Linear()
    alone = only(TACOTRON_AS_WRITTEN, "trim")
    assert alone.trim_db == 15.0
    assert replace(alone, trim_db=None, name=plain.name, synthesis=plain.synthesis) == plain
    with pytest.raises(ParameterError, match="step='reverb'"):
        only(TACOTRON, "reverb")


def test_recipe_all_steps_together_are_the_recipe() -> None:
    for recipe in RECIPES.values():
        everything = only(recipe, *STEPS)
        assert replace(everything, name=recipe.name, description=recipe.description) == recipe


def test_recipe_steps_in_use_are_those_that_differ_from_doing_nothing() -> None:
    assert in_use(LIBROSA) == ["mel", "phase"]
    assert set(in_use(SPOOF)) == {"trim", "pre-emphasis", "scale", "frames", "mel", "phase"}
    assert {"power", "written peak", "written rate"} <= set(in_use(SPOOF_AS_WRITTEN))
    assert "resample" in in_use(TACOTRON)
