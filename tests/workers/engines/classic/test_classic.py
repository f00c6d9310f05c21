import asyncio
import json
import time
from types import SimpleNamespace

import numpy as np
import pymupdf
import pytest

from schemas.answers import OcrAnswer
from schemas.failure import FailureKind
from schemas.page import Box, PageImage, RenderedPage, TextLayer, Word
from schemas.settings import ClassicSettings, EngineSettings, ReadSettings
from workers.engines import classic
from workers.engines.classic import describe, make, models, ppocr
from workers.engines.classic.legible import legible
from workers.engines.classic.ppocr import OcrLine, strip_pieces
from workers.engines.classic.tesseract import Tesseract, find_tesseract, fingerprint
from workers.engines.engine import Completion, EngineStartError, Prompt, Request
from workers.reading.asking import ask
from workers.text.content import ocr_content
from workers.text.languages import languages_of

SETTINGS = EngineSettings()
LINES = ["Reading is to the mind", "what exercise is to the body", "said somebody in 1709"]


def drawn(lines, width=420, height=220, rotate=0):
    """Lines of 14 pt Helvetica as an image at 144 dpi, turned clockwise by `rotate`."""
    page = pymupdf.open().new_page(width=width, height=height)
    for i, text in enumerate(lines):
        page.insert_text((40, 50 + 30 * i), text, fontsize=14)
    page.set_rotation(rotate)
    pixmap = page.get_pixmap(dpi=144, alpha=False)
    return PageImage.from_rgb(pixmap.width, pixmap.height, pixmap.samples)


def request(image, *, text_layer=None, task="ocr", is_blank=False):
    return Request(
        label="a.pdf#page=0", task=task, image=image, prompt=Prompt("", "0"), answer_schema=None, max_output_tokens=100,
        text_layer=text_layer, is_blank=is_blank,
    )  # fmt: skip


def layer_of(lines, **counts):
    words = [
        Word(text, 80 + 130 * i, 74 + 60 * row, 200 + 130 * i, 106 + 60 * row, row, 0, 28.0)
        for row, line in enumerate(lines)
        for i, text in enumerate(line.split())
    ]
    return TextLayer(words=words, num_chars=sum(len(word.text) for word in words), **counts)


def texts(completion):
    return [
        value
        for block in json.loads(completion.text)["blocks"]
        for kind, value in block.items()
        if kind not in ("box", "confidence")
    ]


@pytest.fixture(scope="module")
def engine():
    engine = make(EngineSettings(classic=ClassicSettings(tesseract_languages=[])))
    asyncio.run(engine.start())
    asyncio.run(engine.read(request(drawn([]))))  # loads the OCR; each test then reads on a loop of its own
    yield engine
    asyncio.run(engine.close())


async def test_a_model_missing_from_the_wheel_is_an_operators_sentence_and_no_download(monkeypatch):
    monkeypatch.setitem(models.MODELS, "Rec", "PP-OCRv9_rec_huge.onnx")
    with pytest.raises(EngineStartError, match=r"lacks PP-OCRv9_rec_huge\.onnx"):
        await make(SETTINGS).start()


@pytest.mark.slow
async def test_another_task_is_a_failure_of_that_request(engine):
    completion = await engine.read(request(drawn(LINES), task="chart"))
    assert completion.failure is not None
    assert (completion.failure.kind, completion.stop_reason) == (FailureKind.engine_error, "error")


@pytest.mark.slow
async def test_a_blank_page_has_no_blocks(engine):
    completion = await engine.read(request(drawn([]), is_blank=True))
    assert OcrAnswer.model_validate_json(completion.text).blocks == []


@pytest.mark.slow
async def test_an_empty_image_has_no_blocks_and_no_confidence(engine, monkeypatch):
    """And lines are looked for on it at three quarters of its size."""
    smaller, sizes = ppocr._for_detection, []
    monkeypatch.setattr(ppocr, "_for_detection", lambda bgr: sizes.append(smaller(bgr).shape) or smaller(bgr))
    completion = await engine.read(request(drawn([], width=600, height=500)))
    assert completion.failure is None
    assert (texts(completion), completion.confidence) == ([], None)
    assert sizes == [(736, 896, 3)]


@pytest.mark.parametrize(("height", "width"), [(463, 1013), (50, 900), (552, 700)])
def test_a_page_that_is_enlarged_for_detection_is_not_made_smaller_before(height, width):
    assert ppocr._for_detection(np.zeros((height, width, 3), np.uint8)).shape == (height, width, 3)


