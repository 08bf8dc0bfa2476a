"""Streams of batches: the same for any number of workers, from any item on, and gone when they are closed."""

import os
import signal
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from specloom.errors import ParameterError
from specloom.train.data import Clips, MixingSettings, MixtureStream, Sources, WorkerError, prepare_clips
from specloom.train.data import workers as workers_module
from specloom.train.data.folders import Recording

RATE = 8_000
SETTINGS = MixingSettings(seconds=0.25)


def sources():
    rng = np.random.default_rng(0)
    speech = [0.1 * rng.standard_normal(RATE) for _ in range(4)]
    return Sources(speech=Clips.from_arrays(speech, groups=list("aabb"), sample_rate=RATE))


def stream(**options):
    return MixtureStream(sources(), SETTINGS, seed=1, **{"batch_size": 3, "workers": 0, **options})


def taken(n_batches, **options):
    with stream(**options) as batches:
        return [next(batches) for _ in range(n_batches)]


def same(one, other):
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def shared_memory():
    place = Path("/dev/shm")
    return {each.name for each in place.iterdir() if each.name.startswith("psm_")} if place.is_dir() else set()


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_batches(workers):
    expected = taken(7)
    assert expected[0].noisy.shape == expected[0].clean.shape == (3, 2000)
    assert expected[0].noisy.dtype == np.float32
    # More batches than places in the ring, so that places are used again.
    with stream(workers=workers, prefetch=2) as batches:
        # Of this stream alone: other tests run at the same time.
        own = {worker._memory.name.removeprefix("/") for worker in batches._workers}
        result = [next(batches) for _ in range(7)]
    assert same(expected, result)
    assert len(own) == workers
    assert not own & shared_memory()


def test_a_stream_goes_on_at_any_item():
    assert same(taken(4)[2:], taken(2, first_item=6))


def test_ranks_share_the_items():
    whole = taken(6)
    ranks = [taken(3, first_item=3 * rank, every=6) for rank in range(2)]
    assert same(whole[0::2], ranks[0])
    assert same(whole[1::2], ranks[1])


def test_batches_belong_to_the_caller():
    with stream(workers=1, prefetch=1) as batches:
        first = next(batches)
        kept = first.noisy.copy()
        first.clean[:] = 7.0
        next(batches)
        next(batches)
        assert np.array_equal(first.noisy, kept)


def test_a_closed_stream_ends_and_may_be_closed_twice():
    batches = stream()
    next(batches)
    assert batches.n_given == 1
    assert batches.waited_s > 0
    batches.close()
    batches.close()
    assert list(batches) == []


def test_a_worker_that_is_killed_is_told_of():
    with stream(workers=1) as batches:
        own = {worker._memory.name.removeprefix("/") for worker in batches._workers}
        next(batches)
        process = batches._workers[0]._process
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="exit code -9"):
            list(islice(batches, 50))
    assert not own & shared_memory()


def test_workers_leave_interrupts_to_the_trainer():
    with stream(workers=1) as batches:
        next(batches)
        process = batches._workers[0]._process
        os.kill(process.pid, signal.SIGINT)
        for _ in range(8):
            next(batches)
        assert process.is_alive()
    for _ in range(50):
        if not process.is_alive():
            break
        time.sleep(0.1)
    assert process.exitcode == 0


def test_a_mapped_store_travels_as_its_path(tmp_path):
    from specloom.audio import Audio
    from specloom.io.audio import save

    save(tmp_path / "a.wav", Audio(0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE))
    found = [Recording(path=tmp_path / "a.wav", group="a")]
    clips = prepare_clips(found, sample_rate=RATE, folder=tmp_path / "run", name="speech").clips
    here = [next(MixtureStream(Sources(speech=clips), SETTINGS, seed=1, batch_size=2, workers=0))]
    with MixtureStream(Sources(speech=clips), SETTINGS, seed=1, batch_size=2, workers=1) as batches:
        assert same(here, [next(batches)])
    assert clips.__getstate__()["_samples"] is None


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"first_item": -1}, {"every": 0}, {"workers": -1}, {"prefetch": 0}, {"workers": 1.5}]
)
def test_wrong_numbers_are_refused_by_name(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        stream(**wrong)


def test_too_little_shared_memory_is_refused_before_anything_is_touched(monkeypatch):
    monkeypatch.setattr(workers_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100_000}))
    monkeypatch.setattr(workers_module.Path, "is_dir", lambda _: True)
    assert workers_module._affordable(4, 40_000, 1) == 2
    assert workers_module._affordable(4, 40_000, 2) == 1
    with pytest.raises(ParameterError, match="shared memory"):
        stream(workers=1, batch_size=50)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert workers_module._affordable(4, 40_000, 1) == 1, "another rank's worker stands on the same machine"


def test_all_workers_get_the_share_that_was_free_at_first(monkeypatch):
    # What one has touched is not free any more when the next begins.
    left = iter([1_000_000, 0, 0])
    usage = lambda _: type("Usage", (), {"free": next(left)})  # noqa: E731
    monkeypatch.setattr(workers_module.shutil, "disk_usage", usage)
    monkeypatch.setattr(workers_module.Path, "is_dir", lambda _: True)
    with stream(workers=2) as batches:
        next(batches)
