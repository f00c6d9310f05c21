"""Charts read from shapes and labels alone: what is right, and what has to be refused."""

import math
import random
from itertools import pairwise

import pytest

from schemas.page import Box
from tests.workers.rendering.pages.vector_charts.drawn import (
    AREA,
    BLACK,
    BLUE,
    GREY,
    PLOT,
    RED,
    WHITE,
    bars,
    label,
    lines,
    polyline,
    rect,
    rule,
    slot_x,
    x_at,
    y_at,
    y_axis,
)
from workers.rendering.pages.vector_charts.found import REASONS
from workers.rendering.pages.vector_charts.glued_ticks import parted
from workers.rendering.pages.vector_charts.labels import Label
from workers.rendering.pages.vector_charts.marks.shapes import Shape, ShapeCollector, shape_of
from workers.rendering.pages.vector_charts.reader import Drawing, Reading, read_chart

NAMES = ["Oak", "Elm", "Fir", "Ash"]
ONE = {"": (BLUE, [50.0, 20.0, 80.0, 35.0])}
TWO = {"men": (BLUE, [50.0, 20.0, 80.0, 35.0]), "women": (RED, [10.0, 30.0, 15.0, 60.0])}
TICKS = {0.0: "0", 2.0: "2", 4.0: "4", 6.0: "6", 8.0: "8", 10.0: "10"}
WALK = [(0.0, 10.0), (1.0, 45.0), (2.0, 30.0), (4.0, 70.0), (7.0, 20.0), (10.0, 90.0)]


def with_shapes(drawing: Drawing, *shapes: Shape) -> Drawing:
    return drawing._replace(shapes=[*drawing.shapes, *shapes])


def with_labels(drawing: Drawing, *labels: Label) -> Drawing:
    return drawing._replace(labels=[*drawing.labels, *labels])


def rows(reading: Reading) -> list[list[str | None]]:
    assert reading.answer is not None, (reading.reason, reading.detail)
    return reading.answer.rows


def test_single_bars_need_no_legend() -> None:
    reading = read_chart(bars(NAMES, ONE, has_legend=False))

    assert rows(reading) == [["Oak", "50"], ["Elm", "20"], ["Fir", "80"], ["Ash", "35"]]
    assert reading.answer is not None
    assert (reading.answer.chart, reading.answer.series, reading.answer.printed) == ("bar", [], "none")


def test_grouped_bars_are_named_by_the_legend() -> None:
    reading = read_chart(bars(NAMES, TWO))

    assert rows(reading) == [["Oak", "50", "10"], ["Elm", "20", "30"], ["Fir", "80", "15"], ["Ash", "35", "60"]]
    assert reading.answer is not None
    assert (reading.answer.series, reading.answer.subtype) == (["men", "women"], "grouped")


def test_stacked_bars_are_their_own_lengths() -> None:
    series = {"men": (BLUE, [30.0, 20.0, 40.0, 35.0]), "women": (RED, [10.0, 30.0, 15.0, 60.0])}

    reading = read_chart(bars(NAMES, series, is_stacked=True))

    assert rows(reading)[3] == ["Ash", "35", "60"]
    assert reading.answer is not None
    assert reading.answer.subtype == "stacked"


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        ({20: "1.000", 60: "3.000", 100: "5.000"}, None),  # one or a thousand: nothing says which
        ({0: "0", 50: "1.000", 100: "2.000"}, "1000"),
        ({0: "0", 25: "500", 50: "1.000", 75: "1.500", 100: "2.000"}, "1000"),
        ({0: "0", 50: "0,5", 100: "1,0"}, "0,5"),
        ({0: "0%", 50: "50%", 100: "100%"}, "50"),
        ({0: "$0M", 50: "$1M", 100: "$2M"}, "1000000"),
        ({0: "−50", 50: "0", 100: "50"}, None),  # the bars do not begin at zero
    ],
)
def test_ticks_are_read_in_their_own_writing(texts: dict[float, str], first: str | None) -> None:
    reading = read_chart(bars(NAMES, ONE, texts=texts, has_legend=False))

    assert (reading.answer.rows[0][1] if reading.answer else None) == first


def test_printed_values_are_taken_verbatim_where_the_bars_say_the_same() -> None:
    drawing = bars(NAMES, ONE, has_legend=False)
    printed = [label(f"{value:.1f}", slot_x(index, 4), y_at(value) - 6) for index, value in enumerate(ONE[""][1])]

    reading = read_chart(with_labels(drawing, *printed))

    assert [row[1] for row in rows(reading)] == ["50.0", "20.0", "80.0", "35.0"]
    assert reading.answer is not None
    assert reading.answer.printed == "all"


