"""Failures, which say why something has no answer: the closed list of their kinds, and their row."""

from enum import StrEnum
from typing import Literal, NamedTuple

from schemas.frozen import Frozen

Task = Literal["ocr", "chart"]
Stage = Literal["fetch", "probe", "render", "read", "validate", "encode"]

MESSAGE_MAX_CHARS = 500


class FailureKind(StrEnum):
    """The closed list of kinds. `KINDS` says for each what it means and what to do."""

    gone = "gone"
    changed = "changed"
    access_denied = "access_denied"
    throttled = "throttled"
    fetch_failed = "fetch_failed"
    empty = "empty"
    too_large_object = "too_large_object"
    unsupported_type = "unsupported_type"
    encrypted = "encrypted"
    corrupt = "corrupt"
    no_pages = "no_pages"
    too_many_pages = "too_many_pages"
    unreadable = "unreadable"
    too_large = "too_large"
    render_timeout = "render_timeout"
    render_out_of_memory = "render_out_of_memory"
    render_crashed = "render_crashed"
    over_budget = "over_budget"
    engine_unavailable = "engine_unavailable"
    engine_error = "engine_error"
    engine_timeout = "engine_timeout"
    crashed_worker = "crashed_worker"
    unsupported_script = "unsupported_script"
    refused = "refused"
    truncated = "truncated"
    repeated = "repeated"
    bad_json = "bad_json"
    bad_answer = "bad_answer"
    internal_error = "internal_error"


class KindInfo(NamedTuple):
    meaning: str
    what_to_do: str
    is_transient: bool = False
    """True: the next runs try again by themselves, a few times. False: the failure waits for `pagefold retry`."""


KINDS: dict[FailureKind, KindInfo] = {
    FailureKind.gone: KindInfo(
        "the object was listed but no longer there when it was read", "nothing: it is read once it is listed again", True
    ),
    FailureKind.changed: KindInfo(
        "the object changed between listing and reading", "nothing: the next run reads what is there", True
    ),
    FailureKind.access_denied: KindInfo("the store refused to hand the object out", "grant s3:GetObject, then `pagefold retry`"),
    FailureKind.throttled: KindInfo(
        "the store or the engine kept asking us to slow down",
        "lower `engine.max_requests`, or `ray.probe_workers` for the store",
        True,
    ),
    FailureKind.fetch_failed: KindInfo(
        "the object could not be read in full (network, 5xx, truncated body)", "look at the store", True
    ),
    FailureKind.empty: KindInfo("the object has no bytes", "ask whoever wrote it"),
    FailureKind.too_large_object: KindInfo(
        "the object is larger than `fetch.max_object_bytes`", "raise that limit, then `pagefold retry`"
    ),
    FailureKind.unsupported_type: KindInfo("the bytes are neither a PDF nor an image we decode", "convert it, or leave it out"),
    FailureKind.encrypted: KindInfo("no password opens the PDF", "add one to PAGEFOLD_INPUT__PASSWORDS, then `pagefold retry`"),
    FailureKind.corrupt: KindInfo("the file cannot be opened, not even by repair", "ask whoever wrote it"),
    FailureKind.no_pages: KindInfo("the file opens but has no page", "ask whoever wrote it"),
    FailureKind.too_many_pages: KindInfo(
        "pages beyond `render.max_pages` were left unread",
        "raise that limit, then `pagefold retry`, which reads the whole document",
    ),
    FailureKind.unreadable: KindInfo("the renderer refused this page", "ask whoever wrote it"),
    FailureKind.too_large: KindInfo(
        "the page or image has more pixels than we decode", "raise `render.max_decoded_pixels`, then `pagefold retry`"
    ),
    FailureKind.render_timeout: KindInfo(
        "rendering this page took longer than its limit", "raise `render.wall_s` and `render.cpu_s`, then `pagefold retry`"
    ),
    FailureKind.render_out_of_memory: KindInfo(
        "rendering this page took more memory than its limit", "raise `render.memory_bytes`, then `pagefold retry`"
    ),
    FailureKind.render_crashed: KindInfo("the renderer died on this page", "report the file to MuPDF"),
    FailureKind.over_budget: KindInfo(
        "other pages of the document cost too much: the rest of it was left unread, from this page on",
        "raise `render.max_document_faults` or `render.document_s`, then `pagefold retry`",
    ),
    FailureKind.engine_unavailable: KindInfo("the engine could not be reached", "look at the endpoint", True),
    FailureKind.engine_error: KindInfo("the engine failed on this request", "look at the message, then `pagefold retry`"),
    FailureKind.engine_timeout: KindInfo("the engine did not answer in time", "raise `engine.timeout_s`", True),
    FailureKind.crashed_worker: KindInfo("the reader process died on this page, twice", "report it; `pagefold retry` once mended"),
    FailureKind.unsupported_script: KindInfo(
        "the engine does not read this page's script or language",
        "install what the message names (tesseract with the language's data), and the next run reads it; or use the engine "
        "`server` or `ovis`",
    ),
    FailureKind.refused: KindInfo("the model declined to answer", "`pagefold retry` with another model"),
    FailureKind.truncated: KindInfo(
        "the answer hit its length limit; what was read is kept",
        "`pagefold retry` with a larger `read.max_output_tokens` (a `run` with it reads all pages again)",
    ),
    FailureKind.repeated: KindInfo(
        "the answer fell into a loop and stayed there", "`pagefold retry` with another model or resolution"
    ),
    FailureKind.bad_json: KindInfo(
        "the answer is not JSON, even after asking again", "see failures.raw_text; `pagefold retry`, with another model for example"
    ),
    FailureKind.bad_answer: KindInfo(
        "the answer is empty, or JSON of another shape than asked",
        "see failures.raw_text; `pagefold retry`, with another model for example",
    ),
    FailureKind.internal_error: KindInfo(
        "a bug in pagefold or in a library met this page; its traceback is in the log",
        "report it; a newer version reads it again by itself, `pagefold retry` does so at once",
    ),
}


class Failure(Frozen):
    """Why part of a document has no answer. It travels in the row and lands in `failures`."""

    stage: Stage
    kind: FailureKind
    message: str
    task: Task | None = None
    """None if the whole page (or document) is affected."""
    page_index: int | None = None
    """None if the whole document is affected."""
    region_index: int | None = None
    raw_text: str | None = None
    """The engine's answer, if there was one."""


class PageError(Exception):
    """Workers raise this error for bad data; one `except` per stage turns it into a `Failure`."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = clean_message(message)

    def failure(
        self, stage: Stage, *, task: Task | None = None, page_index: int | None = None, region_index: int | None = None
    ) -> Failure:
        return Failure(
            stage=stage, kind=self.kind, message=self.message, task=task, page_index=page_index, region_index=region_index
        )

    def __reduce__(self) -> tuple[type["PageError"], tuple[FailureKind, str]]:
        return PageError, (self.kind, self.message)


def clean_message(message: str) -> str:
    """The message as one printable line of at most 500 characters. Control characters (terminal escapes too) become spaces."""
    printable = "".join(char if char.isprintable() else " " for char in message)
    line = " ".join(printable.split())
    return line if len(line) <= MESSAGE_MAX_CHARS else line[: MESSAGE_MAX_CHARS - 1] + "…"


_CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
_CONTROLS |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], 0xFFFD)


def storable_text(text: str) -> str:
    """The text with control characters replaced by their pictures (an escape: ␛), and lone surrogates, which no file can hold, by
    U+FFFD."""
    return text if text.isascii() and text.isprintable() else text.translate(_CONTROLS)
