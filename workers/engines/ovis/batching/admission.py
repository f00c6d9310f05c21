"""Admission: which requests wait, which run, and which blocks they hold. Requests are admitted in order, and the youngest leaves
when blocks run out."""

import itertools
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable

from workers.engines.ovis.batching.blocks import BlockPool, OutOfBlocks
from workers.engines.ovis.batching.sequence import Sequence

MAX_PREFILL_TOKENS = 8192
"""Most tokens of one packed prefill. A longer prompt goes alone. Pages fit, so prompts are never cut."""
MAX_SPARE_BLOCKS = 8
"""Most blocks that an admission keeps free for running requests. With more, a nearly full cache would stay half empty."""


class Admission:
    """The queue of waiting requests and the list of running ones. A running request has arrived before every waiting one. This
    class only counts; it computes nothing on the device."""

    def __init__(self, pool: BlockPool, num_slots: int) -> None:
        self.pool = pool
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._slots = list(range(num_slots - 1, -1, -1))
        self._numbers = itertools.count()

    @property
    def youngest(self) -> Sequence:
        """The running request that came last. It leaves first, so the oldest always advances and no request waits for ever."""
        return max(self.running, key=lambda sequence: sequence.number)

    def put(self, sequence: Sequence) -> None:
        """Adds a request at the end of the queue."""
        sequence.number = next(self._numbers)
        sequence.update_names(self.pool.block_tokens)
        self.waiting.append(sequence)

    def admit(self, has_atoms: Callable[[Sequence], bool]) -> list[Sequence]:
        """Admits waiting requests in order, as long as there are slots, blocks and encoded pictures for them, and gives them.

        A request that begins like another of the same batch waits a turn, and then finds that beginning in the cache.
        """
        admitted: list[Sequence] = []
        beginnings: set[bytes] = set()
        num_tokens = 0
        while self.waiting and self._slots:
            sequence = self.waiting[0]
            names = self._shareable(sequence)
            known = self.pool.count_known(names)
            num_known = known * self.pool.block_tokens
            num_new = len(sequence.tokens) - num_known
            if sequence.needs_atoms(num_known) and not has_atoms(sequence):
                break
            is_like_another = known < len(names) and names[known] in beginnings
            if admitted and (sequence.is_suspect or is_like_another or num_tokens + num_new > MAX_PREFILL_TOKENS):
                break
            shared = self.pool.share(names)
            num_blocks = -(-len(sequence.tokens) // self.pool.block_tokens) - len(shared)
            if self.pool.num_available < num_blocks + min(len(self.running), MAX_SPARE_BLOCKS):
                self.pool.release(shared)
                break
            self.waiting.popleft()
            self._seat(sequence, [*shared, *(self.pool.take() for _ in range(num_blocks))], num_known)
            beginnings.update(names[known : known + 1])
            num_tokens += num_new
            admitted.append(sequence)
            if sequence.is_suspect:
                break
        return admitted

    def _seat(self, sequence: Sequence, blocks: Iterable[int], num_known: int) -> None:
        sequence.blocks = array("q", blocks)
        sequence.num_written, sequence.num_published = num_known, num_known // self.pool.block_tokens
        if not sequence.num_preemptions and not sequence.is_suspect:
            sequence.num_shared = num_known
        sequence.slot, sequence.seated_at = self._slots.pop(), time.monotonic()
        self.running.append(sequence)

    def grow(self, sequence: Sequence) -> bool:
        """Makes room for the request's next token. False if every block is in use."""
        if len(sequence.blocks) * self.pool.block_tokens > sequence.num_written:
            return True
        try:
            sequence.blocks.append(self.pool.take())
        except OutOfBlocks:
            return False
        return True

    def room_for(self, sequence: Sequence, num_tokens: int) -> int:
        """Makes room for up to `num_tokens` next tokens of a request that has room for one, without a block that another running
        request may need at once. Gives the number that fits."""
        wanted = -(-(sequence.num_written + num_tokens) // self.pool.block_tokens)
        while len(sequence.blocks) < wanted and self.pool.num_available > len(self.running):
            sequence.blocks.append(self.pool.take())
        return min(num_tokens, len(sequence.blocks) * self.pool.block_tokens - sequence.num_written)

    def leave(self, sequence: Sequence) -> None:
        """Removes the request, waiting or running. Its full blocks stay in the cache for requests that begin alike, until the space
        is needed."""
        if sequence.slot < 0:
            if sequence in self.waiting:
                self.waiting.remove(sequence)
            return
        self.publish(sequence)
        self._unseat(sequence)

    def discard(self, sequence: Sequence) -> list[int]:
        """Removes a running request whose keys and values are invalid. Gives the blocks that it alone has used."""
        spoilt = self.pool.discard(sequence.blocks)
        sequence.blocks = array("q")
        self._unseat(sequence)
        return spoilt

    def put_back(self, sequences: Iterable[Sequence], *, is_written: bool) -> None:
        """Moves running requests to the head of the queue, in their order. `is_written` is False after a failed prefill, whose
        blocks must not be shared."""
        for sequence in sorted(sequences, key=lambda sequence: -sequence.number):
            if is_written:
                self.publish(sequence)
            self._unseat(sequence)
            self.waiting.appendleft(sequence)

    def publish(self, sequence: Sequence) -> None:
        """Allows sharing of the request's full blocks whose tokens are known and written."""
        sequence.update_names(self.pool.block_tokens)
        full = min(sequence.num_written, len(sequence.tokens)) // self.pool.block_tokens
        for index in range(sequence.num_published, full):
            self.pool.publish(sequence.blocks[index], sequence.names[index])
        sequence.num_published = max(sequence.num_published, full)

    def num_known(self, sequence: Sequence) -> int:
        """Number of tokens at the request's beginning that the cache holds."""
        return self.pool.count_known(self._shareable(sequence)) * self.pool.block_tokens

    def _shareable(self, sequence: Sequence) -> list[bytes]:
        """Names of the blocks that the request may share. The last token is left out, because it must be computed for its
        logits."""
        return sequence.names[: (len(sequence.tokens) - 1) // self.pool.block_tokens]

    def _unseat(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.pool.release(sequence.blocks)
        sequence.blocks, sequence.num_written, sequence.num_published = array("q"), 0, 0
        self._slots.append(sequence.slot)
        sequence.slot = -1
        sequence.seated_s += time.monotonic() - sequence.seated_at
