import numpy as np
import pytest

from workers.engines.ovis.attention.splits import MAX_SPLITS, NUM_PROGRAMS, cut, most_splits

PAGE, LONG = 79, 313
"""Blocks of 32 tokens of a page of 2,500 tokens, and of one of 10,000."""


def lengths_of(num_blocks, most):
    rows, starts, ends, _ = cut(num_blocks, most)
    return [(ends - starts)[rows == row].tolist() for row in range(len(num_blocks))]


@pytest.mark.parametrize("num_rows", [64, 128, 256])
def test_one_long_row_among_many_is_read_by_programs_that_read_no_more_than_those_of_the_others(num_rows):
    parts = lengths_of([PAGE] * (num_rows - 1) + [LONG], most_splits(num_rows, kv_heads=8))
    assert max(parts[-1]) <= PAGE < LONG
    assert all(parts[0] == part for part in parts[:-1])


def test_a_row_alone_is_cut_until_the_gpu_is_full_or_it_has_as_many_splits_as_can_be_joined():
    assert lengths_of([4], most_splits(1, 8)) == [[1, 1, 1, 1]]
    (alone,) = lengths_of([LONG], most_splits(1, 8))
    assert len(alone) == MAX_SPLITS
    assert max(alone) == 20  # ceil(313 / 16)


def test_rows_that_fill_the_gpu_are_not_cut():
    assert lengths_of([PAGE] * NUM_PROGRAMS, most_splits(NUM_PROGRAMS, kv_heads=NUM_PROGRAMS * 8)) == [[PAGE]] * NUM_PROGRAMS


@pytest.mark.parametrize("seed", range(8))
def test_each_block_is_read_once_by_its_row_and_no_split_is_empty_or_one_too_many(seed):
    rng = np.random.default_rng(seed)
    num_blocks = rng.integers(1, rng.choice([2, 30, 1280]) + 1, rng.integers(1, 65)).tolist()
    most = most_splits(len(num_blocks), kv_heads=int(rng.choice([1, 8, 600])))
    rows, starts, ends, bounds = cut(num_blocks, most)
    assert len(rows) <= most
    assert (ends > starts).all()
    for row, blocks in enumerate(num_blocks):
        own = slice(bounds[row], bounds[row + 1])
        assert (rows[own] == row).all()
        assert len(rows[own]) <= MAX_SPLITS
        read = [block for start, end in zip(starts[own], ends[own], strict=True) for block in range(start, end)]
        assert read == list(range(blocks))
