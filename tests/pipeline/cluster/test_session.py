"""What would stop a private Ray is found before anything is listed or planned, and its folder goes with it."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from ray.exceptions import OutOfDiskError

from pipeline import preview, runner
from pipeline.cluster import session as cluster
from pipeline.doctor import examine
from pipeline.lake.plans import list_plan_numbers
from pipeline.object_store.local_store import LocalStore
from pipeline.reporting.observer import Silent
from schemas.errors import DiskFull, OperatorError, exit_code
from schemas.settings import MEBI, RaySettings, Settings
from tests.pipeline.made_input import make_pdf
from tests.waiting import wait_until
from workers.engines.engine import EngineStartError
from workers.sources.cache import Cache


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """None named, none joined."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(cluster, "_is_joined", lambda: False)


def disks(monkeypatch: pytest.MonkeyPatch, *, temporary: int, shared: int) -> None:
    free = {cluster.SHARED_MEMORY: shared}
    monkeypatch.setattr(cluster.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free.get(folder, temporary)))
    monkeypatch.setattr(cluster.os.path, "isdir", lambda folder: True)


def settings(**engine: Any) -> Settings:
    return Settings.model_validate({"run": {"on": "ray"}, "engine": {"name": "scripted"} | engine})


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    make_pdf(tmp_path / "drop/a.pdf", 1)
    return tmp_path / "drop"


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ({"name": "server", "model": "m"}, r"needs `engine\.server\.base_url`"),
        ({"name": "server", "server": {"base_url": "http://h/v1"}}, r"needs `engine\.model`"),
        ({"name": "server", "model": "m", "server": {"base_url": "h:8000/v1"}}, "must start with http"),
        ({"name": "scripted", "scripted": {"script": "/no/such/script.json"}}, "cannot be read"),
        ({"name": "ovis", "model": "/no/such/folder"}, "no folder /no/such/folder"),
        ({"name": "ovis"}, "needs a model"),
    ],
)
def test_an_operator_s_mistake_ends_run_and_plan_before_anything_is_listed(tmp_path: Path, engine: Any, sentence: str) -> None:
    given = Settings.model_validate({"engine": engine})
    # the input is none either: had it been listed, that would be the error
    with pytest.raises(EngineStartError, match=sentence) as caught:
        runner.run(str(tmp_path / "no such"), str(tmp_path / "out"), given)
    assert exit_code(caught.value) == 2
    if engine.get("model") != "/no/such/folder":  # which may be on the machine that runs
        with pytest.raises(EngineStartError, match=sentence):
            preview.plan(str(tmp_path / "no such"), str(tmp_path / "out"), given)
    assert not (tmp_path / "out").exists()


def test_a_key_that_is_none_ends_a_run_before_anything_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "ключ")
    with pytest.raises(EngineStartError, match="OPENAI_API_KEY holds characters that no key has"):
        runner.run(str(tmp_path / "no such"), "out", settings(name="server", model="m", server={"base_url": "http://h/v1"}))


def test_what_only_the_nodes_of_a_cluster_have_is_not_looked_for_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "ключ")
    monkeypatch.setattr(cluster, "_refuse_dead", lambda address: None)
    far = Settings.model_validate({"ray": {"address": "10.0.0.1:6379"}, "engine": {"num_gpus": 8}})
    for engine in ({"name": "server", "model": "m", "server": {"base_url": "http://h/v1"}}, {"name": "ovis", "model": "/no/such"}):
        cluster.check_start(far.model_copy(update={"engine": far.engine.model_validate(engine | {"num_gpus": 8})}))


def test_a_cluster_that_does_not_answer_ends_a_run_before_anything_is_listed(tmp_path: Path) -> None:
    given = Settings.model_validate({"engine": {"name": "scripted"}, "ray": {"address": "127.0.0.1:9"}})
    with pytest.raises(OperatorError, match=r"No Ray cluster answers at 127\.0\.0\.1:9: .*refused"):
        runner.run(str(tmp_path / "no such"), str(tmp_path / "out"), given)


def test_gpus_that_a_private_ray_cannot_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_num_gpus_here", lambda: 1.0)
    cluster.check_start(settings(num_gpus=1))
    with pytest.raises(OperatorError, match=r"asks for 2 GPUs to start with, and Ray finds 1 here"):
        cluster.check_start(settings(num_gpus=1, min_actors=2, max_actors=2))


def test_a_temporary_folder_too_long_for_sockets_is_refused_and_doctor_finds_it(
    tmp_path: Path, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: "/" + 29 * "x")
    with pytest.raises(OperatorError, match=r"is 1 bytes too long for Ray's sockets: set TMPDIR"):
        runner.run(str(drop), str(tmp_path / "out"), settings())
    assert not (tmp_path / "out").exists()
    (finding,) = [one for one in examine(settings(), None, None, with_ray=False) if one.check == "ray's folder"]
    assert (finding.verdict, "too long" in finding.detail) == ("fail", True)
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: "/" + 28 * "x")
    assert cluster.sockets_text() is None


