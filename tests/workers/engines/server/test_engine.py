import asyncio
import base64
import gzip
import io
import json
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from schemas.answers import answer_schema
from schemas.page import PageImage
from schemas.settings import EngineSettings
from tests.servers.fake_openai import PAGE, FakeOpenAI, Reply, running
from workers.engines.engine import Completion, EngineStartError, Request
from workers.engines.server import engine as server_module
from workers.engines.server.chat import Dialect, read_reply, status_inside
from workers.engines.server.engine import ServerEngine, _retry_after_s, describe, list_models
from workers.reading.prompts import prompt_for
from workers.reading.request_limit import PushesBack

KEY = "sk-very-secret-0123456789"
IMAGE = PageImage.from_rgb(64, 32, bytes([200, 30, 30]) * (64 * 32))


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with running(FakeOpenAI()) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds; the waits themselves are the library's."""
    monkeypatch.setattr(server_module, "_full_jitter", lambda state: 0.005)
    monkeypatch.setattr(server_module, "BACKOFF_MIN_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings(fake: FakeOpenAI, server: dict[str, Any] | None = None, **engine: Any) -> EngineSettings:
    defaults = {"name": "server", "model": "ovis", "timeout_s": 5, "max_tries": 3, "max_requests": 4}
    return EngineSettings.model_validate(defaults | engine | {"server": {"base_url": fake.url} | (server or {})})


def request(**changes: Any) -> Request:
    defaults: dict[str, Any] = {
        "label": "s3://bucket/secret name.pdf#page=0",
        "task": "ocr",
        "image": IMAGE,
        "prompt": prompt_for("ocr"),
        "answer_schema": answer_schema("ocr"),
        "max_output_tokens": 700,
    }
    return Request(**defaults | changes)


async def read(fake: FakeOpenAI, *, server: dict[str, Any] | None = None, **engine: Any) -> Completion:
    reader = ServerEngine(settings(fake, server, **engine))
    try:
        return await reader.read(request())
    finally:
        await reader.close()


def error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


# --- what is sent, what comes back


async def test_an_answer_comes_back_with_its_tokens_and_logprobs(fake: FakeOpenAI) -> None:
    completion = await read(fake)

    assert completion.failure is None
    assert (completion.text, completion.stop_reason, completion.num_tries) == (PAGE, "stop", 1)
    assert (completion.num_prompt_tokens, completion.num_output_tokens) == (1000, 50)
    # of -0.5 and -0.1: tokens of punctuation alone do not count
    assert completion.mean_logprob == pytest.approx(-0.3)
    assert completion.min_logprob == pytest.approx(-0.5)


async def test_the_request_asks_for_the_schema_and_never_tells_the_label(fake: FakeOpenAI) -> None:
    await read(fake)

    body = fake.requests[0]
    assert body["response_format"]["json_schema"]["schema"] == answer_schema("ocr")
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("ovis", 700, 0.0)
    assert "repetition_penalty" not in body
    assert "secret name" not in json.dumps(body)


@pytest.mark.parametrize(("image_format", "is_lossless"), [("jpeg", False), ("png", True), ("webp", True)])
async def test_images_arrive_in_the_chosen_encoding(fake: FakeOpenAI, image_format: str, is_lossless: bool) -> None:
    await read(fake, server={"image_format": image_format})

    url = fake.requests[0]["messages"][0]["content"][0]["image_url"]["url"]
    head, _, data = url.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (head, image.format, image.size) == (f"data:image/{image_format};base64", image_format.upper(), (64, 32))
    if is_lossless:
        assert image.convert("RGB").tobytes() == IMAGE.rgb()
    else:
        assert max(abs(a - b) for a, b in zip(image.convert("RGB").tobytes(), IMAGE.rgb(), strict=True)) <= 4


async def test_a_later_ask_carries_its_penalty_and_temperature(fake: FakeOpenAI) -> None:
    engine = ServerEngine(settings(fake))

    await engine.read(request(repetition_penalty=1.1, temperature=0.2, ask=2))

    assert (fake.requests[0]["repetition_penalty"], fake.requests[0]["temperature"]) == (1.1, 0.2)
    await engine.close()


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(finish_reason="content_filter", text="I"), "refused", "content filter"),
        (Reply(body={"choices": [{"message": {"content": None, "refusal": "I can't."}}]}), "refused", "I can't."),
        (Reply(body={"choices": []}), "engine_error", "no answer"),
        (Reply(body={"error": {"message": "CUDA"}}), "engine_error", "CUDA"),
        (Reply(body={"choices": [{"message": {"content": None}}], "error": {"message": "CUDA"}}), "engine_error", "CUDA"),
        (Reply(body={"error": {"message": "no such model", "code": 404}}), "engine_error", "inside HTTP 200: 404: no such model"),
        (Reply(body={"error": {"message": "who?", "code": 401}}), "engine_error", "OPENAI_API_KEY"),
        (Reply(body=["?"]), "engine_error", "no answer"),
        (Reply(body=b"x" * 100, headers={"Content-Encoding": "gzip"}), "engine_error", "is gzip and is not"),
        (Reply(body=gzip.compress(b"{}" * 100)[:-20], headers={"Content-Encoding": "gzip"}), "engine_error", "ends early"),
        (Reply(body=b"x", headers={"Content-Encoding": "br"}), "engine_error", "encoded as br"),
        (Reply(is_endless=True), "engine_error", "longer than 2482176 bytes"),  # 1 MiB, and 2 KiB for each of 700 tokens
        (Reply(is_endless=True, status=400), "engine_error", "HTTP 400"),
        (Reply.bomb(1 << 26), "engine_error", "longer than 2482176 bytes"),
        (Reply(body=b"<html>busy"), "engine_error", "not JSON: <html>busy"),
        (Reply(finish_reason="error"), "engine_error", "finish_reason error"),
        (Reply(status=400, body=error("This model's maximum context length is 4096 tokens")), "engine_error", "4096 tokens"),
        (Reply(status=403, body=error("no")), "engine_error", "OPENAI_API_KEY"),
        (Reply(status=404, body={"detail": "Not Found"}), "engine_error", "HTTP 404: Not Found"),
        (Reply(status=302, body={}, headers={"Location": "http://elsewhere.invalid/"}), "engine_error", "HTTP 302"),
    ],
)
@pytest.mark.slow
async def test_a_bad_reply_is_a_failure_of_that_request(fake: FakeOpenAI, reply: Reply, kind: str, words: str) -> None:
    fake.replies.append(reply)
    engine = ServerEngine(settings(fake))

    first, second = await engine.read(request()), await engine.read(request())

    assert first.failure is not None
    assert (first.failure.kind, first.failure.stage) == (kind, "read")
    assert words in first.failure.message
    assert first.num_tries == 1
    assert second.failure is None
    await engine.close()