def test_lines_are_read_at_their_corners_and_a_corner_left_out_lies_on_the_line() -> None:
    straight = [(0.0, 10.0), (1.0, 20.0), (4.0, 50.0), (7.0, 20.0), (10.0, 50.0)]  # nothing at 2, where the other has a corner

    reading = read_chart(lines({"a": (BLUE, WALK), "b": (RED, straight)}, x_texts=TICKS))

    assert rows(reading)[2] == ["2", "30", "30"]
    assert reading.answer is not None
    assert reading.answer.x_kind == "number"


@pytest.mark.parametrize(
    ("text", "heights", "is_read"),
    [
        pytest.param("2", [80.0, 60.0, 50.0, 40.0, 60.0, 20.0], False, id="a series drawn as text"),
        pytest.param("+", [80.0, 60.0, 0.0, 0.0, 0.0, 0.0], True, id="two characters are a remark"),
        pytest.param("o", [y for _, y in WALK], True, id="markers at the corners of the line"),
        pytest.param("45", [45.0, 43.0, 46.0, 0.0, 0.0, 0.0], True, id="values at their height"),
    ],
)
def test_characters_that_stand_for_points_are_a_series(text: str, heights: list[float], is_read: bool) -> None:
    drawing = lines({"a": (BLUE, WALK)}, x_texts=TICKS, has_legend=False)
    marks = [label(text, x_at(x), y_at(height)) for (x, _), height in zip(WALK, heights, strict=True) if height]

    reading = read_chart(with_labels(drawing, *marks))

    assert (reading.reason is None) == is_read
    assert is_read or (reading.reason, reading.detail) == ("unknown_marks", f"'{text}' stands 6 times in the plot")


def broken_line(missing: int | None = None) -> Drawing:
    """A line that stops short of its round markers, one of which may be missing."""
    drawing = lines({}, x_texts=TICKS, has_legend=False)
    places = [(x_at(x), y_at(y)) for x, y in WALK]
    pieces = []
    for one, other in pairwise(places):
        share = 3.4 / math.dist(one, other)
        ends = [tuple((1 - part) * a + part * b for a, b in zip(one, other, strict=True)) for part in (share, 1 - share)]
        pieces.append(polyline([(x, y) for x, y in ends], BLUE))
    circle = [(2 * math.cos(part * math.pi / 8), 2 * math.sin(part * math.pi / 8)) for part in range(16)]
    for place, (x, y) in enumerate(places):
        if place != missing:
            pieces.append(shape_of([(x + dx, y + dy) for dx, dy in circle], look=(None, BLUE, 0.8, "", 1.0), is_closed=True))
    return with_shapes(drawing, *pieces)


def test_a_line_that_stops_short_of_its_markers_is_read_at_them() -> None:
    assert rows(read_chart(broken_line())) == [[f"{x:g}", f"{y:g}"] for x, y in WALK]


@pytest.mark.parametrize("missing", [0, 2, 5])
def test_ends_of_a_line_with_gaps_are_no_points(missing: int) -> None:
    assert read_chart(broken_line(missing)).reason == "unknown_marks"


def test_powers_of_ten_are_a_logarithmic_axis() -> None:
    texts = {0: "10^0", 50: "10^1", 100: "10^2"}
    shapes, labels = y_axis(texts)
    shapes += [rect(*PLOT, None, BLACK), polyline([(x_at(0), y_at(0)), (x_at(5), y_at(75)), (x_at(10), y_at(100))], BLUE)]
    labels += [label(text, x_at(x), PLOT.bottom + 10) for x, text in TICKS.items()]

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert [row[1] for row in rows(reading)] == ["1", "31.62", "100"]


def test_dates_are_days() -> None:
    texts = {0.0: "Jan 2020", 10 * 182 / 366: "Jul 2020", 10.0: "Jan 2021"}

    reading = read_chart(lines({"": (BLUE, [(0.0, 10.0), (5.0, 20.0), (10.0, 30.0)])}, x_texts=texts, has_legend=False))

    assert [row[0] for row in rows(reading)] == ["2020-01-01", "2020-07-02", "2021-01-01"]


def test_fill_and_outline_of_a_marker_are_one_point() -> None:
    shapes, labels = y_axis()
    shapes.insert(0, rect(*PLOT, WHITE, BLACK))
    labels += [label(text, x_at(x), PLOT.bottom + 10) for x, text in TICKS.items()]
    shapes += [rule(x_at(x), PLOT.bottom, x_at(x), PLOT.bottom + 4) for x in TICKS]
    for x, y in WALK:
        box = (x_at(x) - 2, y_at(y) - 2, x_at(x) + 2, y_at(y) + 2)
        shapes += [rect(*box, RED), rect(*box, None, BLACK)]

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert reading.answer is not None, (reading.reason, reading.detail)
    assert reading.answer.points == [[["0", "10"], ["1", "45"], ["2", "30"], ["4", "70"], ["7", "20"], ["10", "90"]]]


