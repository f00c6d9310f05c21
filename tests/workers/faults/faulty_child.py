"""A render process that does what the first word of a page tells it. Lives in the tests: nothing in production names it."""

import ctypes
import errno
import mmap
import os
import platform
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

from schemas.failure import FailureKind, PageError
from schemas.page import EdgeLine, Region, RenderedPage
from workers.rendering import child as render_child
from workers.rendering.frames import Frame, write_frame
from workers.rendering.pages import pdf_pages
from workers.rendering.sandbox import seccomp as syscall_filter

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


def _call(name: str, *arguments: int) -> str:
    """What the kernel says to a system call that only its arguments make a wrong one."""
    number = CONDITIONAL[name][platform.machine() == "aarch64"]
    ctypes.set_errno(0)
    LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode.get(ctypes.get_errno(), "no error")


def _unlisted() -> str:
    """System calls that are not listed and got as far as the kernel; "" is none. With arguments of -1 most are harmless."""
    listed, conditional = syscall_filter.numbers(platform.machine())
    reached = []
    for number in sorted({*range(500)} - listed - conditional - UNTRIED):
        ctypes.set_errno(0)
        LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        expected = errno.ENOSYS if number in (435, 437) else errno.EPERM
        if ctypes.get_errno() != expected:
            reached.append(f"{number}: {errno.errorcode.get(ctypes.get_errno())}")
    return " ".join(reached)


def _named() -> str:
    """The same, of those by name that root once reached from in here."""
    reached = []
    for name, numbers in NAMED.items():
        ctypes.set_errno(0)
        LIBC.syscall(ctypes.c_long(numbers[platform.machine() == "aarch64"]), *[ctypes.c_long(0)] * 6)
        if ctypes.get_errno() != errno.EPERM:
            reached.append(name)
    return " ".join(reached)


LIBC = ctypes.CDLL(None, use_errno=True)
UNTRIED = {57, 58, 153, 335, 336} if platform.machine() == "x86_64" else set()
"""fork and vfork have a test of their own; vhangup takes no argument that would make it harmless; uretprobe and uprobe pass every
filter (Linux 6.13), and kill whoever calls them from elsewhere than a probe."""
NAMED = {
    "msgget": (68, 186),
    "semget": (64, 190),
    "fanotify_init": (300, 262),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "memfd_secret": (447, 447),
    "syslog": (103, 116),
    "socket": (41, 198),
    "ptrace": (101, 117),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "seccomp": (317, 277),
}
CONDITIONAL = {
    "futex": (202, 98),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "prctl": (157, 167),
    "clone": (56, 220),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
}
PAGE_OF_ITS_OWN = mmap.mmap(-1, 4096)
ITS_ADDRESS = ctypes.addressof(ctypes.c_char.from_buffer(PAGE_OF_ITS_OWN))
NEW_LIMIT = (ctypes.c_uint64 * 2)(1, 1)
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
    "blow": lambda: [numpy.empty(1 << 28, "u1") for _ in range(1000)],  # nothing is written: it takes no CPU time
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
    "unlisted": _unlisted,
    "named": _named,
    "futex-pi": lambda: _call("futex", ITS_ADDRESS, 6 | 128, 0, 0),
    "map-code": lambda: _call("mmap", 0, 4096, 5, 0x22, -1, 0),
    "make-code": lambda: _call("mprotect", ITS_ADDRESS, 4096, 5),
    "poison": lambda: _call("madvise", ITS_ADDRESS, 4096, 100),
    "type-ahead": lambda: _call("ioctl", 2, 0x5412, ITS_ADDRESS),
    "own": lambda: _call("fcntl", 0, 8, os.getppid()),
    "dumpable": lambda: _call("prctl", 4, 1, 0, 0, 0),
    "process": lambda: _call("clone", 17, 0, 0, 0, 0),
    "thread-elsewhere": lambda: _call("clone", 0x10000 | 0x40000000, 0, 0, 0, 0),
    "kill-thread": lambda: _call("tgkill", os.getppid(), os.getppid(), 0),
    "raise-limit": lambda: _call("prlimit64", 0, 9, ctypes.addressof(NEW_LIMIT), 0),
    "name-thread": lambda: _call("prctl", 16, ITS_ADDRESS, 0, 0, 0),
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

    def edge_lines(self, page_index: int) -> list[EdgeLine]:
        if self._pdf.load_page(page_index).get_text().startswith("edges-crash"):
            os.abort()
        return super().edge_lines(page_index)

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
