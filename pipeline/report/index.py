"""The report's first page: runs, documents, failures with what to do, and what to review."""

import html
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.report.style import scrolling
from pipeline.reporting.figures import duration, pace
from schemas.failure import KINDS, FailureKind

Row = dict[str, Any]
Link = Callable[[str, int | None], str]
"""uri and page_index (None: its first) -> where that page is shown."""


def index_body(
    output: str, runs: Sequence[Row], documents: Sequence[Row], reviews: Sequence[Row], failures: Sequence[Row], link: Link
) -> str:
    """`documents`: rows of `current_documents`; `reviews`: pages, the least trusted first."""
    return "\n".join(
        [
            f"<h1>{html.escape(output)}</h1>",
            _cards(documents, failures),
            _runs(runs),
            _reviews(reviews, link),
            _failures(failures),
            _documents(documents, link),
        ]
    )


def _cards(documents: Sequence[Row], failures: Sequence[Row]) -> str:
    figures = [
        ("documents", len(documents)),
        ("pages read", sum(row["num_pages_read"] for row in documents)),
        ("charts", sum(row["num_charts"] for row in documents)),
        ("data points", sum(row["num_chart_points"] for row in documents)),
        ("open failures", len(failures)),
    ]
    return '<ul class="cards">' + "".join(f"<li><b>{value:,}</b>{html.escape(name)}</li>" for name, value in figures) + "</ul>"


def _runs(runs: Sequence[Row]) -> str:
    rows = []
    for run in runs:
        cost = "" if run["cost"] is None else f"{run['cost']:.2f} {run['currency']}"
        speed = "" if run["pages_per_s"] is None else f"{pace(run['pages_per_s'])} pages/s"
        engine, pages = " ".join(filter(None, (run["engine"], run["model"]))), f"{run['num_pages']:,}"
        started = f"{run['started_at']:%Y-%m-%d %H:%M}"
        rows.append([started, run["status"], duration(run["seconds"]), engine, pages, speed, cost, run["message"] or ""])
    return _table("Runs", ["started", "status", "took", "engine", "pages", "speed", "cost", "note"], rows, "No run has ended yet.")


def _reviews(reviews: Sequence[Row], link: Link) -> str:
    rows = []
    for row in reviews:
        place = _link(link(row["uri"], row["page_index"]), f"{row['name']}, page {row['page_index'] + 1}")
        rows.append([place, html.escape(", ".join(reasons(row)))])
    return _raw_table("To review, the least trusted first", ["page", "why"], rows, "No page asks to be looked at.")


def reasons(row: Row) -> list[str]:
    """Why a page should be looked at."""
    found = [f"it was read in part ({row['stop_reason'] or 'an answer was cut'})"] if row["status"] == "partial" else []
    found += ["it was not read"] if row["status"] == "failed" else []
    if row["text_layer_agreement"] is not None and row["text_layer_agreement"] < 0.9:
        found.append(f"its text agrees with the PDF's own by {row['text_layer_agreement']:.0%}")
    if row["confidence"] is not None and row["confidence"] < 0.8:
        found.append(f"the engine's confidence is {row['confidence']:.0%}")
    if row["num_asks"] > 1:
        found.append(f"it was asked {row['num_asks']} times")
    return [*found, *(flag.replace("_", " ") for flag in row["flags"])]


def _failures(failures: Sequence[Row]) -> str:
    by_kind: dict[str, list[Row]] = {}
    for row in failures:
        by_kind.setdefault(row["kind"], []).append(row)
    rows = []
    for kind, those in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        info = KINDS[FailureKind(kind)] if kind in FailureKind.__members__ else None
        names = ", ".join(dict.fromkeys(row["name"] or row["uri"] for row in those[:20]))
        more = f" and {len(those) - 20} more" if len(those) > 20 else ""
        rows.append([str(len(those)), kind, info.meaning if info else "", info.what_to_do if info else "", names + more])
    return _table("What failed, and what to do", ["times", "kind", "what it means", "what to do", "where"], rows, "Nothing failed.")


def _documents(documents: Sequence[Row], link: Link) -> str:
    rows = []
    for row in documents:
        words = html.escape(f"{row['name']} {row['uri']} {row['title'] or ''} {row['status']}".casefold())
        cells = [
            _link(link(row["uri"], None), row["name"]),
            html.escape(row["status"]),
            f"{row['num_pages_read']} of {row['num_pages'] if row['num_pages'] is not None else '?'}",
            str(row["num_charts"]),
            str(row["num_failures"]),
            html.escape(row["uri"]),
        ]
        rows.append(f'<tr data-words="{words}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f'<th scope="col">{name}</th>' for name in ("name", "status", "pages read", "charts", "failures", "where"))
    search = (
        '<p><input type="search" aria-label="Search documents" placeholder="Search documents"> '
        '<span id="count" class="quiet" role="status"></span></p>'
    )
    body = search + scrolling("Documents", f"<table><tr>{head}</tr>{''.join(rows)}</table>")
    return "<h2>Documents</h2>" + (body if rows else '<p class="quiet">No document was read yet.</p>')


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> str:
    return _raw_table(title, names, [[html.escape(cell) for cell in row] for row in rows], empty)


def _raw_table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> str:
    if not rows:
        return f'<h2>{title}</h2><p class="quiet">{empty}</p>'
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{title}</h2>" + scrolling(title, f"<table><tr>{head}</tr>{body}</table>")
