"""Answers held to their JSON schema by llguidance, token by token.

Numbers lie between 0 and 1, as the shares of boxes do that Ovis2.5 was trained on (unbounded, `1e999` could be said, which no float
holds). Only the escapes `\\n`, `\\"` and `\\\\` may be written: JSON would read the LaTeX `\\frac` as a form feed and `rac`.
Whitespace is fixed as models write it by themselves, so that none of it can go on for ever. Texts have no length limit: it makes
masks slow.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from llguidance import LLExecutor, LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.torch import fill_next_token_bitmask_par
from torch import Tensor

OPTIONS = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False, "json_allowed_escapes": 'n"\\'}


class GrammarError(Exception):
    """The schema cannot be compiled, or the answer left it."""


class Grammars:
    """Compiled once per schema, copied for each request."""

    def __init__(self, tokenizer: Any, vocab_size: int, stops: Sequence[int], num_threads: int | None = None) -> None:
        # One end token is enough to end a grammar; the others are forbidden inside it like any token that fits nowhere.
        self.tokenizer = from_tokenizer(tokenizer, n_vocab=vocab_size, eos_token=list(stops))
        self._executor = LLExecutor(num_threads=num_threads)
        self._pristine: dict[str, LLMatcher] = {}
        self.num_words = -(-vocab_size // 32)

    def matcher(self, schema: Mapping[str, Any]) -> LLMatcher:
        """Fresh, at the beginning of an answer. Raises GrammarError."""
        text = json.dumps(bounded(schema), sort_keys=False)
        if text not in self._pristine:
            try:
                grammar = LLMatcher.grammar_from_json_schema(text, overrides=OPTIONS)
            except ValueError as error:
                raise GrammarError(str(error)) from error
            matcher = LLMatcher(self.tokenizer, grammar, log_level=0)
            if matcher.is_error():
                raise GrammarError(matcher.get_error().strip().splitlines()[0])
            self._pristine[text] = matcher
        return self._pristine[text].deep_copy()

    def allocate(self, rows: int, *, pinned: bool) -> Tensor:
        """[rows, words] int32, everything allowed."""
        return torch.full((rows, self.num_words), -1, dtype=torch.int32, pin_memory=pinned)

    def fill(self, mask: Tensor, matchers: Sequence[tuple[LLMatcher, int]]) -> None:
        """What each matcher allows next, into its row of `mask`; in parallel, without the interpreter's lock."""
        fill_next_token_bitmask_par(self._executor, list(matchers), mask)


def bounded(schema: Any) -> Any:
    """The same with `minimum` 0 and `maximum` 1 for each number that has no bounds of its own."""
    if isinstance(schema, Mapping):
        inner = {key: bounded(value) for key, value in schema.items()}
        return {"minimum": 0, "maximum": 1} | inner if schema.get("type") == "number" else inner
    return [bounded(item) for item in schema] if isinstance(schema, list) else schema
