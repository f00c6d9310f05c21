"""A document as Docling's own `DoclingDocument`, so that its chunkers, exporters and loaders work on what Pagefold read.

Needs the extra `docling` (`docling-core`). Boxes are in pixels of the rendered page, as the size of each page is; pages count from
1. Headers and footers are in Docling's layer of furniture. What has no counterpart there (failures, flags, typed values,
agreement with the text layer) stays in `document.json`.
"""

from typing import TYPE_CHECKING

from pipeline.documents.model import ReadBlock, ReadChart, ReadDocument, ReadPage, ReadTable
from pipeline.documents.places import in_order
from schemas.errors import OperatorError
from schemas.page import Box
from workers.text.markdown import block_plain, plain_text

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument, ProvenanceItem, TableData

_LABELS = {"caption": "caption", "footnote": "footnote", "header": "page_header", "footer": "page_footer", "paragraph": "text"}


def docling_document(document: ReadDocument) -> "DoclingDocument":
    """Raises OperatorError where the extra is not installed."""
    try:
        from docling_core.types.doc import DoclingDocument, DocumentOrigin, Size
    except ImportError:
        raise OperatorError("the format docling needs docling-core: pip install 'pagefold[docling]'.") from None
    made = DoclingDocument(name=document.name)
    if document.media_type:
        made.origin = DocumentOrigin(
            mimetype=document.media_type, binary_hash=int((document.document_id or "0")[:16], 16), filename=document.name
        )
    whole = {(table.page_index, table.table_index): table for table in document.tables}
    for page in document.pages:
        size = Size(width=float(page.width_px or 0), height=float(page.height_px or 0))
        made.add_page(page_no=page.page_index + 1, size=size)
        _add_page(made, page, whole)
    return made


def _add_page(made: "DoclingDocument", page: ReadPage, whole: dict[tuple[int, int], ReadTable]) -> None:
    group = None
    for item in in_order(page, has_margins=True):
        is_item = isinstance(item, ReadBlock) and item.kind == "list_item"
        group = group or made.add_list_group() if is_item else None
        if isinstance(item, ReadTable):
            if joined := whole.get((item.page_index, item.table_index)):
                made.add_table(data=_table(joined), prov=_place(page, item.box, ""))
        elif isinstance(item, ReadChart):
            _add_chart(made, page, item)
        elif is_item:
            marker, text = _parted(plain_text(item.text))
            made.add_list_item(
                text, enumerated=marker[:1].isalnum(), marker=marker, parent=group, prov=_place(page, item.box, text)
            )
        else:
            _add_block(made, page, item)


def _add_block(made: "DoclingDocument", page: ReadPage, block: ReadBlock) -> None:
    from docling_core.types.doc import ContentLayer, DocItemLabel

    text = block_plain(block.kind, block.text)
    place = _place(page, block.box, text)
    if block.kind == "title":
        made.add_title(text, prov=place)
    elif block.kind == "heading":
        made.add_heading(text, prov=place)
    elif block.kind == "formula":
        made.add_formula(text, prov=place)
    elif block.kind == "code":
        made.add_code(text, prov=place)
    elif block.kind in ("figure", "chart"):
        picture = made.add_picture(prov=place)
        if text:
            made.add_text(DocItemLabel.TEXT, text, parent=picture, prov=place)
    else:
        layer = ContentLayer.FURNITURE if block.kind in ("header", "footer") else ContentLayer.BODY
        made.add_text(DocItemLabel(_LABELS.get(block.kind, "text")), text, prov=place, content_layer=layer)


def _add_chart(made: "DoclingDocument", page: ReadPage, chart: ReadChart) -> None:
    from docling_core.types.doc import PictureMeta, TableCell, TableData, TabularChartMetaField

    rows = chart.rows()
    cells = [
        TableCell(
            text=text,
            start_row_offset_idx=row,
            end_row_offset_idx=row + 1,
            start_col_offset_idx=column,
            end_col_offset_idx=column + 1,
            column_header=row == 0,
        )
        for row, texts in enumerate(rows)
        for column, text in enumerate(texts)
    ]
    data = TableData(table_cells=cells, num_rows=len(rows), num_cols=len(rows[0]))
    picture = made.add_picture(prov=_place(page, chart.box, ""))
    picture.meta = PictureMeta(tabular_chart=TabularChartMetaField(title=chart.title, chart_data=data, created_by=chart.engine))


def _table(table: ReadTable) -> "TableData":
    from docling_core.types.doc import TableCell, TableData

    cells = [
        TableCell(
            text=cell.text,
            row_span=cell.row_span,
            col_span=cell.column_span,
            start_row_offset_idx=cell.row_index,
            end_row_offset_idx=cell.row_index + cell.row_span,
            start_col_offset_idx=cell.column_index,
            end_col_offset_idx=cell.column_index + cell.column_span,
            column_header=cell.row_index < table.num_header_rows,
            row_header=cell.is_header and cell.row_index >= table.num_header_rows,
        )
        for cell in table.cells
    ]
    return TableData(table_cells=cells, num_rows=table.num_rows, num_cols=table.num_columns)


def _place(page: ReadPage, box: Box | None, text: str) -> "ProvenanceItem | None":
    from docling_core.types.doc import BoundingBox, CoordOrigin, ProvenanceItem

    if box is None:
        return None
    bounds = BoundingBox(l=box.left, t=box.top, r=box.right, b=box.bottom, coord_origin=CoordOrigin.TOPLEFT)
    return ProvenanceItem(page_no=page.page_index + 1, bbox=bounds, charspan=(0, len(text)))


def _parted(text: str) -> tuple[str, str]:
    """The mark of a list's item, and its text."""
    mark, _, rest = text.partition(" ")
    is_mark = rest and (mark in "-*+•·‣◦▪–" or (len(mark) <= 5 and mark[-1] in ".)"))
    return (mark, rest) if is_mark else ("-", text)
