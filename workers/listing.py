"""What lies in the input: a local folder, one file, or `s3://bucket/prefix`. The listing is the source of truth."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from schemas.source import Source
from workers.s3 import code_of, make_client, split_uri


class InputError(Exception):
    """The input cannot be listed. One sentence for the operator."""


def list_sources(input: str, *, timeout_s: float = 60, max_tries: int = 5) -> Iterator[Source]:
    """Every object or file, in the order of its name. Left out: placeholder keys of folders (`…/`), local names that start with
    a dot, local things that are no files. Links to files are followed, links to folders are not (they may go in circles).

    Raises InputError: no such folder or bucket, no permission.
    """
    if input.startswith("s3://"):
        return _list_s3(input, timeout_s, max_tries)
    if "://" in input:
        raise InputError(f"The input {input} is neither a local path nor s3://bucket/prefix.")
    return _list_local(input)


def _list_s3(input: str, timeout_s: float, max_tries: int) -> Iterator[Source]:
    bucket, prefix = split_uri(input)
    if not bucket:
        raise InputError(f"The input {input} names no bucket.")
    paginator = make_client(timeout_s, max_tries).get_paginator("list_objects_v2")
    try:
        for page in paginator.paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                if item["Key"].endswith("/") and not item["Size"]:
                    continue
                if not _is_below(item["Key"], prefix):
                    continue
                yield Source(
                    uri=f"s3://{bucket}/{item['Key']}",
                    etag=item["ETag"].strip('"'),
                    size_bytes=item["Size"],
                    last_modified=item["LastModified"],
                )
    except (ClientError, BotoCoreError) as error:
        known = {"NoSuchBucket": "the bucket does not exist", "AccessDenied": "access is denied", "403": "access is denied"}
        raise InputError(f"Cannot list {input}: {known.get(code_of(error), str(error).rstrip('.'))}.") from error


def _is_below(key: str, prefix: str) -> bool:
    """`s3://b/drop` is the object `drop` or the folder `drop/`, not `dropped/x`."""
    return not prefix or prefix.endswith("/") or key == prefix or key.startswith(prefix + "/")


def _list_local(input: str) -> Iterator[Source]:
    root = os.path.abspath(os.path.expanduser(input))
    if os.path.isfile(root):
        yield _source(root, os.stat(root))
        return
    if not os.path.isdir(root):
        raise InputError(f"The input {input} does not exist.")
    try:
        os.scandir(root).close()
    except PermissionError:
        raise InputError(f"The input {input} may not be listed: permission denied.") from None
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    for path in sorted(paths):
        try:
            status = os.stat(path)
        except OSError:
            continue  # deleted meanwhile, or a link to nothing
        if os.path.isfile(path):
            yield _source(path, status)


def _source(path: str, status: os.stat_result) -> Source:
    return Source(
        uri=storable(path),
        etag=local_etag(status),
        size_bytes=status.st_size,
        last_modified=datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1_000_000, UTC),
    )


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
