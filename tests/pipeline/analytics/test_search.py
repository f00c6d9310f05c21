"""`pagefold search`: words in any script, an index that follows the lake, and what is shown of a hit."""

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline.analytics.search import Found, Place, page_link, print_places, search
from pipeline.analytics.search_index import IndexBusy, Refreshed, SearchIndex, index_folder
from pipeline.cli import app
from schemas.errors import OperatorError
from tests.pipeline.dying_store import Killed
from tests.pipeline.written_lake import row, write_lake

pytestmark = pytest.mark.slow

TEXTS = {
    "english.pdf": "The harbour master collects harbour dues from 12:30 on.",
    "other.pdf": "Dues are paid; the harbour is closed. See report_2024 and C++.",
    "german.pdf": "Die Straße führt über den Ärmelkanal, „Fähre“ und Oﬃce.",
    "chinese.pdf": "世界人权宣言 第一条 人人生而自由,在尊严和权利上一律平等。",
    "chinese2.pdf": "人有权利。界世",
    "japanese.pdf": "すべての人間は、生まれながらにして自由であり、カタカナ",
    "thai.pdf": "ปฏิญญาสากลว่าด้วยสิทธิมนุษยชน",
    "hindi.pdf": "मानव अधिकारों की सार्वभौम घोषणा",
    "arabic.pdf": "الإعلان العالمي لحقوق الإنسان",
    "russian.pdf": "Всеобщая декларация прав человека",
}


def write_texts(root: Path, texts: dict[str, str], plan: int = 1, **values: object) -> Path:
    key = {name: {"source_id": f"s {name}", "uri": f"s3://b/{name}", "document_id": f"d {name}"} for name in texts}
    for lineage in key.values():
        lineage["plan_id"] = f"{plan:06d}"
    rows = {
        "documents": [row("documents", **key[name], name=name) for name in texts],
        "pages": [
            row("pages", **key[name], page_index=0, status="ok", recipe_id="o", text_plain=text, num_chars=len(text), **values)
            for name, text in texts.items()
        ],
    }
    return write_lake(root, rows, name=f"{plan:06d}-00000")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    (tmp_path / "_pagefold").mkdir()
    return str(write_texts(tmp_path, TEXTS))


def found(lake: str, text: str, limit: int = 100) -> Found:
    return search(lake, text, limit=limit, on_progress=lambda *_: None)


def names(lake: str, text: str) -> set[str]:
    return {place.name for place in found(lake, text).places}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("harbour dues", {"english.pdf", "other.pdf"}),
        ('"harbour dues"', {"english.pdf"}),
        ("HARBOUR -master", {"other.pdf"}),
        ("strasse OR closed", {"german.pdf", "other.pdf"}),
        ("STRASSE", {"german.pdf"}),
        ("Armelkanal fähre", {"german.pdf"}),
        ("office", {"german.pdf"}),
        ("a\u0308rmelkanal", {"german.pdf"}),
        ("2024", {"other.pdf"}),
        ("人权", {"chinese.pdf"}),
        ("权利", {"chinese.pdf", "chinese2.pdf"}),
        ("世界 自由", {"chinese.pdf"}),
        ("自由", {"chinese.pdf", "japanese.pdf"}),
        ("カタカナ", {"japanese.pdf"}),
        ("สิทธิ", {"thai.pdf"}),
        ("अधिकारों", {"hindi.pdf"}),
        ("الإنسان", {"arabic.pdf"}),
        ("ДЕКЛАРАЦИЯ", {"russian.pdf"}),
        ("name:chinese AND 权", {"chinese.pdf"}),
        ("12:30", {"english.pdf"}),
        ("dues (", {"english.pdf", "other.pdf"}),
        ("c++:", {"other.pdf"}),
        ("name:*", set()),
        ("dues text:*", set()),
        ("nowhere", set()),
        ("…", set()),
        ('"', set()),
    ],
)
def test_pages_are_found_by_words_in_any_script(made, text, expected):
    assert names(made, text) == expected


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("searched")
    (root / "_pagefold").mkdir()
    write_texts(root, TEXTS)
    found(str(root), "x")
    return str(root)


# The index follows the lake


def test_only_what_is_new_is_indexed_and_what_is_no_longer_current_is_gone(lake):
    assert found(lake, "harbour").refreshed == Refreshed(len(TEXTS), 0)
    assert found(lake, "harbour").refreshed == Refreshed(0, 0)
    write_texts(Path(lake), {"english.pdf": "A lighthouse.", "new.pdf": "A new harbour."}, plan=2)
    after = found(lake, "harbour")
    assert after.refreshed == Refreshed(2, 1)
    assert {place.name for place in after.places} == {"other.pdf", "new.pdf"}
    assert names(lake, "lighthouse") == {"english.pdf"}


