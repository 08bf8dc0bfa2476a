"""Files that only ffmpeg reads, tried with a small stand-in for it (and with the true one where it is installed)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import AudioFileError, MissingExtraError
from specloom.io.audio import AudioReader, load, save

# Speaks AU as ffmpeg does: a header with an annotation, then floats, most significant byte first. The file that it
# "decodes" names what it shall do: rate, channels, samples, exit code.
STAND_IN = """#!{python}
import json, struct, sys
import numpy as np
arguments = sys.argv[1:]
path = arguments[arguments.index("-i") + 1]
assert path.startswith("file:"), path
assert "-ar" not in arguments and "-ac" not in arguments
plan = json.load(open(path[5:]))
if "duration" in plan:
    print("  Duration: " + plan["duration"] + ", start: 0.000000", file=sys.stderr)
if plan["channels"]:
    note = b"title=x\\0"
    header = struct.pack(">4s5I", b".snd", 24 + len(note), 0xFFFFFFFF, plan.get("encoding", 6), plan["rate"],
                         plan["channels"])
    sys.stdout.buffer.write(header + note)
    k = np.arange(plan["samples"] * plan["channels"], dtype="f4").reshape(-1, plan["channels"])
    sys.stdout.buffer.write((k / 1024).astype(">f4").tobytes())
    sys.stdout.buffer.write(b"z" * plan.get("torn", 0))
    sys.stdout.buffer.flush()
if plan["code"]:
    print("Stream map matches no streams", file=sys.stderr)
sys.exit(plan["code"])
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    if os.name == "nt":
        pytest.skip("the stand-in is a script with a first line that only Unix reads")
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    def file(name="x.m4a", **plan):
        import json

        path = tmp_path / name
        path.write_text(json.dumps({"rate": 44_100, "channels": 2, "samples": 1_000, "code": 0, **plan}))
        return path

    return file


def expected(n_channels, n_samples):
    return (np.arange(n_channels * n_samples, dtype=np.float32) / 1024).reshape(n_samples, n_channels).T


@pytest.mark.parametrize("name", ["x.m4a", "film.WEBM", "-v error: x.mp4"])
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_ffmpeg_files_keep_rate_channels_and_samples(stand_in, name, n_channels):
    path = stand_in(name, channels=n_channels, duration="00:01:02.50")
    audio = load(path)
    assert audio.sample_rate == 44_100
    np.testing.assert_array_equal(np.atleast_2d(audio.samples), expected(n_channels, 1_000))
    with AudioReader(path) as reader:
        assert reader.n_samples == round(62.5 * 44_100)
        assert reader.n_channels == n_channels
        blocks = list(reader.blocks(block_samples=300))
        assert [block.shape[1] for block in blocks] == [300, 300, 300, 100]
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected(n_channels, 1_000))


def test_without_a_stated_duration_the_length_is_unknown(stand_in):
    with AudioReader(stand_in()) as reader:
        assert reader.n_samples is None


def test_a_sample_that_was_torn_is_dropped(stand_in):
    assert load(stand_in(torn=5)).n_samples == 1_000


def test_a_file_without_sound_gives_ffmpegs_last_line(stand_in):
    with pytest.raises(AudioFileError, match=r"x\.m4a holds no sound that ffmpeg can decode: Stream map matches no"):
        load(stand_in(channels=0, code=1))


def test_a_stream_without_samples_is_named(stand_in):
    with pytest.raises(AudioFileError, match="holds no samples"):
        load(stand_in(samples=0))


def test_a_decoder_that_fails_on_the_way_is_named(stand_in):
    with pytest.raises(AudioFileError, match="could not be decoded to its end by ffmpeg: Stream map"):
        load(stand_in(code=1))


def test_another_program_named_ffmpeg_is_noticed(stand_in):
    with pytest.raises(AudioFileError, match="did not answer as ffmpeg does"):
        load(stand_in(encoding=3))


def test_leaving_the_reader_ends_the_program(stand_in, monkeypatch):
    path = stand_in(samples=2_000_000)
    started, popen = [], subprocess.Popen

    def start(*args, **options):
        started.append(popen(*args, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    with AudioReader(path) as reader:
        block = next(reader.blocks(block_samples=10))
    np.testing.assert_array_equal(block, expected(2, 2_000_000)[:, :10])
    assert started
    # A return code is known of a program that has ended and been waited for.
    assert all(program.returncode is not None for program in started)


def test_without_ffmpeg_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "x.m4a").write_bytes(b"something")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"x\.m4a can only be read through the program ffmpeg.*install ffmpeg"):
        load(tmp_path / "x.m4a")


def test_missing_and_empty_files_are_named_before_ffmpeg_is_asked(tmp_path):
    with pytest.raises(AudioFileError, match="does not exist"):
        load(tmp_path / "x.m4a")
    (tmp_path / "x.m4a").touch()
    with pytest.raises(AudioFileError, match="empty file"):
        load(tmp_path / "x.m4a")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(("name", "codec"), [("x.m4a", "aac"), ("x.mka", "pcm_s16le")])
def test_the_true_ffmpeg_keeps_rate_and_channels(tmp_path, name, codec):
    music = load(sounds.path("music"))
    save(tmp_path / "x.wav", Audio(music.samples, music.sample_rate), subtype="PCM_16")
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "x.wav"), "-c:a", codec, str(tmp_path / name)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    again = load(tmp_path / name)
    assert (again.sample_rate, again.n_channels) == (44_100, 2)
    n = min(again.n_samples, music.n_samples)
    assert abs(again.n_samples - music.n_samples) < 5_000
    difference = again.samples[:, :n] - music.samples[:, :n]
    assert np.mean(difference**2) < 0.05 * np.mean(music.samples**2)
