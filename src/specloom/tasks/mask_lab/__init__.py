"""The mask laboratory: what every ideal mask could reach at best, on anybody's own speech and noise."""

from specloom.tasks.mask_lab.oracles import ORACLES, Oracle, Spectra
from specloom.tasks.mask_lab.pairs import SecondKind, Sounds, sounds_of
from specloom.tasks.mask_lab.report import Failure, MaskReport, PairResult
from specloom.tasks.mask_lab.task import DEFAULT_SECONDS, mask_lab
from specloom.tasks.mask_lab.values import Coherence, ValueCounts
from specloom.tasks.pairs import Pair, find_pairs, read_pair
from specloom.tasks.scores import Scores

__all__ = [
    "DEFAULT_SECONDS",
    "ORACLES",
    "Coherence",
    "Failure",
    "MaskReport",
    "Oracle",
    "Pair",
    "PairResult",
    "Scores",
    "SecondKind",
    "Sounds",
    "Spectra",
    "ValueCounts",
    "find_pairs",
    "mask_lab",
    "read_pair",
    "sounds_of",
]
