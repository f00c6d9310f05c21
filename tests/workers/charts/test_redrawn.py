"""An answer held against the picture of its chart: what is right is left alone, what is wrong is said, what is unclear is not."""

import random
from collections.abc import Callable, Sequence

import pytest
from PIL import Image, ImageDraw

from schemas.answers import ChartAnswer
from schemas.page import Box, PageImage, Word
from workers.charts.looked import Redrawn
from workers.charts.points import ChartReader
from workers.charts.redrawn import redrawn

Change = Callable[[dict[str, float]], dict[str, float]]
SIZE = 600
PLOT = Box(80, 50, 560, 500)
VALUES = {"Oak": 40.0, "Birch": 90.0, "Elm": 65.0, "Fir": 30.0, "Ash": 75.0}
BLUE, RED = (40, 90, 180), (210, 60, 40)


def word(text: str, x: float, y: float) -> Word:
    """Centred on (x, y), letters half as wide as high."""
    return Word(text, x - 3 * len(text), y - 6, x + 3 * len(text), y + 6, 0, round(x + 1000 * y), 12)


def row_of(value: float) -> float:
    return PLOT.bottom - value / 100 * PLOT.height


def place_of(index: int, count: int = 5) -> float:
    return PLOT.left + (index + 0.5) * PLOT.width / count


TICKS = [word(str(value), 55, row_of(value)) for value in range(0, 101, 20)]
NAMES = [word(name, place_of(index), 520) for index, name in enumerate(VALUES)]


def sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIZE, SIZE), "white")
    draw = ImageDraw.Draw(image)
    for value in range(0, 101, 20):
        draw.line((PLOT.left, row_of(value), PLOT.right, row_of(value)), fill=(215, 215, 215))
    return image, draw


def bars(values: Sequence[Sequence[float]], colours: Sequence[tuple[int, int, int]] = (BLUE,)) -> Image.Image:
    """`values` of each slot, beside each other."""
    image, draw = sheet()
    for index, slot in enumerate(values):
        width = 60 / len(slot)
        for place, value in enumerate(slot):
            left = place_of(index) - 30 + place * width
            draw.rectangle((left, row_of(value), left + width - 1, PLOT.bottom), fill=colours[place])
    return image


def line(values: Sequence[float]) -> Image.Image:
    image, draw = sheet()
    draw.line([(place_of(index, len(values)), row_of(value)) for index, value in enumerate(values)], fill=BLUE, width=3)
    return image


def seen(image: Image.Image, words: Sequence[Word], **answer: object) -> Redrawn | None:
    said = ChartAnswer.model_validate({"chart": "bar", "x_kind": "category", "printed": "none"} | answer)
    reader = ChartReader(said, words)
    picture = PageImage.from_rgb(SIZE, SIZE, image.tobytes())
    return redrawn(said, reader, reader.points(), words, picture, Box(0, 0, SIZE, SIZE))


def rows(values: dict[str, float]) -> list[list[str | None]]:
    return [[name, f"{value:g}"] for name, value in values.items()]


@pytest.mark.slow
def test_true_bars_are_seen_and_none_is_elsewhere() -> None:
    assert seen(bars([[value] for value in VALUES.values()]), TICKS + NAMES, rows=rows(VALUES)) == Redrawn(5, (), False)


@pytest.mark.parametrize(
    ("change", "elsewhere"),
    [
        (lambda values: values | {"Elm": 45.0}, (2,)),
        (lambda values: values | {"Birch": 99.0}, (1,)),  # ten percent more
        (lambda values: values | {"Fir": 3.0}, (3,)),
        (lambda values: dict(zip(values, [90, 65, 30, 75, 40], strict=True)), (0, 1, 2, 3, 4)),  # labels shifted by one
    ],
)
@pytest.mark.slow
def test_a_bar_that_ends_elsewhere_is_said(change: Change, elsewhere: tuple[int, ...]) -> None:
    found = seen(bars([[value] for value in VALUES.values()]), TICKS + NAMES, rows=rows(change(VALUES)))

    assert found == Redrawn(5, elsewhere, False)


