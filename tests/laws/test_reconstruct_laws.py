"""Laws of our best way from a magnitude to sound: quality, blocks = whole, no seams, threads, scale, lengths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import load, sounds
from specloom.config import StftConfig
from specloom.dsp.stft import stft
from specloom.phase.reconstruct import reconstruct, reconstruct_blocks

SMALL = StftConfig(sample_rate=16000, n_fft=256, hop_length=64)
SHORT_WINDOW = StftConfig(sample_rate=16000, n_fft=512, hop_length=100, win_length=401)
REFERENCE = StftConfig(sample_rate=16000, n_fft=240, hop_length=60)
BOTH = pytest.mark.parametrize("config", [SMALL, REFERENCE], ids=["lanes", "reference"])
ALL = pytest.mark.parametrize("config", [SMALL, SHORT_WINDOW, REFERENCE], ids=["lanes", "short", "reference"])


def recording(name="speech", seconds=None):
    audio = load(sounds.path(name), channels="mono")
    return audio.samples if seconds is None else audio.samples[: int(seconds * audio.sample_rate)]


def magnitude_of(samples, config, dtype=np.float32):
    magnitude = np.abs(stft(samples.astype(dtype), config))
    magnitude.flags.writeable = False
    return magnitude


def convergence_db(samples, magnitude, config):
    found = np.abs(stft(samples.astype(np.float64), config))[..., : magnitude.shape[-1]]
    magnitude = magnitude.astype(np.float64)
    return 20 * np.log10(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))


def long_magnitude(config, n_frames=1300, dtype=np.float32):
    """Of speech over and over, long enough for several blocks of 512 frames."""
    samples = np.resize(recording(), config.n_samples(n_frames))
    return magnitude_of(samples, config, dtype)


# --- quality ----------------------------------------------------------------------------------------------------

# n_fft, hop_length, win_length, and what "fast" and "balanced" reach at least, in decibels.
MARKS = [
    ("speech", (2048, 276, 1102), -33.0, -37.0),
    ("speech", (1024, 256, 1024), -29.0, -34.5),
    ("speech", (2048, 512, 2048), -27.5, -33.5),
    ("music", (2048, 276, 1102), -24.0, -27.0),
    ("music", (1024, 256, 1024), -23.0, -25.5),
    ("music", (2048, 512, 2048), -28.0, -31.0),
]


@pytest.mark.parametrize(("name", "size", "fast", "balanced"), MARKS, ids=str)
def test_real_sound_converges_to_its_marks(name, size, fast, balanced):
    n_fft, hop_length, win_length = size
    config = StftConfig(sample_rate=16000, n_fft=n_fft, hop_length=hop_length, win_length=win_length)
    samples = recording(name, 3)
    magnitude = magnitude_of(samples, config)
    reached = [
        convergence_db(reconstruct(magnitude, config, quality=quality, length=samples.size), magnitude, config)
        for quality in ("fast", "balanced")
    ]
    assert reached[0] <= fast
    assert reached[1] <= balanced
    assert reached[1] <= reached[0] - 1.5


def test_best_is_better_than_balanced():
    samples = recording(seconds=1)
    magnitude = magnitude_of(samples, SMALL)
    balanced, best = (
        convergence_db(reconstruct(magnitude, SMALL, quality=quality, length=samples.size), magnitude, SMALL)
        for quality in ("balanced", "best")
    )
    assert best <= balanced - 4.0


@pytest.mark.parametrize("config", [SMALL, SHORT_WINDOW], ids=["dividing", "short"])
def test_uncentred_frames_converge_as_well(config):
    config = StftConfig(**{**config.to_json(), "center": False})
    samples = recording(seconds=2)
    magnitude = magnitude_of(samples, config)
    sound = reconstruct(magnitude, config, quality="balanced", length=samples.size)
    assert sound.shape == samples.shape
    centred = StftConfig(**{**config.to_json(), "center": True})
    usual = magnitude_of(samples, centred)
    mark = convergence_db(reconstruct(usual, centred, length=samples.size), usual, centred)
    assert convergence_db(sound, magnitude, config) <= mark + 3.0


@pytest.mark.parametrize("length", [None, "true"])
def test_telling_the_length_does_no_harm(length):
    samples = recording(seconds=1)[:15_900]
    magnitude = magnitude_of(samples, SMALL)
    sound = reconstruct(magnitude, SMALL, length=samples.size if length else None)
    assert convergence_db(sound, magnitude, SMALL) <= -22.0


def test_a_steady_tone_keeps_its_frequency_and_level():
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(32_000) / 16000).astype(np.float32)
    config = StftConfig(sample_rate=16000, n_fft=1024, hop_length=256)
    sound = reconstruct(magnitude_of(tone, config), config, length=tone.size)[4000:-4000]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    assert np.argmax(spectrum) * 16000 / sound.size == pytest.approx(1000.0, abs=1.0)
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(np.sqrt(0.5), rel=0.01)


# --- blocks, threads, batches -----------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_threads_do_not_matter(config, quality):
    if config is REFERENCE and quality == "balanced":
        pytest.skip("the reference path is slow, and does the same")
    magnitude = long_magnitude(config, 1700)
    one = reconstruct(magnitude, config, quality=quality)
    np.testing.assert_array_equal(reconstruct(magnitude, config, quality=quality, threads=2), one)
    np.testing.assert_array_equal(reconstruct(magnitude, config, quality=quality, threads=5), one)
    np.testing.assert_array_equal(reconstruct(magnitude, config, quality=quality), one)


@settings(max_examples=15, deadline=None)
@given(
    data=st.data(), config=st.sampled_from([SMALL, SHORT_WINDOW]),
    n_frames=st.sampled_from([1, 17, 128, 600, 1041, 1300]), extra=st.one_of(st.none(), st.integers(0, 63)),
    threads=st.sampled_from([1, 2]),
)  # fmt: skip
def test_blocks_of_any_partition_equal_the_whole(data, config, n_frames, extra, threads):
    magnitude = long_magnitude(config, 1300)[:, :n_frames]
    cuts = sorted(data.draw(st.sets(st.integers(1, n_frames - 1), max_size=12), "cuts")) if n_frames > 1 else []
    blocks = [magnitude[:, a:b] for a, b in itertools.pairwise([0, *cuts, n_frames])]
    length = None if extra is None else config.n_samples(n_frames) + extra
    pieces = list(reconstruct_blocks(iter(blocks), config, quality="fast", length=length, threads=threads))
    np.testing.assert_array_equal(np.concatenate(pieces), reconstruct(magnitude, config, quality="fast", length=length))


def test_blocks_of_the_reference_path_equal_the_whole():
    magnitude = long_magnitude(REFERENCE, 700)
    whole = reconstruct(magnitude, REFERENCE, quality="fast")
    for size in (1, 100, 512):
        blocks = (magnitude[:, first : first + size] for first in range(0, 700, size))
        np.testing.assert_array_equal(np.concatenate([*reconstruct_blocks(blocks, REFERENCE, quality="fast")]), whole)


def test_blocks_are_asked_for_and_given_as_they_are_needed():
    """Bounded memory: the first samples come long before the last block is fetched."""
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield np.ones((SMALL.n_bins, 100), np.float32)

    sound = reconstruct_blocks(endless(), SMALL, quality="fast")
    for n_given in range(1, 6):
        assert next(sound).size > 0
        assert asked * 100 <= 512 * n_given + 400
    sound.close()
    threaded = reconstruct_blocks(endless(), SMALL, quality="fast", threads=2)
    asked = 0
    next(threaded)
    assert asked * 100 <= 512 * 8
    threaded.close()


@pytest.mark.parametrize("name", ["speech", "music"])
def test_there_is_no_seam_where_blocks_join(name):
    """The same frames lie at a join in one run and inside a block in the others; they must fare alike."""
    config = SMALL
    magnitude = magnitude_of(recording(name)[:80_000], config)
    shifts, reach = range(0, 400, 50), 20  # a margin is 16 frames
    errors = {}
    for shift in shifts:
        part = magnitude[:, shift:]
        sound = reconstruct(part, config, quality="fast", length=config.n_samples(part.shape[1]))
        found = np.abs(stft(sound, config))
        errors[shift] = np.pad(np.sum((found - part) ** 2, axis=0), (shift, 0))
    at_joins, elsewhere = [], []
    for shift in shifts:
        for join in range(shift + 512, magnitude.shape[1] - 100, 512):
            frames = slice(join - reach, join + reach)
            others = [errors[other][frames].sum() for other in shifts if other != shift]
            at_joins.append(errors[shift][frames].sum())
            elsewhere.append(np.mean(others))
    assert len(at_joins) >= 8
    assert 10 * np.log10(np.sum(at_joins) / np.sum(elsewhere)) <= 0.5


@pytest.mark.parametrize("frequency_hz", [60.0, 100.0, 150.0])
@pytest.mark.parametrize("config", [SMALL, REFERENCE], ids=["lanes", "reference"])
def test_no_click_is_heard_where_blocks_join(config, frequency_hz):
    """A low tone's fourth difference is next to nothing, a jump's is as high as the jump."""
    n_samples = config.n_samples(1400)
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / 16000).astype(np.float32)
    sound = reconstruct(magnitude_of(tone, config), config, quality="fast", length=n_samples)
    jumps = np.abs(np.diff(sound.astype(np.float64), 4))
    place = np.arange(jumps.size)
    joined = np.zeros(jumps.size, bool)
    for join in (512, 1024):
        joined |= np.abs(place - join * config.hop_length) < 20 * config.hop_length
    inside = (place > 3000) & (place < jumps.size - 3000)
    assert jumps[joined].max() <= 2.0 * jumps[inside & ~joined].max()


def test_a_long_sound_converges_as_well_as_its_parts():
    magnitude = long_magnitude(SMALL, 2500)
    whole = convergence_db(reconstruct(magnitude, SMALL), magnitude, SMALL)
    parts = np.split(magnitude, 5, axis=1)
    apart = [convergence_db(reconstruct(part, SMALL), part, SMALL) for part in parts]
    energies = [np.linalg.norm(part) ** 2 for part in parts]
    assert whole <= 10 * np.log10(np.average(10.0 ** (np.array(apart) / 10), weights=energies)) + 1.0


@ALL
@pytest.mark.parametrize("shape", [(2,), (2, 2)])
def test_batch_is_loop(config, shape):
    sounds_of = np.random.default_rng(1).standard_normal((*shape, 5000))
    magnitude = magnitude_of(sounds_of, config)
    together = reconstruct(magnitude, config, quality="fast", length=5000)
    assert together.shape == (*shape, 5000)
    for place in np.ndindex(*shape):
        np.testing.assert_array_equal(
            together[place], reconstruct(magnitude[place], config, quality="fast", length=5000)
        )


# --- scale, silence, length -------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.3, 7.0, 1e4])
@ALL
def test_scaling_the_magnitude_scales_the_sound(config, factor):
    """In level and in quality: of two bins that are equally loud the last digit decides which goes first, and a word
    may converge some decibels better or worse for it."""
    magnitude = long_magnitude(config, 1300)
    factor = np.float32(factor)
    usual = reconstruct(magnitude, config, quality="fast")
    scaled = reconstruct(magnitude * factor, config, quality="fast")
    mark = convergence_db(usual, magnitude, config)
    assert abs(convergence_db(scaled, magnitude * factor, config) - mark) <= 1.5
    assert np.linalg.norm(scaled) == pytest.approx(factor * np.linalg.norm(usual), rel=0.005)


@ALL
@pytest.mark.parametrize("power", [-18, 12])
def test_scaling_by_a_power_of_two_leaves_the_convergence(config, power):
    magnitude = long_magnitude(config, 300)
    factor = np.float32(2.0**power)
    usual, scaled = reconstruct(magnitude, config), reconstruct(magnitude * factor, config) / factor
    assert convergence_db(scaled, magnitude, config) == pytest.approx(convergence_db(usual, magnitude, config), abs=0.3)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_frames", [1, 20, 1100])
def test_silence_stays_silence(config, dtype, n_frames):
    sound = reconstruct(np.zeros((2, config.n_bins, n_frames), dtype), config, quality="fast", length=n_frames * 64)
    assert sound.shape == (2, n_frames * 64)
    assert sound.dtype == dtype
    assert not sound.any()


@BOTH
def test_silence_between_sounds_stays_nearly_silent(config):
    samples = np.random.default_rng(3).standard_normal(9000).astype(np.float32)
    samples[3000:6000] = 0.0
    sound = reconstruct(magnitude_of(samples, config), config, length=9000)
    assert np.isfinite(sound).all()
    quiet = slice(3000 + config.n_fft, 6000 - config.n_fft)
    assert np.abs(sound[quiet]).max() <= 1e-4 * np.abs(sound).max()


@BOTH
def test_magnitudes_near_the_smallest_number_stay_finite(config):
    magnitude = long_magnitude(config, 40) * np.float32(1e-42)
    assert magnitude.any()
    assert np.isfinite(reconstruct(magnitude, config, quality="fast")).all()


@ALL
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n_frames", [1, 2, 16, 17, 600])
def test_the_length_is_kept_to_the_sample(config, center, n_frames):
    config = StftConfig(**{**config.to_json(), "center": center})
    magnitude = np.abs(np.random.default_rng(4).standard_normal((config.n_bins, n_frames))).astype(np.float32)
    usual = config.n_samples(n_frames)
    assert reconstruct(magnitude, config, quality="fast").shape == (usual,)
    for length in (0, 1, max(0, usual - 1), usual + 37, usual + 3000, usual // 2):
        sound = reconstruct(magnitude, config, quality="fast", length=length)
        assert sound.shape == (length,)
        assert np.isfinite(sound).all()


@pytest.mark.parametrize("length", [0, 100, 512 * 64 - 700, 512 * 64, 512 * 64 + 700, 1024 * 64 + 1])
def test_a_length_that_ends_in_an_earlier_block(length):
    magnitude = long_magnitude(SMALL, 1300)
    sound = reconstruct(magnitude, SMALL, quality="fast", length=length)
    assert sound.shape == (length,)
    assert np.isfinite(sound).all()


@BOTH
def test_one_frame(config):
    magnitude = long_magnitude(config, 300)[:, 150:151]
    assert reconstruct(magnitude, config).shape == (0,)
    sound = reconstruct(magnitude, config, length=50)
    assert sound.shape == (50,)
    assert sound.any()


@BOTH
def test_the_same_again_and_the_input_is_left_as_it_was(config):
    magnitude = np.array(long_magnitude(config, 700))
    kept = magnitude.copy()
    once = reconstruct(magnitude, config, quality="fast")
    np.testing.assert_array_equal(magnitude, kept)
    np.testing.assert_array_equal(reconstruct(magnitude, config, quality="fast"), once)
    np.testing.assert_array_equal(reconstruct(np.asfortranarray(magnitude), config, quality="fast"), once)
    np.testing.assert_array_equal(reconstruct(np.repeat(magnitude, 2, axis=1)[:, ::2], config, quality="fast"), once)


# --- the reference path -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["speech", "music"])
@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_the_reference_path_converges_as_the_lanes_do(monkeypatch, name, quality):
    config = StftConfig(sample_rate=16000, n_fft=1024, hop_length=256)
    samples = recording(name, 2)
    magnitude = magnitude_of(samples, config)
    words = {"quality": quality, "length": samples.size}
    sounds_of = {
        "lanes": reconstruct(magnitude, config, **words),
        "float64": reconstruct(magnitude.astype(np.float64), config, **words),
    }
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    sounds_of["float32"] = reconstruct(magnitude, config, **words)
    monkeypatch.delenv("SPECLOOM_LANES")
    assert sounds_of["float64"].dtype == np.float64
    reached = {path: convergence_db(sound, magnitude, config) for path, sound in sounds_of.items()}
    assert max(reached.values()) - min(reached.values()) <= 0.5
    # A transform of nearly the same length.
    other = StftConfig(sample_rate=16000, n_fft=1000, hop_length=250)
    target = magnitude_of(samples, other)
    sound = reconstruct(target, other, **words)
    assert sound.shape == samples.shape
    # Another transform has other frames to agree with: not the same figure, but of the same kind.
    assert convergence_db(sound, target, other) <= reached["lanes"] + 3.5
