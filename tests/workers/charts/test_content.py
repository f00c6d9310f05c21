from datetime import UTC, datetime

import pytest

from schemas.answers import ChartAnswer
from schemas.flags import FLAGS
from schemas.page import Box, PageImage, Region, RenderedPage, TextLayer, Word
from workers.charts.content import chart_content

IMAGE = PageImage(width_px=1000, height_px=1000)


def word(text, x, y):
    """Centred on (x, y)."""
    return Word(text, x - 4 * len(text), y - 6, x + 4 * len(text), y + 6, 0, 0, 12)


def read(words=(), **answer):
    """A chart's content, its region's words being all of the page's."""
    layer = TextLayer(words=list(words), num_chars=sum(len(item.text) for item in words)) if words else None
    page = RenderedPage(page_index=0, image=IMAGE, text_layer=layer)
    region = Region(region_index=0, bbox_px=Box(0, 0, 1000, 1000), origin="drawing", words=list(words))
    return chart_content(ChartAnswer.model_validate({"chart": "bar"} | answer), region, page)


def values(content):
    return [point.value for point in content.points]


def test_no_chart_has_no_points():
    content = read(chart="none", title="x", rows=[["a", "1"]])

    assert (content.status, content.kind, content.points, content.flags) == ("none", None, [], [])


def test_a_row_becomes_a_point_per_series():
    content = read(
        title="Sales",
        x_kind="category",
        y="Revenue",
        unit="$",
        printed="all",
        series=["A", "B"],
        rows=[["x", "1", "2"], ["y", "3", None]],
    )

    assert [
        (point.point_index, point.series_index, point.series, point.x_text, point.y_text, point.value) for point in content.points
    ] == [
        (0, 0, "A", "x", "1", 1.0),
        (1, 1, "B", "x", "2", 2.0),
        (2, 0, "A", "y", "3", 3.0),
        (3, 1, "B", "y", None, None),
    ]
    assert (content.status, content.kind, content.title, content.y_label, content.y_unit) == ("ok", "bar", "Sales", "Revenue", "$")
    assert {point.unit for point in content.points if point.value} == {"$"}
    assert content.num_points == 4


@pytest.mark.parametrize("series", [[], [""]])
def test_a_series_without_a_name_is_null(series):
    content = read(series=series, rows=[["a", "1"]])

    assert content.points[0].series is None
    assert content.flags == []


@pytest.mark.parametrize(
    ("unit", "text", "value", "point_unit", "scale"),
    [
        (None, "5", 5, None, 1),
        ("$ million", "1.1", 1.1e6, "$", 1e6),
        ("$ million", "$5", 5e6, "$", 1e6),
        ("in thousands", "5", 5000, None, 1000),
        ("$ million", "1.2k", 1200, "$", 1000),  # its own multiplier counts
        ("$ million", "12 %", 12, "%", 1),  # another unit
        ("%", "12", 12, "%", 1),
        ("percent", "12%", 12, "%", 1),
        ("million t", "5 kg", 5, "kg", 1),
        (None, "€3,4 Mio.", 3.4e6, "€", 1e6),
    ],
)
def test_unit_and_multiplier_come_from_the_value_else_from_its_axis(unit, text, value, point_unit, scale):
    (point,) = read(unit=unit, rows=[["a", text]]).points

    assert (point.value, point.unit, point.scale, point.y_text) == (value, point_unit, scale, text)


def test_a_chart_has_one_decimal_convention():
    content = read(rows=[["a", "1.234"], ["b", "0,5"], ["c", "12.000"]])

    assert values(content) == [1234, 0.5, 12000]
    assert content.flags == []


def test_ticks_of_the_text_layer_tell_the_convention_too():
    assert values(read(words=[word("0,5", 20, 100)], printed="all", rows=[["a", "1.234"]])) == [1234]


def test_a_number_that_may_be_two_is_said():
    content = read(rows=[["a", "1.234"]])

    assert values(content) == [1.234]
    assert content.points[0].flags == ["number_ambiguous"]
    assert content.flags == ["number_ambiguous"]


@pytest.mark.parametrize("text", ["3-5", "12/05/2021", "5 to 7"])
def test_a_text_that_is_no_number_keeps_its_text(text):
    content = read(rows=[["a", text]])

    assert (content.points[0].value, content.points[0].y_text, content.points[0].scale) == (None, text, None)
    assert content.flags == content.points[0].flags == ["not_a_number"]


def test_a_dash_is_no_number_and_no_mistake():
    content = read(rows=[["a", "–"]])

    assert (values(content), content.flags) == ([None], [])


@pytest.mark.parametrize("row", [["x"], ["x", "1"], ["x", "1", "2", "3"]])
def test_a_row_of_another_length_is_padded_or_cut_and_said(row):
    content = read(series=["A", "B"], rows=[row])

    assert len(content.points) == 2
    assert "row_length" in content.flags


def test_an_empty_chart_is_said():
    assert read(title="x").flags == ["empty_chart"]
    assert read(rows=[[]]).points == []


