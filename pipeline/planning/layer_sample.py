"""How many of a plan's pages need no model, estimated from a few pages of a few of its sources."""

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.failure import PageError
from schemas.page import RenderedPage
from schemas.planned import PlannedSource
from schemas.settings import Settings
from workers.engines.classic.layers import read_layer
from workers.engines.engine import Prompt, Request
from workers.rendering.renderer import Renderer
from workers.sources.fetch import Fetcher

PAGES_PER_SOURCE = 3
DEFAULT_PAGES = 48
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LayerSample:
    """Pages that were looked at."""

    num_pages: int
    num_from_layer: int
    """Those whose text layer is the text."""

    @property
    def model_share(self) -> float:
        """Share of the pages that a model would have to read."""
        return 1 - self.num_from_layer / self.num_pages


def sample_layers(planned: Iterable[PlannedSource], settings: Settings, num_pages: int) -> LayerSample | None:
    """Draws up to `num_pages` pages of sources chosen by chance (the same for the same plan), in the sandbox, and judges their text
    layers as a run would. None if no page could be drawn. Sources that cannot be read are left out."""
    chosen = _chosen((item for item in planned if "ocr" in item.tasks), -(-num_pages // PAGES_PER_SOURCE))
    passwords = [password.get_secret_value() for password in settings.input.passwords]
    regions = settings.regions.model_copy(update={"enabled": False})  # they change the order of text, and not whether it is right
    fetcher, looked, right = Fetcher(settings.fetch), 0, 0
    with Renderer(settings.render, regions, passwords, draws_regions=False) as renderer:
        for item in chosen:
            try:
                with fetcher.open(item.source) as fetched:
                    document = renderer.probe(fetched.path, fetched.document_id, fetched.version_id, fetched.file)
                    for page in renderer.render(fetched.path, _spread(document.num_pages or 0), fetched.file):
                        if page.image is None or page.failure is not None or looked == num_pages:
                            continue
                        looked += 1
                        right += page.is_blank or not read_layer(_request(page)).is_declined
            except PageError as error:
                _log.info("%s is left out of the sample: %s", item.source.uri, error)
    return LayerSample(looked, right) if looked else None


def _chosen(items: Iterable[PlannedSource], most: int) -> list[PlannedSource]:
    """Each with the same chance, without a list of all of them."""
    chance, chosen = random.Random(0), list[PlannedSource]()
    for number, item in enumerate(items):
        if number < most:
            chosen.append(item)
        elif (place := chance.randrange(number + 1)) < most:
            chosen[place] = item
    return chosen


def _spread(num_pages: int) -> list[int]:
    """The first, the middle and the last page."""
    return sorted({0, num_pages // 2, num_pages - 1} & set(range(num_pages)))


def _request(page: RenderedPage) -> Request:
    assert page.image is not None
    return Request(
        label="sample",
        task="ocr",
        image=page.image,
        prompt=Prompt("", ""),
        answer_schema=None,
        max_output_tokens=1,
        text_layer=page.text_layer,
        is_scan=page.is_scan,
    )
