"""MuPDF as the render process has it."""

import subprocess
import sys

import pytest

LEFT_OUT = {"onnxruntime", "pymupdf.layout", "pymupdf4llm"}


def run(program: str) -> set[str]:
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.slow
def test_the_render_process_loads_no_models() -> None:
    loaded = run("import sys, workers.rendering.child; print(*sys.modules)")

    assert "pymupdf" in loaded
    assert not loaded & LEFT_OUT


@pytest.mark.slow
def test_what_is_left_out_is_not_barred_for_good() -> None:
    assert (
        run("import sys, workers.rendering.pages.mupdf; print(*(name for name, module in sys.modules.items() if module is None))")
        == set()
    )


@pytest.mark.slow
def test_boxes_of_characters_are_the_same_with_and_without_the_models() -> None:
    asked = "print(pymupdf.TOOLS.unset_quad_corrections())"

    assert run(f"from workers.rendering.pages.mupdf import pymupdf; {asked}") == {"True"}
    assert run(f"import pymupdf; from workers.rendering.pages.mupdf import pymupdf; {asked}") == {"True"}
