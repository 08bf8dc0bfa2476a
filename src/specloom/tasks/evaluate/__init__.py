"""How good are systems that clean speech: models of ours, and what other programs have made."""

from specloom.tasks.evaluate.clips import FIGURES, Clip, Figure, named_snr_db
from specloom.tasks.evaluate.report import EvaluationReport, Failure, Worse
from specloom.tasks.evaluate.systems import CLEAN, NOISY, Peer, System, model_systems
from specloom.tasks.evaluate.task import CLIPS, Progress, evaluate, require_pairs
from specloom.tasks.evaluate.verdict import verdict

__all__ = [
    "CLEAN",
    "CLIPS",
    "FIGURES",
    "NOISY",
    "Clip",
    "EvaluationReport",
    "Failure",
    "Figure",
    "Peer",
    "Progress",
    "System",
    "Worse",
    "evaluate",
    "model_systems",
    "named_snr_db",
    "require_pairs",
    "verdict",
]
