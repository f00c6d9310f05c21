"""Refusals as gateways write them."""

import pytest

from workers.engines.server.gateways import delay_in, is_quota


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "Rate limit reached. Please try again in 20s.", "code": "rate_limit_exceeded"}}, 20),
        ({"error": {"message": "Please try again in 350ms."}}, 0.35),
        ({"error": {"message": "retry after 2 minutes"}}, 120),
        ({"error": {"message": "Rate limit reached. Please try again in 1m12.5s. Visit our site."}}, 72.5),
        ({"error": {"message": "Please try again in 2h3m"}}, 7380),
        ({"error": {"details": [{"@type": "RetryInfo", "retryDelay": "31.5s"}]}}, 31.5),
        ({"error": {"metadata": {"retry_after": 7}}}, 7),
        ({"error": {"metadata": {"retry_after_seconds": 7.5}}}, 7.5),
        ("upstream said: retry in 3 seconds", 3),
        ({"error": {"message": "Too many requests"}}, None),
        ({"error": {"message": "the limit is 20 s of audio"}}, None),
        (None, None),
    ],
)
def test_how_long_to_wait(body, seconds):
    assert delay_in(body) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "insufficient_quota", "message": "You exceeded your current quota, please check your plan"}}, True),
        ({"error": {"message": "Your credit balance is too low"}}, True),
        ({"error": {"message": "Quota exceeded for requests per minute", "details": [{"retryDelay": "12s"}]}}, False),
        ({"error": {"message": "Rate limit reached"}}, False),
        ({"error": {"message": "Limit 500000. Please try again in 11m25.2s. Need more? See /settings/billing"}}, False),
    ],
)
def test_a_quota_is_no_rate(body, expected):
    assert is_quota(body) is expected
