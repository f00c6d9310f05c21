"""A request to the fake endpoint, and its settings."""

from typing import Any

from schemas.answers import answer_schema
from schemas.page import PageImage
from schemas.settings import EngineSettings
from tests.servers.fake_openai import FakeOpenAI
from workers.engines.engine import Completion, Request
from workers.engines.server.engine import ServerEngine
from workers.reading.prompts import prompt_for

KEY = "sk-very-secret-0123456789"
IMAGE = PageImage.from_rgb(64, 32, bytes([200, 30, 30]) * (64 * 32))


def settings(fake: FakeOpenAI, server: dict[str, Any] | None = None, **engine: Any) -> EngineSettings:
    defaults = {"name": "server", "model": "ovis", "timeout_s": 60, "max_tries": 3, "max_requests": 4}
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
