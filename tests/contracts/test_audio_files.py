"""Sound files as values: formats, scaling, rates, channels, and what is said about a bad file."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from specloom import sounds
from specloom.audio import Audio
from specloom.errors import AudioFileError, ParameterError
from specloom.io import audio as audio_io
from specloom.io import sources
from specloom.io.audio import AudioFileWarning, AudioReader, AudioWriter, find_recordings, load, read_comment, save


def names_in(folder):
    return [entry.name for entry in folder.iterdir()]


def tone(n_samples=4_800, n_channels=1, amplitude=0.5):
    time = np.arange(n_samples)
    samples = np.stack([amplitude * np.sin(0.05 * (k + 1) * time) for k in range(n_channels)]).astype(np.float32)
    samples = samples[0] if n_channels == 1 else samples
    samples.flags.writeable = False
    return samples


def declared_size(path, size):
    """Write `size` into the data chunk's header of a WAV file."""
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[place + 4 : place + 8] = struct.pack("<I", size)
    path.write_bytes(content)


# ---------------------------------------------------------------- what is written is read


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".rf64", ".w64", ".caf", ".aiff", ".aif", ".au"])
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_float_formats_keep_every_sample_also_above_full_scale(tmp_path, suffix, n_channels):
    samples = tone(n_channels=n_channels, amplitude=7.5)
    path = save(tmp_path / f"loud{suffix}", Audio(samples, 44_100))
    again = load(path)
    assert again.sample_rate == 44_100
    np.testing.assert_array_equal(again.samples, samples)


@pytest.mark.parametrize(
    ("suffix", "subtype", "bits"),
    [
        (".wav", "PCM_U8", 8),
        (".wav", "PCM_16", 16),
        (".wav", "pcm_24", 24),
        (".wav", "PCM_32", 32),
        (".flac", None, 24),
        (".flac", "PCM_16", 16),
        (".aiff", "PCM_S8", 8),
        (".wav", "DOUBLE", 53),
    ],
)
def test_integer_formats_are_scaled_to_full_scale_one(tmp_path, suffix, subtype, bits):
    samples = tone(n_channels=2, amplitude=0.99)
    again = load(save(tmp_path / f"x{suffix}", Audio(samples, 48_000), subtype=subtype)).samples
    assert again.dtype == np.float32
    assert np.abs(again - samples).max() <= 2.0 ** -(min(bits, 24) - 1)
    assert np.abs(again - samples).max() > 0 or bits >= 24


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".opus"])
def test_lossy_formats_keep_rate_level_and_tone(tmp_path, suffix):
    samples = tone(48_000)
    again = load(save(tmp_path / f"x{suffix}", Audio(samples, 48_000)))
    assert again.sample_rate == 48_000
    assert abs(again.n_samples - 48_000) < 3_000
    middle = again.samples[12_000:36_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 11_025, 96_000, 192_000])
def test_rates_from_8_to_192_khz_are_kept(tmp_path, rate):
    for suffix in (".wav", ".flac"):
        assert load(save(tmp_path / f"x{suffix}", Audio(tone(), rate))).sample_rate == rate


def test_mono_is_the_mean_of_the_channels(tmp_path):
    samples = tone(70_000, n_channels=6)
    path = save(tmp_path / "six.wav", Audio(samples, 16_000))
    mono = load(path, channels="mono").samples
    assert mono.shape == (70_000,)
    np.testing.assert_allclose(mono, samples.mean(axis=0), atol=1e-6)


def test_one_sample_and_all_zeros_are_sound(tmp_path):
    for samples in (np.array([0.25], np.float32), np.zeros(100, np.float32), np.zeros((2, 1), np.float32)):
        again = load(save(tmp_path / "x.wav", Audio(samples, 8_000)))
        np.testing.assert_array_equal(again.samples, samples)


def test_a_wrong_suffix_does_not_matter_where_the_content_tells(tmp_path):
    save(tmp_path / "x.flac", Audio(tone(), 16_000)).rename(tmp_path / "x.wav")
    assert load(tmp_path / "x.wav").n_samples == 4_800


