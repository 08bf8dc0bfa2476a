"""``specloom roundtrip``: which step of a recipe loses what, for any recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from specloom.audio import Audio
    from specloom.recipes import Recipe
    from specloom.tasks.roundtrip import RoundtripReport

# Columns of a table that goes into a file or a pipe.
_WIDTH_OF_FILES = 120


@dataclass(frozen=True, kw_only=True)
class Roundtrip:
    """Does sound, spectrogram, sound give the recording back, and if not, which step spoils it?

    Every step of the recipe is measured alone, then all of them together, then once more on the copy. The table is
    printed; the folder gets the sounds, report.json, report.csv and a page to listen to (index.html).

    Examples:

    specloom roundtrip speech.wav

    specloom roundtrip speech.wav --recipe spoof-as-written -o out

    specloom roundtrip voices/ --recipe mine.json --seconds 20
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN...", help_behavior_hint="(required)")
    ]
    """Sound files (WAV, FLAC, OGG, MP3, Opus, AIFF; m4a, webm and video with ffmpeg) and folders of them."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """The folder to write to ('NAME-roundtrip' if not given); of several recordings each gets a folder in it."""

    recipe: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.json")] = "spoof"
    """A recipe by its name ('specloom recipe' lists them) or from a JSON file."""

    seconds: float = 60.0
    """Compare no more than this from the beginning of each recording; 0 compares all of it."""

    quality: Literal["fast", "balanced", "best"] = "balanced"
    """Of our own phase reconstruction, which stands beside the recipe's."""

    perceptual: Literal["auto", "yes", "no"] = "auto"
    """Take PESQ and STOI (the extra 'eval'): if they are installed, in any case, or never."""

    def run(self) -> int:
        """Measure the recordings; the exit code."""
        from specloom.cli.main import DONE, SOME_FAILED, say_error
        from specloom.errors import AudioFileError, ParameterError, SpecloomError
        from specloom.io.audio import find_recordings
        from specloom.recipes import Recipe

        if not 0.0 <= self.seconds < float("inf"):
            raise ParameterError(f"seconds={self.seconds:g}: a number above 0 is needed, or 0 for the whole recording")
        recipe = Recipe.load(self.recipe)
        recordings = find_recordings(self.inputs)
        if not recordings:
            raise AudioFileError(f"no sound file was found in {', '.join(map(str, self.inputs))}")
        failed = 0
        for recording, folder in zip(recordings, folders_for(recordings, self.out)):
            try:
                self._one(recording, folder, recipe)
            except (OSError, SpecloomError, MemoryError) as error:
                # One bad file does not stop the others.
                sentence = in_a_sentence(error)
                say_error(sentence if str(recording) in sentence else f"{recording}: {sentence}")
                failed += 1
        return SOME_FAILED if failed else DONE

    def _one(self, recording: Path, folder: Path, recipe: Recipe) -> None:
        from rich.text import Text

        from specloom.page.roundtrip import write_roundtrip
        from specloom.tasks.roundtrip import roundtrip

        screen = console()
        audio, recording_s = beginning_of(recording, self.seconds)
        # A Text, because a string would be read as markup: "take[bold].wav".
        with screen.status(Text(f"{recording.name}: measuring every step of {recipe.name}")):
            report = roundtrip(
                audio,
                recipe,
                quality=self.quality,
                with_perceptual={"auto": None, "yes": True, "no": False}[self.perceptual],
                seconds=self.seconds or None,
                recording_s=recording_s,
            )
            page = write_roundtrip(report, folder, recording.name)
        print_report(screen, report, recording.name)
        print_path(screen, "page", page)


def in_a_sentence(error: Exception) -> str:
    """What went wrong, in words; the system's own errors begin with the file that they are about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory for it; compare less of it with --seconds, or close other programs"
    return str(error)


def folders_for(recordings: Sequence[Path], out: Path | None) -> list[Path]:
    """The folder of each recording: ``out`` itself for one, a folder in it for each of several."""
    if out is not None and len(recordings) == 1:
        return [out]
    stems = [recording.stem for recording in recordings]
    names = [recording.name if stems.count(recording.stem) > 1 else recording.stem for recording in recordings]
    folders: list[Path] = []
    for name in names:
        plain = Path(f"{name}-roundtrip") if out is None else out / name
        same = sum(folder == plain or folder.name.startswith(f"{plain.name}-") for folder in folders)
        folders.append(plain.with_name(f"{plain.name}-{same + 1}") if plain in folders else plain)
    return folders


def beginning_of(recording: Path, seconds: float) -> tuple[Audio, float]:
    """No more of a recording than is compared, and how long the whole of it is."""
    import numpy as np

    from specloom.audio import Audio
    from specloom.io.audio import AudioReader, load

    if seconds == 0:
        audio = load(recording)
        return audio, audio.duration_s
    with AudioReader(recording) as reader:
        wanted = seconds * reader.sample_rate
        pieces, have = [], 0
        for block in reader.blocks():
            pieces.append(block)
            have += block.shape[-1]
            if have > wanted:
                break
        whole_s = (reader.n_samples or have) / reader.sample_rate
        samples = np.concatenate(pieces, axis=-1) if pieces else np.zeros((1, 0), np.float32)
        return Audio(samples, reader.sample_rate), whole_s


def console() -> Console:
    """Where tables are printed; wide enough for them when nobody watches."""
    from rich.console import Console

    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=_WIDTH_OF_FILES)


def print_report(screen: Console, report: RoundtripReport, name: str) -> None:
    """The table of what each step lost, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    from specloom.page.html import format_number
    from specloom.page.roundtrip import COLUMNS, cells

    title = Text(f"{name}, recipe {report.recipe.name}: what each step loses")
    table = Table(title=title, title_justify="left")
    table.add_column("step", overflow="fold")
    for heading in (
        "LSD\ndB",
        "SC\ndB",
        "SI-SDR\ndB",
        "PESQ",
        "STOI",
        "pitch\ncents",
        "bright\ncents",
        "level\ndB",
        "length\ns",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    before = None
    for row in report.rows:
        together = row.kind not in ("step", "what-if")
        if together and before is False:
            table.add_section()
        before = together
        _, *numbers = cells(row.label, row.losses)
        texts = [
            format_number(n, c.decimals, signed=c.signed)
            for n, c in zip(numbers, COLUMNS[1:])
            if not isinstance(n, str)
        ]
        style = "dim" if row.is_same or row.kind == "what-if" else "bold" if row.kind == "total" else ""
        table.add_row(Text(row.label), *texts, style=style)
    screen.print()
    screen.print(table)
    screen.print(
        "LSD: log-spectral distance, SC: spectral convergence (lower is better). Dim: nothing lost, or an alternative."
    )
    for sentence in (report.verdict, *report.remarks):
        screen.print(Text(sentence), soft_wrap=True)


def print_path(screen: Console, what: str, path: Path) -> None:
    """Say where something lies, in one line that can be copied."""
    from rich.text import Text

    screen.print(Text(f"{what}: {path}"), soft_wrap=True)