def second_axis(drawing: Drawing) -> Drawing:
    ticks = [rule(PLOT.right, y_at(value), PLOT.right + 4, y_at(value)) for value in (0, 20, 40, 60, 80, 100)]
    return with_labels(
        with_shapes(drawing, *ticks),
        *(label(f"{value / 20:g}", PLOT.right + 6, y_at(value), align="left") for value in (0, 20, 40, 60, 80, 100)),
    )


def moved_off_the_base(drawing: Drawing) -> Drawing:
    bar = next(index for index, shape in enumerate(drawing.shapes) if shape.fill == BLUE)
    box = drawing.shapes[bar].box
    shapes = list(drawing.shapes)
    shapes[bar] = rect(box.left, box.top - 20, box.right, box.bottom - 20, BLUE)
    return drawing._replace(shapes=shapes)


def with_error_bars(drawing: Drawing) -> Drawing:
    return with_shapes(drawing, *(rule(slot_x(index, 4), y_at(30), slot_x(index, 4), y_at(50)) for index in range(4)))


SINGLE = bars(NAMES, ONE, has_legend=False)
STEPS = [(0.0, 10.0), (3.0, 10.0), (3.0, 40.0), (6.0, 40.0), (6.0, 70.0), (10.0, 70.0)]
TRAPS = {
    "second_axis": second_axis(SINGLE),
    "floating_bars": moved_off_the_base(SINGLE),
    "unknown_marks": with_error_bars(SINGLE),
    "unnamed_series": bars(NAMES, TWO, has_legend=False),
    "step_line": lines({"": (BLUE, STEPS)}, x_texts=TICKS, has_legend=False),
    "same_look": lines({"a": (BLUE, WALK), "b": (BLUE, [(x, 100 - y) for x, y in WALK])}, x_texts=TICKS),
    "mixed_marks": with_shapes(SINGLE, polyline([(slot_x(index / 2, 4), y_at(10 + 10 * index)) for index in range(6)], RED)),
    "several_panels": bars([*NAMES[:2], *NAMES[:2]], ONE, has_legend=False),
    "categories_unclear": SINGLE._replace(labels=[each for each in SINGLE.labels if each.text != "Elm"]),
    "no_axes": SINGLE._replace(labels=[each for each in SINGLE.labels if not each.text.isdigit()]),
    "no_marks": SINGLE._replace(shapes=[shape for shape in SINGLE.shapes if shape.fill != BLUE]),
    "odd_drawing": SINGLE._replace(num_lost=1),
}


@pytest.mark.parametrize("reason", list(TRAPS))
def test_what_cannot_be_known_is_refused(reason: str) -> None:
    reading = read_chart(TRAPS[reason])

    assert (reading.answer, reading.reason) == (None, reason)


def test_a_bar_cut_off_at_the_top_is_refused() -> None:
    reading = read_chart(bars(NAMES, {"": (BLUE, [50.0, 20.0, 130.0, 35.0])}, has_legend=False))

    assert (reading.answer, reading.reason) == (None, "beyond_plot")


def test_unexplained_pixels_refuse_what_else_would_be_read() -> None:
    reading = read_chart(SINGLE, lambda plot, shapes, labels, filled: "a pattern")

    assert (reading.answer, reading.reason) == (None, "unexplained_ink")


def test_an_office_frame_around_the_labels_is_not_the_plot() -> None:
    framed = with_shapes(SINGLE, rect(2, 2, 398, 298, None, GREY))

    assert rows(read_chart(framed)) == rows(read_chart(SINGLE))


def test_prose_above_is_no_title() -> None:
    prose = [label("He wrote down the height of the water twice a day for years", 150, 8 + 9 * line, size=8) for line in range(3)]

    reading = read_chart(with_labels(SINGLE, *prose))

    assert reading.answer is not None
    assert reading.answer.title is None


