"""PP-OCR through rapidocr: lines of text with their boxes and scores, whichever way up the page lies. Never touches the network.

rapidocr downloads what its wheel lacks; here every model is named by its path, and one that is missing ends the start.

A magazine page of 122 lines at 2.4 MP takes one thread 5.6 s. Detection takes 0.9 s of it (2.8 with denormal weights), recognition
4.1 s, about 35 ms a line, cutting and laying level 0.6 s.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.page import Box
from workers.engines.classic.lacking_signs.signs import SIGNS, with_lacking_signs
from workers.engines.classic.leveling import leveled_boxes, skew_of
from workers.engines.classic.models import characters_path, model_paths, session_without_denormals
from workers.engines.classic.reading_order.lines.line_text import is_cjk

Rotation = Literal[0, 90, 180, 270]

Pixels = npt.NDArray[np.uint8]


class OcrLine(NamedTuple):
    text: str
    confidence: float
    """Mean score of its characters, 0..1."""
    upright: Box
    """On the page turned upright and its lines laid level: for the order of reading."""
    box: Box
    """On the image as it came, in its pixels."""


DETECTION_SCALE = 0.75
"""Of the size at which rapidocr looks for lines: less than half of the CPU, no more errors. They are cut from the whole page."""
STRIP_ASPECT = 40
"""An image longer than so many times its other side is read in pieces, because rapidocr squeezes the longer side to 2000 px. At
125 times nothing is left of the other side (ResizeImgError), at 80 times nothing can be read, and a tall image of 50 times took
94 s and 4.8 GB."""
_STEP_PX = 32
"""The sides of what the network sees are multiples of it."""
_SHORT_SIDE_PX = 736
"""To which rapidocr enlarges a page's shorter side."""
_PIECE_ASPECT, _PADDED_ASPECT = 16, 4
_LEGIBLE_PX = 6
"""No letter fits into less."""


READ_SCORE = 0.75
"""Score from which a line counts as read."""
READ_DENSITY = 0.5
"""Characters per line height; Latin has 2 and more, Chinese 1.1, wide-spaced capitals 0.6."""
_SAMPLE_LINES = 8
_HOPELESS = 0.15
"""Share of a sample's length; less of it read, and the page is in another script: 5 to 15 s are saved."""


class Piece(NamedTuple):
    """A part of a strip, on a page of its own."""

    pixels: Pixels
    left: int
    """Of that page, on the strip."""
    top: int


@dataclass(frozen=True)
class OcrPage:
    lines: list[OcrLine]
    width_px: int
    """Of the page turned upright."""
    height_px: int
    rotation: Rotation = 0
    """Degrees clockwise that turn the image upright."""
    skew: float = 0.0
    """Radians by which the lines of the page turned upright still fall to the right."""