@pytest.mark.slow
def test_bars_of_many_colours_are_seen_by_their_ink() -> None:
    image = bars([[value] for value in VALUES.values()])
    draw = ImageDraw.Draw(image)
    for index, value in enumerate(VALUES.values()):
        for row in range(round(row_of(value)), round(PLOT.bottom) + 1):
            share = (PLOT.bottom - row) / PLOT.height
            draw.line((place_of(index) - 30, row, place_of(index) + 29, row), fill=(round(200 * share), 90, 180))

    assert seen(image, TICKS + NAMES, rows=rows(VALUES)) == Redrawn(5, (), False)
    assert seen(image, TICKS + NAMES, rows=rows(VALUES | {"Elm": 45.0})) == Redrawn(5, (2,), False)


@pytest.mark.slow
def test_bars_of_patterns_are_seen_by_their_ink_though_not_whose_they_are() -> None:
    values = [[value, 100 - value] for value in VALUES.values()]
    image, draw = sheet()
    for index, slot in enumerate(values):
        for place, value in enumerate(slot):
            left, right = place_of(index) - 30 + 30 * place, place_of(index) - 1 + 30 * place
            draw.rectangle((left, row_of(value), right, PLOT.bottom), outline="black")
            for row in range(round(row_of(value)), round(PLOT.bottom), 3 + 2 * place):
                draw.line((left, row, right, row), fill="black")
    right_rows = [[name, f"{value:g}", f"{100 - value:g}"] for name, value in VALUES.items()]
    wrong = [[name, "5" if name == "Elm" else value, other] for name, value, other in right_rows]

    assert seen(image, TICKS + NAMES, series=["sold", "kept"], rows=right_rows) == Redrawn(10, (), False)
    assert seen(image, TICKS + NAMES, series=["sold", "kept"], rows=wrong) == Redrawn(10, (4,), False)


@pytest.mark.slow
def test_an_error_bar_parts_no_bar_in_two() -> None:
    image = bars([[value] for value in VALUES.values()])
    draw = ImageDraw.Draw(image)
    for index, value in enumerate(VALUES.values()):
        draw.rectangle((place_of(index) - 1, row_of(value + 8), place_of(index) + 1, row_of(value - 8)), fill="black")

    assert seen(image, TICKS + NAMES, rows=rows(VALUES)) == Redrawn(5, (), False)
    assert seen(image, TICKS + NAMES, rows=rows(VALUES | {"Elm": 45.0})) == Redrawn(5, (2,), False)


@pytest.mark.slow
def test_bars_before_each_other_are_no_stack() -> None:
    image = bars([[value] for value in VALUES.values()])
    draw = ImageDraw.Draw(image)
    for index, value in enumerate(VALUES.values()):
        draw.rectangle((place_of(index) - 30, row_of(value / 2), place_of(index) + 29, PLOT.bottom), fill=RED)
    right = [[name, f"{value / 2:g}", f"{value:g}"] for name, value in VALUES.items()]
    as_stack = [[name, f"{value / 2:g}", f"{value / 2:g}"] for name, value in VALUES.items()]
    wrong = [[name, half, "20" if name == "Elm" else value] for name, half, value in right]

    assert seen(image, TICKS + NAMES, series=["half", "all"], rows=right) == Redrawn(10, (), False)
    assert seen(image, TICKS + NAMES, series=["half", "all"], rows=as_stack) == Redrawn(10, (), False)
    assert seen(image, TICKS + NAMES, series=["half", "all"], rows=wrong) == Redrawn(10, (5,), False)


