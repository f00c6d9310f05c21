"""Makes a page's text, blocks and boxes of a typed answer, and says how far to trust them.

Nothing here raises on odd content: a value that does not fit is null and flagged (`schemas.flags`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress
from typing import cast

from schemas.answers import BLOCK_TYPES, AnswerBox, AnyBlock, Code, OcrAnswer, Table
from schemas.page import Box, PageImage, RenderedPage
from schemas.records import BlockContent, BlockKind, Flagged, PageText, PageTrust
from workers.text.agreement import agreement, tokens_of
from workers.text.align import Aligner
from workers.text.languages import bcp47
from workers.text.markdown import escape, escape_block, join_markdown, literal_rows, plain_rows, plain_text
from workers.text.tables import Grid, grid_of, to_html, to_markdown
from workers.text.trust import judge

BOX_TOLERANCE = 0.02
"""Share of a side by which an engine's box may pass the page's edge; it is clamped."""
MIN_AGREEMENT = 0.5
_KINDS = {block: cast(BlockKind, key) for key, block in BLOCK_TYPES.items()}


@dataclass(frozen=True, kw_only=True)
class OcrContent(PageText, PageTrust, Flagged):
    """A page's text and its blocks. `text_origin` and `confidence` are null here: the engine gives them, not the answer."""

    blocks: list[BlockContent] = field(default_factory=list)


def ocr_content(answer: OcrAnswer, page: RenderedPage, *, is_literal: bool = False, running_text: bool = False) -> OcrContent:
    """Blocks with boxes, and the page's text made of them.

    Running heads and feet are blocks, and part of the text with `running_text` alone, or where the page has nothing else.

    Boxes come from the engine where it gave one, else from aligning the block's text with the words of the text layer.
    `is_literal`: the answer's text is no Markdown (`Completion.is_literal`); it is the plain text, and is escaped for Markdown.
    `text_layer_agreement` is null unless the layer is trusted (`workers.text.trust`); it ignores order, punctuation and case.
    """
    flags: dict[str, None] = {}
    aligner = Aligner(page.text_layer.words) if page.text_layer else None
    blocks: list[BlockContent] = []
    parts: list[tuple[BlockKind, str]] = []
    plain: list[str] = []
    for block in answer.blocks:
        content, plain_block = _block(block, page.image, aligner, flags, is_literal=is_literal)
        if content.text or content.kind in ("figure", "chart"):
            blocks.append(content)
            parts.append((content.kind, content.text))
            plain.append(plain_block)
    all_text = _joined(plain)
    if not all_text and not page.is_blank:
        flags["empty_answer"] = None
    agreed = _agreement(all_text, page)
    if agreed is not None and agreed < MIN_AGREEMENT:
        flags["text_layer_disagrees"] = None
    is_kept = [running_text or kind not in ("header", "footer") for kind, _ in parts]
    text_plain = _joined(compress(plain, is_kept))
    if text_plain:
        parts = list(compress(parts, is_kept))
    else:
        text_plain = all_text
    return OcrContent(
        text_markdown=join_markdown(parts),
        text_plain=text_plain,
        languages=bcp47(answer.languages),
        num_blocks=len(blocks),
        num_chars=sum(not char.isspace() for char in text_plain),
        text_layer_agreement=agreed,
        flags=list(flags),
        blocks=blocks,
    )


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _block(
    block: AnyBlock, image: PageImage | None, aligner: Aligner | None, flags: dict[str, None], *, is_literal: bool
) -> tuple[BlockContent, str]:
    """The block, and its plain text."""
    kind = _KINDS[type(block)]
    html = None
    if isinstance(block, Table):
        grid = grid_of(block.table)
        text, plain = _table_markdown(grid, is_literal), _table_plain(grid, is_literal)
        html = to_html(grid, block.num_header_rows or 0)
        if grid.is_ragged:
            flags["ragged_table"] = None
        if grid.is_span_outside:
            flags["table_span_outside"] = None
    elif isinstance(block, Code):
        text = plain = block.code.strip("\n").rstrip()
    else:
        text = plain = str(getattr(block, kind)).strip()
        if kind != "formula" and is_literal:
            text = escape_block(kind, text)
        elif kind != "formula":
            plain = plain_text(text).strip()
    box = _box_px(block.box, image) if block.box else None
    if block.box and box is None:
        flags["box_outside_page"] = None
    aligned = aligner.place(plain) if aligner and box is None else None
    content = BlockContent(
        kind=kind,
        text=text,
        html=html if text else None,
        bbox_px=box or aligned,
        box_origin="engine" if box else "text_layer" if aligned else None,
        confidence=block.confidence,
    )
    return content, plain


def _table_markdown(grid: Grid, is_literal: bool) -> str:
    return to_markdown(grid._replace(rows=[[escape(cell) for cell in row] for row in grid.rows]) if is_literal else grid)


def _table_plain(grid: Grid, is_literal: bool) -> str:
    return literal_rows(grid.rows) if is_literal else plain_rows(grid.rows)


def _box_px(box: AnswerBox, image: PageImage | None) -> Box | None:
    """The box in pixels of the image; None if it is no box on the image."""
    if image is None or any(not -BOX_TOLERANCE <= share <= 1 + BOX_TOLERANCE for share in box):
        return None
    left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in box)
    placed = Box(left, top, right, bottom).scaled(image.width_px, image.height_px)
    return placed if placed.width > 0 and placed.height > 0 else None


def _agreement(text: str, page: RenderedPage) -> float | None:
    if page.text_layer is None or page.image is None:
        return None
    if not judge(page.text_layer, page.image.width_px, page.image.height_px).is_trusted:
        return None
    return agreement(tokens_of(text), [token for word in page.text_layer.words for token in tokens_of(word.text)])
