"""A read-only S3 server in a process of its own, which serves from memory and is faster than a real one, for planning
benchmarks."""

import contextlib
import multiprocessing
import os
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.s3 import _AWS

_PAGE = 1000
_ITEM = (
    "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;{etag}&quot;</ETag>"
    "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


@contextlib.contextmanager
def static_s3(num_objects: int, lake: Path, latency_s: float = 0.0) -> Iterator[str]:
    """Runs the server and gives its URL, to which the AWS variables point. The bucket `drop` has that many objects, and `lake` the
    files of a folder."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(num_objects, lake, latency_s, theirs), daemon=True)
    before = dict(os.environ)
    process.start()
    try:
        endpoint: str = ours.recv()
        os.environ.update(_AWS, AWS_ENDPOINT_URL=endpoint)
        yield endpoint
    finally:
        os.environ.clear()
        os.environ.update(before)
        process.terminate()
        process.join()


def drop_object(number: int) -> tuple[str, str, int]:
    """Key, ETag and size of an object of the bucket `drop`."""
    return f"in/{number % 97:02d}/{number:07d}.pdf", f"{number:032x}", 10_000 + number % 5000


def _serve(num_objects: int, lake: Path, latency_s: float, told: Connection) -> None:
    drop = sorted(drop_object(number) for number in range(num_objects))
    bodies = {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    listed = sorted((key, f"{len(body):032x}", len(body)) for key, body in bodies.items())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler({"drop": drop, "lake": listed}, bodies, latency_s))
    told.send(f"http://127.0.0.1:{server.server_address[1]}")
    server.serve_forever()


def _handler(
    buckets: Mapping[str, list[tuple[str, str, int]]], bodies: Mapping[str, bytes], latency_s: float
) -> type[BaseHTTPRequestHandler]:
    @cache
    def page(bucket: str, prefix: str, start: int, limit: int) -> bytes:
        keys = buckets[bucket]
        first = max(start, bisect_left(keys, (prefix,)))
        some = [item for item in keys[first : first + limit] if item[0].startswith(prefix)]
        is_cut = first + limit < len(keys) and len(some) == limit
        items = "".join(_ITEM.format(key=escape(key), etag=etag, size=size) for key, etag, size in some)
        token = f"<NextContinuationToken>{first + limit}</NextContinuationToken>" if is_cut else ""
        return (
            f'<?xml version="1.0"?><ListBucketResult><Name>{bucket}</Name><IsTruncated>{str(is_cut).lower()}</IsTruncated>'
            f"{token}{items}</ListBucketResult>"
        ).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            time.sleep(latency_s)
            url = urlsplit(self.path)
            bucket, _, key = unquote(url.path).lstrip("/").partition("/")
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if "list-type" in asked:
                start, limit = int(asked.get("continuation-token", 0)), int(asked.get("max-keys", _PAGE))
                self._answer(200, page(bucket, asked.get("prefix", ""), start, limit), "application/xml")
            elif key in bodies:
                self._answer(200, bodies[key], "application/octet-stream")
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"0"')
            self.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None: ...

    return Handler