def test_a_path_may_be_text(tmp_path):
    assert save(f"{tmp_path}/tönе.wav", Audio(tone(), 16_000)) == tmp_path / "tönе.wav"
    assert load(f"{tmp_path}/tönе.wav").n_samples == 4_800


# ---------------------------------------------------------------- reading in blocks


@pytest.mark.parametrize("name", sounds.NAMES)
def test_blocks_together_are_the_whole_and_can_be_read_again(name):
    whole = load(sounds.path(name)).samples
    with AudioReader(sounds.path(name)) as reader:
        assert reader.n_samples == whole.shape[-1]
        for lengths in ({"block_samples": 1_000}, {"block_s": 0.25}, {}):
            blocks = list(reader.blocks(**lengths))
            assert all(block.dtype == np.float32 and block.shape[0] == reader.n_channels for block in blocks)
            np.testing.assert_array_equal(np.concatenate(blocks, axis=1), np.atleast_2d(whole))
        assert [block.shape[1] for block in reader.blocks(block_samples=50_000)][:1] == [50_000]


def test_leaving_the_reader_closes_the_file(tmp_path):
    path = save(tmp_path / "x.wav", Audio(tone(), 16_000))
    open_files = Path("/proc/self/fd")
    before = len(names_in(open_files)) if open_files.is_dir() else None
    with AudioReader(path) as reader:
        blocks = reader.blocks(block_samples=10)
        next(blocks)
    with pytest.raises(StopIteration):
        next(blocks)
    if before is not None:
        assert len(names_in(open_files)) == before


@pytest.mark.parametrize(
    "lengths",
    [
        {"block_samples": 0},
        {"block_samples": 2.5},
        {"block_s": 0.0},
        {"block_s": float("nan")},
        {"block_s": 1.0, "block_samples": 10},
    ],
)
def test_a_block_length_that_is_none_is_refused_at_once(lengths):
    with AudioReader(sounds.path("speech")) as reader, pytest.raises(ParameterError, match=r"block_s\w*="):
        reader.blocks(**lengths)


def test_reading_in_blocks_needs_memory_for_a_block_only(tmp_path):
    import tracemalloc

    path = tmp_path / "long.wav"
    with AudioWriter(path, 48_000, 2, "PCM_16") as writer:
        for _ in range(60):
            writer.write(np.zeros((2, 48_000), np.float32))
    tracemalloc.start()
    with AudioReader(path) as reader:
        n_read = sum(block.shape[1] for block in reader.blocks(block_samples=4_096))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_read == 60 * 48_000
    assert peak < 1_000_000


# ---------------------------------------------------------------- writing in blocks


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_blocks_written_are_the_file_written_whole(tmp_path, suffix):
    samples = tone(10_000, n_channels=2)
    save(tmp_path / f"whole{suffix}", Audio(samples, 16_000))
    with AudioWriter(tmp_path / f"blocks{suffix}", 16_000, 2) as writer:
        for start in range(0, 10_000, 777):
            writer.write(samples[:, start : start + 777])
        assert not (tmp_path / f"blocks{suffix}").exists()
    whole, blocks = (load(tmp_path / f"{name}{suffix}").samples for name in ("whole", "blocks"))
    np.testing.assert_array_equal(blocks, whole)


@pytest.mark.parametrize("name", ["tone.wav", "tone.flac", "tone.rf64"])
def test_a_comment_comes_back_and_leaves_the_samples_alone(tmp_path, name):
    comment = '{"specloom": {"spectrogram": "\\udcff.npz"}}'
    audio = Audio(tone(), 16_000)
    with AudioWriter(tmp_path / name, audio.sample_rate, 1, comment=comment) as writer:
        writer.write(audio.samples)
    assert read_comment(tmp_path / name) == comment
    assert load(tmp_path / name).n_samples == audio.n_samples
    save(tmp_path / name, audio)
    assert read_comment(tmp_path / name) == ""


