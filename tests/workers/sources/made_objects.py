"""An object of two blocks, and what becomes of fetching it."""

import hashlib
from pathlib import Path

import pytest

from schemas.failure import FailureKind, PageError
from schemas.source import Source
from workers.sources.fetch import Fetcher
from workers.sources.listing import list_sources
from workers.sources.s3 import make_client

BODY = bytes(range(256)) * 8192  # 2 MiB: two blocks
DIGEST = hashlib.sha256(BODY).hexdigest()


def put(bucket: str, key: str = "a.pdf", body: bytes = BODY) -> Source:
    make_client().put_object(Bucket=bucket, Key=key, Body=body)
    return next(source for source in list_sources(f"s3://{bucket}") if source.uri.endswith("/" + key))


def failure(fetcher: Fetcher, source: Source, document_id: str | None = None) -> tuple[FailureKind, str]:
    with pytest.raises(PageError) as raised, fetcher.open(source, document_id):
        pytest.fail("it opened")
    return raised.value.kind, raised.value.message


def entries(fetcher: Fetcher) -> list[Path]:
    return sorted(path for path in fetcher._cache.folder.iterdir() if not path.name.startswith("_"))
