"""Parameters that an endpoint refuses are left out."""

import asyncio
from typing import Any

import pytest

from tests.servers.fake_openai import FakeOpenAI, Reply
from tests.workers.engines.server.asked import read, request, settings
from workers.engines.server.chat import Dialect
from workers.engines.server.engine import ServerEngine


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


async def test_a_parameter_refused_inside_a_200_is_left_out(fake: FakeOpenAI) -> None:
    fake.replies.append(Reply(body={"error": {"code": 400, "message": "logprobs are not available"}}))

    completion = await read(fake)

    assert (completion.failure, fake.requests[-1].get("logprobs")) == (None, None)
