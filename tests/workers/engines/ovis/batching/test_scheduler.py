"""Greedy output equals what each request says alone, token for token, whatever happens around it. float32 on the CPU."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tests.workers.engines.ovis.tiny import make_checkpoint
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.scheduler import Scheduler
from workers.engines.ovis.batching.sequence import Picture, Sampling, Sequence
from workers.engines.ovis.checkpoint.files import read_json
from workers.engines.ovis.checkpoint.loading import load_model, read_tokenizer
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.decoding.sampling import unpack_bits
from workers.engines.ovis.model.image_processor import ImageProcessor
from workers.engines.ovis.model.prompt import ATOM, INDICATORS

pytestmark = pytest.mark.slow

ROWS = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["bar", "line"]},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": ["string", "null"]}}},
    },
    "required": ["kind", "rows"],
    "additionalProperties": False,
}


@dataclass
class World:
    """A model for the engine, the same weights for the reference, and a tokenizer."""

    engine: object
    reference: object
    tokenizer: object
    images: ImageProcessor
    grammars: Grammars

    @property
    def stops(self):
        return frozenset({self.reference.config.llm_config.eos_token_id})

    def scheduler(self, *, num_blocks=400, block_tokens=16, max_batch=8, is_ahead=None, ahead=4, embed_images=None, drafting=None):
        decoder = Decoder(self.engine.llm, num_blocks, block_tokens)
        encoder = ImageEncoder(embed_images or self.engine.embed_images, torch.from_numpy(self.images.levels), ahead)
        return Scheduler(
            decoder, encoder, self.grammars, self.engine.embed_prompt, max_batch=max_batch, is_ahead=is_ahead, drafting=drafting
        )

    def picture(self, seed, width, height):
        from PIL import Image

        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        patches = self.images.patches([Image.fromarray(pixels)])
        return Picture(bytes([seed % 251, seed // 251]) * 8, patches.levels, patches.grid, patches.num_atoms)

    def request(self, seed, *, num_text, num_new, picture=None, has_grammar=False, **given):
        rng = random.Random(seed)
        text = [rng.randrange(400) for _ in range(num_text)]
        marks = [INDICATORS[0], *[ATOM] * picture.num_atoms, INDICATORS[1]] if picture else []
        return Sequence(
            tokens=text[:3] + marks + text[3:],
            pictures=(picture,) if picture else (),
            max_new_tokens=num_new,
            stops=self.stops,
            matcher=self.grammars.matcher(ROWS) if has_grammar else None,
            **given,
        )

    def embedded(self, sequence, tokens):
        atoms = None
        if sequence.pictures:
            floats = np.concatenate([self.images.normalise(picture.levels) for picture in sequence.pictures])
            atoms = self.reference.embed_images(torch.from_numpy(floats), [picture.grid for picture in sequence.pictures])
        return self.reference.embed_prompt(torch.tensor([tokens]), atoms)

    @torch.no_grad()
    def best_at_each_step(self, sequence, *, has_grammar):
        """What greedy decoding of this request alone says after each beginning of `sequence`'s own output: by induction, equal
        lists mean that it says the same. One forward of the whole, without any cache."""
        logits = self.reference(inputs_embeds=self.embedded(sequence, sequence.tokens)).logits[0, sequence.num_prompt - 1 : -1]
        if has_grammar:
            matcher, mask = self.grammars.matcher(ROWS), self.grammars.allocate(1, pinned=False)
            for step, token in enumerate(sequence.new_tokens):
                self.grammars.fill(mask, [(matcher, 0)])
                logits[step].masked_fill_(~unpack_bits(mask, logits.shape[1])[0], float("-inf"))
                assert matcher.consume_token(token)
        return logits.argmax(-1).tolist()

    def generated_alone(self, sequence):
        """The reference's own generation loop, with its own cache."""
        with torch.no_grad():
            embedded = self.embedded(sequence, sequence.tokens[: sequence.num_prompt])
            said = self.reference.generate(
                inputs_embeds=embedded, max_new_tokens=sequence.max_new_tokens, do_sample=False, pad_token_id=0
            )
        return said[0].tolist()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def make_world(folder, **llm):
    # untied: a tied tiny model says the same token for ever, and then much could go wrong unseen
    make_checkpoint(folder, llm={"tie_word_embeddings": False, **llm})
    engine, reference = (load_model(folder, dtype=torch.float32, device="cpu") for _ in range(2))
    tokenizer = read_tokenizer(folder)
    images = ImageProcessor(reference.config.vit_config, read_json(folder / "preprocessor_config.json"), min_pixels=1024)
    vocab_size = reference.config.llm_config.vocab_size
    grammars = Grammars(tokenizer, vocab_size, [reference.config.llm_config.eos_token_id], num_threads=2)
    return World(engine, reference, tokenizer, images, grammars)


