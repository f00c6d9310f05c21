"""Continuous batching: requests enter a batch when there is room, leave it when they are done, and the next takes their place.

A turn is: encode some pictures, prefill whole prompts (packed), decode one token of every running request. On CUDA the host is one
token behind: the next forward is launched from tokens that are still on the device, and while it runs the last ones are read,
grammars advanced and masks filled. On the CPU there is nothing to hide behind, and the host looks first.
"""

import logging
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.engines.ovis.blocks import BlockPool, OutOfBlocks
from workers.engines.ovis.cycles import CHECK_EVERY
from workers.engines.ovis.decoder import Decoder, Row
from workers.engines.ovis.device import is_sticky
from workers.engines.ovis.encoder import Encoder
from workers.engines.ovis.grammar import Grammars
from workers.engines.ovis.sampling import Controls, choose
from workers.engines.ovis.sequence import End, Picture, Sequence

log = logging.getLogger(__name__)

MAX_PREFILL_TOKENS = 8192
"""Tokens of one packed prefill; a longer prompt goes alone. Pages fit, so prompts are never cut."""


@dataclass
class Statistics:
    num_decode_steps: int = 0
    num_decoded: int = 0
    num_prefilled: int = 0
    num_shared: int = 0
    """Prompt tokens that were found in the cache."""
    num_preemptions: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0


@dataclass
class Pending:
    """Tokens sampled on the device, on their way to the host."""

    sequences: list[Sequence]
    tokens: Tensor
    logprobs: Tensor
    overridden: Tensor
    arrived: "torch.cuda.Event | None"


