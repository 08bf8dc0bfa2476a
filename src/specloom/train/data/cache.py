"""Recordings read, resampled and stored once, so that mixing only copies."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from specloom.errors import AudioFileError, ParameterError, SpecloomError
from specloom.io.atomic import written_beside
from specloom.io.sources import reason
from specloom.train.data.clips import Clips, to_int16
from specloom.train.data.folders import Recording, Split
from specloom.train.data.mixing import Sources

# Raised when what is stored changes its meaning.
_VERSION: Final = 1
_PEAK: Final = 0.9
_SILENT: Final = 1e-4

Report = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Recordings that are ready to be mixed, and a sentence about each that is not."""

    clips: Clips
    problems: tuple[str, ...]


def prepare_clips(
    recordings: Sequence[Recording],
    *,
    sample_rate: int,
    folder: str | os.PathLike[str],
    name: str,
    workers: int = 1,
    report: Report | None = None,
) -> Prepared:
    """Read recordings, or take what was stored when the same ones were read before.

    Channels are averaged, the rate becomes `sample_rate`, the mean 0, the peak 0.9 (levels are drawn anew for every
    mixture), the samples 16-bit integers. They are kept in ``<name>-<key>.pcm`` with ``.json`` beside; the key comes
    from path, size, time of change and group of every recording and from the rate. Both are whole or not there, so
    after an interruption they are made again.

    Parameters
    ----------
    recordings : sequence of Recording
    sample_rate : int
        Hertz.
    folder : path-like
        Where the store lies; made if missing.
    name : str
        Begin of its name.
    workers : int
        Processes that read.
    report : callable, optional
        Called with the number of recordings that are read, and of all.

    Returns
    -------
    Prepared
        A recording that cannot be read, or is silent, is left out and told of.

    Raises
    ------
    AudioFileError
        When none can be used, or the store cannot be written (a full disk).
    """
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int) or sample_rate < 1:
        raise ParameterError(f"sample_rate={sample_rate!r}: a whole number of hertz is needed")
    store = Path(folder) / f"{name}-{_key(recordings, sample_rate)}.pcm"
    index = store.with_suffix(".json")
    try:
        prepared = _stored(store, index)
        if prepared is not None:
            return prepared
        _write(store, index, recordings, sample_rate, workers, report)
    except AudioFileError:
        raise
    except OSError as error:
        raise AudioFileError(f"{store} {reason(error, 'written')}") from error
    prepared = _stored(store, index)
    if prepared is None:
        raise AudioFileError(f"{store} was changed while it was written; do not train twice in one folder")
    return prepared


def prepare_sources(
    split: Split,
    *,
    sample_rate: int,
    folder: str | os.PathLike[str],
    workers: int = 1,
    report: Report | None = None,
) -> tuple[Sources, Sources, tuple[str, ...]]:
    """Prepare all parts of a split.

    Returns
    -------
    train, valid : Sources
    problems : tuple of str
        A sentence about every recording that was left out.

    Raises
    ------
    AudioFileError
        As `prepare_clips`.
    """
    parts: dict[str, Clips | None] = {}
    problems: list[str] = []
    for name in ("train_speech", "valid_speech", "train_noise", "valid_noise"):
        recordings: tuple[Recording, ...] = getattr(split, name)
        parts[name] = None
        if recordings or name.endswith("speech"):
            prepared = prepare_clips(
                recordings, sample_rate=sample_rate, folder=folder, name=name, workers=workers, report=report
            )
            parts[name] = prepared.clips
            problems += prepared.problems
    train_speech, valid_speech = parts["train_speech"], parts["valid_speech"]
    if train_speech is None or valid_speech is None:
        raise ParameterError("speech: recordings are needed to train with and to validate")
    train = Sources(speech=train_speech, noise=parts["train_noise"])
    return train, Sources(speech=valid_speech, noise=parts["valid_noise"]), tuple(problems)


def _key(recordings: Sequence[Recording], sample_rate: int) -> str:
    facts: list[Any] = [_VERSION, sample_rate]
    for each in recordings:
        try:
            status = each.path.stat()
        except OSError as error:
            raise AudioFileError(f"{each.path} {reason(error)}") from error
        facts.append([str(each.path.resolve()), status.st_size, status.st_mtime_ns, each.group])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _stored(store: Path, index: Path) -> Prepared | None:
    if not (store.is_file() and index.is_file()):
        return None
    try:
        said = json.loads(index.read_text(encoding="utf-8"))
        if store.stat().st_size != 2 * sum(said["lengths"]):
            return None
        clips = Clips(
            store.resolve(),
            lengths=said["lengths"],
            groups=said["groups"],
            names=said["names"],
            sample_rate=said["sample_rate"],
        )
        return Prepared(clips=clips, problems=tuple(said["problems"]))
    except (ValueError, KeyError, TypeError):
        # An index that a power failure cut short: it is made anew.
        return None


def _write(
    store: Path,
    index: Path,
    recordings: Sequence[Recording],
    sample_rate: int,
    workers: int,
    report: Report | None,
) -> None:
    said: dict[str, Any] = {"sample_rate": sample_rate, "lengths": [], "groups": [], "names": [], "problems": []}
    with written_beside(store) as temporary, temporary.open("wb") as file:
        sounds = _all_read([each.path for each in recordings], sample_rate, workers)
        for done, (each, sound) in enumerate(zip(recordings, sounds, strict=True), start=1):
            if isinstance(sound, str):
                said["problems"].append(sound)
            else:
                file.write(sound.tobytes())
                said["lengths"].append(len(sound))
                said["groups"].append(each.group)
                said["names"].append(str(each.path))
            if report is not None:
                report(done, len(recordings))
        if not said["lengths"]:
            first = f"; the first: {said['problems'][0]}" if said["problems"] else ""
            raise AudioFileError(f"none of {len(recordings)} recordings can be used{first}")
    with written_beside(index) as temporary:
        temporary.write_text(json.dumps(said), encoding="utf-8")


def _all_read(paths: list[Path], sample_rate: int, workers: int) -> Iterator[npt.NDArray[np.int16] | str]:
    rates = [sample_rate] * len(paths)
    if workers <= 1 or len(paths) < 2 * workers:
        yield from map(_read, paths, rates)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # In stretches, so that what is read and not yet written stays small.
        stretch = 16 * workers
        for start in range(0, len(paths), stretch):
            end = start + stretch
            yield from pool.map(_read, paths[start:end], rates[start:end], chunksize=4)


def _read(path: Path, sample_rate: int) -> npt.NDArray[np.int16] | str:
    """A recording as it is stored, or the sentence that says why not."""
    from specloom.dsp.resample import StreamingResampler
    from specloom.io.audio import AudioReader

    try:
        with AudioReader(path) as reader:
            resampler = StreamingResampler(reader.sample_rate, sample_rate, 1)
            pieces = [resampler.process(block.mean(axis=0, dtype=np.float32)) for block in reader.blocks()]
        pieces.append(resampler.process(np.zeros(0, np.float32), last=True))
    except SpecloomError as error:
        return str(error)
    sound = np.concatenate(pieces)
    # A constant would count as energy, and so as level, without being heard.
    sound -= sound.mean(dtype=np.float64).astype(np.float32) if len(sound) else 0
    peak = float(np.abs(sound).max(initial=0.0))
    if peak < _SILENT:
        return f"{path} is silent, so it was left out"
    return to_int16(sound * np.float32(_PEAK / peak))
