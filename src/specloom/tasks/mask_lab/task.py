"""The laboratory itself: every pair under every mask, at both rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from specloom.audio import Audio
from specloom.errors import MissingExtraError, ParameterError, SpecloomError
from specloom.metrics import pesq_available, stoi_available
from specloom.tasks.mask_lab.oracles import ORACLES, TRANSFORMS, Spectra
from specloom.tasks.mask_lab.pairs import SecondKind, Sounds, sounds_of, speech_share, tell_second
from specloom.tasks.mask_lab.report import Failure, MaskReport, PairResult, knows, mean_scores
from specloom.tasks.mask_lab.values import Coherence, ValueCounts, coherence_of, count_values
from specloom.tasks.mask_lab.verdict import ranking_verdict, truncation_choice
from specloom.tasks.pairs import Pair, find_pairs, read_pair
from specloom.tasks.scores import Judge, Scores

DEFAULT_SECONDS = 60.0

# Called with the pairs that are done, and all of them.
Progress = Callable[[int, int], None]


def mask_lab(
    clean: str | Path,
    second: str | Path,
    *,
    second_is: Literal["auto", "noise", "noisy"] = "auto",
    seconds: float | None = DEFAULT_SECONDS,
    with_perceptual: bool | None = None,
    progress: Progress = lambda done, total: None,
) -> MaskReport:
    """Measure what every ideal mask reaches at best.

    Parameters
    ----------
    clean : path
        A recording of speech, or a folder of them.
    second : path
        The noise that was, or is to be, added to it, or the noisy recording; of a folder a folder with files of the
        same names.
    second_is : {"auto", "noise", "noisy"}
        Which of the two; found out if not given, and said in the report's remarks.
    seconds : float, optional
        Measure no more than this from the beginning of each recording; None measures all of it.
    with_perceptual : bool, optional
        Take PESQ, STOI and ESTOI; whatever of the extra ``eval`` is installed, if not given.
    progress : callable
        Called with the number of pairs that are done and of all.

    Returns
    -------
    MaskReport
        At 16 kHz (512/256, wide-band PESQ) and at 8 kHz (256/128 in 512, narrow-band PESQ), or at 8 kHz alone for
        recordings of less than 16 kHz. Other rates are resampled first. A pair that cannot be measured is a failure in
        the report, and the others go on.

    Raises
    ------
    ParameterError
        When no pair is found, or none can be measured.
    AudioFileError
        When a path does not exist.
    MissingExtraError
        With ``with_perceptual=True``, when PESQ or STOI is not installed.
    """
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ParameterError(
            f"seconds={seconds}: a number above 0 is needed (0 on the command line, or None, for whole recordings)"
        )
    pairs, remarks = find_pairs(Path(clean), Path(second))
    kind, said, good, failures = _told(pairs, second_is, seconds)
    judge = Judge(
        pesq=pesq_available() if with_perceptual is None else with_perceptual,
        stoi=stoi_available() if with_perceptual is None else with_perceptual,
    )
    bench = _Bench(judge)
    for index, pair in enumerate(good):
        progress(index, len(good))
        try:
            bench.measure(pair, kind, seconds)
        except MissingExtraError:
            raise
        except SpecloomError as error:
            failures.append(Failure(name=pair.name, message=str(error)))
    progress(len(good), len(good))
    return bench.report(kind, failures, said + remarks, seconds)


def _told(
    pairs: list[Pair], second_is: Literal["auto", "noise", "noisy"], seconds: float | None
) -> tuple[SecondKind, list[str], list[Pair], list[Failure]]:
    """What the second sounds are, the sentence about it if it had to be found out, and which pairs are fit."""
    if second_is != "auto":
        return second_is, [], pairs, []
    shares, good, failures = [], [], []
    for pair in pairs:
        try:
            shares.append(speech_share(*read_pair(pair, seconds=seconds)))
            good.append(pair)
        except SpecloomError as error:
            failures.append(Failure(name=pair.name, message=str(error)))
    _require_any(shares, failures)
    kind, sentence = tell_second(shares)
    return kind, [sentence], good, failures


def _require_any(measured: list[float] | list[PairResult], failures: list[Failure]) -> None:
    if not measured:
        others = f" (and {len(failures) - 1} more pairs could not be measured)" if len(failures) > 1 else ""
        raise ParameterError(f"{failures[0].message}{others}")


_NAMES = {"pesq": "PESQ", "stoi": "STOI", "si_sdr_db": "SI-SDR"}


class _Bench:
    """What is gathered from pair to pair."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._results: list[PairResult] = []
        self._counts: dict[int, dict[str, ValueCounts]] = {}

    def measure(self, pair: Pair, kind: SecondKind, seconds: float | None) -> None:
        """One pair under every mask."""
        sounds = sounds_of(pair, *read_pair(pair, seconds=seconds), kind)
        scores: dict[int, dict[str, Scores]] = {}
        coherences: list[Coherence] = []
        for rate in rates_of(sounds.clean.sample_rate, pair):
            at_rate = resampled(sounds, rate)
            spectra = spectra_of(at_rate)
            scores[rate] = self._scores(spectra, at_rate, rate)
            coherences.append(coherence_of(spectra))
            count_values(spectra, self._counts.setdefault(rate, {}))
        self._results.append(
            PairResult(
                pair=pair,
                sample_rate=sounds.clean.sample_rate,
                duration_s=sounds.clean.duration_s,
                snr_db=sounds.snr_db,
                scores=scores,
                coherence=coherences[0],
            )
        )

    def _scores(self, spectra: Spectra, sounds: Sounds, rate: int) -> dict[str, Scores]:
        known: dict[bytes, Scores] = {}
        result = {}
        for row in ORACLES:
            estimate = sounds.noisy.samples if row.kind == "noisy" else spectra.masked(row.mask(spectra))
            # Two definitions of one mask give one sound, which need not be listened to twice.
            same = estimate.tobytes()
            if same not in known:
                known[same] = self._judge.scores(estimate, sounds.clean.samples, rate)
            result[row.key] = known[same]
        return result

    def report(
        self, kind: SecondKind, failures: list[Failure], remarks: list[str], seconds: float | None
    ) -> MaskReport:
        """All of it, with the sentences."""
        _require_any(self._results, failures)
        results = tuple(self._results)
        main = next(rate for rate in TRANSFORMS if rate in self._counts)
        means = mean_scores(results, main)
        return MaskReport(
            results=results,
            failures=tuple(failures),
            second=kind,
            with_pesq=self._judge.pesq,
            with_stoi=self._judge.stoi,
            seconds=seconds,
            counts=self._counts,
            verdict=ranking_verdict(means, main),
            choice=truncation_choice(means, self._counts[main]),
            remarks=(*remarks, *_more_remarks(results, self._judge)),
        )


