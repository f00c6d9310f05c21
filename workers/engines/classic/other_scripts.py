"""Reads by Tesseract what PP-OCR cannot: which script, which way up, which of its languages, and whether to believe the result.

Tesseract's own script detection proposes (right for 14 of 15 scripts, and unsure where it is wrong); a sample of the page, read in
each language that it may be in, decides. Measured on made scans: the right language scores 0.8 to 0.95, one of another script at
most 0.3, a sister language 0.02 to 0.2 less than the right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.engines.classic import scripts
from workers.engines.classic.letters import LANGUAGES as LACKING
from workers.engines.classic.leveling import askew_boxes, leveled_pixels
from workers.engines.classic.ppocr import OcrLine, OcrPage, Pixels, Rotation
from workers.engines.classic.tesseract import Tesseract, TesseractError
from workers.engines.classic.turning import turned_boxes, turned_pixels
from workers.text.trust import script_of

MIN_SHARE = 0.7
"""Of the letters that are of the script that the language is written in; a Georgian model reads Latin with a score of 0.69."""
MIN_SURE = 10.0
"""Script confidence of Tesseract from which only that script's languages are tried."""
MIN_SAMPLE = 0.7
"""Score of a sample below which other scripts are tried, too."""
ENOUGH = 0.9
"""Score of a sample that no language of another script reaches: the Thai model reads Georgian with 0.71, and Armenian with 0.82."""
MIN_PAGE = 0.6
MIN_CHARS = 20
"""Letters of its script that a page has at least."""
MAX_TRIES = 20
"""Samples read of one page."""
_MIN_TURN = 4.0
"""Orientation confidence below which the page is taken to be upright."""
_COMMON = {
    "ara": "في من على أن إلى التي أو كل هذا عن لا ما و حق الحق أي هو",
    "fas": "و در به از که را این با است برای آن هر یا حق می باید",
    "urd": "کے کی اور میں ہے کو کا سے پر یا اس کہ نے ہر جو کسی حق",
    "pus": "د او په چې کې ته له دي هر يا سره حق لري دا",
    "snd": "۽ جي ۾ جو کي سان کان آهي يا هر حق",
    "uig": "ۋە بىر بۇ ئۇ ھەر ياكى بىلەن ئۈچۈن",
    "hin": "और के को का की में है से पर या किसी भी इस",
    "mar": "आणि व आहे या हक्क किंवा त्याच्या आहेत करण्याचा प्रत्येक",
    "nep": "र हरेक छ गर्ने वा लाई हुनेछ व्यक्तिलाई अधिकार गर्न छैन",
    "san": "च अस्ति वा सर्वे न इति",
}  # fmt: skip
"""Words that part sister languages, whose models read each other's pages with much the same scores."""
_COMMON_WEIGHT = 1.0
_WITHIN = {"tha": ("และ", "ของ", "การ", "ที่", "มี", "ใน", "ได้", "เป็น", "ให้", "ความ", "จะ", "ไม่", "หรือ", "โดย", "กับ")}
"""Words that stand in all text of a language without spaces. Its model makes other scripts into letters of its own, and is sure."""
_WITHIN_EVERY = 60
"""Characters to one of these words at most; Thai has one in 14, and what its model made of other scripts has none."""


@dataclass(frozen=True)
class ScriptReading:
    page: OcrPage
    read_by: str
    """Program, version and data."""
    language: str | None
    """BCP 47 where the letters show it and `languages_of` would not."""


@dataclass(frozen=True)
class Unread:
    reason: str
    """For a person: what the page seems to be, and what to install."""


