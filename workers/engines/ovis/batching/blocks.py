"""Which block of the key/value cache belongs to whom. Counts only; the tensors live in `decoder`.

A full block is named by all tokens up to its end, so that requests that begin alike (a second ask, a second task on one image,
an answer after its thought) share it. Nobody's blocks keep their content until the space is needed, least recently used first.
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
        """Blocks without users whose content is still good, least recently used first."""

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
        """How many of the first blocks `share` would give."""
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
        """The block is full and its content computed: others may share it. A name that is taken already stays with its first."""
        if self._name_of[block] is None and name not in self._named:
            self._name_of[block] = name
            self._named[name] = block

    def release(self, blocks: Sequence[int]) -> None:
        """One user less for each. The last blocks become the first to be reused: a beginning is worth more than an end."""
        for block in reversed(blocks):
            self._users[block] -= 1
            if self._users[block] == 0:
                if self._name_of[block] is None:
                    self._free.append(block)
                else:
                    self._unused[block] = None

    def discard(self, blocks: Sequence[int]) -> list[int]:
        """Like `release`, for content that is no good: those that nobody else uses, which nobody will share from here on."""
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
    """Appends the names of the full blocks of `identity` that have none yet. `identity` tells tokens and atoms apart: ids for
    tokens, numbers below zero for the atoms of one very image."""
    for index in range(len(names), len(identity) // block_tokens):
        content = array("q", identity[index * block_tokens : (index + 1) * block_tokens]).tobytes()
        names.append(blake2b((names[-1] if names else b"") + content, digest_size=16).digest())
