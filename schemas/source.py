"""Where bytes come from (a source) and what they are (a document)."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from schemas.frozen import Frozen


class Source(Frozen):
    """One object at one version, as a listing shows it."""

    uri: str
    """`s3://bucket/key` (key as it is, not URL-encoded) or an absolute local path."""
    etag: str
    """S3: the ETag without quotes. Local: `<size>-<mtime_ns>`."""
    size_bytes: int
    last_modified: datetime
    """UTC."""

    @property
    def source_id(self) -> str:
        return source_id(self.uri, self.etag)


def source_id(uri: str, etag: str) -> str:
    """32 hex digits that name this object at this version."""
    return hashlib.sha256(f"{uri}\0{etag}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


class FileIdentity(NamedTuple):
    """A local file as it was at one moment. Whoever writes to it, or puts another in its place, can restore its size and
    `mtime_ns`, but not its `ctime_ns`."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class Document(Frozen):
    """What the bytes of a source turned out to be. All but `document_id` is None where they could not be opened."""

    document_id: str | None = None
    """sha256 of the bytes, hex; None when they could not be fetched."""
    file: FileIdentity | None = None
    """The local file whose bytes were hashed; None for objects of a store."""
    version_id: str | None = None
    """S3 VersionId as the GET returned it; lineage only."""
    media_type: str | None = None
    """By magic bytes: `application/pdf`, `image/png`, …"""
    num_pages: int | None = None
    """Pages in the file, before any selection or cap."""
    is_encrypted: bool = False
    is_repaired: bool = False
    title: str | None = None
    producer: str | None = None