def run(scheduler, arrivals, at_turn=lambda turn: None):
    """`arrivals`: (turn, sequence) in order."""
    waiting = list(arrivals)
    turn = 0
    while waiting or not scheduler.is_idle:
        while waiting and waiting[0][0] <= turn:
            scheduler.add(waiting.pop(0)[1])
        at_turn(turn)
        scheduler.turn()
        turn += 1
        assert turn < 20_000, "it goes on for ever"


def mixed(world, count, seed=0):
    """Prompts of 100 to 600 tokens, outputs of 20 to 300, half with a grammar, two in three with an image, some images shared."""
    rng = random.Random(seed)
    pictures = [world.picture(index, rng.choice([96, 160, 256]), rng.choice([128, 320])) for index in range(12)]
    requests = []
    for index in range(count):
        picture = rng.choice(pictures) if index % 3 else None
        num_text = rng.randrange(100, 600 - (picture.num_atoms + 2 if picture else 0))
        has_grammar = index % 2 == 0
        sequence = world.request(index, num_text=num_text, num_new=rng.randrange(20, 300), picture=picture, has_grammar=has_grammar)
        requests.append((has_grammar, sequence))
    return requests


@pytest.mark.parametrize("is_ahead", [False, True])
def test_64_mixed_requests_say_what_each_says_alone(world, is_ahead):
    # given a cache too small for what runs together, arrivals over time, cancellations, and one request of poison
    requests = mixed(world, 64)
    poison = world.picture(999, 96, 96)
    poisoned = world.request(1000, num_text=150, num_new=50, picture=poison)
    cancelled = [world.request(2000 + index, num_text=120, num_new=200) for index in range(3)]

    def embed_images(patches, grids):
        if patches.shape[0] == len(poison.levels) and grids == [poison.grid] and torch.equal(patches, poisoned_floats):
            raise RuntimeError("poison")
        if any(grid == poison.grid for grid in grids):
            raise RuntimeError("poison somewhere in here")
        return world.engine.embed_images(patches, grids)

    poisoned_floats = torch.from_numpy(world.images.normalise(poison.levels))
    scheduler = world.scheduler(num_blocks=120, max_batch=12, is_ahead=is_ahead, embed_images=embed_images)
    everyone = [sequence for _, sequence in requests]
    everyone[20:20] = [poisoned, *cancelled]
    finished = []
    for sequence in everyone:
        sequence.done = finished.append

    def at_turn(turn):
        if turn == 140:
            for sequence in cancelled:
                sequence.is_cancelled = True

    run(scheduler, [(4 * index, sequence) for index, sequence in enumerate(everyone)], at_turn)

    # then each ended once, the poison and the cancelled as what they are, and blocks and slots all came back
    assert len(finished) == len(set(map(id, finished))) == 68
    assert (poisoned.end, poisoned.num_new) == ("error", 0)
    assert all(sequence.end in ("cancelled", "length", "stop") for sequence in cancelled)
    assert any(sequence.end == "cancelled" for sequence in cancelled)
    assert scheduler.statistics.num_preemptions > 0
    assert scheduler.pool.num_available == 120
    # and all others say token for token what they say alone
    for has_grammar, sequence in requests:
        assert sequence.end in ("stop", "length")
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=has_grammar)
        assert len(sequence.logprobs) == sequence.num_new
        if sequence.end == "length":
            assert sequence.num_new == sequence.max_new_tokens


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim"), [(4, 4, 16), (6, 1, 24), (8, 2, 8)], ids=["each its own", "all share one", "four share one"]
)
def test_other_head_counts_say_what_each_says_alone(tmp_path, heads, kv_heads, head_dim):
    world = make_world(tmp_path, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim)
    requests = mixed(world, 16, seed=heads)
    scheduler = world.scheduler(num_blocks=90, max_batch=6)
    run(scheduler, [(6 * index, sequence) for index, (_, sequence) in enumerate(requests)])
    assert scheduler.statistics.num_preemptions > 0
    for has_grammar, sequence in requests:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=has_grammar)


