"""Pictures that the lake keeps are shown before any is drawn again, also where the source is gone."""

import io
from contextlib import closing

import pytest
from PIL import Image

from pipeline.analytics.duckdb_tables import connect
from pipeline.documents.export import ExportFormat, export
from pipeline.documents.pictures import Pictures
from pipeline.documents.reading import document
from pipeline.report.site import write_report
from schemas.failure import FailureKind, PageError
from schemas.page import Box
from schemas.settings import Settings
from tests.pipeline.documents.made import box, key, made_rows
from tests.pipeline.written_lake import row, write_lake
from workers.rendering.full_image import KEPT_QUALITY, encode_jpeg
from workers.sources.fetch import Fetcher

pytestmark = pytest.mark.slow

REPORT = "s3://b/in/report.pdf"


def jpeg(colour: str, *size: int) -> dict[str, object]:
    return {"bytes": encode_jpeg(Image.new("RGB", size, colour), KEPT_QUALITY), "path": "x.jpg"}


def lake_with(tmp_path, *images):
    pictures = [row("images", **key("report.pdf"), image_index=index, **image) for index, image in enumerate(images)]
    return str(write_lake(tmp_path / "lake", made_rows() | {"images": pictures}))


@pytest.fixture
def gone(monkeypatch):
    def open_nothing(*_):
        raise PageError(FailureKind.gone, "the object is no longer there")

    monkeypatch.setattr(Fetcher, "open", open_nothing)


CHART = {"page_index": 1, "image": jpeg("red", 60, 40), **box(8, 98, 92, 182)}


def shown(lake, ask):
    with closing(connect(lake)) as connection, Pictures(Settings(), connection) as pictures:
        found = document(lake, REPORT)
        with pictures.open(found) as opened:
            return ask(opened, found.pages), opened.why_not_drawn


def test_a_kept_figure_is_found_by_its_place(tmp_path, gone):
    lake = lake_with(tmp_path, CHART)

    image, why = shown(lake, lambda opened, pages: opened.crop(pages[1], Box(10, 100, 90, 180)))
    assert (image.size, image.getpixel((30, 20))[0] > 200, why) == ((60, 40), True, None)  # the source was not asked

    with pytest.raises(PageError, match="no longer there"):  # a small part of it is another picture
        shown(lake, lambda opened, pages: opened.crop(pages[1], Box(10, 100, 30, 120)))


def test_a_figure_is_cut_from_a_kept_page(tmp_path, gone):
    lake = lake_with(tmp_path, {"page_index": 1, "image": jpeg("blue", 50, 100)})  # half the size that was read
    (page, cut), why = shown(lake, lambda opened, pages: (opened.page(1), opened.crop(pages[1], Box(0, 0, 100, 50))))
    assert (page.size, cut.size, why) == ((50, 100), (50, 25), None)


@pytest.mark.parametrize("image", [None, {"bytes": None, "path": "x.jpg"}, {"bytes": b"no JPEG", "path": "x.jpg"}])
def test_a_kept_picture_that_is_none_is_drawn_again(tmp_path, gone, image):
    with pytest.raises(PageError, match="no longer there"):
        shown(lake_with(tmp_path, {"page_index": 1, "image": image}), lambda opened, _: opened.page(1))


def test_export_and_report_show_what_is_kept_and_say_what_is_not(tmp_path, gone):
    lake = lake_with(tmp_path, CHART)

    (*_, (_, done)) = export(lake, str(tmp_path / "out"), Settings(), formats=[ExportFormat.png], where=f"uri = '{REPORT}'")
    (picture,) = (tmp_path / "out").rglob("*.png")
    with Image.open(io.BytesIO(picture.read_bytes())) as image:
        assert image.size == (60, 40)
    assert done.without_pictures == {}  # of all that was wanted

    (step,) = write_report(lake, str(tmp_path / "report"), Settings(), where=f"uri = '{REPORT}'")
    assert step.why_no_pictures == "gone: the object is no longer there"  # the pages
    assert [path.name for path in (tmp_path / "report").rglob("*.webp")] == ["page-0002-chart-1.webp"]
