"""Laws of mel spectra to sound by networks: level, silence, cuts, edges; held with the models that ship."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specloom import (
    LIBROSA,
    SPEECH16,
    SPOOF,
    TACOTRON,
    Audio,
    MelInverter,
    MelStream,
    ParameterError,
    SpecloomWarning,
    load,
    mel_filterbank,
    reconstruct_mel,
    resample,
    sounds,
    stft,
)
from specloom.dsp.level import pre_emphasis
from specloom.inversion.chain import Networks, magnitude_network, magnitudes, paired, refining_network
from specloom.inversion.features import MelSettings, parse_features
from specloom.recipes.neural import mel_settings
from specloom.runtime import shipped_models

CONFIG = SPEECH16.stft_config(16_000)
USUAL = mel_settings(SPEECH16, 16_000)


@pytest.fixture(scope="module", params=shipped_models("inversion"))
def inverter(request: pytest.FixtureRequest) -> MelInverter:
    return MelInverter(request.param)


@pytest.fixture(scope="module")
def sound(inverter: MelInverter) -> np.ndarray:
    """Three seconds of what the model has learned."""
    rate = inverter.settings.stft.sample_rate
    audio = load(sounds.path("music" if inverter.header.name.startswith("music") else "speech"), channels="mono")
    return resample(audio.samples, audio.sample_rate, rate)[: 3 * rate].astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    spoken = load(sounds.path("speech"))
    return resample(spoken.samples[: 3 * spoken.sample_rate], spoken.sample_rate, 16_000).astype(np.float32)


@lru_cache
def one_model() -> MelInverter:
    return MelInverter("speech16")


def mel_of(samples: np.ndarray, known: MelSettings = USUAL) -> np.ndarray:
    emphasised = samples if known.preemphasis is None else pre_emphasis(samples, known.preemphasis)
    mel = mel_filterbank(known.mel) @ np.abs(stft(emphasised.astype(np.float32), known.stft)) ** known.power
    mel.flags.writeable = False
    return mel


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e4])
def test_level_is_kept_at_any_level(inverter, sound, factor):
    mel = mel_of(sound, inverter.settings)
    made = inverter.process(mel, length=sound.size)
    louder = mel * np.float32(factor**inverter.settings.power)
    scaled = inverter.process(louder.astype(np.float32), length=sound.size)
    # Rounding may change in which order phases spread, and so single frames; never the level.
    assert 20 * abs(np.log10(np.abs(scaled).max() / np.abs(made).max() / factor)) < 1.0
    level, scaled_level, meant = (np.sqrt(np.mean(np.square(each, dtype=float))) for each in (made, scaled, sound))
    assert 20 * abs(np.log10(scaled_level / level / factor)) < 0.1
    assert 20 * abs(np.log10(level / meant)) < 1.0


def test_twice_as_loud_is_twice_as_loud(inverter, sound):
    mel = mel_of(sound, inverter.settings)
    factors = np.float32([1.0, 2.0**inverter.settings.power])
    made, louder = (inverter.process(mel * factor, length=sound.size) for factor in factors)
    # Rounding may change in which order phases spread, and so single frames.
    assert np.sqrt(np.mean((louder - 2 * made) ** 2)) < 0.03 * np.sqrt(np.mean((2 * made) ** 2))
    spread = [
        np.concatenate([*magnitudes(inverter.features, inverter.networks, [mel * factor])], axis=1)
        for factor in factors
    ]
    np.testing.assert_allclose(spread[1], 2 * spread[0], rtol=1e-4, atol=1e-5 * spread[0].max())


def test_magnitudes_have_the_mel_spectrum_that_was_given(inverter, sound):
    known = inverter.settings
    mel = mel_of(sound, known)
    made = np.concatenate([*magnitudes(inverter.features, inverter.networks, [mel])], axis=1)
    assert made.shape == (known.stft.n_bins, mel.shape[1])
    again = mel_filterbank(known.mel) @ made**known.power
    loud = mel > 1e-3 * mel.max()
    assert np.median(np.abs(again[loud] / mel[loud] - 1)) < 0.05


def test_silence_stays_silence(inverter):
    silence = np.zeros((inverter.settings.mel.n_mels, 50), np.float32)
    assert not inverter.process(silence).any()
    stream = MelStream(inverter)
    assert not np.concatenate([stream.push(silence), stream.finish()]).any()


def test_silence_between_words_stays_silence(inverter, sound):
    gap, edge = np.zeros(inverter.settings.stft.sample_rate, np.float32), 2 * inverter.settings.stft.n_fft
    both = np.concatenate([sound, gap, sound])
    made = inverter.process(mel_of(both, inverter.settings), length=both.size)
    quiet = made[sound.size + edge : sound.size + gap.size - edge]
    assert np.abs(quiet).max() < 1e-4 * np.abs(made).max()


@pytest.mark.parametrize("level", [1e-3, 1.0, 3e4])
def test_loud_sound_out_of_long_silence_is_a_number(inverter, level):
    # The search for phases begins a sound a little before its first frame, and there nothing tells how loud it is.
    n = inverter.settings.stft.sample_rate
    samples = np.zeros(2 * n, np.float32)
    samples[n] = level
    samples[n + n // 4 :] = level * np.sign(np.sin(2 * np.pi * 110 * np.arange(n - n // 4) / n))
    mel = mel_of(samples, inverter.settings)
    stream = MelStream(inverter)
    streamed = np.concatenate([stream.push(mel), stream.finish(samples.size)])
    classical = reconstruct_mel(mel, inverter.settings, quality="best", length=samples.size)
    for made in (inverter.process(mel, length=samples.size), streamed):
        assert np.isfinite(made).all()
        assert np.abs(made).max() < 1.5 * np.abs(classical).max()


def peaks_db(inverter: MelInverter, mel: np.ndarray, length: int, *, edge: int | None = None) -> list[float]:
    """The loudest sample over the loudest of the classical ways, in decibels; with `edge`, at both ends."""
    made = inverter.process(mel, length=length)
    assert made.shape == (length,)
    assert np.isfinite(made).all()
    # They lie some decibels apart themselves: a frame's peak hangs on its phases.
    classical = [reconstruct_mel(mel, inverter.settings, quality=each, length=length) for each in ("fast", "best")]
    places = (slice(None),) if edge is None else (slice(0, edge), slice(-edge, None))
    return [20 * np.log10(np.abs(made[at]).max() / max(np.abs(each[at]).max() for each in classical)) for at in places]


@pytest.mark.parametrize("n_frames", [1, 2, 3, 7])
def test_few_frames_do_not_blow_up(inverter, sound, n_frames):
    mel, n_samples = mel_of(sound, inverter.settings), inverter.settings.stft.hop_length * n_frames
    begins = range(10, mel.shape[1] - n_frames, mel.shape[1] // 16)
    over = [peaks_db(inverter, mel[:, begin : begin + n_frames], n_samples)[0] for begin in begins]
    assert np.median(over) < 1.0
    assert max(over) < 6.0


def test_edges_of_a_cut_sound_do_not_blow_up(inverter, sound):
    # Most begin and end in the middle of a vowel, or of a note.
    n = inverter.settings.stft.sample_rate
    over = []
    for start in np.linspace(0, sound.size - n, 9).astype(int):
        mel = mel_of(sound[start : start + n], inverter.settings)
        over.append(peaks_db(inverter, mel, n, edge=inverter.settings.stft.n_fft // 2))
    assert np.median(over, axis=0).max() < 1.0
    assert np.max(over) < 6.0


@pytest.mark.parametrize("together", [1, 7])
def test_how_many_frames_go_through_a_network_at_a_time_does_not_matter(inverter, sound, together):
    mel = mel_of(sound, inverter.settings)
    features, networks, config = inverter.features, inverter.networks, inverter.settings.stft

    def made(network, frames):
        return np.concatenate([*network.push(frames), *network.finish()])

    frames = np.ascontiguousarray(mel.T)
    whole = made(magnitude_network(features, networks), frames)
    np.testing.assert_allclose(
        made(magnitude_network(features, networks, together=together), frames), whole, atol=1e-5 * whole.max()
    )
    frames = paired(stft(sound, config), np.ascontiguousarray(whole.T))
    whole = made(refining_network(features, networks), frames)
    one_by_one = made(refining_network(features, networks, together=together), frames)
    np.testing.assert_allclose(one_by_one, whole, atol=1e-4 * np.abs(whole).max())


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 187), max_size=6, unique=True), length=st.sampled_from([None, 47_900]))
def test_blocks_give_what_the_whole_gives(cuts, length):
    mel = np.random.default_rng(3).gamma(0.3, 1.0, (80, 188)).astype(np.float32)
    inverter = one_model()
    whole = inverter.process(mel, length=length)
    pieces = np.split(mel, sorted(cuts), axis=1)
    joined = np.concatenate(list(inverter.blocks(pieces, length=length)))
    np.testing.assert_allclose(joined, whole, atol=1e-4 * np.abs(whole).max())


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 59), max_size=6, unique=True), n_extra=st.integers(-300, 300))
def test_a_stream_gives_the_same_however_frames_come(cuts, n_extra):
    mel = np.random.default_rng(4).gamma(0.3, 1.0, (80, 60)).astype(np.float32)
    inverter = one_model()
    length = 59 * 256 + n_extra

    def streamed(pieces):
        stream = MelStream(inverter)
        return np.concatenate([*(stream.push(piece) for piece in pieces), stream.finish(length)])

    whole, joined = streamed([mel]), streamed(np.split(mel, sorted(cuts), axis=1))
    assert whole.shape == (length,)
    np.testing.assert_allclose(joined, whole, atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_stream_is_as_late_as_it_says_and_no_later(inverter, sound, lookahead):
    known = inverter.settings
    hop, half = known.stft.hop_length, known.stft.n_fft // 2
    mel = mel_of(sound, known)
    changed = mel.copy()
    at = 90
    changed[:, at:] = mel[:, at:][:, ::-1]
    outputs = []
    for each in (mel, changed):
        stream = MelStream(inverter, lookahead=lookahead)
        outputs.append(np.concatenate([stream.push(each[:, t]) for t in range(each.shape[1])]))
        given_out, arrived = outputs[-1].size, (each.shape[1] - 1) * hop + half
        assert arrived - given_out <= stream.latency_samples
        assert stream.latency_s == stream.latency_samples / known.stft.sample_rate
    # What had left before the change came is the same.
    before = at * hop + half - stream.latency_samples
    np.testing.assert_array_equal(outputs[0][:before], outputs[1][:before])


def test_a_stream_is_finished_without_frames(inverter):
    assert MelStream(inverter).finish(100).shape == (100,)


def test_channels_are_made_one_by_one(inverter, sound):
    mel = mel_of(sound[:16_000], inverter.settings)
    both = inverter.process(np.stack([mel, mel[:, ::-1]]), length=16_000)
    np.testing.assert_array_equal(both[0], inverter.process(mel, length=16_000))
    np.testing.assert_array_equal(both[1], inverter.process(np.ascontiguousarray(mel[:, ::-1]), length=16_000))


@pytest.mark.parametrize("recipe", [SPEECH16, TACOTRON])
@pytest.mark.parametrize("quality", ["fast", "neural"])
def test_reconstruct_mel_is_what_the_recipe_does(recipe, quality):
    spoken = load(sounds.path("speech"))
    recipe = replace(recipe, trim_db=None)
    audio = Audio(
        resample(spoken.samples[: 2 * spoken.sample_rate], spoken.sample_rate, recipe.sample_rate), recipe.sample_rate
    )
    spectrogram = recipe.analyse(audio)
    made = recipe.synthesise(spectrogram, source="mel", quality=quality)
    direct = reconstruct_mel(spectrogram.mel_magnitude(), recipe, quality=quality, length=audio.n_samples)
    np.testing.assert_allclose(direct, made.samples, atol=1e-5)


def test_what_no_model_knows_is_made_the_classical_way_and_said(voice):
    settings_ = replace(SPEECH16, frames=replace(SPEECH16.frames, hop_length=200))
    mel = mel_filterbank(SPEECH16.mel_config(16_000)) @ np.abs(stft(voice, settings_.stft_config(16_000)))
    with pytest.warns(SpecloomWarning, match=r"hop 200.*'best' is used instead of 'neural'"):
        made = reconstruct_mel(mel, settings_, quality="neural", length=voice.size)
    np.testing.assert_array_equal(made, reconstruct_mel(mel, settings_, quality="best", length=voice.size))


@pytest.mark.parametrize(
    ("recipe", "hindrance"),
    [
        (replace(SPOOF, sample_rate=16_000), "every 4th frame"),
        (replace(SPEECH16, synthesis=replace(SPEECH16.synthesis, power=1.2)), "power=1.2"),
        (LIBROSA, "no model that ships knows"),
    ],
    ids=["step", "power", "rate"],
)
def test_what_networks_cannot_do_is_said(recipe, hindrance, voice):
    spectrogram = recipe.analyse(Audio(voice, 16_000))
    with pytest.warns(SpecloomWarning, match=hindrance):
        made = recipe.synthesise(spectrogram, quality="neural")
    assert made.samples.shape == voice.shape


def test_where_no_network_can_go_the_array_is_the_usual_one(voice):
    recipe = replace(SPEECH16, frames=replace(SPEECH16.frames, hop_length=200))
    spectrogram = recipe.analyse(Audio(voice, 16_000))
    with pytest.warns(SpecloomWarning, match="'best' is used"):
        made = recipe.synthesise(spectrogram, quality="neural")
    np.testing.assert_array_equal(made.samples, recipe.synthesise(spectrogram, quality="best").samples)


def test_a_linear_array_that_is_left_aside_is_spoken_of(voice):
    spectrogram = SPEECH16.analyse(Audio(voice, 16_000))
    with pytest.warns(SpecloomWarning, match="comes nearer to the recording"):
        made = SPEECH16.synthesise(spectrogram, quality="neural")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meant = SPEECH16.synthesise(spectrogram, source="mel", quality="neural")
        SPEECH16.synthesise(replace(spectrogram, linear=None), quality="neural")
    np.testing.assert_array_equal(made.samples, meant.samples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "linear", "model": "speech16"}, r"model='speech16': .*starts from the linear one; leave"),
        ({"source": "linear", "model": "tacotron"}, "is for mel spectra of 22050 Hz"),
    ],
)
def test_a_model_that_is_named_is_never_passed_over(options, message, voice):
    spectrogram = SPEECH16.analyse(Audio(voice, 16_000))
    with pytest.raises(ParameterError, match=message):
        SPEECH16.synthesise(spectrogram, quality="neural", **options)


def test_streams_are_begun_with_a_model_and_finished_once(inverter):
    with pytest.raises(ParameterError, match="a MelInverter is needed"):
        MelStream("speech16")
    stream = MelStream(inverter)
    stream.finish()
    for again in (lambda: stream.push(np.zeros((inverter.settings.mel.n_mels, 2))), stream.finish):
        with pytest.raises(ParameterError, match="this stream is finished"):
            again()


def test_no_more_magnitudes_than_needed_are_held(inverter):
    class Counted:
        n_runs = 0
        initial_states = staticmethod(inverter.networks.magnitude.initial_states)

        def run(self, inputs, states):
            self.n_runs += 1
            return inverter.networks.magnitude.run(inputs, states)

    network = Counted()
    mel = np.ones((inverter.settings.mel.n_mels, 500), np.float32)
    blocks = magnitudes(inverter.features, Networks(magnitude=network, refine=inverter.networks.refine), iter([mel]))
    sizes = [next(blocks).shape[1]]
    # The silence before the sound, and one stretch.
    assert network.n_runs == 2
    sizes += [made.shape[1] for made in blocks]
    assert sum(sizes) == 500


@pytest.mark.parametrize(
    ("mel", "options", "message"),
    [
        (np.zeros((79, 5)), {}, r"\(79, 5\): \(..., 80, n_frames\)"),
        (np.zeros((80, 0)), {}, "n_frames"),
        (np.full((80, 5), -1.0), {}, "negative"),
        (np.full((80, 5), np.nan), {}, "NaN"),
        (np.zeros((80, 5)), {"quality": "good"}, "'good'"),
        (np.zeros((80, 5)), {"quality": "fast", "model": "speech16"}, "a model is for"),
        (np.zeros((80, 5)), {"length": -1}, "length=-1"),
        (np.full((80, 5), 1e13), {}, "networks take at most 1e"),
        (np.zeros((80, 5)), {"model": 3}, "model=3: the name"),
    ],
)
def test_what_is_no_mel_spectrum_is_refused(mel, options, message):
    with pytest.raises(ParameterError, match=message):
        reconstruct_mel(mel, SPEECH16, **({"quality": "neural"} | options))


def test_settings_that_are_the_same_are_equal_and_differences_are_said():
    usual = mel_settings(SPEECH16, 16_000)
    same = replace(SPEECH16, preemphasis=0.0, mel=replace(SPEECH16.mel, fmax_hz=8_000.0))
    assert mel_settings(same, 16_000) == usual
    with pytest.raises(ParameterError, match=r"80 mels of magnitudes, and this one is of .*, to 7000 Hz"):
        reconstruct_mel(
            np.zeros((80, 5)),
            replace(SPEECH16, mel=replace(SPEECH16.mel, fmax_hz=7_000.0)),
            quality="neural",
            model="speech16",
        )
    others = [
        replace(SPEECH16, mel=replace(SPEECH16.mel, fmin_hz=20.0)),
        replace(SPEECH16, mel=replace(SPEECH16.mel, scale="htk")),
        replace(SPEECH16, mel=replace(SPEECH16.mel, norm=None)),
        replace(SPEECH16, mel=replace(SPEECH16.mel, power=2.0)),
        replace(SPEECH16, frames=replace(SPEECH16.frames, window="hamming")),
        replace(SPEECH16, preemphasis=0.97),
    ]
    said = {str(mel_settings(recipe, 16_000)) for recipe in (SPEECH16, *others)}
    assert len(said) == 1 + len(others)


def test_a_stream_takes_no_frames_and_refuses_a_length_that_is_none(inverter):
    n_mels = inverter.settings.mel.n_mels
    stream = MelStream(inverter)
    assert stream.push(np.zeros((n_mels, 0))).size == 0
    with pytest.raises(ParameterError, match="length=-5"):
        stream.finish(-5)
    empty, some = np.zeros((n_mels, 0), np.float32), np.ones((n_mels, 4), np.float32)
    joined = np.concatenate(list(inverter.blocks([empty, some, empty])))
    np.testing.assert_array_equal(joined, inverter.process(some))


def test_settings_that_say_too_little_are_refused():
    with pytest.raises(ParameterError, match="keeps each recording's own rate"):
        reconstruct_mel(np.zeros((128, 5)), LIBROSA)
    with pytest.raises(ParameterError, match="a Recipe or MelSettings"):
        reconstruct_mel(np.zeros((80, 5)), "speech16")


def test_a_model_for_other_settings_is_refused():
    with pytest.raises(ParameterError, match="is for mel spectra of 16000 Hz"):
        reconstruct_mel(np.zeros((80, 5)), TACOTRON, quality="neural", model="speech16")


def test_settings_survive_the_file():
    features = one_model().features
    assert parse_features(features.to_json()) == features
    assert features.settings == mel_settings(SPEECH16, 16_000)
    with pytest.raises(ParameterError, match="must be the same"):
        MelSettings(stft=CONFIG, mel=replace(SPEECH16.mel_config(16_000), n_fft=2048))