def test_the_models_own_generation_loop_says_the_same(world):
    requests = [sequence for has_grammar, sequence in mixed(world, 12, seed=5) if not has_grammar]
    for sequence in requests:
        sequence.max_new_tokens = min(sequence.max_new_tokens, 60)
    run(world.scheduler(), [(0, sequence) for sequence in requests])
    assert [sequence.new_tokens for sequence in requests] == [world.generated_alone(sequence) for sequence in requests]


def test_a_second_ask_reuses_the_blocks_of_the_first_and_needs_no_vision(world):
    picture = world.picture(1, 256, 256)
    first = world.request(1, num_text=60, num_new=30, picture=picture)
    scheduler = world.scheduler()
    run(scheduler, [(0, first)])
    encoded = scheduler.encoder.num_encoded

    second = world.request(1, num_text=60, num_new=30, picture=picture)
    run(scheduler, [(0, second)])

    assert second.new_tokens == first.new_tokens
    assert second.num_shared == (second.num_prompt - 1) // 16 * 16
    assert scheduler.encoder.num_encoded == encoded == 1


def test_two_tasks_on_one_image_at_once_encode_it_once_and_share_its_blocks(world):
    picture = world.picture(1, 256, 256)
    pair = [world.request(1, num_text=count, num_new=20, picture=picture) for count in (40, 60)]
    for sequence in pair:
        sequence.tokens[:3] = [1, 2, 3]
        sequence.__post_init__()
    scheduler = world.scheduler()
    run(scheduler, [(0, sequence) for sequence in pair])
    assert scheduler.encoder.num_encoded == 1
    assert pair[1].num_shared >= picture.num_atoms // 16 * 16
    for sequence in pair:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=False)


def test_other_pixels_never_share_blocks(world):
    pictures = [world.picture(seed, 128, 128) for seed in (1, 2)]
    pair = [world.request(1, num_text=40, num_new=20, picture=picture) for picture in pictures]
    run(world.scheduler(), [(0, sequence) for sequence in pair])
    assert pair[1].num_shared == 0
    assert [sequence.new_tokens for sequence in pair] == [world.best_at_each_step(sequence, has_grammar=False) for sequence in pair]


def test_slots_are_refilled_so_that_few_steps_are_run_in_vain(world):
    rng = random.Random(3)
    requests = [world.request(seed, num_text=50, num_new=rng.randrange(20, 120)) for seed in range(40)]
    scheduler = world.scheduler(num_blocks=2000)
    run(scheduler, [(0, sequence) for sequence in requests])
    total = sum(sequence.num_new for sequence in requests)
    assert scheduler.statistics.num_decode_steps <= 1.1 * total / 8 + 120  # the last requests run out together with nobody behind


def test_vision_runs_ahead_but_only_so_far(world):
    busy = [world.request(seed, num_text=50, num_new=100) for seed in range(2)]
    behind = [world.request(seed, num_text=50, num_new=5, picture=world.picture(seed, 96, 96)) for seed in range(10, 30)]
    scheduler = world.scheduler(max_batch=2, ahead=3)
    most = []
    run(scheduler, [(0, sequence) for sequence in [*busy, *behind]], lambda turn: most.append(len(scheduler.encoder._atoms)))
    assert max(most[:50]) == 3
    assert max(most) <= 3
    assert all(sequence.end == "length" for sequence in behind)


