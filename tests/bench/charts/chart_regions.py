"""Of charts drawn as vectors, how many have a region of their own with all their words: `python -m tests.bench chart_regions`.

Each chart of a folder (see `true_charts`) is looked for as the page that its producer exported, and placed on a page of prose
with a caption, alone or beside another one. A region is a chart's own when it holds every word of the chart, no word of another
chart or panel, and little else: at most MOST_PROSE words of running text, and MOST_AREA times the chart's own box.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pymupdf

from schemas.page import Box
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_CHARTS
from workers.rendering.pages.finding_regions.regions import find_regions
from workers.rendering.pages.shown_page import ShownPage

MOST_PROSE = 12
MOST_AREA = 2.0
PROSE = (
    "The harbour master wrote down the height of the water twice a day for two hundred years, and in 1871 a float gauge took over "
    "which drew its own curve on paper. Reading it back took 6 winters and about one reading in 90 had to be settled by hand. "
)


class Placed(NamedTuple):
    name: str
    words: list[Box]
    """On the page; of a chart whose text is outlines, none."""
    box: Box
    """What of it is drawn."""


class Scene(NamedTuple):
    page: pymupdf.Page
    charts: list[Placed]
    prose: list[Box]


def exported(folder: Path, names: Sequence[str]) -> Iterator[Scene]:
    """Each chart as the page that it is."""
    for name in names:
        page = pymupdf.open(folder / f"{name}.pdf")[0]
        yield Scene(page, panels_of(folder, name, pymupdf.Identity), [])


def on_pages(folder: Path, names: Sequence[str], dice: random.Random) -> Iterator[Scene]:
    """Every chart once on a page of prose: alone over the text's width, or half as wide beside another one."""
    rest = list(names)
    dice.shuffle(rest)
    while rest:
        is_pair = len(rest) > 1 and dice.random() < 0.5
        chosen, rest = rest[: 1 + is_pair], rest[1 + is_pair :]
        page = pymupdf.open().new_page(width=595, height=842)
        gap = dice.uniform(6, 22)
        width = (475 - gap) / 2 if is_pair else dice.uniform(300, 475)
        placed: list[Placed] = []
        bottom = 170.0
        page.insert_textbox(pymupdf.Rect(60, 60, 535, 160), PROSE * 2, fontsize=10.5)
        for index, name in enumerate(chosen):
            source = pymupdf.open(folder / f"{name}.pdf")
            size = source[0].rect
            height = min(width * size.height / size.width, 380)
            left = 60 + index * (width + gap)
            rect = pymupdf.Rect(left, 170, left + height * size.width / size.height, 170 + height)
            page.show_pdf_page(rect, source, 0)
            scale = rect.width / size.width
            placed += panels_of(folder, name, pymupdf.Matrix(scale, 0, 0, scale, rect.x0, rect.y0))
            bottom = max(bottom, rect.y1)
        caption = f"Figure {dice.randint(1, 9)}. What was measured, by kind and year."
        page.insert_text((60, bottom + 14), caption, fontsize=9)
        below = pymupdf.Rect(60, bottom + 28, 535, 800)
        page.insert_textbox(below, PROSE * 2, fontsize=10.5)
        prose = [Box(*word[:4]) for word in page.get_text("words") if word[3] < 168 or word[1] > bottom + 20]
        yield Scene(page, placed, prose)


def panels_of(folder: Path, name: str, matrix: pymupdf.Matrix) -> list[Placed]:
    """The chart, or each of its panels where meta.json has their boxes (shares of the page)."""
    page = pymupdf.open(folder / f"{name}.pdf")[0]
    words = [
        pymupdf.Rect(word[:4])
        for word in page.get_text("words")
        if "MathJax" not in word[4] and word[4] != "Loading" and page.rect.contains(pymupdf.Rect(word[:4]).tl)
    ]
    panels = json.loads((folder / "meta.json").read_text())[name].get("panels")
    if not panels:
        marks = [pymupdf.Rect(path["rect"]) & page.rect for path in page.get_drawings()]
        kept = [mark for mark in [*marks, *words] if mark.get_area() < 0.8 * page.rect.get_area() or len(marks) < 4]
        whole = pymupdf.Rect(page.rect) if not kept else pymupdf.Rect(kept[0])
        for mark in kept:
            whole |= mark
        return [Placed(name, [Box(*(word * matrix)) for word in words], Box(*((whole & page.rect) * matrix)))]
    placed = []
    for index, (left, top, right, bottom) in enumerate(panels):
        width, height = page.rect.width, page.rect.height
        box = pymupdf.Rect(left * width, top * height, right * width, bottom * height)
        own = [word for word in words if box.contains((word.tl + word.br) / 2)]
        placed.append(Placed(f"{name}#{index}", [Box(*(word * matrix)) for word in own], Box(*(box * matrix))))
    return placed


