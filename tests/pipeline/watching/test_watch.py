"""What wakes a watch, what becomes of the messages, and how it ends. The runs are fakes; the queue is moto's where it matters."""

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.lake.lease import LeaseHeld
from pipeline.object_store.store import StoreUnavailable
from pipeline.watching import watch as watching
from pipeline.watching.child_process import Died
from pipeline.watching.sqs import Sqs
from pipeline.watching.watch import Actions, watch
from schemas.errors import OperatorError
from schemas.lease import LeaseBody
from schemas.settings import Settings
from tests.pipeline.watching.test_bucket_events import eventbridge_body, s3_body
from tests.pipeline.watching.watched import DONE, NOTHING, STOPPED, FakeQueue, FakeRun, Watched, settings, sqs
from tests.servers.sqs import MadeQueue, make_queue, send_events
from workers.sources.listing import InputError, InputUnavailable
from workers.sources.s3 import make_client


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


def test_what_waits_for_a_fuller_shard_is_looked_at_when_it_has_waited_long_enough(
    no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(watching, "datetime", SimpleNamespace(now=lambda zone: now))
    waits = replace(NOTHING, num_waiting=2, waiting_until=now + timedelta(seconds=100))
    overdue = replace(NOTHING, num_waiting=2, waiting_until=now - timedelta(seconds=100))
    watched = Watched(waits, overdue, NOTHING)

    watch("in", settings(every_s=300), watched.work(), max_runs=4)

    assert sum(no_waiting) == pytest.approx(101 + 10 + 300, abs=1)


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
