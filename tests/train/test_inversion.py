"""The networks between mel spectra and sound, the pieces that they learn from, and their training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from specloom import SPEECH16, Audio, MelInverter, save, stft  # noqa: E402
from specloom.artifact import read_artifact  # noqa: E402
from specloom.config import StftConfig  # noqa: E402
from specloom.dsp.mel import mel_filterbank  # noqa: E402
from specloom.errors import ParameterError  # noqa: E402
from specloom.recipes.neural import mel_settings  # noqa: E402
from specloom.train.data.clips import Clips  # noqa: E402
from specloom.train.data.pieces import piece_of  # noqa: E402
from specloom.train.engine import fit  # noqa: E402
from specloom.train.export import export_model  # noqa: E402
from specloom.train.losses.adversarial import critics_loss, doubt_loss, seen_loss  # noqa: E402
from specloom.train.losses.spectral import ResolutionsLoss  # noqa: E402
from specloom.train.nn.critic import Critics, Verdict  # noqa: E402
from specloom.train.nn.inversion import MelToMagnitude, Refiner, zero_states  # noqa: E402
from specloom.train.onnx_graph import narrow_scales  # noqa: E402
from specloom.train.recipes.catalog import InversionRequest, make_recipe  # noqa: E402
from specloom.train.recipes.inversion import Inversion  # noqa: E402

CONFIG = StftConfig(sample_rate=8_000, n_fft=128, hop_length=32)
RECIPE = replace(
    SPEECH16,
    name="small",
    sample_rate=8_000,
    frames=replace(SPEECH16.frames, n_fft=128, hop_length=32),
    mel=replace(SPEECH16.mel, n_mels=20),
)
SETTINGS = mel_settings(RECIPE, 8_000)


def tones(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(8_000 * seconds)) / 8_000
    pitch = rng.uniform(90, 200) * (1 + 0.05 * np.sin(2 * np.pi * 3 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / 8_000
    voiced = sum(np.sin(k * phase) / k for k in range(1, 15))
    return (0.2 * voiced * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t))).astype(np.float32)


def perturbed(network):
    """With weights that do something: after building, the last layers change nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def magnitude():
    return perturbed(MelToMagnitude(mel=SETTINGS.mel, power=1.0, width=12, ahead=[1, 1, 0]))


@pytest.fixture(scope="module")
def refine():
    return perturbed(Refiner(n_bins=65, hop_length=32, width=12, channels=4, ahead=[1, 0]))


def run(network, given, states=None):
    with torch.no_grad():
        answer = network(given, *(states or zero_states(network, len(given), torch.device("cpu"))))
    return answer[0], list(answer[1:])


def mel_frames(n_frames=30, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).gamma(0.5, 1.0, (2, n_frames, 20)).astype(np.float32))


def spectra(n_frames=30, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.standard_normal((2, n_frames, 65, 3)).astype(np.float32)
    frames[..., 2] = np.abs(frames[..., 2])
    return torch.from_numpy(frames)


@pytest.mark.parametrize("cut", [1, 7, 29])
def test_inversion_networks_give_the_same_in_pieces(magnitude, refine, cut):
    for network, frames in ((magnitude, mel_frames()), (refine, spectra())):
        whole, _ = run(network, frames)
        first, states = run(network, frames[:, :cut])
        second, _ = run(network, frames[:, cut:], states)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-5, atol=1e-5)


def test_inversion_networks_are_as_late_as_they_say(magnitude, refine):
    for network, frames in ((magnitude, mel_frames()), (refine, spectra())):
        other = frames.clone()
        other[:, 15:] = frames[:, 15:].flip(1) + 1.0
        one, two = (run(network, each)[0] for each in (frames, other))
        torch.testing.assert_close(one[:, :15], two[:, :15])
        # And no later: what comes in with frame 15 shows in the output for it.
        assert not torch.allclose(one[:, 15 + network.delay], two[:, 15 + network.delay])
        assert one.shape[1] == frames.shape[1]


