"""The SQS queue that events come through. A received message is hidden until it is deleted or handed back, or its time is up."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from schemas.errors import OperatorError
from schemas.masking import masked, masked_url
from workers.sources.s3 import S3Error, code_of, explain_credentials, status_of

POLL_S = 5
"""Seconds that a request waits for messages. SQS allows 20, but signals are noticed only between requests, and requests are
cheap."""

_BATCH = 10
"""Largest number of messages in a request."""
_AWS_HOST = re.compile(r"(?:sqs|sqs-fips)\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?|([a-z0-9-]+)\.queue\.amazonaws\.com")
_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_THROTTLED = {"ThrottlingException", "Throttling", "RequestThrottled", "RequestLimitExceeded", "OverLimit", "KmsThrottled"}


class QueueMessage(NamedTuple):
    message_id: str
    handle: str
    """Handle of this delivery. Handles of earlier deliveries may be invalid."""
    body: str


class QueueError(OperatorError):
    """The queue cannot be used: it does not exist, or access is denied. The message is one sentence."""


class QueueBusy(Exception):
    """The queue did not answer or asked to slow down, after all retries. The message is a clause without capital and full stop."""


class Queue(Protocol):
    def receive(self, wait_s: int) -> list[QueueMessage]:
        """Receives a few messages, which are hidden from then on; none if none came within `wait_s`."""

    def hide(self, messages: Sequence[QueueMessage], seconds: int) -> list[QueueMessage]:
        """Hides messages for so many seconds from now; 0 hands them back. Gives those that cannot be hidden any longer."""

    def delete(self, messages: Sequence[QueueMessage]) -> None:
        """Deletes messages. A message that was received again meanwhile may come once more."""


class Sqs:
    """A queue by its URL. botocore retries throttling, 5xx and lost connections; what fails after that is QueueBusy or
    QueueError."""

    def __init__(self, url: str, *, visibility_s: int, timeout_s: float = 60, max_tries: int = 5) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
            raise QueueError(
                f"{masked_url(url)} is no URL of a queue, such as https://sqs.us-east-1.amazonaws.com/123456789012/pagefold-events."
            )
        self._url, self._visibility_s = url, visibility_s
        config = Config(
            connect_timeout=min(timeout_s, 10),
            read_timeout=timeout_s + POLL_S,
            retries={"mode": "standard", "total_max_attempts": max_tries},
        )
        session = boto3.session.Session()
        match = _AWS_HOST.fullmatch(parts.hostname)
        region = (match and (match[1] or match[2])) or session.region_name or "us-east-1"
        # The endpoint comes from the URL, because AWS_ENDPOINT_URL may name an S3 server elsewhere.
        self._client: Any = session.client(
            "sqs", config=config, region_name=region, endpoint_url=f"{parts.scheme}://{parts.netloc}"
        )

    def receive(self, wait_s: int) -> list[QueueMessage]:
        with self._explained():
            reply = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=wait_s, VisibilityTimeout=self._visibility_s
            )
        return [QueueMessage(item["MessageId"], item["ReceiptHandle"], item["Body"]) for item in reply.get("Messages", ())]

    def hide(self, messages: Sequence[QueueMessage], seconds: int) -> list[QueueMessage]:
        gone = []
        for batch in _batches(messages):
            entries = [
                {"Id": str(index), "ReceiptHandle": message.handle, "VisibilityTimeout": seconds}
                for index, message in enumerate(batch)
            ]
            with self._explained():
                reply = self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
            gone += [batch[int(failed["Id"])] for failed in reply.get("Failed", ()) if failed.get("SenderFault", True)]
        return gone

    def delete(self, messages: Sequence[QueueMessage]) -> None:
        for batch in _batches(messages):
            entries = [{"Id": str(index), "ReceiptHandle": message.handle} for index, message in enumerate(batch)]
            with self._explained():
                self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            code, status = code_of(error), status_of(error)
            if isinstance(error, HTTPClientError | NoConnection) or status >= 500 or status == 429 or code in _THROTTLED:
                raise QueueBusy(f"the queue {masked_url(self._url)} does not answer: {masked(str(error)).rstrip('.')}") from error
            if code in _MISSING:
                reason = "it does not exist"
            elif (about := explain_credentials(error)) is not None:
                reason = about
            elif status in (401, 403) or code.startswith("AccessDenied"):
                reason = "access is denied: it takes sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility"
            else:
                reason = masked(str(error)).rstrip(".")
            raise QueueError(f"Cannot use the queue {masked_url(self._url)}: {reason}.") from error


def _batches(messages: Sequence[QueueMessage]) -> Iterator[Sequence[QueueMessage]]:
    for start in range(0, len(messages), _BATCH):
        yield messages[start : start + _BATCH]
