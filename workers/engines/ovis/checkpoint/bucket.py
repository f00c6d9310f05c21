"""Checkpoints under an `s3://` prefix: their files, their identity, and one copy on each node.

A checkpoint's identity comes from the bucket's listing: names, sizes and ETags. Other bytes under the same prefix are another
checkpoint. The same bytes may also count as another one if they were uploaded in other parts.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from workers.engines.engine import EngineUnavailable
from workers.engines.ovis.checkpoint.files import INDEX, SINGLE, SMALL_FILES, WEIGHT_FILES, CheckpointError, missing_tokenizer, some
from workers.engines.ovis.checkpoint.layouts import NO_PREPROCESSOR, PREPROCESSORS, unread_model
from workers.sources.s3 import explain, is_passing, make_client, split_uri

_SUFFIXES = tuple(pattern.removeprefix("*") for pattern in (*SMALL_FILES, *WEIGHT_FILES))


class BucketFile(NamedTuple):
    """One file of the checkpoint, as listed."""

    name: str
    size_bytes: int
    etag: str


def list_checkpoint(uri: str) -> list[BucketFile]:
    """The checkpoint's files, sorted by name, without folders, code and pickles. Raises CheckpointError if there are none."""
    bucket, prefix = _place(uri)
    with _explained(uri, bucket):
        pages = make_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            BucketFile(item["Key"][len(prefix) :], item["Size"], item["ETag"].strip('"'))
            for page in pages
            for item in page.get("Contents", [])
        ]
    files = sorted(file for file in found if "/" not in file.name and file.name.endswith(_SUFFIXES))
    if not files:
        raise CheckpointError(f"There is no checkpoint under {uri}.")
    return files


def identity(files: list[BucketFile]) -> str:
    """The checkpoint's identity, 16 hex digits."""
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()[:16]


def check_listing(uri: str, files: list[BucketFile]) -> None:
    """Checks by two small files and the names that the model is an Ovis2.5 and no file is missing. Raises CheckpointError."""
    names = {file.name for file in files}
    if what := unread_model(_read_json(uri, "config.json", names).get("model_type")):
        raise CheckpointError(f"{uri} holds {what}.")
    if not names.intersection(PREPROCESSORS):
        raise CheckpointError(f"The checkpoint {uri} has {NO_PREPROCESSOR}.")
    if missing := missing_tokenizer(names):
        raise CheckpointError(f"The checkpoint {uri} has {missing}.")
    if SINGLE in names:
        return
    if INDEX not in names:
        raise CheckpointError(f"The checkpoint {uri} has neither {SINGLE} nor {INDEX}.")
    shards = set(_read_json(uri, INDEX, names).get("weight_map", {}).values())
    if absent := sorted(shards - names):
        raise CheckpointError(f"The checkpoint {uri} lacks {some(absent)}, which {INDEX} names.")


def fetch_checkpoint(uri: str, cache: Path, *, weights: bool = True) -> Path:
    """The checkpoint's folder in `cache`, named by its identity. It is fetched if it is not there. Raises CheckpointError.

    Processes of one node wait for the first. Files are written into a hidden folder, each under a temporary name until it is
    complete. A later process continues what a killed one has left there. Only the finished folder gets its name.
    """
    files = list_checkpoint(uri)
    wanted = [file for file in files if weights or not file.name.endswith(".safetensors")]
    folder = cache / identity(wanted)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"{folder.name}.lock"):
            if not folder.is_dir():
                part = cache / f".{folder.name}.part"
                part.mkdir(exist_ok=True)
                if not all(_fetch(uri, file, part) for file in wanted) or list_checkpoint(uri) != files:
                    shutil.rmtree(part)
                    raise CheckpointError(f"The checkpoint {uri} changed while it was fetched; run again.")
                part.rename(folder)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {uri} cannot be kept in {cache}: {error.strerror or error}.") from error
    return folder


def _fetch(uri: str, file: BucketFile, part: Path) -> bool:
    """Fetches one file. False if it has another size than the listing said."""
    target, unfinished = part / file.name, part / f"{file.name}.unfinished"
    if target.exists():
        return True
    bucket, prefix = _place(uri)
    with _explained(uri, bucket):
        make_client().download_file(bucket, prefix + file.name, str(unfinished))
    if unfinished.stat().st_size != file.size_bytes:
        return False
    unfinished.rename(target)
    return True


def _read_json(uri: str, name: str, names: set[str]) -> dict[str, Any]:
    if name not in names:
        raise CheckpointError(f"The checkpoint {uri} has no {name}.")
    bucket, prefix = _place(uri)
    with _explained(uri, bucket):
        body = make_client().get_object(Bucket=bucket, Key=prefix + name)["Body"].read()
    try:
        content = json.loads(body)
    except ValueError as error:
        raise CheckpointError(f"{name} of the checkpoint {uri} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{name} of the checkpoint {uri} holds no JSON object.")
    return content


def _place(uri: str) -> tuple[str, str]:
    """(bucket, prefix with its slash)."""
    bucket, prefix = split_uri(uri)
    return bucket, prefix.strip("/") + "/" if prefix.strip("/") else ""


@contextmanager
def _explained(uri: str, bucket: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        kind = EngineUnavailable if is_passing(error) else CheckpointError
        raise kind(f"The checkpoint {uri} cannot be fetched: {explain(error, bucket)}.") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock, which the kernel releases when its process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
