import contextlib
from collections.abc import Callable

import pytest

from tests.growth import assert_grows_linearly
from workers.answers.lenient_json import MAX_DEPTH, NotJson, NumberText, Pairs, load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":"b","c":[1.50,null,true]}', [("a", "b"), ("c", ["1.50", None, True])]),
        ('{"a":"x"} and more', [("a", "x")]),
        ('{"a":1,"a":2}', [("a", "1"), ("a", "2")]),  # nothing is lost to a duplicated key
        ('{"a":123456789012345678901234567890}', [("a", "123456789012345678901234567890")]),
    ],
)
def test_json_is_read_with_its_digits_and_its_order(text, value):
    loaded = load(text)

    assert (loaded.value, loaded.is_partial, loaded.is_repaired) == (value, False, False)
    assert text[: loaded.end].endswith("}")


def test_objects_and_numbers_are_told_from_lists_and_texts():
    ((_, numbers),) = load('{"a":[1,"1"]}').value

    assert isinstance(load('{"a":1}').value, Pairs)
    assert [type(item) for item in numbers] == [NumberText, str]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":"x",}', [("a", "x")]),
        ('{"a":["x",],}', [("a", ["x"])]),
        ('{"a":NaN,"b":-Infinity,"c":undefined}', [("a", None), ("b", None), ("c", None)]),
        ('{"a":True,"b":None}', [("a", True), ("b", None)]),
        ('{"a":"line\nbreak\ttab"}', [("a", "line\nbreak\ttab")]),
        (r'{"a":"\lambda \q"}', [("a", r"\lambda \q")]),  # no JSON escapes: the backslashes were meant
        (r'{"a":"\ud83d!"}', [("a", "\ufffd!")]),
        ('{"a":"\ud83d"}', [("a", "\ufffd")]),
        (r'{"a":"\u12"}', [("a", r"\u12")]),
        ("{'a': 'say \"x\"', 'b': ['it\\'s']}", [("a", 'say "x"'), ("b", ["it's"])]),
    ],
)
def test_what_has_one_reading_is_mended(text, value):
    loaded = load(text)

    assert (loaded.value, loaded.is_partial, loaded.is_repaired) == (value, False, True)


def test_a_whole_surrogate_pair_is_no_lone_surrogate():
    assert load(r'{"a":"\ud83d\ude00"}').value == [("a", "😀")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        '"text"',
        "12",
        '{"a" "b"}',
        '{"a":"x" "b":"y"}',
        '{"a":"he said "hi" to me"}',  # which quote ends the text?
        "{'a': 'it's'}",
        '{"a":[1}',
        '{"a":01}',
        "[1,,2]",
        '{"a":}',
        "}",
        "[" * (MAX_DEPTH + 1),
        '{"a":' * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_what_has_no_one_reading_is_not_json(text):
    with pytest.raises(NotJson):
        load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":12', []),  # 125, 12 or 1200?
        ('{"a":[1,2', [("a", ["1"])]),
        ('{"a":[1,2,', [("a", ["1", "2"])]),
        ('{"a":1.', []),
        ('{"a":1e5', []),
        ('{"a":-', []),
        ('{"a":[1,tru', [("a", ["1"])]),
        ('{"a":nul', []),
        ('{"a":"x","b', [("a", "x")]),
        ('{"a":"x","b"', [("a", "x")]),
        ('{"a":"x","b":', [("a", "x")]),
        ('{"a":{"b":"x"', [("a", [("b", "x")])]),
        ("{", []),
        ('[{"a":"x"},', [[("a", "x")]]),
    ],
)
def test_of_a_text_that_stops_what_was_finished_is_kept(text, value):
    loaded = load(text)

    assert (loaded.value, loaded.is_partial) == (value, True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"a":["x","hal', "hal"),
        ('{"a":["x","hal\\', "hal"),
        ('{"a":["x","hal\\u12', "hal"),
        ('{"a":["x","hal\\ud83d', "hal"),
        ('{"a":["x","hal\\ud83d\\ude', "hal"),
        ('{"a":["x","hal\\n', "hal\n"),
        ('{"a":["x","', ""),
    ],
)
def test_an_unfinished_string_is_kept_where_asked(text, kept):
    assert load(text).value == [("a", ["x", kept])]
    assert load(text, keep_unfinished=False).value == [("a", ["x"])]


@pytest.mark.parametrize(
    ("text", "is_unclosed"), [('{"a":["x"]', True), ('{"a":["x"', False), ('{"a":"x"', False), ('{"a":["x"],', False)]
)
def test_only_the_outermost_bracket_missing_is_told_apart(text, is_unclosed):
    assert load(text).is_unclosed is is_unclosed


@pytest.mark.parametrize(
    "text",
    [
        lambda n: '{"a":"' + "x" * n,
        lambda n: '{"a":"' + "\\" * (n + 1),
        lambda n: '{"a":' + "9" * n + "}",
        lambda n: '{"a":' + "9" * n,
        lambda n: '"' * n,
        lambda n: "['" + "a'" * (n // 2),
        lambda n: "{" + " " * n,
        lambda n: '{"a":"x"' + "-" * n,
    ],
    ids=range(8),
)
@pytest.mark.slow
def test_a_long_text_costs_linear_time(text: Callable[[int], str]):
    def work(size: int) -> None:
        with contextlib.suppress(NotJson):
            load(text(size))

    assert_grows_linearly(work, 250_000)
