"""``specloom train inversion``: networks that help one's own mel spectra to become sound."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from specloom.cli.training import HowToTrain, train


@dataclass(frozen=True, kw_only=True)
class TrainInversion:
    """Train the networks behind '--quality neural', for your own settings and recordings: speech, music, anything.

    A third of the time goes into a network that spreads mel bands over the bins, the rest into one that
    refines the sound that is made of that. A tenth of the recordings is held back to measure on. The model file holds
    both networks and the settings; 'specloom listen --quality neural --model' uses it.

    Examples:

    specloom train inversion voices/ -o mine.zip

    specloom train inversion music/ --kind music --recipe tacotron --minutes 60 -o music.zip

    specloom train inversion --resume --minutes 90 -o mine.zip

    Without --minutes or --steps it takes 40 minutes.
    """

    recordings: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER...", help_behavior_hint="(for a new run)")
    ] = ()
    """Folders of recordings."""

    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(default: speech16)")] = None
    """The recipe of the spectrograms ('specloom recipe')."""

    kind: Annotated[
        Literal["speech", "music"] | None, tyro.conf.arg(metavar="speech|music", help_behavior_hint="(default: speech)")
    ] = None
    """Speech is also trained and chosen by models of how it is heard; anything else is music."""

    sample_rate: Annotated[int | None, tyro.conf.arg(metavar="HZ", help_behavior_hint="")] = None
    """For a recipe that does not fix it."""

    training: Annotated[HowToTrain, tyro.conf.OmitArgPrefixes] = field(default_factory=HowToTrain)

    def run(self) -> int:
        """Train and export; the exit code."""
        from specloom.cli.main import DONE

        given: dict[str, Any] = {
            "recordings": tuple(map(str, self.recordings)),
            "spectrogram": self.recipe,
            "sample_rate": self.sample_rate,
            "kind": self.kind,
        }
        training = self.training
        if training.out is None:
            training = replace(training, out=Path(f"{Path(self.recipe or 'speech16').stem}.zip"))
        done = train(
            "inversion",
            training,
            given,
            default_recipe="inversion",
            needed={"recordings": "FOLDER is needed: a folder of recordings to learn from"},
            suffix=".zip",
        )
        return done if isinstance(done, int) else DONE
