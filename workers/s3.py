"""S3 clients from the standard session, credential chain and AWS_* variables (AWS_ENDPOINT_URL names another store)."""

import os
import threading
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

_THREADS = 32
_LOCK = threading.Lock()


def make_client(timeout_s: float = 60, max_tries: int = 5) -> Any:
    """One client per process and setting: thread-safe, and made anew after a fork."""
    with _LOCK:  # sessions are not thread-safe while a client is made
        return _client(
            timeout_s, max_tries, os.getpid(), os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        )


@lru_cache(maxsize=8)
def _client(timeout_s: float, max_tries: int, pid: int, endpoint: str | None) -> Any:
    config = Config(
        connect_timeout=min(timeout_s, 10),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": max_tries},
        max_pool_connections=_THREADS,
        request_checksum_calculation="when_required",  # S3-compatible stores often know none of the newer checksums
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", config=config)


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`; the key is as it is, not URL-encoded."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def status_of(error: Exception) -> int:
    """HTTP status of a botocore ClientError; 0 where there is none."""
    response = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: Exception) -> str:
    """The store's own error code, such as `NoSuchKey`."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
