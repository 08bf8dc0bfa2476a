"""What a copy has lost against its original, heard as a listener hears it: at the rate that is written in the file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from specloom.audio import Audio
from specloom.config import StftConfig
from specloom.dsp.resample import resample
from specloom.dsp.stft import fit_length, stft
from specloom.errors import ParameterError
from specloom.metrics import (
    centroid_shift_cents,
    f0_shift_cents,
    log_spectral_distance_db,
    pesq_score,
    si_sdr_db,
    spectral_convergence_db,
    stoi_score,
)

FloatArray = npt.NDArray[np.float32]

# A copy whose spectral convergence is this low differs from its original by rounding.
SAME_DB = -90.0
# The same window for every recipe, so that figures of different recipes can be compared.
_WINDOW_S = 0.032
# What lies this far below the loudest bin of the original is not heard beside it.
LSD_FLOOR_DB = -60.0
# A float32 chain that loses nothing ends here or beyond; no figure goes further, so none is infinite.
CEILING_DB = 120.0
_PESQ_WIDE_HZ = 16000
_PESQ_NARROW_HZ = 8000
_LEAST_F0_HZ = 60.0
_TOP_F0_HZ = 800.0
_LOST_VOICE_CENTS = 600.0
# Two tempos nearer to each other than this are the same.
_SAME_TEMPO = 1e-6


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The figures of one copy; None where one has no meaning.

    Parameters
    ----------
    spectral_convergence_db : float
        Lower is better; 0 dB is an error as large as the sound.
    log_spectral_distance_db : float
        Lower is better; over everything less than 60 dB below the original's loudest bin.
    si_sdr_db : float or None
        Higher is better; only where the step keeps phase and tempo.
    pesq : float or None
        1 is bad, 4.64 (wide band) or 4.55 (narrow band) is the same.
    stoi : float or None
        About 0 to 1, the same; only where the tempo is kept.
    f0_shift_cents, centroid_shift_cents : float or None
        The pitch of the voice and the brightness, above 0 when the copy's is higher.
    level_db : float or None
        Above 0 when the copy is louder. All other figures are taken after the levels are matched.
    duration_change_s : float
        Above 0 when the copy is longer.
    """

    spectral_convergence_db: float
    log_spectral_distance_db: float
    si_sdr_db: float | None
    pesq: float | None
    stoi: float | None
    f0_shift_cents: float | None
    centroid_shift_cents: float | None
    level_db: float | None
    duration_change_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Copy:
    """A sound that a chain has made of an original, and where its samples belong.

    Parameters
    ----------
    audio : Audio
        One channel, at the rate that is written in the file.
    offset_s, speed : float
        Second ``t`` of the copy is second ``offset_s + speed * t`` of the original: an offset where edges were
        trimmed, a speed other than 1 where a wrong rate was written.
    keeps_phase : bool
        Whether comparing waveforms means anything.
    """

    audio: Audio
    offset_s: float = 0.0
    speed: float = 1.0
    keeps_phase: bool = True

    @property
    def same_tempo(self) -> bool:
        """Whether the copy runs as fast as its original."""
        return abs(self.speed - 1.0) < _SAME_TEMPO


@dataclass(frozen=True, kw_only=True)
class _Perceived:
    """The figures that take long."""

    pesq: float | None
    stoi: float | None
    f0_shift_cents: float | None


