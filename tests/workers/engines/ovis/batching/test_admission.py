"""Who comes in, who leaves, and what is left behind; nothing is computed."""

import pytest

from workers.engines.ovis.batching.admission import MAX_PREFILL_TOKENS, Admission
from workers.engines.ovis.batching.blocks import BlockPool
from workers.engines.ovis.batching.sequence import Picture, Sequence
from workers.engines.ovis.model.prompt import ATOM


def request(first, num_tokens=20, pictures=(), **given):
    """Begins with a number of its own, so that it shares nothing."""
    return Sequence(tokens=[first] + [7] * (num_tokens - 1), pictures=pictures, max_new_tokens=50, stops=frozenset(), **given)


def admission(num_blocks=20, num_slots=4):
    return Admission(BlockPool(num_blocks, 16), num_slots)


def written(sequences):
    for sequence in sequences:
        sequence.num_written = len(sequence.tokens)
    return sequences


def test_they_come_in_by_their_order_as_long_as_there_are_slots():
    one = admission(num_slots=2)
    asked = [request(index) for index in range(3)]
    for sequence in asked:
        one.put(sequence)
    assert one.admit(lambda _: True) == asked[:2]
    assert one.admit(lambda _: True) == []
    one.leave(asked[0])
    assert one.admit(lambda _: True) == asked[2:]


def test_nobody_overtakes_a_request_whose_picture_is_not_ready():
    one = admission()
    picture = Picture(b"p" * 16, None, (1, 2, 2), 1)
    waits = Sequence(tokens=[1, ATOM, 2], pictures=(picture,), max_new_tokens=5, stops=frozenset())
    for sequence in (waits, request(2)):
        one.put(sequence)
    assert one.admit(lambda _: False) == []
    assert len(one.admit(lambda _: True)) == 2


def test_a_prefill_has_its_bound_and_a_longer_prompt_goes_alone():
    one = admission(num_blocks=2000)
    asked = [
        request(index, num_tokens) for index, num_tokens in enumerate((MAX_PREFILL_TOKENS - 100, 100, 1, 2 * MAX_PREFILL_TOKENS, 5))
    ]
    for sequence in asked:
        one.put(sequence)
    batches = [one.admit(lambda _: True) for _ in range(3)]
    assert [[asked.index(sequence) for sequence in batch] for batch in batches] == [[0, 1], [2], [3]]


def test_one_that_begins_like_another_waits_a_turn_and_shares_its_blocks():
    one = admission()
    first, second = request(1, 40), request(1, 40)
    for sequence in (first, second):
        one.put(sequence)
    assert one.admit(lambda _: True) == [first]
    for sequence in written([first]):
        one.publish(sequence)
    assert one.admit(lambda _: True) == [second]
    assert second.blocks[:2] == first.blocks[:2]
    assert (second.num_shared, second.num_written) == (32, 32)


def test_room_is_left_for_those_who_run():
    one = admission(num_blocks=4)
    first, second = request(1, 30), request(2, 30)
    for sequence in (first, second):
        one.put(sequence)
    assert one.admit(lambda _: True) == [first]  # the second's two blocks are there, but not one more
    one.leave(first)
    assert one.admit(lambda _: True) == [second]


def test_who_is_put_back_is_the_next_again_in_the_order_of_arrival():
    one = admission()
    asked = [request(index) for index in range(4)]
    for sequence in asked:
        one.put(sequence)
    running = written(one.admit(lambda _: True)[:])
    assert one.youngest is asked[3]
    one.put_back([running[1], running[3], running[2]], is_written=True)
    assert list(one.waiting) == asked[1:]
    assert one.youngest is asked[0]
    assert one.admit(lambda _: True) == asked[1:]


@pytest.mark.parametrize("is_written", [True, False])
def test_only_what_was_written_may_be_shared(is_written):
    one = admission()
    one.put(sequence := request(1, 40))
    one.admit(lambda _: True)
    if is_written:
        written([sequence])
    one.put_back([sequence], is_written=is_written)
    assert one.num_known(sequence) == (32 if is_written else 0)
    assert one.pool.num_available == 20


def test_a_suspect_goes_alone():
    one = admission()
    asked = [request(1), request(2, is_suspect=True), request(3)]
    for sequence in asked:
        one.put(sequence)
    assert [one.admit(lambda _: True) for _ in range(3)] == [[sequence] for sequence in asked]


def test_growing_takes_a_block_only_when_the_last_is_full():
    one = admission(num_blocks=3)
    one.put(sequence := request(1, 16))
    one.admit(lambda _: True)
    written([sequence])
    assert one.grow(sequence)
    assert len(sequence.blocks) == 2
    assert one.grow(sequence)
    assert len(sequence.blocks) == 2
    sequence.num_written = 48
    assert one.grow(sequence)
    assert len(sequence.blocks) == 3
    sequence.num_written = 64
    assert not one.grow(sequence)


def test_whoever_leaves_twice_or_from_the_queue_leaves_nothing_behind():
    one = admission()
    running, waiting = request(1), request(2)
    for sequence in (running, waiting):
        one.put(sequence)
    one.admit(lambda _: True)
    for sequence in (running, waiting, running):
        one.leave(sequence)
    assert not one.running
    assert not one.waiting
    assert one.pool.num_available == 20
