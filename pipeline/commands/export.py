"""Commands that take documents out of the lake."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.commands.flags import ConfigFlag, JsonFlag, Output, QuietFlag, SetFlag, resolved
from pipeline.commands.output import console, dump_json
from schemas.errors import OperatorError

_MOST_SHOWN = 5


def export(
    output: Output,
    target: Annotated[str, typer.Argument(metavar="DIR", help="A folder, or s3://bucket/prefix, to write to.")],
    format: Annotated[
        list[str] | None, typer.Option("--format", help="md, json, html, csv, png; repeatable, or with commas. All by default.")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="SQL over the columns of current_documents.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="At most this many documents, in the order of uris.")] = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write each document of OUT as Markdown, JSON and HTML, its tables and charts as CSV, its figures as PNG, below DIR."""
    from pipeline.documents.export import ALL_FORMATS, Exported, ExportFormat
    from pipeline.documents.export import export as write

    asked = [name.strip() for names in format or () for name in names.split(",") if name.strip()]
    if unknown := [name for name in asked if name not in list(ExportFormat)]:
        raise OperatorError(f"--format {unknown[0]}: known are {', '.join(ExportFormat)}.")
    settings = resolved(None, None, None, None, None, None, config, set_)
    done = Exported()
    formats = [ExportFormat(name) for name in asked] or ALL_FORMATS
    for row, done in write(output, target, settings, formats=formats, where=where, limit=limit):
        if row and not quiet and not as_json:
            typer.echo(f"{done.num_written:>6}  {row['name']}", err=True)
    if as_json:
        dump_json(asdict(done) | {"target": target})
        return
    out = console()
    out.print(f"{done.num_written} written to {target}, {done.num_unchanged} unchanged, {done.num_removed} removed.", markup=False)
    for uri, why in list(done.without_pictures.items())[:_MOST_SHOWN]:
        out.print(f"without pictures: {uri}: {why}", markup=False)
    if (more := len(done.without_pictures) - _MOST_SHOWN) > 0:
        out.print(f"and {more} more")
