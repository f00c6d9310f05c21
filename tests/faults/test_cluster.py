"""Ray clusters of several nodes that share nothing but S3."""

import json
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.kill import ROOT
from tests.pipeline.made_input import make_drop, make_pdf
from tests.pipeline.tables import doubled_keys, read_all
from tests.servers.ray_cluster import ray_cluster
from tests.servers.s3 import make_bucket
from tests.servers.s3_proxy import Proxy
from workers.sources.s3 import make_client

pytestmark = [pytest.mark.ray, pytest.mark.slow]

AWS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


def upload(folder: Path) -> str:
    bucket = make_bucket()
    for path in folder.iterdir():
        make_client().put_object(Bucket=bucket, Key=f"drop/{path.name}", Body=path.read_bytes())
    return bucket


def pagefold(*args: str) -> subprocess.Popen[str]:
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    command = [sys.executable, "-m", "pipeline", *args]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(bucket: str, output: str, address: str) -> subprocess.Popen[str]:
    words = ["run", f"s3://{bucket}/drop", f"s3://{bucket}/{output}", "--ray-address", address, "--engine", "scripted"]
    chosen = ["ray.render_workers=4", "ray.probe_workers=2", "engine.min_actors=4", "engine.max_actors=4"]
    chosen += ["plan.chunk_pages=1", "plan.shard_sources=4"]
    return pagefold(*words, *(word for name in chosen for word in ("--set", name)))


class HeldBack:
    """Lets some chunks of a run be staged, and holds back the others until it is told."""

    def __init__(self, output: str, num_chunks: int) -> None:
        self._output, self._left = output, num_chunks
        self.has_come, self.may_go = threading.Event(), threading.Event()

    def __call__(self, method: str, path: str) -> None:
        if method == "PUT" and f"/{self._output}/_pagefold/staging/" in path:
            self._left -= 1
            if self._left < 0:
                self.has_come.set()
                self.may_go.wait(240)

    def wait(self, process: subprocess.Popen[str]) -> None:
        """Waits until a chunk is held back."""
        end = time.monotonic() + 240
        while not self.has_come.wait(0.2):
            assert process.poll() is None, process.communicate(timeout=240)[0]
            assert time.monotonic() < end


def test_a_node_that_is_lost_in_the_middle_costs_time_and_no_rows(s3_faults: Proxy, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    make_drop(drop)
    for number in range(6):
        make_pdf(drop / f"more {number}.pdf", 5)
    bucket = upload(drop)
    s3_faults.before = held = HeldBack("disturbed", 5)
    with ray_cluster(2) as cluster:
        undisturbed = run(bucket, "undisturbed", cluster.address)
        said, _ = undisturbed.communicate(timeout=600)
        assert undisturbed.returncode == 0, said
        assert any(list(folder.glob("pagefold-cache-*/*")) for folder in cluster.folders)  # each node has a cache of its own

        disturbed = run(bucket, "disturbed", cluster.address)
        held.wait(disturbed)
        workers = cluster.workers(1)
        cluster.kill(1)
        held.may_go.set()
        said, _ = disturbed.communicate(timeout=600)

    assert disturbed.returncode == 0, said
    assert read_all(f"s3://{bucket}/disturbed") == read_all(f"s3://{bucket}/undisturbed")
    assert doubled_keys(f"s3://{bucket}/disturbed") == []
    if not any("ReadPages" in name or "RenderPages" in name for name in workers):
        pytest.skip("Ray, which places workers that ask for no CPU at random, had none on the lost node")


def test_a_cluster_with_a_token_takes_it_from_a_file_and_nobody_without(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-the-test\n")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with ray_cluster(1, token="a-token-of-the-test") as cluster:
        command = [sys.executable, "-m", "pipeline", "doctor", "--json", "--ray", "--ray-address", cluster.address]
        found = {}
        for name, env in {
            "right": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")},
            "wrong": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "another"},
            "none": {"RAY_AUTH_MODE": "disabled"},
        }.items():
            env |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
            done = subprocess.run(command, cwd=ROOT, env=plain | env, capture_output=True, text=True, timeout=240)
            (found[name],) = [finding for finding in json.loads(done.stdout) if finding["check"] == "ray"]
    assert found["right"]["verdict"] == "ok", found
    for name in ("wrong", "none"):
        assert found[name]["verdict"] == "fail"
        assert "wants another token than RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH" in found[name]["detail"]


@pytest.mark.skipif(
    find_spec("aiohttp_cors") is None, reason="a head has the Jobs API with ray[default] only, which is not installed"
)
def test_a_run_is_submitted_followed_and_joined(s3_endpoint: str, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    make_drop(drop)
    bucket = upload(drop)
    with ray_cluster(1, with_dashboard=True) as cluster:
        words = ["submit", f"s3://{bucket}/drop", f"s3://{bucket}/lake", "--address", cluster.dashboard, "--with-code"]
        words += ["--engine", "scripted", *(word for name in AWS for word in ("--env", name))]
        first = pagefold(*words)
        assert first.stdout is not None
        said = ""
        for line in first.stdout:
            said += line
            if " reading" in line:
                break
        second = pagefold(*words, "--no-wait")
        joined, _ = second.communicate(timeout=240)
        said += first.communicate(timeout=240)[0]
        third = pagefold(*words)
        again, _ = third.communicate(timeout=240)
        wrong = pagefold(*[word.replace(f"{bucket}/drop", f"{bucket}-missing") for word in words])
        refused, _ = wrong.communicate(timeout=240)

    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 0), said + joined + again
    assert "Finished" in said
    assert "at work on this already" in joined
    assert "Nothing to do" in again
    assert len(read_all(f"s3://{bucket}/lake")["documents"]) == 5
    assert wrong.returncode == 2, refused
    assert f"the bucket {bucket}-missing does not exist" in refused
