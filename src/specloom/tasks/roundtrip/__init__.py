"""The round trip: does sound, spectrogram, sound give the recording back, and if not, which step spoils it?"""

from specloom.tasks.roundtrip.measure import Copy, Judge, Losses
from specloom.tasks.roundtrip.report import RoundtripReport, RoundtripRow
from specloom.tasks.roundtrip.steps import Step, steps_of
from specloom.tasks.roundtrip.task import DEFAULT_SECONDS, roundtrip
from specloom.tasks.roundtrip.verdict import LIMITS, damage, spoilers

__all__ = [
    "DEFAULT_SECONDS",
    "LIMITS",
    "Copy",
    "Judge",
    "Losses",
    "RoundtripReport",
    "RoundtripRow",
    "Step",
    "damage",
    "roundtrip",
    "spoilers",
    "steps_of",
]
