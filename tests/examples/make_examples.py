"""Makes the files of pipeline/examples: `python -m tests.examples.make_examples [FOLDER]`.

Deterministic, save the encrypted file (AES salts are random by design). PyMuPDF draws, shapes (HarfBuzz) and brings the fonts.
"""

import html
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageChops, ImageFilter

from tests.examples import texts
from tests.examples.charts import bar_chart, line_chart, pie_chart, scatter_chart
from tests.examples.texts import TEXTS

FOLDER = Path(__file__).parents[2] / "pipeline" / "examples"
A4 = pymupdf.paper_rect("a4")
LEFT, RIGHT = 64, A4.width - 64

PASSWORD = "an example that nobody can open"
TRUNCATED_SHARE = 0.6

SANS = "font-family: sans-serif; font-size: 10.5px; line-height: 1.35"
HEADING = "font-family: sans-serif; font-size: 14px; font-weight: bold"
TITLE = "font-family: sans-serif; font-size: 22px; font-weight: bold"
CAPTION = "font-family: sans-serif; font-size: 9px; font-style: italic"


def report() -> bytes:
    """Four pages with charts, vector and raster, and an empty one at the end."""
    document = pymupdf.open()
    lines = iter(TEXTS["report.1"].splitlines())
    page = _new_page(document)
    y = _write(page, 60, next(lines), TITLE)
    y = _write(page, y, next(lines), HEADING)
    y = _write(page, y + 6, next(lines), SANS)
    y = _write(page, y + 8, next(lines), HEADING)
    y = _write(page, y, next(lines), SANS)
    box = pymupdf.Rect(LEFT, y + 8, RIGHT, y + 258)
    bar_chart(page, box, "Generation by source", texts.QUARTERS, texts.GENERATION_MWH, y_label="MWh", printed=True)
    y = _write(page, box.y1 + 6, next(lines), CAPTION)
    _write(page, y + 8, next(lines), SANS)

    lines = iter(TEXTS["report.2"].splitlines())
    page = _new_page(document)
    y = _write(page, 60, next(lines), HEADING)
    y = _write(page, y, next(lines), SANS)
    box = pymupdf.Rect(LEFT, y + 8, RIGHT, y + 228)
    line_chart(page, box, "Price of electricity", texts.MONTHS, texts.PRICES_EUR, y_label="EUR per MWh")
    y = _write(page, box.y1 + 6, next(lines), CAPTION)
    y = _write(page, y + 10, next(lines), SANS)
    box = pymupdf.Rect(LEFT + 60, y + 8, RIGHT - 60, y + 208)
    pie_chart(page, box, "Sales by customer", texts.CUSTOMERS_PERCENT)
    _write(page, box.y1 + 6, next(lines), CAPTION)

    lines = iter(TEXTS["report.3"].splitlines())
    page = _new_page(document)
    y = _write(page, 60, next(lines), HEADING)
    y = _write(page, y, next(lines), SANS)
    box = pymupdf.Rect(LEFT, y + 8, RIGHT, y + 258)
    scatter_chart(page, box, "Yield and wind", texts.YIELD_MWH, x_label="Mean wind speed, m/s", y_label="Yield, MWh per day")
    y = _write(page, box.y1 + 6, next(lines), CAPTION)
    y = _write(page, y + 14, next(lines), CAPTION)
    _table(page, y + 4, texts.KEY_FIGURES)

    lines = iter(TEXTS["report.4"].splitlines())
    page = _new_page(document)
    y = _write(page, 60, next(lines), HEADING)
    y = _write(page, y, next(lines), SANS)
    box = pymupdf.Rect(LEFT + 20, y + 8, RIGHT - 20, y + 228)
    _picture(
        page, box, lambda sheet, rect: bar_chart(sheet, rect, "Staff", texts.TOWNS, texts.STAFF, y_label="Persons", printed=True)
    )
    y = _write(page, box.y1 + 6, next(lines), CAPTION)
    box = pymupdf.Rect(LEFT + 20, y + 14, RIGHT - 20, y + 234)
    _picture(
        page,
        box,
        lambda sheet, rect: line_chart(sheet, rect, "Lakes", texts.MONTHS, texts.RESERVOIR_PERCENT, y_label="% of capacity"),
    )
    _write(page, box.y1 + 6, next(lines), CAPTION)

    _new_page(document)
    document.set_metadata({"title": "Annual report 2025", "producer": "make_examples.py"})
    return _pdf(document)


