import numpy as np
import pytest

from schemas.page import ACROSS, DOWN, MONO, Word
from workers.engines.classic.mending import _crop, mend
from workers.text.doubt import doubtful_fonts

GOOD = (
    "The harbour board publishes a statement of its dues every spring. Vessels of less than twenty metres pay by the night and "
    "larger ones by the gross ton. The figures below were agreed with the pilots and hold until the end of the season."
)


def words_of(text, font=0, top=100, line=0):
    """Nine words a line."""
    texts = text.split()
    places = [(50 + 90 * (i % 9), top + 30 * (i // 9), line + i // 9) for i in range(len(texts))]
    return [
        Word(each, left, y, left + 80, y + 20, 0, number, 18.0, ACROSS, font)
        for each, (left, y, number) in zip(texts, places, strict=True)
    ]


def reader(words, shown, score=0.97):
    """Reads a line by its place: `shown` has the true words, in the order of `words`."""
    true = dict(zip([(word.left, word.top) for word in words], shown.split(), strict=True))
    asked = []

    def read(crops):
        asked.append(len(crops))
        return [(" ".join(text for place, text in true.items() if _is_in(place, crop)), score) for crop in crops]

    def _is_in(place, crop):
        return crop[10, 10, 0] == place[1] // 10

    return read, asked


def lines_with_numbers(words):
    """Pixels that say at which height they are: so the fake OCR knows the line."""
    pixels = np.zeros((1000, 1000, 3), dtype=np.uint8)
    for word in words:
        pixels[int(word.top) - 5 : int(word.bottom) + 5] = int(word.top) // 10
    return pixels


def mended(layer, shown, font=0, others=GOOD, score=0.97):
    words = words_of(layer, font)
    read, asked = reader(words, shown, score)
    everything = [*words_of(others, font=7, top=600, line=50), *words]
    result = mend(everything, lines_with_numbers(everything), read)
    return result, " ".join(word.text for word in result.words if word.font == font), asked


def test_a_sound_layer_is_taken_without_looking():
    result, text, asked = mended("The crane on the northern quay is old", "The crane on the northern quay is old")

    assert (result.num_mended, result.num_lost, asked) == (0, 0, [])
    assert text == "The crane on the northern quay is old"


def test_ligatures_without_a_meaning_are_read_from_the_pixels():
    result, text, _ = mended("The o\ufffdce \ufffdles a \ufffdnal report", "The office files a final report")

    assert text == "The office files a final report"
    assert (result.num_mended, result.num_lost) == (3, 0)


def test_a_letter_that_stands_for_ligatures_is_one_only_where_the_pixels_say_so():
    # given y for fi and for ff, in words that exist and in a true y
    layer = "The o&ce of the tra&c yles a ynal report by the stay only"
    _, text, _ = mended(layer, "The office of the traffic files a final report by the staff only")

    assert text == "The office of the traffic files a final report by the staff only"


def test_slips_of_the_ocr_do_not_reach_the_layer():
    _, text, _ = mended("The o\ufffdce of Mr. Ílvar \u2018quoted\u2019 1l0 times", "The office of Mr. Ilvar 'quoted' 110 times")

    assert text == "The office of Mr. Ílvar \u2018quoted\u2019 1l0 times"


def test_a_font_that_says_other_letters_throughout_is_read_anew():
    true = "Every vessel over ten metres shall pay these dues to the master"
    shifted = " ".join("".join(chr(ord(char) - 29 + 32) if char.isalpha() else char for char in word) for word in true.split())
    result, text, _ = mended(shifted, true)

    assert text == true
    assert result.num_mended == len(true.split())


def test_what_pixels_do_not_show_either_stays_and_is_counted():
    result, text, _ = mended("The o\ufffdce \ufffdles a \ufffdnal report", "The ofce les a nal report", score=0.4)

    assert text == "The o\ufffdce \ufffdles a \ufffdnal report"
    assert (result.num_mended, result.num_lost) == (0, 3)


def test_scripts_that_the_ocr_does_not_know_are_not_asked_for():
    result, _, asked = mended("ज\ufffdनसे मनुष्य क\ufffd आत्मा पर अत्याचार", "a b c d e f")

    assert (asked, result.num_lost) == ([], 2)


def test_a_formulas_signs_are_no_lost_letters():
    assert doubtful_fonts([*words_of(GOOD), *words_of("\uf8eb \uf8f6 x\uf8eb", font=3)]) == set()


@pytest.mark.parametrize(
    ("text", "is_doubtful"),
    [
        ("the ligatures of o&ce and tra&c here", True),
        ("Zkhuhdv uhfrjqlwlrq ri wkh lqkhuhqw gljqlwb", True),
        ("AT&T and R&D with p<0.05 and x=y or a+b", False),
        ("see https://a.org/?a=b&c=d or a=b@c.org", False),
        ("Ravensworth Quay", False),  # too few words to say
        ("The harbour and its boats in the winter", False),
    ],
)
def test_a_font_is_doubted_for_what_it_says(text, is_doubtful):
    assert doubtful_fonts([*words_of(GOOD), *words_of(text, font=3)]) == ({3} if is_doubtful else set())


@pytest.mark.parametrize(
    ("text", "is_doubtful"),
    [
        ("plot(data$time, data$status) lines[[name]] <- model$fitted[time>0] print(x%in%table)", False),
        ("psot(dxtx$tzme, dxtx$stxtws) lznes[[nxme]] <- mwdel$fztted[tzme>0] przwt(x%in%txbqe)", True),
        ("plot(da\ufffda$time) lines[[name]] <- model$fitted[time>0] print(x%in%table)", True),
    ],
)
@pytest.mark.parametrize("style", [ACROSS, ACROSS | MONO])
def test_code_is_not_doubted_for_its_signs_where_its_words_are_known(text, is_doubtful, style):
    typed = [word._replace(style=style, right=word.left + 10 * len(word.text)) for word in words_of(text, font=3)]
    assert doubtful_fonts([*words_of(GOOD), *typed]) == ({3} if is_doubtful else set())


def test_a_line_that_runs_down_is_turned_to_be_read():
    pixels = np.arange(100 * 100 * 3, dtype=np.uint32).reshape(100, 100, 3).astype(np.uint8)
    word = Word("x", 40, 10, 50, 60, 0, 0, 10.0, DOWN)

    crop = _crop([word], pixels)

    assert crop.shape[1] > crop.shape[0]
    assert (crop[-1, 0] == pixels[9, 39]).all()  # the left top of the page's crop is the left bottom of the turned one