def test_a_request_that_outgrows_the_cache_alone_ends_as_cut_off(world):
    sequence = world.request(1, num_text=100, num_new=1000)
    run(world.scheduler(num_blocks=10), [(0, sequence)])
    assert sequence.end == "length"
    assert len(sequence.tokens) == 160


def test_a_prompt_that_can_never_fit_ends_at_once(world):
    sequence = world.request(1, num_text=200, num_new=10)
    scheduler = world.scheduler(num_blocks=10)
    scheduler.add(sequence)
    assert sequence.end == "error"
    assert "200 tokens" in sequence.error
    assert scheduler.is_idle


def test_a_request_past_its_deadline_ends_while_the_others_go_on(world):
    late, other = world.request(1, num_text=50, num_new=300), world.request(2, num_text=50, num_new=20)
    late.deadline = 0.0
    run(world.scheduler(), [(0, late), (0, other)])
    assert (late.end, other.end) == ("timeout", "length")


def test_a_model_that_gives_no_number_ends_its_own_request_only(world):
    bad, good = (world.picture(seed, 96, 96) for seed in (1, 2))

    def embed_images(patches, grids):
        atoms = world.engine.embed_images(patches, grids)
        atoms[: bad.num_atoms] = float("nan")
        return atoms

    sequences = [world.request(1, num_text=30, num_new=20, picture=bad), world.request(2, num_text=30, num_new=20, picture=good)]
    run(world.scheduler(embed_images=embed_images), [(0, sequence) for sequence in sequences])
    assert sequences[0].end == "error"
    assert "NaN" in sequences[0].error
    assert sequences[1].new_tokens == world.best_at_each_step(sequences[1], has_grammar=False)


@pytest.mark.parametrize("is_ahead", [False, True])
def test_no_request_reads_the_nan_of_another(world, is_ahead):
    # given a request of NaN in the cache's first blocks beside one that is shorter, and others that get its blocks afterwards
    bad = world.picture(1, 256, 256)

    def embed_images(patches, grids):
        return world.engine.embed_images(patches, grids) * float("nan")

    spoilt = world.request(1, num_text=30, num_new=20, picture=bad)
    others = [world.request(seed, num_text=20 + seed, num_new=20) for seed in range(2, 8)]
    scheduler = world.scheduler(num_blocks=12, max_batch=2, is_ahead=is_ahead, embed_images=embed_images)
    run(scheduler, [(0, sequence) for sequence in [spoilt, *others]])
    assert spoilt.end == "error"
    assert [sequence.error for sequence in others] == [""] * 6
    for sequence in others:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=False)
    assert not scheduler.decoder.keys.isnan().any()
    assert not scheduler.decoder.values.isnan().any()


def test_a_beginning_that_gave_no_number_is_shared_with_nobody(world):
    spoils = [False, True]

    def embed_images(patches, grids):
        return world.engine.embed_images(patches, grids) * (float("nan") if spoils.pop() else 1.0)

    picture = world.picture(1, 128, 128)
    first, again = (world.request(1, num_text=60, num_new=20, picture=picture) for _ in range(2))
    scheduler = world.scheduler(embed_images=embed_images)
    run(scheduler, [(0, first)])
    run(scheduler, [(0, again)])
    assert first.end == "error"
    assert again.num_shared == 0
    assert again.new_tokens == world.best_at_each_step(again, has_grammar=False)


