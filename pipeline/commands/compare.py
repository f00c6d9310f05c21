"""The command that compares two recipes on the same pages."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.commands.flags import JsonFlag, Output
from pipeline.commands.output import console, dump_json

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
