"""What is tried again and what is not, waits that an endpoint asks for, and the bound of requests."""

import asyncio
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.servers.fake_openai import FakeOpenAI, Reply, running
from tests.workers.engines.server.asked import error, read, request, settings
from workers.engines.server import engine as server_module
from workers.engines.server.chat import status_inside
from workers.engines.server.engine import ServerEngine, _retry_after_s
from workers.reading.request_limit import PushesBack


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, body={}),
        Reply(status=500, body={}),
        Reply(status=503, body=b""),
        Reply(status=408, body={}),
        Reply(status=503, is_endless=True),
        Reply(is_reset=True),
        Reply(body={"error": {"message": "Provider returned error", "code": 502}}),
        Reply(body={"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 503}}]}),
    ],
)
async def test_what_passes_is_tried_again(fake: FakeOpenAI, reply: Reply) -> None:
    fake.replies.extend([reply, reply])

    completion = await read(fake)

    assert (completion.failure, completion.num_tries) == (None, 3)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429, body=error("slow down")), "throttled"),
        (Reply(body=error("Rate limit exceeded: free-models-per-min")), "throttled"),
        (Reply(status=500, body=error("oops")), "engine_unavailable"),
        (Reply(is_reset=True), "engine_unavailable"),
    ],
)
async def test_what_does_not_pass_is_a_failure_after_the_last_try(fake: FakeOpenAI, reply: Reply, kind: str) -> None:
    fake.replies.extend([reply] * 3)

    completion = await read(fake)

    assert completion.failure is not None
    assert (completion.failure.kind, completion.num_tries, len(fake.requests)) == (kind, 3, 3)
    assert "(3 tries)" in completion.failure.message


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"error": {"code": 429, "message": "no"}}, 429),
        ({"error": {"code": "502", "message": "no"}}, 502),
        ({"error": {"code": "rate_limit_exceeded", "message": "no"}}, 429),
        ({"error": {"type": "overloaded_error", "message": "no"}}, 503),
        ({"error": {"status": "RESOURCE_EXHAUSTED", "message": "no"}}, 429),
        ({"error": {"status": "UNAVAILABLE", "message": "no"}}, 503),
        ({"error": {"code": 400, "message": "too many requests in one batch"}}, 400),
        ({"error": "Too Many Requests"}, 429),
        ({"object": "error", "code": 400, "message": "no"}, 400),
        ({"choices": [{"error": {"code": 504}}]}, 504),
        ({"error": {"code": 7, "message": "CUDA"}}, None),
        ({"error": None, "choices": [{"message": {"content": "a"}}]}, None),
        ({"error": True}, None),
        ({"choices": [{"message": {"content": "429 too many requests"}}]}, None),
        (["error"], None),
    ],
)
def test_an_error_inside_a_200_stands_for_a_status(reply: Any, status: int | None) -> None:
    assert status_inside(reply) == status


async def test_a_server_that_never_answers_is_a_timeout(fake: FakeOpenAI) -> None:
    fake.replies.extend([Reply(delay_s=30)] * 2)
    engine = ServerEngine(settings(fake, timeout_s=0.1, max_tries=2))

    completion = await engine.read(request())

    await engine.close()
    assert completion.failure is not None
    assert (completion.failure.kind, completion.num_tries) == ("engine_timeout", 2)
    assert engine.num_pushbacks == 2


async def test_a_server_that_went_away_is_unavailable(fake: FakeOpenAI) -> None:
    gone = FakeOpenAI(port=1)

    completion = await read(gone, max_tries=2)

    assert completion.failure is not None
    assert completion.failure.kind == "engine_unavailable"
    assert fake.requests == []


