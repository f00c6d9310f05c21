"""`pagefold export` on the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.pipeline.documents.made import made_lake, made_rows
from tests.pipeline.documents.test_export import drawn_lake  # noqa: F401 - a fixture
from tests.pipeline.written_lake import write_lake

pytestmark = pytest.mark.slow


def test_it_says_what_it_wrote_and_what_it_left(pagefold, tmp_path):
    lake, out = made_lake(tmp_path / "lake"), str(tmp_path / "out")

    code, said, progress = pagefold("export", lake, out, "--format", "md,json", "--format", "csv")
    assert (code, said) == (0, f"3 written to {out}, 0 unchanged, 0 removed.\n")
    assert "broken.pdf" in progress
    code, said, progress = pagefold("export", lake, out, "--format", "md,csv,json", "--json")
    assert (code, json.loads(said)["num_unchanged"], progress) == (0, 3, "")


def test_the_schema_of_a_document_is_printed(pagefold):
    code, said, _ = pagefold("schema", "--document")

    assert code == 0
    assert {"ReadPage", "ReadTable", "ReadCell", "ReadChart", "ReadPoint"} <= json.loads(said)["$defs"].keys()


def test_mistakes_end_with_a_sentence(pagefold, tmp_path):
    lake = made_lake(tmp_path / "lake")

    assert pagefold("export", lake, str(tmp_path / "o"), "--format", "docx")[::2] == (
        2,
        "pagefold: --format docx: known are md, json, html, csv, png, docling.\n",
    )
    code, _, said = pagefold("export", lake, str(tmp_path / "o"), "--where", "nonsense")
    assert (code, "nonsense" in said) == (2, True)
    code, _, said = pagefold("export", str(tmp_path / "no"), str(tmp_path / "o"))
    assert (code, said) == (2, f"pagefold: There is no folder {tmp_path}/no.\n")


def test_a_document_is_shown_as_markdown_and_commands_no_terminal(pagefold, tmp_path):
    rows = made_rows()
    rows["blocks"][1]["text"] = "He\x1b[31mllo"
    lake = str(write_lake(tmp_path / "lake", rows))

    code, said, _ = pagefold("show", lake, "in/report.pdf", "--page", "1")
    assert (code, said.startswith("<!-- page 1 -->\n\n# He\ufffd[31mllo\n")) == (0, True)
    assert "page 2" not in said
    assert pagefold("show", lake, "in/report.pdf", "--page", "9")[::2] == (2, "pagefold: report.pdf has no page 9 that was read.\n")
    code, _, said = pagefold("show", lake, "in/report.pdf", str(tmp_path / "p.png"))
    assert (code, "cannot be drawn again" in said) == (2, True)


def test_a_name_commands_no_terminal(pagefold, tmp_path):
    rows = made_rows()
    for each in rows["documents"] + rows["pages"] + rows["blocks"] + rows["charts"]:
        each["uri"] = each["uri"].replace("in/report.pdf", "in/\x1b[31m.pdf")
    rows["documents"][0]["name"] = "\x1b[31m.pdf"
    lake = str(write_lake(tmp_path / "lake", rows))

    code, said, progress = pagefold("export", lake, str(tmp_path / "out"))

    assert (code, "\x1b" in said + progress) == (0, False)
    assert "without pictures: s3://b/in/ [31m.pdf: " in said
    assert "  ?[31m.pdf\n" in progress


def test_a_page_is_drawn_with_its_boxes(pagefold, drawn_lake, tmp_path):  # noqa: F811
    lake, source = drawn_lake

    code, said, _ = pagefold("show", lake, str(source), "--page", "2", str(tmp_path / "p.png"))

    assert (code, said) == (0, f"{tmp_path}/p.png: page 2 of report.pdf\n")
    code, _, wrong = pagefold("show", lake, str(source), "--page", "2", str(tmp_path / "no folder" / "p.png"))
    assert (code, wrong) == (2, f"pagefold: {tmp_path}/no folder/p.png cannot be written: No such file or directory.\n")
    with Image.open(tmp_path / "p.png") as image:
        x, y = image.width / 100, image.height / 200
        assert image.getpixel((round(50 * x), round(98 * y))) == (0xD9, 0x73, 0x1A)  # the chart's upper edge


def test_a_report_says_where_it_is_and_what_it_lacks(pagefold, tmp_path):
    lake = made_lake(tmp_path / "lake")

    code, said, progress = pagefold("report", lake, str(tmp_path / "look"))

    assert code == 0
    assert said.splitlines()[0] == f"Open {tmp_path}/look/index.html in a browser."
    assert "2 documents have no pictures" in said
    assert "3 of 3" in progress


def test_a_document_is_opened_in_the_browser(pagefold, drawn_lake, tmp_path, monkeypatch):  # noqa: F811
    lake, source = drawn_lake
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or len(opened) == 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code, said, wrong = pagefold("show", lake, str(source), "--open")
    assert (code, wrong) == (0, "")
    assert (code, opened[0].startswith("file://"), opened[0].endswith("/index.html")) == (0, True, True)
    page = Path(said.strip()).read_text()
    assert "<figure" in page
    assert source.name in page
    code, said, _ = pagefold("show", lake, str(source), "--open")
    assert (code, "no browser could be started here" in said) == (0, True)
    assert pagefold("show", lake, str(source), "--open", "--page", "1")[::2] == (
        2,
        "pagefold: --open shows the whole document in a browser: it takes no PNG and no --page.\n",
    )


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_report_says_how_far_it_is(pagefold, tmp_path, monkeypatch, is_terminal):
    lake = made_lake(tmp_path / "lake")
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    code, said, progress = pagefold("report", lake, str(tmp_path / "r"))
    assert (code, "index.html" in said) == (0, True)
    assert ("1 of 3" in progress) != is_terminal
    assert pagefold("report", lake, str(tmp_path / "r"), "-q")[2] == ""
