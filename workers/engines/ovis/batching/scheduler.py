"""Continuous batching: requests enter a batch when there is room, leave it when they are done, and the next takes their place.

A turn encodes some pictures, prefills whole prompts (packed), and decodes one token of every running request. On CUDA the host is
one token behind: the next forward starts from tokens that are still on the device, and while it runs the host reads the last ones,
advances grammars and fills masks. On the CPU nothing would run in parallel, so the host reads first.

With drafts the host must know a request's last token before it can propose the next ones. Two halves of the batch take turns then:
the device computes one while the host reads and drafts for the other.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.engines.ovis.batching.accept_token import NO_NUMBER, accept_token
from workers.engines.ovis.batching.admission import Admission
from workers.engines.ovis.batching.blocks import BlockPool
from workers.engines.ovis.batching.drafting import Drafting
from workers.engines.ovis.batching.encoder import ImageEncoder
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.sequence import End, Picture, Sequence
from workers.engines.ovis.batching.steps import Pending, Steps
from workers.engines.ovis.decoding.decoder import Decoder
from workers.engines.ovis.decoding.device import is_sticky

log = logging.getLogger(__name__)


@dataclass
class Statistics:
    num_decode_steps: int = 0
    num_prefilled: int = 0
    num_shared: int = 0
    """Prompt tokens that were found in the cache."""
    num_preemptions: int = 0
    num_drafted: int = 0
    """Draft tokens that were checked."""
    num_accepted: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0


class Scheduler:
    """Not thread-safe: `add` and `turn` belong to one thread. Any thread may set a sequence's `is_cancelled`."""

    def __init__(
        self,
        decoder: Decoder,
        encoder: ImageEncoder,
        grammars: Grammars | None,
        embed_prompt: Callable[[Tensor, Tensor | None], Tensor],
        *,
        max_batch: int,
        is_ahead: bool | None = None,
        drafting: Drafting | None = None,
    ) -> None:
        """`drafting`: None for steps of one token each, whatever drafters the requests have."""
        self.decoder, self.encoder = decoder, encoder
        self.is_ahead = decoder.device.type == "cuda" if is_ahead is None else is_ahead
        self.steps = Steps(decoder, grammars, embed_prompt, max_batch)
        self.pool = BlockPool(decoder.num_blocks, decoder.block_tokens)
        self.admission = Admission(self.pool, max_batch)
        self.drafting = drafting
        self.statistics = Statistics()
        self._pending: deque[Pending] = deque()

    @property
    def in_flight(self) -> list[Sequence]:
        """All requests that have not ended."""
        return [*self.admission.running, *self.admission.waiting]

    @property
    def is_idle(self) -> bool:
        return not self.admission.waiting and not self.admission.running and not self._pending

    def add(self, sequence: Sequence) -> None:
        """Queues a request. A request that can never fit ends at once."""
        most = self.decoder.max_tokens - 1
        if sequence.num_prompt > most:
            self._finish(sequence, "error", f"the prompt has {sequence.num_prompt} tokens; {most} are the limit here")
            return
        sequence.max_new_tokens = min(sequence.max_new_tokens, self.decoder.max_tokens - sequence.num_prompt)
        self.admission.put(sequence)

    @torch.inference_mode()
    def turn(self) -> bool:
        """Does one turn. False if there was nothing to do."""
        self._sweep()
        worked = self._encode()
        if admitted := self.admission.admit(lambda sequence: self.encoder.has(sequence.pictures)):
            self._prefill(admitted)
            worked = True
        if self.admission.running or self._pending:
            self._decode()
            worked = True
        return worked

    def _sweep(self) -> None:
        """Ends requests that were cancelled or have timed out, waiting or running."""
        now = time.monotonic()
        for sequence in self.in_flight:
            if sequence.is_cancelled:
                self._finish(sequence, "cancelled")
            elif sequence.deadline is not None and now > sequence.deadline:
                self._finish(sequence, "timeout")

    def _finish(self, sequence: Sequence, end: End, error: str = "") -> None:
        if sequence.end is not None:
            return
        sequence.end, sequence.error = end, error
        if error == NO_NUMBER:
            self.decoder.wipe(self.admission.discard(sequence))
            self.encoder.forget(sequence.pictures)
        else:
            self.admission.leave(sequence)
        try:
            sequence.done(sequence)
        except Exception:
            log.exception("a finished request could not be handed back")

    def _encode(self) -> bool:
        """Encodes pictures of the next requests in one pass of the vision tower."""
        wanted: list[Picture] = []
        for sequence in self.admission.waiting:
            if len(wanted) >= self.encoder.ahead:
                break
            if sequence.pictures and sequence.needs_atoms(self.admission.num_known(sequence)):
                wanted += sequence.pictures  # those of the first request in any case, however many
        if not wanted:
            return False
        num_encoded, errors = self.encoder.run(wanted)
        for sequence in list(self.admission.waiting) if errors else []:
            for picture in sequence.pictures:
                if (error := errors.get(picture.digest)) is not None:
                    self._finish(sequence, "error", f"the image could not be encoded: {type(error).__name__}: {error}")
        return num_encoded > 0 or bool(errors)

    def _prefill(self, sequences: list[Sequence]) -> None:
        started = time.perf_counter()
        try:
            logits = self.steps.prompts(sequences, lambda sequence: self.encoder.atoms(sequence.pictures))
            self.steps.begin(sequences)
            pending = self.steps.choose(sequences, logits, "prefill")
        except Exception as error:
            if is_sticky(error):
                raise
            log.warning("a prefill of %d requests failed: %s", len(sequences), error)
            if len(sequences) == 1:
                self._finish(sequences[0], "error", f"{type(error).__name__}: {error}")
                return
            for sequence in sequences:
                sequence.is_suspect = True  # each goes alone next, to find the one at fault
            self.admission.put_back(sequences, is_written=False)
            return
        for sequence in sequences:
            self.statistics.num_prefilled += len(sequence.tokens) - sequence.num_written
            self.statistics.num_shared += sequence.num_written if not sequence.num_preemptions else 0
            sequence.num_written, sequence.is_suspect = len(sequence.tokens), False
            self.admission.publish(sequence)
        self._expect(pending)
        self.statistics.prefill_s += time.perf_counter() - started

    def _decode(self) -> None:
        started = time.perf_counter()
        if not self.is_ahead:
            self._consume()
        if self.drafting is not None and self.drafting.pays(self.admission.running, is_halved=self.is_ahead):
            self._decode_drafts(self.drafting)
        else:
            self._decode_one_each()
        self.statistics.decode_s += time.perf_counter() - started

    def _decode_one_each(self) -> None:
        if any(pending.drafts for pending in self._pending):
            self._consume()
        if batch := self._with_room(self.admission.running):
            try:
                logits = self.steps.next(batch)
                if self.is_ahead:
                    self._consume()
                pending = self.steps.choose(batch, logits, "decode")
            except Exception as error:
                if is_sticky(error):
                    raise
                self._consume()
                self._shed(batch, error)
                return
            self._decoded(batch, pending)
        elif self.is_ahead:
            self._consume()

    def _decode_drafts(self, drafting: Drafting) -> None:
        """A step with drafts, of requests whose tokens are all known: all of them, or half if another step is under way
        meanwhile."""
        self._consume(but=1)
        known = [sequence for sequence in self.admission.running if not sequence.num_in_flight]
        if self.is_ahead:
            known = known[: (len(self.admission.running) + 1) // 2]
        batch = self._with_room(known)
        if not batch:
            self._consume()
            return
        try:
            drafts = [
                draft[: self.admission.room_for(sequence, 1 + len(draft)) - 1]
                for sequence, draft in zip(batch, drafting.drafts(batch), strict=True)
            ]
            logits = self.steps.check(batch, drafts)
            pending = self.steps.choose(batch, logits, "decode", drafts)
        except Exception as error:
            if is_sticky(error):
                raise
            self._consume()
            self._shed(batch, error)
            return
        self._decoded(batch, pending)

    def _decoded(self, batch: list[Sequence], pending: Pending) -> None:
        for sequence in batch:
            sequence.num_written += sequence.slot >= 0
        self._expect(pending)
        self.statistics.num_decode_steps += 1

    def _with_room(self, sequences: Many[Sequence]) -> list[Sequence]:
        """Those of the running requests that go on, each with a block for its next token. If blocks run out, the youngest goes back
        to the queue, and its beginning stays in the cache as long as possible. A single request that fills the whole cache ends as
        `length`."""
        going_on = [sequence for sequence in sequences if sequence.may_go_on]
        for sequence in going_on:
            while sequence.slot >= 0 and not self.admission.grow(sequence):
                if self._pending:
                    self._consume()  # tokens in flight must be known before a request leaves
                elif len(self.admission.running) == 1:
                    self._finish(sequence, "length")
                else:
                    self._preempt([self.admission.youngest])
        return [sequence for sequence in going_on if sequence.slot >= 0 and sequence.may_go_on]

    def _preempt(self, sequences: list[Sequence]) -> None:
        for sequence in sequences:
            self.statistics.num_preemptions += 1
            sequence.num_preemptions += 1
        self.admission.put_back(sequences, is_written=True)

    def _shed(self, batch: list[Sequence], error: Exception) -> None:
        """Handles a failed decode. Out of memory sends the younger half back to the queue; any other error ends each request of the
        batch."""
        alive = sorted((sequence for sequence in batch if sequence.slot >= 0), key=lambda sequence: sequence.number)
        if isinstance(error, torch.OutOfMemoryError) and len(alive) > 1:
            log.warning("out of memory while decoding %d requests; half of them go back to the queue", len(alive))
            torch.cuda.empty_cache()
            kept = (len(alive) + 1) // 2
            self.steps.recall(alive[:kept])
            self._preempt(alive[kept:])
            return
        log.error("decoding %d requests failed: %s", len(alive), error)
        for sequence in alive:
            self._finish(sequence, "error", f"{type(error).__name__}: {error}")

    def _expect(self, pending: Pending) -> None:
        for sequence in pending.sequences:
            sequence.num_in_flight += 1
        self._pending.append(pending)

    def _consume(self, but: int = 0) -> None:
        """Reads the tokens in flight, those of the last `but` steps left out. Requests that are done leave."""
        while len(self._pending) > but:
            pending = self._pending.popleft()
            for (sequence, chosen), draft in zip(pending.rows(), pending.drafts or [[]] * len(pending.sequences), strict=True):
                sequence.num_in_flight -= 1
                if sequence.end is not None:
                    continue
                if draft:
                    self._learn(sequence, len(chosen) - 1, len(draft))
                for token, logprob, is_overridden in chosen:
                    try:
                        ended = accept_token(sequence, token, logprob, is_overridden)
                    except Exception as error:  # noqa: BLE001  # one request's error ends that request
                        ended = "error", f"{type(error).__name__}: {error}"
                    if ended is not None:
                        self._finish(sequence, *ended)
                        break

    def _learn(self, sequence: Sequence, num_accepted: int, num_drafted: int) -> None:
        sequence.num_written += num_accepted  # their keys and values are in the cache already
        sequence.num_drafted += num_drafted
        sequence.num_accepted += num_accepted
        sequence.depth.learn(num_accepted, num_drafted)
        self.statistics.num_drafted += num_drafted
        self.statistics.num_accepted += num_accepted
