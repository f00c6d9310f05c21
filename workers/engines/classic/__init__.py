"""No GPU and no weights to fetch: the PDF's own text layer where it can be believed, else PP-OCR."""

from schemas.settings import EngineSettings
from workers.engines.classic.ppocr import MODELS, model_paths, rapidocr_version
from workers.engines.engine import Engine, EngineInfo

READING_VERSION = 3
"""Raised when the rules of trust, order, legibility or escaping change the text: then the recipe changes too. 2: literal text is
escaped in Markdown, and stays whole in plain text. 3: structure, tables, text and
scripts of what follows 0.1.0."""


def describe(settings: EngineSettings) -> EngineInfo:
    return EngineInfo(
        name="classic",
        model=MODELS["Rec"].removesuffix(".onnx"),
        revision=rapidocr_version() or None,
        tasks=("ocr",),
        takes_prompts=False,
        sees_regions=True,
        options={
            "models": sorted(MODELS.values()),
            "min_confidence": settings.classic.min_confidence,
            "reading_version": READING_VERSION,
        },
    )


def check(settings: EngineSettings, *, runs_here: bool) -> None:
    """Raises EngineStartError where rapidocr or one of its models is missing on this machine."""
    if runs_here:
        model_paths()


def make(settings: EngineSettings) -> Engine:
    from workers.engines.classic.engine import ClassicEngine

    return ClassicEngine(settings)
