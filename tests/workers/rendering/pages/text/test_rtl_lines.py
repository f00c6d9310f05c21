import pytest

from workers.rendering.pages.text.rtl_lines import are_mirrored, is_mixed, mirrored, word_groups

WIDTH = 10.0


def shown(visual: str) -> dict[int, tuple[float, float, float, float]]:
    """Place in a string as it looks, from left to right -> box."""
    return {place: (WIDTH * place, 0.0, WIDTH * place + WIDTH, 12.0) for place in range(len(visual))}


def read(visual: str, drawn: list[int]) -> list[str]:
    """Words of a line that looks like `visual` and whose characters a PDF gives in the order `drawn`."""
    boxes = shown(visual)
    groups = word_groups([visual[place] for place in drawn], [boxes[place] for place in drawn])
    return ["".join(visual[drawn[place]] for place in group) for group in groups]


def test_numbers_stand_between_the_words_where_they_are_seen() -> None:
    # given "שנת 2024 היא" as it looks, given as MuPDF does: runs from the left, each in its own order
    visual = "איה 2024 תנש"
    drawn = [2, 1, 0, 3, 4, 5, 6, 7, 8, 11, 10, 9]

    assert read(visual, drawn) == ["שנת", "2024", "היא"]


def test_words_without_blanks_between_them_are_parted_by_their_gaps() -> None:
    visual = "איה_2024_תנש"  # a low line stands for a gap that nothing is drawn in
    drawn = [11, 10, 9, 4, 5, 6, 7, 2, 1, 0]

    assert read(visual, drawn) == ["שנת", "2024", "היא"]


@pytest.mark.parametrize("number", ["03-5551234", "1,250.50", "14:30", "50%", "₪480", "A4", "12/3"])
def test_a_number_with_its_signs_keeps_its_order(number: str) -> None:
    visual = f"{number} ןופלט"
    drawn = [*range(len(number)), len(number), *reversed(range(len(number) + 1, len(visual)))]

    assert read(visual, drawn) == ["טלפון", number]


def test_brackets_that_are_as_they_look_are_turned() -> None:
    assert are_mirrored([")משרד הנמל(", "שורה"])
    assert not are_mirrored(["(משרד הנמל)", "שורה"])
    assert not are_mirrored(["משרד)", "(הנמל"])  # a line of one bracket says nothing
    assert mirrored(")משרד[") == "(משרד]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("שורה של אותיות בלבד", False), ("שורה, ועוד", True), ("שורה 12", True), ("(שורה)", True), ("only 12 (x)", False)],
)
def test_lines_of_one_direction_stay_as_they_are(text: str, expected: bool) -> None:
    assert is_mixed(text) == expected


def test_digits_of_arabic_that_mupdf_gives_as_letters_are_read_from_the_left() -> None:
    # given "غرامة ٤٨٠ درهما" as it looks
    visual = "امهرد ٤٨٠ ةمارغ"
    drawn = list(reversed(range(len(visual))))

    assert read(visual, drawn) == ["غرامة", "٤٨٠", "درهما"]


@pytest.mark.parametrize(("visual", "number"), [("5551234-03", "03-5551234"), ("%15", "15%"), ("14/3/2024", "14/3/2024")])
def test_beside_arabic_a_hyphen_parts_numbers_and_a_unit_stands_left_of_its_number(visual: str, number: str) -> None:
    line = f"{visual} مقر"
    drawn = [*range(len(visual)), len(visual), *reversed(range(len(visual) + 1, len(line)))]

    assert read(line, drawn) == ["رقم", number]


def test_a_latin_name_in_quotation_marks_stays_whole_in_a_hebrew_sentence() -> None:
    # given 'הסירה "Sea Holly" כאן' as it looks: its first mark is the right one
    visual = 'ןאכ "Sea Holly" הריסה'
    drawn = [2, 1, 0, *range(3, 16), *reversed(range(16, len(visual)))]

    assert read(visual, drawn) == ["הסירה", '"Sea', 'Holly"', "כאן"]


def test_a_hebrew_name_in_an_english_sentence_leaves_its_order() -> None:
    visual = "The word םולש means peace"
    boxes = shown(visual)
    groups = word_groups(visual, list(boxes.values()), from_right=False)

    assert ["".join(visual[place] for place in group) for group in groups] == ["The", "word", "םולש", "means", "peace"]
