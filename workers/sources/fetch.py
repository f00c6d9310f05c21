"""Gives the bytes of a source as a local file: a local file in place, an object through the cache that probing and rendering
share."""

import errno
import hashlib
import os
import random
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from schemas.failure import FailureKind, PageError
from schemas.settings import FetchSettings
from schemas.source import FileIdentity, Source
from workers.sources.cache import Cache
from workers.sources.listing import local_etag, local_path
from workers.sources.local_files import explained, identity_of, look_at
from workers.sources.s3 import code_of, make_client, split_uri, status_of

_BLOCK_BYTES = 1024**2
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable"}
_DENIED = {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_TICK_NS = 20_000_000
"""Two writes to a file within this time may leave the same `ctime_ns`, because kernels count it in ticks of up to 10 ms."""
_MAX_HASHED = 1000


class Fetched(NamedTuple):
    path: Path
    document_id: str
    """sha256 of the bytes, hex."""
    version_id: str | None
    """S3 VersionId; None without versioning, and if document_id was given, because the store is not asked again then."""
    file: FileIdentity | None = None
    """The identity of a local file when it was hashed. Code that opens `path` must check that the file is still this one."""


@dataclass
class FetchCounts:
    """Counts of fetched objects. Local files are read in place and do not count."""

    num_downloads: int = 0
    num_cache_hits: int = 0
    num_bytes: int = 0


class _Broken(Exception):
    """The body ended early or its connection broke, so another try may succeed."""


class Fetcher:
    """Fetches sources. Each process or thread needs its own; all processes of a node share the cache folder."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._cache = Cache(settings.cache_dir, settings.cache_bytes)
        self._counts = FetchCounts()
        self._hashed: dict[tuple[str, str], FileIdentity] = {}
        """Identities by (uri, document_id) of local files that were hashed again, because they had changed, and had the same
        bytes."""

    def take_counts(self) -> FetchCounts:
        """The counts since the last call."""
        counts, self._counts = self._counts, FetchCounts()
        return counts

    @contextmanager
    def open(self, source: Source, document_id: str | None = None, file: FileIdentity | None = None) -> Iterator[Fetched]:
        """Gives the source's bytes at the listed version. A cached file stays as long as the context is open.

        With a document_id from an earlier fetch a cached object is used without asking the store. Without it the store is always
        asked, so that an object that is gone or changed is noticed even if the cache holds it.

        A local file is not hashed again if it is still `file`, the one that was hashed before. Otherwise it is hashed, and is
        `changed` unless it has the same bytes. Closing the context raises `changed` if the file was touched meanwhile, so that
        nothing made from it is kept. On a file system without `ctime` a writer that restores size and mtime is not noticed.

        Raises PageError: gone, changed, access_denied, throttled, fetch_failed, too_large_object, empty; CacheError.
        """
        if source.size_bytes == 0:
            raise PageError(FailureKind.empty, "the object has no bytes")
        if source.size_bytes > self._settings.max_object_bytes:
            message = f"{source.size_bytes} bytes, the limit is {self._settings.max_object_bytes}"
            raise PageError(FailureKind.too_large_object, message)
        if not source.uri.startswith("s3://"):
            with self._in_place(source, document_id, file) as fetched:
                yield fetched
            return
        with self._cached(source, document_id) as fetched:
            yield fetched

    @contextmanager
    def _in_place(self, source: Source, document_id: str | None, file: FileIdentity | None) -> Iterator[Fetched]:
        fetched = self._hash_in_place(source, document_id, file)
        try:
            yield fetched
        except PageError:  # if the file was touched, `changed` is the better reason
            _check_untouched(fetched)
            raise
        _check_untouched(fetched)

    def _hash_in_place(self, source: Source, document_id: str | None, file: FileIdentity | None) -> Fetched:
        path = Path(local_path(source.uri))
        with explained():
            status = path.stat()
            _check_version(source, status)
            if document_id is not None and identity_of(status) in (file, self._hashed.get((source.uri, document_id))):
                return Fetched(path, document_id, None, identity_of(status))
            with path.open("rb") as opened:
                before = _settled(opened.fileno())
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                after = os.fstat(opened.fileno())
            _check_version(source, after)
        if identity_of(after) != before:
            raise PageError(FailureKind.changed, "the file was written to while it was read")
        if document_id is not None:
            if digest != document_id:
                raise PageError(FailureKind.changed, "the file holds other bytes than it did before in this run")
            if len(self._hashed) == _MAX_HASHED:
                self._hashed.clear()
            self._hashed[source.uri, document_id] = before
        return Fetched(path, digest, None, before)

    @contextmanager
    def _cached(self, source: Source, document_id: str | None) -> Iterator[Fetched]:
        name = hashlib.sha256(f"{source.uri}\0{source.etag}".encode()).hexdigest()
        version_id: str | None = None
        is_cached = True

        def fill(file: RawIOBase) -> None:
            nonlocal document_id, version_id, is_cached
            is_cached = False
            self._counts.num_downloads += 1
            document_id, version_id = self._download(source, file)
            self._counts.num_bytes += source.size_bytes

        with ExitStack() as opened:
            try:
                path = opened.enter_context(self._cache.open(name, source.size_bytes, fill))
            except OSError as error:  # raised by the cache, and not by the code that uses the file
                raise PageError(FailureKind.fetch_failed, f"the cache cannot be used: {error.strerror}") from error
            self._counts.num_cache_hits += is_cached
            if document_id is None:
                document_id, version_id = _sha256(path), self._head_version(source)
            yield Fetched(path, document_id, version_id)

    def _download(self, source: Source, file: RawIOBase) -> tuple[str, str | None]:
        """Fills `file` and gives sha256 and VersionId. After a break the download goes on where it stopped."""
        body = _Body(file)
        has_evicted = False
        version_id: str | None = None
        for attempt in range(self._settings.max_tries):
            try:
                version_id = self._get(source, body)
                break
            except _Broken as error:
                if attempt == self._settings.max_tries - 1:
                    raise PageError(FailureKind.fetch_failed, str(error)) from error
                time.sleep(random.uniform(0, min(10, 0.2 * 2**attempt)))
            except OSError as error:
                if error.errno in _DISK_FULL and not has_evicted:
                    has_evicted = True
                    self._cache.empty()
                    body.restart()
                    continue
                raise PageError(FailureKind.fetch_failed, f"the cache cannot be written: {error.strerror}") from error
        else:
            raise PageError(FailureKind.fetch_failed, "the disk of the cache is full")
        return body.digest.hexdigest(), version_id

    def _get(self, source: Source, body: "_Body") -> str | None:
        """Appends the missing part of the object. Raises _Broken, and OSError of the local disk."""
        bucket, key = split_uri(source.uri)
        if body.num_bytes >= source.size_bytes:  # it broke off after its last byte, behind which there is no range to ask for
            body.restart()
        part = {"Range": f"bytes={body.num_bytes}-"} if body.num_bytes else {}
        response = self._ask("get_object", Bucket=bucket, Key=key, IfMatch=f'"{source.etag}"', **part)
        if part and response["ResponseMetadata"]["HTTPStatusCode"] != 206:
            body.restart()  # the store does not support ranges
        stream = response["Body"]
        try:
            while block := _read(stream):
                if body.num_bytes + len(block) > source.size_bytes:
                    raise PageError(FailureKind.changed, f"more than the {source.size_bytes} bytes it was listed with")
                body.append(block)
        finally:
            stream.close()
        if body.num_bytes != source.size_bytes:
            raise _Broken(f"the body broke off after {body.num_bytes} of {source.size_bytes} bytes")
        version_id: str | None = response.get("VersionId")
        return version_id

    def _head_version(self, source: Source) -> str | None:
        bucket, key = split_uri(source.uri)
        version_id: str | None = self._ask("head_object", Bucket=bucket, Key=key, IfMatch=f'"{source.etag}"').get("VersionId")
        return version_id

    def _ask(self, operation: str, **parameters: str) -> dict[str, Any]:
        """Sends a request, which botocore retries. Raises PageError when its tries are used up."""
        client = make_client(self._settings.timeout_s, self._settings.max_tries)
        try:
            response: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            raise _page_error(error) from error
        except BotoCoreError as error:
            denied = "Credentials" in type(error).__name__ or "Token" in type(error).__name__
            raise PageError(FailureKind.access_denied if denied else FailureKind.fetch_failed, str(error)) from error
        return response


class _Body:
    """The part of an object that has been received."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self.restart()

    def restart(self) -> None:
        self._file.truncate(0)
        self.digest, self.num_bytes = hashlib.sha256(), 0

    def append(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # a write to a nearly full disk may take only a part
            rest = rest[self._file.write(rest) or 0 :]
        self.digest.update(block)
        self.num_bytes += len(block)


def _read(stream: Any) -> bytes:
    try:
        block: bytes = stream.read(_BLOCK_BYTES)
    except (BotoCoreError, OSError) as error:
        raise _Broken(f"the body broke off: {error}") from error
    return block


def _settled(descriptor: int) -> FileIdentity:
    """The open file's identity, after waiting until any later write must change it."""
    before = os.fstat(descriptor)
    age_ns = time.time_ns() - before.st_ctime_ns
    if 0 <= age_ns < _TICK_NS:
        time.sleep((_TICK_NS - age_ns) / 1e9)
    after = os.fstat(descriptor)
    if identity_of(after) != identity_of(before):
        raise PageError(FailureKind.changed, "the file is being written to")
    return identity_of(after)


def _check_untouched(fetched: Fetched) -> None:
    if look_at(fetched.path) != fetched.file:
        raise PageError(FailureKind.changed, "the file was written to, or replaced, while it was used")


def _check_version(source: Source, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or local_etag(status) != source.etag:
        raise PageError(FailureKind.changed, "size or time of the file changed since it was listed")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _page_error(error: ClientError) -> PageError:
    status, code = status_of(error), code_of(error)
    if status == 412:
        return PageError(FailureKind.changed, "the object has another ETag than when it was listed")
    if status == 404:
        return PageError(FailureKind.gone, f"the store answers {code or 404}")
    if code == "InvalidObjectState":
        return PageError(FailureKind.access_denied, "the object is archived (Glacier): restore it first")
    if status in (401, 403) or code in _DENIED:
        return PageError(FailureKind.access_denied, f"the store answers {code or status}")
    if status in (429, 503) or code in _THROTTLED:
        return PageError(FailureKind.throttled, f"the store answers {code or status}, again and again")
    return PageError(FailureKind.fetch_failed, f"the store answers {code or status}")
