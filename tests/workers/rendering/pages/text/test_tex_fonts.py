"""Ligatures that TeX's bitmap fonts hand on as control characters, which Python partly takes for white space."""

from typing import Any

import pymupdf
import pytest

from schemas.page import Box
from tests.workers.hostile.made_pdfs import pdf_bytes, stream
from workers.rendering.pages.text.tex_fonts import OT1, T1, encodings
from workers.rendering.pages.text.text_layer import read_text

PROSE = "these five words have more letters"


def lines(text: str, font: str = "F25") -> list[dict[str, Any]]:
    return [{"spans": [{"font": font, "text": text}]}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"{PROSE} strati\x1ced e\x1bect", T1, id="Cork"),
        pytest.param(f"{PROSE} \x10last value\x11", T1, id="quotes of Cork"),
        pytest.param(f"{PROSE} strati\x0ced e\x0bect", OT1, id="the first encoding"),
        pytest.param(f"{PROSE} e\x0ecient", OT1, id="the first encoding, inside of a word"),
        pytest.param(f"{PROSE} first\rsecond \x0bthird", None, id="ends of lines"),
        pytest.param("x = \x0b + \x0c y z", None, id="a font of formulas"),
        pytest.param(f"{PROSE} \x01\x02\x03\x04\x05\x06\x07", None, id="another encoding"),
        pytest.param(f"{PROSE} \x1c" + "\x1ca" * 40, None, id="mostly controls"),
        pytest.param(PROSE, None, id="no controls"),
    ],
)
def test_the_encoding_is_known_by_its_ligatures(text: str, expected: dict[int, str] | None) -> None:
    assert encodings(lines(text)).get("F25") == expected


def test_each_font_has_its_own() -> None:
    assert encodings([*lines(f"{PROSE} \x1crst"), *lines(f"{PROSE} su\x0ccient \x0crst", "F7"), *lines("\x0c \x0b", "F9")]) == {
        "F25": T1,
        "F7": OT1,
    }


def bitmap_font_pdf(text: bytes) -> bytes:
    """A page in a Type 3 font whose glyphs have numbers for names, as dvips writes them."""
    codes = sorted(set(text))
    names = b" ".join(b"/a%d" % code for code in codes)
    differences = b" ".join(b"%d /a%d" % (code, code) for code in codes)
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 700] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 0 /LastChar 127 "
        b"/Widths [%b] /Encoding << /Type /Encoding /Differences [%b] >> /CharProcs << %b >> /Resources << >> >>"
    ) % (b"500 " * 128, differences, b" ".join(b"%b 11 0 R" % name for name in names.split()))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 100] /Contents 4 0 R /Resources << /Font << /F25 10 0 R >> >> >>"
    return pdf_bytes(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: page,
            4: stream(b"BT /F25 10 Tf 10 50 Td <%b> Tj ET" % text.hex().encode()),
            10: font,
            11: stream(b"500 0 0 0 500 700 d1 50 0 400 600 re f"),
        }
    )


@pytest.mark.parametrize("written", [b"strati\x1ced \x10e\x1bect\x11 coe\x1ecients", b"strati\x0ced e\x0bect coe\x0ecients"])
def test_words_of_a_page_have_their_ligatures_as_letters(written: bytes) -> None:
    with pymupdf.open(stream=bitmap_font_pdf(PROSE.encode() + b" " + written), filetype="pdf") as pdf:
        text = read_text(pdf[0].get_textpage(), Box(0, 0, 600, 100))

    words = [word.text.strip("“”") for word in text.words]
    assert words == [*PROSE.split(), "stratified", "effect", "coefficients"]
    assert (text.num_unmapped, text.num_chars) == (0, len("".join(word.text for word in text.words)))