def two_columns() -> bytes:
    """A title over two columns, a line below: reading order is not the order of the lines on the page."""
    document = pymupdf.open()
    page = _new_page(document)
    title, subtitle, *paragraphs, footer = TEXTS["two_columns"].splitlines()
    y = _write(page, 60, title, TITLE)
    y = _write(page, y, subtitle, HEADING) + 14
    middle, gap = A4.width / 2, 12
    for column, part in enumerate((paragraphs[:3], paragraphs[3:])):
        top = y
        for paragraph in part:
            left, right = (LEFT, middle - gap) if column == 0 else (middle + gap, RIGHT)
            top = _write(page, top, paragraph, SANS, left=left, right=right) + 6
    page.draw_line((LEFT, A4.height - 70), (RIGHT, A4.height - 70), width=0.5)
    _write(page, A4.height - 64, footer, CAPTION)
    return _pdf(document)


def language(name: str, code: str) -> bytes:
    """One page in a language, with a text layer that says what is seen, also where shaping reorders and joins."""
    document = pymupdf.open()
    page = _new_page(document)
    title, *paragraphs = TEXTS[name].splitlines()
    direction = "rtl" if code == "ar" else "ltr"
    y = 70.0
    for index, text in enumerate([title, *paragraphs]):
        size = 24 if index == 0 else 16 if index % 2 else 13
        style = f"font-size: {size}px; line-height: 1.6; font-weight: {'bold' if size == 16 and code in ('ru', 'de') else 'normal'}"
        y = _write(page, y, text, style, lang=code, direction=direction) + (14 if index == 0 or index % 2 == 0 else 0)
    if code in ("ar", "hi"):
        _say_what_is_seen(document, [text.split() for text in [title, *paragraphs]], left_to_right=code == "hi")
    return _pdf(document)


def rotated_scan() -> bytes:
    """A typed page, scanned lying on its side: grey pixels, noise, no text layer, /Rotate 90 to stand it up."""
    upright = _paper(TEXTS["rotated_scan"], dpi=150)
    scan = _noisy(upright.rotate(0.6, resample=Image.Resampling.BICUBIC, fillcolor=250), seed=1, strength=7)
    buffer = io.BytesIO()
    scan.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=55)
    document = pymupdf.open()
    page = document.new_page(width=A4.height, height=A4.width)
    page.insert_image(page.rect, stream=buffer.getvalue())
    page.set_rotation(90)
    return _pdf(document)


