"""What is raised for a page costs that page: through the stages as Ray calls them, but in this process."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rapidocr.utils.process_img import ResizeImgError

from pipeline.lake.shard_progress import ShardProgress
from pipeline.lake.staging import StagedChunk, decode, this_version
from pipeline.object_store.local_store import LocalStore
from pipeline.object_store.store import StoreError
from pipeline.planning.engines import describe_engines
from pipeline.planning.portions import portions
from pipeline.planning.recipes import make_recipes
from pipeline.reporting import receipts
from pipeline.stages import reading, rows
from pipeline.stages.documents import ProbeDocuments, RenderPages
from pipeline.stages.reading import ReadPages
from pipeline.stages.setups import ProbeSetup, RenderSetup, read_setups
from schemas.failure import FailureKind
from schemas.page import Chunk, Packed, RenderedPage
from schemas.planned import PlannedSource
from schemas.receipt import Receipt
from schemas.records import ChunkRecords
from schemas.settings import Settings
from schemas.source import FileIdentity, Source
from tests.pipeline.made import NOON, RECIPES, make_plan
from tests.pipeline.made_input import make_pdf
from tests.pipeline.tables import VOLATILE
from workers import contained
from workers.engines.engine import Completion, Request
from workers.reading import asking, checked_answers, read_pages
from workers.reading.rows import ChunkRows
from workers.rendering.bounds import Bounds
from workers.rendering.renderer import Renderer
from workers.sources.fetch import Fetcher
from workers.sources.listing import local_etag

pytestmark = pytest.mark.slow

Rows = dict[str, list[dict[str, Any]]]
ERRORS = [ValueError("bad"), MemoryError(), OSError(5, "Input/output error"), ResizeImgError("too thin")]
PAGES = {"a.pdf": 3, "b.pdf": 5}
BAD = ("b.pdf", 2)
NOT_COMPARED = VOLATILE | {"recipe_id"}
"""Another script is another recipe."""


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contained")
    for name, num_pages in PAGES.items():
        make_pdf(folder / name, num_pages)
    return folder


def planned_of(path: Path) -> PlannedSource:
    status = path.stat()
    source = Source(uri=str(path), etag=local_etag(status), size_bytes=status.st_size, last_modified=NOON)
    return PlannedSource(source=source, tasks=["ocr", "chart"])


class Front:
    """Probe and draw."""

    def __init__(self, folder: Path) -> None:
        setup = RenderSetup.of(Settings(), RECIPES, "run")
        self.probe, self.draw = ProbeDocuments(ProbeSetup(rendering=setup)), RenderPages(setup)
        self.plan = make_plan([[planned_of(folder / name) for name in PAGES]])

    def run(self) -> list[pa.Table]:
        progress = {0: ShardProgress(self.plan, 0)}
        work = pa.table({"work": [portion.model_dump_json() for portion in portions(self.plan, progress, num_cpus=1)]})
        return [table for bundle in self.probe(work) for table in self.draw(bundle)]


@pytest.fixture(scope="module")
def front(drop: Path) -> Iterator[Front]:
    front = Front(drop)
    yield front
    front.probe.renderer.close()
    front.draw.renderer.close()


@pytest.fixture(scope="module")
def drawn(front: Front) -> list[pa.Table]:
    """What enters the reader where nothing is wrong."""
    return front.run()


class Reader:
    """Read and stage."""

    def __init__(self, out: Path, *rules: dict[str, object]) -> None:
        out.mkdir(parents=True)
        script = json.dumps({"rules": rules})
        chosen = Settings.model_validate({"engine": {"name": "scripted", "scripted": {"script": script}}})
        self.store = LocalStore(str(out))
        recipes = make_recipes(chosen, describe_engines(chosen.engine, chosen.read.tasks), chosen.read.tasks)
        self.recipe_ids = {task: recipe.recipe_id for task, recipe in sorted(recipes.items())}
        self.stage = ReadPages(read_setups(chosen, recipes, "run", self.store)[0])

    def run(self, drawn: list[pa.Table]) -> list[Receipt]:
        bodies = [body for table in drawn for body in asyncio.run(self.stage(table)).column("receipts").to_pylist()[0]]
        return list(map(Receipt.model_validate_json, bodies))

    def staged(self) -> list[StagedChunk]:
        paths = [stored.path for stored in self.store.list("_pagefold/staging/")]
        return [decode(self.store.get(path)) for path in sorted(paths)]

    def rows(self) -> Rows:
        rows: Rows = {}
        for chunk in self.staged():
            for table, found in chunk.tables.items():
                cleaned = [{key: value for key, value in row.items() if key not in NOT_COMPARED} for row in found.to_pylist()]
                rows.setdefault(table, []).extend(cleaned)
        return rows


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "out")


def page_of(row: dict[str, Any]) -> tuple[str, int]:
    return Path(row["uri"]).name, row["page_index"]


@pytest.fixture(scope="module")
def clean(drawn: list[pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What is staged where nothing is wrong."""
    reader = Reader(tmp_path_factory.mktemp("clean") / "out")
    reader.run(drawn)
    return reader.rows()


