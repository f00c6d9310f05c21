"""Reads an endpoint's reply as a stream, up to a limit that counts unpacked bytes.

`httpx` alone reads a body to its end, and unpacks each received piece of 64 kB completely, which may give 64 MB. So an endless body
and a gzip of zeros would both fill the memory.
"""

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workers.engines.server.http import httpx

ERROR_MAX_BYTES = 64 * 1024
"""An error reply is cut at this length, because its message is at the beginning."""
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Reply:
    status: int
    headers: httpx.Headers
    content: bytes
    """The unpacked body."""
    trouble: str | None = None
    """Why `content` is not the whole body, as a clause; None if it is."""
    where: str = "HTTP"
    """Where the status was found: in HTTP itself, or in an error inside a 200."""

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @cached_property
    def body(self) -> Any:
        """The parsed JSON, or the text if it is no JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return self.text


async def fetch(client: httpx.AsyncClient, method: str, url: str, *, max_bytes: int, content: bytes | None = None) -> Reply:
    """Sends one request and receives at most `max_bytes` of the reply.

    Bodies may be plain or gzip, whose unpacking can be stopped. Raises httpx.TransportError, which includes its timeouts.
    """
    headers = {"Accept-Encoding": "gzip"} | ({"Content-Type": "application/json"} if content is not None else {})
    reply = await client.send(client.build_request(method, url, content=content, headers=headers), stream=True)
    try:
        received, trouble = await _received(reply, min(max_bytes, ERROR_MAX_BYTES) if reply.status_code >= 400 else max_bytes)
    finally:
        await reply.aclose()
    return Reply(reply.status_code, reply.headers, received, trouble)


async def _received(reply: httpx.Response, max_bytes: int) -> tuple[bytes, str | None]:
    """(body, why it ends early, or None)."""
    encoding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        return b"", f"the reply is encoded as {encoding[:40]}, which was not asked for"
    gzip = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
    received, num_raw = bytearray(), 0
    async for piece in reply.aiter_raw():
        num_raw += len(piece)
        try:
            received += gzip.decompress(piece, max_bytes - len(received) + 1) if gzip else piece
        except zlib.error:
            return bytes(received), "the reply says that it is gzip and is not"
        if max(len(received), num_raw) > max_bytes:
            del received[max_bytes:]
            return bytes(received), f"the reply is longer than {max_bytes} bytes"
    if gzip and num_raw and not gzip.eof:
        return bytes(received), "the reply's gzip ends early"
    return bytes(received), None
