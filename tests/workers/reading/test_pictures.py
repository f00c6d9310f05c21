"""The pictures that are kept of a page: which, of what kind, and where they are from."""

import hashlib
import io
import json

from PIL import Image

from schemas.failure import FailureKind
from schemas.page import Box, PageImage
from tests.workers.made_pages import NO_CHART, TellingEngine, failed, image, page, read, region, rendered
from workers.reading import read_pages
from workers.rendering.pictures import cut_out, encoded, with_page_picture, with_region_pictures

SMALL = encoded(PageImage.from_rgb(64, 32, bytes(64 * 32 * 3)))
LARGE = encoded(image())
FIGURE = json.dumps({"languages": ["en"], "blocks": [{"figure": "A ship", "box": [0.5, 0.5, 0.9, 0.9]}]})


def opened(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    picture.load()
    return picture


async def test_a_picture_that_came_with_its_region_is_a_row_of_the_chart_that_was_read_there():
    shown = page(3, regions=[region(picture=SMALL), region(1, bbox_px=Box(0, 0, 50, 50), picture=SMALL)])

    (chart, figure) = (await read(TellingEngine(), rendered(shown), images="regions")).images

    assert (chart.kind, chart.page_index, chart.image_index, chart.region_index) == ("chart", 3, 0, 0)
    assert (chart.bbox_px, chart.width_px, chart.height_px) == (Box(100, 100, 420, 324), 64, 32)
    assert (chart.image, chart.format, chart.size_bytes) == ((SMALL, "page-0004-chart-1.jpg"), "jpeg", len(SMALL))
    assert chart.sha256 == hashlib.sha256(SMALL).hexdigest() == figure.sha256
    assert (chart.lineage.source_id, chart.lineage.attempt) == (figure.lineage.source_id, 1)
    assert (figure.image_index, figure.region_index) == (1, 1)


async def test_a_region_that_is_no_chart_is_a_figure_and_the_page_comes_first():
    shown = page(regions=[region(picture=SMALL)], picture=LARGE)

    whole, figure = (await read(TellingEngine(chart=[NO_CHART]), rendered(shown), images="pages")).images

    assert (whole.kind, whole.bbox_px, whole.region_index, whole.width_px) == ("page", None, None, 640)
    assert whole.image is not None
    assert (whole.image.path, figure.kind) == ("page-0001.jpg", "figure")


async def test_an_image_that_is_a_whole_page_is_kept_where_it_was_read_as_a_chart():
    alone = region(origin="standalone", image=None, bbox_px=Box(0, 0, 640, 448))

    (chart,) = (await read(TellingEngine(), rendered(page(regions=[alone])), images="regions")).images
    assert (chart.kind, chart.width_px, chart.region_index) == ("chart", 640, 0)

    assert (await read(TellingEngine(chart=[NO_CHART]), rendered(page(regions=[alone])), images="regions")).images == []


async def test_a_figure_that_only_the_answer_found_is_cut_out_once():
    engine = TellingEngine(ocr=[FIGURE], chart=[NO_CHART])

    (cut,) = (await read(engine, rendered(page(is_scan=True)), images="regions")).images
    assert (cut.kind, cut.region_index) == ("figure", 0)  # the region that was asked about

    (alone,) = (await read(engine, rendered(page(), tasks=["ocr"]), tasks=["ocr"], images="regions")).images
    assert (alone.kind, alone.region_index, alone.bbox_px) == ("figure", None, Box(320, 224, 576, 403.2))
    assert alone.image is not None
    assert opened(alone.image.bytes).size == (alone.width_px, alone.height_px) == (256, 179)


async def test_nothing_is_kept_that_nobody_asked_to_keep():
    shown = page(regions=[region(picture=SMALL)], picture=LARGE)

    assert (await read(TellingEngine(), rendered(shown))).images == []
    assert (await read(TellingEngine(), rendered(shown, regions=[(0, 0)]), images="pages")).images == []  # a retry
    assert (await read(TellingEngine(), rendered(page(is_blank=True)), images="pages")).images == []


async def test_a_page_whose_text_failed_keeps_its_pictures():
    records = await read(TellingEngine(ocr=[failed(FailureKind.throttled)]), rendered(page(picture=LARGE)), images="pages")
    assert ([row.status for row in records.pages], len(records.images)) == (["failed"], 1)


async def test_a_fault_in_the_pictures_costs_them_alone(monkeypatch):
    monkeypatch.setattr(read_pages, "pictures_of", lambda *_: 1 / 0)

    records = await read(TellingEngine(), rendered(page(picture=LARGE)), images="pages")

    assert [row.status for row in records.pages] == ["ok"]
    assert [(row.kind, row.page_index) for row in records.failures] == [("internal_error", 0)]


def test_the_sandbox_encodes_what_is_kept_and_no_more():
    shown, found = page(), [region(image=None), region(1, bbox_px=Box(0, 0, 9, 9)), region(2, origin="standalone", image=None)]

    def sizes(images):
        return [opened(each.picture).size if each.picture else None for each in with_region_pictures(found, shown, images)]

    assert sizes("none") == [None, None, None]
    assert sizes("regions") == sizes("pages") == [(320, 224), (640, 448), None]  # its own rendering, where it has one
    assert [bool(with_page_picture(shown, images).picture) for images in ("none", "regions", "pages")] == [False, False, True]
    assert not with_page_picture(page(is_blank=True), "pages").picture


def test_a_box_off_the_page_has_no_picture():
    whole = Image.new("RGB", (10, 10))
    assert cut_out(whole, Box(20, 0, 30, 5)) == cut_out(whole, Box(5, 5, 5, 5)) == cut_out(whole, Box(8, 8, 2, 2)) == b""
    assert opened(cut_out(whole, Box(-5, -5, 5, 99))).size == (5, 10)
