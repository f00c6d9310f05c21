"""The store in S3, or in anything that speaks S3 and honours If-Match and If-None-Match on PUT."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.store import Conflict, Exists, Stored, StoreError, Versioned
from workers.s3 import code_of, make_client, split_uri, status_of

_DELETE_BATCH = 1000


def _is_conflict(error: BaseException) -> bool:
    """409: two conditional writes met; the store asks to try again."""
    return isinstance(error, ClientError) and status_of(error) == 409


class S3Store:
    def __init__(self, output: str, *, timeout_s: float = 60, max_tries: int = 5) -> None:
        self.bucket, prefix = split_uri(output.rstrip("/"))
        if not self.bucket:
            raise StoreError(f"The output {output} names no bucket.")
        self.prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self.root = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        self._timeout_s, self._max_tries = timeout_s, max_tries

    @property
    def _client(self) -> Any:
        return make_client(self._timeout_s, self._max_tries)

    def create(self, path: str, body: bytes) -> str:
        try:
            return self._put(path, body, IfNoneMatch="*")
        except ClientError as error:
            if status_of(error) != 412:
                raise self._explained(error) from error
        # botocore may have met its own write, after a reply that was lost. Bodies of protocol objects differ between writers
        # (nonces, run ids), and where they do not (a staged chunk's bytes) either writer's object is the same object.
        try:
            versioned = self.get_versioned(path)
        except FileNotFoundError:
            raise Exists(path) from None
        if body and versioned.body == body:
            return versioned.etag
        raise Exists(path)

    def put(self, path: str, body: bytes) -> None:
        try:
            self._put(path, body)
        except ClientError as error:
            raise self._explained(error) from error

    def get(self, path: str) -> bytes:
        return self.get_versioned(path).body

    def get_versioned(self, path: str) -> Versioned:
        try:
            response = self._client.get_object(Bucket=self.bucket, Key=self.prefix + path)
            body: bytes = response["Body"].read()
        except ClientError as error:
            if status_of(error) == 404 and code_of(error) != "NoSuchBucket":
                raise FileNotFoundError(self.uri(path)) from None
            raise self._explained(error) from error
        except BotoCoreError as error:
            raise self._explained(error) from error
        date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
        server_now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return Versioned(body, response["ETag"].strip('"'), response["LastModified"], server_now)

    def replace(self, path: str, body: bytes, etag: str) -> str:
        try:
            return self._put(path, body, IfMatch=f'"{etag}"')
        except ClientError as error:
            if status_of(error) not in (404, 412):
                raise self._explained(error) from error
        try:
            versioned = self.get_versioned(path)
        except FileNotFoundError:
            raise Conflict(path) from None
        if versioned.body == body:
            return versioned.etag
        raise Conflict(path)

    def list(self, prefix: str) -> Iterator[Stored]:
        paginator = self._client.get_paginator("list_objects_v2")
        try:
            for page in paginator.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for item in page.get("Contents", ()):
                    path = item["Key"].removeprefix(self.prefix)
                    yield Stored(path, item["Size"], item["ETag"].strip('"'), item["LastModified"])
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from error

    def delete(self, paths: Iterable[str]) -> None:
        keys = [{"Key": self.prefix + path} for path in paths]
        for start in range(0, len(keys), _DELETE_BATCH):
            batch = keys[start : start + _DELETE_BATCH]
            try:
                response = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True})
            except (ClientError, BotoCoreError) as error:
                raise self._explained(error) from error
            if errors := response.get("Errors"):
                raise StoreError(f"{self.root}: cannot delete {errors[0].get('Key')}: {errors[0].get('Code')}.")

    def uri(self, path: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{path}"

    def _put(self, path: str, body: bytes, **condition: str) -> str:
        patient: Callable[[Callable[[], Any]], Callable[[], Any]] = retry(
            retry=retry_if_exception(_is_conflict),
            stop=stop_after_attempt(self._max_tries + 3),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        put = patient(lambda: self._client.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=body, **condition))
        try:
            return str(put()["ETag"]).strip('"')
        except BotoCoreError as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> StoreError:
        known = {
            "NoSuchBucket": f"the bucket {self.bucket} does not exist",
            "AccessDenied": "access is denied",
            "403": "access is denied",
            "InvalidAccessKeyId": "the access key is not known there",
            "SignatureDoesNotMatch": "the secret key is wrong",
            "NotImplemented": "the store does not know conditional writes",
        }
        return StoreError(f"{self.root}: {known.get(code_of(error), str(error).rstrip('.'))}.")
