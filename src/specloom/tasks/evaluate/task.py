"""The evaluation itself: every pair through every system, and what is finished stays finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from specloom.errors import MissingExtraError, ParameterError, SpecloomError
from specloom.metrics import dnsmos_available, pesq_available, stoi_available
from specloom.metrics.dnsmos import DNSMOS_RATE
from specloom.tasks.batch import Batch, FileResult, Job
from specloom.tasks.evaluate.bench import Bench, Measured, MeasurePair, Wanted
from specloom.tasks.evaluate.clips import Clip, ClipTable, read_clips, write_clips
from specloom.tasks.evaluate.report import EvaluationReport, Failure
from specloom.tasks.evaluate.systems import NOISY, System, find_peer, require_names
from specloom.tasks.pairs import Pair, find_pairs
from specloom.tasks.scores import Judge

CLIPS = "clips.csv"
"""The file in the folder of an evaluation that grows while it runs."""

RATES = (16000, 8000)
"""Hertz at which figures can be taken: PESQ is wide-band at the first, narrow-band at the second."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an evaluation is.

    Parameters
    ----------
    done, total : int
        Pairs.
    name : str
        Of the pair in hand, or just finished.
    failed : str
        Why it failed, if it did.
    """

    done: int
    total: int
    name: str
    failed: str = ""


def evaluate(
    pairs: str | Path,
    systems: Sequence[System] = (),
    *,
    peers: Mapping[str, str | Path] | None = None,
    folder: str | Path | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    with_perceptual: bool | None = None,
    with_dnsmos: bool | None = None,
    with_clean: bool = True,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[Progress], None] = lambda state: None,
) -> EvaluationReport:
    """Measure how good systems are that turn noisy speech into clean speech.

    Parameters
    ----------
    pairs : path
        A folder with ``clean/`` and ``noisy/`` below it; files of one name at one place belong together.
    systems : sequence of System
        What is run; `model_systems` makes them of models.
    peers : dict, optional
        Folders with the outputs of other programs, by the name that they get; files named as the pairs. A constant
        delay is taken out.
    folder : path, optional
        Gets ``clips.csv``, row by row as the clips are finished. Figures that stand there already and depend on
        nothing that has changed are taken over, so an interrupted evaluation goes on.
    rate : {16000, 8000}, optional
        Every sound is taken to this rate first, and the systems are given it so; the highest that all clean sounds
        have, if not given. PESQ is wide-band at 16 kHz and narrow-band at 8 kHz; DNSMOS needs 16 kHz.
    seconds : float, optional
        Measure no more than this from the beginning of each recording.
    with_perceptual, with_dnsmos : bool, optional
        Take PESQ, STOI and ESTOI, and DNSMOS; whatever of the extra ``eval`` is installed, if not given.
    with_clean : bool
        Send the clean speech through the systems too: it should come out as it went in.
    overwrite : bool
        Take every figure anew.
    jobs : int
        Processes that work side by side.
    progress : callable
        Called whenever a pair is done.

    Returns
    -------
    EvaluationReport
        A clip that fails is a failure in it, and the others go on.

    Raises
    ------
    ParameterError
        When no pair is found, none can be measured, or a name or number cannot be worked with.
    AudioFileError
        When a folder does not exist.
    MissingExtraError
        When figures are asked for whose package is not installed.
    """
    place = Path(pairs)
    require_pairs(place)
    found, remarks = find_pairs(place / "clean", place / "noisy")
    bench = _bench(found, systems, peers or {}, rate, seconds)
    bench = replace(bench, **_figures(with_perceptual, with_dnsmos, bench.rate), with_clean=with_clean)  # type: ignore[arg-type]
    table = None if folder is None else Path(folder) / CLIPS
    run = _Run(bench, table, overwrite, jobs)
    run.work(progress)
    return run.report(remarks)


def require_pairs(place: Path) -> None:
    """Refuse a folder that holds no pairs.

    Raises
    ------
    ParameterError
        When ``clean/`` or ``noisy/`` is not there.
    """
    lacking = [name for name in ("clean", "noisy") if not (place / name).is_dir()]
    if lacking:
        what = "is no folder" if not place.is_dir() else f"holds no folder {' and no folder '.join(lacking)}"
        raise ParameterError(
            f"{place} {what}: a folder of pairs is needed, with clean/ and noisy/ below it and files of the same names "
            "in both"
        )


def _bench(
    pairs: list[Pair],
    systems: Sequence[System],
    peers: Mapping[str, str | Path],
    rate: int | None,
    seconds: float | None,
) -> Bench:
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ParameterError(
            f"seconds={seconds}: a number above 0 is needed (0 on the command line, or None, for whole recordings)"
        )
    require_names([*(system.name for system in systems), *peers])
    at = _rate_of(pairs, rate)
    return Bench(
        pairs=tuple(pairs),
        systems=tuple(systems),
        peers=tuple(find_peer(name, Path(folder), pairs, at) for name, folder in peers.items()),
        rate=at,
        judge=Judge(pesq=False, stoi=False),
        dnsmos=False,
        seconds=seconds,
        with_clean=True,
    )


def _rate_of(pairs: list[Pair], rate: int | None) -> int:
    from specloom.io.audio import AudioReader

    if rate is not None:
        if rate not in RATES:
            raise ParameterError(f"rate={rate!r}: allowed are {' and '.join(map(str, RATES))} Hz")
        return rate
    for pair in pairs:
        try:
            with AudioReader(pair.clean) as reader:
                if reader.sample_rate < RATES[0]:
                    return RATES[1]
        except SpecloomError:
            continue  # That is told when its turn comes.
    return RATES[0]


def _figures(perceptual: bool | None, dnsmos: bool | None, rate: int) -> dict[str, Judge | bool]:
    """What can be taken of what is asked for."""
    there = {"pesq": pesq_available(), "stoi": stoi_available(), "dnsmos": dnsmos_available()}
    asked = [("pesq", perceptual), ("stoi", perceptual), ("dnsmos", dnsmos)]
    lacking = [name.upper() for name, wish in asked if wish and not there[name]]
    if lacking:
        raise MissingExtraError(f"{' and '.join(lacking)} cannot be taken: pip install 'specloom[eval]'")
    if dnsmos and rate != DNSMOS_RATE:
        raise ParameterError(f"DNSMOS is defined at {DNSMOS_RATE} Hz only, and the figures are taken at {rate} Hz")
    judge = Judge(pesq=there["pesq"] and perceptual is not False, stoi=there["stoi"] and perceptual is not False)
    return {"judge": judge, "dnsmos": there["dnsmos"] and dnsmos is not False and rate == DNSMOS_RATE}


class _Run:
    """What is gathered from pair to pair."""

    def __init__(self, bench: Bench, table: Path | None, overwrite: bool, jobs: int) -> None:
        self._bench = bench
        self._path = table
        self._failures: list[Failure] = []
        self._clips: dict[tuple[str, str, str], Clip] = {}
        self._todo: dict[str, tuple[Wanted, ...]] = {}
        self._plan({} if overwrite or table is None else {clip.key: clip for clip in read_clips(table)})
        self._taken_over = len(self._clips)
        self._pairs = {pair.clean: pair for pair in bench.pairs if pair.name in self._todo}
        self._batch = Batch(
            jobs=tuple(Job(source=path, target=table or path) for path in self._pairs),
            work=MeasurePair(bench=bench, wanted=self._todo),
            workers=jobs,
        )
        # Only now, when nothing is refused any more.
        self._table = None if table is None else ClipTable(table, self._clips.values())

    def _plan(self, there: dict[tuple[str, str, str], Clip]) -> None:
        """Take over what an earlier run left, and find what is still to be done."""
        for pair in self._bench.pairs:
            missing = []
            for wanted in self._bench.wanted(pair):
                key = (wanted.system, wanted.given, pair.name)
                clip = there.get(key)
                if clip is not None and clip.fingerprint == wanted.fingerprint:
                    self._clips[key] = clip
                else:
                    missing.append(wanted)
            if missing:
                self._todo[pair.name] = tuple(missing)

    def work(self, progress: Callable[[Progress], None]) -> None:
        """Measure what is missing."""
        total = len(self._bench.pairs)
        done = total - len(self._pairs)
        progress(Progress(done=done, total=total, name=""))
        for result in self._batch:
            done += 1
            name = self._pairs[result.source].name
            self._take(name, result)
            progress(Progress(done=done, total=total, name=name, failed=_why(result)))

    def _take(self, name: str, result: FileResult) -> None:
        if not isinstance(result.found, Measured):
            self._failures.append(Failure(name=name, message=result.message))
            return
        self._failures += [Failure(name=what, message=message) for what, message in result.found.failures]
        self._clips.update({clip.key: clip for clip in result.found.clips})
        if self._table is not None:
            self._table.append(result.found.clips)

    def report(self, remarks: list[str]) -> EvaluationReport:
        """All of it, in the order of the pairs and systems."""
        order = [
            (system, given, pair.name)
            for system in self._bench.names
            for given in ("noisy", "clean")
            for pair in self._bench.pairs
        ]
        clips = tuple(self._clips[key] for key in order if key in self._clips)
        if not any(clip.system == NOISY for clip in clips):
            others = f" (and {len(self._failures) - 1} more failed)" if len(self._failures) > 1 else ""
            raise ParameterError(f"{self._failures[0].message}{others}")
        if self._path is not None:
            write_clips(self._path, clips)
        report = EvaluationReport(
            bench=self._bench,
            clips=clips,
            failures=tuple(self._failures),
            remarks=(),
            n_taken_over=self._taken_over,
        )
        return replace(report, remarks=(*remarks, *_more_remarks(report)))


def _why(result: FileResult) -> str:
    if not isinstance(result.found, Measured):
        return result.message
    return "; ".join(message for _, message in result.found.failures)


def _more_remarks(report: EvaluationReport) -> list[str]:
    bench = report.bench
    remarks = []
    for peer in bench.peers:
        if peer.lag_s:
            remarks.append(f"{peer.name} comes {1000 * peer.lag_s:.1f} ms late throughout; that was taken out.")
        if len(peer.files) < len(bench.pairs):
            remarks.append(f"{peer.name} has {len(peer.files)} of {len(bench.pairs)} clips.")
    n_common = len(report.common(report.main))
    if n_common < len(report.names):
        remarks.append(f"Means are taken over the {n_common} of {len(report.names)} clips that all systems have.")
    taken = {"PESQ": bench.judge.pesq, "STOI": bench.judge.stoi, "DNSMOS": bench.dnsmos}
    lacking = [name for name, there in taken.items() if not there]
    if lacking:
        at = f" at {bench.rate} Hz" if lacking == ["DNSMOS"] and bench.rate != DNSMOS_RATE else ""
        remarks.append(f"{', '.join(lacking)} not taken{at} (PESQ, STOI and DNSMOS: pip install 'specloom[eval]').")
    if not report.by_name and any(clip.named_snr_db is not None for clip in report.clips):
        remarks.append("Groups are by the measured signal-to-noise ratio: the names of the files say something else.")
    return remarks