def test_double_files_keep_double_precision(tmp_path):
    samples = np.array([1 / 3, 1e-17, -2 / 3])
    with AudioWriter(tmp_path / "x.wav", 16_000, 1, "DOUBLE") as writer:
        writer.write(samples)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav")[0], samples)


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), AudioFileError("input"), OSError("net")])
def test_a_failed_writer_leaves_what_was_there_and_gives_the_error_on(tmp_path, failure):
    path = save(tmp_path / "x.wav", Audio(tone(), 16_000))
    before = path.read_bytes()

    def broken():
        with AudioWriter(path, 16_000, 1) as writer:
            writer.write(tone())
            raise failure

    with pytest.raises(type(failure)) as caught:
        broken()
    assert caught.value is failure
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["x.wav"]


def test_a_failing_close_does_not_hide_the_error_of_the_block(tmp_path, monkeypatch):
    close, failing = soundfile.SoundFile.close, [OSError(28, "No space left on device")]

    def close_badly(file):
        close(file)
        if failing:
            raise failing.pop()

    def broken():
        with AudioWriter(tmp_path / "x.wav", 16_000, 1) as writer:
            writer.write(tone())
            raise ValueError("the first")

    monkeypatch.setattr(soundfile.SoundFile, "close", close_badly)
    with pytest.raises(ValueError, match="the first"):
        broken()
    failing.append(OSError(28, "No space left on device"))
    with pytest.raises(AudioFileError, match=r"x\.wav cannot be written: the disk is full$"):
        save(tmp_path / "x.wav", Audio(tone(), 16_000))
    assert names_in(tmp_path) == []


def test_the_writer_is_closed_outside_its_block(tmp_path):
    with AudioWriter(tmp_path / "x.wav", 16_000, 1) as writer:
        writer.write(tone())
    with pytest.raises(ParameterError, match="inside its with block"):
        writer.write(tone())


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((2, 5), np.float32), r"shape \(2, 5\).*\(1, n\)"),
        (np.zeros(5, np.int16), "int16.*full scale"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([1e300]), "infinity"),
    ],
)
def test_blocks_that_are_no_sound_are_refused(tmp_path, samples, words):
    with pytest.raises(ParameterError, match=words), AudioWriter(tmp_path / "x.wav", 16_000, 1) as writer:
        writer.write(samples)
    assert names_in(tmp_path) == []


def test_no_samples_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="at least one sample"):
        save(tmp_path / "x.wav", Audio(np.zeros(0, np.float32), 16_000))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("suffix", "subtype"), [(".flac", None), (".wav", "PCM_16"), (".au", "ULAW")])
def test_integers_that_would_clip_are_refused_with_the_peak(tmp_path, suffix, subtype):
    with pytest.raises(ParameterError, match=r"reach 1\.5, above full scale.*divide by the peak.*FLOAT"):
        save(tmp_path / f"x{suffix}", Audio(np.array([0.0, -1.5], np.float32), 16_000), subtype=subtype)
    save(tmp_path / f"x{suffix}", Audio(np.array([1.0, -1.0], np.float32), 16_000), subtype=subtype)


