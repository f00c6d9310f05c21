"""What wakes a watch, what becomes of the messages, and how it ends. The runs are fakes; the queue is moto's where it matters."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.lake.lease import LeaseHeld
from pipeline.object_store.store import StoreUnavailable
from pipeline.reporting.summary import Summary
from pipeline.watching import watch as watching
from pipeline.watching.child_process import Died
from pipeline.watching.held_messages import HeldMessages
from pipeline.watching.sqs import QueueBusy, QueueError, QueueMessage, Sqs
from pipeline.watching.watch import Actions, Woken, watch
from schemas.errors import OperatorError
from schemas.lease import LeaseBody
from schemas.settings import Settings
from tests.pipeline.watching.test_bucket_events import eventbridge_body, s3_body
from tests.servers.s3_proxy import Fault, Proxy
from tests.servers.sqs import MadeQueue, make_queue, send_events
from workers.sources.listing import InputError, InputUnavailable
from workers.sources.s3 import make_client

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


@pytest.fixture
def queue(s3_endpoint: str) -> MadeQueue:
    return make_queue(s3_endpoint)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only moves when somebody waits; gives what was waited for."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=sleep))
    return slept


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


@pytest.mark.slow
def test_an_object_that_lands_wakes_a_run_and_its_message_goes_once_the_run_has_ended(bucket: str, queue: MadeQueue) -> None:
    send_events(bucket, queue)
    make_client().put_object(Bucket=bucket, Key="drop/two words + ü.pdf", Body=b"x")
    during = []
    watched = Watched(DONE, look=lambda: during.append((queue.num(), queue.num(hidden=True))))

    code = watch(f"s3://{bucket}/drop", settings(), watched.work(), queue=sqs(queue), max_runs=1)

    assert (code, watched.reasons, watched.told[0].num_messages) == (0, ["events"], 1)
    assert during == [(0, 1)]  # hidden, and not deleted yet; the test event is gone
    assert (queue.num(), queue.num(hidden=True)) == (0, 0)
    assert watched.said == []


@pytest.mark.slow
def test_removals_wake_and_eventbridge_s_envelope_does(bucket: str, queue: MadeQueue) -> None:
    make_client().put_object(Bucket=bucket, Key="drop/a.pdf", Body=b"x")
    send_events(bucket, queue)
    make_client().delete_object(Bucket=bucket, Key="drop/a.pdf")
    watched = Watched(NOTHING)

    watch(f"s3://{bucket}/drop", settings(), watched.work(), queue=sqs(queue), max_runs=1)
    queue.send(eventbridge_body("drop/b c.pdf", bucket))
    watch(f"s3://{bucket}/drop", settings(), watched.work(), queue=sqs(queue), max_runs=1)

    assert [(woken.reason, woken.num_messages) for woken in watched.told] == [("events", 1), ("events", 1)]
    assert (queue.num(), queue.num(hidden=True)) == (0, 0)


@pytest.mark.slow
def test_events_of_the_output_and_of_others_are_deleted_and_wake_nobody(queue: MadeQueue) -> None:
    queue.send(s3_body("lake/pages/x.parquet"))
    queue.send(s3_body("drop/a.pdf", bucket="another"))
    watched = Watched(NOTHING)

    watch("s3://b/drop", settings(), watched.work(), queue=sqs(queue), max_runs=2)

    assert watched.reasons == ["start", "time"]
    assert (queue.num(), queue.num(hidden=True)) == (0, 0)
    assert sorted(watched.said) == [
        "events about s3://another/drop are none of this input; they are deleted",
        "events about s3://b/lake are none of this input; they are deleted",
    ]


@pytest.mark.slow
def test_what_is_no_event_is_said_once_and_ends_in_the_dead_letter_queue(s3_endpoint: str) -> None:
    queue = make_queue(s3_endpoint, max_receives=2)
    queue.send("no event")
    watched = Watched(NOTHING)
    events = Sqs(queue.url, visibility_s=0)  # it comes again at once

    watch("s3://b/drop", settings(), watched.work(), queue=events, max_runs=3)

    assert watched.reasons == ["start", "time", "time"]
    assert len(watched.said) == 1
    assert watched.said[0].endswith("is left in the queue: it is no event of a bucket")
    assert (queue.num(), queue.num(dead=True)) == (0, 1)


@pytest.mark.parametrize("error", [StoreUnavailable("s3://b: not now."), InputUnavailable("Cannot list s3://b: not now.")])
def test_a_store_that_is_away_at_the_first_run_is_a_failed_run_and_the_watch_goes_on(
    error: Exception, no_waiting: list[float]
) -> None:
    watched = Watched(error, DONE)

    assert watch("s3://b/drop", settings(), watched.work(), max_runs=2) == 0

    told = watched.told[0]
    assert (told.status, told.exit_code, told.message) == ("failed", 1, str(error))
    assert watched.reasons == ["start", "again"]


@pytest.mark.parametrize("outcome", [STOPPED, Died("it died"), OperatorError("no")])
@pytest.mark.slow
def test_after_a_run_that_did_not_finish_the_messages_come_again(queue: MadeQueue, outcome: Any) -> None:
    watched = Watched(NOTHING, outcome, DONE)

    def send() -> None:
        if len(watched.told) == 0:
            queue.send(s3_body("drop/a.pdf"))

    watched.look = send
    code = watch("s3://b/drop", settings(), watched.work(), queue=sqs(queue), max_runs=3)

    assert [(woken.reason, woken.num_messages) for woken in watched.told] == [("start", 0), ("events", 1), ("events", 1)]
    assert (code, queue.num(), queue.num(hidden=True)) == (0, 0, 0)


@pytest.mark.slow
def test_a_watch_that_ends_after_a_failed_run_hands_its_messages_back_at_once(queue: MadeQueue) -> None:
    queue.send(s3_body("drop/a.pdf"))
    watched = Watched(STOPPED)

    assert watch("s3://b/drop", settings(retry_s=500), watched.work(), queue=sqs(queue), max_runs=1) == 1

    assert (queue.num(), queue.num(hidden=True)) == (1, 0)


def test_a_burst_is_one_run(no_waiting: list[float]) -> None:
    bodies = [s3_body("drop/a.pdf")] * 10
    queue = FakeQueue(no_waiting, *((20 + second, bodies) for second in range(8)))
    watched = Watched(NOTHING)

    watch("s3://b/drop", settings(quiet_s=4, every_s=1000), watched.work(), queue=queue, max_runs=2)

    assert [(woken.reason, woken.num_messages) for woken in watched.told] == [("start", 0), ("events", 80)]
    assert sum(no_waiting) == pytest.approx(20 + 7 + 4, abs=1)
    assert len(queue.deleted) == 80


def test_a_stream_that_never_rests_is_read_all_the_same(no_waiting: list[float]) -> None:
    queue = FakeQueue(no_waiting, *((20 + second, [s3_body("drop/a.pdf")]) for second in range(500)))
    watched = Watched(NOTHING)

    watch("s3://b/drop", settings(quiet_s=4, longest_wait_s=60, every_s=1000), watched.work(), queue=queue, max_runs=2)

    assert watched.told[1].num_messages == pytest.approx(60, abs=2)


def test_an_event_that_was_lost_costs_time_and_no_document(no_waiting: list[float]) -> None:
    watched = Watched(NOTHING)

    watch("s3://b/drop", settings(every_s=3600), watched.work(), queue=FakeQueue(no_waiting), max_runs=2)

    assert watched.reasons == ["start", "time"]
    assert sum(no_waiting) == pytest.approx(3600, abs=1)


def test_what_came_too_young_is_listed_again_once_it_is_old_enough(no_waiting: list[float]) -> None:
    watched = Watched(NOTHING)
    queue = FakeQueue(no_waiting, (5, [s3_body("drop/a.pdf")]))
    young = Settings.model_validate({"input": {"min_age_s": 60}, "watch": {"quiet_s": 0, "every_s": 3600}})

    watch("s3://b/drop", young, watched.work(), queue=queue, max_runs=4)

    assert watched.reasons == ["start", "events", "time", "time"]
    assert sum(no_waiting) == pytest.approx(5 + 61 + 3600, abs=1)


def test_what_waits_for_a_fuller_shard_is_looked_at_when_it_has_waited_long_enough(no_waiting: list[float]) -> None:
    waits = replace(NOTHING, num_waiting=2, waiting_until=datetime.now(UTC) + timedelta(seconds=100))
    overdue = replace(NOTHING, num_waiting=2, waiting_until=datetime.now(UTC) - timedelta(seconds=100))
    watched = Watched(waits, overdue, NOTHING)

    watch("in", settings(every_s=300), watched.work(), max_runs=4)

    assert sum(no_waiting) == pytest.approx(101 + 10 + 300, abs=5)


@pytest.mark.parametrize("redo", ["all", "failed"])
def test_what_would_be_read_again_at_every_wake_is_refused(redo: str) -> None:
    with pytest.raises(OperatorError, match=f"run --redo {redo}"):
        watch("in", Settings.model_validate({"plan": {"redo": redo}}), Watched(NOTHING).work())


def test_without_a_queue_time_wakes(no_waiting: list[float]) -> None:
    watched = Watched(NOTHING)

    assert watch("in", Settings(), watched.work(), max_runs=3) == 0

    assert watched.reasons == ["start", "time", "time"]
    assert sum(no_waiting) == pytest.approx(600, abs=1)


def test_another_run_at_work_is_waited_for(no_waiting: list[float]) -> None:
    held = LeaseHeld(LeaseBody(owner="host", run_id="r0", epoch=1, ttl_s=60, nonce="n"), 3)
    watched = Watched(held, DONE)

    assert watch("in", Settings(), watched.work(), max_runs=1) == 0

    assert (watched.num_looks_at_lease, len(watched.told)) == (3, 1)
    assert "Run r0 on host is at work" in watched.said[0]


@pytest.mark.parametrize("error", [OperatorError("no engine"), InputError("no bucket")])
def test_a_first_run_that_is_set_up_wrong_ends_the_watch(error: Exception) -> None:
    with pytest.raises(type(error)):
        watch("in", Settings(), Watched(error).work())


def test_later_failures_are_tried_again_ever_later_and_not_for_ever(no_waiting: list[float]) -> None:
    watched = Watched(NOTHING, InputError("no network"))

    code = watch("in", settings(every_s=1, retry_s=10, max_failures=3), watched.work())

    assert (code, watched.reasons) == (2, ["start", "time", "again", "again", "again"])
    assert watched.told[-1].message == "no network"
    assert sum(no_waiting) == pytest.approx(1 + 11 + 21 + 41, abs=1)


def test_a_bug_of_the_watch_flies() -> None:
    with pytest.raises(ZeroDivisionError):
        watch("in", Settings(), Watched(ZeroDivisionError()).work())


def test_a_signal_while_idle_ends_it_well(no_waiting: list[float]) -> None:
    watched = Watched(NOTHING, look=lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert watch("in", settings(every_s=1000), watched.work()) == 0

    assert (watched.reasons, sum(no_waiting)) == (["start"], 0)


def test_a_signal_while_a_run_is_at_work_lets_it_finish_what_is_in_flight() -> None:
    class Slow(FakeRun):
        def wait(self, timeout_s: float) -> bool:
            os.kill(os.getpid(), signal.SIGTERM) if not self.num_asked else None
            return self.num_asked > 0

        def ask_to_stop(self) -> None:
            self.num_asked += 1

    watched = Watched(STOPPED)
    run = Slow(STOPPED, lambda: None)
    work = Actions(lambda: run, lambda: True, watched.told.append, watched.said.append)  # type: ignore[arg-type, return-value]

    assert watch("in", Settings(), work) == 1

    assert (run.num_asked, len(watched.told)) == (1, 1)


def test_a_run_that_will_not_stop_is_killed(no_waiting: list[float]) -> None:
    class Stubborn(FakeRun):
        def wait(self, timeout_s: float) -> bool:
            if not self.num_asked:
                os.kill(os.getpid(), signal.SIGTERM)
            no_waiting.append(timeout_s)
            return self.num_asked > 1

        def ask_to_stop(self) -> None:
            self.num_asked += 1

        def kill(self) -> None:
            self.num_asked += 1

    watched = Watched()
    run = Stubborn(Died("killed"), lambda: None)
    work = Actions(lambda: run, lambda: True, watched.told.append, watched.said.append)  # type: ignore[arg-type, return-value]

    assert watch("in", Settings(), work) == 1
    assert watched.told[0].message == "killed"
    assert sum(no_waiting) == pytest.approx(30 + 20, abs=1)


def test_held_messages_are_hidden_anew_as_long_as_they_are_held() -> None:
    again = threading.Event()

    class Once(FakeQueue):
        def hide(self, messages: Any, seconds: int) -> list[QueueMessage]:
            again.set()
            return super().hide(messages, seconds)

    queue = Once([])
    with HeldMessages(queue, 0.01) as held:  # type: ignore[arg-type]
        held.add([QueueMessage("m", "h", "")])
        assert again.wait(30)
    assert queue.hidden[-1] == ("m", 0)  # what is left is handed back


def test_a_message_that_can_be_hidden_no_longer_is_let_go() -> None:
    class Full(FakeQueue):
        def hide(self, messages: Any, seconds: int) -> list[QueueMessage]:
            return [message for message in messages if message.message_id == "old"]

    held = HeldMessages(Full([]), 60)
    held.add([QueueMessage("old", "h", ""), QueueMessage("new", "h", "")])

    held.keep()

    assert len(held) == 1


@pytest.mark.slow
def test_sqs_says_which_messages_it_will_not_hide(queue: MadeQueue) -> None:
    queue.send("a")
    (message,) = sqs(queue).receive(0)
    assert sqs(queue).hide([message], 30) == []
    unknown = message._replace(message_id="x", handle="never given")

    assert sqs(queue).hide([message, unknown], 30) == [unknown]


def test_a_queue_that_does_not_answer_for_a_while_is_asked_again(no_waiting: list[float]) -> None:
    class Flaky(FakeQueue):
        num_calls = 0

        def receive(self, wait_s: int) -> list[QueueMessage]:
            self.num_calls += 1
            if self.num_calls in (3, 4):
                raise QueueBusy("the queue does not answer: 503")
            return super().receive(wait_s)

    watched = Watched(NOTHING)
    queue = Flaky(no_waiting, (50, [s3_body("drop/a.pdf")]))

    watch("s3://b/drop", settings(every_s=1000), watched.work(), queue=queue, max_runs=2)

    assert watched.reasons == ["start", "events"]
    assert watched.said == ["the queue does not answer: 503; the input is listed all the same"]


@pytest.mark.usefixtures("no_sleep")
@pytest.mark.slow
def test_throttling_is_retried_where_it_happens(queue: MadeQueue, s3_endpoint: str, s3_faults: Proxy) -> None:
    queue.send("a")
    s3_faults.faults += [Fault("POST", "", "status", times=2, status=503)]
    through = queue.url.replace(s3_endpoint, s3_faults.endpoint)

    assert len(Sqs(through, visibility_s=60).receive(0)) == 1


@pytest.mark.usefixtures("no_sleep")
@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        (Fault("POST", "", "status", times=99, status=503), QueueBusy, "does not answer"),
        (
            Fault("POST", "", "status", times=99, status=403, code="AccessDenied"),
            QueueError,
            r"access is denied: .*sqs:ReceiveMessage",
        ),
    ],
)
@pytest.mark.slow
def test_what_a_queue_refuses_is_one_sentence(
    queue: MadeQueue, s3_endpoint: str, s3_faults: Proxy, fault: Fault, error: type[Exception], sentence: str
) -> None:
    s3_faults.faults.append(fault)
    with pytest.raises(error, match=sentence):
        Sqs(queue.url.replace(s3_endpoint, s3_faults.endpoint), visibility_s=60, max_tries=2).receive(0)


@pytest.mark.slow
def test_a_queue_that_is_not_there_is_one_sentence(queue: MadeQueue) -> None:
    with pytest.raises(QueueError, match=r"Cannot use the queue .*: it does not exist\."):
        Sqs(f"{queue.url}-typo", visibility_s=60).receive(0)


@pytest.mark.slow
def test_a_queue_that_never_answered_ends_the_watch() -> None:
    events = Sqs("http://127.0.0.1:9/1/queue", visibility_s=60, max_tries=1)
    with pytest.raises(QueueError, match="does not answer"):
        watch("s3://b/drop", settings(), Watched(NOTHING).work(), queue=events)


@pytest.mark.parametrize("url", ["pagefold-events", "arn:aws:sqs:us-east-1:1:q", "https://sqs.us-east-1.amazonaws.com", "s3://b/k"])
def test_a_queue_is_named_by_its_url(url: str) -> None:
    with pytest.raises(QueueError, match="is no URL of a queue"):
        Sqs(url, visibility_s=60)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/q", "eu-central-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
        ("http://127.0.0.1:9324/000000000000/q", "us-east-1"),
    ],
)
@pytest.mark.slow
def test_the_url_says_where_the_queue_is(s3_endpoint: str, url: str, region: str) -> None:
    client = Sqs(url, visibility_s=60)._client

    assert client.meta.region_name == region
    assert url.startswith(f"{client.meta.endpoint_url}/")  # not where AWS_ENDPOINT_URL leads to


def test_a_queue_for_a_folder_is_refused() -> None:
    with pytest.raises(OperatorError, match="objects in a bucket"):
        watch("folder", settings(), Watched(NOTHING).work(), queue=FakeQueue([]))
