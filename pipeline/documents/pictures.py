"""Pictures of pages and figures: those that the lake keeps, else drawn again from the source through the sandbox, if it still has
the version that was read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import duckdb
from PIL import Image

from pipeline.documents.kept_pictures import KeptPictures
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

    def __init__(self, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
        """`connection`: to the lake, by `connect`."""
        self._fetcher = Fetcher(settings.fetch)
        self._connection = connection
        passwords = [password.get_secret_value() for password in settings.input.passwords]
        no_regions = settings.regions.model_copy(update={"enabled": False})
        self._renderer = Renderer(settings.render, no_regions, passwords, draws_regions=False)

    @contextmanager
    def open(self, document: ReadDocument) -> Iterator["DocumentPictures"]:
        """Raises PageError at the end, where the source was touched while pictures were drawn from it."""
        with ExitStack() as stack:
            yield DocumentPictures(document, KeptPictures(self._connection, document), self._renderer, self._fetcher, stack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._renderer.close()


class DocumentPictures:
    """Of one document. Its source is opened for the first picture that the lake does not keep; the last page drawn is at hand."""

    def __init__(self, document: ReadDocument, kept: KeptPictures, renderer: Renderer, fetcher: Fetcher, stack: ExitStack) -> None:
        self._document, self._kept = document, kept
        self._renderer, self._fetcher, self._stack = renderer, fetcher, stack
        self._source: Fetched | PageError | None = None
        self._last: tuple[int, Image.Image] | None = None
        self._failed: dict[int, PageError] = {}

    @property
    def why_not_drawn(self) -> PageError | None:
        """Why no picture could be drawn again from the source; None if it could, or if the lake keeps all that were wanted."""
        return self._source if isinstance(self._source, PageError) else None

    def page(self, page_index: int) -> Image.Image:
        """RGB, as it was read where it is kept, else at the resolution of today's settings.

        Raises PageError: the source is gone, has changed, or cannot be drawn.
        """
        if self._last is None or self._last[0] != page_index:
            self._last = page_index, self._kept.page(page_index) or self._drawn(page_index)
        return self._last[1]

    def crop(self, page: ReadPage, box: Box) -> Image.Image | None:
        """The part of the page in `box`, whatever resolution the page was read at; None for a box that is no part of it.

        Raises PageError as `page` does.
        """
        if (kept := self._kept.figure(page.page_index, box)) is not None:
            return kept
        if not page.width_px or not page.height_px:
            return None
        image = self.page(page.page_index)
        placed = box.scaled(image.width / page.width_px, image.height / page.height_px)
        left, top = max(0, int(placed.left)), max(0, int(placed.top))
        right, bottom = min(image.width, round(placed.right)), min(image.height, round(placed.bottom))
        return image.crop((left, top, right, bottom)) if left < right and top < bottom else None

    def _drawn(self, page_index: int) -> Image.Image:
        """A page that could not be drawn is not tried again."""
        fetched = self._fetched()
        if page_index in self._failed:
            raise self._failed[page_index]
        (drawn,) = self._renderer.render(fetched.path, [page_index], fetched.file)
        if drawn.failure is not None or drawn.image is None:
            failure = drawn.failure
            reason = PageError(failure.kind if failure else FailureKind.unreadable, failure.message if failure else "no picture")
            self._failed[page_index] = reason
            raise reason
        return Image.frombytes("RGB", (drawn.image.width_px, drawn.image.height_px), drawn.image.rgb())

    def _fetched(self) -> Fetched:
        """The source, opened once. Raises PageError, each time anew."""
        if self._source is None:
            try:
                self._source = self._opened()
            except CacheError as error:
                self._source = PageError(FailureKind.fetch_failed, str(error))
            except PageError as error:
                self._source = error
        if isinstance(self._source, PageError):
            raise self._source
        return self._source

    def _opened(self) -> Fetched:
        document = self._document
        source = Source(
            uri=document.uri, etag=document.source_version, size_bytes=document.size_bytes, last_modified=document.last_modified
        )
        fetched = self._stack.enter_context(self._fetcher.open(source))
        if fetched.document_id != document.document_id:
            raise PageError(FailureKind.changed, "the source has other bytes than those that were read")
        return fetched
