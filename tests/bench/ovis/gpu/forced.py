"""An answer that is given, whatever random weights say: a page as JSON, held to its grammar as the product does it, and drafts of
which a known share is right."""

import json
import random
import tempfile
from collections.abc import Sequence as Many
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from schemas.answers import answer_schema
from tests.workers.engines.ovis.tiny import write_tokenizer
from workers.engines.ovis.attention.transfer import to_device
from workers.engines.ovis.batching.grammar import Grammars
from workers.engines.ovis.batching.sequence import Sequence
from workers.engines.ovis.batching.steps import Kind, Pending, Steps
from workers.engines.ovis.checkpoint.loading import read_tokenizer

HIGH = 1e4
"""A logit above all others."""
WORDS = ("total", "value", "of", "the", "first", "and", "second", "row", "in", "table", "what", "they", "describe", "x")


def tokenizer_of(folder: str | None) -> Any:
    """The tokenizer of a checkpoint, or a small one that is made here."""
    if folder is not None:
        return read_tokenizer(Path(folder))
    with tempfile.TemporaryDirectory() as made:
        write_tokenizer(Path(made))
        return read_tokenizer(Path(made))


class Answer:
    """The first tokens of a page as JSON, and the grammar that they keep to."""

    def __init__(self, tokenizer: Any, vocab_size: int, num_tokens: int) -> None:
        rng = random.Random(0)
        said = [{"paragraph": " ".join(rng.choices(WORDS, k=60))} for _ in range(num_tokens // 40 + 1)]
        text = json.dumps({"languages": ["en"], "blocks": said})
        self.tokens: list[int] = tokenizer.encode(text, add_special_tokens=False)[:num_tokens]
        self.grammars = Grammars(tokenizer, vocab_size, [tokenizer.convert_tokens_to_ids("<|im_end|>")])
        self.wrong: int = tokenizer.encode("x", add_special_tokens=False)[0]
        assert len(self.tokens) == num_tokens
        assert self.matcher().try_consume_tokens(self.tokens) == num_tokens

    def matcher(self) -> Any:
        return self.grammars.matcher(answer_schema("ocr"))

    def force(self, steps: Steps) -> None:
        """Raises the logit of the answer's next token in each step, before it is chosen: one small kernel more."""
        choose = steps.choose

        def forced(sequences: Many[Sequence], logits: Tensor, kind: Kind, drafts: Many[list[int]] = ()) -> Pending:
            tokens = [
                self.tokens[min(sequence.num_new + sequence.num_in_flight + place, len(self.tokens) - 1)]
                for sequence, draft in zip(sequences, drafts or [[]] * len(sequences), strict=True)
                for place in range(1 + len(draft))
            ]
            (there,) = to_device(logits.device, np.array(tokens))
            return choose(sequences, logits.scatter_(1, there[:, None], HIGH), kind, drafts)

        steps.choose = forced  # type: ignore[method-assign]


class Guess:
    """Proposes the answer, in which each token is right with the chance `share`."""

    def __init__(self, answer: Answer, share: float, seed: int) -> None:
        self._answer, self._share, self._random = answer, share, random.Random(seed)

    def propose(self, answer: Many[int], most: int) -> list[int]:
        told = self._answer.tokens[len(answer) : len(answer) + most]
        return [token if self._random.random() < self._share else self._answer.wrong for token in told]