@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_inversion_networks_scale_with_their_input(magnitude, refine, factor):
    for network, frames in ((magnitude, mel_frames()), (refine, spectra())):
        made, louder = (run(network, each)[0] for each in (frames, frames * factor))
        torch.testing.assert_close(louder / factor, made, rtol=1e-3, atol=1e-4 * float(made.abs().max()))


def test_inversion_networks_leave_silence_silent(magnitude, refine):
    assert not run(magnitude, torch.zeros(1, 10, 20))[0].any()
    assert not run(refine, torch.zeros(1, 10, 65, 3))[0].any()


def test_sound_before_any_was_wanted_is_a_number(refine):
    frames = spectra()
    frames[:, :20, :, 2] = 0.0
    assert torch.isfinite(run(refine, frames)[0]).all()


def test_a_turn_of_all_phases_turns_what_is_refined(refine):
    frames = spectra()
    turn = np.exp(0.7j)
    spec = torch.view_as_complex(frames[..., :2].contiguous())
    turned = torch.cat([torch.view_as_real(spec * turn), frames[..., 2:]], dim=-1)
    made, other = (torch.view_as_complex(run(refine, each)[0].contiguous()) for each in (frames, turned))
    torch.testing.assert_close(other, made * turn, rtol=1e-3, atol=1e-4)


def test_magnitudes_come_back_to_the_mel_spectrum(magnitude):
    magnitudes = np.abs(stft(tones(), CONFIG)).T[None]
    filters = mel_filterbank(SETTINGS.mel)
    mel = torch.from_numpy(magnitudes @ filters.T).float()
    made = run(magnitude, mel)[0][:, magnitude.delay :].numpy()
    wanted = mel.numpy()[:, : -magnitude.delay]
    loud = wanted > 0.01 * wanted.max()
    assert np.median(np.abs((made @ filters.T)[loud] / wanted[loud] - 1)) < 0.1


