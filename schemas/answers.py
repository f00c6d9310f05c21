"""The JSON asked of a model: few tokens, one obvious reading; Python does the rest.

Blocks are keyed by their type (`{"paragraph": "…"}`: 1.05x the tokens of plain Markdown, against 1.2x for type + text).
`box` and `confidence` are for engines that know them anyway; the schema given to a generating model leaves them out, save the
box of figures and charts (see `answer_schema`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.failure import Task

Fraction = Annotated[float, Field(ge=0, le=1)]
AnswerBox = tuple[Fraction, Fraction, Fraction, Fraction]
"""(left, top, right, bottom) as shares of the image's width and height, [0,1)."""


class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Figure(Block):
    figure: str
    """What it shows, or its text."""


class Chart(Block):
    chart: str
    """Its title, or what it shows; its data is another task's answer."""


AnyBlock = Title | Heading | Paragraph | ListItem | Formula | Caption | Header | Footer | Footnote | Table | Figure | Chart


class OcrAnswer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str] = []
    blocks: list[AnyBlock]


ChartKind = Literal[
    "bar", "line", "area", "pie", "scatter", "bubble", "histogram", "box", "heatmap", "waterfall", "funnel", "radar", "gauge",
    "candlestick", "treemap", "sankey", "combo", "map", "other", "none",
]  # fmt: skip


class ChartAnswer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    chart: ChartKind
    """`none`: the image is no chart; all else stays empty."""
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
    rows: list[list[str | None]] = []
    """Shared x first, then one verbatim string per series; scatter and bubble: see `points`."""


def answer_schema(task: Task) -> dict[str, Any]:
    """JSON schema to constrain a generating model's answer to `task`."""
    raise NotImplementedError
