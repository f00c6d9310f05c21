"""Counts the users of each block of the key/value cache. The tensors are in `decoder`.

A full block is named by all tokens up to its end, so that requests that begin alike (a second ask, a second task on one image, an
answer after its thought) share it. Blocks without users keep their content until the space is needed; the least recently used goes
first.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

BlockName = bytes


class OutOfBlocks(Exception):
    """Every block is in use."""


class BlockPool:
    def __init__(self, num_blocks: int, block_tokens: int) -> None:
        self.num_blocks, self.block_tokens = num_blocks, block_tokens
        self._free = list(range(num_blocks - 1, -1, -1))
        self._users = [0] * num_blocks
        self._name_of: list[BlockName | None] = [None] * num_blocks
        self._named: dict[BlockName, int] = {}
        self._unused: OrderedDict[int, None] = OrderedDict()
        """Blocks without users whose content is still valid, least recently used first."""

    @property
    def num_available(self) -> int:
        return len(self._free) + len(self._unused)

    def take(self) -> int:
        """An empty block with one user. Raises OutOfBlocks."""
        if self._free:
            block = self._free.pop()
        elif self._unused:
            block, _ = self._unused.popitem(last=False)
            self._forget(block)
        else:
            raise OutOfBlocks
        self._users[block] = 1
        return block

    def count_known(self, names: Sequence[BlockName]) -> int:
        """Number of blocks that `share` would give."""
        known = 0
        while known < len(names) and names[known] in self._named:
            known += 1
        return known

    def share(self, names: Sequence[BlockName]) -> list[int]:
        """The blocks of the longest known beginning, each with one more user."""
        blocks = [self._named[name] for name in names[: self.count_known(names)]]
        for block in blocks:
            self._users[block] += 1
            self._unused.pop(block, None)
        return blocks

    def publish(self, block: int, name: BlockName) -> None:
        """Allows sharing of a block that is full and computed. If the name is taken already, it stays with its first block."""
        if self._name_of[block] is None and name not in self._named:
            self._name_of[block] = name
            self._named[name] = block

    def release(self, blocks: Sequence[int]) -> None:
        """Takes one user from each block. The last blocks are reused first, because a beginning is worth more than an end."""
        for block in reversed(blocks):
            self._users[block] -= 1
            if self._users[block] == 0:
                if self._name_of[block] is None:
                    self._free.append(block)
                else:
                    self._unused[block] = None

    def discard(self, blocks: Sequence[int]) -> list[int]:
        """Releases blocks with invalid content. Gives those without other users, which are not shared any more."""
        spoilt = [block for block in blocks if self._users[block] == 1]
        for block in spoilt:
            self._forget(block)
        self.release(blocks)
        return spoilt

    def _forget(self, block: int) -> None:
        name = self._name_of[block]
        if name is not None:
            del self._named[name]
            self._name_of[block] = None


def extend_names(names: list[BlockName], identity: Sequence[int], block_tokens: int) -> None:
    """Appends the names of those full blocks of `identity` that have none yet. `identity` has ids for tokens, and for atoms numbers
    below zero that are unique to their image."""
    for index in range(len(names), len(identity) // block_tokens):
        content = array("q", identity[index * block_tokens : (index + 1) * block_tokens]).tobytes()
        names.append(blake2b((names[-1] if names else b"") + content, digest_size=16).digest())
