"""Links into the report, from its first page and from `pagefold search`."""

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.report.links import ReportLinks, read_links
from schemas.errors import OperatorError
from tests.pipeline.documents.made import made_rows
from tests.pipeline.report.test_report import report  # noqa: F401 (a fixture)
from tests.pipeline.written_lake import write_lake

FILES = {"s3://b/a b.pdf": [(0, "documents/a b.pdf/index.html"), (20, "documents/a b.pdf/part-2.html")], "empty": []}


@pytest.mark.parametrize(
    ("place", "link"),
    [
        ((), "documents/a%20b.pdf/index.html"),
        ((0,), "documents/a%20b.pdf/index.html#page-1"),
        ((19,), "documents/a%20b.pdf/index.html#page-20"),
        ((20,), "documents/a%20b.pdf/part-2.html#page-21"),
        ((21, 3), "documents/a%20b.pdf/part-2.html#p21-b3"),
    ],
)
def test_a_link_names_the_file_and_the_place_in_it(place, link):
    assert ReportLinks(FILES).of("s3://b/a b.pdf", *place) == link


def test_what_is_not_in_the_report_has_no_link():
    assert ReportLinks(FILES).of("s3://b/other.pdf", 0) is ReportLinks(FILES).of("empty", 0) is None


@pytest.mark.parametrize("said", [None, "[]", "{", '{"a": [["x", 1]]}'])
def test_a_folder_without_a_report_is_a_mistake_of_the_operators(tmp_path, said):
    if said is not None:
        (tmp_path / "links.json").write_text(said)
    with pytest.raises(OperatorError, match="no report"):
        read_links(str(tmp_path))


@pytest.mark.slow
def test_search_leads_to_the_block_in_the_report(report, tmp_path):  # noqa: F811
    rows = made_rows()
    rows["pages"][0]["num_chars"] = 5
    for item in (item for items in rows.values() for item in items):
        item["source_id"] = hashlib.sha256(item["source_id"].encode()).hexdigest()[:32]  # as the index has them
    lake = write_lake(tmp_path / "the same lake", rows)
    (lake / "_pagefold").mkdir()

    said = CliRunner().invoke(app, ["search", str(lake), "Hello", "--report", str(report)]).stdout

    (link,) = re.findall(r"file:\S+", said)
    address = urlparse(link)
    text = Path(unquote(address.path)).read_text()
    assert address.fragment == "p0-b1"
    assert f'id="{address.fragment}"' in text
