"""Row A6: which step loses what. The figures lead to the steps that are to blame, and to no other."""

from __future__ import annotations

import json
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import MissingExtraError, ParameterError
from specloom.io.audio import load
from specloom.metrics import pesq_available, stoi_available
from specloom.recipes import (
    LIBROSA,
    SPOOF,
    SPOOF_AS_WRITTEN,
    TACOTRON,
    TACOTRON_AS_WRITTEN,
    Decibels,
    Frames,
    GriffinLim,
    PeakPower,
    Recipe,
    Synthesis,
)
from specloom.tasks.roundtrip import Copy, Judge, RoundtripReport, damage, roundtrip, spoilers, steps_of
from specloom.tasks.roundtrip.steps import again, whole_chain
from specloom.tasks.roundtrip.task import without

RATE = 16000


@pytest.fixture(scope="module")
def speech() -> Audio:
    return load(sounds.path("speech"))


@pytest.fixture(scope="module")
def as_written(speech: Audio) -> RoundtripReport:
    return roundtrip(speech, SPOOF_AS_WRITTEN, with_perceptual=False)


@pytest.fixture(scope="module")
def corrected(speech: Audio) -> RoundtripReport:
    return roundtrip(speech, SPOOF, with_perceptual=False)


def voice(seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.3, f0_hz: float = 120.0) -> Audio:
    """Something with a pitch, formants and a swell, soft at both ends."""
    time = np.arange(int(seconds * rate)) / rate
    samples = sum(np.sin(2 * np.pi * f0_hz * k * time) / k**1.3 for k in range(1, 20) if f0_hz * k < rate / 2)
    return Audio((amplitude * np.sin(np.pi * time / seconds) ** 4 * samples / 2).astype(np.float32), rate)


def test_the_article_blames_the_wrong_step(as_written: RoundtripReport) -> None:
    """The written sample rate and the exponent 1.3/0.6 spoil the timbre; Griffin-Lim does not."""
    rate, exponent, phase = (as_written.row(key).losses for key in ("written-rate", "power", "phase"))
    assert damage(rate) > damage(exponent) > 1.0 > damage(phase)
    assert rate.f0_shift_cents == pytest.approx(1200 * np.log2(22050 / 16000), abs=10)
    assert rate.centroid_shift_cents == pytest.approx(1200 * np.log2(22050 / 16000), abs=15)
    assert exponent.log_spectral_distance_db > 2 * phase.log_spectral_distance_db
    assert exponent.spectral_convergence_db > phase.spectral_convergence_db + 6
    assert abs(exponent.centroid_shift_cents or 0) > 20 * abs(phase.centroid_shift_cents or 0)
    assert [row.key for row in spoilers(as_written.rows) if row.chain != "mel"] == ["written-rate", "power"]


def test_the_verdict_says_so(as_written: RoundtripReport) -> None:
    assert as_written.verdict.startswith("What spoils it: the sample rate of 22\N{NO-BREAK SPACE}050")
    assert "pitch +5" in as_written.verdict
    assert " and the exponent 1.3/0.6 (log-spectral distance" in as_written.verdict
    assert "Griffin-Lim does not" in as_written.verdict
    assert any("every 4th frame" in remark for remark in as_written.remarks)


def test_without_what_spoils_it_the_copy_is_good(as_written: RoundtripReport) -> None:
    whole, cured = as_written.row("copy-linear").losses, as_written.row("cured-linear").losses
    assert damage(whole) > 5
    assert damage(cured) < 1
    assert cured.log_spectral_distance_db < whole.log_spectral_distance_db / 4


def test_the_verdict_is_honest_where_nothing_spoils_it(corrected: RoundtripReport) -> None:
    assert corrected.verdict.startswith("Nothing spoils it")
    assert "Griffin-Lim" not in corrected.verdict
    assert damage(corrected.row("copy-linear").losses) < 1
    with pytest.raises(KeyError):
        corrected.row("cured-linear")


