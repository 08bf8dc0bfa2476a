"""How one clip is measured: picklable, so that other processes can do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.errors import ParameterError, SpecloomError
from specloom.io.audio import load
from specloom.metrics.dnsmos import DNSMOS_RATE, dnsmos_score
from specloom.tasks.batch import Job, Outcome
from specloom.tasks.evaluate.clips import Clip, Given, named_snr_db
from specloom.tasks.evaluate.systems import CLEAN, NOISY, Kind, Peer, System, at_rate, file_identity
from specloom.tasks.finished import digest
from specloom.tasks.pairs import Pair, read_pair
from specloom.tasks.scores import Judge

# Another number when the same sounds would get other figures.
_VERSION = 2
# Of a peer's sound that much of the clip must be there, at least.
_LEAST_SHARE = 0.5

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A clip that is to be measured."""

    system: str
    given: Given
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What came of a pair: its clips, and what failed, as (which clip, why)."""

    clips: tuple[Clip, ...]
    failures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured, with which figures.

    Parameters
    ----------
    pairs : tuple of Pair
    systems : tuple of System
    peers : tuple of Peer
    rate : int
        At which all sounds are heard: 16000 or 8000.
    judge : Judge
    dnsmos : bool
        Take DNSMOS.
    seconds : float or None
        No more than this of each recording.
    with_clean : bool
        Send the clean speech through the systems too.
    """

    pairs: tuple[Pair, ...]
    systems: tuple[System, ...]
    peers: tuple[Peer, ...]
    rate: int
    judge: Judge
    dnsmos: bool
    seconds: float | None
    with_clean: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The noisy input, the systems that are run, the peers."""
        return (NOISY, *(system.name for system in self.systems), *(peer.name for peer in self.peers))

    def kind(self, name: str) -> Kind:
        """What stands behind a name."""
        if name == NOISY:
            return "noisy"
        return "system" if name in {system.name for system in self.systems} else "peer"

    def lag_s(self, name: str) -> float:
        """By how much a peer's sounds came late; 0 for all others."""
        return next((peer.lag_s for peer in self.peers if peer.name == name), 0.0)

    def wanted(self, pair: Pair) -> list[Wanted]:
        """Every clip of a pair.

        Raises
        ------
        OSError
            When a file has gone.
        """
        sounds = [file_identity(pair.clean), file_identity(pair.second)]
        settings = [_VERSION, asdict(self.judge), self.dnsmos, self.rate, self.seconds, sounds]
        found = [Wanted(system=NOISY, given=NOISY, fingerprint=digest(settings))]
        for system in self.systems:
            for given in (NOISY, CLEAN) if self.with_clean else (NOISY,):
                # Without an identity nothing is known to be the same again.
                print_ = digest([*settings, given, system.identity]) if system.identity is not None else ""
                found.append(Wanted(system=system.name, given=given, fingerprint=print_))
        for peer in self.peers:
            if pair.name in peer.files:
                theirs = [file_identity(peer.files[pair.name]), peer.lag_s]
                found.append(Wanted(system=peer.name, given=NOISY, fingerprint=digest([*settings, theirs])))
        return found

    def sounds(self, pair: Pair) -> tuple[Audio, Audio]:
        """The clean and the noisy sound at the rate of the figures; errors as of `read_pair`."""
        clean, noisy = read_pair(pair, seconds=self.seconds)
        return at_rate(clean, self.rate), at_rate(noisy, self.rate)

    def output(self, name: str, pair: Pair, given: Audio) -> Audio:
        """What a system makes of a sound, or a peer has made of the pair's; of the length and rate of ``given``.

        Raises
        ------
        SpecloomError
            When the system refuses it, or what it gives does not fit.
        """
        for system in self.systems:
            if system.name == name:
                return _checked(system.process(given), given, name)
        for peer in self.peers:
            if peer.name == name:
                return self._of_peer(peer, pair, given)
        return given

    def _of_peer(self, peer: Peer, pair: Pair, given: Audio) -> Audio:
        file = peer.files[pair.name]
        theirs = load(file)
        if theirs.n_channels != 1:
            raise ParameterError(f"{file} has {theirs.n_channels} channels: sounds are compared on one")
        late = round(peer.lag_s * self.rate)
        samples = at_rate(theirs, self.rate).samples.reshape(-1)
        samples = samples[late:] if late >= 0 else np.pad(samples, (-late, 0))
        if len(samples) < _LEAST_SHARE * given.n_samples:
            raise ParameterError(
                f"{file} has {theirs.duration_s:.2f} s, the clip {given.duration_s:.2f} s: it is another recording, or "
                "was cut short"
            )
        missing = max(0, given.n_samples - len(samples))
        return Audio(np.pad(samples, (0, missing))[: given.n_samples], self.rate)

    def scores(self, estimate: Samples, clean: Samples) -> dict[str, float | None]:
        """Every figure, by the fields of `Clip`."""
        found: dict[str, float | None] = asdict(self.judge.scores(estimate, clean, self.rate))
        if self.dnsmos and self.rate == DNSMOS_RATE:
            heard = dnsmos_score(estimate, self.rate)
            found |= {f"dns_{key}": value for key, value in asdict(heard).items()}
        return found


