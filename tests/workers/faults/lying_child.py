"""A render process that was taken over: pages that make sense, and in the middle what the document's text names of LIES.

Lives in the tests: nothing in production names it. It imports little, so that it starts at once.
"""

import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

from workers.rendering.frames import DOCUMENT, EDGES, FAILURE, PAGE, READY, REGIONS, Frame, read_frame, write_frame

Json = dict[str, Any]
SIDE_PX = 64
WORD = ["word", 1.0, 2.0, 30.0, 12.0, 0, 0, 10.0, 0]
_BLOCK = 1 << 17


def zstd(num_bytes: int, announced: int | None = None) -> bytes:
    """Zeros: one frame with a size in its head and runs of one byte as its blocks. Source: RFC 8878, 3.1.1."""
    head = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", num_bytes if announced is None else announced)
    sizes = [_BLOCK] * (num_bytes // _BLOCK) + [num_bytes % _BLOCK]
    blocks = [struct.pack("<I", size << 3 | 1 << 1 | (place == len(sizes) - 1))[:3] + b"\0" for place, size in enumerate(sizes)]
    return head + b"".join(blocks)


def image(width_px: int = SIDE_PX, height_px: int = SIDE_PX) -> Json:
    return {"width_px": width_px, "height_px": height_px}


def region(**changes: Any) -> Json:
    return {"region_index": 0, "bbox_px": [0, 0, 32, 32], "origin": "drawing", "image": image()} | changes


def words(*items: Any) -> Json:
    return {"text_layer": {"words": list(items), "num_chars": 4}}


GOOD = zstd(SIDE_PX * SIDE_PX * 3)


def page(pixels: bytes = GOOD, full_image: bytes = b"", picture: bytes = b"", **changes: Any) -> list[Frame]:
    body = {"page_index": 1, "image": image(), "text_layer": {"words": [WORD], "num_chars": 4}} | changes
    return [Frame(PAGE, json.dumps(body).encode(), [full_image, picture, pixels]), NO_REGIONS]


def regions(*found: Json, pixels: bytes = GOOD, picture: bytes = b"", **changes: Any) -> list[Frame]:
    body = {"page_index": 1, "regions": list(found)} | changes
    buffers = [buffer for each in found for buffer in ((picture, pixels) if each.get("image") else (picture,))]
    return [page()[0], Frame(REGIONS, json.dumps(body).encode(), [b"", b"", *buffers])]


def raw(body: bytes) -> list[Frame]:
    return [Frame(PAGE, body, [b"", b"", GOOD]), NO_REGIONS]


def within(field: str, filling: bytes, times: int) -> list[Frame]:
    """A page with a field of many alike."""
    return raw(
        b'{"page_index":1,"image":{"width_px":64,"height_px":64},"%s":[' % field.encode() + b",".join([filling] * times) + b"]}"
    )


def reduced(full_image: bytes) -> list[Frame]:
    return page(full_image=full_image, is_scan=True, is_reduced=True)


NO_REGIONS = Frame(REGIONS, b'{"page_index":1}', [b"", b""])
JPEG = b"\xff\xd8" + bytes(500)
FAILED = {"stage": "render", "kind": "unreadable", "message": "so it says"}
LIES: dict[str, Callable[[], list[Frame] | bytes]] = {
    # figures
    "a rotation of 10^40": lambda: page(rotation=10**40),
    "a rotation of 45,000 digits": lambda: raw(b'{"page_index":1,"rotation":' + b"9" * 45_000 + b"}"),
    "NaN seconds": lambda: page(render_s=float("nan")),
    "endless seconds": lambda: page(render_s=float("inf")),
    "10^30 characters": lambda: page(text_layer={"num_chars": 10**30}),
    "a negative resolution": lambda: page(dpi=-72.0),
    "a page without end": lambda: page(width_pt=1e300, height_pt=1e300),
    "another page": lambda: page(page_index=2),
    "a page more": lambda: raw(b'{"page_index":1},{"page_index":2}'),
    # images
    "200,000 x 200,000 pixels": lambda: page(image=image(200_000, 200_000)),
    "30,000 x 30,000 pixels": lambda: page(zstd(30_000 * 30_000 * 3), image=image(30_000, 30_000)),
    "0 x 0 pixels": lambda: page(zstd(0), image=image(0, 0)),
    "-64 x 64 pixels": lambda: page(image=image(-64, 64)),
    "-64 x -64 pixels": lambda: page(image=image(-64, -64)),
    "1 x 1,000,000 pixels": lambda: page(zstd(3_000_000), image=image(1, 1_000_000)),
    "no zstd": lambda: page(b"garbage in place of pixels"),
    "no pixels": lambda: page(b""),
    "half of the zstd": lambda: page(GOOD[:11]),
    "more pixels than the image has": lambda: page(zstd(64 * 64 * 4)),
    "more zstd than it says": lambda: page(zstd(900_000_000, announced=64 * 64 * 3)),
    "less zstd than it says": lambda: page(zstd(16, announced=64 * 64 * 3)),
    "4 GB of zstd": lambda: page(zstd(16, announced=2**32 - 1)),
    # the full image
    "a PNG": lambda: reduced(b"\x89PNG\r\n\x1a\n" + bytes(2000)),
    "a JPEG of another's making": lambda: reduced(
        b"\xff\xd8\xff\xc2\x00\x11\x08" + struct.pack(">HH", 65_000, 65_000) + bytes(500)
    ),
    "30 MB of JPEG": lambda: reduced(bytes(30_000_000)),
    # regions
    "200,000 regions": lambda: regions(*[region(image=None, origin="standalone")] * 200_000),
    "13 regions": lambda: regions(*(region(region_index=place) for place in range(13))),
    "a region of 30,000 x 30,000 pixels": lambda: regions(region(image=image(30_000, 30_000)), pixels=zstd(30_000 * 30_000 * 3)),
    "a region without zstd": lambda: regions(region(), pixels=b"garbage"),
    "a region off the page": lambda: regions(region(bbox_px=[0, 0, 1e9, 1e9])),
    "a region at no place": lambda: regions(region(bbox_px=[float("nan")] * 4)),
    "a region without an image": lambda: regions(region(image=None)),
    "a region that was an answer": lambda: regions(region(origin="answer")),
    "a region of another number": lambda: regions(region(region_index=10**15)),
    # text and flags
    "a million words": lambda: page(**words(*[WORD] * 250_000)),
    "a million things that are no words": lambda: within("flags", b"[]", 1_000_000),
    "a million objects": lambda: within("regions", b"{}", 1_000_000),
    "a million fields": lambda: raw(b"{" + b",".join(b'"%d":0' % place for place in range(1_000_000)) + b"}"),
    "as many arrays as a page may have": lambda: within("flags", b"[]", 199_000),
    "as many values": lambda: within("regions", b"0", 1_790_000),
    "as many fields": lambda: raw(b"{" + b",".join(b'"%d":0' % place for place in range(199_000)) + b"}"),
    "as many words, each of them none": lambda: page(**words(*[[""] * 9] * 22_000)),
    "a word of two million letters": lambda: page(**words(["x" * 2_000_000, *WORD[1:]])),
    "a word without end": lambda: page(**words(["x", *[float("inf")] * 4, *WORD[5:]])),
    "a word off the page": lambda: page(**words([*WORD[:3], 1e6, *WORD[4:]])),
    "a word in block 10^30": lambda: page(**words([*WORD[:5], 10**30, *WORD[6:]])),
    "a word that speaks to a terminal": lambda: page(**words(["\x1b]0;owned\x07", *WORD[1:]])),
    "a million flags": lambda: within("flags", b'"repaired"', 1_000_000),
    "a flag of its own": lambda: page(flags=["x" * 1000]),
    # JSON
    "no JSON": lambda: raw(b"\xff{"),
    "a million brackets": lambda: raw(b"[" * 1_000_000),
    "60 MB of JSON": lambda: raw(b" " * 60_000_000),
    # failures
    "a failure that another stage finds": lambda: page(failure=FAILED | {"stage": "fetch", "kind": "gone"}),
    "a failure in place of a page": lambda: page(failure=FAILED, image=None),
    "a failure without buffers": lambda: [
        Frame(PAGE, json.dumps({"page_index": 1, "failure": FAILED}).encode(), [b"", b""]),
        NO_REGIONS,
    ],
    "a failure that is tried again for ever": lambda: [Frame(FAILURE, b'["throttled", "again"]')],
    "a failure of an unknown kind": lambda: [Frame(FAILURE, b'["no such kind", "again"]')],
    "a failure of 10 MB": lambda: [Frame(FAILURE, b'["unreadable", "%s"]' % (b"x" * 10_000_000))],
    "a failure a million deep": lambda: [Frame(FAILURE, b"[" * 60_000)],
    # frames
    "a frame of another kind": lambda: [Frame(DOCUMENT, b"{}")],
    "regions of another kind": lambda: [page()[0], page()[0]],
    "four buffers": lambda: [Frame(PAGE, page()[0].body, [b"", b"", GOOD, GOOD]), NO_REGIONS],
    # pictures
    "a picture that nobody keeps": lambda: page(picture=JPEG),
    "pixels in place of a picture": lambda: page(picture=GOOD),
    "a region's picture that nobody keeps": lambda: regions(region(), picture=JPEG),
    "a picture in place of pixels": lambda: regions(region(), pixels=JPEG),
    "2^63 bytes": lambda: struct.pack(">cQIQ", PAGE, 1 << 63, 1, 1 << 63),
    "4 billion buffers": lambda: struct.pack(">cQI", PAGE, 2, 2**32 - 1),
}
DOCUMENTS: dict[str, bytes] = {
    "10^30 pages": b'{"num_pages": %d}' % 10**30,
    "-1 pages": b'{"num_pages": -1}',
    "no number of pages": b"{}",
    "a title that speaks to a terminal": json.dumps({"num_pages": 1, "title": "\x1b]0;owned\x07"}).encode(),
    "a title without end": json.dumps({"num_pages": 1, "title": "x" * 60_000}).encode(),
    "a megabyte": b" " * (1 << 20),
    "a list": b"[" * 60_000,
}


EDGE_LIES = {
    "edges that are none": b'{"text": 1}',
    "a line off the page": b'[["a", 7.0]]',
    "a line of 10,000 characters": json.dumps([["a" * 10_000, 0.1]]).encode(),
    "a thousand edge lines": json.dumps([["a", 0.1]] * 1000).encode(),
    "control characters at the edge": b'[["\\u0000", 0.1]]',
    "a deep list": b"[" * 10_000,
}
"""By what the document's text names: its pages are fine, and what is said of their edges is not."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    requests = sys.stdin.buffer
    read_frame(requests)
    write_frame(answers, Frame(READY, b""))
    name = ""
    while True:
        order = json.loads(read_frame(requests).body)
        if "open" in order:
            with open(order["open"], encoding="utf-8") as file:
                name = file.read()
            write_frame(answers, Frame(DOCUMENT, DOCUMENTS.get(name, b'{"num_pages": 3}')))
            continue
        if "edges" in order:
            write_frame(answers, Frame(EDGES, EDGE_LIES.get(name, b"[]")))
            continue
        said = LIES[name]() if order["page"] == 1 else page(page_index=order["page"])
        if isinstance(said, bytes):
            answers.write(said)
            answers.flush()
            continue
        for frame in said:
            body = frame.body if order["page"] == 1 else frame.body.replace(b'"page_index":1', b'"page_index":%d' % order["page"])
            write_frame(answers, frame._replace(body=body))


if __name__ == "__main__":
    main()
