"""Messages as S3, EventBridge and SNS write them, and what is none."""

import json
from typing import Any

import pytest

from pipeline.watching.bucket_events import NotAnEvent, ObjectEvent, concerns, parse_events


def s3_body(*keys: str, bucket: str = "b", name: str = "ObjectCreated:Put") -> str:
    """As S3 writes it; keys as given, that is URL-encoded."""
    place = {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}}
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": name,
            "s3": place | {"object": {"key": key, "size": 3, "sequencer": "0055AED6DCD90281E5"}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


def eventbridge_body(key: str, bucket: str = "b", detail_type: str = "Object Created") -> str:
    """As EventBridge hands it on; the key is as it is."""
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 3}, "reason": "PutObject"}
    return json.dumps({"version": "0", "id": "1", "detail-type": detail_type, "source": "aws.s3", "detail": detail})


def sns_body(message: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": message, "Signature": "s"})


TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z", "Bucket": "b"})


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("drop/a.pdf", "drop/a.pdf"),
        ("drop/two+words.pdf", "drop/two words.pdf"),
        ("drop/1%2B1.pdf", "drop/1+1.pdf"),
        ("drop/%E4%B8%96%E7%95%8C.pdf", "drop/世界.pdf"),
        ("drop/50%25.pdf", "drop/50%.pdf"),
    ],
)
def test_keys_in_s3_s_own_events_are_url_encoded(encoded, key):
    assert parse_events(s3_body(encoded)) == [ObjectEvent("b", key)]


@pytest.mark.parametrize("key", ["drop/two words.pdf", "drop/1+1.pdf", "drop/50%25.pdf", "drop/世界.pdf"])
def test_keys_in_eventbridge_s_events_are_as_they_are(key):
    assert parse_events(eventbridge_body(key)) == [ObjectEvent("b", key)]


@pytest.mark.parametrize(
    "name", ["ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:DeleteMarkerCreated", "ObjectRestore:Completed"]
)
def test_whatever_happened_to_an_object_is_an_event(name):
    assert parse_events(s3_body("drop/a", "drop/b", name=name)) == [ObjectEvent("b", "drop/a"), ObjectEvent("b", "drop/b")]
    assert parse_events(eventbridge_body("drop/a", detail_type="Object Deleted")) == [ObjectEvent("b", "drop/a")]


@pytest.mark.parametrize("body", [s3_body("drop/two+words"), eventbridge_body("drop/two words")])
def test_sns_may_have_wrapped_it(body):
    assert parse_events(sns_body(body)) == [ObjectEvent("b", "drop/two words")]


@pytest.mark.parametrize("body", [TEST_EVENT, sns_body(TEST_EVENT), json.dumps({"Records": []})])
def test_a_message_without_events_is_understood(body):
    assert parse_events(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        json.dumps({"Records": [{"s3": {"bucket": {}, "object": {"key": "k"}}}]}),
        json.dumps({"Records": {"s3": 1}}),
        json.dumps({"source": "aws.ec2", "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}),
        json.dumps({"source": "aws.s3", "detail": None}),
        s3_body("%FF%FE"),
        sns_body("hello"),
        sns_body(sns_body(s3_body("a"))),
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_told_apart(body: str) -> None:
    with pytest.raises(NotAnEvent):
        parse_events(body)


@pytest.mark.parametrize(
    ("input", "event", "expected"),
    [
        ("s3://b/drop", ("b", "drop/a.pdf"), True),
        ("s3://b/drop", ("b", "drop/sub/a.pdf"), True),
        ("s3://b/drop", ("b", "drop"), True),
        ("s3://b/drop/a.pdf", ("b", "drop/a.pdf"), True),
        ("s3://b/drop", ("b", "dropped/a.pdf"), False),
        ("s3://b/drop", ("other", "drop/a.pdf"), False),
        ("s3://b/drop/", ("b", "drop/a.pdf"), True),
        ("s3://b", ("b", "a.pdf"), True),
        ("s3://b/drop", ("b", "lake/pages/x.parquet"), False),
    ],
)
def test_an_event_concerns_the_input_or_not(input: str, event: Any, expected: bool) -> None:
    assert concerns(input)(ObjectEvent(*event)) is expected