async def test_retry_after_is_honoured_by_all_requests(fake: FakeOpenAI) -> None:
    fake.replies.append(Reply(status=429, body={}, headers={"Retry-After": "0.4"}))
    engine = ServerEngine(settings(fake))

    first = asyncio.create_task(engine.read(request()))
    while not fake.times:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    while not engine._pause._until:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    second = await engine.read(request())

    assert (await first).failure is None
    assert second.failure is None
    assert [round(later - fake.times[0], 3) >= 0.39 for later in fake.times[1:]] == [True, True]
    await engine.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("7", 7.0),
        ("-3", 0.0),
        ("86400", 120.0),
        ("nan", None),
        ("soon", None),
        ("Mon, 23 Nov 99999999999999999999 12:00:00", None),
        ("Mon, 23 Nov 2026 12:00:09 GMT", 9.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert _retry_after_s(value, now=datetime(2026, 11, 23, 12, tzinfo=UTC)) == expected


async def test_waiting_for_an_encoder_is_no_time_at_work(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def encode(*image_and_form: object) -> str:
        clock.now += 1
        return "data:"

    monkeypatch.setattr(server_module, "data_url", encode)
    engine, free = ServerEngine(settings(fake)), threading.Event()
    busy = [engine._encoders.submit(free.wait) for _ in range(server_module._NUM_ENCODERS)]
    while not all(each.running() for each in busy):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    asked = asyncio.create_task(engine.read(request()))
    await asyncio.sleep(0)

    clock.now += 5
    free.set()

    assert (await asked).engine_s == 1
    await engine.close()


class Patient(FakeOpenAI):
    """Answers nobody before three requests are there."""

    async def _completion(self, body: dict[str, Any]) -> Reply:
        while self.max_in_flight < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return await super()._completion(body)


@pytest.mark.slow
async def test_no_more_requests_are_in_flight_than_allowed_and_connections_are_kept() -> None:
    with running(Patient(latency_s=0.02)) as fake:
        engine = ServerEngine(settings(fake, max_requests=3))
        completions = await asyncio.gather(*(engine.read(request()) for _ in range(12)))
        await engine.close()

    assert all(completion.failure is None for completion in completions)
    assert fake.max_in_flight == 3
    assert fake.num_connections < 12  # 3, unless this machine has stood still until they were taken for dead


@pytest.mark.parametrize(
    ("replies", "num_pushbacks"),
    [
        ([Reply(status=429), Reply(status=503)], 2),
        ([Reply(status=500), Reply(is_reset=True)], 0),
        ([], 0),
    ],
)
async def test_it_counts_how_often_it_was_asked_to_slow_down(fake: FakeOpenAI, replies: list[Reply], num_pushbacks: int) -> None:
    fake.replies.extend(replies)
    engine = ServerEngine(settings(fake))

    completion = await engine.read(request())

    await engine.close()
    assert completion.failure is None
    assert isinstance(engine, PushesBack)
    assert engine.num_pushbacks == num_pushbacks


async def test_a_quota_that_is_used_up_is_asked_once(fake: FakeOpenAI) -> None:
    fake.replies.extend(Reply(status=429, body={"error": {"code": "insufficient_quota", "message": "no credit"}}) for _ in range(3))
    completion = await read(fake)
    assert completion.failure is not None
    assert (completion.failure.kind, completion.num_tries) == ("throttled", 1)
    assert "quota is used up" in completion.failure.message


async def test_who_names_a_pause_means_a_rate_whatever_else_is_said(fake: FakeOpenAI) -> None:
    upgrade = {"error": {"code": "rate_limit_exceeded", "message": "Too fast. To raise the limit see /settings/billing."}}
    fake.replies.append(Reply(status=429, headers={"Retry-After": "0"}, body=upgrade))

    completion = await read(fake)

    assert (completion.failure, completion.num_tries) == (None, 2)


async def test_a_delay_in_the_body_is_waited_for(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(server_module._Pause, "extend", lambda self, seconds: waited.append(seconds))
    fake.replies.append(Reply(status=429, body={"error": {"message": "Please try again in 40ms."}}))
    assert (await read(fake)).failure is None
    assert waited == [pytest.approx(0.04)]
