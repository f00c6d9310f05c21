"""Rows as a table, lines, CSV, JSON, Markdown and Parquet: nothing rounded, nothing lost, nothing that commands a terminal."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len
from rich.console import Console

from pipeline.analytics.result_formats import Format, as_text, format_of, print_rows, write_file, write_rows
from schemas.errors import OperatorError

TRICKY = pa.table({"text": ['a "b", c\nd', None, "\x1b[31mred"], "list": [["x", "ä"], [], None], "number": [0.1, None, 3.0]})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(table: pa.Table, kind: Format, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    assert write_rows(table.to_reader(), stream, kind) == table.num_rows
    return stream.getvalue()


def printed(table: pa.Table, width: int = 100, kind: Format = Format.table, **options: Any) -> str:
    stream = io.StringIO()
    print_rows(Console(file=stream, width=width, highlight=False), table.to_reader(), kind, **options)
    return stream.getvalue()


# CSV


def test_csv_reads_back():
    assert list(csv.reader(io.StringIO(written(TRICKY, Format.csv)))) == [
        ["text", "list", "number"],
        ['a "b", c\nd', '["x", "ä"]', "0.1"],
        ["", "[]", ""],
        ["\x1b[31mred", "", "3.0"],
    ]


FORMULAS = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "-1-1", "+1 "]
HARMLESS = ["-5", "+3.25", "-1,234.5%", "'=1", " =1", "a=1", "", "−5"]


@pytest.mark.parametrize(("texts", "mark"), [(FORMULAS, "'"), (HARMLESS, "")])
def test_a_text_that_a_spreadsheet_would_take_for_a_formula_gets_an_apostrophe(texts, mark):
    table = pa.table({"=name": texts, "number": [-5.5] * len(texts), "list": [["=1"]] * len(texts)})
    shown = list(csv.reader(io.StringIO(written(table, Format.csv), newline="")))
    assert shown == [["'=name", "number", "list"], *([mark + text, "-5.5", '["=1"]'] for text in texts)]
    raw = list(csv.reader(io.StringIO(written(table, Format.csv_raw), newline="")))
    assert raw == [["=name", "number", "list"], *([text, "-5.5", '["=1"]'] for text in texts)]


def test_csv_commands_no_terminal():
    table = pa.table({"a\x1bc": ["\x1b]0;owned\x07", "\x9b2J", "two\nlines"]})
    assert written(table, Format.csv, Terminal()) == 'a␛c\n␛]0;owned␇\n\ufffd2J\n"two\nlines"\n'


# JSON


def test_json_commands_no_terminal_and_says_the_same():
    table = pa.table({"text": ["\x1b]0;owned\x07\x7f\x9b2J ä"]})
    out = written(table, Format.jsonl, Terminal())
    assert out.rstrip("\n").isprintable()
    assert json.loads(out) == table.to_pylist()[0]


def test_json_lines_are_one_object_a_line_and_json_is_one_array():
    assert [json.loads(line) for line in written(TRICKY, Format.jsonl).splitlines()] == TRICKY.to_pylist()
    assert json.loads(written(TRICKY, Format.json)) == TRICKY.to_pylist()
    assert json.loads(written(TRICKY.slice(0, 0), Format.json)) == []


def test_json_has_numbers_as_numbers_and_what_is_none_as_null():
    table = pa.table(
        {
            "sum": pa.array([Decimal(12345678901234567890)], pa.decimal128(38, 0)),
            "price": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
            "nan": [float("nan")],
            "nested": [[{"x": float("inf"), "y": b"ab"}]],
        }
    )
    assert json.loads(written(table, Format.jsonl)) == {
        "sum": 12345678901234567890,
        "price": 1.5,
        "nan": None,
        "nested": [{"x": None, "y": "YWI="}],
    }


def test_two_columns_of_one_name_are_both_there():
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["uri", "uri", "uri_1"])
    assert json.loads(written(table, Format.jsonl)) == {"uri": "a", "uri_1": "b", "uri_1_1": "c"}
    assert written(table, Format.csv) == "uri,uri,uri_1\na,b,c\n"
    with pytest.raises(OperatorError, match="a name of its own"):
        write_rows(table.to_reader(), io.BytesIO(), Format.parquet)


# Markdown, one value, files


def test_markdown_keeps_a_row_in_its_line_and_a_bar_in_its_cell():
    table = pa.table({"a|b": ["x|y\nz", None], "n": [1, 2]})
    assert written(table, Format.markdown) == "| a\\|b | n |\n|---|---|\n| x\\|y<br>z | 1 |\n|  | 2 |\n"


def test_a_raw_value_is_printed_as_it_is():
    assert written(pa.table({"text": ["# A\n\n“b”, \x1b c"]}), Format.raw) == "# A\n\n“b”, \x1b c\n"
    assert written(pa.table({"text": ["\x1b[31m"]}), Format.raw, Terminal()) == "␛[31m\n"
    with pytest.raises(OperatorError, match="one column; there are 3"):
        written(TRICKY, Format.raw)


@pytest.mark.parametrize(("name", "kind"), [("x.csv", Format.csv), ("x.JSONL", Format.jsonl), ("a.b.parquet", Format.parquet)])
def test_a_file_s_suffix_says_its_format(tmp_path, name, kind):
    assert format_of(tmp_path / name) is kind


def test_a_file_without_a_known_suffix_wants_a_format(tmp_path):
    with pytest.raises(OperatorError, match="add --format"):
        format_of(tmp_path / "x.xlsx")


def test_parquet_reads_back(tmp_path):
    assert write_file(TRICKY.to_reader(), tmp_path / "x.parquet", Format.parquet) == 3
    assert pq.read_table(tmp_path / "x.parquet").equals(TRICKY)


def test_a_file_is_replaced_only_once_all_rows_are_there(tmp_path):
    class Breaks:
        schema = TRICKY.schema

        def __iter__(self):
            yield from TRICKY.to_batches()
            raise OperatorError("out of memory")

    (tmp_path / "x.csv").write_text("before")
    with pytest.raises(OperatorError, match="out of memory"):
        write_file(Breaks(), tmp_path / "x.csv", Format.csv)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.csv", "before")]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(OperatorError, match=r"x\.csv cannot be written: No such file"):
        write_file(TRICKY.to_reader(), tmp_path / "no" / "x.csv", Format.csv)


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_is_no_file_to_write(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OperatorError, match=r"cannot be written: "):
        write_file(TRICKY.to_reader(), Path(name), Format.csv)
    assert list(tmp_path.iterdir()) == []


# Tables and lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (1234567.89, "1234567.89"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        ("a\nb", "a b"),
        ("\x1b[31mred", "[31mred"),
        (["a", None], '["a", null]'),
        ({"a": 1}, '{"a": 1}'),
        ("x" * 121, "x" * 119 + "…"),
    ],
)
def test_a_cell_is_one_printable_line_with_all_digits(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (3, "3 rows")])
def test_a_table_says_how_many_rows_there_are(count, said):
    assert printed(pa.table({"a": range(count)})).splitlines()[-1] == said


def test_a_long_table_says_what_it_leaves_out():
    out = printed(pa.table({"a": range(500)}), rows_max=2)
    assert [line.strip() for line in out.splitlines()] == [
        "a", "0", "1", "2 of 500 rows; --format csv, jsonl and others, and --out FILE have them all."
    ]  # fmt: skip


def test_a_table_that_is_too_wide_becomes_lines():
    wide = pa.table({f"column_{number}": [f"value number {number} of a row"] for number in range(12)})
    lines = printed(wide, width=80).splitlines()
    assert lines[0].startswith("row 1 ──")
    assert [line.split()[0] for line in lines[1:-1]] == wide.column_names
    assert all(f"value number {number} of a row" in line for number, line in enumerate(lines[1:-1]))
    assert len(printed(wide, width=320).splitlines()) == 3


def test_a_row_is_a_line_in_which_numbers_are_whole_and_texts_share_the_rest():
    time = pa.array([1_700_000_000_000_000], pa.timestamp("us", "UTC"))
    table = pa.table(
        {"time": time, "name": ["a.pdf"], "left_px": [126.95039999999999], "text": ["x" * 90], "uri": ["s3://bucket/" + "y" * 60]}
    )
    head, row, count = printed(table, width=110).splitlines()
    day, clock, name, number, text, uri = row.split()
    assert f"{day} {clock}" == "2023-11-14 22:13:20+00:00"
    assert (name, number, count) == ("a.pdf", "126.95039999999999", "1 row")
    assert text.endswith("x…")
    assert uri.endswith("y…")
    assert abs(len(text) - len(uri)) <= 1
    assert max(map(len, (head, row))) <= 110


def test_wide_characters_are_counted_by_their_cells():
    lines = printed(pa.table({"text": ["世" * 60], "n": [1]}), width=40).splitlines()
    assert cell_len(lines[1]) <= 40
    assert lines[1].split() == ["世" * 17 + "…", "1"]


def test_lines_have_all_of_a_value_where_they_are_asked_for():
    table = pa.table({"text": ["first\n" + "x" * 70 + "\nthird\x1b"], "n": [1]})
    lines = printed(table, kind=Format.line).splitlines()
    assert [line.rstrip() for line in lines[1:]] == ["text  first", "      " + "x" * 70, "      third␛", "n     1", "1 row"]
