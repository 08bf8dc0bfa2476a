"""What was not told and had to be found out: each with where it came from and which option overrides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["given", "read", "measured", "known family", "guessed"]


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One value that the sound of a picture hangs on.

    Parameters
    ----------
    name : str
        What it is, in words a reader of the table knows: "colour map", "range", "frequency axis".
    value : str
        The value as text, with its unit.
    how : {"given", "read", "measured", "known family", "guessed"}
        Given by the caller; read from labels or tags; measured in the pixels; what the program that drew the picture
        always does; or what is usual.
    sure : float
        0 (no idea) to 1 (certain).
    why : str
        One sentence.
    option : str
        The option of the command line that overrides it, or "".
    """

    name: str
    value: str
    how: How
    sure: float
    why: str
    option: str = ""


def given(name: str, value: str, option: str) -> Assumption:
    """A value that the caller told."""
    return Assumption(name=name, value=value, how="given", sure=1.0, why="you said so", option=option)


class Ledger:
    """What was assumed so far, and what a person should be warned of, in order."""

    def __init__(self) -> None:
        self.assumptions: list[Assumption] = []
        self.warnings: list[str] = []

    def given(self, name: str, value: str, option: str) -> None:
        """Note a value that the caller told."""
        self.assumptions.append(given(name, value, option))

    def assume(self, name: str, value: str, how: How, sure: float, why: str, option: str = "") -> None:
        """Note a value that was found out."""
        self.assumptions.append(
            Assumption(name=name, value=value, how=how, sure=round(float(sure), 2), why=why, option=option)
        )

    def warn(self, sentence: str) -> None:
        """Note what makes the sound doubtful, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
