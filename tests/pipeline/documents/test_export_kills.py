"""An export to S3 that dies at any write, and the next one: nothing is missing, nothing stale, as after one clean export."""

import json
from typing import Any

import pytest

from pipeline.documents import export as module
from pipeline.documents.export import STATE, ExportFormat, export
from pipeline.object_store.s3_store import S3Store
from schemas.settings import Settings
from tests.pipeline.documents.made import key, made_rows
from tests.pipeline.dying_store import Killed
from tests.pipeline.written_lake import row, write_lake
from workers.sources.s3 import make_client

pytestmark = pytest.mark.slow

TEXTS = [ExportFormat.markdown, ExportFormat.csv]
LESS = [ExportFormat.markdown]


class Writes:
    """Counts what is written to S3, and dies after the given number of writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most: int | None = None
        self.count = 0
        for name in ("put", "delete"):
            monkeypatch.setattr(S3Store, name, self._counted(getattr(S3Store, name)))

    def _counted(self, write: Any) -> Any:
        def counted(store: S3Store, what: Any, *more: Any) -> None:
            if self.count == self.most:
                raise Killed
            self.count += 1
            write(store, what, *more)

        return counted


def exported(lake: str, target: str, formats: list[ExportFormat]) -> None:
    for _ in export(lake, target, Settings(), formats=formats):
        continue


def objects(bucket: str, prefix: str) -> dict[str, bytes]:
    client = make_client()
    names = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]
    return {name.removeprefix(prefix): client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


def settled(found: dict[str, bytes]) -> dict[str, Any]:
    """The note without what order its entries have."""
    return found | {STATE: json.loads(found[STATE])["folders"]}


def put_all(bucket: str, prefix: str, found: dict[str, bytes]) -> None:
    client = make_client()
    for name, body in found.items():
        client.put_object(Bucket=bucket, Key=prefix + name, Body=body)


@pytest.mark.parametrize(("again", "first"), [(LESS, 0), (TEXTS, 1)], ids=["the same again", "another choice"])
def test_a_death_at_any_write_changes_nothing(tmp_path, bucket, monkeypatch, again, first):
    """A document has lost its table and chart, another is gone. Before, both formats were exported. Each of the two tries every
    other moment."""
    monkeypatch.setattr(module, "_STATE_S", 0)
    whole = made_rows()
    lake = str(write_lake(tmp_path / "lake", whole))
    exported(lake, f"s3://{bucket}/before", TEXTS)
    before = objects(bucket, "before/")
    before["report.pdf~notes/mine.txt"] = b"not ours"
    left = {name: rows for name, rows in whole.items() if name not in ("tables", "table_cells", "charts", "chart_points")}
    write_lake(tmp_path / "later", left | {"deletions": [row("deletions", **_gone())]})
    later = str(tmp_path / "later")
    exported(later, f"s3://{bucket}/clean", again)
    clean = settled(objects(bucket, "clean/")) | {"report.pdf~notes/mine.txt": b"not ours"}

    writes, at = Writes(monkeypatch), first
    while True:
        prefix = f"killed-{at}/"
        put_all(bucket, prefix, before)
        writes.count, writes.most = 0, at
        try:
            exported(later, f"s3://{bucket}/{prefix}", LESS)
            break
        except Killed:
            writes.most = None
        exported(later, f"s3://{bucket}/{prefix}", again)
        assert settled(objects(bucket, prefix)) == clean, f"after {at} writes"
        at += 2
    assert at >= 5


def _gone() -> dict[str, Any]:
    return {name: key("broken.pdf")[name] for name in ("uri", "source_id")} | {"plan_id": "000003.12345678", "is_deleted": True}


def test_a_file_that_a_killed_export_left_goes_with_the_next(tmp_path, bucket):
    """It was written before the lake had another answer, and no note names it."""
    lake = str(write_lake(tmp_path / "lake", made_rows()))
    put_all(bucket, "out/broken.pdf/", {"tables/page-0001-table-7.csv": b"old", "tables/mine.csv": b"not ours", "document.md": b""})

    exported(lake, f"s3://{bucket}/out", TEXTS)

    assert {name for name in objects(bucket, "out/") if name.startswith("broken")} == {
        "broken.pdf/document.md",
        "broken.pdf/tables/mine.csv",
    }
