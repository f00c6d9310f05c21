"""Which pictures of their own a run asks about as charts: `python -m tests.bench chart_pictures`.

Of shared data, by what they show. Every chart has to be asked about; of the others the fewer the better.
"""

import argparse
import statistics
import sys
import time

from PIL import Image

from schemas.page import PageImage
from tests.bench.inputs.places import SHARED_DATA
from workers.rendering.pages.chart_pictures import may_be_chart

KINDS = {
    "charts": ["d_plotly_charts/*.png", "d_vegalite_charts/*.png"],
    "receipts": ["e_sroie_receipts/img/*.jpg"],
    "sheets and lines of text": [
        "e_ocrd_fraktur_lines/*.tif",
        "e_tesseract_test/*",
        "a_ocrmypdf/*.png",
        "a_multilingual_pdf/*/img/*",
    ],
    "photographs": ["c_exif_orientation/*.jpg", "c_pillow/hopper.*"],
    "tables": ["a_pubtabnet_examples/*.png"],
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not SHARED_DATA.is_dir():
        sys.exit(f"{SHARED_DATA} is not there: nothing is measured.")
    print("| pictures of | n | asked | CPU ms |\n|---|---:|---:|---:|")
    for kind, patterns in KINDS.items():
        num_asked = 0
        millis: list[float] = []
        for path in sorted(path for pattern in patterns for path in SHARED_DATA.glob(pattern)):
            try:
                image = Image.open(path).convert("RGB")
            except (OSError, ValueError):
                continue  # no picture
            picture = PageImage.from_rgb(*image.size, image.tobytes())
            started = time.process_time()
            num_asked += may_be_chart(picture)
            millis.append(1000 * (time.process_time() - started))
        print(f"| {kind} | {len(millis)} | {num_asked} | {statistics.median(millis):.0f} |")


if __name__ == "__main__":
    main()