def test_a_time_axis_has_dates_and_a_number_axis_numbers():
    time = read(x_kind="time", rows=[["Q2 2021", "1"], ["Summer", "2"]]).points
    number = read(x_kind="number", x_unit="in thousands", rows=[["1,5", "1"], ["x", "2"]]).points
    category = read(x_kind="category", rows=[["2021", "1"]]).points

    assert [point.x_time for point in time] == [datetime(2021, 4, 1, tzinfo=UTC), None]
    assert [point.x_value for point in number] == [1500, None]
    assert (category[0].x_time, category[0].x_value, category[0].x_text) == (None, None, "2021")


def test_the_multiplier_of_the_x_axis_does_not_apply_to_a_number_with_its_own():
    points = read(x_kind="number", x_unit="in thousands", rows=[["2", "1"], ["2k", "1"], ["3 million", "1"]]).points

    assert [point.x_value for point in points] == [2000, 2000, 3_000_000]


def test_scatter_has_points_and_bubbles_have_sizes():
    content = read(chart="bubble", series=["A", "B"], points=[[["1", "2", "30"], ["3", "4"]], [["5", "6", "7", "8"]]])

    assert [(p.series, p.x_value, p.value, p.size_text, p.size_value) for p in content.points] == [
        ("A", 1, 2, "30", 30),
        ("A", 3, 4, None, None),
        ("B", 5, 6, "7", 7),
    ]
    assert content.flags == ["row_length"]


def test_series_on_the_second_axis_have_its_unit():
    content = read(
        chart="combo",
        unit="$ million",
        y2="Margin",
        y2_unit="%",
        series=["Sales", "Margin"],
        y2_series=["margin"],
        rows=[["a", "5", "12"]],
    )

    assert [(p.axis, p.value, p.unit) for p in content.points] == [("y", 5e6, "$"), ("y2", 12, "%")]
    assert content.flags == []


@pytest.mark.parametrize("y2_series", [[], ["other"]])
def test_a_second_axis_of_no_series_is_said(y2_series):
    content = read(y2="Margin", series=["A"], y2_series=y2_series, rows=[["a", "5"]])

    assert content.flags == ["y2_unknown"]
    assert content.points[0].axis == "y"


@pytest.mark.parametrize(
    ("printed", "words", "is_estimated"),
    [
        ("all", [], [False, False]),
        ("none", ["12.5"], [True, True]),
        ("some", ["12.5", "years"], [False, True]),
        (None, ["12.5", "years"], [False, True]),
        ("some", [], [None, None]),
        (None, [], [None, None]),
    ],
)
def test_a_value_found_in_the_text_layer_is_printed(printed, words, is_estimated):
    content = read(
        words=[word(text, 500, 100 + 50 * index) for index, text in enumerate(words)],
        printed=printed,
        rows=[["a", "12.5"], ["b", "7"]],
    )

    assert [point.is_estimated for point in content.points] == is_estimated


@pytest.mark.parametrize(
    ("chart", "subtype", "rows", "sum_ok"),
    [
        ("pie", None, [["a", "60%"], ["b", "40%"]], True),
        ("pie", "donut", [["a", "33.3%"], ["b", "33.3%"], ["c", "33.3%"]], True),
        ("pie", None, [["a", "60%"], ["b", "30%"]], False),
        ("pie", None, [["a", "0.25"], ["b", "0.75"]], True),
        ("pie", None, [["a", "0.25"], ["b", "0.5"]], False),
        ("pie", None, [["a", "60%"], ["b", None]], None),  # a part is missing
        ("pie", None, [["a", "$5"], ["b", "$7"]], None),  # no whole is printed
        ("pie", None, [["a", "100%"]], None),
        ("bar", "percent stacked", [["a", "60%"], ["b", "40%"]], None),  # one part each
        ("bar", None, [["a", "60%"], ["b", "10%"]], None),
    ],
)
def test_the_parts_of_a_whole_sum_to_it(chart, subtype, rows, sum_ok):
    content = read(chart=chart, subtype=subtype, rows=rows)

    assert content.sum_ok is sum_ok
    assert ("sum_off" in content.flags) == (sum_ok is False)


def test_each_bar_of_a_percent_chart_sums_to_its_whole():
    good = read(subtype="100% stacked", unit="%", series=["A", "B"], rows=[["a", "60", "40"], ["b", "10", "90"]])
    bad = read(subtype="100% stacked", unit="%", series=["A", "B"], rows=[["a", "60", "40"], ["b", "10", "70"]])

    assert (good.sum_ok, bad.sum_ok) == (True, False)


TICKS = [word(str(value), 40, 600 - 4 * value) for value in (0, 20, 40, 60, 80, 100)]
YEARS = [word(str(year), 100 + 60 * index, 650) for index, year in enumerate((2018, 2019, 2020, 2021))]


