"""A document as one HTML page without scripts, which loads nothing from elsewhere; hostile text never becomes markup."""

import html
from collections.abc import Iterator

from markdown_it import MarkdownIt

from pipeline.documents.markdown import Picture, no_picture, table_html
from pipeline.documents.model import ReadBlock, ReadChart, ReadDocument, ReadTable
from pipeline.documents.places import in_order
from pipeline.reporting.figures import counted

POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
section { border-top: 1px solid #8884; padding-top: 1rem; margin-top: 2rem; }
section > p.page, header p, figcaption, aside { color: #777; font-size: .85rem; }
div.scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
td, th { border: 1px solid #8886; padding: .2rem .5rem; text-align: start; vertical-align: top; }
img { max-width: 100%; }
aside { border-inline-start: 3px solid #8886; padding-inline-start: .7rem; }
""".strip()
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("strikethrough").disable(["image", "link", "autolink"])
_LEVELS = {"title": "h1", "heading": "h2"}


def document_html(document: ReadDocument, picture: Picture = no_picture) -> str:
    name = html.escape(document.name)
    body = "\n".join(_body(document, picture))
    return (
        f'<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{name}</title>\n<style>\n{STYLE}\n</style>\n'
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _body(document: ReadDocument, picture: Picture) -> Iterator[str]:
    pages = counted(document.num_pages, "page") if document.num_pages else None
    about = " · ".join(filter(None, (document.uri, pages, document.status)))
    yield f"<header><p>{html.escape(about)}</p></header>"
    whole = {(table.page_index, table.table_index): table for table in document.tables}
    yield from (f"<aside>{html.escape(failure.kind)}: {html.escape(failure.message)}</aside>" for failure in document.failures)
    for page in document.pages:
        language = f' lang="{html.escape(page.languages[0])}"' if page.languages else ""
        yield f'<section id="page-{page.page_index + 1}" dir="auto"{language}>\n<p class="page">Page {page.page_index + 1}</p>'
        yield from (f"<aside>{html.escape(failure.kind)}: {html.escape(failure.message)}</aside>" for failure in page.failures)
        items: list[str] = []
        for item in in_order(page):
            if isinstance(item, ReadBlock) and item.kind == "list_item":
                items.append(f"<li>{inline_html(item.text.lstrip('-*+ '))}</li>")
                continue
            if items:
                yield f"<ul>{''.join(items)}</ul>"
                items = []
            if isinstance(item, ReadTable):
                if joined := whole.get((item.page_index, item.table_index)):
                    yield f'<div class="scroll">{table_html(joined)}</div>'
            elif isinstance(item, ReadChart):
                yield chart_html(item, picture(page.page_index, item))
            else:
                yield block_html(item, picture(page.page_index, item))
        if items:
            yield f"<ul>{''.join(items)}</ul>"
        yield "</section>"


def block_html(block: ReadBlock, picture: str | None = None) -> str:
    """`picture`: where the picture of a figure lies."""
    if block.kind in ("figure", "chart"):
        image = f'<img src="{html.escape(picture)}" alt="">' if picture else ""
        return f"<figure>{image}<figcaption>{inline_html(block.text)}</figcaption></figure>"
    if block.kind in ("formula", "code"):
        return f"<pre>{html.escape(block.text)}</pre>"
    if tag := _LEVELS.get(block.kind):
        return f"<{tag}>{inline_html(block.text.lstrip('# '))}</{tag}>"
    return f'<p dir="auto">{inline_html(block.text)}</p>'


def inline_html(text: str) -> str:
    """Emphasis and code of inline Markdown as HTML; tags, links and pictures in it stay text."""
    return str(_MARKDOWN.renderInline(text)).replace("\n", "<br>\n")


def chart_html(chart: ReadChart, picture: str | None = None) -> str:
    """Title, picture and points."""
    header, *rows = chart.rows()
    image = f'<img src="{html.escape(picture)}" alt="">' if picture else ""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>\n" for row in rows)
    caption = html.escape(" · ".join(filter(None, (chart.title or "Chart", chart.subtype, chart.kind))))
    table = f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}</table></div>'
    return f"<figure>{image}<figcaption>{caption}</figcaption>{table}</figure>"
