"""What an exception becomes at the border of a page, and what is told of it."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from schemas.errors import EndsRun
from schemas.failure import FailureKind, PageError, Stage
from schemas.source import source_id
from workers import contained
from workers.contained import page_error, page_failure, panics_raised, sentence, take_reports
from workers.engines.engine import EngineStartError
from workers.rendering.render_process import RenderStartError
from workers.sources.cache import CacheError
from workers.sources.listing import local_etag


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was told yet."""
    monkeypatch.setattr(contained, "_counts", Counter())
    take_reports()


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as same:  # noqa: BLE001
        return same


def test_an_exception_is_a_failure_that_names_its_class_and_message() -> None:
    failure = page_failure(ValueError("two\nlines \x1b[31m"), "validate", task="chart", page_index=3, region_index=1, said="{")

    assert (failure.kind, failure.stage, failure.message) == (FailureKind.internal_error, "validate", "ValueError: two lines [31m")
    assert (failure.task, failure.page_index, failure.region_index, failure.raw_text) == ("chart", 3, 1, "{")


def test_what_was_said_is_kept_only_where_it_is_a_text() -> None:
    assert [page_failure(ValueError(), "read", said=said).raw_text for said in (None, "", b"x", 3, "x")] == [None] * 4 + ["x"]


def test_a_page_error_stays_what_it_is() -> None:
    error = PageError(FailureKind.encrypted, "no password opens it")

    assert page_error(error, "probe") is error


@pytest.mark.parametrize("kind", [EndsRun, CacheError, EngineStartError, RenderStartError])
def test_what_no_page_can_be_blamed_for_flies(kind: type[EndsRun]) -> None:
    with pytest.raises(kind, match="this sentence"):
        page_error(kind("this sentence"), "read")


def test_a_message_that_cannot_be_made_is_none() -> None:
    class Strange(Exception):
        def __str__(self) -> str:
            raise KeyError

    assert (sentence(Strange()), sentence(MemoryError())) == ("Strange: (it has no message)", "MemoryError")


def test_a_traceback_is_told_once_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    for number in range(100):
        page_error(caught(ValueError(f"page {number}")), "read")

    first, *others = [record.getMessage() for record in caplog.records]
    assert first.startswith("ValueError at test_contained.py:")
    assert "(most recent call last)" in first
    assert first.endswith("ValueError: page 0\n")
    assert [text.rpartition(": ")[2] for text in others] == [
        "10 times so far in one process",
        "100 times so far in one process",
    ]
    assert take_reports() == (first, *others)
    assert take_reports() == ()


def test_what_is_told_holds_no_control_character_and_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    page_error(caught(ValueError("\x1b[31m" + "x" * 100_000)), "read")

    (told,) = take_reports()
    assert "\x1b" not in told
    assert len(told) < 10_000


@pytest.mark.parametrize(("other", "stage"), [(KeyError("k"), "read"), (ValueError("v"), "validate")])
def test_another_class_or_stage_is_told_anew(caplog: pytest.LogCaptureFixture, other: Exception, stage: Stage) -> None:
    page_error(caught(ValueError("v")), "read")
    page_error(caught(other), stage)

    assert [(record.levelno, "Traceback" in record.getMessage()) for record in caplog.records] == [(logging.ERROR, True)] * 2


def test_the_place_is_the_innermost_line_of_ours_or_of_all() -> None:
    with pytest.raises(FileNotFoundError) as ours:
        local_etag(Path("not there").stat())
    with pytest.raises(UnicodeEncodeError) as deeper:
        source_id("\ud800", "1")

    assert contained._place(ours.value).startswith("pathlib.py:")
    assert contained._place(deeper.value).startswith("source.py:")
    assert contained._place(ValueError()) == "an unknown line"


def test_a_panic_is_an_exception_and_a_cancellation_is_none() -> None:
    class PanicException(BaseException):
        pass

    with pytest.raises(RuntimeError, match="panic: index out of bounds"), panics_raised():
        raise PanicException("index out of bounds")
    with pytest.raises(KeyboardInterrupt), panics_raised():
        raise KeyboardInterrupt
