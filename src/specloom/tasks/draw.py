"""Sound files to spectrogram files: a file, several, or whole folder trees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from specloom.errors import ArtifactError, ParameterError
from specloom.tasks.batch import Batch, Job, Outcome, plan_jobs

if TYPE_CHECKING:
    from specloom.recipes.recipe import Channels, Recipe
    from specloom.recipes.spectrogram_file import ArrayName

Which = Literal["both", "linear", "mel"]


def draw_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    recipe: Recipe,
    *,
    which: Which = "both",
    channels: Channels | None = None,
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Make a spectrogram file of each recording.

    Parameters
    ----------
    inputs : iterable of paths
        Sound files and folders; of a folder, everything below it that is sound.
    out_dir : path
        ``IN/a/b.wav`` of the folder ``IN`` becomes ``out_dir/a/b.npz``.
    recipe : Recipe
    which : {"both", "linear", "mel"}
        The arrays that are stored.
    channels : {"mono", "each"}, optional
        Instead of the recipe's.
    overwrite : bool
        Make anew what is there already. Without it, a file that was drawn with these settings from this state of
        the recording is skipped, and any other file stays as it is and counts as failed.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each file; nothing has been read or written before.

    Raises
    ------
    ParameterError
        When there is nothing to do, or two recordings would become one file.
    AudioFileError
        When an input does not exist.
    """
    from specloom.io.audio import find_recordings

    if which not in ("both", "linear", "mel"):
        raise ParameterError(f"which={which!r}: allowed are 'both', 'linear' and 'mel'")
    if channels is not None:
        recipe = replace(recipe, channels=channels)
    arrays: tuple[ArrayName, ...] = ("linear", "mel") if which == "both" else (which,)
    planned = plan_jobs(map(Path, inputs), Path(out_dir), ".npz", lambda path: find_recordings([path]))
    return Batch(jobs=planned, work=Draw(recipe=recipe, arrays=arrays, overwrite=overwrite), workers=jobs)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The work on one recording."""

    recipe: Recipe
    arrays: tuple[ArrayName, ...]
    overwrite: bool

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Draw it, or say why it is skipped."""
        from specloom.io.audio import AudioFileWarning
        from specloom.recipes.streaming_analysis import draw_recording

        if job.target.exists() and not self.overwrite:
            return self._kept(job)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AudioFileWarning)
            origin = draw_recording(job.source, job.target, self.recipe, arrays=self.arrays, progress=progress)
        averaged = origin.n_channels > 1 and self.recipe.channels == "mono"
        mixed = f"; {origin.n_channels} channels averaged (--channels each keeps them)" if averaged else ""
        notes = mixed + "".join(f"; {warning.message}" for warning in caught)
        return Outcome("done", f"{origin.n_samples / origin.sample_rate:.1f} s of sound{notes}")

    def _kept(self, job: Job) -> Outcome:
        difference = self._difference(job)
        if difference is None:
            return Outcome("skipped", "already drawn with these settings")
        raise ArtifactError(f"{job.target} is there already and {difference}; use --overwrite to replace it")

    def _difference(self, job: Job) -> str | None:
        """How the file that is there differs from the one to be made; None when it does not."""
        from specloom.recipes.spectrogram_file import SourceStamp, SpectrogramFile

        try:
            with SpectrogramFile(job.target) as file:
                if file.recipe != self.recipe:
                    return f"was drawn with other settings (recipe {file.recipe.name!r})"
                if file.arrays != self.arrays:
                    return f"holds other arrays ({' and '.join(file.arrays)})"
                return None if file.source == SourceStamp.of(job.source) else "was drawn from another recording"
        except ArtifactError as error:
            return f"cannot be used ({error})"
