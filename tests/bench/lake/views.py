"""The views over a made lake of 100,000 pages: CPU seconds of the commonest questions against the same over the tables.

    python -m tests.bench views                          # every document was read once; then, 1 of 20 a second time
    python -m tests.bench views --documents 2500         # a tenth

Each lake is measured as runs leave it, and then after `pagefold optimize` and `pagefold gc --tables`, with the same rows.

Each question has three figures, each with its connection and the best of its rounds:
- over the table (`pages` for `current_pages`), without a choice of rows;
- through the views of `views.sql`, as other engines run them;
- through the views of `pagefold query`, whose rows are all compared with those of `views.sql`.
"""

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.analytics.duckdb_tables import connect
from pipeline.analytics.quick_views import named_in, view_texts
from pipeline.lake.garbage import sweep
from pipeline.lake.rewriting.optimize import optimize
from pipeline.object_store.local_store import LocalStore
from schemas.settings import OutputSettings
from schemas.tables import COLUMNS
from tests.bench.inputs.made_lake import commit_made, make_lake, sizes_of

QUESTIONS = {
    "count of pages": "SELECT COUNT(*) FROM {}pages",
    "a document's pages": "SELECT * FROM {}pages WHERE document_id = $document_id",
    "pages with words": "SELECT source_id, page_index FROM {}pages WHERE text_plain LIKE '%lamp oil barrel%'",
    "count of blocks": "SELECT COUNT(*) FROM {}blocks",
    "blocks by kind": "SELECT kind, COUNT(*) FROM {}blocks GROUP BY kind",
    "a document's blocks": "SELECT * FROM {}blocks WHERE document_id = $document_id",
    "documents by status": "SELECT status, COUNT(*) FROM {}documents GROUP BY status",
}
WHOLE = ("current_documents", "current_pages", "current_blocks", "current_sources", "open_failures")
Opens = Callable[[str, str], duckdb.DuckDBPyConnection]
MAX_RATIO = 2.0
"""Of the query itself, over the table's, where each document was read once."""
LEAST_S = 0.01
"""A question over the table that takes less counts as this: a count is answered from the files' ends."""
ROUNDS = 3


def plain(output: str, sql: str) -> duckdb.DuckDBPyConnection:
    """The tables, and over them the views of `views.sql` as they stand."""
    names = named_in(sql)
    connection = connect(output, " ".join(names & COLUMNS.keys()))
    for view, text in view_texts().items():
        if view in names:
            connection.execute(f"CREATE VIEW {view} AS {text}")
    return connection


def cpu_s(
    open_: Callable[[str, str], duckdb.DuckDBPyConnection], output: str, sql: str, values: dict[str, Any]
) -> tuple[float, float]:
    """Of connecting and asking, and of asking alone: the best of its rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        with closing(open_(output, sql)) as connection:
            connected = time.process_time()
            connection.sql(sql, params=values if "$" in sql else None).to_arrow_table()
            ended = time.process_time()
        rounds.append((ended - started, ended - connected))
    return min(total for total, _ in rounds), min(asked for _, asked in rounds)


def measure(title: str, output: str, *, max_ratio: float) -> list[str]:
    """Prints a table; what is above the bound."""
    with closing(connect(output, "documents")) as connection:
        ((document_id,),) = connection.execute("SELECT MIN(document_id) FROM documents WHERE plan_id = '000001'").fetchall()
    print(f"\n{title}: {', '.join(f'{table} {files} files {size / 1e6:.0f} MB' for table, files, size in sizes_of(Path(output)))}")
    print(f"{'CPU s, in brackets without the connection':42}{'table':>16}{'views.sql':>16}{'query':>16}{'ratio':>8}")
    wrong = []
    for name, sql in QUESTIONS.items():
        values = {"document_id": document_id}
        table = cpu_s(connect, output, sql.format(""), values)
        before = cpu_s(plain, output, sql.format("current_"), values)
        after = cpu_s(connect, output, sql.format("current_"), values)
        ratio = after[1] / max(table[1], LEAST_S)
        cells = "".join(f"{total:9.2f} ({asked:.2f})" for total, asked in (table, before, after))
        print(f"{name:42}{cells}{ratio:8.1f}", flush=True)
        if ratio > max_ratio and "documents" not in name:
            wrong.append(f"{title}: {name}: {ratio:.1f}x the table")
    return wrong


def differences(title: str, output: str) -> list[str]:
    """Views whose rows are not those of `views.sql`."""
    wrong = []
    for view in WHOLE:
        sql = f"SELECT * FROM {view} ORDER BY ALL"
        with closing(plain(output, sql)) as before, closing(connect(output, sql)) as after:
            found, expected = after.sql(sql).to_arrow_table(), before.sql(sql).to_arrow_table()
        print(f"{view}: {found.num_rows} rows, {'the same' if found.equals(expected) else 'NOT THE SAME'}", flush=True)
        if not found.equals(expected):
            wrong.append(f"{title}: {view} has other rows")
    return wrong


def all_rows(output: str) -> pa.Table:
    """A hash of the rows of each view, without the number of their rewrite."""
    hashes = []
    for view in WHOLE:
        with closing(connect(output, view)) as connection:
            names = [name for (name, *_) in connection.execute(f"DESCRIBE {view}").fetchall() if name != "rewrite"]
            row = f"HASH(({', '.join(names)}))"
            hashes.append(connection.sql(f"SELECT COUNT(*), BIT_XOR({row}), SUM({row} % 65521) FROM {view}").to_arrow_table())
    return pa.concat_tables([table.rename_columns(["rows", "xor", "sum"]) for table in hashes])


def optimize_it(output: str) -> None:
    store, started, cpu = LocalStore(output), time.monotonic(), time.process_time()
    done = optimize(store, OutputSettings(), run_id="bench")
    print(
        f"\noptimize: {done.num_files_before} files of {done.num_bytes_before / 1e6:.0f} MB into {done.num_files_after} of", end=" "
    )
    print(
        f"{done.num_bytes_after / 1e6:.0f} MB; {time.process_time() - cpu:.1f} CPU s, {time.monotonic() - started:.1f} s;", end=" "
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    sweep(store, min_age_s=-2, in_tables=True, ttl_s=60, run_id="gc")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=25_000, help="of four pages of sixteen blocks each")
    arguments = parser.parse_args()
    wrong = []
    for title, share in (("each read once", 0), ("1 of 20 read again", 20)):
        with tempfile.TemporaryDirectory(prefix="pagefold-bench-") as folder:
            repeated = arguments.documents // share if share else 0
            make_lake(Path(folder), num_documents=arguments.documents, pages_each=4, blocks_each=16, num_repeated=repeated)
            commit_made(Path(folder))
            wrong += measure(title, folder, max_ratio=math.inf if share else MAX_RATIO)
            rows = all_rows(folder)
            wrong += differences(title, folder)
            joined = f"{title}, optimized"
            optimize_it(folder)
            wrong += measure(joined, folder, max_ratio=math.inf if share else MAX_RATIO)
            if not all_rows(folder).equals(rows):
                wrong.append(f"{joined}: other rows than before")
    for sentence in wrong:
        print(f"wrong: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
