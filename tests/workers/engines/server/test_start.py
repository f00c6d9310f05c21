"""The start: the model is served, the key and the address are good, and neither is shown."""

import base64
from typing import Any

import pytest

from schemas.settings import EngineSettings
from tests.servers.fake_openai import FakeOpenAI, Reply
from tests.workers.engines.server.asked import KEY, error, read, settings
from workers.engines.engine import EngineStartError
from workers.engines.server import describe
from workers.engines.server.engine import ServerEngine, list_models


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
    assert await list_models(settings(fake, model=None), timeout_s=60) == ["ovis"]
    fake.models = Reply(is_endless=True)
    with pytest.raises(EngineStartError, match="longer than 8388608 bytes"):
        await list_models(settings(fake), timeout_s=60)


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
