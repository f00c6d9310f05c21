"""The steps on the device: a forward of whole packed prompts, a forward of the last token of each request, alone or with a draft
behind it, and the choice of the next tokens."""

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass
from itertools import accumulate, chain, cycle, islice, takewhile
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from workers.engines.ovis.attention.transfer import pinned, to_device
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.sequence import Sequence
from workers.engines.ovis.decoding.decoder import MAX_STEP_TOKENS, BatchRow, Decoder
from workers.engines.ovis.decoding.sampling import Choice, Controls, Heat, choose

Kind = Literal["prefill", "decode"]
KINDS: tuple[Kind, ...] = ("prefill", "decode")


class Chosen(NamedTuple):
    token: int
    logprob: float
    is_overridden: bool
    """True if the grammar forbade the model's best token."""


@dataclass
class Pending:
    """Tokens that were chosen on the device and are on their way to the host."""

    sequences: list[Sequence]
    drafts: Many[list[int]]
    """For each sequence the tokens that were checked; empty for a step of one token each."""
    choice: Choice
    """Of each sequence's last token, and of each token of its draft, one after the other."""
    arrived: "torch.cuda.Event | None"

    def rows(self) -> list[tuple[Sequence, list[Chosen]]]:
        """For each sequence its next tokens: one, and one more for each draft token that the model has chosen itself. It waits
        until they have arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        choice = self.choice
        every = map(Chosen, choice.tokens.tolist(), choice.logprobs.tolist(), choice.overridden.tolist())
        rows = []
        for sequence, draft in zip(self.sequences, self.drafts or [[]] * len(self.sequences), strict=True):
            own = list(islice(every, 1 + len(draft)))
            num_accepted = sum(1 for _ in takewhile(lambda pair: pair[0].token == pair[1], zip(own, draft, strict=False)))
            rows.append((sequence, own[: num_accepted + 1]))
        return rows


class Steps:
    """Runs the steps. It keeps the last token of each slot on the device, so that a forward can start before the host has read
    it."""

    def __init__(
        self,
        decoder: Decoder,
        grammars: Grammars | None,
        embed_prompt: Callable[[Tensor, Tensor | None], Tensor],
        num_slots: int,
    ) -> None:
        self.decoder, self.grammars, self._embed_prompt = decoder, grammars, embed_prompt
        self.device = decoder.device
        self._last = torch.zeros(num_slots, dtype=torch.long, device=self.device)
        self._seen: Tensor | None = None
        """[slots, vocabulary] bool: tokens that each request has produced. It is made when a request first has a repetition
        penalty."""
        self._knows_last = True
        """False after a step with drafts, whose last tokens only the host knows."""
        self._masks_of: dict[Kind, Iterator[Tensor]] = {}
        if grammars is not None:
            # Two masks of a kind take turns, because the last ones may still be on their way to the device.
            rows, is_pinned = max(num_slots, MAX_STEP_TOKENS), self.device.type == "cuda"
            for kind in KINDS:
                self._masks_of[kind] = cycle([grammars.allocate(rows, pinned=is_pinned) for _ in range(2)])

    def prompts(self, sequences: Many[Sequence], atoms: Callable[[Sequence], Tensor]) -> Tensor:
        """Logits after each request's last token. Only tokens that are not in the cache are computed."""
        embedded, rows = [], []
        for sequence in sequences:
            ids = torch.tensor(sequence.tokens[sequence.num_written :])
            own = None
            if sequence.needs_atoms(sequence.num_written):
                own = sequence.atoms_from(sequence.num_written, atoms(sequence))
            embedded.append(self._embed_prompt(ids, own))
            rows.append(BatchRow(sequence.blocks, len(sequence.tokens), len(ids)))
        return self.decoder.forward(torch.cat(embedded), rows)

    def next(self, sequences: Many[Sequence]) -> Tensor:
        """Logits after each request's last token, which may be on the device only. After a step with drafts the host must know all
        tokens."""
        if not self._knows_last:
            self.recall(sequences)
            self._knows_last = True
        rows = [BatchRow(sequence.blocks, sequence.num_written + 1, 1) for sequence in sequences]
        return self.decoder.decode(self._last[self._slots(sequences)], rows)

    def check(self, sequences: Many[Sequence], drafts: Many[list[int]]) -> Tensor:
        """Logits after each request's last token, which the host must know, and after each token of its draft."""
        rows = [
            BatchRow(sequence.blocks, sequence.num_written + 1 + len(draft), 1 + len(draft))
            for sequence, draft in zip(sequences, drafts, strict=True)
        ]
        tokens = [token for sequence, draft in zip(sequences, drafts, strict=True) for token in (sequence.tokens[-1], *draft)]
        self._knows_last = False
        return self.decoder.decode(self._here(tokens, np.int64), rows)

    def begin(self, sequences: Many[Sequence]) -> None:
        """Resets what the slots keep, for their new requests."""
        for sequence in sequences:
            if sequence.sampling.repetition_penalty != 1.0:
                if self._seen is None:
                    self._seen = torch.zeros(len(self._last), self.decoder.vocab_size, dtype=torch.bool, device=self.device)
                self._seen[sequence.slot] = False
                if sequence.answer:
                    self._seen[sequence.slot, self._here(sequence.answer, np.int64)] = True

    def recall(self, sequences: Many[Sequence]) -> None:
        """Sets the last tokens to those that the host knows, after a step with drafts or one that has failed halfway."""
        self._last[self._slots(sequences)] = self._here([sequence.tokens[-1] for sequence in sequences], np.int64)

    def choose(self, sequences: Many[Sequence], logits: Tensor, kind: Kind, drafts: Many[list[int]] = ()) -> Pending:
        """Chooses the next tokens and starts their copy to the host. Tokens of requests that have ended meanwhile are ignored
        later. `drafts`: those that were checked; requests with a repetition penalty have none, because it changes along them."""
        slots = self._slots(sequences)
        masks = self._masks(sequences, kind, drafts)
        choice = choose(logits, masks, self._controls(sequences, slots, drafts))
        pending = Pending(list(sequences), drafts, *self._to_host(choice))
        tokens = choice.tokens
        if any(drafts):
            tokens = tokens[self._here(np.cumsum([0, *(1 + len(draft) for draft in drafts[:-1])]).tolist(), np.int64)]
        kept = [row for row, sequence in enumerate(sequences) if sequence.slot >= 0]
        if len(kept) < len(sequences):
            at = self._here(kept, np.int64)
            slots, tokens = slots[at], tokens[at]
        self._last[slots] = tokens
        if self._seen is not None:
            self._seen[slots, tokens] = True
        return pending

    def _to_host(self, choice: Choice) -> "tuple[Choice, torch.cuda.Event | None]":
        if self.device.type != "cuda":
            return choice, None
        parts = (choice.tokens, choice.logprobs, choice.overridden)
        there = Choice(*(pinned(torch.empty_like(x, device="cpu")).copy_(x, non_blocking=True) for x in parts))
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        return there, arrived

    def _slots(self, sequences: Many[Sequence]) -> Tensor:
        return self._here([sequence.slot for sequence in sequences], np.int64)

    def _masks(self, sequences: Many[Sequence], kind: Kind, drafts: Many[list[int]]) -> Tensor | None:
        """The mask [rows, words] of each token; None if no request has a grammar. A matcher that fails costs only its own
        request."""
        bound = []
        row = 0
        for sequence, draft in zip(sequences, drafts or [[]] * len(sequences), strict=True):
            if sequence.matcher is not None and sequence.end is None:
                bound.append((sequence, row, draft))
            row += 1 + len(draft)
        if not bound or self.grammars is None:
            return None
        mask = next(self._masks_of[kind])[:row]
        mask.fill_(-1)
        try:
            self._fill(mask, bound)
        except Exception:  # noqa: BLE001  # each is filled alone next, to find the one at fault
            for one in bound:
                try:
                    self._fill(mask, [one])
                except Exception as error:  # noqa: BLE001
                    one[0].fault = f"the grammar's mask could not be filled: {type(error).__name__}: {error}"
        return mask.to(self.device, non_blocking=True)

    def _fill(self, mask: Tensor, bound: Many[tuple[Sequence, int, list[int]]]) -> None:
        assert self.grammars is not None
        if alone := [(sequence.matcher, row) for sequence, row, draft in bound if not draft]:
            self.grammars.fill(mask, alone)
        if along := [(sequence.matcher, row, draft) for sequence, row, draft in bound if draft]:
            self.grammars.fill_along(mask, along)

    def _controls(self, sequences: Many[Sequence], slots: Tensor, drafts: Many[list[int]]) -> Controls:
        """The controls of each token: those of its request, and the random number of its place in the answer."""
        counts = [1 + len(draft) for draft in drafts] if drafts else [1] * len(sequences)

        def each(value: Callable[[Sequence], float]) -> Tensor:
            of_row = [[value(sequence)] * count for sequence, count in zip(sequences, counts, strict=True)]
            return self._here(list(chain.from_iterable(of_row)), np.float32)

        controls = Controls()
        if any(sequence.sampling.repetition_penalty != 1.0 for sequence in sequences) and self._seen is not None:
            controls.penalty = each(lambda sequence: sequence.sampling.repetition_penalty)
            seen = self._seen[slots]
            controls.seen = seen.repeat_interleave(self._here(counts, np.int64), 0, output_size=sum(counts)) if drafts else seen
        controls.heat = self._heat(sequences, counts)
        return controls

    def _heat(self, sequences: Many[Sequence], counts: Many[int]) -> Heat | None:
        """The sampled tokens: those of the requests with a temperature. None if there are none."""
        firsts = accumulate(counts, initial=0)
        hot = [
            (first + place, sequence.sampling, sequence.uniform(sequence.num_new + sequence.num_in_flight + place))
            for sequence, first, count in zip(sequences, firsts, counts, strict=False)
            if sequence.sampling.temperature > 0
            for place in range(count)
        ]
        if not hot:
            return None
        ks = [sampling.top_k for _, sampling, _ in hot]
        return Heat(
            rows=self._here([row for row, _, _ in hot], np.int64),
            temperature=self._here([sampling.temperature for _, sampling, _ in hot], np.float32),
            top_k=self._here(ks, np.int64),
            most_k=max(ks) if min(ks) > 0 else 0,
            top_p=self._here([sampling.top_p for _, sampling, _ in hot], np.float32),
            min_p=self._here([sampling.min_p for _, sampling, _ in hot], np.float32),
            uniform=self._here([uniform for _, _, uniform in hot], np.float32),
        )

    def _here(self, values: Many[float], dtype: type[np.generic]) -> Tensor:
        (there,) = to_device(self.device, np.array(values, dtype=dtype))
        return there
