"""What a page can do to its renderer, and that it costs this page only."""

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from schemas.failure import FailureKind
from schemas.settings import MEBI, RegionSettings, RenderSettings
from workers.rendering import renderer as render
from workers.rendering.frames import Frame
from workers.rendering.render_process import RenderStartError
from workers.rendering.renderer import Renderer, _widened
from workers.rendering.sandbox import landlock
from workers.rendering.sandbox import limits as sandbox
from workers.sources.local_files import look_at

pytestmark = pytest.mark.slow

FAULTS = Path(__file__).parents[1] / "faults"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and RLIMIT_AS are Linux")
has_filter = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="no system call filter for this platform"
)
needs_landlock = pytest.mark.skipif(not landlock.is_available(), reason="this kernel has no Landlock")
SETTINGS = RenderSettings(wall_s=60, cpu_s=1.5, memory_bytes=512 * MEBI)
"""Far more than a page without a fault takes, on a busy machine too."""


class FaultyRenderer(Renderer):
    _child_module = "faulty_child"


@pytest.fixture(scope="module")
def faulty() -> Iterator[Renderer]:
    with pytest.MonkeyPatch.context() as patch, FaultyRenderer(SETTINGS, RegionSettings(), ["a-secret-password"]) as renderer:
        patch.syspath_prepend(FAULTS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "top-secret")
        patch.setenv("OPENAI_API_KEY", "top-secret")
        yield renderer


@pytest.mark.parametrize(
    ("act", "kind", "says"),
    [
        ("segfault", FailureKind.render_crashed, "SIGSEGV"),
        ("abort", FailureKind.render_crashed, "SIGABRT"),
        ("leave", FailureKind.render_crashed, "exit status 3"),
        ("spin", FailureKind.render_timeout, "1.5 s of CPU"),
        ("no-json", FailureKind.render_crashed, "makes no sense"),
        ("no-page", FailureKind.render_crashed, "makes no sense"),
        ("no-pixels", FailureKind.render_crashed, "makes no sense"),
        ("other-page", FailureKind.render_crashed, "makes no sense"),
        pytest.param("blow", FailureKind.render_out_of_memory, "out of memory", marks=linux_only),
    ],
)
def test_a_page_that_breaks_its_renderer_costs_that_page(
    faulty: Renderer, pdf_of: Callable[..., Path], act: str, kind: FailureKind, says: str
) -> None:
    path = pdf_of("before", act, "after")

    before, broken, after = faulty.render(path, [0, 1, 2])

    assert before.failure is None
    assert after.failure is None
    assert after.image is not None
    assert broken.failure is not None
    assert (broken.page_index, broken.failure.kind, broken.failure.stage) == (1, kind, "render")
    assert says in broken.failure.message


def test_a_page_that_hangs_costs_that_page(faulty: Renderer, pdf_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pages = faulty.render(pdf_of("before", "hang", "after"), [0, 1, 2])

    before = next(pages)
    with monkeypatch.context() as patch:  # of this page alone: the others may take as long as a busy machine needs
        for part in (faulty, faulty._child):
            patch.setattr(part, "_settings", SETTINGS.model_copy(update={"wall_s": 0.5}))
        hung = next(pages)
    after = next(pages)

    assert (before.failure, after.failure) == (None, None)
    assert hung.failure is not None
    assert (hung.page_index, hung.failure.kind, hung.failure.stage) == (1, FailureKind.render_timeout, "render")
    assert "0.5 s" in hung.failure.message


@pytest.mark.parametrize("act", ["regions-raise", "regions-crash"])
def test_a_fault_in_the_search_for_regions_costs_the_regions_only(faulty: Renderer, pdf_of: Callable[..., Path], act: str) -> None:
    broken, after = faulty.render(pdf_of(act, "after"), [0, 1])

    assert broken.failure is None
    assert broken.image is not None
    assert "regions_failed" in broken.flags
    assert "regions_failed" not in after.flags


def test_a_neighbour_that_crashes_costs_what_it_would_have_shown(faulty: Renderer, pdf_of: Callable[..., Path]) -> None:
    path = pdf_of("before", "edges-crash", "after")
    pages = list(faulty.render(path, [0, 1, 2]))

    assert [(page.failure, faulty.took_down) for page in pages] == [(None, False)] * 3
    assert [len(page.nearby) for page in pages] == [len(next(faulty.render(path, [index])).nearby) for index in (0, 1, 2)]


@linux_only
@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        ("socket", "PermissionError"),
        ("unix", "PermissionError"),
        ("exec", "PermissionError"),
        ("fork", "PermissionError"),
        ("run", "PermissionError"),
        ("kill", "PermissionError"),
        ("write", "PermissionError"),
        ("mkdir", "PermissionError"),
        ("unlink", "PermissionError"),
        ("thread", "a thread ran"),
        *((act, "EPERM") for act in ("futex-pi", "map-code", "make-code", "poison", "type-ahead", "own", "dumpable")),
        *((act, "EPERM") for act in ("process", "thread-elsewhere", "kill-thread", "raise-limit")),
        ("name-thread", "no error"),
    ],
)
def test_the_render_process_can_draw_and_nothing_else(
    faulty: Renderer, pdf_of: Callable[..., Path], act: str, outcome: str
) -> None:
    (page,) = faulty.render(pdf_of(act), [0])

    assert page.failure is not None
    assert page.failure.message == outcome