@pytest.mark.parametrize(
    ("words", "answer", "in_range"),
    [
        (TICKS + YEARS, {"rows": [["a", "5"], ["b", "99"]]}, True),
        (TICKS + YEARS, {"rows": [["a", "5"], ["b", "129"]]}, True),  # a step and a half beyond the last tick
        (TICKS + YEARS, {"rows": [["a", "5"], ["b", "131"]]}, False),
        (TICKS, {"unit": "$ million", "rows": [["a", "5"], ["b", "1,300"]]}, False),
        (TICKS, {"rows": [["a", None]]}, None),
        (YEARS, {"rows": [["a", "5"]]}, None),  # a row of years is no value axis
        (TICKS[:2], {"rows": [["a", "500"]]}, None),
        ([word(text, 40, 600 - 50 * i) for i, text in enumerate(["7", "3", "9", "1"])], {"rows": [["a", "500"]]}, None),  # no scale
        ([word(str(10**i), 40, 600 - 50 * i) for i in range(5)], {"scale": "log", "rows": [["a", "50,000.0"]]}, True),
        ([word(str(10**i), 40, 600 - 50 * i) for i in range(5)], {"scale": "log", "rows": [["a", "500,000.0"]]}, False),
        (
            [word(str(value), 100 + 4 * value, 650) for value in (0, 20, 40, 60)],
            {"subtype": "horizontal", "rows": [["a", "500"]]},
            False,
        ),
    ],
)
def test_values_are_held_against_the_printed_axis(words, answer, in_range):
    content = read(words=words, printed="none", **answer)

    assert content.values_in_axis_range is in_range
    assert ("values_outside_axis" in content.flags) == (in_range is False)


def test_each_series_is_held_against_its_own_axis():
    right = [word(f"{value}%", 900, 600 - 40 * value) for value in (0, 2, 4, 6, 8, 10)]

    def content(share):
        return read(words=TICKS + right, chart="combo", y2_unit="%", series=["A", "B"], y2_series=["B"], rows=[["a", "90", share]])

    assert content("9%").values_in_axis_range is True
    assert content("90%").values_in_axis_range is False


def test_labels_are_looked_for_in_the_text_layer():
    words = [word(text, 500, 20 * index) for index, text in enumerate(["Sales", "by", "region", "North", "South"])]

    content = read(words=words, title="Sales by Region", series=["Units"], x_kind="category", rows=[["North", "1"], ["South", "2"]])

    assert content.labels_in_text_layer == 0.75
    assert content.flags == ["label_not_in_text_layer"]  # "Units" alone
    other = read(words=words, title="Profit", series=["Units"], x_kind="category", rows=[["North", "1"], ["West", "2"]])
    assert other.labels_in_text_layer == 0.25
    assert other.flags == ["labels_not_in_text_layer"]
    assert read(title="Sales", rows=[["a", "1"]]).labels_in_text_layer is None


def test_a_label_just_outside_the_region_is_not_missing():
    words = [word(text, 300, 400 + 20 * index) for index, text in enumerate(["Sales", "North", "South"])]
    title = word("Harbour", 300, 340)  # the region begins below it
    layer = TextLayer(words=[title, *words], num_chars=30)
    page = RenderedPage(page_index=0, image=IMAGE, text_layer=layer)
    region = Region(region_index=0, bbox_px=Box(200, 370, 500, 700), origin="drawing", words=words)
    answer = ChartAnswer(chart="bar", title="Harbour", series=["Sales"], x_kind="category", rows=[["North", "1"], ["South", "2"]])

    assert chart_content(answer, region, page).flags == []
    assert chart_content(answer.model_copy(update={"title": "Meadow"}), region, page).flags == ["label_not_in_text_layer"]


@pytest.mark.parametrize(("printed", "is_estimated"), [("all", True), ("some", True), (None, True), ("none", True)])
def test_an_approximate_value_is_estimated_whatever_is_printed(printed, is_estimated):
    content = read(words=[word("~2.4", 100, 100)], printed=printed, rows=[["a", "~2.4"]])

    assert content.points[0].is_estimated is is_estimated


def test_an_untrusted_text_layer_checks_nothing():
    words = [word(text, 500, 20 * index) for index, text in enumerate(["Sales", "5"])]
    page = RenderedPage(page_index=0, image=IMAGE, text_layer=TextLayer(words=words, num_chars=6, num_hidden=6))
    region = Region(region_index=0, bbox_px=Box(0, 0, 1000, 1000), origin="image", words=words)

    content = chart_content(ChartAnswer(chart="bar", title="Profit", rows=[["a", "7"]]), region, page)

    assert content.labels_in_text_layer is None
    assert content.points[0].is_estimated is None


def test_zero_on_a_logarithmic_axis_is_said():
    assert read(scale="log", rows=[["a", "0"], ["b", "10"]]).flags == ["log_not_positive"]


def test_flags_are_of_the_closed_list():
    content = read(
        words=TICKS, chart="pie", scale="log", y2="x", title="Foo", x="Bar", y="Baz", series=["A"],
        rows=[["a", "-1%"], ["b", "1-2"], ["c", "1.234", "5"], ["d", "900%"]],
    )  # fmt: skip

    assert len(content.flags) >= 6
    assert {*content.flags, *(flag for point in content.points for flag in point.flags)} <= set(FLAGS)
