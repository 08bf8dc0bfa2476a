"""``specloom recipe``: which recipes there are, and one of them as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class ShowRecipe:
    """List the recipes, or print one as JSON: a file to change and to give to --recipe.

    Examples:

    specloom recipe

    specloom recipe tacotron > mine.json
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE.json")] = None
    """The recipe to print; all are listed if it is not given."""

    def run(self) -> int:
        """Print; the exit code."""
        import json

        from specloom.recipes import RECIPES, Recipe

        if self.name is None:
            width = max(map(len, RECIPES))
            for recipe in RECIPES.values():
                print(f"{recipe.name:{width}}  {recipe.description}")
        else:
            print(json.dumps(Recipe.load(self.name).to_json(), indent=2))
        return 0
