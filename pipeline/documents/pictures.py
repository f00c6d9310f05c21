"""Pictures of pages, drawn again from the source through the sandbox, if it still has the version that was read."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from PIL import Image

from pipeline.documents.model import ReadDocument, ReadPage
from schemas.failure import FailureKind, PageError
from schemas.page import Box
from schemas.settings import Settings
from schemas.source import Source
from workers.rendering.renderer import Renderer
from workers.sources.cache import CacheError
from workers.sources.fetch import Fetched, Fetcher


class Pictures:
    """One sandboxed renderer, and the document that is open in it. Not for several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._fetcher = Fetcher(settings.fetch)
        passwords = [password.get_secret_value() for password in settings.input.passwords]
        no_regions = settings.regions.model_copy(update={"enabled": False})
        self._renderer = Renderer(settings.render, no_regions, passwords, draws_regions=False)

    @contextmanager
    def open(self, document: ReadDocument) -> Iterator["DocumentPictures"]:
        """Raises PageError where the source is gone, has changed, or cannot be read; also at the end, where it was touched
        meanwhile."""
        source = Source(
            uri=document.uri, etag=document.source_version, size_bytes=document.size_bytes, last_modified=document.last_modified
        )
        try:
            with self._fetcher.open(source) as fetched:
                if fetched.document_id != document.document_id:
                    raise PageError(FailureKind.changed, "the source has other bytes than those that were read")
                yield DocumentPictures(self._renderer, fetched)
        except CacheError as error:
            raise PageError(FailureKind.fetch_failed, str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._renderer.close()


class DocumentPictures:
    """Of one document; the last page that was drawn is kept."""

    def __init__(self, renderer: Renderer, fetched: Fetched) -> None:
        self._renderer, self._fetched = renderer, fetched
        self._last: tuple[int, Image.Image] | None = None

    def page(self, page_index: int) -> Image.Image:
        """RGB, at the resolution of today's settings. Raises PageError where it cannot be drawn."""
        if self._last is None or self._last[0] != page_index:
            (drawn,) = self._renderer.render(self._fetched.path, [page_index], self._fetched.file)
            if drawn.failure is not None or drawn.image is None:
                failure = drawn.failure
                raise PageError(failure.kind if failure else FailureKind.unreadable, failure.message if failure else "no picture")
            size = (drawn.image.width_px, drawn.image.height_px)
            self._last = page_index, Image.frombytes("RGB", size, drawn.image.rgb())
        return self._last[1]

    def crop(self, page: ReadPage, box: Box) -> Image.Image | None:
        """The part of the page in `box`, whatever resolution the page was read at; None for a box that is no part of it.

        Raises PageError as `page` does.
        """
        image = self.page(page.page_index)
        if not page.width_px or not page.height_px:
            return None
        placed = box.scaled(image.width / page.width_px, image.height / page.height_px)
        left, top = max(0, int(placed.left)), max(0, int(placed.top))
        right, bottom = min(image.width, round(placed.right)), min(image.height, round(placed.bottom))
        return image.crop((left, top, right, bottom)) if left < right and top < bottom else None
