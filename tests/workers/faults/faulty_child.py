"""A render process that does what the first word of a page tells it. Lives in the tests: nothing in production names it."""

import ctypes
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.failure import FailureKind, PageError
from schemas.page import Region, RenderedPage
from workers import pdf_pages, render_child
from workers.frames import Frame, write_frame

SCRATCH = Path("/tmp/pagefold-must-not-exist")  # tempfile looks for its folder by writing
OLDER = ThreadPoolExecutor(1)
OLDER.submit(int).result()  # a thread from before the sandbox closed


def _thread() -> str:
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append("a thread ran"))
    thread.start()
    thread.join()
    return done[0]


def _spin() -> None:
    while True:
        pass


def _answer(kind: bytes, body: bytes) -> None:
    """In place of the child's own, and then nothing more."""
    with os.fdopen(ANSWERS, "wb") as stream:
        write_frame(stream, Frame(kind, body))
    time.sleep(600)


ANSWERS = os.dup(1)
ACTS = {
    "no-json": lambda: _answer(b"P", b"\xff{"),
    "no-page": lambda: _answer(b"P", b"[]"),
    "no-pixels": lambda: _answer(b"P", RenderedPage(page_index=1).model_dump_json().encode()),
    "other-page": lambda: _answer(b"P", b'{"page_index": 7}'),
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "leave": lambda: os._exit(3),
    "hang": lambda: time.sleep(600),
    "spin": _spin,
    "blow": lambda: [bytearray(1 << 28) for _ in range(1000)],
    "write": lambda: SCRATCH.write_bytes(b"x"),
    "mkdir": lambda: SCRATCH.mkdir(),
    "unlink": lambda: os.unlink(__file__),
    "socket": lambda: socket.socket(),
    "unix": lambda: socket.socketpair(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "fork": lambda: os.fork(),
    "run": lambda: subprocess.run(["true"], check=True),
    "kill": lambda: os.kill(os.getppid(), 9),
    "thread": _thread,
    "environ": lambda: dict(os.environ),
    "etc": lambda: Path("/etc/passwd").read_text(),
    "parent": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "through": lambda: Path("/proc/self/root/etc/passwd").read_text(),
    "list": lambda: os.listdir("/"),
    "escape": lambda: OLDER.submit(Path("/etc/passwd").read_text).result(),
    "argv": lambda: Path("/proc/self/cmdline").read_text(),
}


class FaultyDocument(pdf_pages.PdfDocument):
    def render_page(self, page_index: int) -> RenderedPage:
        word = self._pdf.load_page(page_index).get_text().split()[0]
        if word in ACTS:
            try:
                result = ACTS[word]()
            except OSError as error:
                result = type(error).__name__
            raise PageError(FailureKind.unreadable, str(result))
        return super().render_page(page_index)

    def find_regions(self, page: RenderedPage) -> list[Region]:
        word = self._shown.text.words[0].text if self._shown and self._shown.text.words else ""
        if word == "regions-raise":
            raise ValueError("a bug in the search for regions")
        if word == "regions-crash":
            os.abort()
        return super().find_regions(page)


if __name__ == "__main__":
    pdf_pages.PdfDocument = FaultyDocument
    render_child.main()
