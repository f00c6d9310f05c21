"""How many pages need no model, and how right their text is: `python -m tests.bench layers [--only NAME]`.

The pages are those of `tests.bench regions`: real PDFs of the shared data, up to four pages spread over each. A page needs no model
where its own text layer is trusted, none of its fonts is in doubt, and no ink is unexplained (`read.text_from = "layer_first"`).
The text of such pages is compared with the ground truth of `tests.bench cer`; a sample counts only if none of its pages needs a
model, and `to a model` counts the others. Nothing was tuned on either: the judgement is that of `classic`.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from schemas.failure import FailureKind
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.charts.regions import documents
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.reading.cer import Reader, Score, compared, olmocr_tests, request_of, sets
from workers.engines.classic.layers import TextLayers
from workers.engines.engine import Completion, Request
from workers.rendering.renderer import Renderer

_TEXT_LAYERS = ("olmOCR", "docling", "Debian", "text layer")


class OrRefused(TextLayers):
    """What is left to a model counts as refused, so that it is in no error rate."""

    async def read(self, request: Request) -> Completion:
        completion = await super().read(request)
        if completion.failure is None:
            return completion
        return replace(completion, failure=completion.failure.model_copy(update={"kind": FailureKind.unsupported_script}))


async def share(engine: TextLayers) -> None:
    renderer = Renderer(RenderSettings(), RegionSettings(), [])
    reasons: Counter[str] = Counter()
    places = [case.label.rpartition("#") for case in documents()]
    for path, _, index in places:
        renderer.probe(SHARED_DATA / path, None, None)
        (page,) = renderer.render(SHARED_DATA / path, [int(index)])
        if page.image is None or page.is_blank:
            reasons["blank, or not drawn"] += 1
            continue
        request = replace(request_of(page), regions=tuple(page.regions))
        completion = await engine.read(request)
        reasons[_kind(completion)] += 1
    renderer.close()
    print(f"\n{reasons['no model']} of {len(places)} real pages need no model ({reasons['no model'] / len(places):.0%}).")
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")


def _kind(completion: Completion) -> str:
    if completion.failure is None:
        return "no model"
    message = completion.failure.message
    known = ("a scan", "no text layer", "letters of the layer are in doubt", "ink that no word explains")
    return message if message in known else "a layer that is not trusted"


async def accuracy(engine: TextLayers, only: str) -> None:
    reader = Reader(engine)
    print("| set | samples | to a model | characters | CER | words F1 | s/page |\n|---|---:|---:|---:|---:|---:|---:|")
    whole = Score()
    with tempfile.TemporaryDirectory() as folder:
        for name, samples in sets(Path(folder)).items():
            if only not in name or not any(part in name for part in _TEXT_LAYERS):
                continue
            score = Score()
            for sample in samples():
                answer, seconds = await reader.read(sample)
                score.num_samples += 1
                score.num_refused += answer is None
                score.seconds += seconds
                for part, reference in compared(answer, sample) if answer is not None else ():
                    score.add(part, reference)
            if score.num_samples:
                print(score.row(name), flush=True)
                whole.join(score)
    print(whole.row("all together"))
    if not only:
        await olmocr_tests(reader, alone=True)
    reader.renderer.close()


async def main(only: str) -> None:
    engine = OrRefused(timeout_s=60)
    await engine.start()
    await accuracy(engine, only)
    await share(engine)
    await engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="sets whose name contains this")
    asyncio.run(main(parser.parse_args().only))
