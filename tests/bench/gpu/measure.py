"""Ovis2.5-2B's real sizes with random weights, on a CUDA GPU: pages/s, tokens/s, and where the time goes.

`python -m tests.bench.gpu [--outputs 1024,2048] [--batches 16,64] [--pages N] [--dpi N] [--attention reference]
[--no-graphs] [--out FILE.json]`. Outputs are of fixed length, whatever random weights say, so speed is that of real weights at
these lengths. Prints what was measured when kernels were chosen and steps recorded, and a row per setting; writes all as JSON.
`--tiny` runs the same code with toy sizes on any device, to see that it works.
"""

import argparse
import json
import logging
import sys
import time
from typing import Any

import numpy as np
import torch
from PIL import Image

from schemas.settings import OvisSettings
from tests.workers.engines.ovis.tiny import LLM, VIT
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sequence
from workers.engines.ovis.decoding.decode_graphs import record_decode
from workers.engines.ovis.decoding.decoder import BatchRow, Decoder, block_bytes
from workers.engines.ovis.decoding.device import num_blocks, synchronise
from workers.engines.ovis.decoding.kernels import choose_kernels, clocked
from workers.engines.ovis.model.configuration import Ovis2_5Config
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration
from workers.engines.ovis.model.prompt import ATOM, INDICATORS

LLM_2B = {
    "hidden_size": 2048, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 6144, "vocab_size": 151_936, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000,
    "max_position_embeddings": 40_960, "tie_word_embeddings": True, "hidden_act": "silu",
}  # fmt: skip
BANDWIDTH_BYTES_S = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.0e12, "L40S": 0.864e12, "L4": 0.3e12, "RTX 4090": 1.008e12}
"""Memory bandwidth by the vendors' data sheets, for the share of the limit that decoding reaches."""
NUM_TEXT_TOKENS = 400


def make_model(device: torch.device, dtype: torch.dtype, *, tiny: bool) -> Any:
    config = Ovis2_5Config(
        llm_config=LLM | {"vocab_size": 500, "max_position_embeddings": 8192} if tiny else LLM_2B,
        vit_config={key: value for key, value in VIT.items() if key != "torch_dtype"} if tiny else {},
        visual_vocab_size=96 if tiny else 65_536,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Ovis2_5ForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.02)
    # Made under a half-precision default, the rotary frequencies would be rounded: they are computed again.
    rotary = model.llm.model.rotary_emb
    rotary.inv_freq = rotary.compute_default_rope_parameters(config.llm_config)[0].to(device)
    model.tie_weights()
    return model.eval()


def pages(images: ImageProcessor, count: int, dpi: int) -> list[Picture]:
    """A4 pages of noise at `dpi`, reduced to the 2B's own limit if need be. Each is another, so nothing is shared."""
    made = []
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (round(11.69 * dpi), round(8.27 * dpi), 3), dtype=np.uint8)
        patches = images.patches([Image.fromarray(pixels)])
        made.append(Picture(seed.to_bytes(8, "little") * 2, patches.levels, patches.grid, patches.num_atoms))
    return made


def measure(
    model: Any, images: ImageProcessor, pictures: list[Picture], *, num_output: int, max_batch: int, attention: str, graphs: bool
) -> dict[str, Any]:
    """One run over all pages with outputs of `num_output` tokens, after a short one that warms up."""
    device, llm = model.device, model.config.llm_config
    settings = OvisSettings(max_batch=max_batch)
    blocks = num_blocks(llm, settings, device, model.dtype, 1.0)
    decoder = Decoder(model.llm, blocks, settings.kv_block_tokens)
    decoder.kernels = choose_kernels(decoder, model.config.vit_config, wanted=attention)
    model.visual_tokenizer.vit.vision_model.encoder.attention = decoder.kernels.vision
    recorded = record_decode(decoder, max_batch) if graphs else None
    decoder.recorded = recorded
    encoder = ImageEncoder(model.embed_images, torch.from_numpy(images.levels).to(device), settings.max_vision_ahead)
    scheduler = Scheduler(decoder, encoder, None, model.embed_prompt, max_batch=max_batch)

    def run(some: list[Picture], num_tokens: int) -> float:
        sequences = [request(picture, num_tokens) for picture in some]
        started = time.perf_counter()
        for sequence in sequences:
            scheduler.add(sequence)
        while not scheduler.is_idle:
            scheduler.turn()
        synchronise(device)
        errors = [sequence.error for sequence in sequences if sequence.end != "length"]
        if errors:
            raise RuntimeError(f"{len(errors)} pages failed: {errors[0]}")
        return time.perf_counter() - started

    run(pictures[-2:], 16)
    before = (scheduler.statistics.num_decode_steps, scheduler.statistics.num_prefilled)
    seconds = run(pictures[:-2], num_output)
    num_pages = len(pictures) - 2
    steps = scheduler.statistics.num_decode_steps - before[0]
    parts = time_parts(model, scheduler, pictures[:1], num_output, min(max_batch, num_pages))
    shares = {name: each * count for (name, each), count in zip(parts.items(), (num_pages, num_pages, steps), strict=True)}
    return {
        "pages_per_s": num_pages / seconds,
        "decode_tokens_per_s": min(max_batch, num_pages) / parts["decode_s"],
        "num_pages": num_pages,
        "num_output": num_output,
        "max_batch": max_batch,
        "attention": str(decoder.kernels),
        "recorded": [] if recorded is None else [str(shape) for shape in recorded.shapes],
        "num_atoms": pictures[0].num_atoms,
        "num_prompt": pictures[0].num_atoms + 2 + NUM_TEXT_TOKENS,
        "num_preemptions": scheduler.statistics.num_preemptions,
        "cache_tokens": blocks * settings.kv_block_tokens,
        "seconds": seconds,
        "decode_steps": steps,
        "share": {name.removesuffix("_s"): value / seconds for name, value in shares.items()},
        "bandwidth_share": bandwidth_share(model, parts["decode_s"], min(max_batch, num_pages), pictures[0].num_atoms, num_output),
    }