def _more_remarks(results: tuple[PairResult, ...], judge: Judge) -> list[str]:
    found = float(np.mean([result.coherence.found for result in results]))
    chance = float(np.mean([result.coherence.by_chance for result in results]))
    said = "no more than chance" if found < 1.1 * chance else "more than chance: they hang together"
    remarks = [
        f"Coherence of speech and noise: {found:.2f} on average, and {chance:.2f} when the noise is moved in time, "
        f"which is {said}. What the IRM leaves out is the angle between the two in each single bin, not a likeness."
    ]
    if not (judge.pesq and judge.stoi):
        lacking = " and ".join(name for name, there in (("PESQ", judge.pesq), ("STOI", judge.stoi)) if not there)
        remarks.append(f"{lacking} not taken (pip install 'specloom[eval]').")
    for name, taken in (("pesq", judge.pesq), ("stoi", judge.stoi), ("si_sdr_db", True)):
        without = sum(not all(knows(table, name) for table in result.scores.values()) for result in results)
        if taken and without:
            remarks.append(
                f"{_NAMES[name]} has no meaning under some mask for {without} of {len(results)} pairs (too short, "
                "without speech, or masked to silence), and its means leave them out."
            )
    below = sum(16000 not in result.scores for result in results)
    if below:
        remarks.append(f"{below} of {len(results)} pairs have less than 16 kHz and stand in the 8 kHz table only.")
    return remarks


def rates_of(sample_rate: int, pair: Pair) -> list[int]:
    """The tables that a recording of this rate can stand in.

    Raises
    ------
    ParameterError
        When there is none.
    """
    rates = [rate for rate in TRANSFORMS if rate <= sample_rate]
    if not rates:
        raise ParameterError(f"{pair.clean} has {sample_rate} Hz: at least 8000 Hz are needed")
    return rates


def resampled(sounds: Sounds, rate: int) -> Sounds:
    """Both sounds at another rate."""
    from specloom.dsp.resample import resample

    clean, noisy = (
        Audio(resample(audio.samples, audio.sample_rate, rate), rate) for audio in (sounds.clean, sounds.noisy)
    )
    return Sounds(clean=clean, noisy=noisy)


def spectra_of(sounds: Sounds) -> Spectra:
    """The spectra of sounds at the rate of one of the tables."""
    return Spectra.of(sounds.clean.samples, sounds.noisy.samples, TRANSFORMS[sounds.clean.sample_rate])