@pytest.mark.slow
def test_marks_that_all_stand_off_alike_say_that_the_scale_is_misplaced() -> None:
    moved = [tick._replace(top=tick.top - 15, bottom=tick.bottom - 15) for tick in TICKS]

    assert seen(bars([[value] for value in VALUES.values()]), moved + NAMES, rows=rows(VALUES)) is None


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 1e6])
def test_values_are_answered_with_the_multiplier_of_the_axis_or_without(factor: float) -> None:
    words = [*TICKS, *NAMES, word("1e6", 80, 20)]
    answered = {name: value * factor for name, value in VALUES.items()}

    assert seen(bars([[value] for value in VALUES.values()]), words, rows=rows(answered)) == Redrawn(5, (), False)
    found = seen(bars([[value] for value in VALUES.values()]), words, rows=rows(answered | {"Elm": 45 * factor}))
    assert found == Redrawn(5, (2,), False)


@pytest.mark.slow
def test_a_limit_drawn_across_the_bars_ends_none() -> None:
    image = bars([[value] for value in VALUES.values()])
    ImageDraw.Draw(image).line((PLOT.left, row_of(50), PLOT.right, row_of(50)), fill=RED, width=7)

    found = seen(image, TICKS + NAMES, rows=rows(VALUES))

    assert found is None or not found.elsewhere


@pytest.mark.slow
def test_a_missing_row_leaves_a_bar_without_one() -> None:
    found = seen(bars([[value] for value in VALUES.values()]), TICKS + NAMES, rows=[row for row in rows(VALUES) if row[0] != "Elm"])

    assert found == Redrawn(4, (), True)


@pytest.mark.slow
def test_series_are_told_apart_by_the_colours_of_the_legend() -> None:
    image = bars([[value, 100 - value] for value in VALUES.values()], (BLUE, RED))
    draw = ImageDraw.Draw(image)
    for colour, y in ((BLUE, 20), (RED, 36)):
        draw.rectangle((430, y - 5, 444, y + 5), fill=colour)
    words = [*TICKS, *NAMES, word("sold", 462, 20), word("kept", 462, 36)]
    right = [[name, f"{value:g}", f"{100 - value:g}"] for name, value in VALUES.items()]

    assert seen(image, words, series=["sold", "kept"], rows=right) == Redrawn(10, (), False)
    swapped = seen(image, words, series=["kept", "sold"], rows=right)
    assert swapped is not None
    assert len(swapped.elsewhere) == 10


@pytest.mark.slow
def test_a_point_off_its_line_is_said_and_one_upon_it_is_not() -> None:
    values = [20.0, 60.0, 35.0, 80.0, 50.0]

    right = dict(zip(VALUES, values, strict=True))
    assert seen(line(values), TICKS + NAMES, chart="line", rows=rows(right)) == Redrawn(5, (), False)
    wrong = dict(zip(VALUES, [20.0, 60.0, 55.0, 80.0, 50.0], strict=True))
    assert seen(line(values), TICKS + NAMES, chart="line", rows=rows(wrong)) == Redrawn(5, (2,), False)


@pytest.mark.slow
def test_labels_shifted_along_a_line_are_said() -> None:
    values = [20.0, 60.0, 35.0, 80.0, 50.0]
    labels = list(VALUES)

    shifted = dict(zip([*labels[1:], labels[0]], values, strict=True))
    assert seen(line(values), TICKS + NAMES, chart="line", rows=rows(shifted)) == Redrawn(5, (0, 1, 2, 3, 4), False)


@pytest.mark.slow
def test_a_step_line_says_nothing_for_its_corners_stand_beside_the_labels() -> None:
    values = [20.0, 60.0, 35.0, 80.0, 50.0]
    image, draw = sheet()
    for index, value in enumerate(values):  # a step begins behind its label
        start, end = place_of(index) + 20, place_of(index + 1) + 20
        draw.line([(start, row_of(values[max(0, index - 1)])), (start, row_of(value)), (end, row_of(value))], fill=BLUE, width=3)

    answer = rows(dict(zip(VALUES, values, strict=True)))
    assert seen(image, TICKS + NAMES, chart="line", rows=answer) is None
    assert seen(line(values), TICKS + NAMES, chart="line", rows=answer) == Redrawn(5, (), False)


