"""What is secret in a URL is masked, whatever characters it has; names of objects stay as they are."""

import pytest

from schemas.masking import masked, masked_url
from schemas.settings import EnginesSettings, Settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host:8000/v1", "https://host:8000/v1"),
        ("https://user:pw@host/v1", "https://***@host/v1"),
        ("https://token@host/v1", "https://***@host/v1"),
        ("https://user:p/w@x?y#z@host/v1", "https://***@host/v1"),
        ("https://user:p w\n\"'@host/v1", "https://***@host/v1"),
        ("HTTPS://user:pw@host", "HTTPS://***@host"),
        ("https://host/v1?key=pw&api-version=2", "https://host/v1?key=***&api-version=***"),
        ("https://host/v1?pw", "https://host/v1?***"),
        ("https://host/v1#access_token=pw", "https://host/v1#***"),
        ("ray://user:pw@head:10001", "ray://***@head:10001"),
        ("s3://bucket/a@b/c?d=e", "s3://bucket/a@b/c?d=e"),
        ("file:///a@b", "file:///a@b"),
        ("head:6379", "head:6379"),
        ("user@host", "user@host"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert masked_url(shown) == shown
    assert masked(shown) == shown


def test_a_sentence_keeps_all_but_the_secrets() -> None:
    sentence = "'https://u:pw@host/v1?key=pw' and ray://head:1 are silent for s3://b/a@2x.png; write to me@host."
    assert masked(sentence) == "'https://***@host/v1?key=***' and ray://head:1 are silent for s3://b/a@2x.png; write to me@host."


def test_settings_show_no_password_of_any_url_and_hold_it_all_the_same() -> None:
    url = "https://user:p/w@host/v1?key=pw"
    settings = Settings.model_validate(
        {"engine": {"server": {"base_url": url}, "model": url}, "watch": {"queue": url}, "ray": {"address": url}}
    )
    for shown in (settings.model_dump_json(), repr(settings), str(settings), str(settings.model_dump(mode="json"))):
        assert "pw" not in shown
        assert "p/w" not in shown
        assert shown.count("https://***@host/v1?key=***") == 4
    assert (settings.engine.server.base_url, settings.watch.queue, settings.model_dump()["ray"]["address"]) == (url, url, url)
    assert EnginesSettings.model_validate(settings.engine.model_dump()) == settings.engine
