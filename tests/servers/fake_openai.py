"""A real HTTP server that speaks OpenAI's chat completions, of fixed capacity and with chosen faults: for tests and benchmarks.

It is written on asyncio alone, so that it can fail like real servers: close a connection in the middle, never answer, answer
garbage, answer for ever, send what unpacks to a thousand times its size.
`python -m tests.servers.fake_openai --port 8000 --capacity-per-s 20` serves until it is stopped.
"""

import argparse
import asyncio
import contextlib
import heapq
import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

PAGE = json.dumps({"languages": ["en"], "blocks": [{"paragraph": "Served text."}]})
NO_CHART = json.dumps({"chart": "none"})


@dataclass
class Reply:
    """One reply. `text` is the model's answer in a 200; `body` replaces the whole JSON."""

    status: int = 200
    text: str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    is_reset: bool = False
    """Closes the connection after half of the reply's head."""
    finish_reason: str = "stop"
    is_endless: bool = False
    """Sends zeros after the head until the client has gone."""

    @classmethod
    def bomb(cls, unpacked_bytes: int, **fields: Any) -> "Reply":
        """A gzip of zeros, which unpacks to a thousand times its size."""
        packer = zlib.compressobj(9, wbits=31)
        packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(unpacked_bytes >> 20)) + packer.flush()
        return cls(body=packed, headers={"Content-Encoding": "gzip"}, **fields)


@dataclass
class FakeOpenAI:
    """The server's behaviour, and what it has seen. `replies` are sent first, in order; then every request gets an answer."""

    capacity_per_s: float | None = None
    latency_s: float = 0.0
    slots: int | None = None
    """Requests at work at once, for `latency_s` each; others wait their turn. By default any number."""
    replies: deque[Reply] = field(default_factory=deque)
    refuses: dict[str, str] = field(default_factory=dict)
    """Parameter of the body (or value of response_format.type) -> message of the 400 it gets."""
    models: Reply = field(default_factory=lambda: Reply(body={"object": "list", "data": [{"id": "ovis"}]}))
    key: str | None = None
    serves: str | None = None
    """The only model that is served; requests for others get a 404."""
    keeps_requests: bool = True
    """False in benchmarks, which send gigabytes."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    """When each request was answered."""
    num_connections: int = 0
    num_endless_bytes: int = 0
    """Bytes of endless replies that clients have taken."""
    in_flight: int = 0
    max_in_flight: int = 0
    port: int = 0
    _next_free: float = 0.0
    _free_at: list[float] = field(default_factory=list)
    """When each slot is free."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=64 * 1024 * 1024)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in rest if item)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                reply = await self._reply(line.split()[1], headers, body)
                if reply.is_reset:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
                    break
                writer.write(_encoded(reply))
                await writer.drain()
                while reply.is_endless:
                    writer.write(_chunk(bytes(65536)))
                    await writer.drain()
                    self.num_endless_bytes += 65536
        with contextlib.suppress(ConnectionError):
            writer.close()

    async def _reply(self, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, f"Incorrect API key provided: {headers.get('authorization')}")
        if path.endswith("/models"):
            return self.models
        body = json.loads(raw)
        if self.serves is not None and body["model"] != self.serves:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if self.keeps_requests:
            self.requests.append(body)
            self.headers.append(headers)
        self.times.append(time.monotonic())
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._completion(body)
        finally:
            self.in_flight -= 1
            self.ends.append(time.monotonic())

    async def _completion(self, body: dict[str, Any]) -> Reply:
        format_type = body.get("response_format", {}).get("type")
        for name, message in self.refuses.items():
            if name in body or name == format_type:
                return _error(400, message)
        reply = self.replies.popleft() if self.replies else Reply()
        await asyncio.sleep(reply.delay_s + self.latency_s + self._queue_s())
        if reply.status != 200 or reply.body is not None or reply.is_reset or reply.is_endless:
            return reply
        asked = json.dumps(body["messages"])
        text = reply.text if reply.text is not None else NO_CHART if "Read the data of the chart" in asked else PAGE
        message = {"role": "assistant", "content": text}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": '{"', "logprob": 0.0}, *_LOGPROBS]}
        return Reply(body={"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 50}})

    def _queue_s(self) -> float:
        """The wait in a server that has so many slots, or finishes `capacity_per_s` requests per second, one after the other."""
        if self.slots is not None:
            now = time.monotonic()
            start = max(now, heapq.heappop(self._free_at)) if len(self._free_at) == self.slots else now
            heapq.heappush(self._free_at, start + self.latency_s)
            return start - now
        if self.capacity_per_s is None:
            return 0.0
        now = time.monotonic()
        self._next_free = max(self._next_free, now) + 1 / self.capacity_per_s
        return self._next_free - now


_LOGPROBS = [{"token": "Served", "logprob": -0.5}, {"token": " text", "logprob": -0.1}, {"token": '."', "logprob": -9.0}]


def _error(status: int, message: str) -> Reply:
    return Reply(status=status, body={"error": {"message": message, "type": "invalid_request_error"}})


def _chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def _encoded(reply: Reply) -> bytes:
    if reply.is_endless:
        head = "".join(f"{name}: {value}\r\n" for name, value in {"Transfer-Encoding": "chunked", **reply.headers}.items())
        return f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode()
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body


@contextlib.contextmanager
def running(fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
    """Runs the server in a thread of its own, on a free port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = _in(loop, fake.serve())
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)


def _in(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)


def main(start: Callable[[FakeOpenAI, int], Any]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--capacity-per-s", type=float, default=None)
    parser.add_argument("--latency-s", type=float, default=0.0)
    args = parser.parse_args()
    start(FakeOpenAI(capacity_per_s=args.capacity_per_s, latency_s=args.latency_s), args.port)


async def _forever(fake: FakeOpenAI, port: int) -> None:
    server = await fake.serve(port)
    print(fake.url, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main(lambda fake, port: asyncio.run(_forever(fake, port)))
