"""A Ray cluster of several nodes on this machine, in processes of its own. Each node has a temporary folder of its own.

`python -m tests.servers.ray_cluster FOLDER NUM_NODES [dashboard]` starts a cluster, prints its address in a line of JSON, and ends
it when stdin closes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
MEBI = 1024**2


@dataclass(frozen=True)
class RayCluster:
    address: str
    dashboard: str
    """URL; "" without one."""
    raylets: list[int]
    """Process id of each node's raylet. The head is the first node."""
    folders: list[Path]
    """Temporary folder of each node."""

    def workers(self, node: int) -> list[str]:
        """Titles of the node's worker processes."""
        names = []
        for process in psutil.Process(self.raylets[node]).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # or a zombie, which is one
                names.append(" ".join(process.cmdline()))
        return names

    def kill(self, node: int) -> None:
        """Kills all processes of the node at once, as a power cut would."""
        raylet = psutil.Process(self.raylets[node])
        for process in [raylet, *raylet.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def ray_cluster(num_nodes: int, *, with_dashboard: bool = False, token: str | None = None) -> Iterator[RayCluster]:
    """Starts a cluster. `token`: the token that its clients need."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # not below pytest's: the names of Ray's sockets may not get long
    environment = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes on 127.0.0.1
        **({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    command = [sys.executable, "-m", "tests.servers.ray_cluster", str(folder), str(num_nodes), *(["dashboard"] * with_dashboard)]
    with (folder / "cluster.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        told = next((line for line in process.stdout if line.startswith(b'{"address"')), None)
        assert told, (folder / "cluster.log").read_text("utf-8", "replace")
        said = json.loads(told)
        yield RayCluster(said["address"], said["dashboard"], said["raylets"], [Path(path) for path in said["folders"]])
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        try:
            process.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            process.kill()
        for left in psutil.wait_procs(family, timeout=120)[1]:
            left.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main(folder: Path, num_nodes: int, with_dashboard: bool) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    nodes, folders = [], []
    for number in range(num_nodes):
        temporary, sessions = folder / f"node{number}" / "tmp", folder / f"node{number}" / "ray"
        temporary.mkdir(parents=True)
        folders.append(str(temporary))
        nodes.append(
            cluster.add_node(
                num_cpus=2,
                object_store_memory=160 * MEBI,
                temp_dir=str(sessions),
                env_vars={"TMPDIR": str(temporary)},
                **({"include_dashboard": with_dashboard, "dashboard_port": 0} if number == 0 else {}),
            )
        )
    # As `ray start` does: without it a job's driver looks for any Ray on this machine, and may find another one.
    (folder / "node0" / "ray" / "ray_current_cluster").write_text(cluster.address)
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    dashboard = f"http://{nodes[0].webui_url}" if with_dashboard else ""
    print(json.dumps({"address": cluster.address, "dashboard": dashboard, "raylets": raylets, "folders": folders}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "dashboard" in sys.argv[3:])
