"""Ray clusters of several nodes that share nothing but S3."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.kill import ROOT
from tests.pipeline.made_input import make_drop, make_pdf
from tests.pipeline.tables import doubled_keys, read_all
from tests.servers.ray_cluster import ray_cluster
from tests.servers.s3 import make_bucket
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


def run(bucket: str, output: str, address: str, script: str) -> subprocess.Popen[str]:
    words = ["run", f"s3://{bucket}/drop", f"s3://{bucket}/{output}", "--ray-address", address, "--engine", "scripted"]
    chosen = ["ray.render_workers=4", "ray.probe_workers=2", "engine.min_actors=4", "engine.max_actors=4"]
    chosen += ["plan.chunk_pages=1", "plan.shard_sources=4", f"engine.scripted.script={script}"]
    return pagefold(*words, *(word for name in chosen for word in ("--set", name)))


def test_a_node_that_is_lost_in_the_middle_costs_time_and_no_rows(s3_endpoint: str, tmp_path: Path) -> None:
    drop, script = tmp_path / "drop", tmp_path / "script.json"
    make_drop(drop)
    for number in range(6):
        make_pdf(drop / f"more {number}.pdf", 5)
    script.write_text(json.dumps({"rules": [{"label": "*more*", "delay_s": 6}]}))  # there is time for the node to be lost
    bucket = upload(drop)
    with ray_cluster(2) as cluster:
        undisturbed = run(bucket, "undisturbed", cluster.address, str(script))
        said, _ = undisturbed.communicate(timeout=240)
        assert undisturbed.returncode == 0, said
        caches = [list(folder.glob("pagefold-cache-*/*")) for folder in cluster.folders]
        assert all(caches), caches  # both nodes have fetched and rendered, each into a folder of its own

        disturbed = run(bucket, "disturbed", cluster.address, str(script))
        staged = wait_for_staged(bucket, 5, disturbed)
        workers = cluster.workers(1)
        cluster.kill(1)
        said, _ = disturbed.communicate(timeout=300)

    assert disturbed.returncode == 0, said
    assert 5 <= staged < 40  # in the middle
    assert any("ReadPages" in name or "RenderPages" in name for name in workers), workers
    assert read_all(f"s3://{bucket}/disturbed") == read_all(f"s3://{bucket}/undisturbed")
    assert doubled_keys(f"s3://{bucket}/disturbed") == []


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


def wait_for_staged(bucket: str, num_chunks: int, process: subprocess.Popen[str]) -> int:
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        found = make_client().list_objects_v2(Bucket=bucket, Prefix="disturbed/_pagefold/staging/").get("KeyCount", 0)
        if found >= num_chunks:
            return found
        time.sleep(0.2)
    raise AssertionError(process.communicate(timeout=240)[0])


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
