"""Frames, the messages between the renderer and its sandboxed child. A frame has a letter, lengths, a JSON body and raw buffers."""

import struct
from collections.abc import Sequence
from typing import IO, NamedTuple

_HEAD = struct.Struct(">cQI")  # kind, bytes of the body, number of buffers
_LENGTH = struct.Struct(">Q")
MAX_BUFFERS = 1000
MAX_BYTES = 1 << 30
"""Limit for a whole frame. A page with all its regions takes a tenth. A child that announces more is broken, or taken over."""


READY, DOCUMENT, FAILURE, PAGE, REGIONS, EDGES = b"R", b"D", b"F", b"P", b"G", b"E"
"""The child's answers. To "open" it sends a document or a failure; to "page" a page and then its regions, or a failure; to "edges"
the lines at the edges of a page, or a failure."""


class Most(NamedTuple):
    """Limits for a frame."""

    body_bytes: int = MAX_BYTES
    buffers: int = MAX_BUFFERS
    buffer_bytes: int = MAX_BYTES
    """Limit for each buffer. MAX_BYTES limits the whole frame as well."""


ANY = Most()


class Frame(NamedTuple):
    kind: bytes
    body: bytes
    buffers: Sequence[bytes] = ()


class FrameError(Exception):
    """The received bytes are no frame, or one that is not allowed."""


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    lengths = b"".join(_LENGTH.pack(len(buffer)) for buffer in frame.buffers)
    for part in (_HEAD.pack(frame.kind, len(frame.body), len(frame.buffers)), lengths, frame.body, *frame.buffers):
        stream.write(part)
    stream.flush()


def read_frame(stream: IO[bytes], most: Most = ANY) -> Frame:
    """Reads a whole frame, and waits for it. Raises EOFError if the other side is gone, and FrameError, before anything is read, if
    the frame announces more than `most`."""
    kind, body_bytes, num_buffers = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if num_buffers > most.buffers:
        raise FrameError(f"{num_buffers} buffers announced")
    lengths = [_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0] for _ in range(num_buffers)]
    num_bytes = body_bytes + sum(lengths)
    if num_bytes > MAX_BYTES or body_bytes > most.body_bytes or max(lengths, default=0) > most.buffer_bytes:
        raise FrameError(f"{num_bytes} bytes announced, {body_bytes} of them JSON")
    return Frame(kind, _exactly(stream, body_bytes), [_exactly(stream, length) for length in lengths])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