@dataclass(frozen=True, kw_only=True)
class MeasurePair:
    """The work on one pair, for `specloom.tasks.batch.Batch`; a job's source is the clean sound of its pair."""

    bench: Bench
    wanted: dict[str, tuple[Wanted, ...]]

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Measure what is wanted of a pair; `Outcome.found` holds the `Measured`."""
        pair = next(pair for pair in self.bench.pairs if pair.clean == job.source)
        clean, noisy = self.bench.sounds(pair)
        asked = self.wanted[pair.name]
        clips: list[Clip] = []
        failures: list[tuple[str, str]] = []
        for index, wanted in enumerate(asked):
            progress(index / len(asked))
            try:
                clips.append(self._clip(pair, wanted, clean, noisy))
            except SpecloomError as error:
                of_clean = ", clean speech" if wanted.given == CLEAN else ""
                failures.append((f"{pair.name} ({wanted.system}{of_clean})", str(error)))
        return Outcome("done", f"{len(clips)} sounds", found=Measured(clips=tuple(clips), failures=tuple(failures)))

    def _clip(self, pair: Pair, wanted: Wanted, clean: Audio, noisy: Audio) -> Clip:
        given = clean if wanted.given == CLEAN else noisy
        begun = time.perf_counter()
        output = self.bench.output(wanted.system, pair, given)
        elapsed = time.perf_counter() - begun
        was_run = self.bench.kind(wanted.system) == "system"
        return Clip(
            system=wanted.system,
            given=wanted.given,
            name=pair.name,
            sample_rate=self.bench.rate,
            duration_s=clean.duration_s,
            snr_db=pair_snr_db(clean, noisy),
            named_snr_db=named_snr_db(pair.name),
            cost=elapsed / clean.duration_s if was_run else None,
            fingerprint=wanted.fingerprint,
            **self.bench.scores(output.samples, clean.samples),
        )


def pair_snr_db(clean: Audio, noisy: Audio) -> float | None:
    """Over the whole of both, in decibels; None when there is no noise, or nothing but noise.

    The speech may be louder or softer in the noisy sound than alone: its level there is the one that leaves least.
    """
    alone, mixed = clean.samples.astype(np.float64), noisy.samples.astype(np.float64)
    speech = alone * (np.vdot(alone, mixed) / np.vdot(alone, alone))
    powers = [float(np.square(part).sum()) for part in (speech, mixed - speech)]
    return None if min(powers) <= 1e-12 * max(powers) else 10.0 * float(np.log10(powers[0] / powers[1]))


def _checked(output: Audio, given: Audio, name: str) -> Audio:
    if (output.sample_rate, output.samples.shape) != (given.sample_rate, given.samples.shape):
        raise ParameterError(
            f"{name} gave {output.samples.shape} at {output.sample_rate} Hz for {given.samples.shape} at "
            f"{given.sample_rate} Hz: a system must keep the shape and the rate"
        )
    return output