@pytest.mark.slow
async def test_a_reply_takes_no_more_memory_than_its_limit(fake: FakeOpenAI) -> None:
    engine = ServerEngine(settings(fake))
    fake.replies.extend([Reply.bomb(1 << 28), Reply(is_endless=True)])
    await engine.start()
    tracemalloc.start()

    completions = [await engine.read(request()) for _ in range(2)]

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [completion.failure and completion.failure.kind for completion in completions] == ["engine_error"] * 2
    assert peak < 16 << 20  # of replies of 268 MB, and without an end
    assert len(fake.requests) == 2  # once each
    await engine.close()


async def test_a_reply_may_come_as_gzip(fake: FakeOpenAI) -> None:
    body = json.dumps({"choices": [{"message": {"content": PAGE}, "finish_reason": "stop"}]}).encode()
    fake.replies.append(Reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}))

    completion = await read(fake)

    assert (completion.text, completion.failure) == (PAGE, None)
    assert fake.headers[0]["accept-encoding"] == "gzip"


@pytest.mark.parametrize("message", [{"content": None}, {}, {"content": []}, {"content": ""}])
def test_a_reply_without_content_is_an_empty_text(message: dict[str, Any]) -> None:
    assert read_reply({"choices": [{"message": message, "finish_reason": "length"}]}) == Completion(text="", stop_reason="length")
    assert read_reply({"choices": [{"message": message, "finish_reason": "stop"}]}) == Completion(text="")


