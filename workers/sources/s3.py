"""S3 clients by boto3's standard session, credential chain and AWS_* variables (AWS_ENDPOINT_URL names another store)."""

import base64
import hashlib
import os
import socket
import threading
from functools import lru_cache
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)

from workers.sources.s3_listing import read_listings_fast

S3Error = (ClientError, BotoCoreError)
"""All errors of botocore, also while a body is read: the store refused, or did not answer."""

_THREADS = 32


def make_client(timeout_s: float = 60, max_tries: int = 5) -> Any:
    """One client per process and setting. It is thread-safe, and made again after a fork or a change of the AWS_* variables.

    botocore retries throttling, 5xx and lost connections (mode `standard`, at most max_tries requests), but not a body that breaks
    off while it is read. With an endpoint set it addresses buckets by path, as most S3-compatible stores need.
    """
    environment = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    with _lock:  # sessions are not thread-safe while a client is made
        return _client(timeout_s, max_tries, environment)


@lru_cache(maxsize=8)
def _client(timeout_s: float, max_tries: int, environment: tuple[tuple[str, str], ...]) -> Any:
    import boto3  # a fifth of a second, and folders need none of it
    from botocore.config import Config

    config = Config(
        connect_timeout=min(timeout_s, 10),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": max_tries},
        max_pool_connections=_THREADS,
        request_checksum_calculation="when_required",  # many S3-compatible stores do not know the newer checksums
        response_checksum_validation="when_required",
    )
    client = boto3.session.Session().client("s3", config=config)
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    read_listings_fast(client)
    return client


_lock = threading.Lock()


def _forget_clients() -> None:
    """Discards the clients in a forked child, because the parent's sockets are not ours, and its lock may be held by a thread that
    does not exist here."""
    global _lock
    _lock = threading.Lock()
    _client.cache_clear()


os.register_at_fork(after_in_child=_forget_clients)


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    """Adds Content-MD5 to a request. botocore sends a CRC32 instead, and older stores refuse the request without Content-MD5."""
    params["headers"].setdefault("Content-MD5", md5_base64(params["body"]))


def md5_base64(body: bytes) -> str:
    """The value of the header Content-MD5, which every store checks and buckets with Object Lock demand."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`. The key is not URL-encoded."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def status_of(error: BaseException) -> int:
    """HTTP status of a botocore ClientError; 0 if there is none."""
    response = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: BaseException) -> str:
    """The store's own error code, such as `NoSuchKey`."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


_CREDENTIALS = {
    "InvalidAccessKeyId": "the access key is not known there",
    "InvalidClientTokenId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "this machine's clock is too far off",
}


def explain_credentials(error: BaseException) -> str | None:
    """A botocore error about credentials as a clause without capital and full stop; None for other errors."""
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return "there are no AWS credentials (set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    return _CREDENTIALS.get(code_of(error))


PASSING_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"})
_PASSING_STATUSES = frozenset({408, 429})
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def is_passing(error: BaseException) -> bool:
    """True if a later try may succeed: 5xx except 501, throttling, and a store that does not answer.

    A refused connection counts too, because a store that is restarting refuses connections. An unknown host name and a bad
    certificate do not, because they stay until somebody mends them.
    """
    if isinstance(error, ClientError):
        status = status_of(error)
        return (status >= 500 and status != 501) or status in _PASSING_STATUSES or code_of(error) in PASSING_CODES
    if isinstance(error, SSLError):
        return False
    return isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError) and not _is_no_name(error)


def _is_no_name(error: BotoCoreError) -> bool:
    link: BaseException | None = error.kwargs.get("error")
    while link is not None:
        if isinstance(link, socket.gaierror):
            return link.errno in _NO_SUCH_NAME
        link = link.__cause__ or link.__context__
    return False


def explain(error: BaseException, bucket: str) -> str:
    """A botocore error for the operator, as a clause without capital and full stop."""
    code, status = code_of(error), status_of(error)
    if (about := explain_credentials(error)) is not None:
        return about
    if code == "NoSuchBucket":
        return f"the bucket {bucket} does not exist"
    if status in (401, 403):
        return f"access to the bucket {bucket} is denied"
    if status == 501 or code == "NotImplemented":
        return "the store does not know conditional writes; with --unsafe-single-writer one run at a time may use it"
    said = str(error).rstrip(".")
    return f"the store is not available now ({said})" if is_passing(error) else said
