"""The sandboxed process, which `workers.rendering.renderer` starts. It gets requests to open a file or draw a page, and answers in
frames.

It imports everything first, confines itself, sends a ready signal, and then reads requests until the end of stdin.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import IO

# These imports must come before the process confines itself, while files and memory are free to use.
import workers.rendering.pages.image_pages
import workers.rendering.pages.pdf_pages
from schemas.failure import FailureKind, PageError
from schemas.page import MAX_CHARS, MAX_WORDS, Region, RenderedPage, pack
from schemas.settings import Images, RegionSettings, RenderSettings
from workers.rendering.frames import DOCUMENT, EDGES, FAILURE, PAGE, READY, REGIONS, Frame, read_frame, write_frame
from workers.rendering.pages.documents import OpenDocument, open_document
from workers.rendering.pages.mupdf import raise_if_out_of_memory
from workers.rendering.pictures import with_page_picture, with_region_pictures
from workers.rendering.sandbox import limits as sandbox
from workers.sources.local_files import explained


class Drawer:
    """Draws pages. It keeps one document open between requests, because the next chunk is often from the same document."""

    def __init__(
        self,
        render: RenderSettings,
        regions: RegionSettings,
        passwords: list[str],
        *,
        draws_regions: bool,
        reads_drawings: bool,
        images: Images,
    ) -> None:
        self._render, self._regions, self._passwords = render, regions, passwords
        self._draws_regions, self._reads_drawings, self._images = draws_regions, reads_drawings, images
        self._open: OpenDocument | None = None
        self._file: IO[bytes] | None = None

    def open(self, path: str, device: int, inode: int) -> Frame:
        """Opens the file if it still has that device and inode. Gives the frame of the document, or of a failure."""
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._file is not None:
            self._file.close()
        through = path
        try:
            with explained():
                self._file = open(path, "rb")  # noqa: SIM115 (open as long as the document is)
                status = os.fstat(self._file.fileno())
                if (status.st_dev, status.st_ino) != (device, inode):
                    raise PageError(FailureKind.changed, "the file was replaced while it was opened")
                through = _through(self._file)
                self._open = open_document(
                    Path(through),
                    self._render,
                    self._regions,
                    self._passwords,
                    draws_regions=self._draws_regions,
                    reads_drawings=self._reads_drawings,
                )
        except (PageError, MemoryError) as error:
            return _failure(error, through, path)
        return Frame(DOCUMENT, self._open.document.model_dump_json().encode())

    def page(self, page_index: int) -> RenderedPage | Frame:
        """The page without regions, or the frame of a failure. It never raises."""
        started = time.perf_counter()
        try:
            assert self._open is not None
            page = with_page_picture(self._open.render_page(page_index), self._images)
        except Exception as error:  # noqa: BLE001 (whatever a library raises on this page costs this page)
            return _failure(error)
        return page.model_copy(update={"render_s": time.perf_counter() - started})

    def edges(self, page_index: int) -> Frame:
        """The lines at its edges, or a failure. Never raises."""
        try:
            assert self._open is not None
            return Frame(EDGES, json.dumps(self._open.edge_lines(page_index)).encode())
        except Exception as error:  # noqa: BLE001 (whatever a library raises on a neighbour costs what it would have shown)
            return _failure(error)

    def regions(self, page: RenderedPage) -> RenderedPage:
        """A page that holds only the regions and the seconds that they took. It never raises."""
        started = time.perf_counter()
        found = RenderedPage(page_index=page.page_index)
        try:
            assert self._open is not None
            regions = _bounded(self._open.find_regions(page))
            found = found.model_copy(update={"regions": with_region_pictures(regions, page, self._images)})
        except Exception as error:  # noqa: BLE001 (a fault here must not cost the page)
            print(f"regions of page {page.page_index}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            found = found.model_copy(update={"flags": ["regions_failed"]})
        return found.model_copy(update={"render_s": time.perf_counter() - started})


def _through(file: IO[bytes]) -> str:
    """A path to the open file itself, because MuPDF accepts no name that is not UTF-8, and the name may belong to another file
    now."""
    path = f"/proc/self/fd/{file.fileno()}"
    return path if os.path.exists(path) else str(file.name)


def _bounded(regions: list[Region]) -> list[Region]:
    """The regions. Raises ValueError if they hold too many words together, as charts that share the words of a full page may."""
    words = [word for region in regions for word in region.words]
    if len(words) > MAX_WORDS or sum(len(word.text) for word in words) > MAX_CHARS:
        raise ValueError(f"{len(words)} words in regions")
    return regions


def _failure(error: Exception, through: str = "", path: str = "") -> Frame:
    """The frame of a failure. The file was opened by the path `through`; the message names `path` instead."""
    kind, message = _reason(error)
    reason = PageError(kind, message.replace(through, path) if through else message)
    return Frame(FAILURE, json.dumps([reason.kind, reason.message]).encode())


def _reason(error: Exception) -> tuple[FailureKind, str]:
    try:
        raise_if_out_of_memory(error)
    except MemoryError as out_of_memory:
        error = out_of_memory
    if isinstance(error, PageError):
        return error.kind, error.message
    if isinstance(error, MemoryError):
        return FailureKind.render_out_of_memory, f"out of memory: {error}"
    return FailureKind.unreadable, f"{type(error).__name__}: {error}"


def _send(stream: IO[bytes], kind: bytes, page: RenderedPage) -> None:
    packed = pack(page)
    write_frame(stream, Frame(kind, packed.body.encode(), packed.buffers))


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)  # so that what a library prints does not come between the frames
    requests = sys.stdin.buffer
    setup = json.loads(read_frame(requests).body)
    sandbox.die_with_parent(setup["parent_pid"])
    render = RenderSettings.model_validate(setup["render"])
    regions = RegionSettings.model_validate(setup["regions"])
    options = {name: setup[name] for name in ("draws_regions", "reads_drawings", "images")}
    drawer = Drawer(render, regions, setup["passwords"], **options)
    sandbox.confine(render.memory_bytes)
    write_frame(answers, Frame(READY, b""))
    gc.freeze()  # what was imported stays
    gc.enable()
    while True:
        try:
            request = read_frame(requests)
        except EOFError:
            return
        order = json.loads(request.body)
        with sandbox.cpu_limit(render.cpu_s):
            if "open" in order:
                write_frame(answers, drawer.open(order["open"], order["device"], order["inode"]))
            elif "edges" in order:
                write_frame(answers, drawer.edges(order["edges"]))
            else:
                page = drawer.page(order["page"])
                if isinstance(page, Frame):
                    write_frame(answers, page)
                else:
                    _send(answers, PAGE, page)
                    _send(answers, REGIONS, drawer.regions(page))


assert workers.rendering.pages.image_pages
if __name__ == "__main__":
    main()
