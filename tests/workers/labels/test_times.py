from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.labels.times import parse_time


@pytest.mark.parametrize(
    ("text", "year", "month", "day"),
    [
        ("2021", 2021, 1, 1),
        ("٢٠٢١", 2021, 1, 1),
        ("2021e", 2021, 1, 1),
        ("FY2021", 2021, 1, 1),
        ("FY 21", 2021, 1, 1),
        ("2021/22", 2021, 1, 1),
        ("2020-21", 2020, 1, 1),
        ("2011-12", 2011, 12, 1),
        ("Q1 2021", 2021, 1, 1),
        ("Q3'21", 2021, 7, 1),
        ("2021Q4", 2021, 10, 1),
        ("3Q21", 2021, 7, 1),
        ("H2 2020", 2020, 7, 1),
        ("2021-03", 2021, 3, 1),
        ("2021-03-04", 2021, 3, 4),
        ("2021-03-04T10:00:00Z", 2021, 3, 4),
        ("03/2021", 2021, 3, 1),
        ("Jan 2021", 2021, 1, 1),
        ("Jan '21", 2021, 1, 1),
        ("Mar-21", 2021, 3, 1),
        ("Sept. 2019", 2019, 9, 1),
        ("May 5, 2021", 2021, 5, 5),
        ("5 de mayo de 2021", 2021, 5, 5),
        ("März 2021", 2021, 3, 1),
        ("Dez 1999", 1999, 12, 1),
        ("août 2020", 2020, 8, 1),
        ("juil. 2021", 2021, 7, 1),
        ("янв. 2021", 2021, 1, 1),
        ("марта 2021", 2021, 3, 1),
        ("يناير 2021", 2021, 1, 1),
        ("जनवरी 2021", 2021, 1, 1),
        ("2021年3月", 2021, 3, 1),
        ("2021년", 2021, 1, 1),
        ("31/12/2020", 2020, 12, 31),
        ("12.05.2021", 2021, 5, 12),
    ],
)
def test_a_period_is_its_start_in_utc(text, year, month, day):
    assert parse_time(text) == datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Jan",
        "Q1",
        "12",
        "1234567",
        "2021-13",
        "2021-02-30",
        "03/04/2021",
        "jui 2021",
        "Foo 2021",
        "2021-99",
        "99999",
        "0000",
        "2021 " * 20,
    ],
)
def test_what_names_no_year_or_no_date_is_none(text):
    assert parse_time(text) is None


@given(st.one_of(st.text(max_size=40), st.text("0123456789/-. 'QHFYJanMré年月", max_size=14)))
@settings(max_examples=200, deadline=None)
@pytest.mark.slow
def test_no_text_makes_it_raise(text):
    time = parse_time(text)
    assert time is None or time.tzinfo is UTC
