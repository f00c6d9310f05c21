"""The prompts and their versions. A changed text needs a new version: a test pins each text's sha256."""

from schemas.failure import Task
from schemas.settings import Transport
from workers.engines.engine import Prompt

OCR = """\
Read this page. Answer with one JSON object: {"languages": [...], "blocks": [...]}.
languages: BCP 47 codes of the languages on the page, main language first.
blocks: everything legible, in reading order (columns one after the other), each an object with one key that says \
what it is:
{"title": text} {"heading": text} {"paragraph": text} {"list_item": text} {"caption": text} {"header": text} \
{"footer": text} {"footnote": text}
{"formula": LaTeX without delimiters}
{"table": rows of cells; null continues the cell on the left, "^" continues the cell above, "" is an empty cell}
{"figure": the text inside it, or what it shows in a few words, "box": [left, top, right, bottom]}
{"chart": its title, or what it shows in a few words, "box": [left, top, right, bottom]}
Boxes are shares of the image's width and height, from 0 to 1.
Text is Markdown: **bold**, *italic*, [link](url), and $LaTeX$ for formulas inside text. Join words hyphenated at \
line ends; one paragraph is one block.
Keep the page's own language, script, digits, spelling and punctuation. Translate nothing, correct nothing, add nothing.
Read handwriting where it is legible. Leave out what is not; never guess it."""

OCR_MARKDOWN = """\
Read this page as Markdown, in reading order (columns one after the other): # title, ## heading, lists, tables, and \
LaTeX in $ or $$ for formulas.
Keep the page's own language, script, digits, spelling and punctuation. Translate nothing, correct nothing, add nothing.
Read handwriting where it is legible. Leave out what is not; never guess it."""

CHART = """\
Read the data of the chart in this image. Answer with one JSON object; null or [] where the image does not say.
chart: bar, line, area, pie, scatter, bubble, histogram, box, heatmap, waterfall, funnel, radar, gauge, candlestick, \
treemap, sankey, combo, map, other; \
none if the image is no chart, then all else is null or [].
subtype: such as stacked, grouped, percent, horizontal, donut.
title, x, y, y2: the title and the labels of the axes, as printed. x_unit, unit, y2_unit: their units with any \
multiplier, as printed ("$ million", "%").
x_kind: category, time or number. x_scale, scale: linear or log, for number axes.
printed: are the values printed beside their marks: all, some or none.
series: the names in the legend, in its order; a single unnamed series is "". y2_series: those of them measured on \
the second y axis.
rows: one per x, in the order of the axis: [x, value of each series...]. For pie, funnel and treemap x is the part's \
name. \
Box and candlestick charts have one series per statistic.
points: for scatter and bubble only, instead of rows: one list per series of [x, y] or [x, y, size].
Every value is a string: copied exactly as printed where it is printed, else read off the axis as precisely as the \
axis allows. \
A value that cannot be read is null; never guess. Translate nothing, convert nothing."""

_PROMPTS: dict[tuple[Task, Transport], Prompt] = {
    ("ocr", "json"): Prompt(OCR, "ocr-1"),
    ("ocr", "markdown"): Prompt(OCR_MARKDOWN, "ocr-markdown-1"),
    ("chart", "json"): Prompt(CHART, "chart-1"),
}


def prompt_for(task: Task, transport: Transport = "json") -> Prompt:
    """The prompt of `task`. `transport` applies to OCR only; charts are always asked as JSON."""
    return _PROMPTS.get((task, transport)) or _PROMPTS[task, "json"]