@has_filter
@pytest.mark.parametrize("act", ["named", "unlisted"])
def test_no_system_call_reaches_the_kernel_but_those_listed(faulty: Renderer, pdf_of: Callable[..., Path], act: str) -> None:
    (page,) = faulty.render(pdf_of(act), [0])

    assert page.failure is not None
    assert page.failure.message == ""


@needs_landlock
@pytest.mark.parametrize("act", ["etc", "parent", "through", "list", "escape"])
def test_the_render_process_reads_its_documents_and_itself_only(faulty: Renderer, pdf_of: Callable[..., Path], act: str) -> None:
    (page,) = faulty.render(pdf_of(act), [0])

    assert page.failure is not None
    assert page.failure.message == "PermissionError"


@needs_landlock
def test_documents_of_many_folders_are_read_by_few_processes(tmp_path: Path, pdf_of: Callable[..., Path]) -> None:
    made = pdf_of("one")
    pids = set()
    with Renderer(RenderSettings(), RegionSettings(), []) as renderer:
        for number in range(12):
            path = tmp_path / "in" / str(number) / "linked.pdf"
            path.parent.mkdir(parents=True)
            path.symlink_to(shutil.copy(made, path.with_name("made.pdf")))
            assert [page.failure for page in renderer.render(path, [0])] == [None]
            pids.add(renderer.pid)

    assert len(pids) <= 5


def test_of_many_folders_what_is_above_them_is_known_but_never_the_root() -> None:
    four = ["/in/a", "/in/b", "/in/c", "/in/d"]

    assert _widened(four[:3], "/in/d") == four
    assert _widened(four, "/in/e/f") == ["/in"]
    assert _widened([*four[:3], "/cache"], "/in/e") == ["/in/e"]


def test_a_home_is_no_place_of_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "site").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for path in (home, tmp_path, home / "site"):
        monkeypatch.syspath_prepend(path)

    command = sandbox.command("module", ["/in"])

    assert str(home / "site") in command
    assert not {str(home), str(tmp_path), "/"} & set(command)
    assert command[-1] == "/in"


def test_no_secret_reaches_the_render_process(faulty: Renderer, pdf_of: Callable[..., Path]) -> None:
    environ, argv = faulty.render(pdf_of("environ", "argv"), [0, 1])

    assert environ.failure is not None
    assert "top-secret" not in environ.failure.message
    assert "AWS" not in environ.failure.message
    assert argv.failure is not None
    assert "a-secret-password" not in environ.failure.message + argv.failure.message


def test_a_renderer_killed_between_pages_is_replaced_without_a_failure(renderer: Renderer, pdf_of: Callable[..., Path]) -> None:
    pages = renderer.render(pdf_of("one", "two", "three"), [0, 1, 2])
    first = next(pages)
    killed = renderer.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert renderer._child is not None
    while renderer._child.is_fit():  # its main thread is gone before the others
        time.sleep(0.01)

    second = next(pages)
    renderer._child.time_out()  # its clock ran out between its answer and the end of the page

    third = next(pages)

    assert (first.failure, second.failure, third.failure) == (None, None, None)
    assert renderer.pid != killed


