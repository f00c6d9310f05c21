"""Bytes of a source as a file: from the folder, from S3 through the cache, and when either breaks."""

import errno
import hashlib
import io
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schemas.failure import FailureKind, PageError
from schemas.settings import FetchSettings
from schemas.source import Source
from tests.servers.s3_proxy import Fault, Proxy
from workers.sources import fetch as fetch_module
from workers.sources.cache import Cache, CacheError
from workers.sources.fetch import FetchCounts, Fetcher
from workers.sources.listing import list_sources
from workers.sources.local_files import look_at
from workers.sources.s3 import make_client

pytestmark = pytest.mark.slow

BODY = bytes(range(256)) * 8192  # 2 MiB: two blocks
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(FetchSettings(cache_dir=tmp_path / "cache"))


def put(bucket: str, key: str = "a.pdf", body: bytes = BODY) -> Source:
    make_client().put_object(Bucket=bucket, Key=key, Body=body)
    return next(source for source in list_sources(f"s3://{bucket}") if source.uri.endswith("/" + key))


def failure(fetcher: Fetcher, source: Source, document_id: str | None = None) -> tuple[FailureKind, str]:
    with pytest.raises(PageError) as raised, fetcher.open(source, document_id):
        pytest.fail("it opened")
    return raised.value.kind, raised.value.message


def entries(fetcher: Fetcher) -> list[Path]:
    return sorted(path for path in fetcher._cache.folder.iterdir() if not path.name.startswith("_"))


# Local files


@pytest.fixture
def local(tmp_path: Path) -> Source:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.pdf").write_bytes(BODY)
    (source,) = list_sources(str(tmp_path / "in"))
    return source


def test_a_local_file_is_used_in_place(fetcher: Fetcher, local: Source) -> None:
    with fetcher.open(local) as fetched:
        assert fetched == (Path(local.uri), DIGEST, None, look_at(Path(local.uri)))
    assert not fetcher._cache.folder.exists()


def test_a_file_that_was_hashed_is_not_hashed_again(fetcher: Fetcher, local: Source) -> None:
    with fetcher.open(local, "known", look_at(Path(local.uri))) as fetched:
        assert fetched.document_id == "known"


