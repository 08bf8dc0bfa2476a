"""Pictures survive what programs do to them and say what was lost; what contradicts itself is refused in a sentence."""

import json
import shutil
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import PngImagePlugin

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import ArtifactError, AudioFileError, ImageFileError, ParameterError
from specloom.io.audio import load, save
from specloom.pictures import Bins, LogRows, Picture, PictureSequence, PictureSettings, Tiles, draw_pictures, picture
from specloom.pictures.files import read_picture, read_settings, sidecar_of
from specloom.pictures.levels import palette_of
from specloom.pixels.colormaps import NAMES
from specloom.pixels.depth import from_codes
from specloom.pixels.mark import write_mark
from specloom.recipes import LIBROSA, SPOOF, Spectrogram
from specloom.recipes.analysis import phase_of


@pytest.fixture(scope="module")
def audio() -> Audio:
    return load(sounds.path("speech"))


@pytest.fixture(scope="module")
def spectrogram(audio: Audio) -> Spectrogram:
    return LIBROSA.analyse(audio)


def resaved(path: Path, name: str = "", change: Callable[[Any], Any] = lambda image: image, **options: Any) -> Path:
    """The picture as another program would write it: pixels, and no text."""
    target = path.with_name(f"resaved-{name or path.name}")
    with Pillow.open(path) as image:
        image.info.clear()
        changed = change(image)
        if "tag_v2" in dir(changed):
            changed = Pillow.fromarray(np.asarray(changed)) if changed.mode != "P" else changed
        changed.info.clear()
        changed.save(target, **options)
    return target


