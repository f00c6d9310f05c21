"""Bytes of a source as a local file, through a node-local cache that probing and rendering share."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from schemas.failure import FailureKind, PageError
from schemas.settings import FetchSettings
from schemas.source import Source
from workers.listing import local_etag, local_path
from workers.s3 import code_of, make_client, split_uri, status_of

_BLOCK_BYTES = 1024**2
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable"}


class Fetched(NamedTuple):
    path: Path
    document_id: str
    """sha256 of the bytes, hex."""
    version_id: str | None
    """S3 VersionId; None where there is none, and when the bytes came out of the cache."""


class _Broken(Exception):
    """The body ended early or its connection broke: worth another try."""


class Fetcher:
    """One per process; the cache folder is shared by all processes of a node."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._folder = settings.cache_dir or Path(tempfile.gettempdir(), f"pagefold-cache-{os.getuid()}")

    @contextmanager
    def open(self, source: Source, document_id: str | None = None) -> Iterator[Fetched]:
        """The source's bytes at the listed version; the file stays as long as the context is open.

        document_id, where it is known, spares hashing. Raises PageError: gone, changed, access_denied, throttled, fetch_failed,
        too_large_object, empty.
        """
        if source.size_bytes == 0:
            raise PageError(FailureKind.empty, "the object has no bytes")
        if source.size_bytes > self._settings.max_object_bytes:
            message = f"{source.size_bytes} bytes, the limit is {self._settings.max_object_bytes}"
            raise PageError(FailureKind.too_large_object, message)
        if not source.uri.startswith("s3://"):
            yield _in_place(source, document_id)
            return
        with self._cached(source, document_id) as fetched:
            yield fetched

    @contextmanager
    def _cached(self, source: Source, document_id: str | None) -> Iterator[Fetched]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = self._folder / hashlib.sha256(f"{source.uri}\0{source.etag}".encode()).hexdigest()
        with (self._folder / f"{entry.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two processes that want the same object download it once
            version_id = None
            if not entry.exists():
                self._make_room(source.size_bytes)
                document_id, version_id = self._download(source, entry)
            fcntl.flock(lock, fcntl.LOCK_SH)  # pinned: eviction wants it exclusively
            os.utime(entry)
            yield Fetched(entry, document_id or _sha256(entry), version_id)

    def _download(self, source: Source, entry: Path) -> tuple[str, str | None]:
        patient = retry(
            retry=retry_if_exception_type(_Broken),
            stop=stop_after_attempt(self._settings.max_tries),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            reraise=True,
        )
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="_tmp-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest, version_id = patient(self._get)(source, file)
            os.replace(name, entry)
        except _Broken as error:
            raise PageError(FailureKind.fetch_failed, str(error)) from error
        finally:
            Path(name).unlink(missing_ok=True)
        return digest, version_id

    def _get(self, source: Source, file: IO[bytes]) -> tuple[str, str | None]:
        file.seek(0)
        file.truncate()
        bucket, key = split_uri(source.uri)
        digest, num_bytes = hashlib.sha256(), 0
        try:
            client = make_client(self._settings.timeout_s, self._settings.max_tries)
            response: dict[str, Any] = client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{source.etag}"')
            for block in response["Body"].iter_chunks(_BLOCK_BYTES):
                num_bytes += len(block)
                digest.update(block)
                _write(file, block)
        except ClientError as error:
            raise _page_error(error) from error
        except BotoCoreError as error:
            raise _Broken(f"the store did not hand the object out: {error}") from error
        except OSError as error:
            raise _Broken(f"the connection broke: {error}") from error
        if num_bytes != source.size_bytes:
            raise _Broken(f"{num_bytes} of {source.size_bytes} bytes came")
        return digest.hexdigest(), response.get("VersionId")

    def _make_room(self, num_bytes: int) -> None:
        """Evict the least recently used objects that nobody has open, until `num_bytes` more fit."""
        with (self._folder / "_evict.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = sorted(
                ((status.st_mtime, status.st_size, path) for path in self._folder.iterdir() if (status := _entry_status(path))),
                key=lambda entry: entry[0],
            )
            excess = sum(size for _, size, _ in entries) + num_bytes - self._settings.cache_bytes
            for _, size, path in entries:
                if excess <= 0:
                    return
                if _evict(path):
                    excess -= size


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise PageError(FailureKind.fetch_failed, f"the cache cannot be written: {error.strerror}") from error


def _entry_status(path: Path) -> os.stat_result | None:
    if path.suffix or path.name.startswith("_"):
        return None
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _evict(path: Path) -> bool:
    """False where a process has it open. The lock file stays: to unlink it would let two processes hold "the" lock."""
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink(missing_ok=True)
        return True


def _in_place(source: Source, document_id: str | None) -> Fetched:
    path = Path(local_path(source.uri))
    try:
        if local_etag(path.stat()) != source.etag:
            raise PageError(FailureKind.changed, "size or time of the file changed since it was listed")
        return Fetched(path, document_id or _sha256(path), None)
    except FileNotFoundError:
        raise PageError(FailureKind.gone, "the file is no longer there") from None
    except PermissionError:
        raise PageError(FailureKind.access_denied, "permission denied") from None
    except OSError as error:
        raise PageError(FailureKind.fetch_failed, f"the file cannot be read: {error.strerror}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _page_error(error: ClientError) -> Exception:
    status, code = status_of(error), code_of(error)
    if status == 412:
        return PageError(FailureKind.changed, "the object has another ETag than when it was listed")
    if status == 404:
        return PageError(FailureKind.gone, f"the store answers {code or 404}")
    if status in (401, 403):
        return PageError(FailureKind.access_denied, f"the store answers {code or status}")
    if status == 429 or code in _THROTTLED:
        return PageError(FailureKind.throttled, f"the store answers {code or status}, again and again")
    return PageError(FailureKind.fetch_failed, f"the store answers {code or status}")
