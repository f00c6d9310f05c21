"""The JSON log: one object a line whatever names and messages hold, with the ids that lead to the rows, and no secret."""

import io
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from pipeline.lake.lease import LEASE, Lease
from pipeline.object_store.local_store import LocalStore
from pipeline.reporting.json_log import EventLog, event, json_log, send_log_records
from pipeline.reporting.observer import Several
from pipeline.reporting.receipts import report_slow_pages
from pipeline.reporting.watchers import watched
from schemas.lease import LeaseBody
from schemas.settings import Settings
from tests.pipeline.made import make_chunk, planned, records_of
from tests.pipeline.made_run import RUN, receipt, replay, summary


def lines_of(text: str) -> list[dict[str, Any]]:
    assert text.isascii()
    assert all(char.isprintable() for char in text.replace("\n", ""))
    return [json.loads(line) for line in text.splitlines()]


def logged(*calls: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    with json_log(stream):
        for call in calls:
            call()
    return lines_of(stream.getvalue())


def test_a_run_is_told_event_by_event() -> None:
    log = EventLog()

    lines = logged(lambda: replay(log), lambda: log.ended(summary()))

    assert [line["event"] for line in lines] == [
        *("phase", "run_started", "plan_started", "phase", "reader_started", "page_failed", "shard_committed", "run_ended"),
    ]
    assert all(line["run_id"] == RUN for line in lines[1:])
    failed = lines[5]
    assert (failed["level"], failed["kind"], failed["page_index"], failed["document_id"]) == ("warning", "bad_json", 4, "d1")
    assert (failed["uri"], failed["message"]) == ("s3://drop/a\nb.pdf", "no \x1b[31mJSON")  # whole, and escaped in the line
    assert lines[6] == lines[6] | {"plan_id": "000001", "shard_index": 0, "num_documents": 2, "num_shards": 2}
    assert (lines[7]["status"], lines[7]["num_pages"]) == ("finished", {"ok": 3})


def test_a_document_that_cannot_be_opened_is_told_without_a_page() -> None:
    trouble = receipt().troubles[0].model_copy(update={"page_index": None, "stage": "probe"})
    (started, line) = logged(lambda: EventLog().chunk_done(receipt(troubles=(trouble,)), 1))
    assert (started["event"], line["event"], line["stage"]) == ("reader_started", "document_failed", "probe")


def test_a_reader_that_is_started_anew_is_told() -> None:
    log = EventLog()
    lines = logged(lambda: [log.chunk_done(receipt(reader=name, troubles=()), 1) for name in ("a", "b", "a")])
    assert [(line["event"], line["reader"], line["num_readers"]) for line in lines] == [
        ("reader_started", "a", 1),
        ("reader_started", "b", 2),
    ]


def test_an_error_that_ends_the_run_is_told_with_its_sentence() -> None:
    (line,) = logged(lambda: EventLog().failed(ValueError("so\nit is")))
    assert (line["event"], line["level"], line["error"], line["message"]) == ("run_failed", "error", "ValueError", "so\nit is")


def test_a_lease_that_is_taken_over_is_told(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    dead = LeaseBody(owner="elsewhere", run_id="r0", epoch=3, ttl_s=-10, nonce="n")
    store.create(LEASE, dead.model_dump_json().encode())

    (line,) = logged(lambda: Lease.acquire(store, owner="h", run_id="r1", ttl_s=30))

    assert (line["event"], line["run_id"], line["dead_run_id"], line["dead_owner"]) == ("lease_taken_over", "r1", "r0", "elsewhere")


def test_a_slow_page_is_told_and_a_quick_one_is_not() -> None:
    chunk = make_chunk(planned("a.pdf"), 0, 0, [0, 1], 2)
    records = records_of(chunk)
    slow = records.pages[1].__class__(**{**vars(records.pages[1]), "read_s": 61.0})
    records.pages[1] = slow

    (line,) = logged(lambda: report_slow_pages(chunk, records, 60, reader="h-1-a"))

    assert (line["event"], line["page_index"], line["read_s"], line["uri"]) == ("slow_page", 1, 61.0, "s3://drop/a.pdf")


def test_warnings_of_our_modules_stand_among_the_events_and_others_do_not() -> None:
    lines = logged(
        lambda: logging.getLogger("workers.sources.listing").warning("left out: %s", "x\ny"),
        lambda: logging.getLogger("urllib3").warning("noise"),
    )
    assert [(line["event"], line["logger"], line["message"]) for line in lines] == [
        ("message", "workers.sources.listing", "left out: x\ny")
    ]


def test_a_password_in_a_url_is_in_no_line() -> None:
    url = "https://user:sesame@host/v1?key=sesame"

    def fail() -> None:
        try:
            raise ValueError(f"no answer from {url}")
        except ValueError:
            logging.getLogger("workers.engines").exception("cannot ask %s", url)

    log = EventLog()
    lines = logged(lambda: log.message(f"asking {url}"), lambda: log.phase("starting", f"Ray at {url}"), fail)

    assert len(lines) == 3
    assert "sesame" not in json.dumps(lines)


def test_nothing_is_written_once_the_log_is_closed() -> None:
    stream = io.StringIO()
    with json_log(stream):
        pass
    event("late")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_the_setting_takes_the_place_of_progress_and_no_secret_is_in_it(quiet: bool) -> None:
    stream = io.StringIO()
    secret = {
        "input": {"passwords": ["sesame"]},
        "log": {"format": "json"},
        "engine": {"server": {"base_url": "http://u:sesame@h"}},
    }
    with watched(Settings.model_validate(secret), stream, quiet=quiet) as observer:
        replay(observer)
        observer.ended(summary())
    assert len(lines_of(stream.getvalue())) == 8
    assert "sesame" not in stream.getvalue()


def test_several_observers_hear_the_same() -> None:
    one, other = EventLog(), EventLog()
    assert [line["event"] for line in logged(lambda: Several(one, other).message("x"))] == ["message", "message"]


def test_records_of_another_process_are_logged_as_ones_own_and_what_comes_with_receipts_is_not() -> None:
    sent: list[logging.LogRecord] = []
    names = ("pipeline", "workers")
    before = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).propagate) for name in names}
    try:
        send_log_records(sent.append, run_id=RUN)
        event("engine_ready", reader="h-1-a", seconds=0.5)
        logging.getLogger("workers.contained").error("a traceback")
    finally:
        for name, (handlers, propagate) in before.items():
            logging.getLogger(name).handlers[:], logging.getLogger(name).propagate = handlers, propagate

    (line,) = logged(lambda: [logging.getLogger(record.name).handle(pickle.loads(pickle.dumps(record))) for record in sent])

    assert (line["event"], line["run_id"], line["reader"], line["seconds"]) == ("engine_ready", RUN, "h-1-a", 0.5)
