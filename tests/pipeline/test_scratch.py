"""Temporary folders: gone at the end, gone at the next start after a kill, and never another's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import scratch as scratching
from pipeline.scratch import PREFIX, RAY_PREFIX, Scratch, scratch, sweep


def killed(base: Path, prefix: str) -> Path:
    """The folder of a process that was killed with something in it."""
    code = (
        "import os, sys\n"
        "from pipeline.scratch import Scratch\n"
        f"made = Scratch({prefix!r}, {str(base)!r})\n"
        "(made.folder / 'run.log').write_text('half a word')\n"
        "print(made.folder, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert list(folder.iterdir())
        sweep(str(base))
        assert (folder / "run.log").exists()  # its process lives
        process.send_signal(signal.SIGKILL)
        process.wait(240)
    return folder


def test_a_folder_is_this_user_s_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    with scratch(base=str(tmp_path)) as folder:
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/er/file").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", [PREFIX, RAY_PREFIX])
def test_the_next_start_removes_what_a_killed_process_left(tmp_path: Path, prefix: str) -> None:
    left = killed(tmp_path, prefix)
    assert left.exists()
    with scratch(base=str(tmp_path)):
        assert not left.exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    others = ["pagefold-cache-0", "pf-by-hand", "session_2026-01-31", "pagefold-x.txt"]
    for name in others[:3]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / others[3]).touch()
    (tmp_path / "pf-link").symlink_to(tmp_path / others[1])
    sweep(str(tmp_path))
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([*others, "pf-link", "file", "file", "file"])


def test_another_user_s_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed(tmp_path, PREFIX)
    monkeypatch.setattr(scratching.os, "getuid", lambda: os.geteuid() + 1)
    sweep(str(tmp_path))
    assert (left / "run.log").exists()


def test_what_is_kept_stays_a_week(tmp_path: Path) -> None:
    made = Scratch(base=str(tmp_path))
    (made.folder / "run.log").write_text("why it ended")
    made.keep()
    sweep(str(tmp_path))
    assert (made.folder / "run.log").read_text() == "why it ended"
    os.utime(made.folder / "kept", (0, 0))
    sweep(str(tmp_path))
    assert not made.folder.exists()


def test_what_cannot_be_removed_at_once_is_found_by_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Scratch(base=str(tmp_path))
    (made.folder / "logs").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(scratching.shutil, "rmtree", lambda *_, **__: None)  # as where a process writes on
        made.remove()
    assert (made.folder / "logs").exists()
    sweep(str(tmp_path))
    assert not made.folder.exists()


def test_a_base_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such"):
        Scratch(base=str(tmp_path / "no such"))
