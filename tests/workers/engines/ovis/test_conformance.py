import json
import shutil
from pathlib import Path

import pytest

from workers.engines.ovis import conformance

SHARED = Path(__file__).parents[5] / "shared" / "ovis" / "conformance"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data (../shared/ovis/conformance) is not here")


@needs_data
def test_every_check_of_the_reference_data_passes_its_gate():
    rows = list(conformance.Conformance(SHARED).rows())
    assert len(rows) >= 180
    assert [str(row) for row in rows if not row.ok] == []


@needs_data
def test_a_wrong_number_a_missing_image_and_a_missing_array_are_each_found(tmp_path, capsys):
    # given reference data with one token changed and one image gone
    folder = shutil.copytree(SHARED, tmp_path / "data")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    golden = json.loads((folder / "golden.json").read_text())
    golden["cases"]["text_only"]["greedy24"][3] += 1
    golden["images"]["unheard"] = golden["images"]["doc"]
    (folder / "golden.json").write_text(json.dumps(golden))
    (folder / "images" / "strip.png").unlink()

    assert conformance.main([str(folder)]) == 1

    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert {line.split("  ")[0] for line in failed} == {
        "image strip",
        "image unheard",
        "case ocr_strip",
        "case text_only: greedy",
        "bfloat16",
    }


def test_a_folder_without_reference_data_is_an_error(tmp_path, capsys):
    assert conformance.main([str(tmp_path)]) == 1
    assert "holds no conformance data" in capsys.readouterr().err
