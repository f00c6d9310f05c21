"""`pagefold export` on the command line."""

import json

from tests.pipeline.documents.made import made_lake


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
        "pagefold: --format docx: known are md, json, html, csv, png.\n",
    )
    code, _, said = pagefold("export", lake, str(tmp_path / "o"), "--where", "nonsense")
    assert (code, "nonsense" in said) == (2, True)
    code, _, said = pagefold("export", str(tmp_path / "no"), str(tmp_path / "o"))
    assert (code, said) == (2, f"pagefold: There is no folder {tmp_path}/no.\n")