@pytest.mark.slow
async def test_a_trusted_text_layer_is_taken_as_it_is(engine):
    # given a layer that says other words than the pixels: so it is seen which one was read
    layer = layer_of(["The layer says this", "and it is believed"])
    completion = await engine.read(request(drawn(LINES), text_layer=layer))
    assert " ".join(texts(completion)) == "The layer says this and it is believed"
    assert (completion.text_origin, completion.confidence) == ("text_layer", None)


async def test_marks_in_a_text_layer_are_characters_of_the_page(engine):
    lines = ["2*3*4 = 24 and __init__.py", "# of Incidents &amp; [a](b)"]
    image, layer = drawn(LINES), layer_of(lines)
    completion = await engine.read(request(image, text_layer=layer))

    page = RenderedPage(page_index=0, image=image, text_layer=layer)
    answer = OcrAnswer.model_validate_json(completion.text)
    content = ocr_content(answer, page, is_literal=completion.is_literal)
    assert content.text_plain.split() == " ".join(lines).split()
    assert (content.text_layer_agreement, completion.is_literal) == (1.0, True)


@pytest.mark.slow
async def test_pixels_are_read_where_there_is_no_layer(engine):
    completion = await engine.read(request(drawn(LINES)))
    answer = OcrAnswer.model_validate_json(completion.text)
    assert " ".join(texts(completion)) == " ".join(LINES)
    assert completion.text_origin == "ocr"
    assert completion.confidence is not None
    assert completion.confidence > 0.9
    # the text stands at 40..230 of 420 points, 36..114 of 220
    left, top, right, bottom = answer.blocks[0].box
    assert (left, top) == (pytest.approx(0.095, abs=0.02), pytest.approx(0.17, abs=0.04))
    assert right < 0.6
    assert bottom < 0.56


@pytest.mark.slow
async def test_a_garbage_layer_is_not_believed(engine):
    garbage = layer_of(["\ue000\ue001 \ue002\ue003", "\ue004 \ue005"], num_unmapped=6)
    completion = await engine.read(request(drawn(LINES), text_layer=garbage))
    assert " ".join(texts(completion)) == " ".join(LINES)
    assert completion.flags == ("text_layer_untrusted",)


@pytest.mark.slow
@pytest.mark.parametrize("turned", [90, 180, 270])
async def test_a_page_that_lies_on_its_side_or_head_is_read_in_order(engine, turned):
    completion = await engine.read(request(drawn(LINES, rotate=turned)))
    assert " ".join(texts(completion)) == " ".join(LINES)
    assert completion.flags == (f"read_rotated_{360 - turned}",)


@pytest.mark.slow
async def test_boxes_of_a_turned_page_lie_on_the_image_as_it_came(engine):
    # given text in the upper left, turned upside down: it is in the lower right
    completion = await engine.read(request(drawn(LINES, rotate=180)))
    left, top, right, bottom = OcrAnswer.model_validate_json(completion.text).blocks[0].box
    assert left > 0.4
    assert top > 0.4
    assert right == pytest.approx(1 - 0.095, abs=0.02)
    assert bottom == pytest.approx(1 - 0.17, abs=0.04)


@pytest.mark.slow
async def test_a_scan_with_a_stamped_line_is_completed_by_ocr(engine):
    # given a page whose layer has but the first of its lines
    lines = [f"line {n} of a page that was scanned and stamped" for n in "abcdefghijklmn"]
    image = drawn(["Stamped by the library on a Monday", *lines], height=500)
    layer = TextLayer(
        words=[Word("Stamped", 80, 70, 400, 106, 0, 0, 28.0), Word("Monday", 400, 70, 560, 106, 0, 0, 28.0)], num_chars=13
    )
    completion = await engine.read(request(image, text_layer=layer))
    assert (completion.text_origin, completion.flags) == ("text_layer", ("ocr_added",))
    read = " ".join(texts(completion))
    assert read.startswith("Stamped Monday")
    assert read.count("line m of a page that was scanned") == 1


def line_of(text, confidence, *, left=100, top=100, width=600, height=40):
    box = Box(left, top, left + width, top + height)
    return OcrLine(text, confidence, box, box)