def request(picture: Picture, num_tokens: int) -> Sequence:
    marks = [INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1]]
    return Sequence(tokens=marks + [7] * NUM_TEXT_TOKENS, pictures=(picture,), max_new_tokens=num_tokens, stops=frozenset())


@torch.inference_mode()
def time_parts(model: Any, scheduler: Scheduler, pictures: list[Picture], num_output: int, rows: int) -> dict[str, float]:
    """Seconds of one page's vision, one page's prefill, and one decode step of a full batch, each waited for by itself."""
    decoder, picture = scheduler.decoder, pictures[0]
    scheduler.encoder._atoms.clear()
    vision = clocked(lambda: (scheduler.encoder._atoms.clear(), scheduler.encoder.run([picture])), model.device)
    sequence = request(picture, 1)
    length = sequence.num_prompt
    per_row = -(-(length + num_output) // decoder.block_tokens)
    own = list(range(min(per_row, decoder.num_blocks)))
    embedded = model.embed_prompt(torch.tensor(sequence.tokens), scheduler.encoder.atoms(sequence.pictures))
    prefill = clocked(lambda: decoder.forward(embedded, [BatchRow(own, length, length)]), model.device)
    middle = length + num_output // 2
    tables = [[(row * per_row + block) % decoder.num_blocks for block in range(per_row)] for row in range(rows)]
    batch = [BatchRow(table, middle, 1) for table in tables]
    tokens = torch.zeros(rows, dtype=torch.long, device=model.device)
    decode = clocked(lambda: decoder.decode(tokens, batch), model.device)
    return {"vision_s": vision, "prefill_s": prefill, "decode_s": decode}


def bandwidth_share(model: Any, step_s: float, rows: int, num_atoms: int, num_output: int) -> float | None:
    """Bytes that a decode step must read (the language model's weights once, each row's keys and values) over what the memory could
    deliver in its time; None on a device whose bandwidth is not known here."""
    if model.device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(model.device)
    bandwidth = next((value for key, value in BANDWIDTH_BYTES_S.items() if key in name), None)
    if bandwidth is None:
        return None
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.llm.parameters())
    per_token = block_bytes(model.config.llm_config, 1, model.dtype)
    cached = rows * (num_atoms + NUM_TEXT_TOKENS + num_output // 2) * per_token
    return float((weights + cached) / step_s / bandwidth)


def main(arguments: list[str] | None = None) -> int:
    """0; 2 where there is no CUDA device and `--tiny` is not given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outputs", default="1024,2048")
    parser.add_argument("--batches", default="16,64,128")
    parser.add_argument("--pages", type=int, default=0, help="pages of a run; 3 batches by default")
    parser.add_argument("--dpi", type=int, default=150)
    parser.add_argument("--attention", choices=["auto", "reference"], default="auto")
    parser.add_argument("--no-graphs", action="store_true", help="decode steps are not recorded as CUDA graphs")
    parser.add_argument("--out", default="")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args(arguments)
    if not torch.cuda.is_available() and not given.tiny:
        print("no CUDA device here; with --tiny the same code runs with toy sizes on the CPU")
        return 2
    logging.basicConfig(format="%(message)s")
    logging.getLogger("workers").setLevel(logging.INFO)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    model = make_model(device, dtype, tiny=given.tiny)
    images = ImageProcessor(model.config.vit_config, {}, max_pixels=1344 * 1792)
    rows = []
    sizes = "toy sizes" if given.tiny else "the sizes of 2B"
    print(f"{hardware}, {dtype}, torch {torch.__version__}, A4 at {given.dpi} dpi, {sizes}, random weights")
    print("batch  output   pages/s  decode tok/s  vision  prefill  decode  bandwidth  preempted  attention, recorded", flush=True)
    for max_batch in map(int, given.batches.split(",")):
        pictures = pages(images, (given.pages or 3 * max_batch) + 2, given.dpi)
        for num_output in map(int, given.outputs.split(",")):
            row = measure(
                model, images, pictures,
                num_output=num_output, max_batch=max_batch, attention=given.attention, graphs=not given.no_graphs,
            )  # fmt: skip
            rows.append(row)
            share, bandwidth = row["share"], row["bandwidth_share"]
            shares = "  ".join(f"{share[name]:6.0%}" for name in ("vision", "prefill", "decode"))
            reached = "-" if bandwidth is None else f"{bandwidth:.0%}"
            speed = f"{row['pages_per_s']:8.2f}  {row['decode_tokens_per_s']:12.0f}"
            figures = f"{speed}  {shares}  {reached:>9}  {row['num_preemptions']:9d}"
            sizes = ",".join(map(str, row["recorded"])) or "none"
            print(f"{max_batch:5d}  {num_output:6d}  {figures}  {row['attention']}, {sizes}", flush=True)
    report = {
        "hardware": hardware,
        "dtype": str(dtype),
        "torch": torch.__version__,
        "dpi": given.dpi,
        "tiny": given.tiny,
        "rows": rows,
    }
    if given.out:
        with open(given.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
