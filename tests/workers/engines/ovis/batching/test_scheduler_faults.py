"""Requests that break, end early or run out of room: they cost themselves alone. float32 on the CPU."""

import pytest
import torch

from tests.workers.engines.ovis.batching.world import run

pytestmark = pytest.mark.slow


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