def test_a_prefill_that_breaks_costs_the_request_that_breaks_it(world):
    requests = [world.request(seed, num_text=40, num_new=10) for seed in range(5)]
    scheduler = world.scheduler()
    forward = scheduler.decoder.forward

    def breaks(embedded, rows, **wanted):
        if any(row.num_new > 1 and row.blocks is requests[2].blocks for row in rows):
            raise RuntimeError("this one")
        return forward(embedded, rows, **wanted)

    scheduler.decoder.forward = breaks
    run(scheduler, [(0, sequence) for sequence in requests])
    assert [sequence.end for sequence in requests] == ["length", "length", "error", "length", "length"]
    for sequence in [*requests[:2], *requests[3:]]:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=False)


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_request_cancelled_during_a_forward_leaves_and_costs_no_other(world, is_ahead):
    leaver, stayer = world.request(1, num_text=50, num_new=100), world.request(2, num_text=70, num_new=60)
    scheduler = world.scheduler(is_ahead=is_ahead)
    forward, num_forwards = scheduler.decoder.forward, 0

    def cancels(embedded, rows, **wanted):
        nonlocal num_forwards
        num_forwards += 1
        leaver.is_cancelled = leaver.is_cancelled or num_forwards == 12
        return forward(embedded, rows, **wanted)

    scheduler.decoder.forward = cancels
    late = world.request(3, num_text=40, num_new=30)  # takes the leaver's slot
    run(scheduler, [(0, leaver), (0, stayer), (15, late)])
    assert leaver.end == "cancelled"
    assert leaver.num_new in (11, 12)
    assert scheduler.pool.num_available == 400
    for sequence in (stayer, late):
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=False)


def test_a_request_that_waits_too_long_ends_in_the_queue(world):
    busy, late, patient = (world.request(seed, num_text=50, num_new=40) for seed in range(3))
    scheduler = world.scheduler(max_batch=1)

    def at_turn(turn):
        if turn == 5:
            late.deadline = 0.0

    run(scheduler, [(0, busy), (0, late), (0, patient)], at_turn)
    assert (late.end, late.num_new) == ("timeout", 0)
    assert (busy.end, patient.end) == ("length", "length")


class Breaking:
    """Grammars whose masks cannot be filled for one matcher, from its `after`th mask on."""

    def __init__(self, grammars, matcher, after):
        self.grammars, self.matcher, self.left = grammars, matcher, after
        self.allocate = grammars.allocate

    def fill(self, mask, matchers):
        if any(matcher is self.matcher for matcher, _ in matchers):
            self.left -= 1
            if self.left < 0:
                raise ValueError("this one")
        self.grammars.fill(mask, matchers)


@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize("after", [0, 7])
def test_a_mask_that_cannot_be_filled_ends_its_own_request_only(world, is_ahead, after):
    requests = [world.request(seed, num_text=50, num_new=30, has_grammar=seed != 2) for seed in range(4)]
    scheduler = world.scheduler(is_ahead=is_ahead)
    scheduler.steps.grammars = Breaking(world.grammars, requests[1].matcher, after)
    run(scheduler, [(0, sequence) for sequence in requests])
    assert requests[1].end == "error"
    assert "this one" in requests[1].error
    assert requests[1].num_new == after
    for sequence in (requests[0], *requests[2:]):
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=sequence.matcher is not None)


def test_a_look_for_loops_that_breaks_ends_its_own_request_only(world):
    def breaks(tokens):
        raise RuntimeError("no tokenizer")

    bad, good = world.request(1, num_text=50, num_new=90, is_loop=breaks), world.request(2, num_text=50, num_new=90)
    run(world.scheduler(), [(0, bad), (0, good)])
    assert (bad.end, bad.error) == ("error", "RuntimeError: no tokenizer")
    assert good.new_tokens == world.best_at_each_step(good, has_grammar=False)


@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize("part", ["next", "choose"])
def test_a_decode_out_of_memory_sheds_the_younger_half_which_comes_back(world, is_ahead, part):
    requests = [world.request(seed, num_text=50, num_new=50, has_grammar=seed % 2 == 0) for seed in range(6)]
    scheduler = world.scheduler(is_ahead=is_ahead)
    whole, num_left = getattr(scheduler.steps, part), 8

    def breaks(*given):
        nonlocal num_left
        num_left -= 1
        if num_left == 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(*given)

    setattr(scheduler.steps, part, breaks)
    run(scheduler, [(0, sequence) for sequence in requests])
    assert [sequence.num_preemptions for sequence in requests] == [0, 0, 0, 1, 1, 1]
    for sequence in requests:
        assert sequence.new_tokens == world.best_at_each_step(sequence, has_grammar=sequence.matcher is not None)


