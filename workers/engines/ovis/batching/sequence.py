"""One request inside the scheduler: its tokens, the place of its keys and values, and its limits."""

import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from workers.engines.ovis.batching.blocks import BlockName, extend_names
from workers.engines.ovis.drafts.depth import Depth
from workers.engines.ovis.drafts.drafter import Drafter
from workers.engines.ovis.model.prompt import ATOM

End = Literal["stop", "length", "loop", "cancelled", "timeout", "error"]


@dataclass(eq=False)
class Picture:
    """An image on its way through the vision tower. Requests about the same pixels share one."""

    digest: bytes
    levels: npt.NDArray[np.uint8] = field(repr=False)
    grid: tuple[int, int, int]
    num_atoms: int


@dataclass(frozen=True)
class Sampling:
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0 for all tokens."""
    min_p: float = 0.0
    """Least probability of a token, relative to the best one's."""
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(eq=False)
class Sequence:
    """A request. `tokens` are those of the prompt, then those of the answer; marks below zero stand for atoms and indicators."""

    tokens: list[int]
    pictures: tuple[Picture, ...]
    max_new_tokens: int
    stops: frozenset[int]
    sampling: Sampling = Sampling()
    matcher: Any = None
    """llguidance's matcher at the beginning of the answer, or behind its given prefix; None for free text."""
    num_given: int = 0
    """Number of tokens at the prompt's end that are the answer's beginning."""
    is_loop: Callable[[list[int]], bool] | None = None
    """True if the answer repeats itself. It is called now and then, and ends the request as `loop`."""
    deadline: float | None = None
    """time.monotonic() after which the request ends as `timeout`."""
    drafter: Drafter | None = None
    """Proposes next tokens; None if there is nothing to propose from."""
    done: Callable[["Sequence"], None] = lambda sequence: None
    """Called once when the request has ended, on the scheduler's thread."""

    num_prompt: int = field(init=False)
    number: int = -1
    """Number in the order of arrival."""
    num_written: int = 0
    """Number of tokens whose keys and values are in `blocks`."""
    blocks: "array[int]" = field(default_factory=lambda: array("q"))
    names: list[BlockName] = field(default_factory=list)
    num_published: int = 0
    slot: int = -1
    num_in_flight: int = 0
    """Number of tokens that were sampled on the device and that the host has not read yet."""
    logprobs: list[float] = field(default_factory=list)
    num_overridden: int = 0
    end: End | None = None
    error: str = ""
    is_cancelled: bool = False
    fault: str = ""
    """Error that happened while the next token was chosen. The request ends with it."""
    is_suspect: bool = False
    """True after its prefill failed together with others. It goes alone then, to find the request at fault."""
    num_shared: int = 0
    """Prompt tokens that were in the cache at the first admission."""
    num_preemptions: int = 0
    num_drafted: int = 0
    """Draft tokens that were checked."""
    num_accepted: int = 0
    seated_at: float = 0.0
    seated_s: float = 0.0
    """Seconds in the batch, without those in the queue."""

    def __post_init__(self) -> None:
        self.tokens = list(self.tokens)  # a copy, because the list grows
        self.num_prompt = len(self.tokens)
        self.depth = Depth()
        self._random, self._uniforms = random.Random(self.sampling.seed), array("d")
        self._identity = self._identify(self.tokens)

    @property
    def new_tokens(self) -> list[int]:
        return self.tokens[self.num_prompt :]

    @property
    def answer(self) -> list[int]:
        """The tokens of the answer: its given beginning, and the new ones."""
        return self.tokens[self.num_prompt - self.num_given :]

    @property
    def num_new(self) -> int:
        return len(self.tokens) - self.num_prompt

    @property
    def may_go_on(self) -> bool:
        """True if another token may be sampled after those in flight."""
        return self.end is None and self.num_new + self.num_in_flight < self.max_new_tokens

    def uniform(self, index: int) -> float:
        """The number in [0, 1) that decides the new token `index`, whether it is chosen alone or along a draft."""
        while len(self._uniforms) <= index:
            self._uniforms.append(self._random.random())
        return self._uniforms[index]

    def append(self, token: int) -> None:
        self.tokens.append(token)
        self._identity.append(token)

    def update_names(self, block_tokens: int) -> None:
        extend_names(self.names, self._identity, block_tokens)

    def atoms_from(self, num_written: int, atoms: Tensor) -> Tensor:
        """The atoms that the prompt still needs, out of all atoms of its pictures, if its first `num_written` tokens are cached."""
        return atoms[self.tokens[:num_written].count(ATOM) :]

    def needs_atoms(self, num_written: int) -> bool:
        return ATOM in self.tokens[num_written : self.num_prompt]

    def _identify(self, tokens: list[int]) -> list[int]:
        """Token ids, in which each atom has a number that is unique to its image (from 62 bits of the image's digest, counting
        down)."""
        identity = list(tokens)
        at = (index for index, token in enumerate(tokens) if token == ATOM)
        for picture in self.pictures:
            base = -(int.from_bytes(picture.digest[:8], "big") >> 2) - 1000
            for atom in range(picture.num_atoms):
                identity[next(at)] = base - atom
        return identity
