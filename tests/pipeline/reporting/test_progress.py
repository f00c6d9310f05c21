"""The time that is left, and how durations, sizes and paces are written."""

from types import SimpleNamespace

import pytest

from pipeline.reporting import figures as wording
from pipeline.reporting.progress import Progress
from schemas.receipt import Receipt


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7390, "2 h 03 min")],
)
def test_durations_read_well(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("num_bytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**4, "5.0 TiB")])
def test_sizes_read_well(num_bytes, text):
    assert wording.size(num_bytes) == text


def test_time_left_is_counted_by_pages_from_the_first_ones_on(monkeypatch):
    now = SimpleNamespace(s=1000.0)
    monkeypatch.setattr("pipeline.reporting.progress.time", SimpleNamespace(monotonic=lambda: now.s))

    def done(uri: str, num_ok: int, num_document_pages: int, num_documents_done: int) -> None:
        receipt = Receipt(shard_index=0, name="n", uri=uri, num_ok=num_ok, num_document_pages=num_document_pages)
        progress.chunk_done(receipt, num_documents_done)

    progress = Progress()
    progress.planned("000001", 6, 100)
    progress.phase("reading")
    assert progress.pages_per_s is None
    done("broken", 0, 0, 1)  # a file that cannot be opened
    now.s += 30
    done("large", 20, 100, 1)
    assert progress.left_s is None  # the workers have only just started
    now.s += 10
    done("small", 20, 20, 2)  # two pages a second since

    # 80 pages are left of the large one, and 3 documents of 40 pages on average have not been opened
    assert progress.left_s == pytest.approx((80 + 3 * 40) / 2)
    assert progress.pages_per_s == pytest.approx(1)

    now.s += 40
    done("large", 80, 100, 3)
    assert progress.left_s == pytest.approx(3 * 40 / 2)


def test_what_an_earlier_run_has_read_is_not_left():
    progress = Progress()
    progress.planned("000001", 6, 100)
    for pages in (10, 10):
        progress.chunk_done(Receipt(shard_index=0, name="n", uri="u", num_ok=pages, num_document_pages=20), 5 + (pages == 10))
    assert progress.left_s is None


@pytest.mark.parametrize(("per_s", "text"), [(0.0416, "0.042"), (0.3, "0.3"), (4.24, "4.2"), (123.4, "123")])
def test_a_pace_has_two_digits_that_count(per_s, text):
    assert wording.pace(per_s) == text