@pytest.mark.skipif(not (pesq_available() and stoi_available()), reason="needs the extra eval")
def test_perceptual_figures_agree(speech: Audio) -> None:
    report = roundtrip(speech, SPOOF_AS_WRITTEN)
    assert report.pesq_rate == 16000
    pesq = {row.key: row.losses.pesq or 0.0 for row in report.rows}
    assert pesq["transform"] > 4.6
    assert pesq["phase"] > 3.7
    assert pesq["written-rate"] < 1.6
    assert pesq["cured-linear"] > pesq["copy-linear"] + 1.5
    assert "PESQ" in report.verdict
    assert report.row("written-rate").losses.stoi is None
    assert (report.row("phase").losses.stoi or 0.0) > 0.97


def test_what_loses_nothing_is_seen_to_lose_nothing(as_written: RoundtripReport) -> None:
    for key in ("transform", "pre-emphasis", "scale"):
        row = as_written.row(key)
        assert row.is_same, key
        assert row.losses.spectral_convergence_db < -90
        assert (row.losses.si_sdr_db or 0) > 90


def test_the_peak_changes_the_level_and_nothing_else(as_written: RoundtripReport, speech: Audio) -> None:
    row = as_written.row("peak")
    assert row.losses.level_db == pytest.approx(20 * np.log10(0.75 / speech.samples.max()), abs=0.01)
    assert row.losses.spectral_convergence_db < -90
    assert damage(row.losses) < 0.01


def test_more_bits_lose_less(as_written: RoundtripReport) -> None:
    eight, sixteen = as_written.row("8-bit").losses, as_written.row("16-bit").losses
    assert sixteen.spectral_convergence_db < eight.spectral_convergence_db - 40
    assert as_written.row("8-bit").kind == "what-if"


def test_the_exponent_alone_is_the_exponent_with_the_true_phase() -> None:
    from specloom.dsp.stft import istft, stft

    recipe = replace(LIBROSA, synthesis=Synthesis(power=1.3))
    audio = voice()
    step = next(step for step in steps_of(recipe, RATE) if step.key == "power")
    spectrum = stft(audio.samples, recipe.stft_config(RATE))
    magnitude = np.abs(spectrum)
    expected = istft(
        magnitude**1.3 / magnitude.max() ** 0.3 * np.exp(1j * np.angle(spectrum)),
        recipe.stft_config(RATE),
        audio.n_samples,
    )
    np.testing.assert_allclose(step.run(audio).audio.samples, expected, atol=1e-5)


