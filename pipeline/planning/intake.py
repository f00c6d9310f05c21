"""Decides which listed sources are taken: by globs, a minimum age and markers of finished drops. Sources that are left out do not
count as deleted. The module also explains an input that lists nothing at all.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from difflib import SequenceMatcher
from functools import cache
from typing import Literal, NamedTuple

from pipeline.lake.ledger import Ledger
from pipeline.lake.opening import comparable
from schemas.errors import OperatorError
from schemas.settings import InputSettings
from schemas.source import Source
from workers.sources.listing import Listing

LeftOut = Literal["excluded", "too_young", "unmarked", "marker"]


class Taken(NamedTuple):
    source: Source
    left_out: LeftOut | None
    """Why the source is not read; None if it may be read."""


def take(listing: Listing, settings: InputSettings) -> Iterator[Taken]:
    """Every source of the listing, in its order, with the verdict. With `input.marker` the whole listing is read first, because the
    marker of a folder may be listed after its files."""
    fits = _fits(settings)
    if settings.marker is None:
        for source in listing:
            yield Taken(source, _left_out(source, listing, settings, fits))
        return
    is_marker = _pattern(settings.marker)
    sources = list(listing)
    names = [listing.relative(source.uri) for source in sources]
    marked = {name.rpartition("/")[0] for name in names if is_marker.fullmatch(name)}
    for source, name in zip(sources, names, strict=True):
        if is_marker.fullmatch(name):
            yield Taken(source, "marker")
        elif not _is_below(name, marked):
            yield Taken(source, "unmarked")
        else:
            yield Taken(source, _left_out(source, listing, settings, fits))


def empty_text(input: str, listing: Listing, ledger: Ledger, *, num_known: int) -> str:
    """Explains an input that lists nothing by what the lake knows there or nearby, in a sentence without capital and full stop.

    num_known: sources that the lake knows below the input and has not noted as deleted.
    """
    text = f"the input {input} lists nothing"
    if num_known:
        return f"{text}: {num_known} sources that are known there are not taken for deleted"
    if not len(ledger):
        return text
    folder, num_below = _closest_folder(listing.root, ledger)
    if folder is None:
        return f"{text}; the lake knows {len(ledger)} sources, all of them elsewhere"
    return f"{text}; the lake knows {num_below} sources below {folder}: is that meant?"


_MAX_FOLDERS = 1000
_CLOSE = 0.6


def _closest_folder(root: str, ledger: Ledger) -> tuple[str | None, int]:
    """The known folder of the same depth with the name most like `root`, and its number of sources; None if no name is close."""
    depth = root.count("/") + 1
    below = Counter("/".join(state.uri.split("/", depth)[:depth]) for state in ledger.newest() if state.uri.count("/") >= depth)
    likeness = {folder: _likeness(root, folder) for folder, _ in below.most_common(_MAX_FOLDERS)}
    closest = max(likeness, key=lambda folder: likeness[folder], default=None)
    return (closest, below[closest]) if closest is not None and likeness[closest] >= _CLOSE else (None, 0)


def _likeness(one: str, other: str) -> float:
    """Likeness, 0 to 1, of the two parts that differ most, of two paths of the same depth."""
    return min(SequenceMatcher(None, *parts).ratio() for parts in zip(one.split("/"), other.split("/"), strict=True))


def _left_out(source: Source, listing: Listing, settings: InputSettings, fits: Callable[[str], bool] | None) -> LeftOut | None:
    if fits is not None and not fits(listing.relative(source.uri)):
        return "excluded"
    if settings.min_age_s and listing.now - source.last_modified < timedelta(seconds=settings.min_age_s):
        return "too_young"
    return None


def _is_below(name: str, folders: set[str]) -> bool:
    """True if one of the folders around the file, the input itself ("") included, is among `folders`."""
    folder = name
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return True
    return False


def _fits(settings: InputSettings) -> Callable[[str], bool] | None:
    """A test for relative names by the include and exclude globs; None if there are no globs."""
    if not settings.include and not settings.exclude:
        return None
    include = [_pattern(glob) for glob in settings.include]
    exclude = [_pattern(glob) for glob in settings.exclude]

    def fits(name: str) -> bool:
        if include and not any(pattern.fullmatch(name) for pattern in include):
            return False
        return not any(pattern.fullmatch(name) for pattern in exclude)

    return fits


_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]/]*\]|.", re.DOTALL)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """The regular expression of a glob: `a/*.pdf` matches in that folder, `a/**` everything below it, `**/a/*` in any folder `a`,
    `*.pdf` in any folder, `/*.pdf` at the top only."""
    anywhere = "" if "/" in glob else "(?:.*/)?"
    try:
        return re.compile(anywhere + "".join(_regex(part) for part in _PARTS.findall(glob.removeprefix("/"))), re.DOTALL)
    except re.error as error:
        raise OperatorError(f"the glob {glob!r} cannot be read: {error}.") from None


def _regex(part: str) -> str:
    if part == "**/":
        return "(?:.*/)?"
    if part == "**":
        return ".*"
    if part == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if part.startswith("[") and len(part) > 1:
        body = part[1:-1]
        negated = body.startswith(("!", "^"))
        inner = body[1:] if negated else body
        escaped = inner.replace("\\", "\\\\").replace("]", "\\]").replace("[", "\\[").replace("^", "\\^")
        return f"(?!/)[{'^' if negated else ''}{escaped}]"
    return re.escape(part)


def refuse_output_in_input(input: str, output: str) -> None:
    """Raises OperatorError if the output lies inside the input, because the next run would read its files."""
    inner, outer = comparable(output), comparable(input)
    if inner == outer or inner.startswith(f"{outer.rstrip('/')}/"):
        raise OperatorError(f"The output {output} lies inside the input {input}: its files would be read as input.")
