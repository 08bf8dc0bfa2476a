"""The losses: zero for the clean sound itself, worse where the metric they stand for is worse, and with a slope."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from specloom import sounds  # noqa: E402
from specloom.dsp.resample import resample  # noqa: E402
from specloom.io.audio import load  # noqa: E402
from specloom.metrics import pesq_available, pesq_score, si_sdr_db, stoi_available, stoi_score  # noqa: E402
from specloom.train.losses.intelligibility import IntelligibilityLoss  # noqa: E402
from specloom.train.losses.perceptual import PerceptualLoss  # noqa: E402
from specloom.train.losses.signal import negative_si_sdr_db, negative_snr_db  # noqa: E402
from specloom.train.losses.spectral import compressed_spectral_loss  # noqa: E402


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    audio = load(sounds.path("speech"))
    samples = resample(audio.samples, audio.sample_rate, 16_000)[: 3 * 16_000]
    return np.asarray(samples, np.float32)


def noisy(speech: np.ndarray, snr_db: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(len(speech)).astype(np.float32)
    gain = np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return speech + np.float32(gain) * noise


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(np.atleast_2d(one).astype(np.float32)) for one in arrays]


class TestPerceptualLoss:
    def test_the_clean_sound_itself_disturbs_nobody(self, speech: np.ndarray) -> None:
        assert float(PerceptualLoss()(*tensors(speech, speech))) < 1e-3

    def test_it_follows_pesq(self, speech: np.ndarray) -> None:
        if not pesq_available():
            pytest.skip("the package pesq is not installed")
        ratios = [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0]
        sounds_ = [noisy(speech, ratio) for ratio in ratios]
        losses = [float(PerceptualLoss()(*tensors(one, speech))) for one in sounds_]
        scores = [pesq_score(speech, one, 16_000, mode="wb") for one in sounds_]
        # P.862.2's curve from disturbance to score.
        expected = [0.999 + 4 / (1 + np.exp(-1.3669 * (4.5 - loss) + 3.8224)) for loss in losses]
        assert sorted(losses, reverse=True) == losses
        assert np.max(np.abs(np.subtract(scores, expected))) < 0.35

    @pytest.mark.parametrize("gain", [1e-3, 10.0])
    def test_the_level_of_neither_matters(self, speech: np.ndarray, gain: float) -> None:
        loud = PerceptualLoss()(*tensors(noisy(speech, 5), speech))
        soft = PerceptualLoss()(*tensors(gain * noisy(speech, 5), gain * speech))
        torch.testing.assert_close(soft, loud, rtol=2e-3, atol=2e-3)

    def test_added_sound_costs_more_than_missing_sound(self, speech: np.ndarray) -> None:
        noise = noisy(speech, 10) - speech
        removed = np.fft.irfft(np.fft.rfft(speech) * (np.arange(len(speech) // 2 + 1) % 4 > 0), len(speech))
        added, missing = (float(PerceptualLoss()(*tensors(one, speech))) for one in (speech + noise, removed))
        same_distortion = si_sdr_db(removed, speech) < si_sdr_db(speech + noise, speech)
        assert same_distortion
        assert missing < added

    @pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 1e3])
    def test_gradients_are_numbers(self, speech: np.ndarray, scale: float) -> None:
        estimate, clean = tensors(scale * noisy(speech, 0), speech)
        estimate.requires_grad_()
        PerceptualLoss()(estimate, clean).sum().backward()
        assert torch.isfinite(estimate.grad).all()

    def test_silence_to_compare_with_gives_numbers(self, speech: np.ndarray) -> None:
        estimate, clean = tensors(speech, 0 * speech)
        estimate.requires_grad_()
        loss = PerceptualLoss()(estimate, clean).clamp(max=6).sum()
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(estimate.grad).all()


class TestIntelligibilityLoss:
    def test_the_clean_sound_itself_is_understood(self, speech: np.ndarray) -> None:
        assert float(IntelligibilityLoss()(*tensors(speech, speech))) < 1e-4

    @pytest.mark.parametrize("snr_db", [-5.0, 0.0, 5.0, 10.0, 20.0])
    def test_it_follows_stoi(self, speech: np.ndarray, snr_db: float) -> None:
        if not stoi_available():
            pytest.skip("the package pystoi is not installed")
        sound = noisy(speech, snr_db)
        ours = 1 - float(IntelligibilityLoss()(*tensors(sound, speech)))
        assert ours == pytest.approx(stoi_score(speech, sound, 16_000), abs=0.03)

    def test_the_level_does_not_matter(self, speech: np.ndarray) -> None:
        loud, soft = (IntelligibilityLoss()(*tensors(gain * noisy(speech, 0), speech)) for gain in (1.0, 1e-2))
        torch.testing.assert_close(soft, loud, rtol=0, atol=2e-3)

    def test_silence_and_shortness_give_numbers(self, speech: np.ndarray) -> None:
        for n_samples, scale in ((3000, 1.0), (16_000, 0.0)):
            estimate, clean = tensors(scale * noisy(speech, 0)[:n_samples], scale * speech[:n_samples])
            estimate.requires_grad_()
            loss = IntelligibilityLoss()(estimate, clean).sum()
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(estimate.grad).all()


class TestSnr:
    @pytest.mark.parametrize("ratio", [-5.0, 0.0, 10.0])
    def test_it_is_the_ratio_of_the_mix_below_its_bound(self, speech: np.ndarray, ratio: float) -> None:
        ours = -float(negative_snr_db(*tensors(noisy(speech, ratio), speech), most_db=80.0))
        assert ours == pytest.approx(ratio, abs=0.02)

    def test_the_level_counts(self, speech: np.ndarray) -> None:
        # Half as loud: the error is half the speech, 6 dB below it.
        assert float(negative_snr_db(*tensors(0.5 * speech, speech))) == pytest.approx(-6.0, abs=0.1)

    def test_it_flattens_out_at_its_bound(self, speech: np.ndarray) -> None:
        assert float(negative_snr_db(*tensors(speech, speech), most_db=30.0)) == pytest.approx(-30.0, abs=0.1)

    def test_silence_gives_numbers(self) -> None:
        silence = torch.zeros(2, 1000, requires_grad=True)
        negative_snr_db(silence, torch.zeros(2, 1000)).sum().backward()
        assert torch.isfinite(silence.grad).all()


class TestSiSdr:
    def test_it_is_the_metric_below_its_bound(self, speech: np.ndarray) -> None:
        for ratio in (-5.0, 0.0, 10.0):
            sound = noisy(speech, ratio)
            ours = -float(negative_si_sdr_db(*tensors(sound, speech), most_db=80.0))
            assert ours == pytest.approx(float(si_sdr_db(sound, speech)), abs=0.02)

    def test_a_constant_does_not_count(self, speech: np.ndarray) -> None:
        plain, shifted = (
            negative_si_sdr_db(*tensors(noisy(speech, 5) + np.float32(ours), speech + np.float32(theirs)))
            for ours, theirs in ((0.0, 0.0), (0.3, -0.2))
        )
        torch.testing.assert_close(shifted, plain, rtol=0, atol=1e-3)

    def test_it_flattens_out_at_its_bound(self, speech: np.ndarray) -> None:
        assert float(negative_si_sdr_db(*tensors(speech, speech), most_db=30.0)) == pytest.approx(-30.0, abs=0.1)

    def test_silence_gives_numbers(self) -> None:
        silence = torch.zeros(2, 1000, requires_grad=True)
        negative_si_sdr_db(silence, torch.zeros(2, 1000)).sum().backward()
        assert torch.isfinite(silence.grad).all()


class TestCompressedSpectralLoss:
    def spectra(self) -> tuple[torch.Tensor, torch.Tensor]:
        rng = torch.Generator().manual_seed(3)
        return torch.randn(2, 5, 7, 2, generator=rng), torch.randn(2, 5, 7, 2, generator=rng)

    def test_zero_for_the_same(self) -> None:
        one, _ = self.spectra()
        assert compressed_spectral_loss(one, one).abs().max() == 0

    def test_a_turned_phase_costs_only_in_the_complex_part(self) -> None:
        one, _ = self.spectra()
        turned = torch.stack([-one[..., 1], one[..., 0]], -1)
        assert compressed_spectral_loss(turned, one, complex_share=0.0).max() < 1e-10
        assert compressed_spectral_loss(turned, one, complex_share=0.3).min() > 0.1

    def test_what_is_lost_costs_more_than_what_is_left(self) -> None:
        one, _ = self.spectra()
        weaker, stronger = (compressed_spectral_loss(one * gain, one, lost_speech=2.0) for gain in (0.5, 1.5))
        assert (weaker > 2 * stronger).all()

    def test_silent_bins_have_a_slope(self) -> None:
        silent = torch.zeros(1, 3, 4, 2, requires_grad=True)
        compressed_spectral_loss(silent, torch.zeros(1, 3, 4, 2)).sum().backward()
        assert torch.isfinite(silent.grad).all()
