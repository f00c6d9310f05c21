"""The report: what stands on its pages, that nothing hostile runs in them, and how a browser shows them."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.documents.model import ReadChart, ReadPoint
from pipeline.report import site
from pipeline.report.charts import chart_svg
from pipeline.report.index import reasons
from pipeline.report.site import write_report
from schemas.errors import OperatorError
from schemas.settings import Settings
from tests.pipeline.documents.made import made_lake
from tests.pipeline.documents.test_export import drawn_lake  # noqa: F401 - a fixture


class Parsed(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        if name := given.get("id"):
            self.ids.add(name)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a lake whose sources are out of reach."""
    root = tmp_path_factory.mktemp("made")
    steps = list(write_report(made_lake(root / "lake"), str(root / "report"), Settings()))
    assert [(step.num_done, step.num_documents) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    return root / "report"


def pages_of(report: Path) -> dict[str, Parsed]:
    return {str(path.relative_to(report)): Parsed(path.read_text("utf-8")) for path in report.rglob("*.html")}


@pytest.mark.slow
def test_every_link_leads_somewhere(report):
    pages = pages_of(report)

    assert len(pages) == 4
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            path = (report / name).parent / target if target else report / name
            assert path.exists(), (name, link)
            if anchor and path.suffix == ".html":
                assert anchor in pages[str(path.resolve().relative_to(report.resolve()))].ids, (name, link)


@pytest.mark.slow
def test_nothing_hostile_becomes_markup_and_the_policy_forbids_the_rest(report):
    for page in pages_of(report).values():
        assert sum(tag == "script" for tag, _ in page.tags) <= 1
        assert not [name for _, given in page.tags for name in given if name.startswith("on") or name == "style"]
        assert not [link for link in page.links if "://" in link or link.startswith("javascript")]
        (policy,) = [given["content"] for tag, given in page.tags if given.get("http-equiv") == "Content-Security-Policy"]
        assert policy is not None
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy


def test_the_first_page_has_runs_reviews_failures_and_documents(report):
    text = (report / "index.html").read_text("utf-8")

    for part in (
        "No run has ended yet",
        "report.pdf, page 1",
        "it was not read",
        "no password opens the PDF",
        'data-words="broken.pdf',
    ):
        assert part in text


@pytest.mark.slow
def test_a_page_has_its_tables_its_charts_drawn_again_and_why_there_is_no_picture(report):
    texts = [path.read_text("utf-8") for path in (report / "documents").rglob("index.html")]
    (text,) = [text for text in texts if "<figure>" in text]

    assert "<th>Sales</th>" in text
    assert "Drawn again from 2 points" in text
    assert "No picture: the source is not what was read any more" in text
    assert "Page 1 of 2" in text  # margins stand here, in quiet letters


@pytest.mark.slow
def test_pages_and_charts_have_their_pictures(drawn_lake, tmp_path):  # noqa: F811
    lake, source = drawn_lake

    steps = list(write_report(lake, str(tmp_path / "report"), Settings(), where=f"uri = '{source}'"))

    assert [step.why_no_pictures for step in steps] == [None]
    pictures = sorted(path.name for path in (tmp_path / "report").rglob("*.webp"))
    assert pictures == ["page-0001.webp", "page-0002-chart-1.webp", "page-0002.webp"]
    text = next((tmp_path / "report" / "documents").rglob("index.html")).read_text()
    assert '<rect class="box chart" x="8.0" y="98.0" width="84.0" height="84.0">' in text


@pytest.mark.slow
def test_a_book_is_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "PAGES_PER_FILE", 1)
    list(write_report(made_lake(tmp_path / "lake"), str(tmp_path / "report"), Settings(), where="num_pages = 2"))

    names = sorted(path.name for path in (tmp_path / "report" / "documents").rglob("*.html"))
    assert names == ["index.html", "part-2.html"]
    (folder,) = (tmp_path / "report" / "documents").iterdir()
    pages = pages_of(tmp_path / "report")
    assert f"documents/{folder.name}/index.html" in pages["index.html"].links
    assert "part-2.html" in pages[f"documents/{folder.name}/index.html"].links
    assert "page-2" in pages[f"documents/{folder.name}/part-2.html"].ids


@pytest.mark.slow
def test_an_empty_lake_has_a_report_that_says_so(tmp_path):
    (tmp_path / "lake").mkdir()

    assert list(write_report(str(tmp_path / "lake"), str(tmp_path / "report"), Settings())) == []
    text = (tmp_path / "report" / "index.html").read_text()
    assert "No document was read yet" in text
    assert "Nothing failed" in text


def test_a_report_is_not_written_into_the_lake(tmp_path):
    with pytest.raises(OperatorError, match="is the lake itself"):
        next(write_report(str(tmp_path), f"{tmp_path}/", Settings()))
    (tmp_path / "link").symlink_to(tmp_path)
    for target in (f"{tmp_path}/link", f"{tmp_path}/link/../{tmp_path.name}/."):
        with pytest.raises(OperatorError, match="is the lake itself"):
            next(write_report(str(tmp_path), target, Settings()))


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-301, -1e17, 1e17, 1e300, -1.7e308])
@pytest.mark.parametrize("kind", ["line", "bar", "area", "scatter", "pie"])
def test_any_value_is_drawn_on_axes_with_numbers(kind, value):
    def drawn(*values: float) -> str:
        points = [ReadPoint(point_index=number, x_text=str(number), value=each) for number, each in enumerate(values)]
        return chart_svg(ReadChart(page_index=0, region_index=0, status="ok", engine="vector", kind=kind, points=points))

    for svg in (drawn(value), drawn(value, value), drawn(0.0, value), drawn(value, value * 1.0000000000000002)):
        assert not re.search("nan|inf", svg)