def test_every_fourth_frame_alone_keeps_every_fourth_frame() -> None:
    audio = voice()
    recipe = replace(LIBROSA, mel_frame_step=4)
    step = next(step for step in steps_of(recipe, RATE) if step.key == "frames")
    assert step.source == "linear"
    # A steady tone does not change from frame to frame, so nothing is lost in its middle.
    steady = Audio((0.3 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.float32), RATE)
    middle = slice(RATE // 4, RATE // 2)
    np.testing.assert_allclose(step.run(steady).audio.samples[middle], steady.samples[middle], atol=1e-3)
    assert np.abs(step.run(audio).audio.samples - audio.samples).max() > 1e-3


PLAIN = Recipe(name="plain", frames=Frames(n_fft=512, hop_length=128))
ALWAYS = {"transform", "mel", "reconstruct"}


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        (PLAIN, set()),
        (replace(PLAIN, sample_rate=RATE), set()),
        (replace(PLAIN, sample_rate=22050), {"resample"}),
        (replace(PLAIN, trim_db=30.0), {"trim"}),
        (replace(PLAIN, preemphasis=0.97), {"pre-emphasis"}),
        (replace(PLAIN, scale=PeakPower(exponent=0.6)), {"scale", "8-bit", "16-bit"}),
        (replace(PLAIN, scale=Decibels(), quantise_bits=8), {"scale", "8-bit"}),
        (replace(PLAIN, mel_frame_step=4), {"frames"}),
        (replace(PLAIN, mel_frame_step=4, frame_count="cut"), {"frames", "cut"}),
        (replace(PLAIN, synthesis=Synthesis(power=1.2)), {"power"}),
        (replace(PLAIN, synthesis=Synthesis(phase=GriffinLim(n_iter=2))), {"phase"}),
        (replace(PLAIN, synthesis=Synthesis(trim_db=60.0)), {"output-trim"}),
        (replace(PLAIN, synthesis=Synthesis(written_peak=0.5)), {"peak"}),
        (replace(PLAIN, synthesis=Synthesis(written_sample_rate=22050)), {"written-rate"}),
        (replace(PLAIN, synthesis=Synthesis(written_sample_rate=RATE)), set()),
        (
            replace(PLAIN, scale=PeakPower(exponent=0.6), synthesis=Synthesis(restore_level=False)),
            {"scale", "8-bit", "16-bit", "level"},
        ),
    ],
)
def test_steps_come_from_the_fields_of_the_recipe(recipe: Recipe, more: set[str]) -> None:
    steps = steps_of(recipe, RATE)
    assert {step.key for step in steps} == ALWAYS | more
    assert len({step.key for step in steps}) == len(steps)
    for step in steps:
        copy = step.run(voice(0.5))
        assert copy.audio.n_samples > 0, step.key
        assert copy.keeps_phase == (step.key not in ("phase", "reconstruct"))


def test_reconstruct_is_a_step_only_where_the_recipe_uses_it() -> None:
    kinds = {step.key: step.kind for step in steps_of(SPOOF_AS_WRITTEN, RATE)}
    assert (kinds["phase"], kinds["reconstruct"]) == ("step", "what-if")
    assert {step.key: step.kind for step in steps_of(SPOOF, RATE)}["reconstruct"] == "step"


def test_trimmed_copies_are_compared_at_their_place() -> None:
    audio = Audio(np.concatenate([np.zeros(5000, np.float32), voice().samples, np.zeros(3000, np.float32)]), RATE)
    recipe = replace(PLAIN, trim_db=40.0, synthesis=Synthesis(restore_edges=False))
    (trim,) = (step for step in steps_of(recipe, RATE) if step.key == "trim")
    copy = trim.run(audio)
    assert copy.offset_s > 5000 / RATE - 0.2
    start = round(copy.offset_s * RATE)
    kept = copy.audio.samples
    np.testing.assert_allclose(kept, audio.samples[start : start + len(kept)], atol=1e-5)
    losses = Judge(audio, pesq=False, stoi=False).losses(copy)
    assert (losses.si_sdr_db or 0) > 30
    assert losses.duration_change_s == pytest.approx((len(kept) - audio.n_samples) / RATE)


def test_what_the_last_trimming_took_from_the_beginning_is_found_out() -> None:
    audio = Audio(np.concatenate([np.zeros(6144, np.float32), voice().samples, np.zeros(3000, np.float32)]), RATE)
    recipe = replace(PLAIN, synthesis=Synthesis(trim_db=30.0, phase=GriffinLim(n_iter=30)))
    judge = Judge(audio, pesq=False, stoi=False)
    (trim,) = (step for step in steps_of(recipe, RATE) if step.key == "output-trim")
    copy = trim.run(audio)
    assert (judge.losses(copy).si_sdr_db or 0) > 20
    found = whole_chain(audio, recipe, "linear")
    assert found.offset_s == pytest.approx(copy.offset_s, abs=0.006)
    assert judge.losses(found).log_spectral_distance_db < 2


