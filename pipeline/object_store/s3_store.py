"""The store in S3, or in any S3-compatible service that honours If-Match and If-None-Match on PUT."""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.object_store.store import Conflict, Exists, StoredObject, StoreError, StoreUnavailable, Versioned
from workers.sources.s3 import PASSING_CODES, S3Error, code_of, explain, is_passing, make_client, md5_base64, split_uri, status_of

_DELETE_BATCH = 1000
_CONFLICT_TRIES = 8


class S3Store:
    """Encryption, storage class and object lock are left to the bucket's defaults."""

    def __init__(self, output: str, *, timeout_s: float = 60, max_tries: int = 5, unsafe_single_writer: bool = False) -> None:
        self.bucket, prefix = split_uri(output)
        if not self.bucket:
            raise StoreError(f"The output {output} names no bucket.")
        self.prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self.root = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self._timeout_s, self._max_tries, self._unsafe = timeout_s, max_tries, unsafe_single_writer

    def limited(self, *, timeout_s: float, max_tries: int) -> "S3Store":
        return S3Store(self.root, timeout_s=timeout_s, max_tries=max_tries, unsafe_single_writer=self._unsafe)

    @property
    def _client(self) -> Any:
        return make_client(self._timeout_s, self._max_tries)

    def create(self, path: str, body: bytes) -> str:
        etag = self._put_if(path, body, None)
        if etag is None:
            raise Exists(path)
        return etag

    def replace(self, path: str, body: bytes, etag: str) -> str:
        new_etag = self._put_if(path, body, etag)
        if new_etag is None:
            raise Conflict(path)
        return new_etag

    def put(self, path: str, body: bytes) -> None:
        try:
            self._put(path, body)
        except S3Error as error:
            raise self._explained(error) from error

    def get(self, path: str) -> bytes:
        return self._get(path)[0]

    def get_versioned(self, path: str) -> Versioned:
        body, response = self._get(path)
        date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            raise StoreError(f"{self.root}: the store answers without the header Date, which the lease is timed by.")
        try:
            server_now = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            raise StoreError(f"{self.root}: the store's header Date, which the lease is timed by, is no date.") from None
        last_modified: datetime = response["LastModified"]
        return Versioned(body, response["ETag"].strip('"'), last_modified, server_now)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        paginator = self._client.get_paginator("list_objects_v2")
        try:
            for page in paginator.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for item in page.get("Contents", ()):
                    path = item["Key"].removeprefix(self.prefix)
                    yield StoredObject(path, item["Size"], item["ETag"].strip('"'), item["LastModified"])
        except S3Error as error:
            raise self._explained(error) from error

    def delete(self, paths: Iterable[str]) -> None:
        keys = [self.prefix + path for path in paths]
        for start in range(0, len(keys), _DELETE_BATCH):
            self._delete(keys[start : start + _DELETE_BATCH])

    def _delete(self, keys: Sequence[str]) -> None:
        """A store that throttles may refuse single keys of a request that succeeds. botocore does not ask for these again."""
        for attempt in range(self._max_tries):
            objects = [{"Key": key} for key in keys]
            try:
                response = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            except S3Error as error:
                raise self._explained(error) from error
            refused = {error.get("Key"): error.get("Code") for error in response.get("Errors", ())}
            if not refused:
                return
            is_passing = PASSING_CODES.issuperset(refused.values())
            if not is_passing or attempt == self._max_tries - 1:
                key, code = next(item for item in refused.items() if is_passing or item[1] not in PASSING_CODES)
                raise (StoreUnavailable if is_passing else StoreError)(f"{self.root}: cannot delete {key}: {code}.")
            keys = [key for key in keys if key in refused] or keys
            _pause(attempt, most_s=5)

    def sweep(self) -> None:
        """Does nothing, because an unfinished PUT leaves nothing behind."""

    def uri(self, path: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{path}"

    def _put_if(self, path: str, body: bytes, etag: str | None) -> str | None:
        """Writes if that version is there (etag None: if nothing is there), and gives the new ETag; else gives None."""
        if self._unsafe:  # the store may refuse or ignore conditions; with one writer a check before writing is enough
            try:
                current = self._get(path)[1]["ETag"].strip('"')
            except FileNotFoundError:
                current = None
            return self._put_explained(path, body) if current == etag else None
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        for attempt in range(_CONFLICT_TRIES):
            try:
                return self._put(path, body, **condition)
            except ClientError as error:
                if status_of(error) == 409 and attempt < _CONFLICT_TRIES - 1:  # two writes met: the store asks to try again
                    _pause(attempt, most_s=2)
                    continue
                if status_of(error) == 412 or (status_of(error) == 404 and code_of(error) == "NoSuchKey"):
                    return self._own_write(path, body)
                raise self._explained(error) from error
            except BotoCoreError as error:
                raise self._explained(error) from error
        raise AssertionError("unreachable")

    def _own_write(self, path: str, body: bytes) -> str | None:
        """The ETag if the object that was met is our own earlier write, whose reply was lost and which botocore has repeated.

        Equal bytes show that: leases, plans, manifests and begin markers differ from writer to writer, and for a staged chunk it
        does not matter which writer wrote the same bytes. Empty bodies show nothing.
        """
        try:
            stored, response = self._get(path)
        except FileNotFoundError:
            return None
        return str(response["ETag"]).strip('"') if body and stored == body else None

    def _put_explained(self, path: str, body: bytes) -> str:
        try:
            return self._put(path, body)
        except S3Error as error:
            raise self._explained(error) from error

    def _put(self, path: str, body: bytes, **condition: str) -> str:
        response = self._client.put_object(
            Bucket=self.bucket, Key=self.prefix + path, Body=body, ContentMD5=md5_base64(body), **condition
        )
        return str(response["ETag"]).strip('"')

    def _get(self, path: str) -> tuple[bytes, dict[str, Any]]:
        """The body and the response. A body that breaks off is requested again, which botocore does not do."""
        for attempt in range(self._max_tries):
            try:
                response = self._client.get_object(Bucket=self.bucket, Key=self.prefix + path)
            except ClientError as error:
                if status_of(error) == 404 and code_of(error) != "NoSuchBucket":
                    raise FileNotFoundError(self.uri(path)) from None
                raise self._explained(error) from error
            except BotoCoreError as error:
                raise self._explained(error) from error
            try:
                return response["Body"].read(), response
            except (BotoCoreError, OSError) as error:
                if attempt == self._max_tries - 1:
                    raise StoreUnavailable(f"{self.uri(path)}: its body breaks off ({error}).") from error
                _pause(attempt, most_s=5)
        raise AssertionError("unreachable")

    def _explained(self, error: BaseException) -> StoreError:
        kind = StoreUnavailable if is_passing(error) else StoreError
        return kind(f"{self.root}: {explain(error, self.bucket)}.")


def _pause(attempt: int, *, most_s: float) -> None:
    """Some time by chance, longer after each attempt, so that those who met do not meet again."""
    time.sleep(random.uniform(0, min(most_s, 0.1 * 2**attempt)))
