"""How many of „ ‚ ‹ › ¡, which PP-OCR's dictionary lacks, `classic`'s OCR reads, by font, size and wear.

    python -m tests.bench signs [--fonts NotoSans-Regular,…] [--show]

Lines are drawn with fonts of this machine; shapes were tuned on NotoSans alone. `others`: signs that are not printed there.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image

from tests.bench.inputs.made_scans import FONT_FOLDERS, WEAR, worn
from workers.engines.classic.lacking_signs.signs import SIGNS
from workers.engines.classic.ppocr import PpOcr

LINES = (
    "Er sagte: „Das ist ein gutes Buch“ und ging nach Hause.",
    "„Guten Tag“, sagte sie. „Wie geht es Ihnen?“",
    "Das sogenannte ‚kleine Glück‘ war ihm genug.",
    "Řekl: „Dobrý den“ a odešel do města.",
    "Powiedział: „Nie mam czasu” i wyszedł.",
    "Han sagde ‹nej› til ham igen.",
    "Il a dit ‹ bonjour › en partant, puis « adieu ».",
    "»Ich komme gleich«, rief er. ›Wirklich?‹",
    "¡Hola! ¿Cómo está usted? ¡Qué bonito día!",
    "No lo sé. ¡Ven aquí ahora mismo! Gracias.",
    "Die Firma („Verkäufer“) liefert am 3. Mai.",
    "Das Buch „Irrungen“ von 1888, ‹Jena›.",
)
SIZES = ((11, 200), (10, 150), (9, 120))
"""Points, dpi."""


def page_of(font: Path, size_pt: int, dpi: int, wear: str) -> Image.Image:
    page = pymupdf.open().new_page(width=500, height=40 + 26 * len(LINES))
    page.insert_font(fontname="F", fontfile=str(font))
    for index, line in enumerate(LINES):
        page.insert_text((30, 40 + 26 * index), line, fontname="F", fontsize=size_pt)
    pixmap = page.get_pixmap(dpi=dpi)
    return worn(Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples), wear, 5).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", default="NotoSans-Regular,NotoSerif-Regular,DejaVuSerif")
    parser.add_argument("--show", action="store_true", help="print the lines as they were read")
    arguments = parser.parse_args()
    ocr = PpOcr(1)
    printed = Counter(char for line in LINES for char in line if char in SIGNS)
    print(f"| font | size | wear | {' | '.join(SIGNS)} | of all | others |\n|---|---|---|{'---:|' * (len(SIGNS) + 2)}")
    for name in arguments.fonts.split(","):
        font = next(path for folder in FONT_FOLDERS for path in folder.rglob(f"{name}.ttf"))
        for size_pt, dpi in SIZES:
            for wear in WEAR:
                lines = [line.text for line in ocr.read(np.array(page_of(font, size_pt, dpi, wear))).lines]
                found = Counter(char for line in lines for char in line if char in SIGNS)
                signs = " | ".join(f"{min(found[sign], printed[sign])} of {printed[sign]}" for sign in SIGNS)
                of_all = f"{(found & printed).total()} of {printed.total()}"
                print(
                    f"| {name} | {size_pt} pt, {dpi} dpi | {wear} | {signs} | {of_all} | {(found - printed).total()} |", flush=True
                )
                if arguments.show:
                    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