WHITE = np.full((1000, 1000, 3), 255, dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("ごの3の4っ9っ ab cd", 0.48),  # Persian: guesses
        (",", 0.89),  # Ukrainian: a line of 60 letters, all left out, with a high score
        ("εσ δι, στ νωτ α ν ετι α πσφεει, ω σχτ", 0.81),  # Greek: the accented letters left out
    ],
)
def test_lines_of_a_script_that_is_not_known_make_a_page_foreign(text, confidence):
    found = legible([line_of(text, confidence, top=60 * i) for i in range(4)], WHITE, 0.5)
    assert found.is_foreign


@pytest.mark.parametrize(("num_blank", "is_foreign"), [(3, False), (12, True)])
def test_lines_of_which_only_the_blanks_are_known_are_of_another_script(num_blank, is_foreign):
    latin = [line_of("A line that is read well enough", 0.98, top=60 * i) for i in range(6)]
    blank = [line_of("", 0.0, top=60 * (6 + i)) for i in range(num_blank)]
    found = legible(latin + blank, WHITE, 0.5)
    assert (len(found.lines), found.num_faint, found.num_foreign, found.is_foreign) == (6, 0, num_blank, is_foreign)


def test_faint_lines_are_left_out_of_a_page_that_is_read():
    found = legible([line_of("A line that is read well enough", 0.98), line_of("7uor", 0.3, width=80)], WHITE, 0.5)
    assert ([line.text for line in found.lines], found.num_faint, found.is_foreign) == (
        ["A line that is read well enough"],
        1,
        False,
    )


@pytest.mark.parametrize(
    ("confidence", "elsewhere", "is_foreign"),
    [
        (0.5, 0, True),  # four words of large type in a script that is not known
        (0.98, 0, False),  # in one that is
        (0.5, 600, False),  # a picture beside what the detector takes for words
    ],
)
def test_a_poster_of_single_words_in_another_script_is_foreign(confidence, elsewhere, is_foreign):
    pixels = WHITE.copy()
    words = [line_of("899", confidence, top=top, width=240, height=140) for top in range(100, 900, 200)]
    for word in words:
        pixels[int(word.box.top) : int(word.box.bottom), int(word.box.left) : int(word.box.right) : 3] = 0
    pixels[100 : 100 + elsewhere, 360:960] = 90
    assert legible(words, pixels, 0.4).is_foreign == is_foreign


def test_a_speck_is_no_foreign_script():
    assert not legible([line_of("7", 0.4, width=20, height=20)], WHITE, 0.5).is_foreign


def test_many_lines_of_ink_that_the_detector_does_not_find_make_a_page_foreign():
    # given twelve bands of strokes, like lines of Arabic, of which nothing was found
    pixels = WHITE.copy()
    for top in range(100, 820, 60):
        pixels[top : top + 24, 100:900:3] = 0
    assert legible([], pixels, 0.5).is_foreign
    assert not legible([], WHITE, 0.5).is_foreign


@pytest.mark.parametrize("slope", [-0.02, 0.013])
def test_lines_of_a_skewed_scan_that_the_detector_does_not_find_count_too(slope):
    pixels = WHITE.copy()
    for top in range(100, 820, 60):
        for left in range(100, 900, 3):
            pixels[top + round(slope * left) : top + 24 + round(slope * left), left] = 0
    assert legible([], pixels, 0.5).is_foreign
    read = [
        line_of("A line that is read well enough", 0.98, top=top, height=24, left=100, width=800) for top in (100, 160, 220, 280)
    ]
    assert not legible(read, pixels, 0.5).is_foreign


@pytest.mark.parametrize(("num_unread", "is_foreign"), [(2, True), (1, False)])
def test_numbers_say_nothing_of_the_script_of_a_page(num_unread, is_foreign):
    # given a table of numbers below lines of Cyrillic, of which only commas come out; one alone may be a stamp
    unread = [line_of(",      ,", 0.9, top=50 * i, width=800) for i in range(num_unread)]
    numbers = [line_of("1248", 1.0, left=200 * column, top=200 + 60 * row, width=90) for row in range(6) for column in range(4)]
    assert legible(unread + numbers, WHITE, 0.5).is_foreign == is_foreign


def test_a_photograph_without_text_is_not_foreign():
    noise = np.random.default_rng(1).integers(0, 255, (1000, 1000, 3), dtype=np.uint8)
    assert not legible([], noise, 0.5).is_foreign