def odd_path(numbers: random.Random) -> dict[str, object]:
    def figure() -> float:
        return numbers.choice([numbers.uniform(-50, 450), 0.0, math.nan, math.inf, -1e30, 1e9])

    kind = numbers.choice(["l", "c", "re", "qu"])
    point = lambda: (figure(), figure())  # noqa: E731
    item = {
        "l": ("l", point(), point()),
        "c": ("c", point(), point(), point(), point()),
        "re": ("re", (figure(), figure(), figure(), figure()), 1),
        "qu": ("qu", (point(), point(), point(), point())),
    }[kind]
    return {
        "type": numbers.choice(["f", "s", "fs", "clip", "group"]),
        "level": numbers.randint(0, 40),
        "scissor": (figure(), figure(), figure(), figure()),
        "rect": (0.0, 0.0, 400.0, 300.0),
        "fill": (0.1, 0.2, 0.9),
        "color": (math.nan, 0.0, 0.0),
        "width": numbers.choice([0.5, 1.0]),
        "dashes": "[] 0",
        "items": [item] * numbers.randint(1, 5),
    }


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.slow
def test_odd_drawings_end_in_a_reading_or_a_reason(seed: int) -> None:
    numbers = random.Random(seed)
    collector = ShapeCollector(AREA)
    for _ in range(200):
        collector.add(odd_path(numbers))
    shuffled = [*SINGLE.shapes, *collector.shapes]
    numbers.shuffle(shuffled)

    reading = read_chart(Drawing(AREA, shuffled, SINGLE.labels))

    assert reading.answer is not None or reading.reason in REASONS


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.slow
def test_a_drawing_with_a_part_lost_is_not_read_wrong(seed: int) -> None:
    numbers = random.Random(seed)
    whole = bars(NAMES, TWO)
    kept = [shape for shape in whole.shapes if numbers.random() > 0.05]
    labels = [each for each in whole.labels if numbers.random() > 0.05]

    reading = read_chart(Drawing(AREA, kept, labels))

    truth = {(name, series): value for series, (_, values) in TWO.items() for name, value in zip(NAMES, values, strict=True)}
    if reading.answer is not None:
        for row in reading.answer.rows:
            for series, value in zip(reading.answer.series, row[1:], strict=True):
                assert value is None or float(value) == truth[row[0] or "", series]


@pytest.mark.slow
def test_more_shapes_than_a_chart_has_are_given_up_on_early() -> None:
    collector = ShapeCollector(AREA)
    path = {"type": "f", "rect": (0, 0, 9, 9), "fill": (0, 0, 0), "items": [("re", (0, 0, 9, 9), 1)] * 100}

    for _ in range(1_000):
        collector.add(path)

    assert collector.is_too_much
    assert len(collector.shapes) < 13_000


def test_a_turned_page_is_read_as_displayed() -> None:
    collector = ShapeCollector(Box(0, 0, 300, 400), (0, 1, -1, 0, 300, 0))

    collector.add({"type": "f", "rect": (10, 20, 30, 60), "fill": (0, 0, 0), "items": [("re", (10, 20, 30, 60), 1)]})

    assert collector.shapes[0].box == Box(240, 10, 280, 30)


def test_shapes_know_rules_rectangles_lines_and_polygons() -> None:
    def kind(points: list[tuple[float, float]], *, is_closed: bool = False) -> str:
        return shape_of(points, is_closed=is_closed).kind

    assert kind([(0, 0), (50, 0)]) == "rule"
    assert kind([(0, 0), (50, 30)]) == "line"
    assert kind([(0, 0), (50, 0), (50, 20), (0, 20)], is_closed=True) == "rect"
    assert kind([(0, 0), (50, 0), (25, 20)], is_closed=True) == "polygon"
    assert kind([(0, 0), (10, 30), (20, 5), (30, 40)]) == "line"


def combo(values: list[float], has_names: bool = True) -> Drawing:
    """Bars and a line over the middles of as many of them as there are values."""
    drawing = with_shapes(
        bars(NAMES, ONE, has_legend=False), polyline([(slot_x(index, 4), y_at(value)) for index, value in enumerate(values)], RED)
    )
    if not has_names:
        return drawing
    samples = [rect(362, 57, 374, 63, BLUE), rule(363, 72, 373, 72, RED)]
    names = [label("sold", 378, 60, align="left", size=6), label("planned", 378, 72, align="left", size=6)]
    return with_labels(with_shapes(drawing, *samples), *names)


def test_bars_and_a_line_on_one_axis_are_read_as_two_series() -> None:
    reading = read_chart(combo([40.0, 30.0, 70.0, 45.0]))

    assert rows(reading) == [["Oak", "50", "40"], ["Elm", "20", "30"], ["Fir", "80", "70"], ["Ash", "35", "45"]]
    assert reading.answer is not None
    assert (reading.answer.chart, reading.answer.series) == ("combo", ["sold", "planned"])


