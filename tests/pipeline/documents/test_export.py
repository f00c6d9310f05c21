"""Documents as files: names, formats, and what a second export does."""

import csv
import hashlib
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from pipeline.documents import export as module
from pipeline.documents.export import STATE, ExportFormat, export, safe_name
from schemas.errors import OperatorError
from schemas.settings import Settings
from tests.pipeline.documents.made import made_lake, made_rows
from tests.pipeline.written_lake import write_lake

pytestmark = pytest.mark.slow

TEXTS = [ExportFormat.markdown, ExportFormat.json, ExportFormat.html, ExportFormat.csv]
EXAMPLE = Path(__file__).parents[3] / "pipeline" / "examples" / "report.pdf"


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return made_lake(tmp_path / "lake")


def exported(lake: str, target: Path | str, formats=TEXTS, **options: object):
    (*_, (_, done)) = export(lake, str(target), Settings(), formats=formats, **options)  # type: ignore[arg-type]
    return done


def files_of(target: Path) -> set[str]:
    return {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} - {STATE}


def test_each_document_has_a_folder_with_what_was_asked_for(lake, tmp_path):
    done = exported(lake, tmp_path / "out")

    folders = {name.split("/")[0] for name in files_of(tmp_path / "out")}
    first, second = sorted(folder for folder in folders if folder.startswith("report.pdf~"))  # two have this name
    assert folders == {"broken.pdf", first, second}
    (report,) = [folder for folder in (first, second) if (tmp_path / "out" / folder / "tables").exists()]
    assert {name.removeprefix(report + "/") for name in files_of(tmp_path / "out") if name.startswith(report)} == {
        "document.md",
        "document.json",
        "document.html",
        "tables/page-0001-table-1.csv",
        "charts/page-0002-chart-1.csv",
    }
    assert (done.num_written, done.num_files) == (3, 11)
    text = (tmp_path / "out" / report / "tables/page-0001-table-1.csv").read_text("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [["Year", "Sales"], ["2023", "'=1+1"], ["2024", "-1.5"]]


def test_what_has_not_changed_is_left_alone(lake, tmp_path):
    exported(lake, tmp_path / "out")
    before = {path: os.stat(tmp_path / "out" / path).st_mtime_ns for path in files_of(tmp_path / "out")}

    again = exported(lake, tmp_path / "out")

    assert (again.num_written, again.num_unchanged, again.num_removed) == (0, 3, 0)
    assert {path: os.stat(tmp_path / "out" / path).st_mtime_ns for path in files_of(tmp_path / "out")} == before
    other = exported(lake, tmp_path / "out", [ExportFormat.markdown])
    assert (other.num_written, len(files_of(tmp_path / "out"))) == (3, 3)


def test_a_new_answer_writes_its_document_anew_and_one_that_is_gone_goes(lake, tmp_path):
    exported(lake, tmp_path / "out", [ExportFormat.markdown])
    rows = made_rows()
    page = next(row for row in rows["pages"] if row["status"] == "failed") | {"plan_id": "000002.12345678", "status": "ok"}
    old = next(row for row in rows["documents"] if "old" in row["uri"]) | {"plan_id": "000002.12345678"}
    gone = {"uri": "s3://b/in/broken.pdf", "source_id": "in/broken.pdf", "plan_id": "000003.12345678", "is_deleted": True}
    from tests.pipeline.written_lake import row

    write_lake(Path(lake), {"pages": [page], "documents": [old], "deletions": [row("deletions", **gone)]}, name="000002-00000")

    done = exported(lake, tmp_path / "out", [ExportFormat.markdown])

    assert (done.num_written, done.num_unchanged, done.num_removed) == (1, 1, 1)
    assert not [name for name in files_of(tmp_path / "out") if name.startswith("broken.pdf")]


def test_a_choice_leaves_what_was_written_before(lake, tmp_path):
    exported(lake, tmp_path / "out", [ExportFormat.markdown])

    done = exported(lake, tmp_path / "out", [ExportFormat.markdown], where="name = 'broken.pdf'")

    assert (done.num_written, done.num_unchanged, done.num_removed) == (0, 1, 0)
    assert len(files_of(tmp_path / "out")) == 3


def test_an_export_that_was_killed_goes_on(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_STATE_S", 0)
    steps = export(lake, str(tmp_path / "out"), Settings(), formats=[ExportFormat.markdown])
    next(steps)
    steps.close()

    done = exported(lake, tmp_path / "out", [ExportFormat.markdown])

    assert (done.num_written, done.num_unchanged) == (2, 1)


@pytest.mark.parametrize("said", [b"", b"[]", b'{"folders": 3}', b'{"folders": {"report.pdf": 3}}', b'{"folders": {"a": {}}}'])
def test_a_note_that_cannot_be_read_has_all_written_anew(lake, tmp_path, said):
    exported(lake, tmp_path / "out", [ExportFormat.markdown])
    (tmp_path / "out" / STATE).write_bytes(said)

    assert exported(lake, tmp_path / "out", [ExportFormat.markdown]).num_written == 3


def test_a_lake_is_not_exported_into_itself(lake):
    with pytest.raises(OperatorError, match="is the lake itself"):
        exported(lake, lake + "/")


def test_an_empty_lake_is_exported_to_nothing(tmp_path):
    (tmp_path / "lake").mkdir()

    assert exported(str(tmp_path / "lake"), tmp_path / "out").num_written == 0


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("..", "_"),
        ("a/b\\c:d\x00\n.pdf", "a_b_c_d_.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("pagefold-export.json", "_pagefold-export.json"),
        (" .hidden. ", "hidden"),
        ("报告.pdf", "报告.pdf"),
        ("\ud800.pdf", "_.pdf"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("报" * 100, "报" * 40),
    ],
)
def test_names_lead_nowhere_else(name, safe):
    assert safe_name(name) == safe
    assert len(safe_name(name).encode()) <= 120


@pytest.fixture
def drawn_lake(tmp_path: Path) -> tuple[str, Path]:
    """Its report lies in a folder."""
    source = tmp_path / "report.pdf"
    source.write_bytes(EXAMPLE.read_bytes())
    rows, uri = made_rows(), "s3://b/in/report.pdf"
    status = source.stat()
    mine = {
        "uri": str(source),
        "source_version": f"{status.st_size}-{status.st_mtime_ns}",
        "document_id": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    for items in rows.values():
        for item in items:
            if item["uri"] == uri:
                item |= mine | ({"size_bytes": status.st_size} if "size_bytes" in item else {})
    return str(write_lake(tmp_path / "lake", rows)), source


def test_charts_and_figures_are_drawn_from_the_source(drawn_lake, tmp_path):
    lake, _ = drawn_lake

    done = exported(
        lake, tmp_path / "out", [ExportFormat.png, ExportFormat.markdown], where="name = 'report.pdf' and status = 'ok'"
    )

    (picture,) = (tmp_path / "out").rglob("*.png")
    assert picture.name == "page-0002-chart-1.png"  # the figure is the chart
    with Image.open(picture) as image:
        assert image.width > 300
        assert image.width / image.height == pytest.approx((0.84 * 595) / (0.42 * 842), rel=0.05)
    assert f"![Sales](charts/{picture.name})" in (picture.parents[1] / "document.md").read_text()
    assert done.without_pictures == {}


@pytest.mark.parametrize(("change", "why"), [("touch", "changed"), ("remove", "gone"), ("replace", "changed")])
def test_a_source_that_is_another_by_now_has_no_pictures_and_all_else(drawn_lake, tmp_path, change, why):
    lake, source = drawn_lake
    status = source.stat()
    if change == "touch":
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    elif change == "remove":
        source.unlink()
    else:
        source.write_bytes(source.read_bytes()[:-1] + b"\n ")
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))

    done = exported(lake, tmp_path / "out", [ExportFormat.png, ExportFormat.json], where=f"uri = '{source}'")

    assert why in done.without_pictures[str(source)]
    assert [name for name in files_of(tmp_path / "out") if name.endswith("document.json")]
    assert json.loads((tmp_path / "out" / STATE).read_text())["folders"]
