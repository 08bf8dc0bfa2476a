"""A picture is its spectrogram, pieces are their whole, and an exact picture is its recording."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specloom import sounds
from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.dsp.stft import istft, stft
from specloom.dsp.stream import istft_blocks
from specloom.errors import ParameterError
from specloom.io.audio import load, save
from specloom.pictures import (
    LogRows,
    Picture,
    PictureSequence,
    Piece,
    Tiles,
    draw_pictures,
    picture,
    picture_recipe,
    runs,
)
from specloom.pictures.files import read_settings
from specloom.pixels.depth import from_codes
from specloom.recipes import LIBROSA, SPOOF, TACOTRON, Decibels, Frames, PeakPower, Recipe, streaming_analysis
from specloom.recipes import streaming_synthesis as synthesis_module
from specloom.recipes.analysis import phase_of
from specloom.recipes.streaming_synthesis import sound_spectrogram

EACH = replace(LIBROSA, name="each", channels="each")
UNCENTRED = replace(LIBROSA, name="uncentred", frames=Frames(n_fft=1000, hop_length=250, center=False))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that every recording has many, with odd sizes."""
    monkeypatch.setattr(streaming_analysis, "_BLOCK_FRAMES", 7)
    monkeypatch.setattr(synthesis_module, "_BLOCK_FRAMES", 13)


@pytest.fixture(scope="module")
def speech() -> Audio:
    return load(sounds.path("speech"))


@pytest.fixture(scope="module")
def music() -> Audio:
    """Two seconds of two channels, with silence before and after that recipes trim."""
    whole = load(sounds.path("music"))
    return Audio(np.pad(whole.samples[:, 20_000:100_200], ((0, 0), (5_000, 3_000))), whole.sample_rate)


