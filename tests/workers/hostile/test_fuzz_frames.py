"""Frames of a render process, mutated: what is read is a page within its bounds or a failure, and memory stays where it was.

How often: see `seeds`.
"""

import contextlib
import io
import json
import math
import random
from typing import Any

import pytest
from PIL import Image

from schemas.flags import FLAGS
from schemas.page import Box, Packed, PageImage, Region, RenderedPage, TextLayer, Word, pack
from schemas.settings import MEBI, RegionSettings, RenderSettings
from tests.workers.hostile.seeds import seeds
from tests.workers.memory import Peak
from workers.rendering.bounds import SAID_OF_DOCUMENTS, Bounds, OutOfBounds, document_said, failure_said
from workers.rendering.frames import FAILURE, PAGE, REGIONS, Frame, FrameError, read_frame, write_frame
from workers.rendering.full_image import KEPT_QUALITY, decode, encode_jpeg
from workers.rendering.renderer import understood

NUM_FRAMES, NUM_DOCUMENTS = 2000, 2000
BOUNDS = Bounds.of(RenderSettings(max_pixels=256 * 256), RegionSettings(max_pixels=128 * 128, max_per_page=3), images="pages")
PICTURE = encode_jpeg(Image.new("RGB", (30, 20)), KEPT_QUALITY)
MOST_BYTES = 200 * MEBI
WORD = Word("Åland", 1.0, 2.0, 30.5, 12.25, 0, 0, 10.0)
EXTREMES: list[Any] = [
    *(0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**40, 1e308, -1e-308, math.nan, math.inf, True, None),
    *("", "\ud800", "\x1b", "repaired", "answer", "gone", "x" * 100_000, [], {}, [[]] * 1000, {"": 0}, "__proto__"),
]


def image(width_px: int, height_px: int) -> PageImage:
    return PageImage.from_rgb(width_px, height_px, bytes(width_px * height_px * 3))


def regions() -> RenderedPage:
    found = [
        Region(region_index=0, bbox_px=Box(0, 0, 20, 20), origin="drawing", image=image(64, 96), dpi=100.0, words=[WORD]),
        Region(region_index=1, bbox_px=Box(0, 0, 64, 64), origin="standalone", picture=PICTURE),
    ]
    return RenderedPage(page_index=3, regions=found, render_s=0.1)


SCAN = RenderedPage(
    page_index=3, image=image(128, 64), is_scan=True, is_reduced=True, full_image=encode_jpeg(Image.new("L", (300, 200))), dpi=72.0
)
TEXT = RenderedPage(
    page_index=3, image=image(64, 64), text_layer=TextLayer(words=[WORD] * 3, num_chars=15), flags=["repaired"], picture=PICTURE
)


def frame(kind: bytes, page: RenderedPage) -> Frame:
    packed = pack(page)
    return Frame(kind, packed.body.encode(), packed.buffers)


GOOD = [(frame(PAGE, TEXT), frame(REGIONS, regions())), (frame(PAGE, SCAN), frame(REGIONS, RenderedPage(page_index=3)))]


def put_anywhere(dice: random.Random, value: Any) -> Any:
    """The JSON value with one of its parts another."""
    inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    if not inner or dice.random() < 0.15:
        return dice.choice(EXTREMES)
    copy = value.copy()
    at = dice.choice(inner)
    if isinstance(copy, list) and dice.random() < 0.2:
        return copy * dice.choice([2, 100, 10_000])
    if isinstance(copy, dict) and dice.random() < 0.1:
        copy[dice.choice(["failure", "regions", "full_image", "pixels", "x"])] = dice.choice(EXTREMES)
    copy[at] = put_anywhere(dice, copy[at])
    return copy


def mutated_bytes(dice: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed) + 1)
        how = dice.choice(["flip", "cut", "double", "noise", "number"])
        if how == "flip" and at < len(changed):
            changed[at] = dice.randrange(256)
        elif how == "cut":
            del changed[at : at + dice.randint(1, 40)]
        elif how == "double":
            changed[at:at] = changed[at : at + dice.randint(1, 400)]
        elif how == "noise":
            changed[at:at] = dice.randbytes(dice.randint(1, 40))
        else:
            changed[at : at + 4] = dice.choice([b"\xff" * 4, b"\0" * 8, b"9999999", b"\x7f\xff\xff\xff"])
    return bytes(changed)