@pytest.mark.parametrize(
    ("name", "subtype", "words"),
    [
        ("x.m4a", None, r"suffix '\.m4a'.*\.wav, "),
        ("x", None, "suffix ''"),
        ("x.flac", "FLOAT", "subtype='FLOAT'.*FLAC.*PCM_24"),
        ("x.wav", "nonsense", "subtype='nonsense'.*PCM_16"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused_with_what_can(tmp_path, name, subtype, words):
    with pytest.raises(ParameterError, match=words):
        save(tmp_path / name, Audio(tone(), 16_000), subtype=subtype)


def test_the_subtype_may_be_written_in_small_letters(tmp_path):
    path = save(tmp_path / "x.wav", Audio(tone(amplitude=2.0), 16_000), subtype="float")
    assert soundfile.info(path).subtype == "FLOAT"


@pytest.mark.parametrize(("name", "rate"), [("x.opus", 44_100), ("x.mp3", 192_000)])
def test_a_rate_that_the_format_does_not_take_is_named(tmp_path, name, rate):
    with pytest.raises(AudioFileError, match=rf"{name} cannot be written as .* at {rate} Hz.*resample"):
        save(tmp_path / name, Audio(tone(), rate))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("rate", [0, -1, 44_100.0, True])
def test_the_writer_refuses_a_rate_that_is_none(tmp_path, rate):
    with pytest.raises(ParameterError, match="sample_rate="):
        AudioWriter(tmp_path / "x.wav", rate, 1)


def test_a_wav_beyond_4_gib_is_refused_or_becomes_rf64_when_it_is_expected(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_io, "most_samples", lambda *_: 1_000)
    with AudioWriter(tmp_path / "x.wav", 16_000, 1) as writer:
        writer.write(tone(600))
        with pytest.raises(AudioFileError, match=r"more than the 1000 samples that WAV can count.*\.w64"):
            writer.write(tone(600))
    path = save(tmp_path / "x.wav", Audio(tone(1_200), 16_000))
    assert soundfile.info(path).format == "RF64"
    np.testing.assert_array_equal(load(path).samples, tone(1_200))


def test_the_bound_of_a_wav_is_4_gib():
    from specloom.io.formats import most_samples

    assert 4 * 2 * most_samples("WAV", "FLOAT", 2) == pytest.approx(2**32, rel=1e-4)
    assert 4 * 2 * most_samples("WAV", "FLOAT", 2) < 2**32
    assert most_samples("FLAC", "PCM_24", 2) is None


# ---------------------------------------------------------------- bad files


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioFileError, match=r"gone\.wav does not exist$"):
        load(tmp_path / "gone.wav")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioFileError, match=r"empty\.wav is an empty file \(0 bytes\)$"):
        load(tmp_path / "empty.wav")


def test_a_folder_is_named(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioFileError, match=r"folder\.wav is a folder where a sound file is expected$"):
        load(tmp_path / "folder.wav")
    with pytest.raises(AudioFileError, match=r"folder\.wav is a folder"):
        save(tmp_path / "folder.wav", Audio(tone(), 16_000))


def test_a_text_file_named_wav_is_no_sound(tmp_path):
    (tmp_path / "text.wav").write_text("this is no sound\n" * 100)
    with pytest.raises(AudioFileError, match=r"text\.wav is not a sound file that can be read .*damaged, or.*suffix"):
        load(tmp_path / "text.wav")


def test_bare_samples_are_refused(tmp_path):
    (tmp_path / "x.raw").write_bytes(b"12345678")
    with pytest.raises(AudioFileError, match="neither rate nor encoding"):
        load(tmp_path / "x.raw")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError, match="not an ordinary file"):
        load(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError, match="not an ordinary file"):
        save(tmp_path / "pipe.wav", Audio(tone(), 16_000))


@pytest.mark.parametrize("suffix", [".wav", ".ogg"])
def test_no_samples_in_a_file_are_named(tmp_path, suffix):
    soundfile.write(tmp_path / f"none{suffix}", np.zeros(0), 16_000)
    with pytest.raises(AudioFileError, match="holds no samples"):
        load(tmp_path / f"none{suffix}")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_the_first_sample_that_is_no_number_is_named(tmp_path, wrong):
    samples = np.zeros((80_000, 2), np.float32)
    samples[70_000, 1] = wrong
    samples[70_001, 0] = np.nan
    soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=rf"holds {wrong} at sample 70000 \(4\.375 s\) of channel 2"):
        load(tmp_path / "x.wav")
    with pytest.raises(ParameterError, match="NaN or infinity"):
        Audio(samples.T, 16_000)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "PCM_24"])
def test_a_wav_that_was_cut_short_gives_what_is_there_and_says_so_once(tmp_path, subtype):
    path = save(tmp_path / "cut.wav", Audio(tone(1_000, n_channels=2), 16_000), subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.warns(AudioFileWarning, match=r"cut\.wav was cut short: it holds \d+ of the 1000 samples") as caught:
        audio = load(path)
    assert len(caught) == 1
    assert 500 < audio.n_samples < 650
    assert f"holds {audio.n_samples} of" in str(caught[0].message)
    np.testing.assert_allclose(audio.samples, tone(1_000, n_channels=2)[:, : audio.n_samples], atol=2.0**-15)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF - 36])
