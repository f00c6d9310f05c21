"""Objects of S3 through the cache, and when the store, the way or the disk breaks."""

import errno
import io
from typing import Any

import pytest

from schemas.failure import FailureKind
from schemas.settings import FetchSettings
from schemas.source import Source
from tests.servers.s3_proxy import Fault, Proxy
from tests.workers.sources.made_objects import BODY, DIGEST, entries, failure, put
from workers.sources import fetch as fetch_module
from workers.sources.fetch import FetchCounts, Fetcher
from workers.sources.listing import list_sources
from workers.sources.s3 import make_client

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("key", ["a.pdf", "a b+c%20ü?#&.pdf", "日本/😀.pdf"])
def test_an_object_is_fetched_whole_and_hashed(fetcher: Fetcher, bucket: str, key: str) -> None:
    with fetcher.open(put(bucket, key)) as fetched:
        assert fetched.path.read_bytes() == BODY
        assert fetched.document_id == DIGEST
        assert fetched.version_id is None


def test_a_multipart_object_is_fetched_by_its_odd_etag(fetcher: Fetcher, bucket: str) -> None:
    # given
    client = make_client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in ((1, b"x" * 5 * 1024**2), (2, b"y"))
    ]
    client.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload={"Parts": parts})
    (source,) = list_sources(f"s3://{bucket}")
    # then
    assert source.etag.endswith("-2")
    with fetcher.open(source) as fetched:
        assert fetched.path.stat().st_size == 5 * 1024**2 + 1


def test_an_object_is_downloaded_once_for_probing_and_rendering(fetcher: Fetcher, bucket: str, s3_faults: Proxy) -> None:
    source = put(bucket)
    s3_faults.requests.clear()
    with fetcher.open(source) as fetched:
        pass
    for _ in range(3):
        with Fetcher(fetcher._settings).open(source, fetched.document_id) as again:
            assert again.path == fetched.path
    assert s3_faults.num("GET") == 1
    assert s3_faults.num("HEAD") == 0


def test_downloads_and_what_the_cache_had_are_counted_until_asked_for(fetcher: Fetcher, bucket: str, local: Source) -> None:
    source = put(bucket)
    for each in (source, source, local):
        with fetcher.open(each):
            pass

    assert fetcher.take_counts() == FetchCounts(num_downloads=1, num_cache_hits=1, num_bytes=source.size_bytes)
    assert fetcher.take_counts() == FetchCounts()


def test_lineage_is_the_same_out_of_the_cache(fetcher: Fetcher, bucket: str) -> None:
    # given
    make_client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    source = put(bucket)
    # when
    with fetcher.open(source) as first, fetcher.open(source) as second:
        pass
    # then
    assert first == second
    assert first.version_id


def test_an_object_that_was_replaced_is_changed_though_it_is_cached(fetcher: Fetcher, bucket: str) -> None:
    source = put(bucket)
    with fetcher.open(source):
        pass
    put(bucket, body=b"other")
    assert failure(fetcher, source)[0] == FailureKind.changed
    assert failure(Fetcher(FetchSettings(cache_dir=fetcher._cache.folder / "new")), source)[0] == FailureKind.changed


def test_an_object_that_was_deleted_is_gone_though_it_is_cached(fetcher: Fetcher, bucket: str) -> None:
    source = put(bucket)
    with fetcher.open(source):
        pass
    make_client().delete_object(Bucket=bucket, Key="a.pdf")
    assert failure(fetcher, source)[0] == FailureKind.gone
    assert failure(Fetcher(FetchSettings(cache_dir=fetcher._cache.folder / "new")), source)[0] == FailureKind.gone


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_retried"),
    [
        (403, "AccessDenied", FailureKind.access_denied, False),
        (400, "ExpiredToken", FailureKind.access_denied, False),
        (403, "InvalidObjectState", FailureKind.access_denied, False),
        (404, "NoSuchKey", FailureKind.gone, False),
        (404, "NoSuchBucket", FailureKind.gone, False),
        (412, "PreconditionFailed", FailureKind.changed, False),
        (503, "SlowDown", FailureKind.throttled, True),
        (429, "TooManyRequests", FailureKind.throttled, True),
        (500, "InternalError", FailureKind.fetch_failed, True),
        (400, "KMS.DisabledException", FailureKind.fetch_failed, False),
    ],
)
def test_an_answer_of_the_store_has_its_kind(
    fetcher: Fetcher, bucket: str, s3_faults: Proxy, no_sleep: None, status: int, code: str, kind: FailureKind, is_retried: bool
) -> None:
    source = put(bucket)
    s3_faults.requests.clear()
    s3_faults.faults.append(Fault("GET", "a.pdf", "status", times=99, status=status, code=code))
    assert failure(fetcher, source)[0] == kind
    assert s3_faults.num("GET") == (5 if is_retried else 1)
    assert entries(fetcher) == []


@pytest.mark.parametrize("action", ["status", "reset"])
def test_a_passing_trouble_is_no_failure(fetcher: Fetcher, bucket: str, s3_faults: Proxy, no_sleep: None, action: Any) -> None:
    source = put(bucket)
    s3_faults.faults.append(Fault("GET", "a.pdf", action, times=4))
    with fetcher.open(source) as fetched:
        assert fetched.document_id == DIGEST


