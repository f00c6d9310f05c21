"""What a run needs of the way that it takes: its receipts, who compacts, and what can be said of it meanwhile."""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Protocol

from pipeline.cluster.readiness import Reader
from pipeline.committer import Compactor
from pipeline.reporting.observer import StageLoad
from pipeline.stages.context import Context
from schemas.receipt import Receipt

TICK_S = 0.2
"""Longest time between two items of `Way.receipts`."""

Rows = Callable[[], Iterator[str]]
"""Gives the rows of what is left to read by now: see `pipeline.planning.portions`."""


class Way(Protocol):
    """Where the stages of a run work."""

    @property
    def num_cpus(self) -> int: ...

    @property
    def compactor(self) -> Compactor: ...

    def receipts(self, rows: Rows, context: Context) -> Generator[Receipt | None, None, None]:
        """Gives the receipts, and None several times a second while there is none, so that commits, the lease and signals do not
        wait for pages. Closing the generator ends the work.

        Raises EndsRun (of a stage), and StagesEnd for any other error.
        """

    def loads(self) -> list[StageLoad]:
        """The load of each stage; empty if it is unknown."""

    def readers(self) -> Mapping[str, Reader]:
        """The last report of each reader, by its name."""

    def forget(self) -> None:
        """Removes the reports of the readers."""

    def check(self) -> None:
        """Raises OperatorError or DiskFull if the machine stops the work. It is cheap."""
