"""The command ``specloom``: finds the subcommand, and turns errors into sentences and exit codes.

A subcommand is one module of this folder with a frozen dataclass whose fields are the arguments and whose ``run``
returns the exit code, and one line in `COMMANDS` (a name of one word, or two). The module is imported only when its
command is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from inspect import getdoc
from typing import Any

from specloom.errors import SpecloomError

DONE, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, kw_only=True)
class Command:
    """Where a subcommand lives, and what it does in one line."""

    module: str
    name: str
    summary: str


COMMANDS: dict[str, Command] = {
    "draw": Command(
        module="specloom.cli.draw",
        name="Draw",
        summary="sound files -> spectrogram files or pictures, one or a folder tree",
    ),
    "listen": Command(
        module="specloom.cli.listen",
        name="Listen",
        summary="spectrogram files and pictures -> sound files, one or a folder tree",
    ),
    "plot": Command(
        module="specloom.cli.plot", name="Plot", summary="figures for people: axes, colour bar, mel and linear"
    ),
    "enhance": Command(
        module="specloom.cli.enhance", name="Enhance", summary="noisy speech -> cleaned speech, files or live"
    ),
    "denoise": Command(
        module="specloom.cli.denoise",
        name="Denoise",
        summary="damaged mel spectrograms, pictures of them and recordings -> clean ones, by an autoencoder",
    ),
    "roundtrip": Command(
        module="specloom.cli.roundtrip", name="Roundtrip", summary="which step of a recipe loses what, with a page"
    ),
    "masks": Command(
        module="specloom.cli.masks",
        name="Masks",
        summary="how good each mask could be at best, on your speech and noise",
    ),
    "evaluate": Command(
        module="specloom.cli.evaluate",
        name="Evaluate",
        summary="how good models are on pairs of clean and noisy speech, with a page",
    ),
    "train enhance": Command(
        module="specloom.cli.train",
        name="TrainEnhance",
        summary="your own enhancement model, from folders of speech and noise",
    ),
    "train denoise-mel": Command(
        module="specloom.cli.train_denoise",
        name="TrainDenoiseMel",
        summary="your own autoencoder for mel spectrograms, from a folder of recordings",
    ),
    "train denoise-digits": Command(
        module="specloom.cli.train_denoise",
        name="TrainDenoiseDigits",
        summary="an autoencoder that takes noise off digits, with curves and pictures",
    ),
    "train inversion": Command(
        module="specloom.cli.train_inversion",
        name="TrainInversion",
        summary="networks that help your own mel spectrograms to become sound, for --quality neural",
    ),
    "demo": Command(
        module="specloom.cli.demo", name="Demo", summary="sounds, pictures and a page from the recordings that ship"
    ),
    "recipe": Command(
        module="specloom.cli.recipe", name="ShowRecipe", summary="list the recipes, or print one as JSON to start from"
    ),
}

_EXAMPLES = """\
  specloom draw speech.wav -o spectrograms
  specloom listen spectrograms/speech.npz -o sounds
  specloom draw speech.wav -o pictures --format png
  specloom listen pictures/ figure.png -o sounds --sample-rate 22050
  specloom plot speech.wav -o figures
  specloom enhance noisy.wav -o cleaned
  specloom roundtrip speech.wav --recipe spoof
  specloom masks clean/ noisy/ -o lab
  specloom evaluate default test-set/ -o scores
  specloom denoise damaged.png -o cleaned
  specloom train enhance --speech voices/ --noise noises/ --minutes 30 -o mine.onnx
  specloom draw recordings/ -o spectrograms --recipe tacotron --jobs 2
  specloom recipe tacotron > mine.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 1: some files failed (each was named), the others are done. 2: nothing was started, for the reason
    that was printed. 130: interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _print_any_name()
    try:
        return _run(arguments)
    except SpecloomError as error:
        say_error(str(error))
        return REFUSED
    except KeyboardInterrupt:
        goes_on = arguments[:1] in (["draw"], ["listen"], ["plot"], ["enhance"], ["denoise"], ["evaluate"])
        say_error("interrupted; run the same command again to go on" if goes_on else "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone (`| head`). Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED


def _print_any_name() -> None:
    """Let every file name be printed: what the terminal's encoding cannot hold becomes a backslash and digits."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE if arguments else REFUSED
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"specloom {version('specloom')}")
        except PackageNotFoundError:
            from specloom.version import __version__

            print(f"specloom {__version__}")
        return DONE
    name, rest = _split(arguments)
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise UnknownCommandError(f"'{name}' is no command of specloom ({', '.join(COMMANDS)}){meant}")
    return int(_parsed(name, rest).run())


def _split(arguments: list[str]) -> tuple[str, list[str]]:
    """The command, of one word or two (``train enhance``), and its arguments."""
    second = [name.split()[1] for name in COMMANDS if name.startswith(f"{arguments[0]} ")]
    if not second:
        return arguments[0], arguments[1:]
    if arguments[1:2] and arguments[1] in second:
        return " ".join(arguments[:2]), arguments[2:]
    raise UnknownCommandError(f"'{arguments[0]}' needs to be told what: specloom {arguments[0]} {' | '.join(second)}")


class UnknownCommandError(SpecloomError):
    """A subcommand that does not exist."""


def _parsed(name: str, arguments: list[str]) -> Any:
    import tyro

    wanted = COMMANDS[name]
    command = getattr(import_module(wanted.module), wanted.name)
    try:
        # The whole docstring, examples included; on its own tyro shows the first paragraph.
        return tyro.cli(command, prog=f"specloom {name}", description=getdoc(command), args=arguments)
    except SystemExit as stop:
        # tyro has printed the help, or what is wrong with an argument.
        return _Ended(REFUSED if stop.code else DONE)


@dataclass(frozen=True)
class _Ended:
    code: int

    def run(self) -> int:
        return self.code


def overview() -> str:
    """The text of ``specloom --help``."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return f"""\
usage: specloom COMMAND ...

Sound to spectrogram to sound.

commands:
{commands}

examples:
{_EXAMPLES}

'specloom COMMAND --help' tells its options; 'specloom --version' the version.
Exit codes: 0 done, 1 some files failed, 2 refused before anything was started, 130 interrupted."""


def say_error(sentence: str) -> None:
    """Print a sentence to stderr, in red on a terminal."""
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    print(f"{red}specloom: {sentence}{plain}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
