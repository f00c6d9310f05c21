"""How a password may have been spelled when a PDF was locked with it."""

import stringprep
import unicodedata
from collections.abc import Iterable


def spellings(passwords: Iterable[str]) -> list[str]:
    """What to try, in order: the empty one, each as given, each after SASLprep (ISO 32000-2 asks for it from revision 6 on)."""
    tried = [""]
    for password in passwords:
        tried += [password, saslprep(password)]
    return [each for each in dict.fromkeys(tried) if each.isascii() or _is_text(each)]


def saslprep(text: str) -> str:
    """RFC 4013's mapping and normalisation. Its prohibitions are left out: a password that breaks them merely opens nothing."""
    mapped = (" " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char))
    return unicodedata.ucd_3_2_0.normalize("NFKC", "".join(mapped))


def _is_text(text: str) -> bool:
    return not any(unicodedata.category(char) == "Cs" for char in text)
