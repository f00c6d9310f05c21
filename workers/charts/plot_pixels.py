"""Where an answer's points would stand in the picture of their chart, by what the words beside it say: scales and labels.

Pictures are turned so that values grow upwards: a lying bar chart is looked at from its side.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from schemas.answers import ChartAnswer
from schemas.page import Box, PageImage, Word
from workers.charts.axes import offsets, scales
from workers.charts.points import Axis, ChartReader
from workers.labels.numbers import parse_number
from workers.labels.scales import Scale, Tick, joined_labels, longest_rows, placed
from workers.labels.times import parse_time
from workers.text.agreement import tokens_of

MAX_POINTS = 2_000
MAX_LABEL_WORDS = 6
SAME = 26
"""Levels of 255 in each channel: colours that differ by no more are one."""
UNEVEN = 0.18
"""Of a step: so far labels of an axis may lie from even places."""

Pixels = np.ndarray[Any, np.dtype[np.int16]]


class Plot(NamedTuple):
    pixels: Pixels
    """Height x width x RGB; values grow towards row 0."""
    background: "Pixels"
    base: float
    """Row of the value 0, or of the axis' end."""
    top: float
    bottom: float
    """Rows between which the axis' ticks stand."""
    beyond: float
    """Pixels that marks may go on beyond the last tick."""
    tolerance: float
    """Pixels by which a mark may stand off."""


class Frame(NamedTuple):
    """From the words' place (pixels of the page) to the picture's: rows are values, columns the other axis."""

    box: Box
    across: float
    down: float
    height: int
    is_turned: bool

    def row(self, along: float) -> float:
        """Of a place along the value axis, as `Tick.along` has it."""
        if self.is_turned:
            return self.height - 1 - (along - self.box.left) * self.across
        return (-along - self.box.top) * self.down

    def column(self, place: float) -> float:
        """Of a place along the other axis: x, of a lying chart y."""
        return (place - self.box.top) * self.down if self.is_turned else (place - self.box.left) * self.across

    def columns(self, word: Box) -> tuple[float, float]:
        low, high = (word.top, word.bottom) if self.is_turned else (word.left, word.right)
        return self.column(low), self.column(high)


def framed(image: PageImage, box: Box, *, is_turned: bool) -> tuple[Frame, Pixels]:
    """The picture of `box`, turned where values grow to the right."""
    pixels = np.frombuffer(image.rgb(), np.uint8).reshape(image.height_px, image.width_px, 3)
    if is_turned:
        pixels = pixels.transpose(1, 0, 2)[::-1]
    frame = Frame(box, image.width_px / box.width, image.height_px / box.height, pixels.shape[0], is_turned)
    return frame, pixels.astype(np.int16)


def value_scale(words: Sequence[Word], reader: ChartReader, axis: Axis) -> Scale | None:
    """The one scale that the axis prints; None where there are several, or none."""
    found = scales(words, reader, axis, is_horizontal=reader.is_horizontal)
    return found[0] if len(found) == 1 else None


def multiplied(scale: Scale, words: Sequence[Word], values: Sequence[float]) -> Scale:
    """The scale with the multiplier that its axis prints at its end (`1e6`), where more of the values lie on it so."""
    best = scale
    for factor in offsets(words):
        ticks = tuple(tick._replace(value=tick.value * factor) for tick in scale.ticks)
        other = scale._replace(ticks=ticks, slope=scale.slope / factor)
        if not scale.is_log and _num_within(other, values) > _num_within(best, values):
            best = other
    return best


def _num_within(scale: Scale, values: Sequence[float]) -> int:
    low, high = scale.range
    return sum(low <= value <= high for value in values)


def plot_of(pixels: Pixels, frame: Frame, scale: Scale) -> Plot | None:
    rows = [frame.row(tick.along) for tick in scale.ticks]
    top, bottom = min(rows), max(rows)
    low = scale.ticks[0].value
    zero = frame.row(scale.place(0.0) or 0.0) if not scale.is_log and low <= 0 <= scale.ticks[-1].value else bottom
    if bottom - top < 40 or top < -2 or bottom > pixels.shape[0] + 2:
        return None
    part = pixels[max(0, int(top)) : int(bottom)]
    if not part.size:
        return None
    beyond = 1.6 * (bottom - top) / (len(rows) - 1)
    return Plot(pixels, commonest(part), zero, top, bottom, beyond, max(3.0, 0.012 * (bottom - top)))


