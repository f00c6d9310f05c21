"""Messages between the renderer and its sandboxed child: one letter, a JSON body, raw buffers; lengths first."""

import struct
from collections.abc import Sequence
from typing import IO, NamedTuple

_HEAD = struct.Struct(">cQI")  # kind, bytes of the body, number of buffers
_LENGTH = struct.Struct(">Q")
MAX_BUFFERS = 1000
MAX_BYTES = 1 << 30
"""Of a whole frame: a page with all its regions takes a tenth. A child that announces more is broken, or taken over."""


class Frame(NamedTuple):
    kind: bytes
    body: bytes
    buffers: Sequence[bytes] = ()


class FrameError(Exception):
    """What came is no frame."""


def write_frame(stream: IO[bytes], frame: Frame) -> None:
    lengths = b"".join(_LENGTH.pack(len(buffer)) for buffer in frame.buffers)
    for part in (_HEAD.pack(frame.kind, len(frame.body), len(frame.buffers)), lengths, frame.body, *frame.buffers):
        stream.write(part)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Frame:
    """Blocks until a whole frame is there. Raises EOFError when the other side is gone, FrameError on an absurd length."""
    kind, body_bytes, num_buffers = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if num_buffers > MAX_BUFFERS:
        raise FrameError(f"{num_buffers} buffers announced")
    lengths = [_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0] for _ in range(num_buffers)]
    if (num_bytes := body_bytes + sum(lengths)) > MAX_BYTES:
        raise FrameError(f"{num_bytes} bytes announced")
    return Frame(kind, _exactly(stream, body_bytes), [_exactly(stream, length) for length in lengths])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
