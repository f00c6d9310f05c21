"""What the process that does the work sends to the driver, and how the rows that it gets end."""

import logging
from typing import NamedTuple

from pipeline.cluster.readiness import Reader
from pipeline.reporting.observer import StageLoad

END_OF_ROWS = b"\n"
"""Stands for the end of the rows. Each row is a line of JSON."""


class Receipts(NamedTuple):
    bodies: list[str]


class Report(NamedTuple):
    """The last report of a reader."""

    name: str
    reader: Reader


class Loads(NamedTuple):
    loads: list[StageLoad]


class Record(NamedTuple):
    record: logging.LogRecord


class Ended(NamedTuple):
    """The last message."""

    error: BaseException | None


Message = Receipts | Report | Loads | Record | Ended
