"""What the driver and the process that does the work send each other."""

import logging
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from pipeline.cluster.readiness import Reader
from pipeline.reporting.observer import StageLoad
from pipeline.stages.context import Context

END_OF_ROWS = b"\n"
"""Stands for the end of the rows. Each row is a line of JSON."""


class Start(NamedTuple):
    """What the process can prepare itself with. What the plan knows (`Context.known`) and the rows come later."""

    context: Context
    folder: str | None
    """The folder of the documents, if it is known and lies on this machine."""


class Receipts(NamedTuple):
    bodies: list[str]


class Report(NamedTuple):
    """The last report of a reader."""

    name: str
    reader: Reader


class Loads(NamedTuple):
    loads: list[StageLoad]


class LogMessage(NamedTuple):
    record: logging.LogRecord


class Ended(NamedTuple):
    """The last message."""

    error: BaseException | None


Message = Receipts | Report | Loads | LogMessage | Ended


def receive(messages: "Connection[Any, Any]") -> Message:
    """The next message. Raises EOFError when the sender is dead, also if it died in the middle of a message."""
    try:
        message: Message = messages.recv()
    except OSError as error:
        raise EOFError from error
    return message
