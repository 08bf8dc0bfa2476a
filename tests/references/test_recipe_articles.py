"""The recipes as written give the arrays of the article's own lines (with today's names of librosa's functions)."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import soundfile
from scipy import signal

from specloom import sounds
from specloom.audio import Audio
from specloom.dsp.resample import resample
from specloom.recipes import LIBROSA, SPOOF, SPOOF_AS_WRITTEN, TACOTRON, TACOTRON_AS_WRITTEN

# Where librosa's transform and ours (both float32) differ by their rounding, the logarithm of a bin far below the
# loudest one of its frame differs visibly; such bins are compared as magnitudes.
_AUDIBLE_DB = 60.0


@pytest.fixture(scope="module", params=["speech", "music"])
def recording(request: pytest.FixtureRequest) -> Audio:
    samples, rate = soundfile.read(sounds.path(request.param), dtype="float32", always_2d=True)
    return Audio(samples.T.mean(axis=0, dtype=np.float32), rate)


def article_spoof(speech: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    speech, _ = librosa.effects.trim(speech, top_db=22)
    speech = np.append(speech[0], speech[1:] - 0.97 * speech[:-1])
    lin_spec = np.abs(librosa.stft(y=speech, n_fft=1024, hop_length=256))
    mel_spec = np.dot(librosa.filters.mel(sr=sr, n_fft=1024, n_mels=80), lin_spec)
    lin_spec_norm = (lin_spec / np.max(lin_spec)) ** 0.6
    mel_spec_norm = (mel_spec / np.max(mel_spec)) ** 0.6
    reduced_total_time = np.shape(mel_spec)[1] // 4
    reduced_time = [4 * k for k in range(int(reduced_total_time))]
    return mel_spec_norm[:, reduced_time], lin_spec_norm[:, : 4 * reduced_total_time], lin_spec


def article_tacotron(y: np.ndarray, sr: int = 22050) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, _ = librosa.effects.trim(y, top_db=15)
    y = np.append(y[0], y[1:] - 0.97 * y[:-1])
    mag = np.abs(librosa.stft(y=y, n_fft=2048, hop_length=int(sr * 0.0125), win_length=int(sr * 0.05)))
    mel = np.dot(librosa.filters.mel(sr=sr, n_fft=2048, n_mels=80), mag)
    magnitude = mag
    mel = 20 * np.log10(np.maximum(1e-5, mel))
    mag = 20 * np.log10(np.maximum(1e-5, mag))
    mel = np.clip((mel - 20 + 100) / 100, 1e-8, 1)
    mag = np.clip((mag - 20 + 100) / 100, 1e-8, 1)
    return mel.T.astype(np.float32), mag.T.astype(np.float32), magnitude.T


def test_recipe_spoof_as_written_gives_the_articles_arrays(recording: Audio) -> None:
    mel, linear, _ = article_spoof(recording.samples.copy(), recording.sample_rate)
    spectrogram = SPOOF_AS_WRITTEN.analyse(recording)
    np.testing.assert_allclose(spectrogram.mel, mel, atol=1e-5)
    # The power of 0.6 enlarges the rounding of bins near zero (the highest one, at the end of this recording).
    np.testing.assert_allclose(spectrogram.linear, linear, atol=2e-5)


def test_recipe_spoof_corrected_differs_in_the_last_frames_only(recording: Audio) -> None:
    corrected = replace(SPOOF, trim_db=SPOOF_AS_WRITTEN.trim_db).analyse(recording)
    written = SPOOF_AS_WRITTEN.analyse(recording)
    n_frames = written.linear.shape[1]
    assert corrected.linear.shape[1] == n_frames + 4
    np.testing.assert_array_equal(corrected.linear[:, :n_frames], written.linear)
    # Not to the bit: some processors' products of matrices round the last columns of a shorter array otherwise.
    np.testing.assert_allclose(corrected.mel[:, : n_frames // 4], written.mel, rtol=1e-6)


def test_recipe_tacotron_as_written_gives_the_articles_arrays(recording: Audio) -> None:
    y = np.array(resample(recording.samples, recording.sample_rate, 22050))
    mel, linear, magnitude = article_tacotron(y)
    own_mel, own_linear = TACOTRON_AS_WRITTEN.analyse(recording).frames_first()
    assert own_mel.shape == mel.shape
    assert own_linear.shape == linear.shape
    np.testing.assert_allclose(own_mel, mel, atol=1e-5)
    audible = magnitude > magnitude.max(axis=1, keepdims=True) * 10 ** (-_AUDIBLE_DB / 20)
    assert audible.mean() > 0.3
    np.testing.assert_allclose(own_linear[audible], linear[audible], atol=1e-5)
    own_magnitude, article_magnitude = (10 ** (5 * x.astype(np.float64) - 4) for x in (own_linear, linear))
    np.testing.assert_allclose(own_magnitude, article_magnitude, atol=2e-6 * magnitude.max())


def test_recipe_tacotron_corrected_is_the_articles_shifted_by_the_peak(recording: Audio) -> None:
    # Softer, because the guitar at its own level lies above the article's +20 dB and would be clipped there.
    recording = Audio(recording.samples * np.float32(0.2), recording.sample_rate)
    corrected = replace(TACOTRON, trim_db=TACOTRON_AS_WRITTEN.trim_db).analyse(recording)
    written = TACOTRON_AS_WRITTEN.analyse(recording)
    assert written.linear.max() < 1.0
    shift = corrected.linear.max() - written.linear.max()
    both = (written.linear > 0.1) & (corrected.linear > 0.1)
    np.testing.assert_allclose((corrected.linear - written.linear)[both], shift, atol=1e-5)
    assert corrected.linear.max() == pytest.approx(1.0, abs=1e-6)


def test_recipe_librosa_gives_librosas_arrays(recording: Audio) -> None:
    spectrogram = LIBROSA.analyse(recording)
    samples = recording.samples.copy()
    magnitude = np.abs(librosa.stft(samples))
    mel = librosa.feature.melspectrogram(y=samples, sr=recording.sample_rate, power=1.0)
    np.testing.assert_allclose(spectrogram.linear, magnitude, atol=1e-5 * magnitude.max())
    np.testing.assert_allclose(spectrogram.mel, mel, atol=1e-5 * mel.max())
    of_power = replace(LIBROSA, mel=replace(LIBROSA.mel, power=2.0)).analyse(recording).mel
    default = librosa.feature.melspectrogram(y=samples, sr=recording.sample_rate)
    np.testing.assert_allclose(of_power, default, atol=1e-5 * default.max())


def test_recipe_spoof_as_written_sounds_as_the_article_writes_it(recording: Audio) -> None:
    _, linear, _ = article_spoof(recording.samples.copy(), recording.sample_rate)
    # The phase is the true one in both, because the article's starts from a random one.
    from specloom.recipes.analysis import phase_of

    phase = phase_of(recording, SPOOF_AS_WRITTEN)
    spec = linear ** (1.3 / 0.6)
    time_signal = librosa.istft(spec * np.exp(1j * phase), hop_length=256, win_length=1024)
    time_signal = signal.lfilter([1], [1, -0.97], time_signal)
    expected = time_signal / np.max(time_signal) * 0.75
    audio = SPOOF_AS_WRITTEN.synthesise(SPOOF_AS_WRITTEN.analyse(recording), phase=phase)
    assert audio.sample_rate == 22050
    assert audio.samples.max() == pytest.approx(0.75, abs=1e-6)
    np.testing.assert_allclose(audio.samples, expected, atol=1e-4)


def test_recipe_tacotron_as_written_sounds_as_the_article_writes_it() -> None:
    samples, rate = soundfile.read(sounds.path("speech"), dtype="float32")
    y = resample(samples[20000:52000], rate, 22050)
    recording = Audio(y, 22050)
    _, linear, _ = article_tacotron(np.array(y))
    mag = np.power(10.0, ((np.clip(linear.T, 0, 1) * 100) - 100 + 20) * 0.05)
    estimate = mag.astype(np.complex64)
    for _ in range(100):
        x = librosa.istft(estimate, hop_length=275, win_length=1102, window="hann")
        est = librosa.stft(x, n_fft=2048, hop_length=275, win_length=1102)
        estimate = mag * (est / np.maximum(1e-8, np.abs(est)))
    wav = librosa.istft(estimate, hop_length=275, win_length=1102, window="hann")
    wav = signal.lfilter([1], [1, -0.97], wav)
    expected, _ = librosa.effects.trim(wav)
    audio = TACOTRON_AS_WRITTEN.synthesise(TACOTRON_AS_WRITTEN.analyse(recording))
    assert audio.sample_rate == 22050
    assert audio.n_samples == len(expected)
    error = np.sum((audio.samples - expected) ** 2) / np.sum(expected**2)
    assert 10 * np.log10(error) < -30.0
