"""No GPU and no weights to fetch: the PDF's own text layer where it can be believed, else PP-OCR; Tesseract, where it is installed,
for scripts that PP-OCR lacks; charts from their drawings."""

from typing import Any

from schemas.settings import EngineSettings
from workers.engines.classic.models import MODELS, fingerprints, model_paths, rapidocr_version
from workers.engines.classic.scripts import USED
from workers.engines.classic.tesseract import find_tesseract
from workers.engines.engine import Engine, EngineInfo

READING_VERSION = 6
"""Raised when the rules of trust, order, legibility or escaping change the text: then the recipe changes too. 2: literal text is
escaped in Markdown, and stays whole in plain text. 3: structure, tables, text and scripts of what follows 0.1.0. 4: blanks of
Korean at line ends; Tesseract's languages are no longer in the recipe. 5: lines of other scripts of which only blanks come out;
which pages are scans, and of how many pixels; images of 16 bits, with an alpha channel or with thumbnails. 6: scans that lie
askew; columns, side headings, running heads, lists side by side, wrapped cells, right-to-left and letter-spaced lines."""


LAYER_VERSION = 1
"""Raised when the rules of trust and order change the text that comes from text layers. The recipes of models that are asked about
the other pages alone (`read.text_from`) then change too, so that all they have read is read again."""


def describe(settings: EngineSettings) -> EngineInfo:
    classic = settings.classic
    options: dict[str, Any] = {
        "models": sorted(MODELS.values()),
        "min_confidence": classic.min_confidence,
        "reading_version": READING_VERSION,
    }
    if classic.models_dir:
        options["own_models"] = fingerprints(classic.models_dir)
    return EngineInfo(
        name="classic",
        model=MODELS["Rec"].removesuffix(".onnx"),
        revision=rapidocr_version() or None,
        tasks=("ocr", "chart"),
        sees_charts=False,
        takes_prompts=False,
        sees_regions=True,
        options=options,
        reads_by=_reads_by(classic.tesseract_languages),
    )


def _reads_by(languages: list[str] | None) -> str:
    """An installed Tesseract with its languages that may have a part in an answer."""
    tesseract = None if languages == [] else find_tesseract()
    if tesseract is None:
        return ""
    used = [name for name in tesseract.languages if name in USED and (languages is None or name in languages)]
    return f"tesseract {tesseract.version}: {' '.join(used)}" if used else ""


def check(settings: EngineSettings, *, runs_here: bool) -> None:
    """Raises EngineStartError where rapidocr or one of its models is missing on this machine."""
    if runs_here:
        model_paths(settings.classic.models_dir)


def make(settings: EngineSettings) -> Engine:
    from workers.engines.classic.engine import ClassicEngine

    return ClassicEngine(settings)
