"""Which lines of a table make one row: wrapped cells are joined, headings of sections stay rows of their own."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from workers.engines.classic.reading_order.tables.row_line import RowLine
from workers.engines.classic.reading_order.tables.table_heads import head_rows, is_first_of_section, num_head_lines
from workers.engines.classic.reading_order.tables.table_lines import box_of, has_digits, is_number, text_of

WIDE = 0.45
"""In font sizes: a gap between lines that is so much more than usual parts rows."""
FULL = 0.5
"""In font sizes: so much may be left of a cell's width, were the next line's first word set behind it, where the line is full."""


def grouped(lines: Sequence[RowLine], parts: Sequence[float] = (), num_head: int | None = None) -> list[list[RowLine]]:
    """Lines of each row, from top to bottom. `parts`: places of rules across the table, no row goes over one."""
    if num_head is None:
        num_head = num_head_lines(lines)
    bands = _bands(lines, parts)
    rules_rows = len(bands) >= 4 and sum(len(band) > 1 for band in bands) <= 0.7 * len(bands)
    groups: list[list[RowLine]] = []
    done = 0
    for band in bands:
        head = band[: max(num_head - done, 0)]
        body = band[len(head) :]
        done += len(band)
        groups += head_rows(head)
        if rules_rows and body and sum(line.numbers > 0 for line in body) <= 1 and len(body) <= 6:
            groups.append(list(body))
        else:
            groups += _body_rows(body, lines)
    return groups


def _bands(lines: Sequence[RowLine], parts: Sequence[float]) -> list[list[RowLine]]:
    bands: list[list[RowLine]] = [[]]
    rest = sorted(parts)
    for line in lines:
        middle = (line.top + line.bottom) / 2
        while rest and rest[0] < middle:
            rest.pop(0)
            if bands[-1]:
                bands.append([])
        bands[-1].append(line)
    return [band for band in bands if band]


def _body_rows(lines: Sequence[RowLine], table: Sequence[RowLine]) -> list[list[RowLine]]:
    label_right = max((box_of(label).right for line in table if (label := line.label()) and not line.has_span), default=0.0)
    has_numbers = sum(line.numbers > 0 for line in lines) >= 0.4 * len(lines)
    gaps = [after.top - before.bottom for before, after in pairwise(lines)]
    tight = statistics.quantiles(gaps, n=4)[0] if len(gaps) > 1 else (gaps[0] if gaps else 0.0)
    num_wide = sum(gap > tight + WIDE * lines[0].size for gap in gaps)
    is_spaced = 0.2 * len(gaps) <= num_wide <= 0.8 * len(gaps) and num_wide >= 2
    groups: list[list[RowLine]] = []
    for index, line in enumerate(lines):
        previous = groups[-1] if groups else None
        if index and is_first_of_section(lines, index):
            groups.append([line])
        elif previous and _continues(
            previous, line, gaps[index - 1], tight, label_right, has_numbers=has_numbers, is_spaced=is_spaced
        ):
            previous.append(line)
        else:
            groups.append([line])
    return groups


def _continues(
    row: Sequence[RowLine], line: RowLine, gap: float, tight: float, label_right: float, *, has_numbers: bool, is_spaced: bool
) -> bool:
    last = row[-1]
    if gap > tight + WIDE * line.size or line.has_span or last.has_span:
        return False
    if abs(last.size - line.size) > 0.2 * line.size:
        return False
    if not line.has_label:
        above = {first: text_of([atoms]) for each in row for (first, _), atoms in each.cells.items()}
        are_numbers = [is_number(above.get(first, "0")) for first, _ in line.cells]
        return any(each.has_label for each in row) and not any(are_numbers)
    label, before = line.label(), last.label()
    if label is None or before is None:
        return is_spaced and not line.numbers
    text, text_before = text_of([label]), text_of([before])
    is_full = (
        box_of(before).right + label[0].words[0][1].right - label[0].words[0][1].left + 0.25 * line.size
        > label_right - FULL * line.size
    )
    is_indented = box_of(label).left - box_of(before).left > 0.4 * line.size
    goes_on = text[:1].islower() or text_before.endswith((",", "-", "–", "/", "&", " and", " of", " the", "(")) or is_indented
    if any(each.numbers for each in row) and line.numbers:
        return False
    if has_numbers and row[0].is_label and all(each.is_label for each in row) and not text[:1].islower():
        # a heading of a section, or the beginning of a label that goes on beside its numbers
        return is_full and not text_before.endswith(":") and not has_digits(text[:1]) and before[0].is_bold == label[0].is_bold
    if is_spaced and not has_numbers:
        return True
    return is_full and goes_on and (line.is_label or not any(each.numbers for each in row))