class OtherScripts:
    """`languages`: those that may be used; None: all that are installed."""

    def __init__(self, tesseract: Tesseract | None, languages: Sequence[str] | None) -> None:
        self._tesseract = tesseract
        installed = tesseract.languages if tesseract else ()
        self.languages = tuple(name for name in installed if languages is None or name in languages)

    def read(self, rgb: Pixels, page: OcrPage, lacking: str | None, *, is_likely: bool = True) -> ScriptReading | Unread:
        """`page`: what PP-OCR made of it. `lacking`: the language of the Latin script whose letters it left out; None: the page
        is in another script, or illegible. Not `is_likely`: rather it is a picture."""
        if self._tesseract is None or not self.languages:
            return Unread(_nothing_installed(lacking))
        try:
            return (
                self._lacking(self._tesseract, rgb, page, lacking)
                if lacking
                else self._other(self._tesseract, rgb, page, is_likely=is_likely)
            )
        except TesseractError as error:
            return Unread(str(error))

    def _lacking(self, tesseract: Tesseract, rgb: Pixels, page: OcrPage, language: str) -> ScriptReading | Unread:
        found = scripts.languages_for_latin(language, self.languages)
        if not found:
            return Unread(_nothing_installed(language))
        lines = tesseract.read(leveled_pixels(turned_pixels(rgb, page.rotation), page.skew), found[0])
        if _score(lines) < MIN_PAGE:
            return Unread(f"{LACKING[language].name}, of which Tesseract read nothing that it is sure of")
        return ScriptReading(_placed(lines, rgb, page.rotation, page.skew), tesseract.name_of(found[0]), language)

    def _other(self, tesseract: Tesseract, rgb: Pixels, page: OcrPage, *, is_likely: bool) -> ScriptReading | Unread:
        seen = tesseract.orientation(_window(rgb, 3))
        script = scripts.script_named(seen.script) if seen else None
        rotation = seen.rotation if seen and seen.confidence >= _MIN_TURN else page.rotation
        own = scripts.languages_for(script, self.languages) if script else []
        is_sure = seen is not None and seen.script_confidence >= MIN_SURE
        if not is_likely and not (script and is_sure):
            return Unread("a picture")
        if script and is_sure and not own:
            first = scripts.LANGUAGES[script][0]
            return Unread(f"it is in the script {script}: install its data for Tesseract (Debian: {scripts.package(first)})")
        skew = page.skew if rotation == page.rotation else 0.0
        upright = leveled_pixels(turned_pixels(rgb, rotation), skew)
        language, score = self._best(tesseract, upright, own)
        if score < MIN_SAMPLE and not is_sure:
            elsewhere = (scripts.languages_for(name, self.languages) for name in scripts.LANGUAGES if name != script)
            others = [found[0] for found in elsewhere if found]
            other, other_score = self._best(tesseract, upright, others[: MAX_TRIES - len(own)], enough=ENOUGH)
            if other_score > score:
                language, score = other, other_score
                own = scripts.languages_for(_script_of(other), self.languages)
                if len(own) > 1:
                    language, score = self._best(tesseract, upright, own)
        if not language or score < MIN_PAGE:
            return Unread("no language that Tesseract has data for here fits it")
        if "eng" in self.languages and _num_latin(page.lines) >= 12:
            language = f"{language}+eng"
        lines = tesseract.read(upright, language)
        is_proposed = is_sure or _script_of(language) == script
        is_in_script = _share_of_script(lines, _script_of(language)) >= MIN_SHARE and _has_its_words(lines, language)
        if not is_in_script or _score(lines) < (MIN_PAGE if is_proposed else MIN_SAMPLE):
            return Unread(f"Tesseract read it as `{language}`, and is not sure of it")
        return ScriptReading(_placed(lines, rgb, rotation, skew), tesseract.name_of(language), None)

    def _best(self, tesseract: Tesseract, upright: Pixels, languages: Sequence[str], enough: float = 1.0) -> tuple[str, float]:
        """Of these languages the one whose model reads a sample best, and its score; "" and 0 where none reads anything. The first
        whose score is `enough` is taken."""
        sample = _window(upright, 8)
        best, best_merit, best_score = "", 0.0, 0.0
        for language in languages[:MAX_TRIES]:
            lines = tesseract.read(sample, language, block=True)
            is_its_script = _share_of_script(lines, _script_of(language), at_least=8) >= MIN_SHARE
            score = _score(lines) if is_its_script and _has_its_words(lines, language) else 0.0
            merit = score + _COMMON_WEIGHT * _share_of_common(lines, language)
            if merit > best_merit:
                best, best_merit, best_score = language, merit, score
            if score >= enough:
                break
        return best, best_score


