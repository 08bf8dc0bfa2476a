"""Spectrogram files: what is written comes back, in whole and in part; what is not whole is refused in a sentence."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.errors import ArtifactError, ParameterError
from specloom.recipes import LIBROSA, SPOOF, TACOTRON, Origin, Recipe, Spectrogram
from specloom.recipes.foreign import is_foreign, load_foreign
from specloom.recipes.spectrogram_file import Settings, SourceStamp, SpectrogramFile, spectrogram_writer

RATE = 16_000
STAMP = SourceStamp(name="a.wav", size_bytes=12, modified_ns=34)


def analysed(recipe: Recipe = SPOOF, n_channels: int = 1) -> Spectrogram:
    shape = (9_000,) if n_channels == 1 else (n_channels, 9_000)
    samples = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    return recipe.analyse(Audio(samples, RATE))


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return analysed().save(tmp_path / "a.npz", source=STAMP)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("recipe", [LIBROSA, SPOOF, TACOTRON], ids=lambda recipe: recipe.name)
def test_spectrogram_comes_back_from_its_file(recipe: Recipe, n_channels: int, tmp_path: Path) -> None:
    spectrogram = analysed(replace(recipe, channels="each"), n_channels)
    path = spectrogram.save(tmp_path / "deep" / "a.npz")
    back = Spectrogram.load(path)
    assert (back.recipe, back.origin) == (spectrogram.recipe, spectrogram.origin)
    for name in ("linear", "mel"):
        np.testing.assert_array_equal(getattr(back, name), getattr(spectrogram, name))
        assert getattr(back, name).dtype == np.float32
        assert not getattr(back, name).flags.writeable


@pytest.mark.parametrize("arrays", [("linear",), ("mel",)])
def test_spectrogram_with_one_array_comes_back(arrays: tuple[str, ...], tmp_path: Path) -> None:
    whole = analysed()
    one = Spectrogram(recipe=whole.recipe, origin=whole.origin, **{name: getattr(whole, name) for name in arrays})
    back = Spectrogram.load(one.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(getattr(back, arrays[0]), getattr(whole, arrays[0]))
    assert (back.linear is None) == (arrays == ("mel",))
    assert (back.mel is None) == (arrays == ("linear",))


def test_spectrogram_file_opens_with_numpy_and_names_its_settings(drawn: Path) -> None:
    spectrogram = analysed()
    with np.load(drawn) as loaded:
        np.testing.assert_array_equal(loaded["linear"], spectrogram.linear)
        np.testing.assert_array_equal(loaded["mel"], spectrogram.mel)
        settings = json.loads(loaded["settings.json"])
    assert (settings["format"], settings["version"]) == ("specloom-spectrogram", 1)
    assert settings["recipe"] == spectrogram.recipe.to_json()
    assert settings["source"] == {"name": "a.wav", "size_bytes": 12, "modified_ns": 34}


def test_spectrogram_file_is_the_same_for_the_same_sound(tmp_path: Path) -> None:
    one, other = analysed().save(tmp_path / "a.npz"), analysed().save(tmp_path / "b.npz")
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


@pytest.mark.parametrize("n_channels", [1, 2])
def test_spectrogram_file_gives_ranges_of_frames(n_channels: int, tmp_path: Path) -> None:
    spectrogram = analysed(replace(SPOOF, channels="each"), n_channels)
    with SpectrogramFile(spectrogram.save(tmp_path / "a.npz", source=STAMP)) as file:
        assert file.source == STAMP
        assert file.arrays == ("linear", "mel")
        for name in file.arrays:
            whole = getattr(spectrogram, name)
            np.testing.assert_array_equal(file.frames(name, 3, 6), whole[..., 3:6])
            np.testing.assert_array_equal(file.frames(name, 5, 10**9), whole[..., 5:])
            assert file.frames(name, 10**6, 10**7).shape[-1] == 0
            np.testing.assert_array_equal(np.concatenate(list(file.blocks(name, 4)), axis=-1), whole)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The archive with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_settings(path: Path, **fields: Any) -> Path:
    def change(members: dict[str, bytes]) -> None:
        settings = json.loads(members["settings.json"])
        for name, value in fields.items():
            room = settings
            *outer, last = name.split("__")
            for part in outer:
                room = room[part]
            if value is ...:
                del room[last]
            else:
                room[last] = value
        members["settings.json"] = json.dumps(settings).encode()

    return rewritten(path, change)


def test_spectrogram_file_with_settings_nested_too_deeply_is_refused(drawn: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        members["settings.json"] = b"[" * 100_000

    with pytest.raises(ArtifactError, match=r"settings\.json is nested too deeply"):
        Spectrogram.load(rewritten(drawn, change))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"version": 2}, r"of version 2; this Specloom reads version 1: use the Specloom that wrote it"),
        ({"version": True}, r"of version True"),
        ({"version": ...}, r"of version None"),
        ({"format": "other"}, r"does not say format='specloom-spectrogram'; another program wrote it"),
        ({"origin": ...}, r"settings lacks the field 'origin'"),
        ({"origin__n_samples": ...}, r"settings\.origin lacks the field 'n_samples'"),
        ({"origin__colour": 3}, r"settings\.origin has the unknown field 'colour'"),
        ({"origin__n_samples": 3.5}, r"settings\.origin\.n_samples is 3\.5: a whole number"),
        ({"origin__start": 10**9}, r"0 <= start <= stop <= n_analysed is needed"),
        ({"origin__linear_peak": -1.0}, r"linear_peak=-1\.0"),
        ({"recipe__frames__n_fft": "1024"}, r"settings\.recipe\.frames\.n_fft is '1024'"),
        ({"recipe__frames__n_fft": 2048}, r"linear\.npy has shape \(513, \d+\).*the settings say \(1025, \d+\)"),
        ({"recipe__trim": 3}, r"settings\.recipe has the unknown field 'trim'"),
        ({"source__name": 3}, r"settings\.source\.name is 3: text is needed"),
        ({"arrays": ["linear"]}, r"holds .*mel\.npy.*, but its settings promise linear\.npy, settings\.json"),
        ({"arrays": []}, r"but its settings promise settings\.json"),
        ({"arrays": ["phase"]}, r"settings\.arrays\[0\] is 'phase': allowed are linear, mel"),
    ],
)
def test_spectrogram_file_with_wrong_settings_is_refused_in_a_sentence(
    drawn: Path, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        Spectrogram.load(with_settings(drawn, **fields))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_linear(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        linear = np.load(io.BytesIO(members["linear.npy"]))
        members["linear.npy"] = npy(change(linear))

    return apply


def put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(linear: np.ndarray) -> np.ndarray:
        linear[3, 4] = value
        return linear

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (with_linear(put(-0.5)), r"linear holds negative values \(least -0\.5\)"),
        (with_linear(put(np.nan)), r"linear holds NaN or infinity"),
        (with_linear(put(np.inf)), r"linear holds NaN or infinity"),
        (with_linear(lambda linear: linear[:, :-1]), r"linear\.npy has shape"),
        (with_linear(lambda linear: np.asfortranarray(linear.T)), r"linear\.npy has shape"),
        (with_linear(np.ascontiguousarray), r"fortran_order=False"),
        (with_linear(lambda linear: linear.astype(np.float64)), r"dtype float64"),
        (lambda members: members.pop("linear.npy"), r"holds .*but its settings promise linear\.npy"),
        (lambda members: members.pop("settings.json"), r"archive of another program: settings\.json is missing"),
        (lambda members: members.update({"more.npy": b""}), r"holds .*more\.npy.*but its settings promise"),
        (lambda members: members.update({"settings.json": b"{"}), r"settings\.json is damaged"),
        (lambda members: members.update({"settings.json": b"[]"}), r"does not say format"),
        (lambda members: members.update({"linear.npy": b"no array"}), r"linear\.npy is no array"),
        (
            lambda members: members.update({"linear.npy": members["linear.npy"][:-4]}),
            r"linear\.npy is not as long as its header says",
        ),
    ],
)
def test_spectrogram_file_with_wrong_members_is_refused_in_a_sentence(
    drawn: Path, change: Callable[[dict[str, bytes]], None], sentence: str
) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        Spectrogram.load(rewritten(drawn, change))


def test_spectrogram_file_that_was_compressed_is_refused_in_a_sentence(drawn: Path) -> None:
    with pytest.raises(ArtifactError, match=r"\.npy is compressed"):
        Spectrogram.load(rewritten(drawn, lambda members: None, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_spectrogram_file_that_was_cut_off_is_refused_in_a_sentence(drawn: Path, share: float) -> None:
    content = drawn.read_bytes()
    drawn.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match="was cut off"):
        Spectrogram.load(drawn)


def test_spectrogram_file_with_one_changed_byte_is_refused_in_a_sentence(drawn: Path) -> None:
    content = bytearray(drawn.read_bytes())
    # The lowest bits of a number: it stays finite and positive, and only the checksum can tell.
    content[20_000 - 20_000 % 4] ^= 1
    drawn.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"linear\.npy is damaged \(its checksum is wrong\)"):
        Spectrogram.load(drawn)


def test_spectrogram_file_that_is_not_there_or_a_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"a\.npz does not exist"):
        Spectrogram.load(tmp_path / "a.npz")
    with pytest.raises(ArtifactError, match="is a folder; a file is needed"):
        Spectrogram.load(tmp_path)
    with pytest.raises(ArtifactError, match="is a folder; a file is needed"):
        analysed().save(tmp_path)


def test_spectrogram_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    spectrogram = analysed()
    settings = Settings(recipe=spectrogram.recipe, origin=spectrogram.origin, arrays=("linear", "mel"), source=None)
    path = tmp_path / "a.npz"

    def write(frames: np.ndarray, error: type[BaseException] | None = None) -> None:
        with spectrogram_writer(path, settings) as writer:
            writer.append("linear", frames)
            if error is not None:
                raise error

    with pytest.raises(ParameterError, match=r"linear: 5 of \d+ frames were written"):
        write(spectrogram.linear[:, :5])
    with pytest.raises(ParameterError, match="do not fit"):
        write(np.zeros((513, 10_000), np.float32))
    with pytest.raises(KeyboardInterrupt):
        write(spectrogram.linear, KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({}, "linear=None and mel=None"),
        ({"linear": np.zeros((513, 3), np.float32)}, r"linear has shape \(513, 3\), but the settings say"),
        ({"linear": np.zeros((36, 513), np.float32)}, r"it looks transposed"),
        ({"linear": np.full((513, 36), -1.0)}, r"negative values \(least -1\)"),
        ({"linear": np.full((513, 36), np.nan)}, "NaN or infinity"),
        ({"mel": np.full((80, 9), "a")}, "dtype <U1"),
    ],
)
def test_spectrogram_of_wrong_arrays_is_refused_in_a_sentence(arrays: dict[str, Any], sentence: str) -> None:
    whole = analysed()
    assert whole.linear.shape == (513, 36)
    with pytest.raises(ParameterError, match=sentence):
        Spectrogram(recipe=whole.recipe, origin=whole.origin, **arrays)


def test_spectrogram_without_an_array_says_so() -> None:
    whole = analysed()
    with pytest.raises(ParameterError, match="no linear array"):
        Spectrogram(recipe=whole.recipe, origin=whole.origin, mel=whole.mel).magnitude()
    with pytest.raises(ParameterError, match="no mel array"):
        Spectrogram(recipe=whole.recipe, origin=whole.origin, linear=whole.linear).mel_magnitude()


def test_spectrogram_origin_refuses_what_cannot_be() -> None:
    good = {"sample_rate": 1, "n_samples": 5, "n_channels": 1, "analysis_rate": 1, "n_analysed": 5}
    with pytest.raises(ParameterError, match="start=3, stop=2"):
        Origin(**good, start=3, stop=2)
    with pytest.raises(ParameterError, match="sample_rate=0"):
        Origin(**{**good, "sample_rate": 0}, start=0, stop=5)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", ["linear", "mel"])
def test_spectrogram_of_another_program_is_read_when_the_recipe_is_said(
    name: str, transposed: bool, tmp_path: Path
) -> None:
    array = getattr(analysed(), name)
    path = tmp_path / "network.npy"
    np.save(path, array.T if transposed else array)
    assert is_foreign(path)
    spectrogram = load_foreign(path, SPOOF, RATE)
    np.testing.assert_array_equal(getattr(spectrogram, name), array)
    assert spectrogram.origin.sample_rate == RATE
    packed = tmp_path / "network.npz"
    np.savez(packed, other=np.zeros(3), mine=array)
    assert is_foreign(packed)
    np.testing.assert_array_equal(getattr(load_foreign(packed, SPOOF, RATE), name), array)


def test_spectrogram_of_another_program_is_refused_when_it_does_not_fit(drawn: Path, tmp_path: Path) -> None:
    assert not is_foreign(drawn)
    path = tmp_path / "network.npy"
    np.save(path, np.zeros((100, 30), np.float32))
    with pytest.raises(ArtifactError, match=r"network \(100, 30\): exactly one array with 513 rows or columns"):
        load_foreign(path, SPOOF, RATE)
    np.save(path, analysed().linear)
    with pytest.raises(ParameterError, match="does not say its sample rate"):
        load_foreign(path, SPOOF)
    np.save(path, np.full((1025, 8), -1.0, np.float32))
    with pytest.raises(ArtifactError, match=r"network\.npy: linear holds negative values"):
        load_foreign(path, TACOTRON)
    with pytest.raises(ArtifactError, match="analyses at 22050 Hz"):
        load_foreign(path, TACOTRON, RATE)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match="is no array that can be read"):
        load_foreign(path, SPOOF, RATE)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_foreign(tmp_path / "no.npy", SPOOF, RATE)
