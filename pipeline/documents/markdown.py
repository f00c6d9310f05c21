"""A document as one Markdown text."""

import html
from collections.abc import Callable

from pipeline.documents.model import ReadBlock, ReadChart, ReadDocument, ReadPage, ReadTable
from pipeline.documents.places import Item, in_order
from workers.text.markdown import block_markdown, escape

Picture = Callable[[int, Item], str | None]
"""Page and figure (or chart) -> where its picture lies, relative to the text; None where there is none."""


def no_picture(page_index: int, item: Item) -> str | None:
    return None


def document_markdown(document: ReadDocument, picture: Picture = no_picture) -> str:
    """Pages apart by an empty line, each after a comment that names it; a table over several pages stands whole on its first."""
    whole = {(table.page_index, table.table_index): table for table in document.tables}
    parts = []
    for page in document.pages:
        text = page_markdown(page, picture, whole)
        if page.status == "failed" or (page.status is None and not text):
            kinds = ", ".join(dict.fromkeys(failure.kind for failure in page.failures)) or "unknown"
            text = f"*Page {page.page_index + 1} was not read: {kinds}.*"
        parts.append(f"<!-- page {page.page_index + 1} -->\n\n{text}".rstrip())
    if not document.pages and document.failures:
        parts.append(f"*This document was not read: {document.failures[0].kind}.*")
    return "\n\n".join(parts) + "\n"


def page_markdown(page: ReadPage, picture: Picture, whole: dict[tuple[int, int], ReadTable]) -> str:
    """`whole`: tables by page and place there, joined over pages; one that is missing went on from another page."""
    text, last = "", ""
    for item in in_order(page):
        if isinstance(item, ReadTable):
            joined = whole.get((item.page_index, item.table_index))
            kind, markdown = "table", table_markdown(joined) if joined else ""
        elif isinstance(item, ReadChart):
            kind, markdown = "chart", chart_markdown(item, picture(page.page_index, item))
        else:
            kind, markdown = item.kind, _block(item, picture(page.page_index, item))
        if markdown:
            text += ("" if not text else "\n" if kind == last == "list_item" else "\n\n") + markdown
            last = kind
    return text


def _block(block: ReadBlock, picture: str | None) -> str:
    if block.kind not in ("figure", "chart"):
        return block_markdown(block.kind, block.text)
    title = " ".join(block.text.split()).replace("[", "(").replace("]", ")")
    return f"![{title}]({picture})" if picture else block.text.strip()


def table_markdown(table: ReadTable) -> str:
    """A pipe table; HTML where cells span several rows or columns, or the header has several rows."""
    if table.num_header_rows > 1 or any(cell.row_span > 1 or cell.column_span > 1 for cell in table.cells):
        return table_html(table)
    return _pipes(table.rows())


def table_html(table: ReadTable) -> str:
    """`<table>` with `<th>` and spans, one row a line; every text is escaped."""
    rows: list[list[str]] = [[] for _ in range(table.num_rows)]
    for cell in table.cells:
        name = "th" if cell.is_header else "td"
        spans = f' rowspan="{cell.row_span}"' * (cell.row_span > 1) + f' colspan="{cell.column_span}"' * (cell.column_span > 1)
        text = html.escape(cell.text, quote=False).replace("\n", "<br>")
        rows[cell.row_index].append(f"<{name}{spans}>{text}</{name}>")
    return "<table>\n" + "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows) + "\n</table>"


def chart_markdown(chart: ReadChart, picture: str | None = None) -> str:
    """Its title and kind, its picture, and its points as a table, as printed."""
    title = escape(" ".join((chart.title or "Chart").split()))
    kind = " ".join(filter(None, (chart.subtype, chart.kind)))
    lines = [f"**{title}**" + (f" ({escape(kind)})" if kind else "")]
    if picture:
        lines.append(f"![{title}]({picture})")
    return "\n\n".join([*lines, _pipes(chart.rows())])


def _pipes(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(escape(" ".join(text.split())) for text in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