def test_the_second_generation_knows_its_place() -> None:
    audio = Audio(np.concatenate([np.zeros(8000, np.float32), voice(2.0).samples]), RATE)
    recipe = replace(
        PLAIN,
        trim_db=30.0,
        synthesis=Synthesis(
            restore_edges=False, written_sample_rate=22050, phase=GriffinLim(n_iter=8), written_peak=0.5
        ),
    )
    first = whole_chain(audio, recipe, "linear")
    second, over_both = again(first, recipe, "linear")
    # The copy says 22050 Hz, so the second round changes no rate any more.
    assert (first.speed, second.speed) == (22050 / RATE, 1.0)
    assert over_both.speed == first.speed
    assert over_both.offset_s == pytest.approx(first.offset_s + first.speed * second.offset_s)
    start = round(over_both.offset_s * RATE)
    swell = np.abs(audio.samples[start:]).argmax() / RATE
    assert np.abs(over_both.audio.samples).argmax() / 22050 * over_both.speed == pytest.approx(swell, abs=0.05)


def test_each_further_generation_is_in_the_report(as_written: RoundtripReport) -> None:
    totals = [row.key for row in as_written.rows if row.kind in ("total", "cured", "generation")]
    assert totals == [
        f"{key}-{source}" for source in ("linear", "mel") for key in ("copy", "cured", "second", "between")
    ]
    # What the article heard: between copy and copy of the copy there is no change of pitch.
    assert abs(as_written.row("between-linear").losses.f0_shift_cents or 99) < 20
    assert abs(as_written.row("second-linear").losses.f0_shift_cents or 0) > 500


def test_a_wrong_rate_is_heard_as_it_is_written() -> None:
    audio = voice()
    judge = Judge(audio, pesq=False, stoi=False)
    copy = Copy(audio=Audio(audio.samples, 22050), speed=22050 / RATE)
    losses = judge.losses(copy)
    assert losses.f0_shift_cents == pytest.approx(555, abs=5)
    assert losses.si_sdr_db is None
    assert losses.level_db == pytest.approx(0, abs=0.05)
    assert losses.duration_change_s == pytest.approx(RATE / 22050 - 1, abs=1e-3)
    # Spoken together stands together: only the frequencies differ, not the loudness over time.
    slow = Judge(Audio(audio.samples, RATE), pesq=False, stoi=False)
    noise = Audio((np.random.default_rng(0).standard_normal(RATE) * np.hanning(RATE)).astype(np.float32), RATE)
    told = Copy(audio=Audio(noise.samples, 18000), speed=18000 / RATE)
    assert slow.losses(copy).log_spectral_distance_db > 5
    assert Judge(noise, pesq=False, stoi=False).losses(told).f0_shift_cents is None


def test_a_resampled_recording_is_what_the_other_steps_are_compared_with() -> None:
    report = roundtrip(voice(1.0, 44100, f0_hz=1000.0), replace(PLAIN, sample_rate=8000), with_perceptual=False)
    assert report.row("resample").losses.spectral_convergence_db > -40
    assert report.row("transform").is_same
    assert report.row("transform").copy.audio.sample_rate == 8000
    assert not report.row("copy-linear").is_same


def test_the_report_is_plain_json(as_written: RoundtripReport) -> None:
    text = json.dumps(as_written.to_json(), allow_nan=False)
    plain = json.loads(text)
    assert Recipe.from_json(plain["recipe"]) == SPOOF_AS_WRITTEN
    assert plain["recording"] == {
        "sample_rate": 16000,
        "duration_s": as_written.original.duration_s,
        "compared_s": as_written.original.duration_s,
        "n_channels": 1,
    }
    assert [row["key"] for row in plain["rows"]] == [row.key for row in as_written.rows]
    assert "\N{NO-BREAK SPACE}" not in json.dumps(plain, ensure_ascii=False)


def test_the_report_is_frozen(as_written: RoundtripReport) -> None:
    with pytest.raises(FrozenInstanceError):
        as_written.verdict = "Griffin-Lim"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        as_written.rows[0].losses.pesq = 4.5  # type: ignore[misc]


