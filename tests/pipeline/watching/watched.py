"""Runs and a queue that are fakes, and what a watch does with them."""

from collections.abc import Callable
from typing import Any

from pipeline.reporting.summary import Summary
from pipeline.watching.sqs import QueueMessage, Sqs
from pipeline.watching.watch import Actions, Woken
from schemas.settings import Settings
from tests.servers.sqs import MadeQueue

DONE = Summary(run_id="r", status="finished", output="out", num_documents=1)
NOTHING = Summary(run_id="r", status="nothing_to_do", output="out")
STOPPED = Summary(run_id="r", status="incomplete", output="out", message="stopped by SIGTERM")


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"watch": {"quiet_s": 0, "every_s": 1, "retry_s": 0, "visibility_s": 60} | changes})


class FakeRun:
    """In place of a process: ends at once with what it is told, after a look at the world as it is while a run is at work."""

    def __init__(self, outcome: Summary | Exception, look: Callable[[], object]) -> None:
        self.outcome, self.look = outcome, look
        self.num_asked = 0

    def wait(self, timeout_s: float) -> bool:
        self.look()
        return True

    def result(self) -> Summary:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def __enter__(self) -> "FakeRun":
        return self

    def __exit__(self, *_: object) -> None: ...


class Watched:
    """What a watch did: its runs' outcomes are given, the last one counts for all further ones."""

    def __init__(self, *outcomes: Summary | Exception, look: Callable[[], object] = lambda: None) -> None:
        self.outcomes, self.look = list(outcomes), look
        self.told: list[Woken] = []
        self.said: list[str] = []
        self.num_looks_at_lease = 0

    def work(self) -> Actions:
        return Actions(self._run, self._is_lease_free, self.told.append, self.said.append)

    def _run(self) -> Any:
        return FakeRun(self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0], self.look)

    def _is_lease_free(self) -> bool:
        self.num_looks_at_lease += 1
        return self.num_looks_at_lease > 2

    @property
    def reasons(self) -> list[str]:
        return [woken.reason for woken in self.told]


class FakeQueue:
    """Hands out batches at given times of the fake clock."""

    def __init__(self, clock: list[float], *batches: tuple[float, list[str]]) -> None:
        self.clock, self.batches = clock, list(batches)
        self.deleted: list[str] = []
        self.hidden: list[tuple[str, int]] = []

    def receive(self, wait_s: int) -> list[QueueMessage]:
        end_s = sum(self.clock) + wait_s
        if self.batches and self.batches[0][0] <= end_s:
            at_s, bodies = self.batches.pop(0)
            self.clock.append(max(0.0, at_s - sum(self.clock)))
            return [QueueMessage(f"{at_s:g}-{index}", "handle", body) for index, body in enumerate(bodies)]
        self.clock.append(wait_s)
        return []

    def hide(self, messages: Any, seconds: int) -> list[QueueMessage]:
        self.hidden += [(message.message_id, seconds) for message in messages]
        return []

    def delete(self, messages: Any) -> None:
        self.deleted += [message.message_id for message in messages]


def sqs(queue: MadeQueue) -> Sqs:
    return Sqs(queue.url, visibility_s=60)
