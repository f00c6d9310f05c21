"""`pagefold search` over a made lake of 100,000 pages, beside SQLite's FTS5 over the same texts.

    python -m tests.bench search
    python -m tests.bench search --documents 2500

CPU seconds and bytes of the index, of adding a twentieth of the documents, and of a search; and whether each finds the pages that
have the words, by DuckDB's own reading of all texts.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.search import search
from pipeline.analytics.search_index import index_folder
from tests.bench.inputs.made_lake import make_lake

PHRASES = ("lamp oil barrel", "harbour annual report", "customs duty office", "storm signal lamp oil")
ROUNDS = 5


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = act()
    return time.process_time() - started, result


def best(act: Callable[[], Any]) -> tuple[float, Any]:
    return min((timed(act) for _ in range(ROUNDS)), key=lambda pair: pair[0])


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def true_pages(output: str, phrase: str) -> int:
    pattern = rf"(^|\W){phrase.replace(' ', '.')}(\W|$)"
    sql = f"SELECT COUNT(*) FROM current_pages WHERE REGEXP_MATCHES(REGEXP_REPLACE(text_plain, '\\W+', ' ', 'g'), '{pattern}')"
    with closing(connect(output, sql)) as connection:
        return int(connection.sql(sql).fetchall()[0][0])


def make_fts5(output: str, path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("CREATE VIRTUAL TABLE pages USING fts5(text, source UNINDEXED, page UNINDEXED, tokenize = 'unicode61')")
    with closing(connect(output, "current_pages")) as connection:
        for batch in connection.sql("SELECT text_plain, source_id, page_index FROM current_pages").to_arrow_reader(1000):
            database.executemany("INSERT INTO pages VALUES (?, ?, ?)", zip(*(column.to_pylist() for column in batch), strict=True))
    database.commit()
    return database


def ask_fts5(database: sqlite3.Connection, phrase: str) -> int:
    """Ten places with their snippets, and the count."""
    match = f'"{phrase}"'
    sql = "SELECT source, page, snippet(pages, 0, '', '', '…', 20) FROM pages WHERE pages MATCH ? ORDER BY rank LIMIT 10"
    database.execute(sql, (match,)).fetchall()
    return int(database.execute("SELECT COUNT(*) FROM pages WHERE pages MATCH ?", (match,)).fetchone()[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=25_000, help="of four pages each")
    num_documents = parser.parse_args().documents
    wrong = []
    with tempfile.TemporaryDirectory(prefix="pagefold-bench-") as folder:
        output, peer = str(Path(folder, "lake")), Path(folder, "peer")
        for path in (peer, Path(output, "_pagefold")):
            path.mkdir(parents=True)
        make_lake(Path(output), num_documents=num_documents, pages_each=4, blocks_each=16)

        def find(text: str) -> Any:
            return search(output, text, limit=10, on_progress=lambda *_: None)

        made, found = timed(lambda: find("harbour"))
        print(f"{found.refreshed.num_added} pages: {made:.1f} CPU s, an index of {size_of(index_folder(output)) / 1e6:.0f} MB")
        theirs, database = timed(lambda: make_fts5(output, peer / "index.sqlite"))
        print(f"SQLite's FTS5, which keeps the texts: {theirs:.1f} CPU s, {size_of(peer) / 1e6:.0f} MB")
        for phrase in PHRASES:
            cpu, found = best(partial(find, f'"{phrase}"'))
            fts5, count = best(partial(ask_fts5, database, phrase))
            true = true_pages(output, phrase)
            print(f"{phrase!r}: {found.num_pages} pages, {cpu:.2f} CPU s; FTS5 {count}, {fts5:.2f} CPU s; true {true}", flush=True)
            if found.num_pages != true:
                wrong.append(f"{phrase}: {found.num_pages} pages, and {true} have the words")
        make_lake(Path(output), num_documents=num_documents, pages_each=4, blocks_each=16, num_repeated=num_documents // 20)
        again, found = timed(lambda: find("harbour"))
        added, dropped = found.refreshed
        print(f"1 of 20 documents read again: {added} pages added and {dropped} dropped, {again:.1f} CPU s")
    for sentence in wrong:
        print(f"wrong: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