def test_powers_give_magnitudes_too():
    network = perturbed(MelToMagnitude(mel=SETTINGS.mel, power=2.0, width=12, ahead=[1, 0]))
    made, louder = (run(network, mel_frames() * factor)[0] for factor in (1.0, 4.0))
    torch.testing.assert_close(louder, 2 * made, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_both_networks_have_slopes_for_every_power(clips, power):
    settings = replace(SETTINGS, power=power)
    recipe = Small(train=clips, valid=clips, settings=settings, batch_size=2, n_frames=48)
    state = recipe.build(torch.device("cpu"))
    batch = next(recipe.batches(first_item=0, every=2, device=torch.device("cpu")))
    for progress in (0.1, 0.9):
        state.progress = progress
        assert np.isfinite(recipe.step(state, batch)["gradient_norm"])


def test_the_losses_go_where_the_networks_are(clips):
    # No GPU is needed to see that something was left behind: tensors without values refuse those that have some.
    recipe = Small(train=clips, valid=clips, settings=replace(SETTINGS, preemphasis=0.97), batch_size=2, n_frames=48)
    state = recipe.build(torch.device("meta"))
    assert {tensor.device.type for tensor in state.tensors()} == {"meta"}
    samples = torch.zeros(2, 4_000, device="meta")
    spec = recipe._transform.spectra(recipe._transform.emphasised(samples))
    magnitude = spec.abs()
    assert recipe._transform.mel(magnitude * recipe._transform.tilt).device.type == "meta"
    made = recipe._transform.samples(spec, torch.ones(2, spec.shape[1], device="meta"))
    assert all(loss.device.type == "meta" for loss in recipe._losses(made, made).values())


@pytest.mark.parametrize(("n_fft", "hop"), [(128, 8), (256, 16), (64, 32)])
def test_any_hop_can_be_trained(clips, n_fft, hop):
    small = replace(
        RECIPE, frames=replace(RECIPE.frames, n_fft=n_fft, hop_length=hop), mel=replace(RECIPE.mel, n_mels=12)
    )
    recipe = Small(train=clips, valid=clips, settings=mel_settings(small, 8_000), batch_size=2, n_frames=32)
    state = recipe.build(torch.device("cpu"))
    state.progress = 0.9
    batch = next(recipe.batches(first_item=0, every=2, device=torch.device("cpu")))
    assert np.isfinite(recipe.step(state, batch)["gradient_norm"])


# --- pieces -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clips():
    recordings = [tones(3.0, seed) for seed in range(3)] + [tones(0.1, 9)]
    return Clips.from_arrays(recordings, groups=list("abcd"), sample_rate=8_000)


def test_pieces_hold_the_frames_of_their_recording(clips):
    transforms = [np.abs(stft(clips.read(index), CONFIG)).T for index in range(len(clips))]
    inner = replace(CONFIG, center=False)
    n_edges = 0
    for item in range(60):
        piece = piece_of(clips, CONFIG, n_frames=40, seed=1, item=item)
        assert piece.samples.shape == (128 + 39 * 32,)
        again = piece_of(clips, CONFIG, n_frames=40, seed=1, item=item)
        np.testing.assert_array_equal(piece.samples, again.samples)
        own = np.flatnonzero(piece.inside)
        assert len(own) == own[-1] - own[0] + 1
        if len(own) == 40:
            # From the middle: somewhere in a recording these samples stand, in this order.
            windows = (np.lib.stride_tricks.sliding_window_view(clips.read(i), 200) for i in range(3))
            assert any(np.abs(each - piece.samples[500:700]).max(axis=1).min() == 0.0 for each in windows)
            continue
        n_edges += 1
        # Frames of an edge lie on the recording's own grid: somewhere in one of them they stand as they are here.
        here = np.abs(stft(piece.samples, inner)).T[own]
        assert any(
            np.allclose(here, whole[start : start + len(own)], atol=1e-3)
            for whole in transforms
            for start in (0, len(whole) - len(own))
            if len(whole) >= len(own)
        )
    assert 8 < n_edges < 40


# --- training ---------------------------------------------------------------------------------------------------


class Small(Inversion):
    """The recipe with networks that train in seconds."""

    @property
    def _magnitude_settings(self):
        return {"width": 24, "ahead": [1, 0]}

    @property
    def _refine_settings(self):
        return {"width": 16, "channels": 4, "ahead": [1, 0]}


@pytest.fixture(scope="module")
def recipe(clips):
    return Small(train=clips, valid=clips, settings=SETTINGS, batch_size=2, n_frames=48)


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inversion")
    return fit(recipe, folder, steps=120, device="cpu", threads=1, evaluate_every=60, log_every=10, quiet=True)


def test_inversion_learns_magnitudes_and_then_refines(recipe, trained):
    torch.manual_seed(0)
    new = recipe.build(torch.device("cpu"))
    before, after = recipe.evaluate(new), recipe.evaluate(trained.state)
    assert after["spectral"] < before["spectral"]
    assert after["score"] > before["score"]
    for name in ("magnitude", "refine"):
        weights = zip(new.networks[name].parameters(), trained.state.networks[name].parameters(), strict=True)
        assert any(not torch.equal(one, other) for one, other in weights)


def test_inversion_resumed_is_as_uninterrupted(recipe, tmp_path):
    options = {"device": "cpu", "threads": 1, "evaluate_every": 100, "log_every": 4, "quiet": True}
    whole = fit(recipe, tmp_path / "whole", steps=16, **options).state

    class Stopped(Small):
        def step(self, state, batch):
            if state.step == 9:
                import os
                import signal

                os.kill(os.getpid(), signal.SIGINT)
            return super().step(state, batch)

    stopped = Stopped(
        **{name: getattr(recipe, name) for name in ("train", "valid", "settings", "batch_size", "n_frames")}
    )
    assert fit(stopped, tmp_path / "cut", steps=16, **options).interrupted
    resumed = fit(recipe, tmp_path / "cut", steps=16, resume=True, **options).state
    assert all(torch.equal(one, other) for one, other in zip(whole.tensors(), resumed.tensors(), strict=True))


def test_what_was_trained_runs_from_its_file(recipe, trained, tmp_path):
    path = tmp_path / "small.zip"
    reports = export_model(recipe, trained.state, path)
    assert all(report.agrees < 1e-4 and report.streams < 1e-5 for report in reports.values())
    inverter = MelInverter(path)
    assert inverter.settings == SETTINGS
    samples = tones(1.0, 7)
    mel = mel_filterbank(SETTINGS.mel) @ np.abs(stft(samples, CONFIG))
    made = inverter.process(mel, length=samples.size)
    assert made.shape == samples.shape
    assert abs(20 * np.log10(np.sqrt(np.mean(made**2) / np.mean(samples**2)))) < 1.5


def test_weights_are_kept_in_8_and_16_bits(recipe, trained, tmp_path):
    import onnx

    path = tmp_path / "small.zip"
    export_model(recipe, trained.state, path)
    for network in read_artifact(path).networks.values():
        graph = onnx.load_from_string(network).graph
        large = [tensor for tensor in graph.initializer if np.prod(tensor.dims) >= 1024]
        kinds = {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16}
        assert {tensor.data_type for tensor in large} <= kinds
        assert any(tensor.data_type == onnx.TensorProto.INT8 for tensor in large)


@pytest.mark.parametrize("axis", [0, 1])
def test_whole_numbers_are_found_again(axis):
    rng = np.random.default_rng(axis)
    sizes = np.expand_dims(rng.lognormal(0.0, 4.0, (300, 40)[axis]), 1 - axis)
    matrix = (rng.standard_normal((300, 40)) * sizes).astype(np.float32)
    matrix[3] = matrix[:, 5] = 0.0
    scales = narrow_scales(matrix, axis)
    numbers = np.rint(matrix / scales)
    assert np.abs(numbers).max() == 127
    assert np.abs(numbers * scales - matrix).max(axis=1 - axis, keepdims=True).max() <= 0.5 * scales.max()
    np.testing.assert_array_equal(narrow_scales(numbers * scales, axis), scales)


@pytest.fixture(scope="module")
def critics():
    torch.manual_seed(0)
    return Critics([64, 128])


def test_critics_do_not_hear_levels_and_see_no_difference_where_there_is_none(critics):
    samples = torch.from_numpy(np.stack([tones(0.5), tones(0.5, seed=1)]).astype(np.float32))
    with torch.no_grad():
        one, louder, other_sound = (critics(each) for each in (samples, 8.0 * samples, samples.flip(0)))
    for verdict, other in zip(one, louder, strict=True):
        torch.testing.assert_close(verdict.said, other.said, atol=1e-4, rtol=1e-3)
    assert float(seen_loss(one, one)) == 0.0
    assert float(seen_loss(one, other_sound)) > 0.0


def test_critics_are_sure_or_say_nothing():
    def saying(value):
        return [Verdict(said=torch.full((2, 1, 3, 3), value), seen=[])] * 2

    assert float(critics_loss(saying(1.0), saying(-1.5))) == 0.0
    assert float(critics_loss(saying(0.0), saying(0.0))) == 4.0
    assert float(doubt_loss(saying(2.0))) == -4.0


def test_critics_learn_to_tell_noise_from_tones(critics):
    optimizer = torch.optim.Adam(critics.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    losses = []
    for step in range(30):
        recorded = torch.from_numpy(np.stack([tones(0.25, seed=step)]).astype(np.float32))
        made = torch.from_numpy(0.1 * rng.standard_normal(recorded.shape).astype(np.float32))
        loss = critics_loss(critics(recorded), critics(made))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.3 * losses[0]


def test_critics_have_their_say_at_the_end_and_for_speech_only(clips, tmp_path):
    recipe = Inversion(train=clips, valid=clips, settings=SETTINGS, batch_size=2, n_frames=20)
    begun = recipe.build(torch.device("cpu"))
    before = [one.detach().clone() for one in begun.networks["critics"].parameters()]
    batch = next(recipe.batches(first_item=0, every=2, device=torch.device("cpu")))
    begun.progress = 0.6
    assert "doubt" not in recipe.step(begun, batch)
    assert all(torch.equal(one, two) for one, two in zip(before, begun.networks["critics"].parameters(), strict=True))
    scores = {}
    for begun.progress in (0.7, 0.75, 0.85, 1.0):
        scores[begun.progress] = recipe.evaluate(begun)["score"]
    gains = [scores[each] - scores[0.7] for each in (0.75, 0.85, 1.0)]
    assert gains == pytest.approx([0.05, 0.1, 0.1])
    begun.progress = 0.75
    said = recipe.step(begun, batch)
    assert {"doubt", "seen"} <= set(said)
    assert not all(torch.equal(a, b) for a, b in zip(before, begun.networks["critics"].parameters(), strict=True))
    assert "critics" not in replace(recipe, kind="music").build(torch.device("cpu")).networks


def test_resolutions_do_not_hear_phases_nor_levels():
    loss = ResolutionsLoss((64, 128))
    clean = torch.from_numpy(np.stack([tones(0.5), tones(0.5, 1)]))
    assert float(loss(clean, clean).max()) == 0.0
    torch.testing.assert_close(loss(-clean, clean), torch.zeros(2))
    noisy = clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(100 * noisy, 100 * clean), loss(noisy, clean), rtol=1e-3, atol=1e-4)
    assert float(loss(noisy, clean).min()) > 0.1


# --- what is asked for ------------------------------------------------------------------------------------------


def test_inversion_takes_recordings_and_settings(tmp_path):
    for index in range(4):
        save(tmp_path / "in" / f"{index}.wav", Audio(tones(0.6, index), 8_000))
    request = InversionRequest(recipe="inversion", folder=str(tmp_path / "run"), recordings=(str(tmp_path / "in"),))
    recipe = make_recipe("inversion", request)
    assert recipe.settings == mel_settings(SPEECH16, 16_000)
    assert len(recipe.train) + len(recipe.valid) == 4
    with pytest.raises(ParameterError, match="mel_frame_step=4"):
        make_recipe("inversion", replace(request, spectrogram="spoof", sample_rate=16_000))
    uncentred = tmp_path / "uncentred.json"
    frames = replace(SPEECH16.frames, center=False)
    uncentred.write_text(json.dumps(replace(SPEECH16, name="own", frames=frames).to_json()))
    with pytest.raises(ParameterError, match="center=False"):
        make_recipe("inversion", replace(request, spectrogram=str(uncentred)))
    with pytest.raises(ParameterError, match="kind='noise'"):
        replace(request, kind="noise")
    music = make_recipe("inversion", replace(request, kind="music"))
    assert set(music.evaluate(music.build(torch.device("cpu")))) == {"spectral", "score"}
    with pytest.raises(ParameterError, match=r"sample_rate is needed.*8000 Hz"):
        make_recipe("inversion", replace(request, spectrogram="librosa"))
    with pytest.raises(ParameterError, match="recordings is empty"):
        replace(request, recordings=())


def test_inversion_from_the_command_line(tmp_path, monkeypatch, capsys):
    from specloom.cli.main import main

    for index in range(3):
        save(tmp_path / "in" / f"{index}.wav", Audio(tones(0.6, index), 8_000))
    small = replace(RECIPE, name="small", frames=replace(RECIPE.frames, n_fft=64, hop_length=16))
    (tmp_path / "small.json").write_text(json.dumps(small.to_json()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Inversion, "batch_size", 1, raising=False)

    def run_command(*words):
        code = main(["train", "inversion", *words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    options = ("--recipe", "small.json", "--steps", "2", "--threads", "1", "--device", "cpu")
    code, told = run_command("in", *options)
    assert code == 0, told
    # Named after the recipe of the spectrograms, which is what one tells models apart by.
    assert MelInverter(tmp_path / "small.zip").settings == mel_settings(small, 8_000)
    code, told = run_command("--resume", "--recipe", "tacotron", "-o", "small.zip")
    assert code != 0
    assert "recipe was 'small.json'" in told
    assert run_command("--resume", "--steps", "3", "-o", "small.zip")[0] == 0
    for words, message in (
        ((), "FOLDER is needed"),
        (("nowhere", *options, "-o", "a.zip"), "nowhere"),
        (("in", *options, "-o", "a.onnx"), "written as .zip"),
        (("in", "--recipe", "spoof", "--sample-rate", "8000", "-o", "a.zip"), "mel_frame_step=4"),
    ):
        code, told = run_command(*words)
        assert code != 0
        assert message in told
        assert "usual" not in told
