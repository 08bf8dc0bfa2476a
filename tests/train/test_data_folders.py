"""Who speaks in which file, what is held back, and the store of samples that are read once."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from specloom.audio import Audio
from specloom.errors import AudioFileError, ParameterError
from specloom.io.audio import save
from specloom.train.data import (
    Recording,
    find_noise,
    find_speech,
    prepare_clips,
    prepare_sources,
    split_recordings,
)


def tone(path: Path, seconds=0.2, rate=8_000, scale=0.3):
    samples = scale * np.sin(0.3 * np.arange(round(seconds * rate)))
    save(path, Audio(samples.astype(np.float32), rate), subtype="PCM_16")
    return path


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        tone(folder / name)
    return folder


def speakers(folder, **options):
    return [each.group for each in find_speech(folder, **options)]


def test_names_of_known_corpora_tell_the_speaker_and_otherwise_the_folder_does(tmp_path):
    tree(tmp_path, "x/103-1240-0000.wav", "y/p225_001.wav", "y/s5_002_mic1.wav", "z/hello-there.wav")
    assert speakers(tmp_path) == ["103", "p225", "s5", str(tmp_path / "z")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("folder", ["a", "a", "b"]),
        ("name", ["anna", "otto", "anna"]),
        ("recording", ["anna-1.wav", "otto_2.wav", "anna-3.wav"]),
        (r"/([ab])/[^/]*$", ["a", "a", "b"]),
    ],
)
def test_other_rules_for_speakers(tmp_path, rule, expected):
    tree(tmp_path, "a/anna-1.wav", "a/otto_2.wav", "b/anna-3.wav")
    assert [Path(group).name for group in speakers(tmp_path, speaker_from=rule)] == expected


@pytest.mark.parametrize("rule", ["voice", "(", "(?:a)", "nobody-(x)", "a(x)?"])
def test_rules_that_are_none_are_refused(tmp_path, rule):
    tree(tmp_path, "a.wav")
    with pytest.raises(ParameterError, match="speaker_from"):
        find_speech(tmp_path, speaker_from=rule)


def test_folders_without_sound_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(ParameterError, match=r"speech=.*no sound file"):
        find_speech(tmp_path)
    with pytest.raises(ParameterError, match=r"noise=.*no sound file"):
        find_noise([tmp_path])
    with pytest.raises(AudioFileError, match="does not exist"):
        find_speech(tmp_path / "missing")


def test_a_split_shares_no_speaker_no_noise_and_no_take(tmp_path):
    tree(tmp_path / "s", *(f"{speaker}/{index}.wav" for speaker in "abcdefghij" for index in range(3)))
    tree(tmp_path / "n", *(f"1-{index}-{take}.wav" for index in range(100, 110) for take in "AB"))
    speech, noise = find_speech(tmp_path / "s"), find_noise(tmp_path / "n")
    split = split_recordings(speech, noise, valid_share=0.2, seed=1)
    for train, valid, everything in (
        (split.train_speech, split.valid_speech, speech),
        (split.train_noise, split.valid_noise, noise),
    ):
        assert not {each.group for each in train} & {each.group for each in valid}
        assert sorted(map(str, train + valid)) == sorted(map(str, everything))
        assert len(valid) == pytest.approx(0.2 * len(everything), abs=1)
    # The second part of a take's name is the recording that it was cut from.
    origins = [{each.path.stem.split("-")[1] for each in part} for part in (split.train_noise, split.valid_noise)]
    assert not origins[0] & origins[1]
    assert split == split_recordings(speech, noise, valid_share=0.2, seed=1)
    assert split != split_recordings(speech, noise, valid_share=0.2, seed=2)


def test_one_big_speaker_stays_in_training(tmp_path):
    tone(tmp_path / "big/1.wav", seconds=5)
    tree(tmp_path, "small/1.wav", "smaller/1.wav")
    split = split_recordings(find_speech(tmp_path), valid_share=0.01)
    assert [each.group for each in split.valid_speech] == [str(tmp_path / "small")]


def test_one_speaker_cannot_be_split_but_recordings_can(tmp_path):
    tree(tmp_path / "s", "1.wav", "2.wav")
    tree(tmp_path / "n", "rain.wav")
    speech = find_speech(tmp_path / "s")
    with pytest.raises(ParameterError, match="one speaker only"):
        split_recordings(speech)
    split = split_recordings(speech, find_noise(tmp_path / "n"), split_by="recording")
    assert len(split.train_speech) == len(split.valid_speech) == 1
    assert (len(split.train_noise), len(split.valid_noise)) == (1, 0)
    with pytest.raises(ParameterError, match="one recording only"):
        split_recordings(speech[:1], split_by="recording")
    with pytest.raises(ParameterError, match="no recording"):
        split_recordings(())
    for wrong in ({"valid_share": 0.0}, {"valid_share": 0.9}, {"split_by": "hour"}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            split_recordings(speech, **wrong)


def prepared(tmp_path, recordings, **options):
    return prepare_clips(recordings, sample_rate=8_000, folder=tmp_path / "run", name="speech", **options)


def test_recordings_are_stored_mono_at_one_rate_with_peak_and_mean_set(tmp_path):
    rng = np.random.default_rng(0)
    stereo = (0.05 + 0.01 * rng.standard_normal((2, 48_000))).astype(np.float32)
    save(tmp_path / "s/wide.wav", Audio(stereo, 48_000))
    tone(tmp_path / "s/narrow.wav", seconds=0.5)
    clips = prepared(tmp_path, find_speech(tmp_path / "s")).clips
    assert clips.sample_rate == 8_000
    assert list(clips.lengths) == [4_000, 8_000]
    for index in range(2):
        sound = clips.read(index)
        assert np.abs(sound).max() == pytest.approx(0.9, abs=1e-3)
        assert abs(sound.mean()) < 1e-3
    assert np.array_equal(clips.read(1, 10, 5), clips.read(1)[10:15])
    assert len(clips.read(0, 3_998, 50)) == 2


def test_the_store_is_used_again_until_a_recording_changes(tmp_path):
    tree(tmp_path / "s", "a.wav", "b.wav")
    seen = []
    first = prepared(tmp_path, find_speech(tmp_path / "s"), report=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    again = prepared(tmp_path, find_speech(tmp_path / "s"), report=lambda *_: pytest.fail("read again"))
    assert np.array_equal(first.clips.samples, again.clips.samples)
    tone(tmp_path / "s/b.wav", seconds=0.3)
    assert len(prepared(tmp_path, find_speech(tmp_path / "s")).clips.samples) == 1600 + 2400


@pytest.mark.parametrize("damage", ["short", "missing", "index", "half an index", "another index"])
def test_a_store_that_was_interrupted_is_made_again(tmp_path, damage):
    tree(tmp_path / "s", "a.wav", "b.wav")
    whole = np.array(prepared(tmp_path, find_speech(tmp_path / "s")).clips.samples)
    store = next((tmp_path / "run").glob("*.pcm"))
    if damage == "short":
        os.truncate(store, 100)
    elif damage.endswith(" index"):
        store.with_suffix(".json").write_text('{"lengths": [' if damage.startswith("half") else "[]")
    else:
        (store if damage == "missing" else store.with_suffix(".json")).unlink()
    assert np.array_equal(prepared(tmp_path, find_speech(tmp_path / "s")).clips.samples, whole)


def test_bad_recordings_are_left_out_and_told_of_each_time(tmp_path):
    tree(tmp_path / "s", "good.wav")
    (tmp_path / "s/broken.wav").write_bytes(b"RIFF nothing")
    save(tmp_path / "s/silent.wav", Audio(np.zeros(800, np.float32), 8_000))
    for _ in range(2):
        result = prepared(tmp_path, find_speech(tmp_path / "s"))
        assert len(result.clips) == 1
        assert len(result.problems) == 2
        assert "broken.wav" in result.problems[0]
        assert "silent" in result.problems[1]
    bad = [Recording(path=tmp_path / "s/broken.wav", group="x")]
    with pytest.raises(AudioFileError, match=r"none of 1 recordings.*broken.wav"):
        prepared(tmp_path, bad)
    with pytest.raises(AudioFileError, match="does not exist"):
        prepared(tmp_path, [Recording(path=tmp_path / "gone.wav", group="x")])


def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(tmp_path, monkeypatch):
    tree(tmp_path / "s", "a.wav")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AudioFileError, match="the disk is full"):
        prepared(tmp_path, find_speech(tmp_path / "s"))
    assert not list((tmp_path / "run").iterdir())


def test_several_readers_store_the_same(tmp_path):
    tree(tmp_path / "s", *(f"{index}.wav" for index in range(6)))
    found = find_speech(tmp_path / "s")
    one = prepared(tmp_path, found).clips
    two = prepare_clips(found, sample_rate=8_000, folder=tmp_path / "other", name="speech", workers=2).clips
    assert np.array_equal(one.samples, two.samples)
    assert one.names == two.names


def test_all_parts_of_a_split_are_prepared(tmp_path):
    tree(tmp_path / "s", "a/1.wav", "b/1.wav", "c/1.wav")
    tree(tmp_path / "n", "rain.wav")
    split = split_recordings(find_speech(tmp_path / "s"), find_noise(tmp_path / "n"))
    train, valid, problems = prepare_sources(split, sample_rate=8_000, folder=tmp_path / "run")
    assert (len(train.speech), len(valid.speech), valid.noise, problems) == (2, 1, None, ())
    assert train.noise is not None
    assert train.speech.seconds == pytest.approx(0.4)
    for index in (tmp_path / "run").glob("*.json"):
        assert json.loads(index.read_text())["sample_rate"] == 8_000
    with pytest.raises(ParameterError, match="sample_rate=0"):
        prepare_clips(split.train_speech, sample_rate=0, folder=tmp_path, name="x")
