"""Laws of specloom.masks: ranges, silence, scale, what is equal to what, precision, and wrong input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import masks
from specloom.config import StftConfig
from specloom.dsp.stft import istft, stft
from specloom.errors import ParameterError
from specloom.metrics import snr_db

AMPLITUDES = st.floats(-6, 4).map(lambda exponent: 10.0**exponent)
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from([np.complex64, np.complex128])
SHAPE = (2, 9, 7)
# Nothing may warn, whatever the input: the test settings make every warning an error.

OF_NOISE = (
    masks.ideal_binary_mask,
    masks.local_snr_binary_mask,
    masks.ideal_ratio_mask,
    masks.optimal_ratio_mask,
)
OF_NOISY = (
    masks.majority_binary_mask,
    masks.ideal_amplitude_mask,
    masks.phase_sensitive_mask,
    masks.complex_ideal_ratio_mask,
)
ALL = OF_NOISE + OF_NOISY


def locked(array, dtype=None):
    array = np.array(array, dtype=dtype)
    array.flags.writeable = False
    return array


def spectrum(seed, amplitude=1.0, dtype=np.complex128, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return locked(amplitude * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)), dtype)


def pair(seed, amplitude=1.0, dtype=np.complex128, ratio=1.0):
    """Speech, noise and their sum."""
    clean, noise = spectrum(seed, amplitude, dtype), spectrum(seed + 1, amplitude * ratio, dtype)
    return clean, noise, locked(clean + noise)


def second_of(mask, noise, noisy):
    return noise if mask in OF_NOISE else noisy


# Ranges, precision, silence, scale


@given(SEEDS, AMPLITUDES, DTYPES)
def test_ranges_shapes_and_precision(seed, amplitude, dtype):
    clean, noise, noisy = pair(seed, amplitude, dtype)
    real = np.float32 if dtype == np.complex64 else np.float64
    for mask in ALL:
        values = mask(clean, second_of(mask, noise, noisy))
        assert values.shape == SHAPE
        assert values.dtype == (dtype if mask is masks.complex_ideal_ratio_mask else real)
        assert np.isfinite(values).all()
        if mask in (masks.ideal_binary_mask, masks.majority_binary_mask, masks.local_snr_binary_mask):
            assert set(np.unique(values)) <= {0.0, 1.0}
    assert masks.ideal_ratio_mask(clean, noise).min() >= 0.0
    assert masks.ideal_ratio_mask(clean, noise).max() <= 1.0
    assert masks.ideal_amplitude_mask(clean, noisy).min() >= 0.0


@pytest.mark.parametrize("mask", ALL, ids=lambda mask: mask.__name__)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_silence_is_masked_with_zero(mask, dtype):
    sound, silence = spectrum(1, 1.0, dtype), locked(np.zeros(SHAPE), dtype)
    assert not mask(silence, silence).any()
    assert not mask(silence, sound).any()
    speech_alone = mask(sound, silence)
    assert np.isfinite(speech_alone).all()
    # Without noise the speech is kept; with a noisy sound of nothing there is nothing to keep.
    if mask in OF_NOISE:
        np.testing.assert_allclose(speech_alone, 1.0, rtol=1e-6)
    elif mask is not masks.majority_binary_mask:
        assert not speech_alone.any()


@pytest.mark.parametrize("mask", ALL, ids=lambda mask: mask.__name__)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_smallest_and_the_largest_numbers_give_numbers(mask, dtype):
    info = np.finfo(dtype)
    sizes = [0.0, float(info.smallest_subnormal), float(info.tiny), 1e-20, 1.0, 1e20, float(info.max) / 4]
    clean = locked([[complex(a, -a) for a in sizes for _ in sizes]], dtype)
    second = locked([[complex(b, b / 2) for _ in sizes for b in sizes]], dtype)
    values = mask(clean, second)
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 1.5 * np.sqrt(float(info.max))


def test_exact_cancellation_is_silence():
    clean = spectrum(3)
    assert not masks.optimal_ratio_mask(clean, -clean).any()
    assert not masks.complex_ideal_ratio_mask(clean, clean - clean).any()


@given(SEEDS, AMPLITUDES, st.sampled_from(ALL))
def test_a_common_scale_changes_nothing(seed, amplitude, mask):
    clean, noise, noisy = pair(seed)
    second = second_of(mask, noise, noisy)
    # A power of two, because rounding may tip a bin of a binary mask over.
    factor = 2.0 ** round(np.log2(amplitude))
    np.testing.assert_allclose(mask(locked(clean * factor), locked(second * factor)), mask(clean, second), rtol=1e-12)


@given(SEEDS, st.floats(-np.pi, np.pi))
def test_a_common_rotation_changes_nothing(seed, angle):
    clean, noise, noisy = pair(seed)
    turn = np.exp(1j * angle)
    for mask in (masks.phase_sensitive_mask, masks.complex_ideal_ratio_mask, masks.optimal_ratio_mask):
        second = second_of(mask, noise, noisy)
        np.testing.assert_allclose(mask(clean * turn, second * turn), mask(clean, second), rtol=1e-9, atol=1e-9)


@given(SEEDS, st.floats(0.01, 100.0))
def test_louder_speech_gives_a_proportional_amplitude_and_complex_mask(seed, factor):
    clean, _, noisy = pair(seed)
    for mask in (masks.ideal_amplitude_mask, masks.phase_sensitive_mask, masks.complex_ideal_ratio_mask):
        np.testing.assert_allclose(mask(clean * factor, noisy), factor * mask(clean, noisy), rtol=1e-9, atol=1e-12)


# The ratio mask


@given(SEEDS, st.floats(0.1, 4.0), DTYPES)
def test_speech_and_noise_share_the_energy(seed, beta, dtype):
    clean, noise, _ = pair(seed, dtype=dtype)
    shares = [
        masks.ideal_ratio_mask(one, other, beta=beta).astype(np.float64) ** (1.0 / beta)
        for one, other in ((clean, noise), (noise, clean))
    ]
    np.testing.assert_allclose(shares[0] + shares[1], 1.0, atol=1e-5 if dtype == np.complex64 else 1e-12)


@given(SEEDS)
def test_beta_is_an_exponent(seed):
    clean, noise, _ = pair(seed)
    half, one = masks.ideal_ratio_mask(clean, noise), masks.ideal_ratio_mask(clean, noise, beta=1.0)
    np.testing.assert_allclose(half**2, one, rtol=1e-12)
    assert (half >= one).all()
    np.testing.assert_allclose(
        one, np.abs(clean) ** 2 / (np.abs(clean) ** 2 + np.abs(noise) ** 2), rtol=1e-12
    )  # the Wiener filter


# The binary masks


@given(SEEDS, AMPLITUDES, DTYPES)
def test_the_definitions_against_the_noise_agree(seed, amplitude, dtype):
    clean, noise, _ = pair(seed, amplitude, dtype)
    first = masks.ideal_binary_mask(clean, noise)
    np.testing.assert_array_equal(first, masks.local_snr_binary_mask(clean, noise))
    np.testing.assert_array_equal(first, masks.majority_binary_mask(clean, noise, threshold=1.0))
    np.testing.assert_array_equal(first, masks.ideal_ratio_mask(clean, noise, beta=1.0) >= 0.5)
    np.testing.assert_array_equal(
        masks.majority_binary_mask(clean, noise, threshold=0.25, exponent=2.0),
        masks.majority_binary_mask(clean, noise, threshold=0.5),
    )


@given(SEEDS)
def test_equal_loudness_counts_as_speech_in_all_of_them(seed):
    clean = spectrum(seed)
    turned = locked(clean.conj())
    assert masks.ideal_binary_mask(clean, turned).all()
    assert masks.local_snr_binary_mask(clean, turned).all()
    assert masks.majority_binary_mask(clean, turned, threshold=1.0).all()


def test_the_second_definition_is_another_mask_for_the_noisy_sound_and_for_the_noise():
    clean, noise, noisy = pair(11)
    first = masks.ideal_binary_mask(clean, noise)
    against_noisy = masks.majority_binary_mask(clean, noisy)
    against_noise = masks.majority_binary_mask(clean, noise)
    assert (first != against_noisy).mean() > 0.05
    assert (first != against_noise).mean() > 0.05
    assert (against_noisy != against_noise).mean() > 0.05
    # Against the noise it is a local criterion of -6 dB, which keeps all that the first keeps, and more.
    np.testing.assert_array_equal(
        against_noise, masks.local_snr_binary_mask(clean, noise, threshold_db=20 * np.log10(0.5))
    )
    assert (against_noise >= first).all()
    # Against the noisy sound it is what the article's training code rounds to, held at 1.
    rounded = np.minimum(np.round(np.abs(clean) / np.abs(noisy)), 1.0)
    np.testing.assert_array_equal(against_noisy, rounded)


@given(SEEDS, st.floats(-30, 30), st.floats(0, 20))
def test_a_higher_criterion_never_adds_a_bin(seed, threshold_db, more_db):
    clean, noise, _ = pair(seed)
    low = masks.local_snr_binary_mask(clean, noise, threshold_db=threshold_db)
    high = masks.local_snr_binary_mask(clean, noise, threshold_db=threshold_db + more_db)
    assert (high <= low).all()


def test_no_criterion_is_too_high_or_too_low():
    clean, noise, _ = pair(4)
    assert not masks.local_snr_binary_mask(clean, noise, threshold_db=1e5).any()
    # Infinity times nothing would be no number, and a bin of speech alone is kept by any criterion.
    assert masks.local_snr_binary_mask(clean, np.zeros_like(noise), threshold_db=1e5).all()
    assert masks.local_snr_binary_mask(clean, noise, threshold_db=-1e5).all()
    assert not masks.majority_binary_mask(clean, noise, threshold=1e300, exponent=1e-3).any()


def test_edge_frames_are_cut_and_nothing_else():
    clean, noise, _ = pair(5)
    whole = masks.local_snr_binary_mask(clean, noise)
    cut = masks.local_snr_binary_mask(clean, noise, edge_frames=2)
    np.testing.assert_array_equal(cut, whole[..., 2:-2])
    with pytest.raises(ParameterError, match="edges cut"):
        masks.apply_mask(cut, clean)
    with pytest.raises(ParameterError, match="leave none of 7 frames"):
        masks.local_snr_binary_mask(clean, noise, edge_frames=4)


# ORM, PSM, IAM and cIRM among each other


@given(SEEDS, AMPLITUDES, st.floats(0.01, 100.0), DTYPES)
def test_the_orm_is_the_untruncated_psm(seed, amplitude, ratio, dtype):
    clean, noise, _ = pair(seed, amplitude, np.complex128, ratio)
    noisy = clean + noise
    orm = masks.optimal_ratio_mask(clean.astype(dtype), noise.astype(dtype))
    psm = masks.phase_sensitive_mask(clean.astype(dtype), noisy.astype(dtype))
    # In single precision the sum of two that nearly cancel was rounded before either saw it.
    room = (1e-11 if dtype == np.complex128 else 1e-5) * (np.abs(clean) + np.abs(noise)) / np.abs(noisy)
    assert (np.abs(orm - psm) <= room * (1.0 + np.abs(psm))).all()


@given(SEEDS, AMPLITUDES)
def test_psm_and_iam_are_the_parts_of_the_cirm(seed, amplitude):
    clean, _, noisy = pair(seed, amplitude)
    cirm = masks.complex_ideal_ratio_mask(clean, noisy)
    np.testing.assert_allclose(masks.phase_sensitive_mask(clean, noisy), cirm.real, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(masks.ideal_amplitude_mask(clean, noisy), np.abs(cirm), rtol=1e-12)


@given(SEEDS, st.floats(-0.5, 0.5))
def test_no_real_mask_is_nearer_than_the_psm(seed, change):
    clean, _, noisy = pair(seed)
    psm = masks.phase_sensitive_mask(clean, noisy)
    best = np.abs(clean - psm * noisy)
    assert (np.abs(clean - (psm + change) * noisy) >= best - 1e-12).all()


@given(SEEDS, AMPLITUDES)
def test_the_amplitude_mask_gives_the_magnitude_back(seed, amplitude):
    clean, _, noisy = pair(seed, amplitude)
    masked = masks.apply_mask(masks.ideal_amplitude_mask(clean, noisy), noisy)
    np.testing.assert_allclose(np.abs(masked), np.abs(clean), rtol=1e-12)
    same = masks.ideal_amplitude_mask(locked(np.abs(clean)), locked(np.abs(noisy)))
    np.testing.assert_allclose(same, masks.ideal_amplitude_mask(clean, noisy), rtol=1e-12)


@pytest.mark.parametrize("compressed", [False, True])
@settings(deadline=None)  # the transform may have to be compiled first
@given(seed=SEEDS, amplitude=AMPLITUDES, ratio=st.floats(0.1, 10.0))
def test_the_cirm_gives_the_sound_back(compressed, seed, amplitude, ratio):
    rng = np.random.default_rng(seed)
    clean = locked(amplitude * rng.standard_normal(6000), np.float32)
    noisy = locked(clean + amplitude * ratio * rng.standard_normal(6000), np.float32)
    config = StftConfig(sample_rate=16000, n_fft=512, hop_length=256)
    spectra = stft(clean, config), stft(noisy, config)
    mask = masks.complex_ideal_ratio_mask(*spectra)
    if compressed:
        # Not the usual K = 10, C = 0.1: a bin next to silence saturates them, and then this does not hold.
        mask = masks.decompress_mask(masks.compress_mask(mask.astype(np.complex128), k=1e4, c=1e-4), k=1e4, c=1e-4)
    again = istft(masks.apply_mask(mask, spectra[1]), config, 6000)
    assert again.dtype == np.float32
    assert snr_db(again, clean) >= 100.0


# Truncation, compression


@given(SEEDS, AMPLITUDES, DTYPES)
def test_truncation_holds_the_limits_part_by_part(seed, amplitude, dtype):
    mask = spectrum(seed, amplitude, dtype)
    once = masks.truncate_mask(mask, low=-1.0, high=2.0)
    assert once.dtype == mask.dtype
    for part, given_part in ((once.real, mask.real), (once.imag, mask.imag)):
        assert part.min() >= -1.0
        assert part.max() <= 2.0
        inside = (given_part > -1.0) & (given_part < 2.0)
        np.testing.assert_array_equal(part[inside], given_part[inside])
    np.testing.assert_array_equal(masks.truncate_mask(once, low=-1.0, high=2.0), once)


@given(SEEDS, st.floats(-6, 1.9).map(lambda e: 10.0**e), DTYPES, st.booleans())
def test_decompression_undoes_compression(seed, amplitude, dtype, is_complex):
    mask = masks.truncate_mask(spectrum(seed, amplitude, dtype), low=-80.0, high=80.0)
    mask = mask if is_complex else mask.real
    compressed = masks.compress_mask(mask)
    again = masks.decompress_mask(compressed)
    assert compressed.dtype == again.dtype == mask.dtype
    eps = np.finfo(dtype).eps
    for part, truth in ((again.real, mask.real), (again.imag, mask.imag)):
        # The nearer to the limit, the more of the mask one step of the compressed value is worth.
        np.testing.assert_array_less(np.abs(part - truth), 4 * eps * (np.abs(truth) + 20 * np.cosh(truth / 20) ** 2))


@given(SEEDS, AMPLITUDES, st.floats(0.5, 50.0), st.floats(0.01, 2.0))
def test_compression_is_odd_ascending_and_bounded(seed, amplitude, k, c):
    mask = np.sort(spectrum(seed, amplitude).real.ravel())
    compressed = masks.compress_mask(mask, k=k, c=c)
    assert np.abs(compressed).max() <= k
    assert (np.diff(compressed) >= 0).all()
    np.testing.assert_array_equal(masks.compress_mask(-mask, k=k, c=c), -compressed)


def test_compression_of_the_largest_values_is_a_number_and_comes_back_as_one():
    for dtype, most in ((np.float32, 174.0), (np.float64, 376.0)):
        compressed = masks.compress_mask(locked([-1e18, 1e18], dtype))
        np.testing.assert_array_equal(compressed, [-10.0, 10.0])
        again = masks.decompress_mask(locked([-10.0, 10.0, 11.0, -1e9], dtype))
        assert again.dtype == dtype
        assert (np.abs(again) > 100.0).all()
        assert (np.abs(again) < most).all()


# Applying


@given(SEEDS, AMPLITUDES, DTYPES)
def test_applying_is_linear_and_keeps_precision(seed, amplitude, dtype):
    one, other = spectrum(seed, amplitude, dtype), spectrum(seed + 1, amplitude, dtype)
    mask = locked(np.random.default_rng(seed).random(SHAPE[1:]))
    masked = masks.apply_mask(mask, one)
    assert masked.dtype == dtype
    np.testing.assert_allclose(
        masks.apply_mask(mask, one + other), masked + masks.apply_mask(mask, other), atol=1e-5 * amplitude
    )
    np.testing.assert_array_equal(masks.apply_mask(np.ones(SHAPE), one), one)
    assert not masks.apply_mask(mask, np.zeros_like(one)).any()
    magnitude = np.abs(one)
    assert masks.apply_mask(mask, magnitude).dtype == magnitude.dtype


# Coherence


@settings(deadline=None)  # scipy is imported first
@given(SEEDS, AMPLITUDES, DTYPES)
def test_coherence_of_equals_opposites_and_silence(seed, amplitude, dtype):
    sound, other = spectrum(seed, amplitude, dtype), spectrum(seed + 1, 1.0, dtype)
    np.testing.assert_allclose(masks.speech_noise_coherence(sound, sound), 1.0, atol=1e-6)
    np.testing.assert_allclose(masks.speech_noise_coherence(sound, -3 * sound), -1.0, atol=1e-6)
    found = masks.speech_noise_coherence(sound, other)
    assert found.dtype == (np.float32 if dtype == np.complex64 else np.float64)
    assert np.abs(found).max() <= 1.0
    np.testing.assert_allclose(found, masks.speech_noise_coherence(other, sound), atol=1e-6)
    assert not masks.speech_noise_coherence(sound, np.zeros_like(sound)).any()


def test_coherence_of_silence_beside_sound_has_no_direction():
    # A running sum would leave its rounding there, and that has a direction.
    clean, noise = np.array(spectrum(1, 1e3, shape=(20, 60))), spectrum(2, 1e3, shape=(20, 60))
    clean[:, 20:] = 0.0
    assert not masks.speech_noise_coherence(clean, noise)[:, 22:].any()


def test_coherence_of_strangers_scatters_by_as_much_as_the_docstring_says():
    found = masks.speech_noise_coherence(spectrum(1, shape=(200, 200)), spectrum(2, shape=(200, 200)))
    assert np.sqrt(np.mean(found**2)) == pytest.approx(1 / np.sqrt(30), rel=0.1)


# Wrong input


@pytest.mark.parametrize("mask", ALL, ids=lambda mask: mask.__name__)
def test_wrong_spectra_are_refused(mask):
    good = spectrum(1)
    bad = np.array(good)
    bad[0, 0, 0] = np.nan
    with pytest.raises(ParameterError, match="NaN or infinity"):
        mask(bad, good)
    with pytest.raises(ParameterError, match=r"has shape \(2, 9, 7\)"):
        mask(good, good[..., :-1])
    with pytest.raises(ParameterError, match="n_bins, n_frames"):
        mask(good[0, 0], good[0, 0])
    with pytest.raises(ParameterError, match=r"complex spectrum|real numbers"):
        mask([["a"]], [["b"]])


@pytest.mark.parametrize("mask", [masks.phase_sensitive_mask, masks.complex_ideal_ratio_mask, masks.optimal_ratio_mask])
def test_what_needs_a_phase_says_so(mask):
    with pytest.raises(ParameterError, match="because its phase counts"):
        mask(np.ones((3, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: masks.ideal_ratio_mask(-np.abs(s), s), "never below 0"),
        (lambda s: masks.ideal_ratio_mask(s, s, beta=0), "beta=0"),
        (lambda s: masks.ideal_ratio_mask(s, s, beta=True), "beta=True"),
        (lambda s: masks.majority_binary_mask(s, s, threshold=-1), "threshold=-1"),
        (lambda s: masks.majority_binary_mask(s, s, exponent=np.inf), "exponent=inf"),
        (lambda s: masks.local_snr_binary_mask(s, s, threshold_db=np.nan), "threshold_db=nan"),
        (lambda s: masks.local_snr_binary_mask(s, s, edge_frames=-1), "edge_frames=-1"),
        (lambda s: masks.local_snr_binary_mask(s, s, edge_frames=1.5), "edge_frames=1.5"),
        (lambda s: masks.truncate_mask(s, low=1, high=0), "low=1, high=0"),
        (lambda s: masks.truncate_mask(s, low=0, high=np.inf), "high=inf"),
        (lambda s: masks.compress_mask(s, k=0), "k=0"),
        (lambda s: masks.decompress_mask(s, c=-0.1), "c=-0.1"),
        (lambda s: masks.compress_mask(s * np.nan), "NaN or infinity"),
        (lambda s: masks.decompress_mask([[np.inf]]), "NaN or infinity"),
        (lambda s: masks.apply_mask(s, np.abs(s)), "mask is complex and spec a magnitude"),
        (lambda s: masks.apply_mask(np.abs(s)[:, :-1], s), "mask has shape"),
        (lambda s: masks.apply_mask(np.ones(7), s), "mask has shape"),
        (lambda s: masks.speech_noise_coherence(s, s, n_bins=2), "n_bins=2"),
        (lambda s: masks.speech_noise_coherence(s, s, n_frames=0), "n_frames=0"),
    ],
)
def test_wrong_settings_are_refused(call, message):
    with pytest.raises(ParameterError, match=message):
        call(spectrum(1))
