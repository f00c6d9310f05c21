"""What is right of the inputs of `../shared/cases`, as its `expected.txt` files say in words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROSE = "The harbour board publishes a statement of its dues every spring."
LONG_PROSE = (
    f"{PROSE} Vessels of less than twenty metres pay by the night, larger ones by the gross ton. The figures below were agreed "
    "with the pilots and hold until the end of the season. Fishing boats that are registered here pay nothing in winter. "
    "Questions go to the office beside the slipway, which is open on working days from nine in the morning until noon."
)


@dataclass(frozen=True)
class Expected:
    """Of the whole file's plain text, white space as one blank."""

    has: Sequence[str] = ()
    """Each must be in it; of alternatives parted by " || " one."""
    lacks: Sequence[str] = ()
    flags: Sequence[str] = ()
    """Flags or kinds of failures that must be there."""
    no_flags: Sequence[str] = ()
    order: Sequence[str] = ()
    """Must come in this order."""
    block: Sequence[str] = ()
    """Patterns that must each fit the beginning of a block, written "kind: text in Markdown"."""

    def judged(self, text: str, flags: frozenset[str], blocks: Sequence[str]) -> Iterator[tuple[str, bool]]:
        for wanted in self.has:
            yield f"has {wanted!r}", any(part in text for part in wanted.split(" || "))
        for unwanted in self.lacks:
            yield f"lacks {unwanted!r}", unwanted not in text
        for flag in self.flags:
            yield f"flag {flag}", any(part in flags for part in flag.split(" || "))
        for flag in self.no_flags:
            yield f"no flag {flag}", flag not in flags
        if self.order:
            places = [text.find(part) for part in self.order]
            yield f"order {self.order}", min(places) >= 0 and places == sorted(places)
        for pattern in self.block:
            yield f"block {pattern!r}", any(re.match(pattern, block, re.DOTALL) for block in blocks)


_FORM = Expected(has=("Aldermann", "HB-4471", "North", "☒ || ☑ || [x]", "☐ || [ ]"), lacks=("Resident: 3", "Resident: 4"))
_CROP = Expected(has=("Inside the crop box", LONG_PROSE), lacks=("OUTSIDE",))
_SHEETS = Expected(has=("sheet 1 || Sheet 1", "sheet 2 || Sheet 2", "sheet 3 || Sheet 3"))
_FAX = Expected(
    has=(
        "Harbour office",
        "Grey Point Marine",
        "Please reserve berth 12 for the vessel Curlew",
        "Order number 7731-04, amount 480.00",
    ),
    order=("Harbour office", "14 March", "Please reserve", "Order number", "Kind regards"),
)
_HEBREW = Expected(
    has=("מחיר העגינה בשנת 2024 הוא 480 שקל", "טלפון 03-5551234 (משרד הנמל)", "סך הכול 1,250.50 לפני מס"),
)
_LIGATURES = Expected(
    has=(
        "The office of the harbour’s chief pilot is the first house on the quay. The final figures for fishing are official once "
        "the officer has signed them. Five flags fly from the staff when the traffic is stopped by fog. Certificates are filed by "
        "the firm that fixed the engine.",
    ),
    lacks=("\ufffd", "o&ce"),
    flags=("text_layer_mended",),
)
_LEVELS = Expected(
    has=("North 110 120 130 140", "East 310 320 330 340"),
    order=("2023", "Q1", "Q2", "110", "340"),
)

