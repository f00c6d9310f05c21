"""A watch dies while its run is at work. The messages come again, and nothing is lost or doubled."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.kill import ROOT
from tests.pipeline.made_input import make_pdf
from tests.pipeline.tables import doubled_keys, read_rows
from tests.servers.sqs import make_queue, send_events
from tests.waiting import wait_until
from workers.sources.s3 import make_client

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_watch_that_is_killed_leaves_its_messages_to_the_next_one(bucket: str, s3_endpoint: str, tmp_path: Path) -> None:
    queue = make_queue(s3_endpoint)
    send_events(bucket, queue)
    make_pdf(tmp_path / "three.pdf", 3)
    make_client().put_object(Bucket=bucket, Key="drop/three.pdf", Body=(tmp_path / "three.pdf").read_bytes())
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"delay_s": 600}))
    command = [sys.executable, "-m", "pipeline", "watch", f"s3://{bucket}/drop", f"s3://{bucket}/lake", "--queue", queue.url]
    command += ["--engine", "scripted", "--tasks", "ocr", "--json", "--max-runs", "1"]
    for name in ("watch.quiet_s=0", "ray.render_workers=1", "ray.probe_workers=1", "ray.num_cpus=1"):
        command += ["--set", name]

    hangs = [*command, "--set", f"engine.scripted.script={script}", "--set", "watch.visibility_s=2"]
    killed = subprocess.Popen(hangs, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert killed.stderr is not None
    seen = []
    for line in killed.stderr:  # the engine hangs, so the run is reading until it dies
        seen.append(line)
        if " reading" in line:
            break
    assert " reading" in seen[-1], "".join(seen)
    (run_pid,) = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    for pid in (killed.pid, int(run_pid)):  # each leads a session of its own
        os.killpg(pid, signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    wait_until(queue.num)  # nobody hides it any longer

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["reason"], told["num_messages"], told["status"]) == ("events", 1, "finished")
    assert (queue.num(), queue.num(hidden=True), queue.num(dead=True)) == (0, 0, 0)
    assert [row["page_index"] for row in read_rows(f"s3://{bucket}/lake", "pages")] == [0, 1, 2]
    assert doubled_keys(f"s3://{bucket}/lake") == []
