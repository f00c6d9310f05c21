"""What lies in the input: a local folder, one file, or `s3://bucket/prefix`. The listing is the source of truth."""

import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.failure import clean_message
from schemas.source import Source
from workers.s3 import S3Error, explain, make_client, split_uri

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InputError(Exception):
    """The input cannot be listed. One sentence for the operator."""


def list_sources(input: str, *, timeout_s: float = 60, max_tries: int = 5) -> Iterator[Source]:
    """Every object or file, in the order of its name.

    `s3://bucket/a/b` is the object of that key where there is one, else the folder `a/b/`. Left out: placeholder keys of folders
    (empty, ending in `/` or `_$folder$`); below a local folder also names that start with a dot, `lost+found`, and what is no
    file. Links to files are followed, links to folders are not (they may go in circles). Empty objects are listed.

    Raises InputError: no such folder or bucket, no permission (on a folder below the input too: nothing is left out in silence).
    """
    if input.startswith("s3://"):
        return _list_s3(input, timeout_s, max_tries)
    if "://" in input:
        raise InputError(f"The input {input} is neither a local path nor s3://bucket/prefix.")
    return _list_local(input)


def _list_s3(input: str, timeout_s: float, max_tries: int) -> Iterator[Source]:
    bucket, key = split_uri(input)
    if not bucket:
        raise InputError(f"The input {input} names no bucket.")
    try:
        client = make_client(timeout_s, max_tries)
        if key and not key.endswith("/"):
            # A key comes before all keys that start with it, so the first of this listing is the object, if there is one.
            first = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
            if first and first[0]["Key"] == key and not _is_placeholder(first[0]):
                yield _object(bucket, first[0])
                return
            key += "/"
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            for item in page.get("Contents", ()):
                if not _is_placeholder(item):
                    yield _object(bucket, item)
    except S3Error as error:
        raise InputError(f"Cannot list {input}: {explain(error, bucket)}.") from error


def _is_placeholder(item: dict[str, Any]) -> bool:
    return not item["Size"] and item["Key"].endswith(("/", "_$folder$"))


def _object(bucket: str, item: dict[str, Any]) -> Source:
    return Source(
        uri=f"s3://{bucket}/{item['Key']}",
        etag=item["ETag"].strip('"'),
        size_bytes=item["Size"],
        last_modified=item["LastModified"],
    )


def _list_local(input: str) -> Iterator[Source]:
    root = os.path.abspath(os.path.expanduser(input))
    try:
        status = os.stat(root)
    except OSError as error:
        raise InputError(_cannot_list(input, error)) from None
    if stat.S_ISREG(status.st_mode):
        yield _file(root, status)
        return
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"The input {input} is neither a folder nor a file.")

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a folder that was deleted meanwhile has nothing in it
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
            continue
        if stat.S_ISREG(status.st_mode):
            yield _file(path, status)


def _cannot_list(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"The input {storable(path)} does not exist."
    return f"Cannot list {storable(path)}: {(error.strerror or str(error)).lower()}."


def _file(path: str, status: os.stat_result) -> Source:
    try:
        last_modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    except OverflowError:  # a file system may hold years that Python does not
        last_modified = _EPOCH
    return Source(uri=storable(path), etag=local_etag(status), size_bytes=status.st_size, last_modified=last_modified)


def local_etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


# A local name is bytes. What is not UTF-8 in it would be a lone surrogate in Python, which neither JSON nor Parquet can hold:
# it is moved to a plane-16 private-use character, which no name has by accident, and back.
_SHIFT = 0x10F000


def storable(path: str) -> str:
    """The path as valid Unicode; `local_path` is the inverse."""
    return "".join(chr(ord(char) - 0xDC80 + _SHIFT) if 0xDC80 <= ord(char) <= 0xDCFF else char for char in path)


def local_path(uri: str) -> str:
    return "".join(chr(ord(char) - _SHIFT + 0xDC80) if _SHIFT <= ord(char) <= _SHIFT + 0x7F else char for char in uri)
