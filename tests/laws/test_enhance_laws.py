"""Laws of enhancement: aligned to the sample at every rate, pieces = whole, strength 0 = input, silence stays silence.

Networks that only weigh what they are given stand for learned ones where the law is about what lies around a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import Audio, Enhancer, sounds
from specloom.dsp.resample import resample
from specloom.errors import ArtifactError, ParameterError
from specloom.io.audio import load
from specloom.tasks.enhance import SpectrumFeatures, WaveformFeatures
from specloom.tasks.enhance import stream as stream_module
from specloom.tasks.enhance.bands import UpperGains
from specloom.tasks.enhance.live import SteadyStream
from specloom.tasks.enhance.stream import EnhanceStream

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = ["tiny_spectrum", "tiny_context", "tiny_waveform"]
RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]

CAUSAL = SpectrumFeatures(sample_rate=16_000, n_fft=512, win_length=512, hop_length=256, window="sqrt_hann")
CONTEXT = SpectrumFeatures(
    sample_rate=8_000, n_fft=512, win_length=256, hop_length=128, window="hamming", left_frames=2, right_frames=2
)
UNEVEN = SpectrumFeatures(sample_rate=16_000, n_fft=400, win_length=360, hop_length=100, window="hann", right_frames=1)
SAMPLES = WaveformFeatures(sample_rate=16_000, left_samples=100, right_samples=77, hop_samples=160)
FEATURES = pytest.mark.parametrize(
    "features", [CAUSAL, CONTEXT, UNEVEN, SAMPLES], ids=["causal", "context", "uneven", "waveform"]
)


class Weighing:
    """A network whose output is its input, times a factor."""

    def __init__(self, features: SpectrumFeatures | WaveformFeatures, factor: float = 1.0) -> None:
        spectral = isinstance(features, SpectrumFeatures)
        self.left = features.left_frames if spectral else features.left_samples
        self.right = features.right_frames if spectral else features.right_samples
        self.factor = np.float32(factor)
        self.most = 0

    def initial_states(self, batch: int) -> Any:
        return None

    def run(self, inputs: Mapping[str, Any], states: Any) -> tuple[dict[str, Any], Any]:
        (given,) = inputs.values()
        self.most = max(self.most, given.shape[0] * given.shape[1])
        return {"enhanced": given[:, self.left : given.shape[1] - self.right] * self.factor}, states


@cache
def enhancer(model: str) -> Enhancer:
    return Enhancer(GOLDEN / f"{model}.onnx")


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    made = (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)
    made.flags.writeable = False
    return made


def whole(stream: EnhanceStream, samples: np.ndarray) -> np.ndarray:
    return np.concatenate([stream.push(samples), stream.flush()], axis=-1)


def in_pieces(stream: EnhanceStream, samples: np.ndarray, lengths: Callable[[], int]) -> np.ndarray:
    pieces, start = [], 0
    while start < samples.shape[-1]:
        n = lengths()
        pieces.append(stream.push(samples[..., start : start + n]))
        start += n
    return np.concatenate([*pieces, stream.flush()], axis=-1)


def weighed(features: Any, samples: np.ndarray, rate: int, factor: float = 1.0, **options: Any) -> np.ndarray:
    stream = EnhanceStream(
        features, Weighing(features, factor), sample_rate=rate, channels=len(np.atleast_2d(samples)), **options
    )
    return whole(stream, samples)


@FEATURES
@pytest.mark.parametrize("rate", RATES)
def test_a_network_that_changes_nothing_gives_the_sound_back(features, rate) -> None:
    samples = noise(2, rate + 37)
    assert np.abs(weighed(features, samples, rate) - samples).max() < 2e-6


@FEATURES
@pytest.mark.parametrize("rate", RATES)
def test_wet_and_dry_lie_on_top_of_each_other(features, rate) -> None:
    # Only when both are aligned does one cancel the other: a sample off, and white noise is left as loud as before.
    samples = noise(rate + 37)
    assert np.abs(weighed(features, samples, rate, 0.0)).max() < 1e-4
    assert np.abs(weighed(features, samples, rate, 0.25, strength=0.5) - 0.625 * samples).max() < 1e-5
    if rate == features.sample_rate:
        assert np.abs(weighed(features, samples, rate, -1.0, strength=0.5)).max() < 2e-6


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_the_band_that_the_model_sees_is_the_model_s_at_other_rates(rate) -> None:
    # What a model would make of the sound at its own rate is heard at the other rate, up to the edge of the band.
    speech = resample(load(sounds.path("speech")).samples[:32_000], 16_000, rate)
    made = enhancer("tiny_spectrum").process(Audio(speech, rate)).samples
    at_its_own = enhancer("tiny_spectrum").process(Audio(resample(speech, rate, 16_000), 16_000)).samples
    expected = resample(at_its_own, 16_000, rate)[: made.size]
    spectra = [np.fft.rfft(samples * np.hanning(made.size)) for samples in (made, expected)]
    below = slice(0, int(0.9 * min(rate, 16_000) / 2 * made.size / rate))
    # Not closer, because soxr's filter shows the model a little less of the very edge of the band.
    assert np.linalg.norm((spectra[0] - spectra[1])[below]) < 2e-4 * np.linalg.norm(spectra[1][below])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), longest=st.sampled_from([3, 200, 3_000, 40_000]))
def test_pieces_of_any_size_are_the_whole(model, rate, seed, longest) -> None:
    rng = np.random.default_rng(seed)
    samples = noise(2, rate // 40 if longest == 3 else rate, seed=seed, level=10.0 ** rng.uniform(-4, 0))
    made = enhancer(model).stream(sample_rate=rate, channels=2)
    pieces = in_pieces(made, samples, lambda: int(rng.integers(0, longest)))
    assert pieces.dtype == np.float32
    assert np.abs(pieces - enhancer(model).process(Audio(samples, rate)).samples).max() <= 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_hop_by_hop_is_the_whole_also_when_the_hops_end(channels) -> None:
    samples = noise(channels, 40_000)
    lengths = iter([256] * 40 + [100, 156] + [256] * 50 + [1000] + [256] * 1000)
    pieces = in_pieces(
        enhancer("tiny_spectrum").stream(sample_rate=16_000, channels=channels), samples, lambda: next(lengths)
    )
    expected = enhancer("tiny_spectrum").process(Audio(samples, 16_000)).samples
    assert np.abs(pieces - expected).max() <= 1e-5


def test_hops_take_the_quick_way_and_what_was_returned_stays() -> None:
    stream = enhancer("tiny_spectrum").stream(sample_rate=16_000)
    samples = noise(256 * 40)
    pieces = [stream.push(hop) for hop in samples.reshape(40, 256)]
    assert stream._wet._hop_by_hop is not None
    kept = [piece.copy() for piece in pieces]
    stream.push(samples[:256])
    stream.flush()
    assert all(np.array_equal(piece, copy) for piece, copy in zip(pieces, kept))


def test_without_lanes_hops_are_the_same(monkeypatch) -> None:
    samples = noise(256 * 60)
    made = in_pieces(enhancer("tiny_spectrum").stream(sample_rate=16_000), samples, lambda: 256)
    monkeypatch.setenv("SPECLOOM_LANES", "0")
    stream = enhancer("tiny_spectrum").stream(sample_rate=16_000)
    assert np.abs(in_pieces(stream, samples, lambda: 256) - made).max() <= 1e-5
    assert stream._wet._hop_by_hop is None


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("options", [{"strength": 0.0}, {"strength": 0}, {"limit_db": 0.0}])
def test_strength_0_is_the_input_bit_for_bit(model, rate, options) -> None:
    samples = np.concatenate([noise(rate // 4), np.float32([0.0, -0.0, 1e-40, 1.0, 3.0])])
    made = enhancer(model).process(Audio(samples, rate), **options)
    assert made.samples.tobytes() == samples.tobytes()
    double = np.concatenate([np.random.default_rng(0).standard_normal(999), [-0.0]])
    stream = enhancer(model).stream(sample_rate=rate, dtype=np.float64, **options)
    assert stream.latency_samples == 0
    assert in_pieces(stream, double, lambda: 100).tobytes() == double.tobytes()


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_strength_mixes_the_input_with_the_whole_effect(rate) -> None:
    audio = Audio(noise(2, rate), rate)
    full = enhancer("tiny_spectrum").process(audio).samples
    half = enhancer("tiny_spectrum").process(audio, strength=0.5).samples
    assert np.abs(half - 0.5 * (audio.samples + full)).max() < 1e-6
    limited = enhancer("tiny_spectrum").process(audio, limit_db=20.0).samples
    assert np.abs(limited - (0.1 * audio.samples + 0.9 * full)).max() < 1e-6
    # A network that takes everything away leaves what the limit says.
    left = weighed(CAUSAL, audio.samples, rate, 0.0, limit_db=12.0)
    assert np.abs(left - 10 ** (-12 / 20) * audio.samples).max() < 1e-4


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_silence_stays_silence(model, rate) -> None:
    silent = enhancer(model).process(Audio(np.zeros((2, rate // 2), dtype=np.float32), rate)).samples
    assert not silent.any()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("shape", [(0,), (1,), (2,), (255,), (1, 1), (2, 0), (3, 100)])
def test_sounds_shorter_than_a_frame_keep_their_shape(model, rate, shape) -> None:
    made = enhancer(model).process(Audio(noise(*shape), rate))
    assert made.samples.shape == shape
    assert made.samples.dtype == np.float32
    assert made.sample_rate == rate
    stream = enhancer(model).stream(sample_rate=rate, channels=shape[0] if len(shape) == 2 else 1)
    assert whole(stream, noise(*shape)).shape == shape


def test_clipped_sound_and_large_numbers_are_taken() -> None:
    for level in (1e-6, 1.0, 1e4):
        samples = np.clip(noise(16_000, level=3.0), -1.0, 1.0) * np.float32(level)
        made = enhancer("tiny_spectrum").process(Audio(samples, 16_000)).samples
        assert np.isfinite(made).all()


@pytest.mark.parametrize("model", MODELS)
def test_each_channel_is_enhanced_on_its_own(model) -> None:
    samples = noise(3, 24_000) * np.float32([[1.0], [0.1], [3.0]])
    together = enhancer(model).process(Audio(samples, 48_000)).samples
    alone = np.stack([enhancer(model).process(Audio(channel, 48_000)).samples for channel in samples])
    assert np.abs(together - alone).max() <= 1e-5


@FEATURES
def test_a_network_is_given_bounded_pieces_of_a_long_sound(features, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "_MOST_SAMPLES", 4_000)
    samples = noise(2, 50_000)
    network = Weighing(features)
    made = whole(EnhanceStream(features, network, sample_rate=features.sample_rate, channels=2), samples)
    assert np.abs(made - samples).max() < 2e-6
    assert network.most < 3 * 4_000


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_band_above_the_model_s_follows_its_upper_octave(rate) -> None:
    # Noise in the whole band; the network takes 12 dB from everything: so do the highs, in level and shape.
    samples = noise(2 * rate)
    made = weighed(CAUSAL, samples, rate, 0.25)
    spectra = [np.abs(np.fft.rfft(values)) for values in (samples, made)]
    highs = slice(int(9_000 * samples.size / rate), None)
    ratio = np.linalg.norm(spectra[1][highs]) / np.linalg.norm(spectra[0][highs])
    assert ratio == pytest.approx(0.25, rel=1e-3)


def test_the_gain_of_the_highs_follows_within_some_milliseconds() -> None:
    loud, quiet = noise(1, 8_000), np.zeros((1, 8_000), dtype=np.float32)
    gains = UpperGains(sample_rate=48_000, model_rate=16_000, n_channels=1)
    before = np.concatenate([loud, loud, loud], axis=1)
    after = np.concatenate([loud, quiet, loud], axis=1)
    gains.push(before, after, last=True)
    made = gains.at(0, 3 * 24_000)[0]
    assert made.max() <= 1.0
    assert made[:23_900].min() > 0.999
    assert made[24_000 + 6_000 : 47_900].max() < 0.02  # 125 ms later
    assert made[48_000 + 2_400 :].min() > 0.9  # 50 ms later
    louder = UpperGains(sample_rate=48_000, model_rate=16_000, n_channels=1)
    louder.push(loud, 2.0 * loud, last=True)
    assert louder.at(0, 24_000).max() == 1.0


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_what_goes_in_comes_out_after_the_latency(model, rate) -> None:
    stream = enhancer(model).stream(sample_rate=rate)
    rng = np.random.default_rng(3)
    samples = noise(rate)
    steady = SteadyStream(stream)
    pieces, start = [], 0
    while start < rate:
        n = int(rng.integers(1, 700))
        piece = samples[np.newaxis, start : start + n]
        made = steady.push(piece)
        assert made.shape == piece.shape  # it never runs dry
        pieces.append(made[0])
        start += n
    made = np.concatenate(pieces)
    expected = enhancer(model).process(Audio(samples, rate)).samples
    latency = stream.latency_samples
    assert not made[:latency].any()
    assert np.abs(made[latency:] - expected[: rate - latency]).max() <= 1e-5
    assert stream.latency_s == latency / rate


def test_the_latency_of_the_causal_model_is_its_window() -> None:
    assert enhancer("tiny_spectrum").stream(sample_rate=16_000).latency_s == 0.032


@pytest.mark.parametrize(("rate", "most_s"), [(8_000, 0.050), (22_050, 0.042), (44_100, 0.042), (48_000, 0.042)])
def test_other_rates_cost_some_milliseconds(rate, most_s) -> None:
    assert 0.032 < enhancer("tiny_spectrum").stream(sample_rate=rate).latency_s < most_s


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named_with_its_place(value) -> None:
    stream = enhancer("tiny_spectrum").stream(sample_rate=16_000, channels=2)
    stream.push(noise(2, 1_000))
    bad = np.array(noise(2, 50))
    bad[1, 7] = value
    with pytest.raises(ParameterError, match=rf"samples hold {value} at index 1007 of channel 1"):
        stream.push(bad)


def test_large_finite_samples_are_not_taken_for_infinite() -> None:
    stream = enhancer("tiny_spectrum").stream(sample_rate=16_000, strength=0.0)
    assert stream.push(np.full(10, 1e30, dtype=np.float32)).max() == np.float32(1e30)


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("pieces", [1, 10])
def test_samples_too_large_to_compute_with_are_named_with_their_place(rate, pieces) -> None:
    stream = enhancer("tiny_spectrum").stream(sample_rate=rate)
    assert np.isfinite(stream.push(np.full(5_000, 1e12, dtype=np.float32))).all()
    loud = np.array([0, 1, 0, 1e25, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    with pytest.raises(ParameterError, match=r"samples hold 1e\+25 at index 5003 of channel 0; full scale is ±1"):
        in_pieces(stream, loud, lambda: len(loud) // pieces)


def test_options_may_be_numbers_of_numpy() -> None:
    audio = Audio(noise(1_000), 16_000)
    plain = enhancer("tiny_spectrum").process(audio, strength=0.5, limit_db=12)
    of_numpy = enhancer("tiny_spectrum").process(audio, strength=np.float32(0.5), limit_db=np.int64(12))
    assert np.array_equal(of_numpy.samples, plain.samples)


@pytest.mark.parametrize("given", [np.zeros(100, dtype=np.float32), "noisy.wav"])
def test_process_says_what_it_takes(given) -> None:
    with pytest.raises(ParameterError, match=r"audio is a (ndarray|str): specloom.Audio\(samples, sample_rate\)"):
        enhancer("tiny_spectrum").process(given)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strength": 1.5}, "strength=1.5: a number from 0"),
        ({"strength": -0.1}, "strength=-0.1"),
        ({"strength": float("nan")}, "strength=nan"),
        ({"strength": True}, "strength=True"),
        ({"limit_db": -1.0}, "limit_db=-1.0: decibels of at least 0"),
        ({"limit_db": float("inf")}, "limit_db=inf"),
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"channels": 0}, "channels=0"),
        ({"dtype": np.int16}, "dtype="),
    ],
)
def test_options_out_of_range_are_refused(options, sentence) -> None:
    with pytest.raises(ParameterError, match=sentence):
        enhancer("tiny_spectrum").stream(**{"sample_rate": 16_000, **options})


def test_a_stream_refuses_what_is_no_sound() -> None:
    stream = enhancer("tiny_spectrum").stream(sample_rate=16_000, channels=2)
    with pytest.raises(ParameterError, match=r"samples of shape \(10,\): \(2, n\) is needed"):
        stream.push(np.zeros(10, dtype=np.float32))
    with pytest.raises(ParameterError, match="dtype int16"):
        stream.push(np.zeros((2, 10), dtype=np.int16))
    assert stream.flush().shape == (2, 0)
    with pytest.raises(ParameterError, match="ended with flush"):
        stream.push(np.zeros((2, 10), dtype=np.float32))
    with pytest.raises(ParameterError, match="ended with flush"):
        stream.flush()


def test_a_network_that_keeps_back_frames_is_no_silent_shift() -> None:
    lying = Weighing(CONTEXT)
    stream = EnhanceStream(CAUSAL, lying, sample_rate=16_000)
    with pytest.raises(ArtifactError, match="its context is not what its header says"):
        stream.push(noise(16_000))
