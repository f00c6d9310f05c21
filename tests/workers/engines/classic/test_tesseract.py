import numpy as np
import pytest

from schemas.page import Box
from workers.engines.classic import tesseract
from workers.engines.classic.tesseract import TesseractError, find_tesseract, fingerprint, lines_of
from workers.engines.classic.turning import turned_boxes, turned_pixels

HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"


def table(*words, line=(0, 0, 900, 30)):
    """One line of words: (text, left, width, confidence)."""
    rows = [HEAD, "4\t1\t1\t1\t1\t0\t" + "\t".join(map(str, line)) + "\t-1\t"]
    rows += [
        f"5\t1\t1\t1\t1\t{n}\t{left}\t4\t{width}\t20\t{score}\t{text}" for n, (text, left, width, score) in enumerate(words, 1)
    ]
    return "\n".join(rows)


def test_words_of_a_line_are_parted_by_blanks_and_weighted_by_length():
    lines = lines_of(table(("Все", 100, 40, 90), ("люди", 150, 60, 76), (" ", 215, 5, 95)))
    assert [(line.text, round(line.confidence, 3), line.box) for line in lines] == [("Все люди", 0.82, Box(0, 0, 900, 30))]


def test_words_far_apart_are_cells_of_their_own():
    lines = lines_of(table(("Итого", 100, 60, 90), ("12,50", 400, 60, 90)))
    assert [(line.text, line.box.left) for line in lines] == [("Итого", 100), ("12,50", 400)]


def test_a_line_from_right_to_left_keeps_the_order_that_it_is_read_in():
    lines = lines_of(table(("يولد", 300, 60, 90), ("جميع", 230, 60, 90), ("الناس", 160, 60, 90)))
    assert [line.text for line in lines] == ["يولد جميع الناس"]


def test_syllables_of_a_korean_word_are_joined():
    lines = lines_of(table(("모", 100, 20, 95), ("든", 123, 20, 95), ("인", 152, 20, 95), ("간", 174, 20, 95)))
    assert [line.text for line in lines] == ["모든 인간"]


def test_letters_of_a_thai_phrase_are_joined_and_its_marks_too():
    lines = lines_of(
        table(
            ("โ", 100, 10, 95), ("ด", 112, 14, 95), ("ย", 129, 14, 95), ("ท", 146, 14, 95), ("ี่", 150, 12, 95), ("รัฐ", 170, 30, 95)
        )
    )
    assert [line.text for line in lines] == ["โดยที่ รัฐ"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("மக்களும்\u200c,", "மக்களும்,"),
        ("கூடிய\u0bcd\u200cகூ", "கூடிய\u0bcdகூ"),
        ("संयुक्\u200dत", "संयुक्त"),
        ("दुसऱ्या र्\u200dय", "दुसऱ्या र्\u200dय"),
        ("می\u200cباید", "می\u200cباید"),
    ],
)
def test_joiners_that_nobody_writes_are_left_out(said, meant):
    assert lines_of(table((said, 100, 90, 90)))[0].text == meant


def test_rows_that_are_no_rows_are_left_out():
    assert lines_of(HEAD + "\n\x00\n5\t1") == []


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_boxes_of_a_turned_page_lie_on_the_image_as_it_came(rotation):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[5:10, 20:50] = 255
    rows, columns = np.nonzero(turned_pixels(pixels, rotation)[:, :, 0])
    found = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert turned_boxes([found], rotation, 60, 40) == [Box(20, 5, 50, 10)]


def test_other_data_under_the_same_name_are_others(tmp_path):
    file = tmp_path / "ara.traineddata"
    file.write_bytes(b"a" * 300_000)
    before = fingerprint(file)
    file.write_bytes(b"b" * 300_000)
    assert fingerprint(file) != before


def test_without_the_program_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_tesseract() is None


@pytest.fixture
def program():
    found = find_tesseract()
    if found is None or "eng" not in found.data:
        pytest.skip("no tesseract with English data (Debian: tesseract-ocr)")
    return found


@pytest.mark.slow
def test_what_passes_a_limit_is_an_error_of_its_own(program, monkeypatch):
    noise = np.random.default_rng(1).integers(0, 255, (1200, 1200, 3), dtype=np.uint8)
    monkeypatch.setattr(tesseract, "MEMORY_BYTES", 20 * 1024**2)
    with pytest.raises(TesseractError, match="tesseract ended with"):
        program.read(noise, "eng")
    monkeypatch.setattr(tesseract, "MEMORY_BYTES", 1024**3)
    monkeypatch.setattr(tesseract, "WALL_S", 0.05)
    with pytest.raises(TesseractError, match="took more than"):
        program.read(noise, "eng")