class PpOcr:
    """The three networks, those of `models_dir` or of rapidocr's wheel. Not for several threads at once."""

    def __init__(self, num_threads: int, models_dir: Path | None = None) -> None:
        paths = model_paths(models_dir)
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(num_threads)
        params: dict[str, Any] = {f"{part}.model_path": str(path) for part, path in paths.items()}
        params |= {
            "Global.log_level": "error",
            "Global.return_word_box": True,  # the columns of characters, for signs that the dictionary lacks
            "Det.limit_side_len": round(DETECTION_SCALE * _SHORT_SIDE_PX),
            "Rec.rec_batch_num": 1,  # lines are not padded to the widest: 23 % less CPU than 6 together, 55 ms a line
            "EngineConfig.onnxruntime.intra_op_num_threads": num_threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        if characters := characters_path(models_dir):
            params["Rec.rec_keys_path"] = str(characters)
        self._ocr = RapidOCR(params=params)
        detector = self._ocr._load_det_model()
        detector.session.session = session_without_denormals(paths["Det"], num_threads)
        prepare = detector.get_preprocess()
        detector.get_preprocess = lambda: lambda bgr: prepare(_for_detection(bgr))
        self.dictionary = frozenset(self._ocr._load_rec_model().postprocess_op.character)
        """The characters that it can answer with."""
        self._lacking = frozenset(SIGNS) - self.dictionary

    def read(self, rgb: Pixels) -> OcrPage:
        """`rgb` is (height_px, width_px, 3). No lines where no text is found; every line found is given, however low its score.

        A line of which the model gives nothing but the blanks between words, as of Cyrillic, has no text and the score 0. Of a page
        of which a sample of lines cannot be read, only the sample is given: it is in another script.
        """
        height, width = rgb.shape[:2]
        quads, crops = self._detect(np.ascontiguousarray(rgb[:, :, ::-1]))
        if not crops:
            return OcrPage([], width, height)
        rotation, texts, scores = self._recognize(quads, crops)
        read = np.flatnonzero([text is not None for text in texts])
        upright_width, upright_height = (height, width) if rotation in (90, 270) else (width, height)
        turned = _turned(quads, rotation, width, height)
        skew = skew_of(turned, np.rot90(rgb, -(rotation // 90)))
        upright = leveled_boxes(turned, skew, upright_width, upright_height)
        lines = [
            OcrLine(text := _composed(texts[i] or ""), float(scores[i]) if text else 0.0, upright[i], _box(quads[i]))
            for i in read
            if texts[i]
        ]
        return OcrPage(lines, upright_width, upright_height, rotation, skew)

    def read_lines(self, crops: list[Pixels]) -> list[tuple[str, float]]:
        """Texts and scores of upright lines, each RGB pixels of its own."""
        texts, scores = self._texts([np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops])
        return [(_composed(text), float(score)) for text, score in zip(texts, scores, strict=True)]

    def _detect(self, bgr: Pixels) -> tuple[npt.NDArray[np.float64], list[Pixels]]:
        """Corners of the lines, and their pixels."""
        if max(bgr.shape[:2]) <= STRIP_ASPECT * min(bgr.shape[:2]):
            return self._detect_whole(bgr)
        quads, crops = [np.zeros((0, 4, 2))], []
        for piece in strip_pieces(bgr) if min(bgr.shape[:2]) >= _LEGIBLE_PX else ():
            found, cut = self._detect_whole(piece.pixels)
            quads.append(np.clip(found + np.array([piece.left, piece.top]), 0, bgr.shape[1::-1]))
            crops += cut
        return np.concatenate(quads), crops

    def _detect_whole(self, bgr: Pixels) -> tuple[npt.NDArray[np.float64], list[Pixels]]:
        from rapidocr.main import RapidOCRError
        from rapidocr.utils.process_img import map_boxes_to_original

        image, record = self._ocr.preprocess_img(bgr)
        try:
            crops, found = self._ocr.detect_and_crop(image, record)
        except RapidOCRError:  # its way to say that there is no text
            return np.zeros((0, 4, 2)), []
        quads = map_boxes_to_original(np.asarray(found.boxes, dtype=np.float64), record, *bgr.shape[:2])
        return quads, crops

    def _recognize(self, quads: npt.NDArray[np.float64], crops: list[Pixels]) -> tuple[Rotation, list[str | None], list[float]]:
        """Texts and scores in the order of the crops; None for those that were not read, since a sample of them cannot be.

        Lines vote on which way up the page lies. A vote for upside down is put to the test (handwriting votes at random), and
        those outvoted are read both ways, for the vote of a short line is a guess.
        """
        votes_flipped = np.array(["180" in label for label, _ in self._ocr.cls_and_rotate(crops)[1].cls_res])
        sides = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1), np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
        lengths = np.maximum(*sides) / np.maximum(np.minimum(*sides), 1)  # about the number of characters
        is_tall = sides[1] >= 1.5 * sides[0]  # rapidocr has turned such crops a quarter to the left
        is_sideways = len(crops) >= 3 and bool((lengths * is_tall).sum() > 0.6 * lengths.sum())
        voters = is_tall if is_sideways else ~is_tall
        weights = lengths * voters * (lengths >= 3)
        is_flipped = bool((weights * votes_flipped).sum() > 0.6 * weights.sum() > 0) and self._reads_better_flipped(crops, weights)

        first = [_half_turn(crop) if is_flipped and voter else crop for crop, voter in zip(crops, voters, strict=True)]
        texts, scores = self._texts_unless_hopeless(first, lengths)
        outvoted = [
            i
            for i, text in enumerate(texts)
            if text is not None and votes_flipped[i] != (is_flipped and voters[i]) and scores[i] < 0.9
        ]
        if outvoted:
            for i, text, score in zip(outvoted, *self._texts([_half_turn(first[i]) for i in outvoted]), strict=True):
                if score > scores[i]:
                    texts[i], scores[i] = text, score
        if not is_sideways:
            return (180 if is_flipped else 0), texts, scores
        if is_flipped:
            return 90, texts, scores
        # Columns of Chinese or Japanese read like a page lying on its right side; both are read from right to left.
        everything = "".join(text or "" for text in texts)
        return (0 if sum(map(is_cjk, everything)) > 0.5 * len(everything) else 270), texts, scores

    def _reads_better_flipped(self, crops: list[Pixels], weights: npt.NDArray[np.float64]) -> bool:
        longest = [crops[i] for i in np.argsort(-weights)[:6]]
        return bool(np.mean(self._texts([_half_turn(crop) for crop in longest])[1]) > np.mean(self._texts(longest)[1]))

    def _texts_unless_hopeless(self, crops: list[Pixels], lengths: npt.NDArray[np.float64]) -> tuple[list[str | None], list[float]]:
        """The longest lines first, and some from all over the page. `lengths`: in line heights."""
        order = np.argsort(-lengths, kind="stable")
        sample = np.concatenate([order[:_SAMPLE_LINES], order[_SAMPLE_LINES :: max(len(crops) // _SAMPLE_LINES, 1)]])
        texts: list[str | None] = [None] * len(crops)
        scores = [0.0] * len(crops)
        for picked in (sample, np.setdiff1d(np.arange(len(crops)), sample)):
            if not len(picked):
                break
            for i, text, score in zip(picked, *self._texts([crops[i] for i in picked]), strict=True):
                texts[i], scores[i] = text, score
            is_read = [scores[i] >= READ_SCORE and len(texts[i] or "") >= READ_DENSITY * lengths[i] for i in sample]
            if lengths[sample][is_read].sum() < _HOPELESS * lengths[sample].sum():
                break
        return texts, scores

    def _texts(self, crops: list[Pixels]) -> tuple[list[str], list[float]]:
        found = self._ocr.recognize_txt(crops)
        lines = zip(found.txts, found.scores, found.word_results, crops, strict=True)
        texts = [
            with_lacking_signs(text, [*chain(*places.word_cols)], crop, self._lacking) if score >= READ_SCORE else text
            for text, score, places, crop in lines
        ]
        return texts, list(found.scores)


def strip_pieces(strip: Pixels) -> Iterator[Piece]:
    """The strip in parts, cut where it is emptiest, each laid on a page of its background's colour. Parts without ink are left
    out."""
    if strip.shape[0] > strip.shape[1]:
        for piece in strip_pieces(strip.transpose(1, 0, 2)):
            yield Piece(np.ascontiguousarray(piece.pixels.transpose(1, 0, 2)), piece.top, piece.left)
        return
    height, width = strip.shape[:2]
    background = np.median(strip.reshape(-1, 3), axis=0).astype(np.uint8)
    ink = np.abs(strip.astype(np.int16) - background.astype(np.int16)).sum(axis=(0, 2))
    margin, start = height // 2, 0
    while start < width:
        end = start + _cut(ink[start:], _PIECE_ASPECT * height, gap=max(1, height // 4))
        if ink[start:end].any():
            padded_width = end - start + 2 * margin
            padded_height = max(2 * height, padded_width // _PADDED_ASPECT)
            page = np.empty((padded_height, padded_width, 3), np.uint8)
            page[:] = background
            top = (padded_height - height) // 2
            page[top : top + height, margin : margin + end - start] = strip[:, start:end]
            yield Piece(page, start - margin, -top)
        start = end


def _cut(ink: npt.NDArray[np.int64], longest: int, gap: int) -> int:
    """Where the next piece ends: in the middle of the last of the emptiest `gap` columns of its last third, between two words."""
    if len(ink) <= longest:
        return len(ink)
    third = ink[longest * 2 // 3 : longest]
    sums = np.convolve(third, np.ones(gap), mode="valid")
    return longest - int(np.argmin(sums[::-1])) - gap // 2


def _for_detection(bgr: Pixels) -> Pixels:
    """The page as large as it is looked at, or as it is where rapidocr will enlarge it."""
    import cv2

    short = min(bgr.shape[:2])
    scale = max(DETECTION_SCALE, DETECTION_SCALE * _SHORT_SIDE_PX / short)
    if scale >= 1:
        return bgr
    height, width = (max(round(side * scale / _STEP_PX), 1) * _STEP_PX for side in bgr.shape[:2])
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _half_turn(crop: Pixels) -> Pixels:
    return np.ascontiguousarray(crop[::-1, ::-1])


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _turned(quads: npt.NDArray[np.float64], rotation: Rotation, width: int, height: int) -> npt.NDArray[np.float64]:
    """Corners on the page turned clockwise by `rotation`."""
    x, y = quads[..., 0], quads[..., 1]
    if rotation == 90:
        return np.stack([height - y, x], axis=-1)
    if rotation == 180:
        return np.stack([width - x, height - y], axis=-1)
    if rotation == 270:
        return np.stack([y, width - x], axis=-1)
    return quads


def _box(quad: npt.NDArray[np.float64]) -> Box:
    return Box(*map(float, (quad[:, 0].min(), quad[:, 1].min(), quad[:, 0].max(), quad[:, 1].max())))
