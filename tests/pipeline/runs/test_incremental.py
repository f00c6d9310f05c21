"""Runs over a folder that changes: what each takes, and what the views say afterwards."""

import os
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.analytics.duckdb_tables import run_query
from pipeline.preview import plan
from pipeline.runner import run
from schemas.settings import Settings
from tests.pipeline.made_input import make_pdf
from tests.pipeline.tables import doubled_keys, read_rows

pytestmark = pytest.mark.ray


def settings(**stages: Any) -> Settings:
    return Settings.model_validate({"engine": {"name": "scripted"}} | stages)


def names(output: Path, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in run_query(str(output), sql).to_pylist()]


def test_a_changing_folder_is_followed(ray_session: None, tmp_path: Path) -> None:
    drop, out = tmp_path / "in", tmp_path / "out"
    drop.mkdir()
    make_pdf(drop / "a.pdf", 2)
    make_pdf(drop / "b.pdf", 1)
    shutil.copy(drop / "a.pdf", drop / "copy of a.pdf")
    kept = (drop / "b.pdf").read_bytes()

    # the same bytes are read once
    first = run(str(drop), str(out), settings())
    assert (first.num_documents, first.num_pages_read) == (3, 3)
    assert names(out, "SELECT name, num_pages_ok, duplicate_of IS NOT NULL FROM current_documents ORDER BY name") == [
        ("a.pdf", 2, False),
        ("b.pdf", 1, False),
        ("copy of a.pdf", 2, True),
    ]
    assert run(str(drop), str(out), settings()).status == "nothing_to_do"

    # one is overwritten, the one that was read is deleted
    make_pdf(drop / "b.pdf", 2)
    (drop / "a.pdf").unlink()
    second = run(str(drop), str(out), settings())
    assert (second.num_documents, second.num_pages_read, second.num_deleted) == (1, 2, 1)
    assert names(out, "SELECT name, num_pages_ok FROM current_documents WHERE deleted_at IS NULL ORDER BY name") == [
        ("b.pdf", 2),
        ("copy of a.pdf", 2),
    ]
    assert run(str(drop), str(out), settings()).status == "nothing_to_do"

    # what was there is put back: nothing is read
    shutil.copy2(drop / "copy of a.pdf", drop / "a.pdf")
    (drop / "b.pdf").write_bytes(kept)
    third = run(str(drop), str(out), settings())
    assert (third.num_documents, third.num_pages_read) == (2, 0)
    assert names(out, "SELECT name, num_pages_ok, status, deleted_at FROM current_documents ORDER BY name") == [
        ("a.pdf", 2, "ok", None),
        ("b.pdf", 1, "ok", None),
        ("copy of a.pdf", 2, "ok", None),
    ]
    assert len(names(out, "SELECT * FROM current_pages")) == 3
    assert Counter(row["is_deleted"] for row in read_rows(out, "deletions")) == {True: 1, False: 1}
    assert doubled_keys(out) == []
    assert run(str(drop), str(out), settings()).status == "nothing_to_do"


def test_few_new_files_wait_for_more_and_not_for_ever(ray_session: None, tmp_path: Path) -> None:
    drop, out = tmp_path / "in", tmp_path / "out"
    drop.mkdir()
    make_pdf(drop / "a.pdf", 1)
    waiting = settings(plan={"min_sources": 2, "longest_wait_s": 3600})

    first = run(str(drop), str(out), waiting)

    assert (first.status, first.num_waiting) == ("nothing_to_do", 1)
    assert first.waiting_until is not None
    assert 3000 < (first.waiting_until - datetime.now(UTC)).total_seconds() <= 3600
    assert plan(str(drop), str(out), waiting).num_waiting == 1
    assert not out.exists()
    then = os.stat(drop / "a.pdf").st_mtime - 4000
    os.utime(drop / "a.pdf", (then, then))
    assert run(str(drop), str(out), waiting).num_documents == 1
