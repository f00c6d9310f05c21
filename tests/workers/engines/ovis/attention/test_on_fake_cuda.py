"""What runs on a GPU, on tensors that know their device, type and shape but hold no numbers. Without a GPU they show where host and
device are mixed up, and where a step would wait for the device."""

import contextlib

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from tests.workers.engines.ovis.tiny import LLM, VIT
from workers.engines.ovis.attention import transfer
from workers.engines.ovis.attention.cache_attention import Kernels
from workers.engines.ovis.attention.packed import sdpa, varlen
from workers.engines.ovis.batching import steps
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.sequence import Picture, Sampling, Sequence
from workers.engines.ovis.batching.steps import Steps
from workers.engines.ovis.decoding import decode_graphs, sampling
from workers.engines.ovis.decoding.decode_graphs import DecodeGraphs, Shape
from workers.engines.ovis.decoding.decoder import BatchRow, Decoder
from workers.engines.ovis.model.configuration import Ovis2_5Config
from workers.engines.ovis.model.model import Ovis2_5ForConditionalGeneration

pytestmark = pytest.mark.slow

# A build of torch that knows no CUDA has `meta` instead: tensors without numbers, too, but looser about mixed devices.
HAS_CUDA = torch.version.cuda is not None
DEVICE = torch.device("cuda", 0) if HAS_CUDA else torch.device("meta")
MODE = FakeTensorMode(allow_non_fake_inputs=True) if HAS_CUDA else contextlib.nullcontext()
OWN = Kernels(decode=lambda query, keys, values, tables, firsts, lengths, splits, scale: torch.empty_like(query))


class Event:
    def record(self):
        pass


@pytest.fixture
def on_cuda(monkeypatch):
    """Everything made inside lies on a GPU that is not there; nothing is pinned for it."""
    for module in (transfer, steps, decode_graphs):
        monkeypatch.setattr(module, "pinned", torch.empty_like)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    with MODE, torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model():
    config = Ovis2_5Config(
        llm_config=LLM | {"vocab_size": 500},
        vit_config={key: value for key, value in VIT.items() if key != "torch_dtype"},
        visual_vocab_size=96,
    )
    model = Ovis2_5ForConditionalGeneration(config).eval()
    with MODE:
        for module in model.modules():
            for own in (module._parameters, module._buffers):
                for name, tensor in own.items():
                    if tensor is None:
                        continue
                    dtype = torch.bfloat16 if own is module._parameters else tensor.dtype
                    there = torch.empty(tensor.shape, dtype=dtype, device=DEVICE)
                    own[name] = torch.nn.Parameter(there, requires_grad=False) if own is module._parameters else there
    return model


@pytest.fixture
def decoder(on_cuda, model):
    with torch.inference_mode(mode=False):
        decoder = Decoder(model.llm, 64, 32)
    decoder.kernels = OWN
    return decoder


def test_waiting_for_the_device_is_seen(on_cuda):
    with pytest.raises((DataDependentOutputException, RuntimeError)):
        torch.ones(3, device=DEVICE).sum().item()
    if HAS_CUDA:
        with pytest.raises(RuntimeError, match="two different devices"):
            torch.ones(3, device=DEVICE) + torch.ones(3)


@pytest.mark.parametrize("attention", [sdpa, varlen])
def test_pictures_are_embedded_without_a_wait(on_cuda, model, monkeypatch, attention):
    monkeypatch.setattr(model.visual_tokenizer.vit.vision_model.encoder, "attention", attention)
    channels_by_level = torch.empty(3, 256, device=DEVICE)
    encoder = ImageEncoder(model.embed_images, channels_by_level, 4)
    picture = Picture(b"1" * 16, np.zeros((8 * 12, 3 * 16 * 16), dtype=np.uint8), (1, 8, 12), 24)
    assert encoder.run([picture]) == (1, {})
    atoms = encoder.atoms([picture])
    assert (atoms.device, atoms.dtype, tuple(atoms.shape)) == (DEVICE, torch.bfloat16, (24, 64))


@pytest.mark.parametrize(
    "rows",
    [
        [BatchRow([1, 2, 3], 70, 70), BatchRow([4, 5], 40, 40)],
        [BatchRow([1, 2, 3], 70, 6), BatchRow([4, 5], 40, 40)],
        [BatchRow([1, 2, 3], 70, 1), BatchRow([4, 5], 40, 1)],
        [BatchRow([1, 2, 3], 70, 3), BatchRow([4, 5], 40, 3)],
        [BatchRow([1, 2, 3], 70, 8), BatchRow([4, 5], 40, 1)],
    ],
    ids=["prompts", "a prompt begun", "one token each", "three tokens each", "a draft and none"],
)
@pytest.mark.parametrize("kernels", [OWN, Kernels(), Kernels(prompts=varlen)], ids=["own", "reference", "varlen"])
def test_forwards_run_without_a_wait(decoder, rows, kernels):
    decoder.kernels = kernels
    embedded = torch.empty(sum(row.num_new for row in rows), 64, dtype=torch.bfloat16, device=DEVICE)
    logits = decoder.forward(embedded, rows)
    assert (logits.device, logits.dtype, tuple(logits.shape)) == (DEVICE, torch.float32, (2, 500))


def test_recorded_steps_run_without_a_wait(decoder):
    with torch.inference_mode(mode=False):
        graphs = DecodeGraphs(decoder, [Shape(4, 4)], lambda run: (run(), run)[1])
    graphs.add(Shape(4, 4))
    logits = graphs(
        torch.empty(5, dtype=torch.long, device=DEVICE), [BatchRow([1, 2, 3], 70, 3), BatchRow([4], 9, 1), BatchRow([5], 1, 1)]
    )
    assert (logits.device, logits.dtype, tuple(logits.shape)) == (DEVICE, torch.float32, (5, 500))


def test_tokens_are_chosen_without_a_wait(decoder):
    own = Steps(decoder, None, None, num_slots=4)
    sampled = Sampling(temperature=0.5, top_k=5, top_p=0.9, repetition_penalty=1.1)
    sequences = [Sequence([1, 2], (), 9, frozenset(), sampling) for sampling in (sampled, Sampling(), Sampling())]
    for slot, sequence in enumerate(sequences):
        sequence.slot = slot
    own.begin(sequences)
    sequences[1].slot = -1  # it ended while the step ran
    own.choose(sequences, torch.empty(3, 500, device=DEVICE), "decode")
    pending = own.choose(sequences, torch.empty(5, 500, device=DEVICE), "decode", [[], [1, 2], []])
    if HAS_CUDA:
        assert pending.arrived is not None
        assert pending.choice.tokens.device.type == "cpu"
    mask = torch.empty(3, 16, dtype=torch.int32, device=DEVICE)
    assert sampling.choose(torch.empty(3, 500, device=DEVICE), mask, sampling.Controls()).overridden.device == DEVICE
