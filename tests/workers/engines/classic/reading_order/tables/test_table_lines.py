"""Which text is a value, asked without joining the words of a cell."""

import pytest

from workers.engines.classic.reading_order.tables.table_lines import is_value, may_be_value


@pytest.mark.parametrize(
    "text",
    [
        "1,234",
        "(5.2)",
        "n/a",
        "n.a.",
        "(ABC)",
        "XYZ",
        "...",
        "$ 9,594 or less",
        "5 abcde abcde abcde abcde",
        "- 1a",
        "\u0663",
        "\u0967",
    ],
)
def test_what_is_a_value_may_be_one(text: str) -> None:
    assert may_be_value(text.replace(" ", ""))


@pytest.mark.parametrize(
    "text", ["Total", "The quick brown fox", "Chapter 12 begins with a sentence", "abcd and 5 kinds of them all"]
)
def test_running_text_is_none(text: str) -> None:
    assert not may_be_value(text.replace(" ", ""))
    assert not is_value(text)