def _nothing_installed(lacking: str | None) -> str:
    if lacking is None:
        return (
            "a script that PP-OCR does not know, or illegible; install the program tesseract with the data of its language "
            "(Debian: tesseract-ocr and, say, tesseract-ocr-ara)"
        )
    name, data = LACKING[lacking].name, scripts.LATIN.get(lacking)
    if not data and lacking not in scripts.WHOLE_LATIN:
        return f"{name}, whose letters neither PP-OCR nor Tesseract's data have"
    wanted = scripts.package(data) if data else scripts.script_package("Latin")
    return f"{name}, whose letters PP-OCR lacks; install the program tesseract and its data (Debian: tesseract-ocr {wanted})"


def _script_of(language: str) -> str:
    first = language.partition("+")[0].removeprefix("script/")
    return next((name for name, languages in scripts.LANGUAGES.items() if first == name or first in languages), "")


def _share_of_script(lines: Sequence[OcrLine], script: str, at_least: int = MIN_CHARS) -> float:
    """Of the letters those of the script, or of Latin beside enough of it; 0 where they are few."""
    names = [name for line in lines for char in line.text if (name := script_of(char))]
    wanted = script.partition("_")[0].upper()
    num_wanted, num_latin = names.count(wanted), names.count("LATIN")
    return num_wanted / max(len(names) - num_latin * (num_wanted > num_latin / 2), 1) if num_wanted >= at_least else 0.0


def _has_its_words(lines: Sequence[OcrLine], language: str) -> bool:
    """False where a language without spaces has none of its commonest words in a text that is long enough for some."""
    words = _WITHIN.get(language.partition("+")[0], ())
    text = "".join(line.text for line in lines).replace(" ", "")
    return not words or sum(map(text.count, words)) >= len(text) // _WITHIN_EVERY


def _score(lines: Sequence[OcrLine]) -> float:
    """Mean, weighted by characters; 0 where there are none."""
    num_chars = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / num_chars if num_chars else 0.0


def _share_of_common(lines: Sequence[OcrLine], language: str) -> float:
    words = [word.strip(".,:;،؛。।()") for line in lines for word in line.text.split()]
    common = frozenset(_COMMON.get(language, "").split())
    return sum(word in common for word in words) / len(words) if words else 0.0


def _num_latin(lines: Sequence[OcrLine]) -> int:
    """Latin letters of lines that PP-OCR is sure of: a second language on the page."""
    return sum(sum(char.isascii() and char.isalpha() for char in line.text) for line in lines if line.confidence >= 0.93)


def _window(rgb: Pixels, part: int) -> Pixels:
    """The stretch of the page's full width and a `part`-th of its height (200 rows at least) with most ink in it."""
    height = max(200, rgb.shape[0] // part)
    if height >= rgb.shape[0]:
        return rgb
    grey = rgb[:, ::2, 1].astype(np.int16)
    paper = int(np.bincount(grey.ravel(), minlength=256).argmax())
    ink = np.concatenate([[0], np.cumsum((np.abs(grey - paper) > 64).sum(axis=1))])
    top = int(np.argmax(ink[height:] - ink[:-height]))
    return rgb[top : top + height]


def _placed(lines: Sequence[OcrLine], rgb: Pixels, rotation: Rotation, skew: float) -> OcrPage:
    """The lines of a page that was turned by `rotation` and laid level, with their places on the image as it came."""
    height, width = rgb.shape[:2]
    upright = (height, width) if rotation in (90, 270) else (width, height)
    boxes = turned_boxes(askew_boxes([line.box for line in lines], skew, *upright), rotation, width, height)
    placed = [line._replace(box=box) for line, box in zip(lines, boxes, strict=True)]
    return OcrPage(placed, *upright, rotation, skew)
