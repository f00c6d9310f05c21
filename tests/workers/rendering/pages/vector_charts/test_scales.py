"""What the texts of an axis say of its scale."""

from datetime import UTC, datetime

import pytest

from workers.rendering.pages.vector_charts.scales import fit_dates

START = datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["October", "2020", "April", "July"], ["2019-10-01", "2020-01-01", "2020-04-01", "2020-07-01"]),
        (["Nov 2019", "Dez", "Jan", "Feb"], ["2019-11-01", "2019-12-01", "2020-01-01", "2020-02-01"]),
        (["Dec 15", "2020", "Jan 15", "Feb 01"], ["2019-12-15", "2020-01-01", "2020-01-15", "2020-02-01"]),
        (["Oct", "Nov", "Dec", "Jan"], None),
        (["Jan 19", "Apr 19", "Jul 19", "Jan 20"], ["2019-01-01", "2019-04-01", "2019-07-01", "2020-01-01"]),
        (["North", "2020", "South", "East"], None),
        (["Oct", "2020", "Apr", "Oct"], None),  # not where they should be
    ],
)
def test_a_date_without_a_year_has_that_of_the_ticks_beside_it(texts: list[str], dates: list[str] | None) -> None:
    places = [
        (datetime.fromisoformat(date).replace(tzinfo=UTC) - START).days / 3
        for date in dates or ["2019-10-01", "2020-01-01", "2020-04-01", "2020-07-01"]
    ]

    scale = fit_dates(texts, places)

    found = scale and [moment.strftime("%Y-%m-%d") for place in places if (moment := scale.date(place + 0.01))]
    assert found == dates


def test_a_month_with_two_digits_is_no_date_where_they_may_be_the_day_or_the_year() -> None:
    assert fit_dates(["Apr 05", "Apr 12", "Apr 19", "Apr 26"], [0.0, 50.0, 100.0, 150.0]) is None
    assert fit_dates(["Jan 01", "Jan 15", "Jan 29", "Feb 12"], [0.0, 14.0, 28.0, 42.0]) is None
    assert fit_dates(["Jan 01", "Apr 01", "Jul 01", "Oct 01"], [0.0, 90.0, 181.0, 273.0]) is None
    assert fit_dates(["Apr '05", "Apr '12", "Apr '19", "Apr '26"], [0.0, 50.0, 100.0, 150.0]) is not None
