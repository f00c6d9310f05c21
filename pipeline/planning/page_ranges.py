"""The pages of a document that a plan reads."""

from collections.abc import Iterator, Sequence
from itertools import count, islice


def selected_pages(num_pages: int, pages: Sequence[int] | None, page_range: str | None, max_pages: int) -> list[int]:
    """page_index of the pages to read, sorted: `pages` (in a retry), else those of `page_range`, at most `max_pages`.

    `page_range` counts from 1: `1-3,7,10-`. Pages that the document does not have are left out.
    """
    wanted = _wanted(pages, page_range)
    return list(islice((page for page in _until(wanted, num_pages)), max_pages))


def first_selected_pages(number: int, pages: Sequence[int] | None, page_range: str | None) -> list[int]:
    """The first `number` pages of a selection, for a document that cannot be opened any more but is known to have them."""
    return list(islice(_wanted(pages, page_range), number))


def _until(wanted: Iterator[int], num_pages: int) -> Iterator[int]:
    for page in wanted:
        if page >= num_pages:
            return
        yield page


def _wanted(pages: Sequence[int] | None, page_range: str | None) -> Iterator[int]:
    """The selected pages, ascending and without repeats. The iterator is endless for an open selection."""
    if pages is not None:
        return iter(sorted(set(pages)))
    if page_range is None:
        return count()
    return _merged([_bounds(part) for part in page_range.split(",")])


def _bounds(part: str) -> tuple[int, int | None]:
    first, dash, last = part.partition("-")
    start = max(int(first), 1) - 1  # a plan of an older version may hold a 0
    return start, (int(last) if last else None) if dash else start + 1


def _merged(ranges: list[tuple[int, int | None]]) -> Iterator[int]:
    done = 0
    for start, stop in sorted(ranges, key=lambda bounds: bounds[0]):
        if stop is None:
            yield from count(max(start, done))
        else:
            yield from range(max(start, done), stop)
            done = max(done, stop)
