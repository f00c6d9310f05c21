"""The store: the same promises for a folder and for S3, and the faults of each."""

import errno
import os
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.s3.models import s3_backends

from pipeline.lake.opening import open_store, probe_store
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.s3_store import S3Store
from pipeline.object_store.store import Conflict, Exists, Store, StoreError, StoreUnavailable
from schemas.errors import exit_code
from tests.servers.s3_proxy import Fault, Proxy

pytestmark = pytest.mark.slow


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "out"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/some/out/")


# Both kinds


def test_what_is_created_is_read_back(store: Store) -> None:
    store.create("pages/a b+ü%20.parquet", b"one")
    assert store.get("pages/a b+ü%20.parquet") == b"one"


def test_what_is_not_there_is_file_not_found(store: Store) -> None:
    for read in (store.get, store.get_versioned):
        with pytest.raises(FileNotFoundError):
            read("nothing")


def test_a_second_create_meets_the_first(store: Store) -> None:
    store.create("a", b"one")
    with pytest.raises(Exists):
        store.create("a", b"two")
    assert store.get("a") == b"one"


def test_a_second_empty_create_meets_the_first(store: Store) -> None:
    store.create("a", b"")
    with pytest.raises(Exists):
        store.create("a", b"")


def test_put_writes_over(store: Store) -> None:
    store.put("a", b"one")
    store.put("a", b"three")
    assert store.get("a") == b"three"


def test_replace_takes_the_version_it_read(store: Store) -> None:
    # given
    store.create("a", b"one")
    old = store.get_versioned("a")
    # when
    new_etag = store.replace("a", b"two", old.etag)
    # then
    assert store.get_versioned("a").etag == new_etag != old.etag
    with pytest.raises(Conflict):
        store.replace("a", b"three", old.etag)
    assert store.get("a") == b"two"


def test_the_etag_of_a_create_is_good_for_a_replace(store: Store) -> None:
    etag = store.create("a", b"one")
    etag = store.replace("a", b"two", etag)
    store.replace("a", b"three", etag)
    assert store.get("a") == b"three"


def test_replacing_what_is_gone_is_a_conflict(store: Store) -> None:
    etag = store.create("a", b"one")
    store.delete(["a"])
    with pytest.raises(Conflict):
        store.replace("a", b"two", etag)


def test_fast_rewrites_never_share_an_etag(store: Store) -> None:
    etags = [store.create("a", b"0")]
    for number in range(1, 30):
        etags.append(store.replace("a", str(number).encode(), etags[-1]))
    assert len(set(etags)) == 30


def test_one_of_many_racing_creates_wins(store: Store) -> None:
    def create(number: int) -> bool:
        try:
            store.create("a", f"{number}".encode())
        except Exists:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(create, range(12)))
    assert sum(won) == 1
    assert store.get("a") == str(won.index(True)).encode()


def test_one_of_many_racing_replaces_wins_each_round(store: Store) -> None:
    etag = store.create("a", b"start")
    for turn in range(5):

        def replace(number: int, turn: int = turn, etag: str = etag) -> str | None:
            try:
                return store.replace("a", f"{turn} {number}".encode(), etag)
            except Conflict:
                return None

        with ThreadPoolExecutor(8) as pool:
            won = [new for new in pool.map(replace, range(8)) if new]
        assert len(won) == 1
        etag = won[0]


def test_a_listing_is_by_prefix_and_in_the_order_of_paths(store: Store) -> None:
    for path in ("a/b", "a.b", "a/c/d", "ab", "b/1", "ü", "a/c-1"):
        store.create(path, b"xy")
    assert [stored.path for stored in store.list("a")] == ["a.b", "a/b", "a/c-1", "a/c/d", "ab"]
    assert [stored.path for stored in store.list("a/c")] == ["a/c-1", "a/c/d"]
    assert [stored.path for stored in store.list("")][-1] == "ü"
    assert {stored.size_bytes for stored in store.list("")} == {2}
    assert list(store.list("nothing/")) == []


def test_a_listing_of_a_new_root_is_empty(store: Store) -> None:
    assert list(store.list("")) == []


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.create("_pagefold/a/b", b"1")
    store.delete(["_pagefold/a/b", "_pagefold/a/c", "_pagefold/d/e"])
    assert list(store.list("")) == []