def test_a_renderer_killed_in_the_middle_of_a_page_fails_that_page(
    faulty: Renderer, pdf_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pdf_of("before", "hang", "after")
    pages = faulty.render(path, [0, 1, 2])
    next(pages)
    child = faulty._child
    assert child is not None
    read = child.read

    def killed_before(*awaited: Any) -> Frame:
        os.kill(child.pid, signal.SIGKILL)  # it has been asked for the page by now, and never answers
        return read(*awaited)

    monkeypatch.setattr(child, "read", killed_before)

    killed, after = pages

    assert killed.failure is not None
    assert killed.failure.kind is FailureKind.render_crashed
    assert "SIGKILL" in killed.failure.message
    assert after.failure is None


def test_the_renderer_is_reused_across_documents(renderer: Renderer, pdf_of: Callable[..., Path]) -> None:
    list(renderer.render(pdf_of("one", name="a.pdf"), [0]))
    first = renderer.pid
    list(renderer.render(pdf_of("two", name="b.pdf"), [0]))

    assert renderer.pid == first


def test_a_changed_file_of_the_same_name_is_opened_again(renderer: Renderer, pdf_of: Callable[..., Path]) -> None:
    assert renderer.probe(pdf_of("one"), None, None).num_pages == 1
    assert renderer.probe(pdf_of("one", "two"), None, None).num_pages == 2


def test_the_render_process_dies_with_its_parent(pdf_of: Callable[..., Path]) -> None:
    script = (
        "import sys, time; from pathlib import Path; from workers.rendering.renderer import Renderer\n"
        "from schemas.settings import RegionSettings, RenderSettings\n"
        "renderer = Renderer(RenderSettings(), RegionSettings(), [])\n"
        "list(renderer.render(Path(sys.argv[1]), [0])); print(renderer.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, pdf_of("page")], stdout=subprocess.PIPE, env=sandbox.environment(os.environ)
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    child.wait(timeout=240)  # raises when it lives on


def test_a_renderer_started_by_a_thread_that_ended_lives_on(pdf_of: Callable[..., Path]) -> None:
    path = pdf_of("one", "two")
    with Renderer(RenderSettings(), RegionSettings(), []) as renderer:
        thread = threading.Thread(target=lambda: renderer.probe(path, None, None))
        thread.start()
        thread.join()
        first = renderer.pid
        pages = list(renderer.render(path, [0, 1]))

        assert [page.failure for page in pages] == [None, None]
        assert renderer.pid == first


def test_close_ends_the_child_and_a_later_page_starts_another(pdf_of: Callable[..., Path]) -> None:
    path = pdf_of("one")
    renderer = Renderer(RenderSettings(), RegionSettings(), [])
    list(renderer.render(path, [0]))
    assert renderer.pid is not None
    child = psutil.Process(renderer.pid)

    renderer.close()

    assert not child.is_running()
    assert next(renderer.render(path, [0])).failure is None
    renderer.close()


def test_a_child_that_does_not_start_ends_the_run_and_says_why(pdf_of: Callable[..., Path]) -> None:
    class Missing(Renderer):
        _child_module = "no_such_module"

    with pytest.raises(RenderStartError, match="no_such_module"):
        Missing(RenderSettings(), RegionSettings(), []).probe(pdf_of("one"), None, None)


def test_a_child_for_which_there_is_no_process_left_ends_the_run_and_says_why(
    pdf_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("workers.rendering.render_process._spawn", refuse)
    with pytest.raises(RenderStartError, match=os.strerror(errno.EAGAIN)):
        Renderer(RenderSettings(), RegionSettings(), []).probe(pdf_of("one"), None, None)


@linux_only
def test_every_capability_is_enforced_on_linux() -> None:
    missing = {each.name for each in sandbox.capabilities() if not each.enforced}

    assert missing == (set() if landlock.is_available() else {"no other file read"})


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("python", 60), OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))])
def test_a_sandbox_that_cannot_be_tried_is_none_and_says_why(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    (found,) = sandbox.capabilities()

    assert (found.enforced, found.detail) == (False, f"a render process does not start: {error}")


def test_a_file_that_is_deleted_while_it_is_drawn_is_gone_and_costs_its_own_pages(
    renderer: Renderer, pdf_of: Callable[..., Path]
) -> None:
    deleted, other = pdf_of("one", "two", name="a.pdf"), pdf_of("one", name="b.pdf")
    pages = renderer.render(deleted, [0, 1])
    first = next(pages)
    deleted.unlink()

    (second,) = pages

    assert (first.failure, second.failure and second.failure.kind) == (None, FailureKind.gone)
    assert next(renderer.render(other, [0])).failure is None


def test_a_file_that_cannot_be_looked_at_is_a_failure(
    renderer: Renderer, pdf_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pdf_of("one")

    def break_(self: Path, **_: object) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "stat", break_)

    (page,) = renderer.render(path, [0])

    assert page.failure is not None
    assert (page.failure.kind, page.failure.page_index) == (FailureKind.fetch_failed, 0)


def test_another_file_than_the_one_that_was_hashed_is_not_drawn(renderer: Renderer, pdf_of: Callable[..., Path]) -> None:
    path = pdf_of("one")
    hashed = look_at(path)
    os.replace(shutil.copy2(path, path.with_suffix(".other")), path)  # as long, as old, and the same bytes at that

    (page,) = renderer.render(path, [0], hashed)

    assert page.failure is not None
    assert page.failure.kind is FailureKind.changed
    assert next(renderer.render(path, [0], look_at(path))).failure is None


def test_a_file_that_takes_the_place_of_another_before_it_is_opened_is_changed(
    renderer: Renderer, pdf_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = pdf_of("one", name="a.pdf"), pdf_of("other", name="b.pdf")
    hashed = look_at(path)
    os.replace(other, path)
    monkeypatch.setattr(render, "look_at", lambda path: hashed)

    (page,) = renderer.render(path, [0], hashed)

    assert page.failure is not None
    assert page.failure.kind is FailureKind.changed


@pytest.mark.parametrize("suffix", [b"pdf", b"png"])
def test_a_name_that_is_not_utf_8_is_drawn_like_others(
    renderer: Renderer, pdf_of: Callable[..., Path], tmp_path: Path, suffix: bytes
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/caf\xe9." + suffix))
    path.parent.mkdir()
    if suffix == b"pdf":
        pdf_of("one").rename(path)
    else:
        Image.new("RGB", (500, 500), "red").save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(path)

    document = renderer.probe(path, None, None)
    (page,) = renderer.render(path, [0])

    assert document.num_pages == 1
    assert page.failure is None
    assert page.image is not None
