"""The engine `classic`: decides whom to believe, the text layer or the OCR, and answers in blocks."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from schemas.answers import OcrAnswer
from schemas.failure import Failure, FailureKind
from schemas.page import Box, PageImage, Word
from schemas.settings import EngineSettings
from workers.engines.classic.answering import MIN_UNCOVERED_SHARE, answered, blocks_of, from_layer, has_unexplained_ink, pixels_of
from workers.engines.classic.lacking_signs.lookalikes import are_misread
from workers.engines.classic.lacking_signs.signs import are_missing
from workers.engines.classic.legible import MIN_BANDS, Legible, legible
from workers.engines.classic.letters import language_lacking
from workers.engines.classic.leveling import leveled_pixels
from workers.engines.classic.mending import mend
from workers.engines.classic.models import model_paths
from workers.engines.classic.other_scripts import OtherScripts, ScriptReading, Unread
from workers.engines.classic.ppocr import READ_SCORE, OcrLine, OcrPage, Pixels, PpOcr
from workers.engines.classic.tesseract import find_tesseract
from workers.engines.classic.time_limit import OutOfTimeError, check_time, time_limit
from workers.engines.classic.turning import turned_pixels
from workers.engines.engine import Completion, EngineStartError, Request
from workers.text.trust import Trust, judge, uncovered_ink

MIN_BARE_INK = 0.03
"""Share of a page that bears ink from which it may be text; a page of ten lines has 0.05."""


class ClassicEngine:
    """Threads of its own do all the work, each one request after the other: the event loop stays free, memory bounded."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings.classic
        self._timeout_s = settings.timeout_s
        self._others = OtherScripts(None, None)
        self._threads = ThreadPoolExecutor(max_workers=settings.classic.pages_at_once or 1, thread_name_prefix="classic")
        self._of_thread = threading.local()
        self._loading = threading.Lock()

    async def start(self) -> None:
        model_paths(self._settings.models_dir)
        languages = self._settings.tesseract_languages
        self._others = await asyncio.to_thread(lambda: OtherScripts(None if languages == [] else find_tesseract(), languages))

    @property
    def _ocr(self) -> PpOcr:
        """The OCR of this thread. It is loaded for the first page that needs it, which takes a second: most text layers need none.

        Raises EngineStartError.
        """
        if not hasattr(self._of_thread, "ocr"):
            try:
                with self._loading:
                    self._of_thread.ocr = PpOcr(self._settings.num_threads, self._settings.models_dir)
            except ImportError as error:
                raise EngineStartError(f"The engine `classic` cannot load its OCR: {error}.") from error
        ocr: PpOcr = self._of_thread.ocr
        return ocr

    async def read(self, request: Request) -> Completion:
        if request.task != "ocr":
            failure = Failure(
                stage="read", kind=FailureKind.engine_error, message="the engine `classic` reads text only", task=request.task
            )
            return Completion(stop_reason="error", failure=failure)
        if request.is_blank:
            return Completion(text=OcrAnswer(blocks=[]).model_dump_json(exclude_none=True), text_origin="ocr")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, request)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(self, request: Request) -> Completion:
        start = time.monotonic()
        image = request.image
        words = request.text_layer.words if request.text_layer else []
        trust = judge(request.text_layer, image.width_px, image.height_px)
        try:
            with time_limit(self._timeout_s):
                completion = self._from_text_layer(request, words) if trust.is_trusted else self._from_pixels(image, words, trust)
        except OutOfTimeError:
            message = f"the page took longer than {self._timeout_s:g} s"
            failure = Failure(stage="read", kind=FailureKind.engine_timeout, message=message, task="ocr")
            completion = Completion(stop_reason="error", failure=failure)
        return replace(completion, engine_s=time.monotonic() - start)

    def _from_text_layer(self, request: Request, words: Sequence[Word]) -> Completion:
        image = request.image
        pixels = pixels_of(image)
        words, num_mended, num_lost = mend(words, pixels, self._read_lines)
        flags = ("text_layer_mended",) * bool(num_mended) + ("characters_lost",) * bool(num_lost)
        if has_unexplained_ink(pixels, words):
            found = legible(self._ocr_page(pixels).lines, pixels, self._settings.min_confidence)
            lines = [line for line in found.lines if line.confidence >= READ_SCORE and not _is_covered(line.box, words)]
            if lines:
                blocks = blocks_of([*words, *_as_words(lines, upright=False)], pixels, request, is_scan=True)
                scores = [None] * len(words) + [line.confidence for line in lines]
                boxes = [word.box for word in words] + [line.box for line in lines]
                return answered(blocks, boxes, scores, image, Completion(text_origin="text_layer", flags=(*flags, "ocr_added")))
        return from_layer(request, pixels, words, flags)

    def _from_pixels(self, image: PageImage, words: Sequence[Word], trust: Trust) -> Completion:
        pixels = pixels_of(image)
        page = self._ocr_page(pixels)
        found = legible(page.lines, pixels, self._settings.min_confidence)
        flags = ["text_layer_untrusted"] if words else []
        language, failure, read_by = None, None, None
        lacking = None if found.is_foreign else self._lacking(found)
        is_bare = not (found.is_foreign or lacking) and _is_bare(pixels, found.lines)
        if found.is_foreign or lacking or is_bare:
            other = self._others.read(pixels, page, lacking, is_likely=not is_bare)
            check_time()
            if isinstance(other, Unread):
                failure = None if is_bare else _unsupported(found, other)
                flags += ["ink_unread"] * is_bare
            else:
                page, language, read_by = other.page, other.language, other.read_by
                found = self._sure(other)
                flags.append("read_by_tesseract")
        if words and (failure or not found.lines):
            return _kept(words, image, trust, failure)
        if failure:
            return Completion(stop_reason="error", failure=failure, text_origin="ocr", flags=tuple(flags))
        if found.num_faint:
            flags.append("low_confidence_lines_dropped")
        if found.num_foreign:
            flags.append("other_script_lines_dropped")
        if not read_by:
            text = "\n".join(line.text for line in found.lines)
            flags += ["signs_missing"] * are_missing(text) + ["letters_misread"] * are_misread(text)
        if page.rotation:
            flags.append(f"read_rotated_{page.rotation}")
        as_words = _tight_words(found.lines) if read_by else _as_words(found.lines, upright=True)
        upright = leveled_pixels(turned_pixels(pixels, page.rotation), page.skew)
        blocks = blocks_of(as_words, upright, None, is_scan=True)
        boxes, scores = [line.box for line in found.lines], [line.confidence for line in found.lines]
        return answered(blocks, boxes, scores, image, Completion(text_origin="ocr", read_by=read_by, flags=tuple(flags)), language)

    def _lacking(self, found: Legible) -> str | None:
        """The language whose letters PP-OCR left out of what it read."""
        return language_lacking(" ".join(line.text for line in found.lines), self._ocr.dictionary)

    def _sure(self, other: ScriptReading) -> Legible:
        kept = [line for line in other.page.lines if line.confidence >= self._settings.min_confidence]
        return Legible(kept, len(other.page.lines) - len(kept), 0, False, 1.0)

    def _read_lines(self, crops: list[Pixels]) -> list[tuple[str, float]]:
        return self._ocr.read_lines(crops)

    def _ocr_page(self, pixels: Pixels) -> OcrPage:
        page = self._ocr.read(pixels)
        check_time()
        return page


