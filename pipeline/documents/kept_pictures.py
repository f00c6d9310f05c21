"""The pictures of a document that the lake keeps, in the table `images`."""

from collections import defaultdict
from typing import Any, NamedTuple

import duckdb
from PIL import Image

from pipeline.documents.model import ReadDocument
from schemas.page import Box
from schemas.records import BOX
from workers.rendering.full_image import decode

_SAME_PLACE = 0.5
"""Intersection over union from which a kept picture shows what stands in a box, and not a panel that it is a part of."""


class _Kept(NamedTuple):
    image_index: int
    box: Box | None
    """None: the whole page."""


class KeptPictures:
    """Which there are is asked once; the bytes of each when it is wanted."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, document: ReadDocument) -> None:
        self._connection, self._document_id = connection, document.document_id
        self._by_page: dict[int, list[_Kept]] = defaultdict(list)
        columns = f"page_index, image_index, {', '.join(BOX)}"
        for page_index, image_index, *sides in self._asked(columns):
            self._by_page[page_index].append(_Kept(image_index, None if None in sides else Box(*sides)))

    def page(self, page_index: int) -> Image.Image | None:
        """RGB; None where it is not kept."""
        wanted = next((kept for kept in self._by_page[page_index] if kept.box is None), None)
        return wanted and self._decoded(page_index, wanted)

    def figure(self, page_index: int, box: Box) -> Image.Image | None:
        """The kept picture of what stands in the box; None where there is none."""
        found = [(_overlap(kept.box, box), kept) for kept in self._by_page[page_index] if kept.box is not None]
        overlap, wanted = max(found, default=(0.0, None), key=lambda pair: pair[0])
        return self._decoded(page_index, wanted) if wanted is not None and overlap >= _SAME_PLACE else None

    def _decoded(self, page_index: int, wanted: _Kept) -> Image.Image | None:
        where = "page_index = $page_index AND image_index = $image_index"
        place = {"page_index": page_index, "image_index": wanted.image_index}
        ((body,),) = self._asked("image.bytes", where, **place)
        try:
            return decode(body)
        except (OSError, SyntaxError, TypeError):  # null, or damaged: then it is drawn again
            return None

    def _asked(self, columns: str, where: str = "true", **values: int) -> list[tuple[Any, ...]]:
        sql = f"SELECT {columns} FROM current_images WHERE document_id = $document_id AND {where} ORDER BY page_index, image_index"
        return self._connection.execute(sql, {"document_id": self._document_id, **values}).fetchall()


def _overlap(one: Box | None, other: Box) -> float:
    if one is None:
        return 0.0
    shared = one.intersection(other).area
    return shared / max(one.area + other.area - shared, 1e-9)
