"""A file is whole or not there."""

from __future__ import annotations

import errno
import os

import pytest

from specloom.io.atomic import written_beside


def names_in(folder):
    return [entry.name for entry in folder.iterdir()]


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path):
    target = tmp_path / "new" / "folder" / "x.npz"
    with written_beside(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".npz"
        assert temporary.name.startswith(".")
        assert not temporary.exists()
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names_in(target.parent) == ["x.npz"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_any_failure_removes_the_temporary_file_and_keeps_the_old_one(tmp_path, failure):
    target = tmp_path / "x.txt"
    target.write_text("old")

    def broken():
        with written_beside(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        broken()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["x.txt"]


def test_an_old_file_is_replaced(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with written_beside(str(target)) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_file_gets_the_usual_permissions(tmp_path):
    with written_beside(tmp_path / "x.txt") as temporary:
        temporary.write_text("x")
    (tmp_path / "usual").write_text("x")
    assert (tmp_path / "x.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "x.txt")
    with written_beside(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "x.txt").read_text() == "new"


def test_a_failed_rename_leaves_nothing_behind(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    with pytest.raises(PermissionError), written_beside(tmp_path / "x.txt") as temporary:
        temporary.write_text("x")
    assert names_in(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), written_beside(tmp_path / "x.txt"):
        pass


def test_a_folder_in_place_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError), written_beside(tmp_path / "x"):
        pytest.fail("the block must not run")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_ordinary_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not an ordinary file"), written_beside(tmp_path / "pipe"):
        pytest.fail("the block must not run")
    assert not (tmp_path / "pipe").is_file()
