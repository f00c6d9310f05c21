"""Which lines around a chart's drawing are its own: title, axis and tick labels, legend, caption; no running text."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from schemas.page import Box
from workers.rendering.pages.finding_regions.page_lines import Line, contains_centre, gap, height_of

NEAR_EM = (0.6, 1.2, 1.8, 2.5, 3.2)
"""Title, labels, legend and caption stand within so many of their own heights of what they name: the nearest first, so that a label
between two charts goes to the one whose ticks it follows."""
ALONE_EM = (4.0, 6.0, 8.0)
"""Farther ones, on a page without running text."""
UPWARDS_EM = 1.3
TALL_PT = 14.0
"""Larger letters reach no farther."""
CAPTION = re.compile(
    r"(fig|chart|graph|diagram|abb|grafik|gráf|gráfico|figur|schaubild|plate|图|圖|図|рис|диаграм|شكل|चित्र|आकृति)", re.IGNORECASE
)


def captions_of(lines: Sequence[Line], cores: Sequence[Box]) -> dict[int, tuple[Box, Box]]:
    """Blocks that begin as captions do: their box, and the core each belongs to, the nearest; of two, the one above."""
    boxes: dict[int, Box] = {}
    for line in lines:
        if CAPTION.match(line.text) or line.block in boxes:
            boxes[line.block] = boxes.get(line.block, line.box).union(line.box)
    owners = {}
    for block, box in boxes.items():
        near = [core for core in cores if box.left < core.right and box.right > core.left]
        if near:
            owners[block] = box, min(near, key=lambda core: gap(core, box) + (20 if core.top > box.top else 0))
    return owners


def with_labels(cores: Sequence[Box], lines: Sequence[Line], captions: Mapping[int, tuple[Box, Box]], page_box: Box) -> list[Box]:
    """Each core with the lines that belong to it; a line belongs to one core at most, its nearest."""
    num_in_block = Counter(line.block for line in lines if line.num_numbers < line.num_words)  # `1e6` may share a title's line
    num_prose = Counter(line.block for line in lines if line.is_prose)
    prose = {block for block, count in num_prose.items() if num_in_block[block] > 1 and 2 * count >= num_in_block[block]}
    is_alone = not prose
    limits = [_limit(core, captions, page_box, 60.0 if is_alone else 0.0) for core in cores]
    boxes = list(cores)
    waiting = [line for line in lines if any(contains_centre(limit, line.box) for limit in limits)]
    for reach_em in (*NEAR_EM, *(ALONE_EM if is_alone else ())):
        for _ in range(3):
            ordered = sorted(waiting, key=lambda line: min(_away(line, core, box) for core, box in zip(cores, boxes, strict=True)))
            left = [line for line in ordered if not _taken(line, cores, boxes, limits, captions, prose, reach_em)]
            is_done = len(left) == len(waiting)
            waiting = left
            if is_done:
                break
    return [box.intersection(page_box) for box in boxes]


def _taken(
    line: Line,
    cores: Sequence[Box],
    boxes: list[Box],
    limits: Sequence[Box],
    captions: Mapping[int, tuple[Box, Box]],
    prose: Collection[int],
    reach_em: float,
) -> bool:
    """Adds the line to the nearest box that may have it."""
    reach = reach_em * min(height_of(line), TALL_PT)
    near = sorted(
        (away, index)
        for index, (core, box) in enumerate(zip(cores, boxes, strict=True))
        if gap(box, line.box) <= reach and (away := _away(line, core, box)) <= 2 * reach
    )
    for _, index in near:
        core = cores[index]
        is_own = captions[line.block][1] == core if line.block in captions else _is_label(line, core, prose)
        wider = boxes[index].union(line.box)
        if is_own and contains_centre(limits[index], line.box) and not _trespasses(wider, index, boxes):
            boxes[index] = wider
            return True
    return False


def _away(line: Line, core: Box, box: Box) -> float:
    """Points between a line and a chart, half to its drawing and half to what it has grown to, with what speaks against it.

    What is written upwards stands left of its chart more often than right of one. Numbers right of a chart, at its height, count
    as nearer: a colour bar whose gradient is no mark may stand between.
    """
    away = (gap(core, line.box) + gap(box, line.box)) / 2
    if line.box.left < core.right:
        return away
    if line.num_numbers * 2 > line.num_words and core.top <= (line.box.top + line.box.bottom) / 2 <= core.bottom:
        return 0.6 * away
    is_upwards = line.box.height > 1.5 * line.box.width
    return away + UPWARDS_EM * height_of(line) if is_upwards else away


def _trespasses(wider: Box, index: int, boxes: Sequence[Box]) -> bool:
    """True if the box takes more of another one than it did."""
    return any(
        wider.intersection(other).area > max(0.03 * other.area, 1.05 * boxes[index].intersection(other).area)
        for place, other in enumerate(boxes)
        if place != index
    )


def _limit(core: Box, captions: Mapping[int, tuple[Box, Box]], page_box: Box, more: float) -> Box:
    limit = Box(core.left - 90 - more, core.top - 80 - more, core.right + 110 + more, core.bottom + 110 + more)
    limit = limit.intersection(page_box)
    for caption, _ in captions.values():  # nothing beyond a caption belongs to the chart
        if caption.right < core.left or caption.left > core.right:
            continue
        if caption.top >= core.bottom - 2:
            limit = limit._replace(bottom=min(limit.bottom, caption.bottom + 1))
        elif caption.bottom <= core.top + 2:
            limit = limit._replace(top=max(limit.top, caption.top - 1))
    return limit


def _is_label(line: Line, core: Box, prose: Collection[int]) -> bool:
    """No line of a paragraph; a sentence of its own only where it is shorter than the chart, as titles are."""
    if line.block in prose:
        return False
    length, side = (line.box.height, core.height) if line.box.height > line.box.width else (line.box.width, core.width)
    return not line.is_prose or length <= 0.9 * side
