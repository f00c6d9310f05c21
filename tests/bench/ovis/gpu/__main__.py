"""Ovis2.5-2B's real sizes with random weights, on a CUDA GPU: pages/s with drafts of which nothing, half or most is right, where
the time goes, and what binds. The tests that need a GPU run first, and one table ends it.

`python -m tests.bench gpu [--quick] [--outputs 1024] [--batches 16,64] [--pages N] [--dpi N] [--attention reference] [--no-graphs]
[--no-tests] [--tokenizer FOLDER] [--out FILE.json]`. Each page's answer is given, and held to the grammar of JSON as the product
does, so speed is that of real weights at these lengths; `--tokenizer` names a checkpoint's own, else a small one is made.
`--quick`: one batch size, and no run begins that would not end within 4 minutes. `--tiny` runs the same code with toy sizes on any
device, to see that it works.
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from tests.bench.inputs.places import ROOT
from tests.bench.ovis.gpu.forced import Answer, tokenizer_of
from tests.bench.ovis.gpu.measure import NUM_WARM, Bench
from tests.bench.ovis.gpu.model import make_model, pages
from tests.bench.ovis.gpu.table import Measured, Notes, share_of, table
from workers.engines.ovis.model.image_processor import ImageProcessor

RIGHT = (None, 0.0, 0.5, 0.9)
"""Shares of the drafts' tokens that are right; None for no drafts."""
QUICK_S = 240.0


def run_tests(timeout_s: float | None) -> str:
    """How many of tests/gpu passed, failed or were skipped. Their output is printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-n", "0", "tests/gpu"]
    try:
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"failed: not done after {timeout_s:.0f} s"
    print(said.stdout, said.stderr, sep="\n", flush=True)
    counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", said.stdout)
    return ", ".join(counts) if counts else f"failed: pytest ended with {said.returncode}"


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one batch size, within 4 minutes")
    parser.add_argument("--outputs", help="tokens of an answer: 1024, or 512 if quick")
    parser.add_argument("--batches", help="16,64,128, or 64 if quick")
    parser.add_argument("--pages", type=int, default=0, help="pages of a run; 3 batches by default, 2 if quick")
    parser.add_argument("--dpi", type=int, default=150)
    parser.add_argument("--attention", choices=["auto", "reference"], default="auto")
    parser.add_argument("--no-graphs", action="store_true", help="decode steps are not recorded as CUDA graphs")
    parser.add_argument("--no-tests", action="store_true", help="without tests/gpu")
    parser.add_argument("--tokenizer", help="folder of a checkpoint; its tokenizer is used for the grammar")
    parser.add_argument("--out", default="", help="file for all figures as JSON")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, on any device")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0; 1 where a test failed; 2 where there is no CUDA device and `--tiny` is not given."""
    started = time.monotonic()
    given = parsed(arguments)
    if not torch.cuda.is_available() and not given.tiny:
        print("no CUDA device here; with --tiny the same code runs with toy sizes on the CPU")
        return 2
    tests = "not run" if given.no_tests else run_tests(QUICK_S / 2 if given.quick else None)
    notes = Notes()
    logging.basicConfig(format="%(message)s")
    logger = logging.getLogger("workers")
    logger.setLevel(logging.INFO)
    logger.addHandler(notes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    model = make_model(device, dtype, tiny=given.tiny)
    images = ImageProcessor(model.config.vit_config, {}, max_pixels=1344 * 1792)
    tokenizer = tokenizer_of(given.tokenizer)
    sizes = "toy sizes" if given.tiny else "the sizes of 2B"
    head = f"{hardware}, {dtype}, torch {torch.__version__}, A4 at {given.dpi} dpi, {sizes}, random weights"
    print(f"{head}, a grammar over {len(tokenizer)} tokens", flush=True)
    measured: list[Measured] = []
    left_out = 0
    longest_s = 0.0

    def is_late() -> bool:
        return given.quick and time.monotonic() - started + longest_s > QUICK_S

    for max_batch in map(int, (given.batches or ("64" if given.quick else "16,64,128")).split(",")):
        num_pages = given.pages or (2 if given.quick else 3) * max_batch
        pictures = pages(images, num_pages + NUM_WARM, given.dpi)
        bench = Bench(model, images, max_batch, attention=given.attention, graphs=not given.no_graphs)
        for num_output in map(int, (given.outputs or ("512" if given.quick else "1024")).split(",")):
            answer = Answer(tokenizer, model.config.llm_config.vocab_size, num_output)
            parts = bench.parts(pictures[0], num_output, min(max_batch, num_pages))
            one = Measured(str(bench.decoder.kernels), bench.recorded, bench.drafting.cost.break_even(max_batch), parts)
            for right in RIGHT:
                if one.rows and is_late():  # the run without drafts is never left out
                    left_out += 1
                    continue
                begun = time.monotonic()
                row = bench.run(pictures, answer, right)
                longest_s = max(longest_s, time.monotonic() - begun)
                one.rows.append(row)
                steps = row.decode_steps * max_batch / (row.num_pages * num_output)
                print(
                    f"batch {max_batch}, output {num_output}, drafts right {share_of(right)}: {row.pages_per_s:.2f} pages/s, "
                    f"{steps:.2f} steps x slots / tokens, {row.num_accepted} of {row.num_drafted} draft tokens accepted, "
                    f"{row.num_preemptions} preempted",
                    flush=True,
                )
            measured.append(one)
    logger.removeHandler(notes)
    print(f"\n{head}\n{table(tests, notes, measured, left_out)}")
    if given.out:
        rows = [
            row.report() | {"attention": one.kernels, "recorded": one.recorded, "parts": vars(one.parts)}
            for one in measured
            for row in one.rows
        ]
        report = {"hardware": hardware, "dtype": str(dtype), "torch": torch.__version__, "dpi": given.dpi, "tiny": given.tiny}
        Path(given.out).write_text(json.dumps(report | {"tests": tests, "rows": rows}, indent=1), encoding="utf-8")
    return 1 if "fail" in tests or "error" in tests else 0


if __name__ == "__main__":
    sys.exit(main())
