"""What is sent to an endpoint, and what is made of its reply."""

import base64
import gzip
import io
import json
import tracemalloc
from typing import Any

import pytest
from PIL import Image

from schemas.answers import answer_schema
from tests.servers.fake_openai import PAGE, FakeOpenAI, Reply
from tests.workers.engines.server.asked import IMAGE, error, read, request, settings
from workers.engines.engine import Completion
from workers.engines.server.chat import read_reply
from workers.engines.server.engine import ServerEngine


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
        (
            Reply(status=308, body={}, headers={"Location": "https://a.invalid/v1?key=k1"}),
            "engine_error",
            "https://a.invalid/v1?key=***",
        ),
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


@pytest.mark.parametrize("finish_reason", ["length", "model_length", "max_tokens", "MAX_TOKENS"])
def test_a_limit_is_one_under_any_name(finish_reason: str) -> None:
    reply = {"choices": [{"message": {"content": "cut he"}, "finish_reason": finish_reason}]}

    assert read_reply(reply) == Completion(text="cut he", stop_reason="length")


def test_a_server_that_ran_out_of_resources_may_answer_later() -> None:
    reply = {"choices": [{"message": {"content": "cut he"}, "finish_reason": "insufficient_system_resource"}]}

    failure = read_reply(reply).failure

    assert failure is not None
    assert (failure.kind, failure.raw_text) == ("engine_unavailable", "cut he")


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
