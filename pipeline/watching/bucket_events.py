"""What a message says happened in a bucket: S3's own notification, EventBridge's envelope, either of them wrapped by SNS.

Only where it happened is of interest. What there is to do is found by listing, so an event that comes twice, late or in another
order costs a listing that finds nothing.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic import ValidationError

from schemas.frozen import Frozen
from workers.sources.s3 import split_uri


class ObjectEvent(NamedTuple):
    """Something happened to this object: it came, changed or went."""

    bucket: str
    key: str
    """As it is, not URL-encoded."""


class NotAnEvent(Exception):
    """A message of some other kind."""


class _Part(Frozen, extra="ignore"):
    """A part of a message, of which what is not asked for is left out."""


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
    """The events in a message; none in the one that S3 sends to try out a queue. Raises NotAnEvent."""
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
            # S3 encodes keys here as in a form: a space is `+`, a plus `%2B`.
            places = [_Record.model_validate(record).s3 for record in records]
            return [ObjectEvent(place.bucket.name, unquote_plus(place.object.key, errors="strict")) for place in places]
        case {"source": "aws.s3", "detail": detail}:
            place = _Place.model_validate(detail)
            return [ObjectEvent(place.bucket.name, place.object.key)]  # EventBridge leaves keys as they are
        case _:
            raise ValueError


def concerns(input: str) -> Callable[[ObjectEvent], bool]:
    """Whether an event is about `input`, which may be one object or a folder: what would be listed is what counts."""
    bucket, key = split_uri(input)
    folder = key if not key or key.endswith("/") else f"{key}/"

    def is_about(event: ObjectEvent) -> bool:
        return event.bucket == bucket and (event.key == key or event.key.startswith(folder))

    return is_about
