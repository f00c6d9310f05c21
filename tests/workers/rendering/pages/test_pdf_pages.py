import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image, ImageDraw

from schemas.failure import FailureKind, PageError
from schemas.page import ACROSS, BOLD, MAX_CHARS, MAX_WORDS, MONO, RenderedPage, Word
from workers.rendering.pages.passwords import saslprep, spellings
from workers.rendering.pages.shown_page import _bounded
from workers.rendering.pages.text.pdf_text import PdfText
from workers.rendering.renderer import Renderer

pytestmark = pytest.mark.slow

Draw = Callable[[pymupdf.Document], object]


@pytest.fixture
def render_made(renderer: Renderer, tmp_path: Path) -> Callable[..., list[RenderedPage]]:
    """Draw a PDF, save it, render all its pages."""

    def run(draw: Draw, **save: object) -> list[RenderedPage]:
        pdf = pymupdf.open()
        draw(pdf)
        path = tmp_path / "made.bin"
        pdf.save(path, **save)
        return list(renderer.render(path, range(renderer.probe(path, None, None).num_pages or 0)))

    return run


def pixels_of(page: RenderedPage) -> np.ndarray:
    assert page.image is not None, page.failure
    return np.frombuffer(page.image.rgb(), np.uint8).reshape(page.image.height_px, page.image.width_px, 3)


def scan_image(width_px: int = 1700, height_px: int = 2200) -> bytes:
    image = Image.new("L", (width_px, height_px), 255)
    ImageDraw.Draw(image).rectangle((100, 100, 600, 300), fill=0)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_vector_page_is_drawn_at_the_dpi_its_text_needs(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page(width=612, height=792).insert_text((72, 72), "ten points " * 5, fontsize=10))

    # 144 dpi: 1224 x 1584 pixels, 38.25 x 49.5 cells
    assert page.image is not None
    assert page.image.width_px in (1216, 1248)
    assert page.image.height_px in (1568, 1600)
    assert page.dpi == pytest.approx(144, rel=0.03)
    assert (page.width_pt, page.height_pt, page.is_scan, page.is_blank, page.is_reduced) == (612, 792, False, False, False)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_words_lie_on_their_pixels_whatever_the_rotation(render_made: Callable[..., list[RenderedPage]], rotation: int) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        pdf.new_page(width=400, height=600).insert_text((50, 100), "MARK", fontsize=30)
        pdf[0].set_rotation(rotation)

    (page,) = render_made(draw)

    assert page.text_layer is not None
    (word,) = page.text_layer.words
    dark = np.argwhere(pixels_of(page).min(axis=2) < 100)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    assert word.text == "MARK"
    assert page.rotation == rotation
    assert word.left - 2 <= left
    assert word.top - 2 <= top
    assert right <= word.right + 2
    assert bottom <= word.bottom + 2
    assert (page.image.width_px > page.image.height_px) == (rotation in (90, 270))  # type: ignore[union-attr]


