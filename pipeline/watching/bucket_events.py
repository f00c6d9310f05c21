"""Parses messages about events in a bucket: S3's own notification or EventBridge's envelope, either of them possibly wrapped by
SNS.

Only the object's name is used. A listing finds what there is to do, so an event that comes twice, late or out of order only costs a
listing that finds nothing.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic import ValidationError

from schemas.frozen import Frozen
from workers.sources.s3 import split_uri


class ObjectEvent(NamedTuple):
    """An object that was created, changed or deleted."""

    bucket: str
    key: str
    """The object's key, not URL-encoded."""


class NotAnEvent(Exception):
    """The message is no event of a bucket."""


class _Part(Frozen, extra="ignore"):
    """A part of a message. Fields that are not declared are ignored."""


class _Bucket(_Part):
    name: str


class _Object(_Part):
    key: str


class _Place(_Part):
    bucket: _Bucket
    object: _Object


class _Record(_Part):
    s3: _Place


def parse_events(body: str) -> list[ObjectEvent]:
    """The events in a message; none in the message that S3 sends to test a queue. Raises NotAnEvent."""
    try:
        return _parse(json.loads(body), may_be_wrapped=True)
    except (ValueError, RecursionError, ValidationError) as error:
        raise NotAnEvent("it is no event of a bucket") from error


def _parse(value: Any, *, may_be_wrapped: bool) -> list[ObjectEvent]:
    match value:
        case {"Type": "Notification", "Message": str(inner)} if may_be_wrapped:
            return _parse(json.loads(inner), may_be_wrapped=False)
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Records": list(records)}:
            # S3 encodes keys here as in an HTML form: a space is `+`, a plus `%2B`.
            places = [_Record.model_validate(record).s3 for record in records]
            return [ObjectEvent(place.bucket.name, unquote_plus(place.object.key, errors="strict")) for place in places]
        case {"source": "aws.s3", "detail": detail}:
            place = _Place.model_validate(detail)
            return [ObjectEvent(place.bucket.name, place.object.key)]  # EventBridge leaves keys as they are
        case _:
            raise ValueError


def concerns(input: str) -> Callable[[ObjectEvent], bool]:
    """A test for events about `input`, which may be one object or a folder: the event's object must be one that a listing
    includes."""
    bucket, key = split_uri(input)
    folder = key if not key or key.endswith("/") else f"{key}/"

    def is_about(event: ObjectEvent) -> bool:
        return event.bucket == bucket and (event.key == key or event.key.startswith(folder))

    return is_about