@pytest.mark.parametrize("lost", ["state.json", "keys.parquet"])
def test_an_index_whose_state_is_lost_is_made_anew_without_doubles(lake, lost):
    found(lake, "harbour")
    (index_folder(lake) / lost).write_bytes(b"no such thing")
    write_texts(Path(lake), {"new.pdf": "A new harbour."}, plan=2)
    after = found(lake, "harbour")
    assert after.refreshed == Refreshed(len(TEXTS) + 1, 0)
    assert after.num_pages == len(after.places) == 3


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_killed_anywhere_the_next_search_finds_everything_once(lake, monkeypatch, moment):
    monkeypatch.setattr("pipeline.analytics.search_index._COMMIT_PAGES", 3)
    monkeypatch.setattr("pipeline.analytics.search_index._READ_ROWS", 3)
    saved, count = SearchIndex._save, 0

    def save(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count > moment:
            raise Killed
        saved(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SearchIndex, "_save", save)
    with pytest.raises(Killed):
        found(lake, "harbour")
    monkeypatch.setattr(SearchIndex, "_save", saved)
    after = found(lake, "harbour")
    assert sorted(place.name for place in after.places) == ["english.pdf", "other.pdf"]
    assert after.num_pages == 2
    assert found(lake, "harbour").refreshed == Refreshed(0, 0)


def test_a_search_beside_one_that_is_at_the_index_takes_it_as_it_stands(lake, monkeypatch):
    def busy(*_: object) -> Refreshed:
        raise IndexBusy("at it")

    with monkeypatch.context() as patched:
        patched.setattr(SearchIndex, "refresh", busy)
        with pytest.raises(IndexBusy):
            found(lake, "harbour")
    found(lake, "harbour")
    write_texts(Path(lake), {"new.pdf": "A new harbour."}, plan=2)
    with monkeypatch.context() as patched:
        patched.setattr(SearchIndex, "refresh", busy)
        assert names(lake, "harbour") == {"english.pdf", "other.pdf"}
    assert names(lake, "harbour") == {"english.pdf", "other.pdf", "new.pdf"}


def test_two_processes_do_not_write_one_index(lake):
    held = SearchIndex(index_folder(lake))._index.writer(heap_size=15_000_000, num_threads=1)
    with pytest.raises(IndexBusy, match="by another search"):
        found(lake, "harbour")
    del held


def test_the_index_lies_beside_the_lake_or_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert index_folder("s3://b/lake") == index_folder("s3://b/lake/") != index_folder("s3://b/lake2")
    assert tmp_path / "cache" in index_folder("s3://b/lake").parents
    assert tmp_path / "cache" in index_folder(str(tmp_path)).parents
    monkeypatch.chdir(tmp_path)
    assert index_folder(".") == index_folder(str(tmp_path)) != index_folder("..")
    (tmp_path / "_pagefold").mkdir()
    assert tmp_path / "_pagefold" in index_folder(str(tmp_path)).parents


def test_an_index_that_cannot_be_opened_says_what_to_do(lake):
    folder = index_folder(lake)
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{")
    with pytest.raises(OperatorError, match="Remove that folder"):
        found(lake, "harbour")


# What is shown


@pytest.fixture
def blocks(tmp_path: Path) -> str:
    """A page of three blocks; the second has both words."""
    key = {"source_id": "s", "plan_id": "000001", "uri": "/in/a b.pdf", "document_id": "d"}
    texts = ["The harbour.", "Ärger about harbour dues\nof [bold]2024\x1b[31m.", "Dues."]
    place = {"page_index": 2, "recipe_id": "o"}
    rows = {
        "documents": [row("documents", **key, name="a b.pdf")],
        "pages": [row("pages", **key, **place, status="ok", text_plain="\n\n".join(texts), num_chars=50)],
        "blocks": [
            row("blocks", **key, **place, block_index=index, kind="paragraph", text=text, left_px=float(index))
            for index, text in enumerate(texts)
        ],
    }
    (tmp_path / "_pagefold").mkdir()
    return str(write_lake(tmp_path, rows))


def test_a_place_is_the_block_with_most_of_the_words(blocks):
    (place,) = found(blocks, "harbour dues").places
    assert (place.block_index, place.kind, place.left_px, place.page_index) == (1, "paragraph", 1.0, 2)
    assert "Ärger about harbour dues" in place.snippet


def test_words_are_marked_by_character_and_nothing_commands_the_terminal(blocks):
    result = found(blocks, "dues harbour")
    (snippet,), (marks,) = [place.snippet for place in result.places], result.marks
    assert [snippet[start:end] for start, end in marks] == ["harbour", "dues"]
    with (console := Console(width=200, force_terminal=True, color_system="standard", highlight=False)).capture() as capture:
        print_places(console, result)
    out = capture.get()
    assert "\x1b[1mharbour\x1b[0m" in out
    assert "\x1b[31m" not in out
    assert "[bold]2024" in out
    assert "file:///in/a%20b.pdf#page=3" in out
    assert out.rstrip().endswith("1 page")


def test_a_page_without_blocks_is_a_place_by_itself(lake):
    (place,) = found(lake, "lighthouse OR master").places
    assert (place.block_index, place.kind) == (None, None)
    assert "harbour master" in place.snippet


def test_the_best_are_shown_and_all_are_counted(lake):
    result = found(lake, "harbour", limit=1)
    assert (result.num_pages, [place.name for place in result.places]) == (2, ["english.pdf"])
    with (console := Console(width=200)).capture() as capture:
        print_places(console, result)
    assert "2 pages; the first 1 are shown" in capture.get()


@pytest.mark.parametrize(("uri", "link"), [("s3://b/a.pdf", "s3://b/a.pdf#page=1"), ("/in/a.pdf", "file:///in/a.pdf#page=1")])
def test_a_link_opens_the_page(uri, link):
    assert page_link(uri, 0) == link


def test_the_command_prints_places_or_rows(lake, tmp_path):
    assert "english.pdf, page 1" in CliRunner().invoke(app, ["search", lake, "harbour dues"]).stdout
    rows = CliRunner().invoke(app, ["search", lake, "harbour dues", "--json"]).stdout.splitlines()
    assert {json.loads(line)["name"] for line in rows} == {"english.pdf", "other.pdf"}
    assert set(json.loads(rows[0])) == set(Place._fields)
    done = CliRunner().invoke(app, ["search", lake, "harbour", "--out", str(tmp_path / "x.csv"), "--limit", "1"])
    assert done.stderr.startswith("1 row in")