def fax() -> bytes:
    """Three black-and-white pages in one TIFF, 204 dpi, compressed as a fax is."""
    pages = [_paper(TEXTS[f"fax.{number}"], dpi=204).point(lambda value: 255 * (value > 160)).convert("1") for number in (1, 2, 3)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", compression="group4", dpi=(204, 204), save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def receipt_photo() -> bytes:
    """A receipt on a table, photographed with the phone held sideways: the pixels lie, EXIF orientation 6 stands them up."""
    width, height = 1200, 1600
    grain = np.random.default_rng(2).normal(0, 9, (height, 1, 1)) + np.random.default_rng(3).normal(0, 3, (height, width, 1))
    table = Image.fromarray(np.clip(np.array([116, 78, 48]) + grain, 0, 255).astype(np.uint8))
    receipt = _paper(TEXTS["receipt_photo"], dpi=200, width_pt=260, height_pt=400, size=15, mono=True)
    paper = Image.merge("RGB", [receipt.point(lambda value, top=top: value * top // 255) for top in (250, 247, 238)])
    quad = [(215, 172), (960, 210), (1010, 1390), (150, 1345)]
    coefficients = _perspective(quad, paper.size)
    shape = Image.new("L", paper.size, 255)
    placed = paper.transform((width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    mask = shape.transform((width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    shadow = ImageChops.offset(mask, 14, 18).filter(ImageFilter.GaussianBlur(16)).point(lambda value: value * 6 // 10)
    table.paste((30, 20, 12), mask=shadow)
    table.paste(placed, mask=mask)
    light = np.linspace(1.04, 0.80, width)[None, :, None] * np.linspace(1.0, 0.93, height)[:, None, None]
    photo = Image.fromarray(np.clip(np.asarray(table) * light, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn 90 degrees clockwise to see it upright
    buffer = io.BytesIO()
    photo.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=72, exif=exif)
    return buffer.getvalue()


def encrypted() -> bytes:
    document = _plain(TEXTS["encrypted"])
    return document.tobytes(
        encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=PASSWORD, owner_pw=PASSWORD, deflate=True, no_new_id=True
    )


def truncated() -> bytes:
    """The first part of a PDF whose objects are compressed, so that not even a repair finds its page."""
    whole = _plain(TEXTS["truncated"]).tobytes(deflate=True, use_objstms=1, no_new_id=True)
    return whole[: int(len(whole) * TRUNCATED_SHARE)]


MAKERS: dict[str, Callable[[], bytes]] = {
    "report.pdf": report,
    "two_columns.pdf": two_columns,
    "chinese.pdf": lambda: language("chinese", "zh"),
    "arabic.pdf": lambda: language("arabic", "ar"),
    "hindi.pdf": lambda: language("hindi", "hi"),
    "russian.pdf": lambda: language("russian", "ru"),
    "german.pdf": lambda: language("german", "de"),
    "rotated_scan.pdf": rotated_scan,
    "fax.tiff": fax,
    "receipt_photo.jpg": receipt_photo,
    "encrypted.pdf": encrypted,
    "truncated.pdf": truncated,
}


def _new_page(document: pymupdf.Document) -> pymupdf.Page:
    return document.new_page(width=A4.width, height=A4.height)


def _write(
    page: pymupdf.Page,
    y: float,
    text: str,
    style: str,
    *,
    left: float = LEFT,
    right: float = RIGHT,
    lang: str = "en",
    direction: str = "ltr",
) -> float:
    """One paragraph from `y` down. Returns where it ends."""
    box = pymupdf.Rect(left, y, right, page.rect.y1)
    spare, scale = page.insert_htmlbox(
        box, f'<p lang="{lang}" dir="{direction}" style="margin: 0; {style}">{html.escape(text)}</p>'
    )
    if spare < 0 or scale < 1:
        raise ValueError(f"no room on the page for {text[:40]!r}")
    return float(box.y1 - spare)


def _table(page: pymupdf.Page, y: float, rows: list[list[str]]) -> None:
    """Ruled, numbers to the right."""
    height, widths = 18, [180, 95, 95, 95]
    for index, row in enumerate(rows):
        top, left = y + index * height, float(LEFT)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            box = pymupdf.Rect(left, top, left + width, top + height)
            page.draw_rect(box, width=0.5, fill=(0.92, 0.94, 0.97) if index == 0 else None)
            font = "hebo" if index == 0 else "helv"
            length = pymupdf.get_text_length(cell, fontname=font, fontsize=9)
            page.insert_text((left + 6 if column == 0 else left + width - 6 - length, top + 12.5), cell, fontname=font, fontsize=9)
            left += width


def _picture(page: pymupdf.Page, box: pymupdf.Rect, draw: Callable[[pymupdf.Page, pymupdf.Rect], None]) -> None:
    """A chart as pixels, 180 dpi, as an office program pastes it."""
    document = pymupdf.open()
    sheet = document.new_page(width=box.width, height=box.height)
    draw(sheet, pymupdf.Rect(4, 4, box.width - 4, box.height - 4))
    pixmap = sheet.get_pixmap(dpi=180)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples).quantize(64).save(buffer, "PNG", optimize=True)
    page.insert_image(box, stream=buffer.getvalue())


def _plain(text: str) -> pymupdf.Document:
    document = pymupdf.open()
    page = _new_page(document)
    for index, line in enumerate(text.splitlines()):
        page.insert_text((LEFT, 90 + index * 30), line, fontname="helv", fontsize=20 if index == 0 else 12)
    return document


def _pdf(document: pymupdf.Document) -> bytes:
    document.subset_fonts()
    return bytes(document.tobytes(garbage=4, deflate=True, use_objstms=1, no_new_id=True))


def _paper(
    text: str, *, dpi: int, width_pt: float = A4.width, height_pt: float = A4.height, size: float = 13, mono: bool = False
) -> Image.Image:
    """Text as it comes from a printer, as grey pixels."""
    document = pymupdf.open()
    page = document.new_page(width=width_pt, height=height_pt)
    edge = 24 if mono else 72
    family = "monospace" if mono else "serif"
    y = float(edge)
    for index, line in enumerate(text.splitlines()):
        spread = re.fullmatch(r"(.+) (\d+\.\d\d)", line) if mono else None
        if spread:  # a price stands at the right edge
            room = round((width_pt - 2 * edge) / (size * 0.6))
            line = spread[1] + "\u00a0" * (room - len(spread[1]) - len(spread[2]) - 1) + spread[2]
        style = f"font-family: {family}; font-size: {size * (1.4 if index == 0 and not mono else 1)}px; line-height: 1.5"
        y = _write(page, y, line, style, left=edge, right=width_pt - edge) + (0 if mono else 8)
    pixmap = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    return Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)


def _noisy(image: Image.Image, *, seed: int, strength: float) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32) * 0.93 + 8
    return Image.fromarray(np.clip(pixels + np.random.default_rng(seed).normal(0, strength, pixels.shape), 0, 255).astype(np.uint8))


def _perspective(quad: list[tuple[int, int]], size: tuple[int, int]) -> list[float]:
    """The eight coefficients that lay a picture of `size` onto the four corners `quad` (clockwise from the top left)."""
    corners = [(0, 0), (size[0], 0), size, (0, size[1])]
    rows, values = [], []
    for (x, y), (u, v) in zip(quad, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows, float), np.array(values, float))]


# --- text layers of shaped scripts ---

RUN = re.compile(rb"/F(\d+) \S+ Tf\n(.*?)(?=/F\d+ \S+ Tf\n|ET\n)", re.DOTALL)
NEXT_LINE = re.compile(rb"(?m)^(?=\S+ -[1-9]\d(?:\.\d+)? Td$)")  # ten points down or more; marks on letters move less
ARRAY = re.compile(rb"\[[^]]*\]TJ")
SPACE = re.compile(rb"\s*1 0 0 -1 \S+ \S+ Tm\n\[<0001>\]TJ\n")


def _say_what_is_seen(document: pymupdf.Document, paragraphs: list[list[str]], *, left_to_right: bool) -> None:
    """Mark each word with /ActualText.

    Joined Arabic letters and Devanagari conjuncts are glyphs without a Unicode value of their own, so a reader that goes by
    glyphs extracts garbage. PDF's remedy is ActualText (ISO 32000-1, 14.9.4), which word processors write too. MuPDF's story
    writer sets each space in a run of its own (another font), hence what lies between two spaces is one word. MuPDF's text
    extraction mixes glyphs and ActualText where they partly agree and starts a line where the pen goes back; so Devanagari
    glyphs lose their ToUnicode and come in the order of their place.
    """
    streams = [xref for xref in range(1, document.xref_length()) if b"BT\n/F" in _stream(document, xref)]
    widths = _drop_unicode(document) if left_to_right else {}
    for xref, words in zip(streams, paragraphs, strict=True):
        stream = _stream(document, xref)
        if left_to_right:
            stream = ARRAY.sub(lambda match: _in_place_order(match[0], widths), stream)
        document.update_stream(xref, _marked(stream, iter(words)))


def _drop_unicode(document: pymupdf.Document) -> dict[int, float]:
    """Take the ToUnicode map from the page's Devanagari font. Returns its glyphs' widths, in thousandths of the font size."""
    widths: dict[int, float] = {}
    for main in {font[0] for font in document.get_page_fonts(0) if "Noto" in font[3]}:
        document.xref_set_key(main, "ToUnicode", "null")
        descendant = int(re.findall(r"(\d+) 0 R", document.xref_get_key(main, "DescendantFonts")[1])[0])
        kind, table = document.xref_get_key(descendant, "W")
        if kind == "xref":
            table = document.xref_object(int(table.split()[0]))
        for first, many, last, one in re.findall(r"(\d+)\s*(?:\[([^]]*)\]|(\d+)\s+([\d.]+))", table.strip()[1:-1]):
            values = [float(value) for value in many.split()] if many else [float(one)] * (int(last) - int(first) + 1)
            widths |= {int(first) + offset: value for offset, value in enumerate(values)}
    return widths


def _in_place_order(array: bytes, widths: dict[int, float]) -> bytes:
    """A TJ array whose glyphs stand where they stood, drawn from left to right."""
    x, glyphs = 0.0, []
    for gids, shift in re.findall(rb"<([0-9a-f]*)>|(-?[\d.]+)", array):
        x -= float(shift or 0)
        for start in range(0, len(gids), 4):
            gid = gids[start : start + 4]
            glyphs.append((x, gid))
            x += widths.get(int(gid, 16), 1000.0)
    if glyphs == sorted(glyphs, key=lambda glyph: glyph[0]):
        return array
    parts, pen = [], 0.0
    for left, gid in sorted(glyphs, key=lambda glyph: glyph[0]):
        parts.append(b"%g<%s>" % (pen - left, gid))
        pen = left + widths.get(int(gid, 16), 1000.0)
    return b"[" + b"".join(parts) + b"]TJ"


def _stream(document: pymupdf.Document, xref: int) -> bytes:
    return (document.xref_stream(xref) or b"") if document.xref_is_stream(xref) else b""


def _marked(stream: bytes, words: Iterator[str]) -> bytes:
    start, end = stream.index(b"BT\n") + 3, stream.rindex(b"ET\n")
    parts: list[bytes] = []
    is_open = False
    baseline = None
    for run in RUN.finditer(stream, start):
        line = run[2].split(b" Tm")[0].split()[-1]
        is_space = SPACE.fullmatch(run[2]) is not None
        for index, piece in enumerate(NEXT_LINE.split(run[0])):
            if is_open and (is_space or line != baseline or index > 0 or run[1] != b"0"):
                parts.append(b"EMC\n")
                is_open = False
            if run[1] == b"0" and not is_open:
                word = next(words)
                following = RUN.match(stream, run.end())
                if following and not SPACE.match(following[2]):
                    word = word[:-1]  # drawn in the other font, which says itself what it is
                parts.append(b"/Span <</ActualText <feff" + word.encode("utf-16-be").hex().encode() + b">>> BDC\n")
                is_open = True
            parts.append(piece)
            baseline = line if index == 0 else None
    if is_open:
        parts.append(b"EMC\n")
    rest = list(words)
    if rest:
        raise ValueError(f"words left over: {rest}")
    return stream[:start] + b"".join(parts) + stream[end:]


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        data = make()
        (folder / name).write_bytes(data)
        print(f"{len(data):9,d}  {name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