def level_db(samples: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def snr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    assert reference.shape == estimate.shape
    rest = reference.astype(np.float64) - estimate
    return float(10.0 * np.log10(np.sum(reference.astype(np.float64) ** 2) / np.sum(rest**2)))


def numbered(folder: Path, suffix: str = ".png") -> Callable[[Piece], Path]:
    return lambda piece: folder / f"{piece.index:04}{suffix}"


@pytest.mark.parametrize("recipe", [LIBROSA, TACOTRON, SPOOF, EACH, UNCENTRED], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("array", ["linear", "mel"])
@pytest.mark.parametrize("bits", [8, 16])
def test_picture_gives_its_spectrogram_back(
    recipe: Recipe, array: str, bits: int, music: Audio, tmp_path: Path
) -> None:
    drawn_with = picture_recipe(recipe, array=array, bits=bits)
    spectrogram = drawn_with.analyse(music)
    shown = picture(spectrogram, array=array, bits=bits)
    again = Picture.open(shown.save(tmp_path / "a.png", mark=False))
    assert again.settings == shown.settings
    assert again.notes == ()
    np.testing.assert_array_equal(again.codes, shown.codes)
    np.testing.assert_array_equal(getattr(again.spectrogram(), array), getattr(spectrogram, array))
    marked = Picture.open(shown.save(tmp_path / "b.png"))
    assert np.abs(marked.codes.astype(int) - shown.codes).max() == 1
    assert np.sum(marked.codes != shown.codes) < max(5000, 0.08 * shown.codes.size)


@pytest.mark.parametrize("recipe", [LIBROSA, TACOTRON, SPOOF, EACH], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("array", ["linear", "mel"])
@pytest.mark.parametrize("bits", [8, 16])
def test_picture_keeps_level_and_length(recipe: Recipe, array: str, bits: int, music: Audio, tmp_path: Path) -> None:
    spectrogram = recipe.analyse(music)
    floats = recipe.synthesise(spectrogram, source=array, quality="fast")
    heard = Picture.open(picture(spectrogram, array=array, bits=bits).save(tmp_path / "a.png")).audio("fast")
    assert heard.samples.shape == floats.samples.shape
    assert heard.n_samples == music.n_samples
    assert level_db(heard.samples) == pytest.approx(level_db(floats.samples), abs=0.05)
    if array == "linear":
        original = music.samples if recipe.channels == "each" else music.samples.mean(axis=0)
        assert level_db(heard.samples) == pytest.approx(level_db(original), abs=0.1)


@pytest.mark.parametrize("bits", [8, 16])
def test_picture_keeps_the_level_between_frames_that_were_left_out(bits: int, speech: Audio) -> None:
    spectrogram = SPOOF.analyse(speech)
    floats = SPOOF.synthesise(spectrogram, source="mel", quality="fast")
    heard = picture(spectrogram, array="mel", bits=bits).audio("fast")
    assert level_db(heard.samples) == pytest.approx(level_db(floats.samples), abs=0.02)


def test_picture_lowest_frequency_is_at_the_bottom_and_the_first_channel_on_top() -> None:
    time_s = np.arange(8000) / 8000
    low, high = np.sin(2 * np.pi * 500 * time_s), np.sin(2 * np.pi * 3000 * time_s)
    audio = Audio(np.stack([low, high]).astype(np.float32), 8000)
    recipe = replace(EACH, frames=Frames(n_fft=256, hop_length=64))
    codes = picture(recipe.analyse(audio), array="linear").codes[:, 20:-20]
    assert codes.shape[0] == 2 * 129
    assert set(codes[:129].argmax(axis=0)) == {128 - 16}
    assert set(codes[129:].argmax(axis=0)) == {128 - 96}


@pytest.mark.parametrize("scale", [PeakPower(exponent=0.5), Decibels(reference_db=20.0)])
def test_picture_takes_the_recipes_own_scale(scale: PeakPower | Decibels, speech: Audio) -> None:
    spectrogram = replace(LIBROSA, scale=scale).analyse(speech)
    shown = picture(spectrogram, mapping="recipe")
    assert shown.settings.recipe.scale == scale
    np.testing.assert_allclose(shown.spectrogram().linear, spectrogram.linear, atol=0.51 / 65535)


def test_picture_of_an_array_made_louder_is_not_clipped(speech: Audio) -> None:
    spectrogram = LIBROSA.analyse(speech)
    louder = replace(spectrogram, linear=spectrogram.linear * np.float32(8.0))
    heard = picture(louder).audio("fast")
    assert level_db(heard.samples) == pytest.approx(level_db(speech.samples) + 20 * np.log10(8.0), abs=0.1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("n_before", [4000, 12_000])
def test_picture_of_silence_is_silent(bits: int, n_before: int, tmp_path: Path) -> None:
    """Of nothing but silence, and of silence before a sound."""
    samples = np.zeros(n_before, np.float32) if n_before < 8000 else np.pad(np.ones(4000, np.float32), (n_before, 0))
    shown = picture(LIBROSA.analyse(Audio(samples, 8000)), bits=bits)
    spectrogram = Picture.open(shown.save(tmp_path / "a.png")).spectrogram()
    n_silent = n_before // 512 - 3
    magnitude = spectrogram.magnitude()
    # With 8 bits the mark may set code 1 for code 0, which is 190 dB below the loudest.
    assert magnitude[:, :n_silent].max() <= 1e-9 * magnitude.max()
    heard = spectrogram.recipe.synthesise(spectrogram).samples
    np.testing.assert_allclose(heard[: 512 * (n_silent - 16)], 0.0, atol=1e-6)
    assert heard.shape == samples.shape


PIECES = {
    "16 bits": (LIBROSA, {}),
    "exact": (LIBROSA, {"exact": True}),
    "exact in two channels": (EACH, {"exact": True}),
    "trimmed, resampled, emphasised": (TACOTRON, {}),
    "every fourth frame of mel": (SPOOF, {"array": "mel"}),
    "two channels, 8 bits": (EACH, {"bits": 8}),
    "colours": (LIBROSA, {"array": "mel", "colormap": "magma"}),
    "uncentred": (UNCENTRED, {}),
    "tiles": (SPOOF, {"tiles": Tiles(width=64, height=100, overlap=10)}),
    "log": (LIBROSA, {"rows": LogRows(min_hz=60.0, max_hz=8000.0, n_rows=300)}),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", PIECES)
def test_picture_pieces_are_the_whole(name: str, music: Audio, tmp_path: Path) -> None:
    recipe, options = PIECES[name]
    recording = save(tmp_path / "in.wav", music)
    drawn = draw_pictures(recording, numbered(tmp_path), recipe, piece_s=0.43, mark=False, **options)
    whole_options = {key: value for key, value in options.items() if key != "tiles"}
    whole = draw_pictures(recording, numbered(tmp_path / "whole"), recipe, piece_s=None, mark=False, **whole_options)
    assert len(drawn.paths) > 3
    assert len(whole.paths) == 1
    pieces, one = PictureSequence(drawn.paths[::-1]), Picture.open(whole.paths[0])
    spectrogram, array = one.spectrogram(), one.settings.array
    np.testing.assert_array_equal(getattr(pieces.read(), array), getattr(spectrogram, array))
    assert pieces.origin == spectrogram.origin
    assert pieces.notes == []
    heard = sound_spectrogram(pieces, tmp_path / "pieces.wav", pieces.recipe, quality="fast")
    sound_spectrogram(PictureSequence(whole.paths), tmp_path / "one.wav", pieces.recipe, quality="fast")
    np.testing.assert_array_equal(load(tmp_path / "pieces.wav").samples, load(tmp_path / "one.wav").samples)
    assert heard.n_samples == music.n_samples
    if array == "linear":
        np.testing.assert_allclose(load(tmp_path / "one.wav").samples, one.audio("fast").samples, atol=2e-6)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", PIECES)
def test_picture_drawn_in_blocks_is_that_of_the_whole(name: str, music: Audio, tmp_path: Path) -> None:
    recipe, options = PIECES[name]
    options = {key: value for key, value in options.items() if key != "tiles"}
    exact = options.pop("exact", False)
    recording = save(tmp_path / "in.wav", music)
    drawn = draw_pictures(recording, numbered(tmp_path), recipe, piece_s=None, mark=False, exact=exact, **options)
    bits = drawn.settings[0].bits
    array = drawn.settings[0].array
    unrounded = replace(picture_recipe(recipe, array=array, bits=bits, exact=exact), quantise_bits=None)
    spectrogram = unrounded.analyse(music)
    phase = phase_of(music, recipe) if exact else None
    shown = picture(spectrogram, mapping="recipe", phase=phase, **{"array": array, "bits": bits, **options})
    codes = Picture.open(drawn.paths[0]).codes.astype(int)
    # Blocks of another size are summed in another order, which now and then is the next code.
    apart = np.abs(codes - shown.codes)
    apart = np.minimum(apart, 65536 - apart) if exact else apart
    n_levels = codes.shape[0] // (2 if exact else 1)
    assert apart[:n_levels].max() <= 1
    assert np.mean(apart[:n_levels] > 0) < 0.01
    if exact:
        # The phase of what is nearly silent is noise.
        assert np.mean(apart[n_levels:] > 1) < 0.02


@pytest.mark.parametrize("name", ["speech", "music"])
@pytest.mark.parametrize("mark", [False, True])
def test_picture_exact_is_the_recording(name: str, mark: bool, tmp_path: Path) -> None:
    audio = load(sounds.path(name))
    original = audio.samples if audio.samples.ndim == 1 else audio.samples.mean(axis=0)
    options = {"exact": True, "mark": mark}
    whole = draw_pictures(sounds.path(name), numbered(tmp_path / "whole"), LIBROSA, **options)
    assert snr_db(original, Picture.open(whole.paths[0]).audio().samples) > 90.0
    drawn = draw_pictures(sounds.path(name), numbered(tmp_path), LIBROSA, piece_s=0.7, **options)
    sequence = PictureSequence(drawn.paths)
    sound_spectrogram(sequence, tmp_path / "out.wav", sequence.recipe)
    assert snr_db(original, load(tmp_path / "out.wav").samples) > 90.0


def test_picture_exact_from_an_array_in_memory(speech: Audio, tmp_path: Path) -> None:
    shown = picture(LIBROSA.analyse(speech), phase=phase_of(speech, LIBROSA) + 40 * np.pi)
    assert snr_db(speech.samples, Picture.open(shown.save(tmp_path / "a.tif")).audio().samples) > 85.0


def test_picture_exact_with_colours_is_not_made() -> None:
    audio = Audio(np.ones(3000, np.float32), 8000)
    with pytest.raises(ParameterError, match="exact"):
        picture(LIBROSA.analyse(audio), phase=phase_of(audio, LIBROSA), colormap="magma")


@pytest.mark.parametrize("recipe", [LIBROSA, UNCENTRED], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("kept", [slice(0, 2), slice(1, 3), slice(2, None)], ids=["first", "middle", "last"])
def test_picture_incomplete_run_sounds_where_it_was(recipe: Recipe, kept: slice, speech: Audio, tmp_path: Path) -> None:
    drawn = draw_pictures(sounds.path("speech"), numbered(tmp_path), recipe, piece_s=1.0, exact=True)
    sequence = PictureSequence(drawn.paths[kept])
    sound_spectrogram(sequence, tmp_path / "out.wav", sequence.recipe)
    heard = load(tmp_path / "out.wav").samples
    begin = sequence.run.first_frame * recipe.frames.hop_length
    expected = speech.samples[begin : begin + heard.size]
    n_frames = sequence.run.end_frame - sequence.run.first_frame
    # Outermost, only the faint end of a window has seen the sound.
    inside = slice(100, -100)
    assert abs(heard.size - n_frames * recipe.frames.hop_length) <= recipe.frames.n_fft - recipe.frames.hop_length
    assert snr_db(expected[inside], heard[inside]) > 80.0
    assert len(sequence.notes) == 1
    alone = Picture.open(drawn.paths[1]).audio()
    begin = drawn.settings[1].piece.first_frame * recipe.frames.hop_length
    assert snr_db(speech.samples[begin : begin + alone.n_samples][inside], alone.samples[inside]) > 80.0


def test_picture_runs_split_at_gaps_and_recordings(tmp_path: Path) -> None:
    draw = draw_pictures(sounds.path("speech"), numbered(tmp_path / "a"), LIBROSA, bits=8, piece_s=0.6)
    other = draw_pictures(sounds.path("music"), numbered(tmp_path / "b"), LIBROSA, piece_s=2.0)
    jpeg = draw_pictures(sounds.path("speech"), numbered(tmp_path / "a", ".jpg"), LIBROSA, bits=8, piece_s=9.0)
    draw.paths[4].unlink()
    left = [path for path in draw.paths if path.exists()]
    found = {path: read_settings(path) for path in [*left[::-1], *other.paths, *jpeg.paths]}
    first, second, third, fourth = runs(found)
    assert (first.paths, second.paths) == (draw.paths[:4], draw.paths[5:])
    assert [(run.complete, run.number, run.count) for run in (first, second, third, fourth)] == [
        (False, 0, 2),
        (False, 1, 2),
        (True, 0, 1),
        (True, 0, 1),
    ]
    assert (third.paths, fourth.paths) == (other.paths, jpeg.paths)
    with pytest.raises(ParameterError, match="not pieces of one recording"):
        PictureSequence([*left, *other.paths])


def test_picture_missing_rows_are_silent(speech: Audio, tmp_path: Path) -> None:
    tiles = Tiles(width=400, height=513)
    drawn = draw_pictures(sounds.path("speech"), numbered(tmp_path), LIBROSA, tiles=tiles, mark=False)
    assert [settings.piece.first_row for settings in drawn.settings] == [0, 513]
    lower = PictureSequence(drawn.paths[1:])
    whole = picture(picture_recipe(LIBROSA).analyse(speech), mapping="recipe").spectrogram().linear
    shown = lower.frames("linear")
    np.testing.assert_array_equal(shown[:512], whole[:512])
    assert not shown[512:].any()
    assert "513 of 1025 rows" in lower.notes[0]
    np.testing.assert_array_equal(Picture.open(drawn.paths[1]).spectrogram().linear, shown)


def test_picture_overlapping_tiles_are_averaged(tmp_path: Path) -> None:
    drawn = draw_pictures(
        sounds.path("speech"), numbered(tmp_path), LIBROSA, tiles=Tiles(width=100, height=1025, overlap=20), mark=False
    )
    first = Picture.open(drawn.paths[0])
    changed = first.codes.copy()
    changed[:, 80:] = np.minimum(65535, changed[:, 80:].astype(int) + 20)
    replace(first, codes=changed).save(drawn.paths[0], mark=False)
    joined = PictureSequence(drawn.paths).frames("linear", 70, 110)
    both = from_codes(changed)[::-1]
    alone = from_codes(first.codes)[::-1]
    np.testing.assert_array_equal(joined[:, :10], alone[:, 70:80])
    np.testing.assert_allclose(joined[:, 10:30], (both[:, 80:] + alone[:, 80:]) / 2, atol=1e-6)


def test_picture_exact_tiles_are_the_recording(speech: Audio, tmp_path: Path) -> None:
    tiles = Tiles(width=60, height=700, overlap=20)
    drawn = draw_pictures(sounds.path("speech"), numbered(tmp_path), LIBROSA, tiles=tiles, exact=True)
    sequence = PictureSequence(drawn.paths)
    sound_spectrogram(sequence, tmp_path / "out.wav", sequence.recipe)
    assert snr_db(speech.samples, load(tmp_path / "out.wav").samples) > 90.0


CONFIGS = [
    StftConfig(sample_rate=8000, n_fft=256, hop_length=64),
    StftConfig(sample_rate=8000, n_fft=256, hop_length=100, win_length=201, center=False),
    StftConfig(sample_rate=8000, n_fft=300, hop_length=75),
    StftConfig(sample_rate=8000, n_fft=64, hop_length=64, window="boxcar"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any),
    n_extra=st.none() | st.integers(-300, 700),
    n_channels=st.sampled_from([0, 2]),
)
def test_istft_blocks_equal_istft(config: StftConfig, sizes: list[int], n_extra: int | None, n_channels: int) -> None:
    n_frames = sum(sizes)
    n_samples = max(config.n_samples(n_frames), 1)
    shape = (n_channels, n_samples) if n_channels else (n_samples,)
    samples = np.random.default_rng(n_frames).standard_normal(shape).astype(np.float32)
    spectrum = stft(samples, config)[..., :n_frames]
    length = None if n_extra is None else max(0, n_samples + n_extra)
    blocks = np.split(spectrum, np.cumsum(sizes)[:-1], axis=-1)
    joined = np.concatenate(list(istft_blocks(blocks, config, length)), axis=-1)
    whole = istft(spectrum, config, length)
    assert joined.dtype == whole.dtype
    # Where the last windows fade out, both divide rounding errors by nearly nothing.
    np.testing.assert_allclose(joined, whole, atol=1e-4)
    np.testing.assert_allclose(joined[..., : n_samples - 50], whole[..., : n_samples - 50], atol=3e-6)


def test_istft_blocks_refuse_no_frames() -> None:
    with pytest.raises(ParameterError, match="no frames"):
        list(istft_blocks([], CONFIGS[0]))
