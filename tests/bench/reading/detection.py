"""Character error rate and CPU of `classic`'s OCR by the scale at which lines are looked for.

    python -m tests.bench detection [--scales 1,0.75,0.6]

Scale 1 is rapidocr's own. Receipts, Tesseract's test pages, lines of Fraktur and pictures of two declarations, each set at all
scales in turn; CPU seconds are of this process, without drawing.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from schemas.settings import ClassicSettings, EngineSettings
from tests.bench.reading.cer import Reader, Sample, compared, declaration, fraktur, receipts, tesseract
from workers.engines.classic import ppocr
from workers.engines.registry import make_engine


async def _read(samples: Sequence[Sample], scale: float) -> tuple[float, float]:
    """Share of the characters that differ, and CPU seconds. The first page is read twice, for the networks to be loaded."""
    ppocr.DETECTION_SCALE = scale
    engine = make_engine(EngineSettings(classic=ClassicSettings(tesseract_languages=[])))
    await engine.start()
    reader = Reader(engine)
    await reader.read(samples[0])
    started, distance, num_chars = time.process_time(), 0, 0
    for sample in samples:
        answer, _ = await reader.read(sample)
        for part, reference in compared(answer or "", sample):
            distance += Levenshtein.distance(part, reference)
            num_chars += len(reference)
    used = time.process_time() - started
    reader.renderer.close()
    await engine.close()
    return distance / num_chars, used


async def main(scales: Sequence[float]) -> None:
    print("| set | scale | CER | CPU s | of the first scale's |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        pictures = [sample for name in ("spa", "pol") for sample in declaration(name, Path(folder), is_image=True)]
        sets = {"receipts": receipts(), "Tesseract's": tesseract(), "Fraktur": fraktur(), "declarations": iter(pictures)}
        for name, samples in ((name, list(samples)) for name, samples in sets.items()):
            first = 0.0
            for scale in scales:
                cer, used = await _read(samples, scale)
                first = first or used
                print(f"| {name} | {scale:g} | {cer:.2%} | {used:.1f} | {used / first:.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", default="1,0.75,0.6")
    asyncio.run(main([float(scale) for scale in parser.parse_args().scales.split(",")]))