def test_the_sizes_that_streaming_programs_write_are_no_cut(tmp_path, size):
    path = save(tmp_path / "stream.wav", Audio(tone(1_000), 16_000), subtype="PCM_16")
    declared_size(path, size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path).n_samples == 1_000


def test_a_size_of_zero_with_samples_behind_it_is_no_cut_but_no_sound(tmp_path):
    path = save(tmp_path / "stream.wav", Audio(tone(1_000), 16_000))
    declared_size(path, 0)
    with pytest.raises(AudioFileError, match="its header says that the sound is 0 samples long"):
        load(path)


def test_a_damaged_flac_says_where_it_ends(tmp_path):
    path = save(tmp_path / "cut.flac", Audio(tone(100_000), 16_000))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioFileError, match=r"cut\.flac is damaged after sample \d+ \("), AudioReader(path) as reader:
        list(reader.blocks(block_samples=1_000))


def test_no_permission_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "x.wav", Audio(tone(), 16_000))

    def refuse(*_args, **_keywords):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(sources.Path, "open", refuse)
        with pytest.raises(AudioFileError, match=r"x\.wav cannot be opened: permission is denied$"):
            load(path)
    with monkeypatch.context() as patch:
        patch.setattr(sources.Path, "touch", refuse)
        with pytest.raises(AudioFileError, match=r"x\.wav cannot be written: permission is denied$"):
            save(path, Audio(tone(), 16_000))
    assert names_in(tmp_path) == ["x.wav"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".opus"])
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path, suffix):
    # A bound on the size of files is the full disk that one can have without a disk.
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 200_000).astype(np.float32)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    try:
        with pytest.raises(AudioFileError, match=rf"x{suffix} cannot be written: \d+ bytes are free on that disk"):
            save(tmp_path / f"x{suffix}", Audio(noise, 48_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == []


def test_a_disk_too_full_for_a_name_is_named(tmp_path, monkeypatch):
    def full(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources.Path, "touch", full)
    with pytest.raises(AudioFileError, match=r"x\.wav cannot be written: the disk is full$"):
        save(tmp_path / "x.wav", Audio(tone(), 16_000))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AudioFileError, match=r"x\.wav cannot be written: "):
        save(tmp_path / "file" / "x.wav", Audio(tone(), 16_000))
    with pytest.raises(AudioFileError, match=r"x\.wav "):
        load(tmp_path / "file" / "x.wav")


def test_channels_has_two_values():
    with pytest.raises(ParameterError, match=r"channels='left'.*'keep' and 'mono'"):
        load(sounds.path("speech"), channels="left")


# ---------------------------------------------------------------- finding


def test_recordings_are_found_sorted_once_and_nothing_hidden(tmp_path):
    numbered = [tmp_path / "n" / f"{k}.ogg" for k in range(8)]
    for name in (
        *numbered,
        "b.WAV",
        "a/z.flac",
        "a/film.mkv",
        "a/notes.txt",
        ".hidden/x.wav",
        "a/._z.flac",
        "a/code.ts",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = [tmp_path / "a" / "film.mkv", tmp_path / "a" / "z.flac", tmp_path / "b.WAV", *numbered]
    assert find_recordings([tmp_path]) == expected
    assert find_recordings([tmp_path, tmp_path / "b.WAV", tmp_path / "a"]) == expected
    assert find_recordings(str(tmp_path)) == expected
    assert find_recordings(tmp_path / "a" / "notes.txt") == [tmp_path / "a" / "notes.txt"]
    assert find_recordings([]) == []


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AudioFileError, match="nowhere does not exist"):
        find_recordings([tmp_path / "nowhere"])


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(audio_io.os, "scandir", refuse)
    with pytest.raises(AudioFileError, match="cannot be opened: permission is denied"):
        find_recordings([tmp_path])