def test_a_stored_time_is_utc_and_now(store: Store) -> None:
    before = datetime.now(UTC)
    store.create("a", b"1")
    versioned, (stored,) = store.get_versioned("a"), store.list("")
    for moment in (versioned.last_modified, versioned.server_now, stored.last_modified):
        assert before - timedelta(seconds=2) < moment < datetime.now(UTC) + timedelta(seconds=2)  # S3 counts whole seconds


def test_a_store_travels_to_other_processes(store: Store) -> None:
    store.create("a", b"1")
    assert pickle.loads(pickle.dumps(store)).get("a") == b"1"


def test_a_good_store_passes_the_probe_and_stays_clean(store: Store) -> None:
    probe_store(store)
    assert list(store.list("")) == []


def test_a_single_writer_needs_no_conditions_of_the_store(store: Store) -> None:
    store = open_store(store.root, unsafe_single_writer=True)
    etag = store.create("a", b"one")
    with pytest.raises(Exists):
        store.create("a", b"two")
    store.replace("a", b"three", etag)
    with pytest.raises(Conflict):
        store.replace("a", b"four", etag)
    assert store.get("a") == b"three"


# Folders


@pytest.fixture
def folder(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "out"))


@pytest.mark.parametrize("path", ["../a", "/etc/x", "a/../../b", "a//b", "", "a/", "./a", "a\0b"])
def test_a_path_stays_below_the_root(folder: LocalStore, path: str) -> None:
    with pytest.raises(ValueError):
        folder.create(path, b"1")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(folder: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    # when
    for write in (folder.create, folder.put):
        with pytest.raises(StoreError, match="No space left on device"):
            write("a/b", b"1")
    # then
    assert [path for path in Path(folder.root).rglob("*") if path.is_file()] == []


def test_a_file_system_without_hard_links_is_refused_by_name(folder: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Any, target: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreError, match="unsafe-single-writer"):
        probe_store(folder)
    folder = LocalStore(folder.root, unsafe_single_writer=True)
    folder.create("a", b"1")
    assert folder.get("a") == b"1"


def test_half_written_files_are_never_listed_and_swept_when_old(folder: LocalStore) -> None:
    # given
    folder.create("pages/a", b"1")
    old, young = Path(folder.root, "pages/_tmp-old"), Path(folder.root, "pages/_tmp-young")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    # then
    assert [stored.path for stored in folder.list("")] == ["pages/a"]
    probe_store(folder)
    assert not old.exists()
    assert young.exists()


def test_files_are_readable_as_the_umask_says(folder: LocalStore) -> None:
    before = os.umask(0o022)
    try:
        folder.create("a", b"1")
        folder.put("b", b"1")
    finally:
        os.umask(before)
    assert [Path(folder.root, name).stat().st_mode & 0o777 for name in "ab"] == [0o644, 0o644]


def test_creating_and_deleting_in_one_folder_do_not_disturb_each_other(folder: LocalStore) -> None:
    errors: list[Exception] = []

    def work(name: str) -> None:
        try:
            for number in range(150):
                folder.create(f"_pagefold/begins/{name}{number}", b"1")
                folder.delete([f"_pagefold/begins/{name}{number}"])
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_folders_that_have_long_been_empty_are_swept_and_no_others(folder: LocalStore, tmp_path: Path) -> None:
    for path in ("_pagefold/begins/old/x", "_pagefold/begins/new/x", "_pagefold/plans/x"):
        folder.create(path, b"1")
    folder.delete(["_pagefold/begins/old/x", "_pagefold/begins/new/x"])
    root = Path(folder.root, "_pagefold")
    os.utime(root / "begins/old", (0, 0))
    os.utime(root / "plans", (0, 0))

    folder.sweep()

    assert sorted(path.name for path in root.rglob("*") if path.is_dir()) == ["begins", "new", "plans"]


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        open_store(str(tmp_path / "out"))


def test_an_output_whose_name_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has a name that is not UTF-8"):
        open_store(f"{tmp_path}/\udce9")


def test_a_folder_in_the_way_of_a_name_is_a_store_error(folder: LocalStore) -> None:
    folder.create("a", b"1")
    with pytest.raises(StoreError):
        folder.create("a/b", b"1")


@pytest.mark.parametrize("output", ["gs://bucket/x", "http://x/y", "s3://"])
def test_an_output_of_another_kind_is_refused(output: str) -> None:
    with pytest.raises(StoreError):
        open_store(output)


# S3


def test_a_lost_reply_to_a_create_is_success(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    # given
    s3_faults.faults.append(Fault("PUT", "/a", "lose_reply"))
    store = open_store(f"s3://{bucket}")
    # when
    etag = store.create("a", b"mine")
    # then
    assert s3_faults.num("PUT") == 2
    assert store.get_versioned("a").etag == etag


def test_a_lost_reply_to_a_replace_is_success(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    store = open_store(f"s3://{bucket}")
    etag = store.create("a", b"one")
    s3_faults.faults.append(Fault("PUT", "/a", "lose_reply"))
    assert store.replace("a", b"two", etag) == store.get_versioned("a").etag


def test_a_conflict_of_conditional_requests_is_tried_again(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    s3_faults.faults.append(Fault("PUT", "/a", "status", times=3, status=409, code="ConditionalRequestConflict"))
    store = open_store(f"s3://{bucket}")
    store.create("a", b"one")
    assert store.get("a") == b"one"


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (503, "SlowDown"), (500, "InternalError")])
def test_throttling_and_5xx_are_tried_again(bucket: str, s3_faults: Proxy, no_sleep: None, status: int, code: str) -> None:
    for method in ("PUT", "GET"):
        s3_faults.faults.append(Fault(method, "/a", "status", times=2, status=status, code=code))
    store = open_store(f"s3://{bucket}")
    store.create("a", b"one")
    assert store.get("a") == b"one"


def test_a_truncated_body_is_asked_for_again(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    store = open_store(f"s3://{bucket}")
    store.put("a", b"x" * 100_000)
    s3_faults.faults.append(Fault("GET", "/a", "truncate", num_bytes=1000))
    assert store.get("a") == b"x" * 100_000


def test_a_store_that_stays_broken_is_one_sentence(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    s3_faults.faults.append(Fault("PUT", "/a", "reset", times=99))
    with pytest.raises(StoreError):
        open_store(f"s3://{bucket}", max_tries=2).put("a", b"one")
    assert s3_faults.num("PUT") == 2


@pytest.mark.parametrize(
    ("fault", "is_passing"),
    [
        (Fault("PUT", "/a", "reset", times=99), True),
        (Fault("PUT", "/a", "status", times=99, status=500, code="InternalError"), True),
        (Fault("PUT", "/a", "status", times=99, status=503), True),
        (Fault("PUT", "/a", "status", times=99, status=429, code="TooManyRequests"), True),
        (Fault("PUT", "/a", "status", times=99, status=501, code="NotImplemented"), False),
        (Fault("PUT", "/a", "status", times=99, status=403, code="AccessDenied"), False),
        (Fault("PUT", "/a", "status", times=99, status=400, code="InvalidRequest"), False),
    ],
)
def test_not_now_is_told_from_a_mistake(bucket: str, s3_faults: Proxy, no_sleep: None, fault: Fault, is_passing: bool) -> None:
    s3_faults.faults.append(fault)
    with pytest.raises(StoreError) as caught:
        open_store(f"s3://{bucket}", max_tries=2).create("a", b"x")
    assert (isinstance(caught.value, StoreUnavailable), exit_code(caught.value)) == (is_passing, 1 if is_passing else 2)
    assert ("not available now" in str(caught.value)) is is_passing


@pytest.mark.parametrize(("host", "is_passing"), [("127.0.0.1:9", True), ("no-such-host.invalid", False)])
def test_a_refused_connection_is_not_now_and_a_name_that_no_host_has_a_mistake(
    host: str, is_passing: bool, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str, no_sleep: None
) -> None:
    def no_name(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if not is_passing:  # whatever this machine's resolver says
        monkeypatch.setattr(socket, "getaddrinfo", no_name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    with pytest.raises(StoreError, match=host) as caught:
        open_store("s3://bucket", max_tries=1, timeout_s=2).get("a")
    assert isinstance(caught.value, StoreUnavailable) is is_passing


def test_lost_permission_is_named(bucket: str, s3_faults: Proxy) -> None:
    s3_faults.faults.append(Fault("PUT", "/a", "status", status=403, code="AccessDenied"))
    with pytest.raises(StoreError, match=r"access to the bucket test-.* is denied"):
        open_store(f"s3://{bucket}").put("a", b"one")


def test_a_missing_bucket_is_named(s3_endpoint: str) -> None:
    with pytest.raises(StoreError, match="the bucket no-such-bucket does not exist"):
        probe_store(open_store("s3://no-such-bucket/out"))


def test_a_store_that_ignores_create_only_is_refused(bucket: str, s3_faults: Proxy) -> None:
    s3_faults.faults.append(Fault("PUT", "", "drop_condition", times=999))
    with pytest.raises(StoreError, match=r"If-None-Match.*--unsafe-single-writer"):
        probe_store(open_store(f"s3://{bucket}/out"))
    assert list(open_store(f"s3://{bucket}").list("")) == []


def test_a_store_that_half_honours_conditions_is_refused(bucket: str, s3_faults: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows If-None-Match, and ignores If-Match."""
    from pipeline.object_store.s3_store import S3Store

    monkeypatch.setattr(S3Store, "replace", lambda self, path, body, etag: self.put(path, body))
    with pytest.raises(StoreError, match="If-Match"):
        probe_store(open_store(f"s3://{bucket}/out"))


def test_a_store_that_does_not_know_conditions_is_refused_but_serves_a_single_writer(bucket: str, s3_faults: Proxy) -> None:
    s3_faults.faults.append(Fault("PUT", "/probe", "status", times=999, status=501, code="NotImplemented"))
    with pytest.raises(StoreError, match="--unsafe-single-writer"):
        probe_store(open_store(f"s3://{bucket}/out", max_tries=1))


def test_more_than_a_thousand_objects_are_listed_and_deleted(bucket: str) -> None:
    # given
    store = open_store(f"s3://{bucket}/out")
    backend = s3_backends["123456789012"]["aws"]  # past HTTP: a thousand requests take seven seconds
    for number in range(1003):
        backend.put_object(bucket, f"out/s/{number:05d} ü", b"")
    # then
    listed = [stored.path for stored in store.list("s/")]
    assert len(listed) == 1003
    assert listed == sorted(listed)
    store.delete(listed)
    assert list(store.list("")) == []


class Refusing:
    """A client whose request succeeds, and refuses some keys: those of each list, request after request."""

    def __init__(self, *refused: dict[str, str]) -> None:
        self._refused = list(refused)
        self.asked: list[list[str]] = []

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        self.asked.append([item["Key"] for item in Delete["Objects"]])
        refused = self._refused.pop(0) if self._refused else {}
        return {"Errors": [{"Key": key, "Code": code} for key, code in refused.items()]} if refused else {}


def test_keys_that_a_store_is_too_busy_to_delete_are_asked_for_again(monkeypatch: pytest.MonkeyPatch, no_sleep: None) -> None:
    client = Refusing({"out/b": "SlowDown", "out/c": "InternalError"}, {"out/c": "SlowDown"})
    monkeypatch.setattr(S3Store, "_client", client)

    S3Store("s3://b/out").delete(["a", "b", "c"])

    assert client.asked == [["out/a", "out/b", "out/c"], ["out/b", "out/c"], ["out/c"]]


@pytest.mark.parametrize(
    ("codes", "kind", "key", "num_asked"),
    [(["SlowDown"] * 9, StoreUnavailable, "a", 3), (["SlowDown", "AccessDenied"], StoreError, "b", 1)],
    ids=["busy for too long", "a key may not be deleted"],
)
def test_a_key_that_is_not_deleted_is_a_store_error(monkeypatch, no_sleep, codes, kind, key, num_asked) -> None:
    client = Refusing(*[{f"out/{name}": code for name, code in zip("ab", codes, strict=False)}] * 9)
    monkeypatch.setattr(S3Store, "_client", client)

    with pytest.raises(StoreError, match=f"cannot delete out/{key}: {codes['ab'.index(key)]}") as caught:
        S3Store("s3://b/out", max_tries=3).delete(["a", "b"])

    assert (type(caught.value), len(client.asked)) == (kind, num_asked)