@pytest.mark.slow
async def test_hidden_text_is_better_than_none_where_the_script_is_not_known(engine, monkeypatch):
    foreign = ppocr.OcrPage([line_of(",", 0.89, top=60 * i) for i in range(4)], 840, 440)
    monkeypatch.setattr(ppocr.PpOcr, "read", lambda _, pixels: foreign)
    words = ["Всі люди народжуються", "вільними і рівними", "у своїй гідності"]
    hidden = layer_of(words, num_hidden=sum(len(line.replace(" ", "")) for line in words))
    refused = await engine.read(request(drawn(LINES)))
    kept = await engine.read(request(drawn(LINES), text_layer=hidden))
    assert refused.failure is not None
    assert refused.failure.kind is FailureKind.unsupported_script
    assert (kept.failure, kept.text_origin, kept.flags) == (None, "text_layer", ("hidden_text_layer",))


async def test_a_layer_that_no_ocr_can_replace_is_kept_beside_the_failure(engine, monkeypatch):
    # given a layer of another script a quarter of whose characters have no meaning
    foreign = ppocr.OcrPage([line_of(",", 0.89, top=60 * i) for i in range(4)], 840, 440)
    monkeypatch.setattr(ppocr.PpOcr, "read", lambda _, pixels: foreign)
    lines = ["सभी मनु\ufffd को गौरव", "और अ\ufffdकार के मामले"]
    layer = layer_of(lines, num_unmapped=8)

    asked = request(drawn(LINES), text_layer=layer)
    outcome = await ask(engine.read, asked, ReadSettings(), takes_prefix=False)

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.unsupported_script
    assert outcome.completion.flags == ("text_layer_untrusted", "untrusted_text_kept")
    assert outcome.parsed is not None
    assert " ".join(texts(outcome.completion)) == " ".join(lines)


async def test_a_layer_is_kept_where_the_ocr_finds_nothing(engine, monkeypatch):
    monkeypatch.setattr(ppocr.PpOcr, "read", lambda _, pixels: ppocr.OcrPage([], 840, 440))
    layer = layer_of(["\ue001\ue002 words", "that are odd"], num_unmapped=8)

    completion = await engine.read(request(drawn(LINES), text_layer=layer))

    assert completion.failure is None
    assert "untrusted_text_kept" in completion.flags
    assert "words that are odd" in " ".join(texts(completion))


@pytest.mark.slow
async def test_lost_ligatures_are_read_from_the_page(engine):
    lines = ["The office of the first pilot", "files all final figures", "for fishing in the staff room"]
    layer = layer_of([line.replace("ffi", "\ufffd").replace("fi", "\ufffd").replace("ff", "\ufffd") for line in lines])
    places = iter(layer.words)
    words = []
    for row, line in enumerate(lines):  # where they are drawn: 14 pt Helvetica at 144 dpi
        left = 80.0
        for text in line.split():
            width = 2 * pymupdf.get_text_length(text, fontsize=14)
            words.append(next(places)._replace(left=left, top=70 + 60 * row, right=left + width, bottom=108 + 60 * row))
            left += width + 2 * pymupdf.get_text_length(" ", fontsize=14)

    completion = await engine.read(request(drawn(lines), text_layer=layer.model_copy(update={"words": words})))

    assert " ".join(texts(completion)) == " ".join(lines)
    assert completion.flags == ("text_layer_mended",)


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("All human beings are born free and equal", []),
        ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心", ["zh"]),
        ("すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である", ["ja"]),
        ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다", ["ko"]),
        ("Все люди рождаются свободными и равными в своем достоинстве и правах", ["ru"]),
        ("Всі люди народжуються вільними і рівними у своїй гідності та правах", []),
        ("يولد جميع الناس أحرارا متساوين في الكرامة والحقوق وقد وهبوا العقل والضمير", ["ar"]),
        ("تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند", []),
        ("सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है", ["hi"]),
        ("ελεύθερος", []),
    ],
)
def test_a_language_is_named_only_where_its_script_leaves_no_doubt(text, languages):
    assert languages_of(text) == languages


def test_what_changes_an_answer_is_described():
    info = describe(EngineSettings(classic=ClassicSettings(min_confidence=0.7, num_threads=2)))
    assert (info.name, info.model, info.tasks, info.takes_prompts) == ("classic", "PP-OCRv6_rec_small", ("ocr", "chart"), False)
    assert info.options["min_confidence"] == 0.7
    assert "num_threads" not in info.options  # as fast as it may be, it reads the same