def check_all_but(lost: set[tuple[str, int]], rows: Rows, clean: Rows) -> None:
    """Every page has its row; of the pages that are not lost all rows are those of the clean run."""
    assert Counter(map(page_of, rows["pages"])) == Counter(map(page_of, clean["pages"]))
    for table in clean:
        kept = [[row for row in found[table] if page_of(row) not in lost] for found in (rows, clean)]
        assert kept[0] == kept[1], table
    assert all(row["status"] == "failed" for row in rows["pages"] if page_of(row) in lost)
    assert {page_of(row) for row in rows["failures"]} == lost


# --- where it is raised, and what that costs


def raises(error: Exception) -> Callable[..., Any]:
    def raising(*_: object, **__: object) -> Any:
        raise error

    return raising


def at_page(place: Any, name: str, error: Exception, page_at: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """`place.name` raises where its arguments are about the bad page."""
    plain = getattr(place, name)

    def raising(*args: Any, **kwargs: Any) -> Any:
        if page_at(*args, **kwargs) == BAD[1]:
            raise error
        return plain(*args, **kwargs)

    monkeypatch.setattr(place, name, raising)


def of_label(request: Any, *_: object) -> int:
    return BAD[1] if request.label.endswith(f"{BAD[0]}#page={BAD[1]}") else -1


def of_page(_: object, page: Any, *__: object, **___: object) -> int:
    """The page's own text says whose it is."""
    words = " ".join(word.text for word in page.text_layer.words)
    return page.page_index if words.startswith("b, page") else -1


PLACES: dict[str, tuple[str, Callable[[Exception, pytest.MonkeyPatch], None]]] = {
    "judging": ("validate", lambda error, patch: at_page(asking, "_judge", error, of_label, patch)),
    "checking": ("validate", lambda error, patch: at_page(checked_answers, "ocr_content", error, of_page, patch)),
    "row making": ("validate", lambda error, patch: at_page(ChunkRows, "of_text", error, of_page, patch)),
    "asking": ("read", lambda error, patch: at_page(read_pages._ChunkReader, "_text_request", error, of_page, patch)),
    "reading": ("read", lambda error, patch: at_page(read_pages._ChunkReader, "_read_page", error, of_page, patch)),
}


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_in_the_reader_it_costs_its_page(
    place: str, error: Exception, drawn: list[pa.Table], clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, inject = PLACES[place]
    inject(error, monkeypatch)

    found = reader.run(drawn)

    check_all_but({BAD}, reader.rows(), clean)
    (failure,) = reader.rows()["failures"]
    assert (failure["kind"], failure["stage"], failure["is_transient"]) == ("internal_error", stage, False)
    assert failure["message"].startswith(type(error).__name__)
    assert sum(receipt.failures.get(FailureKind.internal_error, 0) for receipt in found) == 1


def scripted(error: Exception, **rule: object) -> dict[str, object]:
    return {"fault": "raise", "error": f"{type(error).__module__}.{type(error).__name__}"} | rule


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_of_an_engine_it_costs_its_page(error: Exception, drawn: list[pa.Table], clean: Rows, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "out", scripted(error, label=f"*{BAD[0]}#page={BAD[1]}"))

    reader.run(drawn)

    check_all_but({BAD}, reader.rows(), clean)
    (failure,) = reader.rows()["failures"]
    assert (failure["kind"], failure["stage"], failure["task"]) == ("internal_error", "read", "ocr")
    assert "scripted bug at" in failure["message"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_in_every_second_chunk_it_costs_these(error: Exception, drawn: list[pa.Table], clean: Rows, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "out", scripted(error, regex=r"(a.pdf#page=[01]|b.pdf#page=[014])$"))

    reader.run(drawn)

    check_all_but({("a.pdf", 0), ("a.pdf", 1), ("b.pdf", 0), ("b.pdf", 1), ("b.pdf", 4)}, reader.rows(), clean)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_of_unpacking_it_costs_its_page(
    error: Exception, drawn: list[pa.Table], clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = rows.understood

    def understood(packed: Packed, page_index: int, bounds: Bounds) -> RenderedPage:
        page = plain(packed, page_index, bounds)
        if of_page(None, page) == BAD[1]:
            raise error
        return page

    monkeypatch.setattr(rows, "understood", understood)
    reader.run(drawn)

    check_all_but({BAD}, reader.rows(), clean)
    (failure,) = reader.rows()["failures"]
    assert (failure["kind"], failure["stage"], failure["task"]) == ("internal_error", "render", None)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_of_drawing_it_costs_its_page_and_the_render_process(
    error: Exception, front: Front, clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Renderer.draw
    children = []

    def draw(self: Renderer, path: Path, pages: list[int], file: FileIdentity) -> Iterator[Packed]:
        for page_index, packed in zip(pages, plain(self, path, pages, file), strict=True):
            children.append(self.pid)
            if (path.name, page_index) == BAD:
                raise error
            yield packed

    monkeypatch.setattr(Renderer, "draw", draw)
    reader.run(front.run())

    check_all_but({BAD}, reader.rows(), clean)
    (failure,) = reader.rows()["failures"]
    kind = "fetch_failed" if isinstance(error, OSError) else "internal_error"
    assert (failure["kind"], failure["stage"], failure["task"]) == (kind, "render", None)
    assert type(error).__name__ in failure["message"]
    assert len(set(children)) == 2
    assert children[-1] != children[0]


def test_a_file_that_goes_away_while_it_is_drawn_is_gone(
    drop: Path, front: Front, clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Renderer.draw
    away = drop / "b.away"

    def draw(self: Renderer, path: Path, pages: list[int], file: FileIdentity) -> Iterator[Packed]:
        if (path.name, *pages) == ("b.pdf", 3):
            path.rename(away)
        yield from plain(self, path, pages, file)

    monkeypatch.setattr(Renderer, "draw", draw)
    try:
        drawn = front.run()
    finally:
        away.rename(drop / "b.pdf")
    reader.run(drawn)

    # page 2 is of the same chunk: whether it was drawn from the file that was hashed, nobody can look up any more
    check_all_but({("b.pdf", 2), ("b.pdf", 3), ("b.pdf", 4)}, reader.rows(), clean)
    assert [(row["kind"], row["page_index"]) for row in reader.rows()["failures"]] == [("gone", 2), ("gone", 3), ("gone", 4)]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_of_probing_it_costs_the_document(
    error: Exception, front: Front, clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Renderer.probe

    def probe(self: Renderer, path: Path, *ids: Any) -> Any:
        return raises(error)() if path.name == BAD[0] else plain(self, path, *ids)

    monkeypatch.setattr(Renderer, "probe", probe)
    reader.run(front.run())

    check_document_lost("probe", error, reader.rows(), clean)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_of_fetching_it_costs_the_document(
    error: Exception, front: Front, clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Fetcher.open

    @contextlib.contextmanager
    def fetched(self: Fetcher, source: Source, *ids: Any) -> Iterator[Any]:
        if source.uri.endswith(BAD[0]):
            raise error
        with plain(self, source, *ids) as found:
            yield found

    monkeypatch.setattr(Fetcher, "open", fetched)
    reader.run(front.run())

    check_document_lost("fetch", error, reader.rows(), clean)


def check_document_lost(stage: str, error: Exception, rows: Rows, clean: Rows) -> None:
    kind = "fetch_failed" if isinstance(error, OSError) else "internal_error"
    assert [(row["kind"], row["stage"], page_of(row)) for row in rows["failures"]] == [(kind, stage, (BAD[0], None))]
    assert rows["pages"] == [row for row in clean["pages"] if page_of(row)[0] != BAD[0]]


def test_a_staged_chunk_says_under_which_recipes_it_was_read(drawn: list[pa.Table], reader: Reader) -> None:
    reader.run(drawn)

    assert {json.dumps(staged.recipe_ids) for staged in reader.staged()} == {json.dumps(reader.recipe_ids)}


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_chunk_that_cannot_be_encoded_is_staged_with_all_its_pages_failed(
    error: Exception, drawn: list[pa.Table], clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reading.encode_chunk

    def encode(chunk: Chunk, records: ChunkRecords, *others: Any) -> bytes:
        if chunk.source.uri.endswith(BAD[0]) and BAD[1] in chunk.pages and records.blocks:
            raise error
        return plain(chunk, records, *others)

    monkeypatch.setattr(reading, "encode_chunk", encode)
    found = reader.run(drawn)

    check_all_but({("b.pdf", 2), ("b.pdf", 3)}, reader.rows(), clean)
    assert {(row["kind"], row["stage"]) for row in reader.rows()["failures"]} == {("internal_error", "encode")}
    assert sum(receipt.num_failed for receipt in found) == 2


def test_a_figure_that_no_table_holds_is_such_a_chunk(drawn: list[pa.Table], clean: Rows, tmp_path: Path) -> None:
    reader = Reader(tmp_path / "out", {"label": "*b.pdf#page=2", "fault": "unstorable"})

    reader.run(drawn)

    check_all_but({("b.pdf", 2), ("b.pdf", 3)}, reader.rows(), clean)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("name", ["make_receipt", "_report_slow_pages"])
def test_what_is_told_of_a_chunk_does_not_cost_the_chunk(
    name: str, error: Exception, drawn: list[pa.Table], clean: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, name, raises(error))

    found = reader.run(drawn)

    check_all_but(set(), reader.rows(), clean)
    assert sorted(receipt.name for receipt in found) == sorted(staged.chunk.name for staged in reader.staged())


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_what_is_raised_around_the_pages_costs_the_chunk(error: Exception, drawn: list[pa.Table], reader: Reader) -> None:
    reader.stage._begins.begin = raises(error)  # type: ignore[method-assign]

    reader.run(drawn)

    rows = reader.rows()
    assert [row["status"] for row in rows["pages"]] == ["failed"] * sum(PAGES.values())
    assert {row["kind"] for row in rows["failures"]} == {"internal_error"}


def test_the_driver_logs_each_traceback_once_wherever_it_was_met(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(contained, "_counts", Counter())
    contained.take_reports()
    plain = Renderer.draw

    def draw(self: Renderer, path: Path, pages: list[int], file: FileIdentity) -> Iterator[Packed]:
        return raises(KeyError("drawing"))() if pages == [1] else plain(self, path, pages, file)

    monkeypatch.setattr(Renderer, "draw", draw)
    bugs = receipts.Bugs()
    found = Reader(tmp_path / "out", scripted(ValueError(), label="*")).run(front.run())
    reports = [text for receipt in found for text in receipt.spent.reports]
    assert [text.partition(" at ")[0] for text in reports] == ["KeyError", "ValueError"]
    caplog.clear()

    for receipt in [*found, *found]:
        bugs.report(receipt)

    assert [record.getMessage() for record in caplog.records] == reports
    assert all("Traceback (most recent call last)" in text for text in reports)


def test_a_store_that_is_gone_still_ends_the_run(drawn: list[pa.Table], reader: Reader) -> None:
    reader.store.create = raises(StoreError("No bucket."))  # type: ignore[method-assign]

    with pytest.raises(StoreError, match="No bucket"):
        reader.run(drawn)


def test_what_is_staged_says_by_which_version(drawn: list[pa.Table], reader: Reader) -> None:
    reader.run(drawn)

    assert {staged.version for staged in reader.staged()} == {this_version()}


# --- any exception at any page


class Strange(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a message")


class PanicException(BaseException):
    """As PyO3 has it."""


LABELS = [f"{name}#page={page}" for name, num_pages in PAGES.items() for page in range(num_pages)]
RAISED = [
    *(ValueError, KeyError, MemoryError, OSError, RecursionError, AssertionError, StopIteration, StopAsyncIteration, EOFError),
    *(UnicodeError, ResizeImgError, Strange, PanicException, TimeoutError, ExceptionGroup, SystemError, asyncio.InvalidStateError),
]


FAULTS = [*RAISED, None, 3, Completion(text=None)]  # type: ignore[arg-type]
"""Classes are raised, all else is answered."""


def made(kind: type[BaseException]) -> BaseException:
    return kind("many", [ValueError("one")]) if kind is ExceptionGroup else kind("\x1b[31m\udc80 bad")


@given(faults=st.dictionaries(st.sampled_from(LABELS), st.sampled_from(FAULTS), max_size=8))
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_an_engine_raises_or_answers_every_page_has_its_row(
    drawn: list[pa.Table], clean: Rows, tmp_path: Path, faults: dict[str, Any]
) -> None:
    reader = Reader(tmp_path / token_hex(4))
    engine = reader.stage._reader._engine
    plain = engine.read

    async def read(request: Request) -> Any:
        label = request.label.rpartition("/")[2]
        if label not in faults:
            return await plain(request)
        if isinstance(faults[label], type):
            raise made(faults[label])
        return faults[label]

    engine.read = read  # type: ignore[method-assign]
    reader.run(drawn)

    lost = {(label.partition("#")[0], int(label.rpartition("=")[2])) for label in faults}
    check_all_but(lost, reader.rows(), clean)
    assert {row["kind"] for row in reader.rows()["failures"]} <= {"internal_error"}
