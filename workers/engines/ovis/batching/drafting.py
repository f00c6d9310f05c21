"""The drafts that a decode step checks: how long each may be, and what of it can be accepted at all."""

from collections.abc import Sequence as Many

import torch

from workers.engines.ovis.attention.cache_attention import MAX_QUERIES
from workers.engines.ovis.batching.sequence import Sequence
from workers.engines.ovis.decoding.decoder import MAX_STEP_TOKENS, BatchRow, Decoder
from workers.engines.ovis.decoding.kernels import clocked
from workers.engines.ovis.drafts.depth import StepCost

MIN_SHARE = 0.25
"""Share of the running requests that must have a draft to check, if the batch is halved for it."""


CPU_ROWS, ROUNDS = 4, 2
"""Rows of a measured step on the CPU, and how often it is measured: a step of the real model takes seconds there."""


@torch.inference_mode()
def step_cost(decoder: Decoder, max_batch: int) -> StepCost:
    """Measures a step of half a batch with one token a row and with the most tokens. Attention over a long past is left out: it
    reads the same bytes for one token as for several, so the true break-even is lower."""
    rows = CPU_ROWS if decoder.device.type == "cpu" else MAX_STEP_TOKENS // MAX_QUERIES
    rows = max(1, min(rows, (max_batch + 1) // 2, decoder.num_blocks))

    def seconds(queries: int) -> float:
        step = [BatchRow([row], queries, queries) for row in range(rows)]
        tokens = torch.arange(rows * queries, device=decoder.device) % decoder.vocab_size
        return clocked(lambda: decoder.decode(tokens, step), decoder.device, rounds=ROUNDS)

    try:
        one, most = seconds(1), seconds(MAX_QUERIES)
    finally:
        decoder.wipe(range(rows))
    token_s = max(0.0, most - one) / (rows * (MAX_QUERIES - 1))
    return StepCost(base_s=max(0.0, one - rows * token_s), token_s=token_s)


class Drafting:
    """Asks the drafters. `cost`: of a decode step here."""

    def __init__(self, cost: StepCost) -> None:
        self.cost = cost

    def pays(self, sequences: Many[Sequence], *, is_halved: bool) -> bool:
        """True if the next step should check drafts."""
        hopeful = 0
        for sequence in sequences:
            if self._most(sequence, len(sequences)) > 0:
                hopeful += 1
            else:
                sequence.depth.rest()
        return hopeful > 0 and (not is_halved or hopeful >= MIN_SHARE * len(sequences))

    def drafts(self, sequences: Many[Sequence]) -> list[list[int]]:
        """For each request the tokens to check, which all fit into the step; [] for none."""
        most = min(MAX_QUERIES, max(1, MAX_STEP_TOKENS // len(sequences))) - 1
        return [self._draft(sequence, min(most, self._most(sequence, len(sequences)))) for sequence in sequences]

    def _most(self, sequence: Sequence, num_rows: int) -> int:
        if sequence.drafter is None or sequence.sampling.repetition_penalty != 1.0:
            return 0
        left = sequence.max_new_tokens - sequence.num_new - 1  # the step's own token comes behind the draft
        return min(left, sequence.depth.most(self.cost.break_even(num_rows)))

    def _draft(self, sequence: Sequence, most: int) -> list[int]:
        """Up to `most` tokens, up to the first that ends the answer or breaks its grammar."""
        if most <= 0 or sequence.drafter is None:
            return []
        draft = sequence.drafter.propose(sequence.answer, most)[:most]
        for at, token in enumerate(draft):
            if token in sequence.stops:
                draft = draft[:at]
                break
        if draft and sequence.matcher is not None:
            draft = draft[: sequence.matcher.validate_tokens(draft)]
        return draft