def test_the_reasons_of_a_review_are_sentences():
    row = {
        "status": "partial",
        "stop_reason": "length",
        "text_layer_agreement": 0.5,
        "confidence": 0.3,
        "num_asks": 3,
        "flags": ["a_b"],
    }

    assert reasons(row) == [
        "it was read in part (length)",
        "its text agrees with the PDF's own by 50%",
        "the engine's confidence is 30%",
        "it was asked 3 times",
        "a b",
    ]


def chart(kind: str, *values: float | None, series: str | None = None, **said: Any) -> ReadChart:
    points = [
        ReadPoint(point_index=index, series=series, x_text=f"x{index}", x_value=float(index), y_text=str(value), value=value)
        for index, value in enumerate(values)
    ]
    return ReadChart(page_index=0, region_index=0, status="ok", engine="vector", kind=kind, points=points, **said)


def two_series(kind: str, subtype: str, one: list[float], other: list[float]) -> ReadChart:
    points = [
        ReadPoint(point_index=2 * index + number, series=f"s{number}", x_text=f"x{index}", value=value)
        for index, pair in enumerate(zip(one, other, strict=True))
        for number, value in enumerate(pair)
    ]
    return ReadChart(page_index=0, region_index=0, status="ok", engine="vector", kind=kind, subtype=subtype, points=points)


def rects(svg: str) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of the bars."""
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="[^"]+"><title>', svg)
    return [(float(x), float(y), float(width), float(height)) for x, y, width, height in found]


def test_bars_stand_on_zero_and_are_as_high_as_their_values():
    heights = [
        float(height) for height in re.findall(r'height="([\d.]+)" fill="#2563b0"><title>', chart_svg(chart("bar", 10.0, 5.0, 0.0)))
    ]

    assert heights[0] == pytest.approx(2 * heights[1], rel=0.01)
    assert heights[2] == 0.5  # to be seen at all


def test_parts_of_a_stack_stand_on_each_other_and_negative_ones_hang():
    (_, up, _, tall), _, (_, on, _, more), (_, below, _, down) = rects(
        chart_svg(two_series("bar", "stacked", [10.0, 5.0], [20.0, -5.0]))
    )

    assert on + more == pytest.approx(up, abs=0.2)
    assert more == pytest.approx(2 * tall, abs=0.3)
    assert below == pytest.approx(up + tall, abs=0.2)  # from zero
    assert down == pytest.approx(tall / 2, abs=0.3)


def test_lying_bars_grow_to_the_right():
    first, second = rects(chart_svg(chart("bar", 10.0, 5.0, subtype="horizontal")))

    assert first[0] == second[0]
    assert first[2] == pytest.approx(2 * second[2], rel=0.01)
    assert first[1] < second[1]


def test_a_logarithmic_axis_has_its_decades_at_even_distances():
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', chart_svg(chart("line", 10.0, 100.0, 1000.0, y_scale="log")))]

    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert "cy=" in chart_svg(chart("line", 0.0, 100.0, y_scale="log"))  # zero has no logarithm: drawn linear


def test_areas_of_a_stack_end_where_the_next_begins():
    (one, other) = re.findall(r'<polygon points="([^"]+)"', chart_svg(two_series("area", "stacked", [1.0, 2.0], [3.0, 1.0])))

    assert one.split()[:2] == other.split()[:1:-1]


def test_lines_points_and_slices_are_drawn_by_the_charts_kind():
    assert chart_svg(chart("line", 1.0, 2.0)).count("<polyline") == 1
    assert chart_svg(chart("scatter", 1.0, 2.0)).count("<circle") == 2
    assert chart_svg(chart("pie", 1.0, 3.0)).count("<path") == 2


@pytest.mark.parametrize("values", [(), (None,), (float("inf"),), (float("nan"),)])
def test_without_a_number_nothing_is_drawn(values):
    assert chart_svg(chart("bar", *values)) == ""


@pytest.mark.parametrize("kind", ["bar", "line", "scatter", "pie", "area"])
@pytest.mark.parametrize("values", [(0.0,), (5.0, 5.0), (-1e300, 1e300), (-3.0, 2.0), (5e-324, 1e308)])
@pytest.mark.parametrize("said", [{}, {"y_scale": "log", "x_scale": "log"}, {"subtype": "horizontal stacked"}])
def test_odd_values_are_drawn_within_the_picture(kind, values, said):
    svg = chart_svg(chart(kind, *values, series="<s>", **said))
    numbers = [float(text) for text in re.findall(r'(?:x|y|cx|cy)="(-?[\d.e+]+)"', svg)]

    assert all(-1 <= number <= 520 for number in numbers)
    assert "<s>" not in svg
    assert "nan" not in svg


@pytest.mark.slow
def test_a_browser_shows_it_without_a_complaint(report):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    for width in (375, 1280):
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            f"--window-size={width},900",
            "--dump-dom",
        ]
        done = subprocess.run([*command, f"file://{report}/index.html"], capture_output=True, text=True, timeout=240, check=True)
        assert "report.pdf" in done.stdout
        assert "Refused to" not in done.stderr
        assert "Content Security Policy" not in done.stderr
