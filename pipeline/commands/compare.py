"""Commands about several recipes in one lake: how far they agree, and which of them the views prefer."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.commands.flags import JsonFlag, Output
from pipeline.commands.output import console, dump_json
from schemas.errors import OperatorError

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe_id, or as much of it as no other has.")]


def compare(
    output: Output,
    first: Recipe,
    second: Recipe,
    top: Annotated[int, typer.Option("--top", min=0, help="Pages to name, those that differ most first.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Compare the answers of two recipes on the same pages: by words and cells, or by points of charts."""
    from pipeline.analytics.compare import compare as compared
    from pipeline.analytics.compare_report import print_comparison

    found = compared(output, first, second, most=top)
    if as_json:
        dump_json(asdict(found))
    else:
        print_comparison(console(), found)


def prefer(
    output: Output,
    recipes: Annotated[list[str] | None, typer.Argument(metavar="[RECIPE]...", help="The most preferred first.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="Back to the newest good answer, whatever its recipe.")] = False,
) -> None:
    """Say which recipes' answers the current_* views prefer, or, given recipes, set it. The newest good answer by default."""
    from rich.text import Text

    from pipeline.analytics.compare import known_recipes, named
    from pipeline.lake.opening import open_store
    from pipeline.lake.preferences import read_preferred, write_preferred

    if recipes and newest:
        raise OperatorError("--newest takes the ranking away, and recipes set one; choose one.")
    known, store = known_recipes(output), open_store(output)
    if recipes or newest:
        write_preferred(store, list(dict.fromkeys(named(name, known).recipe_id for name in recipes or ())))
    preferred = read_preferred(store)
    ranks = {recipe_id: rank for rank, recipe_id in enumerate(preferred, 1)}
    console().print("The newest good answer is the current one" + (", after these recipes:" if preferred else "."))
    for recipe in sorted(known, key=lambda recipe: (recipe.task, ranks.get(recipe.recipe_id, len(ranks) + 1), recipe.recipe_id)):
        rank = f"{ranks[recipe.recipe_id]}. " if recipe.recipe_id in ranks else "   "
        console().print(Text(f"{rank}{recipe.task} {recipe.who}"))
