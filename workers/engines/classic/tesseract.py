"""The program `tesseract`, where it is installed: which languages it has, what script a page is in, and lines of text with boxes.

One confined process a page: pixels go in by a pipe, as a PGM of ours, and a table (TSV) comes out. Nothing is written.
"""

import hashlib
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from schemas.page import Box
from workers.engines.classic.ppocr import OcrLine, Pixels, Rotation
from workers.rendering.sandbox.limits import environment
from workers.rendering.sandbox.program import command

MEMORY_BYTES = 1536 * 1024**2
"""Address space; the largest model (Latin, 89 MB) reads a page of 2.4 MP in 0.5 GB."""
CPU_S = 60
WALL_S = 180.0
_MAX_OUTPUT_CHARS = 8_000_000
_ROTATIONS: dict[str, Rotation] = {"0": 0, "90": 90, "180": 180, "270": 270}
_SYLLABLE_GAP = 0.36
"""In heights of most letters."""
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d"
_NEEDLESS_JOINERS = re.compile(rf"(?<=[{_VIRAMAS}])\u200c(?=\W|$)|(?<=\u0bcd)\u200c|(?<=[^\u0930]\u094d)[\u200c\u200d]")
_SYLLABIC = frozenset(("HANGUL", "THAI", "LAO", "KHMER", "MYANMAR"))
_GAP = 1.6
"""In line heights: words further apart are cells or columns, and become lines of their own."""


