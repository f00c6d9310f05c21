from tests.workers.engines.classic.reading_order.test_columns import column, line, read

RIGHT = [f"right column {n} goes on and on" for n in "abcd"]


def stretched(text, left, top, *, width, number):
    """Each word a line of its own, as MuPDF gives them."""
    words = line(text, left, top, width=width)
    return [word._replace(block=number + place) for place, word in enumerate(words)]


def test_a_line_of_words_far_apart_is_one_line_of_its_column():
    lines = ["a narrow column of", "justified words that has", "few words on it", "and then it ends"]
    left = [word for n, text in enumerate(lines) for word in stretched(text, 80, 300 + 24 * n, width=380, number=10 * n)]
    right = column(RIGHT, 480, 300, number=90)

    assert read([*left, *right]) == [("paragraph", " ".join(lines)), ("paragraph", " ".join(RIGHT))]


def test_heads_of_columns_far_apart_stay_apart():
    heads = stretched("Jan Feb Mar", 80, 300, width=300, number=0)
    rows = [word for n in range(3) for word in stretched("11 22 33", 80, 330 + 30 * n, width=300, number=10 + 10 * n)]

    assert read([*heads, *rows])[0][0] == "table"
