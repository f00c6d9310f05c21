"""What was found, as the answer that a model would give: verbatim texts where they are printed, computed ones elsewhere."""

import statistics
from collections.abc import Mapping, Sequence

from schemas.answers import ChartAnswer
from schemas.page import Box
from workers.labels.axis_units import axis_unit
from workers.labels.times import parse_time
from workers.rendering.pages.vector_charts.axes import Axis, Direction
from workers.rendering.pages.vector_charts.found import Found, Value
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.scales import is_number
from workers.rendering.pages.vector_charts.x_texts import log_text, number_text

MAX_TITLE_WORDS = 25


def chart_answer(
    found: Found, axes: Mapping[Direction, Axis | None], plot: Box, labels: Sequence[Label], taken: Sequence[Label], area: Box
) -> ChartAnswer:
    """`taken`: labels that are ticks, categories or legend, and so no title."""
    is_lying = found.kind == "bar" and "horizontal" in (found.subtype or "")
    value_axis = axes["x" if is_lying else "y"]
    other_axis = axes["y" if is_lying else "x"]
    used = set(taken)
    free = [label for label in labels if label not in used]
    level, upright = axis_titles(free, plot, axes)
    y_label, x_label = (level, upright) if is_lying else (upright, level)
    ordinary = statistics.median(label.size for label in taken) if taken else 0.0
    title = chart_title([label for label in free if label.text not in (level, upright)], plot, area, ordinary)
    unit = "%" if found.is_percent else value_axis and value_axis.scale.unit
    if not unit and y_label:
        unit = axis_unit(None, f"({y_label})").unit  # a label that is a unit and nothing else
    elif unit and axis_unit(None, y_label).scale != 1.0:
        unit = None  # the label has both
    printed = [value.printed is not None for series in found.values for value in series if value is not None]
    names = [name or "" for name in found.series]
    x_kind = found.x_kind
    if x_kind == "category" and found.x_texts and all(parse_time(text) is not None for text in found.x_texts):
        x_kind = "time"
    return ChartAnswer(
        chart=found.kind,
        subtype=found.subtype,
        title=title,
        x=x_label,
        x_unit=other_axis.scale.unit if other_axis and found.x_kind == "number" else None,
        x_kind=x_kind,
        x_scale=("log" if found.x_log else "linear") if found.x_kind == "number" else None,
        y=y_label,
        unit=unit,
        scale=None if value_axis is None else "log" if value_axis.scale.kind == "log" else "linear",
        printed="none" if not any(printed) else "all" if all(printed) else "some",
        series=names if any(names) else [],
        rows=_rows(found, value_axis),
        points=[[[x, _text(y, value_axis)] for x, y in series] for series in found.points],
    )


def _rows(found: Found, axis: Axis | None) -> list[list[str | None]]:
    return [
        [x, *(_value_text(series[place], axis, is_percent=found.is_percent) for series in found.values)]
        for place, x in enumerate(found.x_texts)
        if any(series[place] is not None for series in found.values)
    ]


def _value_text(value: Value | None, axis: Axis | None, *, is_percent: bool) -> str | None:
    if value is None:
        return None
    if value.printed is not None:
        return value.printed
    return f"{value.number:.2f}%" if is_percent and axis is None else _text(value.number, axis)


def _text(value: float, axis: Axis | None) -> str:
    if axis is None:
        return number_text(value, 100)
    if axis.scale.kind == "log":
        return log_text(value, axis.scale.decimal)
    return number_text(value, axis.scale.span, axis.scale.decimal)


def axis_titles(labels: Sequence[Label], plot: Box, axes: Mapping[Direction, Axis | None]) -> tuple[str | None, str | None]:
    """Of the axis below the plot and of that beside it: the text centred along the plot, nearest beyond the tick labels."""
    level = [
        label
        for label in labels
        if label.is_level
        and label.box.top > plot.bottom
        and abs(label.centre[0] - (plot.left + plot.right) / 2) <= 0.06 * plot.width + 4
        and label.box.top < plot.bottom + 8 * label.size
    ]
    upright = [
        label
        for label in labels
        if abs(label.angle - 90) < 5
        and label.box.right < plot.left
        and abs(label.centre[1] - (plot.top + plot.bottom) / 2) <= 0.1 * plot.height + 4
        and label.box.right > plot.left - 12 * label.size
    ]
    below = min(level, key=lambda label: label.box.top, default=None)
    beside = max(upright, key=lambda label: label.box.right, default=None)
    return below and below.text, beside and beside.text


def chart_title(labels: Sequence[Label], plot: Box, area: Box, ordinary: float) -> str | None:
    """The text nearest above the plot that is centred over it, or begins where it (or the region) does; no paragraph. Where larger
    text follows upwards, the first was a subtitle. `ordinary`: the size of ticks and legend; a title is no smaller."""
    above = [
        label
        for label in labels
        if label.is_level
        and label.box.bottom <= plot.top + 2
        and label.box.top >= plot.top - 9 * label.size
        and _is_placed(label, plot, area)
    ]
    above = [label for label in above if len(label.text.split()) <= MAX_TITLE_WORDS and not is_number(label.text)]
    above.sort(key=lambda label: -label.box.bottom)
    chain = [label for label in above[:1] if label.box.bottom > plot.top - 5 * label.size]
    for label in above[1:]:
        if chain and chain[-1].box.top - label.box.bottom <= 0.6 * label.size:
            chain.append(label)
    if not chain or chain[0].size < 0.98 * ordinary:
        return None
    same = [label for label in chain if abs(label.size - chain[0].size) <= 0.02 * label.size]
    if len(same) > 2:
        return None  # a paragraph
    if len(chain) > len(same) and chain[len(same)].size > 1.08 * chain[0].size and len(chain[len(same)].text.split()) <= 15:
        return chain[len(same)].text  # what stands next to the plot is a subtitle
    return " ".join(label.text for label in reversed(same))


def _is_placed(label: Label, plot: Box, area: Box) -> bool:
    middle = label.centre[0]
    em = label.size
    is_centred = any(abs(middle - (box.left + box.right) / 2) <= 0.03 * box.width + em for box in (plot, area))
    begins = -0.5 * em <= label.box.left - area.left and label.box.left <= plot.left + 2 * em
    return label.box.left >= area.left - em and label.box.right <= area.right + em and (is_centred or begins)