def test_an_excerpt_is_compared_and_said() -> None:
    report = roundtrip(voice(2.0), PLAIN, with_perceptual=False, seconds=0.5)
    assert report.original.n_samples == RATE // 2
    assert report.recording_s == 2.0
    assert report.is_excerpt
    assert not roundtrip(voice(0.5), PLAIN, with_perceptual=False, seconds=None).is_excerpt
    assert roundtrip(voice(0.5), PLAIN, with_perceptual=False, recording_s=9.0).recording_s == 9.0


def test_channels_are_averaged() -> None:
    left = voice(0.5)
    both = Audio(np.stack([left.samples, 0.5 * left.samples]), RATE)
    report = roundtrip(both, PLAIN, with_perceptual=False)
    assert report.recording_channels == 2
    np.testing.assert_allclose(report.original.samples, 0.75 * left.samples, atol=1e-6)


@pytest.mark.parametrize("recipe", [SPOOF, TACOTRON, TACOTRON_AS_WRITTEN, LIBROSA], ids=lambda recipe: recipe.name)
def test_silence_and_a_single_sample_are_answered(recipe: Recipe) -> None:
    silent = roundtrip(Audio(np.zeros(4000, np.float32), RATE), recipe)
    assert "silent" in silent.verdict
    json.dumps(silent.to_json(), allow_nan=False)
    json.dumps(roundtrip(Audio(np.full(1, 0.5, np.float32), RATE), recipe).to_json(), allow_nan=False)


@pytest.mark.parametrize(("rate", "pesq_rate"), [(1000, None), (8000, 8000), (96000, 16000)])
def test_every_rate_is_answered(rate: int, pesq_rate: int | None) -> None:
    audio = voice(3000 / rate + 0.2, rate)
    report = roundtrip(audio, SPOOF_AS_WRITTEN)
    assert Judge(audio, pesq=True, stoi=False).pesq_rate == pesq_rate
    assert report.pesq_rate == (pesq_rate if pesq_available() else None)
    assert report.row("written-rate").copy.speed == 22050 / rate


def test_without_takes_every_step_out() -> None:
    everything = replace(
        SPOOF_AS_WRITTEN,
        sample_rate=22050,
        quantise_bits=8,
        synthesis=replace(SPOOF_AS_WRITTEN.synthesis, trim_db=60.0, written_sample_rate=44100),
    )
    keys = [step.key for step in steps_of(everything, RATE)]
    left = [step.key for step in steps_of(without(everything, keys), RATE)]
    # The last three are no fields that could do nothing: the mel chain, the phase, and the level.
    assert set(keys) - set(left) == {
        *("resample", "trim", "pre-emphasis", "scale", "8-bit", "cut", "power", "output-trim", "written-rate")
    }
    assert without(SPOOF, []) == SPOOF
    assert without(everything, ["power"]).synthesis == replace(everything.synthesis, power=1.0)


def test_a_guilty_phase_is_taken_out_by_the_true_one() -> None:
    noise = Audio(np.random.default_rng(1).standard_normal(RATE).astype(np.float32), RATE)
    report = roundtrip(noise, replace(PLAIN, synthesis=Synthesis(phase=GriffinLim(n_iter=0))), with_perceptual=False)
    assert [row.key for row in spoilers(report.rows) if row.chain != "mel"] == ["phase"]
    assert report.row("cured-linear").is_same
    assert not report.row("copy-linear").is_same


def test_what_cannot_be_done_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="recording is empty"):
        roundtrip(Audio(np.zeros(0, np.float32), RATE), SPOOF)
    with pytest.raises(ParameterError, match="seconds=-1"):
        roundtrip(voice(), SPOOF, seconds=-1)
    with pytest.raises(ParameterError, match="one channel"):
        Judge(Audio(np.zeros((2, 9), np.float32), RATE), pesq=False, stoi=False)
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(MissingExtraError, match=r"specloom\[eval\]"):
        roundtrip(voice(), SPOOF, with_perceptual=True)
