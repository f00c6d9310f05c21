"""How many decode steps drafts save on real text layers. The true answer is written token by token, as by a model that gives it,
and before each step the drafters of the engine `ovis` propose what comes next.

    python -m tests.bench drafts --tokenizer FOLDER [--only NAME]

`--tokenizer`: a folder with the model's own tokenizer, such as that of the checkpoint. The truth is the Markdown of
`../shared/data` (olmOCR's output, docling's reviewed output, the declaration of human rights laid out here), also as the JSON that
Pagefold asks for. `accepted`: of the proposed tokens. `steps`: decode steps a token; 1 without drafts. Drafts are as deep as the
engine makes them where a draft token costs 2 % of a step, about a GPU's share. Halves: what is tuned is tuned on every second
sample, from the first (even).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.page import Word
from schemas.settings import RegionSettings, RenderSettings
from tests.bench.reading.cer import FONTS, Sample, declaration, docling, olmocr_markdown
from workers.answers.markdown_answer import parse_markdown
from workers.engines.ovis.attention.cache_attention import MAX_QUERIES
from workers.engines.ovis.checkpoint.loading import read_tokenizer
from workers.engines.ovis.drafts.aligned_text import AlignedText, bare_tokens
from workers.engines.ovis.drafts.depth import Depth
from workers.engines.ovis.drafts.drafter import Drafter, FirstOf
from workers.engines.ovis.drafts.own_text import OwnText
from workers.rendering.renderer import Renderer
from workers.text.drafts import answer_like

BREAK_EVEN = 0.02


@dataclass
class Count:
    num_answers: int = 0
    num_tokens: int = 0
    num_steps: int = 0
    num_drafted: int = 0
    num_accepted: int = 0

    def add(self, other: "Count") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        accepted = self.num_accepted / max(self.num_drafted, 1)
        return f"{accepted:8.0%} {self.num_steps / max(self.num_tokens, 1):6.2f}"


def forced(answer: Sequence[int], drafter: Drafter, break_even: float = BREAK_EVEN) -> Count:
    """What it takes to say `answer`, if the model says just that."""
    depth, count, at = Depth(), Count(1, len(answer)), 0
    while at < len(answer):
        count.num_steps += 1
        most = min(MAX_QUERIES - 1, depth.most(break_even), len(answer) - at - 1)
        if most <= 0:
            depth.rest()
        draft = drafter.propose(answer[:at], most)[:most] if most > 0 else []
        num_accepted = 0
        while num_accepted < len(draft) and draft[num_accepted] == answer[at + num_accepted]:
            num_accepted += 1
        if draft:
            depth.learn(num_accepted, len(draft))
        count.num_drafted += len(draft)
        count.num_accepted += num_accepted
        at += num_accepted + 1
    return count


def truths(sample: Sample) -> dict[str, str]:
    """The sample's reference in both forms in which a model may be asked for it."""
    blocks = parse_markdown(sample.reference, is_complete=True).answer.model_dump(mode="json", exclude_none=True)["blocks"]
    bare = [{key: value for key, value in block.items() if key not in ("box", "confidence", "num_header_rows")} for block in blocks]
    return {
        "Markdown": sample.reference,
        "JSON": json.dumps({"languages": ["en"], "blocks": bare}, ensure_ascii=False),
    }


class Bench:
    def __init__(self, tokenizer: Any) -> None:
        self._encode: Callable[[str], list[int]] = lambda text: tokenizer.encode(text, add_special_tokens=False)
        self._known = bare_tokens(tokenizer.get_vocab())

    def drafters(self, words: Sequence[Word], *, is_json: bool) -> dict[str, Drafter]:
        def layer() -> AlignedText:
            return AlignedText(self._encode(answer_like(words, is_json=is_json)), *self._known)

        return {"own text": OwnText(), "layer": layer(), "both": FirstOf(layer(), OwnText())}

    def counts(self, sample: Sample, words: Sequence[Word]) -> dict[tuple[str, str], Count]:
        return {
            (form, name): forced(self._encode(text), drafter)
            for form, text in truths(sample).items()
            for name, drafter in self.drafters(words, is_json=form == "JSON").items()
        }


def layers(samples: Iterator[Sample]) -> Iterator[tuple[Sample, list[Word]]]:
    """The samples that have a text layer, with its words."""
    renderer = Renderer(RenderSettings(dpi_max=72), RegionSettings(enabled=False), [])
    try:
        for sample in samples:
            renderer.probe(sample.path, None, None)
            pages = list(renderer.render(sample.path, sample.pages))
            if words := [word for page in pages if page.text_layer for word in page.text_layer.words]:
                yield sample, words
    finally:
        renderer.close()


def sets(folder: Path) -> dict[str, Iterator[Sample]]:
    declarations = (sample for language in FONTS for sample in declaration(language, folder, is_image=False))
    return {
        "olmOCR": olmocr_markdown(),
        "docling, Latin": docling(rtl=False),
        "docling, Arabic": docling(rtl=True),
        "declarations": declarations,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with the model's tokenizer")
    parser.add_argument("--only", default="", help="sets whose name contains this")
    given = parser.parse_args(arguments)
    bench = Bench(read_tokenizer(given.tokenizer))
    print(f"{'set':18}{'half':6}{'form':10}docs   tokens{'own text':>17}{'layer':>17}{'both':>17}")
    print(" " * 48 + "  accepted  steps" * 3)
    with tempfile.TemporaryDirectory() as folder:
        for name, samples in sets(Path(folder)).items():
            if given.only not in name:
                continue
            totals: dict[tuple[str, str, str], Count] = {}
            for index, (sample, words) in enumerate(layers(samples)):
                for (form, who), count in bench.counts(sample, words).items():
                    totals.setdefault(("odd" if index % 2 else "even", form, who), Count()).add(count)
            for half, form in sorted({key[:2] for key in totals}):
                of_drafters = [totals[half, form, who] for who in ("own text", "layer", "both")]
                one = of_drafters[0]
                figures = "".join(f"  {each}" for each in of_drafters)
                print(f"{name:18}{half:6}{form:10}{one.num_answers:4} {one.num_tokens:8}{figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
