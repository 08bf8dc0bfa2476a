"""Mixtures made by torch keep the laws of those made by numpy."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from specloom.errors import ParameterError  # noqa: E402
from specloom.train.data import Clips, MixingSettings, MixtureStream, RoomSettings, Sources, plain  # noqa: E402
from specloom.train.data import device as device_module  # noqa: E402
from specloom.train.data.device import DeviceMixer, DeviceMixtureStream, mixture_stream  # noqa: E402

RATE = 8_000
CPU = torch.device("cpu")
SETTINGS = MixingSettings(seconds=0.5, rooms=RoomSettings(count=4))


def sources(*, noise=True, scale=0.1):
    rng = np.random.default_rng(5)

    def made(count, least, most):
        return [scale * rng.standard_normal(int(RATE * rng.uniform(least, most))) for _ in range(count)]

    return Sources(
        speech=Clips.from_arrays(made(9, 0.1, 2.0), groups=list("aaabbbccc"), sample_rate=RATE),
        noise=Clips.from_arrays(made(6, 0.1, 2.0), groups=list("uvwxyz"), sample_rate=RATE) if noise else None,
    )


def mixed(settings, *, size=16, material=None, first_item=0, seed=1):
    mixture = DeviceMixer(material or sources(), settings, seed=seed, device=CPU).mix(first_item, size)
    return mixture.noisy.double().numpy(), mixture.clean.double().numpy()


def db(ratio):
    return 10 * np.log10(ratio)


def test_plain_mixtures_have_the_ratio_and_the_level():
    noisy, clean = mixed(replace(plain(SETTINGS), snr_db=(3.0, 3.0), level_dbfs=(-30.0, -30.0)))
    ratio = db((clean**2).sum(1) / ((noisy - clean) ** 2).sum(1))
    assert np.abs(ratio - 3.0).max() < 0.01
    assert np.abs(db((noisy**2).mean(1)) + 30.0).max() < 0.01


def test_speech_is_the_recording_itself():
    # A recording that counts upwards says from which place a piece was cut.
    ramp = np.arange(8_000) / 32_768
    material = Sources(speech=Clips.from_arrays([ramp], groups=["a"], sample_rate=RATE))
    _, clean = mixed(replace(plain(SETTINGS), clean_share=1.0), material=material)
    for row in clean:
        step = np.diff(row).mean()
        assert np.allclose(np.diff(row), step, rtol=1e-2)
        start = row[0] / step
        assert 0 <= round(start) <= 4_000
    assert len({round(row[0] / np.diff(row).mean()) for row in clean}) > 8


def test_short_recordings_follow_each_other_with_pauses_and_in_one_voice():
    # Every speaker is a constant of its own sign; pauses are zero.
    speech = [np.full(800, sign * 0.5) for sign in (1, 1, -1, -1)]
    material = Sources(speech=Clips.from_arrays(speech, groups=list("aabb"), sample_rate=RATE))
    _, clean = mixed(replace(plain(SETTINGS), clean_share=1.0, seconds=2.0), material=material)
    assert (np.count_nonzero(np.abs(clean) > 1e-3, axis=1) > 1_500).all()
    signs = [set(np.sign(np.round(row, 6))) for row in clean]
    assert all(each in ({0.0, 1.0}, {0.0, -1.0}) for each in signs)
    assert {0.0, 1.0} in signs
    assert {0.0, -1.0} in signs


@pytest.mark.parametrize("effect", ["room", "speech_filter", "band_limit", "clip", "codec"])
def test_noisy_and_clean_stay_aligned(effect):
    settings = replace(plain(SETTINGS), snr_db=(25.0, 25.0), **{f"{effect}_share": 1.0})
    for noisy, clean in zip(*mixed(settings), strict=True):
        assert np.argmax(np.correlate(noisy, clean[400:-400], "valid")) == 400


def test_everything_is_finite_and_within_full_scale():
    shares = {"codec_share": 0.3, "clip_share": 0.3, "band_limit_share": 0.4, "room_share": 0.5, "babble_share": 0.3}
    for material in (sources(), sources(noise=False), sources(scale=0.0)):
        for part in mixed(replace(SETTINGS, most_noises=3, **shares), size=64, material=material):
            assert part.shape == (64, 4_000)
            assert np.isfinite(part).all()
            assert np.abs(part).max() <= 1.0 + 1e-6


def test_shares_of_clean_items_and_of_items_without_speech():
    noisy, clean = mixed(replace(SETTINGS, clean_share=0.4, noise_only_share=0.3), size=300)
    assert np.mean((noisy == clean).all(1)) == pytest.approx(0.4, abs=0.1)
    assert np.mean(~clean.any(1)) == pytest.approx(0.3, abs=0.1)
    assert noisy.any(1).all()


def test_batches_depend_on_seed_and_first_item_alone():
    one, same = mixed(SETTINGS, first_item=32)[0], mixed(SETTINGS, first_item=32)[0]
    assert np.array_equal(one, same)
    assert not np.array_equal(one, mixed(SETTINGS, first_item=48)[0])
    assert not np.array_equal(one, mixed(SETTINGS, first_item=32, seed=2)[0])
    with DeviceMixtureStream(sources(), SETTINGS, seed=1, batch_size=16, device=CPU, first_item=16, every=16) as stream:
        next(stream)
        assert np.array_equal(next(stream).noisy.double().numpy(), one)
    with pytest.raises(ParameterError, match="batch_size"):
        DeviceMixtureStream(sources(), SETTINGS, seed=1, batch_size=0, device=CPU)


def test_one_speaker_alone_gives_no_babble_of_its_own():
    material = Sources(speech=Clips.from_arrays([np.full(9_000, 0.5)], groups=["a"], sample_rate=RATE))
    noisy, clean = mixed(replace(plain(SETTINGS), babble_share=1.0), material=material)
    rest = noisy - clean
    assert (rest.std(1) > 0.1 * np.sqrt((rest**2).mean(1))).all()


def test_the_stream_suits_the_device(monkeypatch):
    options = {"seed": 1, "batch_size": 2, "workers": 0}
    with mixture_stream(sources(), SETTINGS, device=CPU, **options) as stream:
        assert isinstance(stream, MixtureStream)
        assert torch.as_tensor(next(stream).noisy).shape == (2, 4_000)
    monkeypatch.setattr(device_module, "DeviceMixer", lambda *_, **__: None)
    with mixture_stream(sources(), SETTINGS, device=torch.device("cuda"), **options) as stream:
        assert isinstance(stream, DeviceMixtureStream)


def test_noises_come_from_places_of_their_own(monkeypatch):
    asked, spectra = [], device_module._Rooms.spectra

    def watched(self, rooms, which, n_fft):
        asked.append(which)
        return spectra(self, rooms, which, n_fft)

    monkeypatch.setattr(device_module._Rooms, "spectra", watched)
    mixed(replace(SETTINGS, room_share=1.0, most_noises=3, more_noises_share=1.0), size=2)
    # The speaker's response and its early part, then one for each noise.
    assert asked == [0, 1, 2, 3, 4]