def commonest(part: Pixels) -> Pixels:
    """The colour that most of it has."""
    part = part[::3, ::3] if part.shape[0] * part.shape[1] > 20_000 else part
    sample = part.reshape(-1, 3) >> 3
    keys = (sample[:, 0].astype(np.int32) << 10) | (sample[:, 1] << 5) | sample[:, 2]
    at = int(np.bincount(keys).argmax())
    members = part.reshape(-1, 3)[keys == at]
    return np.median(members, axis=0).astype(np.int16)


def label_places(texts: Iterable[str | None], words: Sequence[Word], frame: Frame) -> dict[str, float]:
    """Column of each category whose label stands in the row of labels along the axis; empty where they stand unevenly."""
    wanted = {text: "".join(tokens_of(text)) for text in texts if text}
    if len(wanted) < 3:
        return {}
    boxes = {text: found for text, compact in wanted.items() if compact and (found := occurrences(compact, words))}
    rows: dict[int, dict[str, Box]] = {}
    doubled: set[int] = set()  # rows that say a label twice: panels
    for text, found in boxes.items():
        for box in found:
            edge = box.right if frame.is_turned else box.top
            for bucket in {round(edge / 8), round(edge / 8 + 0.5)}:
                row = rows.setdefault(key := 2 * bucket + (round(edge / 8) != bucket), {})
                if row.setdefault(text, box) is not box:
                    doubled.add(key)
    if not rows:
        return {}
    key = max(rows, key=lambda each: len(rows[each]))
    row = rows[key]
    if key in doubled or len(row) < max(3, 0.6 * len(wanted)):
        return {}
    spans = {text: frame.columns(box) for text, box in row.items()}
    anchors = [
        {text: low for text, (low, _) in spans.items()},
        {text: (low + high) / 2 for text, (low, high) in spans.items()},
        {text: high for text, (_, high) in spans.items()},
    ]
    best = min(anchors, key=_unevenness)
    return best if _unevenness(best) <= UNEVEN else {}


def occurrences(compact: str, words: Sequence[Word]) -> list[Box]:
    """Boxes around the words that say it, in a row of the text."""
    tokens = [_compact(word.text) for word in words]
    found = []
    for first, token in enumerate(tokens):
        if not token or not compact.startswith(token):
            continue
        said, box = "", words[first].box
        for word, more in zip(words[first : first + MAX_LABEL_WORDS], tokens[first : first + MAX_LABEL_WORDS], strict=True):
            said, box = said + more, box.union(word.box)
            if said == compact:
                found.append(box)
                break
            if not compact.startswith(said):
                break
    return found


@lru_cache(maxsize=8192)
def _compact(word: str) -> str:
    """The same words are looked through for each of a chart's labels."""
    return "".join(tokens_of(word))


def step_of(places: Iterable[float]) -> float:
    """The distance between neighbours; of places with holes the least that comes often."""
    ordered = sorted(places)
    gaps = [later - earlier for earlier, later in pairwise(ordered)]
    return float(np.percentile(gaps, 25)) if gaps else 0.0


def _unevenness(places: dict[str, float]) -> float:
    step = step_of(places.values())
    if step < 4:
        return math.inf
    gaps = [(later - earlier) / step for earlier, later in pairwise(sorted(places.values()))]
    return max(abs(gap - max(1, round(gap))) for gap in gaps)


def x_scale(answer: ChartAnswer, words: Sequence[Word], *, is_time: bool) -> Scale | None:
    """The scale of numbers or dates below the plot: the lowest, where there are several rows."""
    labels = joined_labels(words)
    ticks: list[Tick] = []
    for label in labels:
        value = x_value(label.text, is_time=is_time)
        if value is not None:
            ticks.append(placed(value, label, True))
    rows = [scale for scale in longest_rows(ticks) if scale.is_log == (answer.x_scale == "log")]
    return max(rows, key=lambda scale: scale.across) if rows else None


def x_value(text: str | None, *, is_time: bool) -> float | None:
    if not text:
        return None
    if is_time:
        time = parse_time(text)
        return time.timestamp() if time else None
    number = parse_number(text)
    return number.value if number and math.isfinite(number.value) else None


def is_like(pixels: Pixels, colour: Pixels, most: int = SAME) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    return np.abs(pixels - colour).max(axis=-1) <= most
