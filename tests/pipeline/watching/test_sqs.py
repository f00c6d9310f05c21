"""Messages of a queue: held, hidden anew, handed back; and a queue that does not answer."""

import threading
from typing import Any

import pytest

from pipeline.watching.held_messages import HeldMessages
from pipeline.watching.sqs import QueueBusy, QueueError, QueueMessage, Sqs
from pipeline.watching.watch import watch
from schemas.errors import OperatorError
from tests.pipeline.watching.test_bucket_events import s3_body
from tests.pipeline.watching.watched import NOTHING, FakeQueue, Watched, settings, sqs
from tests.servers.s3_proxy import Fault, Proxy
from tests.servers.sqs import MadeQueue


def test_held_messages_are_hidden_anew_as_long_as_they_are_held() -> None:
    again = threading.Event()

    class Once(FakeQueue):
        def hide(self, messages: Any, seconds: int) -> list[QueueMessage]:
            again.set()
            return super().hide(messages, seconds)

    queue = Once([])
    with HeldMessages(queue, 0.01) as held:  # type: ignore[arg-type]
        held.add([QueueMessage("m", "h", "")])
        assert again.wait(60)
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
