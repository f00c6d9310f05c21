"""The words of a page that the lake keeps."""

from collections.abc import Iterator
from itertools import groupby

from schemas.page import INVISIBLE, RenderedPage
from schemas.records import WordContent
from workers.text.trust import judge


def kept_words(page: RenderedPage) -> Iterator[WordContent]:
    """The words of the PDF's own text that the page shows, line by line, in the order of the PDF. There are none where the text
    layer is not trusted (`workers.text.trust`): its words may not be what stands there."""
    layer, image = page.text_layer, page.image
    if layer is None or image is None or not judge(layer, image.width_px, image.height_px).is_trusted:
        return
    seen = (word for word in layer.words if not word.style & INVISIBLE)
    for line_index, (_, line) in enumerate(groupby(seen, key=lambda word: (word.block, word.line))):
        for word in line:
            yield WordContent(line_index=line_index, text=word.text, bbox_px=word.box)
