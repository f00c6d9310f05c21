"""Small inputs that went wrong once, of `../shared/cases` and made here: what is right of each with the engine `classic`.

    python -m tests.bench cases [--only NAME] [--show]

Prints a line per check that is wrong, then right of all by case. `--show` prints what was read. What is made here (`made:`) is
drawn by `tests.workers.made_text`, a kind in several variants: `--held-back` draws those that nothing was tuned on. `--peer` judges
pymupdf4llm's text of the PDFs beside ours, by the checks that look at text alone.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from schemas.failure import PageError
from schemas.page import PageEdges, RenderedPage
from schemas.settings import EngineSettings, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_CASES
from tests.bench.reading.cer import request_of
from tests.bench.reading.expected_cases import EXPECTED, Expected
from tests.workers import made_text
from workers.answers.parse import parse_answer
from workers.engines.engine import Engine
from workers.engines.registry import make_engine
from workers.rendering.renderer import Renderer
from workers.text.content import ocr_content
from workers.text.markdown import plain_text

MAX_PAGES = 6


class Read(NamedTuple):
    text: str
    """Of all pages, white space as one blank."""
    flags: frozenset[str]
    """Also the kinds of failures."""
    blocks: list[str]


class Score:
    def __init__(self) -> None:
        self.right: dict[str, list[bool]] = {}

    def summary(self) -> str:
        everything = [result for results in self.right.values() for result in results]
        num_whole = sum(map(all, self.right.values()))
        return f"{sum(everything)} of {len(everything)} checks, {num_whole} of {len(self.right)} cases all right"

    def judge_peer(self, name: str, expected: Expected, path: Path) -> None:
        """Flags and blocks are ours alone."""
        texts = replace(expected, flags=(), no_flags=(), block=())
        try:
            text = " ".join(plain_text(peer_markdown(path)).split())
        except Exception as error:  # noqa: BLE001 (its faults are its score)
            print(f"peer   {name}: {type(error).__name__}")
            text = ""
        self.right.setdefault(name, []).extend(is_right for _, is_right in texts.judged(text, frozenset(), []))

    def judge(self, name: str, expected: Expected, read: Read) -> None:
        for check, is_right in expected.judged(read.text, read.flags, read.blocks):
            self.right.setdefault(name, []).append(is_right)
            if not is_right:
                print(f"wrong  {name}: {check}")


def peer_markdown(path: Path) -> str:
    import pymupdf4llm

    return str(pymupdf4llm.to_markdown(str(path), show_progress=False))


async def read_file(engine: Engine, renderer: Renderer, path: Path) -> Read:
    """As the pipeline does, at most MAX_PAGES pages."""
    try:
        num_pages = renderer.probe(path, None, None).num_pages or 0
    except PageError as error:
        return Read("", frozenset([error.kind]), [])
    texts: list[str] = []
    flags: set[str] = set()
    blocks: list[str] = []
    for page in renderer.render(path, range(min(num_pages, MAX_PAGES))):
        if page.failure is not None:
            flags.add(page.failure.kind)
            continue
        flags.update(page.flags)
        if not page.is_blank:
            text, more, found = await read_page(engine, page)
            texts.append(text)
            flags.update(more)
            blocks += found
    return Read(" ".join(" ".join(texts).split()), frozenset(flags), blocks)


async def read_page(engine: Engine, page: RenderedPage) -> tuple[str, set[str], list[str]]:
    request = replace(request_of(page), edges=PageEdges(page.nearby, is_first=page.page_index == 0))
    completion = await engine.read(request)
    flags = {*completion.flags, *([completion.failure.kind.value] if completion.failure else [])}
    if not completion.text:
        return "", flags, []
    answer = parse_answer("ocr", completion.text, is_complete=True).answer
    content = ocr_content(answer, page, is_literal=completion.is_literal)  # type: ignore[arg-type]
    return content.text_plain or "", {*flags, *content.flags}, [f"{block.kind}: {block.text}" for block in content.blocks]


def files(folder: Path, *, held_back: bool) -> Iterator[tuple[str, Expected, Path]]:
    """Name, what is right, and where it lies."""
    for path in sorted(SHARED_CASES.glob("*/*")):
        name = f"{path.parent.name}/{path.name}"
        if path.suffix != ".txt" and name in EXPECTED:
            yield name, EXPECTED[name], path
    for made in made_text.held_back() if held_back else made_text.tuned():
        path = folder / f"{made.name.replace('/', '_')}.pdf"
        path.write_bytes(made.pdf)
        yield f"made:{made.name}", Expected(made.has, made.lacks, made.flags, made.no_flags), path


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--show", action="store_true", help="print what was read")
    parser.add_argument("--held-back", action="store_true", help="variants of the made cases that nothing was tuned on")
    parser.add_argument("--peer", action="store_true", help="judge pymupdf4llm, too")
    arguments = parser.parse_args()
    if arguments.peer and find_spec("pymupdf4llm") is None:
        print("pymupdf4llm is not installed here: no peer")
        arguments.peer = False
    if not SHARED_CASES.is_dir():
        print(f"the cases beside the repository are left out: there is no {SHARED_CASES}")
    engine = make_engine(EngineSettings())
    await engine.start()
    renderer = Renderer(RenderSettings(), RegionSettings(enabled=False), [])
    score, peer, ours = Score(), Score(), Score()
    with tempfile.TemporaryDirectory() as folder:
        for name, expected, path in files(Path(folder), held_back=arguments.held_back):
            if arguments.only not in name:
                continue
            read = await read_file(engine, renderer, path)
            if arguments.show:
                print(f"\n== {name} {sorted(read.flags)}", *read.blocks, sep="\n   ")
            score.judge(name, expected, read)
            if arguments.peer and path.suffix == ".pdf":
                peer.judge_peer(name, expected, path)
                texts = replace(expected, flags=(), no_flags=(), block=())
                ours.right[name] = [is_right for _, is_right in texts.judged(read.text, frozenset(), [])]
    renderer.close()
    await engine.close()
    print(f"\n{'case':48}right of")
    for name, results in score.right.items():
        print(f"{name:48}{sum(results):5}{len(results):3}{'' if all(results) else '   <- wrong'}")
    print(f"\n{score.summary()}")
    if arguments.peer:
        print(f"text of PDFs alone: {ours.summary()}\npymupdf4llm:        {peer.summary()}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
