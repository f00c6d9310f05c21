"""Files of a folder, also such that change, vanish or cannot be read."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.failure import FailureKind, PageError
from schemas.source import Source
from tests.workers.sources.made_objects import BODY, DIGEST, failure
from workers.sources.fetch import Fetcher
from workers.sources.listing import list_sources
from workers.sources.local_files import look_at

pytestmark = pytest.mark.slow


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
    while os.stat(source.uri).st_ctime_ns == status.st_ctime_ns or os.stat(source.uri).st_mtime_ns != status.st_mtime_ns:
        os.utime(source.uri, ns=(status.st_atime_ns, status.st_mtime_ns))  # until the clock of the file system has ticked


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
