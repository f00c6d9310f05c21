"""The protocol of all engines. Engines know images, prompts and answers; nothing of documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.errors import EXIT_INCOMPLETE, EndsRun
from schemas.failure import Failure, Task
from schemas.page import NO_EDGES, PageEdges, PageImage, Region, TextLayer

StopReason = Literal["stop", "length", "loop", "cancelled", "error"]


class EngineStartError(EndsRun):
    """The engine cannot start (missing weights, no endpoint). One sentence for the operator; ends the run."""


class EngineUnavailable(EngineStartError):
    """Not now: the store with the weights does not answer, or asks to come back. The same command may do later."""

    exit_code = EXIT_INCOMPLETE


@dataclass(frozen=True)
class Prompt:
    """What is asked, and under which version: a change of the text is a change of the version."""

    text: str
    version: str


@dataclass(frozen=True)
class Request:
    """One question about one image."""

    label: str
    """For logs, and for `scripted` to choose by: `<uri>#page=<page_index>[&region=<region_index>]`. No other engine looks at it."""
    task: Task
    image: PageImage
    prompt: Prompt
    answer_schema: Mapping[str, Any] | None
    """JSON schema of the answer; None: free text, which is read as Markdown."""
    max_output_tokens: int
    temperature: float = 0.0
    repetition_penalty: float = 1.0
    """Above 1 on a later ask, after a loop."""
    answer_prefix: str = ""
    """The answer goes on from here (the part before a loop). `Completion.text` includes it. Engines that cannot ignore it."""
    ask: int = 0
    """0, then one more each time the same question is asked again."""
    text_layer: TextLayer | None = None
    """The PDF's own words for this image, in its pixels, where there are any."""
    regions: tuple[Region, ...] = ()
    """Parts of this image that may be figures or charts, by how they are drawn."""
    edges: PageEdges = NO_EDGES
    """What stands at the edges of the document's pages around this one."""
    is_blank: bool = False


@dataclass(frozen=True)
class Completion:
    """What an engine said, or why it said nothing (`failure`). Never raised: one request's error ends that request."""

    text: str = ""
    stop_reason: StopReason = "stop"
    num_prompt_tokens: int | None = None
    num_output_tokens: int | None = None
    mean_logprob: float | None = None
    """Of the unmasked distribution, over content tokens; None where the engine has none."""
    min_logprob: float | None = None
    grammar_overrides: float | None = None
    """Share of steps whose best token the grammar forbade."""
    confidence: float | None = None
    """0..1, the engine's own figure (classic: mean recognition score)."""
    text_origin: Literal["model", "text_layer", "ocr"] = "model"
    is_literal: bool = False
    """The answer's text is that of the page, character by character; False: it is Markdown."""
    flags: tuple[str, ...] = field(default=())
    failure: Failure | None = None
    """With the stop reason `stop`, `text` is kept beside it: the best there is, and not all that is right."""
    num_tries: int = 1
    """Requests sent over the wire, retries included."""
    engine_s: float | None = None
    """Seconds at work on this request, without its wait in the engine's own queue; None: the engine has no queue, and does not
    tell."""


@dataclass(frozen=True)
class EngineInfo:
    """What identifies an engine in a recipe and in every row."""

    name: str
    model: str | None = None
    revision: str | None = None
    tasks: tuple[Task, ...] = ("ocr", "chart")
    takes_prompts: bool = True
    """False: a changed prompt changes none of its answers, and so not its recipe."""
    takes_prefix: bool = False
    """It can go on from `Request.answer_prefix`."""
    sees_regions: bool = False
    """Where figures may be changes the text that it reads, and so does `regions`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """All else of the engine that changes its answers."""
    chart_options: Mapping[str, Any] = field(default_factory=dict)
    """What changes its answers about charts, and no others."""


class Engine(Protocol):
    """Built in the reader process by `make_engine`; `read` is called many times at once on one event loop."""

    async def start(self) -> str | None:
        """Load and check; gives what it runs on, in a few words, where that is news. Raises EngineStartError."""

    async def read(self, request: Request) -> Completion: ...  # the engine batches whatever is in flight

    async def close(self) -> None: ...


@runtime_checkable
class OnDevice(Protocol):
    """An engine that knows how long its device has worked; of any other it is known when a request was at it."""

    @property
    def device_s(self) -> float:
        """Seconds since the start."""
