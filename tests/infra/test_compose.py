"""docker-compose.yml: valid by the compose specification, closed to others, pinned; and a planted mistake is found."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from pipeline.watching.child_process import _END_S
from schemas.settings import RaySettings
from tests.infra.checks import compose_findings
from tests.infra.files import ROOT, compose


def test_the_file_is_sound():
    assert compose_findings(compose()) == []


def set_(value: Any, path: str, new: Any) -> None:
    *parents, last = path.split("/")
    for name in parents:
        value = value[name]
    if new is None:
        del value[last]
    else:
        value[last] = new


@pytest.mark.parametrize(
    ("path", "new", "finding"),
    [
        ("services/run/comand", ["pagefold"], "comand"),
        ("services/ray-head/shm_size", [2], "shm_size"),
        ("services/ray-head/healthcheck", {"test": "x", "intervall": "5s"}, "intervall"),
        ("services/s3/ports", ["8333:8333"], "open to others"),
        ("services/ray-head/ports", ["0.0.0.0:8265:8265"], "open to others"),
        ("services/seed/image", "amazon/aws-cli", "not pinned"),
        ("services/seed/image", "amazon/aws-cli:latest", "not pinned"),
        ("services/s3/image", "chrislusf/seaweedfs:4.17", "two conditional PUTs"),
        ("services/s3/healthcheck", None, "says nothing of it"),
        ("services/ray-worker/shm_size", None, "shared memory"),
        ("services/run/security_opt", [], "privileges"),
        ("services/ray-worker", None, "which is not there"),
        ("services/ray-worker/profiles", ["gpu"], "not started with it"),
        ("services/grafana/ports", ["3000:3000"], "open to others"),
        ("services/prometheus/healthcheck", None, "says nothing of it"),
        ("services/watch/cap_dropp", ["ALL"], "cap_dropp"),
        ("services/ray-worker/environment/RAY_AUTH_MODE", "disabled", "ray-worker: Ray without a token"),
        ("services/watch/environment/RAY_AUTH_TOKEN_PATH", None, "watch: Ray without a token"),
        ("services/token", None, "which is not there"),
    ],
)
@pytest.mark.slow
def test_a_planted_mistake_is_found(path, new, finding):
    broken = json.loads(json.dumps(compose()))
    set_(broken, path, new)
    assert any(finding in found for found in compose_findings(broken)), compose_findings(broken)


def test_up_ends_with_rows_and_asks_for_no_gpu():
    """What starts without a profile: the run, and all it waits for."""
    services = compose()["services"]
    started = {name for name, service in services.items() if not service.get("profiles")}
    assert started == {"s3", "token", "seed", "ray-head", "ray-worker", "run"}
    assert services["run"]["depends_on"].keys() == {"seed", "ray-head", "ray-worker"}
    assert {name for name, service in services.items() if service.get("profiles") == ["metrics"]} == {"prometheus", "grafana"}
    assert services["ray-worker-gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_input_and_output_of_the_run_are_where_seed_and_query_look():
    services = compose()["services"]
    assert "s3://pagefold/drop s3://pagefold/lake" in services["run"]["command"]
    assert "/examples s3://pagefold/drop" in services["seed"]["command"][0]
    assert services["query"]["entrypoint"][-1] == "s3://pagefold/lake"
    source = services["seed"]["volumes"][0].partition(":")[0]
    assert any((ROOT / source).glob("*.pdf"))


def test_what_is_mounted_is_there():
    mounts = [mount for service in compose()["services"].values() for mount in service.get("volumes", ()) if mount.startswith("./")]
    assert len(mounts) >= 4
    assert [mount for mount in mounts if not (ROOT / mount.partition(":")[0]).exists() or not mount.endswith(":ro")] == []


def test_a_watch_that_is_stopped_has_the_time_to_hand_back():
    assert int(compose()["services"]["watch"]["stop_grace_period"].removesuffix("s")) > RaySettings().grace_s + _END_S


def test_whoever_starts_ray_or_talks_to_it_has_the_token_and_waits_until_it_is_there():
    services = compose()["services"]
    with_ray = ("ray-head", "ray-worker", "ray-worker-gpu", "run", "watch")
    for name in with_ray:
        environment = services[name]["environment"]
        assert (environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN_PATH"]) == ("token", "/run/pagefold/ray-token")
        assert "ray-token:/run/pagefold:ro" in services[name]["volumes"]
        assert waited_for(services, name) >= {"token"}, name
    made = services["token"]
    assert made["volumes"] == ["ray-token:/run/pagefold"]
    assert '"/run/pagefold/ray-token"' in made["command"][0]
    assert {name for name, service in services.items() if "ray-token:/run/pagefold" in service.get("volumes", ())} == {"token"}


def waited_for(services: dict[str, Any], name: str) -> set[str]:
    needed = set(services[name].get("depends_on", ()))
    return needed.union(*(waited_for(services, other) for other in needed))


@pytest.mark.slow
def test_the_token_is_made_once_and_is_not_guessed(tmp_path):
    code = compose()["services"]["token"]["command"][0].replace("/run/pagefold", str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
    token = (tmp_path / "ray-token").read_text()
    assert re.fullmatch("[0-9a-f]{64}", token)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
    assert (tmp_path / "ray-token").read_text() == token


@pytest.mark.slow
def test_the_keys_of_server_and_clients_are_the_same():
    text = compose()["configs"]["s3-identities"]["content"]
    keys = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", text))
    identity = json.loads(re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", text))["identities"][0]
    assert identity["credentials"] == [{"accessKey": keys["S3_ACCESS_KEY"], "secretKey": keys["S3_SECRET_KEY"]}]
    for name in ("seed", "ray-head", "ray-worker", "ray-worker-gpu", "run", "watch", "query"):
        environment = compose()["services"][name]["environment"]
        assert environment["AWS_ACCESS_KEY_ID"] == f"${{S3_ACCESS_KEY:-{keys['S3_ACCESS_KEY']}}}"
        assert environment["AWS_SECRET_ACCESS_KEY"] == f"${{S3_SECRET_KEY:-{keys['S3_SECRET_KEY']}}}"
        assert environment["AWS_ENDPOINT_URL"] == "http://s3:8333"
