import pytest

from schemas.page import ACROSS, Word
from workers.engines.classic.reading_order.bullets import with_bullets
from workers.engines.classic.reading_order.pieces import Piece


def piece(text: str, left: float, top: float = 0.0) -> Piece:
    return Piece(((int(left + 1000 * top), Word(text, left, top, left + 5 * len(text), top + 12, 0, 0, 10.0, ACROSS)),))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([piece("•", 0), piece("•", 0, 20), piece("Pay", 20), piece("Sign", 20, 20)], ["• Pay", "• Sign"]),
        ([piece("☐", 0), piece("Exempt", 40)], ["☐ Exempt"]),
        ([piece("•", 0), piece("far", 40)], ["•", "far"]),
        ([piece("North", 0), piece("✓", 60), piece("yes", 80)], ["North", "✓", "yes"]),  # a table's cell
        ([piece("☑", 0), piece("☐", 20), piece("No", 40)], ["☑", "☐", "No"]),
        ([piece("•", 0), piece("below", 20, 20)], ["•", "below"]),
        ([piece("plain", 0)], ["plain"]),
    ],
)
def test_a_bullet_goes_to_what_it_opens(pieces: list[Piece], expected: list[str]) -> None:
    found = with_bullets(pieces)

    assert [piece.text for piece in found] == expected
    assert sorted(index for piece in found for index, _ in piece.words) == sorted(index for p in pieces for index, _ in p.words)
