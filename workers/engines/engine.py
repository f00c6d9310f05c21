"""The protocol of all engines. Engines know images, prompts and answers, and nothing of documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.answers import JSON_ANSWER, AnswerShape
from schemas.errors import EXIT_INCOMPLETE, EndsRun
from schemas.failure import Failure, Task
from schemas.page import NO_EDGES, PageEdges, PageImage, Region, TextLayer
from workers.engines.profiles.profile import Profile

StopReason = Literal["stop", "length", "loop", "cancelled", "error"]


class EngineStartError(EndsRun):
    """The engine cannot start (missing weights, no endpoint), which ends the run. The message is one sentence for the operator."""


class EngineUnavailable(EngineStartError):
    """The store with the weights does not answer, or asks to come back later. The same command may succeed then."""

    exit_code = EXIT_INCOMPLETE


@dataclass(frozen=True)
class Prompt:
    """A question and its version. A changed text needs a new version."""

    text: str
    version: str


@dataclass(frozen=True)
class Request:
    """One question about one image."""

    label: str
    """`<uri>#page=<page_index>[&region=<region_index>]`, for logs and for the rules of `scripted`. No other engine uses it."""
    task: Task
    image: PageImage
    prompt: Prompt
    answer_schema: Mapping[str, Any] | None
    """JSON schema of the answer; None for an answer in any other form."""
    max_output_tokens: int
    shape: AnswerShape = JSON_ANSWER
    """The form of the answer, and what its boxes count in."""
    temperature: float = 0.0
    repetition_penalty: float = 1.0
    """Above 1 when the question is asked again after a loop."""
    answer_prefix: str = ""
    """Text that the answer continues (the part before a loop). `Completion.text` includes it. An engine that cannot do this ignores
    it."""
    ask: int = 0
    """0, then one more each time the same question is asked again."""
    draft: str = ""
    """Text that the answer may resemble: an earlier answer to the same question, or what a chart's drawing says. An engine may use
    it to answer faster, never to answer otherwise."""
    text_layer: TextLayer | None = None
    """The PDF's own words for this image, in its pixels; None if there are none."""
    regions: tuple[Region, ...] = ()
    """Parts of this image that may be figures or charts, by how they are drawn."""
    edges: PageEdges = NO_EDGES
    """What stands at the edges of the document's pages around this one."""
    is_blank: bool = False
    is_scan: bool = False
    """One image covers the page."""


@dataclass(frozen=True)
class Completion:
    """An engine's answer, or why there is none (`failure`). An error of one request ends this request only."""

    text: str = ""
    stop_reason: StopReason = "stop"
    num_prompt_tokens: int | None = None
    num_output_tokens: int | None = None
    mean_logprob: float | None = None
    """Mean log probability of the content tokens in the unmasked distribution; None if the engine has none."""
    min_logprob: float | None = None
    grammar_overrides: float | None = None
    """Share of steps whose best token the grammar forbade."""
    confidence: float | None = None
    """The engine's own figure, 0 to 1 (classic: mean recognition score)."""
    text_origin: Literal["model", "text_layer", "ocr"] = "model"
    read_by: str | None = None
    """Program, version and data that read the image in place of the engine's own model; None if that did."""
    is_literal: bool = False
    """True if the answer holds the page's text literally; False if it is Markdown."""
    flags: tuple[str, ...] = field(default=())
    failure: Failure | None = None
    """With the stop reason `stop`, `text` is kept beside it: the best text there is, which is not right throughout."""
    is_declined: bool = False
    """True if the engine leaves the question to another. `failure` is set then, and is nobody's."""
    num_tries: int = 1
    """Number of requests sent over the network, retries included."""
    engine_s: float | None = None
    """Seconds of work on this request, without its wait in the engine's own queue; None for an engine that has no queue and does
    not measure."""


@dataclass(frozen=True)
class EngineInfo:
    """What identifies an engine in a recipe and in every row."""

    name: str
    model: str | None = None
    revision: str | None = None
    tasks: tuple[Task, ...] = ("ocr", "chart")
    takes_prompts: bool = True
    """False if prompts do not change the engine's answers. They are not part of its recipe then."""
    takes_prefix: bool = False
    """True if the engine can continue `Request.answer_prefix`."""
    sees_regions: bool = False
    """True if the places of figures, and so the settings `regions`, change the text that the engine reads."""
    sees_charts: bool = True
    """False if the engine is not asked about charts: they are read from their drawings only."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Everything else of the engine that changes its answers."""
    chart_options: Mapping[str, Any] = field(default_factory=dict)
    """What changes only its answers about charts."""
    profile: Profile | None = None
    """How the model wants to be asked; None for an engine that is asked in our own way only."""
    reads_by: str | None = None
    """What this machine has to read by beside the engine's own model; None for an engine for which machines do not differ."""


class Engine(Protocol):
    """An engine is made in the reader process by `make_engine`. `read` is called many times at once on one event loop."""

    async def start(self) -> str | None:
        """Loads and checks the engine. Gives the device that it runs on in a few words, or None. Raises EngineStartError."""

    async def read(self, request: Request) -> Completion: ...  # the engine batches whatever is in flight

    async def close(self) -> None: ...


@runtime_checkable
class OnDevice(Protocol):
    """An engine that measures how long its device works."""

    @property
    def device_s(self) -> float:
        """Seconds that the device has worked since the start."""