def replaced(source: Source, body: bytes) -> None:
    """Another file of that name, size and time."""
    path, status = Path(source.uri), os.stat(source.uri)
    path.with_suffix(".new").write_bytes(body)
    os.replace(path.with_suffix(".new"), path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def overwritten(source: Source, body: bytes) -> None:
    """The same file with other bytes, of the same size and time."""
    status = os.stat(source.uri)
    with open(source.uri, "r+b") as file:
        file.write(body)
    os.utime(source.uri, ns=(status.st_atime_ns, status.st_mtime_ns))


TOUCHES = pytest.mark.parametrize("touch", [replaced, overwritten])


@TOUCHES
def test_a_local_file_whose_bytes_changed_under_size_and_time_is_changed(
    fetcher: Fetcher, local: Source, touch: Callable[[Source, bytes], None]
) -> None:
    with fetcher.open(local) as hashed:
        pass
    touch(local, BODY[::-1])

    with pytest.raises(PageError, match="other bytes") as raised, fetcher.open(local, hashed.document_id, hashed.file):
        pytest.fail("it opened")
    assert raised.value.kind is FailureKind.changed


@TOUCHES
def test_what_was_made_of_a_local_file_while_it_changed_is_not_kept(
    fetcher: Fetcher, local: Source, touch: Callable[[Source, bytes], None]
) -> None:
    with pytest.raises(PageError) as raised, fetcher.open(local):
        touch(local, BODY[::-1])

    assert raised.value.kind is FailureKind.changed


def test_what_a_file_was_found_to_be_while_it_changed_is_not_believed(fetcher: Fetcher, local: Source) -> None:
    def find_corrupt() -> None:
        with fetcher.open(local):
            replaced(local, BODY[::-1])
            raise PageError(FailureKind.corrupt, "it cannot be opened")

    with pytest.raises(PageError) as raised:
        find_corrupt()

    assert raised.value.kind is FailureKind.changed


def test_a_local_file_that_is_written_to_while_it_is_hashed_is_changed(
    fetcher: Fetcher, local: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hashlib.file_digest

    def slow(file: Any, name: str) -> Any:
        digest = real(file, name)
        overwritten(local, BODY[::-1])
        return digest

    monkeypatch.setattr(hashlib, "file_digest", slow)
    assert failure(fetcher, local) == (FailureKind.changed, "the file was written to while it was read")


def test_a_local_file_that_was_touched_and_has_its_bytes_is_used(fetcher: Fetcher, local: Source) -> None:
    with fetcher.open(local) as hashed:
        pass
    replaced(local, BODY)  # or its mode changed, or another machine gives the device another number

    for _ in range(2):
        with fetcher.open(local, hashed.document_id, hashed.file) as fetched:
            assert (fetched.document_id, fetched.file) == (DIGEST, look_at(Path(local.uri)))
    assert fetched.file != hashed.file


def test_a_local_file_that_changed_is_changed(fetcher: Fetcher, local: Source) -> None:
    Path(local.uri).write_bytes(BODY + b"x")
    assert failure(fetcher, local)[0] == FailureKind.changed
    assert failure(fetcher, local, DIGEST)[0] == FailureKind.changed


def test_a_local_file_that_became_something_else_is_changed(fetcher: Fetcher, local: Source) -> None:
    Path(local.uri).unlink()
    os.mkfifo(local.uri)  # reading it would wait for ever
    assert failure(fetcher, local)[0] == FailureKind.changed


def test_a_local_file_that_was_removed_is_gone(fetcher: Fetcher, local: Source) -> None:
    Path(local.uri).unlink()
    assert failure(fetcher, local)[0] == FailureKind.gone
    Path(local.uri).parent.rmdir()
    assert failure(fetcher, local)[0] == FailureKind.gone


def test_a_local_file_without_permission_is_access_denied(fetcher: Fetcher, local: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path, *arguments: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert failure(fetcher, local)[0] == FailureKind.access_denied


def test_a_local_name_that_is_not_utf_8_opens(fetcher: Fetcher, tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.pdf"), "wb") as file:
        file.write(b"x")
    (source,) = list_sources(str(tmp_path))
    with fetcher.open(Source.model_validate_json(source.model_dump_json())) as fetched:
        assert fetched.path.read_bytes() == b"x"


@pytest.mark.parametrize(("size", "kind"), [(0, FailureKind.empty), (10**10, FailureKind.too_large_object)])
def test_size_is_judged_before_any_request(fetcher: Fetcher, local: Source, size: int, kind: FailureKind) -> None:
    for uri in (local.uri, "s3://no-such-bucket/x"):
        assert failure(fetcher, local.model_copy(update={"uri": uri, "size_bytes": size}))[0] == kind


# S3


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


# The cache


def test_two_threads_that_want_one_object_download_it_once(fetcher: Fetcher, bucket: str, s3_faults: Proxy) -> None:
    source = put(bucket)
    s3_faults.requests.clear()

    def fetch(_: int) -> str:
        with fetcher.open(source, "known") as fetched:
            return hashlib.sha256(fetched.path.read_bytes()).hexdigest()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fetch, range(8))) == {DIGEST}
    assert s3_faults.num("GET") == 1


def _fetch(settings: FetchSettings, source: Source, results: Any) -> None:
    with Fetcher(settings).open(source, "known") as fetched:
        results.put(hashlib.sha256(fetched.path.read_bytes()).hexdigest())


def test_two_processes_that_want_one_object_download_it_once(fetcher: Fetcher, bucket: str, s3_faults: Proxy) -> None:
    # given
    source = put(bucket)
    s3_faults.requests.clear()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    children = [context.Process(target=_fetch, args=(fetcher._settings, source, results)) for _ in range(2)]
    # when
    for child in children:
        child.start()
    # then
    assert [results.get(timeout=60) for _ in children] == [DIGEST, DIGEST]
    for child in children:
        child.join(60)
    assert s3_faults.num("GET") == 1


def test_many_readers_have_one_object_open_at_once(fetcher: Fetcher, bucket: str) -> None:
    """Several render processes share a long document: an open one must not make the next wait."""
    source, barrier = put(bucket), threading.Barrier(4, timeout=60)

    def fetch(_: int) -> None:
        with fetcher.open(source, "known"):
            barrier.wait()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch, range(4)))


