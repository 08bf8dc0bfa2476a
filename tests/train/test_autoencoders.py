"""Autoencoders: what they are fed with, that they learn, that they export; the two commands, stopped and resumed."""

from __future__ import annotations

import gzip
import json
import os
import signal
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from specloom import Denoiser, load, save, sounds  # noqa: E402
from specloom.audio import Audio  # noqa: E402
from specloom.cli.main import DONE, REFUSED, main  # noqa: E402
from specloom.errors import ParameterError, TrainingError  # noqa: E402
from specloom.recipes import TACOTRON  # noqa: E402
from specloom.recipes.recipe import MelBands  # noqa: E402
from specloom.runtime import Session, load_model  # noqa: E402
from specloom.tasks.denoise import MelPatches  # noqa: E402
from specloom.train.data.clips import Clips  # noqa: E402
from specloom.train.data.digits import Digits, load_digits  # noqa: E402
from specloom.train.data.patches import DAMAGES, PatchSettings, PatchSources, loudest_mel, patch_pair  # noqa: E402
from specloom.train.engine import fit  # noqa: E402
from specloom.train.logs import read_log  # noqa: E402
from specloom.train.nn.autoencoder import ConvAutoencoder, DenseAutoencoder  # noqa: E402
from specloom.train.recipes.catalog import DenoiseMelRequest, make_recipe  # noqa: E402
from specloom.train.recipes.denoise_digits import DenoiseDigits, psnr_db  # noqa: E402
from specloom.train.recipes.denoise_mel import DenoiseMel  # noqa: E402

RATE = 22_050
CPU = torch.device("cpu")


def tones(n=RATE, seed=0):
    """Something like speech for a spectrogram: harmonics that come and go."""
    rng, t = np.random.default_rng(seed), np.arange(n) / RATE
    pitch = 120 + 60 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * t + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.2 * voice * (1 + np.sin(2 * np.pi * 3 * t + seed)) + 1e-4 * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module")
def sources() -> PatchSources:
    clips = Clips.from_arrays([tones(seed=k) for k in range(4)], groups=list("abcd"), sample_rate=RATE)
    noise = Clips.from_arrays([np.random.default_rng(9).uniform(-0.5, 0.5, 9_000)], groups=["n"], sample_rate=RATE)
    return PatchSources(clips=clips, noise=noise, features=MelPatches(recipe=TACOTRON, n_frames=32))


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_item_is_a_function_of_its_number(sources, damage):
    settings = PatchSettings(damages=(damage,), clean_share=0.0)
    damaged, clean = patch_pair(sources, settings, seed=1, item=5)
    assert damaged.shape == clean.shape == (32, 80)
    assert damaged.dtype == clean.dtype == np.float32
    assert min(damaged.min(), clean.min()) >= 0.0
    assert max(damaged.max(), clean.max()) <= 1.0
    assert not np.array_equal(damaged, clean)
    for again, first in zip(patch_pair(sources, settings, seed=1, item=5), (damaged, clean), strict=True):
        assert np.array_equal(again, first)
    assert not np.array_equal(patch_pair(sources, settings, seed=1, item=6)[1], clean)
    assert not np.array_equal(patch_pair(sources, settings, seed=2, item=5)[1], clean)


def test_patches_are_what_the_whole_spectrogram_holds(sources):
    # Cut from the recording's own spectrogram, up to what counts as the loudest: the same in decibels.
    one = replace(sources, clips=Clips.from_arrays([tones()], groups=["a"], sample_rate=RATE))
    settings = PatchSettings(clean_share=1.0, headroom_db=(0.0, 0.0))
    whole = replace(TACOTRON, trim_db=None).analyse(Audio(one.clips.read(0), RATE)).mel.T
    patch = patch_pair(one, settings, seed=0, item=0)[1]
    # Where it was cut nobody says, and a piece need not begin at a frame: the nearest place is close.
    nearest = min(np.abs(whole[k : k + 32] - patch).mean() for k in range(len(whole) - 31))
    assert nearest < 0.02


def test_what_is_clean_is_among_them_and_a_silent_piece_stays_soft(sources):
    settings = PatchSettings(clean_share=1.0)
    damaged, clean = patch_pair(sources, settings, seed=0, item=0)
    assert np.array_equal(damaged, clean)
    loud_then_silent = np.concatenate([tones(4_000), np.zeros(RATE, np.float32)])
    one = replace(sources, clips=Clips.from_arrays([loud_then_silent], groups=["a"], sample_rate=RATE))
    items = [patch_pair(one, settings, seed=0, item=item)[1] for item in range(20)]
    assert min(item.max() for item in items) < 0.01, "silence is not lifted to full scale"