def test_a_full_temporary_disk_ends_the_run_without_a_plan_and_doctor_finds_it(
    tmp_path: Path, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks(monkeypatch, temporary=3 * MEBI, shared=10_000 * MEBI)
    with pytest.raises(OperatorError, match=r"3\.0 MiB are free in .*, and Ray wants 256\.0 MiB there: make room") as caught:
        runner.run(str(drop), str(tmp_path / "out"), settings())
    assert exit_code(caught.value) == 2
    assert list_plan_numbers(LocalStore(str(tmp_path / "out"))) == []
    (finding,) = [one for one in examine(settings(), None, None, with_ray=False) if one.check == "ray's folder"]
    assert finding.verdict == "fail"


def test_an_object_store_that_does_not_fit_shared_memory_needs_its_room_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    disks(monkeypatch, temporary=300 * MEBI, shared=64 * MEBI)
    assert "wants 768.0 MiB there (/dev/shm has less" in str(cluster.room_text(RaySettings()))
    disks(monkeypatch, temporary=800 * MEBI, shared=64 * MEBI)
    assert cluster.room_text(RaySettings()) is None


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), True),
        (OutOfDiskError(), True),
        (RuntimeError("worker said: OSError: [Errno 28] No space left on device"), True),
        (RuntimeError("a bug"), False),
        (OSError(errno.EACCES, "Permission denied"), False),
    ],
)
def test_an_error_of_a_full_disk_is_told_from_others(error: Exception, is_full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    disks(monkeypatch, temporary=1000 * MEBI, shared=1000 * MEBI)
    assert cluster.is_full(error) is is_full
    wrapped = RuntimeError("the graph ended")
    wrapped.__cause__ = error
    assert cluster.is_full(wrapped) is is_full


def test_whatever_breaks_while_the_disk_is_full_is_laid_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    disks(monkeypatch, temporary=1 * MEBI, shared=1000 * MEBI)
    assert cluster.is_full(RuntimeError("a worker died"))


def test_what_was_fetched_into_a_folder_that_nobody_named_goes_with_a_private_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sources.cache.tempfile.gettempdir", lambda: str(tmp_path))
    cluster.forget_fetched(Settings())  # nothing was fetched
    cache = Cache(None, 1000)
    for number in range(2):
        with cache.open(f"{number:064x}", 3, lambda file: file.write(b"pdf") and None):
            pass
    with cache.open(f"{1:064x}", 3, lambda file: None):  # another run is at it
        cluster.forget_fetched(Settings.model_validate({"ray": {"address": "10.0.0.1:6379"}}))
        cluster.forget_fetched(Settings.model_validate({"fetch": {"cache_dir": cache.folder}}))
        assert len(list(cache.folder.glob("0*"))) == 2
        cluster.forget_fetched(Settings())
        assert [path.name for path in cache.folder.glob("0*")] == [f"{1:064x}"]


def test_a_disk_that_has_been_full_for_a_while_ends_a_run_and_a_moment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: clock[-1]))
    said: list[str] = []
    observer = Silent()
    monkeypatch.setattr(observer, "message", said.append)
    room = cluster.RoomLeft(RaySettings(), observer)
    for now_s, free in ((100, 0), (102, 1 * MEBI), (104, 9 * MEBI), (106, 0), (108, 0)):
        clock.append(now_s)
        disks(monkeypatch, temporary=free, shared=1000 * MEBI)
        room.check()
    assert len(said) == 2  # once each time it filled up
    clock.append(109)
    with pytest.raises(DiskFull, match=r"a disk of this machine is full \(0 B free in") as caught:
        room.check()
    assert exit_code(caught.value) == 1
    cluster.RoomLeft(RaySettings(address="10.0.0.1:6379"), observer).check()


_RUN = """
import os, sys, tempfile
import psutil
from pipeline.cluster import session as cluster
from schemas.errors import DiskFull
from pipeline.reporting.observer import Silent
from schemas.settings import MEBI, RaySettings
how = sys.argv[1]
try:
    with cluster.cluster(RaySettings(num_cpus=1, object_store_bytes=80 * MEBI), Silent()):
        (session,) = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("pf-")]
        if how == "kill":
            os.kill(os.getpid(), 9)
        if how == "bug":
            raise RuntimeError("a bug")
        if how == "well":
            lines = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
            assert any("raylet" in line for line in lines), lines
            print(*(name for name in ("/dashboard.py", "/monitor.py", "/log_monitor.py") if any(name in line for line in lines)))
        if how == "full":
            raise OSError(28, "No space left on device")
except DiskFull as full:
    print(full)
except RuntimeError:
    pass
print(*os.listdir(tempfile.gettempdir()))
"""


@pytest.mark.ray
def test_a_private_ray_is_lean_and_its_folder_is_removed_with_it_and_a_killed_one_s_by_the_next(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as base:

        def ended(how: str) -> str:
            environment = os.environ | {"TMPDIR": base}
            command = [sys.executable, "-c", _RUN, how]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False).stdout

        assert ended("well") == "\n\n"  # none of the processes that nobody needs here, and no folder
        assert ended("kill") == ""
        assert [name[:3] for name in os.listdir(base)] == ["pf-"]
        wait_until(lambda: not any(base in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])))
        said = ended("full")  # frees the killed one's, and its own
        assert said.startswith("a disk of this machine is full (")
        assert said.endswith("make room there\n\n")
        (kept,) = ended("bug").split()
        assert os.path.isdir(f"{base}/{kept}/r/session_latest/logs")