EXPECTED: dict[str, Expected] = {
    "acroform-values/filled_needappearances.pdf": _FORM,
    "acroform-values/filled_stale_appearance.pdf": _FORM,
    "acroform-values/filled_with_appearance.pdf": _FORM,
    "animated-images/sheets.gif": _SHEETS,
    "animated-images/sheets.webp": _SHEETS,
    "animated-images/sheets.tiff": _SHEETS,
    "annotations/annots.pdf": Expected(has=("typed: berth 12", "Approved by the board", LONG_PROSE), lacks=("CALL BACK",)),
    "boxes/crop_off_origin.pdf": _CROP,
    "boxes/inverted_boxes.pdf": _CROP,
    "boxes/userunit.pdf": Expected(has=("Inside the crop box", LONG_PROSE)),
    "damaged/leading_junk.pdf": Expected(has=("a",)),
    "damaged/cut_60.pdf": Expected(flags=("repaired",)),
    "damaged/flat_zeros.pdf": Expected(flags=("repaired || render_warnings || content_lost",)),
    "drop-cap/dropcap.pdf": Expected(has=("Once the harbour wall was finished the fleet moved in behind it, and the old",)),
    "drop-cap/dropcap2.pdf": Expected(
        has=("THE wall of the harbour was built in the year of the storm, and the fleet moved in behind it soon after.",)
    ),
    "fax-non-square-pixels/fax_204x196.tiff": _FAX,
    "fax-non-square-pixels/fax_204x98.tiff": _FAX,
    "finance-table/statement.pdf": Expected(
        has=("Harbour dues $ 1,250 $ 1,185 || Harbour dues $1,250 $1,185", "Grants 300 -", "Repairs (420) (388)", "Staff (510)"),
        block=(r"table: .*\| Staff \| +\| \(510\) \|",),
    ),
    "hebrew-numbers/htmlbox.pdf": _HEBREW,
    "hebrew-numbers/visual.pdf": _HEBREW,
    "hebrew-numbers/word_by_word.pdf": Expected(has=(_HEBREW.has[0], _HEBREW.has[2])),  # it has no second line
    "heic/receipt.heic": Expected(has=("Receipt 7731 total 48.20",)),
    "invoice-head/invoice.pdf": Expected(
        has=(
            "Bill to: Curlew Marine Ltd 4 Slipway Lane Saltmarsh",
            "Invoice no. 5501",
            "Date 14 March",
            "Due 13 April",
            "Customer 7731",
            "6 80.00 480.00",
        ),
        block=(r"table: .*Item \| Qty \| Price \| Amount",),
    ),
    "layer-off/layers.pdf": Expected(has=("Tender for the slipway", "Price 72,500"), lacks=("SUPERSEDED", "99,000")),
    "letter-spaced/blanks.pdf": Expected(has=("ANNUAL REPORT",)),
    "letter-spaced/tracked.pdf": Expected(has=("ANNUAL REPORT", "MOORING DUES AND FEES", "Net income 1,250")),
    "letter-spaced/thresholds.pdf": Expected(
        has=tuple(f"ANNUAL REPORT {spacing}" for spacing in (5, 10, 15, 20, 25, 30, 40)),
    ),
    "lost-ligatures/mapped_wrong.pdf": _LIGATURES,
    "lost-ligatures/unmapped.pdf": _LIGATURES,
    "margin-line-numbers/pleading.pdf": Expected(
        has=(f"{LONG_PROSE} {LONG_PROSE}", "larger ones by"), lacks=("spring. 2 ", "2 Vessels")
    ),
    "portfolio/portfolio.pdf": Expected(flags=("has_attachments || attachments_unread || embedded_files",)),
    "short-two-columns/two_lines.pdf": Expected(
        has=("The committee met twice in the spring and agreed on the new rates.", "longer season, and the board took note of it."),
    ),
    "short-two-columns/signatures.pdf": Expected(order=("For the harbour board", "A. Curlew", "For the pilots", "B. Plover")),
    "short-two-columns/slide.pdf": Expected(order=("Boat owners", "Dues rise", "Pilots", "Winter traffic", "Board", "The fund")),
    "side-headings/side.pdf": Expected(
        order=("Purpose", PROSE, "Dues", "the gross ton.", "Contact", "pay nothing in winter."),
        has=("larger ones by",),
    ),
    "symbol-fonts/word_pua.pdf": Expected(
        has=("Pay the dues", "Sign the form", "☒ Resident || ☑ Resident", "☐ Exempt"),
        lacks=("\uf0b7", "\uf0fe", "\uf0a8"),
        block=(r"list_item: .*Pay the dues", r"list_item: .*Sign the form"),
    ),
    "symbol-fonts/zapf.pdf": Expected(
        has=(
            "Resident",
            "Exempt",
            "✔ Resident || ☑ Resident || ☒ Resident || ✓ Resident",
            "❏ Exempt || ☐ Exempt || ❑ Exempt || □ Exempt",
        ),
        lacks=("4 Resident", "o Exempt", "n Exempt", "J Exempt", "G Pay", "I Sign"),
    ),
    "two-level-header/borderless.pdf": _LEVELS,
    "two-level-header/ruled.pdf": _LEVELS,
    "xfa-please-wait/xfa.pdf": Expected(flags=("xfa_form || xfa_unread || xfa || is_xfa",)),
}
