"""A figure of each of many files: sound, spectrogram files and pictures of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from specloom.errors import ArtifactError, ParameterError
from specloom.page.figure import palette
from specloom.page.plot import FORMATS, Which, plot
from specloom.tasks.batch import Batch, Job, Outcome, plan_jobs


def plot_files(
    inputs: Iterable[str | Path],
    out_dir: str | Path,
    *,
    file_format: Literal["png", "jpg", "svg", "pdf"] = "png",
    which: Which = "both",
    axes: bool = True,
    colour_bar: bool | None = None,
    range_db: float = 80.0,
    colormap: str = "magma",
    overwrite: bool = False,
    jobs: int = 1,
) -> Batch:
    """Draw a figure of each file; see `specloom.plot`.

    Parameters
    ----------
    inputs : iterable of paths
        Sound, spectrogram files and pictures of ours, and folders of them.
    out_dir : path
        ``IN/a/b.npz`` of the folder ``IN`` becomes ``out_dir/a/b.png``.
    file_format : {"png", "jpg", "svg", "pdf"}
    which, axes, colour_bar, range_db, colormap
        As in `specloom.plot`. With axes the file's name is the title.
    overwrite : bool
        Draw anew what is there already; without it a figure that is newer than its file is skipped.
    jobs : int
        Processes that work side by side.

    Returns
    -------
    Batch
        Iterating it does the work and gives a `FileResult` for each file; nothing has been read or written before.

    Raises
    ------
    ParameterError
        When there is nothing to do, or two files would become one figure.
    """
    if f".{file_format}" not in FORMATS:
        raise ParameterError(f"format={file_format!r}: a figure is written as {', '.join(FORMATS)}")
    palette(colormap)  # an unknown one is said once, not for every file
    planned = plan_jobs(map(Path, inputs), Path(out_dir), f".{file_format}", find_drawable)
    work = PlotFile(
        which=which, axes=axes, colour_bar=colour_bar, range_db=range_db, colormap=colormap, overwrite=overwrite
    )
    return Batch(jobs=planned, work=work, workers=jobs)


def find_drawable(path: Path) -> list[Path]:
    """The file itself, or everything below a folder that can be drawn."""
    from specloom.io.audio import find_recordings
    from specloom.io.image import READ_SUFFIXES
    from specloom.pictures.files import read_settings
    from specloom.tasks.listen import find_spectrograms

    if not path.is_dir():
        return find_recordings([path])
    # A folder may hold other pictures too: photographs, and figures that were drawn before.
    pictures = (found for found in find_spectrograms(path, READ_SUFFIXES) if read_settings(found) is not None)
    return sorted({*find_recordings([path]), *find_spectrograms(path), *pictures})


@dataclass(frozen=True, kw_only=True)
class PlotFile:
    """The work on one file."""

    which: Which
    axes: bool
    colour_bar: bool | None
    range_db: float
    colormap: str
    overwrite: bool

    def __call__(self, job: Job, progress: Callable[[float], None]) -> Outcome:
        """Draw it, or say why it is skipped."""
        if job.target.exists() and not self.overwrite:
            if job.target.stat().st_mtime_ns < job.source.stat().st_mtime_ns:
                raise ArtifactError(f"{job.target} is there already and older; use --overwrite to replace it")
            return Outcome("skipped", "there already; use --overwrite to draw it anew")
        data = plot(
            job.source,
            job.target,
            which=self.which,
            axes=self.axes,
            colour_bar=self.colour_bar,
            range_db=self.range_db,
            colormap=self.colormap,
            title=job.source.name if self.axes else "",
        )
        return Outcome("done", f"{len(data) / 1000:.0f} kB")