@pytest.mark.parametrize(("settings", "message"), [({"damages": ("rain",)}, "rain"), ({"damages": ()}, "at least one")])
def test_damages_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        PatchSettings(**settings)


def test_noise_wants_recordings_of_it(sources):
    with pytest.raises(ParameterError, match="recordings of noise"):
        patch_pair(replace(sources, noise=None), PatchSettings(damages=("noise",)), seed=0, item=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DenseAutoencoder(shape=(8, 8), widths=()), "at least one hidden layer"),
        (lambda: ConvAutoencoder(shape=(30, 28), channels=(4, 4, 4)), "multiples of 4"),
        (lambda: ConvAutoencoder(shape=(8, 8), channels=(4, 4)), "three numbers"),
        (lambda: ConvAutoencoder(shape=(8, 0), channels=(4, 4, 4)), "rows and columns"),
    ],
)
def test_networks_that_cannot_be(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_the_articles_network_has_its_sizes():
    network = DenseAutoencoder(shape=(28, 28), widths=(1000,))
    assert sum(each.numel() for each in network.parameters()) == 2 * 784 * 1000 + 1000 + 784


@pytest.mark.parametrize("name", ["conv", "dense"])
@pytest.mark.parametrize("damage", ["gaussian", "salt-and-pepper"])
def test_digits_are_learned_and_exported(name, damage, tmp_path):
    from specloom.train.export import export_model

    full = load_digits()
    digits = Digits(name=full.name, train=full.train[:300], valid=full.valid[:100], test=full.test[:100])
    recipe = DenoiseDigits(digits=digits, name=name, damage=damage, seed=1)
    before = recipe.evaluate(recipe.build(CPU))
    finished = fit(recipe, tmp_path / "run", steps=60, threads=1, device="cpu", quiet=True)
    after = recipe.evaluate(finished.state)
    assert after["score"] > before["score"] + 1.0
    reports = export_model(recipe, finished.state, tmp_path / "m.onnx")
    assert reports["autoencoder"].streams < 1e-5
    noisy, _ = recipe.unseen()
    (ours,) = Session(load_model(tmp_path / "m.onnx", task="denoise_digits")).run({"noisy": noisy})[0].values()
    assert ours.shape == noisy.shape


def test_every_digit_is_seen_once_in_an_epoch():
    some = np.arange(10, dtype=np.float32).reshape(10, 1, 1) / 10
    digits = Digits(name="x", train=some, valid=some, test=some)
    recipe = DenoiseDigits(digits=digits, name="dense", batch_size=5, amount=0.0)
    batches = recipe.batches(first_item=0, every=5, device=CPU)
    clean = [next(batches)[1].ravel() for _ in range(4)]
    assert sorted(np.concatenate(clean[:2])) == sorted(np.concatenate(clean[2:])) == sorted(digits.train.ravel())
    assert not np.array_equal(np.concatenate(clean[:2]), np.concatenate(clean[2:]))
    assert recipe.usual_steps == 60


def test_psnr_is_that_of_the_textbook():
    clean = np.zeros((2, 4, 4), np.float32)
    assert psnr_db(clean + np.float32(0.1), clean) == pytest.approx(20.0, abs=1e-4)
    assert psnr_db(clean, clean) == np.inf


def mnist(folder: Path, *, compressed: bool) -> Path:
    folder.mkdir()
    for name, n in (("train-images-idx3-ubyte", 30), ("t10k-images.idx3-ubyte", 7)):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
        content = b"\x00\x00\x08\x03" + np.array([n, 28, 28], dtype=">u4").tobytes() + pixels.tobytes()
        path = folder / (name + (".gz" if compressed else ""))
        path.write_bytes(gzip.compress(content) if compressed else content)
    return folder


@pytest.mark.parametrize("compressed", [True, False])
def test_mnist_is_read_from_its_files(compressed, tmp_path):
    digits = load_digits(mnist(tmp_path / "mnist", compressed=compressed))
    assert [len(part) for part in (digits.train, digits.valid, digits.test)] == [30, 3, 4]
    expected = np.random.default_rng(30).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    assert np.array_equal(np.round(digits.train * 255).astype(np.uint8), expected)


def test_files_that_are_not_mnist_are_told(tmp_path):
    folder = mnist(tmp_path / "mnist", compressed=False)
    with pytest.raises(TrainingError, match="is no folder"):
        load_digits(tmp_path / "nowhere")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TrainingError, match="cut off"):
        load_digits(folder)
    path.write_bytes(path.read_bytes()[:4] + bytes(12))
    with pytest.raises(TrainingError, match="no file of MNIST images"):
        load_digits(folder)
    path.rename(folder / "train-images-idx3-ubyte.gz")
    packed = bytearray(gzip.compress(bytes(5_000)))
    packed[14:18] = b"\xff\xff\xff\xff"
    (folder / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(TrainingError, match="cannot be read"):
        load_digits(folder)
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(TrainingError, match="lacks train-images-idx3-ubyte"):
        load_digits(folder)


@pytest.fixture
def voices(tmp_path):
    for k in range(4):
        save(tmp_path / "voices" / f"{k}.wav", Audio(tones(seed=k), RATE))
    return tmp_path / "voices"


@pytest.mark.parametrize("recipe", ["conv", "dense"])
def test_a_model_for_mel_spectrograms_from_the_command_line(recipe, voices, tmp_path, capsys):
    out = tmp_path / "mine.onnx"
    arguments = ["train", "denoise-mel", str(voices), "--recipe", recipe, "--threads", "1", "--device", "cpu"]
    assert main([*arguments, "--steps", "12", "--evaluate-every", "6", "-o", str(out)]) == DONE
    assert (tmp_path / "mine.training" / "page" / "index.html").exists()
    assert "page:" in capsys.readouterr().out
    denoiser = Denoiser(out)
    assert denoiser.features.recipe.name == "tacotron"
    assert denoiser.header.origin.data == "voices (3 recordings); damage: salt-and-pepper"
    spoken = load(sounds.path("speech"))
    made = denoiser.process_audio(Audio(spoken.samples[:16_000], 16_000), quality="fast")
    assert made.n_samples == 16_000
    assert main(["train", "denoise-mel", "--resume", "--steps", "14", "-o", str(out), "--device", "cpu"]) == DONE
    assert read_log(tmp_path / "mine.training", "scores")[-1]["step"] == 14


def test_conv_learns_what_salt_is(voices, tmp_path):
    request = DenoiseMelRequest(recipe="conv", folder=str(tmp_path / "run"), recordings=(str(voices),))
    recipe = make_recipe("denoise_mel", request)
    finished = fit(recipe, tmp_path / "run", steps=60, threads=2, device="cpu", quiet=True, evaluate_every=60)
    assert recipe.evaluate(finished.state)["of_damaged"] < 0.7


def test_digits_from_the_command_line(tmp_path, capsys):
    folder = mnist(tmp_path / "mnist", compressed=False)
    out = tmp_path / "digits.onnx"
    arguments = ["train", "denoise-digits", "--digits", str(folder), "--epochs", "6", "-o", str(out), "--device", "cpu"]
    assert main(arguments) == DONE
    assert len(read_log(tmp_path / "digits.training", "scores")) == 3, "one for each time all digits were seen"
    page = (tmp_path / "digits.training" / "page" / "index.html").read_text()
    assert "median filter" in page
    assert load_model(out, task="denoise_digits").header.origin.data == "MNIST, 30 digits; gaussian 0.2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["denoise-mel"], "FOLDER is needed"),
        (["denoise-mel", "VOICES", "--damage", "noise"], "belong together"),
        (["denoise-mel", "VOICES", "--damage", "rain"], "rain"),
        (["denoise-mel", "VOICES", "--spectrogram", "librosa", "--sample-rate", "22050"], "decibels below the loudest"),
        (["denoise-mel", "VOICES", "--sample-rate", "8000"], "analyses at 22050 Hz"),
        (["denoise-mel", "VOICES/0.wav"], "one recording only"),
        (["denoise-digits", "--digits", "nowhere"], "is no folder"),
        (["denoise-digits", "--amount", "2"], "amount=2"),
        (["denoise-digits", "--amount", "0"], "amount=0"),
        (["denoise-mel", "VOICES", "--spectrogram", "BANDS"], "has 90 mel bands"),
        (["denoise-mel", "VOICES", "--spectrogram", "STEP"], "learns every frame, centred"),
        (["denoise-mel", "EMPTY"], "give folders with recordings"),
        (["denoise-digits", "--epochs", "0"], "epochs=0"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(arguments, message, voices, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    changed = {"BANDS": replace(TACOTRON, mel=MelBands(n_mels=90)), "STEP": replace(TACOTRON, mel_frame_step=4)}
    names = {"VOICES": str(voices), "EMPTY": "empty"} | {name: f"{name}.json" for name in changed}
    for name, recipe in changed.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(recipe.to_json()))
    given = arguments
    for name, path in names.items():
        given = [each.replace(name, path) for each in given]
    assert main(["train", *given, "--steps", "2"]) == REFUSED
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert "speaker" not in said
    assert not list(tmp_path.glob("*.onnx"))


def test_takes_of_one_recording_are_on_one_side(tmp_path):
    for name in ("1-100-A-0", "1-100-B-0", "1-200-A-0", "1-200-B-0", "2-300-A-9", "2-300-B-9"):
        save(tmp_path / "sounds" / f"{name}.wav", Audio(tones(9_000), RATE))
    for seed in range(4):
        folder = str(tmp_path / f"run{seed}")
        request = DenoiseMelRequest(recipe="conv", folder=folder, recordings=(str(tmp_path / "sounds"),), seed=seed)
        recipe = make_recipe("denoise_mel", request)
        sides = [{Path(name).name[:5] for name in part.clips.names} for part in (recipe.train, recipe.valid)]
        assert not sides[0] & sides[1]
        assert len(sides[0] | sides[1]) == 3


def test_the_loudest_value_is_that_of_the_whole_recording(sources):
    long = np.concatenate([tones(40_000, seed=k) * (0.1 + 0.2 * k) for k in range(3)] + [np.zeros(60_000, np.float32)])
    clips = Clips.from_arrays([long], groups=["a"], sample_rate=RATE)
    whole = replace(TACOTRON, trim_db=None).analyse(Audio(clips.read(0), RATE)).origin.mel_peak
    assert loudest_mel(clips, 0, TACOTRON) == pytest.approx(whole, rel=2e-3)


class Stopped(DenoiseMel):
    """Ctrl-C comes in its third step."""

    def step(self, state, batch):
        if state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return super().step(state, batch)


def test_resumed_is_uninterrupted(voices, tmp_path):
    def run(folder, kind=DenoiseMel, **options):
        request = DenoiseMelRequest(recipe="conv", folder=str(tmp_path / folder), recordings=(str(voices),))
        made = make_recipe("denoise_mel", request)
        recipe = kind(**{each.name: getattr(made, each.name) for each in fields(made)})
        return fit(recipe, tmp_path / folder, steps=6, threads=1, device="cpu", quiet=True, **options)

    whole = run("whole").state.networks["autoencoder"].state_dict()
    assert run("parts", Stopped).state.step == 3
    parts = run("parts", resume=True).state.networks["autoencoder"].state_dict()
    assert all(torch.equal(one, parts[name]) for name, one in whole.items())


def test_a_model_of_noise_is_shown_with_noise(voices, tmp_path):
    save(tmp_path / "noise.wav", Audio(np.random.default_rng(1).uniform(-0.3, 0.3, RATE).astype(np.float32), RATE))
    arguments = ["train", "denoise-mel", str(voices), "--damage", "noise", "--noise", str(tmp_path / "noise.wav")]
    assert main([*arguments, "--steps", "3", "-o", str(tmp_path / "m.onnx"), "--device", "cpu"]) == DONE
    assert "noise, 5 dB below the sound" in (tmp_path / "m.training" / "page" / "index.html").read_text()


def test_a_recipe_without_a_rate_asks_for_one(voices, tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(replace(TACOTRON, name="own", sample_rate=None).to_json()))
    request = DenoiseMelRequest(
        recipe="conv", folder=str(tmp_path / "run"), recordings=(str(voices),), spectrogram=str(path)
    )
    with pytest.raises(ParameterError, match=r"sample_rate is needed.*22050 Hz"):
        make_recipe("denoise_mel", request)
    recipe = make_recipe("denoise_mel", replace(request, sample_rate=16_000))
    assert recipe.train.clips.sample_rate == 16_000
    assert recipe.features.recipe.sample_rate == 16_000, "the model's file says it"
