"""What `rules` finds in the pixels, as reading order takes it."""

from typing import NamedTuple

from schemas.page import Box


class Rule(NamedTuple):
    """A straight line: across, `place` is its y and `start` its left end; down, `place` is its x and `start` its upper end."""

    place: float
    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


class Rules(NamedTuple):
    across: tuple[Rule, ...] = ()
    down: tuple[Rule, ...] = ()

    def turned_left(self, width: float) -> "Rules":
        """As on the page turned a quarter to the left, as `pieces.turned_left` turns its words."""
        across = (Rule(width - x, top, bottom) for x, top, bottom in self.down)
        return Rules(tuple(sorted(across)), tuple(Rule(y, width - right, width - left) for y, left, right in self.across))

    def turned_right(self, height: float) -> "Rules":
        down = (Rule(height - y, left, right) for y, left, right in self.across)
        return Rules(tuple(Rule(x, height - bottom, height - top) for x, top, bottom in self.down), tuple(sorted(down)))

    def outside(self, box: Box) -> "Rules":
        """Those across that do not lie in the box for the most part."""
        return self._replace(across=tuple(rule for rule in self.across if not _lies_in(rule, box)))


def _lies_in(rule: Rule, box: Box) -> bool:
    shared = min(rule.end, box.right) - max(rule.start, box.left)
    return box.top - 2 <= rule.place <= box.bottom + 2 and shared > 0.8 * rule.length
