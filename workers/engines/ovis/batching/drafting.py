"""The drafts that a decode step checks: how long each may be, and what of it can be accepted at all."""

from collections.abc import Sequence as Many

from workers.engines.ovis.attention.cache_attention import MAX_QUERIES
from workers.engines.ovis.batching.decoder import MAX_STEP_TOKENS
from workers.engines.ovis.batching.sequence import Sequence
from workers.engines.ovis.drafts.depth import StepCost

MIN_SHARE = 0.25
"""Share of the running requests that must have a draft to check, if the batch is halved for it."""


class Drafting:
    """Asks the drafters. `cost`: of a decode step here."""

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost

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
        return min(left, sequence.depth.most(self._cost.break_even(num_rows)))

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
