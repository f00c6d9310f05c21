"""The committed examples are what their script promises."""

import io
import re
from pathlib import Path

import pymupdf
import pytest
from PIL import Image, ImageOps

from schemas.answers import ChartAnswer
from schemas.settings import RegionSettings, RenderSettings
from tests.examples import texts
from tests.examples.make_examples import FOLDER, MAKERS, PASSWORD, main
from tests.examples.texts import TEXTS
from workers.rendering.pages.pdf_pages import PdfDocument


def squeezed(text: str) -> str:
    return re.sub(r"[\s|]+", "", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    main(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_script_makes_every_committed_file_in_about_its_size(made: Path, name: str) -> None:
    # Bytes differ between library versions and AES salts are random, so sizes are compared.
    assert (made / name).stat().st_size == pytest.approx((FOLDER / name).stat().st_size, rel=0.05, abs=64)


def test_nothing_else_is_shipped_and_all_of_it_is_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(MAKERS)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_500_000


def test_the_encrypted_file_opens_with_its_password_only() -> None:
    document = pymupdf.open(FOLDER / "encrypted.pdf")

    assert document.needs_pass
    assert not document.authenticate("")
    assert not document.authenticate("password")
    assert document.authenticate(PASSWORD)
    assert squeezed(document[0].get_text()) == squeezed(TEXTS["encrypted"])


def test_the_truncated_file_lost_its_end_and_no_repair_finds_a_page() -> None:
    data = (FOLDER / "truncated.pdf").read_bytes()

    assert data.startswith(b"%PDF-")
    assert b"%%EOF" not in data
    assert pymupdf.open("pdf", data).page_count == 0


@pytest.mark.parametrize("name", ["two_columns", "chinese", "arabic", "hindi", "russian", "german"])
def test_the_text_layer_says_what_is_seen(name: str) -> None:
    document = pymupdf.open(FOLDER / f"{name}.pdf")

    assert document.page_count == 1
    assert squeezed(document[0].get_text(flags=pymupdf.TEXTFLAGS_TEXT & ~pymupdf.TEXT_PRESERVE_LIGATURES)) == squeezed(TEXTS[name])


@pytest.mark.parametrize("name", ["arabic", "hindi"])
def test_words_of_shaped_scripts_are_whole(name: str) -> None:
    words = [word[4] for word in pymupdf.open(FOLDER / f"{name}.pdf")[0].get_text("words")]

    # The Arabic full stop comes from another font and is a word of its own to MuPDF.
    assert [word for word in words if word != "."] == TEXTS[name].replace(".", "").split()


def test_the_report_has_its_prose_captions_and_table_on_four_pages_and_a_blank_fifth() -> None:
    document = pymupdf.open(FOLDER / "report.pdf")

    pages = [squeezed(page.get_text(flags=pymupdf.TEXTFLAGS_TEXT & ~pymupdf.TEXT_PRESERVE_LIGATURES)) for page in document]

    assert len(pages) == 5
    for number in range(1, 5):
        for paragraph in TEXTS[f"report.{number}"].splitlines():
            assert squeezed(paragraph) in pages[number - 1]
    assert pages[4] == ""
    assert not document[4].get_drawings()
    assert not document[4].get_images()


def test_vector_charts_print_their_labels_and_raster_charts_are_pictures() -> None:
    document = pymupdf.open(FOLDER / "report.pdf")

    words = [word[4] for word in document[0].get_text("words")]
    assert {f"{value:g}" for values in texts.GENERATION_MWH.values() for value in values} <= set(words)
    assert [len(page.get_image_info()) for page in document] == [0, 0, 0, 2, 0]
    assert "Northwick" not in document[3].get_text()


def test_the_scan_has_no_text_layer_and_is_turned() -> None:
    page = pymupdf.open(FOLDER / "rotated_scan.pdf")[0]

    assert page.rotation == 90
    assert page.rect.height > page.rect.width
    assert page.get_text().strip() == ""
    assert page.get_image_info()[0]["width"] > page.get_image_info()[0]["height"]  # the pixels lie on their side


def test_the_fax_has_three_black_and_white_pages() -> None:
    image = Image.open(FOLDER / "fax.tiff")

    assert (image.n_frames, image.mode, image.info["compression"]) == (3, "1", "group4")


def test_the_photo_stands_only_after_its_exif_orientation_is_applied() -> None:
    image = Image.open(io.BytesIO((FOLDER / "receipt_photo.jpg").read_bytes()))

    assert image.getexif()[0x0112] == 6
    assert image.size == (1600, 1200)
    assert ImageOps.exif_transpose(image).size == (1200, 1600)


def drawn_charts(page_index: int) -> list[ChartAnswer]:
    """As the drawings on a page of the report say them."""
    document = PdfDocument(FOLDER / "report.pdf", RenderSettings(), RegionSettings(), [])
    regions = document.find_regions(document.render_page(page_index))
    return [ChartAnswer.model_validate_json(region.drawn_answer) for region in regions if region.drawn_answer]


def columns(answer: ChartAnswer) -> dict[str, list[float]]:
    return {name: [float(row[index + 1] or "nan") for row in answer.rows] for index, name in enumerate(answer.series)}


@pytest.mark.slow
def test_the_reports_charts_are_read_from_their_drawings_as_they_were_made() -> None:
    (bars,) = drawn_charts(0)
    lines, pie = drawn_charts(1)
    (scatter,) = drawn_charts(2)

    assert [row[0] for row in bars.rows] == texts.QUARTERS
    assert columns(bars) == texts.GENERATION_MWH
    assert [row[0] for row in lines.rows] == texts.MONTHS
    assert columns(lines) == texts.PRICES_EUR
    assert {row[0]: row[1] for row in pie.rows} == {name: f"{share:g} %" for name, share in texts.CUSTOMERS_PERCENT.items()}
    read = {
        name: [(float(x or "nan"), float(y or "nan")) for x, y in points]
        for name, points in zip(scatter.series, scatter.points, strict=True)
    }
    assert read == texts.YIELD_MWH
    assert [chart.title for chart in (bars, lines, pie, scatter)] == [
        "Generation by source",
        "Price of electricity",
        "Sales by customer",
        "Yield and wind",
    ]


@pytest.mark.slow
def test_regions_that_nobody_is_asked_about_are_found_and_not_drawn():
    def regions(**options):
        document = PdfDocument(FOLDER / "report.pdf", RenderSettings(), RegionSettings(), [], **options)
        return document.find_regions(document.render_page(0))

    (drawn,), (found,) = regions(), regions(draws_regions=False)

    assert drawn.image is not None
    assert (found.image, found.dpi) == (None, None)
    assert found.model_copy(update={"image": drawn.image, "dpi": drawn.dpi}) == drawn


@pytest.mark.slow
def test_drawings_that_nobody_asks_about_are_found_and_not_read():
    def regions(**options):
        document = PdfDocument(FOLDER / "report.pdf", RenderSettings(), RegionSettings(), [], draws_regions=False, **options)
        return document.find_regions(document.render_page(0))

    (read,), (found,) = regions(), regions(reads_drawings=False)

    assert read.drawn_answer
    assert found == read.model_copy(update={"drawn_answer": ""})


@pytest.mark.slow
def test_a_page_is_interpreted_once_however_often_its_neighbours_look_at_it(monkeypatch):
    loaded = []
    document = PdfDocument(FOLDER / "report.pdf", RenderSettings(), RegionSettings(enabled=False), [])
    load = document._load
    monkeypatch.setattr(document, "_load", lambda index: (loaded.append(index), load(index))[1])
    alone = [PdfDocument(FOLDER / "report.pdf", RenderSettings(), RegionSettings(enabled=False), []) for _ in range(5)]

    for index in range(5):
        page = document.render_page(index)
        assert page == alone[index].render_page(index)
        for near in (index + 1, index + 2):
            if near < 5:
                assert document.edge_lines(near) == alone[near].edge_lines(near)

    assert loaded == [0, 1, 2, 3, 4]
