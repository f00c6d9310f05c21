"""Constrains answers to their JSON schema by llguidance, token by token.

Numbers are limited to 0 to 1, like the shares of boxes on which Ovis2.5 was trained; without a limit the model could write `1e999`,
which no float holds. Only the escapes `\\n`, `\\"` and `\\\\` are allowed, because JSON reads the LaTeX `\\frac` as a form feed and
`rac`. Whitespace is fixed to what models write by themselves, so that it cannot go on for ever. Texts have no length limit, because
that makes masks slow.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from llguidance import LLExecutor, LLMatcher
from llguidance.hf import from_tokenizer
from llguidance.numpy import fill_next_token_bitmask_par, fill_next_token_bitmask_par_with_draft_tokens
from torch import Tensor

# llguidance.torch has the same two functions, but importing it brings in torch's compiler: 2.4 CPU s at each start of a reader.

OPTIONS = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False, "json_allowed_escapes": 'n"\\'}


class GrammarError(Exception):
    """The schema cannot be compiled."""


class Grammars:
    """Makes matchers. A grammar is compiled once per schema and copied for each request."""

    def __init__(self, tokenizer: Any, vocab_size: int, stops: Sequence[int], num_threads: int | None = None) -> None:
        # One end token ends a grammar. The others are forbidden inside it, like every token that does not fit.
        self.tokenizer = from_tokenizer(tokenizer, n_vocab=vocab_size, eos_token=list(stops))
        self._executor = LLExecutor(num_threads=num_threads)
        self._pristine: dict[str, LLMatcher] = {}
        self.num_words = -(-vocab_size // 32)

    def matcher(self, schema: Mapping[str, Any]) -> LLMatcher:
        """A new matcher at the beginning of an answer. Raises GrammarError."""
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
        """A mask [rows, words] int32 that allows every token."""
        return torch.full((rows, self.num_words), -1, dtype=torch.int32, pin_memory=pinned)

    def fill(self, mask: Tensor, matchers: Sequence[tuple[LLMatcher, int]]) -> None:
        """Writes what each matcher allows next into its row of `mask`, in parallel and without the GIL."""
        fill_next_token_bitmask_par(self._executor, list(matchers), mask.numpy())

    def fill_along(self, mask: Tensor, matchers: Sequence[tuple[LLMatcher, int, list[int]]]) -> None:
        """Like `fill`, with a draft for each matcher that is not empty: rows from the given one on are what is allowed before the
        draft, and after each of its tokens. The matchers stay where they are."""
        fill_next_token_bitmask_par_with_draft_tokens(self._executor, list(matchers), mask.numpy())


def bounded(schema: Any) -> Any:
    """The schema with `minimum` 0 and `maximum` 1 for each number without bounds of its own."""
    if isinstance(schema, Mapping):
        inner = {key: bounded(value) for key, value in schema.items()}
        return {"minimum": 0, "maximum": 1} | inner if schema.get("type") == "number" else inner
    return [bounded(item) for item in schema] if isinstance(schema, list) else schema
