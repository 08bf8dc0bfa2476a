"""``specloom train enhance``: anybody's own model, from folders of recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from specloom.cli.training import HowToTrain, train

_FOLDERS = "--speech DIR and --noise DIR are needed: folders of recordings to learn from"
_NEEDED = {"speech": _FOLDERS, "noise": _FOLDERS}


@dataclass(frozen=True, kw_only=True)
class TrainEnhance:
    """Train a model that takes noise out of speech, on your own recordings.

    Speech and noise are mixed on the fly. One part of the speakers and of the noises is held back: the scores are taken
    on them, and the best weights become the model file, which 'specloom enhance --model' runs. Beside it lies the run's
    folder (MODEL.training) with checkpoints, log.jsonl and TensorBoard's curves. Ctrl-C saves and stops.

    Examples:

    specloom train enhance --speech voices/ --noise noises/ --minutes 30 -o mine.onnx

    specloom train enhance --speech voices/ --noise noises/ --recipe tiny --steps 50000 -o small.onnx

    specloom train enhance --resume -o mine.onnx

    specloom train enhance --from default --speech ours/ --noise ours-too/ --minutes 20 -o adapted.onnx

    Without --minutes or --steps it takes 180 minutes for 'default', 60 for 'tiny', else 20. A run that is resumed ends
    where it would have ended without the stop: on the CPU, with as many threads and by --steps, to the bit.
    """

    speech: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(needed for a new run)")
    ] = ()
    """Folders of recordings of speech, several speakers in all."""

    noise: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(needed for a new run)")
    ] = ()
    """Folders of recordings of noise."""

    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: default)")] = None
    """What is trained, and how: default, tiny, article-mask, article-mapping, waveform."""

    target: Annotated[str | None, tyro.conf.arg(metavar="MASK", help_behavior_hint="")] = None
    """The mask that a mask recipe learns: ibm, irm, iam, psm, cirm, orm."""

    begin_from: Annotated[str | None, tyro.conf.arg(name="from", metavar="MODEL", help_behavior_hint="")] = None
    """Begin with the weights of this model file (or of 'default' or 'tiny', which ship) instead of random ones."""

    speaker_from: Annotated[str | None, tyro.conf.arg(metavar="RULE", help_behavior_hint="")] = None
    """How the speaker is told from a file's path, if not by folder."""

    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: 1)")] = None
    """Processes that mix."""

    training: Annotated[HowToTrain, tyro.conf.OmitArgPrefixes] = field(default_factory=HowToTrain)

    def run(self) -> int:
        """Train and export; the exit code."""
        from specloom.cli.main import DONE

        done = train("enhance", self.training, self._given(), default_recipe="default", needed=_NEEDED)
        return done if isinstance(done, int) else DONE

    def _given(self) -> dict[str, Any]:
        folders = {name: tuple(map(str, getattr(self, name))) for name in ("speech", "noise")}
        return folders | {
            name: getattr(self, name) for name in ("recipe", "target", "begin_from", "speaker_from", "workers")
        }
