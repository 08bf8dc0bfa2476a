"""Single steps of a recipe: everything switched off but one, to measure what that one loses."""

from __future__ import annotations

from dataclasses import replace

from specloom.errors import ParameterError
from specloom.recipes.recipe import Recipe, Synthesis
from specloom.recipes.scales import Linear

# Which fields make up a step. "synthesis.x" lies in the way back.
STEPS: dict[str, tuple[str, ...]] = {
    "resample": ("sample_rate", "synthesis.restore_rate"),
    "trim": ("trim_db", "synthesis.restore_edges"),
    "pre-emphasis": ("preemphasis",),
    "scale": ("scale", "synthesis.restore_level"),
    "quantise": ("scale", "quantise_bits"),
    "frames": ("mel_frame_step", "frame_count"),
    "mel": ("mel", "synthesis.mel_method"),
    "power": ("synthesis.power",),
    "phase": ("synthesis.phase",),
    "output trim": ("synthesis.trim_db",),
    "written peak": ("synthesis.written_peak",),
    "written rate": ("synthesis.written_sample_rate",),
}


def neutral(recipe: Recipe) -> Recipe:
    """The recipe's transform and mel bands with every other step switched off; plain magnitudes, all restored."""
    return Recipe(name=f"{recipe.name}: transform", frames=recipe.frames, mel=recipe.mel, channels=recipe.channels)


def only(recipe: Recipe, *steps: str) -> Recipe:
    """`neutral` with these steps (names of `STEPS`) as ``recipe`` has them.

    Examples
    --------
    >>> from specloom.recipes import TACOTRON
    >>> alone = only(TACOTRON, "trim")
    >>> alone.trim_db, alone.preemphasis
    (60.0, None)

    Raises
    ------
    ParameterError
        For a step that is not known.
    """
    result = neutral(recipe)
    for step in steps:
        if step not in STEPS:
            raise ParameterError(f"step={step!r}: allowed are {', '.join(STEPS)}")
        result = _with_fields(result, recipe, STEPS[step])
    return replace(result, name=f"{recipe.name}: {', '.join(steps) or 'transform'}")


def in_use(recipe: Recipe) -> list[str]:
    """The steps in which a recipe differs from doing nothing (the mel step and the phase always count)."""
    plain = neutral(recipe)
    always = ("mel", "phase")
    return [step for step in STEPS if step in always or _changes(step, recipe, plain)]


def _changes(step: str, recipe: Recipe, plain: Recipe) -> bool:
    if step == "quantise":
        return recipe.quantise_bits is not None
    if step == "scale":
        return recipe.scale != Linear()
    return any(_value(recipe, name) != _value(plain, name) for name in STEPS[step])


def _value(recipe: Recipe, name: str) -> object:
    room, _, inner = name.rpartition(".")
    value: object = getattr(recipe.synthesis if room else recipe, inner)
    return value


def _with_fields(result: Recipe, recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    outer = {name: _value(recipe, name) for name in names if "." not in name}
    inner = {name.rpartition(".")[2]: _value(recipe, name) for name in names if "." in name}
    synthesis: Synthesis = replace(result.synthesis, **inner)  # type: ignore[arg-type]
    return replace(result, synthesis=synthesis, **outer)  # type: ignore[arg-type]