def test_a_decode_that_breaks_ends_what_it_decoded_and_nothing_else(world):
    requests = [world.request(seed, num_text=50, num_new=30) for seed in range(3)]
    scheduler = world.scheduler(max_batch=2)
    whole, num_left = scheduler.steps.next, 10

    def breaks(sequences):
        nonlocal num_left
        num_left -= 1
        if num_left == 0:
            raise RuntimeError("a bug")
        return whole(sequences)

    scheduler.steps.next = breaks
    run(scheduler, [(0, sequence) for sequence in requests])
    assert [sequence.end for sequence in requests] == ["error", "error", "length"]
    assert requests[2].new_tokens == world.best_at_each_step(requests[2], has_grammar=False)
    assert scheduler.pool.num_available == 400


def test_a_device_that_is_done_for_is_nobodys_fault(world):
    scheduler = world.scheduler()

    def dies(embedded, rows, **wanted):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    scheduler.decoder.forward = dies
    scheduler.add(sequence := world.request(1, num_text=50, num_new=30))
    with pytest.raises(torch.AcceleratorError):
        scheduler.turn()
    assert sequence.end is None


def test_the_oldest_request_is_never_thrown_out(world):
    requests = [world.request(seed, num_text=100, num_new=200) for seed in range(5)]
    scheduler = world.scheduler(num_blocks=30)
    run(scheduler, [(0, sequence) for sequence in requests])
    assert scheduler.statistics.num_preemptions > 3
    assert requests[0].num_preemptions == 0
    assert all(sequence.end in ("length", "stop") for sequence in requests)


def test_sampling_depends_on_the_request_and_not_on_its_neighbours(world):
    hot = Sampling(temperature=1.0, top_p=0.9, top_k=30, repetition_penalty=1.2, seed=11)
    alone = world.request(1, num_text=40, num_new=40, sampling=hot)
    run(world.scheduler(), [(0, alone)])
    crowded = world.request(1, num_text=40, num_new=40, sampling=hot)
    others = [world.request(seed, num_text=70, num_new=60, sampling=Sampling(temperature=0.7, seed=seed)) for seed in range(2, 9)]
    run(world.scheduler(), [(0, others[0]), (3, crowded), *((4, other) for other in others[1:])])
    assert crowded.new_tokens == alone.new_tokens
    other_seed = world.request(1, num_text=40, num_new=40, sampling=Sampling(temperature=1.0, seed=12))
    run(world.scheduler(), [(0, other_seed)])
    assert other_seed.new_tokens != alone.new_tokens


@pytest.mark.parametrize("num_new", [[3, 3], [1, 5], [8, 2]])
def test_several_new_tokens_of_each_row_are_what_one_at_a_time_gives(world, num_new):
    from workers.engines.ovis.decoding.decoder import BatchRow

    decoder = Decoder(world.engine.llm, 20, 16)
    tokens = [torch.tensor([5 * row + i for i in range(40)]) for row in range(2)]
    blocks = [[3, 7, 1], [4, 9, 2]]
    known = [40 - count for count in num_new]
    with torch.inference_mode():
        decoder.forward(
            decoder.embed(torch.cat([row[:count] for row, count in zip(tokens, known, strict=True)])),
            [BatchRow(own, count, count) for own, count in zip(blocks, known, strict=True)],
        )
        rest = torch.cat([row[count:] for row, count in zip(tokens, known, strict=True)])
        rows = [BatchRow(own, 40, count) for own, count in zip(blocks, num_new, strict=True)]
        logits = decoder.decode(rest, rows)
        alone = [world.reference.llm(row[None]).logits[0, count:] for row, count in zip(tokens, known, strict=True)]
    assert torch.allclose(logits, torch.cat(alone), atol=1e-4)