async def test_an_answer_at_its_length_limit_says_so(fake: FakeOpenAI) -> None:
    fake.replies.append(Reply(text='{"languages": [], "blocks": [{"par', finish_reason="length"))

    completion = await read(fake)

    assert (completion.stop_reason, completion.failure) == ("length", None)


def test_odd_figures_count_as_not_given() -> None:
    logprobs = {"content": [{"token": "a", "logprob": float("-inf")}, {"token": "b"}, None, {"token": "c", "logprob": "x"}]}
    choice = {"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "logprobs": logprobs}

    completion = read_reply({"choices": [choice], "usage": {"prompt_tokens": -1, "completion_tokens": True}})

    assert completion == Completion(text="ab")


def test_figures_that_no_table_holds_count_as_not_given() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -(10**400)}, {"token": "b", "logprob": 10**400}]}
    choice = {"message": {"content": "ab"}, "logprobs": logprobs}

    assert read_reply({"choices": [choice], "usage": {"prompt_tokens": 10**30}}) == Completion(text="ab")
    assert read_reply({"choices": [choice | {"logprobs": {"content": 5}}]}) == Completion(text="ab")


# --- fallbacks


@pytest.mark.parametrize(
    ("refused", "message", "expected"),
    [
        ("json_schema", "response_format json_schema is not supported", {"response_format": {"type": "json_object"}}),
        ("response_format", "Invalid parameter: 'response_format'", {"response_format": None}),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {"max_completion_tokens": 700}),
        ("logprobs", "logprobs are not available", {"logprobs": None}),
        ("temperature", "Unsupported value: 'temperature' does not support 0.0", {"temperature": None}),
    ],
)
async def test_a_refused_parameter_is_left_out_from_then_on(
    fake: FakeOpenAI, refused: str, message: str, expected: dict[str, Any]
) -> None:
    fake.refuses[refused] = message
    engine = ServerEngine(settings(fake))

    first = await engine.read(request())
    num_needed = len(fake.requests)
    second = await engine.read(request())

    assert first.failure is None
    assert second.failure is None
    assert len(fake.requests) == num_needed + 1
    assert {key: fake.requests[-1].get(key) for key in expected} == expected
    await engine.close()


async def test_a_server_without_repetition_penalty_gets_a_frequency_penalty(fake: FakeOpenAI) -> None:
    fake.refuses["repetition_penalty"] = "Unrecognized request argument supplied: repetition_penalty"
    engine = ServerEngine(settings(fake))

    completion = await engine.read(request(repetition_penalty=1.05))

    assert completion.failure is None
    assert fake.requests[-1]["frequency_penalty"] == pytest.approx(0.2)
    await engine.close()


async def test_requests_in_flight_together_find_out_together(fake: FakeOpenAI, caplog: pytest.LogCaptureFixture) -> None:
    fake.refuses["json_schema"] = "json_schema is not supported"
    engine = ServerEngine(settings(fake))

    completions = await asyncio.gather(*(engine.read(request()) for _ in range(4)))

    assert all(completion.failure is None for completion in completions)
    asked = [body["response_format"]["type"] for body in fake.requests]
    assert asked.count("json_object") == 4
    assert asked.count("json_schema") == len(asked) - 4 <= 4  # once each at most, however many were on their way by then
    assert sum("refuses a parameter" in record.message for record in caplog.records) == 1
    await engine.close()


