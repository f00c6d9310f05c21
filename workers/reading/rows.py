"""Makes the rows of one chunk from answers: their content, their place, and how they were asked for."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from schemas.failure import KINDS, Failure, Task, storable_text
from schemas.page import Box, Chunk, PageImage, Region, RenderedPage
from schemas.plan import Recipe
from schemas.records import (
    BlockRecord,
    ChartPointRecord,
    ChartRecord,
    ChunkRecords,
    FailureRecord,
    ImageRecord,
    Lineage,
    PageRecord,
    Reading,
    WordRecord,
)
from workers.charts.agreement import Agreement
from workers.charts.content import ChartContent
from workers.reading.asking import Outcome
from workers.reading.pictures import Picture
from workers.reading.words import kept_words
from workers.text.content import OcrContent

PROMPT_ECHO_CHARS = 60
"""Length from which a line of the prompt that appears in an answer comes from the prompt and not from the page."""
_QUOTES_AND_ENDS = re.compile(r'["\n]')
"""What cuts a prompt: JSON writes both otherwise."""


class ChunkRows:
    def __init__(
        self,
        chunk: Chunk,
        run_id: str,
        recipes: Mapping[Task, Recipe],
        clock: Callable[[], datetime],
        vector: Recipe,
        *,
        keeps_words: bool = False,
    ) -> None:
        """`recipes`: those of the tasks that are asked. `vector`: that of charts which are read from their drawing. `keeps_words`:
        words have rows, too."""
        self._keeps_words = keeps_words
        self._vector = _reading(vector)
        self._lineage = _lineage(chunk, run_id)
        self._readings = {task: _reading(recipe) for task, recipe in recipes.items()}
        self._clock = clock

    def of_failure(self, failure: Failure) -> FailureRecord:
        reading = self._readings.get(failure.task) if failure.task else None
        return FailureRecord(
            lineage=self._lineage,
            page_index=failure.page_index,
            region_index=failure.region_index,
            recipe_id=reading.recipe_id if reading else None,
            engine=reading.engine if reading else None,
            model=reading.model if reading else None,
            stage=failure.stage,
            task=failure.task,
            kind=failure.kind,
            message=failure.message,
            is_transient=KINDS[failure.kind].is_transient,
            raw_text=failure.raw_text and storable_text(failure.raw_text),
            failed_at=self._clock(),
        )

    def of_undrawn(self, page: RenderedPage) -> PageRecord:
        return self._page(page, "failed")

    def of_blank(self, page: RenderedPage) -> PageRecord:
        return self._page(page, "blank", text_markdown="", text_plain="")

    def of_text(self, page: RenderedPage, outcome: Outcome, content: OcrContent | None, num_candidates: int) -> ChunkRecords:
        """The rows of a page's text. `content` is None if there is no usable answer. `num_candidates`: regions that may hold a
        chart, with those found in the answer."""
        failures = self.of_outcome(outcome, page, task="ocr")
        if content is None:
            record = self._page(page, "failed", outcome, num_chart_candidates=num_candidates)
            return ChunkRecords(pages=[record], failures=failures)
        record = self._page(
            page,
            "partial" if outcome.failure else "ok",
            outcome,
            **_columns(
                content,
                flags=joined(page.flags, content.flags, _answer_flags(outcome)),
                text_origin=outcome.completion.text_origin,
                read_by=outcome.completion.read_by,
                num_chart_candidates=num_candidates,
                confidence=outcome.completion.confidence,
            ),
        )
        reading = self._readings["ocr"]
        blocks = [
            BlockRecord(lineage=self._lineage, page_index=page.page_index, reading=reading, block_index=index, **vars(block))
            for index, block in enumerate(content.blocks)
        ]
        words = [
            WordRecord(lineage=self._lineage, page_index=page.page_index, reading=reading, word_index=index, **vars(word))
            for index, word in enumerate(kept_words(page) if self._keeps_words else ())
        ]
        return ChunkRecords(pages=[record], blocks=blocks, words=words, failures=failures)

    def of_chart(
        self,
        page: RenderedPage,
        region: Region,
        image: PageImage,
        outcome: Outcome,
        content: ChartContent | None,
        flags: Iterable[str] = (),
        drawn: Agreement | None = None,
    ) -> ChunkRecords:
        """The rows of a chart. `image` is the image that was asked about. `content` is None if there is no usable answer. `drawn`
        compares the answer with the drawing."""
        failures = self.of_outcome(outcome, page, task="chart", region=region)
        if content is None:
            record = self._chart(page, region, image, "failed", outcome, flags=joined(flags, _answer_flags(outcome)))
            return ChunkRecords(charts=[record], failures=failures)
        disagrees = ["vector_disagrees"] if drawn is not None and drawn.share < 1 else []
        columns = _columns(
            content,
            flags=joined(flags, content.flags, _answer_flags(outcome), disagrees),
            vector_agreement=drawn and drawn.share,
        )
        record = self._chart(page, region, image, "partial" if outcome.failure else content.status, outcome, **columns)
        points = self._points(page, region, content, self._readings["chart"], drawn.wrong if drawn else ())
        return ChunkRecords(charts=[record], chart_points=points, failures=failures)

    def of_drawn_chart(self, page: RenderedPage, region: Region, image: PageImage | None, content: ChartContent) -> ChunkRecords:
        """As the region's drawing says."""
        columns = _columns(content, reading=self._vector, read_at=self._clock())
        record = self._chart(page, region, image, content.status, None, **columns)
        return ChunkRecords(charts=[record], chart_points=self._points(page, region, content, self._vector))

    def of_unasked_chart(self, page: RenderedPage, region: Region, image: PageImage | None) -> ChunkRecords:
        """A candidate that nobody reads: where it is, and why its drawing was not read."""
        return ChunkRecords(charts=[self._chart(page, region, image, "not_asked", None, reading=self._vector)])

    def _points(
        self, page: RenderedPage, region: Region, content: ChartContent, reading: Reading, wrong: Collection[int] = ()
    ) -> list[ChartPointRecord]:
        """`wrong`: point_index of those that the drawing contradicts."""
        return [
            ChartPointRecord(
                lineage=self._lineage,
                page_index=page.page_index,
                region_index=region.region_index,
                reading=reading,
                **vars(point) | ({"flags": joined(point.flags, ["vector_disagrees"])} if point.point_index in wrong else {}),
            )
            for point in content.points
        ]

    def of_bare_chart(self, page_index: int, region: Region) -> ChartRecord:
        """The row of a failed chart. It holds nothing else, because any value of the chart may be the cause of the failure."""
        return ChartRecord(
            lineage=self._lineage,
            page_index=page_index,
            region_index=region.region_index,
            reading=self._readings["chart"],
            status="failed",
            region_origin=region.origin,
        )

    def of_pictures(self, page_index: int, pictures: Iterable[Picture]) -> list[ImageRecord]:
        return [
            ImageRecord(lineage=self._lineage, page_index=page_index, image_index=index, **vars(picture.content(page_index, index)))
            for index, picture in enumerate(pictures)
        ]

    def of_outcome(self, outcome: Outcome, page: RenderedPage, *, task: Task, region: Region | None = None) -> list[FailureRecord]:
        """The outcome's failure, if it has one."""
        if outcome.failure is None:
            return []
        place = {"task": task, "page_index": page.page_index, "region_index": region and region.region_index}
        return [self.of_failure(outcome.failure.model_copy(update=place))]

    def _page(self, page: RenderedPage, status: Any, outcome: Outcome | None = None, **content: Any) -> PageRecord:
        columns: dict[str, Any] = {
            "lineage": self._lineage,
            "page_index": page.page_index,
            "reading": self._readings["ocr"],
            "status": status,
            "width_px": page.image and page.image.width_px,
            "height_px": page.image and page.image.height_px,
            "width_pt": page.width_pt,
            "height_pt": page.height_pt,
            "dpi": page.dpi,
            "rotation": page.rotation,
            "is_scan": page.is_scan,
            "is_blank": page.is_blank,
            "num_chart_candidates": len(page.regions) if "chart" in self._readings else 0,
            "num_text_layer_chars": page.text_layer and page.text_layer.num_chars,
            "flags": joined(page.flags, _answer_flags(outcome)),
            "render_s": page.render_s,
            "text_hidden": _unseen_text(page),
        }
        return PageRecord(**columns | self._asked(outcome) | content)

    def _chart(
        self, page: RenderedPage, region: Region, image: PageImage | None, status: Any, outcome: Outcome | None, **content: Any
    ) -> ChartRecord:
        columns: dict[str, Any] = {
            "lineage": self._lineage,
            "page_index": page.page_index,
            "region_index": region.region_index,
            "reading": self._readings["chart"],
            "status": status,
            "bbox_px": Box(*region.bbox_px),
            "region_origin": region.origin,
            "width_px": image and image.width_px,
            "height_px": image and image.height_px,
            "dpi": region.dpi,
            "vector_refusal": region.drawn_refusal or None,
        }
        return ChartRecord(**columns | self._asked(outcome) | content)

    def _asked(self, outcome: Outcome | None) -> dict[str, Any]:
        """The columns about asking; none if nothing was asked."""
        if outcome is None:
            return {}
        completion = outcome.completion
        return {
            "mean_logprob": completion.mean_logprob,
            "min_logprob": completion.min_logprob,
            "grammar_overrides": completion.grammar_overrides,
            "stop_reason": completion.stop_reason,
            "num_asks": outcome.num_asks,
            "num_prompt_tokens": outcome.num_prompt_tokens,
            "num_output_tokens": outcome.num_output_tokens,
            "read_s": outcome.engine_s,
            "read_at": self._clock(),
        }