@dataclass(frozen=True)
class Tesseract:
    program: str
    version: str
    data: Mapping[str, Path]
    """Language as `-l` names it -> its file."""

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.data) - {"osd", "equ"}))

    def name_of(self, language: str) -> str:
        """Program, version and data, as rows name them."""
        parts = [f"{part} {fingerprint(self.data[part])}" for part in language.split("+")]
        return " ".join([f"tesseract {self.version}", *parts])

    def read(self, rgb: Pixels, language: str, *, block: bool = False) -> list[OcrLine]:
        """Lines in its order, words of one parted by blanks. `block`: it is one block of text, without columns or pictures.

        None of its words is left out, however low its score. Raises TesseractError.
        """
        out = self._run(
            _pgm(rgb), ["-l", language, "--psm", "6" if block else "3", "tsv"], [self.data[part] for part in language.split("+")]
        )
        return lines_of(out)

    def orientation(self, rgb: Pixels) -> "Orientation | None":
        """None where it sees too little text, or has no data for that."""
        if "osd" not in self.data:
            return None
        try:
            out = self._run(_pgm(rgb), ["-l", "osd", "--psm", "0"], [self.data["osd"]])
        except TesseractError:  # its way to say that there are too few characters
            return None
        said = dict(re.findall(r"^([\w ]+): (.+)$", out, re.MULTILINE))
        try:
            rotation = _ROTATIONS[said["Rotate"]]
            return Orientation(said["Script"], float(said["Script confidence"]), rotation, float(said["Orientation confidence"]))
        except (KeyError, ValueError):
            return None

    def _run(self, image: bytes, arguments: Sequence[str], files: Sequence[Path]) -> str:
        folder = files[0].parent
        if len({file.parent for file in files}) > 1:
            raise TesseractError("languages of several folders cannot be read together")
        line = command(
            self.program,
            ["stdin", "stdout", "--tessdata-dir", str(folder), *arguments],
            memory_bytes=MEMORY_BYTES,
            cpu_s=CPU_S,
            places=[os.path.dirname(self.program), str(folder), *(str(file.resolve()) for file in files)],
        )
        try:
            done = subprocess.run(
                line, input=image, capture_output=True, timeout=WALL_S, check=False,
                env=environment(os.environ) | {"OMP_THREAD_LIMIT": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TesseractError(f"tesseract took more than {WALL_S:g} s") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise TesseractError(f"tesseract ended with {done.returncode}: {said[0][:200]}")
        return done.stdout[:_MAX_OUTPUT_CHARS].decode(errors="replace")


class Orientation(NamedTuple):
    script: str
    """As its data name it: Latin, Cyrillic, Han, …"""
    script_confidence: float
    rotation: Rotation
    """Degrees clockwise that turn the image upright."""
    confidence: float


class TesseractError(Exception):
    """It failed on this image, or passed a limit."""


def find_tesseract() -> Tesseract | None:
    """The program on PATH with its data; None where there is none, or one that says nothing of itself.

    Asked anew each time (two processes, 40 ms): a watch lasts for weeks, and a language may be installed meanwhile."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    program = os.path.realpath(program)
    try:
        about, listed = (
            subprocess.run([program, option], capture_output=True, text=True, timeout=20, check=True).stdout
            for option in ("--version", "--list-langs")
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    version = re.search(r"tesseract v?(\d[\w.]*)", about)
    folder = re.search(r'in "([^"]+)"', listed)
    if version is None or folder is None or int(version[1].split(".")[0]) < 4:
        return None
    names = [line.strip() for line in listed.splitlines()[1:]]
    files = {name: Path(folder[1]) / f"{name}.traineddata" for name in names}
    return Tesseract(program, version[1], {name: file for name, file in files.items() if file.is_file()})


@lru_cache(maxsize=512)
def _fingerprint(file: Path, size_bytes: int, mtime_ns: int) -> str:
    """8 digits of its first and last 64 KiB."""
    with file.open("rb") as data:
        head = data.read(65_536)
        data.seek(max(size_bytes - 65_536, 0))
        return hashlib.sha256(head + data.read(65_536)).hexdigest()[:8]


def fingerprint(file: Path) -> str:
    """Size and a sample of the content, so that other data under the same name are others."""
    about = file.stat()
    return f"{about.st_size}-{_fingerprint(file, about.st_size, about.st_mtime_ns)}"


def _pgm(rgb: Pixels) -> bytes:
    grey = (rgb @ np.array([0.299, 0.587, 0.114], np.float32) + 0.5).astype(np.uint8)
    return b"P5\n%d %d\n255\n" % (grey.shape[1], grey.shape[0]) + grey.tobytes()


class _Word(NamedTuple):
    text: str
    confidence: float
    box: Box
    line: tuple[int, int, int]


def lines_of(tsv: str) -> list[OcrLine]:
    """The lines of Tesseract's table, cut at gaps that are wider than between words."""
    heights: dict[tuple[int, int, int], Box] = {}
    words = []
    for row in tsv.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) != 12:
            continue
        level, place = cells[0], (int(cells[2]), int(cells[3]), int(cells[4]))
        left, top, width, height = map(int, cells[6:10])
        box = Box(left, top, left + width, top + height)
        if level == "4":
            heights[place] = box
        elif level == "5" and (text := cells[11].strip()):
            words.append(_Word(text, min(max(float(cells[10]) / 100, 0.0), 1.0), box, place))
    return [
        line for place, group in groupby(words, key=lambda word: word.line) for line in _pieces(list(group), heights.get(place))
    ]


def _pieces(words: Sequence[_Word], line: Box | None) -> list[OcrLine]:
    height = median(word.box.height for word in words)
    pieces = [[words[0]]]
    for before, word in pairwise(words):
        gap = max(word.box.left - before.box.right, before.box.left - word.box.right)
        if gap > _GAP * height:
            pieces.append([])
        pieces[-1].append(word)
    return [_line(piece, line if len(pieces) == 1 else None) for piece in pieces]


def _line(words: Sequence[_Word], line: Box | None) -> OcrLine:
    boxes = [word.box for word in words]
    box = line or Box(
        min(b.left for b in boxes), min(b.top for b in boxes), max(b.right for b in boxes), max(b.bottom for b in boxes)
    )
    num_chars = sum(len(word.text) for word in words)
    confidence = sum(word.confidence * len(word.text) for word in words) / num_chars
    return OcrLine(_without_joiners(_joined(words)), confidence, box, box)


def _joined(words: Sequence[_Word]) -> str:
    """The words with blanks between them. In Korean, Thai and their like Tesseract takes each syllable or letter for a word, so
    there the gap decides. Of 0.22, 0.27 and 0.36 of the line's own height, which grows by skew, 0.36 was best on Korean and
    Thai."""
    text, right = words[0].text, words[0].box.right
    height = sorted(word.box.height for word in words)[len(words) * 3 // 4]  # of letters, not of marks
    for word in words[1:]:
        is_word = _is_syllabic(text[-1]) and _is_syllabic(word.text[0])
        is_joined = is_word and word.box.left - right < _SYLLABLE_GAP * height
        text += word.text if is_joined else f" {word.text}"
        right = max(right, word.box.right)
    return text


def _without_joiners(text: str) -> str:
    """Tesseract puts joiners after viramas where nobody writes them: every final one in Tamil, half of the conjuncts in Marathi.
    Those that change what is seen stay: Marathi's र्‍, Persian's."""
    return _NEEDLESS_JOINERS.sub("", text)


def _is_syllabic(char: str) -> bool:
    """Vowel signs and tones are no letters, but have the script's name, too."""
    return unicodedata.name(char, "").partition(" ")[0] in _SYLLABIC
