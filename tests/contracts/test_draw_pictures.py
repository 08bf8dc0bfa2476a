"""Drawing pictures of files and folders: named by piece, skipped one by one, refused in a sentence, never half."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from specloom import sounds
from specloom.audio import Audio
from specloom.cli.draw import seconds_of
from specloom.errors import ParameterError
from specloom.io.audio import load, save
from specloom.pictures import LogRows, Picture
from specloom.pictures.files import read_settings
from specloom.recipes import LIBROSA, SPOOF, TACOTRON, Decibels, Frames, PeakPower, Recipe
from specloom.tasks.batch import FileResult
from specloom.tasks.draw_pictures import Style, draw_picture_files
from specloom.tasks.pieces import missing_pieces, piece_path, run_stem, whole_stem

RECIPE = replace(LIBROSA, name="small", frames=Frames(n_fft=256, hop_length=64))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(20_000)).astype(np.float32)
    return save(tmp_path / "in" / "noise.wav", Audio(samples, 8000))


def drawn(source: Path, out: Path, style: Style | None = None, **options: object) -> FileResult:
    [result] = draw_picture_files([source], out, RECIPE, style, **options)  # type: ignore[arg-type]
    return result


def test_one_piece_has_the_recordings_name_and_several_are_numbered(recording: Path, tmp_path: Path) -> None:
    result = drawn(recording, tmp_path / "one")
    assert (result.status, result.target.name) == ("done", "noise.png")
    assert result.message == "2.5 s of sound"
    result = drawn(recording, tmp_path / "many", Style(piece_s=1.0))
    names = ["noise-001.png", "noise-002.png", "noise-003.png"]
    assert [path.name for path in result.files] == names
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == names
    assert result.target == result.files[0]
    assert result.message == "2.5 s of sound, 3 pictures"


def test_the_pieces_are_the_whole_picture_and_the_last_is_shorter(recording: Path, tmp_path: Path) -> None:
    whole = Picture.open(drawn(recording, tmp_path / "one", Style(piece_s=None)).target)
    pieces = [Picture.open(path) for path in drawn(recording, tmp_path / "many", Style(piece_s=1.0)).files]
    assert [piece.codes.shape[1] for piece in pieces] == [125, 125, 63]
    joined = np.concatenate([piece.codes for piece in pieces], axis=1).astype(int)
    # The settings stand in the last bits of some pixels, and are others.
    assert np.abs(joined - whole.codes).max() <= 2
    assert {piece.settings.recording for piece in pieces} == {whole.settings.recording}


def test_the_frame_at_the_very_end_is_no_picture_of_its_own(tmp_path: Path) -> None:
    source = save(tmp_path / "two.wav", Audio(np.full(16_000, 0.1, np.float32), 8000))
    for piece_s, widths in ((2.0, [251]), (1.0, [125, 126]), (0.99, [124, 124, 3]), (0.9, [113, 113, 25])):
        files = drawn(source, tmp_path / str(piece_s), Style(piece_s=piece_s)).files
        assert [Picture.open(path).codes.shape[1] for path in files] == widths


def test_pieces_of_a_round_length_leave_no_scrap(tmp_path: Path) -> None:
    # 0.9 s are 112.5 frames: four pieces of 112 would leave 3.
    source = save(tmp_path / "a.wav", Audio(np.full(4 * 7200, 0.1, np.float32), 8000))
    assert len(drawn(source, tmp_path / "out", Style(piece_s=0.9)).files) == 4


def test_pieces_do_not_take_the_name_of_another_recording(recording: Path, tmp_path: Path) -> None:
    short = save(tmp_path / "in" / "noise-001.wav", Audio(np.full(3000, 0.1, np.float32), 8000))
    batch = draw_picture_files([recording.parent], tmp_path / "out", RECIPE, Style(piece_s=1.0), overwrite=True)
    results = {result.source: result for result in batch}
    assert [results[short].status, results[recording].status] == ["done", "failed"]
    assert "the name of another recording's picture too" in results[recording].message
    assert Picture.open(tmp_path / "out" / "noise-001.png").settings.source.name == "noise-001.wav"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (replace(RECIPE, sample_rate=4000), "; as exact as its 4000 Hz allow: the recipe resamples 8000 Hz"),
        (replace(RECIPE, frames=replace(RECIPE.frames, center=False)), "; not exact at the very ends"),
        (replace(RECIPE, trim_db=30.0), "; the edges that the recipe trims come back silent"),
    ],
)
def test_what_an_exact_picture_does_not_hold_is_told(recipe: Recipe, words: str, tmp_path: Path) -> None:
    samples = np.pad(np.sin(np.arange(8000.0) / 3.0), 4000).astype(np.float32)
    source = save(tmp_path / "a.wav", Audio(samples, 8000))
    for exact in (True, False):
        [result] = draw_picture_files([source], tmp_path / str(exact), recipe, Style(exact=exact))
        assert (words in result.message) == exact
    [result] = draw_picture_files([source], tmp_path / "all", RECIPE, Style(exact=True))
    assert result.message == "2.0 s of sound"


def test_a_scale_that_no_picture_holds_is_refused_before_anything_is_read(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="mapping='recipe' with scale='linear'"):
        draw_picture_files([recording], tmp_path, RECIPE, Style(mapping="recipe"))
    with pytest.raises(ParameterError, match="range_db=0"):
        Style(range_db=0.0)


@pytest.mark.parametrize(
    ("style", "mode", "suffix"),
    [
        (Style(), "I;16", ".png"),
        (Style(file_format="png8"), "L", ".png"),
        (Style(file_format="png8", colormap="magma"), "P", ".png"),
        (Style(file_format="jpeg"), "L", ".jpg"),
        (Style(file_format="jpeg", colormap="viridis"), "RGB", ".jpg"),
        (Style(file_format="tiff"), "I;16", ".tif"),
        (Style(file_format="tiff", colormap="magma"), "P", ".tif"),
    ],
)
def test_a_picture_has_one_pixel_for_each_bin_and_frame(
    style: Style, mode: str, suffix: str, recording: Path, tmp_path: Path
) -> None:
    path = drawn(recording, tmp_path / "out", style).target
    with Image.open(path) as image:
        assert (image.mode, image.size, path.suffix) == (mode, (313, 129), suffix)
    settings = read_settings(path)
    assert settings is not None
    assert settings.recipe.frames == RECIPE.frames
    assert settings.colormap == style.colormap


def test_scales_mappings_and_the_phase_are_in_the_settings(recording: Path, tmp_path: Path) -> None:
    def settings(name: str, **options: object):  # type: ignore[no-untyped-def]
        return read_settings(drawn(recording, tmp_path / name, Style(**options)).target)  # type: ignore[arg-type]

    assert settings("mel", scale="mel").whole_shape[0] == RECIPE.mel.n_mels
    assert settings("log", scale="log").rows == LogRows(min_hz=31.25, max_hz=4000.0, n_rows=129)
    assert settings("exact", exact=True).exact
    assert settings("exact", exact=True).whole_shape[0] == 2 * 129
    assert settings("root", mapping="root").recipe.scale == PeakPower(exponent=0.25)
    decibels = settings("decibels", mapping="decibels", file_format="png8").recipe.scale
    assert isinstance(decibels, Decibels)
    assert decibels.range_db == 80.0
    assert settings("range", range_db=60.0).recipe.scale.range_db == 60.0
    [result] = draw_picture_files([recording], tmp_path / "own", SPOOF, Style(mapping="recipe"))
    assert read_settings(result.target).recipe.scale == SPOOF.scale  # type: ignore[union-attr]


def test_what_is_there_is_skipped_piece_by_piece(recording: Path, tmp_path: Path) -> None:
    style = Style(piece_s=1.0)
    first = drawn(recording, tmp_path / "out", style)
    times = [path.stat().st_mtime_ns for path in first.files]
    again = drawn(recording, tmp_path / "out", style)
    assert (again.status, again.files) == ("skipped", first.files)
    assert again.message == "already drawn with these settings (3 pictures)"
    content = first.files[1].read_bytes()
    first.files[1].unlink()
    rest = drawn(recording, tmp_path / "out", style)
    assert rest.status == "done"
    assert rest.message == "2.5 s of sound, 3 pictures, of which 2 were there already"
    now = [path.stat().st_mtime_ns for path in first.files]
    assert [now[0], now[2]] == [times[0], times[2]]
    assert first.files[1].read_bytes() == content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Style(file_format="png8"), "was drawn with other settings"),
        (Style(piece_s=2.45), None),
    ],
)
def test_another_picture_in_the_place_is_kept_without_overwrite(
    change: Style, words: str | None, recording: Path, tmp_path: Path
) -> None:
    first = drawn(recording, tmp_path / "out")
    before = first.target.read_bytes()
    result = drawn(recording, tmp_path / "out", change)
    if words is None:
        # Two pieces, which have names of their own.
        assert result.status == "done"
    else:
        assert result.status == "failed"
        assert words in result.message
        assert result.message.endswith("use --overwrite to replace it")
    assert first.target.read_bytes() == before
    assert drawn(recording, tmp_path / "out", change, overwrite=True).status == "done"


def test_a_changed_recording_and_a_strangers_picture_are_told(recording: Path, tmp_path: Path) -> None:
    first = drawn(recording, tmp_path / "out")
    save(recording, Audio(load(recording).samples[:10_000], 8000))
    assert "drawn from another recording" in drawn(recording, tmp_path / "out").message
    Image.new("L", (3, 3)).save(first.target)
    assert "is no picture of ours" in drawn(recording, tmp_path / "out").message


def test_one_bad_file_does_not_stop_the_rest(recording: Path, tmp_path: Path) -> None:
    (recording.parent / "bad.wav").write_text("text")
    shutil.copy(recording, recording.parent / "z.wav")
    results = list(draw_picture_files([recording.parent], tmp_path / "out", RECIPE))
    assert [result.status for result in results] == ["failed", "done", "done"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["noise.png", "z.png"]


def test_side_by_side_is_the_same(recording: Path, tmp_path: Path) -> None:
    shutil.copy(recording, recording.parent / "z.wav")
    for jobs, name in ((1, "one"), (2, "two")):
        results = list(draw_picture_files([recording.parent], tmp_path / name, RECIPE, Style(piece_s=1.0), jobs=jobs))
        assert {result.status for result in results} == {"done"}
        assert {len(result.files) for result in results} == {3}
    ones, twos = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    for one, two in zip(ones, twos, strict=True):
        assert (one.name, one.read_bytes()) == (two.name, two.read_bytes())


def test_an_interrupt_leaves_whole_pictures_only_and_the_run_goes_on(recording: Path, tmp_path: Path) -> None:
    def stop_late(job: object, share: float) -> None:
        if share > 0.8:
            raise KeyboardInterrupt

    batch = draw_picture_files([recording], tmp_path / "out", RECIPE, Style(piece_s=0.25))
    with pytest.raises(KeyboardInterrupt):
        list(batch.run(stop_late))
    there = sorted((tmp_path / "out").glob("*.png"))
    assert 0 < len(there) < 10
    assert all(read_settings(path) is not None for path in there)
    [result] = batch
    assert result.message.endswith(f"of which {len(there)} were there already")


def test_channels_and_trimmed_edges(tmp_path: Path) -> None:
    [averaged] = draw_picture_files([sounds.path("music")], tmp_path / "mono", LIBROSA)
    assert averaged.message.endswith("2 channels averaged (--channels each keeps them)")
    [each] = draw_picture_files([sounds.path("music")], tmp_path / "each", replace(LIBROSA, channels="each"))
    assert each.message == "6.0 s of sound"
    assert Picture.open(each.target).codes.shape[0] == 2 * 1025
    [trimmed] = draw_picture_files([sounds.path("speech")], tmp_path / "trimmed", TACOTRON)
    origin = Picture.open(trimmed.target).settings.origin
    assert origin.start > 0
    [again] = draw_picture_files([sounds.path("speech")], tmp_path / "trimmed", TACOTRON)
    assert again.status == "skipped"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"file_format": "gif"}, "format='gif'"),
        ({"scale": "bark"}, "scale='bark'"),
        ({"mapping": "cube"}, "mapping='cube'"),
        ({"colormap": "nope"}, "colormap='nope'"),
        ({"colormap": "magma"}, "use format 'png8', or gray"),
        ({"exact": True, "file_format": "jpeg"}, "gray pictures of 16 bits"),
        ({"exact": True, "scale": "mel"}, "gray pictures of 16 bits"),
        ({"piece_s": 0.0}, "pieces=0.0"),
        ({"jpeg_quality": 0}, "jpeg_quality=0"),
        ({"range_db": 80.0, "mapping": "root"}, "range_db=80 with mapping='root'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words.replace("(", r"\(")):
        Style(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60.0), ("1m", 60.0), ("1.5 min", 90.0), ("2h", 7200.0), ("30", 30.0), ("whole", None)]
)
def test_lengths_of_pieces(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1y", "m1", "1 2s", "all"])
def test_lengths_of_pieces_that_are_none(text: str) -> None:
    with pytest.raises(ParameterError, match="a length of time is needed"):
        seconds_of(text)


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 12_345])
def test_names_of_pieces_are_sorted_and_found_again(count: int) -> None:
    indices = sorted({0, count // 2, count - 1})
    paths = [piece_path(Path("a/b.c.png"), index, count) for index in indices]
    assert paths == sorted(paths)
    assert len(set(paths)) == len(indices)
    assert {whole_stem(path, index, count) for path, index in zip(paths, indices, strict=True)} == {"b.c"}
    assert whole_stem(Path("renamed.png"), 0, count) == "renamed"


def test_names_of_runs() -> None:
    assert run_stem(Path("b-002.png"), [1, 3, 2], 9) == "b-002-004"
    assert run_stem(Path("b-002.png"), [1], 9) == "b-002"
    assert run_stem(Path("b.png"), [0], 1) == "b"
    assert missing_pieces(range(5), 5) == ""
    assert missing_pieces([0, 1, 4], 5) == "pieces 3-4 of 5 are missing"
