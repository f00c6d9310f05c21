"""What people need who do not use a mouse, or do not see: landmarks, names, order, contrast. axe-core found nothing when it was run
over these pages; what it looks at is asserted here, without it."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.report.index import index_body
from pipeline.report.pages import document_body
from pipeline.report.style import STYLE, document
from tests.pipeline.documents.made import EVIL
from tests.pipeline.report.test_report import report  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow
VOID = {"meta", "img", "input", "br", "rect", "line", "circle", "polyline", "path"}


class Element:
    def __init__(self, name: str, attributes: dict[str, str], parent: "Element | None") -> None:
        self.name, self.attributes, self.parent = name, attributes, parent
        self.text = ""

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[Element] = []
        self._open: Element | None = None
        self.feed(text)
        assert self._open is None, f"{self._open.name} is never closed"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self.all.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag, attrs):
        self.all.append(Element(tag, {name: value or "" for name, value in attrs}, self._open))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self._open is not None
        assert self._open.name == tag, f"</{tag}> within <{self._open.name}>"
        self._open = self._open.parent

    def handle_data(self, data):
        element = self._open
        while element is not None:
            element.text += data
            element = element.parent

    def named(self, *names: str) -> list[Element]:
        return [element for element in self.all if element.name in names]


@pytest.fixture
def pages(report: Path) -> dict[str, Page]:  # noqa: F811
    return {str(path.relative_to(report)): Page(path.read_text()) for path in report.rglob("*.html")}


def test_each_page_has_its_landmarks_a_title_and_headings_in_order(pages):
    assert len(pages) > 2
    for name, page in pages.items():
        assert page.named("html")[0]["lang"] == "en", name
        assert [len(page.named(tag)) for tag in ("main", "h1")] == [1, 1], name
        assert [title.text != "" for title in page.named("title") if title.parent and title.parent.name == "head"] == [True]
        levels = [int(heading.name[1]) for heading in page.named("h1", "h2", "h3", "h4")]
        assert all(later <= before + 1 for before, later in pairwise(levels)), name
        ids = Counter(element["id"] for element in page.all if element["id"])
        assert not [each for each, count in ids.items() if count > 1], name


def test_what_is_not_text_has_a_name(pages):
    for name, page in pages.items():
        for element in page.named("input", "svg", "nav"):
            assert element["aria-label"], (name, element.name)
        for element in page.named("svg"):
            assert element["role"] in ("img", "group"), name
        for element in page.named("img"):
            assert element["alt"], name
        for element in page.named("a", "summary"):
            assert element.text.strip(), (name, element.attributes)
        for element in page.named("th"):
            assert element.text.strip(), name


def test_the_keyboard_reaches_what_scrolls_in_the_order_of_the_page(pages):
    num_scrolling = 0
    for name, page in pages.items():
        names = [element["aria-label"] for element in page.all if element["role"] == "region"]
        assert len(names) == len(set(names)), name
        assert all(element["tabindex"] in ("", "0", "-1") for element in page.all), name
        for element in page.all:
            if element["class"] == "scroll":
                num_scrolling += 1
                assert (element["tabindex"], element["role"]) == ("0", "region"), name
                assert element["aria-label"], name
        targets = {element["id"] for element in page.all}
        assert all(link["href"][1:] in targets for link in page.named("a") if link["href"].startswith("#")), name
    assert num_scrolling > 2


def test_a_picture_with_many_boxes_can_be_passed_by():
    from pipeline.documents.model import ReadBlock, ReadDocument, ReadPage
    from schemas.page import Box

    blocks = [ReadBlock(block_index=index, kind="paragraph", text=EVIL, box=Box(0, index, 9, index + 1)) for index in range(30)]
    read = ReadPage(page_index=0, width_px=10, height_px=40, blocks=blocks)
    found = ReadDocument.model_construct(name="a", uri="a", media_type=None, num_pages=1, status="ok", failures=[], pages=[read])

    page = Page(document("a", document_body(found, [read], lambda _: "page.webp", lambda _: None, links="")))

    links = [link["href"] for link in page.named("a")]
    assert links[1] == "#text-1"  # after the way back, and before the boxes
    assert len(links) == 2 + 30
    assert next(element for element in page.all if element["id"] == "text-1")["tabindex"] == "-1"


def test_an_empty_lake_has_them_too():
    page = Page(document("lake", index_body("lake", [], [], [], [], lambda *_: "")))
    assert [len(page.named(tag)) for tag in ("main", "h1")] == [1, 1]


def luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_stands_out_from_its_ground_in_both_schemes(is_dark):
    dark = "\n".join(re.findall(r"prefers-color-scheme: dark\) \{(.*?)\n\}", STYLE, re.DOTALL))
    light = re.sub(r"@media \(prefers-color-scheme: dark\) \{.*?\n\}", "", STYLE, flags=re.DOTALL)

    def colour(pattern: str) -> str:
        found = re.findall(pattern, dark if is_dark else light)
        assert len(found) == 1, (pattern, found)
        return found[0]

    ground = colour(r"--back: (#\w+)")
    for pattern in (r"--text: (#\w+)", r"--quiet: (#\w+)", r"--bad: (#\w+)", r"\ba \{ color: (#\w+)"):
        assert contrast(colour(pattern), ground) >= 4.5, pattern
