"""A page's picture with the boxes of what was read, for a file or a terminal."""

from PIL import Image, ImageDraw

from pipeline.documents.model import ReadPage
from schemas.page import Box

_COLOURS = {"table": "#3b8f52", "chart": "#d9731a", "figure": "#d9731a"}
_MARGIN, _OTHER = "#7a5bb5", "#2563b0"


def with_boxes(image: Image.Image, page: ReadPage) -> Image.Image:
    """A copy, with a frame in a colour of its kind around each block and chart, and its number in reading order, from 1."""
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    if not page.width_px or not page.height_px:
        return drawn
    x, y = drawn.width / page.width_px, drawn.height / page.height_px
    width = max(2, drawn.width // 500)
    boxes: list[tuple[str, str, Box | None]] = [(str(block.block_index + 1), block.kind, block.box) for block in page.blocks]
    boxes += [(f"chart {chart.region_index + 1}", "chart", chart.box) for chart in page.charts]
    for label, kind, box in boxes:
        if box is None or box.area <= 0:
            continue
        colour = _COLOURS.get(kind, _MARGIN if kind in ("header", "footer", "footnote", "caption") else _OTHER)
        placed = box.scaled(x, y)
        pen.rectangle(placed, outline=colour, width=width)
        size = max(10, drawn.width // 80)
        has_room = placed.left > size * len(label)
        place, anchor = (
            ((placed.left - width, placed.top), "ra") if has_room else ((placed.left + 2 * width, placed.top + width), "la")
        )
        pen.text(place, label, fill=colour, font_size=size, anchor=anchor)
    return drawn