def mutated(dice: random.Random, good: Frame) -> Frame:
    body, buffers = good.body, list(good.buffers)
    how = dice.choice(["json", "json", "json", "bytes", "buffer", "buffers", "kind"])
    if how == "json":
        body = json.dumps(put_anywhere(dice, json.loads(body))).encode("utf-8", "surrogatepass")
    elif how == "bytes":
        body = mutated_bytes(dice, body)
    elif how == "buffer" and buffers:
        at = dice.randrange(len(buffers))
        buffers[at] = mutated_bytes(dice, buffers[at])
    elif how == "buffers":
        dice.shuffle(buffers)
        buffers = buffers[: dice.randint(0, 4)] * dice.randint(1, 2)
    else:
        return good._replace(kind=dice.choice([PAGE, REGIONS, FAILURE, b"?"]))
    return Frame(good.kind, body, buffers)


def stream(dice: random.Random, frames: list[Frame]) -> io.BytesIO:
    out = io.BytesIO()
    for each in frames:
        write_frame(out, each)
    return io.BytesIO(mutated_bytes(dice, out.getvalue()) if dice.random() < 0.2 else out.getvalue())


def read(frames: io.BytesIO) -> RenderedPage | None:
    """As a renderer does; None when it finds out before the page is read."""
    try:
        page, found = read_frame(frames, BOUNDS.page_frame), read_frame(frames, BOUNDS.regions_frame)
        if (page.kind, found.kind) != (PAGE, REGIONS):
            return None
        packed = Packed.joined([BOUNDS.packed(page, BOUNDS.page_pixels), BOUNDS.packed(found, BOUNDS.region_pixels)])
    except (EOFError, FrameError, OutOfBounds):
        return None
    return understood(packed, 3, BOUNDS)


def check(page: RenderedPage) -> None:
    assert page.page_index == 3
    if page.failure is not None:
        assert "makes no sense" in page.failure.message
        assert page.image is None
        return
    assert page.image is not None
    assert len(page.image.rgb()) == page.image.width_px * page.image.height_px * 3 <= 3 * BOUNDS.page_pixels
    assert len(page.regions) <= BOUNDS.num_regions
    for region in page.regions:
        assert region.image is None or len(region.image.rgb()) <= 3 * BOUNDS.region_pixels
        assert all(map(math.isfinite, region.bbox_px))
    assert set(page.flags) <= set(FLAGS)
    assert math.isfinite(page.render_s)
    for body in filter(None, (page.full_image, page.picture, *(region.picture for region in page.regions))):
        with contextlib.suppress(OSError, SyntaxError):
            decode(body)


def test_a_frame_that_nobody_changed_is_a_page() -> None:
    dice = random.Random(0)
    for good in GOOD:
        page = read(stream(dice, list(good)))
        assert page is not None
        assert page.failure is None


@pytest.mark.slow
def test_no_mutated_frame_is_more_than_a_failed_page() -> None:
    read(stream(random.Random(0), list(GOOD[0])))  # what is imported by then is no growth
    num_read = 0
    with Peak() as peak:
        for seed in seeds(NUM_FRAMES):
            dice = random.Random(seed)
            frames = [mutated(dice, each) if dice.random() < 0.6 else each for each in dice.choice(GOOD)]
            try:
                page = read(stream(dice, frames))
                if page is not None:
                    num_read += 1
                    check(page)
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
    assert num_read > len(seeds(NUM_FRAMES)) / 10  # most get as far as the JSON
    assert peak.num_bytes < MOST_BYTES


@pytest.mark.slow
def test_no_mutated_document_or_failure_is_more_than_out_of_bounds() -> None:
    bodies = [b'{"num_pages": 3, "title": "Report", "media_type": "application/pdf"}', b'["corrupt", "no xref"]']
    for seed in seeds(NUM_DOCUMENTS):
        dice = random.Random(seed)
        body = dice.choice(bodies)
        body = mutated_bytes(dice, body) if dice.random() < 0.5 else json.dumps(put_anywhere(dice, json.loads(body))).encode()
        try:
            assert 0 < (document_said(body).num_pages or 0) < 2**31
        except OutOfBounds:
            pass
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        with contextlib.suppress(OutOfBounds):
            assert len(failure_said(body, SAID_OF_DOCUMENTS).message) <= 500
