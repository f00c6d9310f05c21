"""Which language a page is read by, with a Tesseract that answers from a table."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from schemas.page import Box
from workers.engines.classic.other_scripts import OtherScripts, ScriptReading, Unread
from workers.engines.classic.ppocr import OcrLine, OcrPage
from workers.engines.classic.tesseract import Orientation, TesseractError

PAGE = np.full((1600, 1000, 3), 255, np.uint8)
PAGE[700:720, 100:900:3] = 0
NOTHING_READ = OcrPage([], 1000, 1600)
LETTERS = {"rus": "и", "ukr": "і", "hin": "क", "ara": "م", "fas": "ک", "kor": "가", "heb": "ה", "kat": "ა", "ara+eng": "م"}


@dataclass
class Told:
    """Scores by language; others read nothing."""

    scores: dict[str, float]
    seen: Orientation | None = None
    text: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def languages(self):
        return tuple(self.scores)

    def orientation(self, rgb):
        return self.seen

    def name_of(self, language):
        return f"told {language}"

    def read(self, rgb, language, *, block=False):
        self.asked.append(language)
        score = self.scores[language.partition("+")[0]]
        if score < 0:
            raise TesseractError("tesseract ended with -9: ")
        return (
            [OcrLine(self.text.get(language, LETTERS.get(language, "x") * 40), score, Box(100, 10, 300, 40), Box(100, 10, 300, 40))]
            if score
            else []
        )


def read(tesseract, lacking=None, languages=None, page=NOTHING_READ):
    return OtherScripts(tesseract, languages).read(PAGE, page, lacking)


def seen(script, confidence=50.0, rotation=0, turn_confidence=20.0):
    return Orientation(script, confidence, rotation, turn_confidence)


def test_the_best_of_a_scripts_languages_reads_the_page():
    told = Told({"rus": 0.77, "ukr": 0.95, "hin": 0.2, "eng": 0.3}, seen("Cyrillic"))
    assert isinstance(read(told), ScriptReading)
    assert told.asked == ["rus", "ukr", "ukr"]


def test_sister_languages_are_told_apart_by_their_words():
    persian = {"fas": "هر کس حق دارد که در هر کشور", "ara": "هركس حق دارد كه در هر كشور"}
    told = Told({"ara": 0.81, "fas": 0.75}, seen("Arabic"), persian)
    read(told)
    assert told.asked[-1] == "fas"


def test_an_unsure_script_is_tried_against_all_others():
    told = Told({"hin": 0.21, "kor": 0.9, "ara": 0.2}, seen("Devanagari", 3.0))
    assert isinstance(read(told), ScriptReading)
    assert told.asked[-1] == "kor"


def test_letters_of_another_script_than_the_languages_are_no_answer():
    unread = read(Told({"kat": 0.75}, seen("Latin", 2.0), {"kat": "Reading is to the mind ს"}))
    assert isinstance(unread, Unread)


def test_what_is_rather_a_picture_is_read_only_where_its_script_is_sure():
    unsure = Told({"hin": 0.9}, seen("Devanagari", 3.0))
    assert OtherScripts(unsure, None).read(PAGE, NOTHING_READ, None, is_likely=False) == Unread("a picture")
    assert unsure.asked == []
    sure = Told({"hin": 0.9}, seen("Devanagari", 50.0))
    assert isinstance(OtherScripts(sure, None).read(PAGE, NOTHING_READ, None, is_likely=False), ScriptReading)


def test_a_page_that_no_language_fits_is_not_read():
    unread = read(Told({"hin": 0.3, "ara": 0.2}, seen("Devanagari", 3.0)))
    assert isinstance(unread, Unread)


def test_a_script_whose_data_is_not_installed_names_the_package():
    unread = read(Told({"ara": 0.9}, seen("Hebrew")))
    assert isinstance(unread, Unread)
    assert "tesseract-ocr-heb" in unread.reason


@pytest.mark.parametrize(
    ("lacking", "package"), [("vi", "tesseract-ocr-vie"), ("ig", "tesseract-ocr-script-latn"), (None, "tesseract-ocr-ara")]
)
def test_without_tesseract_the_reason_names_what_to_install(lacking, package):
    unread = OtherScripts(None, None).read(PAGE, NOTHING_READ, lacking)
    assert isinstance(unread, Unread)
    assert package in unread.reason


@pytest.mark.parametrize(("installed", "language"), [(["vie", "Latin"], "vie"), (["script/Latin"], "script/Latin")])
def test_a_language_of_the_latin_script_is_read_by_its_own_data_or_the_scripts(installed, language):
    told = Told(dict.fromkeys(installed, 0.9))
    reading = read(told, lacking="vi")
    assert isinstance(reading, ScriptReading)
    assert (reading.language, told.asked) == ("vi", [language])


@pytest.mark.parametrize(("lacking", "reason"), [("yo", "tesseract-ocr-yor"), ("ve", "neither PP-OCR nor Tesseract's data")])
def test_the_latin_scripts_data_does_not_read_what_it_gets_wrong(lacking, reason):
    unread = read(Told({"Latin": 0.9}), lacking=lacking)
    assert isinstance(unread, Unread)
    assert reason in unread.reason


def test_only_languages_that_are_allowed_are_used():
    told = Told({"rus": 0.77, "ukr": 0.95}, seen("Cyrillic"))
    read(told, languages=["rus"])
    assert set(told.asked) == {"rus"}


def test_english_beside_another_script_is_read_with_it():
    told = Told({"ara": 0.9, "eng": 0.3}, seen("Arabic"))
    line = OcrLine("Harbour Light Energy", 0.98, Box(0, 0, 9, 9), Box(0, 0, 9, 9))
    read(told, page=OcrPage([line], 1000, 1600))
    assert told.asked[-1] == "ara+eng"


def test_a_page_that_lies_on_its_side_is_turned_and_its_boxes_are_turned_back():
    reading = read(Told({"heb": 0.9}, seen("Hebrew", rotation=90)))
    assert isinstance(reading, ScriptReading)
    assert (reading.page.rotation, reading.page.width_px, reading.page.height_px) == (90, 1600, 1000)
    assert reading.page.lines[0].box == Box(10, 1300, 40, 1500)


def test_a_tesseract_that_fails_leaves_the_page_unread():
    unread = read(Told({"heb": -1}, seen("Hebrew")))
    assert unread == Unread("tesseract ended with -9: ")


@pytest.mark.parametrize(("text", "is_thai"), [("ประชากรและสิทธิของการ " * 20, True), ("รนุ่นนุนนททุนนุนานฉัตนทท" * 20, False)])
def test_thai_has_the_words_of_thai_or_it_is_another_script(text, is_thai):
    told = Told({"tha": 0.82}, text={"tha": text})

    found = OtherScripts(told, None).read(PAGE, NOTHING_READ, None)

    assert isinstance(found, ScriptReading if is_thai else Unread)


def test_a_script_that_is_surer_is_taken_whatever_is_tried_first():
    told = Told({"tha": 0.71, "kat": 0.96}, text={"tha": "และของการ" * 20})

    found = OtherScripts(told, None).read(PAGE, NOTHING_READ, None)

    assert isinstance(found, ScriptReading)
    assert {line.text[0] for line in found.page.lines} == {"ა"}
