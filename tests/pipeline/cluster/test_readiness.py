"""What the driver says about its readers, from what they told it; the store between them is a dict here."""

import logging
from types import SimpleNamespace

import pytest

from pipeline.cluster import readiness
from pipeline.cluster.readiness import Reader, Readers, read_reports, reporting_its_start
from pipeline.reporting.observer import Silent

GPU = "NVIDIA H100, bfloat16"


class Telling(Silent):
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.messages: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(detail)

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def told() -> dict[str, Reader]:
    return {}


def said(monkeypatch: pytest.MonkeyPatch, readers: Readers, at_s: float) -> None:
    monkeypatch.setattr(readiness, "time", SimpleNamespace(monotonic=lambda: at_s))
    readers.look()


def test_loading_is_shown_once_it_takes_a_while_and_then_who_is_ready(monkeypatch, told) -> None:
    telling = Telling()
    readers = Readers(lambda: dict(told), telling)
    told["1"] = Reader(state="loading", process="a:1")
    for at_s in (10, 11, 12, 13):
        said(monkeypatch, readers, at_s)
    told["1"] = Reader(state="ready", process="a:1", runs_on=GPU, load_s=9.04)
    told["2"] = Reader(state="loading", process="b:1")
    for at_s in (14, 15, 16):
        said(monkeypatch, readers, at_s)
    told["2"] = Reader(state="ready", process="b:1", runs_on=GPU, load_s=7)
    said(monkeypatch, readers, 17)

    assert telling.phases == [
        "1 reader loads its engine",
        f"1 reader ready ({GPU}; loaded in 9.0 s), 1 reader loads its engine",
        f"2 readers ready ({GPU}; loaded in 9.0 s)",
    ]
    assert telling.messages == []


def test_what_an_engine_warns_of_at_its_start_is_shown_once(monkeypatch, told) -> None:
    telling = Telling()
    readers = Readers(lambda: dict(told), telling)
    warning = "the paged kernel does not run here"
    for number in (1, 2):
        told[str(number)] = Reader(state="ready", process=f"a:{number}", runs_on=GPU, load_s=1, warnings=[warning])
        said(monkeypatch, readers, 10 * number)
    assert telling.messages == [f"warning: {warning}"]


def test_warnings_of_the_engine_go_with_the_report_of_its_start_and_others_do_not(monkeypatch) -> None:
    reports: list[Reader] = []
    monkeypatch.setattr(readiness, "_through", lambda name, reader: reports.append(reader))
    with reporting_its_start("run"):
        logging.getLogger("workers.engines.ovis.decoding.kernels").warning("%s is slow", "decoding")
        logging.getLogger("workers.engines.ovis").info("no news")
        logging.getLogger("workers.rendering").warning("not the engine's")
    logging.getLogger("workers.engines.ovis").warning("too late")
    assert [reader.warnings for reader in reports] == [[], ["decoding is slow"]]


def test_an_engine_that_is_there_at_once_is_no_news(monkeypatch, told) -> None:
    telling = Telling()
    readers = Readers(lambda: dict(told), telling)
    told["1"] = Reader(state="loading", process="a:1")
    said(monkeypatch, readers, 10)
    told["1"] = Reader(state="ready", process="a:1")
    said(monkeypatch, readers, 11)
    assert telling.phases == telling.messages == []


def test_another_process_under_the_same_name_was_started_anew(monkeypatch, told) -> None:
    telling = Telling()
    readers = Readers(lambda: dict(told), telling)
    for number, at_s in ((1, 10), (1, 11), (2, 12), (2, 13)):
        told["1"] = Reader(state="ready", process=f"a:{number}", runs_on=GPU, load_s=1)
        said(monkeypatch, readers, at_s)
    assert telling.messages == ["a reader process died and was started anew; what it had in hand is read again"]


def test_outside_ray_there_is_nobody_to_tell(monkeypatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests of this process may have started one
    with reporting_its_start("run") as runs_on:
        runs_on.append("here")
    assert read_reports("run") == {}
