import pytest

from workers.engines.ovis.batching.blocks import BlockPool, OutOfBlocks, extend_names


def names_of(identity, block_tokens=2):
    names = []
    extend_names(names, identity, block_tokens)
    return names


def test_blocks_run_out_and_come_back():
    pool = BlockPool(2, 2)
    blocks = [pool.take(), pool.take()]
    with pytest.raises(OutOfBlocks):
        pool.take()
    pool.release(blocks[:1])
    assert pool.take() == blocks[0]


def test_a_beginning_is_shared_and_counted():
    pool = BlockPool(4, 2)
    names = names_of([1, 2, 3, 4, 5])
    own = [pool.take(), pool.take()]
    for block, name in zip(own, names, strict=True):
        pool.publish(block, name)

    # when another request begins alike, and the first leaves
    shared = pool.share(names_of([1, 2, 9, 9]))
    pool.release(own)

    # then the block they share is still in use, and the other is kept until it is needed
    assert shared == own[:1]
    assert pool.num_available == 3
    assert pool.share(names) == own


def test_what_nobody_uses_is_forgotten_last_block_first():
    pool = BlockPool(2, 1)
    names = names_of([7, 8], 1)
    own = [pool.take(), pool.take()]
    for block, name in zip(own, names, strict=True):
        pool.publish(block, name)
    pool.release(own)

    pool.take()

    assert pool.count_known(names) == 1


def test_a_name_stays_with_its_first_block():
    pool = BlockPool(2, 1)
    name = names_of([7], 1)[0]
    first, second = pool.take(), pool.take()
    pool.publish(first, name)
    pool.publish(second, name)
    pool.release([second])
    assert pool.share([name]) == [first]
    assert pool.num_available == 1


def test_a_block_is_named_by_all_that_comes_before_it():
    assert names_of([1, 2, 3, 4])[1] != names_of([9, 2, 3, 4])[1]
    assert names_of([1, 2, 3])[0] == names_of([1, 2, 8])[0]
    assert len(names_of([1, 2, 3])) == 1


def test_what_is_no_good_is_shared_with_nobody_but_what_others_use_stays():
    pool = BlockPool(4, 1)
    names = names_of([7, 8, 9], 1)
    own = [pool.take() for _ in names]
    for block, name in zip(own, names, strict=True):
        pool.publish(block, name)
    pool.share(names[:1])
    assert pool.discard(own) == own[1:]
    assert pool.count_known(names) == 1
    assert pool.num_available == 3