def test_when_the_downloader_fails_the_next_in_line_downloads(fetcher: Fetcher, bucket: str, s3_faults: Proxy) -> None:
    source = put(bucket)
    s3_faults.faults.append(Fault("GET", "a.pdf", "status", status=403, code="AccessDenied"))

    def fetch(_: int) -> bool:
        try:
            with fetcher.open(source, "known"):
                return True
        except PageError:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(fetch, range(4))) == [False, True, True, True]


def name(number: int) -> str:
    return f"{number:064x}"


def fill(cache: Cache, number: int, size_bytes: int = 100) -> None:
    with cache.open(name(number), size_bytes, lambda file: file.write(b"x" * size_bytes) and None) as path:
        assert path.stat().st_size == size_bytes


def held(cache: Cache) -> list[int]:
    return sorted(int(path.name, 16) for path in cache.folder.iterdir() if len(path.name) == 64)


def test_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    # given
    cache = Cache(tmp_path, 500)
    for number in range(5):
        fill(cache, number)
        os.utime(tmp_path / name(number), (number, number))
    fill(cache, 0)  # used again
    # when
    fill(cache, 9)
    # then: emptied to 400 with the new one in it
    assert held(cache) == [0, 3, 4, 9]


def test_what_is_open_is_never_evicted(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 250)
    with cache.open(name(1), 200, lambda file: file.write(b"x" * 200) and None) as path:
        for number in range(2, 6):
            fill(cache, number)
        assert path.read_bytes() == b"x" * 200
        assert 1 in held(cache)
    fill(cache, 7)
    fill(cache, 8)
    assert 1 not in held(cache)


def test_an_object_larger_than_the_cache_passes_through(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 0)
    fill(cache, 1)
    assert held(cache) == []


def test_the_cache_looks_at_all_its_entries_only_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 small documents: a look at each for each would take hours."""
    looks = []
    real = Cache._evict_to
    monkeypatch.setattr(Cache, "_evict_to", lambda self, num_bytes: looks.append(1) or real(self, num_bytes))
    cache = Cache(tmp_path, 100 * 100)
    for number in range(200):
        fill(cache, number)
    assert len(looks) <= 1 + 200 // 20 + 1
    assert len(held(cache)) <= 100


def test_files_of_others_in_the_cache_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"x" * 1000)
    cache = Cache(tmp_path, 150)
    for number in range(4):
        fill(cache, number)
    assert (tmp_path / "thesis.doc").exists()
    assert len(held(cache)) == 1


def test_what_a_killed_download_left_behind_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / f"{name(1)}.part").write_bytes(b"half")
    cache = Cache(tmp_path, 1000)
    fill(cache, 1)
    assert not (tmp_path / f"{name(1)}.part").exists()


def test_what_a_killed_download_left_behind_makes_room(tmp_path: Path) -> None:
    (tmp_path / f"{name(1)}.part").write_bytes(b"x" * 1000)
    cache = Cache(tmp_path, 500)
    fill(cache, 2)
    assert not (tmp_path / f"{name(1)}.part").exists()


def test_eviction_and_fetching_at_once_lose_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 300)

    def work(seed: int) -> None:
        for step in range(150):
            number = (seed * 7 + step * 3) % 10
            with cache.open(name(number), 100, lambda file, n=number: file.write(b"%d" % n * 100) and None) as path:
                assert path.read_bytes() == b"%d" % number * 100

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_the_cache_is_its_users_alone(tmp_path: Path) -> None:
    fill(Cache(tmp_path / "new/cache", 1000), 1)
    assert (tmp_path / "new/cache").stat().st_mode & 0o777 == 0o700


def test_a_cache_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shared temporary folder anybody may have made it first, and could swap files."""
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(CacheError, match="belongs to somebody else"):
        fill(Cache(tmp_path, 1000), 1)