class Judge:
    """Compares copies with one original, whose transform is computed once.

    Parameters
    ----------
    original : Audio
        One channel.
    pesq, stoi : bool
        Take these too (the extra ``eval``).

    Raises
    ------
    ParameterError
        When the original has several channels or no sample.
    """

    def __init__(self, original: Audio, *, pesq: bool, stoi: bool) -> None:
        if original.samples.ndim != 1 or original.n_samples == 0:
            raise ParameterError(
                f"the original has the shape {original.samples.shape}: one channel with at least one sample is needed; "
                "use audio.mono()"
            )
        self.original = original
        self.pesq = pesq
        self.stoi = stoi
        self._config = _comparison_config(original.sample_rate)
        self._magnitude = np.abs(stft(original.samples, self._config))

    def of(self, original: Audio) -> Judge:
        """The same judge for another original."""
        return Judge(original, pesq=self.pesq, stoi=self.stoi)

    @property
    def pesq_rate(self) -> int | None:
        """16 kHz (wide band) for originals of at least 16 kHz, 8 kHz (narrow band) from there to 8 kHz, else none."""
        rate = self.original.sample_rate
        return _PESQ_WIDE_HZ if rate >= _PESQ_WIDE_HZ else _PESQ_NARROW_HZ if rate >= _PESQ_NARROW_HZ else None

    def losses(self, copy: Copy) -> Losses:
        """Compare a copy with the original."""
        original, audio = self.original, copy.audio
        heard = self._on_time_line(copy)
        convergence_db, distance_db = self._distances(heard)
        same = convergence_db <= SAME_DB and copy.same_tempo
        perceived = self._perceived_same if same else self._perceived(copy, heard)
        return Losses(
            spectral_convergence_db=convergence_db,
            log_spectral_distance_db=distance_db,
            si_sdr_db=self._si_sdr(copy, heard),
            pesq=perceived.pesq,
            stoi=perceived.stoi,
            f0_shift_cents=perceived.f0_shift_cents,
            centroid_shift_cents=_known(
                centroid_shift_cents(audio.samples, original.samples, audio.sample_rate, original.sample_rate)
            ),
            level_db=_level_db(heard, original.samples, copy.speed),
            duration_change_s=audio.duration_s - original.duration_s,
        )

    @cached_property
    def _perceived_same(self) -> _Perceived:
        """What a copy gets that differs by rounding: the dear figures are taken once, of the original itself."""
        return self._perceived(Copy(audio=self.original), self.original.samples)

    def _perceived(self, copy: Copy, heard: FloatArray) -> _Perceived:
        return _Perceived(
            pesq=self._pesq(heard), stoi=self._stoi(copy, heard), f0_shift_cents=self._f0_shift(copy, heard)
        )

    @cached_property
    def _for_pesq(self) -> FloatArray | None:
        if not self.pesq or self.pesq_rate is None:
            return None
        return _at_rate(self.original.samples, self.original.sample_rate, self.pesq_rate)

    def _on_time_line(self, copy: Copy) -> FloatArray:
        """The copy at the original's rate, with silence where it lacks something: from the original's first to its
        last moment, at the copy's own tempo."""
        rate = self.original.sample_rate
        samples = _at_rate(copy.audio.samples, copy.audio.sample_rate, rate)
        lead = round(copy.offset_s / copy.speed * rate)
        samples = np.pad(samples, (lead, 0)) if lead >= 0 else samples[-lead:]
        return np.asarray(fit_length(samples, max(1, round(self.original.n_samples / copy.speed))), np.float32)

    def _distances(self, heard: FloatArray) -> tuple[float, float]:
        """Spectral convergence and log-spectral distance, moment by moment, after the levels are matched."""
        magnitude = _stretched(np.abs(stft(heard, self._config)), self._magnitude.shape[-1])
        power = float(np.square(magnitude, dtype=np.float64).sum())
        # The gain with the least error; without it, a copy that is only softer would count as spoilt.
        gain = float(np.multiply(magnitude, self._magnitude, dtype=np.float64).sum()) / power if power > 0.0 else 1.0
        magnitude = magnitude * np.float32(gain)
        convergence = float(spectral_convergence_db(magnitude, self._magnitude))
        distance = float(log_spectral_distance_db(magnitude, self._magnitude, floor_db=LSD_FLOOR_DB))
        return _bounded(convergence), min(distance, CEILING_DB)

    def _si_sdr(self, copy: Copy, heard: FloatArray) -> float | None:
        if not (copy.keeps_phase and copy.same_tempo):
            return None
        ratio = _known(float(si_sdr_db(heard, self.original.samples)))
        return None if ratio is None else _bounded(ratio)

    def _pesq(self, heard: FloatArray) -> float | None:
        if self._for_pesq is None or self.pesq_rate is None:
            return None
        ours = _at_rate(heard, self.original.sample_rate, self.pesq_rate)
        mode = "wb" if self.pesq_rate == _PESQ_WIDE_HZ else "nb"
        try:
            return pesq_score(self._for_pesq, ours, self.pesq_rate, mode=mode)  # type: ignore[arg-type]
        except ParameterError:
            # Too short, silent or without speech: there is no score to give.
            return None

    def _stoi(self, copy: Copy, heard: FloatArray) -> float | None:
        if not (self.stoi and copy.same_tempo):
            return None
        try:
            return stoi_score(self.original.samples, heard, self.original.sample_rate)
        except ParameterError:
            return None

    def _f0_shift(self, copy: Copy, heard: FloatArray) -> float | None:
        rate = self.original.sample_rate
        top_hz = min(_TOP_F0_HZ, rate / 4)
        if top_hz <= _LEAST_F0_HZ:
            return None
        shift = _known(f0_shift_cents(heard, self.original.samples, rate, rate, fmin_hz=_LEAST_F0_HZ, fmax_hz=top_hz))
        # Half an octave away from where the tempo puts it, it is no voice that was found again.
        lost = shift is not None and abs(shift - 1200.0 * math.log2(copy.speed)) > _LOST_VOICE_CENTS
        return None if lost else shift


def _comparison_config(sample_rate: int) -> StftConfig:
    n_fft = max(16, 2 ** round(math.log2(_WINDOW_S * sample_rate)))
    return StftConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)


def _at_rate(samples: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    if from_rate == to_rate or len(samples) == 0:
        return samples
    return np.asarray(resample(samples, from_rate, to_rate), dtype=np.float32)


def _stretched(magnitude: FloatArray, n_frames: int) -> FloatArray:
    """As many frames as the original has, along straight lines: what is said together stands together."""
    have = magnitude.shape[-1]
    if have == n_frames:
        return magnitude
    position = np.linspace(0.0, have - 1.0, n_frames)
    below = np.minimum(position.astype(np.intp), max(0, have - 2))
    share = (position - below).astype(np.float32)
    above = np.minimum(below + 1, have - 1)
    return np.asarray(magnitude[:, below] * (1 - share) + magnitude[:, above] * share)


def _level_db(heard: FloatArray, original: FloatArray, speed: float) -> float | None:
    """The ratio of the energies; a copy that runs faster has its energy in less time."""
    ours = float(np.square(heard, dtype=np.float64).sum()) * speed
    truth = float(np.square(original, dtype=np.float64).sum())
    if ours <= 0.0 or truth <= 0.0:
        return 0.0 if ours == truth else None
    return 10.0 * math.log10(ours / truth)


def _bounded(db: float) -> float:
    return max(-CEILING_DB, min(CEILING_DB, db))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