@pytest.mark.parametrize(
    ("drawing", "reason"),
    [
        (combo([40.0, 30.0, 70.0, 45.0], has_names=False), "unnamed_series"),
        (combo([40.0, 30.0, 70.0]), "mixed_marks"),  # it ends before the last bar
        (combo([40.0, 40.0]), "unknown_marks"),
    ],
)
def test_a_line_over_bars_that_is_no_series_is_refused(drawing: Drawing, reason: str) -> None:
    assert read_chart(drawing).reason == reason


def glued(*texts: str, at: float) -> Label:
    """Labels of one line without a gap: each as wide as its text."""
    whole = label(" ".join(texts) if "e" in texts[-1] else "".join(texts), at, PLOT.bottom + 10, align="left")
    glyphs = [Box(at + 4 * index, whole.box.top, at + 4 * index + 4, whole.box.bottom) for index in range(len("".join(texts)))]
    return whole._replace(glyphs=tuple(glyphs))


def test_ticks_that_touch_are_parted_where_they_lie_on_the_scale() -> None:
    drawing = lines({"": (BLUE, WALK)}, x_texts={}, has_legend=False)
    ticks = [rule(x_at(x), PLOT.bottom, x_at(x), PLOT.bottom + 4) for x in range(0, 11, 2)]
    others = [label(str(2000 + x), x_at(x), PLOT.bottom + 10) for x in range(4, 11, 2)]
    touching = glued("2000", "2002", at=x_at(0) - 8)
    wide = touching._replace(
        glyphs=tuple(glyph._replace(left=x_at(x) - 8 + 4 * i, right=x_at(x) - 4 + 4 * i)
                     for x in (0, 2) for i, glyph in enumerate(touching.glyphs[:4]))
    )  # fmt: skip

    reading = read_chart(with_labels(with_shapes(drawing, *ticks), *others, wide))

    assert [row[0] for row in rows(reading)] == ["2000", "2001", "2002", "2004", "2007", "2010"]
    assert [each.text for each in parted([touching, label("30", 300, PLOT.bottom + 10)])] == ["20002002", "30"]


def test_a_multiplier_behind_the_last_tick_is_one() -> None:
    assert [each.text for each in parted([glued("1.0", "1e8", at=40)])] == ["1.0", "1e8"]


def test_what_is_added_to_an_axis_is_added() -> None:
    drawing = with_labels(
        lines({"": (BLUE, WALK)}, x_texts=TICKS, has_legend=False), label("+2e3", PLOT.right - 8, PLOT.bottom + 22)
    )

    assert [row[0] for row in rows(read_chart(drawing))] == ["2000", "2001", "2002", "2004", "2007", "2010"]


def test_a_pie_of_short_strokes_is_read() -> None:
    shapes, labels, start = [], [], 0.0
    for name, share, colour in (("Oak", 25, BLUE), ("Elm", 60, RED), ("Fir", 15, GREY)):
        turns = [2 * math.pi * (start + share / 100 * step / 24) for step in range(25)]
        rim = [(200 + 80 * math.cos(turn), 150 + 80 * math.sin(turn)) for turn in turns]
        shapes.append(shape_of([*rim, (200.0, 150.0)], look=(colour, None, 0.0, "", 1.0), is_closed=True))
        labels.append(label(name, 200 + 92 * math.cos(turns[12]), 150 + 92 * math.sin(turns[12])))
        start += share / 100

    reading = read_chart(Drawing(AREA, shapes, labels))

    assert rows(reading) == [["Oak", "25.00%"], ["Elm", "60.00%"], ["Fir", "15.00%"]]


def test_years_beside_samples_are_a_legend_and_no_second_axis() -> None:
    series = {
        "2021": (BLUE, [50.0, 20.0, 80.0, 35.0]),
        "2022": (RED, [10.0, 30.0, 15.0, 60.0]),
        "2023": (GREY, [5.0, 9.0, 40.0, 7.0]),
    }

    reading = read_chart(bars(NAMES, series))

    assert rows(reading)[0] == ["Oak", "50", "10", "5"]


def test_an_open_frame_drawn_as_one_stroke_is_furniture() -> None:
    drawing = lines({"": (BLUE, WALK)}, x_texts=TICKS, has_legend=False)
    shapes = [shape for shape in drawing.shapes if shape.kind != "rect" and shape.side < 100]
    corner = polyline([(PLOT.left, PLOT.top), (PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom)], BLACK)
    walk = next(shape for shape in drawing.shapes if shape.stroke == BLUE)

    reading = read_chart(drawing._replace(shapes=[*shapes, corner, walk]))

    assert [row[1] for row in rows(reading)] == ["10", "45", "30", "70", "20", "90"]