def test_a_prompt_too_long_is_no_reason_to_change_the_dialect() -> None:
    message = "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 4096 tokens"

    assert Dialect("json_schema").looser(message, {"max_tokens": 8192, "response_format": {}}) is None


# --- retries


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


async def test_a_parameter_refused_inside_a_200_is_left_out(fake: FakeOpenAI) -> None:
    fake.replies.append(Reply(body={"error": {"code": 400, "message": "logprobs are not available"}}))

    completion = await read(fake)

    assert (completion.failure, fake.requests[-1].get("logprobs")) == (None, None)


async def test_a_server_that_never_answers_is_a_timeout(fake: FakeOpenAI) -> None:
    fake.replies.extend([Reply(delay_s=30)] * 2)

    completion = await read(fake, timeout_s=0.1, max_tries=2)

    assert completion.failure is not None
    assert (completion.failure.kind, completion.num_tries) == ("engine_timeout", 2)


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


@pytest.mark.slow
async def test_no_more_requests_are_in_flight_than_allowed_and_connections_are_kept(fake: FakeOpenAI) -> None:
    fake.latency_s = 0.02
    engine = ServerEngine(settings(fake, max_requests=3))

    completions = await asyncio.gather(*(engine.read(request()) for _ in range(12)))

    assert all(completion.failure is None for completion in completions)
    assert fake.max_in_flight == 3
    assert fake.num_connections == 3
    await engine.close()


# --- start


async def test_a_served_model_starts(fake: FakeOpenAI) -> None:
    engine = ServerEngine(settings(fake))
    await engine.start()
    await engine.close()


@pytest.mark.parametrize("status", [404, 405, 500])
async def test_a_server_without_a_list_of_models_is_tolerated(fake: FakeOpenAI, status: int) -> None:
    fake.models = Reply(status=status, body={})
    engine = ServerEngine(settings(fake))
    await engine.start()
    await engine.close()


@pytest.mark.parametrize("reply", [Reply(is_endless=True), Reply.bomb(1 << 26)])
async def test_a_list_of_models_without_an_end_is_tolerated(
    fake: FakeOpenAI, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    fake.models = reply
    engine = ServerEngine(settings(fake))
    await engine.start()
    assert "longer than 8388608 bytes; going on" in caplog.text
    await engine.close()


@pytest.mark.slow
async def test_the_names_that_an_endpoint_lists_are_told_and_no_more_than_a_limit_of_them(fake: FakeOpenAI) -> None:
    assert await list_models(settings(fake, model=None), timeout_s=5) == ["ovis"]
    fake.models = Reply(is_endless=True)
    with pytest.raises(EngineStartError, match="longer than 8388608 bytes"):
        await list_models(settings(fake), timeout_s=5)


async def test_a_password_in_the_address_is_sent_and_never_told(fake: FakeOpenAI) -> None:
    fake.replies.append(Reply(status=400, body=error("who is sesame?")))
    url = fake.url.replace("127.0.0.1", "user:sesame@127.0.0.1")

    completion = await read(fake, server={"base_url": url})

    assert base64.b64decode(fake.headers[0]["authorization"].removeprefix("Basic ")) == b"user:sesame"
    assert completion.failure is not None
    assert completion.failure.message == "HTTP 400: who is ***?"
    with pytest.raises(EngineStartError) as raised:
        await ServerEngine(settings(fake, {"base_url": url.replace(str(fake.port), "1")})).start()
    assert "sesame" not in str(raised.value)
    with pytest.raises(EngineStartError) as raised:
        ServerEngine(settings(fake, {"base_url": "http://user:ses/ame@127.0.0.1/v1"}))
    assert "ses" not in str(raised.value)


async def test_a_model_that_is_not_served_ends_the_run_at_its_start(fake: FakeOpenAI) -> None:
    fake.serves = "ovis"
    with pytest.raises(EngineStartError, match=r"does not serve `ovid`, but ovis\."):
        await ServerEngine(settings(fake, model="ovid")).start()


async def test_a_model_that_is_served_but_not_listed_starts(fake: FakeOpenAI) -> None:
    fake.serves = "alias"
    await ServerEngine(settings(fake, model="alias")).start()


@pytest.mark.parametrize(
    ("key", "message"), [(None, r"OPENAI_API_KEY \(401\): the variable is not set\."), ("sk-wrong", r"OPENAI_API_KEY \(401\)\.")]
)
async def test_a_refused_key_ends_the_run_at_its_start(
    fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, key: str | None, message: str
) -> None:
    fake.key = KEY
    if key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(EngineStartError, match=message):
        await ServerEngine(settings(fake)).start()


async def test_an_endpoint_that_is_not_there_ends_the_run_at_its_start() -> None:
    with pytest.raises(EngineStartError, match=r"No answer from 127\.0\.0\.1:1: ConnectError"):
        await ServerEngine(settings(FakeOpenAI(port=1))).start()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server": {"base_url": None}}, r"`engine\.server\.base_url`"),
        ({"server": {"base_url": "localhost:8000/v1"}}, "http://"),
        ({"model": None}, r"`engine\.model`"),
    ],
)
def test_a_missing_setting_is_one_sentence(changes: dict[str, Any], message: str) -> None:
    body = {"name": "server", "model": "ovis", "server": {"base_url": "http://localhost/v1"}} | changes
    with pytest.raises(EngineStartError, match=message) as raised:
        ServerEngine(EngineSettings.model_validate(body))
    assert "\n" not in str(raised.value)


