"""Lists the input: a local folder, one file, or `s3://bucket/prefix`. The listing is the source of truth."""

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from schemas.errors import EXIT_INCOMPLETE, OperatorError
from schemas.failure import clean_message
from schemas.source import Source
from workers.sources.s3 import S3Error, explain, is_passing, make_client, split_uri

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InputError(OperatorError):
    """The input cannot be listed. The message is one sentence for the operator."""


class InputUnavailable(InputError):
    """The store does not answer, or asks to come back later. The same command may succeed then."""

    exit_code = EXIT_INCOMPLETE


def list_sources(input: str, *, timeout_s: float = 60, max_tries: int = 5) -> "Listing":
    """Lists every object or file, sorted by name.

    `s3://bucket/a/b` is the object with that key if it exists, else the folder `a/b/`. Left out are placeholder keys of folders
    (empty, ending in `/` or `_$folder$`), and below a local folder names that start with a dot, `lost+found`, and what is no file.
    Links to files are followed, links to folders are not, because they may form circles. Empty objects are listed.

    Raises InputError: no such folder or bucket, or no permission, also on a folder below the input, so that nothing is left out
    silently.
    """
    if not input.startswith("s3://") and "://" in input:
        raise InputError(f"The input {input} is neither a local path nor s3://bucket/prefix.")
    return Listing(input, timeout_s, max_tries)


class Listing:
    """An iterator to be used once. Its attributes are valid after it has ended. A listing that breaks off raises."""

    def __init__(self, input: str, timeout_s: float, max_tries: int) -> None:
        self._input, self._timeout_s, self._max_tries = input, timeout_s, max_tries
        self.now = datetime.now(UTC)
        """The time by the clock of `last_modified`, which is the store's own, from the `Date` of its answers."""
        self.is_one_file = False
        self.unseen: set[str] = set()
        """uris of files that exist and could not be examined. They are not listed, and do not count as gone."""
        is_s3 = input.startswith("s3://")
        self.root = input.rstrip("/") if is_s3 else storable(os.path.abspath(os.path.expanduser(input)))
        """The place that is listed. Every listed uri lies below it or is equal to it."""

    def __iter__(self) -> Iterator[Source]:
        return self._s3() if self._input.startswith("s3://") else self._local()

    def relative(self, uri: str) -> str:
        """The name below the input, with `/` between its parts. If the input is one file, its own name."""
        return uri[len(self.root) :].lstrip("/") or uri.rpartition("/")[2]

    def covers(self, uri: str) -> bool:
        """True if the listing would contain the uri, should it exist."""
        return uri == self.root or (not self.is_one_file and uri.startswith(self.root.rstrip("/") + "/"))

    def _s3(self) -> Iterator[Source]:
        bucket, key = split_uri(self._input)
        if not bucket:
            raise InputError(f"The input {self._input} names no bucket.")
        try:
            client = make_client(self._timeout_s, self._max_tries)
            if key and not key.endswith("/"):
                # A key is listed before all keys that start with it, so the first entry is the object, if it exists.
                first = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
                self._take_time(first)
                items = first.get("Contents", [])
                if items and items[0]["Key"] == key and not _is_placeholder(items[0]):
                    self.is_one_file = True
                    yield _object(bucket, items[0])
                    return
                key += "/"
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
                self._take_time(page)
                for item in page.get("Contents", ()):
                    if not _is_placeholder(item):
                        yield _object(bucket, item)
        except S3Error as error:
            kind = InputUnavailable if is_passing(error) else InputError
            raise kind(f"Cannot list {self._input}: {explain(error, bucket)}.") from error

    def _take_time(self, response: dict[str, Any]) -> None:
        with contextlib.suppress(ValueError):  # a store's own form of dates: then this machine's clock has to do
            date = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
            self.now = date if date.tzinfo else date.replace(tzinfo=UTC)

    def _local(self) -> Iterator[Source]:
        root = os.path.abspath(os.path.expanduser(self._input))
        try:
            status = os.stat(root)
        except OSError as error:
            raise InputError(_cannot_list(self._input, error)) from None
        if stat.S_ISREG(status.st_mode):
            self.is_one_file = True
            yield _file(root, status)
            return
        if not stat.S_ISDIR(status.st_mode):
            raise InputError(f"The input {self._input} is neither a folder nor a file.")

        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):  # a folder that was deleted meanwhile is empty
                raise InputError(_cannot_list(str(error.filename), error)) from error

        paths: list[str] = []
        for folder, folders, names in os.walk(root, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".") and name != "lost+found"]
            paths += [os.path.join(folder, name) for name in names if not name.startswith(".")]
        for path in sorted(paths, key=os.fsencode):
            try:
                status = os.stat(path)
            except OSError as error:  # deleted meanwhile, or a link to nothing
                _log.warning("left out: %s", clean_message(_cannot_list(path, error)))
                if not isinstance(error, FileNotFoundError):
                    self.unseen.add(storable(path))
                continue
            if stat.S_ISREG(status.st_mode):
                yield _file(path, status)


def _is_placeholder(item: dict[str, Any]) -> bool:
    return not item["Size"] and item["Key"].endswith(("/", "_$folder$"))


def _object(bucket: str, item: dict[str, Any]) -> Source:
    return Source(
        uri=f"s3://{bucket}/{item['Key']}",
        etag=item["ETag"].strip('"'),
        size_bytes=item["Size"],
        last_modified=item["LastModified"],
    )


def _cannot_list(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"The input {storable(path)} does not exist."
    return f"Cannot list {storable(path)}: {(error.strerror or str(error)).lower()}."


def _file(path: str, status: os.stat_result) -> Source:
    try:
        last_modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    except OverflowError:  # a file system may hold years that Python cannot represent
        last_modified = _EPOCH
    return Source(uri=storable(path), etag=local_etag(status), size_bytes=status.st_size, last_modified=last_modified)


def local_etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


# A local name is bytes. Python makes a byte that is no UTF-8 a lone surrogate, which neither JSON nor Parquet can hold. It is
# mapped to a private-use character in plane 16, and back. If a name contains such a character itself, its four bytes are mapped, so
# that two names never share a uri.
_SHIFT = 0x10F000


def storable(path: str) -> str:
    """The path as valid Unicode. `local_path` is the inverse. Ordinary names stay as they are."""
    return "".join(map(_storable, path))


def _storable(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return chr(ord(char) - 0xDC80 + _SHIFT)
    return "".join(chr(byte - 0x80 + _SHIFT) for byte in char.encode()) if _is_moved(char) else char


def local_path(uri: str) -> str:
    path = "".join(chr(ord(char) - _SHIFT + 0xDC80) if _is_moved(char) else char for char in uri)
    # Bytes that form UTF-8 together become one character again.
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _is_moved(char: str) -> bool:
    return _SHIFT <= ord(char) <= _SHIFT + 0x7F
