"""Where a page's tables and charts stand among its blocks."""

from collections.abc import Iterator

from pipeline.documents.model import ReadBlock, ReadChart, ReadPage, ReadTable

Item = ReadBlock | ReadTable | ReadChart


def in_order(page: ReadPage, *, has_margins: bool = False) -> Iterator[Item]:
    """Blocks in reading order; a table stands in place of its block, a chart right after the figure that it was read from, else at
    the page's end. Headers, footers and page numbers only where `has_margins`."""
    tables = {table.block_index: table for table in page.tables if table.cells}
    charts = [chart for chart in page.charts if chart.points]
    for block in page.blocks:
        if block.kind in ("header", "footer") and not has_margins:
            continue
        yield tables.get(block.block_index, block)
        if block.kind in ("figure", "chart") and block.box:
            here = [chart for chart in charts if chart.box and block.box.is_at(chart.box)]
            charts = [chart for chart in charts if chart not in here]
            yield from here
    yield from charts