def test_what_the_detector_frames_in_a_picture_is_no_line_of_an_unknown_script():
    frames = [line_of("***", 0.6, width=122, height=66), line_of("女", 0.4, top=90, width=128, height=72)]

    assert not legible(frames, WHITE, 0.5).is_foreign


def strip_of(text, width, height):
    """A line of text, as high as the strip allows."""
    page = pymupdf.open().new_page(width=width, height=height)
    page.insert_text((4, height * 0.75), text, fontsize=height * 0.75)
    pixmap = page.get_pixmap(dpi=72, alpha=False)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


@pytest.mark.slow
@pytest.mark.parametrize("is_tall", [False, True])
def test_a_strip_that_is_too_long_to_be_read_whole_is_read_in_pieces(engine, is_tall):
    text = "Reading is to the mind what exercise is to the body said somebody in 1709"
    pixels = strip_of(text, 4096, 32)

    page = engine._ocr.read(np.ascontiguousarray(np.rot90(pixels, -1)) if is_tall else pixels)

    lines = sorted(page.lines, key=lambda line: line.box.top if is_tall else line.box.left)
    assert " ".join(line.text for line in lines) == text
    first, last = lines[0].box, lines[-1].box
    start, end = (first.top, last.bottom) if is_tall else (first.left, last.right)
    assert start == pytest.approx(4, abs=8)
    assert end == pytest.approx(800, abs=20)  # as drawn: 73 letters of 24 px Helvetica


@pytest.mark.parametrize("size", [(2, 3000), (3000, 2), (1000, 5), (5, 1000), (1, 400), (400, 1), (6272, 32), (32, 6272)])
async def test_a_strip_without_text_is_a_page_without_text(engine, size):
    width, height = size
    image = PageImage.from_rgb(width, height, bytes([200, 210, 220]) * (width * height))

    completion = await engine.read(request(image))

    assert completion.failure is None
    assert texts(completion) == []


def test_pieces_of_a_strip_hold_all_its_ink_once_and_know_where_they_lie():
    strip = np.full((32, 3000, 3), 255, np.uint8)
    for start in range(10, 2990, 100):
        strip[8:24, start : start + 60] = start % 200

    pieces = list(strip_pieces(strip))

    assert all(piece.pixels.shape[1] <= 17 * 32 and piece.pixels.shape[1] <= 8 * piece.pixels.shape[0] for piece in pieces)
    found = np.full_like(strip, 255)
    for piece in pieces:
        rows, columns = np.nonzero((piece.pixels != 255).any(axis=2))
        found[rows + piece.top, columns + piece.left] = piece.pixels[rows, columns]
    assert (found == strip).all()
    assert sum((piece.pixels != 255).sum() for piece in pieces) == (strip != 255).sum()


@pytest.mark.slow
def test_a_page_of_usual_shape_is_read_as_a_whole(engine, monkeypatch):
    monkeypatch.setattr(ppocr, "strip_pieces", None)
    assert engine._ocr.read(np.full((32, 640, 3), 255, np.uint8)).lines == []


async def test_seconds_of_requests_that_wait_for_each_other_sum_to_what_they_took(monkeypatch):
    engine = make(SETTINGS)
    await engine.start()
    monkeypatch.setattr(engine, "_from_text_layer", lambda image, words: (time.sleep(0.02), Completion())[1])
    layer = layer_of(LINES)
    monkeypatch.setattr("workers.engines.classic.engine.judge", lambda *_: SimpleNamespace(is_trusted=True))
    started = time.monotonic()
    completions = await asyncio.gather(*(engine.read(request(drawn([]), text_layer=layer)) for _ in range(6)))
    await engine.close()
    assert 6 * 0.02 <= sum(completion.engine_s for completion in completions) <= time.monotonic() - started


def test_a_language_that_is_installed_is_more_to_read_by_and_no_other_recipe(monkeypatch, tmp_path):
    def described(*languages, **given):
        files = {name: tmp_path / f"{name}.traineddata" for name in languages}
        monkeypatch.setattr(classic, "find_tesseract", lambda: Tesseract("/usr/bin/tesseract", "5.3.0", files) if files else None)
        return describe(EngineSettings(classic=ClassicSettings(**given)))

    one, two = described("ara", "osd"), described("ara", "hin", "osd")
    assert (one.reads_by, two.reads_by) == ("tesseract 5.3.0: ara", "tesseract 5.3.0: ara hin")
    assert one.options == two.options == described().options
    assert described("ara", "deu").reads_by == one.reads_by
    assert described("ara", "hin", tesseract_languages=["ara"]).reads_by == one.reads_by
    assert described().reads_by == described("ara", tesseract_languages=[]).reads_by == ""


