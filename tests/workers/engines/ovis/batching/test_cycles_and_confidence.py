import math

import pytest

from workers.engines.ovis.answers.confidence import content_spans, logprob_figures
from workers.engines.ovis.batching.token_cycles import find_cycle


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([1] * 95, None),  # too short to be sure
        ([1] * 96, 1),
        ([9, 8, 7] + [1, 2] * 60, 2),
        (list(range(250)) * 5, 250),
        (list(range(250)) * 3, None),
        ([1, 2] * 60 + [3], None),
        (list(range(500)), None),
    ],
)
def test_a_cycle_is_found_at_its_shortest_period(tokens, expected):
    assert find_cycle(tokens) == expected


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": "bc", "d": 1.5}', ["bc", "1.5"]),
        ('{"t": [["x", null], ["", "^"]]}', ["x", "", "^"]),
        (r'{"a": "q\"r\\", "b": -2}', [r"q\"r\\", "-2"]),
        ('{"a": "cut sho', ["cut sho"]),
        ('{"a": "ü:", "b": "表"}', ["ü:", "表"]),
        ("", []),
    ],
)
def test_values_are_content_and_keys_are_not(text, values):
    data = text.encode()
    assert [data[start:end].decode() for start, end in content_spans(data)] == values


def test_figures_are_of_tokens_that_touch_a_value():
    pieces = [b'{"a": "', b"b", b'c"', b"}"]
    assert logprob_figures([-9.0, -1.0, -2.0, -9.0], pieces, is_json=True) == (-1.5, -2.0)
    assert logprob_figures([-1.0, -3.0], [b"x", b"y"], is_json=False) == (-2.0, -3.0)
    assert logprob_figures([], [], is_json=True) == (None, None)


def test_an_answer_given_a_beginning_is_counted_from_there():
    mean, least = logprob_figures([-4.0, -1.0], [b'x"', b"}"], before=b'{"a": "', is_json=True)
    assert (mean, least) == (-4.0, -4.0)
    assert not math.isnan(mean)
