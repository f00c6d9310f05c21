"""The steps on the device: a forward of whole packed prompts, a forward of one token of each request, and the choice of the
next."""

from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from workers.engines.ovis.attention.transfer import pinned, to_device
from workers.engines.ovis.batching.decoder import BatchRow, Decoder
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.sampling import Choice, Controls, choose
from workers.engines.ovis.batching.sequence import Sequence

Kind = Literal["prefill", "decode"]


@dataclass
class Pending:
    """Tokens that were chosen on the device and are on their way to the host."""

    sequences: list[Sequence]
    choice: Choice
    arrived: "torch.cuda.Event | None"

    def rows(self) -> list[tuple[Sequence, int, float, bool]]:
        """(sequence, token, log probability, whether the grammar forbade the best token). It waits until they have arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        choice = self.choice
        return list(zip(self.sequences, choice.tokens.tolist(), choice.logprobs.tolist(), choice.overridden.tolist(), strict=True))


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
        pinned = self.device.type == "cuda"
        # Two masks, because a prefill fills its own while the last decode's may still be on their way to the device.
        self._masks_of = {kind: grammars.allocate(num_slots, pinned=pinned) for kind in ("prefill", "decode")} if grammars else {}

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
        """Logits after each request's last token, which may be on the device only."""
        rows = [BatchRow(sequence.blocks, sequence.num_written + 1, 1) for sequence in sequences]
        return self.decoder.decode(self._last[self._slots(sequences)], rows)

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
        """Sets the last tokens to those that the host knows, after a step has failed halfway."""
        for sequence in sequences:
            self._last[sequence.slot] = sequence.tokens[-1]

    def choose(self, sequences: Many[Sequence], logits: Tensor, kind: Kind) -> Pending:
        """Chooses the next tokens and starts their copy to the host. Tokens of requests that have ended meanwhile are ignored
        later."""
        slots = self._slots(sequences)
        choice = choose(logits, self._masks(sequences, kind), self._controls(sequences, slots))
        pending = Pending(list(sequences), *self._to_host(choice))
        tokens = choice.tokens
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

    def _masks(self, sequences: Many[Sequence], kind: Kind) -> Tensor | None:
        """The mask [rows, words]; None if no row has a grammar. A matcher that fails costs only its own request."""
        bound = [(sequence, row) for row, sequence in enumerate(sequences) if sequence.matcher is not None and sequence.end is None]
        if not bound or self.grammars is None:
            return None
        mask = self._masks_of[kind][: len(sequences)]
        mask.fill_(-1)
        try:
            self.grammars.fill(mask, [(sequence.matcher, row) for sequence, row in bound])
        except Exception:  # noqa: BLE001  # each is filled alone next, to find the one at fault
            for sequence, row in bound:
                try:
                    self.grammars.fill(mask, [(sequence.matcher, row)])
                except Exception as error:  # noqa: BLE001
                    sequence.fault = f"the grammar's mask could not be filled: {type(error).__name__}: {error}"
        return mask.to(self.device, non_blocking=True)

    def _controls(self, sequences: Many[Sequence], slots: Tensor) -> Controls:
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
        return self._here(values, np.float32)

    def _here(self, values: Many[float], dtype: type[np.generic]) -> Tensor:
        (there,) = to_device(self.device, np.array(values, dtype=dtype))
        return there
