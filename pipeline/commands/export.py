"""Commands that take documents out of the lake."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.flags import ConfigFlag, JsonFlag, Output, QuietFlag, SetFlag, resolved_for_output
from pipeline.commands.output import console, dump_json, steps_shown
from schemas.errors import OperatorError

if TYPE_CHECKING:
    from schemas.settings import Settings

_MOST_SHOWN = 5
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What may command a terminal; documents come from strangers."""
WhereFlag = Annotated[str | None, typer.Option("--where", help="SQL over the columns of current_documents.")]
MostFlag = Annotated[int | None, typer.Option("--limit", min=0, help="At most this many documents, in the order of uris.")]


def export(
    output: Output,
    target: Annotated[str, typer.Argument(metavar="DIR", help="A folder, or s3://bucket/prefix, to write to.")],
    format: Annotated[
        list[str] | None,
        typer.Option("--format", help="md, json, html, csv, png, docling; with commas. By default all but docling."),
    ] = None,
    where: WhereFlag = None,
    limit: MostFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write each document of OUT as Markdown, JSON and HTML, its tables and charts as CSV, its figures as PNG, below DIR."""
    from pipeline.documents.export import ALL_FORMATS, Exported, ExportFormat
    from pipeline.documents.export import export as write
    from schemas.failure import clean_message

    asked = [name.strip() for names in format or () for name in names.split(",") if name.strip()]
    if unknown := [name for name in asked if name not in list(ExportFormat)]:
        raise OperatorError(f"--format {unknown[0]}: known are {', '.join(ExportFormat)}.")
    settings = resolved_for_output(config, set_)
    done = Exported()
    formats = [ExportFormat(name) for name in asked] or ALL_FORMATS
    with steps_shown(quiet=quiet or as_json) as shown:
        for row, done in write(output, target, settings, formats=formats, where=where, limit=limit):
            if row:
                shown(done.num_written, None, row["name"])
    if as_json:
        dump_json(asdict(done) | {"target": target})
        return
    out = console()
    out.print(f"{done.num_written} written to {target}, {done.num_unchanged} unchanged, {done.num_removed} removed.", markup=False)
    for uri, why in list(done.without_pictures.items())[:_MOST_SHOWN]:
        out.print(clean_message(f"without pictures: {uri}: {why}"), markup=False)
    if (more := len(done.without_pictures) - _MOST_SHOWN) > 0:
        out.print(f"and {more} more")


def report(
    output: Output,
    target: Annotated[str, typer.Argument(metavar="DIR", help="The folder to write to.")] = "pagefold-report",
    where: WhereFlag = None,
    limit: MostFlag = None,
    config: ConfigFlag = None,
    set_: SetFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Write a folder to look at in a browser: runs, failures, what to review, each page with its boxes, each chart drawn again."""
    from pipeline.report.site import write_report

    settings = resolved_for_output(config, set_)
    without = 0
    with steps_shown(quiet=quiet) as shown:
        for step in write_report(output, target, settings, where=where, limit=limit):
            without += step.why_no_pictures is not None
            shown(step.num_done, step.num_documents, step.name)
    out = console()
    out.print(f"Open {target.rstrip('/')}/index.html in a browser.", markup=False)
    if without:
        out.print(f"{without} documents have no pictures: their source is gone, or is not what was read any more.")


def show(
    output: Output,
    name: Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its name, its uri, or the end of it.")],
    picture: Annotated[Path | None, typer.Argument(metavar="[PNG]", help="Write the page with its boxes to this file.")] = None,
    page: Annotated[int | None, typer.Option("--page", min=1, help="Only this page, from 1.")] = None,
    is_opened: Annotated[
        bool, typer.Option("--open", help="Write a report of this document alone and open it in the browser.")
    ] = False,
    config: ConfigFlag = None,
    set_: SetFlag = None,
) -> None:
    """Print what was read of one document as Markdown; or open it in a browser; or write a page as a picture with the boxes."""
    from pipeline.documents.markdown import document_markdown
    from pipeline.documents.reading import document

    if is_opened and (picture is not None or page is not None):
        raise OperatorError("--open shows the whole document in a browser: it takes no PNG and no --page.")
    found = document(output, name)
    if is_opened:
        _open_report(output, found.uri, resolved_for_output(config, set_))
        return
    if page is not None:
        pages = [one for one in found.pages if one.page_index == page - 1]
        if not pages:
            raise OperatorError(f"{found.name} has no page {page} that was read.")
        found = found.model_copy(update={"pages": pages})
    if picture is None:
        typer.echo(_CONTROL.sub("\ufffd", document_markdown(found)), nl=False)
        return
    from pipeline.analytics.duckdb_tables import connected
    from pipeline.documents.pictures import Pictures
    from pipeline.report.boxes import with_boxes
    from schemas.failure import PageError, clean_message

    if not found.pages:
        raise OperatorError(f"{found.name} has no page that was read.")
    settings = resolved_for_output(config, set_)
    try:
        with (
            connected(output) as connection,
            Pictures(settings, connection) as pictures,
            pictures.open(found) as opened,
        ):
            image = opened.page(found.pages[0].page_index)
    except PageError as error:
        raise OperatorError(f"{found.uri} cannot be drawn again: {error.kind}: {error}") from error
    try:
        with_boxes(image, found.pages[0]).save(picture, "PNG")
    except OSError as error:
        raise OperatorError(f"{picture} cannot be written: {error.strerror or error}.") from error
    typer.echo(f"{picture}: page {found.pages[0].page_index + 1} of {clean_message(found.name)}")


def _open_report(output: str, uri: str, settings: "Settings") -> None:
    """Writes the report of one document into a new folder below the temporary one, which stays, and opens it."""
    import tempfile
    import webbrowser

    from pipeline.report.site import write_report

    folder = Path(tempfile.mkdtemp(prefix="pagefold-show-"))
    quoted = uri.replace("'", "''")
    steps = list(write_report(output, str(folder), settings, where=f"uri = '{quoted}'"))
    (index,) = [*folder.glob("documents/*/index.html")][:1] or [folder / "index.html"]
    if steps and steps[0].why_no_pictures is not None:
        typer.echo(f"without pictures: {_CONTROL.sub('?', steps[0].why_no_pictures)}", err=True)
    is_open = webbrowser.open(index.as_uri())
    typer.echo(str(index) if is_open else f"{index}: no browser could be started here; open it in one.")