def verdict(chart: Placed, scene: Scene, regions: Sequence[Box]) -> str:
    """own, none, cut, shared, or too large: by the region that holds most of the chart."""
    if not regions:
        return "none"
    best = max(regions, key=lambda region: (_share(chart, region), -region.area))
    share = _share(chart, best)
    if share < 0.3:
        return "none"
    others = [other for other in scene.charts if other is not chart]
    if any(_share(other, best) > 0.5 for other in others):
        return "shared"
    if share < 1:
        return "cut"
    is_large = best.area > MOST_AREA * chart.box.area or sum(_holds(best, word) for word in scene.prose) > MOST_PROSE
    return "too large" if is_large else "own"


def _share(chart: Placed, region: Box) -> float:
    """Of its words; of its box where it has none."""
    if chart.words:
        return sum(_holds(region, word) for word in chart.words) / len(chart.words)
    share = region.intersection(chart.box).area / max(chart.box.area, 1.0)
    return 1.0 if share > 0.9 else share


def _holds(box: Box, word: Box) -> bool:
    return box.left <= (word.left + word.right) / 2 <= box.right and box.top <= (word.top + word.bottom) / 2 <= box.bottom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=SHARED_CHARTS, help="charts as PDFs with meta.json (default: shared/charts)"
    )
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--list", action="store_true", help="name each chart without a region of its own")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each of their pages, regions in red")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        raise SystemExit("there are no charts beside the repository: make some with `python -m tests.bench made_charts`")
    names = [
        name for name, traits in json.loads((arguments.folder / "meta.json").read_text()).items() if traits["type"] != "report"
    ]
    kinds = ("own", "none", "cut", "shared", "too large")
    print("| charts | n | " + " | ".join(kinds) + " | other regions |")
    print("|---|---|" + "---|" * (len(kinds) + 1))
    dice = random.Random(arguments.seed)
    for way, scenes in (("as exported", exported(arguments.folder, names)), ("on a page", on_pages(arguments.folder, names, dice))):
        counts: Counter[str] = Counter()
        listed: list[str] = []
        for number, scene in enumerate(scenes):
            found = find_regions(ShownPage(scene.page, RenderSettings()).view(), RegionSettings())
            regions = [Box(*region.rect_pt) for region in found]
            verdicts = {chart.name: verdict(chart, scene, regions) for chart in scene.charts}
            counts.update(verdicts.values())
            counts["other regions"] += sum(max(_share(chart, region) for chart in scene.charts) < 0.3 for region in regions)
            wrong = [f"{what}: {name}" for name, what in verdicts.items() if what != "own"]
            listed += wrong
            if wrong and arguments.pictures:
                picture(scene, regions, arguments.pictures / f"{way.split()[-1]}_{number:03d}_{wrong[0].replace(': ', '_')}.png")
        num_charts = sum(counts[kind] for kind in kinds)
        shares = " | ".join(f"{counts[kind]}" for kind in kinds)
        print(f"| {way} | {num_charts} | {shares} | {counts['other regions']} |  own: {counts['own'] / max(num_charts, 1):.1%}")
        if arguments.list:
            print("\n".join(f"  {line}" for line in sorted(listed)))


def picture(scene: Scene, regions: Sequence[Box], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for region in regions:
        scene.page.draw_rect(pymupdf.Rect(*region), color=(1, 0, 0), width=1.5)
    scene.page.get_pixmap(dpi=80).save(path)


if __name__ == "__main__":
    main()
