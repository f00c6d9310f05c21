"""Greedy output equals what each request says alone, token for token, whatever happens around it. float32 on the CPU."""

import random

import pytest
import torch

from tests.workers.engines.ovis.batching.world import make_world, mixed, run
from workers.engines.ovis.batching.sequence import Sampling
from workers.engines.ovis.decoding.decoder import Decoder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("is_ahead", [False, True])
def test_32_mixed_requests_say_what_each_says_alone(world, is_ahead):
    # given a cache too small for what runs together, arrivals over time, cancellations, and one request of poison
    requests = mixed(world, 32)
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
    assert len(finished) == len(set(map(id, finished))) == 36
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
