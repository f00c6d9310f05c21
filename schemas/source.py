"""Sources, which say where bytes come from, and documents, which say what the bytes are."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from schemas.frozen import Frozen


class Source(Frozen):
    """One object at one version, as a listing shows it."""

    uri: str
    """`s3://bucket/key` (the key is not URL-encoded) or an absolute local path."""
    etag: str
    """S3: the ETag without quotes. Local: `<size>-<mtime_ns>`."""
    size_bytes: int
    last_modified: datetime
    """UTC."""

    @property
    def source_id(self) -> str:
        return source_id(self.uri, self.etag)


def source_id(uri: str, etag: str) -> str:
    """The id of this object at this version, 32 hex digits."""
    return hashlib.sha256(f"{uri}\0{etag}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


class FileIdentity(NamedTuple):
    """The identity of a local file at one moment. A program that writes to the file or replaces it can restore size and `mtime_ns`,
    but not `ctime_ns`."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class Document(Frozen):
    """What is known of the bytes of a source. If they could not be opened, all that comes from inside the file is None."""

    document_id: str | None = None
    """sha256 of the bytes, hex; None if they could not be fetched."""
    file: FileIdentity | None = None
    """The local file whose bytes were hashed; None for objects of a store."""
    version_id: str | None = None
    """S3 VersionId that the GET returned, for lineage only."""
    media_type: str | None = None
    """The type by magic bytes: `application/pdf`, `image/png`, …"""
    num_pages: int | None = None
    """Pages in the file, before any selection or cap."""
    is_encrypted: bool = False
    is_repaired: bool = False
    title: str | None = None
    producer: str | None = None
