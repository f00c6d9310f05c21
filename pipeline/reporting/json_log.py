"""The JSON log for log collectors: each line is an object that says what happened to which run, document and page.

Events go through `logging`, so warnings of our own modules are among them. Texts from outside (names, messages) are escaped, so
that no line holds a control character or a line break. Settings and prompts are never written, and passwords in URLs are masked.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from typing import Any, TextIO

from pipeline.reporting.observer import LeaseView, ShardCommit, Silent
from pipeline.reporting.summary import Summary
from schemas.masking import masked
from schemas.receipt import Receipt
from schemas.settings import LogSettings

_log = logging.getLogger(__name__)
_LOGGERS = ("pipeline", "workers")
_CONTAINED = "workers.contained"
"""Its reports reach the driver with the receipts."""
_TEXTS = ("message", "detail")
"""Fields that hold sentences, which may contain a URL."""


class _Json(logging.Formatter):
    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__()
        self._known = known

    def format(self, record: logging.LogRecord) -> str:
        name, text = getattr(record, "event", "message"), masked(record.getMessage())
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": name,
            **self._known,
        }
        if text != name:
            line |= {"logger": record.name, "message": text}
        if record.exc_info:
            line["traceback"] = masked(self.formatException(record.exc_info))
        fields: dict[str, Any] = getattr(record, "fields", {})
        line |= {key: masked(value) if key in _TEXTS and isinstance(value, str) else value for key, value in fields.items()}
        return json.dumps(line, default=str)  # ASCII alone: control characters and line breaks are \u escapes


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Writes a line if the JSON log is on. Fields that are None are left out."""
    _log.log(level, name, extra={"event": name, "fields": {key: value for key, value in fields.items() if value is not None}})


@contextlib.contextmanager
def json_log(stream: TextIO, **known: Any) -> Iterator[None]:
    """Sends events and warnings to `stream` while the context is open. Each line contains the fields `known`."""
    handler = start_json_log(stream, **known)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)


def start_json_log(stream: TextIO, **known: Any) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json(known))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return handler


class EventLog(Silent):
    """An observer that writes the driver's events."""

    def __init__(self) -> None:
        self._run_id: str | None = None
        self._readers: set[str] = set()

    def started(self, run_id: str, engine: str, lease: LeaseView) -> None:
        self._run_id = run_id
        self._readers = set()
        event("run_started", run_id=run_id, engine=engine, lease_epoch=lease.epoch)

    def phase(self, name: str, detail: str = "") -> None:
        event("phase", run_id=self._run_id, phase=name, detail=detail or None)

    def planned(self, plan_id: str, num_documents: int, num_bytes: int) -> None:
        event("plan_started", run_id=self._run_id, plan_id=plan_id, num_documents=num_documents, num_bytes=num_bytes)

    def chunk_done(self, receipt: Receipt, num_documents_done: int) -> None:
        for reader in receipt.spent.readers:
            if reader.name not in self._readers:
                self._readers.add(reader.name)
                num_readers = len(self._readers)
                event("reader_started", run_id=self._run_id, reader=reader.name, reads=reader.reads, num_readers=num_readers)
        ids = {"run_id": self._run_id, "plan_id": receipt.plan_id, "document_id": receipt.document_id, "uri": receipt.uri}
        for trouble in receipt.troubles:
            fields = trouble.model_dump(mode="json")
            event("page_failed" if fields["page_index"] is not None else "document_failed", level=logging.WARNING, **ids, **fields)

    def shard_committed(self, commit: ShardCommit) -> None:
        event("shard_committed", run_id=self._run_id, **commit._asdict() | {"counts": commit.counts.model_dump(mode="json")})

    def message(self, text: str) -> None:
        event("message", run_id=self._run_id, message=text)

    def ended(self, summary: Summary) -> None:
        event(
            "run_ended",
            level=logging.INFO if summary.exit_code == 0 else logging.WARNING,
            run_id=summary.run_id,
            status=summary.status,
            plan_ids=list(summary.plan_ids),
            num_documents=summary.num_documents,
            num_pages=dict(summary.num_pages),
            failures={kind.value: count for kind, count in summary.failures.items()},
            num_prompt_tokens=summary.num_prompt_tokens,
            num_output_tokens=summary.num_output_tokens,
            seconds=round(summary.seconds, 3),
            cost=summary.cost,
            currency=summary.currency,
            message=summary.message,
        )
        self._run_id = None

    def failed(self, error: BaseException) -> None:
        event("run_failed", level=logging.ERROR, run_id=self._run_id, error=type(error).__name__, message=str(error))
        self._run_id = None


def log_in_actor(settings: LogSettings, stream: TextIO, **known: Any) -> None:
    """Starts the JSON log in a process of a run, unless its log goes elsewhere already: the stderr of a process that Ray started is
    a file among Ray's logs."""
    if settings.format == "json" and not logging.getLogger(_LOGGERS[0]).handlers:
        start_json_log(stream, **known)


def send_log_records(send: Callable[[logging.LogRecord], None], **known: Any) -> None:
    """Makes this process pass on its events and warnings, formatted and without objects, so that another process can log them. Each
    has the fields `known`."""
    handler = _Sending(send, known)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


class _Sending(QueueHandler):
    def __init__(self, send: Callable[[logging.LogRecord], None], known: dict[str, Any]) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self._send, self._known = send, known

    def enqueue(self, record: logging.LogRecord) -> None:
        if record.name != _CONTAINED:
            record.fields = self._known | getattr(record, "fields", {})
            self._send(record)
