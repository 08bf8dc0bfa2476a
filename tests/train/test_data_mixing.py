"""Laws of the training items: ratio, level, alignment, shares, and that an item depends on its number alone."""

import subprocess
import sys
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from specloom.errors import ParameterError
from specloom.train.data import (
    Clips,
    MixingSettings,
    RoomSettings,
    Sources,
    mix_batch,
    mix_item,
    plain,
    validation_pairs,
)
from specloom.train.data.segments import babble_piece

RATE = 8_000
SETTINGS = MixingSettings(seconds=1.0, rooms=RoomSettings(count=5))


def voiced(rng, seconds, pitch_hz):
    """Something like syllables: harmonics under a slow envelope."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * time + rng.uniform(0, 6)) / k for k in range(1, 8))
    return (0.2 * wave * (0.2 + np.sin(2 * np.pi * 1.5 * time) ** 2)).astype(np.float32)


@lru_cache
def sources(n_speakers=4, *, noise=True):
    rng = np.random.default_rng(5)
    speech = [voiced(rng, rng.uniform(0.4, 3.0), 90 + 40 * index) for index in range(n_speakers) for _ in range(3)]
    speakers = [f"speaker{index}" for index in range(n_speakers) for _ in range(3)]
    noises = [0.1 * rng.standard_normal(int(RATE * rng.uniform(0.3, 4.0))) for _ in range(6)]
    return Sources(
        speech=Clips.from_arrays(speech, groups=speakers, sample_rate=RATE),
        noise=Clips.from_arrays(noises, groups=[f"n{index}" for index in range(6)], sample_rate=RATE)
        if noise
        else None,
    )


def db(power_ratio):
    return 10 * np.log10(power_ratio)


def energy(samples):
    return float(np.sum(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 7.5, 30.0])
def test_plain_mixtures_have_the_ratio_exactly(snr_db):
    settings = replace(plain(SETTINGS), snr_db=(snr_db, snr_db))
    for item in range(20):
        mixture = mix_item(sources(), settings, seed=1, item=item)
        ratio = db(energy(mixture.clean) / energy(mixture.noisy - mixture.clean))
        assert ratio == pytest.approx(snr_db, abs=0.01)


def test_in_a_room_the_ratio_is_that_of_speech_with_all_its_reflections():
    # With no early part at all the target is the direct sound, so the noise is what remains after the whole response.
    settings = replace(plain(SETTINGS), room_share=1.0, snr_db=(5.0, 5.0), most_noises=1)
    for item in range(10):
        loud = mix_item(sources(), settings, seed=2, item=item)
        quiet = mix_item(sources(), replace(settings, snr_db=(60.0, 60.0)), seed=2, item=item)
        # The same item almost without noise is the speech as it is heard, at another level.
        heard = quiet.noisy * (energy(loud.clean) / energy(quiet.clean)) ** 0.5
        assert db(energy(heard) / energy(loud.noisy - heard)) == pytest.approx(5.0, abs=0.1)


def test_level_is_that_of_the_noisy_item_unless_a_peak_would_pass_full_scale():
    settings = replace(plain(SETTINGS), level_dbfs=(-30.0, -30.0))
    for item in range(20):
        noisy = mix_item(sources(), settings, seed=3, item=item).noisy
        assert db(energy(noisy) / len(noisy)) == pytest.approx(-30.0, abs=0.01)
    loud = mix_item(sources(), replace(settings, level_dbfs=(0.0, 0.0)), seed=3, item=0)
    assert max(np.abs(loud.noisy).max(), np.abs(loud.clean).max()) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("effect", ["room", "speech_filter", "speech_speed", "band_limit", "clip", "codec"])
def test_noisy_and_clean_stay_aligned_to_the_sample(effect):
    shares = {f"{effect}_share": 1.0}
    settings = replace(plain(SETTINGS), snr_db=(25.0, 25.0), codecs=("mulaw", "gsm", "mp3", "vorbis"), **shares)
    # Speech without pitch: a voice is like itself a period later.
    hiss = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE)
    material = replace(sources(), speech=Clips.from_arrays([hiss], groups=["s"], sample_rate=RATE))
    for item in range(12):
        noisy, clean = mix_item(material, settings, seed=4, item=item)
        lag = np.argmax(np.correlate(noisy, clean[400:-400], "valid")) - 400
        assert lag == 0, item


def test_everything_is_finite_and_within_full_scale():
    settings = replace(SETTINGS, codec_share=0.3, clip_share=0.3, band_limit_share=0.3, room_share=0.5)
    for item in range(150):
        for part in mix_item(sources(), settings, seed=6, item=item):
            assert part.shape == (RATE,)
            assert part.dtype == np.float32
            assert np.isfinite(part).all()
            assert np.abs(part).max() <= 1.0


def test_items_depend_on_seed_and_number_alone():
    material = sources()
    forwards = [mix_item(material, SETTINGS, seed=7, item=item).noisy for item in range(12)]
    backwards = [mix_item(sources.__wrapped__(), SETTINGS, seed=7, item=item).noisy for item in reversed(range(12))]
    for one, same in zip(forwards, reversed(backwards), strict=True):
        assert np.array_equal(one, same)
    assert not np.array_equal(forwards[0], forwards[1])
    assert not np.array_equal(forwards[0], mix_item(material, SETTINGS, seed=8, item=0).noisy)
    batch = mix_batch(material, SETTINGS, seed=7, items=[3, 1])
    assert np.array_equal(batch.noisy, np.stack([forwards[3], forwards[1]]))


def test_shares_of_clean_items_and_of_items_without_speech():
    settings = replace(plain(SETTINGS), clean_share=0.3, noise_only_share=0.2)
    mixtures = [mix_item(sources(), settings, seed=9, item=item) for item in range(400)]
    clean = np.mean([np.array_equal(*each) for each in mixtures])
    silent = np.mean([not each.clean.any() and each.noisy.any() for each in mixtures])
    assert clean == pytest.approx(0.3, abs=0.08)
    assert silent == pytest.approx(0.2, abs=0.07)


def test_the_share_of_high_ratios():
    settings = replace(plain(SETTINGS), snr_db=(-5.0, 5.0), high_snr_share=0.5, high_snr_db=(20.0, 30.0))
    ratios = [
        db(energy(each.clean) / energy(each.noisy - each.clean))
        for each in (mix_item(sources(), settings, seed=10, item=item) for item in range(300))
    ]
    assert np.mean(np.array(ratios) > 19.9) == pytest.approx(0.5, abs=0.1)
    assert not any(5.1 < ratio < 19.9 for ratio in ratios)


def test_speech_at_another_speed_keeps_its_wave_and_changes_its_pitch():
    tone = 0.5 * np.sin(2 * np.pi * 400 / RATE * np.arange(4 * RATE))
    material = Sources(speech=Clips.from_arrays([tone], groups=["a"], sample_rate=RATE))
    settings = replace(plain(SETTINGS), clean_share=1.0, speech_speed_share=1.0)
    for speed in (0.8, 1.0, 1.25):
        clean = mix_item(material, replace(settings, speech_speed=(speed, speed)), seed=1, item=0).clean
        window = np.hanning(len(clean))
        power = np.square(np.abs(np.fft.rfft(clean * window, 16 * len(clean))))
        loudest = np.argmax(power) / 16
        # Speeds are rounded to what quick transforms have.
        assert loudest == pytest.approx(400 * speed, rel=0.02)
        # A pure tone stays one: nothing beside its own line, up to the edges of the item.
        beside = np.abs(np.arange(len(power)) / 16 - loudest) > 10
        assert power[beside].sum() < 1e-5 * power.sum()
        # And begins and ends as one: every sample of a sinusoid follows from the two before it.
        neighbours, middle = clean[2:] + clean[:-2], clean[1:-1]
        rule = np.dot(neighbours, middle) / np.dot(middle, middle)
        assert np.abs(neighbours - rule * middle).max() < 0.01 * np.abs(clean).max()


def test_balance_gives_speakers_or_seconds_the_same_chance():
    # One speaker has nine tenths of the sound; which one speaks is told by the sign of a constant.
    speech = [np.full(9 * RATE, 0.5), np.full(RATE, -0.5)]
    material = Sources(speech=Clips.from_arrays(speech, groups=["a", "b"], sample_rate=RATE))
    for balance, expected in ((0.0, 0.5), (1.0, 0.9)):
        settings = replace(plain(SETTINGS), speaker_balance=balance, clean_share=1.0, seconds=0.5)
        often = np.mean([mix_item(material, settings, seed=1, item=item).clean[0] > 0 for item in range(400)])
        assert often == pytest.approx(expected, abs=0.08)


def test_without_recorded_noise_all_noise_is_made_and_one_speaker_gives_no_babble():
    material = sources(n_speakers=1, noise=False)
    for item in range(30):
        mixture = mix_item(material, replace(plain(SETTINGS), babble_share=1.0), seed=1, item=item)
        assert energy(mixture.noisy - mixture.clean) > 0


def test_the_target_does_not_babble():
    signs = (1, 1, -1)
    speech = [np.full(2 * RATE, sign * 0.5) for sign in signs]
    clips = Clips.from_arrays(speech, groups=["a", "a", "b"], sample_rate=RATE)
    for item in range(10):
        babble = babble_piece(np.random.default_rng(item), clips, SETTINGS, RATE, but_not=0)
        assert babble is None or (babble < 0).all()


def test_noise_of_digital_silence_is_replaced_and_silent_speech_is_noise_only():
    rng = np.random.default_rng(0)
    silence = Clips.from_arrays([np.zeros(RATE * 2)], groups=["z"], sample_rate=RATE)
    settings = replace(plain(SETTINGS), snr_db=(0.0, 0.0))
    mixture = mix_item(replace(sources(), noise=silence), settings, seed=1, item=0)
    assert db(energy(mixture.clean) / energy(mixture.noisy - mixture.clean)) == pytest.approx(0.0, abs=0.01)
    noise = Clips.from_arrays([rng.standard_normal(RATE)], groups=["n"], sample_rate=RATE)
    mixture = mix_item(Sources(speech=silence, noise=noise), settings, seed=1, item=0)
    assert not mixture.clean.any()
    assert mixture.noisy.any()


def test_recordings_of_a_few_samples_can_be_mixed():
    rng = np.random.default_rng(1)
    for length in (1, 2, 37):
        tiny = Clips.from_arrays([rng.uniform(0.1, 0.5, length)], groups=["t"], sample_rate=RATE)
        for item in range(10):
            assert np.isfinite(mix_item(Sources(speech=tiny, noise=tiny), SETTINGS, seed=1, item=item).noisy).all()


def test_clipped_items_lose_their_peaks_in_noisy_alone():
    settings = replace(plain(SETTINGS), snr_db=(40.0, 40.0), clip_db=(6.0, 6.0))
    whole = mix_item(sources(), settings, seed=2, item=0)
    cut = mix_item(sources(), replace(settings, clip_share=1.0), seed=2, item=0)
    assert np.array_equal(whole.clean, cut.clean)
    assert np.abs(cut.noisy).max() == pytest.approx(np.abs(whole.noisy).max() * 10 ** (-6 / 20), rel=1e-5)


def test_validation_pairs_are_fixed_and_have_their_ratios():
    pairs = validation_pairs(sources(), SETTINGS, count=10, seed=3)
    again = validation_pairs(sources(), replace(SETTINGS, room_share=1.0), count=10, seed=3)
    assert [each.snr_db for each in pairs] == [-5.0, 0.0, 5.0, 10.0, 15.0] * 2
    for one, same in zip(pairs, again, strict=True):
        assert np.array_equal(one.noisy, same.noisy)
        assert db(energy(one.clean) / energy(one.noisy - one.clean)) == pytest.approx(one.snr_db, abs=0.01)
    assert not np.array_equal(pairs[0].clean, pairs[5].clean)
    with pytest.raises(ParameterError, match="count=0"):
        validation_pairs(sources(), SETTINGS, count=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0.0},
        {"seconds": True},
        {"snr_db": (5.0, -5.0)},
        {"snr_db": 3.0},
        {"level_dbfs": (float("nan"), 0.0)},
        {"room_share": 1.5},
        {"clean_share": 0.7, "noise_only_share": 0.7},
        {"most_noises": 0},
        {"codecs": ("opus",)},
        {"codecs": ()},
        {"filter_strength": 0.6},
        {"noise_speed": (0.0, 1.0)},
        {"speech_speed": (0.1, 1.0)},
    ],
)
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        MixingSettings(**wrong)


def test_wrong_sources_are_refused():
    empty = Clips.from_arrays([], groups=[], sample_rate=RATE)
    with pytest.raises(ParameterError, match="no samples"):
        Sources(speech=empty)
    wide = Clips.from_arrays([np.ones(9)], groups=["a"], sample_rate=16_000)
    with pytest.raises(ParameterError, match=r"16000 Hz.*8000 Hz|8000 Hz.*16000 Hz"):
        Sources(speech=wide, noise=sources().noise)
    with pytest.raises(ParameterError, match="3 samples for lengths"):
        Clips(np.zeros(3, np.int16), lengths=[4], groups=["a"], sample_rate=RATE)
    with pytest.raises(ParameterError, match="2 lengths, 1 groups"):
        Clips(np.zeros(3, np.int16), lengths=[1, 2], groups=["a"], sample_rate=RATE)


def test_mixing_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import specloom.train.data; print('light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "light\n"