@pytest.mark.slow
def test_the_frame_of_a_legend_is_no_sample() -> None:
    values = [20.0, 60.0, 35.0, 80.0, 50.0]
    image = line(values)
    draw = ImageDraw.Draw(image)
    draw.rectangle((400, 10, 487, 34), outline="black", width=2)
    draw.line((408, 20, 432, 20), fill=BLUE, width=3)
    words = [*TICKS, *NAMES, word("sold", 466, 20)]

    right = dict(zip(VALUES, values, strict=True))
    assert seen(image, words, chart="line", series=["sold"], rows=rows(right)) == Redrawn(5, (), False)


def test_a_scatter_point_on_bare_ground_is_said() -> None:
    image, draw = sheet()
    points = [(10 * index, 15 + 17 * index % 80) for index in range(1, 9)]
    words = [*TICKS, *(word(str(value), PLOT.left + value / 100 * PLOT.width, 520) for value in range(0, 101, 20))]
    for x, y in points:
        column = PLOT.left + x / 100 * PLOT.width
        draw.ellipse((column - 4, row_of(y) - 4, column + 4, row_of(y) + 4), fill=BLUE)
    said = [[str(x), str(y)] for x, y in points]
    wrong = [*said[:3], [said[3][0], str(float(said[3][1]) + 25)], *said[4:]]

    assert seen(image, words, chart="scatter", x_kind="number", points=[said]) == Redrawn(8, (), False)
    assert seen(image, words, chart="scatter", x_kind="number", points=[wrong]) == Redrawn(8, (3,), False)


@pytest.mark.parametrize(
    "words",
    [
        [],
        TICKS,  # no labels to find the slots by
        NAMES,  # no scale
        [*TICKS, *(word(str(value), 590, row_of(value / 3)) for value in range(0, 301, 60)), *NAMES],  # two scales, one axis
        [*TICKS, *NAMES, *(tick._replace(left=tick.left + 200, right=tick.right + 200) for tick in NAMES)],  # labels twice: panels
    ],
)
def test_without_clear_places_nothing_is_said(words: list[Word]) -> None:
    assert seen(bars([[value] for value in VALUES.values()]), words, rows=rows(VALUES | {"Elm": 5.0})) is None


def test_bars_that_fade_into_the_ground_say_nothing() -> None:
    assert seen(bars([[value] for value in VALUES.values()], ((247, 247, 247),)), TICKS + NAMES, rows=rows(VALUES)) is None


@pytest.mark.slow
def test_whatever_is_answered_and_drawn_nothing_is_raised() -> None:
    dice = random.Random(3)
    texts = ["Oak", "Elm", "0", "10", "20", "30", "-5", "1e9", "103", "102", "101", "NaN", "99999999999", "2020", "2021", "2022"]
    num_looked = 0
    for _ in range(250):
        values = [[dice.uniform(-50, 150) for _ in range(3)] for _ in range(5)]
        image = bars(
            [[max(0.5, min(value, 110)) for value in slot[: dice.choice((1, 3))]] for slot in values],
            [(dice.randrange(256), dice.randrange(256), dice.randrange(256)) for _ in range(3)],
        )
        words = [*dice.choice((TICKS, TICKS, [])), *dice.choice((NAMES, NAMES, []))]
        words += [
            word(dice.choice(texts), dice.uniform(-900, 1500), dice.uniform(-900, 1500)) for _ in range(dice.choice((0, 0, 2, 20)))
        ]
        table = [[dice.choice(texts) for _ in range(dice.randrange(5))] for _ in range(dice.randrange(7))]
        answer = {
            "chart": dice.choice(("bar", "line", "scatter")),
            "subtype": dice.choice(("stacked", "horizontal", None)),
            "x_kind": dice.choice(("category", "number", "time", None)),
            "series": dice.sample(texts, dice.choice((0, 0, 1, 3))),
            "scale": dice.choice(("log", "linear", None)),
        }
        found = seen(image, words, **answer, rows=dice.choice((table, rows(VALUES))), points=[[row[:3] for row in table]])
        num_looked += found is not None

    assert num_looked >= 2  # some of it got as far as the picture
