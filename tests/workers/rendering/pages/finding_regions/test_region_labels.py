"""Which text is a chart's own."""

from schemas.page import Box, Word
from workers.rendering.pages.finding_regions.page_lines import label_lines
from workers.rendering.pages.finding_regions.region_labels import with_labels


def test_a_multiplier_in_line_with_the_title_belongs_to_the_chart() -> None:
    title = ["Share", "of", "respondents,", "n", "=", "1", "204"]
    words = [Word("1e6", 40, 8, 60, 20, block=3, line=0, size_px=10.0)]
    words += [
        Word(text, 150 + 28 * place, 8, 176 + 28 * place, 20, block=3, line=0, size_px=10.0) for place, text in enumerate(title)
    ]

    (box,) = with_labels([Box(40, 24, 440, 244)], label_lines(words), {}, Box(0, 0, 500, 300))

    assert box == Box(40, 8, 440, 244)
