"""What `pagefold compare` prints."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.analytics.compare import Compared, Comparison
from schemas.failure import clean_message


def print_comparison(console: Console, found: Comparison) -> None:
    things = "pages" if found.task == "ocr" else "charts"
    console.print(Text(f"first   {found.first.who}", no_wrap=False))
    console.print(Text(f"second  {found.second.who}"))
    if not found.num_compared:
        console.print(f"No {things} were read under both.")
        return
    console.print(f"{found.num_compared} {things} were read under both; in {found.num_same} nothing differs.")
    shares = {"words": found.words, "cells of tables": found.cells, "points of charts": found.points}
    console.print("agreement: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items() if share is not None))
    if found.worst:
        console.print()
        console.print(_table(found))


def _table(found: Comparison) -> Table:
    measures = ("words", "cells") if found.task == "ocr" else ("points",)
    table = Table("differs most", "page", *measures, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for pair in found.worst:
        table.add_row(clean_message(pair.name), _place(pair), *(_share(getattr(pair, measure)) for measure in measures))
    return table


def _place(pair: Compared) -> str:
    """Counted from 1, as `show --page` takes it."""
    page = str(pair.page_index + 1)
    return page if pair.region_index is None else f"{page}, chart {pair.region_index + 1}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
