"""What a page learns of those around it, whichever process draws it."""

from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest

from schemas.page import EDGE_LINES
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.pages.shown_page import ShownPage
from workers.rendering.pages.text.edge_lines import edge_lines
from workers.rendering.renderer import Renderer
from workers.sources.local_files import look_at

pytestmark = pytest.mark.slow


def report(path: Path, num_pages: int) -> Path:
    document = pymupdf.open()
    for number in range(num_pages):
        page = document.new_page(width=300, height=400)
        page.insert_text((30, 30), "Annual report", fontsize=9)
        page.insert_text((250, 30), f"part {number}", fontsize=9)
        page.insert_text((30, 200), "Body", fontsize=9)
        page.insert_text((140, 385), str(number + 1), fontsize=9)
    document.save(path)
    return path


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    with Renderer(RenderSettings(), RegionSettings(), []) as renderer:
        yield renderer


def texts(page):
    return [[line.text for line in lines] for lines in page.nearby]


def test_a_page_sees_the_edges_of_two_before_and_two_after(renderer: Renderer, tmp_path: Path) -> None:
    path = report(tmp_path / "a.pdf", 5)
    first, third, last = renderer.render(path, [0, 2, 4])
    assert texts(first) == [["Annual report", "part 1", "2"], ["Annual report", "part 2", "3"]]
    assert [lines[-1] for lines in texts(third)] == ["1", "2", "4", "5"]
    assert [lines[-1] for lines in texts(last)] == ["3", "4"]


def test_what_a_page_sees_does_not_depend_on_what_was_drawn_before(renderer: Renderer, tmp_path: Path) -> None:
    path = report(tmp_path / "b.pdf", 6)
    in_one = [page.nearby for page in renderer.render(path, range(6))]
    renderer.close()
    alone = [next(renderer.render(path, [index])).nearby for index in (3, 0, 5)]
    assert alone == [in_one[3], in_one[0], in_one[5]]


def test_another_file_under_the_same_name_has_other_edges(renderer: Renderer, tmp_path: Path) -> None:
    path = report(tmp_path / "c.pdf", 2)
    assert texts(next(renderer.render(path, [0], look_at(path)))) == [["Annual report", "part 1", "2"]]
    path.unlink()
    report(path, 1)
    assert next(renderer.render(path, [0])).nearby == []


def test_a_page_of_a_thousand_lines_shows_a_few(tmp_path: Path) -> None:
    page = pymupdf.open().new_page(width=300, height=400)
    for number in range(400):
        page.insert_text((30 + number % 10 * 20, 5 + number // 10), f"w{number}" * 40, fontsize=1)
    shown = ShownPage(page, RenderSettings())
    lines = edge_lines(shown.text.words, shown.page_pt)
    assert 0 < len(lines) <= 3 * EDGE_LINES
    assert all(0 <= line.y <= 1 and len(line.text) <= 100 for line in lines)
