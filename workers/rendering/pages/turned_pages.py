"""From a page that is not turned, where MuPDF gives drawings and content, to the page as displayed."""

from schemas.page import Box
from workers.rendering.pages.mupdf import pymupdf


def unturned_box(page: pymupdf.Page) -> Box:
    """The page without its rotation, in points."""
    width, height = page.rect.width, page.rect.height
    return Box(0, 0, height, width) if page.rotation in (90, 270) else Box(0, 0, width, height)


def display_matrix(page: pymupdf.Page) -> pymupdf.Matrix:
    """Takes a point of the unturned page to where it is displayed.

    PyMuPDF's own `Page.rotation_matrix` takes the sides of the crop box as they are written: without the user unit, and with what
    lies beyond the media box.
    """
    width, height = page.rect.width, page.rect.height
    turns = {90: (0, 1, -1, 0, width, 0), 180: (-1, 0, 0, -1, width, height), 270: (0, -1, 1, 0, 0, height)}
    return pymupdf.Matrix(*turns.get(page.rotation, (1, 0, 0, 1, 0, 0)))