def _unseen_text(page: RenderedPage) -> str | None:
    """The words that nobody sees, one line for each line of the PDF; None if there are none."""
    words = page.text_layer.unseen if page.text_layer else []
    lines = [" ".join(word.text for word in line) for _, line in groupby(words, key=lambda word: (word.block, word.line))]
    return "\n".join(lines) or None


def _columns(content: OcrContent | ChartContent, **known: Any) -> dict[str, Any]:
    """The columns of the content together with the `known` ones. Left out are `status`, which is passed by itself, and blocks and
    points, which have records of their own."""
    columns = vars(content) | known
    return {name: value for name, value in columns.items() if name not in ("status", "blocks", "points")}


def joined(*flags: Iterable[str]) -> list[str]:
    """All flags, each once, in order."""
    return list(dict.fromkeys(flag for part in flags for flag in part))


def _answer_flags(outcome: Outcome | None) -> list[str]:
    if outcome is None:
        return []
    echo = ["prompt_echo"] if _echoes_prompt(outcome) else []
    return [*(outcome.parsed.repairs if outcome.parsed else ()), *outcome.completion.flags, *echo]


def _echoes_prompt(outcome: Outcome) -> bool:
    """True if the answer repeats a line of the prompt: such a model may not have read the page."""
    if outcome.completion.text_origin != "model" or outcome.parsed is None:
        return False
    parts = map(str.strip, _QUOTES_AND_ENDS.split(outcome.prompt))
    return any(len(part) >= PROMPT_ECHO_CHARS and part in outcome.completion.text for part in parts)


def _reading(recipe: Recipe) -> Reading:
    return Reading(
        recipe_id=recipe.recipe_id,
        engine=recipe.engine,
        model=recipe.model,
        model_revision=recipe.model_revision,
        prompt_version=recipe.prompt_version,
    )


def _lineage(chunk: Chunk, run_id: str) -> Lineage:
    return Lineage(
        uri=chunk.source.uri,
        source_id=chunk.source.source_id,
        source_version=chunk.source.etag,
        version_id=chunk.document.version_id,
        document_id=chunk.document.document_id,
        plan_id=chunk.plan_id,
        run_id=run_id,
        attempt=chunk.attempt,
    )
