"""What an input holds, locally and in S3, with the names that people and programs give."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from moto.s3.models import s3_backends

from tests.servers.s3_proxy import Fault, Proxy
from workers.sources.listing import InputError, list_sources, local_path, storable
from workers.sources.s3 import make_client
from workers.sources.s3_listing import _take_objects

ODD_NAMES = [
    "a b.pdf",
    "a+b.pdf",
    "100%.pdf",
    "%41.pdf",
    "ü/日本.pdf",
    "emoji 😀.png",
    "tab\there",
    "line\nbreak.pdf",
    "q?x=1&y#z.pdf",
    "(1).pdf",
]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 01 Dec 2026 06:00:00 GMT", datetime(2026, 12, 1, 6, tzinfo=UTC)),
        ("Tue, 01 Dec 2026 06:00:00 -0000", datetime(2026, 12, 1, 6, tzinfo=UTC)),
        ("2026-12-01T06:00:00Z", None),
        ("", None),
    ],
)
def test_the_stores_time_is_its_date_where_it_has_one(date: str, expected: datetime | None) -> None:
    listing = list_sources("s3://bucket")
    own = listing.now

    listing._take_time({"ResponseMetadata": {"HTTPHeaders": {"date": date}}})

    assert listing.now == (expected or own)


def uris(input: str) -> list[str]:
    return [source.uri for source in list_sources(input)]


def put(bucket: str, *keys: str, body: bytes = b"x") -> None:
    for key in keys:
        if "\n" in key:  # moto's router knows no such path, its listing does
            s3_backends["123456789012"]["aws"].put_object(bucket, key, body)
        else:
            make_client().put_object(Bucket=bucket, Key=key, Body=body)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


# Local


def test_a_folder_is_listed_through_and_in_order(tmp_path: Path) -> None:
    write(tmp_path, "b.pdf", "a/2.pdf", "a/1.pdf", "a.pdf", "_c/x")
    assert uris(str(tmp_path)) == [f"{tmp_path}/{name}" for name in ("_c/x", "a.pdf", "a/1.pdf", "a/2.pdf", "b.pdf")]


def test_a_relative_path_gives_the_same_sources_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "in/a.pdf")
    monkeypatch.chdir(tmp_path)
    assert list(list_sources("in/")) == list(list_sources("./x/../in")) == list(list_sources(str(tmp_path / "in")))


def test_a_single_file_is_an_input_even_a_hidden_one(tmp_path: Path) -> None:
    write(tmp_path, ".hidden.pdf", "b.pdf")
    assert uris(str(tmp_path / ".hidden.pdf")) == [f"{tmp_path}/.hidden.pdf"]


def test_a_local_version_is_its_size_and_time(tmp_path: Path) -> None:
    # given
    write(tmp_path, "a.pdf")
    os.utime(tmp_path / "a.pdf", ns=(0, 1_700_000_000_123_456_789))
    # when
    (source,) = list_sources(str(tmp_path))
    # then
    assert source.etag == "1-1700000000123456789"
    assert source.last_modified == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


def test_hidden_names_and_what_is_no_file_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.pdf", ".DS_Store", ".git/config", "lost+found/x", "sub/.x")
    os.mkfifo(tmp_path / "pipe")
    assert uris(str(tmp_path)) == [f"{tmp_path}/a.pdf"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    write(tmp_path, "in/a.pdf", "elsewhere/b.pdf")
    (tmp_path / "in/link.pdf").symlink_to(tmp_path / "elsewhere/b.pdf")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    assert uris(str(tmp_path / "in")) == [f"{tmp_path}/in/a.pdf", f"{tmp_path}/in/link.pdf"]


@pytest.mark.parametrize("name", [b"\xff\xfe.pdf", b"caf\xe9.pdf", b"\xed\xa0\x80.pdf"])
def test_a_name_that_is_not_utf_8_is_storable_and_comes_back(tmp_path: Path, name: bytes) -> None:
    # given
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"x")
    # when
    (source,) = list_sources(str(tmp_path))
    # then
    assert source.uri.encode().decode() == source.uri
    assert os.fsencode(local_path(source.uri)) == path


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_local_name_is_kept_as_it_is(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert uris(str(tmp_path)) == [f"{tmp_path}/{name}"]
    assert local_path(storable(name)) == name


MOVED = "".join(map(chr, range(0x10F000, 0x10F080)))
NAMES = st.binary(max_size=12) | st.text(st.characters(codec="utf-8") | st.sampled_from(MOVED), max_size=6).map(str.encode)


@given(NAMES, NAMES)
@example(b"\x80", "\U0010f000".encode())
@example(b"\xf4\x8f\x80\x80", b"\xf4\x8f\x80")
@pytest.mark.slow
def test_every_name_comes_back_and_no_two_share_a_uri(one: bytes, other: bytes) -> None:
    names = [os.fsdecode(name) for name in (one, other)]

    uris = [storable(name) for name in names]

    assert [local_path(uri.encode().decode()) for uri in uris] == names
    assert (uris[0] == uris[1]) == (one == other)


@pytest.mark.parametrize(
    ("name", "uri"),
    [(b"caf\xe9.pdf", "caf\U0010f069.pdf"), ("\U0010f000".encode(), "\U0010f074\U0010f00f\U0010f000\U0010f000")],
)
def test_the_uri_of_a_name_stays_what_it_is(name: bytes, uri: str) -> None:
    assert storable(os.fsdecode(name)) == uri


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert uris(str(tmp_path)) == []


def test_an_empty_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    assert [source.size_bytes for source in list_sources(str(tmp_path))] == [0]


@pytest.mark.parametrize(("seconds", "year"), [(-3_000_000_000, 1874), (1e11, 5138)])
def test_a_time_beyond_the_usual_is_no_crash(tmp_path: Path, seconds: float, year: int) -> None:
    write(tmp_path, "a.pdf")
    os.utime(tmp_path / "a.pdf", (0, seconds))
    (source,) = list_sources(str(tmp_path))
    assert source.last_modified.year in (year, 1901, 2446)  # ext4 holds no more


@pytest.mark.parametrize("input", ["/no/such/folder", "gs://bucket/x", "s3://", "http://x"])
def test_an_input_that_is_not_there_is_one_sentence(input: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*\.$"):
        uris(input)


def test_a_folder_that_may_not_be_read_is_an_error_and_no_silent_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    write(tmp_path, "a.pdf", "locked/b.pdf")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    # then
    with pytest.raises(InputError, match=r"locked: permission denied\."):
        uris(str(tmp_path))


# S3


@pytest.mark.parametrize("name", [*ODD_NAMES, "//slashes//x", "a/./b.pdf", "_tmp-x", ".hidden"])
@pytest.mark.slow
def test_an_odd_key_is_kept_as_it_is(bucket: str, name: str) -> None:
    put(bucket, f"in/{name}")
    assert uris(f"s3://{bucket}/in") == [f"s3://{bucket}/in/{name}"]


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(bucket: str) -> None:
    put(bucket, "drop/a.pdf", "drop/sub/b.pdf", "dropped/c.pdf", "drop.pdf")
    expected = [f"s3://{bucket}/drop/a.pdf", f"s3://{bucket}/drop/sub/b.pdf"]
    assert uris(f"s3://{bucket}/drop") == uris(f"s3://{bucket}/drop/") == expected
    assert len(uris(f"s3://{bucket}")) == len(uris(f"s3://{bucket}/")) == 4


def test_a_key_is_one_object(bucket: str) -> None:
    put(bucket, "drop/a.pdf", "drop/a.pdf.bak", "drop/a.pdf/x")
    assert uris(f"s3://{bucket}/drop/a.pdf") == [f"s3://{bucket}/drop/a.pdf"]


def test_placeholders_of_folders_are_left_out_and_empty_objects_are_not(bucket: str) -> None:
    put(bucket, "in", "in/", "in/sub/", "in/sub_$folder$", "in/empty.pdf", body=b"")
    put(bucket, "in/full/", body=b"x")
    assert uris(f"s3://{bucket}/in/") == [f"s3://{bucket}/in/empty.pdf", f"s3://{bucket}/in/full/"]


def test_an_s3_version_is_its_etag_without_quotes(bucket: str) -> None:
    put(bucket, "a", body=b"hello")
    (source,) = list_sources(f"s3://{bucket}")
    assert source.etag == "5d41402abc4b2a76b9719d911017c592"  # md5 of hello
    assert source.size_bytes == 5
    assert source.last_modified.utcoffset() is not None


@pytest.mark.parametrize(
    "change", [("<Size>", "<Size>many"), ("<ETag>", "<Etag>"), ("LastModified>2", "LastModified>x"), ("</Contents>", "</Contents")]
)
def test_a_page_that_is_not_understood_is_left_to_botocore(change: tuple[str, str]) -> None:
    item = "<Contents><Key>a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>e</ETag><Size>1</Size></Contents>"
    page = f"<ListBucketResult><Name>b</Name>{item}</ListBucketResult>"

    def taken(body: str) -> tuple[bytes, dict[str, Any]]:
        response, found = {"status_code": 200, "body": body.encode()}, dict[str, Any]()
        _take_objects(response, found, SimpleNamespace(name="ListObjectsV2"))
        return response["body"], found

    body, found = taken(page)
    assert (b"Contents" in body, found["Contents"][0]["Size"]) == (False, 1)
    broken = page.replace(*change)
    assert taken(broken) == (broken.encode(), {})


@pytest.mark.slow
def test_objects_are_those_that_botocore_would_list(bucket: str) -> None:
    put(bucket, "in/a b.pdf", "in/ü+%41.pdf", "in/<&>.pdf", body=b"hello")
    client = make_client(timeout_s=61)
    fast = client.list_objects_v2(Bucket=bucket, Prefix="in/", MaxKeys=2)
    client.meta.events.unregister("before-parse.s3.*", _take_objects)

    slow = client.list_objects_v2(Bucket=bucket, Prefix="in/", MaxKeys=2)

    wanted = ("Key", "ETag", "Size", "LastModified")
    assert fast["Contents"] == [{name: item[name] for name in wanted} for item in slow["Contents"]]
    for response in (fast, slow):
        del response["Contents"], response["ResponseMetadata"]
    assert fast == slow


def test_an_empty_prefix_holds_nothing(bucket: str) -> None:
    assert uris(f"s3://{bucket}/nothing") == []


def test_a_missing_bucket_is_one_sentence(s3_endpoint: str) -> None:
    with pytest.raises(InputError, match=r"^Cannot list s3://no-such-bucket/x: the bucket no-such-bucket does not exist\.$"):
        uris("s3://no-such-bucket/x")


@pytest.mark.slow
def test_a_denied_listing_is_one_sentence(bucket: str, s3_faults: Proxy) -> None:
    s3_faults.faults.append(Fault("GET", "", "status", status=403, code="AccessDenied"))
    with pytest.raises(InputError, match=r"access to the bucket .* is denied\.$"):
        uris(f"s3://{bucket}/x")


@pytest.mark.slow
def test_missing_credentials_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(InputError, match="no AWS credentials"):
        uris(f"s3://{bucket}/x")


@pytest.mark.slow
def test_an_endpoint_that_does_not_answer_is_one_sentence(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="Could not connect"):
        list(list_sources("s3://bucket/x", timeout_s=1, max_tries=1))


@pytest.mark.slow
def test_a_listing_that_is_throttled_goes_on(bucket: str, s3_faults: Proxy, no_sleep: None) -> None:
    put(bucket, "in/a", "in/b")
    s3_faults.faults.append(Fault("GET", "", "status", times=3))
    assert len(uris(f"s3://{bucket}/in/")) == 2
