"""From words and their places to an answer in blocks, whoever has read the words."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.answers import (
    AnyBlock,
    Caption,
    Chart,
    Code,
    Figure,
    Footer,
    Footnote,
    Header,
    Heading,
    ListItem,
    OcrAnswer,
    Paragraph,
    Table,
    Title,
)
from schemas.page import NO_EDGES, Box, PageImage, Word
from workers.engines.classic.ppocr import Pixels
from workers.engines.classic.reading_order.blocks import TextBlock, blocks_in_order
from workers.engines.classic.reading_order.pieces import around
from workers.engines.classic.rules import find_rules
from workers.engines.engine import Completion, Request
from workers.text.languages import languages_of
from workers.text.trust import uncovered_ink

MIN_UNCOVERED = 0.1
MIN_UNCOVERED_SHARE = 0.6
"""A trusted layer is completed by OCR where a tenth of the page bears ink without words, and that is most of the ink: a scan with a
stamped line, a slide pasted as a picture. Pages of text with figures mostly stay below (measured: 12 of 160)."""


def has_unexplained_ink(pixels: Pixels, words: Sequence[Word]) -> bool:
    """True if a trusted layer may lack text that the page shows."""
    uncovered = uncovered_ink(pixels, words)
    return uncovered > MIN_UNCOVERED and uncovered > MIN_UNCOVERED_SHARE * uncovered_ink(pixels, [])


def from_layer(request: Request, pixels: Pixels, words: Sequence[Word], flags: tuple[str, ...] = ()) -> Completion:
    """The answer of a page whose text layer is its text."""
    blocks = blocks_of(words, pixels, request, is_scan=False)
    completion = Completion(text_origin="text_layer", flags=flags)
    return answered(blocks, [word.box for word in words], [None] * len(words), request.image, completion)


def blocks_of(words: Sequence[Word], pixels: Pixels, request: Request | None, *, is_scan: bool) -> list[TextBlock]:
    """`pixels`: the page as its words lie on it. `request`: of a page whose layer is its text."""
    height, width = pixels.shape[:2]
    boxes = np.array([word.box for word in words], dtype=float).reshape(-1, 4)
    size = float(np.median([word.size_px for word in words])) if words else 1.0
    rules = find_rules(pixels, boxes, size, is_scan=is_scan)
    regions, edges = (request.regions, request.edges) if request else ((), NO_EDGES)
    return blocks_in_order(words, width, height, regions, rules, edges)


def pixels_of(image: PageImage) -> Pixels:
    return np.frombuffer(image.rgb(), dtype=np.uint8).reshape(image.height_px, image.width_px, 3)


def answered(
    blocks: Sequence[TextBlock],
    boxes: Sequence[Box],
    scores: Sequence[float | None],
    image: PageImage,
    completion: Completion,
    language: str | None = None,
) -> Completion:
    """The completion with its text and confidence; `boxes` and `scores` are those of the words the blocks were made of. `language`:
    where more than the script is known."""
    answer = OcrAnswer(
        languages=[language] if language else languages_of("\n".join(block.text for block in blocks)),
        blocks=[_block(block, [boxes[i] for i in block.members], _mean(block.members, scores, boxes), image) for block in blocks],
    )
    everything = [index for block in blocks for index in block.members]
    confidence = _mean(everything, scores, boxes)
    return replace(completion, text=answer.model_dump_json(exclude_none=True), is_literal=True, confidence=confidence)


def _mean(members: Sequence[int], scores: Sequence[float | None], boxes: Sequence[Box]) -> float | None:
    """Weighted by area, about the number of characters; None where nothing was recognised."""
    known = [(score, max(boxes[i].area, 1.0)) for i in members if (score := scores[i]) is not None]
    return round(min(sum(s * w for s, w in known) / sum(w for _, w in known), 1.0), 4) if known else None


def _block(block: TextBlock, boxes: Sequence[Box], confidence: float | None, image: PageImage) -> AnyBlock:
    is_figure = block.kind in ("figure", "chart")
    share = (block.box if is_figure else around(boxes)).scaled(1 / image.width_px, 1 / image.height_px)
    left, top, right, bottom = (round(min(max(value, 0.0), 1.0), 4) for value in share)
    box = (left, top, right, bottom)
    text = block.text
    match block.kind:
        case "title":
            return Title(title=text, box=box, confidence=confidence)
        case "heading":
            return Heading(heading=text, box=box, confidence=confidence)
        case "list_item":
            return ListItem(list_item=text, box=box, confidence=confidence)
        case "code":
            return Code(code=text, box=box, confidence=confidence)
        case "caption":
            return Caption(caption=text, box=box, confidence=confidence)
        case "header":
            return Header(header=text, box=box, confidence=confidence)
        case "footer":
            return Footer(footer=text, box=box, confidence=confidence)
        case "footnote":
            return Footnote(footnote=text, box=box, confidence=confidence)
        case "figure":
            return Figure(figure=text, box=box, confidence=confidence)
        case "chart":
            return Chart(chart=text, box=box, confidence=confidence)
        case "table":
            rows = [list(row) for row in block.rows]
            return Table(table=rows, num_header_rows=block.num_header_rows, box=box, confidence=confidence)
        case "paragraph":
            return Paragraph(paragraph=text, box=box, confidence=confidence)