VIETNAMESE = [
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng",
    "về nhân phẩm và quyền. Mọi con người đều được tạo hoá",
    "ban cho lý trí và lương tâm và cần phải đối xử với nhau",
]


def drawn_as_html(lines):
    """Lines in MuPDF's own font, which has letters that Helvetica lacks."""
    page = pymupdf.open().new_page(width=420, height=160)
    page.insert_htmlbox(
        pymupdf.Rect(20, 20, 400, 140), "".join(f"<p>{line}</p>" for line in lines), css="p{margin:6px;font-size:13px}"
    )
    pixmap = page.get_pixmap(dpi=144, alpha=False)
    return PageImage.from_rgb(pixmap.width, pixmap.height, pixmap.samples)


@pytest.mark.slow
async def test_a_picture_that_may_be_text_in_an_unseen_script_is_flagged(engine):
    image = drawn(["Station 4"])
    pixels = np.frombuffer(image.rgb(), np.uint8).reshape(image.height_px, image.width_px, 3).copy()
    pixels[200:420, 60:780] = np.random.default_rng(1).integers(0, 120, (220, 720, 1))

    completion = await engine.read(request(PageImage.from_rgb(image.width_px, image.height_px, pixels.tobytes())))

    assert (texts(completion)[-1], completion.failure) == ("Station 4", None)
    assert "ink_unread" in completion.flags
    assert (await engine.read(request(drawn(LINES)))).flags == ()


@pytest.mark.slow
async def test_a_scan_has_the_signs_that_the_dictionary_lacks(engine):
    lines = ["Er sagte: „Das ist gut“ und ging.", "No lo sé. ¡Ven aquí ahora mismo!"]
    completion = await engine.read(request(drawn_as_html(lines)))
    assert (" ".join(texts(completion)).replace('"', "“"), completion.flags) == (" ".join(lines), ())


@pytest.mark.slow
async def test_lines_in_another_script_are_said_to_be_left_out(engine):
    lines = [
        "All human beings are born free and equal in dignity.",
        "Nobody shall be held in slavery.",
        "Everyone has a right to life.",
    ]
    russian = "Все люди рождаются свободными и равными"
    completion = await engine.read(request(drawn_as_html([*lines, russian])))
    assert (" ".join(texts(completion)), completion.flags) == (" ".join(lines), ("other_script_lines_dropped",))


@pytest.mark.slow
async def test_a_scan_in_akan_says_that_its_letters_are_wrong(engine):
    lines = [
        "Wɔawo adesamma nyinaa sɛ nnipa a wɔwɔ ahofadi.",
        "Wɔn nyinaa wɔ nidi ne kyɛfa koro. Wɔwɔ adwene",
        "ne ahonim, na ɛsɛ sɛ wobu wɔn ho wɔn ho sɛ anuanom.",
    ]
    completion = await engine.read(request(drawn_as_html(lines)))
    assert (completion.failure, completion.flags) == (None, ("letters_misread",))


@pytest.mark.slow
async def test_a_scan_in_vietnamese_is_refused_where_its_letters_are_lacking(engine):
    completion = await engine.read(request(drawn_as_html(VIETNAMESE)))
    assert completion.failure is not None
    assert completion.failure.kind is FailureKind.unsupported_script
    assert "Vietnamese" in completion.failure.message
    assert "tesseract-ocr-vie" in completion.failure.message


@pytest.mark.slow
async def test_a_scan_in_vietnamese_is_read_by_tesseract_where_it_is_installed():
    found = find_tesseract()
    if found is None or "vie" not in found.data:
        pytest.skip("no tesseract with Vietnamese data (Debian: tesseract-ocr-vie)")
    engine = make(EngineSettings(classic=ClassicSettings(tesseract_languages=["vie"])))
    await engine.start()
    completion = await engine.read(request(drawn_as_html(VIETNAMESE)))
    await engine.close()
    answer = OcrAnswer.model_validate_json(completion.text)
    assert " ".join(texts(completion)) == " ".join(VIETNAMESE)
    assert (answer.languages, completion.text_origin, completion.flags) == (["vi"], "ocr", ("read_by_tesseract",))
    assert completion.read_by == f"tesseract {found.version} vie {fingerprint(found.data['vie'])}"