def test_a_body_that_breaks_off_goes_on_where_it_broke(fetcher: Fetcher, bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    # given
    source = put(bucket)
    s3_faults.requests.clear()
    s3_faults.faults += [Fault("GET", "a.pdf", "truncate", num_bytes=number) for number in (1_500_000, 100, 0)]
    # when
    with fetcher.open(source) as fetched:
        # then
        assert fetched.path.read_bytes() == BODY
        assert fetched.document_id == DIGEST
    assert s3_faults.num("GET") == 4
    assert s3_faults.num_bytes_sent < len(BODY) * 1.6


def test_a_body_that_breaks_off_behind_its_last_byte_is_fetched_again(
    fetcher: Fetcher, bucket: str, monkeypatch: pytest.MonkeyPatch, no_sleep: None
) -> None:
    source, breaks, read = put(bucket), [1], fetch_module._read

    def broken_at_its_end(stream: Any) -> bytes:
        block = read(stream)
        if not block and breaks:
            breaks.pop()
            raise fetch_module._Broken("no end of the last chunk")
        return block

    monkeypatch.setattr(fetch_module, "_read", broken_at_its_end)
    with fetcher.open(source) as fetched:
        assert fetched.document_id == DIGEST
    assert not breaks


def test_a_store_without_ranges_starts_again(fetcher: Fetcher, bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    source = put(bucket)
    s3_faults.faults += [Fault("GET", "a.pdf", "truncate", num_bytes=1_500_000), Fault("GET", "a.pdf", "drop_range")]
    with fetcher.open(source) as fetched:
        assert fetched.path.read_bytes() == BODY
        assert fetched.document_id == DIGEST


def test_a_body_that_always_breaks_off_is_fetch_failed(fetcher: Fetcher, bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    source = put(bucket)
    s3_faults.requests.clear()
    s3_faults.faults.append(Fault("GET", "a.pdf", "truncate", times=99, num_bytes=0))
    assert failure(fetcher, source)[0] == FailureKind.fetch_failed
    assert s3_faults.num("GET") == 5
    assert entries(fetcher) == []


@pytest.mark.parametrize("listed_size", [len(BODY) - 1, len(BODY) + 1])
def test_a_body_of_another_length_than_listed_is_a_failure(fetcher: Fetcher, bucket: str, no_sleep: None, listed_size: int) -> None:
    source = put(bucket).model_copy(update={"size_bytes": listed_size})
    assert failure(fetcher, source)[0] in (FailureKind.changed, FailureKind.fetch_failed)
    assert entries(fetcher) == []


def test_missing_credentials_are_access_denied(fetcher: Fetcher, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = put(bucket)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert failure(fetcher, source)[0] == FailureKind.access_denied


def test_a_full_disk_empties_the_cache_and_is_then_a_failure(
    fetcher: Fetcher, bucket: str, monkeypatch: pytest.MonkeyPatch, no_sleep: None
) -> None:
    # given: something to evict, and a disk of which the given number of writes fail
    with fetcher.open(put(bucket, "old")):
        pass
    source, left = put(bucket), [1]

    def append(self: Any, block: bytes, real: Any = fetch_module._Body.append) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, block)

    monkeypatch.setattr("workers.sources.fetch._Body.append", append)
    # when it clears up
    with fetcher.open(source) as fetched:
        assert fetched.document_id == DIGEST
    assert len(entries(fetcher)) == 1
    # when it does not
    left[0] = 99
    kind, message = failure(fetcher, put(bucket, "b.pdf"))
    assert (kind, message) == (FailureKind.fetch_failed, "the cache cannot be written: No space left on device")


def test_a_cache_that_cannot_be_written_is_a_failure_and_a_users_own_error_flies(
    fetcher: Fetcher, bucket: str, monkeypatch: pytest.MonkeyPatch, no_sleep: None
) -> None:
    source = put(bucket)
    with pytest.raises(OSError, match="mine"), fetcher.open(source):
        raise OSError(errno.EIO, "mine")

    def full(self: Any, num_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("workers.sources.cache._Tally.write", full)

    assert failure(fetcher, put(bucket, "another"))[0] == FailureKind.fetch_failed


def test_a_disk_that_takes_a_part_of_a_block_is_given_the_rest() -> None:
    class Reluctant(io.BytesIO):
        def write(self, block: Any) -> int:
            return super().write(bytes(block[:3]))

    file = Reluctant()
    body = fetch_module._Body(file)  # type: ignore[arg-type]
    body.append(b"ten bytes.")

    assert file.getvalue() == b"ten bytes."
    assert body.num_bytes == 10


def test_a_large_object_is_read_in_blocks(fetcher: Fetcher, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    source = put(bucket, body=b"x" * (20 * 1024**2 + 1))
    blocks: list[int] = []
    read = fetch_module._read

    def measured(stream: Any) -> bytes:
        block = read(stream)
        blocks.append(len(block))
        return block

    monkeypatch.setattr(fetch_module, "_read", measured)
    # when
    with fetcher.open(source):
        pass
    # then
    assert max(blocks) <= 1024**2
    assert sum(blocks) == source.size_bytes
