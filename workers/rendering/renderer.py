"""The renderer draws pages in a sandboxed child process, which may crash, hang or be killed at any page."""

import contextlib
import os
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from schemas.failure import FailureKind, PageError
from schemas.page import EdgeLine, Packed, RenderedPage, pack
from schemas.settings import Images, RegionSettings, RenderSettings
from schemas.source import Document, FileIdentity
from workers.rendering.bounds import SAID_OF_DOCUMENTS, SAID_OF_PAGES, Bounds, OutOfBounds, document_said, edges_said, failure_said
from workers.rendering.frames import (
    DOCUMENT,
    EDGES,
    FAILURE,
    PAGE,
    REGIONS,
    Frame,
    FrameError,
    Most,
)
from workers.rendering.render_process import RenderProcess
from workers.sources.local_files import look_at

EDGES_S = 10.0
"""Seconds that looking at a neighbour may take; most take 5 ms."""


class Renderer:
    """Draws pages in one child process, which it reuses. It is not for several threads at once."""

    _child_module: ClassVar[str] = "workers.rendering.child"

    def __init__(
        self,
        render: RenderSettings,
        regions: RegionSettings,
        passwords: Sequence[str],
        *,
        draws_regions: bool = True,
        reads_drawings: bool = True,
        images: Images = "none",
    ) -> None:
        """`draws_regions`: whether regions are drawn on their own, for an engine. `reads_drawings`: whether charts are read from
        their drawings. `images`: what is encoded for the lake."""
        self._settings = render
        self._bounds = Bounds.of(render, regions, draws_regions=draws_regions, images=images)
        self._setup = {
            "render": render.model_dump(mode="json"),
            "regions": regions.model_dump(mode="json"),
            "passwords": list(passwords),
            "draws_regions": draws_regions,
            "reads_drawings": reads_drawings,
            "images": images,
            "parent_pid": os.getpid(),
        }
        self._folders: list[str] = []
        """The folders of its documents, which the child may read."""
        self._child: RenderProcess | None = None
        self._opened: tuple[str, FileIdentity] | None = None
        self._document: Document | None = None
        self.took_down = False
        """Whether the page drawn last took the process down."""
        self._edges_of: tuple[str, FileIdentity] | None = None
        self._known_edges: dict[int, list[EdgeLine]] = {}

    def probe(self, path: Path, document_id: str | None, version_id: str | None, file: FileIdentity | None = None) -> Document:
        """Opens the file and gives its type, page count and metadata. `file`: the file that was hashed; another is `changed`.

        Raises PageError: empty, unsupported_type, encrypted, corrupt, no_pages, too_large; render_timeout, render_out_of_memory,
        render_crashed; gone, changed, access_denied, fetch_failed.
        """
        document = self._open(path, file)
        return document.model_copy(update={"document_id": document_id, "version_id": version_id, "file": file})

    def render(self, path: Path, pages: Sequence[int], file: FileIdentity | None = None) -> Iterator[RenderedPage]:
        """Gives each page as soon as it is drawn, in order. A failed page holds its failure."""
        for page_index, packed in zip(pages, self.draw(path, pages, file), strict=True):
            yield understood(packed, page_index, self._bounds)

    def draw(self, path: Path, pages: Sequence[int], file: FileIdentity | None = None) -> Iterator[Packed]:
        """The same pages, packed as the child sent them. The reader unpacks a page once, by `understood`."""
        for page_index in pages:
            started = time.perf_counter()
            try:
                self._open(path, file)
                packed = self._draw(page_index)
                self.took_down = self._child is None
                packed = self._with_nearby(packed, path, page_index, file)
            except PageError as error:
                self.took_down = self._child is None
                failure, render_s = error.failure("render", page_index=page_index), time.perf_counter() - started
                packed = pack(RenderedPage(page_index=page_index, failure=failure, render_s=render_s))
            yield packed

    def _with_nearby(self, packed: Packed, path: Path, page_index: int, file: FileIdentity | None) -> Packed:
        """With what stands at the edges of the pages around it, where it has text. Each is looked at once, and one that cannot be
        looked at has no edges: whichever pages are drawn by this process, the answer is the same."""
        document = self._document
        if document is None or document.num_pages is None or document.num_pages < 2 or not _has_text(packed):
            return packed
        key = self._opened
        if self._edges_of != key or key is None:
            self._edges_of, self._known_edges = key, {}
        started = time.perf_counter()
        places = (page_index - 2, page_index - 1, page_index + 1, page_index + 2)
        nearby = [self._edges(path, place, file) for place in places if 0 <= place < document.num_pages]
        render_s = time.perf_counter() - started
        return Packed.joined(
            [packed, pack(RenderedPage(page_index=page_index, nearby=list(filter(None, nearby)), render_s=render_s))]
        )

    def _edges(self, path: Path, page_index: int, file: FileIdentity | None) -> list[EdgeLine]:
        if page_index not in self._known_edges:
            self._known_edges = {known: lines for known, lines in self._known_edges.items() if abs(known - page_index) < 64}
            self._known_edges[page_index] = []
            with contextlib.suppress(PageError, OutOfBounds):
                self._open(path, file)
                self._known_edges[page_index] = self._ask_edges(page_index)
        return self._known_edges[page_index]

    def _ask_edges(self, page_index: int) -> list[EdgeLine]:
        child = self._child
        assert child is not None
        with child.limited(min(self._settings.wall_s, EDGES_S)):
            answer = self._ask(child, {"edges": page_index}, EDGES + FAILURE, self._bounds.short_frame)
        if answer.kind == FAILURE:
            raise self._failure(answer, SAID_OF_PAGES)
        try:
            return edges_said(answer.body)
        except OutOfBounds as error:
            raise self._nonsense(error) from None

    def warm(self, folder: str) -> None:
        """Starts the child before there is a document. It may read what lies below `folder`. Raises RenderStartError."""
        self._folders = [os.path.realpath(folder)]
        self._child = RenderProcess(self._child_module, self._setup, self._settings, self._folders)

    def close(self) -> None:
        """Ends the child. If the renderer is used again it starts another."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None if none is running."""
        return self._child.pid if self._child else None

    def _open(self, path: Path, file: FileIdentity | None) -> Document:
        """Opens the file in the child, unless it is the one that is open already. Raises PageError."""
        found = look_at(path)
        if file is not None and found != file:
            raise PageError(FailureKind.changed, "the file was written to, or replaced, since it was hashed")
        key = (os.fspath(path), found)
        folder = os.path.dirname(os.path.realpath(path))
        is_readable = any(os.path.commonpath([folder, known]) == known for known in self._folders)
        if not is_readable:
            self._folders = _widened(self._folders, folder)
        if self._child is not None and not (self._child.is_fit() and is_readable):
            self._stop()
        if self._document is not None and self._opened == key and self._child is not None:
            return self._document
        self._document = self._opened = None
        child = self._child = self._child or RenderProcess(self._child_module, self._setup, self._settings, self._folders)
        with child.limited(self._settings.wall_s):
            order = {"open": os.path.abspath(path), "device": found.device, "inode": found.inode}
            answer = self._ask(child, order, DOCUMENT + FAILURE, self._bounds.short_frame)
            if answer.kind == FAILURE:
                raise self._failure(answer, SAID_OF_DOCUMENTS)
            try:
                document = document_said(answer.body)
            except OutOfBounds as error:
                raise self._nonsense(error) from None
        self._document, self._opened = document, key
        return document

    def _draw(self, page_index: int) -> Packed:
        child = self._child
        assert child is not None
        bounds = self._bounds
        with child.limited(self._settings.wall_s):
            page = self._ask(child, {"page": page_index}, PAGE + FAILURE, bounds.page_frame)
            if page.kind == FAILURE:
                raise self._failure(page, SAID_OF_PAGES)
            try:
                packed = bounds.packed(page, bounds.page_pixels)
                return Packed.joined([packed, self._regions(child, page_index)])
            except (FrameError, OutOfBounds) as error:
                raise self._nonsense(error) from None

    def _regions(self, child: RenderProcess, page_index: int) -> Packed:
        """The page's regions. If the child dies while it finds them, the page is kept without regions."""
        try:
            return self._bounds.packed(child.read(REGIONS, self._bounds.regions_frame), self._bounds.region_pixels)
        except (EOFError, OSError):
            self._stop()
            return pack(RenderedPage(page_index=page_index, flags=["regions_failed"]))

    def _failure(self, answer: Frame, kinds: Collection[FailureKind]) -> PageError:
        """The failure that the child reports."""
        try:
            reason = failure_said(answer.body, kinds)
        except OutOfBounds as error:
            return self._nonsense(error)
        if reason.kind is FailureKind.render_out_of_memory:  # the child still answers, but its state is unknown
            self._stop()
        return reason

    def _nonsense(self, why: Exception) -> PageError:
        """Ends the child after an answer that makes no sense, and gives the failure."""
        self._stop()
        return _nonsense(why)

    def _ask(self, child: RenderProcess, order: dict[str, object], kinds: bytes, most: Most) -> Frame:
        try:
            return child.ask(order, kinds, most)
        except FrameError as error:
            raise self._nonsense(error) from None
        except (EOFError, OSError):
            reason = child.why_dead()
            self._stop()
            raise reason from None

    def _stop(self) -> None:
        child, self._child, self._document, self._opened = self._child, None, None, None
        if child is not None:
            child.kill()


def understood(packed: Packed, page_index: int, bounds: Bounds) -> RenderedPage:
    """The unpacked page. It never raises: a page out of bounds becomes a failure."""
    try:
        return bounds.page(packed, page_index)
    except OutOfBounds as error:
        return RenderedPage(page_index=page_index, failure=_nonsense(error).failure("render", page_index=page_index))


def _nonsense(why: Exception) -> PageError:
    return PageError(FailureKind.render_crashed, f"the renderer's answer makes no sense ({why}): it is broken, or taken over")


def _has_text(packed: Packed) -> bool:
    """Whether the page has a text layer: what its JSON says of it comes before all words."""
    return not packed.body.partition('"text_layer":')[2].startswith("null")


_MAX_FOLDERS = 4
"""Most folders that a child gets one by one, because each new folder needs a new child."""


def _widened(folders: Sequence[str], folder: str) -> list[str]:
    """The folders with `folder` added. Many folders are replaced by the folder above them all, but never by the root."""
    folders = [*folders, folder]
    if len(folders) <= _MAX_FOLDERS:
        return folders
    above = os.path.commonpath(folders)
    return [folder] if above == os.path.dirname(above) else [above]
