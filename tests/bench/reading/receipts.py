"""What of a receipt's company, date, address and total stands verbatim in the text that `classic` reads, and Tesseract.

    python -m tests.bench receipts [--show]

All receipts of the shared data that have these fields (SROIE). Case and white space do not count, and of names and addresses
letters and digits alone: the truth joins their lines by commas that are not printed.
"""

import argparse
import asyncio
import json
import re
import shutil

from schemas.settings import EngineSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.reading.cer import Reader, Sample
from tests.bench.reading.scans import tesseract_text
from workers.engines.registry import make_engine

RECEIPTS = SHARED_DATA / "e_sroie_receipts"
FIELDS = ("total", "date", "company", "address")


def has(text: str, field: str, value: str) -> bool:
    left_out = r"\s" if field in ("total", "date") else r"[\W_]"
    text, value = (re.sub(left_out, "", each).upper() for each in (text, value))
    return value in text


async def main(*, show: bool) -> None:
    engine = make_engine(EngineSettings())
    await engine.start()
    reader = Reader(engine)
    paths = sorted((RECEIPTS / "key").glob("*.json"))
    found: dict[str, dict[str, int]] = {}
    for path in paths:
        picture = RECEIPTS / "img" / f"{path.stem}.jpg"
        fields = json.loads(path.read_text())
        texts = {"classic": (await reader.read(Sample(picture, "")))[0] or ""}
        if shutil.which("tesseract"):
            texts["tesseract"] = tesseract_text(picture, "eng") or ""
        for name, text in texts.items():
            missed = [field for field in FIELDS if not has(text, field, fields[field])]
            for field in FIELDS:
                counts = found.setdefault(name, dict.fromkeys(FIELDS, 0))
                counts[field] += field not in missed
            if show and missed:
                print(name, path.stem, "misses", *(f"{field} {fields[field]!r}" for field in missed), flush=True)
    for name, counts in found.items():
        print(f"{name}, of {len(paths)}: " + ", ".join(f"{field} {counts[field]}" for field in FIELDS))
    reader.renderer.close()
    await engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="what was missed of which receipt")
    asyncio.run(main(show=parser.parse_args().show))
