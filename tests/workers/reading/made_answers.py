"""Completions that are cut off or go round, and a scan's answer with boxes of charts."""

import json

from schemas.settings import RegionSettings
from workers.engines.engine import Completion

TRUNCATED = Completion(text='{"languages": ["en"], "blocks": [{"title": "Kept"}, {"paragraph": "and cut', stop_reason="length")
LOOPING = Completion(
    text='{"languages": ["en"], "blocks": [{"title": "Kept"}' + ', {"paragraph": "over and over again"}' * 60, stop_reason="length"
)


def scan_answer(*boxes: tuple[float, float, float, float]) -> str:
    return json.dumps({"languages": [], "blocks": [{"paragraph": "Text"}, *({"chart": "c", "box": box} for box in boxes)]})


SCAN_REGIONS = RegionSettings(min_side_pt=72, min_pixels=32 * 32, max_pixels=640 * 640)