def test_a_scan_is_drawn_at_its_images_own_size(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(
        lambda pdf: pdf.new_page(width=560, height=720).insert_image((0, 0, 560, 720), stream=scan_image(1120, 1440))
    )

    assert page.image is not None
    assert (page.image.width_px, page.image.height_px) == (1120, 1440)
    assert (page.is_scan, page.is_reduced, page.full_image, page.regions) == (True, False, b"", [])
    edges = np.unique(pixels_of(page))
    assert edges.tolist() == [0, 255]  # nothing was resampled


def test_a_reduced_scan_carries_its_own_pixels(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(
        lambda pdf: pdf.new_page(width=612, height=792).insert_image((0, 0, 612, 792), stream=scan_image(2550, 3300))
    )

    full = Image.open(io.BytesIO(page.full_image))
    assert page.is_scan
    assert page.is_reduced
    assert full.size == (2550, 3300)
    assert full.mode == "L"


def test_a_rotated_scan_is_upright_in_page_and_full_image(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        pdf.new_page(width=612, height=792).insert_image((0, 0, 612, 792), stream=scan_image(2550, 3300))
        pdf[0].set_rotation(90)

    (page,) = render_made(draw)

    assert Image.open(io.BytesIO(page.full_image)).size == (3300, 2550)
    assert page.width_pt == 792


def test_a_scan_with_a_hidden_text_layer_is_a_scan_and_its_words_are_kept(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        page = pdf.new_page(width=612, height=792)
        page.insert_image((0, 0, 612, 792), stream=scan_image(1120, 1440))
        for line in range(20):
            page.insert_text((72, 72 + 20 * line), "recognised words", render_mode=3)

    (page,) = render_made(draw)

    assert page.is_scan
    assert page.text_layer is not None
    assert (len(page.text_layer.words), page.text_layer.num_chars, page.text_layer.num_hidden) == (40, 300, 300)


def test_an_empty_page_is_blank_without_a_text_layer(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page())

    assert (page.is_blank, page.text_layer, page.regions) == (True, None, [])


def test_a_page_with_words_is_not_blank_however_faint(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page().insert_text((72, 72), "faint", color=(0.98,) * 3))

    assert not page.is_blank


def test_a_page_of_words_in_the_papers_colour_is_blank_and_says_what_it_hides(
    render_made: Callable[..., list[RenderedPage]],
) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page().insert_text((72, 72), "white on white", color=(1, 1, 1)))

    assert (page.is_blank, page.flags) == (True, ["hidden_text"])
    assert page.text_layer is not None
    assert [word.text for word in page.text_layer.unseen] == ["white", "on", "white"]
    assert (page.text_layer.words, page.text_layer.num_chars) == ([], 0)


def test_a_hairline_is_not_blank(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page().draw_line((72, 72), (90, 72), width=0.1, color=(0.7,) * 3))

    assert not page.is_blank


def test_words_carry_line_block_size_and_style(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        page = pdf.new_page(width=612, height=792)
        page.insert_text((72, 72), "plain office", fontsize=10)
        page.insert_text((72, 300), "bold", fontsize=20, fontname="hebo")
        page.insert_text((72, 500), "mono", fontsize=10, fontname="cour")

    (page,) = render_made(draw)

    assert page.text_layer is not None
    assert page.dpi is not None
    plain, office, bold, mono = page.text_layer.words
    assert [word.text for word in page.text_layer.words] == ["plain", "office", "bold", "mono"]
    assert (plain.block, plain.line) == (office.block, office.line)
    assert len({plain.block, bold.block, mono.block}) == 3
    assert (plain.style, bold.style & BOLD, mono.style & MONO) == (ACROSS, BOLD, MONO)
    assert len({plain.font, bold.font, mono.font}) == 3
    assert plain.size_px == pytest.approx(10 * page.dpi / 72, rel=0.03)
    assert bold.size_px == pytest.approx(2 * plain.size_px, rel=0.01)


def test_words_outside_the_page_are_counted_and_dropped(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        page = pdf.new_page(width=612, height=792)
        page.insert_text((72, 72), "inside")
        page.insert_text((5000, 72), "far")
        page.insert_text((600, 100), "clipped")

    (page,) = render_made(draw)

    assert page.text_layer is not None
    assert page.image is not None
    assert [word.text for word in page.text_layer.words] == ["inside", "clipped"]
    assert (page.text_layer.num_chars, page.text_layer.num_hidden) == (16, 3)
    assert all(math.isfinite(side) for word in page.text_layer.words for side in word.box)
    assert max(word.right for word in page.text_layer.words) <= page.image.width_px


def test_annotations_are_drawn(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        annotation = pdf.new_page().add_rect_annot((100, 100, 300, 300))
        annotation.set_colors(fill=(1, 0, 0))
        annotation.update()

    (page,) = render_made(draw)

    assert not page.is_blank


@pytest.mark.parametrize("method", [pymupdf.PDF_ENCRYPT_RC4_40, pymupdf.PDF_ENCRYPT_RC4_128, pymupdf.PDF_ENCRYPT_AES_256])
@pytest.mark.parametrize(
    ("user", "expected"),
    [("", "ok"), ("wrong", "ok"), ("käse", "ok"), ("IX", "ok"), ("another", "encrypted")],
)
def test_passwords_are_tried_in_turn(render_made: Callable[..., list[RenderedPage]], method: int, user: str, expected: str) -> None:
    # the renderer of these tests knows "wrong", "käse" and "ⅸ", which SASLprep spells "ix"
    user = user.lower() if user == "IX" else user

    def run() -> list[RenderedPage]:
        return render_made(
            lambda pdf: pdf.new_page().insert_text((72, 72), "secret"), encryption=method, user_pw=user, owner_pw="owner-only"
        )

    if expected == "encrypted":
        with pytest.raises(PageError) as caught:
            run()
        assert (caught.value.kind, caught.value.message) == (
            FailureKind.encrypted,
            "none of the 3 passwords in input.passwords opens it",
        )
    else:
        (page,) = run()
        assert page.text_layer is not None
        assert [word.text for word in page.text_layer.words] == ["secret"]


def test_saslprep_maps_and_normalises() -> None:
    assert saslprep("I\u00adX") == "IX"  # the examples of RFC 4013
    assert saslprep("ª") == "a"
    assert saslprep("Ⅸ") == "IX"
    assert saslprep("a\u00a0b") == "a b"
    assert spellings(["Ⅸ", "Ⅸ", "\ud800"]) == ["", "Ⅸ", "IX"]


def test_encryption_is_recorded(renderer: Renderer, tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page()
    pdf.save(tmp_path / "a.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, owner_pw="owner")

    assert renderer.probe(tmp_path / "a.pdf", None, None).is_encrypted


def test_metadata_is_cleaned(renderer: Renderer, tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page()
    pdf.set_metadata({"title": "Report\x1b[31m\n2026", "producer": ""})
    pdf.save(tmp_path / "a.pdf")

    document = renderer.probe(tmp_path / "a.pdf", "d" * 64, "v1")

    assert document.title is not None
    assert document.title.isprintable()
    assert document.title.startswith("Report")
    assert document.producer is None
    assert (document.document_id, document.version_id, document.media_type) == ("d" * 64, "v1", "application/pdf")


def test_a_damaged_file_is_repaired_and_says_so(renderer: Renderer, tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page().insert_text((72, 72), "still here")
    body = pdf.tobytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(body[: body.rindex(b"xref")])

    assert renderer.probe(path, None, None).is_repaired
    (page,) = renderer.render(path, [0])
    assert "repaired" in page.flags
    assert page.text_layer is not None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.empty),
        (b"hello, plain text\n" * 20, FailureKind.unsupported_type),
        (b"<!doctype html><p>%</p>" * 20, FailureKind.unsupported_type),
        (b"PK\x03\x04 a word document", FailureKind.unsupported_type),
        (b"%PDF-1.7\nnothing of a PDF follows", FailureKind.corrupt),
        (b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
         b"trailer<</Root 1 0 R>>\n%%EOF", FailureKind.no_pages),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_says_why(renderer: Renderer, tmp_path: Path, body: bytes, kind: FailureKind) -> None:
    path = tmp_path / "named.pdf"
    path.write_bytes(body)

    with pytest.raises(PageError) as caught:
        renderer.probe(path, None, None)

    assert caught.value.kind is kind
    (page,) = renderer.render(path, [0])
    assert page.failure is not None
    assert page.failure.kind is kind


def test_a_pdf_header_may_come_late(renderer: Renderer, tmp_path: Path) -> None:
    pdf = pymupdf.open()
    pdf.new_page()
    path = tmp_path / "late.png"
    path.write_bytes(b"\n" * 900 + pdf.tobytes())

    assert renderer.probe(path, None, None).media_type == "application/pdf"


def test_a_cycle_in_the_page_tree_costs_the_pages_it_hides(renderer: Renderer, tmp_path: Path) -> None:
    path = tmp_path / "cycle.pdf"
    path.write_bytes(
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 2 0 R]/Count 2>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    assert renderer.probe(path, None, None).num_pages

    first, second = renderer.render(path, [0, 1])

    assert first.image is not None
    assert second.failure is None or second.failure.kind is FailureKind.unreadable


def test_a_page_beyond_the_end_is_unreadable(renderer: Renderer, pdf_of: Callable[..., Path]) -> None:
    (page,) = renderer.render(pdf_of("one"), [7])

    assert page.failure is not None
    assert page.failure.kind is FailureKind.unreadable


def test_a_page_of_absurd_shape_stays_within_the_limits(render_made: Callable[..., list[RenderedPage]]) -> None:
    (page,) = render_made(lambda pdf: pdf.new_page(width=14_400, height=20).insert_text((72, 15), "a strip"))

    assert page.image is not None
    assert page.image.width_px * page.image.height_px <= 1344 * 1792


def test_words_on_an_uncommon_mediabox_lie_inside_the_image(render_made: Callable[..., list[RenderedPage]]) -> None:
    def draw(pdf: pymupdf.Document) -> None:
        page = pdf.new_page(width=612, height=792)
        page.insert_text((300, 400), "centre")
        page.set_cropbox(pymupdf.Rect(200, 300, 500, 600))

    (page,) = render_made(draw)

    assert page.text_layer is not None
    assert page.dpi is not None
    (word,) = page.text_layer.words
    assert word.left == pytest.approx(100 / 72 * page.dpi, rel=0.03)


@pytest.mark.parametrize(
    ("text", "num_words", "is_kept"),
    [("word", MAX_WORDS, True), ("word", MAX_WORDS + 1, False), ("x" * MAX_CHARS, 1, True), ("x" * MAX_CHARS, 2, False)],
)
def test_a_page_with_more_text_than_a_message_holds_is_read_from_its_pixels(text: str, num_words: int, is_kept: bool) -> None:
    flags: list[str] = []
    full = PdfText(words=[Word(text, 0, 0, 10, 10, 0, 0, 10)] * num_words, num_chars=1)

    kept = _bounded(full, flags)

    assert (kept is full, flags) == ((True, []) if is_kept else (False, ["text_layer_failed"]))


def test_what_lies_beside_the_pages_is_said_on_the_first(renderer: Renderer, tmp_path: Path) -> None:
    document = pymupdf.open()
    for _ in range(2):
        document.new_page().insert_text((72, 72), "Please wait")
    document.embfile_add("invoice.pdf", b"%PDF-1.4")
    document.xref_set_key(document.pdf_catalog(), "AcroForm", "<</Fields[]/XFA[(template)(x)]>>")
    document.save(tmp_path / "a.pdf")

    first, second = renderer.render(tmp_path / "a.pdf", [0, 1])

    assert first.flags == ["xfa_form", "attachments_unread"]
    assert second.flags == []


def test_a_file_pinned_to_a_page_is_said_there(renderer: Renderer, tmp_path: Path) -> None:
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "without")
    document.new_page().add_file_annot((72, 72), b"a,b", "table.csv")
    document.save(tmp_path / "a.pdf")

    first, second = renderer.render(tmp_path / "a.pdf", [0, 1])

    assert first.flags == []
    assert second.flags == ["attachments_unread"]


def test_a_page_that_is_no_longer_in_the_file_is_not_blank(renderer: Renderer, tmp_path: Path) -> None:
    document = pymupdf.open()
    for _ in range(3):
        document.new_page().insert_text((72, 72), "words")
    xref = document[1].xref
    body = document.tobytes()
    start = body.index(b"\n%d 0 obj" % xref)
    end = body.index(b"endobj", start) + 6
    (tmp_path / "a.pdf").write_bytes(body[:start] + bytes(end - start) + body[end:])

    pages = list(renderer.render(tmp_path / "a.pdf", [0, 1, 2]))

    assert [page.is_blank for page in pages] == [False] * 3
    assert pages[1].failure is not None
    assert (pages[0].failure, pages[2].failure) == (None, None)
