from collections.abc import Callable, Iterator
from pathlib import Path

import pymupdf
import pytest

from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.renderer import Renderer


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    """One child for all tests that do not break it."""
    with Renderer(RenderSettings(), RegionSettings(), ["wrong", "käse", "ⅸ"]) as shared:
        yield shared


@pytest.fixture
def pdf_of(tmp_path: Path) -> Callable[..., Path]:
    """A PDF with one page for each text."""

    def make(*texts: str, name: str = "made.pdf") -> Path:
        pdf = pymupdf.open()
        for text in texts:
            pdf.new_page().insert_text((72, 72), text)
        path = tmp_path / name
        pdf.save(path)
        return path

    return make
