"""The text of pages whose own text layer is right, without a model; all other pages are left to one.

The judgement is that of `classic`, which reads what it doubts by OCR: here a doubt is enough to leave the page to the model.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from schemas.failure import Failure, FailureKind
from workers.engines.classic.answering import from_layer, has_unexplained_ink, pixels_of
from workers.engines.classic.time_limit import OutOfTimeError, time_limit
from workers.engines.engine import Completion, EngineInfo, Request
from workers.text.doubt import doubtful_fonts, has_lost
from workers.text.trust import judge

INFO = EngineInfo(name="layers", tasks=("ocr",), takes_prompts=False, sees_regions=True, sees_charts=False)


class TextLayers:
    """One thread does all the work, one page after the other."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="layers")

    async def start(self) -> str | None:
        return None

    async def read(self, request: Request) -> Completion:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, request)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self, request: Request) -> Completion:
        started = time.monotonic()
        try:
            with time_limit(self._timeout_s):
                completion = read_layer(request)
        except OutOfTimeError:
            completion = declined("the page took too long")
        return replace(completion, engine_s=time.monotonic() - started)


def read_layer(request: Request) -> Completion:
    """The answer that the page's text layer gives; declined, with the reason, where a model has to look."""
    if request.is_scan:
        return declined("a scan")
    words = request.text_layer.words if request.text_layer else []
    if not (trust := judge(request.text_layer, request.image.width_px, request.image.height_px)).is_trusted:
        return declined(trust.reason)
    if doubtful_fonts(words) or any(has_lost(word.text) for word in words):
        return declined("letters of the layer are in doubt")
    pixels = pixels_of(request.image)
    if has_unexplained_ink(pixels, words):
        return declined("ink that no word explains")
    return from_layer(request, pixels, words)


def declined(reason: str) -> Completion:
    failure = Failure(stage="read", kind=FailureKind.engine_error, message=reason, task="ocr")
    return Completion(stop_reason="error", failure=failure, is_declined=True)
