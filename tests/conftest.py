"""Servers and clusters that tests share: one moto S3 and one private Ray for the whole session."""

import gc
import os
import re
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.servers import s3
from tests.servers.s3_proxy import Proxy, s3_proxy

QUICK = "not ray and not slow"
"""The marks of `make quick`."""
_LEFT_OUT_WHOLE = re.compile(r"^pytestmark = [^#]*?pytest\.mark\.(ray|slow)\b", re.MULTILINE)
PATIENT_RAY = {
    "RAY_memory_monitor_refresh_ms": "0",  # else a worker dies where something else fills the machine's memory
    "RAY_health_check_timeout_ms": "60000",
    "RAY_worker_register_timeout_seconds": "240",
}
"""For a machine that is busy with something else."""
SHARED = Path(__file__).resolve().parents[2] / "shared"

# The same examples each time, and no limit of time. `--hypothesis-profile=default` looks for others.
hypothesis_settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and items that a collection makes live to the end: looking for garbage among them takes a fifth of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker runs all files with tests that start Ray: the session's Ray is its, and two at once are too many.

    By file, because the groups of pytest-xdist 3.8 do nothing under pytest 9.2: they are written into names that it never reads.
    """
    from xdist.scheduler import LoadScopeScheduling

    class RayInOneWorker(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "ray" if _starts_ray(nodeid.partition("::")[0]) else nodeid

    return RayInOneWorker(config, log)


@cache
def _starts_ray(path: str) -> bool:
    return "pytest.mark.ray" in (Path(__file__).parents[1] / path).read_text("utf-8")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make quick` does not import a file that it leaves out whole: importing all of them takes longer than its tests."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if config.option.markexpr != QUICK or not is_test:
        return None
    return bool(_LEFT_OUT_WHOLE.search(collection_path.read_text("utf-8"))) or None


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """URL of a moto server; the standard AWS variables lead to it."""
    with s3.s3_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """Name of a fresh bucket."""
    return s3.make_bucket()


@pytest.fixture
def s3_faults(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the S3 server, to which AWS_ENDPOINT_URL leads for this test; its `faults` break requests."""
    with s3_proxy(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries of botocore and of ours wait no time."""
    for module in ("botocore.endpoint", "workers.sources.fetch", "pipeline.object_store.s3_store", "tenacity.nap"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(scope="session")
def ray_session(s3_endpoint: str) -> Iterator[None]:
    """One private Ray; asks for S3 first, so that its workers inherit the way to it."""
    from pipeline.cluster.lean import lean_ray
    from pipeline.cluster.session import keep_to_loopback
    from schemas.settings import RaySettings

    keep_to_loopback(RaySettings())
    os.environ.update(PATIENT_RAY)
    import ray.data

    with lean_ray():
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=256 * 1024**2,
            include_dashboard=False,
            log_to_driver=False,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real documents (../shared) are not beside this repository")
    return SHARED
