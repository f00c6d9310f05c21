"""The JSON that a model is asked for. It takes few tokens and can be read in one way only; Python does the rest.

Blocks are keyed by their type (`{"paragraph": "…"}`), which takes 1.05x the tokens of plain Markdown, against 1.2x for type + text.
`box` and `confidence` are for engines that know them anyway. The schema for a generating model leaves them out, except for the box
of figures and charts (see `answer_schema`).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from schemas.failure import Task
from schemas.frozen import Frozen

AnswerForm = Literal["json", "markdown", "layout_json", "doctags", "grounded"]
"""How a model writes its answer: `json` is the JSON below; `layout_json` a list of objects with a box, a category and a text;
`grounded` Markdown with a label and a box before each part."""


@dataclass(frozen=True)
class AnswerShape:
    """The form of an answer, and what its boxes count in."""

    form: AnswerForm = "json"
    box_width: int | None = None
    """The right edge of the image in the numbers of the answer's boxes; None for shares of it, or if there are no boxes."""
    box_height: int | None = None


JSON_ANSWER = AnswerShape()
MARKDOWN_ANSWER = AnswerShape("markdown")

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(allow_inf_nan=False)]
AnswerBox = tuple[Share, Share, Share, Share]
"""(left, top, right, bottom) as shares of the image's width and height, [0,1); `workers.text.content` judges what lies outside."""


class Block(Frozen):
    box: AnswerBox | None = None
    confidence: Fraction | None = None


class Title(Block):
    title: str


class Heading(Block):
    heading: str


class Paragraph(Block):
    paragraph: str


class ListItem(Block):
    list_item: str


class Formula(Block):
    formula: str
    """LaTeX without delimiters."""


class Code(Block):
    """No model is asked for it: `classic` knows it by its font."""

    code: str
    """Literal, with its line breaks and indents."""


class Caption(Block):
    caption: str


class Header(Block):
    header: str


class Footer(Block):
    footer: str


class Footnote(Block):
    footnote: str


class Table(Block):
    table: list[list[str | None]]
    """Rows of cells; None continues the cell on the left, "^" the one above."""
    num_header_rows: int | None = Field(None, ge=0)
    """Rows at its top that are its head, for engines that know."""


class Figure(Block):
    figure: str
    """What the figure shows, or the text in it."""


class Chart(Block):
    chart: str
    """The chart's title, or what it shows. Its data is the answer of the task `chart`."""


AskedBlock = Title | Heading | Paragraph | ListItem | Formula | Caption | Header | Footer | Footnote | Table | Figure | Chart
AnyBlock = AskedBlock | Code


class OcrAnswer(Frozen):
    languages: list[str] = []
    blocks: list[AnyBlock]


ChartKind = Literal[
    "bar", "line", "area", "pie", "scatter", "bubble", "histogram", "box", "heatmap", "waterfall", "funnel", "radar", "gauge",
    "candlestick", "treemap", "sankey", "combo", "map", "other", "none",
]  # fmt: skip


class ChartAnswer(Frozen):
    """A chart's data. The fields are in the order in which they are asked: the kind first, the data last."""

    chart: ChartKind
    """`none` if the image is no chart. All other fields are empty then."""
    subtype: str | None = None
    title: str | None = None
    x: str | None = None
    x_unit: str | None = None
    x_kind: Literal["category", "time", "number"] | None = None
    x_scale: Literal["linear", "log"] | None = None
    y: str | None = None
    unit: str | None = None
    scale: Literal["linear", "log"] | None = None
    y2: str | None = None
    y2_unit: str | None = None
    printed: Literal["all", "some", "none"] | None = None
    series: list[str] = []
    y2_series: list[str] = []
    """Names of the series that are measured on the second y axis."""
    rows: list[list[str | None]] = []
    """Each row has the shared x, then one verbatim string per series; empty for scatter and bubble."""
    points: list[list[list[str | None]]] = []
    """For scatter and bubble only: one list per series of [x, y] or [x, y, size]."""


BLOCK_TYPES: dict[str, type[Block]] = {
    next(name for name in block.model_fields if name not in Block.model_fields): block for block in get_args(AnyBlock)
}
"""The block classes by their key, in the order of `AnyBlock`."""
ASKED_KINDS = [kind for kind, block in BLOCK_TYPES.items() if block in get_args(AskedBlock)]
"""What a model is asked for. Another list would be another question."""

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_ROWS = {"type": "array", "items": {"type": "array", "items": _TEXT_OR_NULL}}
_BOX = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}


def answer_schema(task: Task) -> dict[str, Any]:
    """The JSON schema that constrains a generating model's answer to `task`.

    It suits OpenAI's strict mode (an object at the root, every property required, nullables as type unions, nothing additional)
    and llguidance, without `$ref` and `maxLength`. `box` is asked for figures and charts only, `confidence` never.
    """
    if task == "ocr":
        blocks = {"type": "array", "items": {"anyOf": [_block_schema(key) for key in ASKED_KINDS]}}
        return _object({"languages": {"type": "array", "items": _TEXT}, "blocks": blocks})
    return _object({name: _chart_field(name) for name in ChartAnswer.model_fields})


def _block_schema(key: str) -> dict[str, Any]:
    if key == "table":
        return _object({key: _ROWS})
    return _object({key: _TEXT, "box": _BOX} if key in ("figure", "chart") else {key: _TEXT})


def _chart_field(name: str) -> dict[str, Any]:
    if name == "rows":
        return _ROWS
    if name == "points":
        return {"type": "array", "items": _ROWS}
    if name in ("series", "y2_series"):
        return {"type": "array", "items": _TEXT}
    if name == "chart":
        return {"type": "string", "enum": list(get_args(ChartKind))}
    choices = [choice for part in get_args(ChartAnswer.model_fields[name].annotation) for choice in get_args(part)]
    return {"type": ["string", "null"], "enum": [*choices, None]} if choices else _TEXT_OR_NULL


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
