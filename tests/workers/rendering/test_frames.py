"""Messages between the renderer and its child, which may be broken or taken over."""

import io
import struct

import pytest

from workers.rendering.frames import MAX_BUFFERS, MAX_BYTES, Frame, FrameError, Most, read_frame, write_frame


def test_a_frame_comes_out_as_it_went_in() -> None:
    stream = io.BytesIO()
    frames = [Frame(b"P", b"{}", [b"one", b"", b"three"]), Frame(b"G", b"")]
    for frame in frames:
        write_frame(stream, frame)
    stream.seek(0)

    assert [read_frame(stream) for _ in frames] == [Frame(b"P", b"{}", [b"one", b"", b"three"]), Frame(b"G", b"", [])]


@pytest.mark.parametrize(
    ("body_bytes", "lengths"),
    [(0, [MAX_BYTES + 1]), (0, [MAX_BYTES // 4] * 5), (2**32 - 1, []), (0, [2**64 - 1])],
    ids=["one buffer", "many that are each small enough", "the body", "the most that can be said"],
)
def test_more_than_a_page_can_take_is_refused_before_it_is_read(body_bytes: int, lengths: list[int]) -> None:
    head = struct.pack(">cQI", b"P", body_bytes, len(lengths)) + b"".join(struct.pack(">Q", length) for length in lengths)

    with pytest.raises(FrameError, match="bytes announced"):
        read_frame(io.BytesIO(head))


def test_more_buffers_than_a_page_has_are_refused() -> None:
    with pytest.raises(FrameError, match="buffers announced"):
        read_frame(io.BytesIO(struct.pack(">cQI", b"P", 0, MAX_BUFFERS + 1)))


@pytest.mark.parametrize(
    "frame",
    [Frame(b"P", b"12345"), Frame(b"P", b"", [b"", b"", b""]), Frame(b"P", b"", [b"", b"1234567"])],
    ids=["body", "buffers", "one buffer"],
)
def test_a_frame_larger_than_its_like_is_refused(frame: Frame) -> None:
    stream = io.BytesIO()
    write_frame(stream, frame)
    stream.seek(0)

    with pytest.raises(FrameError, match="announced"):
        read_frame(stream, Most(body_bytes=4, buffers=2, buffer_bytes=6))


def test_a_frame_that_breaks_off_is_the_end() -> None:
    stream = io.BytesIO()
    write_frame(stream, Frame(b"P", b"{}", [b"pixels"]))

    with pytest.raises(EOFError):
        read_frame(io.BytesIO(stream.getvalue()[:-1]))
