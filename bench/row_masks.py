"""Row: what ideal masks reach, against an earlier measurement of the same recordings by other code."""

from __future__ import annotations

from recordings import Recordings
from results import Line, Result, three_decimals
from settings import MASK_PESQ_BAR
from specloom import sounds
from specloom.tasks.mask_lab import MaskReport, mask_lab
from specloom.tasks.mask_lab.oracles import ORACLES

RATES = (16_000, 8_000)

# PESQ at 16 kHz (wide band) and 8 kHz (narrow band) on the pairs of `pairs/mixed`, measured before this code was there.
BEFORE = {
    "cirm": (4.644, 4.549),
    "cirm-1-1": (4.423, 4.493),
    "psm": (3.969, 4.276),
    "orm": (3.969, 4.276),
    "psm-1-2": (3.951, 4.267),
    "iam-0-2": (3.754, 4.205),
    "iam-0-1": (3.698, 4.175),
    "psm-0-1": (3.677, 4.103),
    "orm-0-1": (3.677, 4.103),
    "irm": (3.622, 4.158),
    "irm-1": (3.475, 3.963),
    "ibm-majority-noise": (2.939, 3.727),
    "ibm": (2.714, 3.501),
    "ibm-snr": (2.714, 3.501),
    "noisy": (1.533, 2.161),
}


def measure(recordings: Recordings, rounds: int) -> list[Result]:
    del rounds  # nothing is timed
    mixed = None if recordings.folder is None else recordings.folder / "pairs" / "mixed"
    if mixed is None or not mixed.is_dir():
        report, before = mask_lab(sounds.path("speech"), sounds.path("music"), second_is="noise"), {}
        words = "the speech that ships with Specloom in the music that does"
    else:
        report, before = mask_lab(mixed / "clean", mixed / "noisy", second_is="noisy"), BEFORE
        words = f"{len(report.results)} mixes of speakers and noises, -5 to 15 dB"
    return [_result(report, before, words)]


def _result(report: MaskReport, before: dict[str, tuple[float, float]], words: str) -> Result:
    lines = tuple(_line(report, oracle.key, oracle.label, before.get(oracle.key)) for oracle in ORACLES)
    apart = [_apart(report, key, figures) for key, figures in before.items()]
    return Result(
        name="masks",
        title="ideal masks: PESQ apart from an earlier measurement, the worst mask",
        measured=three_decimals(max(apart)) if apart else "–",
        bar=f"≤ {MASK_PESQ_BAR}",
        lines=lines,
        audio=words,
        peer="other code, on the same recordings, before",
        notes=(
            "Each cell: 16 kHz, 512/256, wide-band PESQ; then 8 kHz, 256/128 in 512, narrow-band PESQ. A network that "
            "estimates a mask can hardly do better than its row.",
            report.verdict,
            report.choice,
        ),
    )


def _line(report: MaskReport, key: str, label: str, before: tuple[float, float] | None) -> Line:
    cells = []
    for rate in RATES:
        s = report.means(rate)[key]
        cells.append(f"PESQ {_number(s.pesq, 3)}, STOI {_number(s.stoi, 3)}, SI-SDR {_number(s.si_sdr_db, 1)}")
    return Line(
        what=label.replace("|", "&#124;"),
        ours="; ".join(cells),
        peer="" if before is None else f"PESQ {before[0]:.3f}; {before[1]:.3f}",
        bar="" if before is None else f"≤ {MASK_PESQ_BAR} apart",
        met=None if before is None else _apart(report, key, before) <= MASK_PESQ_BAR,
    )


def _apart(report: MaskReport, key: str, before: tuple[float, float]) -> float:
    """The greater of the two differences; none where PESQ is not installed."""
    there = [report.means(rate)[key].pesq for rate in RATES]
    return max(
        (abs(ours - theirs) for ours, theirs in zip(there, before, strict=True) if ours is not None), default=0.0
    )


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
