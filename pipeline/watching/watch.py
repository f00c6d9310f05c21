"""Starts a run whenever there may be something to read: after events, or after a while. The run's listing finds what there is.

Messages are deleted only after a run that began after them has ended well, and handed back in every other case. After a kill at any
moment they come again.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pipeline.lake.lease import LeaseHeld
from pipeline.reporting.summary import Summary, SummaryStatus
from pipeline.signals import Interrupted, Stop, signals_noted
from pipeline.watching.bucket_events import NotAnEvent, concerns, parse_events
from pipeline.watching.child_process import Apart, Died
from pipeline.watching.held_messages import HeldMessages
from pipeline.watching.sqs import POLL_S, Queue, QueueBusy, QueueError, QueueMessage
from schemas.errors import EXIT_FINISHED, EXIT_INCOMPLETE, EXIT_OPERATOR, OperatorError, exit_code
from schemas.settings import Settings, WatchSettings

Reason = Literal["start", "events", "time", "again"]

_TICK_S = 0.2
_MARGIN_S = 20.0
"""Seconds beyond `ray.grace_s` after which a run that was asked to stop is killed. What it has staged stays."""
_MAX_HELD = 10_000
"""Messages held at once, because hiding them again takes a request for every ten. Further messages wake the next run."""
_LONGEST_RETRY_S = 900.0
_EVERY_S, _EVERY_WITH_QUEUE_S = 300.0, 3600.0
_BUSY_S = 10.0
"""Pause after the queue did not answer."""
_LEASE_S = 5.0
"""Seconds between two looks at another run's lease."""
_MAX_SAID = 1000
_SOON_S = 10.0
"""Shortest pause before a listing for sources that have waited long enough, because the store's clock and ours may differ."""


@dataclass(frozen=True, kw_only=True)
class Woken:
    """The report of one run of the watch."""

    at: datetime
    reason: Reason
    num_messages: int
    """Number of messages that were held for the run."""
    status: SummaryStatus | Literal["failed"]
    message: str | None
    """Why the run did not end well; None if it did."""
    exit_code: int
    """The exit code that `pagefold run` would have had."""
    summary: Summary | None = None


@dataclass(frozen=True)
class Actions:
    """What a watch does when it is woken, and how it reports."""

    run: Callable[[], Apart[Summary]]
    is_lease_free: Callable[[], bool]
    show: Callable[[Woken], None]
    say: Callable[[str], None]
    """Prints one sentence."""


def watch(input: str, settings: Settings, work: Actions, *, queue: Queue | None = None, max_runs: int | None = None) -> int:
    """Runs again and again, until a signal or `max_runs`. Gives the exit code. A SIGTERM lets the run at work commit what it has
    read in full.

    Raises OperatorError (or another error with its exit code) if the first run or the queue is set up wrong. Other failures are
    reported and tried again, `watch.max_failures` times: failures of later runs, and a store that does not answer.
    """
    if queue is not None and not input.startswith("s3://"):
        raise OperatorError(f"A queue announces objects in a bucket, and the input {input} is none.")
    if (redo := settings.plan.redo) in ("all", "failed"):
        raise OperatorError(
            f"plan.redo = {redo} would read the same again at every wake: `pagefold run --redo {redo}` does it once."
        )
    with signals_noted(is_second_raised=True) as stop, HeldMessages(queue, settings.watch.visibility_s) as held:
        try:
            return _Watch(input, settings, work, queue, held, stop).run(max_runs)
        except Interrupted:
            return EXIT_FINISHED


