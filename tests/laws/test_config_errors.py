"""What is refused, and with which sentence: each names the value, what is allowed, and what to do."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from specloom import (
    MelConfig,
    ParameterError,
    SpecloomError,
    StftConfig,
    StreamingReconstructor,
    griffin_lim,
    istft,
    mel_filterbank,
    mel_to_magnitude,
    reconstruct,
    reconstruct_blocks,
    stft,
)

LANES = StftConfig(sample_rate=8000, n_fft=256, hop_length=64)
REFERENCE = StftConfig(sample_rate=8000, n_fft=200, hop_length=50)
BOTH = pytest.mark.parametrize("config", [LANES, REFERENCE], ids=["lanes", "reference"])
MEL = MelConfig(sample_rate=8000, n_fft=256, n_mels=20)


def stft_config(**others):
    return StftConfig(**{"sample_rate": 8000, "n_fft": 256, "hop_length": 64, **others})


def mel_config(**others):
    return MelConfig(**{"sample_rate": 8000, "n_fft": 256, "n_mels": 20, **others})


# --- settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sample_rate", "n_fft", "hop_length", "win_length"])
@pytest.mark.parametrize("value", [-1, True, 64.0, "64", None, float("nan")])
def test_a_count_that_is_no_whole_number(name, value):
    with pytest.raises(ParameterError, match=rf"{name}={value!r}: a whole number of at least \d is needed; \w+"):
        stft_config(**{name: value})


@pytest.mark.parametrize(("name", "least"), [("sample_rate", 1), ("n_fft", 2), ("hop_length", 1)])
def test_a_count_of_nothing(name, least):
    with pytest.raises(ParameterError, match=rf"{name}=0: a whole number of at least {least} is needed"):
        stft_config(**{name: 0})


def test_a_window_longer_than_the_transform():
    with pytest.raises(ParameterError, match=r"win_length=257 is larger than n_fft=256; shorten .* or raise n_fft"):
        stft_config(win_length=257)


@pytest.mark.parametrize("window", [None, 3, np.ones(256)])
def test_a_window_that_is_no_name(window):
    with pytest.raises(ParameterError, match=r"(?s)window=.*: a name such as 'hann' or a tuple .* is needed"):
        stft_config(window=window)


@pytest.mark.parametrize("window", ["nonsense", "kaiser", ("nonsense", 8.0), ("kaiser", "wide"), ()])
def test_a_window_that_scipy_does_not_know(window):
    config = stft_config(window=window)
    with pytest.raises(ParameterError, match=r"window=.* is not known to scipy\.signal\.get_window .*; try 'hann'"):
        stft(np.ones(500, np.float32), config)


@pytest.mark.parametrize("name", ["sample_rate", "n_fft", "n_mels"])
@pytest.mark.parametrize("value", [0, -1, True, 64.0, "64", None])
def test_a_count_of_the_mel_settings_that_is_no_whole_number(name, value):
    with pytest.raises(ParameterError, match=rf"{name}={value!r}: a whole number of at least \d is needed; \w+"):
        mel_config(**{name: value})


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"n_mels": 130}, r"n_mels=130 is more than the 129 bins of n_fft=256; lower n_mels or raise n_fft"),
        ({"fmax_hz": 4001.0}, r"fmax_hz=4001\.0 lies above half the sample rate \(4000\.0 Hz\); lower it"),
        ({"fmin_hz": 4000.0}, r"fmin_hz=4000\.0 and fmax_hz=4000\.0: 0 <= fmin_hz < fmax_hz is needed"),
        ({"fmin_hz": -1.0}, r"fmin_hz=-1\.0 .*: 0 <= fmin_hz < fmax_hz is needed"),
        ({"fmin_hz": float("nan")}, r"fmin_hz=nan .*: 0 <= fmin_hz < fmax_hz is needed"),
        ({"fmax_hz": float("nan")}, r"fmax_hz=nan: 0 <= fmin_hz < fmax_hz is needed"),
        ({"scale": "bark"}, r"scale='bark': allowed are 'slaney' and 'htk'"),
        ({"norm": "l2"}, r"norm='l2': allowed are 'slaney' and None"),
    ],
)
def test_mel_settings_out_of_range(others, sentence):
    with pytest.raises(ParameterError, match=sentence):
        mel_config(**others)


def test_settings_are_frozen_and_keyword_only_values():
    config = stft_config(window=["kaiser", 8.0])
    assert config.window == ("kaiser", 8.0)
    assert config.win_length == config.n_fft == 256
    assert config == stft_config(window=("kaiser", 8.0), win_length=256)
    assert {config: 1}[stft_config(window=("kaiser", 8.0))] == 1
    assert StftConfig(**json.loads(json.dumps(config.to_json()))) == config
    assert MelConfig(**json.loads(json.dumps(MEL.to_json()))) == MEL
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.hop_length = 3
    with pytest.raises(TypeError, match="positional"):
        StftConfig(8000, 256, 64)
    with pytest.raises(TypeError, match="sample_rate"):
        StftConfig(n_fft=256, hop_length=64)
    with pytest.raises(ParameterError, match="hop_length=-3"):
        dataclasses.replace(config, hop_length=-3)
    assert config.frame_rate_hz == 125.0
    assert MEL.upper_hz == 4000.0


# --- transforms that cannot be undone ---------------------------------------------------------------------------

UNDO = {
    "istft": lambda config: istft(np.ones((config.n_bins, 5), np.complex64), config),
    "griffin_lim": lambda config: griffin_lim(np.ones((config.n_bins, 5), np.float32), config, n_iter=1),
    "reconstruct": lambda config: reconstruct(np.ones((config.n_bins, 5), np.float32), config),
    "reconstruct_blocks": lambda config: list(reconstruct_blocks([np.ones((config.n_bins, 5), np.float32)], config)),
    "StreamingReconstructor": StreamingReconstructor,
}


@pytest.mark.parametrize("undo", UNDO.values(), ids=UNDO)
@pytest.mark.parametrize("n_fft", [256, 200])
def test_a_hop_longer_than_the_window_is_not_invertible(undo, n_fft):
    config = stft_config(n_fft=n_fft, win_length=100, hop_length=101)
    why = (
        r"hop_length=101 is larger than win_length=100: .* never seen, so this STFT is not invertible; shorten the hop"
    )
    with pytest.raises(ParameterError, match=why):
        undo(config)


@pytest.mark.parametrize("undo", UNDO.values(), ids=UNDO)
def test_a_window_that_is_zero_where_nothing_else_sees_is_not_invertible(undo):
    config = stft_config(hop_length=256)
    why = r"window='hann' with win_length=256 and hop_length=256 leaves samples .* not invertible; shorten the hop"
    with pytest.raises(ParameterError, match=why):
        undo(config)


def test_such_a_transform_can_still_be_taken():
    samples = np.ones(1000, np.float32)
    assert stft(samples, stft_config(hop_length=256)).shape == (129, 4)
    assert stft(samples, stft_config(hop_length=300)).shape == (129, 4)


# --- sound that cannot be analysed ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("samples", [[], np.zeros((2, 0), np.float32)])
def test_an_empty_sound(config, samples):
    with pytest.raises(ParameterError, match="samples are empty: at least one sample is needed"):
        stft(samples, config)


@BOTH
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_a_sound_that_is_not_finite(config, value, dtype, place):
    samples = np.zeros((2, 1000), dtype)
    samples[1, place] = value
    with pytest.raises(ParameterError, match=r"samples holds NaN or infinity: clean it \(numpy.nan_to_num\) or cut"):
        stft(samples, config)


@BOTH
def test_an_uncentred_sound_shorter_than_a_window(config):
    config = dataclasses.replace(config, center=False)
    n = config.n_fft - 1
    with pytest.raises(ParameterError, match=rf"{n} samples are fewer than n_fft={n + 1}: use center=True, .* pad"):
        stft(np.ones(n), config)


@pytest.mark.parametrize("samples", [["a"], [1j], None, np.array([object()])])
def test_a_sound_that_is_not_of_real_numbers(samples):
    with pytest.raises(ParameterError, match=r"samples has dtype .*: real numbers are needed"):
        stft(samples, LANES)


# --- spectra, magnitudes and mels that cannot be turned back ----------------------------------------------------


@BOTH
def test_a_spectrum_without_phases(config):
    with pytest.raises(
        ParameterError, match=r"spec has dtype float32: complex values are needed \(a magnitude needs a"
    ):
        istft(np.ones((config.n_bins, 3), np.float32), config)


TURN_BACK = {
    "istft": lambda values, config: istft(values.astype(np.complex64), config),
    "griffin_lim": lambda values, config: griffin_lim(values, config, n_iter=1),
    "reconstruct": lambda values, config: reconstruct(values, config),
    "reconstruct_blocks": lambda values, config: list(reconstruct_blocks([values], config)),
    "streaming": lambda values, config: StreamingReconstructor(config).process(values),
}
ALL_BACK = pytest.mark.parametrize("turn_back", TURN_BACK.values(), ids=TURN_BACK)
MAGNITUDES_BACK = pytest.mark.parametrize(
    "turn_back",
    [work for name, work in TURN_BACK.items() if name != "istft"],
    ids=[n for n in TURN_BACK if n != "istft"],
)


@BOTH
@ALL_BACK
def test_a_wrong_number_of_bins(turn_back, config):
    bins = config.n_bins
    needed = rf"\(\.\.\., {bins}, n_frames\) is needed for n_fft={config.n_fft}"
    for shape in ((bins + 1, 4), (bins - 1, 4), (bins + 1,)):
        with pytest.raises(ParameterError, match=needed) as caught:
            turn_back(np.ones(shape, np.float32), config)
        assert "transposed" not in str(caught.value)
    with pytest.raises(ParameterError, match=needed + "; it looks transposed"):
        turn_back(np.ones((4, bins), np.float32), config)


@BOTH
@pytest.mark.parametrize("name", ["istft", "griffin_lim", "reconstruct"])
def test_no_frames(name, config):
    with pytest.raises(ParameterError, match=r"has shape \(\d+, 0\)"):
        TURN_BACK[name](np.ones((config.n_bins, 0), np.float32), config)


@BOTH
@ALL_BACK
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (-1, 0), (7, 3), (7, -1)])
def test_a_spectrum_or_magnitude_that_is_not_finite(turn_back, config, value, place):
    values = np.ones((config.n_bins, 9), np.float32)
    values[place] = value
    with pytest.raises(ParameterError, match=r"(spec|magnitude) holds NaN or infinity: clean it \(numpy.nan_to_num\)"):
        turn_back(values, config)


@BOTH
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_a_spectrum_that_is_not_finite_only_where_the_length_cuts(config, dtype):
    spec = np.ones((config.n_bins, 9), dtype)
    spec[7, -1] = np.nan
    with pytest.raises(ParameterError, match="spec holds NaN or infinity"):
        istft(spec, config, length=10)


@BOTH
@MAGNITUDES_BACK
def test_a_negative_magnitude(turn_back, config):
    values = np.ones((config.n_bins, 9), np.float32)
    values[3, 2] = -0.5
    with pytest.raises(ParameterError, match=r"magnitude.*least.*-0\.5.*"):
        turn_back(values, config)


@MAGNITUDES_BACK
def test_a_complex_magnitude(turn_back):
    with pytest.raises(ParameterError, match=r"magnitude has dtype complex64: real numbers are needed"):
        turn_back(np.ones((LANES.n_bins, 3), np.complex64), LANES)


def test_a_block_of_several_channels():
    with pytest.raises(ParameterError, match="shape"):
        list(reconstruct_blocks([np.ones((2, LANES.n_bins, 3), np.float32)], LANES))


@pytest.mark.parametrize("length", [-1, 2.5, "3", True])
@pytest.mark.parametrize("name", ["istft", "griffin_lim", "reconstruct"])
def test_a_length_that_is_none(name, length):
    values = np.ones((LANES.n_bins, 5), np.float32)
    work = {
        "istft": lambda: istft(values.astype(np.complex64), LANES, length=length),
        "griffin_lim": lambda: griffin_lim(values, LANES, n_iter=1, length=length),
        "reconstruct": lambda: reconstruct(values, LANES, length=length),
    }[name]
    with pytest.raises(ParameterError, match=rf"length={length!r}"):
        work()


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_that_are_none(threads):
    with pytest.raises(ParameterError, match=rf"threads={threads!r}"):
        reconstruct(np.ones((LANES.n_bins, 5), np.float32), LANES, threads=threads)


def test_an_unknown_quality():
    values = np.ones((LANES.n_bins, 5), np.float32)
    for work in (reconstruct, lambda *a, **k: reconstruct_blocks([a[0]], *a[1:], **k)):
        with pytest.raises(ParameterError, match=r"quality='superb': allowed are fast, balanced, best"):
            work(values, LANES, quality="superb")


@pytest.mark.parametrize("n_iter", [-1, True, 2.0, None])
def test_iterations_that_are_none(n_iter):
    with pytest.raises(ParameterError, match=rf"n_iter={n_iter!r}: a whole number of at least 0 is needed"):
        griffin_lim(np.ones((LANES.n_bins, 5), np.float32), LANES, n_iter=n_iter)
    with pytest.raises(ParameterError, match=rf"n_iter={n_iter!r}: a whole number of at least 0 is needed"):
        mel_to_magnitude(np.ones((20, 5), np.float32), MEL, n_iter=n_iter)


@pytest.mark.parametrize("momentum", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_momentum_that_diverges(momentum):
    with pytest.raises(
        ParameterError, match=rf"momentum={momentum}: 0 <= momentum <= 1 is needed; above 1 it diverges"
    ):
        griffin_lim(np.ones((LANES.n_bins, 5), np.float32), LANES, momentum=momentum)


def test_initial_phases_of_another_shape_or_not_finite():
    values = np.ones((LANES.n_bins, 5), np.float32)
    with pytest.raises(ParameterError, match=r"initial_phase has shape \(129, 4\), magnitude \(129, 5\): .* the same"):
        griffin_lim(values, LANES, initial_phase=values[:, :4])
    with pytest.raises(ParameterError, match="initial_phase holds NaN or infinity"):
        griffin_lim(values, LANES, initial_phase=values * np.nan)


@pytest.mark.parametrize("lookahead", [-1, 9, True, 1.0, None])
def test_a_look_ahead_out_of_range(lookahead):
    with pytest.raises(ParameterError, match=rf"lookahead={lookahead!r}: a whole number of frames from 0 to 8"):
        StreamingReconstructor(LANES, lookahead)


@pytest.mark.parametrize("shape", [(20,), (19, 3), (21, 3), (20, 0), (3, 20)])
def test_a_mel_of_a_wrong_shape(shape):
    with pytest.raises(ParameterError, match=r"mel has shape .*: \(\.\.\., 20, n_frames\) is needed"):
        mel_to_magnitude(np.ones(shape), MEL)


def test_a_mel_that_is_negative_or_not_finite_or_complex():
    mel = np.ones((20, 3), np.float32)
    with pytest.raises(ParameterError, match=r"mel holds negative values \(least -3\): undo the logarithm or"):
        mel_to_magnitude(mel - 4, MEL)
    with pytest.raises(ParameterError, match=r"mel holds NaN or infinity"):
        mel_to_magnitude(mel * np.inf, MEL)
    with pytest.raises(ParameterError, match=r"mel has dtype complex128: real numbers are needed"):
        mel_to_magnitude(mel * np.complex128(1j), MEL)


def test_an_unknown_method():
    with pytest.raises(ParameterError, match=r"method='nnls': allowed are richardson-lucy, transpose, pseudo-inverse"):
        mel_to_magnitude(np.ones((20, 3)), MEL, method="nnls")


def test_the_filterbank_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        mel_filterbank(MEL)[0, 0] = 1.0


def test_every_refusal_is_a_value_error_and_one_of_ours():
    assert issubclass(ParameterError, ValueError)
    assert issubclass(ParameterError, SpecloomError)


def test_numpys_whole_numbers_become_pythons():
    config = StftConfig(sample_rate=np.int64(8000), n_fft=np.int32(256), hop_length=np.int16(64))
    assert [type(value) for value in (config.sample_rate, config.n_fft, config.hop_length)] == [int] * 3


@pytest.mark.parametrize("field", ["fmin_hz", "fmax_hz"])
def test_an_edge_that_is_no_number(field):
    with pytest.raises(ParameterError, match=rf"{field}='a': a number of hertz"):
        MelConfig(sample_rate=8000, n_fft=256, n_mels=8, **{field: "a"})


def test_center_that_is_no_truth_value():
    with pytest.raises(ParameterError, match="center='no': True or False"):
        StftConfig(sample_rate=8000, n_fft=256, hop_length=64, center="no")


def test_a_momentum_that_is_no_number():
    with pytest.raises(ParameterError, match="momentum='a'"):
        griffin_lim(np.ones((LANES.n_bins, 3), np.float32), LANES, momentum="a")
