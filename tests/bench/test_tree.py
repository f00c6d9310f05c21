"""The figures of the tree, on trees small enough to count by hand."""

import pytest

from tests.bench.tree import (
    Text,
    circles,
    comments,
    docstrings,
    files_per_folder,
    import_graphs,
    lines_with_tell,
    longest_sentences,
    mutual_folders,
    sentences,
)


def test_files_count_in_the_folder_that_holds_them() -> None:
    assert files_per_folder(["a/x.py", "a/y.py", "a/b/z.py", "a/README.md"]) == {"a": 2, "a/b": 1}


def test_imports_are_read_at_any_depth_and_those_for_types_apart() -> None:
    files = {
        "schemas/__init__.py": "",
        "schemas/a.py": "import os\nfrom schemas import b\ndef f():\n    from . import c",
        "schemas/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from schemas.a import A",
        "schemas/c.py": "import schemas.b",
        "tests/d.py": "import schemas.a",
    }

    at_run_time, for_types = import_graphs(files)

    assert at_run_time == {
        "schemas": set(),
        "schemas.a": {"schemas.b", "schemas.c"},
        "schemas.b": set(),
        "schemas.c": {"schemas.b"},
    }
    assert for_types["schemas.b"] == {"schemas.a"}
    assert circles(at_run_time) == []
    assert circles({name: at_run_time[name] | for_types[name] for name in at_run_time}) == [["schemas.a", "schemas.b", "schemas.c"]]


def test_two_circles_are_two_groups() -> None:
    assert circles({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"d"}}) == [["a", "b"], ["d", "e"]]


def test_folders_that_import_each_other_are_found_below_a_common_one() -> None:
    folders = {"a": "p/one", "b": "p/two/deep", "c": "p/two", "d": "p"}

    assert mutual_folders({"a": {"b"}, "c": {"a"}}, folders) == [("p/one", "p/two")]
    assert mutual_folders({"a": {"b"}, "c": {"d"}, "d": {"c"}}, folders) == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("One. Two,\nthree.", ["One.", "Two, three."]),
        ('It says "no." And `a.b`, 1.5 times.', ['It says "no.', "And `a.b`, 1.5 times."]),
        ("Top.\n\n    code = 1 + 1\n\nEnd", ["Top.", "End"]),
        ("Two:\n- one;\n- two.", ["Two:", "- one;", "- two."]),
        ("First.\n\n    Below the margin\n    of a function.", ["First.", "Below the margin of a function."]),
        ("", []),
    ],
)
def test_a_docstring_falls_into_sentences(docstring: str, expected: list[str]) -> None:
    assert sentences(docstring) == expected


def test_the_longest_sentence_comes_first_with_its_place() -> None:
    texts = [Text("a.py", 3, "One. One two three."), Text("b.py", 9, "One two.")]

    assert [(words, text.path, text.line) for words, text in longest_sentences(texts)] == [
        (3, "a.py", 3),
        (2, "b.py", 9),
        (1, "a.py", 3),
    ]


def test_strings_that_are_values_are_no_docstrings() -> None:
    source = '"""Module."""\nX = "value"\n"""Of X."""\ndef f():\n    """Body."""\n    return "told"  # why\n'

    assert [(text.line, text.text) for text in docstrings("a.py", source)] == [(1, "Module."), (3, "Of X."), (5, "Body.")]
    assert [(text.line, text.text) for text in comments("a.py", source)] == [(6, "# why")]


def test_forms_of_tell_count_by_line_and_in_names() -> None:
    assert lines_with_tell(["It tells\nand told, told.\nA teller", "self._told = 1\nretold"]) == 3
