"""Tiles: one size, an index that is always right, and the way back to sound."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import ArtifactError, ParameterError
from specloom.io.audio import load, save
from specloom.metrics import spectral_convergence_db
from specloom.pictures import Picture
from specloom.recipes import LIBROSA, Frames, MelBands
from specloom.tasks.batch import FileResult
from specloom.tasks.draw_pictures import Style, draw_picture_files
from specloom.tasks.listen import listen_files
from specloom.tasks.tiles import COLUMNS, INDEX, TileSize

RECIPE = replace(LIBROSA, name="small", frames=Frames(n_fft=256, hop_length=64), mel=MelBands(n_mels=40))
TILES = TileSize(width=64, height=48, overlap=0.25)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "in" / "deep"
    for name, seconds in (("a", 2.0), ("b", 0.7)):
        samples = 0.1 * np.random.default_rng(len(name)).standard_normal(int(8000 * seconds))
        save(place / f"{name}.wav", Audio(samples.astype(np.float32), 8000))
    return tmp_path / "in"


def tiles(source: Path, out: Path, size: TileSize = TILES, **options: object) -> list[FileResult]:
    style = Style(tiles=size, **options)  # type: ignore[arg-type]
    return list(draw_picture_files([source], out, RECIPE, style))


def index(out: Path) -> list[dict[str, str]]:
    with (out / INDEX).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def test_all_tiles_have_one_size_and_show_what_the_index_says(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = tiles(folder, out)
    [whole] = draw_picture_files([folder / "deep" / "a.wav"], tmp_path / "whole", RECIPE, Style(piece_s=None))
    picture = Picture.open(whole.target)
    shown = np.zeros(picture.codes.shape, dtype=bool)
    rows = index(out)
    assert {row["file"] for row in rows} == {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert len(rows) == sum(len(result.files) for result in results)
    for row in rows:
        tile = Picture.open(out / row["file"])
        assert tile.codes.shape == (48, 64)
        assert tile.settings.recording == row["recording_id"]
        assert tile.settings.piece.index == int(row["tile"]) < int(row["n_tiles"])
        n_rows, n_frames = int(row["n_rows"]), int(row["n_frames"])
        top, left = int(row["first_row"]), int(row["first_frame"])
        assert float(row["start_s"]) == pytest.approx(left * 64 / 8000)
        # What lies beyond the recording is level 0, but for the settings in the last bits.
        assert tile.codes[n_rows:].max(initial=0) <= 2
        assert tile.codes[:, n_frames:].max(initial=0) <= 2
        if row["recording"] == "a.wav":
            place = (slice(top, top + n_rows), slice(left, left + n_frames))
            difference = tile.codes[:n_rows, :n_frames].astype(int) - picture.codes[place]
            assert np.abs(difference).max() <= 2
            shown[place] = True
    assert shown.all()


def test_neighbours_share_what_was_asked_for(folder: Path, tmp_path: Path) -> None:
    tiles(folder, tmp_path, TileSize(width=64, height=129, overlap=0.25))
    starts = [int(row["first_frame"]) for row in index(tmp_path) if row["recording"] == "a.wav"]
    assert set(np.diff(starts)) == {48}


def test_tiles_sound_alone_and_joined(tmp_path: Path) -> None:
    out = tmp_path / "tiles"
    [result] = tiles(sounds.path("speech"), out, TileSize(width=256, height=64, overlap=0.5))
    [joined] = listen_files([out], tmp_path / "joined", quality="fast")
    assert joined.message.endswith(f"{len(result.files)} pictures joined")
    [whole] = draw_picture_files([sounds.path("speech")], tmp_path / "whole", RECIPE)
    [heard] = listen_files([whole.target], tmp_path / "heard", quality="fast")
    one, other = load(joined.target), load(heard.target)
    assert one.n_samples == other.n_samples == load(sounds.path("speech")).n_samples
    # Phases may be found in another way, so the spectrograms are compared.
    ones, others = (RECIPE.analyse(audio).magnitude() for audio in (one, other))
    assert spectral_convergence_db(ones, others) < -25
    [alone] = listen_files([result.files[4]], tmp_path / "alone", quality="fast")
    assert alone.target.name == f"{result.files[4].stem}.wav"
    assert load(alone.target).n_samples > 200 * 64


def test_mel_tiles_hold_all_bands(folder: Path, tmp_path: Path) -> None:
    results = tiles(folder, tmp_path, TileSize(width=32, height=40), scale="mel", file_format="png8")
    assert {Picture.open(path).codes.shape for result in results for path in result.files} == {(40, 32)}
    assert {row["n_rows"] for row in index(tmp_path)} == {"40"}


def test_the_index_is_the_same_after_a_second_run_and_a_broken_off_one(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tiles(folder, out)
    before = (out / INDEX).read_bytes()
    assert {result.status for result in tiles(folder, out)} == {"skipped"}
    assert (out / INDEX).read_bytes() == before
    shutil.rmtree(out)
    for result in draw_picture_files([folder], out, RECIPE, Style(tiles=TILES)):
        assert result.source.name == "a.wav"
        break
    assert {row["recording"] for row in index(out)} == {"a.wav"}
    tiles(folder, out)
    assert (out / INDEX).read_bytes() == before


def test_the_index_keeps_other_recordings_and_forgets_tiles_that_are_gone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tiles(folder / "deep" / "a.wav", out)
    tiles(folder / "deep" / "b.wav", out)
    assert {row["recording"] for row in index(out)} == {"a.wav", "b.wav"}
    for path in out.glob("a-*.png"):
        path.unlink()
    tiles(folder / "deep" / "b.wav", out)
    assert {row["recording"] for row in index(out)} == {"b.wav"}


def test_somebody_elses_index_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("name,age\nx,3\n")
    with pytest.raises(ArtifactError, match="no index of tiles of ours"):
        tiles(folder, tmp_path)
    assert (tmp_path / INDEX).read_text() == "name,age\nx,3\n"


@pytest.mark.parametrize("options", [{"width": 0}, {"height": 0}, {"overlap": 1.0}, {"overlap": -0.1}])
def test_sizes_that_are_none_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="tile"):
        TileSize(**{"width": 8, "height": 8, **options})  # type: ignore[arg-type]
