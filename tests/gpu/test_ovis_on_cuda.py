"""What only a GPU can show. Skipped, with the reason, where there is none."""

import asyncio
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ovis` (torch, transformers, llguidance) is not installed")
pytest.importorskip("triton", reason="Triton is not installed: it comes with torch for CUDA")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

from schemas.answers import answer_schema  # noqa: E402
from schemas.page import PageImage  # noqa: E402
from schemas.settings import EngineSettings, OvisSettings  # noqa: E402
from tests.workers.engines.ovis.tiny import make_checkpoint  # noqa: E402
from workers.engines.engine import Prompt, Request  # noqa: E402
from workers.engines.ovis.attention.cache_attention import Kernels  # noqa: E402
from workers.engines.ovis.attention.packed import sdpa, varlen  # noqa: E402
from workers.engines.ovis.attention.paged import attend_decode  # noqa: E402
from workers.engines.ovis.batching.encoder import ImageEncoder  # noqa: E402
from workers.engines.ovis.batching.scheduler import Scheduler  # noqa: E402
from workers.engines.ovis.batching.sequence import Picture, Sequence  # noqa: E402
from workers.engines.ovis.checkpoint.files import read_json  # noqa: E402
from workers.engines.ovis.checkpoint.loading import load_model  # noqa: E402
from workers.engines.ovis.decoding.decode_graphs import DecodeGraphs, cuda_recorder, record_decode, shapes_up_to  # noqa: E402
from workers.engines.ovis.decoding.decoder import BatchRow, Decoder  # noqa: E402
from workers.engines.ovis.decoding.kernels import TOLERANCE, Problem, choose_kernels, largest_error, relative_error  # noqa: E402
from workers.engines.ovis.model.image_processor import ImageProcessor  # noqa: E402
from workers.engines.ovis.model.prompt import ATOM, INDICATORS  # noqa: E402
from workers.engines.registry import make_engine  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("cuda"), llm={"tie_word_embeddings": False, "head_dim": 32})


def decoder_of(model, kernels, *, recorded):
    decoder = Decoder(model.llm, 150, 16)
    decoder.kernels = kernels
    model.visual_tokenizer.vit.vision_model.encoder.attention = kernels.vision
    if recorded:
        decoder.recorded = graphs_of(decoder, 12)
    return decoder


@torch.inference_mode()
def graphs_of(decoder, max_batch):
    """All shapes, whether or not they are faster."""
    with torch.inference_mode(mode=False):
        graphs = DecodeGraphs(decoder, shapes := shapes_up_to(max_batch, has_drafts=True), cuda_recorder())
    for shape in sorted(shapes, key=lambda shape: -shape.num_tokens):
        graphs.add(shape)
    return graphs


def batched(model, images, count, kernels, *, recorded):
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
    encoder = ImageEncoder(model.embed_images, torch.from_numpy(images.levels).cuda(), 4)
    decoder = decoder_of(model, kernels, recorded=recorded)
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


ALL = {
    "references": (Kernels(), False),
    "paged": (Kernels(decode=attend_decode), False),
    "paged, recorded": (Kernels(decode=attend_decode), True),
    "varlen, paged, recorded": (Kernels(varlen, varlen, attend_decode), True),
}


@pytest.mark.parametrize(("dtype", "used"), [*(("bfloat16", used) for used in ALL), *(("float32", used) for used in list(ALL)[:3])])
def test_each_token_is_the_best_of_a_single_request_within_the_measured_drift(folder, dtype, used, record_property):
    # given the drift of this number format, measured on the same weights against float32
    torch.backends.cuda.matmul.allow_tf32 = False
    engine, reference, exact = (
        load_model(folder, dtype=kind, device="cuda") for kind in (getattr(torch, dtype), getattr(torch, dtype), torch.float32)
    )
    images = ImageProcessor(exact.config.vit_config, read_json(folder / "preprocessor_config.json"), min_pixels=1024)
    kernels, recorded = ALL[used]
    requests, scheduler = batched(engine, images, 24, kernels, recorded=recorded)
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
    ties = f"{num_ties} of {num_tokens} tokens not the single best"
    print(f"{dtype}, {used}: drift {worst_drift:.3g}, largest gap {worst_gap:.3g}, {ties}")
    # two computations, each off by at most the drift
    assert worst_gap <= max(2 * worst_drift, 1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim", "block"), [(16, 8, 128, 32), (32, 8, 128, 64), (6, 1, 40, 16), (4, 4, 16, 32)]
)
def test_the_paged_kernel_agrees_with_the_reference(dtype, heads, kv_heads, head_dim, block):
    error = largest_error(attend_decode, block, heads, kv_heads, head_dim, dtype, torch.device("cuda"))
    print(f"{dtype}, {heads} heads of {head_dim}, blocks of {block}: {error:.2g}")
    assert error <= TOLERANCE[dtype]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(16, 16, 72), (16, 8, 128), (32, 8, 128)])
@pytest.mark.parametrize("num_new", [None, [5, 3, 128, 17, 1]])
def test_torchs_packed_attention_agrees_with_the_reference(is_causal, heads, kv_heads, head_dim, num_new):
    problem = Problem([700, 3, 128, 128, 1], heads, kv_heads, head_dim, torch.bfloat16, torch.device("cuda"), num_new=num_new)
    said, right = (problem.run(attention, is_causal=is_causal)() for attention in (varlen, sdpa))
    assert relative_error(said, right) <= TOLERANCE[torch.bfloat16]


@torch.inference_mode()
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_recorded_steps_say_what_plain_ones_say_whatever_the_number_of_rows(folder, dtype):
    model = load_model(folder, dtype=getattr(torch, dtype), device="cuda")
    decoder = decoder_of(model, Kernels(decode=attend_decode), recorded=False)
    graphs = graphs_of(decoder, 12)
    for num_rows in (1, 2, 3, 7, 8, 11, 12):
        for most in (1, 8) if num_rows <= 6 else (1,):
            counts = [1 + row * (most - 1) // num_rows for row in range(num_rows)]
            rows = [BatchRow([11 * row + at for at in range(9)], 130 - 10 * row, count) for row, count in enumerate(counts)]
            tokens = torch.arange(sum(counts), device="cuda") + 5
            plain = decoder.forward(decoder.embed(tokens), rows, all_logits=True)
            assert relative_error(graphs(tokens, rows), plain) <= TOLERANCE[decoder.dtype]
    assert not decoder.keys[:, decoder.zeros_block].any()


def test_choosing_and_recording_leave_the_cache_empty_and_say_what_was_chosen(folder, caplog):
    caplog.set_level("INFO")
    model = load_model(folder, dtype=torch.bfloat16, device="cuda")
    decoder = Decoder(model.llm, 2000, 32)
    decoder.kernels = choose_kernels(decoder, model.config.vit_config)
    decoder.recorded = record_decode(decoder, 12, has_drafts=True)
    print(decoder.kernels, decoder.recorded and decoder.recorded.shapes, *caplog.messages, sep="\n")
    assert not decoder.keys[:, : decoder.waste_block].any()
    assert "does not run here" not in caplog.text
    assert "could not be recorded" not in caplog.text


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
