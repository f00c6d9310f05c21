"""Everything that draws lives with the system calls that are listed."""

import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from schemas.failure import PageError
from schemas.settings import MEBI, RegionSettings, RenderSettings
from tests.bench.inputs.places import SHARED_DATA
from tests.bench.rendering.sweep_render import inputs
from workers.rendering.renderer import Renderer
from workers.rendering.sandbox import seccomp as syscall_filter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="no system call filter for this platform"
    ),
]
FAULTS = Path(__file__).parents[2] / "faults"
EXAMPLES = Path(__file__).parents[4] / "pipeline" / "examples"
MOST_BYTES = MEBI // 2
FORMATS = {
    "PNG": {},
    "JPEG": {},
    "GIF": {},
    "BMP": {},
    "JPEG2000": {},
    "WEBP": {"lossless": True},
    "AVIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "TIFF, deflated": {"compression": "tiff_adobe_deflate"},
    "TIFF, JPEG": {"compression": "jpeg"},
}


class StrictRenderer(Renderer):
    _child_module = "strict_child"


@pytest.fixture(scope="module")
def strict() -> Iterator[Renderer]:
    settings = RenderSettings(wall_s=300, cpu_s=30)
    with pytest.MonkeyPatch.context() as patch, StrictRenderer(settings, RegionSettings(), []) as renderer:
        patch.syspath_prepend(FAULTS)
        yield renderer


def last_words(renderer: Renderer, path: Path, num_pages: int = 2) -> list[str]:
    """What went wrong with the document and its first pages."""
    try:
        count = renderer.probe(path, None, None).num_pages or 0
        pages = list(renderer.render(path, range(min(count, num_pages))))
    except PageError as error:
        return [error.message]
    return [page.failure.message for page in pages if page.failure]


def test_a_call_that_is_not_listed_ends_the_strict_process(strict: Renderer, pdf_of: Callable[..., Path]) -> None:
    assert last_words(strict, pdf_of("socket")) == ["the renderer died by signal SIGSYS"]


@pytest.mark.parametrize("name", FORMATS)
def test_each_image_format_needs_listed_calls_only(strict: Renderer, tmp_path: Path, name: str) -> None:
    path = tmp_path / "made"
    Image.effect_noise((640, 480), 60).convert("RGB").save(path, name.partition(",")[0], **FORMATS[name])

    assert last_words(strict, path) == []


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_each_example_needs_listed_calls_only(strict: Renderer, name: str) -> None:
    assert not any("died" in words for words in last_words(strict, EXAMPLES / name))


@pytest.mark.skipif(not (SHARED_DATA / "manifest.jsonl").exists(), reason="no shared data beside the checkout")
def test_each_format_of_the_shared_data_needs_listed_calls_only(strict: Renderer) -> None:
    """The smallest of each folder and suffix, and of each outcome that its manifest expects; half a megabyte at most."""
    rows = sorted(inputs(SHARED_DATA), key=lambda row: (SHARED_DATA / row["path"]).stat().st_size, reverse=True)
    smallest = {(Path(row["path"]).parts[0], Path(row["path"]).suffix.lower(), row["expected"]): row["path"] for row in rows}
    paths = [SHARED_DATA / path for path in smallest.values() if (SHARED_DATA / path).stat().st_size <= MOST_BYTES]

    died = {path.name: words for path in paths if "SIGSYS" in " ".join(words := last_words(strict, path, 1))}

    assert died == {}
    assert len(paths) >= 40


def test_the_list_says_each_call_once_and_the_same_for_both_machines() -> None:
    entries = re.findall(r"(\w+) (\d+|-) (\d+|-)(?= |$)", syscall_filter._LISTED, re.MULTILINE)

    assert len({name for name, _, _ in entries}) == len(entries) == len(syscall_filter._LISTED.split()) / 3
    for machine, column in (("x86_64", 1), ("aarch64", 2)):
        listed, conditional = syscall_filter.numbers(machine)
        assert len(listed) == sum(entry[column] != "-" for entry in entries)
        assert not listed & conditional
