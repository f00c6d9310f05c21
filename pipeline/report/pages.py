"""A document's pages: each with its picture and boxes, its text beside it, tables as tables, charts drawn again."""

import html
from collections.abc import Callable, Iterator

from pipeline.documents.html import inline_html
from pipeline.documents.markdown import table_html
from pipeline.documents.model import ReadBlock, ReadChart, ReadDocument, ReadPage, ReadTable
from pipeline.documents.places import in_order
from pipeline.report.charts import chart_svg
from pipeline.report.style import scrolling
from pipeline.reporting.figures import counted
from schemas.page import Box

PictureOf = Callable[[int], str | None]
"""page_index -> where the page's picture lies, relative to the text; None where there is none."""
CropOf = Callable[[ReadChart], str | None]


def document_body(document: ReadDocument, pages: list[ReadPage], picture: PictureOf, crop: CropOf, *, links: str) -> str:
    """The body of one file: some pages of a document. `links`: to the other files."""
    about = " · ".join(filter(None, (document.uri, document.media_type, _count(document), document.status)))
    failures = "".join(_failure(failure.kind, failure.message) for failure in document.failures)
    nav = f'<nav aria-label="The report"><a href="../../index.html">All documents</a>{links}</nav>'
    head = f"{nav}\n<h1>{html.escape(document.name)}</h1>\n"
    return "\n".join(
        [f'{head}<p class="quiet">{html.escape(about)}</p>{failures}', *(_page(page, picture, crop) for page in pages)]
    )


def _count(document: ReadDocument) -> str | None:
    return counted(document.num_pages, "page") if document.num_pages else None


def _page(page: ReadPage, picture: PictureOf, crop: CropOf) -> str:
    number = page.page_index + 1
    trust = " · ".join(filter(None, trust_of(page)))
    failures = "".join(_failure(failure.kind, failure.message) for failure in page.failures)
    source = picture(page.page_index)
    text = "\n".join(_texts(page, crop)) or '<p class="quiet">Nothing was read here.</p>'
    if source:
        skip = f'<a class="skip" href="#text-{number}">To the text of page {number}</a>'
        shown = skip + _picture(page, source)
    else:
        shown = '<p class="quiet">No picture: the source is not what was read any more.</p>'
    language = f' lang="{html.escape(page.languages[0])}"' if page.languages else ""
    return (
        f'<section class="page" id="page-{number}"><h2>Page {number}</h2><p class="quiet">{html.escape(trust)}</p>{failures}'
        f'<div class="beside"><div>{shown}</div>'
        f'<div id="text-{number}" tabindex="-1" dir="auto"{language}>{text}</div></div></section>'
    )


def trust_of(page: ReadPage) -> Iterator[str | None]:
    """What a reader should know before trusting the page's text, as short texts."""
    yield page.status if page.status != "ok" else None
    yield f"text from {page.text_origin.replace('_', ' ')}" if page.text_origin else page.engine
    yield f"agreement with the PDF's own text {page.text_layer_agreement:.0%}" if page.text_layer_agreement is not None else None
    yield f"confidence {page.confidence:.0%}" if page.confidence is not None else None
    yield ", ".join(page.flags) or None


def _picture(page: ReadPage, source: str) -> str:
    image = f'<img src="{html.escape(source)}" alt="Page {page.page_index + 1}" loading="lazy">'
    if not page.width_px or not page.height_px:
        return f'<div class="picture">{image}</div>'
    boxes = [_box(page, f"b{block.block_index}", block.kind, block.text, block.box) for block in page.blocks]
    boxes += [_box(page, f"c{chart.region_index}", "chart", chart.title or "chart", chart.box) for chart in page.charts]
    named = 'role="group" aria-label="Boxes of what was read"'
    overlay = f'<svg viewBox="0 0 {page.width_px} {page.height_px}" {named}>{"".join(boxes)}</svg>'
    return f'<div class="picture">{image}{overlay}</div>'


def _box(page: ReadPage, name: str, kind: str, text: str, box: Box | None) -> str:
    if box is None or box.area <= 0:
        return ""
    size = f'x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    title = html.escape(f"{kind}: {' '.join(text.split())[:120]}")
    return f'<a href="#p{page.page_index}-{name}"><rect class="box {kind}" {size}><title>{title}</title></rect></a>'


def _texts(page: ReadPage, crop: CropOf) -> Iterator[str]:
    for item in in_order(page, has_margins=True):
        if isinstance(item, ReadTable):
            named = f"Table {item.table_index + 1} of page {page.page_index + 1}"
            yield _anchored(page, f"b{item.block_index}", scrolling(named, table_html(item)))
        elif isinstance(item, ReadChart):
            yield _anchored(page, f"c{item.region_index}", _chart(item, crop(item)))
        else:
            yield _anchored(page, f"b{item.block_index}", _block(item))
    for chart in page.charts:
        if not chart.points:
            said = " · ".join(filter(None, (chart.title, chart.status, ", ".join(chart.flags))))
            yield _anchored(page, f"c{chart.region_index}", f'<p class="quiet">Chart: {html.escape(said)}</p>')


def _anchored(page: ReadPage, name: str, inner: str) -> str:
    return f'<div class="block" id="p{page.page_index}-{name}">{inner}</div>'


def _block(block: ReadBlock) -> str:
    if block.kind == "code":
        return f'<pre tabindex="0">{html.escape(block.text)}</pre>'
    text = inline_html(block.text)
    if block.kind in ("title", "heading"):
        return f"<h3>{inline_html(block.text.lstrip('# '))}</h3>"
    if block.kind in ("header", "footer", "footnote", "caption"):
        return f'<p class="margin">{text}</p>'
    if block.kind in ("figure", "chart"):
        return f"<details><summary>{block.kind}</summary><p>{text}</p></details>"
    return f"<p>{text}</p>"


def _chart(chart: ReadChart, crop: str | None) -> str:
    header, *rows = chart.rows()
    image = f'<img src="{html.escape(crop)}" alt="The chart on the page" loading="lazy">' if crop else ""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' if text else "<td></td>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    kind = " ".join(filter(None, (chart.subtype, chart.kind)))
    checked = ", ".join(chart.flags) or "no check found a fault"
    reader = "read from the PDF's drawing" if chart.engine == "vector" else f"read by {chart.engine}"
    said = html.escape(" · ".join(filter(None, (chart.title or "Chart", kind, reader, checked))))
    return (
        f"<figure><figcaption>{said}</figcaption>{image}{chart_svg(chart)}"
        f"<details open><summary>{len(chart.points)} points</summary>"
        + scrolling(
            f"Points of chart {chart.region_index + 1} of page {chart.page_index + 1}", f"<table><tr>{head}</tr>{body}</table>"
        )
        + "</details></figure>"
    )


def _failure(kind: str, message: str) -> str:
    return f'<p class="bad">{html.escape(kind)}: {html.escape(message)}</p>'
