"""Letters of the Latin script that the model takes for others: ɛ for Greek ε or e, ɔ for ə or o.

They are in its dictionary, and yet of Ewe, Akan, Bambara, Fon and their neighbours 6 to 27 % of the characters come out wrong. The
ε and ə among them are no letters of these languages, and so show what page it is.
"""

import re

MIN_WORDS = 20
"""Words below which their shares say nothing."""
MIN_SHARE = 0.03
"""Of the page's words those with a lookalike: 7 to 51 % of clean scans in such languages, 3 to 31 % of worn ones."""
MIN_DIFFERENT = 3
"""Different words with one."""
_WORD = re.compile(r"[^\W\d_]+")
_EPSILON = re.compile(r"[a-z]ε")
"""Behind a small letter: formulas begin with it (εmax), and units have others (μm, kΩ)."""
OWN_SHARE = 0.05
"""Of a page's letters ə, from which it is its own: Kanuri has 6 %, Azerbaijani 12 %, and both are read right. On full pages ɔ gives
at most 4 %."""
MIN_WITH_EPSILON = 3
"""Words with ε, beside which ə is not the page's own however frequent it is."""
_AZERBAIJANI, _RARER = "ğşŞİ", 20
"""Letters of Azerbaijani beside its ə, and how much rarer they are at most: pages of two languages have less of both."""


def are_misread(text: str) -> bool:
    """True if many words of the page have a letter that stands for ɛ or ɔ.

    Words with capitals inside do not count: they are symbols (FcεRI). Made scans of 21 texts with these letters are all found,
    clean and worn, and of 31 that are read right none; Lingala and Mossi have too few.
    """
    words = _WORD.findall(text)
    if len(words) < MIN_WORDS:
        return False
    with_epsilon = [word for word in words if word[1:].islower() and _EPSILON.search(word)]
    num_schwas = text.count("ə")
    is_own = num_schwas >= OWN_SHARE * sum(map(len, words)) or _RARER * sum(map(text.count, _AZERBAIJANI)) >= num_schwas
    if is_own and len(with_epsilon) < MIN_WITH_EPSILON:
        return False
    found = [word for word in words if word[1:].islower() and (_EPSILON.search(word) or "ə" in word)]
    return len(found) >= MIN_SHARE * len(words) and len(set(found)) >= MIN_DIFFERENT
