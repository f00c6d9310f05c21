"""What only a GPU can show. Skipped, with the reason, where there is none."""

import asyncio
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ovis` (torch, transformers, llguidance) is not installed")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

from schemas.answers import answer_schema  # noqa: E402
from schemas.page import PageImage  # noqa: E402
from schemas.settings import EngineSettings, OvisSettings  # noqa: E402
from tests.workers.engines.ovis.tiny import make_checkpoint  # noqa: E402
from workers.engines.engine import Prompt, Request  # noqa: E402
from workers.engines.ovis.decoder import Decoder  # noqa: E402
from workers.engines.ovis.encoder import Encoder  # noqa: E402
from workers.engines.ovis.image_processor import ImageProcessor  # noqa: E402
from workers.engines.ovis.kernels import TOLERANCE, choose_kernel, largest_error  # noqa: E402
from workers.engines.ovis.loading import load_model, read_json  # noqa: E402
from workers.engines.ovis.prompt import ATOM, INDICATORS  # noqa: E402
from workers.engines.ovis.scheduler import Scheduler  # noqa: E402
from workers.engines.ovis.sequence import Picture, Sequence  # noqa: E402
from workers.engines.registry import make_engine  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("cuda"), llm={"tie_word_embeddings": False, "head_dim": 32})


def batched(model, images, count):
    """`count` requests through a small cache, so that some are preempted."""
    from PIL import Image

    rng = random.Random(0)
    requests = []
    for seed in range(count):
        pixels = np.random.default_rng(seed).integers(0, 256, (160, 320, 3), dtype=np.uint8)
        patches = images.patches([Image.fromarray(pixels)])
        picture = Picture(bytes([seed]) * 16, patches.levels, patches.grid, patches.num_atoms)
        text = [rng.randrange(400) for _ in range(rng.randrange(60, 400))]
        tokens = [INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1], *text]
        requests.append(Sequence(tokens=tokens, pictures=(picture,), max_new_tokens=rng.randrange(20, 200), stops=frozenset()))
    encoder = Encoder(model.embed_images, torch.from_numpy(images.levels).cuda(), 4)
    decoder = Decoder(model.llm, 150, 16)
    decoder.kernel = choose_kernel(decoder.keys, model.config.llm_config.num_attention_heads)
    scheduler = Scheduler(decoder, encoder, None, model.embed_prompt, max_batch=12)
    for sequence in requests:
        scheduler.add(sequence)
    while not scheduler.is_idle:
        scheduler.turn()
    assert scheduler.is_ahead
    return requests, scheduler


@torch.no_grad()
def forced(model, images, sequence):
    """Logits of a single-request forward over the engine's own output."""
    (picture,) = sequence.pictures
    pixels = torch.from_numpy(images.normalise(picture.levels)).to(model.device)
    embedded = model.embed_prompt(torch.tensor([sequence.tokens]), model.embed_images(pixels, [picture.grid]))
    return model(inputs_embeds=embedded).logits[0, sequence.num_prompt - 1 : -1].float()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_token_is_the_best_of_a_single_request_within_the_measured_drift(folder, dtype, record_property):
    # given the drift of this number format, measured on the same weights against float32
    torch.backends.cuda.matmul.allow_tf32 = False
    engine, reference, exact = (
        load_model(folder, dtype=kind, device="cuda") for kind in (getattr(torch, dtype), getattr(torch, dtype), torch.float32)
    )
    images = ImageProcessor(exact.config.vit_config, read_json(folder / "preprocessor_config.json"), min_pixels=1024)
    requests, scheduler = batched(engine, images, 24)
    assert scheduler.statistics.num_preemptions > 0
    worst_drift, worst_gap, num_ties, num_tokens = 0.0, 0.0, 0, 0
    for sequence in requests:
        logits = forced(reference, images, sequence)
        worst_drift = max(worst_drift, float((logits - forced(exact, images, sequence)).abs().max()))
        chosen = logits.gather(1, torch.tensor(sequence.new_tokens, device="cuda")[:, None])[:, 0]
        gaps = logits.max(-1).values - chosen
        worst_gap = max(worst_gap, float(gaps.max()))
        num_ties += int((gaps > 0).sum())
        num_tokens += len(gaps)
    record_property("drift", worst_drift)
    print(f"{dtype}: drift {worst_drift:.3g}, largest gap {worst_gap:.3g}, {num_ties} of {num_tokens} tokens not the single best")
    # two computations, each off by at most the drift
    assert worst_gap <= max(2 * worst_drift, 1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim", "block"), [(16, 8, 128, 32), (32, 8, 128, 64), (6, 1, 40, 16), (4, 4, 16, 32)]
)
def test_the_paged_kernel_agrees_with_the_reference(dtype, heads, kv_heads, head_dim, block):
    from workers.engines.ovis.paged_attention import attend_decode

    cache = torch.zeros(1, 2, block, kv_heads, head_dim, dtype=dtype, device="cuda")
    assert largest_error(attend_decode, cache, heads) <= TOLERANCE[dtype]
    assert choose_kernel(cache, heads) is attend_decode


async def test_the_engine_answers_on_cuda_with_grammars(folder):
    settings = EngineSettings(name="ovis", model=str(folder), ovis=OvisSettings(device="cuda", kv_cache_bytes=2**26, max_batch=8))
    engine = make_engine(settings)
    await engine.start()
    try:
        pixels = np.random.default_rng(0).integers(0, 256, 448 * 448 * 3, dtype=np.uint8).tobytes()
        image = PageImage.from_rgb(448, 448, pixels)
        asked = [
            Request(
                label=str(seed),
                task="chart",
                image=image,
                prompt=Prompt("Read.", "1"),
                answer_schema=answer_schema("chart"),
                max_output_tokens=100,
                temperature=0.5 * (seed % 2),
            )
            for seed in range(12)
        ]
        said = await asyncio.gather(*(engine.read(one) for one in asked))
    finally:
        await engine.close()
    assert [one.failure for one in said] == [None] * 12
    assert all(one.text.startswith('{"chart": "') for one in said)
