"""Hostile PDFs, byte by byte: each is small, and asks for something that no reader should give."""

import zlib
from collections.abc import Callable, Mapping

CATALOG, PAGES, PAGE, CONTENT = 1, 2, 3, 4
Objects = dict[int, bytes]


def pdf_bytes(objects: Mapping[int, bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """With a right cross-reference table, so that nothing has to be repaired."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 00000 f \n"
    return bytes(out + b"trailer\n<< /Size %d %b >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))


def stream(body: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(body), entries, body)


def one_page(
    content: bytes = b"BT /F1 12 Tf 50 100 Td (Here is a line of text) Tj ET",
    *,
    page: bytes = b"/MediaBox [0 0 300 200]",
    resources: bytes = b"",
    catalog: bytes = b"",
    more: Mapping[int, bytes] | None = None,
    trailer: bytes = b"",
    filters: bytes = b"",
) -> bytes:
    """A document of one page of text, with this or that changed. Objects of `more` are numbered from 10."""
    font = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = {
        CATALOG: b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
        PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        PAGE: b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << %b %b >> %b >>" % (font, resources, page),
        CONTENT: stream(content, filters),
    }
    return pdf_bytes(objects | dict(more or {}), b"/Root 1 0 R " + trailer)


def flate(body: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        body = zlib.compress(body, 1)  # a third of the time of 9
    return body


def box(values: str, name: str = "MediaBox") -> Callable[[], bytes]:
    return lambda: one_page(page=f"/{name} [{values}]".encode() + (b"" if name == "MediaBox" else b" /MediaBox [0 0 300 200]"))


def drawing(content: bytes) -> Callable[[], bytes]:
    return lambda: one_page(flate(content), filters=b"/Filter /FlateDecode")


def flate_bomb() -> bytes:
    """300 MB of blanks, twice compressed: under 10 kB."""
    return one_page(flate(b" " * (300 << 20), 2), filters=b"/Filter [/FlateDecode /FlateDecode]")


def image_bomb(width: int, height: int, bits: int) -> Callable[[], bytes]:
    """One black image, as large as it says."""

    def make() -> bytes:
        body = flate(bytes(-(-width * bits // 8) * height), 2)
        entries = (
            f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent {bits} /ColorSpace /DeviceGray "
        )
        picture = stream(body, entries.encode() + b"/Filter [/FlateDecode /FlateDecode]")
        return one_page(b"q 200 0 0 200 0 0 cm /Im Do Q", resources=b"/XObject << /Im 10 0 R >>", more={10: picture})

    return make


def deep_tree(depth: int) -> bytes:
    nodes = {
        10 + level: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>" % (11 + level, 9 + level) for level in range(depth)
    }
    leaf = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 300 200] >>" % (9 + depth)
    return pdf_bytes({1: b"<< /Type /Catalog /Pages 10 0 R >>", **nodes, 10 + depth: leaf})


def cyclic_tree() -> bytes:
    """Its root is its own child, and there is a page as well."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] >>"
    return pdf_bytes({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 5 >>", 3: page})


def lying_count() -> bytes:
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] >>"
    return pdf_bytes({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [3 0 R] /Count 2147483647 >>", 3: page})


def many_objects(count: int) -> bytes:
    return one_page(more=dict.fromkeys(range(10, 10 + count), b"null"))


def annotations(count: int) -> bytes:
    numbers = range(10, 10 + count)
    each = b"<< /Type /Annot /Subtype /Square /Rect [%d 10 %d 30] /C [1 0 0] /Contents (x) >>"
    listed = b" ".join(b"%d 0 R" % number for number in numbers)
    more = {number: each % (number % 280, number % 280 + 15) for number in numbers}
    return one_page(page=b"/MediaBox [0 0 300 200] /Annots [%b]" % listed, more=more)


def recursive_form() -> bytes:
    resources = b"/XObject << /Fm 10 0 R >>"
    form = stream(b"/Fm Do /Fm Do", b"/Type /XObject /Subtype /Form /BBox [0 0 300 200] /Resources << %b >>" % resources)
    return one_page(b"/Fm Do", resources=resources, more={10: form})


def laughing_forms() -> bytes:
    """Twenty forms, each of which draws the next one ten times."""
    more = {}
    for level in range(20):
        entries = b"/Type /XObject /Subtype /Form /BBox [0 0 300 200] /Resources << /XObject << /Fm %d 0 R >> >>" % (11 + level)
        more[10 + level] = stream(b"/Fm Do " * 10, entries)
    more[30] = stream(b"0 0 10 10 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 300 200]")
    return one_page(b"/Fm Do", resources=b"/XObject << /Fm 10 0 R >>", more=more)


def recursive_glyph() -> bytes:
    """A Type 3 font whose letter is written with itself."""
    glyph = stream(b"500 0 d0 BT /T3 1 Tf (a) Tj ET")
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 97 /LastChar 97 "
        b"/Widths [500] /Encoding << /Type /Encoding /Differences [97 /a] >> /CharProcs << /a 11 0 R >> "
        b"/Resources << /Font << /T3 10 0 R >> >> >>"
    )
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << /Font << /T3 10 0 R >> >> >>"
    return pdf_bytes(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: page,
            4: stream(b"BT /T3 20 Tf 20 20 Td (aaaa) Tj ET"),
            10: font,
            11: glyph,
        }
    )


def broken_font() -> bytes:
    program = stream(bytes(range(256)) * 8, b"/Length1 2048")
    descriptor = b"<< /Type /FontDescriptor /FontName /Broken /Flags 4 /FontFile2 11 0 R >>"
    font = (
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Broken /FirstChar 32 /LastChar 33 /Widths [9e9 -5] /FontDescriptor 10 0 R >>"
    )
    resources = b"/Font << /F1 12 0 R >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources << %b >> >>" % resources
    text = stream(b"BT /F1 12 Tf 50 100 Td (Here is a line of text) Tj ET")
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return pdf_bytes({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: pages, 3: page, 4: text, 10: descriptor, 11: program, 12: font})


def active(path: str) -> bytes:
    """All that a viewer might run or open on its own, aimed at `path`."""
    script = f"app.launchURL('file://{path}'); this.exportDataObject({{cName: 'x', nLaunch: 2}});".encode()
    more = {
        10: b"<< /S /JavaScript /JS 11 0 R /Next 12 0 R >>",
        11: stream(script),
        12: b"<< /S /Launch /F (/bin/sh) /Win << /F (/bin/sh) /P (-c 'touch %b') >> /Next 13 0 R >>" % path.encode(),
        13: b"<< /S /SubmitForm /F << /FS /URL /F (http://127.0.0.1:9/) >> >>",
        14: b"<< /Type /Filespec /F (../../etc/passwd) /UF (../../etc/passwd) /EF << /F 15 0 R >> >>",
        15: stream(b"#!/bin/sh\ntouch " + path.encode(), b"/Type /EmbeddedFile"),
    }
    catalog = b"/OpenAction 10 0 R /AA << /WC 10 0 R >> /Names << /EmbeddedFiles << /Names [(../../x.sh) 14 0 R] >> >>"
    page = b"/MediaBox [0 0 300 200] /AA << /O 10 0 R >> /Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 300 200] /A 12 0 R >>]"
    return one_page(page=page, catalog=catalog, more=more)


def told_by_escapes() -> bytes:
    """Terminal escapes, bells, bidi overrides and a NUL in title, producer and text."""
    evil = rb"\033]0;owned\007\033[2J\000\r\nfake line"
    info = b"<< /Title (Report %b) /Producer (%b) >>" % (evil, evil)
    text = b"BT /F1 12 Tf 10 100 Td (plain \\033[31m\\007\\000text) Tj ET"
    return one_page(text, more={10: info}, trailer=b"/Info 10 0 R")


PDFS: dict[str, Callable[[], bytes]] = {
    "empty box": box("0 0 0 0"),
    "reversed box": box("300 200 0 0"),
    "box of names": box("/NaN /Inf (x) null"),
    "infinite box": box("0 0 1e38 1e38"),
    "far box": box("1000000000 1000000000 1000000300 1000000200"),
    "line of a box": box("0 0 100000 0.001"),
    "box of overflows": box("-99999999999999999999 -99999999999999999999 99999999999999999999 99999999999999999999"),
    "crop outside": box("900 900 950 950", "CropBox"),
    "gigantic unit": lambda: one_page(page=b"/MediaBox [0 0 14400 14400] /UserUnit 75000"),
    "odd rotation": lambda: one_page(page=b"/MediaBox [0 0 300 200] /Rotate 2147483646"),
    "text at infinity": drawing(b"BT /F1 1e30 Tf 1e38 0 0 1e38 1e38 -1e38 Tm (far) Tj 0 Tz (flat) Tj ET BT /F1 -12 Tf (up) Tj ET"),
    "matrices of nothing": drawing(b"0 0 0 0 0 0 cm BT /F1 12 Tf (none) Tj ET 0 0 5 5 re f 1e38 0 0 1e38 0 0 cm 1e38 0 0 1 0 0 cm"),
    "million strokes": drawing(b"0 0 m 300 200 l S 5 5 m 9 9 l S\n" * 500_000),
    "million saves": drawing(b"q " * 1_000_000),
    "million dashes": drawing(b"[0.001] 0 d 0 0 m 300 200 l S\n" * 50),
    "endless string": drawing(b"BT /F1 12 Tf (" + b"a" * 2_000_000 + b") Tj ET"),
    "nested arrays": drawing(b"[" * 200_000),
    "inline image": drawing(b"BI /W 30000 /H 30000 /BPC 8 /CS /G ID " + bytes(1000) + b" EI"),
    "flate bomb": flate_bomb,
    "image of 225 megapixels": image_bomb(15_000, 15_000, 8),
    "image of 2.5 gigapixels": image_bomb(50_000, 50_000, 1),
    "deep tree": lambda: deep_tree(10_000),
    "cyclic tree": cyclic_tree,
    "lying count": lying_count,
    "many objects": lambda: many_objects(200_000),
    "many annotations": lambda: annotations(5_000),
    "recursive form": recursive_form,
    "laughing forms": laughing_forms,
    "recursive glyph": recursive_glyph,
    "broken font": broken_font,
    "escapes": told_by_escapes,
    "zip": lambda: b"PK\x03\x04" + bytes(200) + b"%PDF-1.7",
    "header only": lambda: b"%PDF-1.7\n",
}