def _is_bare(pixels: Pixels, lines: Sequence[OcrLine]) -> bool:
    """Much ink and hardly a line found: a picture, or a script that the detector does not see (Arabic, Devanagari)."""
    if len(lines) >= MIN_BANDS or (ink := uncovered_ink(pixels, [])) < MIN_BARE_INK:
        return False
    words = [word for line in lines for word in _tight_words([line._replace(upright=line.box)])]  # as they lie on the image
    return uncovered_ink(pixels, words) > MIN_UNCOVERED_SHARE * ink


def _unsupported(found: Legible, unread: Unread) -> Failure:
    message = f"{found.read_share:.0%} of what looks like text could be read: {unread.reason}"
    return Failure(stage="read", kind=FailureKind.unsupported_script, message=message[:500], task="ocr")


def _kept(words: Sequence[Word], image: PageImage, trust: Trust, failure: Failure | None) -> Completion:
    """The text of a layer that is not believed and that no OCR can replace; with the failure beside it, for another engine to mend.
    An earlier OCR's layer is no failure: nothing else is wrong with it."""
    flags = ("hidden_text_layer",) if trust.is_hidden else ("text_layer_untrusted", "untrusted_text_kept")
    completion = Completion(text_origin="text_layer", flags=flags, failure=None if trust.is_hidden else failure)
    blocks = blocks_of(words, pixels_of(image), None, is_scan=True)
    return answered(blocks, [word.box for word in words], [None] * len(words), image, completion)


def _as_words(lines: Sequence[OcrLine], *, upright: bool) -> list[Word]:
    """One word a line. The detector's boxes reach over the letters by about a fifth of their height, enough to close a gutter.

    Sizes near the usual one become it: the thickness of a line depends on its letters ("sense", "Jäger").
    """
    boxes = [line.upright if upright else line.box for line in lines]
    sizes = [min(box.width, box.height) for box in boxes]
    usual = float(np.median(np.repeat(sizes, [len(line.text) for line in lines]))) if lines else 0.0
    sizes = [usual if 0.72 * usual < size < 1.32 * usual else size for size in sizes]
    return [
        Word(
            line.text, *_inset(box, 0.2 * min(box.width, box.height)), block=-1 - index, line=0, size_px=0.75 * size
        )  # a line's box is taller than its font size
        for index, (line, box, size) in enumerate(zip(lines, boxes, sizes, strict=True))
    ]


def _tight_words(lines: Sequence[OcrLine]) -> list[Word]:
    """One word a line, for lines whose boxes end where their letters do."""
    return [
        Word(line.text, *line.upright, block=-1 - index, line=0, size_px=0.9 * min(line.upright.width, line.upright.height))
        for index, line in enumerate(lines)
    ]


def _inset(box: Box, by: float) -> Box:
    return Box(box.left + by, box.top + by / 2, box.right - by, box.bottom - by / 2)


def _is_covered(box: Box, words: Sequence[Word]) -> bool:
    return sum(box.intersection(word.box).area for word in words) > 0.3 * box.area