class _Watch:
    def __init__(self, input: str, settings: Settings, work: Actions, queue: Queue | None, held: HeldMessages, stop: Stop) -> None:
        self._settings, self._work, self._held, self._stop = settings, work, held, stop
        self._alarm = Alarm(input, settings.watch, queue, held, stop, work.say)
        self._every_s = settings.watch.every_s or (_EVERY_S if queue is None else _EVERY_WITH_QUEUE_S)

    def run(self, max_runs: int | None) -> int:
        reason: Reason = "start"
        pause_s = 0.0
        num_runs = num_failures = 0
        while True:
            woken = self._once(self._alarm.wait(reason, pause_s), is_first=not num_runs)
            self._work.show(woken)
            num_runs += 1
            if woken.exit_code == EXIT_FINISHED:
                self._delete()
                reason, pause_s, num_failures = "time", self._next_s(woken), 0
            else:
                num_failures += 1
            if self._stop.is_asked or num_runs == max_runs or num_failures > self._settings.watch.max_failures:
                return woken.exit_code
            if num_failures:
                retry_s = math.ceil(min(self._settings.watch.retry_s * 2 ** (num_failures - 1), _LONGEST_RETRY_S))
                self._held.hand_back(retry_s)
                reason, pause_s = "again", retry_s + 1  # the messages that were handed back are visible by then

    def _next_s(self, woken: Woken) -> float:
        """Seconds to the next listing. It comes earlier if sources are waiting, or may have been too young."""
        pauses = [self._every_s]
        if woken.summary and woken.summary.waiting_until:
            pauses.append(max(_SOON_S, (woken.summary.waiting_until - datetime.now(UTC)).total_seconds() + 1))
        if woken.reason == "events" and self._settings.input.min_age_s:
            pauses.append(self._settings.input.min_age_s + 1)  # the last source may have been too young
        return min(pauses)

    def _once(self, reason: Reason, *, is_first: bool) -> Woken:
        """Does one run. If another run is at work on the output, waits for its end first."""
        woken = partial(Woken, at=datetime.now(UTC), reason=reason, num_messages=len(self._held))
        while True:
            try:
                summary = self._run()
                return woken(status=summary.status, message=summary.message, exit_code=summary.exit_code, summary=summary)
            except LeaseHeld as held:
                self._await_lease(held)
            except Died as died:
                return woken(status="failed", message=str(died), exit_code=EXIT_INCOMPLETE)
            except Exception as error:
                code = exit_code(error)
                if code is None or (is_first and code == EXIT_OPERATOR):
                    raise
                return woken(status="failed", message=str(error), exit_code=code)

    def _run(self) -> Summary:
        deadline: float | None = None
        with self._work.run() as process:
            while not process.wait(_TICK_S):
                if deadline is None and self._stop.is_asked:
                    process.ask_to_stop()
                    deadline = time.monotonic() + self._settings.ray.grace_s + _MARGIN_S
                elif deadline is not None and time.monotonic() > deadline:
                    process.kill()
            return process.result()

    def _await_lease(self, held: LeaseHeld) -> None:
        self._work.say(f"{held} Waiting for its end.")
        pause(_LEASE_S, self._stop)
        while not self._work.is_lease_free():
            pause(_LEASE_S, self._stop)

    def _delete(self) -> None:
        try:
            self._held.delete()
        except QueueBusy as busy:
            self._work.say(f"{busy}; its messages come again")


class Alarm:
    """Waits for a reason to run, and receives messages meanwhile.

    Messages about the input are held, those about other objects are deleted. A message that is no event stays hidden and comes
    again when its time is up, until the dead-letter queue, if there is one, takes it.
    """

    def __init__(
        self, input: str, settings: WatchSettings, queue: Queue | None, held: HeldMessages, stop: Stop, say: Callable[[str], None]
    ) -> None:
        self._settings, self._queue, self._held, self._stop, self._say = settings, queue, held, stop, say
        self._is_about_input = concerns(input)
        self._said: set[str] = set()
        self._is_answering: bool | None = None
        """True if the queue answered the last request; None before the first."""

    def wait(self, reason: Reason, pause_s: float) -> Reason:
        """Gives `reason` after `pause_s`, or `events` after messages have come and then none for a while. Raises Interrupted."""
        if self._queue is None:
            pause(pause_s, self._stop)
            return reason
        due_s, first_s = time.monotonic() + pause_s, None
        while True:
            self._stop.check()
            left_s = max(0.0, due_s - time.monotonic())
            if self._hear(self._queue, math.ceil(min(left_s, POLL_S))):
                now_s = time.monotonic()
                first_s = now_s if first_s is None else first_s
                reason, due_s = "events", min(now_s + self._settings.quiet_s, first_s + self._settings.longest_wait_s)
            if time.monotonic() >= due_s or len(self._held) >= _MAX_HELD:
                return reason

    def _hear(self, queue: Queue, wait_s: int) -> bool:
        """Receives once. True if a message about the input came."""
        try:
            about, others = self._sorted(queue.receive(wait_s))
            self._held.add(about)
            queue.delete(others)
        except QueueBusy as busy:
            if self._is_answering is None:
                raise QueueError(f"{str(busy)[:1].upper()}{str(busy)[1:]}.") from busy
            if self._is_answering:
                self._say(f"{busy}; the input is listed all the same")
            self._is_answering = False
            pause(_BUSY_S, self._stop)
            return False
        self._is_answering = True
        return bool(about)

    def _sorted(self, messages: list[QueueMessage]) -> tuple[list[QueueMessage], list[QueueMessage]]:
        """(messages about the input, messages about other objects). Messages that are no events are in neither list."""
        about, others = [], []
        for message in messages:
            try:
                events = parse_events(message.body)
            except NotAnEvent as error:
                self._say_once(f"message {message.message_id} is left in the queue: {error}")
                continue
            if any(self._is_about_input(event) for event in events):
                about.append(message)
                continue
            others.append(message)
            for event in events[:1]:
                folder = event.key.partition("/")[0]
                self._say_once(f"events about s3://{event.bucket}/{folder} are none of this input; they are deleted")
        return about, others

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            if len(self._said) >= _MAX_SAID:
                self._said.clear()
            self._said.add(text)
            self._say(text)


def pause(seconds: float, stop: Stop) -> None:
    """Sleeps. Raises Interrupted as soon as a signal came."""
    end_s = time.monotonic() + seconds
    stop.check()
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, _TICK_S))
        stop.check()