def level_db(samples: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def assert_sounds_like(found: Picture, audio: Audio, within_db: float = 0.15) -> None:
    heard = found.audio("fast")
    assert heard.n_samples == audio.n_samples
    assert heard.sample_rate == audio.sample_rate
    assert level_db(heard.samples) == pytest.approx(level_db(audio.samples), abs=within_db)


# --- a second place for the settings ---


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 16])
def test_picture_without_its_text_is_heard_by_the_mark(
    suffix: str, bits: int, audio: Audio, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    shown = picture(spectrogram, bits=bits)
    path = shown.save(tmp_path / f"a{suffix}")
    assert not sidecar_of(path).exists()
    again = resaved(path)
    found = Picture.open(again)
    assert found.settings == shown.settings == read_settings(again)
    assert found.notes == ("the file has no text of ours; the settings were found in the pixels",)
    np.testing.assert_array_equal(found.codes, Picture.open(path).codes)
    assert_sounds_like(found, audio)


@pytest.mark.parametrize("colormap", ["gray", "magma"])
def test_picture_jpeg_without_its_text_is_heard_by_the_sidecar(
    colormap: str, audio: Audio, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    shown = picture(spectrogram, bits=8, colormap=colormap)
    path = shown.save(tmp_path / "a.jpg")
    assert Picture.open(path).notes == ("JPEG changes levels a little",)
    resaved(path, quality=95).replace(path)
    found = Picture.open(path)
    assert "found in a.jpg.json" in found.notes[0]
    settings = read_settings(path)
    assert settings == shown.settings
    assert_sounds_like(found, audio, within_db=0.5)
    sidecar_of(path).unlink()
    assert read_settings(path) is None
    with pytest.raises(ImageFileError, match="no settings of ours"):
        Picture.open(path)


@pytest.mark.parametrize(
    ("options", "mode", "one_step"),
    [({}, "L", True), ({"array": "mel"}, "L", True), ({"colormap": "magma"}, "RGB", False)],
)
def test_picture_jpeg_is_an_ordinary_one_and_gray_is_rounded_for_listening(
    options: dict[str, Any], mode: str, one_step: bool, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    shown = picture(spectrogram, bits=8, **options)
    path = shown.save(tmp_path / "a.jpg", jpeg_quality=75)
    with Pillow.open(path) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", mode, shown.codes.shape[::-1])
        assert "progressive" not in image.info
        assert (set(image.quantization[0]) == {8}) == one_step
    found = read_picture(path)
    assert found.settings == shown.settings
    assert np.sqrt(np.mean((found.values - from_codes(shown.codes)) ** 2)) < 0.05


def test_picture_too_small_for_the_mark_has_a_sidecar(tmp_path: Path) -> None:
    short = Audio(np.hanning(3000).astype(np.float32), 8000)
    path = picture(SPOOF.analyse(short), array="mel").save(tmp_path / "a.png")
    assert sidecar_of(path).exists()
    resaved(path).replace(path)
    assert Picture.open(path).audio().n_samples == 3000


def test_picture_sidecar_of_an_earlier_picture_is_not_believed(spectrogram: Spectrogram, tmp_path: Path) -> None:
    short = Audio(np.hanning(3000).astype(np.float32), 8000)
    picture(SPOOF.analyse(short), array="mel").save(tmp_path / "a.png")
    shown = picture(spectrogram)
    path = shown.save(tmp_path / "a.png", mark=False)
    resaved(path).replace(path)
    assert Picture.open(path).settings == shown.settings


def test_picture_in_colours_has_256_of_them() -> None:
    for name in NAMES:
        assert len(np.unique(palette_of(name), axis=0)) == 256


def test_picture_settings_are_the_same_with_and_without_the_pixels(spectrogram: Spectrogram, tmp_path: Path) -> None:
    shown = picture(spectrogram)
    path = resaved(shown.save(tmp_path / "a.png"))
    # Of an earlier picture of that name and size.
    sidecar_of(path).write_text(picture(spectrogram, bits=8).settings.to_json())
    assert read_settings(path) == Picture.open(path).settings == shown.settings
    assert PictureSequence([path]).frames("linear").shape == (1025, 163)


# --- what programs do ---


@pytest.mark.parametrize("colormap", ["magma", "viridis", "gray-inverted", "jet"])
def test_picture_in_colours_saved_as_rgb(colormap: str, audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    shown = picture(spectrogram, colormap=colormap)
    path = shown.save(tmp_path / "a.png")
    drawn = Picture.open(path)
    assert drawn.notes == ()
    again = resaved(path, change=lambda image: image.convert("RGB"))
    found = Picture.open(again)
    np.testing.assert_allclose(found.codes / (2**found.settings.bits - 1), drawn.codes / 255, atol=1e-4)
    assert "found in the pixels" in found.notes[0]
    assert_sounds_like(found, audio)


def test_picture_in_colours_turned_to_gray(audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, colormap="magma").save(tmp_path / "a.png")
    with Pillow.open(path) as image:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("specloom", image.info["specloom"])
        image.convert("RGB").convert("L").save(tmp_path / "gray.png", pnginfo=text)
    found = Picture.open(tmp_path / "gray.png")
    assert "levels are taken from the brightness" in found.notes[0]
    assert_sounds_like(found, audio, within_db=0.5)


def test_picture_in_colours_that_are_equally_bright_turned_to_gray(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, colormap="jet").save(tmp_path / "a.jpg")
    resaved(path, change=lambda image: image.convert("L")).replace(path)
    with pytest.raises(ImageFileError, match="equally bright"):
        Picture.open(path)


def test_picture_in_gray_saved_as_rgb(audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, bits=8).save(tmp_path / "a.png")
    found = Picture.open(resaved(path, change=lambda image: image.convert("RGB")))
    np.testing.assert_array_equal(found.codes, Picture.open(path).codes)
    assert_sounds_like(found, audio)


def test_picture_of_16_bits_reduced_to_8(audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram).save(tmp_path / "a.png")
    with Pillow.open(path) as image:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("specloom", image.info["specloom"])
        eight = Pillow.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
        eight.save(tmp_path / "b.png", pnginfo=text)
    found = Picture.open(tmp_path / "b.png")
    assert found.notes == ("of 16 bits a pixel 8 are left",)
    assert_sounds_like(found, audio, within_db=0.5)


def with_its_text(path: Path, change: Callable[[Any], Any]) -> Path:
    """The picture as a program would write it that keeps texts."""
    target = path.with_name(f"kept-{path.name}")
    with Pillow.open(path) as image:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("specloom", image.info["specloom"])
        change(image).save(target, pnginfo=text)
    return target


def test_picture_of_16_bits_cut_off_at_255_is_refused(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram).save(tmp_path / "a.png")
    cut = with_its_text(path, lambda image: Pillow.fromarray(np.minimum(np.asarray(image), 255).astype(np.uint8)))
    with pytest.raises(ImageFileError, match="saved with 8 in a way that cut them off"):
        Picture.open(cut)


@pytest.mark.parametrize("keep", [resaved, with_its_text])
@pytest.mark.parametrize("bits", [8, 16])
def test_picture_negative_is_turned_back(
    bits: int, keep: Callable[..., Path], spectrogram: Spectrogram, tmp_path: Path
) -> None:
    path = picture(spectrogram, bits=bits).save(tmp_path / "a.png")
    most = 2**bits - 1
    again = keep(path, change=lambda image: Pillow.fromarray(most - np.asarray(image)))
    found = Picture.open(again)
    np.testing.assert_array_equal(found.codes, Picture.open(path).codes)
    assert any("negative" in note for note in found.notes)


@pytest.mark.parametrize("colours", [(255, 254), (0, 1)])
def test_picture_in_another_palette_keeps_its_codes(
    colours: tuple[int, int], spectrogram: Spectrogram, tmp_path: Path
) -> None:
    path = picture(spectrogram, colormap="magma").save(tmp_path / "a.png")

    def recoloured(image: Any) -> Any:
        image.putpalette(np.repeat(np.linspace(*colours, 256).astype(np.uint8), 3).tobytes())
        return image

    found = Picture.open(resaved(path, change=recoloured))
    np.testing.assert_array_equal(found.codes, Picture.open(path).codes)


def test_picture_whose_pixels_were_changed_is_told(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram).save(tmp_path / "a.png")
    for turn in (Pillow.Transpose.FLIP_LEFT_RIGHT, Pillow.Transpose.FLIP_TOP_BOTTOM):
        found = Picture.open(with_its_text(path, lambda image, turn=turn: image.transpose(turn)))
        assert found.notes == (
            "its pixels have lost their mark, so they were changed since it was drawn (or had none)",
        )
    assert Picture.open(picture(spectrogram).save(tmp_path / "b.png", mark=False)).notes == ()


def test_picture_with_fewer_colours_is_told(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, colormap="magma").save(tmp_path / "a.png")
    found = Picture.open(with_its_text(path, lambda image: image.convert("RGB").quantize(64)))
    assert any("its colours were changed" in note for note in found.notes)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_picture_on_its_side_is_refused(suffix: str, spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, bits=8).save(tmp_path / f"a{suffix}")
    sidecar_of(path).write_text(picture(spectrogram, bits=8).settings.to_json())
    resaved(path, change=lambda image: image.transpose(Pillow.Transpose.ROTATE_90)).replace(path)
    with pytest.raises(ArtifactError, match="turned on its side"):
        Picture.open(path)


def test_picture_without_some_rows_is_doubted(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram).save(tmp_path / "a.png")
    found = Picture.open(with_its_text(path, lambda image: image.crop((0, 200, 163, 1025))))
    assert any("if rows were cut off" in note for note in found.notes)
    evenly = Picture.open(with_its_text(path, lambda image: image.resize((82, 513))))
    assert not any("if rows were cut off" in note for note in evenly.notes)


def test_picture_exact_without_its_lower_half_is_the_spectrogram(
    audio: Audio, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    path = picture(spectrogram, phase=phase_of(audio, LIBROSA)).save(tmp_path / "a.png")
    found = Picture.open(with_its_text(path, lambda image: image.crop((0, 0, 163, 1025))))
    assert found.phase() is None
    np.testing.assert_allclose(found.codes, Picture.open(path).codes[:1025], atol=1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_picture_cropped_in_time_knows_where_it_was(
    suffix: str, audio: Audio, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    shown = picture(spectrogram)
    path = shown.save(tmp_path / f"a{suffix}")
    again = resaved(path, change=lambda image: image.crop((41, 0, 141, 1025)))
    settings = read_settings(again)
    assert settings is not None
    assert (settings.piece.first_frame, settings.piece.n_frames) == (41, 100)
    sequence = PictureSequence([again])
    np.testing.assert_array_equal(sequence.frames("linear"), Picture.open(path).spectrogram().linear[:, 41:141])
    assert any("cropped in time: 100 of 163 frames, from frame 41" in note for note in sequence.notes)
    found = Picture.open(again)
    heard = found.audio("fast")
    assert heard.n_samples == 100 * 512 - 1
    assert level_db(heard.samples) == pytest.approx(level_db(audio.samples[41 * 512 : 141 * 512]), abs=0.3)


def test_picture_jpeg_cropped_in_time_says_that_nobody_knows_where(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, bits=8).save(tmp_path / "a.jpg")
    resaved(path, change=lambda image: image.crop((41, 0, 141, 1025)), quality=95).replace(path)
    found = Picture.open(path)
    assert any("nobody knows from where" in note for note in found.notes)
    assert found.audio("fast").n_samples == 100 * 512 - 1
    drawn = picture(spectrogram, bits=8).spectrogram().linear[:, 41:141]
    assert np.sqrt(np.mean((found.spectrogram().linear - drawn) ** 2)) < 0.02


@pytest.mark.parametrize("size", [(163, 600), (300, 1025), (82, 513)])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_picture_scaled_keeps_length_and_pitch(
    size: tuple[int, int], suffix: str, audio: Audio, spectrogram: Spectrogram, tmp_path: Path
) -> None:
    path = picture(spectrogram, bits=8).save(tmp_path / f"a{suffix}")
    if suffix == ".png":
        sidecar_of(path).write_text(picture(spectrogram, bits=8).settings.to_json())
    resaved(path, change=lambda image: image.resize(size, Pillow.Resampling.BICUBIC)).replace(path)
    found = Picture.open(path)
    assert any("scaled back from" in note for note in found.notes)
    assert_sounds_like(found, audio, within_db=4.0)
    scaled, drawn = found.spectrogram().linear, picture(spectrogram, bits=8).spectrogram().linear
    assert np.corrcoef(scaled.ravel(), drawn.ravel())[0, 1] > 0.93


def test_picture_exact_scaled_seeks_new_phases(audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, phase=phase_of(audio, LIBROSA)).save(tmp_path / "a.png")
    shutil.copy(path, tmp_path / "b.png")
    settings = read_settings(path)
    assert settings is not None
    sidecar_of(path).write_text(settings.to_json())
    resaved(path, change=lambda image: image.resize((163, 2000), Pillow.Resampling.BICUBIC)).replace(path)
    sequence = PictureSequence([path])
    assert sequence.phase(0, 10) is None
    assert sequence.frames("linear").shape == (1025, 163)
    assert any("phases" in note for note in sequence.notes)
    found = Picture.open(path)
    assert found.phase() is None
    assert_sounds_like(found, audio, within_db=2.0)
    assert PictureSequence([tmp_path / "b.png"]).phase(0, 10) is not None


def test_picture_scaled_beyond_recognition_is_refused(spectrogram: Spectrogram, tmp_path: Path) -> None:
    path = picture(spectrogram, bits=8).save(tmp_path / "a.jpg")
    resaved(path, change=lambda image: image.resize((163, 10))).replace(path)
    with pytest.raises(ArtifactError, match=r"163 x 10 pixels and its settings promise 163 x 1025"):
        Picture.open(path)


# --- strangers, damage, contradiction ---


def test_picture_of_a_stranger_has_no_settings(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 200, 3), dtype=np.uint8)
    for name, pixels in (("a.png", noise), ("b.png", noise[..., 0]), ("c.png", noise[:1, :1])):
        Pillow.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / name)
        assert read_settings(tmp_path / name) is None
        with pytest.raises(ImageFileError, match="no settings of ours"):
            read_picture(tmp_path / name)
    (tmp_path / "d.png").write_text("no picture")
    assert read_settings(tmp_path / "d.png") is None
    assert read_settings(tmp_path / "nothing.png") is None
    with pytest.raises(ImageFileError):
        read_picture(tmp_path / "nothing.png")


def with_text(path: Path, target: Path, text: str) -> Path:
    with Pillow.open(path) as image:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("specloom", text)
        image.save(target, pnginfo=chunks)
    return target


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 50_000, "x" * 70_000])
def test_picture_with_a_damaged_text_is_heard_by_the_mark(text: str, spectrogram: Spectrogram, tmp_path: Path) -> None:
    shown = picture(spectrogram)
    damaged = with_text(shown.save(tmp_path / "a.png"), tmp_path / "b.png", text)
    found = Picture.open(damaged)
    assert found.settings == shown.settings
    assert "the text of ours in the file is damaged" in found.notes[0]
    assert read_settings(damaged) == shown.settings
    alone = with_text(shown.save(tmp_path / "c.png", mark=False), tmp_path / "d.png", text)
    for read in (Picture.open, read_settings):
        with pytest.raises(ArtifactError, match="settings"):
            read(alone)


HOSTILE: list[tuple[str, Any]] = [
    ("version", 2),
    ("recipe.frames.n_fft", 2**40),
    ("recipe.frames.n_fft", 2**20),
    ("recipe.frames.n_fft", 0),
    ("recipe.frames.hop_length", 0),
    ("recipe.frames.hop_length", 1),
    ("recipe.mel_frame_step", 10**9),
    ("recipe.scale", {"kind": "linear"}),
    ("recipe.scale", {"kind": "peak-power", "exponent": 1e-300}),
    ("recipe.unknown", 1),
    ("origin.n_samples", 10**15),
    ("origin.n_analysed", 10**15),
    ("origin.stop", 10**12),
    ("origin.n_channels", 10**12),
    ("origin.sample_rate", 10**18),
    ("origin.analysis_rate", 1),
    ("origin.linear_peak", 1e38),
    ("origin.linear_peak", float("nan")),
    ("array", "both"),
    ("bits", 12),
    ("bits", True),
    ("colormap", "magma"),
    ("colormap", "nothing"),
    ("exact", True),
    ("rows", {"kind": "log", "min_hz": 10.0, "max_hz": 1e9, "n_rows": 100}),
    ("rows", {"kind": "log", "min_hz": 10.0, "max_hz": 100.0, "n_rows": 10**12}),
    ("piece.n_frames", 10**12),
    ("piece.n_frames", 10**9),
    ("piece.n_rows", 10**6),
    ("piece.n_rows", 3),
    ("piece.first_frame", 10**12),
    ("piece.first_row", 1025),
    ("piece.index", 1),
    ("piece.index", -1),
    ("origin.n_channels", 1000),
    ("piece.count", 10**30),
    ("source", 3),
]


@pytest.mark.parametrize(("field", "value"), HOSTILE, ids=[f"{field}={value}"[:50] for field, value in HOSTILE])
def test_picture_with_hostile_settings_is_refused(
    field: str, value: Any, spectrogram: Spectrogram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = picture(spectrogram)
    plain = json.loads(shown.settings.to_json())
    *path, last = field.split(".")
    place = plain
    for name in path:
        place = place[name]
    place[last] = value
    hostile = with_text(shown.save(tmp_path / "a.png", mark=False), tmp_path / "b.png", json.dumps(plain))
    monkeypatch.setattr(np, "zeros", _no_large(np.zeros))
    with pytest.raises(ArtifactError) as caught:
        Picture.open(hostile).audio("fast")
    assert "\n" not in str(caught.value)
    assert str(hostile) in str(caught.value)


def _no_large(allocate: Callable[..., Any]) -> Callable[..., Any]:
    def checked(shape: Any, *args: Any, **kwargs: Any) -> Any:
        assert np.prod(np.atleast_1d(shape), dtype=np.float64) < 1e8
        return allocate(shape, *args, **kwargs)

    return checked


def test_picture_with_a_bomb_in_its_mark_is_refused(spectrogram: Spectrogram, tmp_path: Path) -> None:
    codes = picture(spectrogram).codes
    for number, payload in enumerate([zlib.compress(b" " * 10**8, 9)[:65_000], b"no zlib", zlib.compress(b"{}")]):
        path = tmp_path / f"{number}.png"
        wide = np.tile(codes, (1, 4)) if len(payload) > 10_000 else codes
        Pillow.fromarray(write_mark(wide, payload)).save(path)
        tracemalloc.start()
        with pytest.raises(ArtifactError, match="in the pixels"):
            Picture.open(path)
        assert tracemalloc.get_traced_memory()[1] < 3e7
        tracemalloc.stop()


def test_picture_json_round_trip(spectrogram: Spectrogram) -> None:
    settings = picture(spectrogram, rows=LogRows(min_hz=50.0, max_hz=7000.0, n_rows=300), bits=8).settings
    assert PictureSettings.from_json(settings.to_json(), "here") == settings
    assert settings.to_json().isascii()


def test_picture_formats_that_cannot_hold_it(audio: Audio, spectrogram: Spectrogram, tmp_path: Path) -> None:
    for shown in (picture(spectrogram), picture(spectrogram, phase=phase_of(audio, LIBROSA))):
        with pytest.raises(ParameterError, match="JPEG holds 8 bits"):
            shown.save(tmp_path / "a.jpg")
    with pytest.raises(ParameterError):
        picture(spectrogram).save(tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageFileError, match="folder"):
        picture(spectrogram).save(tmp_path / "folder.png")


@pytest.mark.parametrize(
    "options",
    [
        {"bits": 16, "colormap": "magma"},
        {"colormap": "nothing"},
        {"bits": 9},
        {"array": "both"},
        {"array": "mel", "rows": LogRows(min_hz=50.0, max_hz=7000.0, n_rows=300)},
        {"rows": LogRows(min_hz=50.0, max_hz=9000.0, n_rows=300)},
        {"mapping": "recipe"},
        {"mapping": "db"},
        {"phase": np.zeros(3)},
    ],
    ids=str,
)
def test_picture_settings_that_contradict_each_other(options: dict[str, Any], spectrogram: Spectrogram) -> None:
    with pytest.raises(ParameterError):
        picture(spectrogram, **options)


def test_picture_codes_of_another_shape(spectrogram: Spectrogram) -> None:
    shown = picture(spectrogram)
    for codes in (shown.codes[1:], shown.codes.astype(np.uint8)):
        with pytest.raises(ParameterError, match="codes have shape"):
            replace(shown, codes=codes)


# --- drawing again ---


def test_picture_that_could_not_be_read_again_is_not_begun(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("specloom.io.image._LARGEST_TIFF", 1000)
    monkeypatch.setattr("specloom.pictures.drawing.gather", None)
    with pytest.raises(ParameterError, match=r"is not opened again, here are 163 x 1025 pixels"):
        draw_pictures(recording, lambda piece: tmp_path / "a.tif", LIBROSA, piece_s=None)


def test_picture_exact_without_a_tile_seeks_new_phases(recording: Path, tmp_path: Path) -> None:
    tiles = Tiles(width=100, height=1100)
    made = draw_pictures(recording, lambda piece: tmp_path / f"{piece.index}.png", LIBROSA, exact=True, tiles=tiles)
    assert PictureSequence(made.paths).phase(0, 10) is not None
    sequence = PictureSequence([made.paths[0], *made.paths[2:]])
    assert sequence.phase(0, 10) is None
    assert any("950 of 2050 rows are not there, or not all along" in note for note in sequence.notes)
    assert any("new ones are sought" in note for note in sequence.notes)


def test_picture_notes_name_the_pictures_that_they_are_about(recording: Path, tmp_path: Path) -> None:
    made = draw(tmp_path, recording)
    for path in made.paths[2:4]:
        resaved(path).replace(path)
    sequence = PictureSequence(made.paths)
    sequence.read()
    assert sequence.notes == [
        "002.png to 003.png (2 pictures): the file has no text of ours; the settings were found in the pixels"
    ]


def draw(folder: Path, recording: Path, **options: Any) -> Any:
    return draw_pictures(recording, lambda piece: folder / f"{piece.index:03}.png", LIBROSA, piece_s=1.0, **options)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return Path(shutil.copy(sounds.path("speech"), tmp_path / "in.flac"))


def test_picture_drawing_goes_on_where_it_was_interrupted(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = draw(tmp_path / "out", recording)
    assert (first.n_drawn, first.n_skipped) == (6, 0)
    bytes_of = {path: path.read_bytes() for path in first.paths}
    stamps = {path: path.stat().st_mtime_ns for path in first.paths}
    first.paths[3].unlink()
    second = draw(tmp_path / "out", recording)
    assert (second.n_drawn, second.n_skipped) == (1, 5)
    assert {path: path.read_bytes() for path in second.paths} == bytes_of
    assert all(path.stat().st_mtime_ns == stamps[path] for path in second.paths if path != second.paths[3])
    # Nothing is decoded when everything is there.
    monkeypatch.setattr("specloom.pictures.drawing.gather", None)
    third = draw(tmp_path / "out", recording)
    assert (third.n_drawn, third.n_skipped, third.settings) == (0, 6, first.settings)


def test_picture_drawing_as_jpeg_goes_on_and_is_joined(recording: Path, audio: Audio, tmp_path: Path) -> None:
    def drawn(jpeg_quality: int = 90) -> Any:
        return draw_pictures(
            recording,
            lambda piece: tmp_path / f"{piece.index}.jpg",
            LIBROSA,
            bits=8,
            piece_s=1.5,
            jpeg_quality=jpeg_quality,
        )

    first = drawn()
    assert (first.n_drawn, drawn().n_drawn) == (4, 0)
    sidecar_of(first.paths[0]).unlink()
    first.paths[1].unlink()
    assert drawn().n_drawn == 1
    assert drawn().n_drawn == 0
    with pytest.raises(ArtifactError, match="was not drawn with a JPEG quality of 30; use --overwrite"):
        drawn(30)
    sequence = PictureSequence(first.paths)
    spectrogram = sequence.read()
    assert sequence.notes == ["JPEG changes levels a little"]
    floats = picture(LIBROSA.analyse(audio), bits=8).spectrogram().linear
    assert np.sqrt(np.mean((spectrogram.linear - floats) ** 2)) < 0.02
    heard = spectrogram.recipe.synthesise(spectrogram, quality="fast")
    assert level_db(heard.samples) == pytest.approx(level_db(audio.samples), abs=0.5)


def test_picture_drawing_replaces_nothing_unasked(recording: Path, tmp_path: Path) -> None:
    drawn = draw(tmp_path / "out", recording)
    with pytest.raises(ArtifactError, match=r"000\.png is there already and was drawn with other settings"):
        draw(tmp_path / "out", recording, bits=8)
    (tmp_path / "out" / "002.png").write_text("my holiday")
    with pytest.raises(ArtifactError, match=r"002\.png is there already and is no picture of ours"):
        draw(tmp_path / "out", recording)
    assert (tmp_path / "out" / "002.png").read_text() == "my holiday"
    again = draw(tmp_path / "out", recording, overwrite=True)
    assert again.n_drawn == 6
    shutil.copy(sounds.path("music"), recording)
    with pytest.raises(ArtifactError, match="was drawn from another recording"):
        draw(tmp_path / "out", recording)
    assert read_settings(drawn.paths[0]) == drawn.settings[0]


def test_picture_drawing_leaves_nothing_half_written(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pillow.Image, "save", _failing_after(Pillow.Image.save, 2))
    with pytest.raises(ImageFileError):
        draw(tmp_path / "out", recording, bits=8)
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(left) == 2
    assert all(read_settings(tmp_path / "out" / name) is not None for name in left)


def _failing_after(work: Callable[..., Any], n_good: int) -> Callable[..., Any]:
    done = []

    def save(*args: Any, **kwargs: Any) -> Any:
        if len(done) == n_good:
            Path(args[1]).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        done.append(1)
        return work(*args, **kwargs)

    return save


def test_picture_drawing_refuses_what_cannot_be(recording: Path, tmp_path: Path) -> None:
    for options in ({"piece_s": 0.0}, {"piece_s": float("nan")}):
        with pytest.raises(ParameterError, match="piece_s"):
            draw_pictures(recording, lambda piece: tmp_path / "a.png", LIBROSA, **options)
    with pytest.raises(AudioFileError):
        draw(tmp_path / "out", tmp_path / "nothing.wav")
    with pytest.raises(ParameterError, match="megapixels"):
        draw(tmp_path / "out", recording, tiles=Tiles(width=10**6, height=1025))
    for options in ({"width": 0, "height": 1}, {"width": 8, "height": 8, "overlap": 8}, {"width": 8, "height": -1}):
        with pytest.raises(ParameterError):
            Tiles(**options)
    assert not list(tmp_path.glob("**/*.png"))


def test_picture_settings_know_their_recording(recording: Path, tmp_path: Path) -> None:
    one = draw(tmp_path / "a", recording).settings[0]
    assert one.rows == Bins()
    assert one.source.name == "in.flac"
    other = draw(tmp_path / "b", recording, bits=8).settings[0]
    assert one.recording != other.recording
    shorter = load(recording)
    save(recording.with_suffix(".wav"), Audio(shorter.samples[:40_000], shorter.sample_rate))
    third = draw(tmp_path / "c", recording.with_suffix(".wav")).settings[0]
    assert len({one.recording, other.recording, third.recording}) == 3
