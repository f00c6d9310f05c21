"""One request inside the scheduler: what it says so far, where its keys and values are, how it may go on."""

import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from workers.engines.ovis.batching.blocks import BlockName, extend_names
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
    """0: all."""
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(eq=False)
class Sequence:
    """`tokens` are the prompt's and then the answer's; marks below zero stand for what is no text."""

    tokens: list[int]
    pictures: tuple[Picture, ...]
    max_new_tokens: int
    stops: frozenset[int]
    sampling: Sampling = Sampling()
    matcher: Any = None
    """llguidance's, at the beginning of the answer (or behind its given prefix); None: free text."""
    num_given: int = 0
    """The last tokens of the prompt that are the answer's beginning already."""
    is_loop: Callable[[list[int]], bool] | None = None
    """Looked at now and then: does the answer go round in circles? Then it ends as `loop`."""
    deadline: float | None = None
    """time.monotonic() after which it ends as `timeout`."""
    done: Callable[["Sequence"], None] = lambda sequence: None
    """Called once, from the scheduler's thread."""

    num_prompt: int = field(init=False)
    number: int = -1
    """By arrival."""
    num_written: int = 0
    """Tokens whose keys and values are in `blocks`."""
    blocks: "array[int]" = field(default_factory=lambda: array("q"))
    names: list[BlockName] = field(default_factory=list)
    num_published: int = 0
    slot: int = -1
    num_in_flight: int = 0
    """Tokens sampled on the device that the host has not seen yet."""
    logprobs: list[float] = field(default_factory=list)
    num_overridden: int = 0
    end: End | None = None
    error: str = ""
    is_cancelled: bool = False
    fault: str = ""
    """What broke while its next token was chosen; it ends with that."""
    is_suspect: bool = False
    """Its prefill failed in company; it goes alone, which shows whose fault it was."""
    num_shared: int = 0
    """Prompt tokens found in the cache at the first admission."""
    num_preemptions: int = 0
    seated_at: float = 0.0
    seated_s: float = 0.0
    """Time in the batch, without that in the queue."""

    def __post_init__(self) -> None:
        self.tokens = list(self.tokens)  # it grows; whoever made it keeps theirs
        self.num_prompt = len(self.tokens)
        self.random = random.Random(self.sampling.seed)
        self._identity = self._identify(self.tokens)

    @property
    def new_tokens(self) -> list[int]:
        return self.tokens[self.num_prompt :]

    @property
    def answer(self) -> list[int]:
        """What was given of it and what was added."""
        return self.tokens[self.num_prompt - self.num_given :]

    @property
    def num_new(self) -> int:
        return len(self.tokens) - self.num_prompt

    @property
    def may_go_on(self) -> bool:
        """Another token may be sampled after those in flight."""
        return self.end is None and self.num_new + self.num_in_flight < self.max_new_tokens

    def append(self, token: int) -> None:
        self.tokens.append(token)
        self._identity.append(token)

    def update_names(self, block_tokens: int) -> None:
        extend_names(self.names, self._identity, block_tokens)

    def atoms_from(self, num_written: int, atoms: Tensor) -> Tensor:
        """Of all atoms of its pictures, those that the prompt still needs when its first `num_written` tokens are cached."""
        return atoms[self.tokens[:num_written].count(ATOM) :]

    def needs_atoms(self, num_written: int) -> bool:
        return ATOM in self.tokens[num_written : self.num_prompt]

    def _identify(self, tokens: list[int]) -> list[int]:
        """Token ids, with numbers instead of atoms that no other image has (63 bits of its digest, counted on)."""
        identity = list(tokens)
        at = (index for index, token in enumerate(tokens) if token == ATOM)
        for picture in self.pictures:
            base = -(int.from_bytes(picture.digest[:8], "big") >> 2) - 1000
            for atom in range(picture.num_atoms):
                identity[next(at)] = base - atom
        return identity
