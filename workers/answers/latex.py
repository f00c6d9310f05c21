"""Restores LaTeX commands that JSON has swallowed: in JSON, `"\\frac"` is a form feed and "rac".

It works on decoded text. A backspace or form feed before a letter can only come from `\\b…` or `\\f…`. Tabs, line feeds and returns
also occur in ordinary text. They count as LaTeX only if what follows completes a known command as a whole word, and if it stands in
a formula (or `$…$`) or is no English word ("heta"). Text that may be either is left as it is and flagged.
"""

import re
from typing import NamedTuple

_SURE = {
    "\t": "heta|imes|ext(?= ?\\{)|ag(?=\\{)|ext(?:bf|it|rm|sf|tt|style)|frac|riangle(?:left|right|down|q)?|herefore|ilde",
    "\n": "abla|eq|eg|leq|geq|otin|exists|mid|onumber|subseteq|supseteq|olimits|parallel|earrow|warrow|prec|succ|ewcommand|ewline",
    "\r": "ho|ight(?:arrow|harpoonup|leftharpoons)?|angle|ceil|floor|brace|brack|aisebox|elax|isingdotseq|times",
}
"""Endings that complete a command and are no words of their own. They are restored inside formulas."""
_MAYBE = {"\t": "ext|au|anh?|op?|ag|o", "\n": "u|e|i|ot|eg|atural|orm|sim", "\r": "m|e|ef"}
"""Endings that complete a command but may be a variable or a word. They are never restored, and flagged inside formulas."""
_IN_TEXT = {
    "\t": "heta|imes|ext(?= ?\\{)|ag(?=\\{)|ext(?:bf|it|rm|sf|tt)|herefore",
    "\n": "abla|otin|onumber",
    "\r": "ightarrow|floor",
}
"""Endings that are LaTeX even outside a formula."""
_LETTER = r"(?![A-Za-z])"
_DOLLARS = re.compile(r"(\$\$[^$]{1,4000}\$\$|\$[^$]{1,1000}\$)")


def _compiled(table: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<c{ord(char)}>{char}(?=(?:{rest}){_LETTER}))" for char, rest in table.items()))


_SURE_RE, _MAYBE_RE, _IN_TEXT_RE = _compiled(_SURE), _compiled(_MAYBE), _compiled(_IN_TEXT)
_ALWAYS_RE = re.compile(r"[\b\f](?=[A-Za-z])")
_LETTER_OF = {"\b": "\\b", "\f": "\\f", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


class Mended(NamedTuple):
    text: str
    is_repaired: bool
    is_suspect: bool
    """True if something was left that may be LaTeX."""


def mend_latex(text: str, *, is_formula: bool = False) -> Mended:
    """The text with swallowed commands restored. `is_formula`: all of it is LaTeX; else only the parts between dollars are."""
    if not any(char in text for char in _LETTER_OF):
        return Mended(text, False, False)
    mended = _ALWAYS_RE.sub(_restore, text)
    if is_formula:
        mended, is_suspect = _mend_formula(mended)
    else:
        parts = _DOLLARS.split(mended)
        formulas = [_mend_formula(part) for part in parts[1::2]]
        parts[1::2] = [formula for formula, _ in formulas]
        is_suspect = any(suspect for _, suspect in formulas)
        mended = "".join(_IN_TEXT_RE.sub(_restore, part) if index % 2 == 0 else part for index, part in enumerate(parts))
    return Mended(mended, mended != text, is_suspect)


def _mend_formula(text: str) -> tuple[str, bool]:
    mended = _SURE_RE.sub(_restore, text)
    return mended, bool(_MAYBE_RE.search(mended))


def _restore(match: re.Match[str]) -> str:
    return _LETTER_OF[match.group()]
