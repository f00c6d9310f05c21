"""A proxy in front of an S3 server that breaks chosen requests."""

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Action = Literal["status", "reset", "truncate", "lose_reply", "drop_condition", "drop_range"]


@dataclass
class Fault:
    """A fault for the next `times` requests of this method whose path contains `path`."""

    method: str
    path: str
    action: Action
    times: int = 1
    status: int = 503
    code: str = "SlowDown"
    num_bytes: int = 0
    """Bytes of the body that get through, for `truncate`."""


@dataclass
class Chaos:
    """Breaks a random share of all requests by throttling, server errors, resets, cut bodies and lost replies."""

    rate: float
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    num_broken: Counter[str] = field(default_factory=Counter)

    def fault(self, method: str) -> Fault | None:
        if self.dice.random() >= self.rate:
            return None
        status, code = self.dice.choice([(429, "TooManyRequests"), (500, "InternalError"), (503, "SlowDown")])
        action: Action = self.dice.choice(["status", "status", "reset", "truncate" if method == "GET" else "lose_reply"])
        self.num_broken[f"{action} {status}" if action == "status" else action] += 1
        return Fault(method, "", action, status=status, code=code, num_bytes=self.dice.randrange(200))


@dataclass
class Proxy:
    endpoint: str
    faults: list[Fault] = field(default_factory=list)
    chaos: Chaos | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of all requests."""
    num_bytes_sent: int = 0
    """Bytes of bodies that were sent."""
    before: Callable[[str, str], None] | None = None
    """Called with method and path before each request is passed on."""

    def num(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.requests)


@contextmanager
def s3_proxy(upstream: str) -> Iterator[Proxy]:
    """Runs a proxy that passes requests on to `upstream` and breaks those that its faults name."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                proxy.requests.append((self.command, self.path))
                fault = next((f for f in proxy.faults if f.times > 0 and f.method == self.command and f.path in self.path), None)
                if fault:
                    fault.times -= 1
                elif proxy.chaos:
                    fault = proxy.chaos.fault(self.command)
            if proxy.before:
                proxy.before(self.command, self.path)
            if fault and fault.action == "status":
                self.answer(fault.status, [], f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode())
            elif fault and fault.action == "reset":
                self.hang_up()
            else:
                self.pass_on(body, fault)

        def pass_on(self, body: bytes, fault: Fault | None) -> None:
            headers = dict(self.headers.items())
            headers.pop("Expect", None)
            if fault and fault.action == "drop_condition":
                headers = {name: value for name, value in headers.items() if name not in ("If-Match", "If-None-Match")}
            if fault and fault.action == "drop_range":
                headers.pop("Range", None)
            connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=240)
            connection.request(self.command, self.path, body, headers)
            reply = connection.getresponse()
            content = reply.read()
            connection.close()
            if fault and fault.action == "lose_reply":
                self.hang_up()
            elif fault and fault.action == "truncate":
                self.answer(reply.status, reply.getheaders(), content, fault.num_bytes)
                self.hang_up()
            else:
                self.answer(reply.status, reply.getheaders(), content)

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes, num_bytes: int | None = None) -> None:
            self.send_response_only(status)
            length = next((value for name, value in headers if name.lower() == "content-length"), None)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", length if is_head and length else str(len(content)))
            self.end_headers()
            if not is_head:
                with lock:  # before it is sent: who has it may look at the count
                    proxy.num_bytes_sent += len(content[:num_bytes])
                self.wfile.write(content[:num_bytes])

        def hang_up(self) -> None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield proxy
    server.shutdown()
    server.server_close()
    thread.join()
