"""Cuts the keys of a decode step's rows into splits, each of which one program of the paged kernel reads for each key/value head.

Rows are cut by length, so that no program reads much more than the others. Without cuts, a row of 10,000 tokens beside 63 rows of
2,500 would keep its program at work four times as long as the others, and the whole step would wait for it. Few rows are cut finer,
to fill the GPU.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

MAX_SPLITS = 16
"""Most splits of a row: their results are joined in one tile."""
NUM_PROGRAMS = 512
"""Number of programs beyond one for each row and head: more than two for each multiprocessor of a large GPU."""


class Splits(NamedTuple):
    """int64 tensors on the device. A recorded step has more splits than it needs; those are empty and belong to no row."""

    rows: Tensor
    """[splits]: the row whose keys are read."""
    starts: Tensor
    """[splits]: the first of the row's blocks."""
    ends: Tensor
    """[splits]: the block after the last."""
    bounds: Tensor
    """[rows + 1]: row i has the splits from bounds[i] up to bounds[i + 1]."""


def most_splits(num_rows: int, kv_heads: int) -> int:
    """Number of splits for so many rows: one for each, and what else fills the GPU."""
    return num_rows + NUM_PROGRAMS // kv_heads


def cut(num_blocks: Sequence[int], most: int) -> list[npt.NDArray[np.int64]]:
    """The arrays of `Splits` for rows with these numbers of blocks: the shortest splits of which there are at most `most`.

    >>> [array.tolist() for array in cut([2, 7], most=4)]
    [[0, 1, 1, 1], [0, 0, 3, 6], [2, 3, 6, 7], [0, 1, 4]]
    """
    blocks = np.asarray(num_blocks, dtype=np.int64)
    longest = int(blocks.max())
    lengths = range(-(-longest // MAX_SPLITS), longest + 1)
    length = lengths[bisect_left(lengths, True, key=lambda each: int((-(-blocks // each)).sum()) <= most)]
    counts = -(-blocks // length)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    rows = np.repeat(np.arange(len(blocks)), counts)
    each = -(-blocks // counts)[rows]  # a row's splits are as long as one another
    starts = (np.arange(len(rows)) - bounds[rows]) * each
    return [rows, starts, np.minimum(starts + each, blocks[rows]), bounds]
