"""Runs pages through the engine's scheduler, with and without drafts, and times its parts."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from schemas.settings import OvisSettings
from tests.bench.ovis.gpu.forced import Answer, Guess
from workers.engines.ovis.batching.drafting import Drafting, step_cost
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sequence
from workers.engines.ovis.decoding.decode_graphs import record_decode
from workers.engines.ovis.decoding.decoder import BatchRow, Decoder, block_bytes
from workers.engines.ovis.decoding.device import num_blocks, synchronise
from workers.engines.ovis.decoding.kernels import choose_kernels, clocked
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import ATOM, INDICATORS

BANDWIDTH_BYTES_S = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.0e12, "L40S": 0.864e12, "L4": 0.3e12, "RTX 4090": 1.008e12}
"""Memory bandwidth by the vendors' data sheets, for the share of the limit that decoding reaches."""
NUM_TEXT_TOKENS = 400
NUM_WARM = 2
"""Pages that are read before those that count."""


@dataclass
class Row:
    """One run over all pages."""

    max_batch: int
    num_output: int
    right: float | None
    """Share of the draft's tokens that are right; None without drafts."""
    num_pages: int
    seconds: float
    decode_steps: int
    num_drafted: int
    num_accepted: int
    num_preemptions: int

    @property
    def pages_per_s(self) -> float:
        return self.num_pages / self.seconds

    def report(self) -> dict[str, Any]:
        return asdict(self) | {"pages_per_s": self.pages_per_s}


@dataclass
class Parts:
    """Seconds of one page's vision, one page's prefill, and one decode step of `rows` rows, each waited for by itself."""

    vision_s: float
    prefill_s: float
    decode_s: float
    rows: int
    bandwidth_share: float | None
    """Of the memory's bandwidth, in the decode step; None on a device whose bandwidth is not known here."""

    def shares(self, row: Row) -> dict[str, float]:
        """Of the seconds of a run without drafts."""
        counts = {"vision": row.num_pages, "prefill": row.num_pages, "decode": row.decode_steps}
        return {name: getattr(self, f"{name}_s") * count / row.seconds for name, count in counts.items()}


class Bench:
    """A model, its kernels and recorded steps for batches of up to `max_batch`, as the engine starts them."""

    def __init__(self, model: Any, images: ImageProcessor, max_batch: int, *, attention: str, graphs: bool) -> None:
        self.model, self.max_batch = model, max_batch
        settings = OvisSettings(max_batch=max_batch)
        blocks = num_blocks(model.config.llm_config, settings, model.device, model.dtype, 1.0)
        self.decoder = Decoder(model.llm, blocks, settings.kv_block_tokens)
        self.decoder.kernels = choose_kernels(self.decoder, model.config.vit_config, wanted=attention)
        model.visual_tokenizer.vit.vision_model.encoder.attention = self.decoder.kernels.vision
        recorded = record_decode(self.decoder, max_batch, has_drafts=True) if graphs else None
        self.decoder.recorded = recorded
        self.recorded = [] if recorded is None else [str(shape) for shape in recorded.shapes]
        self.drafting = Drafting(step_cost(self.decoder, max_batch))
        levels = torch.from_numpy(images.levels).to(model.device)
        self.encoder = ImageEncoder(model.embed_images, levels, settings.max_vision_ahead)

    def run(self, pictures: list[Picture], answer: Answer, right: float | None) -> Row:
        """All pages, each with the whole answer, after some that warm up."""
        self._run(pictures[:NUM_WARM], answer, right, min(16, len(answer.tokens)))
        self.encoder.forget(pictures)
        return self._run(pictures[NUM_WARM:], answer, right, len(answer.tokens))

    def _run(self, pictures: list[Picture], answer: Answer, right: float | None, num_output: int) -> Row:
        scheduler = Scheduler(
            self.decoder, self.encoder, answer.grammars, self.model.embed_prompt, max_batch=self.max_batch,
            drafting=None if right is None else self.drafting,
        )  # fmt: skip
        answer.force(scheduler.steps)
        sequences = [request(picture, num_output) for picture in pictures]
        for seed, sequence in enumerate(sequences):
            sequence.matcher = answer.matcher()
            sequence.drafter = None if right is None else Guess(answer, right, seed)
        started = time.perf_counter()
        for sequence in sequences:
            scheduler.add(sequence)
        while not scheduler.is_idle:
            scheduler.turn()
        synchronise(self.model.device)
        seconds = time.perf_counter() - started
        for sequence in sequences:
            if sequence.end != "length" or sequence.new_tokens != answer.tokens[:num_output]:
                raise RuntimeError(f"a page ended otherwise than planned: {sequence.end} {sequence.error}")
        had = scheduler.statistics
        return Row(
            self.max_batch, num_output, right, len(pictures), seconds,
            had.num_decode_steps, had.num_drafted, had.num_accepted, had.num_preemptions,
        )  # fmt: skip

    @torch.inference_mode()
    def parts(self, picture: Picture, num_output: int, rows: int) -> Parts:
        decoder, model = self.decoder, self.model

        def encode() -> None:
            self.encoder.forget([picture])
            self.encoder.run([picture])

        vision_s = clocked(encode, model.device)
        sequence = request(picture, 1)
        length = sequence.num_prompt
        per_row = -(-(length + num_output) // decoder.block_tokens)
        own = list(range(min(per_row, decoder.num_blocks)))
        embedded = model.embed_prompt(torch.tensor(sequence.tokens), self.encoder.atoms(sequence.pictures))
        prefill_s = clocked(lambda: decoder.forward(embedded, [BatchRow(own, length, length)]), model.device)
        middle = length + num_output // 2
        tables = [[(row * per_row + block) % decoder.num_blocks for block in range(per_row)] for row in range(rows)]
        batch = [BatchRow(table, middle, 1) for table in tables]
        tokens = torch.zeros(rows, dtype=torch.long, device=model.device)
        decode_s = clocked(lambda: decoder.decode(tokens, batch), model.device)
        self.encoder.forget([picture])
        return Parts(vision_s, prefill_s, decode_s, rows, self._bandwidth_share(decode_s, rows * middle))

    def _bandwidth_share(self, step_s: float, num_cached: int) -> float | None:
        """Bytes that a decode step must read (the language model's weights once, each row's keys and values) over what the memory
        could deliver in its time."""
        if self.model.device.type != "cuda":
            return None
        name = torch.cuda.get_device_name(self.model.device)
        bandwidth = next((value for key, value in BANDWIDTH_BYTES_S.items() if key in name), None)
        if bandwidth is None:
            return None
        weights = sum(parameter.numel() * parameter.element_size() for parameter in self.model.llm.parameters())
        cached = num_cached * block_bytes(self.model.config.llm_config, 1, self.model.dtype)
        return float((weights + cached) / step_s / bandwidth)


def request(picture: Picture, num_tokens: int) -> Sequence:
    marks = [INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1]]
    return Sequence(tokens=marks + [7] * NUM_TEXT_TOKENS, pictures=(picture,), max_new_tokens=num_tokens, stops=frozenset())
