"""The closed list of flags: what a check or a repair found, in `pages.flags`, `charts.flags`, `chart_points.flags`,
`tables.flags` and `table_cells.flags`."""

FLAGS: dict[str, str] = {
    # the answer's text -> JSON -> shape
    "partial": "the answer stopped early; what was finished is kept",
    "json_wrapped": "the answer's JSON stood among other text (code fence, a sentence, thinking), which was left out",
    "markdown_wrapped": "the answer's Markdown stood in a code fence, which was taken off",
    "json_repaired": "the answer's JSON was mended where only one reading was possible (trailing comma, bare escape, quotes, NaN)",
    "shape_repaired": "the answer said the right thing in another shape than asked, and was rearranged",
    "content_dropped": "a part of the answer could not be understood and was left out; see failures.raw_text where there is one",
    "latex_repaired": 'LaTeX that JSON had swallowed was restored ("\\frac" read as form feed + "rac")',
    "latex_suspect": "a line break, tab or return inside the text may be a swallowed LaTeX command (\\nu, \\to); left as it is",
    # asking
    "prompt_echo": "the answer repeats a line of the prompt: the model may not have read the page",
    "places_asked_again": "the chart's place on a scan was asked for by itself: its text was read before, or as Markdown",
    # rendering
    "repaired": "MuPDF had to repair the file to open it; pages may be missing",
    "render_warnings": "MuPDF complained while drawing the page; something on it may be missing",
    "hidden_text": "the PDF has words here that nobody sees (without ink, in the paper's colour, covered): see `pages.text_hidden`",
    "text_layer_failed": "the page was drawn, but its own text could not be read",
    "regions_failed": "the page was drawn, but the search for charts on it failed",
    "xfa_form": "the document is an XFA form: its fields are in a packet that is not read, and its pages may be a placeholder",
    "attachments_unread": "files are attached to the document, or make it up (a portfolio); they are not read",
    "exif_unreadable": "the image's EXIF data could not be read; it was not rotated",
    # the engine `classic`
    "text_layer_untrusted": "the page has a text layer that cannot be believed; its pixels were read",
    "text_layer_mended": "words of the text layer whose characters had no meaning, or a wrong one, are as the pixels show them",
    "characters_lost": "words of the text layer keep characters without a meaning (U+FFFD, private use): pixels gave none",
    "untrusted_text_kept": "the text layer cannot be believed, and no OCR could replace it: it is the page's text",
    "ocr_added": "the text layer leaves out what only a picture shows; OCR of the rest was added",
    "hidden_text_layer": "the text is an invisible layer (an earlier OCR's)",
    "low_confidence_lines_dropped": "lines recognised below `engine.classic.min_confidence` were left out",
    "other_script_lines_dropped": "lines in a script that the engine does not read were left out",
    "read_by_tesseract": "Tesseract read the page, for PP-OCR lacks the letters of its script or language",
    "read_rotated_90": "the page was turned by 90 degrees to be read",
    "read_rotated_180": "the page was turned by 180 degrees to be read",
    "read_rotated_270": "the page was turned by 270 degrees to be read",
    # pages
    "box_outside_page": "an engine's box lies outside the page, or is empty or inverted; the block is kept without it",
    "ragged_table": "a table's rows had different lengths; they were padded with empty cells",
    "table_span_outside": "a table's continued cell has nothing to continue; it was taken as empty",
    "cells_cut": "a table has more than 20,000 cells; the others are in its block alone",
    "text_layer_disagrees": "the text shares less than half of its words with the PDF's own trusted text layer",
    "empty_answer": "the page is not blank, yet the answer holds no text",
    # charts
    "row_length": "a row has more or fewer cells than the chart has series; what is missing is null, what is too much was left out",
    "empty_chart": "the chart was named, yet no data was read",
    "y2_unknown": "it is not known which series are on the second axis; all are on the first",
    "number_ambiguous": "a separator may be decimal or thousands (1.234), and no other number of the chart or table shows which",
    "not_a_number": "a value's text is no single number; `value` is null, the text is kept",
    "values_outside_axis": "a value lies outside the range of the axis as printed",
    "labels_not_in_text_layer": "less than half of the chart's labels are found in the PDF's own text in that place",
    "label_not_in_text_layer": "a name of the chart (title, axis, series, category) is not found in the PDF's own text there",
    "sum_off": "the parts of a pie or a percent chart do not sum to the whole",
    "vector_disagrees": "the chart's own drawing says something else; `vector_agreement` says how much, flagged points which",
    "log_not_positive": "a value on a logarithmic axis is zero or negative",
}  # fmt: skip
"""The meaning of each flag, also printed in schemas/README.md."""
