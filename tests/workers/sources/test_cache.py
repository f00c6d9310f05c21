"""The node's cache: one download for many readers, what leaves first, and what killed downloads left."""

import hashlib
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schemas.failure import PageError
from schemas.settings import FetchSettings
from schemas.source import Source
from tests.servers.s3_proxy import Fault, Proxy
from tests.workers.sources.made_objects import DIGEST, put
from workers.sources.cache import Cache, CacheError
from workers.sources.fetch import Fetcher

pytestmark = pytest.mark.slow


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
    assert [results.get(timeout=240) for _ in children] == [DIGEST, DIGEST]
    for child in children:
        child.join(240)
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
