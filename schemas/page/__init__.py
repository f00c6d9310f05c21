"""The data that flow between stages: chunks of pages, their pixels, their text layers and their regions."""

from schemas.page.bounds import FAR_PX, MAX_CHARS, MAX_DRAWN_CHARS, MAX_SIDE_PT, MAX_WORDS
from schemas.page.box import Box
from schemas.page.chunk import Chunk, RenderedChunk
from schemas.page.image import PageImage, announced_bytes, check_pixels
from schemas.page.packed import Packed, pack, unpack
from schemas.page.page import EDGE_CHARS, EDGE_LINES, EDGE_SHARE, NEARBY_PAGES, NO_EDGES, EdgeLine, PageEdges, Region, RenderedPage
from schemas.page.words import ACROSS, BOLD, DOWN, INVISIBLE, ITALIC, MONO, OVER, UP, TextLayer, Word

__all__ = [
    "ACROSS",
    "BOLD",
    "DOWN",
    "EDGE_CHARS",
    "EDGE_LINES",
    "EDGE_SHARE",
    "FAR_PX",
    "INVISIBLE",
    "ITALIC",
    "MAX_CHARS",
    "MAX_DRAWN_CHARS",
    "MAX_SIDE_PT",
    "MAX_WORDS",
    "MONO",
    "NEARBY_PAGES",
    "NO_EDGES",
    "OVER",
    "UP",
    "Box",
    "Chunk",
    "EdgeLine",
    "Packed",
    "PageEdges",
    "PageImage",
    "Region",
    "RenderedChunk",
    "RenderedPage",
    "TextLayer",
    "Word",
    "announced_bytes",
    "check_pixels",
    "pack",
    "unpack",
]
