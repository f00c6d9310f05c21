"""A fake head with the part of Ray's Jobs API that `pagefold submit` uses. Its jobs go through the states that the test gives."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeJob:
    body: dict[str, Any]
    states: list[dict[str, Any]]
    """The job's state at each request for it. The last one stays."""
    log: str = ""


@dataclass
class FakeHead:
    address: str
    states: list[dict[str, Any]] = field(default_factory=lambda: [{"status": "SUCCEEDED", "driver_exit_code": 0}])
    """States of the jobs that are submitted from now on. A key `log` adds to what the job has printed."""
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    broken: list[tuple[str, int]] = field(default_factory=list)
    """(part of `METHOD path`, status) of future requests that fail. Status 0 does the work and closes the connection."""
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def fake_head() -> Iterator[FakeHead]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            head.headers.append(dict(self.headers.items()))
            broken = next((item for item in head.broken if item[0] in f"{self.command} {self.path}"), None)
            if broken:
                head.broken.remove(broken)
            if broken and broken[1]:
                self.answer(broken[1], "Traceback\nno")
                return
            status, reply = self.respond(body)
            if broken:
                self.close_connection = True
                self.connection.shutdown(2)
            else:
                self.answer(status, reply)

        def respond(self, body: bytes) -> tuple[int, Any]:
            parts = self.path.strip("/").split("/")
            match (self.command, *parts):
                case ("GET", "api", "jobs"):
                    return 200, [{"submission_id": None, "status": "RUNNING"}, *(self.told(name) for name in head.jobs)]
                case ("POST", "api", "jobs"):
                    asked = json.loads(body)
                    if asked["submission_id"] in head.jobs:
                        return 400, "Traceback\nValueError: Job already exists."
                    head.jobs[asked["submission_id"]] = FakeJob(asked, list(head.states))
                    return 200, {"submission_id": asked["submission_id"]}
                case ("GET", "api", "jobs", name) if name in head.jobs:
                    told = self.told(name)
                    job = head.jobs[name]
                    job.log += job.states[0].get("log", "")
                    if len(job.states) > 1:
                        job.states.pop(0)
                    else:
                        job.states[0].pop("log", None)
                    return 200, told
                case ("GET", "api", "jobs", name, "logs") if name in head.jobs:
                    return 200, {"logs": head.jobs[name].log}
                case ("GET", "api", "packages", "gcs", name) if name in head.packages:
                    return 200, ""
                case ("PUT", "api", "packages", "gcs", name):
                    head.packages[name] = body
                    return 200, ""
            return 404, "not found"

        def told(self, name: str) -> dict[str, Any]:
            return {"submission_id": name, "type": "SUBMISSION"} | head.jobs[name].states[0]

        def answer(self, status: int, reply: Any) -> None:
            content = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    head = FakeHead(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield head
    server.shutdown()
    server.server_close()