# --- secrets and lineage


async def test_the_key_is_sent_and_never_told(
    fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    fake.replies.append(Reply(status=401, body=error(f"Incorrect API key provided: {KEY}")))
    caplog.set_level("DEBUG")

    completion = await read(fake, server={"api_key_env": "MY_KEY"})

    assert fake.headers[0]["authorization"] == f"Bearer {KEY}"
    assert completion.failure is not None
    assert "MY_KEY" in completion.failure.message
    assert KEY not in repr(completion)
    assert KEY not in caplog.text


def test_another_address_is_the_same_recipe() -> None:
    here, there = FakeOpenAI(port=1), FakeOpenAI(port=2)

    assert describe(settings(here)) == describe(settings(there))
    assert describe(settings(here)) != describe(settings(here, {"image_format": "png"}))
    assert describe(settings(here)) != describe(settings(here, model="other"))


@pytest.mark.parametrize(
    ("replies", "num_pushbacks"),
    [([Reply(status=429), Reply(status=503)], 2), ([Reply(delay_s=1)], 1), ([Reply(status=500), Reply(is_reset=True)], 0), ([], 0)],
)
async def test_it_counts_how_often_it_was_asked_to_slow_down(fake: FakeOpenAI, replies: list[Reply], num_pushbacks: int) -> None:
    fake.replies.extend(replies)
    engine = ServerEngine(settings(fake, timeout_s=0.3))

    completion = await engine.read(request())

    await engine.close()
    assert completion.failure is None
    assert isinstance(engine, PushesBack)
    assert engine.num_pushbacks == num_pushbacks


# --- what gateways say in the body


async def test_a_quota_that_is_used_up_is_asked_once(fake: FakeOpenAI) -> None:
    fake.replies.extend(Reply(status=429, body={"error": {"code": "insufficient_quota", "message": "no credit"}}) for _ in range(3))
    completion = await read(fake)
    assert completion.failure is not None
    assert (completion.failure.kind, completion.num_tries) == ("throttled", 1)
    assert "quota is used up" in completion.failure.message


async def test_a_delay_in_the_body_is_waited_for(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(server_module._Pause, "extend", lambda self, seconds: waited.append(seconds))
    fake.replies.append(Reply(status=429, body={"error": {"message": "Please try again in 40ms."}}))
    assert (await read(fake)).failure is None
    assert waited == [pytest.approx(0.04)]