class Scheduler:
    """Not thread-safe: `add`, `cancel` and `turn` belong to one thread."""

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        grammars: Grammars | None,
        embed_prompt: Callable[[Tensor, Tensor | None], Tensor],
        *,
        max_batch: int,
        is_ahead: bool | None = None,
    ) -> None:
        self.decoder, self.encoder, self.grammars, self._embed_prompt = decoder, encoder, grammars, embed_prompt
        self.device = decoder.device
        self.is_ahead = self.device.type == "cuda" if is_ahead is None else is_ahead
        self.pool = BlockPool(decoder.num_blocks, decoder.block_tokens)
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.statistics = Statistics()
        self._pending: deque[Pending] = deque()
        self._slots = list(range(max_batch - 1, -1, -1))
        self._last = torch.zeros(max_batch, dtype=torch.long, device=self.device)
        """The last token of each slot's request."""
        self._seen: Tensor | None = None
        """[slots, vocabulary] bool, made when a request first asks for a repetition penalty."""
        # Two, because a prefill's masks are filled while the last decode's may still be on their way to the device.
        pinned = self.device.type == "cuda"
        self._masks_of = {kind: grammars.allocate(max_batch, pinned=pinned) for kind in ("prefill", "decode")} if grammars else {}

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running and not self._pending

    def add(self, sequence: Sequence) -> None:
        """Queues it. A request that can never fit ends at once."""
        if sequence.num_prompt + 1 > self.decoder.max_tokens:
            self._finish(
                sequence, "error", f"the prompt has {sequence.num_prompt} tokens; {self.decoder.max_tokens - 1} are the limit here"
            )
            return
        sequence.max_new_tokens = min(sequence.max_new_tokens, self.decoder.max_tokens - sequence.num_prompt)
        sequence.update_names(self.pool.block_tokens)
        self.waiting.append(sequence)

    @torch.inference_mode()
    def turn(self) -> bool:
        """One round. False when there was nothing to do."""
        self._sweep()
        worked = self._encode()
        if admitted := self._admit():
            self._prefill(admitted)
            worked = True
        if self.running or self._pending:
            self._decode()
            worked = True
        return worked

    # what leaves before its time

    def _sweep(self) -> None:
        now = time.monotonic()
        for sequence in [*self.waiting, *self.running]:
            if sequence.is_cancelled:
                self._finish(sequence, "cancelled")
            elif sequence.deadline is not None and now > sequence.deadline:
                self._finish(sequence, "timeout")

    def _finish(self, sequence: Sequence, end: End, error: str = "") -> None:
        """Ends it wherever it is; its blocks stay in the cache until they are needed."""
        if sequence.end is not None:
            return
        sequence.end, sequence.error = end, error
        if sequence in self.running:
            self._leave(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        try:
            sequence.done(sequence)
        except Exception:
            log.exception("a finished request could not be handed back")

    def _leave(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._publish(sequence)
        self.pool.release(sequence.blocks)
        sequence.blocks, sequence.num_written, sequence.num_published = array("q"), 0, 0
        self._slots.append(sequence.slot)
        sequence.slot = -1

    def _publish(self, sequence: Sequence) -> None:
        """Full blocks whose tokens are known and written may be shared."""
        sequence.update_names(self.pool.block_tokens)
        full = min(sequence.num_written, len(sequence.tokens)) // self.pool.block_tokens
        for index in range(sequence.num_published, full):
            self.pool.publish(sequence.blocks[index], sequence.names[index])
        sequence.num_published = max(sequence.num_published, full)

    # pictures

    def _encode(self) -> bool:
        wanted: list[Picture] = []
        for sequence in self.waiting:
            if len(wanted) >= self.encoder.ahead:
                break
            if sequence.pictures and sequence.needs_atoms(self._num_known(sequence)):
                wanted += sequence.pictures  # the first request's in any case, however many
        if not wanted:
            return False
        num_encoded, errors = self.encoder.run(wanted)
        for sequence in [*self.waiting] if errors else []:
            for picture in sequence.pictures:
                if (error := errors.get(picture.digest)) is not None:
                    self._finish(sequence, "error", f"the image could not be encoded: {type(error).__name__}: {error}")
        return num_encoded > 0 or bool(errors)

    def _num_known(self, sequence: Sequence) -> int:
        """Tokens at its beginning that the cache holds; the last token is always computed, for its logits."""
        return self.pool.count_known(self._shareable(sequence)) * self.pool.block_tokens

    def _shareable(self, sequence: Sequence) -> list[bytes]:
        return sequence.names[: (len(sequence.tokens) - 1) // self.pool.block_tokens]

    # admission and prefill

    def _admit(self) -> list[Sequence]:
        """Waiting requests in their order, as long as there are slots, blocks and pictures for them. One that begins like
        another of the same batch waits a turn, and then finds that beginning computed."""
        admitted: list[Sequence] = []
        beginnings: set[bytes] = set()
        num_tokens = 0
        while self.waiting and self._slots:
            sequence = self.waiting[0]
            names = self._shareable(sequence)
            known = self.pool.count_known(names)
            num_known = known * self.pool.block_tokens
            num_new = len(sequence.tokens) - num_known
            needs_atoms = sequence.needs_atoms(num_known)
            if needs_atoms and not self.encoder.has(sequence.pictures):
                break
            if admitted and (num_tokens + num_new > MAX_PREFILL_TOKENS or (known < len(names) and names[known] in beginnings)):
                break
            shared = self.pool.share(names)
            num_blocks = -(-len(sequence.tokens) // self.pool.block_tokens) - len(shared)
            spare = len(self.running) + len(admitted)  # each running request may need a block soon
            if self.pool.num_available < num_blocks + (min(spare, 8) if self.running or admitted else 0):
                self.pool.release(shared)
                break
            self.waiting.popleft()
            sequence.blocks = array("q", [*shared, *(self.pool.take() for _ in range(num_blocks))])
            sequence.num_written, sequence.num_published = num_known, len(shared)
            if not sequence.num_preemptions:
                sequence.num_shared = num_known
                self.statistics.num_shared += num_known
            sequence.slot = self._slots.pop()
            beginnings.update(names[known : known + 1])
            num_tokens += num_new
            admitted.append(sequence)
        return admitted

    def _prefill(self, sequences: list[Sequence]) -> None:
        started = time.perf_counter()
        self.running += sequences
        try:
            logits = self._forward_prompts(sequences)
        except Exception as error:
            if is_sticky(error):
                raise
            log.warning("a prefill of %d requests failed: %s", len(sequences), error)
            if len(sequences) == 1:
                self._finish(sequences[0], "error", f"{type(error).__name__}: {error}")
                return
            for sequence in reversed(sequences):
                self._leave_unwritten(sequence)
            for sequence in sequences:  # one by one: whose fault it is shows when each goes alone
                self.waiting.remove(sequence)
                self.waiting.appendleft(sequence)
                for admitted in self._admit_first():
                    self._prefill([admitted])
            return
        for sequence in sequences:
            self.statistics.num_prefilled += len(sequence.tokens) - sequence.num_written
            sequence.num_written = len(sequence.tokens)
            self._publish(sequence)
        self._begin_slots(sequences)
        self._sample(sequences, logits, "prefill")
        self.statistics.prefill_s += time.perf_counter() - started

    def _admit_first(self) -> list[Sequence]:
        rest = list(self.waiting)[1:]
        first = self.waiting[0]
        self.waiting = deque([first])
        admitted = self._admit()
        self.waiting.extend(rest)
        return admitted

    def _leave_unwritten(self, sequence: Sequence) -> None:
        """Back to the queue after a prefill that failed: nothing it was to write may be shared."""
        self.running.remove(sequence)
        self.pool.release(sequence.blocks)
        sequence.blocks, sequence.num_written, sequence.num_published = array("q"), 0, 0
        self._slots.append(sequence.slot)
        sequence.slot = -1
        self.waiting.appendleft(sequence)

    def _forward_prompts(self, sequences: list[Sequence]) -> Tensor:
        embedded, rows = [], []
        for sequence in sequences:
            ids = torch.tensor(sequence.tokens[sequence.num_written :])
            atoms = None
            if sequence.needs_atoms(sequence.num_written):
                atoms = sequence.atoms_from(sequence.num_written, self.encoder.atoms(sequence.pictures))
            embedded.append(self._embed_prompt(ids, atoms))
            rows.append(Row(sequence.blocks, len(sequence.tokens), len(ids)))
        return self.decoder.forward(torch.cat(embedded), rows)

    def _begin_slots(self, sequences: list[Sequence]) -> None:
        """What a slot remembers on the device belongs to its new request from here on."""
        for sequence in sequences:
            if sequence.sampling.repetition_penalty != 1.0:
                if self._seen is None:
                    self._seen = torch.zeros(len(self._last), self.decoder.vocab_size, dtype=torch.bool, device=self.device)
                self._seen[sequence.slot] = False
                if sequence.answer:
                    self._seen[sequence.slot, torch.tensor(sequence.answer).to(self.device, non_blocking=True)] = True

    # decoding

    def _decode(self) -> None:
        started = time.perf_counter()
        if not self.is_ahead:
            self._consume()
        batch = self._room_for_one_more()
        logits = None
        if batch:
            slots = self._slots_of(batch)
            rows = [Row(sequence.blocks, sequence.num_written + 1, 1) for sequence in batch]
            try:
                logits = self.decoder.forward(self.decoder.embed(self._last[slots]), rows)
            except Exception as error:
                if is_sticky(error):
                    raise
                self._consume()
                self._shed(batch, error)
                return
            for sequence in batch:
                sequence.num_written += 1
            self.statistics.num_decode_steps += 1
            self.statistics.num_decoded += len(batch)
        if self.is_ahead:
            self._consume()
        if logits is not None:
            self._sample(batch, logits, "decode")
        self.statistics.decode_s += time.perf_counter() - started

    def _room_for_one_more(self) -> list[Sequence]:
        """The running requests that go on, each with a block for its next token. When blocks run out the youngest goes back to the
        queue (its beginning stays in the cache as long as it can); a request alone that fills the whole cache ends as `length`."""
        for sequence in [sequence for sequence in self.running if sequence.may_go_on]:
            while sequence in self.running and len(sequence.blocks) * self.pool.block_tokens < sequence.num_written + 1:
                try:
                    sequence.blocks.append(self.pool.take())
                except OutOfBlocks:
                    if self._pending:
                        self._consume()  # what is in flight must be known before anyone leaves
                    elif len(self.running) == 1:
                        self._finish(sequence, "length")
                    else:
                        self._preempt(self.running[-1])
        return [sequence for sequence in self.running if sequence.may_go_on]

    def _preempt(self, sequence: Sequence) -> None:
        self.statistics.num_preemptions += 1
        sequence.num_preemptions += 1
        self._leave(sequence)
        self.waiting.appendleft(sequence)

    def _shed(self, batch: list[Sequence], error: Exception) -> None:
        """A decode that failed: out of memory sheds the younger half, anything else ends the batch (each request by itself)."""
        alive = [sequence for sequence in batch if sequence in self.running]
        if isinstance(error, torch.OutOfMemoryError) and len(alive) > 1:
            log.warning("out of memory while decoding %d requests; half of them go back to the queue", len(alive))
            torch.cuda.empty_cache()
            for sequence in reversed(alive[len(alive) // 2 :]):
                self._preempt(sequence)
            return
        log.error("decoding %d requests failed: %s", len(alive), error)
        for sequence in alive:
            self._finish(sequence, "error", f"{type(error).__name__}: {error}")

    def _sample(self, sequences: list[Sequence], logits: Tensor, kind: str) -> None:
        """Chooses on the device and starts the copy to the host. Requests that ended meanwhile are chosen for and then ignored."""
        slots = self._slots_of(sequences)
        choice = choose(logits, self._masks(sequences, kind), self._controls(sequences, slots))
        alive = torch.tensor([sequence.slot >= 0 for sequence in sequences])
        if not bool(alive.all()):
            keep = alive.nonzero()[:, 0].to(self.device, non_blocking=True)
            slots, tokens = slots[keep], choice.tokens[keep]
        else:
            tokens = choice.tokens
        self._last[slots] = tokens
        if self._seen is not None:
            self._seen[slots, tokens] = True
        for sequence in sequences:
            sequence.num_in_flight += 1
        self._pending.append(self._to_host(sequences, choice.tokens, choice.logprobs, choice.overridden))

    def _to_host(self, sequences: list[Sequence], tokens: Tensor, logprobs: Tensor, overridden: Tensor) -> Pending:
        if self.device.type != "cuda":
            return Pending(list(sequences), tokens, logprobs, overridden, None)
        host = [
            torch.empty_like(x, device="cpu", pin_memory=True).copy_(x, non_blocking=True) for x in (tokens, logprobs, overridden)
        ]
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        return Pending(list(sequences), host[0], host[1], host[2], arrived)

    def _slots_of(self, sequences: list[Sequence]) -> Tensor:
        return torch.tensor([sequence.slot for sequence in sequences]).to(self.device, non_blocking=True)

    def _masks(self, sequences: list[Sequence], kind: str) -> Tensor | None:
        """[rows, words]; None when no row has a grammar."""
        bound = [
            (sequence.matcher, row)
            for row, sequence in enumerate(sequences)
            if sequence.matcher is not None and sequence.end is None
        ]
        if not bound or self.grammars is None:
            return None
        mask = self._masks_of[kind][: len(sequences)]
        mask.fill_(-1)
        self.grammars.fill(mask, bound)
        return mask.to(self.device, non_blocking=True)

    def _controls(self, sequences: list[Sequence], slots: Tensor) -> Controls:
        controls = Controls()
        if any(sequence.sampling.repetition_penalty != 1.0 for sequence in sequences) and self._seen is not None:
            controls.penalty = self._of([sequence.sampling.repetition_penalty for sequence in sequences])
            controls.seen = self._seen[slots]
        if any(sequence.sampling.temperature > 0 for sequence in sequences):
            controls.temperature = self._of([sequence.sampling.temperature for sequence in sequences])
            controls.top_k = self._of([sequence.sampling.top_k for sequence in sequences])
            controls.top_p = self._of([sequence.sampling.top_p for sequence in sequences])
            controls.uniform = self._of([sequence.random.random() for sequence in sequences])
        return controls

    def _of(self, values: list[float]) -> Tensor:
        return torch.tensor(values).to(self.device, non_blocking=True)

    # what the tokens mean

    def _consume(self) -> None:
        """Reads the tokens in flight: grammars advance, requests that are done leave."""
        while self._pending:
            pending = self._pending.popleft()
            if pending.arrived is not None:
                pending.arrived.synchronize()
            tokens, logprobs, overridden = pending.tokens.tolist(), pending.logprobs.tolist(), pending.overridden.tolist()
            for row, sequence in enumerate(pending.sequences):
                sequence.num_in_flight -= 1
                if sequence.end is None:
                    self._hear(sequence, tokens[row], logprobs[row], overridden[row])

    def _hear(self, sequence: Sequence, token: int, logprob: float, overridden: bool) -> None:
        if logprob != logprob:
            self._finish(sequence, "error", "the model gave no number (NaN) for this request")
            return
        if sequence.matcher is not None:
            sequence.num_overridden += overridden
            if not sequence.matcher.consume_token(token):
                self._finish(sequence, "error", f"the grammar refused its own token: {sequence.matcher.get_error()}")
                return
        sequence.append(token)
        sequence.logprobs.append(logprob)
        if token in sequence.stops or (sequence.matcher is not None and sequence.matcher.is_stopped()):
            self._finish(sequence, "stop")
        elif sequence.num_new >= sequence.max_new_tokens:
            self._finish(sequence, "length")
        elif sequence.is_loop is not None and sequence.num_new % CHECK_EVERY == 0 and sequence.is_loop(sequence.answer):
            self._finish(sequence, "loop")
